#!/usr/bin/env python3
"""Speed over the whole plane of types: where does it fall off a cliff?

    bench/plane.py [--model golden/ds64.keras] [--count overflow] [--instruction-set AVX2]

For each kind of types (auto, uniform) and each pair of modes, samples/s on one core for vectors of 4 to 32 bits, as percentages of
`auto` 16,6 with AP_TRN,AP_WRAP, measured before and after each row. A cell below half of both its neighbours, or of the one at an end,
is marked with !.
"""

import argparse
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NARROW = ROOT / "build" / "narrow"
WIDTHS = [4, 6, 8, 9, 10, 12, 14, 15, 16, 17, 18, 20, 24, 28, 32]
MODES = ["AP_TRN,AP_WRAP", "AP_RND,AP_WRAP", "AP_RND_CONV,AP_WRAP", "AP_TRN_ZERO,AP_WRAP", "AP_TRN,AP_SAT", "AP_RND,AP_SAT", "AP_RND_ZERO,AP_SAT_SYM", "AP_TRN,AP_SAT_ZERO"]


def rate(args, types, bits, modes):
    options = ["--v", f"{bits},{max(2, bits * 3 // 8)},{modes}", "--wb", f"{min(bits, 16)},{max(1, min(bits, 16) // 4)}", "--types", types]
    extra = ["--instruction-set", args.instruction_set] if args.instruction_set else []
    command = [NARROW, "--quiet", "--threads", "1", "bench", args.model, "--data", args.data, "--samples", "400", "--no-dedup", "--count", args.count, "--rounds", "2"]
    return json.loads(subprocess.run([*command, *options, *extra], check=True, capture_output=True, text=True).stdout)["samples_per_s"]


def marked(row):
    for i, value in enumerate(row):
        around = row[max(0, i - 1) : i] + row[i + 1 : i + 2]
        yield f"{value:5.0f}" + ("!" if all(2 * value < other for other in around) else " ")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=ROOT / "golden" / "ds64.keras")
    parser.add_argument("--data", type=Path, default=ROOT / "golden" / "clusters.h5")
    parser.add_argument("--count", default="overflow")
    parser.add_argument("--instruction-set")
    parser.add_argument("--types", default="auto,uniform")
    args = parser.parse_args()
    print(f"{'% of auto 16,6':32}" + "".join(f"{bits:5} " for bits in WIDTHS))
    for types in args.types.split(","):
        for modes in MODES:
            before = rate(args, "auto", 16, MODES[0])
            row = [rate(args, types, bits, modes) for bits in WIDTHS]
            full = (before + rate(args, "auto", 16, MODES[0])) / 2
            print(f"{types + ' ' + modes:32}" + "".join(marked([100 * value / full for value in row])), flush=True)


if __name__ == "__main__":
    main()
