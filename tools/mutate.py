#!/usr/bin/env python3
"""Breaks narrow's arithmetic on purpose, one place at a time, and shows that the tests notice.

    tools/mutate.py                    # all of tools/mutations.py: about an hour on one core; docs/testing.md has the result
    tools/mutate.py --only finish.cc   # those whose file or description matches a regular expression
    tools/mutate.py --list

Works in a copy of the checkout, build/mutate, with a build folder of its own. Each mutation is built and tested, quickest tests
first, until one fails; what survives the quick doses is given the tests at their full length. Needs what `./check` installs."""
import argparse
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from mutations import MUTATIONS

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The quick dose of each test: what goes into NARROW_CASES, if anything.
QUICK = {"interpreter_test": 600, "matrix_product_test": 1200, "engine_test": 40}
ON_AP_TYPES = [f"cast_test_{i}" for i in range(7)] + ["cast_other_test", "layers_test"]
# Which tests can notice, the nearest first.
TESTS = {
    "src/fixed/": [*ON_AP_TYPES, "golden_test", "precision_test", "interpreter_test", "bounds_test", "matrix_product_test"],
    "src/cost/": ["cost_test", "fpga_test"],
    "src/keras/": ["quantizer_test", "golden_test", "reader_test"],
    "src/precision/": ["precision_test", "golden_test", "bounds_test"],
    "src/layers/": ["layers_test", "golden_test", "interpreter_test", "bounds_test", "precision_test", "engine_test"],
    "src/search/": ["search_test"],
    "src/recover/": ["recover_test"],
    "src/model/numbers.h": ["golden_test"],
    "src/onnx/": ["onnx_test", "golden_test"],
    "src/model/": ["bounds_test", "layers_test", "engine_test"],
    "src/engine/engine.cc": ["engine_test", "golden_test", "bounds_test"],
    "src/engine/row_sums.cc": ["engine_test", "golden_test"],
    "src/engine/": ["matrix_product_test", "interpreter_test", "golden_test", "bounds_test", "engine_test"],
}
TIMEOUT = 900  # seconds for one test: an endless loop is noticed too


def tests_for(path):
    return next(tests for start, tests in TESTS.items() if path.startswith(start))


def copy_checkout():
    """Brings the copy up to date; files that are the same keep their time, so that little is built again."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, COPY / name
        if not source.exists() or (target.exists() and target.read_bytes() == source.read_bytes()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def configure():
    options = ["-DNARROW_TESTS=ON"]
    if launcher := shutil.which("ccache"):
        options.append(f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}")
    if headers := args.ap_types or next(ROOT.glob("build/venv-test/lib/python3*/site-packages/hls4ml/templates/vivado/ap_types"), None):
        options.append(f"-DNARROW_AP_TYPES={headers}")
    run(["cmake", "--preset", "release", "-B", str(BUILD), *options], COPY, "cmake.log")


def run(command, cwd, log):
    with open(COPY / log, "w") as out:
        return subprocess.run(command, cwd=cwd, stdout=out, stderr=subprocess.STDOUT, env=ENVIRONMENT, check=True)


def build(tests):
    """Whether the tests compile."""
    try:
        run(["ninja", "-C", str(BUILD), f"-j{args.jobs}", *tests], COPY, "build.log")
        return True
    except subprocess.CalledProcessError:
        return False


def passes(test, full):
    environment = dict(ENVIRONMENT)
    if test in QUICK and not full:
        environment["NARROW_CASES"] = str(QUICK[test])
    with open(COPY / "test.log", "w") as out:
        try:
            done = subprocess.run([str(BUILD / test), "--gtest_fail_fast"], cwd=COPY, stdout=out, stderr=subprocess.STDOUT,
                                  env=environment, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


def failed_case():
    text = (COPY / "test.log").read_text(errors="replace")
    found = re.search(r"\[  FAILED  \] (\S+)", text)
    return found.group(1).rstrip(",") if found else "ended"


def verdict(mutation):
    """`not compiled`, the test that fails, or nothing."""
    tests = [test for test in tests_for(mutation.file) if test in AVAILABLE]
    for full in (False,) if args.quick or mutation.equivalent else (False, True):
        for test in tests:
            if full and test not in QUICK:
                continue
            if not build([test]):
                return "not compiled", ""
            if not passes(test, full):
                return test + (" at full length" if full else ""), failed_case()
    return "", ""


def try_one(mutation):
    path = COPY / mutation.file
    text = path.read_text()
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        return verdict(mutation)
    finally:
        path.write_text(text)


def unusable(chosen):
    """Those of the chosen mutations whose text is not there exactly once, and names given twice."""
    wrong = [f"{m.name}: its text occurs {count} times" for m in chosen
             if (count := (ROOT / m.file).read_text().count(m.old)) != 1 or m.old == m.new]
    return wrong + [f"{name}: listed twice" for name, n in collections.Counter(m.name for m in MUTATIONS).items() if n > 1]


def report(results):
    """Markdown: by file, then what no test noticed."""
    by_file = collections.defaultdict(list)
    for mutation, test, _ in results:
        by_file[mutation.file].append((mutation, test))
    lines = ["| file | mutations | noticed | by |", "|---|---|---|---|"]
    for file, each in by_file.items():
        tests = collections.Counter(re.sub(r"cast_\w*test\w*", "cast tests", test.split(" ")[0]) for _, test in each if test)
        by = ", ".join(f"{test} {n}" for test, n in tests.most_common())
        lines.append(f"| {file.removeprefix('src/')} | {len(each)} | {sum(tests.values())} | {by} |")
    noticed = sum(1 for _, test, _ in results if test)
    lines += [f"| all | {len(results)} | {noticed} | |", ""]
    for mutation, test, _ in results:
        if not test:
            lines.append(f"- {mutation.name}: {mutation.equivalent or 'SURVIVED'}")
    return "\n".join(lines) + "\n"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", metavar="PATTERN", default="", help="mutations whose file or description matches")
    parser.add_argument("--list", action="store_true", help="print the mutations and stop")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "mutations.md", help="default: build/mutations.md")
    parser.add_argument("--quick", action="store_true", help="what survives is not given the tests at their full length")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "mutate", help="of the copy; default: build/mutate")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--ap-types", help="folder of AMD's ap_types headers; default: that of build/venv-test")
    return parser.parse_args()


args = parse()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the text is put back
chosen = [m for m in MUTATIONS if re.search(args.only, m.name)]
if wrong := unusable(chosen):
    sys.exit("\n".join(wrong))
if not chosen:
    sys.exit(f"no mutation matches '{args.only}'; --list prints them")
if args.list:
    print("\n".join(m.name for m in chosen))
    sys.exit()

COPY = args.folder.resolve()
BUILD = COPY / "build"
# Nothing broken gets into the compiler's cache: not even where a run is ended while it compiles.
ENVIRONMENT = {"CCACHE_BASEDIR": str(COPY), "CCACHE_NOHASHDIR": "1", **os.environ, "CCACHE_READONLY": "1"}
COPY.mkdir(parents=True, exist_ok=True)
copy_checkout()
configure()
targets = subprocess.run(["ninja", "-C", str(BUILD), "-t", "targets", "all"], capture_output=True, text=True, check=True).stdout
wanted = dict.fromkeys(test for mutation in chosen for test in tests_for(mutation.file))
AVAILABLE = [test for test in wanted if f"\n{test}: " in targets]
if not build(AVAILABLE):
    sys.exit(f"the checkout does not compile; see {COPY / 'build.log'}")
for test in AVAILABLE:
    if not passes(test, False):
        sys.exit(f"{test} fails without any mutation; see {COPY / 'test.log'}")

results = []
for i, mutation in enumerate(chosen, 1):
    start = time.monotonic()
    test, case = try_one(mutation)
    said = f"{test} {case}".strip() if test else f"survived: {mutation.equivalent or 'a gap'}"
    print(f"{i}/{len(chosen)} {mutation.name}: {said} ({time.monotonic() - start:.0f} s)", flush=True)
    results.append((mutation, test, case))
    args.out.write_text(report(results))
bad = [m.name for m, test, _ in results if test == "not compiled" or (not test and not m.equivalent)]
if bad:
    sys.exit(f"{len(bad)} of {len(results)} were not noticed, or did not compile:\n" + "\n".join(bad))
