"""docs/python.md runs as it stands: its Python, block by block, in one session. Its last section is in test_hls4ml.py."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.filterwarnings("ignore::narrow.NarrowWarning")
def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "golden" / "ds16.keras", "model.keras")
    shutil.copy(ROOT / "golden" / "merges.keras", "two_inputs.keras")
    with h5py.File(ROOT / "golden" / "clusters.h5") as file:
        np.save("samples.npy", file["x"][:50, :32])
    with h5py.File(ROOT / "golden" / "merges.h5") as file:
        cells, event = np.split(file["input"][:], [6 * 4], axis=1)
    np.save("cells.npy", cells.reshape(-1, 6, 4))
    np.save("event.npy", event)
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", (ROOT / "docs" / "python.md").read_text().split("\n## hls4ml's models\n")[0], re.MULTILINE)
    session, shown = {}, 0
    for block in blocks:
        code = re.sub(r"^    ", "", block, flags=re.MULTILINE)
        if code.strip().startswith(("pip ", "narrow.train(")):  # python/package_test.py installs it; test_study.py trains
            continue
        exec(code, session)
        # What a comment says of a value at its beginning is what it is.
        for line, said in re.findall(r"^(\S.*?) {2,}# ([({].*)$", code, re.MULTILINE):
            value = str(eval(line, session))
            assert value == said or (said.endswith("...}") and value.startswith(said[:-4])), line
            shown += 1
    assert shown == 2


def test_types_are_checked(tmp_path):
    """mypy, strictly, of the package as it is installed, and of a program that uses it."""
    program = tmp_path / "program.py"
    program.write_text("import narrow\n\nmodel: narrow.Model = narrow.load('model.keras')\nreveal_type(model.fixed(v=(16, 6)).predict([[1.0]]))\nmodel.fixed(bits=3)\n")
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache")]
    run = subprocess.run([sys.executable, "-m", "mypy", *options, "-p", "narrow"], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stdout
    run = subprocess.run([sys.executable, "-m", "mypy", *options, program], capture_output=True, text=True)
    revealed = next(line for line in run.stdout.splitlines() if "Revealed type" in line)
    assert "float64" in revealed or "floating[numpy._typing._64Bit]" in revealed, run.stdout
    assert 'error: Unexpected keyword argument "bits"' in run.stdout and "Found 1 error" in run.stdout
