"""The report in a real browser, opened from disk with the network off; its files; and what is said of half a study."""

import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import keras
import numpy as np
import pytest
from playwright.sync_api import sync_playwright

NARROW = os.environ["NARROW"]
GOLDEN = Path(__file__).resolve().parents[2] / "golden"
STUDY = """
out: study
train: {data: train.h5, nodes: [6, 8], phi_layers: 2, rho_layers: 1, epochs: 30, batch: 50, out: "m{nodes}.keras"}
data: {files: test.h5, samples: 150}
grid: {v_full: 10:16:2, v_int: 6:9, wb_full: 8:12:2, wb_int: 2:3}
metrics: {threshold: 20, unit: GeV}
keep: [predictions, trace]
"""


def narrow(*arguments, status=0, **how):
    done = subprocess.run([NARROW, *map(str, arguments)], capture_output=True, text=True, **how)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def rows(study, sql):
    with sqlite3.connect(f"file:{study}/study.db?mode=ro", uri=True) as database:
        return database.execute(sql).fetchall()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    narrow("--quiet", "generate", folder / "train.h5", "--samples", 1500)
    narrow("--quiet", "generate", folder / "test.h5", "--samples", 150, "--seed", 2)
    (folder / "study.yml").write_text(STUDY)
    narrow("--quiet", "run", "study.yml", cwd=folder)
    narrow("report", "study", "--metric", "mpe", "--below", 30, "--figures", "none", cwd=folder)
    return folder / "study"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"])
        yield chromium
        chromium.close()


class Opened:
    """A page, and everything that it complained of or asked for."""

    def __init__(self, browser, path, **how):
        self.context = browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 900}, **how})
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append("dialog: " + dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"file://{path}")
        self.page.wait_for_selector("html[data-ready=yes]")

    def draw_all(self):
        self.page.evaluate("narrow.drawAll()")
        self.page.wait_for_function("[...document.querySelectorAll('figure')].every(f => f.dataset.drawn)")

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.context.close()
        if failure[0] is None:
            assert self.said == [], self.said
            assert all(url.startswith(("file://", "blob:")) for url in self.asked) and len(self.asked) < 5, self.asked


def marks(page, figure, kind):
    return page.evaluate(f"document.querySelectorAll('#{figure} svg .mark-{kind}.role-mark > path, #{figure} svg .mark-{kind}.role-mark > line').length")


def test_every_figure_is_drawn(study, browser):
    with Opened(browser, study / "report.html") as opened:
        opened.draw_all()
        page = opened.page
        figures = {figure.get_attribute("id") for figure in page.query_selector_all("figure")}
        assert figures >= {"error-vectors", "error-weights", "heatmap-vectors", "heatmap-weights", "pareto", "model-size", "ranges-6", "ranges-8", "differences-6",
                           "differences-8", "linearity", "resolution-68", "turn-on-20", "history"}
        specs = {figure["id"]: figure["spec"] for figure in json.loads(page.evaluate("document.getElementById('report').textContent"))["figures"]}
        # A mark for each value of the data.
        for figure in ("pareto", "model-size", "error-vectors"):
            table = specs[figure]["data"]["values"]
            assert marks(page, figure, "symbol") == len(table) + sum(bool(row.get("mark")) for row in table) > 3, figure
        for figure in ("differences-6", "differences-8"):
            assert marks(page, figure, "symbol") == len(specs[figure]["data"]["values"]) > 300
        for figure in ("ranges-6", "ranges-8"):
            # Of each row the type and the box; a box of no width has no area, but a mark.
            assert marks(page, figure, "rect") >= 2 * len(specs[figure]["data"]["values"]) > 20
        assert marks(page, "history", "line") == 4 and marks(page, "turn-on-20", "line") == 4
        assert marks(page, "linearity", "symbol") == sum(row["value"] is not None for row in specs["linearity"]["data"]["values"]) == 40
        plane = rows(study, "SELECT count(*) FROM results WHERE model = '6' AND wb_full = 12 AND wb_int = 2 AND mpe IS NOT NULL")[0][0]
        set_sliders(page, wb_full=12, wb_int=2)
        assert marks(page, "heatmap-vectors", "rect") == plane + (report_best(page, 0)[2:] == [12, 2]) and plane == 16, "the cells, and the best point's frame where it is one of them"
        assert not re.search("undefined|NaN", page.evaluate("[...document.querySelectorAll('svg text')].map(text => text.textContent).join(' ')"))


def report_best(page, scan):
    return json.loads(page.text_content("#report"))["best"][scan]


def set_sliders(page, **values):
    for name, value in values.items():
        page.evaluate("""([name, value]) => {
            if (name === 'cut') {
                document.getElementById('cut').value = value;
                return document.getElementById('cut').dispatchEvent(new Event('input', { bubbles: true }));
            }
            const steps = [...new Set(JSON.parse(document.getElementById('report').textContent).points.values[['scan', 'v_full', 'v_int', 'wb_full', 'wb_int'].indexOf(name)])].sort((a, b) => a - b);
            const slider = document.getElementById(name);
            slider.value = steps.indexOf(value);
            slider.dispatchEvent(new Event('input', { bubbles: true }));
        }""", [name, value])
    page.evaluate("narrow.settled()")


def test_sliders_move_the_heat_map(study, browser, tmp_path):
    with Opened(browser, study / "report.html") as opened:
        opened.draw_all()
        page = opened.page
        fills = lambda: page.evaluate("[...document.querySelectorAll('#heatmap-vectors svg .mark-rect.role-mark > path')].map(p => p.getAttribute('aria-label') + p.getAttribute('fill'))")
        seen = set()
        for wb_full in (8, 10, 12):
            set_sliders(page, wb_full=wb_full, wb_int=3, v_full=14, v_int=8)
            seen.add(tuple(fills()))
            mpe = rows(study, f"SELECT mpe FROM results WHERE model = '6' AND v_full = 14 AND v_int = 8 AND wb_full = {wb_full} AND wb_int = 3")[0][0]
            said = page.inner_text("#here")
            assert said.startswith(f"ap_fixed<14,8> / ap_fixed<{wb_full},3>: MPE of log(true_energy)/10 ") and float(said.split()[6]) == pytest.approx(mpe, rel=1e-3)
        assert len(seen) == 3
        # The keyboard does the same, and another model and metric.
        page.focus("#v_full")
        page.keyboard.press("ArrowLeft")
        assert page.inner_text("#here").startswith("ap_fixed<12,8>")
        page.select_option("#scan", label="8")
        page.select_option("#metric", "mae")
        page.evaluate("narrow.settled()")
        assert ": MAE " in page.inner_text("#here") and tuple(fills()) not in seen
        assert page.text_content("#heatmap-vectors .role-legend-title") == "MAE of log(true_energy)/10"
        # What is seen is what its command draws.
        set_sliders(page, v_full=12, v_int=7, wb_full=10, wb_int=2, cut=80)
        shown = page.evaluate("[...document.querySelectorAll('#heatmap-vectors svg .mark-rect.role-mark > path')].map(p => p.getAttribute('fill'))")
        said = page.inner_text("#heatmap-vectors code")
        assert "--model 8 --at 12,7,10,2 --percentile 80 --only heatmap-vectors" in said and said.startswith("narrow report study ")
        narrow(*said.split()[1:], "--figures", "svg", "--out", tmp_path / "again.html", cwd=study.parent)
        again = (tmp_path / "again-figures" / "heatmap-vectors.svg").read_text()
        fill = r'aria-roledescription="rect mark"[^>]*? fill="(rgb[^"]+)"'
        assert [colour.replace(" ", "") for colour in re.findall(fill, again)] == [colour.replace(" ", "") for colour in shown if colour and colour.startswith("rgb")] != []


def test_tables_sort_with_the_keyboard_too(study, browser):
    with Opened(browser, study / "report.html") as opened:
        page = opened.page
        headers = page.locator("#best thead button").all_inner_texts()
        column = headers.index("MPE of log(true_energy)/10 [%]")
        values = lambda: [float(text.split(" +- ")[0]) for text in page.locator(f"#best tbody tr td:nth-child({column + 1})").all_inner_texts()]
        before = values()
        page.locator("#best thead button").nth(column).focus()
        page.keyboard.press("Enter")
        assert values() == sorted(before) and page.get_attribute(f"#best thead th:nth-child({column + 1})", "aria-sort") == "ascending"
        page.keyboard.press("Enter")
        assert values() == sorted(before, reverse=True)
        # Every table can be reached and scrolled without a mouse, and says what it is.
        tables = page.locator(".table").all()
        assert len(tables) == 4 and all(table.get_attribute("tabindex") == "0" and table.get_attribute("aria-label") for table in tables)
        assert all(page.locator("figure .drawing").nth(i).get_attribute("aria-label") for i in range(page.locator("figure").count()))


def test_the_trace_is_of_one_sample(study, browser, tmp_path):
    for name in ("train.h5", "test.h5"):
        shutil.copy(study.parent / name, tmp_path)
    for model in study.parent.glob("m*.keras"):
        shutil.copy(model, tmp_path)
    narrow("--quiet", "sweep", "m6.keras", "m8.keras", "--data", "test.h5", "--v-full", "12:14:2", "--v-int", 7, "--wb-full", 10, "--wb-int", 2, "--samples", 20, "--trace", 3,
           "--out", "traced", cwd=tmp_path)
    narrow("report", "traced", "--sample", 2, "--figures", "none", cwd=tmp_path)
    with Opened(browser, tmp_path / "traced" / "report.html") as opened:
        assert "Layers of sample 2" in opened.page.inner_text("#trace caption")
        header = opened.page.locator("#trace thead button").all_inner_texts()
        column = header.index("8: ap_fixed<12,7> / ap_fixed<10,2>")
        cell = lambda layer, at: float(opened.page.locator(f"#trace tbody tr:has(th:text-is('{layer}')) > *").all_inner_texts()[at])
        with h5py.File(tmp_path / "traced" / "8.12.7.wb_10.2.model" / "hls_trace.h5") as fixed, h5py.File(tmp_path / "traced" / "8.keras_trace.h5") as exact:
            for layer in ("KSum", "phi1"):
                own, reference = fixed["trace"][layer][2], exact["trace"][layer][2]
                assert cell(layer, column) == pytest.approx(np.abs(own).mean(), rel=1e-3)
                assert cell(layer, header.index("8: float")) == pytest.approx(np.abs(reference).mean(), rel=1e-3)
                assert cell(layer, column + 1) == pytest.approx(np.abs(own - reference).max(), rel=1e-3)
            assert cell("regression", column) == pytest.approx(fixed["trace"]["regression"][2].item(), rel=1e-3), "a single value with its sign"
    assert "the layers of 3 samples are kept" in narrow("report", "traced", "--sample", 3, status=1, cwd=tmp_path)
    assert "no such model with points; available: 6, 8" in narrow("report", "traced", "--model", 7, status=1, cwd=tmp_path)
    assert "model 6 has no points with ap_fixed<9,7> / ap_fixed<10,2>" in narrow("report", "traced", "--at", "9,7,10,2", status=1, cwd=tmp_path)


def test_data_come_as_csv(study, browser, tmp_path):
    with Opened(browser, study / "report.html", accept_downloads=True) as opened:
        opened.draw_all()

        def download(button):
            with opened.page.expect_download() as waiting:
                opened.page.click(button)
            waiting.value.save_as(tmp_path / "data.csv")
            return list(csv.DictReader((tmp_path / "data.csv").open()))

        points = download("button[data-csv=heatmap-vectors]")
        assert len(points) == rows(study, "SELECT count(*) FROM results")[0][0] == 192
        mine = next(row for row in points if (row["scan"], row["v_full"], row["v_int"], row["wb_full"], row["wb_int"]) == ("1", "12", "7", "10", "2"))
        mpe = rows(study, "SELECT mpe FROM results WHERE model = '8' AND v_full = 12 AND v_int = 7 AND wb_full = 10 AND wb_int = 2")[0][0]
        assert float(mine["mpe"]) == pytest.approx(mpe, rel=1e-4)
        assert {row["layer"] for row in download("button[data-csv-table=overflows]")} >= {"KSum"}


def best_types(text, model):
    """Of `narrow best`: the types of a model's row, or nothing where none is recommended."""
    row = next(line for line in text.splitlines() if line.split()[:1] == [model])
    types = re.findall(r"ap_fixed<(-?\d+),(-?\d+)>", row)
    return [int(bits) for pair in types for bits in pair] or None


@pytest.mark.parametrize("question", [["--metric", "mpe", "--below", 30], ["--metric", "mpe", "--below", 100], ["--below", "mpe=300,rate_change@20=1000"], [], ["--below", 1e9, "--any"],
                                      ["--metric", "mpe", "--below", 300, "--overflow", 100], ["--metric", "resolution_loss", "--below", 1e9]])
def test_the_report_answers_as_best_does(study, tmp_path, question):
    """The points, and every sentence, at the edge of the grid, with overflows, and where nothing meets the bounds."""
    best = narrow("best", study, *question)
    text = narrow("report", study, *question, "--figures", "none", "--out", tmp_path / "page.html")
    specs, report = specs_of(tmp_path / "page.html")
    for scan, model in enumerate(("6", "8")):
        marked = [row for row in specs["pareto"]["data"]["values"] if row["model"] == model and row["mark"]]
        types = best_types(best, model)
        assert (types is not None) == any(row["mark"] == "recommended" for row in marked)
        if types:
            assert report["best"][scan] == types
            assert f"{model}: For " in text and f"vectors ap_fixed<{types[0]},{types[1]}>, weights ap_fixed<{types[2]},{types[3]}>, with " in text
        else:
            assert f"{model}: No precision of the grid " in text
        for sentence in re.findall(rf"^{model}(?: on \S+)?, auto: (.*)$", best, re.MULTILINE):
            assert f"{model}: {sentence}".lower() in text.lower(), sentence
    assert not re.search(r"\+\d{4,}(\.\d+)? %|e\+\d+ %\.", text.split("Against the float model")[-1].splitlines()[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_narrow_windows_and_both_schemes(study, browser, scheme, width):
    with Opened(browser, study / "report.html", viewport={"width": width, "height": 800}, color_scheme=scheme) as opened:
        opened.draw_all()
        page = opened.page
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page itself does not scroll sideways"
        channel = lambda text: [int(part) for part in re.findall(r"\d+", text)[:3]]
        paper = channel(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        ink = channel(page.evaluate("getComputedStyle(document.body).color"))
        label = page.evaluate("document.querySelector('#pareto svg .role-axis-title text').getAttribute('fill')")
        shade = int(label[1:3], 16)
        assert (sum(paper) < 150 and sum(ink) > 600 and shade > 200) if scheme == "dark" else (sum(paper) > 700 and sum(ink) < 150 and shade < 60)


def test_it_prints_without_its_controls(study, browser, tmp_path):
    with Opened(browser, study / "report.html") as opened:
        opened.page.emulate_media(media="print")
        assert not opened.page.is_visible(".controls") and not opened.page.is_visible("nav") and opened.page.is_visible("#best")


def test_figures_are_files_from_the_same_specifications(study, tmp_path):
    narrow("report", study, "--metric", "mpe", "--below", 30, "--out", tmp_path / "talk.html", "--only", "pareto,heatmap-vectors")
    assert not (tmp_path / "talk.html").exists()
    folder = tmp_path / "talk-figures"
    assert {path.name for path in folder.iterdir()} == {f"{figure}.{kind}" for figure in ("pareto", "heatmap-vectors") for kind in ("svg", "png", "pdf", "vl.json")}
    assert (folder / "pareto.png").read_bytes().startswith(b"\x89PNG") and (folder / "pareto.pdf").read_bytes().startswith(b"%PDF")
    spec = json.loads((folder / "pareto.vl.json").read_text())
    assert (folder / "pareto.svg").read_text().count('aria-roledescription="point"') == len(spec["data"]["values"]) + sum(bool(row["mark"]) for row in spec["data"]["values"])
    cells = (folder / "heatmap-vectors.svg").read_text().count('aria-roledescription="rect mark"')
    assert cells == 16 + 1, "at the best point, which has a frame"
    page = json.loads(re.search(r'<script type="application/json" id="report">(.*?)</script>', (study / "report.html").read_text()).group(1))
    mine = next(figure["spec"] for figure in page["figures"] if figure["id"] == "pareto")
    assert {key: spec[key] for key in mine} == mine
    assert "no such figure; available: pareto" in narrow("report", study, "--only", "pie", status=1)


def test_half_a_study_says_what_is_missing(study, browser, tmp_path):
    out = tmp_path / "half"
    grid = ["--v-full", "8:24", "--v-int", "4:12", "--wb-full", "8:16", "--wb-int", "2:4", "--samples", 100, "--keep", "none"]
    process = subprocess.Popen([NARROW, "sweep", str(GOLDEN / "ds16.keras"), "--data", str(GOLDEN / "clusters.h5"), *map(str, grid), "--out", str(out)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out / "study.db").exists() or not rows(out, "SELECT count(*) FROM sqlite_master WHERE name = 'results'")[0][0] or rows(out, "SELECT count(*) FROM results")[0][0] < 50:
        assert process.poll() is None
    process.kill()
    process.wait()
    done = rows(out, "SELECT count(*) FROM results")[0][0]
    said = narrow("report", out, "--figures", "none")
    assert f"missing: 16: {3861 - done} of 3861 points are not finished" in said and "no trace of the best point is kept" in said
    with Opened(browser, out / "report.html") as opened:
        opened.draw_all()
        assert f"{3861 - done} of 3861 points are not finished" in opened.page.inner_text(".missing")
    # Nothing at all.
    shutil.copy(study.parent / "train.h5", tmp_path)
    shutil.copy(study.parent / "test.h5", tmp_path)
    (tmp_path / "study.yml").write_text(STUDY)
    narrow("--quiet", "run", "study.yml", "--train-only", cwd=tmp_path)
    assert "no model has been studied yet" in narrow("report", tmp_path / "study", "--figures", "none")
    with Opened(browser, tmp_path / "study" / "report.html") as opened:
        assert "Nothing has been computed yet" in opened.page.inner_text("body")
    assert "it holds no study (study.db), nor folders" in narrow("report", GOLDEN, status=1)


def test_names_with_markup_are_shown_not_run(browser, tmp_path):
    evil = "<img src=x onerror=alert(1)>&'\"</script><script>alert(2)</script>"
    for name in ("plain", evil.replace("/", "\u2215")):
        shutil.copy(GOLDEN / "ds16.keras", tmp_path / f"{name}.keras")
    name = evil.replace("/", "\u2215")
    narrow("--quiet", "sweep", tmp_path / "plain.keras", tmp_path / f"{name}.keras", "--data", GOLDEN / "clusters.h5", "--v-full", "12:14", "--v-int", "6:7", "--wb-full", 10,
           "--wb-int", 2, "--samples", 20, "--target", "<img src=x onerror=alert(3)>:log", "--threshold", 2, "--unit", "<b>'&\"", "--out", tmp_path / "a <b> study")
    narrow("report", tmp_path / "a <b> study", "--figures", "none")
    with Opened(browser, tmp_path / "a <b> study" / "report.html") as opened:
        opened.draw_all()
        assert opened.page.inner_text("h1") == "a <b> study"
        assert f"Model {name}" in opened.page.inner_text("#summary")
        assert "turn_on@2 has no value in any bin" in opened.page.inner_text(".missing")
        assert opened.page.text_content("#linearity .role-axis-title") == "<img src=x onerror=alert(3)> [<b>'&\"]"
        assert "<img src=x onerror=alert(3)> at which half" in opened.page.get_attribute("#best th[title^='turn_on@2']", "title")
        assert opened.page.locator("img").count() == 0


def test_points_without_coordinates_are_carried_by_their_label(study, browser, tmp_path):
    """As a search over types will leave them: here they are points of the grid that lost their coordinates."""
    shutil.copytree(study, tmp_path / "study")
    with sqlite3.connect(tmp_path / "study" / "study.db") as database:
        best = database.execute("SELECT point, mpe, mae FROM results WHERE model = '6' ORDER BY mpe LIMIT 1").fetchone()
        for point, label in ((best[0], "search-1"), (database.execute("SELECT max(point) FROM results WHERE model = '6'").fetchone()[0], "search-2")):
            database.execute("UPDATE points SET v_full = NULL, v_int = NULL, wb_full = NULL, wb_int = NULL, label = ? WHERE id = ?", (label, point))
        every = database.execute("SELECT count(*) FROM points").fetchone()[0]
    said = narrow("report", tmp_path / "study", "--metric", "mpe", "--below", 30, "--figures", "none")
    assert re.search(rf"^6: A type for each tensor, search-1: MPE of log\(true_energy\)/10 {float(f'{best[1]:.3g}'):g} .*% with [\d.]+ bits", said, re.M), said
    assert "not done" not in said
    with Opened(browser, tmp_path / "study" / "report.html") as opened:
        assert "search-1" in opened.page.inner_text("body")
    status = narrow("status", tmp_path / "study")
    assert f"{every} of {every} points are done" in status
    lines = narrow("best", tmp_path / "study", "--pareto", "--any", "--metric", "mpe").splitlines()
    assert any(line.split()[:3] == ["6", "-", "auto"] and line.split()[4:6] == ["search-1", "-"] for line in lines), lines
    # All of a model's.
    with sqlite3.connect(tmp_path / "study" / "study.db") as database:
        database.execute("UPDATE points SET label = 'p' || id, v_full = NULL, v_int = NULL, wb_full = NULL, wb_int = NULL WHERE label IS NULL")
    assert re.search(r"^6 .* (p\d+|search-\d)$", narrow("status", tmp_path / "study"), re.MULTILINE)
    said = narrow("report", tmp_path / "study", "--metric", "mpe", "--below", 30, "--figures", "none")
    assert "6: A type for each tensor, p" in said and "8: A type for each tensor, p" in said and "bits are enough" not in said
    with Opened(browser, tmp_path / "study" / "report.html") as opened:
        assert f"at {every} precisions" in opened.page.inner_text("body") and "Vectors of" not in opened.page.inner_text("body")
    with Opened(browser, tmp_path / "study" / "report.html") as opened:
        assert "search-1" in opened.page.inner_text("body")
    narrow("best", tmp_path / "study", "--below", 1e9)


@pytest.mark.parametrize("name", ["x.99999999999.6.wb_8.2.model", "x.16.6.wb_8.-99999999999999999999.model", "x.0.6.wb_8.2.model", "x.16.6.wb_65.2.model"])
def test_folders_of_impossible_precisions_are_refused(name, tmp_path):
    (tmp_path / "studies" / name).mkdir(parents=True)
    said = narrow("report", tmp_path / "studies", "--figures", "none", status=1)
    assert said.count("\n") == 1 and f"{name}: " in said and "types have 1 to 64 bits" in said


def test_what_makes_no_sense_is_refused(study, tmp_path):
    for options, said in [
        (["--out", tmp_path / "page.pdf"], "page.pdf: the page is HTML; give it a name that ends in .html"),
        (["--figures", "svg,none"], "--figures: none cannot be combined with formats"),
        (["--figures", "none", "--only", "pareto"], "--only draws figures and nothing else"),
        (["--metric", "pi"], "--metric: the study has no metric 'pi'; it has mae, mpe"),
    ]:
        assert said in narrow("report", study, *options, status=1 if options[0] == "--metric" else 2)
    assert "--below: the bound should be a number" in narrow("best", study, "--below", "nan", status=2)
    assert "two studies have the same name" in narrow("compare", study, study, status=2)
    assert "two studies have the same name" in narrow("compare", study, tmp_path, "--labels", "PTQ,PTQ", status=2)
    # Folders of one name are told apart by their paths.
    shutil.copytree(study, tmp_path / "study")
    assert f"6 ({study}): " in narrow("compare", study, tmp_path / "study", "--out", tmp_path / "both.html", "--figures", "none")
    (tmp_path / "both.html").unlink()
    (tmp_path / "good.txt").write_text("1.0\n2e-3\nnan\n")
    (tmp_path / "bad.txt").write_text("1.0\n2.0\n3.0,\n")
    assert "bad.txt, line 3: a number should stand there" in narrow("compare", tmp_path / "good.txt", tmp_path / "bad.txt", status=1)
    assert list(tmp_path.glob("*.html")) == []


@pytest.mark.parametrize("kind", ["dead", "constant", "far", "one sample"])
def test_odd_studies_are_shown_without_a_complaint(browser, tmp_path, kind):
    """Nothing to measure against, nothing to choose from, nothing that passes."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 4)).astype(np.float32)
    y = {"constant": np.full((50, 1), 3), "far": rng.uniform(100, 101, size=(50, 1))}.get(kind, rng.uniform(1, 3, size=(50, 1)))
    np.savez(tmp_path / "data.npz", x=x, y=y.astype(np.float32))
    layers = [keras.Input((4,)), keras.layers.Dense(6, activation="relu", name="hidden"), keras.layers.Dense(1, name="out")]
    model = keras.Sequential(layers)
    model.set_weights([0 * rng.normal(size=w.shape) if kind == "dead" else rng.normal(size=w.shape) for w in model.get_weights()])
    model.save(tmp_path / "model.keras")
    narrow("--quiet", "sweep", "model.keras", "--data", "data.npz", "--v-full", "8:12:2", "--v-int", 4, "--wb-full", 8, "--wb-int", 3, "--threshold", 2,
           "--samples", 1 if kind == "one sample" else 50, "--out", "study", cwd=tmp_path)
    said = narrow("report", "study", "--figures", "none", cwd=tmp_path)
    assert ("No point has a value of MPE" in said) == (kind == "dead")
    for metric in ("mae", "mpe"):
        narrow("report", "study", "--metric", metric, "--figures", "none", cwd=tmp_path)
        with Opened(browser, tmp_path / "study" / "report.html") as opened:
            opened.draw_all()
            for option in opened.page.evaluate("[...document.querySelectorAll('#metric option')].map(option => option.value)"):
                opened.page.select_option("#metric", option)
                opened.page.evaluate("narrow.settled()")
            shown = opened.page.evaluate("[...document.querySelectorAll('svg text, main, header')].map(node => node.textContent).join(' ')")
            assert not re.search(r"undefined|NaN|Infinity|\bnull\b|\bnan\b|\binf\b", shown)


def test_studies_and_text_folders_are_compared(study, browser, tmp_path):
    """Our own results, and the same as folders that a script of the study would have written."""
    (tmp_path / "hls4ml").mkdir()
    for folder in study.glob("6.*.model"):
        shutil.copytree(folder, tmp_path / "hls4ml" / folder.name)
    said = narrow("compare", study, tmp_path / "hls4ml", "--labels", "PTQ,QAT", "--metric", "mpe", "--below", 1e9, "--any", "--figures", "none", "--out", tmp_path / "both.html")
    mine, theirs = (re.search(rf"^6 \({label}\): For MPE .*", said, re.MULTILINE).group(0).split(": ", 1)[1] for label in ("PTQ", "QAT"))
    assert mine == theirs
    assert "6 (QAT): There, it is not known whether anything overflows: there is no study.db in " in said and "6 (PTQ): There, it is not known" not in said
    with Opened(browser, tmp_path / "both.html") as opened:
        opened.draw_all()
        assert opened.page.inner_text("h1") == "PTQ and QAT"
        dashes = opened.page.evaluate("[...document.querySelectorAll('#pareto svg .mark-line.role-mark > path')].map(p => p.getAttribute('stroke-dasharray'))")
        assert len(dashes) == 3 and len(set(dashes)) == 2
    (tmp_path / "hls4ml" / next(study.glob("6.*.model")).name / "hls_predictions.txt").write_text("1\n2\n")
    assert "it has 2 predictions, keras_predictions.txt 150" in narrow("compare", study, tmp_path / "hls4ml", status=1)


def test_figures_of_errors_have_their_statistical_errors(study, tmp_path):
    narrow("report", study, "--figures", "none", "--out", tmp_path / "page.html")
    page = json.loads(re.search(r'id="report">(.*?)</script>', (tmp_path / "page.html").read_text(), re.DOTALL)[1])
    with sqlite3.connect(f"file:{study}/study.db?mode=ro", uri=True) as database:
        known = {(round(value, 9), error) for value, error in database.execute("SELECT value, error FROM metrics WHERE error IS NOT NULL")}
    for name in ("error-vectors", "error-weights", "model-size"):
        [figure] = [each for each in page["figures"] if each["id"] == name]
        shown = [row for row in figure["spec"]["data"]["values"] if row["error"] is not None]
        assert shown and all((round(row["value"], 9), row["error"]) in known for row in shown), name
        assert all(row["low"] <= row["shown"] <= row["high"] == pytest.approx(row["value"] + row["error"]) for row in shown)


def test_a_threshold_in_another_unit_is_another_threshold(tmp_path):
    """20 GeV and 20 MeV have one name; so have the rates there, which are shares in both studies."""
    for unit in ("GeV", "MeV"):
        narrow("sweep", GOLDEN / "ds16.keras", "--data", GOLDEN / "clusters.h5", "--target", "true_energy:log/10", "--unit", unit, "--threshold", 20, "--samples", 60, *"--v-full 14:16 --v-int 6 --wb-full 12 --wb-int 2 --keep none".split(), "--out", tmp_path / unit)
    said = narrow("compare", tmp_path / "GeV", tmp_path / "MeV", "--metric", "rate_change@20", "--below", 1e9, "--any", "--figures", "none", "--out", tmp_path / "both.html")
    assert "its rate_change@20 is at a value in MeV, not in GeV as the first study's" in said and "its mpe_target" not in said, said
    assert re.search(r"^16 \(GeV\): For rate change at 20 of at most", said, re.MULTILINE) and not re.search(r"^16 \(MeV\): For rate change", said, re.MULTILINE), said


def test_predictions_are_compared(study, browser, tmp_path):
    folder = next(study.glob("8.12.7.wb_10.2.model"))
    files = [folder / "keras_predictions.txt", folder / "hls_predictions.txt"]
    said = narrow("compare", *files, "--out", tmp_path / "two.html", "--figures", "none")
    error = np.loadtxt(files[1]) - np.loadtxt(files[0])
    assert "150 predictions of hls_predictions.txt against those of keras_predictions.txt." in said and f"MAE of the output {np.abs(error).mean():.3g}," in said
    with Opened(browser, tmp_path / "two.html") as opened:
        opened.draw_all()
        assert marks(opened.page, "difference-scatter", "symbol") == 150


def test_a_file_is_itself(tmp_path):
    """In doubles, as the file has them."""
    np.savetxt(tmp_path / "a.txt", np.random.default_rng(1).normal(size=50))
    shutil.copy(tmp_path / "a.txt", tmp_path / "b.txt")
    said = narrow("compare", tmp_path / "a.txt", tmp_path / "b.txt", "--figures", "none", "--out", tmp_path / "r.html")
    metrics = said.splitlines()[1].rstrip(".").split(", ")
    assert len(metrics) > 5 and all(re.search(r" 0( %)?$", metric) for metric in metrics), said


def test_predictions_of_several_outputs_are_rows(tmp_path):
    """A row is a sample, in two files and in folders of predictions."""
    random = np.random.default_rng(4)
    reference, fixed = random.normal(size=(2, 40, 3))
    folder = tmp_path / "hls4ml" / "64.16.6.model"
    folder.mkdir(parents=True)
    np.savetxt(folder / "keras_predictions.txt", reference)
    np.savetxt(folder / "hls_predictions.txt", fixed)
    said = narrow("compare", folder / "keras_predictions.txt", folder / "hls_predictions.txt", "--figures", "none", "--out", tmp_path / "two.html")
    assert "40 predictions of 3 outputs each of hls_predictions.txt" in said and f"MAE of the output {np.abs(fixed - reference).mean():.3g}," in said, said
    specs, _ = specs_of(tmp_path / "two.html")
    points = specs["difference-scatter"]["data"]["values"]
    assert len(points) == 120 and all(row["difference"] == pytest.approx((fixed - reference)[row["sample"], row["output"]]) for row in points)
    said = narrow("report", tmp_path / "hls4ml", "--figures", "none", "--out", tmp_path / "page.html", "--metric", "mae")
    assert "on 40 samples of" in (tmp_path / "page.html").read_text(), said
    mae = np.abs(fixed - reference).mean()
    assert f"MAE of the output {mae:.3g}" in said
    # Rows that do not fit together.
    (tmp_path / "uneven.txt").write_text("1 2\n3\n")
    assert "uneven.txt, line 2: it has 1 numbers, the rows before it 2; a row is a sample" in narrow("compare", folder / "hls_predictions.txt", tmp_path / "uneven.txt", status=1)
    np.savetxt(folder / "hls_predictions.txt", fixed.reshape(60, 2))
    assert "it has 60 predictions of 2 outputs, keras_predictions.txt 40 predictions of 3 outputs" in narrow("report", tmp_path / "hls4ml", "--figures", "none", status=1)


def test_twenty_thousand_points_are_a_page_below_ten_megabytes(browser, tmp_path):
    narrow("--quiet", "sweep", GOLDEN / "ds16.keras", "--data", GOLDEN / "clusters.h5", "--v-full", "8:32", "--v-int", "-5:12", "--wb-full", "8:19", "--wb-int", "1:4", "--samples", 10,
           "--keep", "none", "--counted", 5, "--target", "true_energy:log/10", "--threshold", "30", "--out", tmp_path / "study")
    assert rows(tmp_path / "study", "SELECT count(*) FROM results")[0][0] > 20000
    narrow("report", tmp_path / "study", "--figures", "none")
    page = tmp_path / "study" / "report.html"
    print(f"{page.stat().st_size / 1e6:.2f} MB")
    assert page.stat().st_size < 10e6
    with Opened(browser, page) as opened:
        opened.draw_all()
        timing = opened.page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        print(f"ready after {timing:.0f} ms")
        moved = opened.page.evaluate("""async () => {
            const slider = document.getElementById('wb_full');
            const times = [];
            for (let i = 0; i <= slider.max; ++i) {
                slider.value = i;
                const start = performance.now();
                slider.dispatchEvent(new Event('input', { bubbles: true }));
                await narrow.settled();
                times.push(performance.now() - start);
            }
            return times;
        }""")
        print("a slider's steps are seen after", " ".join(f"{time:.0f}" for time in moved), "ms")


def specs_of(page):
    """The figures of a page, without a browser: each with its table."""
    report = json.loads(re.search(r'<script type="application/json" id="report">(.*?)</script>', page.read_text()).group(1))
    return {figure["id"]: figure["spec"] for figure in report["figures"]}, report


def test_the_answer_is_a_table_first(study):
    """The lowest error of each number of bits, and the points that the text recommends, recomputed from the store."""
    specs, _ = specs_of(study / "report.html")
    table = specs["pareto"]["data"]["values"]
    for model in ("6", "8"):
        points = rows(study, f'''SELECT bits, mpe, "error of mpe" FROM results WHERE model = '{model}' AND mpe IS NOT NULL''')
        mine = [row for row in table if row["model"] == model]
        least = {bits: min(mpe for b, mpe, *_ in points if b == bits) for bits in {point[0] for point in points}}
        assert {row["bits"] for row in mine} == set(least)
        for bits, mpe in least.items():
            assert any(row["bits"] == bits and row["value"] == pytest.approx(mpe) for row in mine)
            on_front = all(least[fewer] > mpe for fewer in least if fewer < bits)
            assert any(row["front"] for row in mine if row["bits"] == bits and row["value"] == pytest.approx(mpe)) == on_front
        marked = [row for row in mine if row["mark"]]
        assert len(marked) == 1 and marked[0]["label"].removeprefix("nearest: ").removeprefix("not recommended: ").removeprefix("undecided: ") == f"{marked[0]['type']}, {marked[0]['bits']} bits"
        assert (marked[0]["mark"] == "recommended") == any(mpe + error <= 30 for _, mpe, error in points)


def test_a_study_that_was_moved_is_the_same(study, tmp_path):
    """One folder: copied elsewhere, with the models and the data left behind, looked at from another folder."""
    shutil.copytree(study, tmp_path / "laptop" / "study")
    (tmp_path / "laptop" / "study" / "report.html").unlink()
    (tmp_path / "desk").mkdir()
    for command in (["report", "../laptop/study", "--metric", "mpe", "--below", 30, "--figures", "none"], ["status", "../laptop/study"], ["best", "../laptop/study", "--below", 30],
                    ["compare", "../laptop/study", study, "--labels", "a,b", "--figures", "none", "--out", "both.html"]):
        narrow(*command, cwd=tmp_path / "desk")
    specs, mine = specs_of(study / "report.html")
    moved, theirs = specs_of(tmp_path / "laptop" / "study" / "report.html")
    assert moved == specs and "history" in specs
    assert {**mine, "command": 0} == {**theirs, "command": 0}


def test_a_study_on_a_read_only_medium_is_shown(study, tmp_path):
    """A bind mount that is read-only, where the test may make one."""
    shutil.copytree(study, tmp_path / "copy")
    (tmp_path / "medium" / "study").mkdir(parents=True)
    mount = f"mount --bind {tmp_path}/copy {tmp_path}/medium/study && mount -o remount,ro,bind {tmp_path}/medium/study"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode != 0:
        pytest.skip("this user may not mount")
    (tmp_path / "desk").mkdir()
    for line in ("status ../medium/study", "best ../medium/study --below 30", "report ../medium/study --metric mpe --below 30 --figures none"):
        done = subprocess.run(["unshare", "-m", "sh", "-c", f"{mount} && {NARROW} {line}"], cwd=tmp_path / "desk", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert specs_of(tmp_path / "desk" / "report.html")[0] == specs_of(study / "report.html")[0]


def test_folders_of_other_scripts_are_read(study, tmp_path):
    """The names that the study's QAT script writes, with a word before the end, and its 2-D names."""
    folder = tmp_path / "QAT"
    taken = sorted(study.glob("6.1?.7.wb_1?.2.model"))
    assert len(taken) > 4
    for each in taken:
        shutil.copytree(each, folder / each.name.replace(".model", ".bothSweep.model"))
    for each in sorted(study.glob("6.1?.7.wb_10.2.model")):
        _, v_full, v_int, *_ = each.name.split(".")
        shutil.copytree(each, folder / f"8.{v_full}.{v_int}.model")
    said = narrow("compare", study, folder, "--labels", "PTQ,QAT", "--below", 1e9, "--figures", "none", "--out", tmp_path / "both.html")
    assert "6 bothSweep (QAT): " in said and "8 (QAT): " in said, said
    _, report = specs_of(tmp_path / "both.html")
    columns, values = report["points"]["columns"], report["points"]["values"]
    points = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    scans = sorted({point["scan"] for point in points})
    assert len(scans) == 4
    assert sum(point["scan"] == scans[2] for point in points) == len(taken)
    assert all((p["v_full"], p["v_int"]) == (p["wb_full"], p["wb_int"]) for p in points if p["scan"] == scans[3])
    # What folders of predictions do not know is not said to be so.
    assert {p["overflowed"] for p in points if p["scan"] >= scans[2]} == {None} and {p["overflowed"] for p in points if p["scan"] < scans[2]} <= {0, 1}


def test_later_sweeps_keep_the_float_trace(tmp_path):
    sweep = ("--quiet", "sweep", GOLDEN / "ds16.keras", "--data", GOLDEN / "clusters.h5", "--wb-full", 12, "--wb-int", 2, "--v-int", 7, "--samples", 20, "--out", tmp_path / "s")
    narrow(*sweep, "--v-full", "14:16", "--trace", 5)
    narrow(*sweep, "--v-full", "14:15")
    with h5py.File(tmp_path / "s" / "16.keras_trace.h5") as file:
        assert file["trace/phi1"].shape[0] == 5
    narrow("report", tmp_path / "s", "--below", 1e9, "--figures", "none")
    assert "differences-16" in specs_of(tmp_path / "s" / "report.html")[0]
    # Fewer than the point's: what both have is compared, and that is said; none: said too.
    with h5py.File(tmp_path / "s" / "16.keras_trace.h5", "r+") as file:
        for layer in list(file["trace"]):
            first = file[f"trace/{layer}"][:1]
            del file[f"trace/{layer}"]
            file[f"trace/{layer}"] = first
    narrow(*sweep, "--v-full", "14:16", "--trace", 5, "--quiet")
    with h5py.File(tmp_path / "s" / "16.keras_trace.h5", "r+") as file:
        for layer in list(file["trace"]):
            first = file[f"trace/{layer}"][:1]
            del file[f"trace/{layer}"]
            file[f"trace/{layer}"] = first
    said = narrow("report", tmp_path / "s", "--below", 1e9, "--figures", "none")
    assert "missing: 16: the float model's trace has 1 samples, that of the best point 5" in said, said
    assert "differences-16" in specs_of(tmp_path / "s" / "report.html")[0]
    (tmp_path / "s" / "16.keras_trace.h5").unlink()
    said = narrow("report", tmp_path / "s", "--below", 1e9, "--figures", "none")
    assert "missing: 16: the float model's trace is gone" in said, said


def test_the_trace_goes_down_to_nodes(study, browser):
    with Opened(browser, study / "report.html") as opened:
        best = opened.page.locator("#trace thead button").all_inner_texts()[2]
        types = re.fullmatch(r"6: ap_fixed<(\d+),(\d+)> / ap_fixed<(\d+),(\d+)>", best).groups()
        opened.page.click("summary:text-is('Node by node')")
        cells = opened.page.locator("#nodes tbody tr:has(th:text-is('rho1'))").all_inner_texts()
        shown = [row.split() for row in cells]
        with h5py.File(study / f"6.{types[0]}.{types[1]}.wb_{types[2]}.{types[3]}.model" / "hls_trace.h5") as fixed, h5py.File(study / "6.keras_trace.h5") as exact:
            own, reference = fixed["trace/rho1"][0], exact["trace/rho1"][0]
            mine = [row for row in shown if row[2] == "6"]
            assert len(mine) == own.size == 6
            for node, row in enumerate(mine):
                assert row[1] == str(node) and float(row[3]) == pytest.approx(reference[node], rel=1e-3) and float(row[4]) == pytest.approx(own[node], rel=1e-3)
                assert float(row[5]) == pytest.approx(abs(own[node] - reference[node]), rel=1e-3)
