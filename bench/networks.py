#!/usr/bin/env python3
"""narrow against what a user would run instead, on two networks that are no DeepSets: a jet tagger 16-64-32-32-5 with softmax, and a network of three
convolutions over images of 28x28. One machine, one run; narrow runs before and after its rivals.

    ./check                                          # builds narrow and build/venv-test, which has the rivals
    build/venv-test/bin/python bench/networks.py [--hls4ml 60] [--only jets]

Prints samples/s and ratios: against XLA's float32 imitation of the same types (all cores of both; it is not exact), and against hls4ml's compiled
C++ (one core each).
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

ROOT = Path(__file__).resolve().parents[1]
NARROW = ROOT / "build" / "narrow"
sys.path.insert(0, str(ROOT / "tools"))

import hls4ml_reference as reference  # sets the Keras backend
import keras
import numpy as np
import tensorflow as tf
from peers import fake_quantizer, rate

BITS, INTEGER = 16, 6


def jets():
    return keras.models.load_model(ROOT / "golden" / "jet_tagger.keras", compile=False), 20000


def images():
    layers = keras.layers
    x = inputs = keras.Input((28, 28, 1), name="image")
    for i, filters in enumerate((8, 16, 16)):
        x = layers.Conv2D(filters, 3, strides=2 if i else 1, activation="relu", name=f"conv{i + 1}")(x)
    x = layers.Dense(10, activation="softmax", name="scores")(layers.Flatten(name="flatten")(x))
    return keras.Model(inputs, x), 2000


def imitation(model):
    """The network with every layer's result brought to the type in float32, fused by XLA."""
    quantize = fake_quantizer(BITS, INTEGER)
    twin = keras.models.clone_model(model)
    scale = 2.0 ** (BITS - INTEGER)
    twin.set_weights([np.floor(w * scale) / scale for w in model.get_weights()])

    def call(x):
        value = quantize(x)
        for layer in twin.layers[1:]:
            value = quantize(layer(value))
        return value

    return tf.function(call, jit_compile=True)


def narrow_rate(path, data, threads):
    command = [NARROW, "--quiet", "--threads", str(threads), "bench", path, "--data", data, "--v", f"{BITS},{INTEGER}", "--rounds", "25"]
    return json.loads(subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout)["samples_per_s"]


def hls4ml_rate(model, x, folder):
    case = {"default": f"ap_fixed<{BITS},{INTEGER}>"}
    hls = reference.hls4ml.converters.convert_from_keras_model(
        model, hls_config=reference.hls_config(model, case, trace=False), output_dir=str(folder), backend=reference.BACKEND,
        part="xcvu9p-flga2104-3-e", io_type="io_stream")
    hls.compile()
    x = np.ascontiguousarray(x, dtype=np.float32)
    hls.predict(x[:2])  # its tables are filled
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        hls.predict(x)
        seconds.append(time.perf_counter() - start)
    return len(x) / statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hls4ml", type=int, default=1000, help="jets that hls4ml predicts; a tenth of it of images")
    parser.add_argument("--only", choices=["jets", "images"])
    args = parser.parse_args()
    cores = os.cpu_count()
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}, {BITS},{INTEGER} for every type that is not inferred")
    for name, make, least in (("jets", jets, (3, 1000)), ("images", images, (None, 500))):
        if args.only not in (None, name):
            continue
        model, samples = make()
        x = np.random.default_rng(1).normal(size=(samples, *model.input_shape[1:])).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            path, data = Path(folder) / "model.keras", Path(folder) / "x.npy"
            model.save(path)
            np.save(data, x)
            before = [narrow_rate(path, data, threads) for threads in (1, cores)]
            call = imitation(model)
            batches = [tf.constant(x[i : i + 1000]) for i in range(0, samples - 999, 1000)]
            xla = rate(lambda: [call(batch).numpy() for batch in batches], 1000 * len(batches), 5)
            hls4ml = hls4ml_rate(model, x[: args.hls4ml // (1 if name == "jets" else 10)], Path(folder) / "hls")
            after = [narrow_rate(path, data, threads) for threads in (1, cores)]
        one, all_cores = (statistics.mean(pair) for pair in zip(before, after))
        print(f"{name}: narrow {one:.0f} samples/s on one core, {all_cores:.0f} on {cores}; XLA {xla:.0f}; hls4ml {hls4ml:.1f}")
        print(f"  against XLA {all_cores / xla:.2f}" + (f", at least {least[0]}" if least[0] else "") + f"; against hls4ml, a core each, {one / hls4ml:.0f}, at least {least[1]}")


if __name__ == "__main__":
    main()
