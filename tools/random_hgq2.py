#!/usr/bin/env python3
"""Random networks of HGQ2 as hls4ml converts them: narrow.from_hls4ml against hls4ml's compiled predict and trace.

    PYTHONPATH=build/package/site build/venv-test/bin/python tools/random_hgq2.py FOLDER [--models 20] [--seed 1]

Weights and bits are random, for each value or for a whole tensor; rounding and overflow are of any of HGQ2's modes. Prints a line for each
network, and at the end how many had the same bits and how many hls4ml or narrow refused by name. Exit status 1 where any bit differs.
"""

import argparse
import contextlib
import io
import os
import shutil
import sys
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent))
import hgq.layers as hgq  # noqa: E402
import hls4ml  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from hgq.config import LayerConfigScope, QuantizerConfig  # noqa: E402
from hgq.utils import trace_minmax  # noqa: E402

ROUNDINGS = ["TRN", "RND", "RND_CONV"]
OVERFLOWS = ["WRAP", "WRAP", "SAT", "SAT_SYM"]


class Network:
    """A chain of layers with branches, from a generator of random numbers."""

    def __init__(self, rng):
        self.rng = rng

    def choice(self, values):
        return values[int(self.rng.integers(0, len(values)))]

    def bits(self, place, table=False):
        """The quantizer of a tensor: of values (its first axis is the batch), or of weights."""
        of_values = place == "datalane"
        one = table or bool(self.rng.random() < 0.4)
        axes = {"homogeneous_axis": None, "heterogeneous_axis": ()} if one else {"homogeneous_axis": (0,) if of_values else (), "heterogeneous_axis": None}
        more = {"q_type": "kif", "i0": 2, "f0": int(self.rng.integers(1, 6))} if of_values else {"q_type": "kbi", "b0": 5, "i0": 1}
        return QuantizerConfig(place=place, round_mode=self.choice(ROUNDINGS), overflow_mode=self.choice(OVERFLOWS), **more, **axes)

    def weighted(self, make, *sizes, **more):
        activation = self.choice([None, "relu"])
        return make(*sizes, activation=activation, iq_conf=self.bits("datalane"), kq_conf=self.bits("weight"), bq_conf=self.bits("bias"), **more)

    def layer(self, x):
        rank = len(x.shape) - 1
        # Of other ranks hls4ml 1.3.0 fails at a table's quantizer.
        kinds = ["dense", "dense", "merge", "norm", "dense_norm"] + (["conv", "conv", "pool", "flatten"] if rank > 1 else ["table"])
        kind = self.choice(kinds)
        if kind == "dense":
            return self.weighted(hgq.QDense, int(self.rng.integers(2, 7)))(x)
        if kind == "dense_norm":
            return self.weighted(hgq.QBatchNormDense, int(self.rng.integers(2, 6)))(x)
        if kind == "merge":
            make = self.choice([hgq.QAdd, hgq.QSubtract, hgq.QMultiply, hgq.QMaximum, hgq.QMinimum])
            return make(iq_confs=[self.bits("datalane"), self.bits("datalane")])([x, self.weighted(hgq.QDense, int(x.shape[-1]))(x)])
        if kind == "table":
            make = self.choice(["tanh", "sigmoid"])
            return hgq.QUnaryFunctionLUT(make, allow_heterogeneous_table=False, enable_oq=True, iq_conf=self.bits("datalane"), oq_conf=self.bits("datalane", table=True))(x)
        if kind == "norm":
            return hgq.QBatchNormalization(iq_conf=self.bits("datalane"))(x)
        if kind == "flatten":
            return keras.layers.Flatten()(x)
        sides = [int(n) for n in x.shape[1:-1]]
        if kind == "conv":
            make = hgq.QConv1D if rank == 2 else hgq.QConv2D
            size = [int(self.rng.integers(1, min(3, n) + 1)) for n in sides]
            return self.weighted(make, int(self.rng.integers(1, 4)), size if rank == 3 else size[0], padding=self.choice(["valid", "same"]))(x)
        if min(sides) < 2:
            return x
        name = self.choice(["QMaxPooling", "QAveragePooling"]) + f"{rank - 1}D"
        return getattr(hgq, name)(2, iq_conf=self.bits("datalane"))(x)

    def model(self):
        x = first = keras.Input(self.choice([(9,), (6, 3), (5, 5, 2)]))
        with LayerConfigScope(enable_ebops=False, enable_oq=False):
            for _ in range(int(self.rng.integers(2, 6))):
                x = self.layer(x)
            x = self.weighted(hgq.QDense, 3)(x)
        model = keras.Model(first, x)
        for layer in model.layers:
            self.fill(layer)
        return model

    def fill(self, layer):
        for variable in layer.variables:
            name, shape = variable.path.split("/")[-1], variable.shape
            if name in ("kernel", "bias", "beta", "moving_mean"):
                variable.assign(self.rng.normal(0, 0.7, shape))
            elif name in ("gamma", "moving_variance"):
                variable.assign(self.rng.uniform(0.5, 2, shape))
            elif name in ("f", "b", "_f", "_b"):
                variable.assign(np.clip(np.array(variable) + self.rng.integers(-3, 3, shape), 0, 7))

    def samples(self, model, count=60):
        """Half of them give the quantizers their ranges; the others leave them at times."""
        x = self.rng.normal(0, 1.2, (count, *model.input_shape[1:])).astype(np.float32)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            trace_minmax(model, x[: count // 2])
        return x


def converted(model, folder, io_type="io_parallel"):
    config = {"Model": {"Precision": "fixed<1,0>", "ReuseFactor": 1, "Strategy": "latency"}}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hls = hls4ml.converters.convert_from_keras_model(model, hls_config=config, backend="Vitis", io_type=io_type, output_dir=str(folder))
    for layer in hls.get_layers():
        layer.set_attr("trace", True)
    return hls


def main():
    import random_graphs  # with narrow's package, which the networks alone do not need

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print("seed", args.seed, flush=True)
    ends = Counter()
    for number in range(args.models):
        rng = np.random.default_rng([args.seed, number])
        keras.utils.set_random_seed(number)
        network = Network(rng)
        model = network.model()
        x = network.samples(model)
        folder = args.folder / f"hgq2_{args.seed}_{number}"
        try:
            hls = converted(model, folder)
        except Exception as error:
            ends["hls4ml has no answer"] += 1
            print(f"{number}: hls4ml has no answer: {type(error).__name__}: {str(error)[:150]}", flush=True)
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                different, values = random_graphs.compare(hls, x)
        except random_graphs.Unsupported as error:
            ends["narrow refuses"] += 1
            print(f"{number}: narrow refuses: {error}", flush=True)
            continue
        except Exception as error:  # of its compiler
            ends["hls4ml has no answer"] += 1
            print(f"{number}: hls4ml has no answer: {error}", flush=True)
            continue
        ends["different" if different else "same"] += 1
        print(f"{number}: {'DIFFERENT: ' + ', '.join(different) if different else 'same'}, {values} values, {[layer.class_name for layer in hls.get_layers()]}", flush=True)
        if not different:
            shutil.rmtree(folder, ignore_errors=True)
    print(dict(ends))
    sys.exit(1 if ends["different"] else 0)


if __name__ == "__main__":
    main()
