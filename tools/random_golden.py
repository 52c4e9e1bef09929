#!/usr/bin/env python3
"""Random networks with random types, answered by the real hls4ml: files as in golden/, for golden_test.

    python random_golden.py FOLDER [--models 4] [--cases 3] [--seed 1] [--samples 40]
    NARROW_GOLDEN=FOLDER build/golden_test

Every draw comes from the seed, which is printed. The networks use each layer that narrow supports. Not drawn: a
BatchNormalization behind a Dense on sets with inferred types, or one, a cast or a merge behind a Flatten, where hls4ml 1.3.0 itself is wrong (docs/numerics.md).
With --keras2 the networks are of tf_keras and read by hls4ml's reader for Keras 2, which knows no KSum, and has SeparableConv layers.
With --special every case has weights of ap_int<2> somewhere, or inputs and weights of ap_uint<1>: the products of ternary and
binary networks. golden/special was made so.
"""
import argparse
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import hls4ml_reference as reference  # sets the Keras backend

if "--keras2" in sys.argv:
    import tf_keras as keras
else:
    import keras
import numpy as np


KERAS2 = "--keras2" in sys.argv
TABLES = ["sigmoid", "tanh", "softplus", "softsign", "elu", "selu"]  # activations that hls4ml looks up in tables
FUNCTIONS = [*TABLES, "softmax", "hard_sigmoid"]  # relu6 is not of io_stream


def products(rng, x, name, batch_norm, seen=None):
    """A Dense or a convolution, and what stands behind it. `seen`, where it is given, may get the layer itself: what follows is then not all that
    reads it."""
    fused = rng.random() < 0.4
    options = {"activation": rng.choice(["relu", "relu", "leaky_relu", *FUNCTIONS]) if fused else None, "use_bias": rng.random() < 0.8, "name": name}
    axes = len(x.shape) - 2
    refused = False
    if axes == 0 or rng.random() < (0.7 if axes == 1 else 0.3):
        x = keras.layers.Dense(rng.choice([1, 2, 3, 5, 6, 8, 10, 12]), **options)(x)
    else:
        size = [rng.randint(1, min(3, n)) for n in x.shape[1:-1]]
        strides = rng.choice([1, 1, 2, 3])
        if axes == 2 and size[0] == 1 and size[1] > 1:
            strides = 1  # with io_stream hls4ml counts no rows there
        batch_norm = batch_norm or max(size) > 1
        padding = rng.choice(["valid", "same", "causal"][: 4 - axes])
        if axes == 1 and seen is not None:
            padding = "valid"  # with io_stream hls4ml may pad another layer that reads the same values
        kind = rng.choice(["Conv", "Conv", "DepthwiseConv", *(["SeparableConv"] if KERAS2 else [])])
        if kind == "DepthwiseConv":
            refused = x.shape[-1] > 1  # hls4ml folds it along the wrong axis
            batch_norm = batch_norm and not refused
            options |= {"padding": "valid" if padding == "causal" else padding}
        else:
            options |= {"filters": rng.choice([1, 2, 3, 4]), "padding": padding}
        if kind != "Conv" and axes == 2:
            strides, size = (1, size) if "same" in options["padding"] and rng.random() < 0.5 else (strides, size)
        x = getattr(keras.layers, f"{kind}{axes}D")(kernel_size=size, strides=strides, **options)(x)
    if seen is not None and rng.random() < 0.3:
        seen.append(x)
    if rng.random() < 0.2:
        x = keras.layers.Dropout(0.1, name=name + "_early")(x)
        batch_norm = batch_norm or not refused  # behind it hls4ml folds as it means to
    if batch_norm and rng.random() < 0.4:
        x = keras.layers.BatchNormalization(name=name + "_bn")(x)
        if rng.random() < 0.3:
            x = keras.layers.BatchNormalization(name=name + "_bn2")(x)
    if not fused and rng.random() < 0.8:
        kind = rng.choice(["relu", "relu", "ReLU", "LeakyReLU", "leaky_relu", "linear", "Softmax", "PReLU", "ELU", "threshold", *FUNCTIONS])
        slope = rng.choice([rng.uniform(0.01, 0.6), rng.uniform(0.5, 3), 0.5, 0.125, 1.5, 1e-3])
        if kind == "LeakyReLU":
            x = keras.layers.LeakyReLU(slope, name=name + "_act")(x)
        elif kind == "PReLU":
            x = keras.layers.PReLU(name=name + "_act")(x)
        elif kind == "ELU":
            x = keras.layers.ELU(alpha=slope, name=name + "_act")(x)
        elif kind == "threshold":
            x = keras.layers.ReLU(threshold=slope, name=name + "_act")(x)
        elif kind == "Softmax":
            x = keras.layers.Softmax(name=name + "_act")(x)
        elif kind == "ReLU":
            x = keras.layers.ReLU(negative_slope=rng.choice([0.0, slope]), name=name + "_act")(x)
        else:
            x = keras.layers.Activation(kind, name=name + "_act")(x)
    if rng.random() < 0.2:
        x = keras.layers.Dropout(0.1, name=name + "_drop")(x)
    return x


def pooling(rng, x, name):
    """Sometimes, as io_stream has it: nothing is padded, and of an image windows lie side by side."""
    axes = len(x.shape) - 2
    refused = False
    if axes == 0 or rng.random() < 0.7:
        return x
    size = [rng.randint(1, min(3, n)) for n in x.shape[1:-1]]
    strides = rng.randint(1, 3) if axes == 1 else None
    return getattr(keras.layers, rng.choice(["Max", "Average"]) + f"Pooling{axes}D")(size, strides=strides, name=name)(x)


def moved(rng, x, name):
    """Sometimes, what moves values alone; of three axes io_stream permutes none."""
    axes = len(x.shape) - 2
    refused = False
    if axes == 0 or rng.random() < 0.8:
        return x
    kind = rng.choice(["Reshape", "Permute", "ZeroPadding", "UpSampling", "Cropping"][(axes == 2) * 2 :])
    if kind == "Reshape":
        return keras.layers.Reshape((x.shape[2], x.shape[1]), name=name)(x)
    if kind == "Permute":
        return keras.layers.Permute((2, 1), name=name)(x)
    if kind == "ZeroPadding":
        zeros = [[rng.randint(0, 2), rng.randint(0, 2)] for _ in range(axes)]
        return getattr(keras.layers, f"ZeroPadding{axes}D")(zeros if axes == 2 else zeros[0], name=name)(x)
    if kind == "Cropping":
        cut = [[rng.randint(0, (n - 1) // 2), rng.randint(0, (n - 1) // 2)] for n in x.shape[1:-1]]
        return getattr(keras.layers, f"Cropping{axes}D")(cut if axes == 2 else cut[0], name=name)(x)
    return getattr(keras.layers, f"UpSampling{axes}D")(2 if axes == 1 else (rng.randint(1, 2), 2), name=name)(x)


MERGES = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"]


def merge(rng, x, others, name):
    """x and a layer before it, which a Dense makes fit: a residual connection, or a branch."""
    other = rng.choice(others)
    kind = rng.choice([*MERGES, *MERGES, "Concatenate"])
    if kind == "Concatenate" and other.shape[:-1] == x.shape[:-1]:
        layer = keras.layers.Concatenate(name=name)
    elif kind == "Concatenate" and len(x.shape) == 3 and len(other.shape) == 3 and other.shape[2] == x.shape[2]:
        layer = keras.layers.Concatenate(axis=1, name=name)
    elif len(other.shape) != len(x.shape) or other.shape[:-1] != x.shape[:-1]:
        return x
    else:
        if other.shape != x.shape:
            other = keras.layers.Dense(x.shape[-1], name=name + "_to")(other)
        layer = getattr(keras.layers, kind if kind in MERGES else "Add")(name=name)
    x = layer([x, other] if rng.random() < 0.5 else [other, x])
    if rng.random() < 0.5:
        x = keras.layers.Activation(rng.choice(["relu", "tanh", "linear"]), name=name + "_act")(x)
    return x


def random_vectors(rng):
    """Two or three vectors and no set, which hls4ml takes with io_parallel too: a Dot, and inputs that repeat over a leading axis."""
    inputs = [keras.Input((rng.choice([3, 4, 6]),), name=name) for name in rng.sample(["b_first", "a_second", "c_third"], rng.randint(2, 3))]
    seen = list(inputs)
    for i in range(rng.randint(1, 2)):
        x = keras.layers.Dense(rng.choice([4, 6, 8]), activation=rng.choice([None, "relu", "tanh"]), name=f"dense{i + 1}")(rng.choice(seen))
        x = merge(rng, x, seen, f"merge{i + 1}")
        seen.append(x)
    # Every input is read.
    for i, each in enumerate(inputs):
        x = merge(rng, keras.layers.Dense(x.shape[-1], name=f"of_input{i + 1}")(each), [x], f"with_input{i + 1}")
    outputs = []
    if rng.random() < 0.7:
        other = keras.layers.Dense(x.shape[-1], name="product_to")(rng.choice(inputs))
        outputs.append(keras.layers.Dot(axes=rng.choice([1, -1, (1, 1)]), name="product")([x, other]))
    if rng.random() < 0.5:
        rows, row = keras.Input((3, 4), name="rows"), keras.Input((1, 4), name="row")
        inputs += [row, rows]
        repeated = getattr(keras.layers, rng.choice(MERGES))(name="repeated")([rows, row] if rng.random() < 0.5 else [row, rows])
        outputs.append(keras.layers.Dense(3, name="of_repeated")(keras.layers.Flatten(name="flatten_repeated")(repeated)))
    return keras.Model(inputs, [keras.layers.Dense(2, name="regression")(x), *outputs])


def random_model(rng, uniform):
    if rng.random() < 0.2:
        return filled(rng, random_vectors(rng))
    rows, features = rng.choice([3, 5, 8]), rng.choice([2, 4, 5])
    image = rng.random() < 0.35
    x = inputs = keras.Input((rng.randint(3, 6), rng.randint(3, 6), rng.randint(1, 3)) if image else (rows, features), name="cells")
    merging = not image and rng.random() < 0.6
    seen, vectors, outputs = [x], [], []
    if merging and rng.random() < 0.5:
        others = keras.Input(rng.choice([(features,), (rows, features), (rows, 3)]), name="a_second")  # the first by name, not by order
        (vectors if len(others.shape) == 2 else seen).append(others)
        inputs = [inputs, others] if rng.random() < 0.5 else [others, inputs]
    for i in range(rng.randint(1, 2)):
        x = products(rng, x, f"phi{i + 1}", uniform, seen if merging else None)
        x = pooling(rng, x, f"phi_pool{i + 1}")
        x = moved(rng, x, f"phi_moved{i + 1}")
        if merging and rng.random() < 0.7:
            x = merge(rng, x, seen, f"phi_merge{i + 1}")
        seen.append(x)
    pool = rng.choice(["flatten", "flatten", "mean", "max"] if image or KERAS2 else ["KSum", "KSum", "KSum", "mean", "max", "flatten"])
    if pool == "KSum":
        x = reference.KSum(name="KSum")(x)
    elif pool == "mean":
        x = (keras.layers.GlobalAveragePooling2D if image else keras.layers.GlobalAveragePooling1D)(name="mean")(x)
    elif pool == "max":
        x = (keras.layers.GlobalMaxPooling2D if image else keras.layers.GlobalMaxPooling1D)(name="largest")(x)
    else:
        x = keras.layers.Flatten(name="flatten")(x)
        if rng.random() < 0.5:
            x = keras.layers.Dropout(0.1, name="flatten_drop")(x)
    if pool != "flatten" and rng.random() < 0.3:
        x = keras.layers.BatchNormalization(epsilon=1e-9, name="idle")(x)
    for i in range(rng.randint(0, 1) + merging):
        x = products(rng, x, f"rho{i + 1}", True, vectors if merging else None)
        if merging and vectors and rng.random() < 0.8:
            x = merge(rng, x, vectors, f"rho_merge{i + 1}")
        vectors.append(x)
    if merging and len(vectors) > 1 and rng.random() < 0.5:
        outputs.append(vectors[-1])  # an output in between, which other layers read
    x = keras.layers.Dense(rng.choice([1, 2]), name="regression")(x)
    return filled(rng, keras.Model(inputs, [x, *outputs] if outputs else x))


def filled(rng, model):
    for layer in model.layers:
        if layer.name == "idle" and rng.random() < 0.5:
            continue  # multiplies by 1 and adds 0
        layer.set_weights([np.float32(rng.choice([0.3, 0.6, 1.0])) * np.random.randn(*w.shape).astype(np.float32) for w in layer.get_weights()])
        if isinstance(layer, keras.layers.BatchNormalization):
            weights = layer.get_weights()
            layer.set_weights(weights[:-1] + [np.abs(weights[-1]) + np.float32(0.3)])
    return model


def fixed(rng, low=4, high=18, modes=0.4, unsigned=0.0):
    width = rng.randint(low, high)
    fields = [str(width), str(rng.randint(0, min(width, 8)))]
    if rng.random() < modes:
        fields.append(rng.choice(["AP_TRN", "AP_TRN_ZERO", "AP_RND", "AP_RND_ZERO", "AP_RND_INF", "AP_RND_MIN_INF", "AP_RND_CONV"]))
        if rng.random() < 0.7:
            fields.append(rng.choice(["AP_WRAP", "AP_SAT", "AP_SAT_SYM", "AP_SAT_ZERO"]))
    return f"ap_{'u' if rng.random() < unsigned else ''}fixed<{','.join(fields)}>"


def add_special_types(rng, model, layers):
    """Types whose C++ names choose another product."""
    denses = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for layer in rng.sample(denses, rng.randint(1, len(denses))):
        before = layer.input._keras_history.operation
        types = layers.setdefault(layer.name, {})
        fused = isinstance(before, keras.layers.Dense) and before.activation is not keras.activations.linear
        if rng.random() < 0.5 and not fused:
            types["weight"] = "ap_uint<1>"
            layers.setdefault(before.name, {})["result"] = "ap_uint<1>"
        else:
            types["weight"] = "ap_int<2>"
        if rng.random() < 0.5:
            types["accum"] = fixed(rng, 5, 20)


def random_keys(rng, model):
    """Types and sizes of tables, which hls4ml takes beside Precision."""
    keys = {}
    for layer in model.layers:
        function = getattr(getattr(layer, "activation", None), "__name__", None)
        if isinstance(layer, keras.layers.Softmax):
            function = "softmax"
        if isinstance(layer, keras.layers.ELU):
            function = "elu"
        if function not in [*TABLES, "softmax"] or rng.random() < 0.4:
            continue
        name = f"{layer.name}_{function}" if isinstance(layer, keras.layers.Dense) else layer.name
        if function == "softmax":
            keys[name] = {"TableSize": rng.choice([1024, 4096, 256, 64]), "Implementation": rng.choice(["stable", "stable", "latency", "argmax", "legacy"])}
            for table in ("exp_table_t", "inv_table_t", "inv_inp_t"):
                if rng.random() < 0.5:
                    keys[name][table] = fixed(rng, 12, 24, unsigned=0.2)
            continue
        keys[name] = {"TableSize": rng.choice([1024, 512, 100, 1000, 4096, 2])}
        if rng.random() < 0.6:
            keys[name]["table_t"] = fixed(rng, 4, 24, unsigned=0.2)
    return keys


def needs_parallel(model):
    """What hls4ml has for io_parallel alone."""
    return any(isinstance(layer, keras.layers.Dot) or layer.name == "repeated" for layer in model.layers)


def fits_pointwise(layer, reuse):
    """Of a Dense on a set or a window of one pixel hls4ml takes a reuse factor that does not fit as it is (docs/numerics.md)."""
    dense = isinstance(layer, keras.layers.Dense) and len(layer.input.shape) > 2
    if not dense and not (isinstance(layer, (keras.layers.Conv1D, keras.layers.Conv2D)) and max(layer.kernel_size) == 1):
        return True
    n_in, n_out = layer.kernel.shape[-2:]
    return (-(-n_in * n_out // min(n_in, reuse)) % n_out == 0 or reuse >= n_in) and (reuse % n_in == 0 or reuse < n_in) and n_in * n_out % reuse == 0


def random_case(rng, model, name, uniform, special=False):
    case = {"name": name, "default": fixed(rng)}
    if uniform:
        case["granularity"] = "model"
    if rng.random() < 0.7:
        case["weight"], case["bias"] = fixed(rng, modes=0.2), fixed(rng, modes=0.2)
    if not uniform and rng.random() < 0.2:
        case["maximum"] = fixed(rng, 12, 28, modes=0)
    if case["default"].count(",") == 1 and rng.random() < 0.5:
        case["relu_rounding"], case["relu_saturation"] = rng.choice(["AP_RND", "AP_RND_CONV", "AP_TRN"]), rng.choice(["AP_SAT", "AP_SAT_SYM", "AP_WRAP"])
    if rng.random() < 0.5:
        case["strategy"], case["reuse"] = rng.choice(["Resource", "Latency"]), rng.randint(1, 12)
        while case["strategy"] == "Resource" and not all(fits_pointwise(layer, case["reuse"]) for layer in model.layers):
            case["reuse"] -= 1
    layers = {}
    if "cells" not in [i.name for i in model.inputs] and (needs_parallel(model) or rng.random() < 0.5):
        case["io"] = "io_parallel"
    for layer in model.layers[1:]:
        if isinstance(layer, keras.layers.Dot):
            layers[layer.name] = {"accum": fixed(rng, 8, 24)}  # hls4ml infers none
        if rng.random() < 0.25 and not layer.name.startswith("flatten"):
            # A result given on a linear activation or behind a BatchNormalization changes which layers hls4ml keeps.
            kinds = ["result"]
            if isinstance(layer, keras.layers.Dense):
                kinds.append("accum")
            elif isinstance(layer, (keras.layers.LeakyReLU, keras.layers.ELU, keras.layers.PReLU)):
                kinds.append("param")
            elif "Pooling" in type(layer).__name__:
                kinds.append("accum")
            layers.setdefault(layer.name, {})[rng.choice(kinds)] = fixed(rng, 5, 20, unsigned=0.2)
    keys = random_keys(rng, model)
    if keys:
        case["keys"] = keys
    if special:
        add_special_types(rng, model, layers)
    if layers:
        case["layers"] = layers
    return case


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--cases", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--special", action="store_true")
    parser.add_argument("--keras2", action="store_true")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    args.folder.mkdir(parents=True, exist_ok=True)
    for i in range(args.models):
        rng = random.Random(1000 * args.seed + i)
        np.random.seed(1000 * args.seed + i)
        uniform = i % 2 == 1
        model = random_model(rng, uniform)
        stem = args.folder / f"random{i}"
        model.save(f"{stem}.keras")
        scale = rng.choice([0.5, 1, 4])
        samples = {i.name: (np.random.randn(args.samples, *i.shape[1:]) * scale).astype(np.float32) for i in model.inputs}
        np.savez(f"{stem}.npz", **samples)
        for c in range(args.cases):
            name = f"{stem}_{c}"
            shutil.copy(f"{stem}.keras", f"{name}.keras")
            Path(f"{name}.cases.json").write_text(json.dumps([random_case(rng, model, f"case{c}", uniform, args.special)]))
            command = [sys.executable, reference.__file__, f"{name}.keras", f"{stem}.npz", f"{name}.cases.json", f"{name}.h5", "--trace", "5"]
            command += ["--keras2"] * KERAS2
            run = subprocess.run(command, capture_output=True, text=True)
            answer = [line for line in run.stdout.splitlines() if line.startswith(f"case{c}:")]
            if run.returncode != 0 or "failed" in "".join(answer):
                # Its C++ does not compile, or asserts: hls4ml has no answer to compare with.
                errors = [line for line in (run.stdout + run.stderr).splitlines() if "error:" in line or "Assertion" in line]
                print(f"{name}: hls4ml has no answer: {(errors[:1] or answer or run.stderr.splitlines() or ['?'])[-1][-300:]}", flush=True)
                for ending in (".keras", ".cases.json", ".h5"):
                    Path(name + ending).unlink(missing_ok=True)
            else:
                print(f"{name}: {answer[0]}", flush=True)
        Path(f"{stem}.keras").unlink()


if __name__ == "__main__":
    main()
