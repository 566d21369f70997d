"""A whole company in one process, replayed from a number: the production code under simulated time, network and disks.

`python -m tests.simulation run --seed 7` (or `make simulate SEED=7`) is the same story byte for byte wherever it runs.
What is simulated: the clock of the event loop (`loop`), what SQLite writes on (`disks`, `sqlite_vfs`), the way between
a phone and the office (`network`). What people do and what goes wrong are tables (`people`, `mishaps`); what must hold
is `invariants`, what was promised to whom is `ledger`. `world` puts it together, `shrinking` makes a failure small,
`mutations` shows that the whole of it bites.
"""
