"""The properties are tried on the same examples every time: a test that fails only sometimes helps nobody.

Nor is anything timed: how long an example takes to be made is the machine's.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "doorstep", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("doorstep")
