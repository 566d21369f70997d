"""What a ticket is and which changes may be made to it: the rules as tables, as properties, and as bytes."""
