"""The properties are tried on the same examples every time: a test that fails only sometimes helps nobody."""

from hypothesis import settings

settings.register_profile("doorstep", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("doorstep")
