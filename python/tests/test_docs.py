"""docs/python.md runs as it stands: its Python, block by block, in one session."""

import re
import shutil
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
        np.save("samples.npy", file["x"][:30, :32])
    with h5py.File(ROOT / "golden" / "merges.h5") as file:
        cells, event = np.split(file["input"][:], [6 * 4], axis=1)
    np.save("cells.npy", cells.reshape(-1, 6, 4))
    np.save("event.npy", event)
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE)
    session, shown = {}, 0
    for block in blocks:
        code = re.sub(r"^    ", "", block, flags=re.MULTILINE)
        if code.strip().startswith("pip "):  # python/package_test.py installs it
            continue
        exec(code, session)
        # What a comment says of a value at its beginning is what it is.
        for line, said in re.findall(r"^(\S.*?) {2,}# ([({].*)$", code, re.MULTILINE):
            value = str(eval(line, session))
            assert value == said or (said.endswith("...}") and value.startswith(said[:-4])), line
            shown += 1
    assert shown == 2
