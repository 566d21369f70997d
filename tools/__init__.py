"""What is run while building and testing, and never shipped."""
