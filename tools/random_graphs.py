#!/usr/bin/env python3
"""Random networks and configurations, as hls4ml converts them: narrow.from_hls4ml against hls4ml's compiled predict and trace.

    PYTHONPATH=build/package/site build/venv-test/bin/python tools/random_graphs.py FOLDER [--models 20] [--cases 2] [--seed 1]

The networks and the cases are tools/random_golden.py's. Prints a line for each, and at the end how many had the same bits, how many narrow
refused by name, and of how many hls4ml has no answer. Exit status 1 where any bit differs.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import traceback
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import random_golden as golden  # noqa: E402  (sets Keras' backend)

import narrow  # noqa: E402
import numpy as np  # noqa: E402
from narrow.hls4ml import Unsupported, _Compiled  # noqa: E402

reference = golden.reference


def converted(model, case, folder):
    return reference.hls4ml.converters.convert_from_keras_model(
        model, hls_config=reference.hls_config(model, case, trace=True), output_dir=str(folder), backend=reference.BACKEND,
        part="xcvu9p-flga2104-3-e", io_type=case.get("io", "io_stream"),
    )


def compiled(hls):
    """As hls_model.compile(), without optimization, which changes no bits and takes most of the time."""
    hls.write()
    script = Path(hls.config.get_output_dir()) / "build_lib.sh"
    script.write_text(script.read_text().replace("-O3", "-O0"))
    hls._compile()


def side_by_side(y):
    return np.concatenate([part.reshape(-1) for part in (y if isinstance(y, list) else [y])])


def compare(hls, x):
    """Names of what differs, and how many values were compared. `x` as hls4ml takes it."""
    ours = _Compiled(hls)
    y, trace = ours.trace(hls, x)
    compile = hls.compile
    hls.compile = lambda: compiled(hls)  # which trace() calls
    few = [part[:5] for part in x] if isinstance(x, list) else x[:5]
    _, known = hls.trace(few)
    hls.compile = compile
    expected = hls.predict(x)
    same = np.array_equal(side_by_side(y), side_by_side(expected)) and side_by_side(y).dtype == side_by_side(expected).dtype
    different = [] if same else ["predictions"]
    if set(known) != set(trace):
        different.append(f"layers {set(known) ^ set(trace)}")
    values = side_by_side(expected).size
    for name in set(known) & set(trace):
        values += known[name].size
        if not np.array_equal(known[name], trace[name][:5].reshape(known[name].shape)) or known[name].dtype != trace[name].dtype:
            different.append(name)
    return different, values


def one(seed, i, cases, folder, say):
    """Runs in a process of its own, which hls4ml's asserts may end."""
    rng = random.Random(1000 * seed + i)
    np.random.seed(1000 * seed + i)
    uniform = i % 2 == 1
    model = golden.random_model(rng, uniform)
    scale = rng.choice([0.5, 1, 4])
    samples = [(np.random.randn(20, *each.shape[1:]) * scale) for each in model.inputs]
    for c in range(cases):
        case = golden.random_case(rng, model, f"case{c}", uniform)
        if not any(isinstance(layer, reference.KSum) for layer in model.layers) and rng.random() < 0.5:
            case["io"] = "io_parallel"  # which random_golden.py draws of vectors alone
        kind = rng.choice([np.float32, np.float64])
        x = [sample.astype(kind) for sample in samples]
        work = folder / f"{seed}-{i}-{c}"
        said = f"{seed}/{i}/{c}: "
        try:
            hls = converted(model, case, work)
        except Exception as error:
            say(said + f"no answer: {type(error).__name__}: {str(error)[:150]}")
            continue
        try:
            different, values = compare(hls, x if len(x) > 1 else x[0])
            say(said + (f"different: {different} {json.dumps(case)}" if different else f"same: {values} values of {len(hls.graph)} layers"))
        except Unsupported as error:
            say(said + f"refused: {error}")
        except Exception as error:
            no_answer = "compile" in str(error).lower() or "Broadcast" in str(error) or "broadcast" in str(error)
            say(said + ("no answer: " if no_answer else "fault: ") + f"{type(error).__name__}: {str(error)[:300]}")
            if not no_answer:
                traceback.print_exc()
        shutil.rmtree(work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--backend", default="Vitis", help="or Vivado")
    args = parser.parse_args()
    reference.BACKEND = args.backend
    args.folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {args.seed}", flush=True)
    warnings.simplefilter("ignore")
    counts = Counter()
    for i in range(args.first, args.first + args.models):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            log = os.open(args.folder / f"{args.seed}-{i}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            out = os.fdopen(write, "w")
            status = 1
            try:
                reference.register_ksum(args.folder)
                one(args.seed, i, args.cases, args.folder, lambda line: print(line, file=out, flush=True))
                status = 0
            except BaseException:
                traceback.print_exc()
            os._exit(status)
        os.close(write)
        seen = 0
        with os.fdopen(read) as lines:
            for line in lines:
                print(line, end="", flush=True)
                counts[line.split(": ")[1]] += 1
                seen += 1
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            print(f"{args.seed}/{i}: ended by signal {signal.Signals(os.WTERMSIG(status)).name}, {seen} cases before", flush=True)
            counts["ended"] += 1
        elif os.WEXITSTATUS(status):
            print(f"{args.seed}/{i}: failed, see {args.folder}/{args.seed}-{i}.log", flush=True)
            counts["fault"] += 1
    print(dict(counts))
    return 1 if counts["different"] or counts["fault"] else 0


if __name__ == "__main__":
    sys.exit(main())
