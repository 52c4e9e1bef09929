#!/usr/bin/env python3
"""Reference answers of hls4ml for networks of HGQ2 0.2.0, read from their files: golden/hgq2.

    build/venv-test/bin/python tools/hgq2_golden.py golden/hgq2 [NAME ...]
    build/venv-test/bin/python tools/hgq2_golden.py other --random 40 --seed 5; NARROW_GOLDEN=other build/golden_test; NARROW_GOLDEN=other build/quantizer_test

For each network NAME.keras (of `pair` NAME.json with NAME.weights.h5 too, of `norms` and `branches` NAME_legacy.h5), NAME.cases.json and NAME.h5, as tools/hls4ml_reference.py writes
them, with HGQ2's own predictions as the float ones; and NAME.quantized.h5 with HGQ2's quantized weights. hls4ml converts what Keras loads from
the file. Those of --random are chains and branches of layers with quantizers of any modes.
"""
import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import random_hgq2  # noqa: E402  (sets Keras' backend)

import h5py  # noqa: E402
import hgq.layers as hgq  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from hgq.config import LayerConfigScope, QuantizerConfig  # noqa: E402
from hgq.quantizer import Quantizer  # noqa: E402

from golden_case import write_case  # noqa: E402

layers = keras.layers
CASE = {"name": "bit_exact", "granularity": "model", "default": "ap_fixed<16,6>", "io": "io_parallel"}


class Network(random_hgq2.Network):
    """More kinds of layers, and of quantizers: bits for some axes, weights that wrap, with a scale, outputs with quantizers."""

    ROUNDINGS = ["TRN", "RND", "RND_CONV", "RND", "S_RND", "S_RND_CONV", "TRN_ZERO", "RND_ZERO", "RND_INF", "RND_MIN_INF"]

    def bits(self, place, table=False, rank=None):
        rng, of_values = self.rng, place == "datalane"
        kind = "one" if table else self.choice(["one", "all", "some"])
        axes = {"one": {"homogeneous_axis": None, "heterogeneous_axis": ()}, "all": {"homogeneous_axis": (0,) if of_values else (), "heterogeneous_axis": None},
                "some": {"homogeneous_axis": None, "heterogeneous_axis": (-1,)}}[kind]
        q_type = self.choice(["kif", "kbi"])
        more = {"i0": int(rng.integers(0, 3)), **({"f0": int(rng.integers(1, 6))} if q_type == "kif" else {"b0": int(rng.integers(3, 8))})}
        # Of an input hls4ml has no finite type behind other roundings.
        rounding = self.choice(["TRN", "RND"] if of_values and rng.random() < 0.5 else self.ROUNDINGS)
        if not of_values and rng.random() < 0.15:
            more["scaler"] = float(self.choice([0.5, 4.0, 0.25]))
        if place == "weight" and rng.random() < 0.1:
            more["affine"] = (2.0, 0.25)
        if of_values and rng.random() < 0.3:
            more["k0"] = False
        return QuantizerConfig(place=place, q_type=q_type, round_mode=rounding, overflow_mode=self.choice(random_hgq2.OVERFLOWS), **more, **axes)

    def weighted(self, make, *sizes, **more):
        if self.rng.random() < 0.2:
            more = {**more, "enable_oq": True, "oq_conf": self.bits("datalane")}
        if self.rng.random() < 0.15:
            more["use_bias"] = make is hgq.QBatchNormDense
        return super().weighted(make, *sizes, **more)

    def layer(self, x):
        rng, rank = self.rng, len(x.shape) - 1
        kind = self.choice(["other", "other", "quantizer", "average", "relu", "beside", "plain_add", "dropout"] + (["whole"] if rank > 1 else []))
        if kind == "quantizer":
            return Quantizer(self.bits("datalane"))(x)
        if kind == "average":
            return hgq.QAveragePow2(iq_confs=[self.bits("datalane"), self.bits("datalane")])([x, self.weighted(hgq.QDense, int(x.shape[-1]))(x)])
        if kind == "relu":
            return layers.Activation("relu")(Quantizer(self.bits("datalane"))(x))
        if kind == "beside":
            return layers.Concatenate()([Quantizer(self.bits("datalane"))(x), self.weighted(hgq.QDense, 2)(x)])
        if kind == "plain_add":
            return layers.Add()([Quantizer(self.bits("datalane"))(x), self.weighted(hgq.QDense, int(x.shape[-1]))(x)])
        if kind == "dropout":
            return layers.Dropout(0.3)(x)
        if kind == "whole":
            name = self.choice(["QGlobalMaxPooling", "QGlobalAveragePooling"]) + f"{rank - 1}D"
            return getattr(hgq, name)(iq_conf=self.bits("datalane"))(x)
        for _ in range(20):  # tables are read in Python alone
            y = super().layer(x)
            if not any(isinstance(layer, hgq.QUnaryFunctionLUT) for layer in [y._keras_history.operation]):
                return y
        return x

    def model(self):
        model = super().model()
        for layer in model._flatten_layers():
            if hasattr(layer, "_i") and self.rng.random() < 0.5:  # integer bits between two whole numbers, and no bits at all
                layer._i.assign(np.array(layer._i) + self.rng.uniform(-1.5, 1.5, layer._i.shape))
        return model


def of(place, **more):
    return QuantizerConfig(place=place, **more)


def one(place, **more):
    return of(place, homogeneous_axis=None, heterogeneous_axis=(), **more)


def tagger():
    """HGQ2's default quantizers: bits for each value and each weight."""
    x = first = keras.Input((16,), name="jets")
    for n, activation in ((12, "relu"), (8, "relu"), (5, None)):
        x = hgq.QDense(n, activation=activation, name=f"d{n}")(x)
    return keras.Model(first, x)


def pair():
    """One type for each tensor, saturating."""
    x = first = keras.Input((8,), name="jets")
    for i, n in enumerate((6, 4)):
        x = hgq.QDense(n, activation="relu", name=f"d{i}", iq_conf=one("datalane", overflow_mode="SAT"), kq_conf=one("weight", q_type="kif"), bq_conf=one("bias"))(x)
    return keras.Model(first, hgq.QDense(3, name="d", enable_oq=True, oq_conf=one("datalane", overflow_mode="SAT_SYM"))(x))


def image():
    x = first = keras.Input((7, 7, 2), name="image")
    x = hgq.QConv2D(3, 3, activation="relu", name="c1", padding="same", iq_conf=of("datalane", overflow_mode="SAT"))(x)
    x = hgq.QMaxPooling2D(2, name="p1")(x)
    x = hgq.QConv2D(4, 2, activation="relu", name="c2", kq_conf=of("weight", homogeneous_axis=None, heterogeneous_axis=(3,)))(x)
    x = layers.Flatten(name="f")(x)
    return keras.Model(first, hgq.QDense(3, name="d")(x))


def steps():
    x = first = keras.Input((9, 3), name="steps")
    x = hgq.QConv1D(4, 3, activation="relu", name="c", padding="same", strides=2)(x)
    x = hgq.QDense(3, name="d1")(x)
    x = hgq.QAveragePooling1D(2, name="mean")(x)
    x = hgq.QGlobalAveragePooling1D(name="g", iq_conf=one("datalane"))(x)
    return keras.Model(first, hgq.QDense(3, name="d", iq_conf=one("datalane"))(x))


def norms():
    x = first = keras.Input((6,), name="jets")
    x = hgq.QBatchNormalization(name="n1")(x)
    x = hgq.QBatchNormDense(7, activation="relu", name="b1")(x)
    x = hgq.QBatchNormalization(name="n2", iq_conf=one("datalane", round_mode="RND_CONV"), center=False)(x)
    return keras.Model(first, hgq.QBatchNormDense(3, name="b2")(x))


def branches():
    first = keras.Input((5,), name="jets")
    x = Quantizer(of("datalane", overflow_mode="SAT", round_mode="TRN"), name="q")(first)
    a = hgq.QDense(4, activation="relu", name="a")(x)
    b = hgq.QDense(4, name="b", enable_oq=True, oq_conf=of("datalane", q_type="kbi"))(x)
    sums = [make(name=name)([a, b]) for make, name in ((hgq.QAdd, "add"), (hgq.QSubtract, "sub"), (hgq.QMultiply, "mul"), (hgq.QMaximum, "max"), (hgq.QMinimum, "min"), (hgq.QAveragePow2, "mean"))]
    y = sums[0]
    for i, each in enumerate(sums[1:]):
        y = layers.Concatenate(name=f"cat{i}")([y, each])
    return keras.Model(first, hgq.QDense(3, name="d")(y))


def idle():
    """Normalizations that change nothing, which hls4ml takes out with what they have of the quantizers behind them."""
    x = first = keras.Input((4, 3), name="cells")
    x = hgq.QBatchNormalization(name="idle0", iq_conf=one("datalane"))(x)
    x = hgq.QDense(4, name="a", activation="relu")(x)
    x = hgq.QBatchNormalization(name="idle1", iq_conf=one("datalane"))(x)
    x = layers.Flatten(name="f")(x)
    x = hgq.QDense(4, name="b", iq_conf=one("datalane", overflow_mode="SAT"))(x)
    x = hgq.QBatchNormalization(name="idle2", iq_conf=of("datalane"))(x)
    return keras.Model(first, hgq.QDense(3, name="d", iq_conf=one("datalane", i0=1, f0=2))(x))


def tables():
    x = first = keras.Input((5,), name="jets")
    for function in ("tanh", "relu", "sigmoid", "linear"):
        x = hgq.QDense(4, name=f"to_{function}")(x)
        x = hgq.QUnaryFunctionLUT(function, name=f"lut_{function}", allow_heterogeneous_table=False, iq_conf=of("datalane", overflow_mode="SAT"), oq_conf=one("table", overflow_mode="SAT"))(x)
    return keras.Model(first, hgq.QDense(2, name="d")(x))


def vectors():
    """What moves values between an input and saturating quantizers of several types; a product of vectors; layers without input quantizers."""
    x = first = keras.Input((4, 2), name="cells")
    x = layers.Flatten(name="f")(x)
    a = hgq.QDense(4, name="a", activation="relu", iq_conf=of("datalane", overflow_mode="SAT"))(x)
    b = hgq.QDense(4, name="b", iq_conf=of("datalane", overflow_mode="SAT_SYM", round_mode="RND_CONV"))(x)
    y = Quantizer(of("datalane"), name="q")(layers.Concatenate(name="cat")([hgq.QDot(name="dot")([a, b]), a]))
    y = hgq.QBatchNormalization(name="high", enable_iq=False)(y)
    y = layers.Activation("relu", name="relu")(y)
    return keras.Model(first, hgq.QDense(2, name="d", enable_iq=False, enable_oq=True, oq_conf=of("datalane", overflow_mode="SAT"))(y))


NETWORKS = {"tagger": tagger, "pair": pair, "image": image, "steps": steps, "norms": norms, "branches": branches, "idle": idle, "tables": tables, "vectors": vectors}


def named(number):
    keras.utils.set_random_seed(number)
    network = Network(np.random.default_rng(number))
    model = list(NETWORKS.values())[number]()
    for layer in model.layers:
        if not layer.name.startswith("idle"):
            network.fill(layer)
        if layer.name == "high":  # so that its bias needs bits of its own
            layer.bn_beta.assign(layer.bn_beta + 9)
    return model, network.samples(model, 60)


def quantized(model, path):
    """HGQ2's own weights, as hls4ml asks for them."""
    with h5py.File(path, "w") as out:
        for layer in model.layers:
            for name in ("kernel", "bias"):
                if hasattr(layer, "q" + name) and getattr(layer, "q" + name) is not None:
                    out[f"{layer.name}/{name}"] = np.array(getattr(layer, "q" + name))
            if isinstance(layer, hgq.QBatchNormalization):
                scale, bias = layer.qscaler_and_qoffset
                out[f"{layer.name}/scale"], out[f"{layer.name}/offset"] = np.array(scale), np.array(bias)


def answers(path, x, folder, n_trace):
    model = keras.models.load_model(path, compile=False)
    for layer in model.layers:
        for i, quantizer in enumerate(getattr(getattr(layer, "_iq", None), "quantizers", ())):
            quantizer.name = f"{layer.name}_iq_{i}"  # which Keras numbers as it comes to them
    hls = random_hgq2.converted(model, folder)
    types = {}
    for layer in hls.get_layers():
        types[layer.name] = {k: str(v.precision) for k, v in layer.attributes.items() if k.endswith("_t") and hasattr(v, "precision")}
        types[layer.name]["result_t"] = str(layer.get_output_variable().type.precision)
    hls.config.trace_output = True
    hls.write()
    script = Path(folder) / "build_lib.sh"
    script.write_text(script.read_text().replace("-O3", "-O0"))
    start = time.perf_counter()
    hls._compile()
    compile_s = time.perf_counter() - start
    x = np.ascontiguousarray(x, dtype=np.float64)
    predictions = np.asarray(hls.predict(x)).reshape(len(x), -1)
    hls.compile = lambda: None  # which trace() calls
    trace = hls.trace(x[:n_trace])[1]
    return model, types, predictions, trace, compile_s


def write(name, model, x, args):
    path = args.folder / f"{name}.keras"
    model.save(path)
    if name in ("norms", "branches"):  # Keras' older file, under a name that no golden file has
        model.save(args.folder / f"{name}_legacy.h5")
    if name == "pair":
        (args.folder / f"{name}.json").write_text(model.to_json())
        model.save_weights(args.folder / f"{name}.weights.h5")
    work = Path(tempfile.mkdtemp(prefix="hgq2_golden_"))
    try:
        loaded, types, predictions, trace, compile_s = answers(path, x, work / "hls", args.trace)
    except Exception as error:  # what hls4ml itself cannot build is reported, never dropped in silence
        print(f"{name}: hls4ml failed: {type(error).__name__} {str(error)[-300:]}", flush=True)
        path.rename(path.with_suffix(".failed"))
        return
    finally:
        shutil.rmtree(work, ignore_errors=True)
    (args.folder / f"{name}.cases.json").write_text(json.dumps([CASE], indent=1) + "\n")
    quantized(loaded, args.folder / f"{name}.quantized.h5")
    with h5py.File(args.folder / f"{name}.h5", "w") as out:
        out["input"] = x
        out["float"] = loaded.predict(x, verbose=0).reshape(len(x), -1).astype(np.float64)
        write_case(out, CASE, types, predictions, trace)
        equal = (predictions == out["float"][:]).mean()
    print(f"{name}: compile {compile_s:.1f} s, equal to HGQ2 {equal:.4f}, {[layer.__class__.__name__ for layer in model.layers]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--trace", type=int, default=10)
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N random networks instead")
    parser.add_argument("--tables", action="store_true", help="random ones as tools/random_hgq2.py has them, with tables")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=13)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for number in range(args.first, args.first + args.random):
        keras.utils.set_random_seed(number)
        network = (random_hgq2.Network if args.tables else Network)(np.random.default_rng([args.seed, number]))
        model = network.model()
        write(f"{'tables' if args.tables else 'random'}_{args.seed}_{number}", model, network.samples(model), args)
    for name in [] if args.random else args.names or NETWORKS:
        write(name, *named(list(NETWORKS).index(name)), args)


if __name__ == "__main__":
    main()
