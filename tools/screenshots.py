#!/usr/bin/env python3
"""Pictures of a report for docs/: tools/screenshots.py study-results/report.html docs/report"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

page_file, stem = Path(sys.argv[1]).resolve(), sys.argv[2]
with sync_playwright() as playwright:
    chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-quic"])
    for width, height, scheme in ((1280, 1700, "light"), (390, 1700, "dark")):
        page = chromium.new_context(viewport={"width": width, "height": height}, offline=True, color_scheme=scheme).new_page()
        page.goto(f"file://{page_file}")
        page.evaluate("narrow.drawAll()")
        page.wait_for_function("[...document.querySelectorAll('figure')].every(f => f.dataset.drawn)")
        page.screenshot(path=f"{stem}-{width}.png")
    chromium.close()
