from bench.server import measure
f=measure(turns=3)
print(f, f.rounds_ratio, f.idle_ratio)
