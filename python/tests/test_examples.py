"""The programs in examples/ run from top to bottom, on few samples; their notebooks are of the same cells."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import narrow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def run(name, tmp_path, **environment):
    """In a process of its own, with the command `narrow` of the package in its PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "narrow").symlink_to(Path(narrow.__file__).parent / "bin" / "narrow")
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py"], cwd=tmp_path, env={**os.environ, **path, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_calorimeter(tmp_path):
    said = run("calorimeter", tmp_path, EXAMPLE_SAMPLES="600", EXAMPLE_EPOCHS="3")
    assert "\n0 of 300 predictions differ" in said and "narrow.SearchResult: bits" in said, said
    for file in ("study/study.db", "study/report.html", "types.yml", "project/firmware/myproject.cpp"):
        assert (tmp_path / file).exists(), file
    assert "nnet::ksum" in (tmp_path / "project/firmware/myproject.cpp").read_text()
    # uproot and back: what was prepared is what narrow prepares of the same showers itself.
    import h5py

    program = Path(narrow.__file__).parent / "bin" / "narrow"
    subprocess.run([program, "--quiet", "prepare", "--data", "showers.h5", "--order", "energy", "--vmax", "64", "--padding", "0", "--out", "direct.h5"], cwd=tmp_path, check=True)
    with h5py.File(tmp_path / "prepared.h5") as ours, h5py.File(tmp_path / "direct.h5") as direct:
        assert np.array_equal(ours["x"][:], direct["x"][:]) and np.array_equal(ours["y"][:], direct["y"][:])


def test_the_jet_tagger(tmp_path):
    said = run("jet_tagger", tmp_path, EXAMPLE_SAMPLES="2000", EXAMPLE_EPOCHS="3")
    accuracies = [float(value) for value in re.findall(r"^accuracy .*: ([\d.]+)$", said, re.MULTILINE)]
    assert len(accuracies) == 3 and min(accuracies) > 0.3 and accuracies[0] - accuracies[2] < 0.05, said


@pytest.mark.parametrize("name", ["calorimeter", "jet_tagger"])
def test_notebooks_have_the_cells_of_their_scripts(name):
    book = json.loads((EXAMPLES / f"{name}.ipynb").read_text())
    script = (EXAMPLES / f"{name}.py").read_text()
    code = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert book["nbformat"] == 4 and len(code) > 5 and len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    left = script
    for cell in code:
        before, found, left = left.partition(cell)
        assert found and all(line.startswith("#") or not line for line in before.splitlines()), cell
    assert subprocess.run([sys.executable, ROOT / "tools" / "notebooks.py", "--check"]).returncode == 0
