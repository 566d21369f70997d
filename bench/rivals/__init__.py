"""Other servers that keep phones in step, driven on the same work by the same phones. `make bench-rivals`.

PocketBase by its batch API, and Kinto on PostgreSQL, both with authentication and as durable as they come. What they
are given is the narrower form of the work (bench.raw_sqlite): a record in a log and a record of a ticket with its ten
most needed fields for each operation; they judge nothing and keep no journal.
"""
