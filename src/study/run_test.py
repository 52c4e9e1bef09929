"""Studies defined in a file: what is measured, kept, trained and validated, and what happens when parts of it are lost."""

import json
import math
import os
import pty
import random
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from store_test import GOLDEN, NARROW, command, content, fail, rows, run, succeed

TARGET = ["--target", "true_energy:log/10"]  # how golden/clusters.h5's targets were prepared: log(GeV) / 10


def study(folder, text, **how):
    (folder / "study.yml").write_text(text)
    return [NARROW, "run", str(folder / "study.yml")]


# --- metrics


def nearest_rising(values, weights):
    """Isotonic regression by its min-max formula (Barlow et al. 1972)."""
    mean = lambda i, j: np.average(values[i : j + 1], weights=weights[i : j + 1])
    n = len(values)
    return np.array([max(min(mean(j, k) for k in range(i, n)) for j in range(i + 1)) for i in range(n)])


def half_point(truth, passed, threshold):
    """The 50 % point as docs/study.md and study/metrics.h define it, in NumPy."""
    z, centre = np.log(truth) / 10, math.log(threshold) / 10
    low, high = np.quantile(z, [0.01, 0.99])
    reach = 0.2 * (high - low)
    edges = np.linspace(centre - reach, centre + reach, 21)
    bins = [(z >= a) & (z < b) for a, b in zip(edges[:-1], edges[1:])]
    bins = [chosen for chosen in bins if chosen.any()]
    share = np.array([passed[chosen].mean() for chosen in bins])
    at = np.array([z[chosen].mean() for chosen in bins])
    fitted = nearest_rising(share, np.array([chosen.sum() for chosen in bins]))
    i = int(np.argmax(fitted >= 0.5))
    if i == 0:
        return math.nan
    return math.exp(10 * (at[i - 1] + (at[i] - at[i - 1]) * (0.5 - fitted[i - 1]) / (fitted[i] - fitted[i - 1])))


def against_target(predictions, truth, reference, threshold):
    error = (predictions - truth) / truth * 100
    reference_error = (reference - truth) / truth * 100
    width = lambda e: np.diff(np.quantile(e, [0.158655, 1 - 0.158655]))[0] / 2
    scaled = lambda e: width(e) / abs(1 + np.median(e) / 100)
    edges = np.quantile(truth, np.linspace(0, 1, 11))
    which = np.clip(np.searchsorted(edges, truth, side="right") - 1, 0, 9)
    passed, reference_passed = predictions >= threshold, reference >= threshold
    return {
        "resolution": error.std(),
        "resolution_68": width(error),
        "resolution_loss": (scaled(error) / scaled(reference_error) - 1) * 100,
        "linearity": max(abs(np.median(error[which == i])) for i in range(10)),
        f"rate@{threshold}": passed.mean() * 100,
        f"rate_change@{threshold}": (passed.mean() / reference_passed.mean() - 1) * 100,
        f"turn_on@{threshold}": half_point(truth, passed, threshold),
        f"turn_on_shift@{threshold}": half_point(truth, passed, threshold) - half_point(truth, reference_passed, threshold),
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    out = tmp_path_factory.mktemp("measured") / "study"
    grid = ["--v-full", "10:18:2", "--v-int", "5:8", "--wb-full", "12", "--wb-int", "1:2", "--samples", 1500]
    succeed(command(out, *TARGET, "--threshold", "30,80", "--tolerance", "2,50", grid=grid))
    return out


def test_metrics_are_what_numpy_makes_of_the_predictions(measured):
    with h5py.File(GOLDEN / "clusters.h5") as file:
        truth = np.exp(10 * file["y"][:1500, 0].astype(np.float64))
    count = 0
    for model, v_full, v_int, wb_full, wb_int, *_ in rows(measured, "SELECT model, v_full, v_int, wb_full, wb_int FROM results"):
        folder = measured / f"{model}.{v_full}.{v_int}.wb_{wb_full}.{wb_int}.model"
        fixed, reference = np.loadtxt(folder / "hls_predictions.txt"), np.loadtxt(folder / "keras_predictions.txt")
        expected = {f"beyond@{t}": np.mean(np.abs(fixed - reference) > t / 100 * np.abs(reference)) * 100 for t in (2, 50)}
        for threshold in (30, 80):
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                expected.update(against_target(np.exp(10 * fixed), truth, np.exp(10 * reference), threshold))
        where = f"WHERE v_full = {v_full} AND v_int = {v_int} AND wb_int = {wb_int}"
        names = list(expected)
        chosen = ", ".join(f'"{name}"' for name in names)
        for name, value in zip(names, rows(measured, f"SELECT {chosen} FROM results {where}")[0]):
            if math.isfinite(expected[name]):
                count += 1
                assert value == pytest.approx(expected[name], rel=1e-7, abs=1e-7), (name, folder)
            else:
                assert value is None or math.isinf(value), (name, folder)
    assert count > 300


def test_curves_are_shares_and_medians_of_the_bins(measured):
    with h5py.File(GOLDEN / "clusters.h5") as file:
        truth = np.exp(10 * file["y"][:1500, 0].astype(np.float64))
    folder = measured / "16.16.6.wb_12.2.model"
    fixed, reference = (np.exp(10 * np.loadtxt(folder / f"{kind}_predictions.txt")) for kind in ("hls", "keras"))
    where = "FROM curve_values WHERE v_full = 16 AND v_int = 6 AND wb_int = 2 AND curve ="
    turn_on = rows(measured, f"SELECT low, high, samples, value, float_value {where} 'turn_on@30'")
    assert len(turn_on) == 20
    for low, high, samples, value, float_value in turn_on:
        inside = (truth >= low * (1 - 1e-9)) & (truth < high * (1 - 1e-9))
        assert inside.sum() == samples
        if samples:
            assert value == pytest.approx((fixed[inside] >= 30).mean()) and float_value == pytest.approx((reference[inside] >= 30).mean())
    widths = rows(measured, f"SELECT low, high, value {where} 'resolution_68'")
    for low, high, value in widths[:-1]:
        inside = (truth >= low * (1 - 1e-8)) & (truth < high * (1 - 1e-8))
        assert value == pytest.approx(np.diff(np.quantile((fixed / truth - 1)[inside], [0.158655, 0.841345]))[0] / 2 * 100, rel=1e-6)
    linearity = rows(measured, f"SELECT low, high, samples, value, float_value {where} 'linearity'")
    assert len(linearity) == 10 and sum(row[2] for row in linearity) == 1500
    for low, high, samples, value, float_value in linearity[:-1]:
        inside = (truth >= low * (1 - 1e-8)) & (truth < high * (1 - 1e-8))
        assert samples == inside.sum()
        assert value == pytest.approx(np.median((fixed / truth - 1)[inside]) * 100, rel=1e-6)


def test_overflow_counts_are_those_of_predict(measured, tmp_path):
    for v_full, v_int in ((10, 5), (14, 6)):
        said = succeed([NARROW, "predict", str(GOLDEN / "ds16.keras"), "--data", str(GOLDEN / "clusters.h5"), "--samples", "100", "--v", f"{v_full},{v_int}",
                        "--wb", "12,2", "--out", str(tmp_path / "p.txt")])
        stored = rows(measured, f"""SELECT layer, "values", overflows, sum_overflows, zeros, weights, weight_overflows, weight_zeros, samples FROM overflows
                                    WHERE v_full = {v_full} AND v_int = {v_int} AND wb_int = 2""")
        share = lambda part, whole: "-" if part == 0 else f"{100 * part / whole:.2g} %"
        counts = {row[0]: row[1:] for row in stored}
        lines = [line for line in said.splitlines()[1:] if "ap_fixed" in line]
        assert len(lines) > len(counts) > 3 and all(row[8] == 100 for row in stored)
        for line in lines:
            name, _, *shares = re.split(r" {2,}", line.strip())
            values, *lost, weights, weight_overflows, weight_zeros, _ = counts.get(name, (1, 0, 0, 0, 1, 0, 0, 0))
            assert shares == [*(share(part, values) for part in lost), share(weight_overflows, weights), share(weight_zeros, weights)], line


def test_an_overflow_on_any_sample_is_in_the_store(tmp_path):
    """Counting few samples must not hide what happens on others."""
    out = tmp_path / "study"
    grid = ["--v-full", "16", "--v-int", "7:9", "--wb-full", "12", "--wb-int", 2, "--samples", 2000]
    succeed(command(out, "--counted", 1, grid=grid))
    flags = dict(rows(out, "SELECT v_int, overflowed FROM results"))
    for v_int, flag in flags.items():
        said = succeed([NARROW, "predict", str(GOLDEN / "ds16.keras"), "--data", str(GOLDEN / "clusters.h5"), "--v", f"16,{v_int}", "--wb", "12,2", "--out", str(tmp_path / "p.txt")])
        lost = [re.split(r" {2,}", line.strip())[2:4] for line in said.splitlines()[1:] if "ap_fixed" in line]
        assert flag == any(part != "-" for row in lost for part in row), v_int
    assert set(flags.values()) == {0, 1}


def times(folder):
    return rows(folder, "SELECT id, finished, seconds FROM points ORDER BY id")


SMALL = ["--v-full", "9:12", "--v-int", "4:7", "--wb-full", "10", "--wb-int", "1:2", "--samples", 200]


@pytest.mark.parametrize("layout", ["text", "hdf5"])
def test_new_metrics_are_taken_from_what_is_kept(tmp_path, layout):
    keep = ["--keep", "predictions", "--layout", layout, *TARGET]
    succeed(command(tmp_path / "whole", *keep, "--threshold", "20,50", grid=SMALL))
    succeed(command(tmp_path / "grown", *keep, grid=SMALL))
    before = times(tmp_path / "grown")
    said = succeed(command(tmp_path / "grown", *keep, "--threshold", "20,50", grid=SMALL))
    assert "32 points were done before; new metrics were computed from their predictions" in said
    assert times(tmp_path / "grown") == before, "nothing was run again"
    assert content(tmp_path / "grown") == content(tmp_path / "whole")
    assert best(tmp_path / "grown", "turn_on_shift@20") == best(tmp_path / "whole", "turn_on_shift@20")


def best(folder, metric):
    return succeed([NARROW, "best", str(folder), "--metric", metric, "--below", "3"])


def test_new_metrics_are_computed_where_nothing_is_kept(tmp_path):
    keep = ["--keep", "none", *TARGET]
    succeed(command(tmp_path / "whole", *keep, "--tolerance", "3", "--threshold", "20", grid=SMALL))
    succeed(command(tmp_path / "grown", *keep, "--tolerance", "3", grid=SMALL))
    assert not list((tmp_path / "grown").glob("*.model"))
    succeed(command(tmp_path / "grown", *keep, "--tolerance", "3", "--threshold", "20", grid=SMALL))
    assert content(tmp_path / "grown") == content(tmp_path / "whole")


def test_another_target_is_not_mixed_in(tmp_path):
    """Its metrics would have the same names."""
    succeed(command(tmp_path / "study", grid=SMALL))
    before = content(tmp_path / "study")
    said = fail(command(tmp_path / "study", *TARGET, grid=SMALL))
    assert "the target of this study is target, and true_energy:log/10 is asked for" in said
    assert content(tmp_path / "study") == before
    for number, more in ((1, TARGET), (2, [])):
        succeed(command(tmp_path / "parts", *more, "--shard", f"{number}/2", grid=SMALL))
    assert "its target is target, that of the other parts is another" in fail([NARROW, "merge", str(tmp_path / "parts")])


@pytest.mark.parametrize(
    ("old", "new", "different"),
    [
        ("samples: 100", "samples: 99", "samples: 100 then, 99 now"),
        ("samples: 100", "samples: 100, weight: event_weight", "weight: not given then, event_weight now"),
        ("files: test.h5", "files: other.h5", "files: [test.h5] then, [other.h5] now"),
        ("samples: 100", "samples: 100, target: 'true_energy:log/10'", "the target of this study is true_energy, and true_energy:log/10 is asked for"),
        ("unit: GeV", "unit: MeV", "the unit of the target in this study is GeV"),
    ],
)
def test_the_plan_refuses_what_the_run_refuses(tmp_path, old, new, different):
    """Other samples under the name of those that the study knows; and it says in what they are other."""
    for name, seed in (("test.h5", 1), ("other.h5", 2)):
        succeed([NARROW, "generate", str(tmp_path / name), "--samples", "100", "--seed", str(seed)])
        with h5py.File(tmp_path / name, "a") as file:
            file["event_weight"] = np.linspace(1, 2, 100, dtype=np.float32)
    text = f"""
out: study
models: {GOLDEN}/ds16.keras
data: {{files: test.h5, samples: 100, target: true_energy}}
grid: {{v_full: 10, v_int: 6, wb_full: 10, wb_int: 2}}
metrics: {{unit: GeV}}
"""
    begun = run(study(tmp_path, text), cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr
    before = content(tmp_path / "study")
    changed = text.replace("target: true_energy", "") if "target:" in new else text
    changed = changed.replace(old, new)
    refused = [run([*study(tmp_path, changed), *plan], cwd=tmp_path) for plan in (["--plan"], [])]
    assert [each.returncode for each in refused] == [1, 1]
    assert refused[0].stderr.splitlines()[-1] == refused[1].stderr.splitlines()[-1] and different in refused[0].stderr, [each.stderr for each in refused]
    assert content(tmp_path / "study") == before
    assert run([*study(tmp_path, text), "--plan"], cwd=tmp_path).returncode == 0


def planned(line):
    """Points that are done, and those to compute, as the plan has them."""
    header, row = (re.split(r"\s{2,}", text) for text in succeed([*line, "--plan"]).splitlines()[:2])
    least, _, most = row[header.index("to compute")].partition(" to ")
    return int(row[header.index("done")]), int(least), int(most or least)


def computed(line):
    said = succeed(line)
    return int(re.search(r"(\d+) points were computed", said)[1])


def test_the_plan_counts_what_the_run_computes(tmp_path):
    """Also where a metric is new, what is kept changes, and files are gone."""
    text = f"""
out: {tmp_path}/study
models: {GOLDEN}/ds16.keras
data: {{files: {GOLDEN}/clusters.h5, samples: 60, target: 'true_energy:log/10'}}
grid: {{v_full: [17, 18], v_int: [11, 12], wb_full: 10, wb_int: 2}}
keep: none
"""
    def both(text):
        line = study(tmp_path, text)
        done, least, most = planned(line)
        assert least <= computed(line) <= most, text
        return done, least, most

    assert both(text) == (0, 3, 4)  # 17,11 and 18,12 have the same fraction
    assert both(text) == (4, 0, 0)
    more = text + "metrics: {threshold: 20}\n"
    assert both(more) == (0, 3, 4), "its predictions are not kept"
    kept = more.replace("keep: none", "keep: predictions")
    assert both(kept) == (0, 3, 4)
    assert both(kept + "counted: 50\n") == (4, 0, 0)
    assert planned(study(tmp_path, kept.replace("threshold: 20", "threshold: [20, 30]"))) == (4, 0, 0), "measured again from what is kept"
    for folder in (tmp_path / "study").glob("16.17.*.model"):
        shutil.rmtree(folder)
    done, least, most = both(kept)
    assert done == 2 and least >= 1 and most == 2


def test_fewer_integer_bits_are_never_answered_by_more(tmp_path):
    text = f"out: {tmp_path}/study\nmodels: {GOLDEN}/ds16.keras\ndata: {{files: {GOLDEN}/clusters.h5, samples: 20}}\ngrid: {{v_full: 30, v_int: 12, wb_full: 10, wb_int: 2}}\n"
    succeed(study(tmp_path, text))
    line = study(tmp_path, text.replace("v_full: 30, v_int: 12", "v_full: [29, 30], v_int: [11, 12]"))
    # 30,12 is done; 29,11 (whose fraction it has), 29,12 and 30,11 are new.
    assert planned(line) == (1, 3, 3)
    assert computed(line) == 3


def test_a_refused_run_leaves_nothing_that_refuses_the_next(tmp_path):
    shutil.copy(GOLDEN / "ds16.keras", tmp_path / "m.keras")
    with h5py.File(GOLDEN / "clusters.h5") as file:
        samples = {name: file[name][:] for name in file}
    x = np.zeros((20, 64, 4), np.float32)
    np.savez(tmp_path / "bad.npz", x=x, y=np.full((20,), np.inf, np.float32))
    text = f"out: study\nmodels: m.keras\ndata: {{files: DATA, samples: 20}}\ngrid: {{v_full: 10, v_int: 6, wb_full: 10, wb_int: 2}}\n"
    refused = run(study(tmp_path, text.replace("DATA", "bad.npz")), cwd=tmp_path)
    assert refused.returncode == 1 and samples
    # The second of two data sets is another: nothing of the first is computed.
    both = f"out: two\nmodels: m.keras\ndata: [{{name: a, files: {GOLDEN}/clusters.h5, samples: 20}}, {{name: b, files: {GOLDEN}/clusters.h5, samples: N}}]\ngrid: {{v_full: 10, v_int: 6, wb_full: 10, wb_int: 2}}\n"
    assert run(study(tmp_path, both.replace("N}", "30}")), cwd=tmp_path).returncode == 0
    wider = both.replace("N}", "31}").replace("v_full: 10", "v_full: 10:14")
    refused = run(study(tmp_path, wider), cwd=tmp_path)
    assert refused.returncode == 1 and "samples: 30 then, 31 now" in refused.stderr
    assert rows(tmp_path / "two", "SELECT count(*) FROM points") == [(2,)]
    # A model that was never studied may change.
    reweighted("ds16", tmp_path / "m.keras", 1)
    assert run(study(tmp_path, text.replace("DATA", str(GOLDEN / "clusters.h5"))), cwd=tmp_path).returncode == 0


def test_what_an_interrupted_study_has_not_begun_is_seen(tmp_path):
    text = f"""
out: {tmp_path}/study
models: [{GOLDEN}/ds16.keras, {GOLDEN}/ds64.keras]
data: {{files: {GOLDEN}/clusters.h5, samples: 400}}
grid: {{v_full: 8:20, v_int: 4:8, wb_full: 8:14, wb_int: 2}}
keep: none
"""
    process = subprocess.Popen(study(tmp_path, text), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "study" / "study.db").exists() or not rows(tmp_path / "study", "SELECT count(*) FROM sqlite_master WHERE name = 'points'")[0][0] or rows(tmp_path / "study", "SELECT count(finished) FROM points")[0][0] < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    points = 13 * 5 * 7 - 0
    assert rows(tmp_path / "study", "SELECT model, points FROM progress ORDER BY model") == [("16", points), ("64", points)]
    assert f"of {2 * points}" in succeed([NARROW, "status", str(tmp_path / "study")])
    said = succeed([NARROW, "best", str(tmp_path / "study")])
    assert f"64, auto: {points} of {points} points are not finished" in said, said


def test_other_samples_for_a_model_of_another_shape_are_refused(tmp_path):
    """They would stand side by side under one name."""
    line = lambda model, samples: [NARROW, "sweep", str(GOLDEN / model), "--data", str(GOLDEN / "clusters.h5"), *"--v-full 12 --v-int 6 --wb-full 10 --wb-int 2".split(), "--samples", str(samples), "--out", str(tmp_path / "study")]
    succeed(line("ds16.keras", 40))
    assert "samples: 40 then, 30 now" in fail(line("ds64.keras", 30))
    succeed(line("ds64.keras", 40))


@pytest.mark.parametrize("name", ["b", "16"])
def test_a_file_replaced_by_another_network_is_refused(tmp_path, name):
    """Whatever its widths are: the label of the first is its width, 16."""
    shutil.copy(GOLDEN / "ds16.keras", tmp_path / f"{name}.keras")
    grid = {"v_full": "8", "v_int": "4", "wb_full": "8", "wb_int": "2"}
    command = [NARROW, "sweep", tmp_path / f"{name}.keras", "--data", GOLDEN / "clusters.h5", "--samples", "5", "--keep", "none", "--out", tmp_path / "study",
               *[item for key, value in grid.items() for item in ("--" + key.replace("_", "-"), value)]]
    succeed(list(map(str, command)))
    shutil.copy(GOLDEN / "ds32.keras", tmp_path / f"{name}.keras")
    said = fail(list(map(str, command)))
    assert f"model {name} differs from the model 16 with which this study began; has its file changed?" in said, said
    assert rows(tmp_path / "study", "SELECT label FROM models") == [("16",)]
    # Under its old content it goes on, and the other enters under another name.
    shutil.move(tmp_path / f"{name}.keras", tmp_path / "other.keras")
    shutil.copy(GOLDEN / "ds16.keras", tmp_path / f"{name}.keras")
    succeed(list(map(str, [*command[:2], tmp_path / f"{name}.keras", tmp_path / "other.keras", *command[3:]])))
    assert [label for label, in rows(tmp_path / "study", "SELECT label FROM models ORDER BY id")] == ["16", "32"]


def test_the_plan_refuses_a_model_whose_file_has_changed(tmp_path):
    shutil.copy(GOLDEN / "ds16.keras", tmp_path / "m.keras")
    text = f"out: study\nmodels: m.keras\ndata: {{files: {GOLDEN}/clusters.h5, samples: 20}}\ngrid: {{v_full: 10, v_int: 6, wb_full: 10, wb_int: 2}}\n"
    assert run(study(tmp_path, text), cwd=tmp_path).returncode == 0
    reweighted("ds16", tmp_path / "m.keras", 1)
    for plan in (["--plan"], []):
        other = run([*study(tmp_path, text), *plan], cwd=tmp_path)
        assert other.returncode == 1 and "model m differs from the model 16 with which this study began" in other.stderr, other.stderr


def test_best_takes_the_magnitude_of_shifts(measured):
    points = rows(measured, 'SELECT bits, "turn_on_shift@30" FROM results')
    for bound in (0.05, 0.5, 5):
        good = [(bits, abs(shift)) for bits, shift in points if shift is not None and abs(shift) <= bound]
        said = succeed([NARROW, "best", str(measured), "--metric", "turn_on_shift@30", "--below", str(bound), "--any"]).splitlines()[1].split()
        assert not good and "no" in said or int(said[3]) == min(good)[0]
    # Everything that is known of the point in the target's unit stands below, as the store has it.
    lines = succeed([NARROW, "best", str(measured), "--metric", "mpe", "--below", "1e9", "--any"]).splitlines()
    point = re.findall(r"ap_fixed<(-?\d+),(-?\d+)>", lines[1])
    cells = [re.split(r" {2,}", line) for line in lines[next(i for i, line in enumerate(lines) if line.startswith("at that point")) + 1 :]]
    table = {row[0]: row[1] for row in cells}
    # Beside them what the float model has of its own.
    own = {row[0]: row[2] for row in cells if len(row) > 2}
    known = dict(rows(measured, "SELECT title || CASE unit WHEN '' THEN '' ELSE ' [' || unit || ']' END, float_metrics.value FROM float_metrics JOIN metric_names USING(name)"))
    assert {"resolution [%]", "central resolution [%]"} < own.keys() and not any("MPE" in name or "shift" in name or "loss" in name for name in own)
    assert all(float(text.split()[0]) == pytest.approx(known[name], rel=6e-4) for name, text in own.items() if text.split()[0] != "unknown")
    where = "WHERE " + " AND ".join(f"{name} = {bits}" for name, bits in zip(("v_full", "v_int", "wb_full", "wb_int"), sum(point, ())))
    names = rows(measured, "SELECT name, title, unit FROM metric_names WHERE space = 'target'")
    assert {"resolution_68", "resolution_loss", "linearity", "turn_on_shift@30", "rate_change@80", "mpe_target"} <= {name for name, *_ in names}
    assert len(table) == len(names)
    for name, title, unit in names:
        value, error = rows(measured, f'SELECT "{name}", "error of {name}" FROM results {where}')[0]
        shown = table[title + (f" [{unit}]" if unit else "")].split(" +- ")
        assert shown == ["unknown"] if value is None else float(shown[0]) == pytest.approx(value, rel=1e-3), name
        assert [float(f"{error:.4g}")] == [float(e) for e in shown[1:]] if error is not None else len(shown) == 1, name
    assert "the study has no metric 'speed'; it has mae, mpe" in fail([NARROW, "best", str(measured), "--metric", "speed"])


# --- what is kept


def test_hdf5_holds_what_the_text_files_hold(tmp_path):
    succeed(command(tmp_path / "text", "--trace", 4, grid=SMALL))
    succeed(command(tmp_path / "hdf5", "--trace", 4, "--layout", "hdf5", grid=SMALL))
    folders = list((tmp_path / "text").glob("*.model"))
    assert len(folders) == 32
    for folder in folders:
        with h5py.File(tmp_path / "hdf5" / (folder.name[: -len(".model")] + ".h5")) as one, h5py.File(folder / "hls_trace.h5") as trace:
            np.testing.assert_array_equal(one["predictions"][:, 0], np.loadtxt(folder / "hls_predictions.txt"))
            assert one.attrs["types"] == trace.attrs["types"]
            assert all(np.array_equal(one[f"trace/{layer}"][:], trace[f"trace/{layer}"][:]) and len(trace[f"trace/{layer}"]) == 4 for layer in trace["trace"])
    with h5py.File(tmp_path / "hdf5" / "16.keras.h5") as one:
        np.testing.assert_array_equal(one["predictions"][:, 0], np.loadtxt(folders[0] / "keras_predictions.txt"))
    assert not list((tmp_path / "hdf5").rglob("*.txt.partial"))


def point_files(out, layout):
    """Of each point its types in the store, the attribute of its trace, and its values."""
    for name, types in rows(out, "SELECT '16.' || v_full || '.' || v_int || '.wb_' || wb_full || '.' || wb_int, types FROM results"):
        with h5py.File(out / (f"{name}.h5" if layout == "hdf5" else f"{name}.model/hls_trace.h5")) as file:
            yield name, types, file.attrs["types"], {layer: values[...] for layer, values in file["trace"].items()}


@pytest.mark.parametrize("layout", ["text", "hdf5"])
def test_a_point_that_follows_another_has_its_own_types(tmp_path, layout):
    grid = ["--v-full", "12:15", "--v-int", "7:10", "--wb-full", "12", "--wb-int", 2, "--samples", 20, "--trace", 2, "--layout", layout]
    succeed(command(tmp_path / "shared", grid=grid))
    assert rows(tmp_path / "shared", "SELECT count(*) FROM results WHERE NOT computed")[0][0] > 3
    succeed(command(tmp_path / "alone", "--no-share", grid=grid))
    alone = {name: more for name, *more in point_files(tmp_path / "alone", layout)}
    for name, types, said, values in point_files(tmp_path / "shared", layout):
        assert said == types == alone[name][0] == alone[name][1], name
        assert values.keys() == alone[name][2].keys() and all(np.array_equal(values[layer], alone[name][2][layer]) for layer in values)
    files = lambda out: {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.suffix in (".h5", ".txt") and not path.name.startswith("points_")}
    assert files(tmp_path / "shared") == files(tmp_path / "alone")


def fused_model():
    """A Dense with a BatchNormalization behind it, far from the identity, and its float layers as NumPy has them."""
    with zipfile.ZipFile(GOLDEN / "bn16.keras") as archive:
        config = json.loads(archive.read("config.json"))["config"]["layers"]
    before = {layer["config"]["name"]: layer["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] for layer in config if layer["inbound_nodes"]}
    return {before[layer["config"]["name"]]: layer["config"]["name"] for layer in config if layer["class_name"] == "BatchNormalization"}


def test_a_layer_that_took_in_a_normalization_is_compared_behind_it(tmp_path):
    norms = fused_model()
    for kind in ("auto", "uniform"):
        out = tmp_path / kind
        grid = ["--v-full", 24, "--v-int", 10, "--wb-full", 20, "--wb-int", 6, "--samples", 50, "--trace", 20, "--counted", 20, "--types", kind]
        succeed(command(out, models=("bn16",), grid=grid))
        succeed([NARROW, "trace", str(GOLDEN / "bn16.keras"), "--data", str(GOLDEN / "clusters.h5"), "--samples", "20", "--v", "24,10", "--wb", "20,6", "--types", kind, "--out", str(out / "t.h5")])
        with h5py.File(out / "16.24.10.wb_20.6.model" / "hls_trace.h5") as fixed, h5py.File(out / "16.keras_trace.h5") as exact, h5py.File(out / "t.h5") as both:
            pairs = json.loads(fixed.attrs["float_layers"])
            assert pairs == json.loads(both.attrs["float_layers"]) == ({layer: norm for layer, norm in norms.items() if norm not in fixed["trace"]})
            assert bool(pairs) == (kind == "auto")
            for layer, values in fixed["trace"].items():
                float_values = exact["trace"][pairs.get(layer, layer)][...]
                assert np.abs(values[...] - float_values).max() < 0.02 * max(1, np.abs(float_values).max()), layer
            wrong = [np.abs(fixed["trace"][layer][...] - exact["trace"][layer][...]).max() for layer in pairs]
            assert all(difference > 0.1 for difference in wrong), "the test tells the two apart"
            profiles = {(layer, what): json.loads(quantiles) for layer, what, quantiles in rows(out, "SELECT layer, kind, quantiles FROM profiles")}
            for layer, norm in pairs.items():
                assert profiles[layer, "output"][-1] == pytest.approx(np.abs(exact["trace"][norm][...]).max(), rel=1e-6)
                assert profiles[layer, "output"] == profiles[norm, "output"]
            # The page's table of traces, and the figure of differences.
            succeed([NARROW, "report", str(out), "--figures", "none"])
            page = json.loads(re.search(r'<script[^>]*id="report"[^>]*>(.*?)</script>', (out / "report.html").read_text(), re.S)[1])
            drawn = next(figure for figure in page["figures"] if figure["id"].startswith("differences"))
            values = drawn["spec"]["data"]["values"]
            assert {value["layer"] for value in values} >= set(pairs)
            for value in values:
                assert abs(value["difference"]) < 0.02 * max(1, *(abs(v["float"]) for v in values if v["layer"] == value["layer"])), value


def test_what_is_kept_and_lost_is_made_again(tmp_path):
    out = tmp_path / "study"
    succeed(command(out, grid=SMALL))
    whole = content(out)
    before = times(out)
    spoiled = {"16.9.4.wb_10.1": lambda p: shutil.rmtree(p), "16.10.5.wb_10.2": lambda p: (p / "hls_predictions.txt").write_text(""),
               "16.12.6.wb_10.1": lambda p: (p / "hls_trace.h5").write_bytes((p / "hls_trace.h5").read_bytes()[:-100]),
               "16.11.7.wb_10.2": lambda p: (p / "keras_predictions.txt").unlink()}
    for name, spoil in spoiled.items():
        spoil(out / f"{name}.model")
    succeed(command(out, grid=SMALL))
    assert content(out) == whole
    changed = [point for point, old, new in zip(range(32), before, times(out)) if old != new]
    assert len(changed) == len(spoiled)
    # More is kept than before: a trace of other samples.
    succeed(command(out, "--trace", 2, grid=SMALL))
    succeed(command(tmp_path / "two", "--trace", 2, grid=SMALL))
    assert content(out) == content(tmp_path / "two")


def test_a_power_cut_loses_nothing_that_is_not_made_again(tmp_path):
    """What a disk may hold after the power went: the store's log cut anywhere, or with garbage at its end, and files of which only the
    names, or the beginnings, got to the disk."""
    seed = int(os.environ.get("NARROW_SEED", time.time_ns() % 10**6))
    print("seed", seed)
    rng = random.Random(seed)
    grid = ["--v-full", "8:15", "--v-int", "4:8", "--wb-full", "8:14:2", "--wb-int", "1:4", "--samples", 30]
    succeed(command(tmp_path / "whole", grid=grid))
    whole = content(tmp_path / "whole")
    cut = 0
    for number in range(12):
        out = tmp_path / f"study{number}"
        process = subprocess.Popen(command(out, grid=grid), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(list(out.glob("*.model"))) < rng.randrange(40, 400) and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.wait()
        log = out / "study.db-wal"
        if log.exists() and log.stat().st_size > 0:
            cut += 1
            size = rng.randrange(log.stat().st_size)
            log.write_bytes(log.read_bytes()[:size] + rng.choice([b"", bytes(rng.randrange(5000)), rng.randbytes(5000)]))
        files = [path for path in out.rglob("*") if path.suffix in (".txt", ".h5")]
        for path in rng.sample(files, min(len(files), 60)):
            path.write_bytes(path.read_bytes()[: rng.choice([0, rng.randrange(path.stat().st_size + 1)])])
        succeed(command(out, grid=grid))
        assert content(out) == whole, number
        shutil.rmtree(out)
    assert cut > 6


def test_memory_does_not_grow_with_the_points(tmp_path):
    # (Where narrow is built with the address sanitizer, that would keep what was freed.)
    env = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}

    def peak(last, out):
        grid = ["--v-full", f"8:{last}", "--v-int", "-4:7", "--wb-full", "8:17", "--wb-int", "1:4", "--samples", 20, "--keep", "none", "--counted", 5]
        process = subprocess.Popen(["/usr/bin/env", "bash", "-c", 'ulimit -v unlimited; exec "$@"', "x", *command(out, "--quiet", grid=grid)], stdout=subprocess.DEVNULL, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        assert status == 0
        return rows(out, "SELECT count(finished) FROM points")[0][0], usage.ru_maxrss / 1024

    few, low = peak(9, tmp_path / "few")
    many, high = peak(23, tmp_path / "many")
    print(f"{few} points: {low:.1f} MB, {many} points: {high:.1f} MB")
    assert many == 8 * few > 6000
    # A store's page cache and a list of the points: some hundred bytes a point. All types of all points would be 60 MB.
    assert high - low < 8


def test_the_profile_is_of_the_float_models_values(tmp_path):
    out = tmp_path / "study"
    succeed(command(out, "--trace", 100, "--counted", 100, grid=["--v-full", 12, "--v-int", 6, "--wb-full", 10, "--wb-int", 2, "--samples", 100], models=("ds64",)))
    profiles = {(layer, kind): (json.loads(quantiles), zeros, negative) for layer, kind, quantiles, zeros, negative in rows(out, "SELECT layer, kind, quantiles, zeros, negative FROM profiles")}
    checked = 0
    with h5py.File(out / "64.keras_trace.h5") as trace:
        for layer, values in trace["trace"].items():
            values = values[...].ravel()
            quantiles, zeros, negative = profiles[layer, "output"]
            magnitudes = np.abs(values[values != 0].astype(np.float64))
            assert zeros == pytest.approx(np.mean(values == 0)) and negative == (values < 0).any()
            assert [quantiles[0], quantiles[-1]] == pytest.approx([magnitudes.min(), magnitudes.max()], rel=1e-6)
            # The shares between are of at most 50,000 values, of all nodes.
            margin = 0.5 / min(len(magnitudes), 50) if len(magnitudes) < 5000 else 0.02
            for share, quantile in zip([0.05, 0.25, 0.5, 0.75, 0.95], quantiles[1:-1]):
                assert np.mean(magnitudes < quantile * (1 - 1e-7)) - margin <= share <= np.mean(magnitudes <= quantile * (1 + 1e-7)) + margin, (layer, share)
            checked += values.size > 500_000
    assert checked > 5, "layers of which not all values were kept"


# --- run and sweep are one thing


def test_run_and_sweep_are_one_thing(tmp_path):
    grid = ["--v-full", "8:12:2", "--v-int", "4:6", "--wb-full", "10", "--wb-int", "1:2", "--samples", 40]
    options = ["--types", "uniform", "--relu", "AP_RND,AP_SAT", "--maximum", "30,12", *TARGET, "--threshold", 30, "--unit", "GeV", "--tolerance", "1,2", "--keep", "trace", "--trace", 2]
    succeed(command(tmp_path / "out", *options, grid=grid))
    shutil.move(tmp_path / "out", tmp_path / "swept")
    succeed(study(tmp_path, f"""
out: {tmp_path}/out
models: [{GOLDEN}/ds16.keras]
data: {{files: ["{GOLDEN}/clusters.h5"], samples: 40, target: "true_energy:log/10"}}
grid:
  - {{v_full: [8, 10, 12], v_int: 4:6, wb_full: 10, wb_int: [2, 1], types: uniform, relu: "AP_RND,AP_SAT", maximum: "30,12"}}
metrics: {{threshold: 30, tolerance: [1, 2], unit: GeV}}
keep: trace
traced: 2
"""))
    assert content(tmp_path / "out") == content(tmp_path / "swept")
    definitions = "SELECT definition FROM definitions"
    assert rows(tmp_path / "out", definitions) == rows(tmp_path / "swept", definitions)
    assert "sweep" in rows(tmp_path / "swept", "SELECT command FROM definitions")[0][0]
    assert rows(tmp_path / "out", "SELECT name FROM metric_names WHERE unit = 'GeV' ORDER BY name") == [("bias_target",), ("turn_on@30",), ("turn_on_shift@30",)]
    # What the store holds is a definition again.
    (tmp_path / "again.yml").write_text(rows(tmp_path / "out", definitions)[0][0])
    assert "18 points were done before" in succeed([NARROW, "run", str(tmp_path / "again.yml")])


def test_kinds_of_types_and_data_keep_apart(tmp_path):
    text = f"""
out: {tmp_path}/study
models: [{GOLDEN}/ds16.keras]
data:
  - {{name: first, files: {GOLDEN}/clusters.h5, samples: 30}}
  - {{name: second, files: {GOLDEN}/clusters.h5, samples: 60}}
grid: {{v_full: 10:12, v_int: 5, wb_full: 10, wb_int: 2, types: [auto, uniform]}}
keep: predictions
"""
    succeed(study(tmp_path, text))
    out = tmp_path / "study"
    assert {path.name for path in out.iterdir() if path.is_dir() and not path.name.endswith(".model")} == {"first-uniform", "second-auto", "second-uniform"}
    for data, kind, folder in (("first", "auto", out), ("first", "uniform", out / "first-uniform"), ("second", "auto", out / "second-auto"), ("second", "uniform", out / "second-uniform")):
        samples = 30 if data == "first" else 60
        succeed([NARROW, "predict", str(GOLDEN / "ds16.keras"), "--data", str(GOLDEN / "clusters.h5"), "--samples", str(samples), "--v", "11,5", "--wb", "10,2",
                 "--types", kind, "--out", str(tmp_path / "p.txt")])
        assert (folder / "16.11.5.wb_10.2.model" / "hls_predictions.txt").read_text() == (tmp_path / "p.txt").read_text()
        stored = rows(out, f"SELECT mpe FROM results WHERE v_full = 11 AND data = '{data}' AND options = '{kind}'")[0][0]
        assert np.loadtxt(folder / "results_16_mpe.txt")[1][4] == pytest.approx(stored, rel=1e-8)
    table = succeed([NARROW, "best", str(out), "--below", "1e9"]).splitlines()
    assert [line.split()[:3] for line in table[1:5]] == [["16", data, kind] for data in ("first", "second") for kind in ("auto", "uniform")]


def sweep_of(models, data, out, grid):
    return [NARROW, "sweep", *map(str, models), "--data", str(data), *map(str, grid), "--out", str(out)]


FEW = ["--v-full", "10:12", "--v-int", "5", "--wb-full", "10", "--wb-int", "1", "--samples", 30]


@pytest.mark.parametrize("layout", ["text", "hdf5"])
def test_a_first_scan_of_another_model_on_other_data_overwrites_nothing(tmp_path, layout):
    with h5py.File(GOLDEN / "clusters.h5") as file, h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"], other["y"] = file["x"][:40], file["y"][:40] + 1
    shutil.copy(GOLDEN / "clusters.h5", tmp_path / "data.h5")
    out = tmp_path / "study"
    files = lambda: {path: path.read_bytes() for path in out.rglob("*") if path.suffix in (".txt", ".h5", ".json")}
    grid = [*FEW, "--layout", layout]
    succeed(sweep_of([GOLDEN / "ds16.keras"], tmp_path / "data.h5", out, grid))
    before = files()
    # ds32 takes more rows: the data are not those of ds16 changed.
    other = sweep_of([GOLDEN / "ds32.keras"], tmp_path / "other.h5", out, grid)
    succeed(other)
    assert {path: files()[path] for path in before} == before
    np.testing.assert_allclose(np.loadtxt(out / "auto" / "regression_targets.txt"), np.loadtxt(out / "regression_targets.txt") + 1, rtol=1e-6)
    assert "3 points were done before" in succeed(other)
    # A file that changed since.
    shutil.rmtree(out)
    shutil.copy(GOLDEN / "clusters.h5", tmp_path / "data.h5")
    succeed(sweep_of([GOLDEN / "ds16.keras"], tmp_path / "data.h5", out, grid))
    before = files()
    shutil.copy(tmp_path / "other.h5", tmp_path / "data.h5")
    changed = sweep_of([GOLDEN / "ds32.keras"], tmp_path / "data.h5", tmp_path / "study", grid)
    for _ in range(2):
        assert "data.h5: its targets are not those in" in fail(changed)
        assert files() == before


def reweighted(model, out, change):
    """A copy of a golden model with other weights."""
    with zipfile.ZipFile(GOLDEN / f"{model}.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = out.with_suffix(".weights")
    weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        file["layers/dense/vars/0"][0, 0] += change
    members["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out


def test_a_model_keeps_its_label_whatever_runs_beside_it(tmp_path):
    a, b, c = (reweighted("ds16", tmp_path / f"{name}.keras", change) for name, change in (("a", 0), ("b", 0.5), ("c", 0.25)))
    sweep = lambda out, *models: sweep_of(models, GOLDEN / "clusters.h5", tmp_path / out, FEW)
    labels = lambda out: rows(tmp_path / out, "SELECT label, name FROM models ORDER BY id")
    mpe = lambda out: dict(rows(tmp_path / out, "SELECT name || v_full, mpe FROM results JOIN models ON models.label = model"))
    # One behind the other, then together, and the other way round.
    succeed(sweep("one", a))
    succeed(sweep("one", b))
    assert labels("one") == [("16", "a"), ("b", "b")]
    for together in ((a, b), (b, a)):
        assert "6 points were done before" in succeed(sweep("one", *together))
    succeed(sweep("both", a, b))
    for alone in (a, b):
        assert "3 points were done before" in succeed(sweep("both", alone))
    assert labels("both") == [("a", "a"), ("b", "b")] and mpe("both") == mpe("one") and len(set(mpe("one").values())) == 6
    succeed(sweep("both", c))
    assert labels("both") == [("a", "a"), ("b", "b"), ("16", "c")]
    # A file of another name is still the same model; and one more of the same content beside it another.
    shutil.move(a, tmp_path / "d.keras")
    assert "3 points were done before" in succeed(sweep("both", tmp_path / "d.keras"))
    shutil.copy(tmp_path / "d.keras", a)
    assert "3 points were done before" in succeed(sweep("both", tmp_path / "d.keras", a))
    assert labels("both") == [("a", "a"), ("b", "b"), ("16", "c"), ("d", "d")]
    # A changed file is refused, whatever its label was.
    reweighted("ds16", a, 0.125)
    for out in ("one", "both"):
        for models in ((a,), (a, b), (b, a)):
            assert "model a differs from the model" in fail(sweep(out, *models))


@pytest.mark.parametrize("layout", ["text", "hdf5"])
def test_parts_that_were_first_of_different_kinds_are_merged(tmp_path, layout):
    """Each has the own folder of its part."""
    kinds = ("auto", "uniform")
    for kind in kinds:
        succeed(command(tmp_path / kind, "--types", kind, "--layout", layout, grid=SMALL))
    succeed([NARROW, "merge", str(tmp_path / "study"), *(str(tmp_path / kind) for kind in kinds)])
    files = lambda folder: {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.suffix in (".txt", ".h5", ".json")}
    merged = files(tmp_path / "study")
    uniform = {Path("uniform") / path: data for path, data in files(tmp_path / "uniform").items()}
    assert merged == {**files(tmp_path / "auto"), **uniform} and len(uniform) > 32
    assert rows(tmp_path / "study", "PRAGMA foreign_key_check") == []
    for kind in kinds:
        assert "32 points were done before" in succeed(command(tmp_path / "study", "--types", kind, "--layout", layout, grid=SMALL))


def test_data_sets_of_like_names_have_folders_of_their_own(tmp_path):
    text = f"""
out: {tmp_path}/study
models: [{GOLDEN}/ds16.keras, {GOLDEN}/ds32.keras]
data:
  - {{name: first, files: {GOLDEN}/clusters.h5, samples: 20}}
  - {{name: "a b", files: {GOLDEN}/clusters.h5, samples: 30}}
  - {{name: "a-b", files: {GOLDEN}/clusters.h5, samples: 40}}
  - {{name: "a", files: {GOLDEN}/clusters.h5, samples: 50}}
grid: {{v_full: 10:12, v_int: 5, wb_full: 10, wb_int: 2}}
keep: predictions
"""
    out = tmp_path / "study"
    succeed(study(tmp_path, text))
    for data, folder, samples in (("first", out, 20), ("a b", out / "a-b-auto", 30), ("a-b", out / "a-b-auto-2", 40), ("a", out / "a-auto", 50)):
        assert len(np.loadtxt(folder / "regression_targets.txt")) == samples
        for label in (16, 32):
            assert len(np.loadtxt(folder / f"{label}.11.5.wb_10.2.model" / "hls_predictions.txt")) == samples
            stored = rows(out, f"SELECT mpe FROM results WHERE v_full = 11 AND data = '{data}' AND model = '{label}'")[0][0]
            assert np.loadtxt(folder / f"results_{label}_mpe.txt")[1][4] == pytest.approx(stored, rel=1e-8)
    assert "24 points were done before" in succeed(study(tmp_path, text))


def test_models_are_trained_once_and_again_when_they_change(tmp_path):
    for name, seed in (("train.h5", 1), ("test.h5", 2)):
        succeed([NARROW, "generate", str(tmp_path / name), "--samples", "300", "--seed", str(seed)])
    text = """
out: study
train: {data: train.h5, nodes: [6, 8], phi_layers: 1, rho_layers: 1, epochs: 2, out: "m{nodes}.keras", seed: 3}
data: {files: test.h5, samples: 100}
grid: {v_full: 10:14:2, v_int: 6, wb_full: 10, wb_int: 2}
metrics: {threshold: 20}
"""
    run_it = study(tmp_path, text)
    said = run(run_it, cwd=tmp_path)
    assert said.returncode == 0 and said.stderr.count("narrow: training m") == 2, said.stderr
    models = [(tmp_path / f"m{n}.keras").read_bytes() for n in (6, 8)]
    assert rows(tmp_path / "study", "SELECT model, finished FROM progress") == [("6", 3), ("8", 3)]
    assert rows(tmp_path / "study", "SELECT meaning FROM metric_names WHERE name = 'turn_on@20'")[0][0].startswith("true_energy at which"), "as the data were prepared"
    again = run(run_it, cwd=tmp_path)
    assert again.returncode == 0 and "training" not in again.stderr and "6 points were done before" in again.stdout
    # One is gone: it is trained again, to the same bytes.
    (tmp_path / "m6.keras").unlink()
    again = run(run_it, cwd=tmp_path)
    assert again.returncode == 0 and again.stderr.count("narrow: training m6") == 1 and "m8" not in again.stderr
    assert [(tmp_path / f"m{n}.keras").read_bytes() for n in (6, 8)] == models
    assert "6 points were done before" in again.stdout
    # Another training makes other models, which are not this study's: refused before anything is trained or written.
    dump = lambda: "".join(line for line in sqlite3.connect(tmp_path / "study" / "study.db").iterdump())
    seen = lambda: {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file() and path.suffix not in (".yml", ".db", ".lock")} | {"store": dump()}
    before = seen()
    changes = [("seed: 3", "seed: 4", "seed 3 and 4"), ("epochs: 2", "epochs: 3", "epochs 2 and 3"), ("data: train.h5,", "data: {files: train.h5, padding: 0},", "padding -6 and 0"),
               ("data: train.h5,", "data: other.h5,", "its training samples"), ("phi_layers: 1", "phi_layers: 2", "its layers"), ("seed: 3", "batch: 50, seed: 3", "batch 250 and 50")]
    succeed([NARROW, "generate", str(tmp_path / "other.h5"), "--samples", "300", "--seed", "4"])
    before |= {tmp_path / "other.h5": (tmp_path / "other.h5").read_bytes()}
    for old, new, different in changes:
        for plan in ([], ["--plan"]):
            other = run([*study(tmp_path, text.replace(old, new)), *plan], cwd=tmp_path)
            assert other.returncode == 1 and "training" not in other.stderr.replace("its training samples", ""), other.stderr
            assert "m6.keras: the study in study has results of this model trained otherwise" in other.stderr and different in other.stderr and "out:" in other.stderr
            assert other.stderr.count("\n") == 1 and seen() == before
        elsewhere = run([*study(tmp_path, text.replace(old, new)), "--plan", "--out", "elsewhere"], cwd=tmp_path)
        assert elsewhere.returncode == 0, elsewhere.stderr
    # Nor is it where the file is not there. An older narrow left the training with the file alone, and some left nothing that today's can
    # read: these train, as they did, and the store refuses another model.
    (tmp_path / "m6.keras").unlink()
    plan_changed = lambda: run([*study(tmp_path, text.replace("seed: 3", "seed: 4")), "--plan"], cwd=tmp_path)
    assert "seed 3 and 4" in plan_changed().stderr
    assert run(study(tmp_path, text), cwd=tmp_path).returncode == 0
    with sqlite3.connect(tmp_path / "study" / "study.db") as database:
        database.execute("DELETE FROM study WHERE name LIKE 'studied training of %'")
    assert "seed 3 and 4" in plan_changed().stderr
    for text_left in ("", "unreadable", '{"layers": [], "batch": 100} epochs 2 0123'):
        with sqlite3.connect(tmp_path / "study" / "study.db") as database:
            database.execute("UPDATE study SET value = ? WHERE name LIKE 'training of %'", [text_left])
        planned = plan_changed()
        assert planned.returncode == 0 and "m6.keras: to be trained" in planned.stdout, planned.stderr
        same = run([*study(tmp_path, text), "--plan"], cwd=tmp_path)
        assert same.returncode == 0, same.stderr
    other = run(study(tmp_path, text.replace("seed: 3", "seed: 4")), cwd=tmp_path)
    assert other.returncode == 1 and "has its file changed?" in other.stderr
    # The settings of before train it again, and it is this study's.
    again = run(study(tmp_path, text), cwd=tmp_path)
    assert again.returncode == 0 and (tmp_path / "m6.keras").read_bytes() == models[0], again.stderr
    run_it = study(tmp_path, text)
    # Shards do not train.
    shutil.rmtree(tmp_path / "study")
    (tmp_path / "m6.keras").unlink()
    alone = run([*run_it, "--shard", "1/2"], cwd=tmp_path)
    assert alone.returncode == 1 and "m6.keras" in alone.stderr and "--train-only" in alone.stderr
    trained = run([*study(tmp_path, text), "--train-only"], cwd=tmp_path)
    assert trained.returncode == 0 and rows(tmp_path / "study", "SELECT count(*) FROM points") == [(0,)]
    assert run([*run_it, "--shard", "1/2"], cwd=tmp_path).returncode == 0


def test_weights_in_a_file_of_their_own_are_part_of_a_model(tmp_path):
    succeed([NARROW, "generate", str(tmp_path / "train.h5"), "--samples", "300"])
    text = """
out: study
train: {data: train.h5, nodes: [6], phi_layers: 1, rho_layers: 1, epochs: 2, out: "m{nodes}.json", seed: 1}
data: {files: train.h5, samples: 100}
grid: {v_full: 10, v_int: 6, wb_full: 10, wb_int: 2}
"""
    run_it = study(tmp_path, text)
    said = run([*run_it, "--train-only"], cwd=tmp_path)
    assert said.returncode == 0 and "narrow: training m6" in said.stderr, said.stderr
    weights = tmp_path / "m6.weights.h5"
    ours = weights.read_bytes()
    again = run([*run_it, "--train-only"], cwd=tmp_path)
    assert again.returncode == 0 and "narrow: training" not in again.stderr, again.stderr
    other = [NARROW, "train", "--data", "train.h5", "--nodes", "6", "--phi-layers", "1", "--rho-layers", "1", "--epochs", "2"]
    succeed([*other, "--seed", "2", "--restart", "--out", "m6.json"], cwd=tmp_path)
    assert weights.read_bytes() != ours
    again = run(run_it, cwd=tmp_path)
    assert again.returncode == 0 and "narrow: training m6" in again.stderr and weights.read_bytes() == ours, again.stderr
    weights.unlink()
    again = run(run_it, cwd=tmp_path)
    assert again.returncode == 0 and "narrow: training m6" in again.stderr and weights.read_bytes() == ours, again.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("ds16.keras", "none.keras"), "none.keras"),
        (("clusters.h5", "none.h5"), "none.h5"),
        (("8:12", "8:64:56"), "type"),
        (("v_full", "v_bits"), "study.yml, line 5: a grid has no key 'v_bits'"),
        (("threshold: 30", "threshold: -1"), "threshold -1: true_energy:log/10 has no such value"),
        (("keep: trace", "keep: [trace, everything]"), "study.yml, line 7: keep: 'everything'"),
    ],
)
def test_everything_is_checked_before_anything_runs(tmp_path, change, said):
    text = f"""out: {tmp_path}/study
models: [{GOLDEN}/ds32.keras, {GOLDEN}/ds16.keras]
data: {{files: ["{GOLDEN}/clusters.h5"], samples: 40, target: "true_energy:log/10"}}
grid:
  - {{v_full: 8:12, v_int: 4, wb_full: 64, wb_int: 2}}
metrics: {{threshold: 30}}
keep: trace
"""
    if change[1] != "8:64:56":
        text = text.replace("wb_full: 64", "wb_full: 10")
    message = fail(study(tmp_path, text.replace(*change)))
    assert said in message
    assert not (tmp_path / "study").exists()


def test_a_terminal_shows_rate_and_the_best_so_far_and_ctrl_c_ends_cleanly(tmp_path):
    out = tmp_path / "study"
    grid = ["--v-full", "8:24", "--v-int", "4:12", "--wb-full", "8:16", "--wb-int", "2:4", "--samples", 100]
    master, slave = pty.openpty()
    process = subprocess.Popen(command(out, grid=grid), stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    stopped = False
    while True:
        if not select.select([master], [], [], 60)[0]:
            break
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
        if not stopped and re.search(rb"\[=+ *\] \d+/3861 points, [\d.]+/s, \d+ samples/s, \d+ s left; lowest MPE of the output of 16: [\d.]+ %, ap_fixed<\d+,-?\d+> / ap_fixed<\d+,\d+>", shown):
            process.send_signal(signal.SIGINT)
            stopped = True
    assert stopped and process.wait() == 130, shown[-500:]
    assert b"what is done is kept; the same command resumes from there" in shown
    done = rows(out, "SELECT count(finished) FROM points")[0][0]
    assert 0 < done < 3861


# --- the plan


def test_the_plan_is_what_the_run_does(tmp_path):
    for name, samples, seed in (("train.h5", 300, 1), ("test.h5", 60, 2)):
        succeed([NARROW, "generate", str(tmp_path / name), "--samples", str(samples), "--seed", str(seed)])
    line = study(tmp_path, """
out: study
train: {data: train.h5, nodes: [4, 6], phi_layers: 1, rho_layers: 1, epochs: 1, out: "m{nodes}.keras"}
data: {files: test.h5, samples: 50}
grid: {v_full: 8:12:2, v_int: 4:7, wb_full: 8, wb_int: 2, types: [auto, uniform]}
keep: predictions
""")
    before = sorted(path.name for path in tmp_path.iterdir())
    plan = lambda: run([*line, "--plan"], cwd=tmp_path)
    first = plan()
    assert first.returncode == 0, first.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "nothing is written"
    assert "m4.keras: to be trained" in first.stdout and "m6.keras: to be trained" in first.stdout
    table = lambda text: {(c[0], c[2]): c[3:] for c in (re.split(r" {2,}", row.strip()) for row in text.splitlines()) if len(c) == 8 and c[0] in "46"}
    planned = table(first.stdout)
    assert set(planned) == {("4", "auto"), ("4", "uniform"), ("6", "auto"), ("6", "uniform")}
    done = run(line, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = first.stdout + first.stderr
    for (model, types), (points, found, compute, samples, samples_run) in planned.items():
        least, most = (int(part) for part in (compute.split(" to ") * 2)[:2])
        computed = rows(tmp_path / "study", f"SELECT count(*), sum(computed) FROM results WHERE model = '{model}' AND options = '{types}'")[0]
        assert int(points) == computed[0] == 12 and found == "0" and samples == "50", said
        assert least <= computed[1] <= most == 12, (compute, computed)
        assert samples_run == f"{least * 50} to {most * 50}"
    # All of it is done: the same plan with other numbers.
    again = plan()
    assert again.returncode == 0 and "m4.keras: trained before" in again.stdout, again.stdout + again.stderr
    assert all(row[1] == "12" and row[2] == "0" for row in table(again.stdout).values()), again.stdout
    # More bits, some of which are answered by what is done.
    (tmp_path / "study.yml").write_text((tmp_path / "study.yml").read_text().replace("4:7", "4:8"))
    more = table(plan().stdout)
    assert all(row[0] == "15" and row[1] == "12" for row in more.values())
    run(line, cwd=tmp_path)
    for (model, types), row in more.items():
        newly = rows(tmp_path / "study", f"SELECT sum(computed) FROM results WHERE model = '{model}' AND options = '{types}' AND v_int = 8")[0][0]
        least, most = (int(part) for part in (row[2].split(" to ") * 2)[:2])
        assert least <= newly <= most == 3


def test_sweep_and_run_have_the_same_defaults_and_the_plan_says_their_disk(tmp_path):
    succeed([NARROW, "generate", "clusters.h5", "--samples", "1300", "--seed", "2"], cwd=tmp_path)
    grid = ["--v-full", "12:16:2", "--v-int", "6", "--wb-full", "10", "--wb-int", "2"]
    for layout in ("text", "hdf5"):
        text = f"out: run-{layout}\nmodels: [{GOLDEN}/ds16.keras]\ndata: clusters.h5\ngrid: {{v_full: 12:16:2, v_int: 6, wb_full: 10, wb_int: 2}}\nlayout: {layout}\n"
        line = study(tmp_path, text)
        planned = float(re.search(r"what is kept of the points takes at most about ([\d.]+) MB", succeed([*line, "--plan"], cwd=tmp_path))[1])
        ran = run(line, cwd=tmp_path)
        swept = run([NARROW, "sweep", f"{GOLDEN}/ds16.keras", "--data", "clusters.h5", *grid, "--layout", layout, "--out", f"sweep-{layout}"], cwd=tmp_path)
        for done in (ran, swept):
            assert done.returncode == 0 and "of the 1300 samples of clusters.h5 the first 1000 are used" in done.stderr and "3 points of 1000 samples" in done.stdout, done.stderr
        files = lambda out: {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file() and path.suffix in (".txt", ".h5")}
        mine, theirs = files(tmp_path / f"run-{layout}"), files(tmp_path / f"sweep-{layout}")
        assert mine == theirs and any(name.startswith("16.12.6.wb_10.2") for name in mine)
        kept = sum(len(content) for name, content in mine.items() if name.startswith("16.1"))
        assert kept <= planned * 1e6 < 3 * kept, (kept, planned)
    for none in ("keep: none", "keep: [none]"):
        assert "what is kept" not in succeed([*study(tmp_path, text.replace("hdf5", "text").replace("layout: text", none)), "--plan", "--out", "new"], cwd=tmp_path)
    more = run([NARROW, "sweep", f"{GOLDEN}/ds16.keras", "--data", "clusters.h5", *grid, "--samples", "5000", "--keep", "none", "--out", "more"], cwd=tmp_path)
    assert "5000 samples are asked for, and clusters.h5 has 1300: all are used" in more.stderr and "3 points of 1300 samples" in more.stdout, more.stderr
    predict = [NARROW, "predict", f"{GOLDEN}/ds16.keras", "--data", "clusters.h5", "--out", "p.txt"]
    every = run(predict, cwd=tmp_path)
    assert "1300 predictions of the float model" in every.stdout and len(np.loadtxt(tmp_path / "p.txt")) == 1300
    assert "of the 1300 samples of clusters.h5 the first 7 are used" in run([*predict, "--samples", "7"], cwd=tmp_path).stderr
    assert "1400 samples are asked for, and clusters.h5 has 1300: all are used" in run([*predict, "--samples", "1400"], cwd=tmp_path).stderr


def test_targets_that_are_not_used_are_said(tmp_path):
    with h5py.File(GOLDEN / "clusters.h5") as file:
        x, y = file["x"][:40], file["y"][:40]
    np.savez(tmp_path / "two.npz", x=x, y=np.concatenate([y, y], axis=1))
    np.save(tmp_path / "none.npy", x)
    sweep = lambda data: run([NARROW, "sweep", f"{GOLDEN}/ds16.keras", "--data", data, "--target", "true_energy:log/10", "--v-full", "12", "--v-int", "6", "--wb-full", "10",
                              "--wb-int", "2", "--keep", "none", "--out", f"study-{data}"], cwd=tmp_path)
    assert "two.npz has 2 targets a sample and model ds16 1 outputs: they are not compared" in sweep("two.npz").stderr
    assert "none.npy has no targets (y): with --target true_energy:log/10 predictions are undone" in sweep("none.npy").stderr


def test_layers_said_twice_are_refused(tmp_path):
    succeed([NARROW, "generate", str(tmp_path / "train.h5"), "--samples", "60"])
    line = study(tmp_path, """
out: study
train:
  data: train.h5
  nodes: [4, 6]
  phi_nodes: 5
  out: "m{nodes}.keras"
data: train.h5
grid: {v_full: 8, v_int: 4, wb_full: 8, wb_int: 2}
""")
    done = run(line, cwd=tmp_path)
    assert done.returncode == 1 and "study.yml, line 6: nodes and phi_nodes exclude each other" in done.stderr, done.stderr


# --- what is not one quantity


def test_different_targets_metrics_and_preparations_are_said(tmp_path):
    """Metrics of one name that are of different quantities, within a study and between studies."""
    grid = "grid: {v_full: 12:14:2, v_int: 6, wb_full: 10, wb_int: 2}\nkeep: none\n"
    model = f"models: [{GOLDEN}/ds16.keras]\n"
    data = lambda name, target: f'{{name: {name}, files: ["{GOLDEN}/clusters.h5"], samples: 30, target: "{target}"}}'
    two = f"out: two\n{model}data: [{data('a', 'true_energy:log/10')}, {data('b', 'momentum:log/10')}]\n{grid}"
    succeed(study(tmp_path, two), cwd=tmp_path)
    for look in (["best", "two", "--any"], ["best", "two", "--pareto", "--any"], ["report", "two", "--figures", "none"]):
        said = succeed([NARROW, *look], cwd=tmp_path)
        assert "the targets differ, so metrics of one name, and axes, are of different quantities: log(true_energy)/10 of 16 on a" in said, said
        assert "log(momentum)/10 of 16 on b" in said
    one = two.replace("momentum", "true_energy").replace("out: two", "out: one")
    succeed(study(tmp_path, one), cwd=tmp_path)
    assert "the targets differ" not in succeed([NARROW, "best", "one", "--any"], cwd=tmp_path)
    # Between studies: a metric that one lacks, and clusters that were prepared otherwise.
    succeed([NARROW, "generate", "clusters.h5", "--samples", "40"], cwd=tmp_path)
    for name, more in (("first", "padding: -6"), ("second", "padding: 0"), ("third", "padding: -6")):
        metrics = "metrics: {threshold: 20}\n" if name == "first" else ""
        succeed(study(tmp_path, f"out: {name}\n{model}data: {{files: clusters.h5, samples: 30, {more}}}\n{grid}{metrics}"), cwd=tmp_path)
    compare = lambda *of: succeed([NARROW, "compare", *of, "--figures", "none", "--out", "c.html", "--metric", "mpe", "--any", "--below", "1e9"], cwd=tmp_path)
    said = compare("first", "second")
    assert "missing: second: it has no rate@20, rate_change@20, turn_on@20, turn_on_shift@20, so its models are not among those that are compared by them" in said, said
    assert "missing: 16 (second): its samples were prepared in another way than those of 16 (first): padding -6 and 0" in said
    said = compare("third", "second")
    assert "it has no" not in said and "padding -6 and 0" in said
    said = compare("first", "third")
    assert "third: it has no rate@20" in said and "prepared in another way" not in said
