#!/usr/bin/env python3
"""Speed over the whole plane of types: where does it fall off a cliff?

    bench/plane.py [--model golden/ds64.keras] [--count overflow] [--instruction-set AVX2]
    bench/plane.py --map [--modes AP_RND,AP_SAT] ...

For each kind of types (auto, uniform) and each pair of modes, samples a second of one core's time for vectors of 4 to 64 bits, as percentages of
`auto` 16,6 with AP_TRN,AP_WRAP, measured before and after each row. A cell below half of both its neighbours, or of the one at an end,
is marked with !.

With --map a table of v_full (columns) and wb_full (rows) for each kind and pair of modes, in samples/s of a machine on which `auto` 16,6
reaches --reference of them (default: as measured). A cell more than three times slower than a neighbour with fewer bits is marked with !.
"""

import argparse
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NARROW = ROOT / "build" / "narrow"
WIDTHS = [4, 6, 8, 9, 10, 12, 14, 15, 16, 17, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64]
MAP_WIDTHS = [4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64]
MODES = ["AP_TRN,AP_WRAP", "AP_RND,AP_WRAP", "AP_RND_CONV,AP_WRAP", "AP_TRN_ZERO,AP_WRAP", "AP_TRN,AP_SAT", "AP_RND,AP_SAT", "AP_RND_ZERO,AP_SAT_SYM", "AP_TRN,AP_SAT_ZERO"]
MAP_MODES = ["AP_TRN,AP_WRAP", "AP_RND,AP_SAT"]


def rate(args, types, bits, modes, weight_bits=None, samples=None):
    weight_bits = weight_bits or min(bits, 16)
    options = ["--v", f"{bits},{max(2, bits * 3 // 8)},{modes}", "--wb", f"{weight_bits},{max(1, min(weight_bits // 4, 8))}", "--types", types]
    extra = ["--instruction-set", args.instruction_set] if args.instruction_set else []
    command = [NARROW, "--quiet", "--threads", "1", "bench", args.model, "--data", args.data, "--samples", str(samples or args.samples), "--no-dedup"]
    command += ["--count", args.count, "--rounds", "3", *options, *extra]
    run = subprocess.run(command, capture_output=True, text=True)
    # The only types that narrow refuses are those whose sums have more than 127 bits.
    if run.returncode != 0 and "bits; narrow computes with" in run.stderr:
        return None
    run.check_returncode()
    return json.loads(run.stdout)["samples_per_cpu_s"]


def marked(row):
    for i, value in enumerate(row):
        around = row[max(0, i - 1) : i] + row[i + 1 : i + 2]
        yield f"{value:5.0f}" + ("!" if all(2 * value < other for other in around) else " ")


def rows(args):
    print(f"{'% of auto 16,6':32}" + "".join(f"{bits:5} " for bits in WIDTHS))
    for types in args.types.split(","):
        for modes in args.modes or MODES:
            before = rate(args, "auto", 16, MODES[0])
            row = [rate(args, types, bits, modes) for bits in WIDTHS]
            full = (before + rate(args, "auto", 16, MODES[0])) / 2
            print(f"{types + ' ' + modes:32}" + "".join(marked([100 * value / full for value in row])), flush=True)


def table(args, types, modes):
    print(f"\n{types} {modes}, columns: v_full, rows: wb_full\n\n{'':4}" + "".join(f"{bits:6} " for bits in MAP_WIDTHS))
    above = [None] * len(MAP_WIDTHS)
    for weight_bits in MAP_WIDTHS:
        before = rate(args, "auto", 16, MODES[0], samples=200)
        row = [rate(args, types, bits, modes, weight_bits) for bits in MAP_WIDTHS]
        full = (before + rate(args, "auto", 16, MODES[0], samples=200)) / 2
        row = [value and value / full * (args.reference or full) for value in row]
        cells = []
        for i, value in enumerate(row):
            fewer = [other for other in (above[i], row[i - 1] if i > 0 else None) if other]
            cells.append(f"{'-' if value is None else f'{value:.0f}':>6}" + ("!" if value and any(3 * value < other for other in fewer) else " "))
        print(f"{weight_bits:4}" + "".join(cells), flush=True)
        above = row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=ROOT / "golden" / "ds64.keras")
    parser.add_argument("--data", type=Path, default=ROOT / "golden" / "clusters.h5")
    parser.add_argument("--count", default="overflow")
    parser.add_argument("--instruction-set")
    parser.add_argument("--types", default="auto,uniform")
    parser.add_argument("--modes", action="append")
    parser.add_argument("--map", action="store_true")
    parser.add_argument("--reference", type=float)
    parser.add_argument("--samples", type=int)
    args = parser.parse_args()
    args.samples = args.samples or (40 if args.map else 400)
    if not args.map:
        return rows(args)
    for types in args.types.split(","):
        for modes in args.modes or MAP_MODES:
            table(args, types, modes)


if __name__ == "__main__":
    main()
