#!/usr/bin/env python3
"""What the kernels of one training step cost, by name: python3 bench/gpu_kernels.py KERNELS.csv

KERNELS.csv is Nsight Compute's list of at least two steps (docs/gpu.md); a step ends with the last of the optimizer's
kernels, of which it has two (fp32 and bf16 gradients).
"""
import collections
import csv
import sys

MICROSECONDS = {"ns": 1e-3, "nsecond": 1e-3, "us": 1.0, "usecond": 1.0, "ms": 1e3, "msecond": 1e3}


def read(path):
    """(name, microseconds) of each launch."""
    with open(path, encoding="utf-8", errors="replace") as file:
        rows = [r for r in csv.reader(line for line in file if not line.startswith("==")) if len(r) > 3]
    head = next((i for i, r in enumerate(rows) if "Kernel Name" in r), None)
    if head is None:
        sys.exit(f"{path}: no list of kernels; run ncu with --csv and --log-file")
    name, value, unit = (rows[head].index(c) for c in ("Kernel Name", "Metric Value", "Metric Unit"))
    return [(r[name], float(r[value].replace(",", "")) * MICROSECONDS[r[unit]]) for r in rows[head + 1 :]]


def one_step(launches):
    ends = [i for i, (name, _) in enumerate(launches) if "adamw_kernel" in name]
    ends = [i for i, after in zip(ends, ends[1:] + [None]) if after != i + 1]  # the last of each run of them
    if len(ends) < 2:
        sys.exit("fewer than two steps were recorded: raise --launch-count")
    return launches[ends[0] + 1 : ends[1] + 1]


if len(sys.argv) != 2:
    sys.exit(__doc__)
step = one_step(read(sys.argv[1]))
time, count = collections.Counter(), collections.Counter()
for name, microseconds in step:
    time[name[:100]] += microseconds
    count[name[:100]] += 1
print(f"{len(step)} kernels, {sum(time.values()) / 1e3:.2f} ms")
for name, microseconds in time.most_common(50):
    print(f"{microseconds / 1e3:8.3f} ms {count[name]:5}  {name}")
