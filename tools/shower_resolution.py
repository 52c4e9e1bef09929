#!/usr/bin/env python3
"""What generated showers allow a network to know of their energy, by energy, and what trained networks make of it.

    tools/shower_resolution.py [MODEL ...]      a table in Markdown, as in docs/data.md and docs/training.md

Resolution is half the width of the central 68.27 % of (estimate - E) / E, as narrow's metric resolution_68 (in percent). Columns: the
sampling fluctuations alone, 10 %/sqrt(E); the mean of the cells' summed energy over E; the resolution of that sum, calibrated; that of a
linear estimator from the cells (below), which is what is meant by "what the showers allow"; of each model, resolution and median error.

Needs NARROW, the program (build/narrow where it is not set), h5py and numpy.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

NARROW = os.environ.get("NARROW", str(Path(__file__).resolve().parents[1] / "build" / "narrow"))
EDGES = [2, 3, 5, 10, 20, 50, 100, 200]  # GeV
RINGS = [0, 0.03, 0.06, 1]  # distance from the cluster's centre
FIT_SAMPLES, FIT_SEED = 60000, 3
TEST_SAMPLES, TEST_SEED = 10000, 2


def clusters(folder, samples, seed):
    path = Path(folder) / f"showers-{seed}-{samples}.h5"
    if not path.exists():
        subprocess.run([NARROW, "--quiet", "generate", path, "--samples", str(samples), "--seed", str(seed)], check=True)
    return path


def sums(path):
    """(energy sums and cell counts by layer and ring, summed energy, true energy) of each cluster."""
    with h5py.File(path) as file:
        offsets, layer = file["offsets"][:], file["layer"][:].astype(int)
        energy, true = file["energy"][:].astype(float), file["true_energy"][:].astype(float)
        distance = np.hypot(file["eta"][:], file["phi"][:])
    size = len(true)
    owner = np.repeat(np.arange(size), np.diff(offsets))
    columns = []
    for number in range(8):
        for low, high in zip(RINGS, RINGS[1:]):
            here = (layer == number) & (distance >= low) & (distance < high)
            columns += [np.bincount(owner[here], energy[here], size), np.bincount(owner[here], minlength=size)]
    return np.array(columns).T, np.bincount(owner, energy, size), true


def calibrated(features, total, true, test_features, test_total, pieces=24):
    """For clusters of about the same summed energy, the linear estimator whose squared relative error is the least."""
    edges = np.quantile(total, np.linspace(0, 1, pieces + 1))
    piece_of = np.clip(np.searchsorted(edges, test_total, side="right") - 1, 0, pieces - 1)
    estimate = np.zeros(len(test_total))
    for piece in range(pieces):
        near = (total >= edges[max(piece - 1, 0)]) & (total <= edges[min(piece + 2, pieces)])
        rows = np.c_[np.ones(near.sum()), features[near]] / true[near, None]
        weights = np.linalg.lstsq(rows, np.ones(near.sum()), rcond=1e-8)[0]
        here = piece_of == piece
        estimate[here] = np.c_[np.ones(here.sum()), test_features[here]] @ weights
    return estimate


def resolution(estimate, true):
    """(resolution_68, median relative error), in percent."""
    low, middle, high = np.quantile(100 * (estimate / true - 1), [0.158655, 0.5, 0.841345])
    return (high - low) / 2, middle


def allowed(folder):
    """(true energies of the test file, its path, summed energy, estimates: of the sum alone and of the cells)."""
    features, total, true = sums(clusters(folder, FIT_SAMPLES, FIT_SEED))
    path = clusters(folder, TEST_SAMPLES, TEST_SEED)
    test_features, test_total, test_true = sums(path)
    of_sum = calibrated(total[:, None], total, true, test_total[:, None], test_total)
    of_cells = calibrated(features, total, true, test_features, test_total)
    return test_true, path, test_total, of_sum, of_cells


def predicted(model, path, folder):
    """The model's energies: the target is log(E)/10."""
    out = Path(folder) / "predictions.txt"
    subprocess.run([NARROW, "--quiet", "predict", model, "--data", path, "--out", out], check=True)
    return np.exp(10 * np.loadtxt(out))


def table(models, folder):
    true, path, total, of_sum, of_cells = allowed(folder)
    names = [Path(model).stem for model in models]
    energies = [predicted(model, path, folder) for model in models]
    head = ["energy (GeV)", "10 %/sqrt(E)", "sum/E", "sum, calibrated", "cells"] + names
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for low, high in [*zip(EDGES, EDGES[1:]), (EDGES[0], EDGES[-1])]:
        here = (true >= low) & (true <= high)
        row = [f"{low} to {high}", f"{np.mean(10 / np.sqrt(true[here])):.1f} %", f"{np.mean(total[here] / true[here]):.2f}"]
        row += [f"{resolution(each[here], true[here])[0]:.1f} %" for each in (of_sum, of_cells)]
        row += ["{:.1f} % ({:+.1f} %)".format(*resolution(each[here], true[here])) for each in energies]
        lines.append("| " + " | ".join(row) + " |")
    return lines


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print("\n".join(table(sys.argv[1:], scratch)))
