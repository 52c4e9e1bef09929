#!/usr/bin/env python3
"""Runs clang-tidy over what is built, many sources in one run.

    tools/tidy.py BUILD [--jobs 2] [--only REGEX] [--apart]

clang-tidy spends its time on the headers of the standard library and of others, which it walks anew with every check for every source.
So the sources of a target are put into one, as CMake's unity builds do: the same checks over the same lines, in a third of the time. What
cannot stand behind another source is put into a second file, and so on: the same name at file scope, a Highway kernel, which includes
itself. --apart gives every source a run of its own, in which alone clang-tidy tells unused using declarations. BUILD is a configured build folder; ends with 1 where there is a warning.
"""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TYPE = r"(?:template <.*> )?(?:struct|class|union|enum class) (\w+)(?: final)?(?: :[^{;]*)? \{"
CONSTANT = r"inline constexpr [^=(]* (k\w+)(?: = |\{)"
CLANG, TIDY = "clang++-14", "clang-tidy-14"


def defined_twice():
    """Types and constants of one name in one namespace: of two such the linker keeps one, or one's destructor, for both, without a word."""
    found = collections.defaultdict(set)
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".h", ".cc") or re.search(r"_(test|library)\.cc$", path.name):
            continue
        spaces = []
        for line in path.read_text().splitlines():
            if space := re.match(r"namespace(?: ([\w:]+))? \{", line):
                spaces.append(space[1])
            elif re.match(r"\}  // namespace", line):
                spaces.pop()
            elif (name := re.match(TYPE, line) or re.match(CONSTANT, line)) and all(spaces):
                found["::".join([*spaces, name[1]])].add(str(path.relative_to(ROOT)))
    return [f"{name} is defined in {' and in '.join(sorted(paths))}" for name, paths in found.items() if len(paths) > 1]


def sources_of(entry):
    """The sources of a compiler's run: several where CMake has joined them (CMAKE_UNITY_BUILD)."""
    path = pathlib.Path(entry["directory"], entry["file"]).resolve()
    if path.parent.name != "Unity":
        return [path]
    return [pathlib.Path(source) for source in re.findall(r'^#include "(/.*)"$', path.read_text(), re.M)]


def commands():
    """For each source its file and what the compiler is told, without output and compiler; grouped by the latter, whose definitions of
    NARROW's own all sources of a group get together."""
    groups = collections.defaultdict(list)
    definitions = collections.defaultdict(dict)
    seen = set()
    for entry in json.loads((args.build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        start = next(i for i, word in enumerate(words) if re.search(r"(c\+\+|g\+\+|clang\+\+|clang|cc)[-\d]*$", word)) + 1
        options = words[start : words.index("-o")]
        own = [word for word in options if word.startswith("-DNARROW_")]
        key = entry["directory"], tuple(word for word in options if word not in own)
        for path in sources_of(entry):
            if path in seen or not path.is_relative_to(ROOT / "src") or re.search(r"_(test|library|check)\.cc$", path.name):
                continue
            if args.only and not re.search(args.only, str(path.relative_to(ROOT))):
                continue
            seen.add(path)
            groups[key].append(path)
            definitions[key].update(dict.fromkeys(own))
    return {(directory, (*options, *definitions[directory, options])): sources for (directory, options), sources in groups.items()}


def write(name, sources):
    path = folder / f"{name}.cc"
    path.write_text("".join(f'#include "{source}"  // NOLINT\n' for source in sources))
    return path


def misfits(unit, directory, options, sources):
    """Those of the sources in which the compiler finds an error when they stand behind one another."""
    done = subprocess.run([CLANG, *options, "-w", "-fsyntax-only", "-ferror-limit=0", str(unit)], cwd=directory, capture_output=True, text=True)
    if done.returncode == 0:
        return set()
    found = {source for source in sources if re.search(rf"^{re.escape(str(source))}:\d+:\d+: (fatal )?error:", done.stderr, re.M)}
    return found or set(sources[1:])


def packed(item):
    """The units of a group, with what the compiler is told: as few as can be."""
    (directory, options), sources = item
    alone = [source for source in sources if args.apart or "HWY_TARGET_INCLUDE" in source.read_text()]
    units = [[source] for source in alone]
    rest = [source for source in sources if source not in alone]
    label = f"{rest[0].parent.name}_{rest[0].stem}" if rest else ""
    while rest:
        unit = write(f"{label}_{len(units)}", rest)
        out = misfits(unit, directory, options, rest) if len(rest) > 1 else set()
        if len(out) == len(rest):
            out = set(rest[1:])
        units.append([source for source in rest if source not in out])
        rest = [source for source in rest if source in out]
    return [(directory, options, unit) for unit in units]


def tidy(task):
    number, (directory, options, sources) = task
    unit = sources[0] if len(sources) == 1 else write(f"unit_{number}", sources)
    start = time.monotonic()
    done = subprocess.run([TIDY, "-quiet", f"--config-file={ROOT / '.clang-tidy'}", str(unit), "--", *options], cwd=directory,
                          capture_output=True, text=True)
    names = ", ".join(str(source.relative_to(ROOT / "src")) for source in sources)
    print(f"{time.monotonic() - start:6.1f} s  {len(sources)}: {names}", flush=True)
    if done.returncode != 0:
        print(done.stdout + re.sub(r"^\d+ warnings?.*generated\.\n", "", done.stderr, flags=re.M), flush=True)
    return done.returncode == 0


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--jobs", type=int, default=2)
parser.add_argument("--only", help="sources whose path matches this regular expression")
parser.add_argument("--apart", action="store_true", help="every source in a run of its own")
args = parser.parse_args()
args.build = args.build.resolve()
if twice := defined_twice():
    sys.exit("\n".join(twice))
folder = args.build / "tidy"
folder.mkdir(exist_ok=True)
with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
    units = [unit for several in pool.map(packed, commands().items()) for unit in several]
    # What takes longest begins first.
    units.sort(key=lambda unit: -len(unit[2]) - 8 * ("HWY_TARGET_INCLUDE" in unit[2][0].read_text()))
    fine = list(pool.map(tidy, enumerate(units)))
print(f"{sum(len(unit[2]) for unit in units)} sources in {len(units)} runs, {fine.count(False)} with warnings")
sys.exit(0 if all(fine) else 1)
