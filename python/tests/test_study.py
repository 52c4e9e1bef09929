"""Studies, searches and reports from Python: what the command does with the same words, read from its own files."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest

import narrow

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
PROGRAM = Path(narrow.__file__).parent / "bin" / "narrow"
DS16 = GOLDEN / "ds16.keras"

pytestmark = pytest.mark.filterwarnings("ignore::narrow.NarrowWarning")

GRID = {"v_full": range(8, 13, 2), "v_int": "4:5", "wb_full": [8, "10"], "wb_int": 2}
WORDS = ["--v-full", "8:12:2", "--v-int", "4:5", "--wb-full", "8,10", "--wb-int", "2"]
TIMES = {"seconds", "finished"}  # of the clock


def command(*words):
    run = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run


def stored(study):
    """The command's own answer: its store, read with sqlite3."""
    with sqlite3.connect(Path(study) / "study.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(results)")]
        rows = database.execute("SELECT * FROM results ORDER BY v_full, v_int, wb_full, wb_int, model").fetchall()
    return columns, rows


def assert_is(frame, study, rows):
    columns, expected = stored(study)
    assert list(frame.columns) == columns and len(frame) == len(expected) == rows
    frame = frame.sort_values(["v_full", "v_int", "wb_full", "wb_int", "model"])
    for i, column in enumerate(columns):
        if column in TIMES | {"point", "data"}:
            continue
        ours, theirs = frame[column].tolist(), [row[i] for row in expected]
        assert all(a == b or (pandas.isna(a) and b is None) for a, b in zip(ours, theirs, strict=True)), column


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Prepared samples and their targets: arrays, and the same in a file."""
    path = tmp_path_factory.mktemp("samples") / "samples.npz"
    with h5py.File(GOLDEN / "clusters.h5") as file:
        x, y = file["x"][:80, :32], file["y"][:80]
    np.savez(path, x=x, y=y)
    return x, y, path


# --- sweep


def test_a_sweep_is_the_commands(tmp_path):
    frame = narrow.sweep(DS16, GOLDEN / "clusters.h5", **GRID, samples=40, threshold=[0.3, 0.5], tolerance=5, unit="GeV", relu=("AP_RND", "AP_SAT"), out=tmp_path / "ours")
    command("sweep", DS16, "--data", GOLDEN / "clusters.h5", *WORDS, "--samples", 40, "--threshold", "0.3,0.5", "--tolerance", 5, "--unit", "GeV",
            "--relu", "AP_RND,AP_SAT", "--out", tmp_path / "theirs")
    assert_is(frame, tmp_path / "theirs", 12)
    assert frame["rate@0.3"].between(0, 100).all() and frame["turn_on_shift@0.5"].dtype == float and frame.attrs["study"] == str(tmp_path / "ours")
    for path in (tmp_path / "theirs").rglob("*.txt"):
        assert path.read_bytes() == (tmp_path / "ours" / path.relative_to(tmp_path / "theirs")).read_bytes(), path
    again = narrow.results(tmp_path / "ours")
    pandas.testing.assert_frame_equal(again, frame)
    # The store says how to make it again, in words that do.
    with sqlite3.connect(tmp_path / "ours" / "study.db") as database:
        ((line,),) = database.execute("SELECT command FROM definitions").fetchall()
    words = line.split()
    assert words[:2] == ["narrow", "sweep"] and "--driven" not in words
    done = command(*words[1:])
    assert "12 points were done before" in done.stdout


def test_arrays_and_models_in_memory_are_files_in_the_study(samples, tmp_path):
    x, y, path = samples
    command("sweep", DS16, GOLDEN / "bn16.keras", "--data", path, *WORDS, "--keep", "none", "--out", tmp_path / "theirs")
    models = [narrow.load(DS16), str(GOLDEN / "bn16.keras")]
    for name, data in (("pair", (x, y)), ("dictionary", {"y": y, "x": np.asfortranarray(x)}), ("file", str(path)), ("double", (x.astype(float), y))):
        frame = narrow.sweep(models, data, **GRID, keep="none", out=tmp_path / name)
        assert_is(frame, tmp_path / "theirs", 24)
    again = narrow.sweep(models, (x, y), **GRID, keep="none", out=tmp_path / "pair")
    pandas.testing.assert_frame_equal(again, narrow.results(tmp_path / "pair"))
    assert len(list((tmp_path / "pair" / "inputs").iterdir())) == 1
    with pytest.raises(narrow.Error, match="these are not the data with which this study began"):
        narrow.sweep(models, (x + 1, y), **GRID, keep="none", out=tmp_path / "pair")
    weighted = narrow.sweep(DS16, (x, y, np.linspace(0, 2, len(x))), **GRID)
    np.savez(tmp_path / "weighted.npz", x=x, y=y, weight=np.linspace(0, 2, len(x)))
    command("sweep", DS16, "--data", tmp_path / "weighted.npz", *WORDS, "--keep", "none", "--out", tmp_path / "weighted")
    assert_is(weighted, tmp_path / "weighted", 12)
    assert not list(Path(weighted.attrs["study"]).rglob("hls_predictions.txt")) and Path(weighted.attrs["study"], "study.db").exists()


def test_several_inputs(tmp_path):
    with h5py.File(GOLDEN / "merges.h5") as file:
        cells, event = np.split(file["input"][:30], [6 * 4], axis=1)
    inputs = dict(zip(("cells", "an_event"), (cells.reshape(-1, 6, 4), event)))
    np.savez(tmp_path / "merges.npz", **inputs)
    command("sweep", GOLDEN / "merges.keras", "--data", tmp_path / "merges.npz", *WORDS, "--keep", "none", "--out", tmp_path / "theirs")
    assert_is(narrow.sweep(GOLDEN / "merges.keras", inputs, **GRID), tmp_path / "theirs", 12)
    assert_is(narrow.sweep(GOLDEN / "merges.keras", (inputs,), **GRID), tmp_path / "theirs", 12)


def test_a_temporary_study_ends_with_the_interpreter(samples, tmp_path):
    program = f"import narrow\nprint(narrow.sweep({str(DS16)!r}, {str(samples[2])!r}, v_full=10, v_int=4, wb_full=8, wb_int=2).attrs['study'])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert run.stdout.strip() and not Path(run.stdout.strip()).exists() and list(tmp_path.iterdir()) == []


def test_what_is_wrong_is_the_commands_line(samples, tmp_path):
    x, y, path = samples

    def fails(error, message, model=DS16, data=path, **given):
        with pytest.raises(error, match=message) as caught:
            narrow.sweep(model, data, **{**GRID, "out": tmp_path / "study", **given})
        assert "\n" not in str(caught.value)
        return caught.value

    fails(narrow.Error, "--v-full 12:8: the range is empty", v_full="12:8")
    fails(narrow.Error, "the grid is empty", v_full=4, v_int=8)
    fails(narrow.Error, "--types: both not in", types="both")
    fails(narrow.Error, "--keep: 'some' is not one of", keep="some")
    fails(narrow.Error, "3 features a row and the model 4", data=x[:, :, :3])
    bad = x.copy()
    bad[7, 3, 1] = np.nan
    fails(narrow.Error, "row 7 of x holds NaN", data=bad)
    assert fails(FileNotFoundError, "missing.npy", data=tmp_path / "missing.npy").filename == str(tmp_path / "missing.npy")
    assert fails(FileNotFoundError, "missing.keras", model="missing.keras").filename == "missing.keras"
    fails(TypeError, "a int is neither a file, nor", model=3)
    fails(ValueError, "the list is empty", model=[])
    fails(TypeError, "x: its values are of the type", data=np.full((3, 32, 4), "1"))
    fails(TypeError, "a tuple of 4", data=(x, y, y, y))
    fails(TypeError, "v_int: 4.5 should be a number of bits", v_int=4.5)
    fails(TypeError, "tolerance: .* should be a number", tolerance=object())
    with pytest.raises(TypeError, match="bits"):
        narrow.sweep(DS16, path, **GRID, bits=3)
    with pytest.raises(FileNotFoundError, match="there is no study"):
        narrow.results(tmp_path / "nothing")


def test_without_pandas_it_says_what_is_missing(samples, tmp_path):
    program = textwrap.dedent(f"""
        import sys
        import narrow
        assert "pandas" not in sys.modules and "tqdm" not in sys.modules and "distributed" not in sys.modules
        sys.modules["pandas"] = None
        try:
            narrow.sweep({str(DS16)!r}, {str(samples[2])!r}, v_full=10, v_int=4, wb_full=8, wb_int=2, out="study")
        except ImportError as error:
            print(error)
        sys.modules["tqdm"] = sys.modules["tqdm.auto"] = None
        print(narrow.search({str(DS16)!r}, {str(samples[2])!r}, below="mae=0.05").cost > 1)
    """)
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert run.stdout.splitlines() == ["narrow.sweep gives a pandas DataFrame: install pandas (pip install pandas)", "True"], run.stderr
    assert not (tmp_path / "study").exists()


def test_notes_are_warnings_of_the_caller(samples, tmp_path):
    x, y, _ = samples
    with pytest.warns(narrow.NarrowWarning, match="100 samples are asked for, and .* has 80") as caught:
        narrow.sweep(DS16, (x, y), v_full=10, v_int=4, wb_full=8, wb_int=2, samples=100)
    assert {warning.filename for warning in caught} == {__file__}
    with warnings.catch_warnings(), pytest.raises(narrow.NarrowWarning):
        warnings.simplefilter("error")
        narrow.sweep(DS16, (x, y), **GRID, samples=100, out=tmp_path / "study")
    assert_is(narrow.sweep(DS16, (x, y), **GRID, out=tmp_path / "study"), tmp_path / "study", 12)


# A study of some seconds.
LONG = {"v_full": "8:16", "v_int": "4:6", "wb_full": "8:14", "wb_int": "1:3", "samples": 200, "keep": "none"}
PROGRAM_OF_LONG = """
import narrow, sys, warnings
warnings.simplefilter("ignore")
print("begins", flush=True)
try:
    narrow.sweep({model!r}, {data!r}, out="study", **{grid!r})
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""


def done_in(study):
    try:
        with sqlite3.connect(f"file:{study}/study.db?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM results").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def children(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_sweep_resumes(how, tmp_path):
    """Ctrl-C, and the interpreter killed: no narrow goes on alone, the study can be resumed, and ends as one that nobody stopped."""
    program = PROGRAM_OF_LONG.format(model=str(DS16), data=str(GOLDEN / "clusters.h5"), grid=LONG)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while done_in(tmp_path / "study") < 20:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    (child,) = children(process.pid)
    process.send_signal(how)
    said = process.communicate(timeout=60)[0]
    assert (process.returncode, "interrupted" in said) == ((7, True) if how == signal.SIGINT else (-signal.SIGKILL, False))
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}/exe").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    before = narrow.results(tmp_path / "study").set_index("point")["finished"]
    frame = narrow.sweep(DS16, GOLDEN / "clusters.h5", **LONG, out=tmp_path / "study")
    everything = 9 * 3 * 7 * 3
    assert 20 <= len(before) < everything and frame.set_index("point")["finished"][before.index].equals(before)
    command("sweep", DS16, "--data", GOLDEN / "clusters.h5", "--v-full", "8:16", "--v-int", "4:6", "--wb-full", "8:14", "--wb-int", "1:3",
            "--samples", 200, "--keep", "none", "--out", tmp_path / "whole")
    assert_is(frame, tmp_path / "whole", everything)


# --- search


def test_a_search_is_the_commands(samples, tmp_path):
    x, y, path = samples
    found = narrow.search(DS16, (x, y), below={"mae": 0.02}, margin=10, cost="ebops")
    command("search", DS16, "--data", path, "--below", "mae=0.02", "--margin", 10, "--cost", "ebops", "--out", tmp_path / "best.yml", "--json", tmp_path / "best.json")
    document = json.loads((tmp_path / "best.json").read_text())
    assert found.document == document and found.to_yaml() == (tmp_path / "best.yml").read_text()
    assert found.types == {tensor["name"]: tensor["type"] for tensor in document["tensors"]} and len(found.types) > 8
    assert found.cost == document["best"]["cost"] and found.searched["mae"]["value"] <= 0.02
    assert found.judged == document["best"]["judged"] and "judged: mae 0.0" in repr(found)
    model = narrow.load(DS16)
    y_found = model.predict(x, precision=found)
    command("predict", DS16, "--data", path, "--precision", tmp_path / "best.yml", "--out", tmp_path / "y.txt")
    np.testing.assert_array_equal(y_found.reshape(len(x)), np.loadtxt(tmp_path / "y.txt"))
    # The judged figure is of the second half, which the search never saw.
    assert found.judged["mae"]["value"] == pytest.approx(np.abs(y_found[40:] - model.predict(x[40:])).mean(), rel=1e-9)
    assert np.array_equal(model.predict(x, precision=model.fixed(v=(12, 4))), model.predict(x, v=(12, 4)))


def test_a_search_writes_where_it_is_told(samples, tmp_path):
    found = narrow.search(narrow.load(DS16), samples[2], below="mae=0.05", out=tmp_path / "found.yml")
    assert (tmp_path / "found.yml").read_text() == found.to_yaml() and [path.name for path in tmp_path.iterdir()] == ["found.yml"]
    with pytest.raises(narrow.Error, match="^no types of up to 24 bits|bound"):
        narrow.search(DS16, samples[2], below="mae=0")
    with pytest.raises(TypeError, match="one model, not 2"):
        narrow.search([DS16, DS16], samples[2], below="mae=0.05")


# --- recover


def test_recover_is_the_commands(samples, tmp_path):
    x, y, path = samples
    done = narrow.recover(DS16, (x, y), out=tmp_path / "ours.keras", v=(14, 8), wb=(10, 2), search=40, bias=True)
    words = ["--v", "14,8", "--wb", "10,2", "--search", 40, "--bias", "--out", tmp_path / "theirs.keras", "--json", tmp_path / "theirs.json"]
    command("recover", DS16, "--data", path, *words)
    assert done.document == json.loads((tmp_path / "theirs.json").read_text()) and done.changed_layers
    assert done.path.read_bytes() == (tmp_path / "theirs.keras").read_bytes()
    assert "before" in repr(done) and done.model.name == "ours"
    # In fixed point it is compared with the network that it was made from.
    frame = narrow.sweep(done.path, (x, y), v_full=14, v_int=8, wb_full=10, wb_int=2, samples=80)
    exact = done.model.predict(x, v=(14, 8), wb=(10, 2))
    assert frame.mae[0] == pytest.approx(np.abs(exact - narrow.load(DS16).predict(x)).mean(), rel=1e-9)
    assert np.abs(exact - done.model.predict(x)).mean() != pytest.approx(frame.mae[0], rel=1e-3)
    with pytest.raises(narrow.Error, match="give the types that the network is to have"):
        narrow.recover(DS16, (x, y), out=tmp_path / "none.keras")
    same = narrow.recover(DS16, (x, y), out=tmp_path / "same.keras", precision=narrow.to_hls4ml_config(narrow.load(DS16).fixed(v=(14, 8), wb=(10, 2))), search=40, bias=True)
    assert [result["judged"] for result in same.document["results"]] == [result["judged"] for result in done.document["results"]]


# --- reports


@pytest.fixture(scope="module")
def study(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "study"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return narrow.sweep(DS16, samples[2], **GRID, out=folder)


def test_a_report_shows_itself(study, tmp_path):
    folder = study.attrs["study"]
    report = narrow.report(study, below=50, any=True, figures="none", out=tmp_path / "ours.html")
    said = command("report", folder, "--below", 50, "--any", "--figures", "none", "--out", tmp_path / "theirs.html").stdout
    assert report.path == tmp_path / "ours.html" and (tmp_path / "theirs.html").read_text() == report.path.read_text()
    assert report.said == [line for line in said.splitlines() if not line.startswith(str(tmp_path))] and report.said
    shown = report._repr_html_()
    import html.parser

    class Frame(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            self.page = dict(attributes)["srcdoc"]

    frame = Frame()
    frame.feed(shown)
    assert frame.page == report.path.read_text() and shown.count("<iframe") == 1
    assert narrow.report(folder, figures="none").path == Path(folder) / "report.html"
    both = narrow.report([study, folder], labels=["one", "two"], figures="none", out=tmp_path / "both.html")
    assert both.path.exists()
    with pytest.raises(narrow.Error, match="no metric"):
        narrow.report(folder, metric="nothing", figures="none")
    with pytest.raises(FileNotFoundError):
        narrow.report(tmp_path / "nothing")
    with pytest.raises(ValueError, match="does not say of which study"):
        narrow.report(pandas.DataFrame())
    with pytest.raises(TypeError):
        narrow.report(3)


def test_the_best_is_the_commands(study, samples, tmp_path):
    folder = study.attrs["study"]
    x, y, _ = samples
    model = narrow.load(DS16)
    metrics = [column for column in study.columns if f"error of {column}" in study.columns]
    for below, given in ((20, {"any": True}), ({"mpe": 30, "beyond@1": 100}, {"any": True}), (20, {}), (20, {"pareto": True}), (1e-9, {"any": True})):
        (scan,) = narrow.best(study, metric=None if isinstance(below, dict) else "mpe", below=below, **given)
        words = ["--below", ",".join(f"{name}={value}" for name, value in below.items()) if isinstance(below, dict) else below]
        words += [] if isinstance(below, dict) else ["--metric", "mpe"]
        said = command("best", folder, *words, *(f"--{option}" for option in given)).stdout
        assert (scan["model"], scan["data"], scan["types"]) == ("16", "", "auto") and all(f"16, auto: {sentence}" in said for sentence in scan["said"] if not given.get("pareto"))
        for point in scan["points"]:
            assert f"ap_fixed<{point['v'][0]},{point['v'][1]}>" in said
            (row,) = study[(study[["v_full", "v_int", "wb_full", "wb_int"]] == [*point["v"], *point["wb"]]).all(axis=1)].to_dict("records")
            assert point["bits"] == row["bits"] and set(point["metrics"]) == set(metrics)
            for metric in metrics:
                for key, column in (("value", metric), ("error", f"error of {metric}")):
                    assert point["metrics"][metric][key] == row[column] or (point["metrics"][metric][key] is None and pandas.isna(row[column])), metric
            mae = np.abs(model.predict(x, v=point["v"], wb=point["wb"]) - model.predict(x)).mean()
            assert point["metrics"]["mae"]["value"] == pytest.approx(mae, rel=1e-9)
        if given.get("any"):  # the fewest bits within the bounds as they are
            bounds = below if isinstance(below, dict) else {"mpe": below}
            within = study[np.logical_and.reduce([study[name] <= most for name, most in bounds.items()])]
            assert [point["bits"] for point in scan["points"]] == ([within["bits"].min()] if len(within) else [])
        elif given.get("pareto"):
            beaten = lambda point: ((study["bits"] <= point["bits"]) & (study["mpe"] < point["metrics"]["mpe"]["value"])).any()
            assert not any(beaten(point) for point in scan["points"])
    with pytest.raises(narrow.Error, match="no metric"):
        narrow.best(folder, metric="nothing")


# --- training


def test_without_libtorch_training_says_so(samples, tmp_path):
    x, y, _ = samples
    if not (PROGRAM.resolve().parent / "libnarrow_torch.so").exists():  # of a wheel it is never there
        with pytest.raises(narrow.Error, match="libtorch|libnarrow_torch.so: it is missing"):
            narrow.train((x, y), out=tmp_path / "model.keras", nodes=4, epochs=1, target="true_energy:log/10")
    with pytest.raises(narrow.Error, match="train: no option --epocs; did you mean --epochs"):
        narrow.train((x, y), out=tmp_path / "model.keras", epocs=1)


def test_a_model_is_what_was_loaded(samples, tmp_path):
    shutil.copy(DS16, tmp_path / "model.keras")
    model = narrow.load(tmp_path / "model.keras")
    kept = narrow.sweep(model, samples[2], **GRID)
    shutil.copy(GOLDEN / "bn16.keras", tmp_path / "model.keras")
    for call in (lambda: narrow.sweep(model, samples[2], **GRID), lambda: narrow.search(model, samples[2], below="mae=0.05", out=tmp_path / "found.yml")):
        with pytest.raises(ValueError, match="model is no longer what narrow.load read; load it again"):
            call()
    shutil.copy(DS16, tmp_path / "model.keras")
    assert narrow.sweep(model, samples[2], **GRID)["mae"].equals(kept["mae"])


@pytest.mark.skipif("NARROW_WITH_TORCH" not in os.environ, reason="this build has no libtorch")
def test_training_is_the_commands(samples, tmp_path, monkeypatch):
    from narrow import _command

    x, y, path = samples
    monkeypatch.setattr(_command, "PROGRAM", Path(os.environ["NARROW_WITH_TORCH"]))
    given = {"phi_layers": 1, "rho_layers": 1, "epochs": 2, "batch": 20, "shuffle": False, "validation_split": 0.5, "target": "true_energy:log/10"}
    small, large = narrow.train((x, y), out=tmp_path / "ds{nodes}.keras", nodes=[3, 5], **given)
    assert (small.name, large.name) == ("ds3", "ds5")
    alone = narrow.train(str(path), out=tmp_path / "alone.keras", nodes=3, **given)
    words = ["--phi-layers", 1, "--rho-layers", 1, "--epochs", 2, "--batch", 20, "--no-shuffle", "--validation-split", 0.5, "--target", "true_energy:log/10"]
    with pytest.raises(narrow.Error, match="--epohcs"):
        narrow.train((x, y), out=tmp_path / "other.keras", epohcs=True)
    double = narrow.train((x, y), out=tmp_path / "double.keras", nodes=3, **given, double_precision=True)
    assert not np.array_equal(double.predict(x), alone.predict(x))
    run = subprocess.run([os.environ["NARROW_WITH_TORCH"], "train", *map(str, ["--data", path, "--nodes", 3, *words, "--out", tmp_path / "theirs.keras"])], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    expected = narrow.load(tmp_path / "theirs.keras").predict(x)
    assert np.array_equal(small.predict(x), expected) and np.array_equal(alone.predict(x), expected) and not np.array_equal(large.predict(x), expected)


def test_progress_is_tqdms(samples, tmp_path, monkeypatch):
    import tqdm.auto

    bars = []

    class Bar(tqdm.auto.tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**kwargs, "disable": False, "file": open(os.devnull, "w")})
            bars.append(self)

    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    narrow.sweep(DS16, samples[2], **GRID)
    assert [(bar.total, bar.n, bar.unit) for bar in bars] == [(12, 12, " points")]
