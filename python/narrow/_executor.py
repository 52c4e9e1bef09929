"""A study's points on the workers of an executor: processes, threads, or a Dask cluster.

The study is begun here, where everything is checked, with all its points planned. Batches of points go to the workers; each computes its batch
as a small study of its own, by the command, with one core, and sends that back as bytes. They are merged into the study as they come. In
the end the command runs here, as it would have without workers: it finds the points done, and computes what is not.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import hashlib
import io
import json
import multiprocessing.util
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from narrow import _command, _narrow
from narrow._model import NarrowWarning

# --- on a worker


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What all batches of a study have in common."""

    version: str
    models: tuple[str, ...]
    data: tuple[str, ...]
    options: tuple[str, ...]
    files: tuple[tuple[str, int, int], ...]  # absolute path, bytes, time of its last change, of every file that the study reads
    digest: str = ""  # of what they hold, where they are sent

    def words(self, root: str) -> list[str]:
        """The command, for files below `root`."""
        models, data = ([_below(root, path) for path in paths] for paths in (self.models, self.data))
        return ["sweep", *models, *_command.data(data), *self.options]


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of a recipe, as they are sent to workers that do not see them."""

    digest: str
    contents: dict[str, bytes]  # by absolute path


@dataclasses.dataclass(frozen=True)
class Answer:
    study: bytes | None  # a zip file of the batch's study; None from a worker that needs the files
    seconds: float = 0  # that the batch took
    computing: float = 0  # of these, computing points


def _below(root: str, path: str) -> str:
    """A path, or several as in `a.npy,b.npy` and `model.json+weights.h5`, each below `root`."""
    for separator in ",+":
        if separator in path and not os.path.exists(path):
            return separator.join(_below(root, part) for part in path.split(separator))
    return root + path


_SENT: dict[str, str] = {}  # the files that this process was sent, by their digest: where they are
_SENDING = threading.Lock()


def _work() -> str | None:
    """Where this process puts what it works on: in Dask's folder for the worker, which Dask removes, or where temporary files go."""
    if "distributed" in sys.modules:
        with contextlib.suppress(ValueError):  # this is no worker of Dask's
            return str(sys.modules["distributed"].get_worker().local_directory)
    return None


def _root_of(recipe: Recipe, files: Files | None) -> str | None:
    """Below which folder the recipe's files are: where the user has them, if this machine sees them there, else where they were sent."""
    with _SENDING:
        if recipe.digest in _SENT:
            return _SENT[recipe.digest]
        if files is not None:
            root = tempfile.mkdtemp(prefix="narrow-files-", dir=_work())
            multiprocessing.util.Finalize(None, shutil.rmtree, (root, True), exitpriority=0)  # in children of a process pool, too
            for path, content in files.contents.items():
                file = Path(root + path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            _SENT[files.digest] = root
            return root
    # Were it another file after all, the study would refuse what comes back: it knows models and samples by their hash.
    return "" if all(_stamp(path) == (size, changed) for path, size, changed in recipe.files) else None


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1
    return found.st_size, int(found.st_mtime)


def compute(recipe: Recipe, part: str, files: Files | None, call: str, attempt: int) -> Answer:
    """A batch: the points in `part`, as `narrow sweep --points` takes them. `call` is whose it is, for _command.stop; no two attempts have the
    same arguments, for which Dask gives the answer, or the fault, that it has."""
    if recipe.version != _narrow.version:
        raise _narrow.Error(f"a worker has narrow {_narrow.version}, and this is {recipe.version}; install the same everywhere")
    root = _root_of(recipe, files)
    if root is None:
        return Answer(None)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="narrow-batch-", dir=_work()) as folder:
        points, study = Path(folder, "points.json"), Path(folder, "study")
        points.write_text(part)
        words = [*recipe.words(root), "--points", str(points), "--out", str(study)]
        _command.run(words, stacklevel=2, cores=1, quiet=True, call=call)
        computing = _computing(study)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted(study.rglob("*")):
                if file.is_file() and file.name != "study.lock":
                    archive.write(file, file.relative_to(study))
    return Answer(packed.getvalue(), time.monotonic() - begin, computing)


def _computing(study: Path) -> float:
    import sqlite3

    with contextlib.closing(sqlite3.connect(study / "study.db")) as database:
        ((seconds,),) = database.execute("SELECT total(seconds) FROM points").fetchall()
    return float(seconds)


# --- here


class _Workers:
    """An executor, and what Dask's can do beside."""

    def __init__(self, executor: Any):
        if hasattr(executor, "get_executor") and hasattr(executor, "scatter"):  # distributed.Client
            if getattr(executor, "asynchronous", False):
                raise TypeError("executor: an asynchronous Client does not wait; give one that was made with asynchronous=False")
            executor = executor.get_executor()
        if isinstance(executor, type):
            raise TypeError(f"executor: {executor.__name__} is a class; give an executor, as {executor.__name__}() makes one")
        if not callable(getattr(executor, "submit", None)):
            raise TypeError(f"executor: {executor!r} is neither a concurrent.futures executor nor a Dask client")
        self._executor = executor
        self._client = executor._client if type(executor).__module__.startswith("distributed.") else None
        self._files: Files | None = None
        self._scattered: Any = None
        self.times_lost = 0  # what was scattered
        self._attempts = 0
        self._slots, self._asked = 0, -1.0

    def slots(self) -> int:
        """How many batches run at once, as of a second ago."""
        if self._client is not None:
            if time.monotonic() > self._asked + 1:
                self._slots, self._asked = sum(self._client.nthreads().values()), time.monotonic()
            return self._slots
        return int(getattr(self._executor, "_max_workers", None) or os.cpu_count() or 1)

    def submit(self, recipe: Recipe, part: str, call: str, send: bool) -> concurrent.futures.Future[Answer]:
        self._attempts += 1
        files: Any = self._files if send else None
        if self._client is not None and self._files is not None:
            # Dask brings them to each worker once.
            self.look_for_files()
            if self._scattered is None:
                self._scattered = self._client.scatter(self._files, hash=False)
            files = self._scattered
        future: concurrent.futures.Future[Answer] = self._executor.submit(compute, recipe, part, files, call, self._attempts)
        return future

    def look_for_files(self) -> None:
        """Where the workers were lost that had what was scattered, Dask forgets it and all that waits for it; the next submit scatters again."""
        if self._scattered is not None and self._scattered.status not in ("finished", "pending"):
            self._scattered = None
            self.times_lost += 1

    def send(self, recipe: Recipe) -> Recipe:
        """From now on workers are sent the files."""
        if self._files is None:
            contents = {path: Path(path).read_bytes() for path, _, _ in recipe.files}
            digest = hashlib.blake2b(digest_size=16)
            for path, content in contents.items():
                digest.update(f"{path} {len(content)} ".encode(errors="surrogateescape"))
                digest.update(content)
            self._files = Files(digest.hexdigest(), contents)
        return dataclasses.replace(recipe, digest=self._files.digest)


@dataclasses.dataclass
class _Batch:
    part: str
    points: int
    send: bool = False  # the files with it
    lost: int = 0  # workers that were lost with it
    times_lost: int = 0  # that of the workers when it was submitted


class _Points:
    """The points that nobody has taken yet, in batches that take so long that what surrounds them is small beside it."""

    # What a batch takes beside computing is at most this share of it; nor is it shorter or longer than these, in seconds.
    _OVERHEAD = 0.03
    _SHORTEST, _LONGEST = 2.0, 60.0
    _LAST = 4  # times what it takes beside, however little is left
    _FIRST = 16  # points, while nothing is known

    def __init__(self, models: list[dict[str, Any]]):
        self._models = models
        # Points of the same fractional bits may answer each other, so they stay together, beside those whose inputs have the same bits, which
        # are prepared once.
        groups: dict[tuple[int, int, int], list[list[int]]] = {}
        for i, model in enumerate(models):
            for point in model["points"]:
                groups.setdefault((i, point[0] - point[1], point[2] - point[3]), []).append(point)
        self._groups = sorted(groups.items(), reverse=True)
        self.left = self._all = sum(len(points) for _, points in self._groups)
        self._point, self._overhead = 0.0, 0.0  # seconds; 0 while nothing is known

    def waiting(self, slots: int) -> int:
        """How many batches are to be on their way: for each slot one that runs and one that waits; before the first answer one, and some where
        no worker has come yet."""
        return max(slots if self._point == 0 else 2 * slots, 2)

    def learn(self, points: int, answer: Answer) -> None:
        # The bits of the points change from batch to batch, and so does what they cost.
        recent = 1.0 if self._point == 0 else 0.5
        self._point += recent * (max(answer.computing / points, 1e-6) - self._point)
        self._overhead += recent * (answer.seconds - answer.computing - self._overhead)

    def _size(self, slots: int) -> int:
        fair = self.left / (1.5 * max(1, slots))  # so that all workers end together
        if self._point == 0:
            return max(1, min(self._FIRST, int(fair)))
        good = min(max(self._overhead / self._OVERHEAD, self._SHORTEST), self._LONGEST) / self._point
        least = min(self._LAST * self._overhead / self._point, self._all / (8 * max(1, slots)))
        return max(1, int(min(good, max(fair, least))))

    def take(self, slots: int) -> _Batch:
        wanted = self._size(slots)
        models: list[dict[str, Any]] = [{**model, "points": []} for model in self._models]
        count = 0
        while self._groups and count < wanted:
            (i, _, _), points = self._groups.pop()
            models[i]["points"] += points
            count += len(points)
        self.left -= count
        return _Batch(json.dumps({"models": models}), count)


def _renamed(folder: Path, old: str, new: str) -> Path:
    return folder.rename(folder.with_name(new + folder.name.removeprefix(old)))


class _Merger:
    """Merges batches into the study, several at once, and seldom enough to be small beside what is computed."""

    _PAUSE = 10  # times what a merge takes

    def __init__(self, study: str, folder: Path):
        self._study = study
        self._folder = folder
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._running: concurrent.futures.Future[None] | None = None
        self._next = 0.0

    def add(self, study: bytes) -> None:
        partial = tempfile.mkdtemp(prefix="partial-", dir=self._folder)
        with zipfile.ZipFile(io.BytesIO(study)) as archive:
            archive.extractall(partial)
        _renamed(Path(partial), "partial-", "part-")

    def look(self) -> None:
        """Begins a merge where it is time."""
        if self._running is not None:
            if not self._running.done():
                return
            self._running.result()
            self._running = None
        if time.monotonic() >= self._next and any(self._folder.glob("part-*")):
            self._running = self._pool.submit(self.merge)

    def merge(self) -> None:
        begin = time.monotonic()
        parts = [str(part) for part in sorted(self._folder.glob("part-*"))]
        if not parts:
            return
        _command.run(["merge", self._study, *parts], stacklevel=2, quiet=True)
        for part in parts:  # under another name first: a part that is half there would not be one
            shutil.rmtree(_renamed(Path(part), "part-", "partial-"))
        now = time.monotonic()
        self._next = now + self._PAUSE * (now - begin)

    def end(self) -> None:
        """Everything that came is merged."""
        self._pool.shutdown()
        self.merge()


@contextlib.contextmanager
def _parts_of(study: str) -> Iterator[Path]:
    """The folder for what comes back, which one call at a time has."""
    folder = Path(study, "parts")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _narrow.Error(f"{study}: another narrow.sweep computes this study; wait for its end, or give another out") from None
        except OSError:
            pass  # a file system that has no locks
        for partial in folder.glob("partial-*"):
            shutil.rmtree(partial)
        yield folder
        for left in folder.iterdir():
            if left.name != "lock":
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    with contextlib.suppress(OSError):  # another call may have it by now
        (folder / "lock").unlink()
        folder.rmdir()


# How many workers may be lost with a batch before it is taken to be what ends them. (Dask itself tries four for each of these.)
_MOST_LOST = 3


def _is_lost(error: BaseException) -> bool:
    """Whether it says that a worker, or data on it, is no more."""
    return isinstance(error, concurrent.futures.CancelledError) or type(error).__name__ in ("KilledWorker", "FutureCancelledError", "FuturesCancelledError")


def sweep(executor: Any, models: list[str], data: list[str], options: list[str], study: str, stacklevel: int) -> None:
    """Computes on an executor's workers what `narrow sweep MODELS --data DATA OPTIONS --out STUDY` would, but for its end, which is the
    caller's."""
    workers = _Workers(executor)
    here = Recipe(_narrow.version, tuple(models), tuple(data), tuple(options), ())
    with _parts_of(study) as folder:
        merger = _Merger(study, folder)
        merger.merge()  # what an interpreter left that was killed
        todo = folder / "todo.json"
        _command.run([*here.words(""), "--out", study, "--begin", str(todo)], stacklevel=stacklevel + 1)
        planned = json.loads(todo.read_text())
        recipe = dataclasses.replace(
            here,
            models=tuple(map(_absolute, models)),
            data=tuple(map(_absolute, data)),
            files=tuple((path, *_stamp(path)) for path in map(os.path.abspath, planned["files"])),
        )
        points = _Points(planned["models"])
        try:
            _Call(workers, recipe, points, merger, stacklevel + 1).run()
        finally:
            merger.end()


def _absolute(path: str) -> str:
    for separator in ",+":
        if separator in path and not os.path.exists(path):
            return separator.join(map(_absolute, path.split(separator)))
    return os.path.abspath(path)


class _Call:
    """One call's batches on their way."""

    def __init__(self, workers: _Workers, recipe: Recipe, points: _Points, merger: _Merger, stacklevel: int):
        self._workers = workers
        self._recipe = recipe
        self._points = points
        self._merger = merger
        self._stacklevel = stacklevel
        self._name = os.urandom(8).hex()
        self._pending: dict[concurrent.futures.Future[Answer], _Batch] = {}
        self._all = points.left
        self._done = 0

    def run(self) -> None:
        try:
            with _command.shown() as bar:
                while self._points.left or self._pending:
                    slots = self._workers.slots()
                    while self._points.left and len(self._pending) < self._points.waiting(slots):
                        self._submit(self._points.take(slots))
                    done, _ = concurrent.futures.wait(self._pending, timeout=1, return_when=concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        self._end(future, self._pending.pop(future))
                    self._workers.look_for_files()
                    self._submit_again()
                    self._merger.look()
                    bar.at(self._done, self._all, "points")
        except concurrent.futures.BrokenExecutor as error:
            # It takes no more work, ever. What is left is computed here.
            left = self._all - self._done
            warnings.warn(
                f"the executor lost a worker and is broken ({error}); the {left} points that are left are computed here",
                NarrowWarning,
                stacklevel=self._stacklevel + 1,
            )
        finally:
            for future in self._pending:
                future.cancel()
            _command.stop(self._name)

    def _submit(self, batch: _Batch) -> None:
        future = self._workers.submit(self._recipe, batch.part, self._name, batch.send)
        batch.times_lost = self._workers.times_lost
        self._pending[future] = batch

    def _submit_again(self) -> None:
        """What waits for files that are lost."""
        for future, batch in list(self._pending.items()):
            if batch.times_lost < self._workers.times_lost and not future.done():
                del self._pending[future]
                future.cancel()
                self._submit(batch)

    def _end(self, future: concurrent.futures.Future[Answer], batch: _Batch) -> None:
        try:
            answer = future.result()
        except BaseException as error:
            if not _is_lost(error):
                raise
            self._workers.look_for_files()
            # Lost files are no fault of the batches that waited for them.
            batch.lost += batch.times_lost == self._workers.times_lost
            if batch.lost > _MOST_LOST:
                raise _narrow.Error(
                    f"workers were lost {batch.lost} times with the same {batch.points} points ({error}); what is done is kept"
                ) from error
            self._submit(batch)
            return
        if answer.study is None:
            self._recipe = self._workers.send(self._recipe)
            batch.send = True
            self._submit(batch)
            return
        self._merger.add(answer.study)
        self._points.learn(batch.points, answer)
        self._done += batch.points
