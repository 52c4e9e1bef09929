# %% [markdown]
# # From clusters to a precision and an hls4ml project
#
# A DeepSets network takes the energy of calorimeter clusters. How few bits does it need on an FPGA? It takes some minutes, most of them for the training.
#
#     pip install narrow-fpga pandas tqdm keras tensorflow hls4ml uproot awkward

# %%
import os
import subprocess

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import awkward
import h5py
import hls4ml
import keras
import numpy as np
import uproot

import narrow

SAMPLES = int(os.environ.get("EXAMPLE_SAMPLES", 4000))
EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 20))

# %% [markdown]
# ## Clusters
#
# `showers.root` stands for your file: a tree with an entry for each cluster, its cells as jagged branches. Here the showers are generated.

# %%
subprocess.run(["narrow", "--quiet", "generate", "showers.h5", "--samples", str(SAMPLES), "--seed", "1"], check=True)
with h5py.File("showers.h5") as file:
    number = np.diff(file["offsets"][:])
    cells = {name: awkward.unflatten(file[name][:], number) for name in ("eta", "phi", "layer", "energy")}
    with uproot.recreate("showers.root") as root:
        root["clusters"] = {**cells, "true_energy": file["true_energy"][:]}

# %% [markdown]
# From ROOT to what narrow prepares: for each feature the cells of all clusters, one cluster behind the other, and where each begins. (A narrow that was built with ROOT
# reads `.root` files itself.)

# %%
tree = uproot.open("showers.root")["clusters"]
branches = tree.arrays(["eta", "phi", "layer", "energy", "true_energy"])
number = awkward.to_numpy(awkward.num(branches["energy"]))
arrays = {name: awkward.to_numpy(awkward.flatten(branches[name])) for name in ("eta", "phi", "layer", "energy")}
np.savez("clusters.npz", offsets=np.concatenate([[0], np.cumsum(number)]), true_energy=awkward.to_numpy(branches["true_energy"]), **arrays)

# %% [markdown]
# Preparation as in the study: eta, phi, layer / 10 and log(energy) / 10 of at most 64 cells, those of the most energy first; the target is log(E) / 10.

# %%
subprocess.run(["narrow", "--quiet", "prepare", "--data", "clusters.npz", "--order", "energy", "--vmax", "64", "--padding", "0", "--out", "prepared.h5"], check=True)
with h5py.File("prepared.h5") as file:
    x, y = file["x"][:], file["y"][:]
train, test = slice(0, SAMPLES // 2), slice(SAMPLES // 2, SAMPLES)

# %% [markdown]
# ## The network

# %%
KSum = narrow.hls4ml.register_ksum()  # the sum over cells, for Keras and for hls4ml
keras.utils.set_random_seed(1)
inputs = keras.Input((64, 4), name="cells")
inner = keras.layers.Dense(16, activation="relu", name="phi1")(inputs)
inner = keras.layers.Dense(16, activation="relu", name="phi2")(inner)
outer = keras.layers.Dense(16, activation="relu", name="rho1")(KSum(name="sum")(inner))
network = keras.Model(inputs, keras.layers.Dense(1, name="energy")(outer), name="calorimeter")
network.compile(optimizer=keras.optimizers.Adam(2e-3), loss="mse")
history = network.fit(x[train], y[train], batch_size=100, epochs=EPOCHS, validation_split=0.2, verbose=0)
print("loss", history.history["loss"][0], "->", history.history["loss"][-1])

# %% [markdown]
# ## Bits
#
# Every precision of a grid, on clusters that the network was not trained on, and what is lost of its resolution.

# %%
points = narrow.sweep(
    network,
    (x[test], y[test]),
    v_full=range(12, 21, 2),
    v_int=[6, 8],
    wb_full=[8, 10, 12],
    wb_int=2,
    target="true_energy:log/10",
    unit="GeV",
    out="study",
)
points[["v_full", "v_int", "wb_full", "wb_int", "bits", "mpe_target", "resolution_loss", "error of resolution_loss"]].sort_values("bits")

# %%
(answer,) = narrow.best(points, below={"resolution_loss": 10}, any=True)
answer["points"] or answer["said"]

# %% [markdown]
# The report shows itself; `report.path` is the page.

# %%
report = narrow.report(points, below={"resolution_loss": 10}, any=True, figures="none")
report

# %% [markdown]
# A type for each tensor costs fewer bits. The search sees the first half of the clusters, the second judges.

# %%
found = narrow.search(network, (x[test], y[test]), below={"resolution_loss": 10}, target="true_energy:log/10", out="types.yml")
print(found)
found.types

# %% [markdown]
# ## hls4ml
#
# The types as a project of hls4ml. The C++ that it writes computes what `model.predict(x, precision=found)` does, bit for bit; so does the backend Narrow, without compiling.

# %%
config = narrow.to_hls4ml_config(found)
project = hls4ml.converters.convert_from_keras_model(network, hls_config=config, backend="Vitis", io_type="io_stream", output_dir="project")
project.write()

# %%
fixed = narrow.load(network).predict(x[test], precision=found)
hls_model = hls4ml.converters.convert_from_keras_model(network, hls_config=config, backend="Narrow", io_type="io_stream", output_dir="narrow")
hls_model.compile()
different = int(np.sum(hls_model.predict(x[test]).reshape(fixed.shape) != fixed.astype(np.float32)))
print(different, "of", len(fixed), "predictions differ")
