"""Studies that are stopped, broken, shared and asked: the same end as a study that nothing happened to."""

import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

NARROW = os.environ["NARROW"]
GOLDEN = Path(__file__).resolve().parents[2] / "golden"
GRID = ["--v-full", "8:14", "--v-int", "4:8", "--wb-full", "8:12:2", "--wb-int", "1:3", "--samples", 30]


def command(out, *more, models=("ds16",), grid=GRID):
    paths = [GOLDEN / f"{name}.keras" for name in models]
    return [NARROW, *map(str, ["sweep", *paths, "--data", GOLDEN / "clusters.h5", *grid, "--out", out, *more])]


def run(arguments, **kwargs):
    return subprocess.run(arguments, capture_output=True, text=True, **kwargs)


def succeed(arguments, **kwargs):
    done = run(arguments, **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fail(arguments, status=1, **kwargs):
    done = run([arguments[0], "--quiet", *arguments[1:]], **kwargs)
    assert done.returncode == status and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def rows(folder, sql):
    with sqlite3.connect(f"file:{folder}/study.db?mode=ro", uri=True) as database:
        return database.execute(sql).fetchall()


def content(folder):
    """Everything in a study that does not depend on when it was run."""
    points = "SELECT scan, v_full, v_int, wb_full, wb_int, computed_as = id, overflowed, counted, types, kernels, kept FROM points ORDER BY scan, v_full, v_int, wb_full, wb_int"
    key = "(SELECT v_full || ' ' || v_int || ' ' || wb_full || ' ' || wb_int || ' ' || scan FROM points WHERE id = point)"
    more = [rows(folder, f"SELECT {key}, * FROM {table} ORDER BY 1, 3") for table in ("metrics", "curves", "counts")]
    more = [[(row[0], *row[2:]) for row in table] for table in more]
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.suffix in (".txt", ".h5", ".json")}
    return rows(folder, points), more, files


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "study"
    succeed(command(folder))
    return folder


def test_every_point_is_in_the_store_with_its_metrics(whole):
    assert rows(whole, "SELECT count(*), count(finished), count(DISTINCT id) FROM points") == [(315, 315, 315)]
    for name in ("mpe", "mae"):
        table = {tuple(map(int, row[:4])): row[4] for row in np.loadtxt(whole / f"results_16_{name}.txt")}
        stored = {row[:4]: row[4] for row in rows(whole, f"SELECT v_full, v_int, wb_full, wb_int, {name} FROM results")}
        assert stored.keys() == table.keys()
        assert all(value == pytest.approx(table[point], rel=1e-8) for point, value in stored.items())
    for v_full, v_int, wb_full, wb_int, rmse, bias, largest in rows(whole, "SELECT v_full, v_int, wb_full, wb_int, rmse, bias, largest FROM results")[::40]:
        folder = whole / f"16.{v_full}.{v_int}.wb_{wb_full}.{wb_int}.model"
        error = np.loadtxt(folder / "hls_predictions.txt") - np.loadtxt(folder / "keras_predictions.txt")
        np.testing.assert_allclose([rmse, bias, largest], [np.sqrt(np.mean(error**2)), error.mean(), np.abs(error).max()], rtol=1e-9)


def test_killed_at_a_hundred_random_moments_a_study_goes_on_to_the_same_end(tmp_path):
    large = ["--v-full", "8:16", "--v-int", "4:8", "--wb-full", "8:14", "--wb-int", "1:4", "--samples", 30]
    whole = tmp_path / "whole"
    succeed(command(whole, grid=large))
    start = time.perf_counter()
    succeed(command(whole, grid=large))
    idle = time.perf_counter() - start  # of a run that finds everything done
    seed = int(os.environ.get("NARROW_SEED", time.time_ns() % 10**6))
    print("seed", seed)
    rng = random.Random(seed)
    out = tmp_path / "study"
    kills = 0
    seen = []  # of each study the points that were done at each kill
    while kills < 100:
        # Should one study come to its end before, another begins.
        if not out.exists():
            seen.append([])
        process = subprocess.Popen(command(out, grid=large), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # From before the first point to well behind some.
        try:
            process.wait(timeout=rng.uniform(0.1 * idle, 1.2 * idle + 0.02))
            assert process.returncode == 0 and content(out) == content(whole)
            shutil.rmtree(out)
            continue
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        if (out / "study.db").exists() and rows(out, "SELECT count(*) FROM sqlite_master") != [(0,)]:
            seen[-1].append(rows(out, "SELECT count(finished) FROM points")[0][0])
    print("points done at the kills:", seen)
    assert all(done == sorted(done) for done in seen), "a point that was done is never lost"
    assert sum(len(set(done)) for done in seen) > 10, "kills came while points were computed"
    succeed(command(out, grid=large))
    assert content(out) == content(whole)
    assert not list(out.rglob("*.partial"))


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(whole, tmp_path):
    out = tmp_path / "study"
    process = subprocess.Popen(command(out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not out.exists() or len(list(out.glob("*.model"))) < 20:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130 and "the same command resumes from there" in said
    done = rows(out, "SELECT count(finished) FROM points")[0][0]
    assert 0 < done < 315
    assert f"{done} points were done before" in succeed(command(out))
    assert content(out) == content(whole)


def test_only_what_is_new_is_computed(whole, tmp_path):
    out = tmp_path / "study"
    small = ["--v-full", "8:12", "--v-int", "4:8", "--wb-full", "8:12:2", "--wb-int", "1:3", "--samples", 30]
    succeed(command(out, grid=small))
    before = dict(rows(out, "SELECT id, finished FROM points"))
    assert f"{len(before)} points were done before" in succeed(command(out))
    after = dict(rows(out, "SELECT id, finished FROM points"))
    assert len(after) == 315 and all(after[point] == finished for point, finished in before.items())
    # A point that stood for itself in the small grid may follow another in the large one.
    assert {k: v for k, v in content(out)[2].items() if "points_" not in k} == {k: v for k, v in content(whole)[2].items() if "points_" not in k}
    # Another model joins, and other options: points of their own.
    assert "315 points were done before" in succeed(command(out, models=("ds16", "ds32"), grid=GRID))
    succeed(command(out, "--types", "uniform", grid=small))
    assert rows(out, "SELECT * FROM progress") == [("16", "", "auto", 315, 315), ("32", "", "auto", 315, 315), ("16", "", "uniform", 225, 225)]


@pytest.mark.parametrize("first, then", [("predictions,trace", "predictions"), ("predictions", "trace"), ("trace", "predictions")])
def test_what_an_earlier_run_kept_of_the_float_model_stays(first, then, tmp_path):
    out = tmp_path / "study"
    grid = ["--v-full", "12", "--v-int", "6", "--wb-full", "8", "--wb-int", "2", "--samples", 30]
    for keep in (first, then):
        succeed(command(out, "--keep", keep, "--layout", "hdf5", grid=grid))
    with h5py.File(out / "16.keras.h5") as file:
        assert sorted(file) == ["predictions", "trace"]
    succeed([NARROW, "report", str(out), "--figures", "none"])


def test_a_resumed_study_shows_the_lowest_mpe_of_all(tmp_path):
    small, all_of_it = ([*GRID[:1], v_full, *GRID[2:]] for v_full in ("14", "13:14"))
    best = re.compile(r"lowest MPE of the output of 16: \S+ %, [^\n]*?ap_fixed<(\d+)")
    out = tmp_path / "study"
    succeed(command(out, grid=small))
    said = best.findall(run(command(out, grid=all_of_it)).stderr)
    assert said and said[-1] == "14", said


def test_a_changed_model_or_data_are_noticed(whole, tmp_path):
    out = tmp_path / "study"
    shutil.copytree(whole, out)
    shutil.copy(GOLDEN / "ds16.keras", tmp_path / "ds16.keras")
    arguments = [NARROW, "sweep", str(tmp_path / "ds16.keras"), "--data", str(GOLDEN / "clusters.h5"), *map(str, GRID), "--out", str(out)]
    assert "315 points were done before" in succeed(arguments), "the same model at another place"
    import h5py
    import zipfile

    with zipfile.ZipFile(tmp_path / "ds16.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (tmp_path / "w.h5").write_bytes(members["model.weights.h5"])
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        file["layers/dense/vars/0"][0, 0] += 0.001
    members["model.weights.h5"] = (tmp_path / "w.h5").read_bytes()
    with zipfile.ZipFile(tmp_path / "ds16.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert "has its file changed?" in fail(arguments)
    assert "clusters.h5: these are not the data with which this study began" in fail(command(out, "--samples", "31", grid=GRID[:-2]))
    assert content(out) == content(whole)


def test_a_second_writer_is_refused_and_readers_are_not(tmp_path):
    out = tmp_path / "study"
    long = ["--v-full", "8:24", "--v-int", "4:12", "--wb-full", "8:16", "--wb-int", "2:4", "--samples", 100]
    process = subprocess.Popen(command(out, grid=long), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (out / "study.lock").exists() or not list(out.glob("*.model")):
            assert process.poll() is None
            time.sleep(0.01)
        message = fail(command(out, grid=long))
        assert f"the study is being run by process {process.pid} on " in message
        said = succeed([NARROW, "status", str(out)])
        assert "of 3861 points are done" in said and any(line.startswith("16 ") for line in said.splitlines())
        # As if another machine held it: what it writes cannot be read safely from here.
        mine = (out / "study.lock").read_text()
        (out / "study.lock").write_text("process 7 on elsewhere")
        for look in (["status"], ["best"], ["report", "--figures", "none"]):
            assert "the study is being run by process 7 on elsewhere; look at it from there" in fail([NARROW, look[0], str(out), *look[1:]])
        (out / "study.lock").write_text(mine)
        succeed([NARROW, "status", str(out)])
        assert process.poll() is None, "the study ended before it was asked: the test shows nothing"
    finally:
        process.kill()
        process.wait()


def test_foreign_damaged_and_newer_stores_are_left_alone(whole, tmp_path):
    for damage, message in [
        (lambda path: path.write_bytes(b"no database at all" * 1000), "it is damaged, or not a study of narrow"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "damaged"),
        (lambda path: sqlite3.connect(path).execute("PRAGMA user_version=99").connection.close(), "written by a newer narrow"),
        (lambda path: sqlite3.connect(path).execute("PRAGMA application_id=1").connection.close(), "not a study of narrow"),
    ]:
        out = tmp_path / "study"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(whole, out)
        damage(out / "study.db")
        before = (out / "study.db").read_bytes()
        assert message in fail(command(out))
        assert message in fail([NARROW, "status", str(out)])
        assert (out / "study.db").read_bytes() == before
    assert "it holds no study" in fail([NARROW, "best", str(tmp_path)])


def test_a_study_is_not_written_over(whole):
    kept = (whole / "study.db").read_bytes()
    assert "study.db: it is an input of this command" in fail([NARROW, "best", str(whole), "--json", str(whole / "study.db")])
    assert (whole / "study.db").read_bytes() == kept


def test_a_full_disk_stops_a_study_that_goes_on_later(whole, tmp_path):
    out = tmp_path / "study"
    limit = 400_000

    def small_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = run(command(out), preexec_fn=small_disk)
    assert done.returncode == 1 and "disk full?" in done.stderr, done.stderr
    assert 0 < rows(out, "SELECT count(finished) FROM points")[0][0] < 315
    succeed(command(out))
    assert content(out) == content(whole)


def bits_apart(point):
    """Integer and fractional bits, of vectors and of weights."""
    _, _, v_full, v_int, wb_full, wb_int = point
    return v_int, v_full - v_int, wb_int, wb_full - wb_int


def test_best_is_what_the_table_says(whole):
    table = rows(whole, 'SELECT bits, mpe, v_full, v_int, wb_full, wb_int, "error of mpe", overflowed FROM results')
    points = [row[:6] for row in table]
    error, overflowed = ({row[:6]: row[column] for row in table} for column in (6, 7))
    shares = "max(100.0 * max(overflows, sum_overflows) / \"values\", coalesce(100.0 * weight_overflows / nullif(weights, 0), 0))"
    lost = {row[:4]: row[4] for row in rows(whole, f"SELECT v_full, v_int, wb_full, wb_int, max({shares}) FROM overflows GROUP BY 1, 2, 3, 4")}
    worst = {point: lost.get(point[2:], 0) for point in points}
    assert all(0 < error[point] < point[1] for point in points if point[1] > 0)
    more = lambda point: [other for other in points if other != point and all(o >= p for o, p in zip(bits_apart(other), bits_apart(point)))]
    worse = lambda point, bound: [other for other in more(point) if other[1] - error[other] >= bound and other[1] > bound]

    def grows_everywhere(point):
        # Of v_int, v_frac, wb_int and wb_frac: some point has more; more integer bits change nothing where nothing overflows.
        grows = lambda k: any(bits_apart(other)[k] > bits_apart(point)[k] for other in more(point))
        return all(grows(k) or (k in (0, 2) and not overflowed[point]) for k in range(4))

    would_be = lambda point, bound: worst[point] <= 1 and not worse(point, bound) and grows_everywhere(point)
    decided = lambda point, bound: point[1] + error[point] <= bound

    row_of = lambda point: ["16", "-", "auto", str(point[0]), f"ap_fixed<{point[2]},{point[3]}>", f"ap_fixed<{point[4]},{point[5]}>", f"{point[1]:.4g}"]
    chances, answers, undecided = 0, set(), 0
    # Of v_full, v_int, wb_full and wb_int, all of which the grid varies.
    fewest = [min(point[k] for point in points) for k in range(2, 6)]
    assert all(max(point[k] for point in points) > fewest[k - 2] for k in range(2, 6))
    near = [bound for point in sorted(points) for bound in [point[1] + error[point] / 2] if would_be(point, bound)]
    for bound in [0.01, 0.5, 2, 10, 1000, *near[:: len(near) // 8 + 1], *(point[1] * (1 + 1e-9) for point in sorted(points, key=lambda point: point[1])[::30])]:
        good = [point for point in points if point[1] <= bound]
        asked = [NARROW, "best", str(whole), "--metric", "mpe", "--below", repr(bound)]
        said = succeed(asked)
        assert succeed([*asked, "--steady"]) == said, "what --steady asked for is what is recommended"
        line = succeed([*asked, "--any"]).splitlines()[1]
        if not good:
            assert "no point meets the bound" in line and "no point meets the bound" in said
            continue
        assert line.split()[:7] == row_of(min(good)), line
        candidates = [point for point in good if would_be(point, bound)]
        sound = [point for point in candidates if decided(point, bound)]
        open_ones = [point for point in candidates if not decided(point, bound) and (not sound or point < min(sound))]
        if sound:
            assert said.splitlines()[1].split()[:7] == row_of(min(sound)), said
            answers.add(min(sound))
            assert ("no fewer bits were tried" in said) == any(bits == least for bits, least in zip(min(sound)[2:], fewest)), said
        else:
            assert said.splitlines()[1].split()[3:5] == (["-", "undecided"] if open_ones else ["-", "none"]), said
        assert re.search(rf"the {min(open_ones)[0]}-bit point \S+ / \S+ is undecided: ", said) if open_ones else "undecided" not in said, said
        undecided += bool(open_ones)
        if open_ones:
            room = bound - min(open_ones)[1]
            needed = re.search(r"about ([\d,]+) would decide", said)
            exact = 30 * (error[min(open_ones)] / room) ** 2
            assert needed is None or exact <= float(needed[1].replace(",", "")) * (1 + 1e-9) and float(needed[1].replace(",", "")) <= max(exact * 1.1, exact + 1), said
        if not candidates or min(good) != min(candidates):
            chances += worst[min(good)] <= 1 and bool(worse(min(good), bound))
            reason = "(--overflow)" if worst[min(good)] > 1 else "a point with more bits fails: " if worse(min(good), bound) else "the grid ends there"
            assert f"the {min(good)[0]}-bit point" in said and reason in said, (reason, said)
    assert chances > 0 and len(answers) > 1 and undecided > 0
    front = [(int(line.split()[3]), float(line.split()[6])) for line in succeed([NARROW, "best", str(whole), "--metric", "mpe", "--pareto", "--any"]).splitlines()[1:]]
    expected = []
    for bits, mpe, *_ in sorted(points):
        if not expected or mpe < expected[-1][1]:
            expected.append((bits, mpe))
    assert front == [(bits, float(f"{mpe:.4g}")) for bits, mpe in expected] and len(front) > 3


# --- many machines


def sharded(out, number, of, *more, **how):
    return command(out, "--shard", f"{number}/{of}", *more, **how)


RESULTS = "SELECT model, v_full, v_int, wb_full, wb_int, options, mae, mpe, rmse, bias, largest, computed, types FROM results ORDER BY 1, 2, 3, 4, 5, 6"


def parts_of(document, number):
    """What --begin wrote, in parts of which each holds whole groups of the same fractional bits."""
    for k in range(number):
        chosen = lambda p: (7 * (p[0] - p[1]) + 3 * (p[2] - p[3])) % number == k
        yield {"models": [{**model, "points": [p for p in model["points"] if chosen(p)]} for model in document["models"]]}


def test_parts_of_points_merge_to_the_whole_study(whole, tmp_path):
    out = tmp_path / "study"
    said = succeed(command(out, "--begin", str(tmp_path / "todo.json")))
    assert "315 points are to be computed" in said
    document = json.loads((tmp_path / "todo.json").read_text())
    assert document["files"] == [str(GOLDEN / "ds16.keras"), str(GOLDEN / "clusters.h5")]
    grid = {(a, b, c, d) for a in range(8, 15) for b in range(4, 9) for c in (8, 10, 12) for d in (1, 2, 3)}
    assert {tuple(p) for p in document["models"][0]["points"]} == {p for p in grid if p[1] <= p[0]} and document["models"][0]["label"] == "16"
    assert rows(out, "SELECT count(*), count(finished) FROM points") == [(315, 0)]
    assert rows(out, "SELECT name, value, error FROM float_metrics") == rows(whole, "SELECT name, value, error FROM float_metrics")
    for k, part in enumerate(parts_of(document, 3)):
        (tmp_path / "part.json").write_text(json.dumps(part))
        points = len(part["models"][0]["points"])
        assert f"{points} points of 30 samples" in succeed(command(tmp_path / f"part-{k}", "--points", str(tmp_path / "part.json")))
        assert rows(tmp_path / f"part-{k}", "SELECT count(finished), (SELECT count(*) FROM definitions) FROM points") == [(points, 0)]
        succeed([NARROW, "merge", str(out), str(tmp_path / f"part-{k}")])
    assert content(out) == content(whole)
    assert [text.splitlines()[0] for (text,) in rows(out, "SELECT definition FROM definitions")] == [f"out: {out}"]
    # Begun again: what is done is not to be done, what is kept no more is.
    succeed(command(out, "--begin", str(tmp_path / "todo.json")))
    assert json.loads((tmp_path / "todo.json").read_text())["models"][0]["points"] == []
    shutil.rmtree(out / "16.9.5.wb_8.2.model")
    succeed(command(out, "--begin", str(tmp_path / "todo.json")))
    assert [9, 5, 8, 2] in json.loads((tmp_path / "todo.json").read_text())["models"][0]["points"]
    assert content(out)[:2] == content(whole)[:2]


def test_parts_have_the_studys_labels(tmp_path):
    """A model that is another's width has the label that the whole study knows it by."""
    grid = ["--v-full", "9:10", "--v-int", "4", "--wb-full", "8", "--wb-int", "2", "--samples", 20]
    out, other = tmp_path / "study", GOLDEN / "bn16.keras"
    succeed(command(out, grid=grid))
    line = command(out, str(other), "--begin", str(tmp_path / "todo.json"), grid=grid)
    succeed(line)
    document = json.loads((tmp_path / "todo.json").read_text())
    assert {model["label"]: len(model["points"]) for model in document["models"]} == {"16": 0, "bn16": 2}
    part = command(tmp_path / "part", str(other), "--points", str(tmp_path / "todo.json"), grid=grid)
    succeed(part)
    succeed([NARROW, "merge", str(out), str(tmp_path / "part")])
    assert rows(out, "SELECT model, count(*) FROM results GROUP BY model") == [("16", 2), ("bn16", 2)]
    # What is no part of this study.
    for change, said in (
        (lambda model: model["points"].append([9, 5, 8, 2]), "ap_fixed<9,5> / ap_fixed<8,2> of model 16 is no point of this study's grid"),
        (lambda model: model.update(hash="0"), "its model 16 is none of this study's"),
        (lambda model: model.update(points=[[9, 4, 8]]), "todo.json: it should hold points of a study, as narrow sweep --begin writes them"),
        (lambda model: model.pop("label"), "todo.json: it should hold points of a study"),
    ):
        changed = json.loads(json.dumps(document))
        change(changed["models"][0])
        (tmp_path / "todo.json").write_text(json.dumps(changed))
        assert said in fail(command(tmp_path / "wrong", str(other), "--points", str(tmp_path / "todo.json"), grid=grid))
        assert not (tmp_path / "wrong").exists()
    for one, two in (("--begin", "--points"), ("--points", "--shard"), ("--begin", "--shard")):
        assert "excludes" in fail(command(tmp_path / "wrong", one, "1/2", two, "1/2", grid=grid), status=2)


def test_shards_merge_to_the_whole_study(whole, tmp_path):
    out = tmp_path / "study"
    sizes = []
    for number in (3, 1, 2):
        succeed(sharded(out, number, 3))
        sizes.append(rows(out / f"shard-{number}-of-3", "SELECT count(*) FROM points")[0][0])
    assert sum(sizes) == 315 and max(sizes) - min(sizes) < 20
    assert "315 of 315 points are done" in succeed([NARROW, "merge", str(out)])
    assert rows(out, RESULTS) == rows(whole, RESULTS)
    files = {name: data for name, data in content(out)[2].items() if not name.startswith("shard-")}
    assert files == content(whole)[2]
    said = [succeed([NARROW, "best", str(folder), "--below", "5"]) for folder in (out, whole)]
    assert said[0] == said[1]


@pytest.mark.parametrize("layout", ["text", "hdf5"])
def test_merge_takes_every_kept_file_whatever_a_model_is_called(tmp_path, layout):
    names = ("report.x", "results_x", "points_16_mpe", "heatmap_", "study.db")
    for name, model in zip(names, ("ds16", "bn16", "pool16", "ds16", "ds32")):
        shutil.copy(GOLDEN / f"{model}.keras", tmp_path / f"{name}.keras")
    small = ["--v-full", "10:12", "--v-int", "5", "--wb-full", "10", "--wb-int", "1:2", "--samples", 10, "--layout", layout]
    sweep = lambda out, *more: [NARROW, "sweep", *(str(tmp_path / f"{name}.keras") for name in names), "--data", str(GOLDEN / "clusters.h5"), *map(str, small), "--out", str(out), *more]
    succeed(sweep(tmp_path / "whole"))
    for number in (1, 2):
        succeed(sweep(tmp_path / "study", "--shard", f"{number}/2"))
    assert "30 of 30 points are done" in succeed([NARROW, "merge", str(tmp_path / "study")])
    files = lambda out: {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.suffix in (".txt", ".h5") and "shard-" not in str(path)}
    assert files(tmp_path / "study") == files(tmp_path / "whole") and len(files(tmp_path / "whole")) > 30
    assert "30 points were done before" in succeed(sweep(tmp_path / "study"))


def test_merge_says_what_is_missing_and_takes_it_later(whole, tmp_path):
    out = tmp_path / "study"
    succeed(sharded(out, 2, 4))
    process = subprocess.Popen(sharded(out, 4, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out / "shard-4-of-4").exists() or len(list((out / "shard-4-of-4").glob("*.model"))) < 5:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    said = succeed([NARROW, "merge", str(out)])
    assert "missing of 4 shards: 1, 3" in said
    done = rows(out, "SELECT count(finished), count(*) FROM points")[0]
    assert f"{done[0]} of {done[1]} points are done" in said and done[0] < done[1] < 315
    for number in (1, 3, 4):
        succeed(sharded(out, number, 4))
    said = succeed([NARROW, "merge", str(out)])
    assert "315 of 315 points are done" in said and "missing" not in said
    assert rows(out, RESULTS) == rows(whole, RESULTS)


def test_merge_leaves_out_what_another_arithmetic_computed(whole, tmp_path):
    out = tmp_path / "study"
    for number in (1, 2):
        succeed(sharded(out, number, 2))
    number = spoil(out / "shard-2-of-2", "v_full < 11")
    said = succeed([NARROW, "merge", str(out)])
    assert f"{315 - number} of 315 points are done" in said
    assert f"{number} points were computed by an older arithmetic ({ARITHMETIC - 1}, now {ARITHMETIC}) and are left out; run their shards again" in said
    assert set(rows(out, RESULTS)) < set(rows(whole, RESULTS))
    # What the merged study has of an older arithmetic is replaced.
    spoil(out, "v_full = 12")
    succeed(sharded(out, 2, 2))
    said = succeed([NARROW, "merge", str(out)])
    assert "315 of 315 points are done" in said and "arithmetic" not in said
    assert rows(out, RESULTS) == rows(whole, RESULTS)
    assert {name: data for name, data in content(out)[2].items() if not name.startswith("shard-")} == content(whole)[2]


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    out = tmp_path / "study"
    small = ["--v-full", "8:12:4", "--v-int", "4", "--wb-full", "8", "--wb-int", "1:2", "--samples", 10]
    succeed(sharded(out, 1, 2, grid=small))
    succeed(sharded(tmp_path / "other", 2, 3, grid=small))
    parts = [str(out / "shard-1-of-2"), str(tmp_path / "other" / "shard-2-of-3")]
    assert "shard-2-of-3: it is shard 2/3, another part is one of 2 shards" in fail([NARROW, "merge", str(tmp_path / "merged"), *parts])
    succeed(sharded(tmp_path / "other", 2, 2, grid=[*small[:-1], 20]))
    parts[1] = str(tmp_path / "other" / "shard-2-of-2")
    assert "differ from those of that name in the other parts" in fail([NARROW, "merge", str(tmp_path / "merged"), *parts])
    assert "it holds no shards" in fail([NARROW, "merge", str(tmp_path / "nothing")])
    for wrong in ("0/3", "4/3", "1", "1/2/3", "a/b"):
        assert f"--shard {wrong}: it should be like 3/40" in fail(command(out, "--shard", wrong, grid=small), status=2)


# --- what an older narrow computed

ARITHMETIC = int(re.search(r"kArithmetic = (\d+)", (GOLDEN.parent / "src" / "engine" / "arithmetic.h").read_text())[1])


def spoil(folder, where="true", arithmetic=ARITHMETIC - 1):
    """As if another narrow had computed these points, otherwise: wrong values, layers that lost something, a metric of its own, files."""
    with sqlite3.connect(folder / "study.db") as database:
        points = database.execute(f"SELECT id, v_full, v_int, wb_full, wb_int FROM points WHERE {where}").fetchall()
        for point, *bits in points:
            database.execute("UPDATE points SET arithmetic = ?, overflowed = 0 WHERE id = ?", (arithmetic, point))
            database.execute("UPDATE metrics SET value = 0 WHERE point = ?", (point,))
            database.execute("INSERT OR IGNORE INTO metrics VALUES(?, 'beyond@77', 5, 0)", (point,))
            database.execute("INSERT OR IGNORE INTO counts VALUES(?, 'a_layer', 5, 5, 5, 5, 5, 5, 5)", (point,))
    return len(points)


def test_points_of_another_arithmetic_are_computed_again(whole, tmp_path):
    out = tmp_path / "study"
    shutil.copytree(whole, out)
    number = spoil(out, "v_full = 10 OR wb_int = 2")
    assert 0 < number < 315
    said = f"{number} points were computed by an older arithmetic ({ARITHMETIC - 1}, now {ARITHMETIC})"
    for look in (["status"], ["best"], ["best", "--pareto"], ["report", "--figures", "none"]):
        lines = [line for line in succeed([NARROW, look[0], str(out), *look[1:]]).splitlines() if said in line]
        assert len(lines) == 1 and "computes them again" in lines[0], look
    done = run(command(out))
    assert done.returncode == 0 and done.stderr.count(f"16: {said} and are computed again\n") == 1, done.stderr
    assert f"{315 - number} points were done before" in done.stdout
    assert content(out) == content(whole)
    assert "arithmetic" not in run(command(out)).stderr
    # Of a newer narrow, too.
    spoil(out, "v_full = 9", ARITHMETIC + 1)
    assert f"computed by another arithmetic ({ARITHMETIC + 1}, now {ARITHMETIC})" in run(command(out)).stderr
    assert content(out) == content(whole)


def test_what_a_store_holds_is_checked_before_it_is_shown(tmp_path):
    """A study is shown by programs that did not write it: JSON, lengths and types in it may be anything."""
    succeed(command(tmp_path / "study", grid=["--v-full", 12, "--v-int", 6, "--wb-full", 8, "--wb-int", 2, "--samples", 30]))
    for damage in (
        "UPDATE float_curves SET \"values\" = '[1,2]'",
        "UPDATE float_curves SET edges = '[1,nothing]'",
        "UPDATE float_curves SET edges = '[1e999]'",
        "UPDATE float_curves SET samples = replace(samples, '[', '[-1,')",
        "UPDATE curves SET \"values\" = '[]'",
        "UPDATE profiles SET quantiles = '[1,2]'",
        "UPDATE profiles SET quantiles = '[1,[2],3,4,5,6,7]'",
        "UPDATE points SET types = '{'",
        "UPDATE points SET types = '[1]'",
        "UPDATE points SET types = '{\"phi1\":{\"result_t\":5}}'",
        "UPDATE points SET types = '{\"phi1\":{\"result_t\":\"float\"}}'",
    ):
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "study", folder)
        with sqlite3.connect(folder / "study.db") as database:
            assert database.execute(damage).rowcount > 0, damage
        assert "study.db: it is damaged" in fail([NARROW, "report", str(folder), "--out", str(tmp_path / "r.html")]), damage
        assert not (tmp_path / "r.html").exists()


# --- version2.db: a study of 12 points that narrow 0.1.0 began (tables of version 2), killed when 6 of them were done

VERSION2 = Path(__file__).parent / "testdata" / "version2.db"
V2_GRID = ["--v-full", "12:13", "--v-int", "7:9", "--wb-full", 12, "--wb-int", "2:3", "--samples", 3000, "--counted", 3000, "--keep", "none"]


@pytest.fixture
def old(tmp_path):
    (tmp_path / "old").mkdir()
    shutil.copy(VERSION2, tmp_path / "old" / "study.db")
    return tmp_path / "old"


def results(folder):
    return rows(folder, RESULTS) + rows(folder, "SELECT v_full, v_int, wb_full, wb_int, arithmetic FROM results ORDER BY 1, 2, 3, 4")


def test_a_study_of_tables_of_version_2_is_read_as_it_is(old):
    before = (old / "study.db").read_bytes()
    outdated = f"6 points were computed by an older arithmetic (1, now {ARITHMETIC}); the same narrow run or sweep computes them again"
    said = succeed([NARROW, "status", str(old)])
    assert "6 of 12 points are done" in said and outdated in said
    said = succeed([NARROW, "best", str(old), "--below", "1e9", "--any"])
    stored = rows(old, "SELECT bits, mpe, v_full, v_int, wb_full, wb_int FROM results ORDER BY bits, mpe")[0]
    assert said.splitlines()[1].split() == ["16", "-", "auto", "24", "ap_fixed<12,{}>".format(stored[3]), "ap_fixed<12,{}>".format(stored[5]), f"{stored[1]:.4g}"] and outdated in said
    assert "6 points were measured by an older narrow, with other errors or none" in said and "6 of 12 points are not finished" in said
    assert outdated in succeed([NARROW, "report", str(old), "--figures", "none"])
    assert (old / "study.db").read_bytes() == before


def test_a_study_of_tables_of_version_2_is_migrated_and_resumed(old, tmp_path):
    types = dict(rows(old, "SELECT id, types FROM points WHERE finished IS NOT NULL"))
    done = run(command(old, grid=V2_GRID))
    assert done.returncode == 0 and f"16: 6 points were computed by an older arithmetic (1, now {ARITHMETIC}) and are computed again" in done.stderr, done.stderr
    succeed(command(tmp_path / "new", grid=V2_GRID))
    assert rows(old, "PRAGMA user_version") == rows(tmp_path / "new", "PRAGMA user_version") == [(4,)]
    assert rows(old, "PRAGMA integrity_check") == [("ok",)] and rows(old, "PRAGMA foreign_key_check") == []
    schema = "SELECT type, name, replace(sql, '\"', '') FROM sqlite_master WHERE name != 'results' ORDER BY 1, 2"
    assert rows(old, schema) == rows(tmp_path / "new", schema)
    assert results(old) == results(tmp_path / "new") and content(old)[:2] == content(tmp_path / "new")[:2]
    assert all(dict(rows(old, "SELECT id, types FROM points"))[point] == text for point, text in types.items()), "a point kept its row"
    assert "12 points were done before" in succeed(command(old, grid=V2_GRID))
    # From now on the model is known by its content.
    assert rows(old, "SELECT hash FROM models") == rows(tmp_path / "new", "SELECT hash FROM models")
    assert rows(old, "SELECT hash FROM data") == rows(tmp_path / "new", "SELECT hash FROM data")


def test_a_migration_that_cannot_be_written_leaves_the_old_study(old, tmp_path):
    """The disk is full at one place of the migration after the other: what is left is a study of version 2, or of 3, that resumes."""
    succeed(command(tmp_path / "new", grid=V2_GRID))
    points = "SELECT id, v_full, computed_as, types, finished FROM points"
    before = rows(old, points)
    refused = 0
    for limit in range(0, 400_000, 20_000):
        def small_disk():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        done = run([NARROW, "merge", str(old), str(tmp_path / "new")], preexec_fn=small_disk)
        looked = run([NARROW, "status", str(old)])
        assert looked.returncode == 0 or "the same narrow run or sweep repairs and resumes it" in looked.stderr
        with sqlite3.connect(old / "study.db") as database:  # which undoes what was left half-written
            if database.execute("PRAGMA user_version").fetchall() == [(2,)]:
                refused += 1
                assert done.returncode == 1 and "full" in done.stderr, done.stderr
                assert database.execute(points).fetchall() == before
    assert refused > 2 and rows(old, "PRAGMA user_version") == [(4,)]
    succeed(command(old, grid=V2_GRID))
    assert results(old) == results(tmp_path / "new")


def test_another_model_is_no_part_of_a_migrated_study(old):
    shutil.copy(GOLDEN / "bn16.keras", old / "16.keras")
    other = [NARROW, "sweep", str(old / "16.keras"), "--data", str(GOLDEN / "clusters.h5"), *map(str, V2_GRID), "--out", str(old)]
    assert "differs from the model 16 with which this study began" in fail(other)
    assert "are not the data with which this study began" in fail(command(old, "--samples", 200, grid=[*V2_GRID[:8], "--keep", "none"]))


def test_shards_of_tables_of_version_2_are_merged_as_planned(old, tmp_path):
    succeed(command(tmp_path / "new", "--shard", "1/2", grid=V2_GRID))
    part = tmp_path / "new" / "shard-1-of-2"
    before = [(folder / "study.db").read_bytes() for folder in (old, part)]
    said = succeed([NARROW, "merge", str(tmp_path / "joined"), str(part), str(old)])
    done = rows(part, "SELECT count(*) FROM results")[0][0]
    assert f"{done} of 12 points are done" in said and f"6 points were computed by an older arithmetic (1, now {ARITHMETIC}) and are left out" in said
    assert rows(tmp_path / "joined", RESULTS) == rows(part, RESULTS)
    assert [(folder / "study.db").read_bytes() for folder in (old, part)] == before
    succeed(command(tmp_path / "joined", grid=V2_GRID))
    succeed(command(tmp_path / "whole", grid=V2_GRID))
    assert results(tmp_path / "joined") == results(tmp_path / "whole")
