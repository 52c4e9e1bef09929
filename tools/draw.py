#!/usr/bin/env python3
"""Draws a Vega-Lite specification: python draw.py FIGURE.vl.json FIGURE.svg (or .png, .pdf)."""

import sys
from pathlib import Path

import vl_convert

spec, out = Path(sys.argv[1]).read_text(), Path(sys.argv[2])
if out.suffix == ".svg":
    out.write_text(vl_convert.vegalite_to_svg(spec))
else:
    out.write_bytes({".png": vl_convert.vegalite_to_png, ".pdf": vl_convert.vegalite_to_pdf}[out.suffix](spec))
