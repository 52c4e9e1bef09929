"""The command `narrow`, which comes with the package."""

import os
import sys
from pathlib import Path


def command() -> None:
    program = Path(__file__).parent / "bin" / "narrow"
    os.execv(program, [str(program), *sys.argv[1:]])


if __name__ == "__main__":
    command()
