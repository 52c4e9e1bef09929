"""Every command shown in the documents runs: lines of indented blocks that start with build/narrow."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"), key=lambda path: (path.name == "report.md", path.name))]  # reports are of what the others made


def commands(document):
    text = re.sub(r"\\\n\s*", "", document.read_text())
    for line in re.findall(r"^(?: {4}|\t)(build/narrow .*)$", text, re.MULTILINE):
        yield line.split("   #")[0].strip()


def block(document, start):
    """The indented block of a document that begins with `start`, without its indent."""
    text = document.read_text()
    found = re.search(r"(?:^    .*\n|^\n)+", text[text.index("    " + start):], re.MULTILINE).group(0)
    return re.sub(r"^ {4}", "", found, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the files that the documents speak of, and narrow where they expect it."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "build").mkdir()
    (folder / "build" / "narrow").symlink_to(os.environ["NARROW"])
    (folder / "golden").symlink_to(ROOT / "golden")
    shutil.copy(ROOT / "golden" / "ds16.keras", folder / "model.keras")
    shutil.copy(ROOT / "golden" / "ds16_keras215.json", folder / "architecture.json")
    shutil.copy(ROOT / "golden" / "ds16_keras215_weights.h5", folder / "weights.h5")
    with h5py.File(ROOT / "golden" / "clusters.h5") as file:
        np.save(folder / "samples.npy", file["x"][:30, :32])
    shutil.copy(ROOT / "golden" / "merges.keras", folder / "two_inputs.keras")
    with h5py.File(ROOT / "golden" / "onnx" / "mlp.h5") as file:
        np.save(folder / "mlp.npy", file["input"][:])
    with h5py.File(ROOT / "golden" / "merges.h5") as file:
        cells, event = np.split(file["input"][:], [6 * 4], axis=1)
        np.save(folder / "cells.npy", cells.reshape(-1, 6, 4))
        np.save(folder / "event.npy", event)
        np.savez(folder / "samples.npz", cells=cells.reshape(-1, 6, 4), an_event=event)
    shutil.copy(ROOT / "golden" / "jet_tagger.keras", folder / "jet_tagger.keras")
    with h5py.File(ROOT / "golden" / "jet_tagger.h5") as file:  # jets of the classes that the network finds most often, and of some that it does not
        classes = np.argmax(file["float"][:], axis=1)
        classes[::7] = np.arange(len(classes[::7])) % 5
        np.savez(folder / "jets.npz", x=file["input"][:], y=classes.astype(np.float32))
    for name, samples, seed in (("clusters.h5", 400, 1), ("test.h5", 300, 2)):
        subprocess.run([os.environ["NARROW"], "--quiet", "generate", folder / name, "--samples", str(samples), "--seed", str(seed)], check=True)
    (folder / "study.yml").write_text(block(ROOT / "docs" / "study.md", "out: results"))
    return folder


# Those of hls4ml.md belong together.
@pytest.mark.parametrize(("document", "command"), [(path.name, command) for path in DOCUMENTS if path.name != "hls4ml.md" for command in commands(path)])
def test_command_runs(document, command, desk):
    run = subprocess.run(shlex.split(command), cwd=desk, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_page_for_hls4ml_runs_as_it_stands(desk):
    """Every block, in order, each from the same folder; hls4ml compiles, predicts and finds the same bits."""
    blocks = re.findall(r"(?:^    .*\n)+", (ROOT / "docs" / "hls4ml.md").read_text(), re.MULTILINE)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for block in blocks:
        run = subprocess.run(["bash", "-ec", block], cwd=desk, env={**os.environ, "PATH": path}, capture_output=True, text=True)
        assert run.returncode == 0, block + run.stderr
    layers = ["KSum", *(f"activation{i}" for i in ("", "_1", "_2", "_3")), "phi1", "phi2", "regression", "rho1", "rho2"]
    assert run.stdout.splitlines()[-1] == "the same bits: " + ", ".join([*layers, "predictions"])


def test_there_are_commands():
    assert sum(1 for path in DOCUMENTS for _ in commands(path)) > 10


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("http") or (document.parent / target).exists(), target
