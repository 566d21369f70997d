"""What the technician and the customer see, one module per screen. A screen is a function of the state."""
