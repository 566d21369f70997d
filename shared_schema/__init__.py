"""What a ticket is, every change anyone can make to it, and whether that change may be made.

Pure: nothing here learns the time, an id, a random number, a file or a socket; they arrive as arguments. Both the
phone (field_app) and the office (sync_server) import this package, and it imports neither.
"""
