"""What is in the wheel that was installed."""

import re
import subprocess
from pathlib import Path

import pytest

import narrow

PACKAGE = Path(narrow.__file__).parent
# Of the system: those that manylinux promises (PEP 600).
SYSTEM = re.compile(r"(linux-vdso|ld-linux.*|lib(c|m|gcc_s|stdc\+\+|pthread|dl|rt|resolv|util|z))\.so[.\d]*$")


@pytest.mark.parametrize("file", [PACKAGE / "bin" / "narrow", *PACKAGE.glob("_narrow*.so")], ids=lambda path: path.name)
def test_libraries_travel_inside(file):
    if not (PACKAGE.parent / "narrow_fpga.libs").is_dir():
        pytest.skip("this package is no wheel that auditwheel repaired")
    lines = subprocess.run(["ldd", file], capture_output=True, text=True, check=True).stdout.splitlines()
    found = {line.split()[0]: line.split("=>")[1].split()[0] for line in lines if "=>" in line}
    assert any("hdf5" in name for name in found), found
    outside = [f"{name} => {path}" for name, path in found.items() if not SYSTEM.match(name) and not Path(path).is_relative_to(PACKAGE.parent)]
    assert not outside, "\n".join(outside)
