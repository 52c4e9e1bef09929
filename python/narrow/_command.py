"""The command `narrow` as a child process, for calls that run long: Ctrl-C and the end of this interpreter stop it as Ctrl-C does in a
terminal, so what it has done is kept; its error is a `narrow.Error`, its notes are warnings, its progress is tqdm's where that is installed."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from narrow import _narrow
from narrow._model import NarrowWarning, threads_set

PROGRAM = Path(__file__).parent / "bin" / "narrow"

# `12/2000 points, 5.2/s, ...`, and without `/2000` where nobody knows how many there will be.
_PROGRESS = re.compile(r"(\d+)(?:/(\d+))? (\w[\w ]*?)(?:, [\d.]+/s.*|; .*)?$")


def data(paths: list[str]) -> list[str]:
    """The command's words for files of samples."""
    return [word for path in paths for word in ("--data", path)]


def options(**named: Any) -> list[str]:
    """Options of the command by their names in Python: v_full=8 is `--v-full 8`. None is left out, and so is a switch that is False; of a
    list the items stand with commas."""
    words = []
    for name, value in named.items():
        option = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            words.append(option)
            continue
        text = _text_of(name, value)
        words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return words


def _text_of(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_text_of(name, item)}" for key, item in value.items())
    if hasattr(value, "__fspath__"):
        return str(value.__fspath__())
    if isinstance(value, Iterable):
        return ",".join(_text_of(name, item) for item in value)
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(f"{name}: {value!r} should be a number, a text or a list of these")
    return str(value)


class _Shown:
    """Progress in tqdm's bar, which stands where the command's would."""

    def __init__(self) -> None:
        self._bar: Any = None

    def line(self, text: str) -> bool:
        found = _PROGRESS.match(text)
        if not found:
            return False
        done, total, unit = int(found[1]), int(found[2]) if found[2] else None, found[3]
        self.at(done, total, unit)
        return True

    def at(self, done: int, total: int | None, unit: str) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        if self._bar is None or self._bar.total != total:
            self.close()
            self._bar = tqdm(total=total, unit=f" {unit}", disable=None)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


@contextlib.contextmanager
def shown() -> Iterator[_Shown]:
    bar = _Shown()
    try:
        yield bar
    finally:
        bar.close()


_RUNNING: dict[str, set[subprocess.Popen[bytes]]] = {}


def stop(call: str) -> None:
    """Stops what other threads of this process run for a call, as Ctrl-C does."""
    for process in list(_RUNNING.pop(call, ())):
        if process.stdin is not None:
            process.stdin.close()


def run(arguments: Sequence[str], stacklevel: int, *, cores: int | None = None, quiet: bool = False, call: str | None = None) -> str:
    """Runs `narrow ARGUMENTS`.

    Args:
        stacklevel: that of warnings, as warnings.warn has it for the caller.
        cores: the command's --threads; what set_threads said where it is not given.
        quiet: neither progress nor warnings.
        call: a name for `stop`.

    Returns:
        What it prints on standard output.

    Raises:
        narrow.Error: with the line of the command's error.
        KeyboardInterrupt: on Ctrl-C, when the command has stopped, which finishes the points it is at; a second Ctrl-C does not wait.
    """
    cores = threads_set() if cores is None else cores
    words = ["narrow", "--driven", *(["--threads", str(cores)] if cores else []), *arguments]
    # Dask sets it for its workers, to give memory back to the system at once: a tenth of narrow's time.
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_TRIM_THRESHOLD_"}
    with tempfile.TemporaryFile() as printed:
        # A group of its own: Ctrl-C in a terminal reaches this interpreter alone, which passes it on.
        process = subprocess.Popen(
            words, executable=PROGRAM, env=environment, stdin=subprocess.PIPE, stdout=printed, stderr=subprocess.PIPE, start_new_session=True
        )
        if call is not None:
            _RUNNING.setdefault(call, set()).add(process)
        assert process.stdin is not None and process.stderr is not None
        error = ""
        try:
            with shown() as bar:
                for line in process.stderr:
                    text = line.decode(errors="replace").strip()
                    if text.startswith("narrow: error: "):
                        error = text.removeprefix("narrow: error: ")
                    elif quiet:
                        continue
                    elif text.startswith("narrow: note: "):
                        warnings.warn(text.removeprefix("narrow: note: "), NarrowWarning, stacklevel=stacklevel + 1)
                    else:
                        bar.line(text)
            process.wait()
        except BaseException:
            _stop(process)
            raise
        finally:
            process.stdin.close()
            process.stderr.close()
            if call in _RUNNING:
                _RUNNING[call].discard(process)
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    if process.returncode == 130:
        raise KeyboardInterrupt
    if process.returncode != 0:
        if not error and process.returncode < 0:
            error = f"narrow was ended by signal {-process.returncode}; what it had done is kept"
        raise _narrow.Error(error or f"narrow ended with status {process.returncode}")
    return output


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does, and waits; at once where Ctrl-C is pressed again."""
    assert process.stdin is not None and process.stderr is not None
    try:
        process.stdin.close()
        drain = threading.Thread(target=process.stderr.read, daemon=True)  # it may have more to say than a pipe holds
        drain.start()
        process.wait()
        drain.join()
    except BaseException:
        process.kill()
        process.wait()
        raise
