"""Studies on executors' workers, a real Dask cluster among them: the same study as the command makes alone, whatever happens to workers."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import types
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import distributed
import numpy as np
import pytest

import narrow
from narrow import _executor

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
PROGRAM = Path(narrow.__file__).parent / "bin" / "narrow"
DS16 = GOLDEN / "ds16.keras"
CLUSTERS = GOLDEN / "clusters.h5"

pytestmark = pytest.mark.filterwarnings("ignore::narrow.NarrowWarning")

# What may differ: times, and which point of several with the same bits was run; files of the user's and of workers.
FREE = {"seconds", "finished", "computed", "point", "kernels"}


def rows(study):
    """The study's points with all that is known of them, its curves and its counts, read with sqlite3."""
    with sqlite3.connect(Path(study) / "study.db") as database:
        columns = sorted(row[1] for row in database.execute("PRAGMA table_info(results)") if row[1] not in FREE)
        chosen = ", ".join(f'"{column}"' for column in columns)
        points = database.execute(f"SELECT {chosen} FROM results ORDER BY model, v_full, v_int, wb_full, wb_int").fetchall()
        others = [sorted(database.execute(f"SELECT * FROM {view}").fetchall(), key=repr) for view in ("overflows", "progress", "curve_values")]
        floats = database.execute("SELECT scan, name, value, error FROM float_metrics ORDER BY 1, 2").fetchall()
        definitions = len(database.execute("SELECT * FROM definitions").fetchall())
    return {"points": points, "others": others, "floats": floats, "definitions": definitions}


def alone(folder, *words, models=(DS16,), data=CLUSTERS):
    run = subprocess.run([PROGRAM, "sweep", *map(str, models), "--data", str(data), *map(str, words), "--out", str(folder)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return rows(folder)


GRID = {"v_full": "8:11", "v_int": "3:5", "wb_full": "8:11", "wb_int": "1:2", "samples": 60}
WORDS = ("--v-full", "8:11", "--v-int", "3:5", "--wb-full", "8:11", "--wb-int", "1:2", "--samples", 60)


@pytest.fixture
def folder_of_workers(tmp_path, monkeypatch):
    """Where workers of this process and its children put what they work on."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("executor", [lambda: ProcessPoolExecutor(2), lambda: ThreadPoolExecutor(2)], ids=["processes", "threads"])
def test_a_pool_makes_the_same_study(executor, tmp_path, folder_of_workers):
    with executor() as pool:
        frame = narrow.sweep([DS16, GOLDEN / "bn16.keras"], CLUSTERS, **GRID, threshold=0.3, out=tmp_path / "study", executor=pool)
    expected = alone(tmp_path / "alone", *WORDS, "--threshold", 0.3, models=(DS16, GOLDEN / "bn16.keras"))
    assert rows(tmp_path / "study") == expected and len(expected["points"]) == len(frame) == 2 * 96
    for path in (tmp_path / "alone").rglob("*"):  # all that is kept of points, and the results
        ours = tmp_path / "study" / path.relative_to(tmp_path / "alone")
        if path.suffix == ".txt" and not path.name.startswith("points_"):
            assert path.read_bytes() == ours.read_bytes(), path
        assert path.suffix != ".h5" or ours.stat().st_size == path.stat().st_size
    assert list(folder_of_workers.iterdir()) == [] and not (tmp_path / "study" / "parts").exists()


def test_what_is_done_is_not_computed_again(tmp_path):
    """By the command, in part; the rest by a pool; new metrics of all; and then nothing."""
    calls = []

    class Counting(ThreadPoolExecutor):
        def submit(self, function, recipe, part, *rest):
            calls.append(sum(len(model["points"]) for model in json.loads(part)["models"]))
            return super().submit(function, recipe, part, *rest)

    alone(tmp_path / "study", *("3:4" if word == "3:5" else word for word in WORDS))
    before = narrow.results(tmp_path / "study").set_index("point")["finished"]
    with Counting(2) as pool:
        frame = narrow.sweep(DS16, CLUSTERS, **GRID, out=tmp_path / "study", executor=pool)
        assert sum(calls) == 96 - 64 == len(frame) - len(before)
        assert frame.set_index("point")["finished"][before.index].equals(before)
        narrow.sweep(DS16, CLUSTERS, **GRID, tolerance=[1, 5], out=tmp_path / "study", executor=pool)
        assert sum(calls) == 32  # from the predictions that are kept
    expected = alone(tmp_path / "alone", *WORDS, "--tolerance", "1,5")
    assert rows(tmp_path / "study")["points"] == expected["points"]


def test_errors_are_the_commands(tmp_path):
    with ThreadPoolExecutor(2) as pool:

        def fails(error, message, **given):
            with pytest.raises(error, match=message):
                narrow.sweep(DS16, given.pop("data", CLUSTERS), **{**GRID, "out": tmp_path / "study", "executor": pool, **given})

        fails(narrow.Error, "--v-full 12:8: the range is empty", v_full="12:8")
        fails(narrow.Error, "3 features a row and the model 4", data=np.zeros((4, 32, 3)))
        fails(FileNotFoundError, "missing.npy", data="missing.npy")
        fails(TypeError, "3 is neither a concurrent.futures executor nor a Dask client", executor=3)
        fails(TypeError, "ThreadPoolExecutor is a class; give an executor", executor=ThreadPoolExecutor)
        # An error of a worker: here, that it has another version.
        original = _executor._narrow.version
        try:
            _executor._narrow.version = "0.0.1"
            future = pool.submit(_executor.compute, _executor.Recipe(original, (), (), (), ()), "", None, "", 0)
            with pytest.raises(narrow.Error, match=f"a worker has narrow 0.0.1, and this is {original}"):
                future.result()
        finally:
            _executor._narrow.version = original
        (tmp_path / "study").mkdir(exist_ok=True)
        with _executor._parts_of(str(tmp_path / "study")):
            fails(narrow.Error, "another narrow.sweep computes this study")


def _end_oneself(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_broken_pool_is_finished_here(tmp_path):
    class Broken(ProcessPoolExecutor):
        calls = 0

        def submit(self, function, *args):
            self.calls += 1
            return super().submit(_end_oneself if self.calls == 4 else function, *args)

    with Broken(2) as pool, pytest.warns(narrow.NarrowWarning, match="the executor lost a worker and is broken .* points that are left are computed here") as caught:
        narrow.sweep(DS16, CLUSTERS, **GRID, out=tmp_path / "study", executor=pool)
    assert {warning.filename for warning in caught} == {__file__}
    assert rows(tmp_path / "study") == alone(tmp_path / "alone", *WORDS)


class Lossy(Executor):
    """Loses what it is given, each batch so many times."""

    def __init__(self, times):
        self.times, self.lost, self.pool = times, {}, ThreadPoolExecutor(2)

    def submit(self, function, recipe, part, *rest):
        self.lost[part] = self.lost.get(part, 0) + 1
        if self.lost[part] <= self.times:
            future = self.pool.submit(time.sleep, 0)
            future.result()
            failed = type(future)()
            failed.set_exception(distributed.KilledWorker("batch", types.SimpleNamespace(address="tcp://lost"), 3))
            return failed
        return self.pool.submit(function, recipe, part, *rest)


def test_lost_batches_are_sent_again_but_not_for_ever(tmp_path):
    asked = []

    class Noting(Lossy):
        def submit(self, function, *given):
            asked.append(given)
            return super().submit(function, *given)

    pool = Noting(2)
    narrow.sweep(DS16, CLUSTERS, **GRID, out=tmp_path / "partial-study", executor=pool)
    # Of the same arguments Dask gives the same answer, a lost worker too.
    assert all(one != other for i, one in enumerate(asked) for other in asked[:i])
    assert rows(tmp_path / "partial-study") == alone(tmp_path / "alone", *WORDS) and set(pool.lost.values()) == {3}
    with pytest.raises(narrow.Error, match="workers were lost 4 times with the same [0-9]+ points"):
        narrow.sweep(DS16, CLUSTERS, **GRID, out=tmp_path / "other", executor=Lossy(99))


# Studies of some seconds; one of 2,000 points.
MIDDLE = {"v_full": "8:17", "v_int": "3:5", "wb_full": "8:14", "wb_int": "1:3", "samples": 1000, "keep": "none"}
MIDDLE_WORDS = ("--v-full", "8:17", "--v-int", "3:5", "--wb-full", "8:14", "--wb-int", "1:3", "--samples", 1000, "--keep", "none")
LONG = {"v_full": "8:17", "v_int": "3:7", "wb_full": "8:17", "wb_int": "1:4", "samples": 1000, "keep": "none"}
LONG_WORDS = ("--v-full", "8:17", "--v-int", "3:7", "--wb-full", "8:17", "--wb-int", "1:4", "--samples", 1000, "--keep", "none")


@pytest.fixture(scope="module")
def long_study(tmp_path_factory):
    expected = alone(tmp_path_factory.mktemp("alone") / "study", *LONG_WORDS)
    assert len(expected["points"]) == 2000
    return expected


def done_in(study):
    try:
        with sqlite3.connect(f"file:{study}/study.db?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM results").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def kill_a_worker(cluster, study, killed, least=300):
    """kill -9, in the middle of the study, while it computes."""
    deadline = time.monotonic() + 100
    while done_in(study) < least and time.monotonic() < deadline:
        time.sleep(0.02)
    pid = next(iter(cluster.workers.values())).process.pid
    killed.append((pid, done_in(study)))
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("workers", "sent"), [(2, False), (1, True)], ids=["files are seen", "files are sent and lost"])
def test_a_dask_cluster_that_loses_a_worker_makes_the_same_study(workers, sent, long_study, tmp_path, monkeypatch):
    """One of two workers; and the only one, whose successor is sent the files again."""
    if sent:  # as on a machine that has other files there
        monkeypatch.setattr(_executor, "_stamp", lambda path: (os.stat(path).st_size, 1))
    scattered = []
    scatter = distributed.Client.scatter
    monkeypatch.setattr(distributed.Client, "scatter", lambda *given, **more: scattered.append(given[1].digest) or scatter(*given, **more))
    killed = []
    how = {"n_workers": workers, "threads_per_worker": 2 // workers, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**how) as cluster, distributed.Client(cluster) as client:
        killer = threading.Thread(target=kill_a_worker, args=(cluster, tmp_path / "study", killed))
        killer.start()
        frame = narrow.sweep(DS16, CLUSTERS, **LONG, out=tmp_path / "study", executor=client.get_executor() if sent else client)
        killer.join()
        pids = set(client.run(os.getpid).values())
        names = [name for names in client.run(lambda dask_worker: os.listdir(dask_worker.local_directory)).values() for name in names]
    assert 300 <= killed[0][1] < 2000 and killed[0][0] not in pids and len(frame) == 2000
    assert rows(tmp_path / "study") == long_study
    kept = [name for name in names if name.startswith("narrow-")]
    assert [name[:13] for name in kept] == ["narrow-files-"] * sent, "nothing but the files that were sent, once"
    assert len(scattered) == 2 * sent and len(set(scattered)) == sent and not (tmp_path / "study" / "parts").exists()


PROGRAM_OF_CALL = """
import narrow, sys, warnings
from concurrent.futures import ThreadPoolExecutor
warnings.simplefilter("ignore")
if __name__ == "__main__":
    with ThreadPoolExecutor(2) as pool:
        try:
            narrow.sweep({model!r}, {data!r}, out="study", executor=pool, **{grid!r})
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            sys.exit(7)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_call_resumes(how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = PROGRAM_OF_CALL.format(model=str(DS16), data=str(CLUSTERS), grid=MIDDLE)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    deadline = time.monotonic() + 100
    while done_in(tmp_path / "study") < 50:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    said = process.communicate(timeout=60)[0]
    assert (process.returncode, "interrupted" in said) == ((7, True) if how == signal.SIGINT else (-signal.SIGKILL, False))
    before = narrow.results(tmp_path / "study").set_index("point")["finished"]
    assert 50 <= len(before) < 630
    with ThreadPoolExecutor(2) as workers:
        frame = narrow.sweep(DS16, CLUSTERS, **MIDDLE, out="study", executor=workers)
    assert frame.set_index("point")["finished"][before.index].equals(before)
    assert rows(tmp_path / "study") == alone(tmp_path / "alone", *MIDDLE_WORDS)
