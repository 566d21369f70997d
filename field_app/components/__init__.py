"""The pieces screens are made of. Each is a function of what it is given; none of them changes anything by itself."""
