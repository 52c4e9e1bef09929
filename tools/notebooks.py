#!/usr/bin/env python3
"""The examples as notebooks: examples/NAME.ipynb of each examples/NAME.py, whose cells begin with `# %%`.

    tools/notebooks.py           # writes them
    tools/notebooks.py --check   # says which is not what its script makes
"""

import json
import re
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def cells(script):
    """Kind and text of each cell."""
    for cell in re.split(r"^# %%", script, flags=re.MULTILINE)[1:]:
        first, _, rest = cell.partition("\n")
        if first.strip() == "[markdown]":
            yield "markdown", re.sub(r"^# ?", "", rest.strip("\n"), flags=re.MULTILINE)
        else:
            yield "code", rest.strip("\n")


def notebook(script):
    made = []
    for i, (kind, text) in enumerate(cells(script)):
        cell = {"cell_type": kind, "id": f"cell-{i}", "metadata": {}, "source": text.splitlines(keepends=True)}
        if kind == "code":
            cell.update(execution_count=None, outputs=[])
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    document = {"cells": made, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main():
    stale = 0
    for script in sorted(EXAMPLES.glob("*.py")):
        path = script.with_suffix(".ipynb")
        made = notebook(script.read_text())
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text() != made:
                print(f"{path}: it is not what {script.name} makes; run tools/notebooks.py")
                stale = 1
        else:
            path.write_text(made)
    return stale


if __name__ == "__main__":
    sys.exit(main())
