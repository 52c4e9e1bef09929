# %% [markdown]
# # A jet tagger through hls4ml's backend Narrow
#
# The network of hls4ml's tutorial, 16 features of a jet and five classes, with the quantities that one looks at there, without waiting for a compiler: then the fewest bits.
#
#     pip install narrow-fpga keras tensorflow hls4ml

# %%
import os
import subprocess

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import h5py
import hls4ml
import keras
import numpy as np

import narrow

SAMPLES = int(os.environ.get("EXAMPLE_SAMPLES", 20000))
EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 10))
CLASSES = ["g", "q", "w", "z", "t"]

# %% [markdown]
# ## Jets and the network
#
# The jets are toys (docs/data.md); hls4ml's tutorial has those of OpenML in the same form.

# %%
subprocess.run(["narrow", "--quiet", "generate", "jets.h5", "--kind", "jets", "--samples", str(SAMPLES), "--seed", "4"], check=True)
with h5py.File("jets.h5") as file:
    x, y = file["x"][:], file["y"][:]
train, test = slice(0, SAMPLES // 2), slice(SAMPLES // 2, SAMPLES)
keras.utils.set_random_seed(1)
network = keras.Sequential(
    [
        keras.Input((16,), name="jet"),
        keras.layers.Dense(64, activation="relu", name="fc1"),
        keras.layers.Dense(32, activation="relu", name="fc2"),
        keras.layers.Dense(32, activation="relu", name="fc3"),
        keras.layers.Dense(5, name="output"),
        keras.layers.Softmax(name="softmax"),
    ],
    name="jet_tagger",
)
network.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
network.fit(x[train], y[train], batch_size=200, epochs=EPOCHS, verbose=0)
kept = np.mean(np.argmax(network.predict(x[test], verbose=0), axis=1) == np.argmax(y[test], axis=1))
print(f"accuracy in float: {kept:.3f}")

# %% [markdown]
# ## hls4ml, exactly and at once
#
# `backend="Narrow"` converts as `Vitis` does. `compile()` is instant, and `predict()` has the bits of the compiled C++. The scores in front of the softmax are given a type of their own: inferred
# ones are so wide that the table of the softmax takes all scores for equal, and every jet for a gluon (docs/numerics.md).

# %%
config = hls4ml.utils.config_from_keras_model(network, granularity="name", default_precision="ap_fixed<16,6>", backend="Narrow")
config["LayerName"]["output"]["Precision"]["result"] = "ap_fixed<16,6>"
hls_model = hls4ml.converters.convert_from_keras_model(network, hls_config=config, backend="Narrow", io_type="io_parallel", output_dir="narrow")
hls_model.compile()
scores = hls_model.predict(x[test])
print(f"accuracy in ap_fixed<16,6>: {np.mean(np.argmax(scores, axis=1) == np.argmax(y[test], axis=1)):.3f}")

# %% [markdown]
# ## The fewest bits
#
# A type for each tensor, so that at most one percentage point of accuracy is lost. The search sees half of these jets, the others judge.

# %%
found = narrow.search(network, (x[test], y[test]), below={"accuracy_loss": 1}, classes=CLASSES)
print(found)
found.types

# %%
types = narrow.to_hls4ml_config(found)
hls_model = hls4ml.converters.convert_from_keras_model(network, hls_config=types, backend="Narrow", io_type="io_parallel", output_dir="narrow")
hls_model.compile()
scores = hls_model.predict(x[test])
print(f"accuracy with {found.cost:.1f} bits on average: {np.mean(np.argmax(scores, axis=1) == np.argmax(y[test], axis=1)):.3f}")

# %% [markdown]
# What each tensor's type does, the most harmful first:

# %%
profile = narrow.load(network).profile(x[test], precision=found)
[finding["text"] for finding in profile["findings"]][:5]
