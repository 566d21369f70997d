"""What the stories of the tests are told with: tickets, phones, networks that fail, and a world with an office in it.

A builder shows only what matters to the story; everything else has a usual value.
"""
