#!/usr/bin/env python3
"""Time in proportion to samples, to points and to multiplications: measures it and draws docs/scaling.svg.

    build/venv-test/bin/python bench/scaling.py [OUT.svg]
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import vl_convert

ROOT = Path(__file__).resolve().parents[1]
NARROW, GOLDEN = ROOT / "build" / "narrow", ROOT / "golden"


def run(*args):
    return subprocess.run([str(part) for part in (NARROW, "--quiet", *args)], capture_output=True, text=True, check=True).stdout


def bench(model, samples):
    result = json.loads(run("bench", GOLDEN / f"{model}.keras", "--data", GOLDEN / "clusters.h5", "--samples", samples, "--v", "16,6", "--no-dedup", "--rounds", 9))
    return samples / result["samples_per_s"], result["multiplications_per_s"] * samples / result["samples_per_s"]


def sweep(last):
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run("sweep", GOLDEN / "ds64.keras", "--data", GOLDEN / "clusters.h5", "--v-full", f"11:{last}", "--v-int", "5:9", "--wb-full", "10:16:2", "--wb-int", 2,
            "--samples", 1000, "--no-share", "--out", Path(folder) / "study")
        return time.perf_counter() - start


def panel(title, x, values):
    point = {"x": {"field": "x", "type": "quantitative", "title": x, "scale": {"type": "log"}},
             "y": {"field": "seconds", "type": "quantitative", "title": "seconds", "scale": {"type": "log"}},
             "color": {"field": "model", "type": "nominal", "title": "model"}}
    return {"title": title, "width": 220, "height": 200, "data": {"values": values},
            "layer": [{"mark": {"type": "line", "point": True}, "encoding": point}]}


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "scaling.svg"
    samples = [{"model": model, "x": n, "seconds": bench(model, n)[0]} for model in ("ds16", "ds32", "ds64") for n in (125, 250, 500, 1000, 2000)]
    work = []
    for model in ("ds16", "ds32", "ds64"):
        seconds, products = bench(model, 2000)
        work.append({"model": "all", "x": products, "seconds": seconds})
    points = [{"model": "ds64", "x": 20 * (last - 10), "seconds": sweep(last)} for last in (11, 12, 14, 18)]
    spec = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "background": "white", "resolve": {"scale": {"color": "independent"}},
            "hconcat": [panel("2-core run against samples", "samples", samples), panel("2000 samples, against work", "multiplications", work),
                        panel("sweep of 1000 samples", "points", points)]}
    out.write_text(vl_convert.vegalite_to_svg(spec))
    for name, values in (("samples", samples), ("work", work), ("points", points)):
        print(name, json.dumps(values))


if __name__ == "__main__":
    main()
