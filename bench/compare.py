#!/usr/bin/env python3
"""narrow against what a user would run instead, and against itself: one model, one machine, one run.

    ./check                                          # builds narrow and build/venv-test, which has the rivals
    build/venv-test/bin/python bench/compare.py [--model golden/ds64.keras] [--data golden/clusters.h5] [--hls4ml 60]

The rivals are tools/peers.py's (Keras float32, a float32 imitation of fixed point fused by XLA, hls4ml's compiled C++).
narrow runs before and after them, all 128 rows computed (`--no-dedup`) unless a line says otherwise. Prints a table, and
everything as JSON with --json FILE.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
NARROW = ROOT / "build" / "narrow"
sys.path.insert(0, str(ROOT / "tools"))


def narrow_bench(args, *options, threads=None):
    # Rounds for about as long as a rival's run: the machine has noisy moments.
    command = [NARROW, "--quiet", *(["--threads", str(threads)] if threads else []), "bench", args.model, "--data", args.data, "--rounds", "25", *options]
    return json.loads(subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout)


def peers(args, samples):
    with tempfile.TemporaryDirectory() as folder:
        x = Path(folder) / "x.npy"
        with h5py.File(args.data) as file:
            np.save(x, file["x"][:samples])
        command = [sys.executable, ROOT / "tools" / "peers.py", args.model, x, "--hls4ml", str(args.hls4ml), "--rounds", "3"]
        return json.loads(subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def hls4ml_uniform(args):
    """hls4ml with one type for everything, samples/s on its one core."""
    import hls4ml_reference as reference
    import keras

    model = keras.models.load_model(args.model, custom_objects={"KSum": reference.KSum}, compile=False)
    with h5py.File(args.data) as file:
        x = file["x"][: args.hls4ml]
    with tempfile.TemporaryDirectory() as folder:
        reference.register_ksum(folder)
        case = {"default": "ap_fixed<16,9>", "granularity": "model"}
        seconds = reference.run_case(model, x, case, Path(folder) / "hls", 0)[-1]
    return len(x) / seconds


def sweep_seconds(args):
    grid = "--v-full 9:20 --v-int 5:9 --wb-full 10:16:2 --wb-int 2 --samples 1000".split()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([NARROW, "--quiet", "sweep", args.model, "--data", args.data, *grid, "--out", Path(folder) / "study"], check=True)
        return time.perf_counter() - start


CASES = {
    "auto16": ["--v", "16,6"],
    "uniform16": ["--v", "16,9", "--types", "uniform"],
    "auto8": ["--v", "10,6", "--wb", "8,2"],
    "wide": ["--v", "24,12", "--wb", "18,4"],
}


def measure(args):
    rates = {name: narrow_bench(args, *options, "--no-dedup") for name, options in CASES.items()}
    rates |= {f"{name}_one": narrow_bench(args, *CASES[name], "--no-dedup", threads=1) for name in ("auto16", "uniform16")}
    rates["dedup"] = narrow_bench(args, *CASES["auto16"])
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "golden" / "ds64.keras")
    parser.add_argument("--data", type=Path, default=ROOT / "golden" / "clusters.h5")
    parser.add_argument("--hls4ml", type=int, default=60, help="samples that hls4ml predicts")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    before = measure(args)
    rivals = peers(args, 2000)
    rivals["hls4ml_uniform"] = hls4ml_uniform(args)
    after = measure(args)
    rate = {name: statistics.mean([before[name]["samples_per_s"], after[name]["samples_per_s"]]) for name in before}
    square = [
        layer["share_of_peak"]
        for run in (before, after)
        for layer in run["auto16_one"]["layers"]
        if layer.get("kernel") == "int16" and layer["layer"] not in ("phi1",)
        if "share_of_peak" in layer
    ]
    rows = [
        ("auto 16,6 / 16,6 against fakequant (XLA float32)", rate["auto16"] / rivals["fakequant"], 3, 4.5),
        ("the same against Keras float32 predict", rate["auto16"] / rivals["keras"], 5, 8),
        ("the same against hls4ml, one core each", rate["auto16_one"] / rivals["hls4ml"], 1500, 2300),
        ("uniform 16,9 against hls4ml, one core each", rate["uniform16_one"] / rivals["hls4ml_uniform"], 1200, 2000),
        ("auto 10,6 / 8,2 against our 16-bit kernels", rate["auto8"] / rate["auto16"], 1.3, 1.8),
        ("24,12 / 18,4 against our 16-bit kernels", rate["wide"] / rate["auto16"], 0.25, 0.5),
        ("share of the measured int16 peak, 64x64 layers", statistics.mean(square), 0.7, 0.95),
        (f"padded rows counted ({before['dedup']['counted_rows']:.0%} of them) against not", rate["dedup"] / rate["auto16"], 1.4, None),
    ]
    print(f"{before['auto16']['instruction_set']}, {os.cpu_count()} cores, samples/s:")
    for name, value in {**{f"narrow {name}": value for name, value in rate.items()}, **rivals}.items():
        print(f"  {name:24} {value:12.1f}")
    print(f"{'':58} {'ratio':>8} {'at least':>9} {'aim':>6}")
    for name, ratio, least, aim in rows:
        print(f"{name:58} {ratio:8.2f} {least:9} {aim or '':>6}")
    seconds = sweep_seconds(args)
    print(f"{'narrow sweep, 240 points x 1000 samples, seconds':58} {seconds:8.2f} {'12 s':>9} {'3 s':>6}")
    if args.json:
        args.json.write_text(json.dumps({"narrow": rate, "rivals": rivals, "ratios": {name: ratio for name, ratio, *_ in rows}, "sweep_s": seconds}, indent=1))


if __name__ == "__main__":
    main()
