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
@pytest.mark.parametrize("name", ["ds16", "pool16", "jet_tagger"])
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
    np.save(tmp_path / "x.npy", np.zeros((1, *model.input_shape[1:]), np.float32))
    for path in (tmp_path / "types.yml", tmp_path / "hls" / "hls4ml_config.yml"):
        command = [NARROW, "--quiet", "trace", ROOT / "golden" / f"{name}.keras", "--data", tmp_path / "x.npy", "--precision", path]
        subprocess.run([*command, "--out", tmp_path / "trace.h5"], check=True)
        with h5py.File(tmp_path / "trace.h5") as file:
            assert json.loads(file.attrs["types"]) == expected
