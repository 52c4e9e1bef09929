"""Models of many shapes, saved by the real Keras in every format, against narrow's float predictions."""

import json
import os
import random
import subprocess
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import pytest

NARROW = os.environ["NARROW"]
SEED = 11


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


def randomize(model, seed=SEED):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = [0.4 * rng.standard_normal(w.shape).astype(np.float32) for w in layer.get_weights()]
        if isinstance(layer, keras.layers.BatchNormalization):
            weights[-1] = np.abs(weights[-1]) + 0.5
        layer.set_weights(weights)
    return model


def functional(pool, batch_norm=False, bias=True, deep=1):
    x = inputs = keras.Input((13, 4), name="cells")
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
    return keras.Sequential([keras.Input((13, 4)), keras.layers.Dense(5, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(3, activation="linear")])


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


def saved(model, folder):
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    model.train_on_batch(np.zeros((2, 13, 4), np.float32), np.zeros((2, model.output_shape[-1]), np.float32))
    randomize(model)
    model.save(folder / "whole.keras")
    yield folder / "whole.keras"
    model.save(folder / "whole.h5")
    yield folder / "whole.h5"
    (folder / "parts.json").write_text(model.to_json())
    model.save_weights(folder / "parts.weights.h5")
    yield folder / "parts.json"


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_keras(name, tmp_path):
    model = MODELS[name]()
    x = np.random.default_rng(SEED).standard_normal((50, 13, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    for path in saved(model, tmp_path):
        expected = model.predict(x, verbose=0)
        out = tmp_path / "predictions.txt"
        subprocess.run([NARROW, "--quiet", "predict", path, "--data", tmp_path / "x.npy", "--out", out], check=True)
        np.testing.assert_allclose(np.loadtxt(out, ndmin=2), expected, rtol=1e-5, atol=1e-5, err_msg=str(path.name))


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
        (lambda x: keras.layers.Dense(3, activation="tanh", name="t")(x), "'tanh' is not supported"),
        (lambda x: keras.layers.ReLU(max_value=6.0, name="r")(x), "layer r (ReLU)"),
        (lambda x: keras.ops.sum(x, axis=2), "over the set axis"),
        (lambda x: keras.layers.GlobalMaxPooling1D(name="m")(x), "layer m (GlobalMaxPooling1D)"),
        (lambda x: keras.layers.Add(name="join")([x, x]), "layer join (Add)"),
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
    model = randomize(keras.Model(inputs, [keras.layers.Dense(2)(KSum()(trunk)), keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(trunk))]))
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(SEED).standard_normal((20, 6, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    subprocess.run([NARROW, "--quiet", "predict", tmp_path / "model.keras", "--data", tmp_path / "x.npy", "--out", tmp_path / "p.txt"], check=True)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "p.txt"), np.concatenate(model.predict(x, verbose=0), axis=1), rtol=1e-5, atol=1e-5)
