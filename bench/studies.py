#!/usr/bin/env python3
"""How well a study keeps the cores busy: many small points, and one large one, on all cores and on one.

    bench/studies.py [--threads N] [--rounds N]

Prints for each the seconds on one core and on all (medians of the rounds, taken in turn), their ratio, and the CPU time as a share
of all cores.
"""

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NARROW = ROOT / "build" / "narrow"
# Model, data, options.
STUDIES = {
    "21120 points of 10 samples": ["ds16", "golden", "--v-full", "8:32", "--v-int", "-5:12", "--wb-full", "8:19", "--wb-int", "1:4", "--samples", "10", "--counted", "5"],
    "1 point of 60000 samples": ["ds64", "generated", "--v-full", "16", "--v-int", "6", "--wb-full", "12", "--wb-int", "3", "--samples", "60000", "--counted", "0"],
}


def measured(model, data, study, threads):
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run([NARROW, "--quiet", "--threads", str(threads), "sweep", model, "--data", data, *study, "--keep", "none", "--out", folder + "/study"], check=True)
        seconds = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clusters = Path(folder) / "clusters.h5"
        subprocess.run([NARROW, "--quiet", "generate", clusters, "--samples", "60000", "--seed", "1"], check=True)
        print(f"{'':30} {'1 core':>8} {f'{args.threads} cores':>8} {'ratio':>6} {'cores busy':>10}")
        for name, (model, data, *study) in STUDIES.items():
            files = ROOT / "golden" / f"{model}.keras", ROOT / "golden" / "clusters.h5" if data == "golden" else clusters
            rounds = [[measured(*files, study, threads) for threads in (1, args.threads)] for _ in range(args.rounds)]
            one, all_cores = (statistics.median(each[i][0] for each in rounds) for i in (0, 1))
            busy = statistics.median(cpu / seconds for _, (seconds, cpu) in rounds)
            print(f"{name:30} {one:7.2f}s {all_cores:7.2f}s {one / all_cores:6.2f} {100 * busy / args.threads:9.0f}%", flush=True)


if __name__ == "__main__":
    main()
