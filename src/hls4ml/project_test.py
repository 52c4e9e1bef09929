"""Projects for hls4ml, from a precision or a study's point: hls4ml compiles them and computes the same bits, in Keras 3 and Keras 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

NARROW = os.environ["NARROW"]
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "golden"

# With TF_KERAS in front, `import keras` is Keras 2, as in an environment with TensorFlow 2.15; hls4ml then takes its other reader.
KERAS_2 = "import sys, tf_keras\nsys.modules['keras'] = tf_keras\n"


def narrow(*args):
    return subprocess.run([NARROW, *map(str, args)], capture_output=True, text=True)


def succeed(*args):
    done = narrow(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def fail(*args):
    done = narrow("--quiet", *args)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def environment(keras, tmp_path):
    settings = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    if keras == 2:
        (tmp_path / "keras2").mkdir()
        (tmp_path / "keras2" / "keras.py").write_text(KERAS_2)
        settings["PYTHONPATH"] = str(tmp_path / "keras2")
    return settings


def check(project, trace, settings):
    done = subprocess.run([sys.executable, "convert.py", "--check", str(trace)], cwd=project, env=settings, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()[-1] if done.stdout else done.stderr


@pytest.mark.parametrize(
    ("model", "keras", "precision"),
    [
        ("ds16.keras", 3, ["--v", "12,5", "--wb", "10,2", "--relu", "AP_RND,AP_SAT"]),
        ("ds16_keras215.keras", 2, ["--v", "11,5,AP_RND,AP_SAT", "--types", "uniform"]),
        ("bn16_legacy.h5", 3, ["--v", "14,6", "--wb", "9,2"]),
        ("pool16.keras", 2, ["--v", "13,6", "--wb", "9,2", "--maximum", "18,8"]),
    ],
)
def test_hls4ml_computes_the_same_bits(model, keras, precision, tmp_path):
    succeed("export", GOLDEN / model, *precision, "--out", tmp_path / "project")
    assert sorted(path.name for path in (tmp_path / "project").iterdir()) == ["convert.py", "hls4ml_config.yml", "model.h5", "nnet_ksum.h"]
    trace = tmp_path / "trace.h5"
    succeed("trace", GOLDEN / model, "--data", GOLDEN / "clusters.h5", "--samples", 40, *precision, "--out", trace)
    status, said = check(tmp_path / "project", trace, environment(keras, tmp_path))
    assert status == 0, said
    with h5py.File(trace) as file:
        layers = set(file["trace"])
        assert len(np.unique(file["predictions"][:])) > 10
    compared = set(said.removeprefix("the same bits: ").split(", "))
    assert compared - layers == {"predictions"} and len(layers - compared) == 1, "all but the input"
    if model != "ds16.keras":
        return
    # One bit of one value of one layer is seen.
    layer = sorted(compared & layers)[0]
    with h5py.File(trace, "r+") as file:
        values = file[f"trace/{layer}"][:]
        values.flat[3] += 2.0**-8
        file[f"trace/{layer}"][:] = values
    assert check(tmp_path / "project", trace, environment(3, tmp_path)) == (1, f"different bits: {layer}")


@pytest.mark.parametrize("keras", [3, 2])
def test_hls4ml_computes_the_same_bits_of_several_inputs(keras, tmp_path):
    """Two inputs, merges, a residual connection, and two outputs side by side."""
    with h5py.File(GOLDEN / "merges.h5") as file:
        cells, event = np.split(file["input"][:], [6 * 4], axis=1)
    np.savez(tmp_path / "samples.npz", cells=cells.reshape(-1, 6, 4), an_event=event)
    precision = ["--v", "13,6", "--wb", "10,3"]
    succeed("export", GOLDEN / "merges.keras", *precision, "--out", tmp_path / "project")
    succeed("trace", GOLDEN / "merges.keras", "--data", tmp_path / "samples.npz", *precision, "--out", tmp_path / "trace.h5")
    status, said = check(tmp_path / "project", tmp_path / "trace.h5", environment(keras, tmp_path))
    assert status == 0, said
    compared = set(said.removeprefix("the same bits: ").split(", "))
    assert {"residual", "with_cells", "gated", "mean", "largest", "smallest", "rest", "both", "regression", "predictions"} <= compared


def test_the_point_is_the_studys(tmp_path):
    """Types of a project from a study are those that the study ran, whichever way the point is chosen."""
    grid = ["--v-full", "10:14:2", "--v-int", "5", "--wb-full", "10", "--wb-int", "2"]
    study = tmp_path / "study"
    data = ["--data", GOLDEN / "clusters.h5", "--samples", 50]
    for kind in (["--relu", "AP_RND,AP_SAT"], ["--types", "uniform"]):
        succeed("--quiet", "sweep", GOLDEN / "ds16.keras", *data, *grid, *kind, "--keep", "none", "--out", study)
    of = [GOLDEN / "ds16.keras", "--study", study]
    choices = {
        ("--at", "12,5,10,2", "--kind", "auto relu:AP_RND,AP_SAT"): ["--v", "12,5", "--wb", "10,2", "--relu", "AP_RND,AP_SAT"],
        ("--at", "10,5,10,2", "--kind", "uniform"): ["--v", "10,5", "--wb", "10,2", "--types", "uniform"],
        ("--metric", "mpe", "--below", "1e9", "--any", "--kind", "uniform"): ["--v", "10,5", "--wb", "10,2", "--types", "uniform"],
    }
    for i, (choice, precision) in enumerate(choices.items()):
        succeed("export", *of, *choice, "--out", tmp_path / f"of_study{i}")
        succeed("export", GOLDEN / "ds16.keras", *precision, "--out", tmp_path / f"of_bits{i}")
        for file in ("hls4ml_config.yml", "model.h5"):
            assert (tmp_path / f"of_study{i}" / file).read_bytes() == (tmp_path / f"of_bits{i}" / file).read_bytes()
    out = ["--out", tmp_path / "none"]
    assert "choose one of 16, auto relu:AP_RND,AP_SAT; 16, uniform with" in fail("export", *of, "--below", "1e9", *out)
    uniform = ["--kind", "uniform"]
    assert "no finished point --at 9,5,10,2" in fail("export", *of, *uniform, "--at", "9,5,10,2", *out)
    nothing = fail("export", *of, *uniform, "--metric", "mpe", "--below", "1e-9", "--any", *out)
    assert "no point of 16, uniform is recommended within these bounds" in nothing
    # A grid whose points all overflow has nothing to recommend.
    assert "not recommended" in fail("export", *of, *uniform, "--metric", "mpe", "--below", "1e9", *out)
    assert "has nothing of that" in fail("export", *of, "--kind", "auto", "--at", "12,5,10,2", *out)
    assert "is not one of the study's models" in fail("export", GOLDEN / "ds32.keras", "--study", study, *uniform, "--below", "1", *out)
    assert "choose its point with --below" in fail("export", *of, *out)
    assert "give a precision" in fail("export", GOLDEN / "ds16.keras", *out)
    assert "give a precision" in fail("export", *of, "--v", "16,6", "--below", "1", *out)
    assert not (tmp_path / "none").exists() and not list(tmp_path.glob("*.partial"))
    assert "is not an empty folder" in fail("export", *of, *uniform, "--at", "10,5,10,2", "--out", tmp_path / "of_bits0")


RELU_OF_SCRIPTS = """
import hls4ml, sys, json, keras
sys.path.insert(0, sys.argv[1])
from convert import KSum
layers = json.loads(sys.argv[3])
hls4ml.model.optimizer.get_optimizer("output_rounding_saturation_mode").configure(layers=layers, rounding_mode="AP_RND", saturation_mode="AP_SAT")
model = keras.models.load_model(sys.argv[2], custom_objects={"KSum": KSum}, compile=False)
config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="Vitis", default_precision="ap_fixed<14,6>")
for layer in config["LayerName"].values():
    if "weight" in layer["Precision"]:
        layer["Precision"]["weight"] = layer["Precision"]["bias"] = "ap_fixed<10,2>"
for name in config["LayerName"]:
    if name.startswith("activation"):  # left to `auto`, the pass of hls4ml 1.3.0 fails where it matches
        config["LayerName"][name]["Precision"]["result"] = "ap_fixed<14,6>"
done = hls4ml.converters.convert_from_keras_model(
    model, hls_config=config, output_dir=sys.argv[1] + "/hls", backend="Vitis", part="xcvu9p-flga2104-3-e", io_type="io_stream", allow_da_fallback=False
)
types = ("result_t", "accum_t", "weight_t", "bias_t")
print(json.dumps({l.name: {k: str(v.precision) for k, v in l.attributes.items() if k in types and hasattr(v, "precision")} for l in done.get_layers()}))
"""


@pytest.mark.parametrize(("layers", "relu"), [('["relu"]', []), ('["Activation"]', ["--relu", "AP_RND,AP_SAT"])])
def test_relu_of_the_studys_scripts(layers, relu, tmp_path):
    """hls4ml's output_rounding_saturation_mode goes by a layer's class or name; "relu" is neither."""
    precision = ["--v", "14,6", "--wb", "10,2", *relu]
    succeed("export", GOLDEN / "ds16.keras", *precision, "--out", tmp_path / "project")
    succeed("trace", GOLDEN / "ds16.keras", "--data", GOLDEN / "clusters.h5", "--samples", 1, *precision, "--out", tmp_path / "trace.h5")
    command = [sys.executable, "-c", RELU_OF_SCRIPTS, str(tmp_path / "project"), str(GOLDEN / "ds16.keras"), layers]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(3, tmp_path))
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "trace.h5") as file:
        assert json.loads(done.stdout.splitlines()[-1]) == json.loads(file.attrs["types"])
