"""What the screens are functions of: the open store with its engine, and what is derived from a ticket to be shown."""
