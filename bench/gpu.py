#!/usr/bin/env python3
"""A GPU checked against the CPU, then measured beside PyTorch; ends with one table. docs/gpu.md says what for.

    python3 bench/gpu.py build out                       # about ten minutes; out/results.jsonl holds every figure
    python3 bench/gpu.py build out --checks              # no measurements
    python3 bench/gpu.py build out --device cpu --preset tiny --batches 4 --seconds 1     # a rehearsal without a GPU

Stops at the first check that fails. PyTorch's rows are left out where Python has none.
"""
import argparse
import importlib.util
import json
import random
import struct
import subprocess
import sys
from array import array
from pathlib import Path

HERE = Path(__file__).parent


def run(*command, quiet=True):
    """Its standard output; the whole program ends where the command fails."""
    print("$", *command, flush=True)
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE if quiet else None, text=True)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr or ''}\nexit status {done.returncode} of: {' '.join(map(str, command))}")
    return done.stdout


def pictures(path, count, size):
    """Random bytes as an npy file of (count, size, size, 3)."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, {size}, {size}, 3), }}"
    header += " " * (-(11 + len(header)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + random.Random(0).randbytes(count * size * size * 3))


def call_inputs(path, shape):
    """A safetensors file of what `langevin forward` takes: sample and timestep."""
    draw = random.Random(1)
    count = shape[0] * shape[1] * shape[2] * shape[3]
    x = array("f", (draw.gauss(0, 1) for _ in range(count))).tobytes()
    t = array("f", (999.0 * i / max(1, shape[0] - 1) for i in range(shape[0]))).tobytes()
    header = {"sample": {"dtype": "F32", "shape": shape, "data_offsets": [0, len(x)]},
              "timestep": {"dtype": "F32", "shape": [shape[0]], "data_offsets": [len(x), len(x) + len(t)]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + x + t)


def tensors(path):
    """The fp32 tensors of a safetensors file, without PyTorch."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        first, last = entry["data_offsets"]
        found[name] = array("f", data[8 + length + first : 8 + length + last])
    return found


def apart(first, second, limit):
    """Of all tensors together: Adam turns rounding into whole steps where a gradient is all but zero."""
    a, b = tensors(first), tensors(second)
    if a.keys() != b.keys():
        sys.exit(f"{first} and {second} hold different tensors")
    square = sum((x - y) ** 2 for name in a for x, y in zip(a[name], b[name]))
    error = (square / max(1e-30, sum(y * y for name in b for y in b[name]))) ** 0.5
    print(f"  relative error {error:.1e}, at most {limit:.0e}")
    if not error <= limit:  # NaN too
        sys.exit(f"{first} is not {second}")


def check(o, tools, out):
    print(run(tools / "cuda_test", "--gtest_brief=1"))
    print(run(tools / "train_test", "--gtest_filter=Gpu.*", "--gtest_brief=1"))
    langevin = tools / "langevin"
    size = 16 if o.preset == "tiny" else 32
    pictures(out / "random.npy", 256, size)
    for device in {"cpu", o.device}:
        run(langevin, "train", "--data", out / "random.npy", "--out", out / device, "--preset", o.preset, "--steps", 3, "--batch", 8,
            "--device", device, "--precision", "fp32", "--seed", 1, "--set", "sample.count=0")
    apart(out / o.device / "model.safetensors", out / "cpu" / "model.safetensors", 2e-3)
    model = out / "cpu" / "model.safetensors"
    call_inputs(out / "in.safetensors", [4, 3, size, size])
    for device in {"cpu", o.device}:
        run(langevin, "forward", model, "--in", out / "in.safetensors", "--out", out / f"{device}.forward.safetensors",
            "--backend", "torch", "--device", device, "--precision", "fp32")
        run(langevin, "sample", model, "-n", 4, "--steps", 10, "--seed", 7, "--backend", "torch", "--device", device,
            "--precision", "fp32", "--out", out / f"{device}.safetensors")
    apart(out / f"{o.device}.forward.safetensors", out / "cpu.forward.safetensors", 1e-4)
    apart(out / f"{o.device}.safetensors", out / "cpu.safetensors", 1e-3)
    if o.pytorch:
        same = json.loads(run(sys.executable, HERE / "pytorch_unet.py", model, "--check", out / "in.safetensors", out / "cpu.forward.safetensors"))
        print(f"  PyTorch's network: relative error {same['relative_error']:.1e}")
        if not same["relative_error"] <= 1e-4:
            sys.exit("bench/pytorch_unet.py is another network")
    return model


def measure(o, tools, model, out):
    rows = []

    def row(what, batch, command):
        figures = json.loads(run(*command).strip().splitlines()[-1])
        rows.append({**figures, "what": what, "batch": batch})
        with open(out / "results.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(rows[-1]) + "\n")

    bench = lambda what, *more: (tools / "langevin", "bench", what, "--device", o.device, "--json", *more)
    for batch in o.batches:
        ours = ("--preset", o.preset, "--precision", o.precision, "--batch", batch, "--seconds", o.seconds)
        row("langevin, training", batch, bench("train", *ours))
        row("langevin, training, no graphs", batch, bench("train", *ours, "--no-graphs"))
        if o.pytorch:
            theirs = (sys.executable, HERE / "pytorch_unet.py", model, "--device", o.device, "--precision", o.precision, "--batch", batch,
                      "--seconds", o.seconds)
            row("PyTorch, training, eager", batch, theirs)
            row("PyTorch, training, torch.compile", batch, (*theirs, "--compile"))
            row("PyTorch, training, torch.compile max-autotune", batch, (*theirs, "--compile", "--mode", "max-autotune"))
        row("langevin, sampling, 5 steps", batch, bench("sample", *ours, "--backend", "torch"))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--preset", default="ddpm-cifar10")
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--checks", action="store_true", help="check, do not measure")
    o = parser.parse_args()
    o.pytorch = importlib.util.find_spec("torch") is not None
    if not o.pytorch:
        print("no PyTorch here: its rows are left out")
    o.out.mkdir(parents=True)
    tools = o.build / "bin"
    model = check(o, tools, o.out)
    rows = [] if o.checks else measure(o, tools, model, o.out)
    print(f"\n{'':<46} {'batch':>5} {'images/s':>10} {'seconds':>9} {'of matmul':>9}")
    for r in rows:
        share = f"{r['fraction_of_matmul']:9.2f}" if "fraction_of_matmul" in r else f"{'':>9}"
        print(f"{r['what']:<46} {r['batch']:>5} {r['images_per_second']:>10.1f} {r['seconds_median']:>9.4f} {share}")


if __name__ == "__main__":
    main()
