"""narrow search as a user meets it: what it finds is what predict computes, and what hls4ml computes."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

NARROW = os.environ["NARROW"]
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "golden"
DATA = ["--data", GOLDEN / "clusters.h5"]


def narrow(*args):
    return subprocess.run([NARROW, *map(str, args)], capture_output=True, text=True)


def succeed(*args):
    done = narrow(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fail(*args, status=1):
    done = narrow("--quiet", *args)
    assert done.returncode == status, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("narrow: error: "), done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    said = succeed("search", GOLDEN / "ds16.keras", *DATA, "--samples", 600, "--below", "mae=0.004", "--out", folder / "best.yml", "--json", folder / "best.json")
    return folder, said, json.loads((folder / "best.json").read_text())


def predictions(folder, *precision):
    succeed("--quiet", "predict", GOLDEN / "ds16.keras", *DATA, "--samples", 600, *precision, "--out", folder / "predictions.txt")
    return np.loadtxt(folder / "predictions.txt")


def test_samples_of_weight_0_have_no_part(tmp_path):
    """Values far away, which would widen every type: the search and the profile are those without them."""
    with h5py.File(GOLDEN / "clusters.h5") as file:
        x = file["x"][:300].astype(np.float32)
    weight = np.ones(300, np.float32)
    weight[::3] = 0
    wild = x.copy()
    wild[::3] *= 50
    np.savez(tmp_path / "all.npz", x=wild, weight=weight)
    np.savez(tmp_path / "some.npz", x=x[weight > 0], weight=weight[weight > 0])
    for name in ("all", "some"):
        succeed("search", GOLDEN / "ds16.keras", "--data", tmp_path / f"{name}.npz", "--search", 100, "--below", "mae=0.02", "--out", tmp_path / f"{name}.yml")
        succeed("profile", GOLDEN / "ds16.keras", "--data", tmp_path / f"{name}.npz", "--v", "12,5", "--json", tmp_path / f"{name}.json")
    assert (tmp_path / "all.yml").read_text() == (tmp_path / "some.yml").read_text()
    assert (tmp_path / "all.json").read_text() == (tmp_path / "some.json").read_text()


def test_the_file_has_the_error_that_is_said(found):
    """The mean absolute error as NumPy computes it, on the half that was searched and on the one that judged; and the error of that mean."""
    folder, _, result = found
    error = np.abs(predictions(folder, "--precision", folder / "best.yml") - predictions(folder))
    for half, errors in (("searched", error[:300]), ("judged", error[300:])):
        said = result["best"][half]["mae"]
        assert said["value"] == pytest.approx(errors.mean(), rel=1e-12)
        assert said["error"] == pytest.approx(errors.std() / np.sqrt(300), rel=1e-6)
    assert result["best"]["searched"]["mae"]["value"] + result["best"]["searched"]["mae"]["error"] <= 0.004
    assert error.mean() > 0.0005, "the bound is used"


def test_single_types_are_those_of_a_grid(found):
    """Of all pairs of widths with these integer bits and modes, none with fewer bits meets the bound on the samples searched as those with more do."""
    folder, _, result = found

    def parts(kind):
        width, integer, *modes = result["single_types"][kind].removeprefix("ap_fixed<").removesuffix(">").split(",")
        return int(width), int(integer), modes

    (v, v_int, modes), (w, w_int, _) = parts("results"), parts("weights")
    exact = predictions(folder)[:300]

    def meets(vector, weight):
        types = {"result": [vector, v_int, *modes], "weight": [weight, w_int, *modes]}
        layers = {}
        for tensor in result["tensors"]:
            layer, kind = tensor["name"].rsplit(".", 1)
            own = layers.setdefault(layer, {})
            if kind == "weight":
                own.setdefault("result", "auto")
                own["accum"] = "auto"
            own[kind] = "ap_fixed<" + ",".join(map(str, types["result" if kind == "result" else "weight"])) + ">"
        config = {"Model": {"Precision": {"default": "ap_fixed<30,15>"}, "ReuseFactor": 1}, "LayerName": {name: {"Precision": own} for name, own in layers.items()}}
        (folder / "pair.yml").write_text(json.dumps(config))
        error = np.abs(predictions(folder, "--precision", folder / "pair.yml")[:300] - exact)
        return error.mean() + error.std() / np.sqrt(300) <= 0.004

    assert meets(v, w)
    met = {(i, j): meets(v + i, w + j) for i in range(-3, 4) for j in range(-3, 4)}
    # One that meets the bound while some pair with more bits does not meets it by chance.
    surely = [(i, j) for i, j in met if all(met[more] for more in met if more[0] >= i and more[1] >= j)]
    assert min(sum(pair) for pair in surely) == 0 and len(surely) < len(met)
    assert result["best"]["cost"] < result["single_types"]["cost"]


def test_ranges_are_those_of_the_float_model(found):
    folder, _, result = found
    succeed("--quiet", "trace", GOLDEN / "ds16.keras", *DATA, "--samples", 300, "--out", folder / "trace.h5")
    with h5py.File(folder / "trace.h5") as file:
        compared = 0
        for tensor in result["tensors"]:
            layer, kind = tensor["name"].rsplit(".", 1)
            if kind != "result":
                continue
            values = file[f"float_trace/{layer}"][:]
            assert (tensor["low"], tensor["high"]) == (min(0, values.min()), max(0, values.max())), layer
            compared += 1
    assert compared > 5


def test_hls4ml_computes_the_same_bits(found):
    folder, _, _ = found
    precision = ["--precision", folder / "best.yml"]
    succeed("export", GOLDEN / "ds16.keras", *precision, "--out", folder / "project")
    succeed("trace", folder / "project" / "model.h5", "--precision", folder / "project" / "hls4ml_config.yml", *DATA, "--samples", 40, "--out", folder / "fixed.h5")
    done = subprocess.run([sys.executable, "convert.py", "--check", folder / "fixed.h5"], cwd=folder / "project", capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("the same bits: "), done.stdout + done.stderr
    with h5py.File(folder / "fixed.h5") as file:
        assert np.array_equal(file["predictions"][:].ravel(), predictions(folder, *precision)[:40])


def test_it_does_not_depend_on_the_cores(found, tmp_path):
    folder, said, _ = found
    again = succeed("--threads", 1, "search", GOLDEN / "ds16.keras", *DATA, "--samples", 600, "--below", "mae=0.004", "--out", tmp_path / "best.yml", "--json", tmp_path / "best.json")
    assert (tmp_path / "best.yml").read_text() == (folder / "best.yml").read_text()
    assert (tmp_path / "best.json").read_text() == (folder / "best.json").read_text()
    assert again.replace(str(tmp_path), str(folder)) == said


def test_a_full_disk_loses_nothing(tmp_path):
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [NARROW, "--quiet", "search", GOLDEN / "ds16.keras", *DATA, "--samples", 600, "--below", "mae=0.004", "--out", tmp_path / "best.yml"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, preexec_fn=limited)
    journal = tmp_path / "best.yml.search"
    assert done.returncode == 1 and done.stderr == f"narrow: error: {journal}: cannot be written; is the disk full?\n", done.stderr
    assert journal.read_text().count("\n") > 60, "what was computed is kept"


@pytest.mark.parametrize("cost", ["ebops", "dsp"])
def test_a_cost_is_made_small(cost, found, tmp_path):
    """What is asked to be small is no larger than where the average of bits was, within what a search leaves."""
    folder, _, _ = found
    options = ["search", GOLDEN / "ds16.keras", *DATA, "--samples", 600, "--below", "mae=0.004", "--cost", cost]
    succeed(*options, "--out", tmp_path / "own.yml", "--json", tmp_path / "own.json")
    own = json.loads((tmp_path / "own.json").read_text())
    assert own["cost"] == cost and own["best"]["cost"] < own["single_types"]["cost"]
    front = [each["cost"] for each in own["front"]]
    assert front == sorted(front, reverse=True) and len(front) > 1


def test_it_resumes_where_it_was_stopped(found, tmp_path):
    """Stopped by Ctrl-C, then killed; what was computed is not computed again, and the answer is the same. Of other data nothing is taken."""
    folder, said, _ = found
    out = tmp_path / "best.yml"
    command = ["search", GOLDEN / "ds16.keras", *DATA, "--samples", 600, "--below", "mae=0.004", "--out", out]
    journal = Path(f"{out}.search")

    def stopped(by, lines):
        process = subprocess.Popen([NARROW, "--threads", "1", *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not journal.exists() or journal.read_text().count("\n") < lines):
            time.sleep(0.01)
        process.send_signal(by)
        return process.wait(), process.stderr.read()

    assert stopped(signal.SIGINT, 30)[0] == 130
    first = journal.read_text().count("\n")
    stopped(signal.SIGKILL, first + 30)
    assert not out.exists()
    with open(journal, "a") as file:
        file.write("deviation-0123 0x1.8p")  # a line that a kill cut short
    known = journal.read_text().count("\n") - 1
    assert known >= first + 29
    again = narrow(*command)
    assert f"with what an earlier run computed of {known} candidates" in again.stderr
    assert again.stdout.replace(str(tmp_path), str(folder)) == said
    assert out.read_text() == (folder / "best.yml").read_text() and not journal.exists()
    journal.write_text("narrow search of another\ndeviation-0 1\n")
    assert "resumes" not in narrow(*command).stderr


def test_a_classifier(tmp_path):
    with h5py.File(GOLDEN / "jet_tagger.h5") as file:
        x = np.tile(file["input"][:], (8, 1, 1))[:, : file["input"].shape[1]] if file["input"].ndim == 3 else np.tile(file["input"][:], (8, 1))
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "jets.npz", x=(x * rng.normal(1, 0.05, x.shape)).astype(np.float32))
    said = succeed("search", GOLDEN / "jet_tagger.keras", "--data", tmp_path / "jets.npz", "--below", "disagreement=8", "--out", tmp_path / "best.yml", "--json", tmp_path / "best.json")
    result = json.loads((tmp_path / "best.json").read_text())
    assert result["best"]["searched"]["disagreement"]["value"] <= 8, said
    for name, precision in (("fixed", ["--precision", tmp_path / "best.yml"]), ("float", [])):
        succeed("--quiet", "predict", GOLDEN / "jet_tagger.keras", "--data", tmp_path / "jets.npz", *precision, "--out", tmp_path / f"{name}.txt")
    fixed, reference = (np.loadtxt(tmp_path / f"{name}.txt").argmax(axis=1) for name in ("fixed", "float"))
    half = len(fixed) // 2
    assert result["best"]["judged"]["disagreement"]["value"] == pytest.approx(100 * np.mean(fixed[half:] != reference[half:]), rel=1e-9)


# --- bad input


def test_what_cannot_be_met(tmp_path):
    options = ["search", GOLDEN / "ds16.keras", *DATA, "--samples", 100, "--out", tmp_path / "best.yml"]
    said = fail(*options, "--below", "mae=1e-9")
    assert "with 24 bits for every tensor" in said and "mae" in said and "(asked: 1e-09)" in said
    assert "did you mean" in fail(*options, "--below", "resolution_los=1")
    assert "no value of rate@5 is better" in fail(*options, "--below", "rate@5=1", "--threshold", "5")
    assert "--search" in fail(*options, "--below", "mae=1", "--search", "100")
    assert "AP_RND" in fail(*options, "--below", "mae=1", "--rounding", "AP_ROUND")
    assert "it is the file that --out names" in fail(*options, "--below", "mae=1", "--json", tmp_path / "best.yml")
    assert "is an input of this command" in fail(*options[:-2], "--out", GOLDEN / "ds16.keras", "--below", "mae=1")
    assert not list(tmp_path.iterdir())
