"""Models of many shapes, saved by the real Keras in every format, against narrow's float predictions."""

import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import keras
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from float32_bound import ROUNDED, exact_and_bound, function_of, in_float64

NARROW = os.environ["NARROW"]
SEED = 11
ROWS = 16  # a mean over a power of two is exact


@keras.saving.register_keras_serializable(package="my_package", name="KSum")
class SetSum(keras.layers.Layer):
    """Registered as KSum under another class name and package."""

    def call(self, x):
        return keras.ops.sum(x, axis=1)


@keras.saving.register_keras_serializable()
class KSum(keras.layers.Layer):
    def call(self, x):
        return keras.ops.sum(x, axis=1)


class GlobalSumPooling1D(keras.layers.Layer):
    """Not registered at all."""

    def call(self, x):
        return keras.ops.sum(x, axis=1)


CUSTOM = {"KSum": KSum, "SetSum": SetSum, "GlobalSumPooling1D": GlobalSumPooling1D}


def randomize(model, seed=SEED):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = [0.4 * rng.standard_normal(w.shape).astype(np.float32) for w in layer.get_weights()]
        if isinstance(layer, keras.layers.BatchNormalization):
            weights[-1] = np.abs(weights[-1]) + 0.5
        layer.set_weights(weights)
    return model


def small_integers(model, seed=SEED):
    """Weights of -1, 0 and 1: sums of products stay whole numbers below 2^24, which are exact in float32 whatever their order."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = [rng.integers(0, 2, w.shape).astype(np.float32) for w in layer.get_weights()]
        if weights and weights[0].ndim == 2:  # two of a column, so that deep networks neither grow nor die
            weights[0][:] = 0
            for column in weights[0].T:
                column[rng.choice(len(column), 2, replace=False)] = [1, rng.choice([-1, 1])]
        layer.set_weights(weights)
    return model


def is_exact(model, x):
    """No partial sum is larger than the sum of all magnitudes."""
    twin = in_float64(model, CUSTOM)
    twin.set_weights([np.abs(w) for w in twin.get_weights()])
    return max(np.abs(values).max() for values in outputs_of(twin, np.abs(x))) < 2**24


def outputs_of(model, x):
    answers = model(np.asarray(x))
    return [np.asarray(values).reshape(len(x), -1) for values in (answers if isinstance(answers, (list, tuple)) else [answers])]


def narrow_predicts(path, x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    run = subprocess.run([NARROW, "--quiet", "predict", path, "--data", tmp_path / "x.npy", "--out", tmp_path / "p.txt"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return np.loadtxt(tmp_path / "p.txt", ndmin=2)


def expect_keras(path, model, x, tmp_path):
    """Equal to Keras' numbers where they are exact; else as near as float32 can be held to for every order of sums."""
    got = narrow_predicts(path, x, tmp_path)
    rounds = any(isinstance(layer, keras.layers.BatchNormalization) or function_of(layer) in ROUNDED for layer in model.layers)
    if not rounds and all(np.array_equal(w, np.rint(w)) for w in model.get_weights()):
        assert is_exact(model, x)
        expected = np.concatenate(outputs_of(model, x), axis=1)
        assert len(np.unique(expected)) > 3, "the outputs are all the same: the test shows nothing"
        np.testing.assert_array_equal(got, expected, err_msg=path.name)
    else:
        exact, bound = exact_and_bound(model, x, CUSTOM)
        assert bound.max() < 1e-2 * np.ptp(exact), "the bound is too wide to show a fault"
        assert (np.abs(got - exact) <= bound).all(), path.name


def functional(pool, batch_norm=False, bias=True, deep=1):
    x = inputs = keras.Input((ROWS, 4), name="cells")
    for i in range(deep):
        x = keras.layers.Dense(9, activation="relu", use_bias=bias, name=f"encoder_{i}")(x)
    x = keras.layers.Dense(8, use_bias=bias)(x)
    if batch_norm:
        x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(0.2)(x)
    x = pool(x)
    x = keras.layers.Dense(7)(x)
    x = keras.layers.Activation("relu", name="act")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="energy")(x))


def sequential():
    return keras.Sequential([keras.Input((ROWS, 4)), keras.layers.Dense(5, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(3, activation="linear")])


MODELS = {
    "ksum": lambda: functional(KSum(name="total")),
    "registered_elsewhere": lambda: functional(SetSum()),
    "not_registered": lambda: functional(GlobalSumPooling1D()),
    "ops_sum": lambda: functional(lambda x: keras.ops.sum(x, axis=1)),
    "mean": lambda: functional(keras.layers.GlobalAveragePooling1D()),
    "flatten": lambda: functional(keras.layers.Flatten()),
    "batch_norm": lambda: functional(KSum(), batch_norm=True),
    "no_bias": lambda: functional(KSum(), bias=False),
    "twelve_dense": lambda: functional(KSum(), deep=12),  # dense_10 sorts before dense_2
    "sequential": sequential,
}


def saved(model, folder, fill):
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    model.train_on_batch(np.zeros((2, ROWS, 4), np.float32), np.zeros((2, model.output_shape[-1]), np.float32))
    fill(model)
    model.save(folder / "whole.keras")
    yield folder / "whole.keras"
    model.save(folder / "whole.h5")
    yield folder / "whole.h5"
    (folder / "parts.json").write_text(model.to_json())
    model.save_weights(folder / "parts.weights.h5")
    yield folder / "parts.json"


# Twelve layers of real numbers amplify rounding so much that the bound says nothing; a normalization divides.
APART = {("twelve_dense", randomize), ("batch_norm", small_integers)}


@pytest.mark.parametrize(("name", "fill"), [(name, fill) for name in MODELS for fill in (small_integers, randomize) if (name, fill) not in APART])
def test_predictions_are_keras(name, fill, tmp_path):
    model = MODELS[name]()
    rng = np.random.default_rng(SEED)
    x = (rng.integers(-3, 4, (50, ROWS, 4)) if fill is small_integers else rng.standard_normal((50, ROWS, 4))).astype(np.float32)
    for path in saved(model, tmp_path, fill):
        expect_keras(path, model, x, tmp_path)


def test_weights_are_read_to_the_last_bit(tmp_path):
    """One product a sum: there is nothing to round but the sum with the bias, which is done once by whoever does it."""
    model = randomize(keras.Sequential([keras.Input((ROWS,)), keras.layers.Dense(7)]))
    for path in (tmp_path / "m.keras", tmp_path / "m.h5"):
        model.save(path)
        kernel, bias = model.get_weights()
        np.testing.assert_array_equal(narrow_predicts(path, np.eye(ROWS, dtype=np.float32), tmp_path), kernel + bias)


def refused(model, tmp_path):
    model.save(tmp_path / "model.keras")
    run = subprocess.run([NARROW, "show", tmp_path / "model.keras"], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    return run.stderr


def one_layer(layer):
    inputs = keras.Input((6, 4))
    return keras.Model(inputs, layer(keras.layers.Dense(4)(inputs)))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda x: keras.layers.LSTM(3, name="memory")(x), "layer memory (LSTM) is not supported"),
        (lambda x: keras.layers.Dense(3, activation="gelu", name="t")(x), "'gelu' is not supported"),
        (lambda x: keras.layers.ReLU(max_value=6.0, name="r")(x), "layer r (ReLU)"),
        (lambda x: keras.ops.sum(x, axis=2), "over the set axis"),
        (lambda x: keras.layers.LayerNormalization(name="m")(x), "layer m (LayerNormalization)"),
        (lambda x: keras.layers.Add(name="join")([x, x, x]), "layer join (Add): it has 3 inputs"),
    ],
)
def test_unsupported_layers_are_named(layer, message, tmp_path):
    assert message in refused(one_layer(layer), tmp_path)


def test_variable_lengths_are_refused(tmp_path):
    inputs = keras.Input((None, 4), name="cells")
    assert "its shape must be fixed" in refused(keras.Model(inputs, KSum()(inputs)), tmp_path)


def test_branches_are_followed(tmp_path):
    """One layer's output used twice, two outputs side by side."""
    inputs = keras.Input((6, 4))
    trunk = keras.layers.Dense(5, activation="relu")(inputs)
    model = small_integers(keras.Model(inputs, [keras.layers.Dense(2)(KSum()(trunk)), keras.layers.Dense(1)(KSum()(trunk))]))
    model.save(tmp_path / "model.keras")
    expect_keras(tmp_path / "model.keras", model, np.random.default_rng(SEED).integers(-3, 4, (20, 6, 4)).astype(np.float32), tmp_path)


def several_inputs(keras):
    """Of this Keras: two inputs, named and ordered otherwise than by the alphabet, merged in every way, and two outputs."""
    layers = keras.layers
    cells, event = keras.Input((8, 4), name="cells"), keras.Input((5,), name="an_event")
    x = layers.Dense(4, name="phi1")(cells)
    x = layers.Add(name="residual")([x, cells])
    x = layers.Flatten(name="flat")(layers.Concatenate(axis=1, name="longer")([x, cells]))
    x, y = layers.Dense(6, name="rho1")(x), layers.Dense(6, name="event1")(event)
    x = layers.Maximum(name="largest")([layers.Multiply(name="gated")([x, y]), layers.Minimum(name="least")([x, y])])
    x = layers.Subtract(name="rest")([layers.Average(name="mean")([x, y]), x])
    product = layers.Dot(axes=1, name="product")([x, y])
    return keras.Model([cells, event], [layers.Dense(2, name="energy")(layers.Concatenate(name="all")([product, x])), x])


@pytest.mark.parametrize("version", [2, 3])
def test_several_inputs(version, tmp_path):
    """By name from .npz and .h5, and in order from .npy, of every file that either Keras writes."""
    this = keras if version == 3 else pytest.importorskip("tf_keras")
    model = small_integers(several_inputs(this))
    rng = np.random.default_rng(SEED)
    x = {"cells": rng.integers(-2, 3, (20, 8, 4)).astype(np.float32), "an_event": rng.integers(-2, 3, (20, 5)).astype(np.float32)}
    expected = np.concatenate([np.asarray(y) for y in model([x["cells"], x["an_event"]])], axis=1)
    assert np.abs(expected).max() < 2**20 and len(np.unique(expected)) > 10
    for name, values in x.items():
        np.save(tmp_path / f"{name}.npy", values)
    np.savez(tmp_path / "x.npz", **x)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.update(x)
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    for path in ("model.keras", "model.h5", f"model.json+{tmp_path}/model.h5"):
        for data in ("x.npz", "x.h5", f"cells.npy,{tmp_path}/an_event.npy"):
            run = subprocess.run([NARROW, "--quiet", "predict", tmp_path / path, "--data", tmp_path / data, "--out", tmp_path / "p.txt"], capture_output=True, text=True)
            assert run.returncode == 0, run.stderr
            np.testing.assert_array_equal(np.loadtxt(tmp_path / "p.txt"), expected)


def test_inputs_by_name_come_in_the_order_of_names(tmp_path):
    """As Keras takes them, whatever the layers are called."""
    a, b = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    model = small_integers(keras.Model({"z": a, "a": b}, keras.layers.Concatenate()([keras.layers.Dense(2)(a), keras.layers.Dense(2)(b)])))
    model.save(tmp_path / "model.keras")
    rng = np.random.default_rng(SEED)
    x = {"z": rng.integers(-3, 4, (9, 4)).astype(np.float32), "a": rng.integers(-3, 4, (9, 3)).astype(np.float32)}
    np.save(tmp_path / "a.npy", x["a"])
    np.save(tmp_path / "z.npy", x["z"])
    run = subprocess.run([NARROW, "--quiet", "predict", tmp_path / "model.keras", "--data", f"{tmp_path}/a.npy,{tmp_path}/z.npy", "--out", tmp_path / "p.txt"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "p.txt"), np.asarray(model(x)))


# --- every option of every layer: narrow computes what Keras does, or refuses the file


@keras.saving.register_keras_serializable(package="mine", name="Dense")
class DoubledDense(keras.layers.Dense):
    """A layer of the user's own, with a name that Keras has too."""

    def call(self, x):
        return 2 * super().call(x)


@keras.saving.register_keras_serializable(package="mine")
class KSumScaled(keras.layers.Layer):
    def __init__(self, scale=2, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, x):
        return self.scale * keras.ops.sum(x, axis=1)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="mine", name="KSum")
class KSumWithOptions(KSumScaled):
    """Registered as a sum, and more than one."""


@keras.saving.register_keras_serializable(package="mine")
def relu(x):
    return keras.ops.maximum(x, 0) + 1


L = keras.layers
GRID = {  # what follows a Dense on a set of rows: True where narrow computes it, else a part of what it says
    "dense": (lambda: L.Dense(3), True),
    "dense relu": (lambda: L.Dense(3, activation="relu"), True),
    "dense linear": (lambda: L.Dense(3, activation="linear"), True),
    "dense keras.activations.relu": (lambda: L.Dense(3, activation=keras.activations.relu), True),
    "dense ReLU()": (lambda: L.Dense(3, activation=L.ReLU()), True),
    "dense ReLU(max_value)": (lambda: L.Dense(3, activation=L.ReLU(max_value=2)), "max_value = 2"),
    "dense ReLU(negative_slope)": (lambda: L.Dense(3, activation=L.ReLU(negative_slope=0.5)), True),
    "dense ReLU(threshold)": (lambda: L.Dense(3, activation=L.ReLU(threshold=1)), True),
    "dense LeakyReLU()": (lambda: L.Dense(3, activation=L.LeakyReLU()), True),
    "dense leaky_relu": (lambda: L.Dense(3, activation="leaky_relu"), True),
    "dense elu": (lambda: L.Dense(3, activation="elu"), True),
    "dense selu": (lambda: L.Dense(3, activation="selu"), True),
    "dense hard_sigmoid": (lambda: L.Dense(3, activation="hard_sigmoid"), True),
    "dense hard_tanh": (lambda: L.Dense(3, activation="hard_tanh"), "'hard_tanh' hls4ml 1.3.0 makes a program that does not compile"),
    "rescaling": (lambda: L.Rescaling(0.5, 1), "is not read by hls4ml 1.3.0 either"),
    "nested": (lambda: keras.Sequential([L.Dense(3), L.ReLU()]), "is a model inside the model"),
    "dense Activation(relu)": (lambda: L.Dense(3, activation=L.Activation("relu")), True),
    "dense Activation(ReLU(max_value))": (lambda: L.Dense(3, activation=L.Activation(L.ReLU(max_value=2))), "max_value = 2"),
    "dense relu6": (lambda: L.Dense(3, activation="relu6"), True),
    "dense own relu": (lambda: L.Dense(3, activation=relu), "mine>relu"),
    "dense tanh": (lambda: L.Dense(3, activation="tanh"), True),
    "dense sigmoid": (lambda: L.Dense(3, activation="sigmoid"), True),
    "dense softmax": (lambda: L.Dense(3, activation="softmax"), True),
    "dense Softmax()": (lambda: L.Dense(3, activation=L.Softmax()), "'Softmax'"),
    "dense silu": (lambda: L.Dense(3, activation="silu"), "'silu'"),
    "dense no bias": (lambda: L.Dense(3, use_bias=False), True),
    "dense trained otherwise": (lambda: L.Dense(3, kernel_regularizer="l2", bias_constraint="non_neg", activity_regularizer="l1", trainable=False), True),
    "dense float16": (lambda: L.Dense(3, dtype="float16"), "float16"),
    "dense float64": (lambda: L.Dense(3, dtype="float64"), "float64"),
    "dense mixed_float16": (lambda: L.Dense(3, dtype="mixed_float16"), "mixed_float16"),
    "dense map of policies": (lambda: L.Dense(3, dtype=keras.dtype_policies.DTypePolicyMap(default_policy="float16")), "it computes in"),
    "dense int8": (lambda: L.Dense(3, dtype="int8_from_float32"), "int8"),
    "dense lora": (lambda: L.Dense(3, lora_rank=2), "lora_rank = 2"),
    "own dense": (lambda: DoubledDense(3), "Dense) is not supported"),
    "activation relu": (lambda: L.Activation("relu"), True),
    "activation linear": (lambda: L.Activation("linear"), True),
    "activation ReLU()": (lambda: L.Activation(L.ReLU()), True),
    "activation ReLU(max_value)": (lambda: L.Activation(L.ReLU(max_value=1)), "max_value = 1"),
    "activation leaky_relu": (lambda: L.Activation("leaky_relu"), True),
    "activation LeakyReLU()": (lambda: L.Activation(L.LeakyReLU(0.7)), True),
    "activation sigmoid": (lambda: L.Activation("sigmoid"), True),
    "activation tanh": (lambda: L.Activation(keras.activations.tanh), True),
    "activation softplus": (lambda: L.Activation("softplus"), True),
    "activation softsign": (lambda: L.Activation("softsign"), True),
    "activation softmax": (lambda: L.Activation("softmax"), True),
    "activation hard_silu": (lambda: L.Activation("hard_silu"), "'hard_silu'"),
    "softmax": (lambda: L.Softmax(), True),
    "softmax axis 2": (lambda: L.Softmax(axis=2), True),
    "softmax axis 1": (lambda: L.Softmax(axis=1), "over the last axis"),
    "softmax float16": (lambda: L.Softmax(dtype="float16"), "float16"),
    "softmax with mask": (lambda: lambda x: L.Softmax()(x, mask=x > 0), "is not supported"),
    "activation float16": (lambda: L.Activation("relu", dtype="float16"), "float16"),
    "relu": (lambda: L.ReLU(), True),
    "relu max_value": (lambda: L.ReLU(max_value=2), "max_value = 2"),
    "relu negative_slope": (lambda: L.ReLU(negative_slope=0.5), True),
    "relu negative_slope, max_value": (lambda: L.ReLU(negative_slope=0.5, max_value=2), "max_value = 2"),
    "leaky relu": (lambda: L.LeakyReLU(), True),
    "leaky relu slope": (lambda: L.LeakyReLU(negative_slope=1.7), True),
    "leaky relu slope 0": (lambda: L.LeakyReLU(negative_slope=0), True),
    "leaky relu float16": (lambda: L.LeakyReLU(dtype="float16"), "float16"),
    "relu threshold": (lambda: L.ReLU(threshold=0.25), True),
    "relu threshold, negative_slope": (lambda: L.ReLU(threshold=1, negative_slope=0.5), "not both"),
    "elu": (lambda: L.ELU(alpha=0.75), True),
    "activation elu": (lambda: L.Activation("elu"), True),
    "activation selu": (lambda: L.Activation("selu"), True),
    "activation hard_sigmoid": (lambda: L.Activation("hard_sigmoid"), True),
    "activation relu6": (lambda: L.Activation("relu6"), True),
    "prelu": (lambda: L.PReLU(alpha_initializer=keras.initializers.RandomUniform(-0.5, 0.9, seed=3)), True),
    "prelu shared": (lambda: L.PReLU(shared_axes=[1]), "shared_axes"),
    "norm": (lambda: L.BatchNormalization(), True),
    "norm epsilon": (lambda: L.BatchNormalization(epsilon=0.7, momentum=0.1), True),
    "norm no scale": (lambda: L.BatchNormalization(scale=False), True),
    "norm no center": (lambda: L.BatchNormalization(center=False), True),
    "norm neither": (lambda: L.BatchNormalization(scale=False, center=False), True),
    "norm axis 2": (lambda: L.BatchNormalization(axis=2), True),
    "norm axis 1": (lambda: L.BatchNormalization(axis=1), "over the last axis"),
    "norm synchronized": (lambda: L.BatchNormalization(synchronized=True), True),
    "norm renorm": (lambda: L.BatchNormalization(renorm=True), "renorm = true"),
    "norm float16": (lambda: L.BatchNormalization(dtype="float16"), "float16"),
    "norm training": (lambda: lambda x: L.BatchNormalization()(x, training=True), "training = true"),
    "norm not training": (lambda: lambda x: L.BatchNormalization()(x, training=False), True),
    "dropout": (lambda: L.Dropout(0.5, noise_shape=(None, 1, None), seed=4), True),
    "dropout training": (lambda: lambda x: L.Dropout(0.5)(x, training=True), "training = true"),
    "spatial dropout": (lambda: L.SpatialDropout1D(0.5), True),
    "gaussian dropout": (lambda: L.GaussianDropout(0.5), True),
    "alpha dropout": (lambda: L.AlphaDropout(0.5), True),
    "noise": (lambda: L.GaussianNoise(0.5), True),
    "noise training": (lambda: lambda x: L.GaussianNoise(0.5)(x, training=True), "training = true"),
    "regularization": (lambda: L.ActivityRegularization(l1=0.1, l2=0.1), True),
    "identity": (lambda: L.Identity(), True),
    "masking": (lambda: L.Masking(0.0), "(Masking) is not supported"),
    "flatten": (lambda: L.Flatten(), True),
    "flatten channels_first": (lambda: L.Flatten(data_format="channels_first"), 'data_format = "channels_first"'),
    "mean": (lambda: L.GlobalAveragePooling1D(), True),
    "mean keepdims": (lambda: L.GlobalAveragePooling1D(keepdims=True), "keepdims = true"),
    "mean channels_first": (lambda: L.GlobalAveragePooling1D(data_format="channels_first"), "channels_first"),
    "mean with mask": (lambda: lambda x: L.GlobalAveragePooling1D()(x, mask=x[:, :, 0] > 0), "is not supported"),
    "sum": (lambda: lambda x: keras.ops.sum(x, axis=1), True),
    "sum axis -2": (lambda: lambda x: keras.ops.sum(x, axis=-2), True),
    "sum axis [1]": (lambda: lambda x: keras.ops.sum(x, axis=[1]), True),
    "sum axis 2": (lambda: lambda x: keras.ops.sum(x, axis=2), "over the set axis"),
    "sum all": (lambda: lambda x: keras.ops.sum(x), "over the set axis"),
    "sum keepdims": (lambda: lambda x: keras.ops.sum(x, axis=1, keepdims=True), "keepdims = true"),
    "own sum": (lambda: KSum(), True),
    "own sum float16": (lambda: KSum(dtype="float16"), "float16"),
    "own sum with options": (lambda: KSumWithOptions(), "its option scale = 2"),
    "own sum of another name": (lambda: KSumScaled(), "KSumScaled"),
    **{
        name: (lambda layer=name: lambda x: getattr(L, layer)()([L.Dense(4)(x), x]), True)
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    },
    "a layer with itself": (lambda: lambda x: L.Subtract()([L.Average()([x, x]), L.ReLU()(x)]), True),
    "concatenate axis 1": (lambda: lambda x: L.Concatenate(axis=1)([L.Dense(4)(x), x]), True),
    "concatenate axis -2": (lambda: lambda x: L.Concatenate(axis=-2)([L.Dense(4)(x), x]), True),
    "concatenate axis 2": (lambda: lambda x: L.Concatenate(axis=2)([L.Dense(3)(x), x]), True),
    "concatenate vectors": (lambda: lambda x: L.Concatenate()([KSum()(x), L.Dense(3)(KSum()(x))]), True),
    "add a vector to sets": (lambda: lambda x: L.Add()([KSum()(x), x]), True),
    "multiply by a column": (lambda: lambda x: L.Multiply()([L.Dense(1)(x), x]), "one shape"),
    "add three": (lambda: lambda x: L.Add()([x, x, L.Dense(4)(x)]), "it has 3 inputs"),
    "add a constant": (lambda: lambda x: L.Add()([x, keras.ops.ones((1, 8, 4))]), "called with a constant"),
    "add float16": (lambda: lambda x: L.Add(dtype="float16")([x, x]), "float16"),
    "an operation": (lambda: lambda x: x + L.Dense(4)(x), "is an operation"),
    "dot": (lambda: lambda x: L.Dot(axes=1)([KSum()(x), L.Dense(4)(KSum()(x))]), True),
    "dot axes": (lambda: lambda x: L.Dot(axes=(1, -1))([KSum()(x), L.Dense(4)(KSum()(x))]), True),
    "dot of sets": (lambda: lambda x: L.Dot(axes=1)([x, x]), "two vectors"),
    "dot of sets, axes": (lambda: lambda x: L.Dot(axes=2)([x, x]), "axes=1"),
    "dot normalized": (lambda: lambda x: L.Dot(axes=1, normalize=True)([KSum()(x), KSum()(x)]), "normalize = true"),
    "conv1d": (lambda: L.Conv1D(3, 3), True),
    "conv1d same": (lambda: L.Conv1D(3, 4, padding="same"), True),
    "conv1d causal": (lambda: L.Conv1D(3, 3, padding="causal"), True),
    "conv1d strides": (lambda: L.Conv1D(3, 3, strides=2, padding="same"), True),
    "conv1d strides above its window": (lambda: L.Conv1D(3, 2, strides=3), True),
    "conv1d pointwise": (lambda: L.Conv1D(3, 1, activation="relu"), True),
    "conv1d pointwise strides": (lambda: L.Conv1D(3, 1, strides=3, use_bias=False), True),
    "conv1d trained otherwise": (lambda: L.Conv1D(3, 2, kernel_regularizer="l2", bias_constraint="non_neg", activity_regularizer="l1"), True),
    "conv1d dilation": (lambda: L.Conv1D(3, 2, dilation_rate=2), "dilation_rate = [2]"),
    "conv1d groups": (lambda: L.Conv1D(4, 2, groups=2), "groups = 2"),
    "conv1d channels_first": (lambda: L.Conv1D(3, 2, data_format="channels_first"), "channels_first"),
    "conv1d silu": (lambda: L.Conv1D(3, 2, activation="silu"), "'silu'"),
    "conv1d float16": (lambda: L.Conv1D(3, 2, dtype="float16"), "float16"),
    "2d conv": (lambda: L.Conv2D(3, (3, 2)), True),
    "2d conv same": (lambda: L.Conv2D(3, (2, 4), padding="same", activation="relu"), True),
    "2d conv strides": (lambda: L.Conv2D(3, 3, strides=(2, 3), padding="same", use_bias=False), True),
    "2d conv pointwise strides": (lambda: L.Conv2D(3, 1, strides=2), True),
    "2d conv one row": (lambda: L.Conv2D(3, (1, 3), strides=2), True),
    "2d conv dilation": (lambda: L.Conv2D(3, 2, dilation_rate=(1, 2)), "dilation_rate = [1,2]"),
    "2d conv groups": (lambda: L.Conv2D(4, 2, groups=4), "groups = 4"),
    "2d dense": (lambda: L.Dense(3, activation="relu"), True),
    "2d norm": (lambda: L.BatchNormalization(), True),
    "2d flatten": (lambda: L.Flatten(), True),
    "3d dense": (lambda: L.Dense(3), "at most 3 axes"),
    "3d conv": (lambda: L.Conv3D(3, 2), "(Conv3D) is not supported"),
    "max": (lambda: L.MaxPooling1D(), True),
    "max same": (lambda: L.MaxPooling1D(3, strides=2, padding="same"), True),
    "max channels_first": (lambda: L.MaxPooling1D(data_format="channels_first"), "channels_first"),
    "average": (lambda: L.AveragePooling1D(4), True),
    "average same": (lambda: L.AveragePooling1D(4, strides=3, padding="same"), True),
    "average float16": (lambda: L.AveragePooling1D(2, dtype="float16"), "float16"),
    "largest": (lambda: L.GlobalMaxPooling1D(), True),
    "largest keepdims": (lambda: L.GlobalMaxPooling1D(keepdims=True), "keepdims = true"),
    "2d max": (lambda: L.MaxPooling2D((3, 2)), True),
    "2d max same": (lambda: L.MaxPooling2D(2, strides=(1, 2), padding="same"), True),
    "2d average": (lambda: L.AveragePooling2D((2, 1), strides=1), True),
    "2d largest": (lambda: lambda x: L.Dense(5)(L.GlobalMaxPooling2D()(x)), True),
    "3d max": (lambda: L.MaxPooling3D(1), "(MaxPooling3D) is not supported"),
    "reshape": (lambda: L.Reshape((16, 2)), True),
    "reshape -1": (lambda: L.Reshape((2, -1, 8)), True),
    "permute": (lambda: L.Permute((2, 1)), True),
    "permute nothing": (lambda: L.Permute((1, 2)), "it moves nothing"),
    "zeros": (lambda: L.ZeroPadding1D((2, 1)), True),
    "zeros alike": (lambda: L.ZeroPadding1D(2), True),
    "repeated": (lambda: L.UpSampling1D(3), True),
    "2d permute": (lambda: L.Permute((3, 1, 2)), True),
    "2d reshape": (lambda: L.Reshape((20, 6)), True),
    "2d zeros": (lambda: L.ZeroPadding2D(((1, 2), (0, 3))), True),
    "2d zeros channels_first": (lambda: L.ZeroPadding2D(1, data_format="channels_first"), "channels_first"),
    "2d repeated": (lambda: L.UpSampling2D((2, 3)), True),
    "2d repeated bilinear": (lambda: L.UpSampling2D(2, interpolation="bilinear"), "interpolation should be nearest"),
    "cropping": (lambda: L.Cropping1D(1), True),
    "cropping sides": (lambda: L.Cropping1D((0, 3)), True),
    "2d cropping": (lambda: L.Cropping2D(((1, 2), (0, 3))), True),
    "2d cropping channels_first": (lambda: L.Cropping2D(1, data_format="channels_first"), "channels_first"),
    "depthwise": (lambda: L.DepthwiseConv1D(3, strides=2, padding="same"), True),
    "depthwise multiplier": (lambda: L.DepthwiseConv1D(3, depth_multiplier=2), "depth_multiplier = 2"),
    "2d depthwise": (lambda: L.DepthwiseConv2D((2, 3), use_bias=False, activation="relu"), True),
    "2d depthwise dilation": (lambda: L.DepthwiseConv2D(2, dilation_rate=2), "dilation_rate = [2,2]"),
    "separable": (lambda: L.SeparableConv1D(3, 2, strides=3), True),
    "2d separable": (lambda: L.SeparableConv2D(5, (3, 2), padding="same", activation="relu", use_bias=False), True),
    "2d separable multiplier": (lambda: L.SeparableConv2D(5, 2, depth_multiplier=3), "depth_multiplier = 3"),
    "shared": (lambda: lambda x: (lambda dense: dense(dense(x)))(L.Dense(4)), "is used 2 times"),
    "one name twice": (lambda: lambda x: L.ReLU(name="twin_relu")(L.Dense(4, activation="relu", name="twin")(x)), "twin_relu"),
    "names that differ in case": (lambda: lambda x: L.Dense(4, name="Twin")(L.Dense(4, name="twin")(x)), "Twin"),
    "a model inside": (lambda: keras.Sequential([L.Dense(3)]), "(Sequential) is a model inside the model"),
}


@pytest.mark.parametrize("case", GRID)
def test_an_option_is_honoured_or_refused(case, tmp_path):
    make, expected = GRID[case]
    shape = {"2d": (6, 5, 4), "3d": (3, 2, 4, 4)}.get(case[:2], (8, 4))
    inputs = keras.Input(shape)
    trunk = keras.layers.Dense(4, name="before")(inputs)
    try:
        model = keras.Model(inputs, make()(trunk))
    except (ValueError, TypeError) as error:
        pytest.fail(f"this Keras does not have the option: {error}")
    model = randomize(model) if "norm" in case else small_integers(model) if expected is True else model
    for name in ("model.keras", "model.h5"):
        try:
            model.save(tmp_path / name)
        except Exception:
            assert expected is not True and name == "model.h5"  # what Keras cannot write
            continue
        if expected is True:
            expect_keras(tmp_path / name, model, np.random.default_rng(SEED).integers(-3, 4, (20, *shape)).astype(np.float32), tmp_path)
        else:
            run = subprocess.run([NARROW, "show", tmp_path / name], capture_output=True, text=True)
            assert run.returncode == 1 and run.stderr.count("\n") == 1 and run.stderr.startswith("narrow: ") and expected in run.stderr, run.stderr + run.stdout


INPUTS = {
    "float64": dict(dtype="float64"),
    "float16": dict(dtype="float16"),
    "int32": dict(dtype="int32"),
    "sparse": dict(sparse=True),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_of_another_kind_are_refused(case, tmp_path):
    inputs = keras.Input((8, 4), **INPUTS[case])
    message = refused(keras.Model(inputs, keras.layers.Dense(3)(inputs)), tmp_path)
    assert case in message


def test_an_option_that_is_not_known_is_refused(tmp_path):
    """As a later Keras may write it, or another program."""
    model = one_layer(keras.layers.ReLU(name="r"))
    model.save(tmp_path / "model.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    for key, value, message in [("slope_of_tomorrow", 0.1, "slope_of_tomorrow = 0.1"), ("slope_of_tomorrow", None, None), ("max_value", "six", "max_value")]:
        config = json.loads((tmp_path / "model.json").read_text())
        config["config"]["layers"][-1]["config"][key] = value
        (tmp_path / "other.json").write_text(json.dumps(config))
        run = subprocess.run([NARROW, "show", f"{tmp_path}/other.json+{tmp_path}/model.h5"], capture_output=True, text=True)
        assert run.returncode == (1 if message else 0) and (message or "") in run.stderr, run.stderr


def test_outputs_by_name_have_no_order(tmp_path):
    inputs = keras.Input((8,))
    assert "in a list" in refused(keras.Model(inputs, {"b": keras.layers.Dense(1)(inputs), "a": keras.layers.Dense(2)(inputs)}), tmp_path)


@pytest.mark.parametrize("name", ["dense", "activation"])
def test_an_activation_that_is_a_layer_is_said_to_be_refused_by_hls4ml(name, tmp_path):
    """hls4ml itself is asked: it takes the function, and not the layer."""
    import hls4ml

    layers = keras.layers
    for activation, refused in [("relu", False), (layers.ReLU(), True)]:
        layer = layers.Dense(3, activation=activation) if name == "dense" else layers.Activation(activation)
        model = keras.Sequential([keras.Input((4,)), layer])
        model.save(tmp_path / "m.keras")
        done = subprocess.run([NARROW, "show", tmp_path / "m.keras", "--v", "16,6"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert ("its activation is a layer, which hls4ml 1.3.0 refuses" in done.stdout + done.stderr) == refused
        try:
            hls4ml.converters.convert_from_keras_model(model, output_dir=str(tmp_path / "hls"), hls_config={"Model": {"Precision": "ap_fixed<16,6>", "ReuseFactor": 1}}, backend="Vitis")
            taken = True
        except (AssertionError, AttributeError, TypeError):
            taken = False
        assert taken != refused


def test_two_files_of_weights_are_not_guessed_between(tmp_path):
    """Keras 3's a.weights.h5 and an old a_weights.h5 beside a.json; an a.h5 may be a model of its own."""
    model = randomize(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    (tmp_path / "a.json").write_text(model.to_json())
    model.save_weights(tmp_path / "a.weights.h5")
    shown = lambda what: subprocess.run([NARROW, "show", what], capture_output=True, text=True)
    alone = shown(tmp_path / "a.json")
    randomize(model, SEED + 1).save(tmp_path / "a.h5")
    assert shown(tmp_path / "a.json").stdout == alone.stdout and alone.returncode == 0
    (tmp_path / "a_weights.h5").write_bytes((tmp_path / "a.weights.h5").read_bytes())
    done = shown(tmp_path / "a.json")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "a.weights.h5" in done.stderr and "a_weights.h5; say which" in done.stderr, done.stderr
    assert shown(f"{tmp_path}/a.json+{tmp_path}/a.weights.h5").returncode == 0
