"""narrow recover as a user meets it: what it writes is what Keras reads, and what predict computes of it has the metrics that it printed."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import h5py
import keras
import numpy as np
import pytest

NARROW = os.environ["NARROW"]
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "golden"
MODEL = GOLDEN / "ds16.keras"
DATA = ["--data", GOLDEN / "clusters.h5", "--samples", 600]
TYPES = ["--v", "18,9", "--wb", "11,1"]


def narrow(*args):
    return subprocess.run([NARROW, *map(str, args)], capture_output=True, text=True)


def succeed(*args):
    done = narrow(*args)
    assert done.returncode == 0, done.stderr
    return done


def fail(*args, status=1):
    done = narrow("--quiet", *args)
    assert done.returncode == status, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("narrow: error: "), done.stderr
    return done.stderr


def predictions(folder, model, *precision):
    succeed("--quiet", "predict", model, *DATA, *precision, "--out", folder / "predictions.txt")
    return np.loadtxt(folder / "predictions.txt")


@keras.saving.register_keras_serializable(package="Custom", name="KSum")
class KSum(keras.layers.Layer):
    def call(self, x):
        return keras.ops.sum(x, axis=1)


@pytest.fixture(scope="module")
def recovered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recover")
    done = succeed("recover", MODEL, *DATA, *TYPES, "--out", folder / "better.keras", "--json", folder / "better.json")
    return folder, done.stdout, json.loads((folder / "better.json").read_text())


def relative(difference, exact):
    """Of docs/search.md's guide: relative to the prediction, and of small ones to a part of the root mean square."""
    return difference / np.hypot(exact, 0.3 * np.sqrt(np.mean(exact**2)))


def test_predict_has_the_metrics_that_were_printed(recovered):
    folder, said, result = recovered
    exact = predictions(folder, MODEL)
    networks = {"as it was": MODEL, "written": folder / "better.keras"}
    for name, line in (("as it was", result["results"][0]), ("written", result["results"][-1])):
        fixed = predictions(folder, networks[name], *TYPES)
        judged = line["judged"]
        assert judged["metrics"]["mae"]["value"] == pytest.approx(np.abs(fixed - exact)[300:].mean(), rel=1e-9)
        assert judged["metrics"]["mae"]["error"] == pytest.approx(np.abs(fixed - exact)[300:].std() / np.sqrt(300), rel=1e-6)
        assert judged["metrics"]["bias"]["value"] == pytest.approx((fixed - exact)[300:].mean(), rel=1e-9)
        for part, some in (("working", slice(300)), ("judged", slice(300, None))):
            squares = relative((fixed - exact)[some], exact[some]) ** 2
            assert line[part]["mean_squared_deviation"]["value"] == pytest.approx(squares.mean(), rel=1e-9)
            assert line[part]["mean_squared_deviation"]["error"] == pytest.approx(squares.std(ddof=1) / np.sqrt(300), rel=1e-9)
        assert f"{judged['metrics']['mae']['value']:.3g}" in said


def test_it_helps_where_it_was_not_worked_on(recovered):
    _, said, result = recovered
    first, *alone, written = result["results"]
    assert [line["recoveries"] for line in alone] == [["equalise"], ["round"], ["bias"]]
    assert written["judged"]["metrics"]["mae"]["value"] < first["judged"]["metrics"]["mae"]["value"] / 3
    assert written["judged"]["gain"]["value"] > 3 * written["judged"]["gain"]["error"]
    assert re.search(rf"calibrated on 300 samples, judged on 300 others; .*better.keras: {', '.join(written['recoveries'])}$", said, re.M)
    assert result["sums_after"][0]["rms"] < result["sums_before"][0]["rms"]


def test_keras_reads_what_was_written(recovered):
    """Keras predicts from the file what narrow does in float; weights that were rounded lie on the grid."""
    folder, _, result = recovered
    model = keras.saving.load_model(folder / "better.keras", compile=False)
    with h5py.File(GOLDEN / "clusters.h5") as file:
        x = file["x"][:600, :32]
    ours = predictions(folder, folder / "better.keras")
    assert np.abs(model.predict(x, verbose=0)[:, 0] - ours).max() < 1e-5 * np.abs(ours).max()
    assert "round" in result["results"][-1]["recoveries"]
    kernel = model.get_layer("phi2").get_weights()[0] * 2**10
    assert np.array_equal(kernel, np.round(kernel)) and np.any(kernel)


def test_hls4ml_computes_the_same_bits(recovered):
    folder, _, _ = recovered
    succeed("export", folder / "better.keras", *TYPES, "--out", folder / "project")
    succeed("trace", folder / "project" / "model.h5", "--precision", folder / "project" / "hls4ml_config.yml", *DATA[:2], "--samples", 40, "--out", folder / "fixed.h5")
    done = subprocess.run([sys.executable, "convert.py", "--check", folder / "fixed.h5"], cwd=folder / "project", capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("the same bits: "), done.stdout + done.stderr
    with h5py.File(folder / "fixed.h5") as file:
        assert np.array_equal(file["predictions"][:].ravel(), predictions(folder, folder / "better.keras", *TYPES)[:40])


def printed_mae(folder, model, types):
    done = succeed("predict", model, *DATA, *types, "--out", folder / "predictions.txt")
    return float(re.search(r"against the float model, of the network's output: MAE ([-+.e0-9]+)", done.stdout)[1])


@pytest.mark.parametrize("name", ["better.keras", "better.h5"])
def test_in_fixed_point_it_is_compared_with_the_network_that_was_trained(tmp_path, name):
    better = tmp_path / name
    succeed("recover", MODEL, *DATA, *TYPES, "--bias", "--out", better)
    trained, exact = predictions(tmp_path, MODEL), predictions(tmp_path, better, *TYPES)
    own = predictions(tmp_path, better)
    mae = np.abs(exact - trained).mean()
    assert abs(np.abs(exact - own).mean() / mae - 1) > 0.01
    assert printed_mae(tmp_path, better, TYPES) == pytest.approx(mae, rel=1e-3)
    grid = ["--v-full", 18, "--v-int", 9, "--wb-full", 11, "--wb-int", 1]
    succeed("--quiet", "sweep", better, *DATA, *grid, "--out", tmp_path / "study")
    with sqlite3.connect(tmp_path / "study" / "study.db") as database:
        assert database.execute("SELECT mae FROM results").fetchone()[0] == pytest.approx(mae, rel=1e-9)
    assert "it is compared with the float network ds16, which the file holds" in succeed("show", better).stdout
    # What is recovered again still stands for the first.
    succeed("recover", better, *DATA, *TYPES, "--round", "--out", tmp_path / f"again-{name}")
    again = predictions(tmp_path, tmp_path / f"again-{name}", *TYPES)
    assert printed_mae(tmp_path, tmp_path / f"again-{name}", TYPES) == pytest.approx(np.abs(again - trained).mean(), rel=1e-3)


def test_what_keras_saves_anew_stands_for_itself(recovered, tmp_path):
    keras.models.load_model(recovered[0] / "better.keras").save(tmp_path / "anew.keras")
    exact, own = predictions(tmp_path, tmp_path / "anew.keras", *TYPES), predictions(tmp_path, tmp_path / "anew.keras")
    assert printed_mae(tmp_path, tmp_path / "anew.keras", TYPES) == pytest.approx(np.abs(exact - own).mean(), rel=1e-3)
    assert "compared with" not in succeed("show", tmp_path / "anew.keras").stdout


def test_a_json_says_that_it_does_not_hold_the_first_network(tmp_path):
    done = succeed("recover", MODEL, *DATA, *TYPES, "--bias", "--out", tmp_path / "better.json")
    assert "better.json does not hold the first network" in done.stderr
    assert "compared with" not in succeed("show", tmp_path / "better.json").stdout


def test_a_network_that_stands_for_one_of_another_shape_is_refused(recovered, tmp_path):
    damaged = tmp_path / "damaged.keras"
    with zipfile.ZipFile(recovered[0] / "better.keras") as source, zipfile.ZipFile(GOLDEN / "jet_tagger.keras") as other:
        with zipfile.ZipFile(damaged, "w") as target:
            for member in source.namelist():
                own = member.removeprefix("narrow_float/")
                target.writestr(member, source.read(member) if own == member else other.read(own))
    assert "narrow_float: the network that it stands for has other inputs or outputs" in fail("show", damaged)


def test_equalised_network_is_the_same_in_float(tmp_path):
    """On few bits of weights, where scales matter: every prediction in float is the same bits."""
    done = succeed("recover", MODEL, *DATA, "--v", "16,9", "--wb", "9,1", "--equalise", "--out", tmp_path / "equalised.keras", "--json", tmp_path / "equalised.json")
    written = json.loads((tmp_path / "equalised.json").read_text())["results"][-1]
    assert written["recoveries"] == ["equalise"], done.stdout
    assert np.array_equal(predictions(tmp_path, MODEL), predictions(tmp_path, tmp_path / "equalised.keras"))
    before, after = (keras.saving.load_model(path, compile=False) for path in (MODEL, tmp_path / "equalised.keras"))
    ratios = after.get_layer("phi2").get_weights()[0] / before.get_layer("phi2").get_weights()[0]
    assert np.array_equal(np.log2(ratios), np.round(np.log2(ratios))) and not np.array_equal(ratios, np.ones_like(ratios))


def test_layers_that_were_changed_are_those_that_differ_in_the_file(tmp_path):
    """Those that only took in a normalization among them, and that normalization."""
    model = GOLDEN / "bn16.keras"
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(60, *keras.saving.load_model(model, compile=False).input_shape[1:])).astype(np.float32))
    done = succeed("recover", model, "--data", tmp_path / "x.npy", "--v", "16,7", "--wb", "7,2", "--bias", "--out", tmp_path / "out.keras", "--json", tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())["results"][-1]
    assert written["recoveries"] == ["bias"], done.stdout
    before, after = (keras.saving.load_model(path, compile=False) for path in (model, tmp_path / "out.keras"))
    differ = [layer.name for layer in before.layers if not all(map(np.array_equal, layer.get_weights(), after.get_layer(layer.name).get_weights()))]
    assert written["changed_layers"] == differ
    assert any(isinstance(before.get_layer(name), keras.layers.BatchNormalization) for name in differ)
    assert not (tmp_path / "out.keras.unchecked").exists()


def test_with_a_precision_file(tmp_path):
    """Types of single layers, as a search finds them."""
    succeed("search", MODEL, *DATA, "--below", "mae=0.01", "--out", tmp_path / "types.yml")
    precision = ["--precision", tmp_path / "types.yml"]
    succeed("recover", MODEL, *DATA, *precision, "--out", tmp_path / "better.keras", "--json", tmp_path / "better.json")
    written = json.loads((tmp_path / "better.json").read_text())["results"][-1]
    difference = predictions(tmp_path, tmp_path / "better.keras", *precision) - predictions(tmp_path, MODEL)
    assert written["judged"]["metrics"]["mae"]["value"] == pytest.approx(np.abs(difference[300:]).mean(), rel=1e-9)


def test_samples_of_weight_0_have_no_part(tmp_path):
    """All is as without them, whatever they are; and weights of the others count."""
    with h5py.File(GOLDEN / "clusters.h5") as file:
        x = file["x"][:300, :32]
    weights = np.where(np.arange(300) % 5 == 0, 4, 1).astype(np.float32)
    strange = np.concatenate([np.full_like(x[:40], 7), x, np.full_like(x[:40], 7)])
    none = np.zeros(40, np.float32)
    results = {}
    for name, arrays in {"with": {"x": strange, "weight": np.concatenate([none, weights, none])}, "without": {"x": x, "weight": weights}, "equal": {"x": x}}.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        succeed("--quiet", "recover", MODEL, "--data", tmp_path / f"{name}.npz", *TYPES, "--search", 150, "--out", tmp_path / f"{name}.keras", "--json", tmp_path / f"{name}.json")
        results[name] = json.loads((tmp_path / f"{name}.json").read_text())
    assert results["with"] == results["without"]
    assert results["without"] != results["equal"]
    assert (tmp_path / "with.keras").read_bytes() == (tmp_path / "without.keras").read_bytes()
    succeed("--quiet", "predict", MODEL, "--data", tmp_path / "equal.npz", "--out", tmp_path / "float.txt")
    succeed("--quiet", "predict", tmp_path / "without.keras", "--data", tmp_path / "equal.npz", *TYPES, "--out", tmp_path / "fixed.txt")
    exact, fixed = np.loadtxt(tmp_path / "float.txt"), np.loadtxt(tmp_path / "fixed.txt")
    squares = relative((fixed - exact)[150:], exact[150:]) ** 2
    assert results["without"]["results"][-1]["judged"]["mean_squared_deviation"]["value"] == pytest.approx(np.average(squares, weights=weights[150:]), rel=1e-9)


def test_types_so_wide_that_nothing_helps(tmp_path):
    done = succeed("recover", MODEL, *DATA, "--v", "40,12", "--wb", "40,4", "--round", "--out", tmp_path / "same.keras")
    assert "round alone does not help" in done.stderr and "nothing helps" in done.stderr, done.stderr
    assert np.array_equal(predictions(tmp_path, MODEL), predictions(tmp_path, tmp_path / "same.keras"))


def test_what_cannot_be_done_is_said_in_one_line(tmp_path):
    out = ["--out", tmp_path / "out.keras"]
    assert "give the types" in fail("recover", MODEL, *DATA, *out, status=2)
    assert "at least 20 are needed" in fail("recover", MODEL, *DATA, *TYPES, "--search", 5, *out)
    assert "others to judge" in fail("recover", MODEL, *DATA, *TYPES, "--search", 600, *out)
    assert "is an input of this command" in fail("recover", MODEL, *DATA, *TYPES, "--out", MODEL)
    assert "a model is written as .keras" in fail("recover", MODEL, *DATA, *TYPES, "--out", tmp_path / "out.onnx")
    np.save(tmp_path / "x.npy", np.zeros((50, 16), np.float32))
    assert "was trained with quantizers" in fail("recover", GOLDEN / "qkeras" / "bits.keras", "--data", tmp_path / "x.npy", *TYPES, *out)
    assert "does not write ONNX" in fail("recover", GOLDEN / "onnx" / "mlp.onnx", "--data", tmp_path / "x.npy", *TYPES, *out)
    inputs = keras.Input((4,), name="x")
    keras.Model(inputs, keras.layers.ReLU()(inputs)).save(tmp_path / "relu.keras")
    np.save(tmp_path / "four.npy", np.ones((50, 4), np.float32))
    assert "no Dense, Conv1D or Conv2D" in fail("recover", tmp_path / "relu.keras", "--data", tmp_path / "four.npy", *TYPES, *out)
    assert not (tmp_path / "out.keras").exists()
