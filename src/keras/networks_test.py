"""The networks of hls4ml's example-models that are plain Keras (docs/networks.md), built anew by Keras 2 with the same layers and saved as they
are: an architecture in JSON and its weights beside it. narrow's float predictions are held against Keras', and its layers against the document."""

import json
import os
import re
import subprocess
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import pytest
import tf_keras as keras

NARROW = os.environ["NARROW"]
DOCUMENT = Path(__file__).parents[2] / "docs/networks.md"
SEED = 7
layers = keras.layers


def dense(*units, last="softmax", norm=False):
    x = inputs = keras.Input((16,), name="input_1")
    for i, n in enumerate(units[:-1]):
        x = layers.Dense(n, activation=None if norm else "relu", name=f"fc{i + 1}_relu")(x)
        if norm:
            x = layers.Activation("relu", name=f"relu{i + 1}")(layers.BatchNormalization(name=f"bn{i + 1}")(x))
    return keras.Model(inputs, layers.Dense(units[-1], activation=last, name="output")(x))


def conv1d(rows, channels, filters, size):
    x = inputs = keras.Input((rows, channels), name="input_1")
    for i in range(3):
        x = layers.Conv1D(filters, size, padding="same", activation="relu", name=f"conv{i + 1}_relu")(x)
    x = layers.Dense(50, activation="relu", name="fc1_relu")(layers.Flatten(name="flatten_1")(x))
    return keras.Model(inputs, layers.Dense(5, activation="softmax", name="output_softmax")(x))


def conv2d():
    x = inputs = keras.Input((12, 12, 1), name="input_1")
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = layers.Flatten(name="flatten_1")(layers.Conv2D(6, 3, strides=2, activation="relu", name="conv2")(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="output")(x))


def jet_images(norm):
    x = inputs = keras.Input((15, 15, 1), name="input_1")
    for i in range(3):
        x = layers.Conv2D(4, 3, strides=2 if i else 1, padding="same", name=f"conv{i + 1}")(x)
        if norm:
            x = layers.BatchNormalization(name=f"bn{i + 1}")(x)
        x = layers.Activation("relu", name=f"relu{i + 1}")(x)
    x = layers.Dense(10, activation="relu", name="fc1")(layers.Flatten(name="flatten_1")(x))
    return keras.Model(inputs, layers.Dense(5, activation="softmax", name="output")(x))


NETWORKS = {
    "KERAS_1layer": lambda: dense(32, 1, last="sigmoid"),
    "KERAS_3layer": lambda: dense(64, 32, 32, 5),
    "KERAS_3layer_batch_norm": lambda: dense(64, 32, 32, 5, norm=True),
    "KERAS_dense_16x100x100x100x100x100x5": lambda: dense(*[100] * 5, 5),
    "KERAS_dense_16x200x200x200x200x200x5": lambda: dense(*[200] * 5, 5),
    "KERAS_dense_16x500x500x500x500x500x5": lambda: dense(*[500] * 5, 5),
    "KERAS_conv1d": lambda: conv1d(100, 7, 32, 40),
    "KERAS_conv1d_small": lambda: conv1d(20, 4, 6, 5),
    "KERAS_conv2d_model": conv2d,
    "jetTagger_Conv2D_Small": lambda: jet_images(True),
    "jetTagger_Conv2D_Small_NoBatchNorm": lambda: jet_images(False),
}


def documented():
    """The rows of the document's table: a network, its layers, and what is said of it."""
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    return {name: [layer.strip() for layer in listed.split(",")] for name, listed, state in rows}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_example_of_these_layers_is_as_in_keras(name, tmp_path):
    model = NETWORKS[name]()
    rng = np.random.default_rng(SEED)
    for layer in model.layers:
        weights = [(rng.standard_normal(w.shape) * (0.1 if w.ndim == 1 else 1.4 / np.sqrt(np.prod(w.shape[:-1])))).astype(np.float32) for w in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            weights[0], weights[-1] = np.abs(weights[0]) + 0.7, np.abs(weights[-1]) + 0.6
        layer.set_weights(weights)
    # As old Keras wrote it.
    architecture = json.loads(model.to_json())
    architecture["class_name"], architecture["keras_version"] = "Model", "2.2.4"
    (tmp_path / f"{name}.json").write_text(json.dumps(architecture))
    model.save_weights(tmp_path / f"{name}_weights.h5")
    x = rng.standard_normal((30, *model.input_shape[1:])).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    run = subprocess.run([NARROW, "--quiet", "predict", tmp_path / f"{name}.json", "--data", tmp_path / "x.npy", "--out", tmp_path / "p.txt"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    expected = model.predict(x, verbose=0)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(np.loadtxt(tmp_path / "p.txt", ndmin=2), expected, rtol=1e-5, atol=1e-6)
    # The document lists each class once, in the order of its first layer.
    classes = list(dict.fromkeys(type(layer).__name__ for layer in model.layers if not isinstance(layer, layers.InputLayer)))
    activations = [layer.activation.__name__ for layer in model.layers if getattr(layer, "activation", None) is not None]
    expected = [*classes, *dict.fromkeys(each for each in activations if each != "linear")]
    assert documented()[name] == [each for each in expected if each != "Activation"]
