#!/usr/bin/env python3
"""Reference answers of hls4ml for proxy models of HGQ 0.2 (HGQ 1): golden/hgq.

    python3 -m venv build/venv-hgq1
    build/venv-hgq1/bin/pip install hls4ml==1.3.0 HGQ==0.2.6 tensorflow-cpu==2.15.1 'numpy<2' h5py
    build/venv-hgq1/bin/python tools/hgq_reference.py golden/hgq [NAME ...]
    build/venv-hgq1/bin/python tools/hgq_reference.py other --random 20 --seed 5; NARROW_GOLDEN=other build/golden_test

For each network: NAME.keras, NAME.json with NAME_weights.h5, NAME.cases.json and NAME.h5, as tools/hls4ml_reference.py writes them. Those
that HGQ makes have random numbers and random bits for each of them; those of --random are chains and branches of the layers of proxy models
with quantizers of any modes.
"""
import argparse
import contextlib
import io
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import hls4ml
import numpy as np
import tensorflow as tf
from HGQ import layers as hgq
from HGQ import to_proxy_model, trace_minmax
from HGQ.proxy import FixedPointQuantizer, UnaryLUT
from HGQ.utils import get_default_paq_conf, set_default_paq_conf
from hls4ml.converters.keras_v2_to_hls import KerasFileReader, keras_v2_to_hls, parse_keras_model
from tensorflow import keras

from golden_case import write_case

layers = keras.layers


def quiet():
    return contextlib.redirect_stdout(io.StringIO())


# --- networks that HGQ makes

def chain(shape, *rest):
    x = first = layers.Input(shape, name="inp")
    for layer in rest:
        x = layer(x)
    return keras.Model(first, x)


def dense(n, name, activation=None):
    return hgq.HDense(n, activation=activation, name=name, beta=0.0)


def conv(n, size, name, activation="relu", **more):
    return hgq.HConv2D(n, size, activation=activation, name=name, beta=0.0, **more)


def jets():
    return chain((16,), hgq.HQuantize(name="q", beta=0.0), dense(24, "d1", "relu"), dense(16, "d2", "relu"), dense(16, "d3", "relu"), dense(5, "d4"))


def digits():
    return chain((12, 12, 1), hgq.HQuantize(name="q", beta=0.0), conv(3, 3, "c1"), hgq.PMaxPooling2D(2, name="p1"), conv(4, 2, "c2", padding="same"),
                 hgq.PMaxPooling2D(2, name="p2"), hgq.PFlatten(name="f"), dense(8, "d1", "relu"), dense(10, "d2"))


def tables():
    return chain((8,), hgq.HQuantize(name="q", beta=0.0), dense(6, "d1"), hgq.HActivation("tanh", name="t", beta=0.0), dense(6, "d2"),
                 hgq.HActivation("sigmoid", name="s", beta=0.0), dense(3, "d3"))


def branches():
    x = layers.Input((4, 4, 2), name="inp")
    q = hgq.HQuantize(name="q", beta=0.0)(x)
    a = conv(3, 3, "c1", padding="same")(q)
    b = conv(3, 1, "c2", activation=None, strides=1)(q)
    s = hgq.HAdd(name="add", beta=0.0)([a, b])
    c = hgq.PConcatenate(name="cat")([s, a])
    p = hgq.PAveragePooling2D(2, name="p")(c)
    return keras.Model(x, dense(3, "d")(hgq.PFlatten(name="f")(hgq.HActivation("linear", name="after", beta=0.0)(p))))


def asked_twice():
    """A quantizer of one entry over two values, in front of a Flatten: its bits are others where they are asked for once more."""
    as_int8 = lambda v: tf.constant(v, dtype="int8")
    x = layers.Input((2, 1), name="inp")
    q = FixedPointQuantizer(as_int8(np.zeros((1, 2, 1))), as_int8([[[4], [5]]]), as_int8([[[3], [1]]]), "TRN", "WRAP", name="q")(x)
    d = layers.Dense(1, name="d")
    one = (1, 1, 1)
    after = FixedPointQuantizer(as_int8(np.zeros(one)), as_int8(np.full(one, 7)), as_int8(np.full(one, 3)), "TRN", "SAT", name="after")(d(q))
    d.set_weights([np.ones((1, 1)), np.zeros(1)])
    e = layers.Dense(3, name="e")
    y = FixedPointQuantizer(as_int8(1), as_int8(20), as_int8(8), "TRN", "WRAP", name="out")(e(layers.Flatten(name="f")(after)))
    e.set_weights([np.array([[1, 0.5, -0.25], [0.5, 1, 2]]), np.zeros(3)])
    return keras.Model(x, y)


# Name: (network, one width for all values of an activation, saturating quantizers, entries of a UnaryLUT's table).
NETWORKS = {
    "jets": (jets, False, False, -1),
    "jets_homogeneous": (jets, True, False, -1),
    "jets_saturating": (jets, False, True, -1),
    "digits": (digits, False, False, -1),
    "digits_homogeneous": (digits, True, False, -1),
    "digits_saturating": (digits, True, True, -1),
    "tables": (tables, True, False, 4096),
    "branches": (branches, False, False, -1),
}
BY_HAND = {"asked_twice": asked_twice}


def made_by_hgq(name, rng, x_of):
    make, homogeneous, saturates, entries = NETWORKS[name]
    kept = get_default_paq_conf()
    set_default_paq_conf({**kept, "skip_dims": "all" if homogeneous else (0,)})
    try:
        keras.utils.set_random_seed(3)
        model = make()
    finally:
        set_default_paq_conf(kept)
    for layer in model.layers:
        for key, low, high in (("kq", -1, 6), ("paq", 0, 6)):
            quantizer = getattr(layer, key, None)
            if quantizer is not None:
                quantizer.fbw.assign(rng.integers(low, high, quantizer.fbw.shape).astype(np.float32))
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.5, layer.bias.shape))
    x = x_of(model.input_shape[1:])
    with quiet():
        trace_minmax(model, x[: len(x) // 2], verbose=False)  # so that the other half leaves the ranges at times
        proxy = to_proxy_model(model, aggressive=not saturates, unary_lut_max_table_size=entries)
    return proxy, x


# --- networks of quantizers of any modes

ROUNDINGS = ["TRN"] * 4 + ["RND"] * 4 + ["RND_ZERO", "RND_MIN_INF", "RND_INF", "RND_CONV", "TRN_ZERO"]
OVERFLOWS = ["WRAP"] * 5 + ["SAT"] * 3 + ["SAT_SYM", "SAT_ZERO"]


class Random:
    def __init__(self, rng):
        self.rng, self.names = rng, 0

    def name(self, what):
        self.names += 1
        return f"{what}_{self.names}"

    def quantizer(self, x, may_differ=True, modes=None):
        rng, shape = self.rng, tuple(x.shape[1:])
        kind = rng.choice(["one", "all", "some"]) if may_differ else "one"
        size = {"one": (1,) if rng.random() < 0.5 else (1,) + (1,) * len(shape), "all": (1,) + shape,
                "some": (1,) + tuple(n if rng.random() < 0.5 else 1 for n in shape)}[kind]
        k = np.ones(size) if rng.random() < 0.6 else (rng.integers(0, 2, size) if rng.random() < 0.5 else np.zeros(size))
        low, spread = rng.integers(-1, 4), rng.integers(1, 4)
        i = rng.integers(low, low + spread, size) + k
        b = np.maximum(i + rng.integers(0, 7, size), 0)
        if kind != "one":
            b = np.where(rng.random(size) < 0.1, 0, b)
        else:
            b = np.maximum(b, 2)
        as_int8 = lambda v: tf.constant(v, dtype="int8")
        rounding, overflow = modes or (str(rng.choice(ROUNDINGS)), str(rng.choice(OVERFLOWS)))
        return FixedPointQuantizer(as_int8(k), as_int8(b), as_int8(i), rounding, overflow, name=self.name("q"))(x)

    def weights(self, layer, x):
        y = layer(x)
        step = 2.0 ** -self.rng.integers(0, 7)
        values = [np.round(self.rng.normal(0, 0.7, v.shape) / step) * step * (self.rng.random(v.shape) < 0.8) for v in layer.get_weights()]
        layer.set_weights(values)
        return y

    def layer(self, x):
        rng, rank = self.rng, len(x.shape) - 1
        kinds = ["dense", "dense", "relu", "Activation", "add", "twice", "reshape", "table"] + (["conv", "conv", "pool", "pool"] if rank > 1 else [])
        kind = str(rng.choice(kinds))
        if kind == "dense":
            return self.quantizer(self.weights(layers.Dense(int(rng.integers(2, 7)), use_bias=bool(rng.random() < 0.8), name=self.name("d")), x))
        if kind == "relu":
            return self.quantizer(layers.ReLU(name=self.name("r"))(x))
        if kind == "Activation":
            return self.quantizer(layers.Activation("relu", name=self.name("a"))(x))
        if kind == "reshape":
            shape = (int(np.prod(x.shape[1:])),)
            y = layers.Flatten(name=self.name("f"))(x) if rank > 1 else layers.Reshape((1,) + shape, name=self.name("f"))(x)
            return self.quantizer(y) if rng.random() < 0.6 else y
        if kind == "table":
            k, b = int(rng.integers(0, 2)), int(rng.integers(2, 8))
            i = int(rng.integers(k - 1, 5))
            values = np.round(rng.normal(0, 1, 2**b) * 64) / 64
            y = FixedPointQuantizer(k, b, i, str(rng.choice(ROUNDINGS)), str(rng.choice(["WRAP", "SAT", "SAT_SYM"])), name=self.name("q"))(x)
            return self.quantizer(UnaryLUT((k, i - k, b - i), (1, 2, 6), table=values.astype(np.float32), name=self.name("lut"))(y))
        if kind == "add":
            merge = [layers.Add, layers.Subtract, layers.Multiply, layers.Maximum, layers.Minimum][rng.integers(0, 5)]
            return self.quantizer(merge(name=self.name("m"))([self.quantizer(x), self.quantizer(x)]))
        if kind == "twice":
            y = layers.Concatenate(name=self.name("k"))([self.quantizer(x), x])
            return self.quantizer(y) if rng.random() < 0.5 else y
        axes = rank - 1
        if kind == "conv":
            size = [int(rng.integers(1, min(3, n) + 1)) for n in x.shape[1:-1]]
            if max(size) == 1:
                size[0] = min(2, x.shape[1])
            if max(size) == 1:
                return self.quantizer(x)
            make = layers.Conv1D if axes == 1 else layers.Conv2D
            return self.quantizer(self.weights(make(int(rng.integers(1, 4)), size, padding=str(rng.choice(["valid", "same"])), name=self.name("c")), x))
        size = [int(rng.integers(1, min(2, n) + 1)) for n in x.shape[1:-1]]
        make = {(1, 0): layers.MaxPooling1D, (1, 1): layers.AveragePooling1D, (2, 0): layers.MaxPooling2D, (2, 1): layers.AveragePooling2D}[axes, int(rng.random() < 0.3)]
        y = make(size[0] if axes == 1 else size, name=self.name("p"))(x)
        return self.quantizer(y) if rng.random() < 0.5 else y

    def model(self):
        rng = self.rng
        shape = [(int(rng.integers(3, 9)),), (5, 3), (5, 5, 2)][rng.integers(0, 3)]
        first = layers.Input(shape, name="inp")
        # hls4ml has no finite type for an input of other modes.
        x = self.quantizer(first, modes=(str(rng.choice(["TRN", "RND"])), str(rng.choice(["WRAP", "SAT"]))))
        for _ in range(int(rng.integers(2, 6))):
            x = self.layer(x)
        # hls4ml leaves a last Flatten out.
        return keras.Model(first, self.quantizer(self.weights(layers.Dense(3, name=self.name("d")), x)))


# --- hls4ml

CASES = [
    {"name": "name_16_6", "granularity": "name", "default": "ap_fixed<16,6>", "io": "io_parallel"},
    {"name": "model_10_4", "granularity": "model", "default": "ap_fixed<10,4>", "io": "io_parallel"},
    {"name": "stream", "granularity": "name", "default": "ap_fixed<18,8>", "io": "io_stream"},
]
STREAMED = {"jets_homogeneous", "digits_homogeneous"}
TWICE = {"jets", "tables"}


def run_case(architecture, weights, x, case, folder, n_trace):
    reader = KerasFileReader({"KerasH5": str(weights)})
    config = {"Model": {"Precision": case["default"], "ReuseFactor": 1, "Strategy": "Latency"}}
    with quiet():
        names = [layer["name"] for layer in parse_keras_model(json.loads(Path(architecture).read_text()), reader)[0]]
    given = {"Precision": {"default": case["default"]}} if case["granularity"] == "name" else {}
    config["LayerName"] = {name: {"Trace": True, **given} for name in names}
    whole = hls4ml.utils.config.create_config(output_dir=str(folder), backend="Vitis", io_type=case["io"], part="xcvu13p-flga2577-2-e")
    whole.update({"KerasJson": str(architecture), "KerasH5": str(weights), "HLSConfig": config, "InputData": None, "OutputPredictions": None, "TraceOutput": True})
    with quiet():
        hls = keras_v2_to_hls(whole)
        start = time.perf_counter()
        hls.compile()
    compiled = time.perf_counter()
    types = {}
    for layer in hls.get_layers():
        types[layer.name] = {k: str(v.precision) for k, v in layer.attributes.items() if k.endswith("_t") and hasattr(v, "precision")}
        types[layer.name]["result_t"] = str(layer.get_output_variable().type.precision)
    x = np.ascontiguousarray(x, dtype=np.float64)
    predictions = hls.predict(x)
    trace = hls.trace(x[:n_trace])[1]
    return types, np.asarray(predictions).reshape(len(x), -1), trace, compiled - start, time.perf_counter() - compiled


def write(name, model, x, cases, args):
    work = Path(tempfile.mkdtemp(prefix="hgq_reference_"))
    model.save(args.folder / f"{name}.keras")
    architecture, weights = args.folder / f"{name}.json", args.folder / f"{name}_weights.h5"
    architecture.write_text(model.to_json())
    model.save_weights(weights)
    (args.folder / f"{name}.cases.json").write_text(json.dumps(cases, indent=1) + "\n")
    done = 0
    with h5py.File(args.folder / f"{name}.h5", "w") as out:
        out["input"] = x
        out["float"] = model.predict(x, verbose=0).reshape(len(x), -1).astype(np.float64)
        for case in cases:
            try:
                types, predictions, trace, compile_s, predict_s = run_case(architecture, weights, x, case, work / case["name"], args.trace)
            except Exception as error:  # a case that hls4ml itself cannot build is reported, never dropped in silence
                print(f"{name} {case['name']}: hls4ml failed: {type(error).__name__} {str(error)[-300:]}", flush=True)
                continue
            write_case(out, case, types, predictions, trace, compile_s=compile_s, predict_s=predict_s)
            done += 1
            print(f"{name} {case['name']}: compile {compile_s:.1f} s, equal to HGQ {(predictions == out['float'][:]).mean():.4f}", flush=True)
    shutil.rmtree(work, ignore_errors=True)
    if done == 0:
        for ending in (".keras", ".json", "_weights.h5", ".cases.json", ".h5"):
            (args.folder / f"{name}{ending}").unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--trace", type=int, default=40)
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N random networks instead")
    parser.add_argument("--seed", type=int, default=13)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for number in range(args.random):
        rng = np.random.default_rng([args.seed, number])
        model = Random(rng).model()
        write(f"random_{args.seed}_{number}", model, rng.normal(0, 2, (args.samples, *model.input_shape[1:])).astype(np.float32), CASES[:1], args)
    for name in [] if args.random else args.names or [*NETWORKS, *BY_HAND]:
        rng = np.random.default_rng(args.seed)
        if name in BY_HAND:
            model = BY_HAND[name]()
            write(name, model, rng.uniform(0, 4, (args.samples, *model.input_shape[1:])).astype(np.float32), CASES[:1], args)
            continue
        model, x = made_by_hgq(name, rng, lambda shape: rng.normal(0, 1.5, (args.samples, *shape)).astype(np.float32))
        wanted = {"name_16_6"} | ({"stream"} if name in STREAMED else set()) | ({"model_10_4"} if name in TWICE else set())
        write(name, model, x, [case for case in CASES if case["name"] in wanted], args)


if __name__ == "__main__":
    main()
