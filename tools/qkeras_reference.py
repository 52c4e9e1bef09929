#!/usr/bin/env python3
"""Reference answers of hls4ml for networks of QKeras and for BinaryDense and TernaryDense layers: golden/qkeras.

    python3 -m venv build/venv-qkeras
    build/venv-qkeras/bin/pip install hls4ml==1.3.0 qkeras==0.9.0 pyparsing tensorflow-cpu==2.17.1 tf_keras==2.17.0 'numpy<2' h5py
    build/venv-qkeras/bin/python tools/qkeras_reference.py golden/qkeras [NAME ...]
    build/venv-qkeras/bin/python tools/qkeras_reference.py other --seed 5; NARROW_GOLDEN=other build/golden_test; NARROW_GOLDEN=other build/quantizer_test
    build/venv-qkeras/bin/python tools/qkeras_reference.py other --random 30       # networks of convolutions with quantizers and types that are drawn

QKeras 0.9 is for Keras 2, so hls4ml reads these networks with its reader of Keras 2. For each network below: NAME.keras (or, of layers that
no Keras has, NAME.json and NAME_weights.h5 as Keras 2.1 wrote them), NAME.cases.json and NAME.h5, as tools/hls4ml_reference.py writes them.
NAME.quantized.h5 holds what QKeras' quantizers make of each layer's arrays.
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

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import hls4ml
import numpy as np
import tf_keras
from hls4ml.converters.keras_v2_to_hls import KerasFileReader, keras_v2_to_hls, parse_keras_model
from qkeras import (QActivation, QBatchNormalization, QConv1D, QConv2D, QConv2DBatchnorm, QDense, QDepthwiseConv2D,
                    QSeparableConv1D, QSeparableConv2D)
from qkeras.quantizers import (binary, quantized_bits, quantized_po2, quantized_relu, quantized_sigmoid, quantized_tanh, stochastic_binary,
                               stochastic_ternary, ternary)

from golden_case import write_case

layers = tf_keras.layers
BITS = lambda: quantized_bits(6, 1, alpha=1)


def chain(shape, *rest):
    x = first = layers.Input(shape, name="inp")
    for layer in rest:
        x = layer(x)
    return tf_keras.Model(first, x)


def dense(n, name, kernel, bias=BITS, **more):
    return QDense(n, kernel_quantizer=kernel, bias_quantizer=bias() if callable(bias) else bias, name=name, **more)


NETWORKS = {
    # Quantized bits and relus, as most are trained: no scale.
    "bits": lambda: chain(
        (10,),
        dense(12, "d1", quantized_bits(6, 0, alpha=1)), QActivation(quantized_relu(6, 2), name="r1"),
        dense(9, "d2", quantized_bits(5, 1, symmetric=1, alpha=1)), QActivation("quantized_relu(7, 3)", name="r2"),
        dense(8, "d3", quantized_bits(4, 0, alpha=1), bias=None, use_bias=False), QActivation(quantized_bits(8, 3, alpha=1), name="b3"),
        dense(5, "d4", quantized_bits(7, 2, alpha=1), activation=quantized_relu(8, 4, negative_slope=0.25)),
        dense(4, "d5", quantized_bits(6, 0, alpha=1)), layers.Activation("softmax", name="s")),
    "kinds": lambda: chain(
        (8,),
        dense(6, "q0", quantized_bits(6, 1, alpha=1)), QActivation(quantized_tanh(7, use_real_tanh=True), name="rt"),
        dense(7, "q1", binary(alpha=1)), QActivation(quantized_sigmoid(7, use_real_sigmoid=True), name="rs"),
        dense(6, "q2", ternary(alpha=1)), QActivation(quantized_tanh(6, symmetric=True), name="ht"),
        dense(6, "q3", stochastic_ternary(alpha=1, threshold=0.4)), QActivation(quantized_sigmoid(6), name="hs"),
        dense(6, "q4", stochastic_binary(alpha=1)), QActivation(binary(alpha=1), name="bi"),
        dense(6, "q5", binary(alpha=1)), QActivation(ternary(alpha=1), name="te"),
        dense(6, "q6", quantized_po2(4)), QActivation(quantized_relu(4, 4), name="r6"),
        dense(5, "q7", quantized_po2(5, max_value=2))),
    "scales": lambda: chain(
        (8,),
        dense(6, "qa", quantized_bits(4, 0, alpha="auto")), QActivation(quantized_relu(6, 2), name="r1"),
        dense(6, "qp", quantized_bits(4, 0, alpha="auto_po2")), QActivation(quantized_bits(8, 3, alpha=1), name="qb"),
        dense(17, "qt", ternary(alpha="auto")), QActivation(quantized_relu(6, 3, negative_slope=0.25), name="r2"),
        dense(10, "qbin", binary(alpha="auto")), QActivation(quantized_tanh(6), name="th"),
        dense(9, "qhalf", quantized_bits(5, 1, alpha=0.3)), QActivation(quantized_relu(6, 1), name="r3"),
        dense(6, "qtp", ternary(alpha="auto_po2")), QActivation(quantized_relu(6, 2), name="r4"),
        dense(5, "qbp", binary(alpha="auto_po2"), use_bias=False), QActivation(quantized_sigmoid(6), name="sg"),
        dense(4, "qba", quantized_bits(5, 0, alpha=1), bias=lambda: quantized_bits(5, 1, alpha="auto"))),
    "norms": lambda: chain(
        (8,),
        dense(6, "q", quantized_bits(4, 0, alpha=1)), layers.BatchNormalization(name="bn"), QActivation(binary(alpha=1), name="bi"),
        dense(6, "q2", binary(alpha=1), use_bias=False), layers.BatchNormalization(name="bn2"), QActivation(ternary(alpha=1), name="te"),
        dense(6, "q3", ternary(alpha="auto"), use_bias=False), layers.BatchNormalization(name="bn3"), QActivation(quantized_relu(6, 2), name="r"),
        dense(6, "q4", quantized_bits(4, 0, alpha="auto_po2")), layers.BatchNormalization(name="bn4"), QActivation(ternary(alpha=1, threshold=0.2), name="te2"),
        layers.Dense(5, name="plain"), layers.BatchNormalization(name="bn5")),
    # The jet tagger of hls4ml's tutorial, as it is trained quantized.
    "tagger": lambda: chain(
        (16,),
        dense(64, "fc1", quantized_bits(6, 0, alpha=1)), QActivation(quantized_relu(6), name="relu1"),
        dense(32, "fc2", quantized_bits(6, 0, alpha=1)), QActivation(quantized_relu(6), name="relu2"),
        dense(32, "fc3", quantized_bits(6, 0, alpha=1)), QActivation(quantized_relu(6), name="relu3"),
        dense(5, "output", quantized_bits(6, 0, alpha=1)), layers.Activation("softmax", name="softmax")),
    # A QDense on a set, of which hls4ml forgets the quantizers; a normalization of QKeras.
    "sets": lambda: chain(
        (5, 4),
        dense(6, "phi", quantized_bits(5, 1, alpha=1)), QActivation(quantized_relu(6, 2), name="r"),
        layers.GlobalAveragePooling1D(name="gap"),
        dense(6, "rho", quantized_bits(5, 0, alpha=1)), QBatchNormalization(name="qbn"), QActivation(quantized_relu(5, 2), name="r2"),
        dense(3, "out", quantized_bits(6, 0, alpha="auto"), use_bias=False)),
    "conv2": lambda: chain(
        (8, 8, 2),
        QConv2D(9, 3, kernel_quantizer=quantized_bits(4, 0, alpha="auto"), bias_quantizer=BITS(), name="c"), QActivation(quantized_relu(5, 2), name="r"),
        layers.MaxPooling2D(2, name="mp"),
        QConv2D(3, (2, 2), padding="same", kernel_quantizer=binary(alpha=1), bias_quantizer=BITS(), name="c2"), layers.BatchNormalization(name="bn"),
        QActivation(quantized_relu(5, 2), name="r2"), layers.Flatten(name="f"),
        dense(4, "d", quantized_bits(5, 0, alpha=1, symmetric=1)), layers.Activation("softmax", name="s")),
    # A binary network of images: signs go through pooling and a Flatten.
    "signs": lambda: chain(
        (6, 6, 2),
        QConv2D(4, 3, kernel_quantizer=binary(alpha=1), bias_quantizer=BITS(), name="c"), layers.BatchNormalization(name="bn"),
        QActivation(binary(alpha=1), name="bi"), layers.MaxPooling2D(2, name="mp"),
        QConv2D(3, 2, padding="same", kernel_quantizer=binary(alpha=1), use_bias=False, name="c2"), layers.BatchNormalization(name="bn2"),
        QActivation(binary(alpha=1), name="bi2"), layers.Flatten(name="f"),
        dense(5, "d", binary(alpha=1), use_bias=False), layers.BatchNormalization(name="bn3")),
    # Signs as the values of products whose weights are numbers.
    "signs_of_values": lambda: chain(
        (10,), QActivation(binary(alpha=1), name="b0"),
        dense(8, "d1", quantized_bits(5, 1, alpha=1)), QActivation(binary(alpha=1), name="b1"),
        dense(6, "d2", quantized_bits(4, 0, alpha=1), use_bias=False), layers.BatchNormalization(name="bn"), QActivation(binary(alpha=1), name="b2"),
        dense(5, "d3", ternary(alpha=1)), QActivation(binary(alpha=1), name="b3"),
        dense(4, "d4", quantized_po2(4))),
    "conv1": lambda: chain(
        (12, 3),
        QConv1D(4, 3, kernel_quantizer=ternary(alpha=1), bias_quantizer=BITS(), name="c"), QActivation(quantized_tanh(6), name="t"),
        QConv1D(5, 2, strides=2, kernel_quantizer=quantized_po2(4), bias_quantizer=BITS(), name="c2"), QActivation(quantized_relu(6, 3), name="r"),
        layers.GlobalAveragePooling1D(name="gap"), dense(3, "d", quantized_bits(6, 0, alpha=1))),
    # Signs of a depthwise convolution have two bits, and its scales stay in its numbers.
    "depthwise2": lambda: chain(
        (6, 6, 3),
        QDepthwiseConv2D((3, 2), depthwise_quantizer=quantized_bits(5, 1, alpha=1), bias_quantizer=BITS(), name="c"), layers.BatchNormalization(name="bn0"),
        QActivation(quantized_relu(6, 2), name="r"),
        QDepthwiseConv2D(2, padding="same", depthwise_quantizer=binary(alpha=1), bias_quantizer=quantized_bits(5, 1, alpha=0.5), activation=quantized_relu(6, 3), name="c2"),
        QSeparableConv2D(4, 2, depthwise_quantizer=quantized_bits(6, 0, alpha=1), pointwise_quantizer=quantized_bits(4, 0, alpha=1), bias_quantizer=BITS(), name="s"),
        layers.BatchNormalization(name="bn"), QActivation(quantized_relu(6, 2), name="r2"),
        QDepthwiseConv2D(2, depthwise_quantizer=quantized_bits(4, 0, alpha="auto"), use_bias=False, name="c3"), layers.Flatten(name="f"),
        dense(3, "d", quantized_bits(5, 0, alpha=1))),
    # Convolutions that take in a normalization before they are quantized; one of a single pixel, one with a scale.
    "folded2": lambda: chain(
        (6, 6, 2),
        QConv2DBatchnorm(4, 3, kernel_quantizer=quantized_bits(6, 1, alpha=1), bias_quantizer=BITS(), name="c"), QActivation(quantized_relu(6, 2), name="r"),
        QConv2DBatchnorm(3, 1, kernel_quantizer=ternary(alpha=1), bias_quantizer=BITS(), activation=quantized_relu(6, 3), name="c2"),
        QConv2DBatchnorm(3, 2, padding="same", scale=False, kernel_quantizer=quantized_bits(4, 0, alpha="auto"), bias_quantizer=BITS(), name="c3"),
        layers.Flatten(name="f"), dense(3, "d", quantized_bits(5, 0, alpha=1))),
    "separable1": lambda: chain(
        (10, 3),
        QSeparableConv1D(4, 3, padding="same", depthwise_quantizer=quantized_po2(4), pointwise_quantizer=ternary(alpha=1), bias_quantizer=BITS(), name="s"),
        QActivation(quantized_tanh(6), name="t"),
        QSeparableConv1D(3, 2, strides=2, depthwise_quantizer=ternary(alpha=1), pointwise_quantizer=binary(alpha=1), use_bias=False, activation=quantized_relu(6, 2), name="s2"),
        layers.GlobalAveragePooling1D(name="gap"), dense(3, "d", quantized_bits(6, 0, alpha=1))),
}

# Of classes that no Keras has, written as Keras 2.1 wrote them: (name, class, configuration).
FULL = lambda n, **more: dict({"units": n, "activation": "linear", "use_bias": True, "trainable": True, "kernel_initializer": {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}}, "bias_initializer": {"class_name": "Zeros", "config": {}}, "kernel_regularizer": None, "bias_regularizer": None, "activity_regularizer": None, "kernel_constraint": None, "bias_constraint": None}, **more)
SIGNED = lambda n, **more: FULL(n, H=1.0, kernel_lr_multiplier="Glorot", bias_lr_multiplier=None, use_bias=False, **more)
NORM = {"axis": -1, "momentum": 0.99, "epsilon": 1e-3, "center": True, "scale": True, "trainable": True, "beta_initializer": {"class_name": "Zeros", "config": {}}, "gamma_initializer": {"class_name": "Ones", "config": {}}, "moving_mean_initializer": {"class_name": "Zeros", "config": {}}, "moving_variance_initializer": {"class_name": "Ones", "config": {}}, "beta_regularizer": None, "gamma_regularizer": None, "beta_constraint": None, "gamma_constraint": None}
ACT = lambda f: {"activation": f, "trainable": True}
BY_HAND = {
    "binary_dense": (14, [("fc1", "BinaryDense", SIGNED(12)), ("bn1", "BatchNormalization", NORM), ("act1", "Activation", ACT("binary_tanh")),
                          ("fc2", "BinaryDense", SIGNED(9)), ("bn2", "BatchNormalization", NORM), ("act2", "Activation", ACT("binary_tanh")),
                          ("fc3", "BinaryDense", SIGNED(5)), ("bn3", "BatchNormalization", NORM)]),
    "ternary_dense": (14, [("fc1", "TernaryDense", SIGNED(12)), ("bn1", "BatchNormalization", NORM), ("act1", "Activation", ACT("ternary_tanh")),
                           ("fc2", "TernaryDense", SIGNED(9)), ("bn2", "BatchNormalization", NORM), ("act2", "Activation", ACT("ternary_tanh")),
                           ("fc3", "TernaryDense", SIGNED(5)), ("bn3", "BatchNormalization", NORM)]),
    "binary_relu": (14, [("fc1", "BinaryDense", SIGNED(12)), ("bn1", "BatchNormalization", NORM), ("act1", "ReLU", {"max_value": 1.5, "negative_slope": 0.0, "threshold": 0.0, "trainable": True}),
                         ("fc2", "BinaryDense", FULL(9, H=1.0)), ("act2", "Activation", ACT("binary_tanh")),
                         ("fc3", "TernaryDense", SIGNED(5)), ("act3", "Activation", ACT("relu")),
                         ("out", "Dense", FULL(4, activation="softmax"))]),
}

CASES = [
    {"name": "name_16_6", "granularity": "name", "default": "ap_fixed<16,6>", "io": "io_parallel"},
    {"name": "name_12_5", "granularity": "name", "default": "ap_fixed<12,5>", "io": "io_parallel"},
    {"name": "name_24_10_cut", "granularity": "name", "default": "ap_fixed<24,10>", "maximum": "ap_fixed<20,8>", "io": "io_parallel"},
    {"name": "model_16_6", "granularity": "model", "default": "ap_fixed<16,6>", "io": "io_parallel"},
    {"name": "model_10_4_sat", "granularity": "model", "default": "ap_fixed<10,4,AP_RND,AP_SAT>", "io": "io_parallel"},
    {"name": "stream", "granularity": "name", "default": "ap_fixed<18,8>", "io": "io_stream"},
]
# Of the larger networks these alone.
FEW = {"signs", "conv2", "conv1", "sets", "tagger", "binary_relu", "depthwise2", "separable1", "folded2"}
FEWER = {"name_16_6", "name_12_5", "model_16_6"}
# Where hls4ml's io_stream is not what narrow computes: a ternary activation that is not merged into thresholds.
NO_STREAM = {"kinds", "binary_relu"}


def random_quantizer(rng, few_columns, scales=True):
    """Of a kernel; of a pointwise one without a scale, where hls4ml stops. Scales that are a mean over one column TensorFlow sums up in an order that narrow does not follow."""
    kind = rng.choice(["bits", "bits", "bits", "binary", "ternary", "po2"])
    if kind == "po2":
        return quantized_po2(int(rng.integers(3, 6)))
    some = scales and rng.random() < 0.4
    if kind == "bits":
        alpha = str(rng.choice(["auto", "auto_po2"])) if some else 1
        return quantized_bits(int(rng.integers(2, 8)), int(rng.integers(0, 2)), symmetric=int(rng.integers(0, 2)), alpha=alpha)
    alpha = "auto" if some and not few_columns else 1
    return binary(alpha=alpha) if kind == "binary" else ternary(alpha=alpha)


def random_network(rng):
    """Convolutions, most of them depthwise, with quantizers that are drawn."""
    one_axis = rng.random() < 0.4
    x = first = layers.Input((int(rng.integers(5, 9)), 3) if one_axis else (int(rng.integers(4, 7)), int(rng.integers(4, 7)), int(rng.integers(1, 4))), name="inp")
    for i in range(int(rng.integers(1, 4))):
        kind = rng.choice(["separable", "separable", "conv"] if one_axis else ["depthwise", "depthwise", "separable", "conv"])
        size = [int(rng.integers(1, min(3, n) + 1)) for n in x.shape[1:-1]]
        stride = int(rng.choice([1, 1, 2]))
        if not one_axis and size[0] == 1:
            stride = 1  # with io_stream hls4ml counts no rows there
        options = {"kernel_size": size[0] if one_axis else tuple(size), "strides": stride, "padding": str(rng.choice(["valid", "same"])), "name": f"c{i}"}
        if rng.random() < 0.7:
            options["bias_quantizer"] = quantized_bits(int(rng.integers(3, 8)), int(rng.integers(0, 3)), alpha=1)
        else:
            options["use_bias"] = bool(rng.random() < 0.5)
        if rng.random() < 0.4:
            options["activation"] = quantized_relu(int(rng.integers(4, 9)), int(rng.integers(1, 4)))
        filters = int(rng.integers(1, 5))
        if kind == "depthwise":
            x = QDepthwiseConv2D(depthwise_quantizer=random_quantizer(rng, True), **options)(x)
        elif kind == "separable":
            x = (QSeparableConv1D if one_axis else QSeparableConv2D)(filters, depthwise_quantizer=random_quantizer(rng, True), pointwise_quantizer=random_quantizer(rng, filters == 1, False), **options)(x)
        else:
            x = (QConv1D if one_axis else QConv2D)(filters, kernel_quantizer=random_quantizer(rng, filters == 1), **options)(x)
        if kind != "depthwise" and "activation" not in options and rng.random() < 0.3:
            x = layers.BatchNormalization(name=f"bn{i}")(x)
        if "activation" not in options:
            x = QActivation([quantized_relu(6, 2), quantized_relu(5, 2, negative_slope=0.25), quantized_tanh(6), quantized_bits(7, 3, alpha=1), binary(alpha=1)][rng.integers(0, 5)], name=f"a{i}")(x)
    x = layers.Flatten(name="f")(x)
    return tf_keras.Model(first, dense(int(rng.integers(2, 4)), "d", quantized_bits(5, 0, alpha=1))(x))


def random_cases(rng, model, count):
    cases = []
    for i in range(count):
        width = int(rng.integers(8, 20))
        modes = str(rng.choice(["", "", ",AP_RND,AP_SAT", ",AP_TRN,AP_SAT_SYM"]))
        case = {"name": f"case{i}", "granularity": str(rng.choice(["name", "name", "model"])), "default": f"ap_fixed<{width},{int(rng.integers(3, min(width, 9)))}{modes}>",
                "io": str(rng.choice(["io_parallel", "io_stream"]))}
        if case["granularity"] == "name" and rng.random() < 0.3:
            case["maximum"] = "ap_fixed<18,8>"
        if case["granularity"] == "name" and rng.random() < 0.5:
            convolutions = [layer.name for layer in model.layers if "Conv" in type(layer).__name__ and "Separable" not in type(layer).__name__]
            if convolutions:
                case["layers"] = {str(rng.choice(convolutions)): {str(rng.choice(["accum", "result"])): "ap_fixed<12,6,AP_RND,AP_SAT>"}}
        cases.append(case)
    return cases


def quiet():
    return contextlib.redirect_stdout(io.StringIO())


def build(name, rng):
    tf_keras.utils.set_random_seed(3)
    model = NETWORKS[name]() if name in NETWORKS else random_network(rng)
    for layer in model.layers:
        weights = layer.get_weights()
        if type(layer).__name__ == "QConv2DBatchnorm":
            draw = {"kernel": lambda n: rng.normal(0, 0.6, n), "variance": lambda n: rng.uniform(0.5, 2, n), "gamma": lambda n: rng.uniform(0.5, 2, n), "iteration": lambda n: 5}
            layer.set_weights([draw[next((k for k in draw if k in v.name), "kernel")](v.shape) for v in layer.weights])
        elif "BatchNormalization" in type(layer).__name__:
            n = weights[0].shape
            layer.set_weights([rng.uniform(0.5, 2, n), rng.normal(0, 0.5, n), rng.normal(0, 0.3, n), rng.uniform(0.5, 2, n)])
        elif weights and name != "tagger":
            # Some weights lie on the steps of coarse types and between them, and some far outside.
            layer.set_weights([np.where(rng.random(v.shape) < 0.2, rng.integers(-40, 40, v.shape) / 32, rng.normal(0, 0.6, v.shape)) for v in weights])
    return model


def write_by_hand(name, folder, rng):
    n_in, rest = BY_HAND[name]
    config = [{"class_name": "InputLayer", "name": "input_1", "inbound_nodes": [], "config": {"batch_input_shape": [None, n_in], "dtype": "float32", "sparse": False, "name": "input_1"}}]
    before, width, arrays = "input_1", n_in, {}
    for layer, class_name, options in rest:
        config.append({"class_name": class_name, "name": layer, "config": dict(options, name=layer), "inbound_nodes": [[[before, 0, 0, {}]]]})
        if "Dense" in class_name:
            n = options["units"]
            arrays[layer] = {"kernel": rng.normal(0, 0.6, (width, n))}
            if options["use_bias"]:
                arrays[layer]["bias"] = rng.normal(0, 0.6, n)
            width = n
        elif class_name == "BatchNormalization":
            arrays[layer] = {"gamma": rng.uniform(0.5, 2, width), "beta": rng.normal(0, 0.5, width), "moving_mean": rng.normal(0, 2, width), "moving_variance": rng.uniform(0.5, 4, width)}
        before = layer
    model = {"class_name": "Model", "keras_version": "2.1.5", "backend": "tensorflow", "config": {"name": "model_1", "layers": config, "input_layers": [["input_1", 0, 0]], "output_layers": [[before, 0, 0]]}}
    (folder / f"{name}.json").write_text(json.dumps(model))
    with h5py.File(folder / f"{name}_weights.h5", "w") as file:
        file.attrs["layer_names"] = [layer["name"].encode() for layer in config]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.1.5"
        for layer in config:
            group = file.create_group(layer["name"])
            held = arrays.get(layer["name"], {})
            group.attrs["weight_names"] = [f"{layer['name']}/{key}:0".encode() for key in held]
            for key, values in held.items():
                group[f"{layer['name']}/{key}:0"] = values.astype(np.float32)
    return model, arrays


def float_by_hand(name, arrays, x):
    x = x.astype(np.float32)
    for layer, class_name, options in BY_HAND[name][1]:
        held = {k: v.astype(np.float32) for k, v in arrays.get(layer, {}).items()}
        if "Dense" in class_name:
            w = held["kernel"]
            if class_name == "BinaryDense":
                w = np.where(w >= 0, 1, -1).astype(np.float32)
            if class_name == "TernaryDense":
                w = np.where(w > 0.5, 1, np.where(w <= -0.5, -1, 0)).astype(np.float32)
            x = x @ w
            if "bias" in held:
                b = held["bias"]
                x = x + (np.where(b >= 0, 1, -1) if class_name == "BinaryDense" else b)
            if options["activation"] == "softmax":
                e = np.exp(x - x.max(-1, keepdims=True))
                x = e / e.sum(-1, keepdims=True)
        elif class_name == "BatchNormalization":
            x = (x - held["moving_mean"]) / np.sqrt(held["moving_variance"] + np.float32(1e-3)) * held["gamma"] + held["beta"]
        elif class_name == "ReLU":
            x = np.clip(x, 0, np.float32(options["max_value"]))
        else:
            x = {"relu": lambda v: np.maximum(v, 0), "binary_tanh": lambda v: np.where(v > 0, 1, -1).astype(np.float32),
                 "ternary_tanh": lambda v: np.where(v > 0.5, 1, np.where(v <= -0.5, -1, 0)).astype(np.float32)}[options["activation"]](x)
    return x


def run_case(architecture, weights, x, case, folder, n_trace):
    reader = KerasFileReader({"KerasH5": str(weights)})
    kept = hls4ml.converters.KerasModelReader
    hls4ml.converters.KerasModelReader = lambda model: reader
    try:
        with quiet():
            config = hls4ml.utils.config_from_keras_model(json.loads(Path(architecture).read_text()), granularity=case["granularity"], default_precision=case["default"], max_precision=case.get("maximum"), backend="Vitis")
            names = [layer["name"] for layer in parse_keras_model(json.loads(Path(architecture).read_text()), reader)[0]]
    finally:
        hls4ml.converters.KerasModelReader = kept
    for name in names:
        config.setdefault("LayerName", {}).setdefault(name, {})["Trace"] = True
    for name, types in case.get("layers", {}).items():
        config["LayerName"][name].setdefault("Precision", {}).update(types)
    whole = hls4ml.utils.config.create_config(output_dir=str(folder), backend="Vitis", io_type=case["io"], part="xcvu13p-flga2577-2-e")
    whole.update({"KerasJson": str(architecture), "KerasH5": str(weights), "HLSConfig": config, "InputData": None, "OutputPredictions": None, "TraceOutput": True})
    x = np.ascontiguousarray(x, dtype=np.float64)
    with quiet():
        hls = keras_v2_to_hls(whole)
        types = {layer.name: {k: str(v.precision) for k, v in layer.attributes.items() if k.endswith("_t") and hasattr(v, "precision")} for layer in hls.get_layers()}
        start = time.perf_counter()
        trace = hls.trace(x[:n_trace])[1]  # it compiles
    compiled = time.perf_counter()
    predictions = hls.predict(x)
    return types, np.asarray(predictions).reshape(len(x), -1), trace, compiled - start, time.perf_counter() - compiled


def quantized_arrays(model, path):
    with h5py.File(path, "w") as file:
        for layer in model.layers:
            kind = type(layer).__name__
            parts = [("kernel", layer.name + "/kernel"), ("bias", layer.name + "/bias")]
            if "Depthwise" in kind:
                parts[0] = ("depthwise_kernel", layer.name + "/kernel")
            if "Separable" in kind:
                parts = [("depthwise_kernel", layer.name + "_depthwise/kernel"), ("pointwise_kernel", layer.name + "_pointwise/kernel"), ("bias", layer.name + "_pointwise/bias")]
            for quantizer, (array, name) in zip(getattr(layer, "quantizers", []), parts):
                values = getattr(layer, array, None)
                if quantizer is None or values is None or "Batch" in kind:
                    continue
                file[name] = np.asarray(quantizer(values))
                if getattr(quantizer, "scale", None) is not None:
                    file[name + "_scale"] = np.asarray(quantizer.scale, dtype=np.float32).reshape(-1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--trace", type=int, default=60)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--random", type=int, default=0, help="as many networks that are drawn instead")
    parser.add_argument("--cases", type=int, default=2, help="of each network that is drawn")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    drawn = [f"random{args.seed + i}" for i in range(args.random)]
    for name in drawn or args.names or [*NETWORKS, *BY_HAND]:
        rng = np.random.default_rng(int(name[6:]) if name in drawn else args.seed)
        work = Path(tempfile.mkdtemp(prefix="qkeras_reference_"))
        if name not in BY_HAND:
            model = build(name, rng)
            shape = model.input_shape[1:]
            architecture, weights = work / "model.json", work / "weights.h5"
            architecture.write_text(model.to_json())
            model.save_weights(weights)
            model.save(args.folder / f"{name}.keras")
            quantized_arrays(model, args.folder / f"{name}.quantized.h5")
        else:
            _, arrays = write_by_hand(name, args.folder, rng)
            shape = (BY_HAND[name][0],)
            architecture, weights = args.folder / f"{name}.json", args.folder / f"{name}_weights.h5"
        # Ends of the default types' ranges among ordinary values.
        x = rng.normal(0, 1, (args.samples, *shape))
        x = np.where(rng.random(x.shape) < 0.02, rng.choice([-32, -8, 7.9375, 31.9990234375, 0], x.shape), x).astype(np.float32)
        cases = random_cases(rng, model, args.cases) if name in drawn else [case for case in CASES if (case["io"] == "io_parallel" or name not in NO_STREAM) and (name not in FEW or case["name"] in FEWER)]
        (args.folder / f"{name}.cases.json").write_text(json.dumps(cases, indent=1) + "\n")
        with h5py.File(args.folder / f"{name}.h5", "w") as out:
            out["input"] = x
            out["float"] = (float_by_hand(name, arrays, x) if name in BY_HAND else model.predict(x, verbose=0)).astype(np.float64)
            for case in cases:
                try:
                    types, predictions, trace, compile_s, predict_s = run_case(architecture, weights, x, case, work / case["name"], args.trace)
                except Exception as error:  # a case that hls4ml itself cannot build is reported, never dropped in silence
                    print(f"{name} {case['name']}: hls4ml failed: {type(error).__name__} {str(error)[-300:]}", flush=True)
                    continue
                write_case(out, case, types, predictions, trace, compile_s=compile_s, predict_s=predict_s)
                print(f"{name} {case['name']}: compile {compile_s:.1f} s, mean |hls - float| {np.abs(predictions - out['float'][:]).mean():.5f}", flush=True)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
