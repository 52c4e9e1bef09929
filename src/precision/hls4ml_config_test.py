"""Configurations as hls4ml itself makes them, saved as YAML: the types that narrow resolves are those that hls4ml resolves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import h5py
import hls4ml
import hls4ml_reference as reference
import keras
import numpy as np
import yaml

NARROW = os.environ["NARROW"]
TYPES = ("result_t", "accum_t", "weight_t", "bias_t", "scale_t", "exp_table_t", "inv_table_t", "inv_inp_t")


@pytest.fixture(scope="module", autouse=True)
def ksum(tmp_path_factory):
    reference.register_ksum(tmp_path_factory.mktemp("ksum"))


def edited(config, granularity):
    """Some types given, as a user would."""
    entries = config.get("LayerType" if granularity == "type" else "LayerName", {})
    for name, entry in entries.items():
        if name in ("Dense", "phi1", "rho1"):
            entry["Precision"]["weight"] = "ap_fixed<9,3>"
        if name in ("Activation", "ThresholdedReLU", "activation", "rho1_relu", "phi2_act"):
            entry["Precision"]["result"] = "ap_ufixed<10,5,AP_RND,AP_SAT>"
        if name in ("Softmax", "softmax"):
            entry.update(exp_table_t="ap_fixed<17,7>", TableSize=256, Implementation="latency")
    return config


@pytest.mark.parametrize("granularity", ["name", "type", "model"])
@pytest.mark.parametrize("name", ["ds16", "pool16", "jet_tagger", "merges", "steps", "image"])
def test_types_are_hls4mls(name, granularity, tmp_path):
    model = keras.models.load_model(ROOT / "golden" / f"{name}.keras", custom_objects={"KSum": reference.KSum}, compile=False)
    config = edited(
        hls4ml.utils.config_from_keras_model(model, granularity=granularity, backend="Vitis", default_precision="ap_fixed<14,6>", max_precision="ap_fixed<30,12>"),
        granularity,
    )
    (tmp_path / "types.yml").write_text(yaml.dump(config))
    converted = hls4ml.converters.convert_from_keras_model(
        model, hls_config=config, output_dir=str(tmp_path / "hls"), backend="Vitis", part="xcvu9p-flga2104-3-e", io_type="io_stream"
    )
    expected = {
        layer.name: {key: str(value.precision) for key, value in layer.attributes.items() if key in TYPES and hasattr(value, "precision")}
        | ({"table_size": int(layer.attributes["table_size"]), "implementation": layer.attributes["implementation"]} if layer.class_name == "Softmax" else {})
        for layer in converted.get_layers()
    }
    converted.write()  # with the project's own file of its configuration
    # io_stream copies what several layers read, pads in a layer of its own, and has another name for a Reshape.
    expected = {name.removeprefix("repack_"): types for name, types in expected.items() if not name.startswith(("clone_", "zp1d_", "zp2d_"))}
    np.savez(tmp_path / "x.npz", **{each.name if len(model.inputs) > 1 else "x": np.zeros((1, *each.shape[1:]), np.float32) for each in model.inputs})
    for path in (tmp_path / "types.yml", tmp_path / "hls" / "hls4ml_config.yml"):
        command = [NARROW, "--quiet", "trace", ROOT / "golden" / f"{name}.keras", "--data", tmp_path / "x.npz", "--precision", path]
        subprocess.run([*command, "--out", tmp_path / "trace.h5"], check=True)
        with h5py.File(tmp_path / "trace.h5") as file:
            found = json.loads(file.attrs["types"])
        if name == "merges":  # whose tanh has a table; those of a jet tagger's softmax are compared
            del found["event1_tanh"]["table_t"], found["event1_tanh"]["table_size"]
        if name == "image":  # whose slope has a type that a plain relu of hls4ml's has too
            del found["leaky"]["param_t"]
        assert found == expected


def random_type(rng):
    width = int(rng.integers(1, 20))
    sign = rng.choice(["", "u"])
    if rng.random() < 0.2:
        return f"ap_{sign}int<{width}>"
    modes = rng.choice(["", ",AP_RND", ",AP_RND_CONV,AP_SAT", ",AP_TRN,AP_SAT_SYM", ",AP_TRN,AP_WRAP,1"])
    return f"ap_{sign}fixed<{width},{rng.integers(-2, width + 3)}{modes}>"


@pytest.mark.parametrize("seed", range(25))
def test_types_of_merges_are_hls4mls(seed, tmp_path):
    """Inferred from any two types, signed and not, of every mode and of integers; some types are drawn equal."""
    rng = np.random.default_rng(seed)
    layers = keras.layers
    kinds = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum, layers.Concatenate)
    inputs = [keras.Input((5,), name="first"), keras.Input((5,), name="a_second")]
    model = keras.Model(inputs, [*(kind(name=f"of_{kind.__name__.lower()}")(inputs) for kind in kinds), layers.Dot(axes=1, name="product")(inputs)])
    model.save(tmp_path / "model.keras")
    maximum = f"ap_fixed<{rng.integers(6, 20)},{rng.integers(1, 10)}>" if rng.random() < 0.5 else None
    config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="Vitis", default_precision="ap_fixed<14,6>", max_precision=maximum)
    types = [random_type(rng), random_type(rng)]
    for each in inputs:
        config["LayerName"][each.name]["Precision"]["result"] = str(rng.choice(types)).replace("ap_uint<1>", "ap_uint<2>")
    config["LayerName"]["product"]["Precision"]["accum"] = random_type(rng)
    (tmp_path / "types.yml").write_text(yaml.dump(config))
    converted = hls4ml.converters.convert_from_keras_model(
        model, hls_config=config, output_dir=str(tmp_path / "hls"), backend="Vitis", part="xcvu9p-flga2104-3-e", io_type="io_parallel"
    )
    expected = {
        layer.name: {key: str(value.precision) for key, value in layer.attributes.items() if key in TYPES and hasattr(value, "precision")} for layer in converted.get_layers()
    }
    np.savez(tmp_path / "x.npz", **{each.name: np.zeros((1, 5), np.float32) for each in inputs})
    command = [NARROW, "--quiet", "trace", tmp_path / "model.keras", "--data", tmp_path / "x.npz", "--precision", tmp_path / "types.yml"]
    subprocess.run([*command, "--out", tmp_path / "trace.h5"], check=True)
    with h5py.File(tmp_path / "trace.h5") as file:
        found = json.loads(file.attrs["types"])
    assert found == expected
