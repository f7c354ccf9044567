#!/usr/bin/env python3
"""Two results that should agree: safetensors files (relative errors, tensor by tensor), or logs of runs (losses).

    python3 bench/compare.py A.safetensors B.safetensors
    python3 bench/compare.py runs/a/log.jsonl runs/b/log.jsonl
"""
import json
import sys

from pytorch_unet import read_safetensors


def tensors(first, second):
    a, b = read_safetensors(first)[0], read_safetensors(second)[0]
    if a.keys() != b.keys():
        sys.exit(f"the files hold different tensors: {sorted(a.keys() ^ b.keys())}")
    for name in sorted(a):
        x, y = a[name].double(), b[name].double()
        print(f"{name:<40} {((x - y).norm() / y.norm().clamp_min(1e-30)).item():.3e}")


def losses(first, second):
    def read(path):
        lines = [json.loads(line) for line in open(path, encoding="utf-8")]
        return {line["step"]: line["loss"] for line in lines if "loss" in line}

    a, b = read(first), read(second)
    for step in sorted(a.keys() & b.keys()):
        print(f"step {step:<8} {a[step]:.6f}  {b[step]:.6f}  {abs(a[step] - b[step]) / b[step]:.2e}")


if len(sys.argv) != 3:
    sys.exit(__doc__)
(losses if sys.argv[1].endswith(".jsonl") else tensors)(*sys.argv[1:])
