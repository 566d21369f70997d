"""What the machine at hand allows and what Doorstep makes of it: ratios taken in the same run. `make bench`.

Absolute figures depend on the machine and on what else it does; a ratio of two things measured by turns holds. The
results go to docs/performance.md.
"""
