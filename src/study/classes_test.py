"""Metrics of classifiers and their errors held against NumPy by other algorithms: areas by all pairs, working points by all thresholds.

The networks are Dense layers with the identity as kernel: their float scores are their inputs, so a test decides what is predicted."""

import json
import math
import pathlib

import h5py
import keras
import numpy as np
import pytest
from metrics_test import agree, bootstrap, measured, sweep
from store_test import NARROW, fail, rows, run, succeed

GOLDEN = pathlib.Path(__file__).parents[2] / "golden"
NAMES = ["g", "q", "w", "z", "t"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    paths = {}
    for outputs in (1, 3, 5):
        for activation in ("linear", "softmax", "sigmoid"):
            if outputs == 1 and activation == "softmax":
                continue
            model = keras.Sequential([keras.Input((outputs,)), keras.layers.Dense(outputs, activation=activation, name="out")])
            model.set_weights([np.eye(outputs), np.zeros(outputs)])
            paths[outputs, activation] = folder / f"{activation}{outputs}.keras"
            model.save(paths[outputs, activation])
    return paths


def area(scores, signal, weights):
    """The share of pairs in order, half of the equal ones: every pair in turn."""
    pairs = weights[signal][:, None] * weights[~signal][None, :]
    above = scores[signal][:, None] - scores[~signal][None, :]
    return math.nan if not pairs.sum() > 0 else (pairs * ((above > 0) + 0.5 * (above == 0))).sum() / pairs.sum()


def passing(scores, signal, weights):
    """At every threshold that there is, the shares of signal and background that reach it."""
    if not weights[signal].sum() > 0 or not weights[~signal].sum() > 0:
        return np.array([[math.nan, math.nan]])
    thresholds = [math.inf, *np.unique(scores)]
    passed = [scores >= t if t < math.inf else np.zeros(len(scores), bool) for t in thresholds]
    return np.array([[100 * weights[p & side].sum() / weights[side].sum() for side in (signal, ~signal)] for p in passed])


def efficiency(scores, signal, weights, background):
    shares = passing(scores, signal, weights)
    return math.nan if np.isnan(shares).any() else max(s for s, b in shares if b <= background + 1e-7)


def background(scores, signal, weights, at):
    shares = passing(scores, signal, weights)
    return math.nan if np.isnan(shares).any() else min(b for s, b in shares if s >= at - 1e-7)


def divergence(fixed, reference, weights):
    both = [np.stack([1 - p, p], 1) if p.ndim == 1 else p for p in (fixed, reference)]
    q, p = (np.clip(each, 1e-7, None) / np.clip(each, 1e-7, None).sum(1, keepdims=True) for each in both)
    return np.average((p * np.log(p / q)).sum(1), weights=weights)


def chosen(scores, cut=0):
    return (scores > cut).astype(int) if scores.ndim == 1 else scores.argmax(1)


def expected_of(fixed, reference, truth, weights, names, backgrounds=(1,), efficiencies=(50,), kl=False, cut=0):
    share = lambda which: 100 * np.average(which, weights=weights)
    out = {"agreement": share(chosen(fixed, cut) == chosen(reference, cut)), "disagreement": share(chosen(fixed, cut) != chosen(reference, cut))}
    top = fixed == cut if fixed.ndim == 1 else np.sort(fixed, 1)[:, -1] == np.sort(fixed, 1)[:, -2]
    out["ties"] = share(top)
    if kl:
        out["kl"] = divergence(fixed, reference, weights)
    if truth is None:
        return out
    out["accuracy"] = share(chosen(fixed, cut) == truth)
    out["accuracy_loss"] = share(chosen(reference, cut) == truth) - out["accuracy"]
    per_class = {}
    for k in [1] if fixed.ndim == 1 else range(fixed.shape[1]):
        f, r = (p if p.ndim == 1 else p[:, k] for p in (fixed, reference))
        signal = truth == k
        own = per_class[names[k]] = {("auc", ""): (area(f, signal, weights), area(r, signal, weights))}
        for b in backgrounds:
            own["efficiency", b] = tuple(efficiency(s, signal, weights, b) for s in (f, r))
        for e in efficiencies:
            own["background", e] = tuple(background(s, signal, weights, e) for s in (f, r))
    change = lambda f, r: math.nan if r == 0 or math.isnan(f + r) else (f / r - 1) * 100
    losses = {"auc": ("auc_loss", lambda f, r: r - f), "efficiency": ("efficiency_loss", lambda f, r: -change(f, r)), "background": ("background_change", change)}

    def add(kind, at, before, values):
        name = f"{before}{at}".rstrip(",").rstrip("@") if at == "" else f"{before}{at}"
        out[kind + name] = values[0]
        out[losses[kind][0] + name] = losses[kind][1](*values)

    for name, own in per_class.items():
        for (kind, at), values in own.items():
            add(kind, at, f"@{name}" + ("" if at == "" else ","), values)
    if fixed.ndim == 2:
        known = [own for own in per_class.values() if not math.isnan(own["auc", ""][0])]
        for kind, at in next(iter(per_class.values())):
            mean = tuple(np.mean([own[kind, at][i] for own in known]) for i in (0, 1)) if known else (math.nan, math.nan)
            add(kind, at, "@" if at != "" else "", mean)
    return out


def scores_like(rng, truth, outputs, spread=1.0):
    if outputs == 1:
        return rng.normal(0, spread, len(truth)) + np.where(truth == 1, 1, -1)
    return rng.normal(0, spread, (len(truth), outputs)) + 1.5 * np.eye(outputs)[truth]


def one_hot(truth, outputs):
    return np.eye(outputs)[truth]


CASES = {
    "plain": lambda rng, n, k: (rng.integers(0, max(k, 2), n), None),
    "weighted": lambda rng, n, k: (rng.integers(0, max(k, 2), n), rng.choice([0.0, 0.5, 1, 3.25], n)),
    "a class missing": lambda rng, n, k: (rng.integers(0, max(k, 2) - 1, n), None),
    "a class of one": lambda rng, n, k: (np.where(np.arange(n) == 7, max(k, 2) - 1, 0), None),
    "one class alone": lambda rng, n, k: (np.ones(n, int), None),
    "weighted to nothing": lambda rng, n, k: ((t := rng.integers(0, max(k, 2), n)), (t != 1).astype(float)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("outputs, activation", [(1, "linear"), (1, "sigmoid"), (3, "linear"), (5, "softmax")])
def test_metrics_of_classes(models, tmp_path, outputs, activation, case):
    """Few bits: ties everywhere, constant scores where all overflow or vanish."""
    rng = np.random.default_rng(len(case) + outputs)
    truth, weights = CASES[case](rng, 203, outputs)
    x = np.round(scores_like(rng, truth, outputs) * 4) / 4 if case == "weighted" else scores_like(rng, truth, outputs)
    names = ["b", "s"] if outputs == 1 else NAMES[:outputs]
    y = truth if outputs == 1 or case == "plain" else one_hot(truth, outputs)
    options = ["--classes", ",".join(names), "--background", "1,10,33.3", "--efficiency", "5,50,100"]
    done = run(sweep(tmp_path, models[outputs, activation], x, y, None, *options, grid=("4:10:2", "3", "6", "2"), weights=weights))
    assert done.returncode == 0, done.stderr
    for name, count in zip(names, np.bincount(truth[weights != 0] if weights is not None else truth, minlength=len(names))):
        assert (f"no sample is of class {name}: it has no ROC curve" in done.stderr) == (count == 0), done.stderr
    counted = np.ones(len(truth), bool) if weights is None else weights != 0
    weights = np.ones(len(truth)) if weights is None else weights
    seen = set()
    for fixed, reference, stored, _ in measured(tmp_path):
        fixed, reference = fixed.astype(float)[counted], reference[counted]
        kl = activation == ("sigmoid" if outputs == 1 else "softmax")
        cut = 0.5 if activation == "sigmoid" else 0
        expected = expected_of(fixed, reference, truth[counted], weights[counted], names, (1, 10, 33.3), (5, 50, 100), kl, cut)
        for name, value in expected.items():
            assert name in stored, (name, sorted(stored))
            # Float predictions in the text are rounded to float32's digits, as they are.
            agree(stored[name], value, name)
        seen |= {round(v, 6) for k, v in stored.items() if k.startswith("auc") and v is not None}
        for k, name in enumerate(NAMES[:outputs] if outputs > 1 else []):
            agree(stored[f"mae@{name}"], np.average(np.abs(fixed - reference)[:, k], weights=weights[counted]), name)
    assert len(seen) > 2 or (outputs == 1 and case != "plain") or case == "one class alone", "areas that differ"


def test_constant_scores_have_an_area_of_one_half(models, tmp_path):
    """Every score wraps or vanishes to 0: the first class is taken, ties are told, and no threshold passes a part of the samples."""
    rng = np.random.default_rng(3)
    truth = np.where(rng.random(400) < 0.9, 0, rng.integers(1, 3, 400))
    x = 0.001 * np.abs(scores_like(rng, truth, 3))
    succeed(sweep(tmp_path, models[3, "linear"], x, truth, None, "--classes", "g,q,t", grid=("8", "6", "6", "2")))
    (fixed, _, stored, errors), = measured(tmp_path)
    assert (fixed == 0).all()
    for name in ("auc", "auc@g", "auc@q", "auc@t"):
        assert stored[name] == 0.5
    assert stored["ties"] == 100 and stored["accuracy"] == 100 * (truth == 0).mean() > 85, "it looks fine by accident"
    assert stored["efficiency@t,1"] == 0 and stored["background@t,50"] == 100
    said = succeed([NARROW, "best", str(tmp_path / "study"), "--below", "100"])
    assert "100 % of the samples have tied highest scores, and are taken to be of the first class of these" in said, said


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_are_those_of_a_bootstrap(models, tmp_path, weighted):
    rng = np.random.default_rng(5)
    n = 400
    truth = rng.integers(0, 3, n)
    x = scores_like(rng, truth, 3)
    weights = rng.choice([0.5, 1, 3.25], n) if weighted else None
    succeed(sweep(tmp_path, models[3, "softmax"], x, one_hot(truth, 3), None, "--classes", "g,q,t", "--background", "20", "--efficiency", "90", grid=("10", "4", "8", "3"), weights=weights))
    (fixed, reference, stored, errors), = measured(tmp_path)
    weights = np.ones(n) if weights is None else weights
    memory = {}

    def of(draw, name):
        key = draw.tobytes()
        if key not in memory:
            memory[key] = expected_of(fixed[draw], reference[draw], truth[draw], weights[draw], ["g", "q", "t"], (20,), (90,), True)
        return memory[key][name]

    names = ["accuracy", "accuracy_loss", "agreement", "disagreement", "kl", "auc", "auc@g", "auc_loss@t", "auc_loss", "efficiency@q,20",
             "efficiency_loss@q,20", "background@t,90", "background_change@t,90", "background@90"]
    for name in names:
        own = bootstrap(lambda draw: of(draw, name), n, 250)
        assert errors[name] == pytest.approx(own, rel=0.25), (name, stored[name])
    # What never varied has the error of one sample of the rarest class.
    assert all(error is None or error > 0 or stored[name] == 0 for name, error in errors.items() if name not in ("left_out",)), errors


def test_a_jet_tagger_goes_through_a_study(tmp_path):
    """hls4ml's default softmax, which may answer the same for every jet, and one whose tables hold its scores."""
    with h5py.File(GOLDEN / "jet_tagger.h5") as file:
        x, reference = file["input"][:], file["float"][:]
    rng = np.random.default_rng(8)
    truth = np.array([rng.choice(5, p=p / p.sum()) for p in reference.astype(float)])
    np.savez(tmp_path / "jets.npz", x=x, y=one_hot(truth, 5).astype(np.float32))
    study = tmp_path / "study"
    common = [NARROW, "sweep", str(GOLDEN / "jet_tagger.keras"), "--data", str(tmp_path / "jets.npz"), "--v-full", "12:16:2", "--v-int", "6", "--wb-full", "12", "--wb-int", "4",
              "--types", "uniform", "--keep", "predictions", "--out", str(study)]
    done = run(common)
    assert done.returncode == 0 and "treated as a classifier of 5 classes, 0 to 4, because it ends in a softmax" in done.stderr, done.stderr
    done = run([*common, "--classes", "g,q,w,z,t"])
    assert done.returncode == 0 and "treated as a classifier" not in done.stderr, done.stderr
    for fixed, reference, stored, errors in measured(tmp_path):
        expected = expected_of(fixed, reference, truth, np.ones(len(truth)), NAMES, kl=True)
        for name, value in expected.items():
            agree(stored[name], value, name)
    header = succeed([NARROW, "best", str(study)]).splitlines()[0]
    assert "accuracy_loss [percentage points]" in header, header
    header = succeed([NARROW, "best", str(study), "--below", "efficiency_loss@t,1=100,auc_loss@t=0.5"]).splitlines()[0]
    assert header.split()[-3:] == ["efficiency_loss@t,1", "[%]", "auc_loss@t"], header
    said = fail([NARROW, "best", str(study), "--below", "auc@t=0.5"])
    assert said == "narrow: error: --below: more auc@t is better, and a bound is from above; bound auc_loss@t\n", said
    # What was named when the study began is kept; another order would give the same names to other classes.
    assert "treated as a classifier" not in run(common).stderr
    said = fail([*common, "--classes", "q,g,w,z,t"])
    assert "the classes of this study are g,q,w,z,t" in said, said
    confusion = rows(study, "SELECT curve, sum(value), sum(float_value) FROM curve_values WHERE curve LIKE 'confusion@%' AND v_full = 16 GROUP BY curve")
    assert len(confusion) == 5 and all(a is None or (a == pytest.approx(100) and b == pytest.approx(100)) for _, a, b in confusion), confusion


def jets(folder):
    """Jets of the golden tagger, with classes drawn as it says."""
    with h5py.File(GOLDEN / "jet_tagger.h5") as file:
        x, reference = file["input"][:], file["float"][:].astype(float)
    rng = np.random.default_rng(8)
    y = one_hot(np.array([rng.choice(5, p=p / p.sum()) for p in reference]), 5).astype(np.float32)
    np.savez(folder / "jets.npz", x=x, y=y)
    return x, y


def test_a_wider_grid_of_integer_bits_does_not_change_the_best(tmp_path):
    """Integer bits coarsen a softmax's table: points with many of them miss the bound, and say nothing of those with few."""
    jets(tmp_path)
    command = lambda v_int, out: [NARROW, "sweep", str(GOLDEN / "jet_tagger.keras"), "--data", str(tmp_path / "jets.npz"), "--v-full", "12:30:6", "--v-int", v_int, "--wb-full", "12",
                                  "--wb-int", "4", "--types", "uniform", "--keep", "none", "--out", str(tmp_path / out)]
    best = {}
    for out, v_int in (("few", "6"), ("many", "6,15")):
        succeed(command(v_int, out))
        best[out] = succeed([NARROW, "best", str(tmp_path / out), "--below", "disagreement=4"]).splitlines()
    coarse = rows(tmp_path / "many", "SELECT max(disagreement) FROM results WHERE v_int = 15")[0][0]
    assert coarse > 6, coarse
    assert best["few"][1] == best["many"][1] and best["few"][1].split()[3] != "-", best
    assert any("points with more of --v-int are not expected to be better" in line for line in best["many"])


def permuted(y):
    return y[:, [1, 2, 3, 4, 0]]


@pytest.mark.parametrize("change, words", [
    (permuted, "the labels of the data and the model's outputs seem to be in different orders: the float model takes most samples of 0 for 1, "),
    (lambda y: y[np.random.default_rng(1).permutation(len(y))], "the float model itself is no better than chance: it is right for "),
    (lambda y: y, None),
])
def test_wrong_labels_are_told(tmp_path, change, words):
    """In a study, in best, in the report and in predict."""
    x, _ = jets(tmp_path)
    with h5py.File(GOLDEN / "jet_tagger.h5") as file:
        reference = file["float"][:]
    y = one_hot(reference.argmax(1), 5).astype(np.float32)
    np.savez(tmp_path / "jets.npz", x=x, y=change(y))
    tagger, data = str(GOLDEN / "jet_tagger.keras"), str(tmp_path / "jets.npz")
    command = [NARROW, "sweep", tagger, "--data", data, "--v-full", "16", "--v-int", "6", "--wb-full", "12", "--wb-int", "4", "--types", "uniform", "--keep", "none", "--out", str(tmp_path / "study")]
    said = [run(command).stderr, succeed([NARROW, "best", str(tmp_path / "study"), "--any"])]
    succeed([NARROW, "report", str(tmp_path / "study"), "--any", "--figures", "none"])
    said.append((tmp_path / "study" / "report.html").read_text().replace("&#39;", "'"))
    predicted = run([NARROW, "predict", tagger, "--data", data, "--v", "16,6", "--types", "uniform", "--out", str(tmp_path / "p.txt")])
    said.append(predicted.stderr)
    for each in said:
        assert words in each.replace("The float", "the float").replace("The labels", "the labels") if words else "no better than" not in each and "in different orders" not in each, each[:4000]
    fixed = np.loadtxt(tmp_path / "p.txt")
    share = lambda which: f"{100 * which.mean():.4g} %"
    right = lambda p: share(p.argmax(1) == change(y).argmax(1))
    assert f"; accuracy {right(fixed)}, of the float model {right(reference)}; the float model's class for {share(fixed.argmax(1) == reference.argmax(1))}; MAE of the outputs" in predicted.stdout
    assert "MPE" not in predicted.stdout


@pytest.mark.parametrize("truth, scores, words", [
    (lambda rng: rng.integers(0, 2, 400), lambda t: np.where(t == 1, -1.0, 1.0), "takes most samples of b for s, s for b; it is right for 0 % of the samples, and would be for 100 % in that order"),
    (lambda rng: (rng.random(400) < 0.1).astype(int), lambda t: np.where(t == 1, -1.0, -2.0), "no better than one that takes every sample for b: it is right for "),
    (lambda rng: rng.integers(0, 2, 400), lambda t: np.where(np.arange(400) % 2, 1.0, -1.0), "the float model itself is no better than chance: it is right for "),
    (lambda rng: rng.integers(0, 2, 400), lambda t: np.where(t == 1, 1.0, -1.0), None),
])
def test_wrong_labels_of_one_output(models, tmp_path, truth, scores, words):
    y = truth(np.random.default_rng(4))
    x = scores(y) + np.random.default_rng(5).normal(0, 0.1, 400)
    said = run(sweep(tmp_path, models[1, "linear"], x, y, None, "--classes", "b,s", grid=("10", "4", "6", "2"))).stderr
    assert words in said if words else "chance" not in said and "orders" not in said and "no better" not in said, said


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_labels_under_another_name(models, tmp_path, kind):
    truth = np.arange(60) % 3
    x = scores_like(np.random.default_rng(2), truth, 3).astype(np.float32)
    arrays = {"x": x, "labels": one_hot(truth, 3).astype(np.float32), "ids": np.arange(60, dtype=np.float32), "edges": np.zeros(7, np.float32), "weight": np.ones(60, np.float32)}
    path = tmp_path / f"data.{kind}"
    if kind == "npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
    command = [NARROW, "sweep", str(models[3, "softmax"]), "--data", str(path), "--classes", "g,q,t", "--v-full", "10", "--v-int", "4", "--wb-full", "6", "--wb-int", "2", "--keep", "none"]
    done = run([*command, "--out", str(tmp_path / "study")])
    assert done.returncode == 0, done.stderr
    assert "has no y, which is where targets are read from" in done.stderr and "store the targets as y" in done.stderr, done.stderr
    listed = done.stderr.split("a row for each sample: ")[1].split(";")[0]
    assert sorted(listed.split(", ")) == ["ids (60)", "labels (60x3)"], listed
    assert "only the agreement with the float model is measured" in succeed([NARROW, "best", str(tmp_path / "study")])
    assert "has no targets (y)" in fail([*command, "--efficiency", "80", "--out", str(tmp_path / "other")])
    assert "has no y" not in run([*command, "--target", "none", "--out", str(tmp_path / "left_out")]).stderr


@pytest.mark.parametrize("names", ["g,q,t", "2,0,1"])
def test_classes_named_later_take_the_place_of_numbers(models, tmp_path, names):
    """The same study as one whose classes had names from the beginning."""
    truth = np.arange(90) % 3
    x = scores_like(np.random.default_rng(6), truth, 3)
    grid = ("8:10", "4", "6", "2")
    for out, steps in (("later", [[], ["--classes", names]]), ("always", [["--classes", names]])):
        for options in steps:
            succeed(sweep(tmp_path, models[3, "softmax"], x, truth, None, *options, grid=grid, out=out))
    for table in ("metrics", "float_metrics", "curves", "float_curves"):
        key = "point" if not table.startswith("float") else "scan"
        later, always = (rows(tmp_path / out, f"SELECT {key}, name, * FROM {table} ORDER BY 1, 2") for out in ("later", "always"))
        assert later == always and len(later) >= 6, table
    titles = [sorted(rows(tmp_path / out, "SELECT name, title, meaning FROM metric_names")) for out in ("later", "always")]
    assert titles[0] == titles[1]


def test_a_metric_that_is_not_there(models, tmp_path):
    truth = np.arange(60) % 3
    succeed(sweep(tmp_path, models[3, "softmax"], scores_like(np.random.default_rng(2), truth, 3), truth, None, "--classes", "g,q,t", grid=("8", "4", "6", "2")))
    said = fail([NARROW, "best", str(tmp_path / "study"), "--metric", "acuracy_loss"])
    assert said == "narrow: error: --metric: the study has no metric 'acuracy_loss'; did you mean accuracy_loss? (docs/study.md, Metrics)\n"
    said = fail([NARROW, "best", str(tmp_path / "study"), "--metric", "purity"])
    assert "it has mae, mpe" in said and "efficiency_loss@..." in said and len(said) < 500, said


def test_a_classifier_is_told_of_by_its_accuracy(tmp_path):
    jets(tmp_path)
    command = [NARROW, "sweep", str(GOLDEN / "jet_tagger.keras"), "--data", str(tmp_path / "jets.npz"), "--v-full", "12,16", "--v-int", "6", "--wb-full", "12", "--wb-int", "4",
               "--types", "uniform", "--keep", "none", "--out", str(tmp_path / "study")]
    done = run(command)
    assert "MPE" not in done.stdout and "lowest accuracy loss at" in done.stdout, done.stdout
    assert "lowest accuracy loss of " in done.stderr and "lowest MPE" not in done.stderr, done.stderr
    least, = rows(tmp_path / "study", "SELECT v_full, accuracy_loss FROM results ORDER BY accuracy_loss, bits LIMIT 1")
    line = next(line for line in done.stdout.splitlines() if "uniform" in line)
    assert f"ap_fixed<{least[0]},6>" in line and float(line.split()[6]) == pytest.approx(least[1], abs=1e-3), (line, least)


def test_roc_curves(models, tmp_path):
    rng = np.random.default_rng(9)
    truth = rng.integers(0, 3, 150)
    x = scores_like(rng, truth, 3)
    succeed(sweep(tmp_path, models[3, "linear"], x, truth, None, "--classes", "g,q,t", grid=("8", "4", "6", "2")))
    (fixed, reference, *_), = measured(tmp_path)
    for k, name in enumerate(["g", "q", "t"]):
        curve = rows(tmp_path / "study", f"SELECT low, high, samples, value, float_value FROM curve_values WHERE curve = 'roc@{name}' ORDER BY bin")
        assert len(curve) == 50
        for low, high, samples, value, float_value in curve:
            assert samples == (truth == k).sum() and high == low + 2
            assert value == pytest.approx(background(fixed[:, k], truth == k, np.ones(150), high), rel=1e-7)
            assert float_value == pytest.approx(background(reference[:, k], truth == k, np.ones(150), high), rel=1e-7)
        confusion = rows(tmp_path / "study", f"SELECT value FROM curve_values WHERE curve = 'confusion@{name}' ORDER BY bin")
        own = fixed.argmax(1)[truth == k]
        assert [value for value, in confusion] == pytest.approx([100 * (own == j).mean() for j in range(3)], rel=1e-7)


def test_the_report_has_roc_curves_and_a_table_of_classes(models, tmp_path):
    rng = np.random.default_rng(10)
    truth = rng.integers(0, 3, 200)
    x = scores_like(rng, truth, 3)
    succeed(sweep(tmp_path, models[3, "softmax"], x, one_hot(truth, 3), None, "--classes", "g,q,t", grid=("8:12:2", "4", "6:10:2", "2")))
    (fixed, reference, *_), *_ = measured(tmp_path)
    succeed([NARROW, "report", str(tmp_path / "study"), "--figures", "none"])
    page = (tmp_path / "study" / "report.html").read_text()
    data = json.loads(page.split('<script type="application/json" id="report">')[1].split("</script>")[0])
    spec, = (figure["spec"] for figure in data["figures"] if figure["id"] == "roc-softmax3")
    lines = spec["data"]["values"]
    assert {(row["class"], row["arithmetic"]) for row in lines} == {(name, kind) for name in "gqt" for kind in ("float", "fixed")}
    for row in lines:
        if row["arithmetic"] == "float":
            k = "gqt".index(row["class"])
            assert row["value"] == pytest.approx(background(reference[:, k], truth == k, np.ones(200), row["efficiency"]), rel=1e-6)
    table = page.split('id="classes-0"')[1].split("</table>")[0]
    assert [cell.split("<")[0] for cell in table.split('<th scope="row" class="text">')[1:]] == ["g", "q", "t"]
    cells = [cell.split("<")[0] for cell in table.split("<tbody>")[1].split("</tr>")[0].split("<td>")[1:]]
    assert int(cells[0]) == (truth == 0).sum() and float(cells[1]) == pytest.approx(100 * (reference.argmax(1)[truth == 0] == 0).mean(), rel=1e-3)
    assert float(cells[7]) == pytest.approx(area(reference[:, 0], truth == 0, np.ones(200)), rel=1e-3), cells


def test_without_truth_there_is_agreement(models, tmp_path):
    x = scores_like(np.random.default_rng(2), np.arange(60) % 3, 3)
    succeed(sweep(tmp_path, models[3, "softmax"], x, None, None, grid=("8", "4", "6", "2")))
    (fixed, reference, stored, _), = measured(tmp_path)
    for name, value in expected_of(fixed, reference, None, np.ones(60), None, kl=True).items():
        agree(stored[name], value, name)
    assert not {"accuracy", "auc", "auc@0"} & stored.keys()
    assert "disagreement [%]" in succeed([NARROW, "best", str(tmp_path / "study")]).splitlines()[0]


def test_what_is_no_classifier_is_said(models, tmp_path):
    """A wrong guess is a line, not a silence."""
    x = scores_like(np.random.default_rng(2), np.arange(20) % 3, 3)

    def said(model, y, *options, x=x):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        done = run(sweep(folder, model, x, y, None, *options, grid=("8", "4", "6", "2")))
        names = {name for name, in rows(folder / "study", "SELECT name FROM metric_names")} if done.returncode == 0 else set()
        return done, names

    soft = np.full((20, 3), 1 / 3)
    done, names = said(models[3, "softmax"], None)
    assert "the true classes are not known, because " in done.stderr and "data.h5 has no targets (y): only the agreement" in done.stderr
    done, names = said(models[3, "softmax"], None, "--classes", "g,q,t")
    assert "data.h5 has no targets (y): only the agreement" in done.stderr and "agreement" in names
    done, names = said(models[3, "softmax"], soft)
    assert "the true classes are not known" in done.stderr and "row 0 are no class" in done.stderr and "agreement" in names and "accuracy" not in names
    done, names = said(models[3, "linear"], one_hot(np.arange(20) % 3, 3))
    assert "is it a classifier? (--classes)" in done.stderr and "agreement" not in names
    done, names = said(models[3, "softmax"], one_hot(np.arange(20) % 3, 3), "--classes", "none")
    assert "agreement" not in names
    done, names = said(models[1, "sigmoid"], np.arange(20) % 2, x=x[:, 0])
    assert "its targets are 0 and 1; --classes names them" in done.stderr and {"accuracy", "auc@1"} <= names and "auc@0" not in names
    done, names = said(models[1, "sigmoid"], np.arange(20) / 20, x=x[:, 0])
    assert "agreement" not in names and "resolution" in names
    done, names = said(models[1, "linear"], np.arange(20) % 2, x=x[:, 0])
    assert "agreement" not in names, "a regression of 0 and 1"


@pytest.mark.parametrize("first", [0, 1])
def test_one_row_does_not_make_a_classifier(models, tmp_path, first):
    """Targets in [0, 1] that begin with an end of it."""
    y = np.r_[first, np.linspace(0.1, 0.9, 29)]
    succeed(sweep(tmp_path, models[1, "sigmoid"], y, y, None, "--threshold", "0.5", grid=("8", "4", "6", "2")))
    names = {name for name, in rows(tmp_path / "study", "SELECT name FROM metric_names")}
    assert "rate_change@0.5" in names and "accuracy" not in names
    said = fail(sweep(tmp_path, models[1, "sigmoid"], y, y, None, "--background", "5", grid=("8", "4", "6", "2"), out="refused"))
    assert "--background and --efficiency are working points of a classifier, and model sigmoid1 is not taken for one" in said, said
    assert not (tmp_path / "refused").exists()


@pytest.mark.parametrize("targets, options, words", [
    (np.arange(20) % 4, ["--classes", "g,q,t"], "data.h5: the targets of row 3 are no class: 3; a class is a whole number from 0 to 2"),
    (np.arange(20) % 3 - 1, ["--classes", "g,q,t"], "data.h5: the targets of row 0 are no class: -1; a class is a whole number from 0 to 2"),
    (np.arange(20) % 3 / 2, ["--classes", "g,q,t"], "data.h5: the targets of row 1 are no class: 0.5; a class is a whole number from 0 to 2"),
    (np.ones((20, 3)), ["--classes", "g,q,t"], "data.h5: the targets of row 0 are no class: 1 1 1; one of them should be 1, the others 0"),
    (np.zeros((20, 3)), ["--classes", "g,q,t"], "data.h5: the targets of row 0 are no class: 0 0 0; one of them should be 1, the others 0"),
    (np.zeros((20, 2)), ["--classes", "g,q,t"], "has 2 targets a sample; those of 3 classes are as many (a 1 and zeros), or one (the class, from 0 to 2)"),
    (None, ["--classes", "g,q"], "classes: 2 are given (g,q), and model linear3 has 3 outputs, one a class"),
    (None, ["--classes", "g,q,g"], "classes: g is given twice"),
    (None, ["--classes", "g,q,a=b"], "classes: 'a=b' cannot be a class's name: it has letters, digits, _, -, + and ."),
    (None, ["--classes", "g"], "classes: g is one class; give all, in the order of the outputs (of a single output background,signal)"),
    (None, ["--background", "5"], "--background and --efficiency are working points of a classifier, and model linear3 is not taken for one; name its classes (--classes)"),
    (None, ["--classes", "g,q,t", "--background", "5"], "--background and --efficiency need the true classes: "),
    (np.arange(20) % 3, ["--classes", "g,q,t", "--background", "100"], "a background efficiency is a percentage between 0 and 100, and 100 is given"),
    (np.arange(20) % 3, ["--classes", "g,q,t", "--efficiency", "50,50"], "the signal efficiency 50 is given twice"),
    (np.arange(20) % 3, ["--classes", "g,q,t", "--threshold", "5"], "--threshold is of a trigger on one target, and model linear3 is a classifier; its working points are --background and --efficiency"),
])
def test_bad_input(models, tmp_path, targets, options, words):
    x = scores_like(np.random.default_rng(2), np.arange(20) % 3, 3)
    command = sweep(tmp_path, models[3, "linear"], x, targets, None, *options, grid=("8", "4", "6", "2"))
    said = fail(command, status=1)
    assert words in said, said
    assert not (tmp_path / "study").exists() or not rows(tmp_path / "study", "SELECT * FROM points")


def test_a_study_in_a_file_says_the_same(models, tmp_path):
    truth = np.arange(60) % 3
    x = scores_like(np.random.default_rng(2), truth, 3)
    options = ["--classes", "g,q,t", "--background", "5,10", "--efficiency", "80"]
    succeed(sweep(tmp_path, models[3, "linear"], x, truth, None, *options, grid=("8", "4", "6", "2")))
    text, = rows(tmp_path / "study", "SELECT definition FROM definitions")[0]
    assert "classes: [g, q, t]" in text and "background: [5, 10]" in text and "efficiency: [80]" in text, text
    (tmp_path / "study.yml").write_text(text.replace(str(tmp_path / "study"), str(tmp_path / "again")))
    succeed([NARROW, "run", str(tmp_path / "study.yml")])
    everything = "SELECT name, value, error FROM metrics ORDER BY point, name"
    assert rows(tmp_path / "study", everything) == rows(tmp_path / "again", everything)
    (tmp_path / "wrong.yml").write_text(text.replace("[g, q, t]", "[g, q, q]"))
    said = fail([NARROW, "run", str(tmp_path / "wrong.yml")])
    assert "wrong.yml, line " in said and "q is given twice" in said, said
