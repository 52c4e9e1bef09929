"""A study alone and on a Dask cluster of this machine's cores: seconds by the clock, and of processors.

    build/venv-package/bin/python bench/executor.py [NETWORK] [SAMPLES] [ROUNDS]

with the package installed there; of golden/, ds64 and 2,000 samples where nothing is said. 2,000 points.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import distributed

import narrow

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
GRID = {"v_full": "8:17", "v_int": "3:7", "wb_full": "8:17", "wb_int": "1:4", "keep": "none"}


def processors(which):
    used = resource.getrusage(which)
    return used.ru_utime + used.ru_stime


def study(network, samples, executor):
    with tempfile.TemporaryDirectory() as folder:
        begin, children = time.monotonic(), processors(resource.RUSAGE_CHILDREN)
        narrow.sweep(GOLDEN / f"{network}.keras", GOLDEN / "clusters.h5", **GRID, samples=samples, out=folder, executor=executor)
        return time.monotonic() - begin, processors(resource.RUSAGE_CHILDREN) - children


def main():
    network, samples, rounds = (*sys.argv[1:], *("ds64", 2000, 3)[len(sys.argv) - 1 :])
    cores = len(os.sched_getaffinity(0))
    times = {"alone": [], "cluster": []}
    with distributed.LocalCluster(n_workers=cores, threads_per_worker=1, dashboard_address=None) as cluster, distributed.Client(cluster) as client:
        workers = lambda: sum(client.run(processors, resource.RUSAGE_CHILDREN).values())
        for _ in range(int(rounds)):
            times["alone"].append(study(network, int(samples), None))
            before = workers()
            seconds, here = study(network, int(samples), client)
            times["cluster"].append((seconds, here + workers() - before))
    for i, what in enumerate(("by the clock", "of processors, narrow's processes")):
        alone, spread = (statistics.median(each[i] for each in times[how]) for how in ("alone", "cluster"))
        print(f"{what}: {alone:.1f} s alone, {spread:.1f} s on {cores} workers of Dask, {spread / alone:.2f} of it")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
