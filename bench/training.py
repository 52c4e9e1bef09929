#!/usr/bin/env python3
"""Training beside Keras: the same data, sizes, batches and epochs, on the same cores, in one run.

    ./check                                               # builds narrow and build/venv-test, which has Keras
    build/venv-test/bin/python bench/training.py [--nodes 64] [--layers 5] [--samples 13334] [--epochs 10] [--seeds 5] [--padding -6]
                                             [--paired]

Seeds differ in the first weights and the order of samples, and so do their losses, by half and more; with --paired Keras begins
with narrow's weights and neither shuffles, and what is left is the programs' own difference.

Prints the time of an epoch (the first, in which Keras compiles, left out) and the best validation loss of each seed, and the
ratio of both programs' medians. Three quarters of the samples are trained on.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import keras
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
NARROW = Path(os.environ.get("NARROW", ROOT / "build" / "narrow"))


@keras.saving.register_keras_serializable()
class KSum(keras.layers.Layer):
    def call(self, x):
        return keras.ops.sum(x, axis=1)


class EpochTimes(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def deep_sets(shape, layers, nodes):
    x = inputs = keras.Input(shape)
    for _ in range(layers):
        x = keras.layers.Activation("relu")(keras.layers.Dense(nodes)(x))
    x = KSum()(x)
    for _ in range(layers):
        x = keras.layers.Activation("relu")(keras.layers.Dense(nodes)(x))
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def train_keras(args, x, y, seed, start):
    keras.utils.set_random_seed(seed)
    if start:
        model = keras.models.load_model(start, compile=False)
    else:
        model = deep_sets(x.shape[1:], args.layers, args.nodes)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    times = EpochTimes()
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=0.2, patience=10, min_lr=1e-5),
        keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True),
        times,
    ]
    history = model.fit(x, y, batch_size=250, epochs=args.epochs, validation_split=0.25, shuffle=not args.paired, verbose=0, callbacks=callbacks)
    return min(history.history["val_loss"]), statistics.median(times.seconds[1:] or times.seconds)


def train_narrow(args, data, folder, seed, *more):
    model = folder / f"narrow{seed}.keras"
    sizes = ["--nodes", args.nodes, "--phi-layers", args.layers, "--rho-layers", args.layers]
    command = [NARROW, "--quiet", "train", "--data", data, *sizes, "--epochs", args.epochs, "--seed", seed, "--out", model, *more]
    subprocess.run([str(part) for part in command], check=True)
    with open(folder / f"narrow{seed}.history.csv") as file:
        epochs = list(csv.DictReader(file))
    return min(float(e["val_loss"]) for e in epochs), statistics.median(float(e["seconds"]) for e in epochs[1:] or epochs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--samples", type=int, default=13334)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--padding", default="-6")
    parser.add_argument("--paired", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "prepared.h5"
        subprocess.run([NARROW, "--quiet", "generate", folder / "clusters.h5", "--samples", str(args.samples)], check=True)
        subprocess.run([NARROW, "--quiet", "prepare", "--data", folder / "clusters.h5", "--padding", args.padding, "--out", data], check=True)
        with h5py.File(data) as file:
            x, y = file["x"][:], file["y"][:]
        results = []
        for seed in range(1, args.seeds + 1):
            start = None
            if args.paired:
                # One epoch at a rate that changes nothing.
                start = folder / "start.keras"
                once = argparse.Namespace(**{**vars(args), "epochs": 1})
                train_narrow(once, data, folder, seed, "--learning-rate", "1e-35")
                (folder / f"narrow{seed}.keras").rename(start)
            own = train_narrow(args, data, folder, seed, *(["--no-shuffle"] if args.paired else []))
            results.append((*own, *train_keras(args, x, y, seed, start)))
            print(f"seed {seed}: val_loss {results[-1][0]:.4g} (Keras {results[-1][2]:.4g}), "
                  f"{results[-1][1]:.2f} s an epoch (Keras {results[-1][3]:.2f} s)", flush=True)
    loss, seconds, keras_loss, keras_seconds = (statistics.median(column) for column in zip(*results))
    print(f"median val_loss: {loss:.4g} against {keras_loss:.4g}, ratio {loss / keras_loss:.3f} (to reach: within 5 %)")
    print(f"time of an epoch: {seconds:.2f} s against {keras_seconds:.2f} s, ratio {seconds / keras_seconds:.3f} (at most 0.7, aim 0.4)")


if __name__ == "__main__":
    sys.exit(main())
