"""The repository itself: who imports whom, what is documented, what is locked, what is translated."""
