"""docs/study.md on many machines: its Slurm job array through a real Slurm, its HTCondor file through HTCondor's own parser."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NARROW = Path(os.environ["NARROW"])
sys.path.insert(0, str(ROOT / "docs"))
from docs_test import block  # noqa: E402

STUDY = """
out: results
data: {files: clusters.h5, samples: 60}
models: [ds16.keras]
grid: {v_full: 8:14, v_int: 4:7, wb_full: 8:12:2, wb_int: 1:3}
keep: predictions
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def slurm(tmp_path):
    """Slurm on this machine alone: munged, slurmctld and slurmd of its own, in a folder of its own."""
    assert shutil.which("slurmctld") and shutil.which("munged"), "install slurm-wlm and munge, as ./check does"
    if os.geteuid() != 0:
        pytest.skip("slurmd starts only as root")
    folder = Path("/tmp") / f"narrow-slurm-{os.getpid()}"  # munge wants a short path that only root may write to
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    key = folder / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(f"""
ClusterName=narrow
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
""")
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{NARROW.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"}
    daemons = [
        ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge", f"--pid-file={folder}/munged.pid",
         f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"],
        ["slurmctld", "-D"],
        ["slurmd", "-D", "-N", host],
    ]
    running = []
    try:
        for daemon in daemons:
            running.append(subprocess.Popen(daemon, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            time.sleep(1)
        for _ in range(60):
            state = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True).stdout
            if "idle" in state:
                break
            time.sleep(0.5)
        assert "idle" in state, [(path.name, path.read_text()[-2000:]) for path in folder.glob("*.log")]
        yield environment
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def desk(tmp_path):
    shutil.copy(ROOT / "golden" / "ds16.keras", tmp_path)
    shutil.copy(ROOT / "golden" / "clusters.h5", tmp_path)
    (tmp_path / "study.yml").write_text(STUDY)
    (tmp_path / "study.sh").write_text(block(ROOT / "docs" / "study.md", "#!/bin/bash"))
    return tmp_path


def results(folder):
    with sqlite3.connect(folder / "study.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(results)") if row[1] not in ("seconds", "finished", "point")]
        chosen = ", ".join(f'"{column}"' for column in columns)
        return database.execute(f"SELECT {chosen} FROM results ORDER BY v_full, v_int, wb_full, wb_int").fetchall()


def test_a_slurm_job_array_and_merge_are_the_whole_study(slurm, desk):
    script = (desk / "study.sh").read_text()
    assert "--array=1-40\n" in script and script.count("/40") == 1
    # Four tasks are enough here.
    (desk / "study.sh").write_text(script.replace("1-40", "1-4").replace("/40", "/4"))
    done = subprocess.run(["sbatch", "--wait", "study.sh"], cwd=desk, env=slurm, capture_output=True, text=True, timeout=300)
    said = "\n".join(path.read_text() for path in desk.glob("slurm-*.out"))
    assert done.returncode == 0, done.stderr + said
    assert sorted(path.name for path in (desk / "results").iterdir()) == [f"shard-{i}-of-4" for i in range(1, 5)]
    merged = subprocess.run([NARROW, "merge", "results"], cwd=desk, capture_output=True, text=True)
    assert "252 of 252 points are done" in merged.stdout and "missing" not in merged.stdout, merged.stdout + merged.stderr
    subprocess.run([NARROW, "--quiet", "run", "study.yml", "--out", "whole"], cwd=desk, check=True)
    assert results(desk / "results") == results(desk / "whole") != []
    with sqlite3.connect(desk / "results" / "study.db") as database:
        assert [text.splitlines()[0] for (text,) in database.execute("SELECT definition FROM definitions")] == ["out: results"], "shards are of one definition"
    for path in (desk / "whole").rglob("*.txt"):
        assert path.read_bytes() == (desk / "results" / path.relative_to(desk / "whole")).read_bytes(), path


def test_the_htcondor_file_makes_forty_jobs(desk):
    htcondor = pytest.importorskip("htcondor2")
    submit = htcondor.Submit(block(ROOT / "docs" / "study.md", "executable = narrow"))
    numbers = [item["number"] for item in submit.itemdata()]
    assert numbers == [str(i) for i in range(1, 41)]
    for number in numbers[:3]:
        submit["number"] = number
        arguments = submit.expand("arguments").split()
        assert f"{number}/40" in arguments
        subprocess.run([NARROW, "--quiet", *arguments], cwd=desk, check=True)
    assert sorted(path.name for path in (desk / "results").iterdir()) == [f"shard-{i}-of-40" for i in (1, 2, 3)]
