"""The search of a study: what it stores is what predict computes with the types that it writes."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

NARROW = os.environ["NARROW"]
GOLDEN = Path(__file__).resolve().parents[2] / "golden"


def narrow(*args):
    return subprocess.run([NARROW, *map(str, args)], capture_output=True, text=True)


def succeed(*args):
    done = narrow(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    for name, seed in (("study", 1), ("search", 2)):
        succeed("--quiet", "generate", folder / f"{name}.h5", "--samples", 300, "--seed", seed)
    return folder


def definition(folder, samples, **search):
    search = {"data": str(samples / "search.h5"), "below": "mae=0.01", "most": 20, **search}
    study = {
        "out": str(folder / "study"),
        "models": [str(GOLDEN / "ds16.keras")],
        "data": {"files": [str(samples / "study.h5")], "samples": 250},
        "grid": {"v_full": [14, 18, 22, 26], "v_int": 9, "wb_full": [12, 16, 20], "wb_int": 2},
        "keep": "predictions",
        "search": search,
    }
    (folder / "study.yml").write_text(json.dumps(study))
    return folder / "study.yml"


@pytest.fixture(scope="module")
def study(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("searched")
    return folder / "study", succeed("run", definition(folder, samples)), folder / "study.yml"


def stored(folder, label="searched"):
    with sqlite3.connect(folder / "study.db") as database:
        found = database.execute("SELECT m.name, m.value FROM metrics m JOIN points p ON p.id = m.point WHERE p.label = ?", (label,)).fetchall()
        facts = dict(database.execute("SELECT name, value FROM study").fetchall())
    return dict(found), facts


def predictions(folder, samples, *precision):
    succeed("--quiet", "predict", GOLDEN / "ds16.keras", "--data", samples / "study.h5", "--samples", 250, *precision, "--out", folder / "predictions.txt")
    return np.loadtxt(folder / "predictions.txt")


def test_the_point_is_what_its_file_gives(study, samples, tmp_path):
    """The mean absolute error as NumPy computes it of hls4ml's bits, and the predictions that are kept."""
    folder, said, _ = study
    fixed = predictions(tmp_path, samples, "--precision", folder / "16.searched.yml")
    mae = np.abs(fixed - predictions(tmp_path, samples)).mean()
    metrics, facts = stored(folder)
    assert metrics["mae"] == pytest.approx(mae, rel=1e-12) and 0.0005 < mae < 0.012
    assert np.array_equal(np.loadtxt(folder / "16.searched.model" / "hls_predictions.txt"), fixed)
    fact = json.loads(facts["search of 16"])
    assert fact["judged"][0][0] == metrics["mae"] and fact["searched"][0][0] + fact["searched"][0][1] <= 0.01
    assert re.search(r"^16 .* mae 0\.01 .*16\.searched\.yml$", said, re.M), said


def test_no_overflow_is_made_up(study):
    """What a Dense in front of a relu has below 0 leaves its type, and is to: that is no overflow of the point."""
    folder, _, _ = study
    with sqlite3.connect(folder / "study.db") as database:
        counts = database.execute("SELECT c.layer, c.overflows FROM counts c JOIN points p ON p.id = c.point WHERE p.label = 'searched'").fetchall()
    assert all(overflows <= 250 for layer, overflows in counts), counts


def test_best_ranks_it_with_the_grid(study):
    folder, _, _ = study
    said = succeed("best", folder, "--below", "mae=0.012")
    assert "searched" in said, said
    succeed("best", folder, "--below", "mae=0.012", "--json", folder.parent / "best.json")
    (answer,) = json.loads((folder.parent / "best.json").read_text())
    assert answer["points"][0]["label"] == "searched"


def test_the_report_shows_it(study):
    folder, _, _ = study
    succeed("--quiet", "report", folder)
    assert "searched" in (folder / "report.html").read_text()


def test_what_was_found_is_not_searched_again(study):
    folder, said, file = study
    before = (folder / "study.db").stat().st_size
    again = narrow("run", file)
    assert again.returncode == 0 and "candidates" not in again.stderr, again.stderr
    table = said[said.index("a type for each tensor") :]
    assert again.stdout.endswith(table) and (folder / "study.db").stat().st_size == before
    assert not (folder / "16.search").exists()


def test_a_study_that_was_moved_has_its_own_file(study, samples, tmp_path):
    """The types of a study lie in its folder, wherever that is, and are made again where they are gone."""
    folder, said, _ = study
    subprocess.run(["cp", "-r", folder, tmp_path / "study"], check=True)
    file = tmp_path / "study" / "16.searched.yml"
    again = succeed("run", definition(tmp_path, samples))
    assert str(file) in again and str(folder / "16.searched.yml") not in again
    file.unlink()
    again = succeed("run", definition(tmp_path, samples))
    assert str(file) in again and file.read_text() == (folder / "16.searched.yml").read_text()
    with sqlite3.connect(tmp_path / "study" / "study.db") as database:
        assert database.execute("SELECT count(*) FROM points WHERE label IS NOT NULL").fetchone() == (1,)


def test_what_is_planned_is_said(samples, tmp_path):
    said = succeed("run", definition(tmp_path, samples), "--plan")
    assert "{nodes}.searched.yml" in said


def test_another_search_is_another_point(study, samples, tmp_path):
    folder, _, file = study
    copy = tmp_path / "study"
    subprocess.run(["cp", "-r", folder, copy], check=True)
    succeed("--quiet", "run", definition(tmp_path, samples, below="mae=0.03"))
    first, _ = stored(copy)
    second, facts = stored(copy, "searched-2")
    assert second["mae"] > first["mae"] and json.loads(facts["search of 16"])["point"] == "searched-2"
    assert (copy / "16.searched.yml").exists() and (copy / "16.searched-2.yml").exists()


def test_it_resumes(study, samples, tmp_path):
    folder, said, _ = study
    file = definition(tmp_path, samples)
    process = subprocess.Popen([NARROW, "--threads", "1", "run", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "study" / "16.search"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if journal.exists() and journal.read_text().count("\n") > 60:
            process.send_signal(signal.SIGINT)
            break
        time.sleep(0.01)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors.endswith("narrow: stopped: what is done is kept; the same command resumes from there\n"), errors
    known = journal.read_text().count("\n")
    assert known > 60
    again = succeed("run", file)
    tail = said[said.index("a type for each tensor") :].replace(str(folder), str(tmp_path / "study"))
    assert again[again.index("a type for each tensor") :].split() == tail.split() and not journal.exists()


def refused(folder, samples, **search):
    done = narrow("--quiet", "run", definition(folder, samples, **search))
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert not (folder / "study" / "study.db").exists(), "nothing was begun"
    return done.stderr


def test_bad_input_is_refused_before_anything_runs(samples, tmp_path):
    assert "on which the study judges" in refused(tmp_path, samples, data=str(samples / "study.h5"))
    shutil.copy(samples / "study.h5", tmp_path / "copy.h5")
    assert "250 of the 300 samples" in refused(tmp_path, samples, data={"files": [str(tmp_path / "copy.h5")], "samples": 300})
    assert "precise" in refused(tmp_path, samples, below="precise=1")
    assert "nowhere.h5" in refused(tmp_path, samples, data=str(samples / "nowhere.h5"))
    assert "not one of bits" in refused(tmp_path, samples, cost="euros")
    assert "at most 32" in refused(tmp_path, samples, most=64)


def test_a_bound_that_cannot_be_met_is_said_and_the_study_is_whole(samples, tmp_path):
    done = narrow("run", definition(tmp_path, samples, below="mae=1e-9"))
    assert done.returncode == 0 and "16: no types were found: --below: with 20 bits for every tensor" in done.stderr, done.stderr
    metrics, _ = stored(tmp_path / "study")
    assert metrics == {} and (tmp_path / "study" / "results_16_mae.txt").exists()
