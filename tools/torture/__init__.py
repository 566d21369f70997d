"""Real parts under `kill -9`: the office and phones as processes on real files, a network that fails in between.

    python -m tools.torture --kills 500 --seed 1

The office is `doorstep serve` as it is shipped. A phone is the app's own store, engine and actions on a real file
(`worker`), at work without a pause; it says on its standard output what it has just called saved. `network` relays
their connections and breaks them. `killing` ends each of them again and again by SIGKILL at moments nobody chose, and
`judge` looks at what is left, after every kill and when all has calmed down. The dice are seeded; the moments are not,
because the processes run in real time: to be repeated, not replayed. Loss of power is out of a process's reach; the
simulation has that.
"""
