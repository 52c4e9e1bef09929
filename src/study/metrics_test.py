"""Metrics and their errors held against NumPy, on data made to be awkward.

The network is Dense(1) with the kernel 1: its float predictions are its inputs, so a test decides what is predicted."""

import contextlib
import itertools
import json
import math
import sqlite3
import zipfile

import h5py
import keras
import numpy as np
import pytest
from store_test import GOLDEN, NARROW, rows, run, succeed

FEATURES = [{"name": "value", "logarithm": "none", "divide": 1.0}]
# How a target is prepared: what preparations say of it, and in NumPy.
TRANSFORMS = {
    "E": ({"name": "E", "logarithm": "none", "divide": 1.0}, lambda e: e, lambda z: z),
    "E/100": ({"name": "E", "logarithm": "none", "divide": 100.0}, lambda e: e / 100, lambda z: z * 100),
    "log(E)/10": ({"name": "E", "logarithm": "log", "divide": 10.0}, lambda e: np.log(e) / 10, lambda z: np.exp(z * 10)),
    "log10(E)": ({"name": "E", "logarithm": "log10", "divide": 1.0}, lambda e: np.log10(e), lambda z: 10**z),
}
TAIL = 0.158655


def preparation(target):
    return {"features": FEATURES, "target": target and TRANSFORMS[target][0], "order": "", "vmax": 1, "padding": 0.0}


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    models = {}
    for outputs in (1, 2):
        model = keras.Sequential([keras.Input((outputs,)), keras.layers.Dense(outputs, name="out")])
        model.set_weights([np.eye(outputs), np.zeros(outputs)])
        for target in (None, *TRANSFORMS):
            path = folder / f"identity{len(models)}.keras"
            model.save(path)
            if target:
                with zipfile.ZipFile(path, "a") as archive:
                    archive.writestr("narrow.json", json.dumps({"preparation": preparation(target)}))
            models[outputs, target] = path
    return models


def sweep(folder, model, predictions, truth, data_target, *more, grid=("14:18:2", "9", "8", "2"), out="study", weights=None):
    """Predictions (as the network makes them) and truth (prepared) as data of `folder`, studied."""
    predictions = np.asarray(predictions, np.float32)
    with h5py.File(folder / "data.h5", "w") as file:
        file["x"] = predictions.reshape(len(predictions), -1)
        if truth is not None:
            file["y"] = np.asarray(truth, np.float32)
        if weights is not None:
            file["weight"] = np.asarray(weights, np.float32)
        if data_target:
            file.attrs["preparation"] = json.dumps(preparation(data_target))
    options = [item for pair in zip(["--v-full", "--v-int", "--wb-full", "--wb-int"], grid) for item in pair]
    return [NARROW, *map(str, ["sweep", model, "--data", folder / "data.h5", *options, "--samples", len(predictions), "--keep", "predictions", "--out", folder / out, *more])]


def measured(folder):
    """For each point: its fixed and float predictions, and the store's metrics with their errors."""
    result = []
    for point, label, *bits in rows(folder / "study", "SELECT point, model, v_full, v_int, wb_full, wb_int FROM results"):
        kept = folder / "study" / "{}.{}.{}.wb_{}.{}.model".format(label, *bits)
        fixed, reference = (np.loadtxt(kept / f"{kind}_predictions.txt", ndmin=1) for kind in ("hls", "keras"))
        metrics = rows(folder / "study", f"SELECT name, value, error FROM metrics WHERE point = {point}")
        result.append((fixed, reference, {name: value for name, value, _ in metrics}, {name: error for name, _, error in metrics}))
    assert result
    return result


def agree(stored, expected, name):
    """NULL is how SQLite keeps NaN."""
    if math.isnan(expected):
        assert stored is None, (name, stored)
    else:
        assert stored == pytest.approx(expected, rel=1e-7, abs=1e-9), name


def deviations(fixed, reference, suffix="", tolerances=(1,)):
    error = np.abs(fixed - reference)
    counted = reference != 0
    out = {f"mpe{suffix}": np.mean(error[counted] / np.abs(reference[counted])) * 100, f"bias{suffix}": np.mean(fixed - reference)}
    out |= {f"beyond{suffix}@{t}": np.mean(~(error <= t / 100 * np.abs(reference))) * 100 for t in tolerances}
    if not suffix:
        out |= {"mae": error.mean(), "rmse": np.sqrt(np.mean(error**2)), "largest": error.max(), "left_out": np.sum(reference == 0)}
    return out


def relative(predictions, truth):
    keep = truth != 0
    return (predictions[keep] - truth[keep]) / np.abs(truth[keep]) * 100


def width(error):
    low, high = np.quantile(error, [TAIL, 1 - TAIL], method="linear")
    return (high - low) / 2


def scaled(error):
    return width(error) / abs(1 + np.median(error) / 100)


def isotonic(values, weights):
    mean = lambda i, j: np.average(values[i : j + 1], weights=weights[i : j + 1])
    n = len(values)
    return np.array([max(min(mean(j, k) for k in range(i, n)) for j in range(i + 1)) for i in range(n)])


def half_point(prepared, passed, edges, undo):
    which = np.digitize(prepared, edges) - 1
    inside = (which >= 0) & (which < 20)
    every = np.bincount(which[inside], minlength=20)
    count = every[every > 0]
    share = np.bincount(which[inside], passed[inside], minlength=20)[every > 0] / count
    at = np.bincount(which[inside], prepared[inside], minlength=20)[every > 0] / count
    if not len(share):
        return math.nan
    fitted = isotonic(share, count)
    i = int(np.argmax(fitted >= 0.5))
    if i == 0:
        return math.nan
    return undo(at[i - 1] + (at[i] - at[i - 1]) * (0.5 - fitted[i - 1]) / (fitted[i] - fitted[i - 1]))


def largest_median(error, which):
    return max(abs(np.median(error[which == i])) for i in np.unique(which))


def bootstrap(of, samples, replicas):
    """The standard error of `of`, a function of indices of samples (Efron 1979)."""
    draws = np.random.default_rng(2).integers(0, samples, (replicas, samples))
    return np.std([of(draw) for draw in draws], ddof=1)


def turn_on_edges(prepared, centre):
    low, high = np.quantile(prepared, [0.01, 0.99])
    return np.linspace(centre - 0.2 * (high - low), centre + 0.2 * (high - low), 21)


def truths(rng, n):
    return np.exp(rng.uniform(np.log(5), np.log(150), n))


@pytest.mark.parametrize("data_target, model_target", list(itertools.product(TRANSFORMS, repeat=2)))
def test_predictions_are_undone_as_the_model_and_truths_as_the_data(identity, tmp_path, data_target, model_target):
    rng = np.random.default_rng(11)
    _, prepare, undo = TRANSFORMS[data_target]
    _, model_prepare, model_undo = TRANSFORMS[model_target]
    energy = truths(rng, 600)
    prepared = prepare(energy).astype(np.float32).astype(np.float64)
    guessed = model_prepare(energy * rng.normal(1, 0.1, len(energy)))
    succeed(sweep(tmp_path, identity[1, model_target], guessed, prepared, data_target, "--threshold", 40, "--tolerance", "1,5", "--unit", "GeV"))
    truth = undo(prepared)
    edges = np.quantile(truth, np.linspace(0, 1, 11))
    which = np.clip(np.searchsorted(edges, truth, side="right") - 1, 0, 9)
    for fixed, reference, stored, _ in measured(tmp_path):
        f, r = model_undo(fixed), model_undo(reference)
        error, own = relative(f, truth), relative(r, truth)
        at = lambda p: half_point(prepared, p >= 40, turn_on_edges(prepared, prepare(40)), undo)
        expected = deviations(fixed, reference, tolerances=(1, 5)) | deviations(f, r, "_target", (1, 5))
        expected |= {"resolution": error.std(), "resolution_68": width(error), "resolution_loss": (scaled(error) / scaled(own) - 1) * 100}
        expected |= {"linearity": largest_median(error, which), "rate@40": np.mean(f >= 40) * 100}
        expected |= {"rate_change@40": (np.mean(f >= 40) / np.mean(r >= 40) - 1) * 100, "turn_on@40": at(f), "turn_on_shift@40": at(f) - at(r)}
        assert stored.keys() == expected.keys()
        for name, value in expected.items():
            agree(stored[name], value, name)
    titles = dict(rows(tmp_path / "study", "SELECT name, title FROM metric_names"))
    assert titles["mpe"] == f"MPE of {model_target}" and titles["mpe_target"] == "MPE of E"


def test_another_quantity_than_the_models_target_is_refused(identity, tmp_path):
    asked = sweep(tmp_path, identity[1, "log(E)/10"], [0.3, 0.4], [0.3, 0.4], None, "--target", "pt:log/10")
    done = run([asked[0], "--quiet", *asked[1:]])
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "its target is pt:log/10, and the model was trained on E:log/10" in done.stderr
    assert not (tmp_path / "study" / "study.db").exists()


def test_what_is_infinite_is_not_dropped(identity, tmp_path):
    rng = np.random.default_rng(3)
    energy = np.sort(truths(rng, 2000))
    prepared = TRANSFORMS["log(E)/10"][1](energy)
    high = prepared.copy()
    high[:298] += 100
    succeed(sweep(tmp_path, identity[1, "log(E)/10"], high, prepared, "log(E)/10"))
    for _, _, stored, errors in measured(tmp_path):
        assert stored["linearity"] == stored["resolution"] == math.inf
        assert stored["resolution_68"] < math.inf, "15 % lie above, fewer than the tail"
        assert errors["linearity"] is None
    high[:700] += 100
    succeed(sweep(tmp_path, identity[1, "log(E)/10"], high, prepared, "log(E)/10", out="more"))
    assert {row[0] for row in rows(tmp_path / "more", "SELECT resolution_68 FROM results")} == {math.inf}


@pytest.mark.parametrize("rounding", ["once", "in float32"])
@pytest.mark.parametrize("transform", list(TRANSFORMS))
def test_targets_on_edges_are_in_the_bin_that_begins_there(identity, tmp_path, transform, rounding):
    """Ties, and float32 that is not what double gives: 20 GeV belongs to the bin of 20, 100 to the last."""
    rng = np.random.default_rng(4)
    _, prepare, undo = TRANSFORMS[transform]
    energies = np.array([5, 10, 20, 50, 100])
    energy = rng.choice([3, *energies, 120, 7.3], 1000)
    prepared = prepare(energy.astype(np.float32)) if rounding == "in float32" else prepare(energy).astype(np.float32)
    assert prepared.dtype == np.float32
    guessed = prepare(energy * rng.normal(1, 0.1, len(energy)))
    said = run(sweep(tmp_path, identity[1, transform], guessed, prepared, transform, "--bins", "5,10,20,50,100"))
    assert said.returncode == 0, said.stderr
    which = np.where((energy < 5) | (energy > 100), -1, np.minimum(np.digitize(energy, energies) - 1, 3))
    outside = f"{np.sum(which < 0)} of 1000 samples lie outside the bins from 5 to 100"
    assert outside in said.stderr
    name = "linearity@5,10,20,50,100"
    counts = rows(tmp_path / "study", f"SELECT samples FROM curve_values WHERE curve = '{name}' AND v_full = 14 ORDER BY bin")
    assert [row[0] for row in counts] == [np.sum(which == i) for i in range(4)]
    truth = undo(prepared.astype(np.float64))
    for fixed, _, stored, _ in measured(tmp_path):
        error = (undo(fixed) - truth) / truth * 100
        agree(stored[name], max(abs(np.median(error[which == i])) for i in range(4)), name)
    assert outside in succeed([NARROW, "best", str(tmp_path / "study")]), "it is kept and said again"


def test_zero_and_negative_targets(identity, tmp_path):
    rng = np.random.default_rng(5)
    truth = rng.choice([-30, -4, 0, 0, 7, 50], 800).astype(np.float64)
    guessed = truth + rng.normal(0, 2, len(truth))
    guessed[:9] = 0  # the float model's, which MPE leaves out
    said = run(sweep(tmp_path, identity[1, None], guessed, truth, None, "--bins", "-50,0,60", "--threshold", 5))
    assert said.returncode == 0, said.stderr
    assert f"{np.sum(truth == 0)} of 800 samples have a target of 0, and no part in resolution and linearity" in said.stderr
    for fixed, reference, stored, errors in measured(tmp_path):
        error = relative(fixed, truth)
        keep = truth[truth != 0]
        expected = deviations(fixed, reference) | deviations(fixed, reference, "_target")
        expected |= {"resolution": error.std(), "resolution_68": width(error), "rate@5": np.mean(fixed >= 5) * 100}
        expected |= {"linearity@-50,0,60": max(abs(np.median(error[keep < 0])), abs(np.median(error[keep > 0])))}
        for name, value in expected.items():
            agree(stored[name], value, name)
        assert stored["left_out"] == 9 and errors["left_out"] > 0
    assert [row[0] for row in rows(tmp_path / "study", "SELECT samples FROM curve_values WHERE curve LIKE 'linearity%' AND v_full = 14 ORDER BY bin")] == [
        np.sum(truth < 0), np.sum(truth > 0)]


def test_a_single_sample_has_no_width(identity, tmp_path):
    energy = np.array([5, 30, 31, 32, 33, 120.0])
    prepared = TRANSFORMS["log(E)/10"][1](energy)
    succeed(sweep(tmp_path, identity[1, "log(E)/10"], prepared + 0.01, prepared, "log(E)/10", "--bins", "1,10,100,200"))
    widths = rows(tmp_path / "study", "SELECT samples, value, float_value FROM curve_values WHERE curve LIKE 'resolution_68%' AND v_full = 14 ORDER BY bin")
    assert [(row[0], row[1] is None, row[2] is None) for row in widths] == [(1, True, True), (4, False, False), (1, True, True)]
    succeed(sweep(tmp_path, identity[1, "log(E)/10"], prepared[:1], prepared[:1], "log(E)/10", out="one"))
    for name in ("resolution", "resolution_68", "resolution_loss"):
        assert rows(tmp_path / "one", f"SELECT DISTINCT {name} FROM results") == [(None,)]
    assert rows(tmp_path / "one", "SELECT count(*) FROM metrics WHERE error IS NOT NULL") == [(0,)], "one sample tells no error"


def test_several_targets(identity, tmp_path):
    rng = np.random.default_rng(6)
    guessed = rng.normal(0, 5, (500, 2))
    guessed[::50, 1] = 0
    succeed(sweep(tmp_path, identity[2, None], guessed, guessed, None))
    for fixed, reference, stored, errors in measured(tmp_path):
        fixed, reference = fixed.reshape(500, 2), reference.reshape(500, 2)
        expected = deviations(fixed, reference)
        for k in (0, 1):
            of_output = deviations(fixed[:, k], reference[:, k])
            expected |= {f"{name}@{k}": of_output[name] for name in ("mae", "mpe")}
        assert stored.keys() == expected.keys()
        for name, value in expected.items():
            agree(stored[name], value, name)
        # Both outputs of a sample are drawn together.
        for name, of in (("mae", lambda i: np.abs(fixed[i] - reference[i]).mean()), ("bias", lambda i: (fixed[i] - reference[i]).mean())):
            assert errors[name] == pytest.approx(bootstrap(of, 500, 4000), rel=CLOSED)


# --- errors

CLOSED = 0.06  # of a closed form beside 4,000 replicas (1.1 %), to first order in 1/N
DRAWN = 0.25   # of 200 replicas (5 %) beside 1,500 (1.8 %): five standard deviations


def test_errors_are_those_of_the_bootstrap(identity, tmp_path):
    rng = np.random.default_rng(8)
    _, prepare, undo = TRANSFORMS["log(E)/10"]
    energy = truths(rng, 1200)
    prepared = prepare(energy).astype(np.float32).astype(np.float64)
    guessed = prepare(energy * np.abs(rng.normal(1, 0.15, len(energy))))
    succeed(sweep(tmp_path, identity[1, "log(E)/10"], guessed, prepared, "log(E)/10", "--threshold", 40, "--tolerance", 5, grid=("13:15:2", "9", "8", "2")))
    truth = undo(prepared)
    bins = np.quantile(truth, np.linspace(0, 1, 11))
    which = np.clip(np.searchsorted(bins, truth, side="right") - 1, 0, 9)
    edges = turn_on_edges(prepared, prepare(40))
    checked = 0
    for fixed, reference, stored, errors in measured(tmp_path):
        f, r = undo(fixed), undo(reference)
        e, own = relative(f, truth), relative(r, truth)
        at = lambda p, i: half_point(prepared[i], p[i] >= 40, edges, undo)
        closed = {
            "mae": lambda i: np.abs(fixed[i] - reference[i]).mean(),
            "mpe": lambda i: np.mean(np.abs(fixed[i] / reference[i] - 1)) * 100,
            "rmse": lambda i: np.sqrt(np.mean((fixed[i] - reference[i]) ** 2)),
            "bias": lambda i: np.mean(fixed[i] - reference[i]),
            "largest": lambda i: np.abs(fixed[i] - reference[i]).max(),
            "mpe_target": lambda i: np.mean(np.abs(f[i] / r[i] - 1)) * 100,
            "bias_target": lambda i: np.mean(f[i] - r[i]),
            "beyond_target@5": lambda i: np.mean(np.abs(f[i] - r[i]) > 0.05 * r[i]) * 100,
            "resolution": lambda i: e[i].std(),
            "rate@40": lambda i: np.mean(f[i] >= 40) * 100,
            "rate_change@40": lambda i: (np.mean(f[i] >= 40) / np.mean(r[i] >= 40) - 1) * 100,
        }
        drawn = {
            "resolution_68": lambda i: width(e[i]),
            "resolution_loss": lambda i: (scaled(e[i]) / scaled(own[i]) - 1) * 100,
            "linearity": lambda i: largest_median(e[i], which[i]),
            "turn_on@40": lambda i: at(f, i),
            "turn_on_shift@40": lambda i: at(f, i) - at(r, i),
        }
        for metrics, replicas, within in ((closed, 4000, CLOSED), (drawn, 1500, DRAWN)):
            for name, of in metrics.items():
                index = np.arange(len(truth))
                if name.startswith("turn_on"):  # slow in Python
                    replicas = 300
                agree(stored[name], of(index), name)
                spreadless = {"beyond_target@5": (0, 100), "rate@40": (0, 100), "rate_change@40": (0,)}
                if stored[name] in spreadless.get(name, ()) and not (name == "rate_change@40" and np.any((f >= 40) != (r >= 40))):
                    # No resample differs: Wilson's limit for none of n, at one standard deviation.
                    of_all = np.mean(r >= 40) if name == "rate_change@40" else 1
                    assert errors[name] == pytest.approx(100 / (len(truth) + 1) / of_all), name
                    continue
                assert errors[name] == pytest.approx(bootstrap(of, len(truth), replicas), rel=within, abs=1e-12), (name, stored[name])
                checked += errors[name] > 0
    assert checked > 25


# --- what best says

def test_best_says_what_no_bound_looks_at(identity, tmp_path):
    """Truncation lowers every energy, which a resolution does not see, and rates do."""
    rng = np.random.default_rng(5)
    energy = rng.exponential(12, 4000) + 3
    prepared = np.log(energy) / 10
    guessed = prepared + rng.normal(0, 0.001, len(energy))
    study = ["--threshold", 20]
    succeed(sweep(tmp_path, identity[1, "log(E)/10"], guessed, prepared, "log(E)/10", *study, grid=("5:9:1", "1", "4:6:1", "2")))
    said = succeed([NARROW, "best", tmp_path / "study", "--metric", "resolution_loss", "--below", "500", "--any", "--json", str(tmp_path / "best.json")])
    (scan,) = json.loads((tmp_path / "best.json").read_text())
    value, error = (scan["points"][0]["metrics"]["rate_change@20"][key] for key in ("value", "error"))
    (sentence,) = [line for line in scan["said"] if line.startswith("no bound looks at")]
    assert value < -5 and error < -value / 3, "the case has nothing to say"
    assert f"rate_change@20 is {value:.3g}"[:22] in sentence and "--below resolution_loss=500," in sentence and "rate_change@20=5" in sentence
    assert sentence in said
    # As it says.
    bounds = sentence.split("--below ")[1].split(" ")[0]
    done = run([NARROW, "best", tmp_path / "study", "--below", bounds, "--any"])
    assert done.returncode == 0 and "no bound looks at" not in done.stdout


def test_no_precision_of_a_constant_network_is_recommended(identity, tmp_path):
    x = np.random.default_rng(1).normal(size=(200, 1))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="out")])
    model.set_weights([np.zeros((1, 1)), np.array([0.5])])
    model.save(tmp_path / "constant.keras")
    succeed(sweep(tmp_path, tmp_path / "constant.keras", x, None, None, grid=("4:8:2", "2", "4:8:2", "2")))
    said = succeed([NARROW, "best", tmp_path / "study"])
    assert "none is recommended" in said and "it has learned nothing" in said and "at that point" not in said
    assert "at that point" in succeed([NARROW, "best", tmp_path / "study", "--any"])
    with contextlib.closing(sqlite3.connect(tmp_path / "study" / "study.db")) as database, database:
        database.execute("UPDATE points SET finished = NULL WHERE id = 1")
    said = succeed([NARROW, "best", tmp_path / "study"])
    assert "1 of 9 points are not finished" in said and "none is recommended" in said


def test_samples_that_all_weigh_nothing_are_refused(identity, tmp_path):
    x = np.random.default_rng(1).normal(size=(20, 1))
    done = run(sweep(tmp_path, identity[1, None], x, None, None, weights=np.zeros(20)))
    assert done.returncode == 1 and "data.h5: every sample has the weight 0" in done.stderr
    assert not (tmp_path / "study" / "study.db").exists()


# --- weights


def weighted_quantile(values, weights, share):
    """Values at the middle of their weights, from the first to the last; numpy.quantile's where weights are equal."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    at = np.cumsum(weights) - weights / 2
    return np.interp(at[0] + share * (at[-1] - at[0]), at, values)


def weighted_width(error, weights):
    return (weighted_quantile(error, weights, 1 - TAIL) - weighted_quantile(error, weights, TAIL)) / 2


def weighted_scaled(error, weights):
    return weighted_width(error, weights) / abs(1 + weighted_quantile(error, weights, 0.5) / 100)


def weighted_half_point(prepared, passed, edges, undo, weights):
    which = np.digitize(prepared, edges) - 1
    inside = (which >= 0) & (which < 20)
    count = np.bincount(which[inside], weights[inside], minlength=20)
    full = count > 0
    share = np.bincount(which[inside], weights[inside] * passed[inside], minlength=20)[full] / count[full]
    at = np.bincount(which[inside], weights[inside] * prepared[inside], minlength=20)[full] / count[full]
    fitted = isotonic(share, count[full])
    i = int(np.argmax(fitted >= 0.5))
    return undo(at[i - 1] + (at[i] - at[i - 1]) * (0.5 - fitted[i - 1]) / (fitted[i] - fitted[i - 1]))


def weighted_study(identity, tmp_path, weights, out="study"):
    rng = np.random.default_rng(8)
    _, prepare, undo = TRANSFORMS["log(E)/10"]
    energy = truths(rng, 1200)
    prepared = prepare(energy).astype(np.float32).astype(np.float64)
    guessed = prepare(energy * np.abs(rng.normal(1, 0.15, len(energy))))
    succeed(sweep(tmp_path, identity[1, "log(E)/10"], guessed, prepared, "log(E)/10", "--threshold", 40, "--tolerance", 5, grid=("13:15:2", "9", "8", "2"), weights=weights, out=out))
    return prepared, prepare, undo, rows(tmp_path / out, "SELECT notes FROM scans")[0][0]


def average(values, w):
    return np.average(values, weights=w)


def test_weighted_metrics_and_their_errors(identity, tmp_path):
    w = np.random.default_rng(11).lognormal(0, 0.8, 1200).astype(np.float32).astype(np.float64)
    w[:3] = 0
    prepared, prepare, undo, said = weighted_study(identity, tmp_path, w)
    assert f"the effective size of these 1197 is {round(w.sum() ** 2 / (w**2).sum())}" in said
    assert "3 of 1200 samples have the weight 0 and enter no metric" in said
    seen = w > 0
    prepared, w = prepared[seen], w[seen]
    truth = undo(prepared)
    bins = np.quantile(truth, np.linspace(0, 1, 11))
    which = np.clip(np.searchsorted(bins, truth, side="right") - 1, 0, 9)
    edges = turn_on_edges(prepared, prepare(40))
    checked = 0
    for fixed, reference, stored, errors in measured(tmp_path)[:1]:  # replicas are slow in Python
        fixed, reference = fixed[seen], reference[seen]
        f, r = undo(fixed), undo(reference)
        e, own = relative(f, truth), relative(r, truth)
        rate = lambda p, i: average(p[i] >= 40, w[i]) * 100
        at = lambda p, i: weighted_half_point(prepared[i], p[i] >= 40, edges, undo, w[i])
        closed = {
            "mae": lambda i: average(np.abs(fixed[i] - reference[i]), w[i]),
            "mpe": lambda i: average(np.abs(fixed[i] / reference[i] - 1), w[i]) * 100,
            "rmse": lambda i: np.sqrt(average((fixed[i] - reference[i]) ** 2, w[i])),
            "bias": lambda i: average(fixed[i] - reference[i], w[i]),
            "largest": lambda i: np.abs(fixed[i] - reference[i]).max(),
            "mpe_target": lambda i: average(np.abs(f[i] / r[i] - 1), w[i]) * 100,
            "bias_target": lambda i: average(f[i] - r[i], w[i]),
            "beyond_target@5": lambda i: average(np.abs(f[i] - r[i]) > 0.05 * r[i], w[i]) * 100,
            "resolution": lambda i: np.sqrt(average((e[i] - average(e[i], w[i])) ** 2, w[i])),
            "rate@40": lambda i: rate(f, i),
            "rate_change@40": lambda i: (rate(f, i) / rate(r, i) - 1) * 100,
        }
        drawn = {
            "resolution_68": lambda i: weighted_width(e[i], w[i]),
            "resolution_loss": lambda i: (weighted_scaled(e[i], w[i]) / weighted_scaled(own[i], w[i]) - 1) * 100,
            "linearity": lambda i: max(abs(weighted_quantile(e[i][which[i] == k], w[i][which[i] == k], 0.5)) for k in range(10)),
            "turn_on@40": lambda i: at(f, i),
            "turn_on_shift@40": lambda i: at(f, i) - at(r, i),
        }
        for metrics, replicas, within in ((closed, 4000, CLOSED), (drawn, 1500, DRAWN)):
            for name, of in metrics.items():
                if name.startswith("turn_on"):  # slow in Python
                    replicas = 300
                agree(stored[name], of(np.arange(len(w))), name)
                if name in ("beyond_target@5", "rate_change@40") and stored[name] in (0, 100):
                    if name == "beyond_target@5":
                        assert errors[name] == pytest.approx(100 / (w.sum() ** 2 / (w**2).sum() + 1))
                    continue
                assert errors[name] == pytest.approx(bootstrap(of, len(w), replicas), rel=within, abs=1e-12), (name, stored[name])
                checked += errors[name] > 0
    assert checked > 12


def test_weighted_curves(identity, tmp_path):
    w = np.random.default_rng(12).lognormal(0, 0.8, 1200).astype(np.float32).astype(np.float64)
    w[5:9] = 0
    prepared, prepare, undo, _ = weighted_study(identity, tmp_path, w)
    seen = w > 0
    prepared, w = prepared[seen], w[seen]
    truth = undo(prepared)
    which = np.clip(np.searchsorted(np.quantile(truth, np.linspace(0, 1, 11)), truth, side="right") - 1, 0, 9)
    predictions = undo(measured(tmp_path)[0][1])[seen]
    e = relative(predictions, truth)
    bins = [which == k for k in range(10)]
    trigger = np.digitize(prepared, turn_on_edges(prepared, prepare(40))) - 1
    curves = {name: (json.loads(values), json.loads(samples)) for name, values, samples in rows(tmp_path / "study", 'SELECT name, "values", samples FROM float_curves')}
    expected = {
        "linearity": [weighted_quantile(e[i], w[i], 0.5) for i in bins],
        "resolution_68": [weighted_width(e[i], w[i]) for i in bins],
        "turn_on@40": [average(predictions[trigger == k] >= 40, w[trigger == k]) for k in range(20)],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(np.array(curves[name][0], float), values, rtol=1e-7, atol=1e-9, err_msg=name)
    assert curves["linearity"][1] == [int(i.sum()) for i in bins]
    assert curves["turn_on@40"][1] == [int(np.sum(trigger == k)) for k in range(20)]


def test_weights_of_samples_with_several_outputs(identity, tmp_path):
    rng = np.random.default_rng(13)
    w = rng.lognormal(0, 1, 500).astype(np.float32).astype(np.float64)
    succeed(sweep(tmp_path, identity[2, None], rng.normal(0, 20, (500, 2)), None, None, weights=w))
    for fixed, reference, stored, errors in measured(tmp_path):
        error = np.abs(fixed - reference)
        agree(stored["mae"], np.average(error, weights=np.stack([w, w], axis=1)), "mae")
        mean = lambda i: np.average(error[i].mean(axis=1), weights=w[i])
        assert errors["mae"] == pytest.approx(bootstrap(mean, 500, 4000), rel=CLOSED)


def everything(folder, out):
    return rows(folder / out, "SELECT point, name, value, error FROM metrics ORDER BY point, name")


def test_equal_weights_change_nothing(identity, tmp_path):
    weighted_study(identity, tmp_path, None, "plain")
    weighted_study(identity, tmp_path, np.full(1200, 0.37), "weighted")
    plain, weighted = (everything(tmp_path, out) for out in ("plain", "weighted"))
    assert len(plain) == len(weighted)
    for (_, name, value, error), (_, _, own, own_error) in zip(plain, weighted):
        if value is None:
            assert own is None
            continue
        assert own == pytest.approx(value, rel=1e-9, abs=1e-12), name
        # A quantile's place may fall on the other side of a value by a rounding.
        assert own_error == pytest.approx(error, rel=1e-6, abs=1e-12), name


def test_negative_weights_leave_means_and_no_quantiles(identity, tmp_path):
    w = np.random.default_rng(11).normal(1, 0.8, 1200).astype(np.float32).astype(np.float64)
    prepared, prepare, undo, said = weighted_study(identity, tmp_path, w)
    assert f"{np.sum(w < 0)} of 1200 samples have a negative weight" in said
    truth = undo(prepared)
    for fixed, reference, stored, _ in measured(tmp_path):
        e = relative(undo(fixed), truth)
        agree(stored["mpe"], average(np.abs(fixed / reference - 1), w) * 100, "mpe")
        agree(stored["rate@40"], average(undo(fixed) >= 40, w) * 100, "rate")
        agree(stored["resolution"], np.sqrt(average((e - average(e, w)) ** 2, w)), "resolution")
        for name in ("resolution_68", "resolution_loss", "linearity", "turn_on@40", "turn_on_shift@40"):
            assert stored[name] is None, name


def test_other_weights_are_other_data(identity, tmp_path):
    w = np.ones(1200)
    weighted_study(identity, tmp_path, w)
    w[5] = 2
    with pytest.raises(AssertionError, match="not the data with which this study began"):
        weighted_study(identity, tmp_path, w)


def test_errors_are_the_same_for_any_number_of_threads(identity, tmp_path):
    rng = np.random.default_rng(9)
    prepared = TRANSFORMS["log(E)/10"][1](truths(rng, 700))
    seen = []
    for threads in (1, 2, 5):
        asked = sweep(tmp_path, identity[1, "log(E)/10"], prepared + rng.normal(0, 0, 700), prepared, "log(E)/10", "--threshold", 40, out=f"threads{threads}")
        succeed([asked[0], "--threads", str(threads), *asked[1:]])
        seen.append(rows(tmp_path / f"threads{threads}", "SELECT v_full, metrics.name, value, error FROM metrics JOIN points ON points.id = point ORDER BY 1, 2"))
    assert seen[0] == seen[1] == seen[2] and len(seen[0]) > 30


def test_a_study_that_an_older_narrow_measured_is_measured_again(identity, tmp_path):
    rng = np.random.default_rng(10)
    prepared = TRANSFORMS["log(E)/10"][1](truths(rng, 300))
    asked = sweep(tmp_path, identity[1, "log(E)/10"], prepared, prepared, "log(E)/10")
    succeed(asked)
    table = "SELECT * FROM metrics ORDER BY point, name"
    before = rows(tmp_path / "study", table)
    with sqlite3.connect(tmp_path / "study" / "study.db") as database:
        database.execute("UPDATE points SET measure = NULL")
        database.execute("UPDATE metrics SET value = 0, error = NULL")
        database.execute("INSERT INTO metrics SELECT id, 'beyond@77', 1, NULL FROM points")
    assert "3 points were measured by an older narrow, with other errors or none" in succeed([NARROW, "best", str(tmp_path / "study")])
    assert "3 points were done before; new metrics were computed from their predictions" in succeed(asked)
    assert rows(tmp_path / "study", table) == before


# --- what belongs to one study


def refused(asked):
    done = run([asked[0], "--quiet", *asked[1:]])
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def dump(folder):
    with sqlite3.connect(folder / "study" / "study.db") as database:
        return list(database.iterdump())


def test_predictions_undone_otherwise_are_not_mixed_in_without_truth_either(identity, tmp_path):
    guessed = [0.3, 0.4, 0.45]
    succeed(sweep(tmp_path, identity[1, None], guessed, None, None, "--target", "E:log/10"))
    before = dump(tmp_path)
    said = refused(sweep(tmp_path, identity[1, None], guessed, None, None, "--target", "E:log/5"))
    assert "the target of this study is E:log/10, and E:log/5 is asked for" in said
    assert dump(tmp_path) == before, "nothing of it is written, its definition neither"


def test_the_unit_of_a_study_is_one(identity, tmp_path):
    prepared = [0.3, 0.4, 0.45]
    asked = lambda *more, out="study": sweep(tmp_path, identity[1, "log(E)/10"], prepared, prepared, None, *more, out=out)
    unit = lambda: rows(tmp_path / "study", "SELECT unit FROM metric_names WHERE name = 'bias_target'")
    succeed(asked("--unit", "GeV"))
    before = dump(tmp_path)
    assert "--unit MeV: the unit of the target in this study is GeV" in refused(asked("--unit", "MeV"))
    assert dump(tmp_path) == before
    succeed(asked())
    assert unit() == [("GeV",)], "it is kept where none is given"
    for number, name in ((1, "GeV"), (2, "MeV")):
        succeed(asked("--unit", name, "--shard", f"{number}/2", out="parts"))
    assert "the unit of its target is MeV, that of the other parts is another" in refused([NARROW, "merge", str(tmp_path / "parts")])


def test_a_target_that_was_not_prepared_is_said(identity, tmp_path):
    """The model says log(E)/10; the data hold GeV and say nothing."""
    energy = np.array([20.0, 25, 30, 40])
    guessed = TRANSFORMS["log(E)/10"][1](energy)
    asked = sweep(tmp_path, identity[1, "log(E)/10"], guessed, energy, None)
    said = run(asked)
    assert said.returncode == 0, said.stderr
    assert "median relative error is -100 %" in said.stderr and "(--target)" in said.stderr
    assert "median relative error is -100 %" in succeed([NARROW, "best", str(tmp_path / "study")])
    said = refused(sweep(tmp_path, identity[1, "log(E)/10"], guessed, energy * 1000, None, out="more"))
    assert "data.h5: target 20000 of row 0 is infinite when undone as the model's, E:log/10" in said and "--target" in said
    succeed(sweep(tmp_path, identity[1, "log(E)/10"], guessed, energy, None, "--target", "E", out="right"))
    assert "median relative error" not in succeed([NARROW, "best", str(tmp_path / "right")])


def test_other_data_leave_no_trace(identity, tmp_path):
    succeed(sweep(tmp_path, identity[1, None], [1, 2, 3], None, None))
    before = dump(tmp_path)
    asked = sweep(tmp_path, identity[1, None], [1, 2, 4], None, None)
    asked[asked.index("--samples") + 1] = "5"
    assert "these are not the data with which this study began" in refused(asked)
    assert dump(tmp_path) == before


# --- what is said rather than measured wrongly


def test_models_with_different_targets_need_data_that_say_theirs(identity, tmp_path):
    line = sweep(tmp_path, identity[1, "log(E)/10"], np.linspace(0.2, 0.5, 20), np.linspace(0.2, 0.5, 20), None)
    line.insert(3, str(identity[1, "log10(E)"]))
    for _ in range(2):
        done = run(line)
        assert done.returncode == 1 and "the models were trained on different ones" in done.stderr and "--target" in done.stderr, done.stderr
    succeed([*line, "--target", "E:log/10"])


@pytest.mark.parametrize(("factor", "said"), [(1.1, False), (5, True), (1e-3, True)])
def test_a_float_model_that_is_far_from_the_target_is_said(identity, tmp_path, factor, said):
    energies = np.random.default_rng(5).uniform(10, 50, 200)
    done = run(sweep(tmp_path, identity[1, "E"], factor * energies, energies, "E"))
    assert done.returncode == 0 and ("the float model itself is far from the target" in done.stderr) == said, done.stderr


def test_a_shift_of_no_sample_has_the_error_of_one(identity, tmp_path):
    """By flipping each sample in turn."""
    rng = np.random.default_rng(11)
    truth = rng.uniform(10, 60, 300)
    z = np.float32(np.log(truth * rng.normal(1, 0.15, 300)) / 10)
    z = z[keep := np.abs(z - math.log(20) / 10) > 1e-3]  # no rounding crosses the threshold
    prepared = np.float64(np.float32(np.log(truth[keep]) / 10))
    succeed(sweep(tmp_path, identity[1, "log(E)/10"], z, prepared, "log(E)/10", "--threshold", "20", grid=("28", "9", "8", "2")))
    passed = np.exp(10 * np.float64(z)) >= 20
    at = lambda p: half_point(prepared, p, turn_on_edges(prepared, math.log(20) / 10), TRANSFORMS["log(E)/10"][2])
    half = at(passed)
    moved = [at(np.where(np.arange(len(z)) == i, ~passed, passed)) - half for i in range(len(z))]
    [(_, _, values, errors)] = measured(tmp_path)
    assert values["turn_on_shift@20"] == 0 and values["turn_on@20"] == pytest.approx(half, rel=1e-6)
    assert errors["turn_on_shift@20"] == pytest.approx(np.max(np.abs(moved)), rel=1e-4) and errors["turn_on_shift@20"] > 0


def test_an_error_beyond_all_numbers_is_unknown(identity, tmp_path):
    z = np.linspace(90, 100, 40)
    succeed(sweep(tmp_path, identity[1, "log10(E)"], z, np.linspace(1, 2, 40), "log10(E)", grid=("18", "9", "8", "2")))
    [(_, _, values, errors)] = measured(tmp_path)
    assert values["resolution"] > 1e90 and errors["resolution"] is None


@pytest.mark.parametrize(
    "name, said",
    [
        ("hgq2/tagger", "the grid changes no type of this network, which has types of its own: all its points are one network, of 20.2 bits"),
        ("qkeras/tagger", "the grid's bits of weights and biases change no type of this network"),
        ("jet_tagger", None),
    ],
)
def test_bits_that_change_no_type_are_said(tmp_path, name, said):
    inputs = {"hgq2/tagger": 16, "qkeras/tagger": 16, "jet_tagger": 16}[name]
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(100, inputs)).astype(np.float32))
    grid = ["--v-full", "8:12:2", "--v-int", "4", "--wb-full", "6:8", "--wb-int", "2"]
    succeed([NARROW, "--quiet", "sweep", GOLDEN / f"{name}.keras", "--data", tmp_path / "x.npy", *grid, "--out", tmp_path / "study"])
    best = succeed([NARROW, "best", tmp_path / "study"])
    assert (said in best) if said else ("change no type" not in best and "changes no type" not in best), best
