"""docs/clusters.md runs as it stands: on a Slurm of one node, and with dask-lxplus, whose submit files HTCondor's own library reads."""

import os
import re
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest

import narrow

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(narrow.__file__).parent / "bin" / "narrow"
os.environ.setdefault("NARROW", str(PROGRAM))
sys.path[:0] = [str(ROOT / "src" / "study"), str(ROOT / "docs")]
from machines_test import slurm  # noqa: E402, F401

pytestmark = pytest.mark.filterwarnings("ignore")

# What condor_submit and condor_rm do here: the job of the submit file, as HTCondor reads it, is run at once; and ended.
CONDOR_SUBMIT = """#!{python}
import pathlib, subprocess, sys
import classad2, htcondor2
submit = htcondor2.Submit(pathlib.Path(sys.argv[-1]).read_text())
assert submit["universe"] == "vanilla" and submit["MY.JobFlavour"] == '"longlunch"' and "-spool" in sys.argv, submit
quoted = submit["arguments"]
assert quoted[0] == quoted[-1] == '"'
arguments = classad2.ExprTree("argsToList(" + classad2.quote(quoted[1:-1].replace('""', '"')) + ")").eval()
job = subprocess.Popen([submit["executable"], *arguments], stdout=open("{folder}/job.out", "a"), stderr=subprocess.STDOUT, start_new_session=True)
with open("{folder}/jobs", "a") as jobs:
    print(job.pid, file=jobs)
print(f"1 job(s) submitted to cluster {{job.pid}}.")
"""
CONDOR_RM = """#!{python}
import os, signal, sys
for job in sys.argv[1:]:
    try:
        os.killpg(int(job.partition(".")[0]), signal.SIGTERM)
    except ProcessLookupError:
        pass
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "golden" / "ds16.keras", "model.keras")
    with h5py.File(ROOT / "golden" / "clusters.h5") as file:
        np.save("samples.npy", file["x"][:100, :32])
    return tmp_path


def block(heading):
    section = (ROOT / "docs" / "clusters.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)
    return re.sub(r"^    ", "", code, flags=re.MULTILINE)


def assert_is_the_local_study(table):
    alone = narrow.sweep("model.keras", "samples.npy", v_full="8:12", v_int=4, wb_full="8:10", wb_int=2, keep="none")
    changing = ["finished", "seconds", "kept", "computed"]
    pandas.testing.assert_frame_equal(table.drop(columns=changing), alone.drop(columns=changing), check_exact=True)
    assert len(table) == 15


def test_the_program_for_lxplus_runs(desk, monkeypatch):
    pytest.importorskip("htcondor2")
    (desk / "bin").mkdir()
    for name, text in (("condor_submit", CONDOR_SUBMIT), ("condor_rm", CONDOR_RM)):
        path = desk / "bin" / name
        path.write_text(text.format(python=sys.executable, folder=desk))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{desk / 'bin'}:{os.environ['PATH']}")
    code = block("CERN's lxplus, with HTCondor")
    assert code.count("jobs=20") == 1
    session = {}
    exec(code.replace("jobs=20", "jobs=2"), session)  # two jobs are enough here
    assert_is_the_local_study(session["table"])
    assert len((desk / "jobs").read_text().split()) == 2, (desk / "job.out").read_text()


def test_the_program_for_slurm_runs(slurm, desk, monkeypatch):  # noqa: F811
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, slurm[name])
    session = {}
    exec(block("A Slurm site"), session)
    assert_is_the_local_study(session["table"])
    assert list(desk.glob("slurm-*.out"))
