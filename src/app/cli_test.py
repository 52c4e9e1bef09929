"""The command line as a user meets it: what it writes, and what it says when the input is wrong."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

NARROW = os.environ["NARROW"]
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "golden"
DS16 = GOLDEN / "ds16.keras"


def narrow(*args, **kwargs):
    return subprocess.run([NARROW, *map(str, args)], capture_output=True, text=True, **kwargs)


def succeed(*args, **kwargs):
    run = narrow(*args, **kwargs)
    assert run.returncode == 0, run.stderr
    return run.stdout


def fail(*args, status=1):
    run = narrow(*args)
    assert run.returncode == status, run.stderr
    assert run.stderr.count("\n") == 1 and run.stderr.startswith("narrow: error: "), run.stderr
    return run.stderr


@pytest.fixture(scope="module")
def golden():
    with h5py.File(GOLDEN / "ds16.h5") as file:
        yield file


@pytest.fixture(scope="module")
def samples(golden, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.npy"
    np.save(path, golden["input"][:])
    return path


# --- predict, trace, show


@pytest.mark.parametrize(
    ("case", "precision"),
    [
        ("auto_16_6_w16_6", ["--v", "16,6"]),
        ("auto_12_7_w10_2", ["--v", "12,7", "--wb", "10,2"]),
        ("auto_rnd_sat", ["--v", "14,7", "--wb", "12,3", "--relu", "AP_RND,AP_SAT"]),
        ("auto_max_20_8", ["--v", "16,8", "--wb", "14,4", "--maximum", "20,8"]),
        ("model_16_9", ["--v", "16,9", "--types", "uniform"]),
        ("model_sat", ["--v", "14,5,AP_RND,AP_SAT", "--types", "uniform"]),
    ],
)
def test_predict_writes_hls4mls_numbers(case, precision, golden, samples, tmp_path):
    out = tmp_path / "predictions.txt"
    succeed("predict", DS16, "--data", samples, *precision, "--out", out)
    expected = golden[f"cases/{case}/predictions"][:]
    assert np.array_equal(np.loadtxt(out, ndmin=2), expected)
    np.savetxt(tmp_path / "numpy.txt", expected)
    assert out.read_text() == (tmp_path / "numpy.txt").read_text()


def test_precision_file_gives_the_same(golden, samples, tmp_path):
    """The mixed types of a golden case, as an hls4ml configuration."""
    case = json.loads(golden["cases/mixed_types"].attrs["case"])
    known = json.loads(golden["cases/mixed_types"].attrs["types"])
    layers = {name: {"Precision": dict.fromkeys((key for key in ("result", "weight", "bias", "accum") if f"{key}_t" in types), "auto")} for name, types in known.items()}
    for name in ("phi1", "phi2", "rho1", "rho2", "regression"):
        layers[name]["Precision"].update(weight=case["weight"], bias=case["bias"])
    for name, types in case["layers"].items():
        layers[name]["Precision"].update(types)
    path = tmp_path / "mixed.yml"
    path.write_text(json.dumps({"Model": {"Precision": {"default": case["default"]}, "ReuseFactor": 1}, "LayerName": layers}))  # JSON is YAML
    out = tmp_path / "predictions.txt"
    succeed("predict", DS16, "--data", samples, "--precision", path, "--out", out)
    assert np.array_equal(np.loadtxt(out, ndmin=2), golden["cases/mixed_types/predictions"][:])


@pytest.mark.parametrize("model", ["ds16", "bn16", "pool16"])
@pytest.mark.parametrize("precision", [["--v", "14,6", "--wb", "11,3", "--relu", "AP_RND"], ["--v", "13,6", "--maximum", "18,8"], ["--v", "12,6", "--types", "uniform"]])
def test_saved_types_give_the_same_predictions(model, precision, samples, tmp_path):
    succeed("show", GOLDEN / f"{model}.keras", *precision, "--save", tmp_path / "types.yml")
    succeed("predict", GOLDEN / f"{model}.keras", "--data", samples, *precision, "--out", tmp_path / "a.txt")
    succeed("predict", GOLDEN / f"{model}.keras", "--data", samples, "--precision", tmp_path / "types.yml", "--out", tmp_path / "b.txt")
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text()


def test_trace_holds_every_layer(golden, samples, tmp_path):
    out = tmp_path / "trace.h5"
    succeed("trace", DS16, "--data", samples, "--v", "16,6", "--samples", 10, "--out", out)
    with h5py.File(out) as file:
        for layer, expected in golden["cases/auto_16_6_w16_6/trace"].items():
            assert np.array_equal(file[f"trace/{layer}"][:], expected[:])
            assert file[f"float_trace/{layer}"].shape == expected.shape
        assert np.array_equal(file["predictions"][:], golden["cases/auto_16_6_w16_6/predictions"][:10])
        assert json.loads(file.attrs["types"])["phi1"]["accum_t"] == "fixed<35,15,TRN,WRAP,0>"
        np.testing.assert_allclose(file["float"][:], golden["float"][:10], atol=1e-5)
    assert not list(tmp_path.glob("*.partial"))


def test_predict_reports_overflows(samples, tmp_path):
    out = succeed("predict", DS16, "--data", samples, "--v", "8,3", "--out", tmp_path / "p.txt")
    ksum = next(line for line in out.splitlines() if line.startswith("KSum"))
    assert "%" in ksum


def rows_of(table):
    """The table of counts: a row a layer, its cells by their header."""
    lines = table.splitlines()
    header = re.split(r" {2,}", lines[0].strip())
    assert header == ["layer", "type", "overflow", "sum overflow", "underflow to 0", "weights overflow", "weights to 0"]
    return [dict(zip(header, re.split(r" {2,}", line.strip()), strict=True)) for line in lines[1 : lines.index("") if "" in lines else None]]


def as_hls4ml(name):
    """`ap_fixed<14,6,AP_RND>` with all its modes, as hls4ml writes types: `fixed<14,6,RND,WRAP,0>`."""
    kind, fields = re.fullmatch(r"ap_(u?fixed|u?int)<(.*)>", name).groups()
    fields = fields.replace("AP_", "").split(",")
    return f"{kind}<{','.join(fields if 'int' in kind else fields + ['TRN', 'WRAP', '0'][len(fields) - 2:])}>"


@pytest.mark.parametrize("command", ["predict", "predict --interpreter", "trace"])
@pytest.mark.parametrize("precision", [["--v", "14,6"], ["--v", "9,3,AP_RND,AP_SAT", "--wb", "8,1", "--types", "uniform"]])
@pytest.mark.parametrize("model", ["ds16", "bn16", "pool16", "bn16_legacy.h5"])
def test_counts_are_those_of_the_layers_that_run(model, precision, command, tmp_path):
    """A row for each layer of the network as it runs (of bn16 without the normalization, where that is folded), with its type, and with
    shares that are shares."""
    path = GOLDEN / (model if "." in model else model + ".keras")
    inputs = (path, "--data", GOLDEN / "clusters.h5", "--samples", 30, *precision)
    succeed("trace", *inputs, "--out", tmp_path / "trace.h5")
    with h5py.File(tmp_path / "trace.h5") as file:
        types = json.loads(file.attrs["types"])
        assert set(types) == set(file["trace"])
    succeed("show", path, *precision, "--save", tmp_path / "types.yml")
    shown = re.findall(r"^  (\S+):$", (tmp_path / "types.yml").read_text().split("LayerName:")[1], re.MULTILINE)
    rows = rows_of(succeed(*command.split(), *inputs, "--out", tmp_path / "out"))
    assert [row["layer"] for row in rows] == [name for name in shown if name in types] == list(types)
    for row in rows:
        assert as_hls4ml(row["type"]) == types[row["layer"]]["result_t"]
        for share in list(row.values())[2:]:
            assert share == "-" or 0 < float(share.removesuffix(" %")) <= 100, row


def test_bench_is_of_the_layers_that_run(tmp_path):
    """A folded normalization multiplies nothing: 10,528 products a sample (`show`, the Dense layers), not 11,040."""
    text = succeed("bench", GOLDEN / "bn16.keras", "--data", GOLDEN / "clusters.h5", "--samples", 30, "--v", "14,6", "--rounds", 1)
    result = json.loads(text)
    succeed("trace", GOLDEN / "bn16.keras", "--data", GOLDEN / "clusters.h5", "--samples", 2, "--v", "14,6", "--out", tmp_path / "trace.h5")
    with h5py.File(tmp_path / "trace.h5") as file:
        assert [layer["layer"] for layer in result["layers"]] == list(json.loads(file.attrs["types"]))
    dense = [int(count) for count in re.findall(r"Dense +\S+ +\d+ +(\d+)", succeed("show", GOLDEN / "bn16.keras"))]
    rows = 1 - result["counted_rows"]
    expected = sum(dense[:2]) * rows + sum(dense[2:])
    assert result["multiplications_per_s"] / result["samples_per_s"] == pytest.approx(expected, rel=1e-9)


def test_show_prints_layers():
    out = succeed("show", DS16)
    assert re.search(r"phi1 +Dense +32x16 +80 +2048 ", out)
    assert re.search(r"KSum +KSum +16 ", out)


def test_onnx_networks_are_not_saved_as_keras(tmp_path):
    run = narrow("show", GOLDEN / "onnx" / "mlp.onnx", "--save-model", tmp_path / "m.keras")
    assert run.returncode == 1 and not (tmp_path / "m.keras").exists()
    assert re.fullmatch(r"narrow: error: --save-model \S+: a Keras file does not hold the types of \S+mlp.onnx, which is an ONNX file\n", run.stderr), run.stderr


def significant_bits(raw):
    digits = f"{abs(raw):b}".strip("0")
    return len(digits)


def test_cost_counts_what_the_model_file_holds(tmp_path):
    """Bits and EBOPs from the file's own numbers: every value has 12 bits, 11 without its sign, and every weight 8, 6 of them fractional."""
    archive = zipfile.ZipFile(DS16)
    costs = tmp_path / "cost.json"
    out = succeed("cost", DS16, "--v", "12,5", "--wb", "8,2", "--json", costs)
    assert re.search(r"^phi1 +640 +11,776 ", out, re.MULTILINE)  # 4 x 16 + 16 weights; 32 x 16 results of 23 bits
    cost = json.loads(costs.read_text())
    found = {layer["layer"]: layer for layer in cost["layers"]}
    with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        for k, (name, rows) in enumerate({"phi1": 32, "phi2": 32, "rho1": 1, "rho2": 1, "regression": 1}.items()):
            kernel, bias = (np.floor(file[f"layers/dense{f'_{k}' if k else ''}/vars/{i}"][:].astype(float) * 64).astype(int).ravel() for i in (0, 1))
            kernel, bias = ((array + 128) % 256 - 128 for array in (kernel, bias))  # they wrap
            assert found[name]["ebops"] == rows * sum(11 * significant_bits(raw) for raw in kernel) + rows * sum(map(significant_bits, bias))
            assert found[name]["weight_bits"] == 8 * (len(kernel) + len(bias))
    assert found["KSum"]["ebops"] == pytest.approx(0.65 * 31 * 16 * 11)
    for key in ("weight_bits", "value_bits", "ebops", "dsp", "lut", "ff", "bram"):
        assert cost["all"][key] == pytest.approx(sum(layer[key] for layer in cost["layers"]))
    assert cost["average_bits"] == cost["all"]["tensor_bits"] / cost["all"]["tensors"]


def test_cost_of_a_stream_is_that_of_a_row():
    out = succeed("cost", DS16, "--v", "12,5", "--io", "io_stream", "--part", "xcku115-flvb2104-2-i")
    assert re.search(r"^activation +- +6,144 +- +- +192 +192 ", out, re.MULTILINE)  # 16 relus of 12 bits
    assert re.search(r"^xcku115 +\d", out, re.MULTILINE)


@pytest.mark.parametrize(("options", "says"), [
    (["--v", "12,5", "--part", "xc7z020"], "the part `xc7z020` should be one of xcvu13p, xcvu9p, xcu250, xcku115, xczu7ev"),
    (["--v", "12,5", "--io", "io_serial"], "the io type `io_serial` should be one of io_parallel, io_stream"),
    ([], "a cost needs a precision"),
])
def test_cost_says_what_would_be_right(options, says):
    run = narrow("cost", DS16, *options)
    assert (run.returncode, run.stdout) == (2, "") and says in run.stderr and run.stderr.count("\n") == 1


def test_notes_say_where_narrow_departs_from_hls4ml():
    run = narrow("show", GOLDEN / "bn16.keras", "--v", "16,6")
    assert "bn (BatchNormalization) is folded into phi2" in run.stderr
    assert narrow("--quiet", "show", GOLDEN / "bn16.keras", "--v", "16,6").stderr == ""


@pytest.mark.parametrize("ending", [".npz", ".h5", ".npy"])
def test_data_files_of_all_kinds(ending, golden, samples, tmp_path):
    x, data = golden["input"][:].astype(np.float64), tmp_path / f"data{ending}"
    if ending == ".npz":
        np.savez_compressed(data, x=x, y=np.zeros(len(x)))
    elif ending == ".npy":
        np.save(data, x)
    else:
        with h5py.File(data, "w") as file:
            file["x"], file["y"] = x, np.zeros((len(x), 1))
    succeed("predict", DS16, "--data", data, "--v", "16,6", "--out", tmp_path / "p.txt")
    assert np.array_equal(np.loadtxt(tmp_path / "p.txt", ndmin=2), golden["cases/auto_16_6_w16_6/predictions"][:])


def test_first_rows_are_kept_with_a_note(tmp_path):
    """clusters.h5 has 128 rows a sample, ds16 takes 32."""
    run = narrow("predict", DS16, "--data", GOLDEN / "clusters.h5", "--samples", 20, "--out", tmp_path / "a.txt")
    assert "of 128 rows a sample the first 32 are kept" in run.stderr
    with h5py.File(GOLDEN / "clusters.h5") as file:
        np.save(tmp_path / "x.npy", file["x"][:20, :32])
    succeed("predict", DS16, "--data", tmp_path / "x.npy", "--out", tmp_path / "b.txt")
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text()


def test_a_sweep_takes_as_many_samples_as_it_is_told(samples, tmp_path):
    x = np.load(samples)
    np.save(tmp_path / "many.npy", np.resize(x, (1003, *x.shape[1:])))
    for given, taken in (([], 1000), (["--samples", "all"], 1003), (["--samples", 7], 7)):
        out = tmp_path / f"study{taken}"
        succeed("sweep", DS16, "--data", tmp_path / "many.npy", "--v-full", 16, "--v-int", 6, "--wb-full", 12, "--wb-int", 3, *given, "--out", out)
        with contextlib.closing(sqlite3.connect(out / "study.db")) as database:
            assert database.execute("SELECT samples FROM data").fetchall() == [(taken,)]
    for wrong in ("every", "0"):
        assert "--samples" in fail("sweep", DS16, "--data", tmp_path / "many.npy", "--samples", wrong, status=2)


def test_threads_do_not_change_anything(samples, tmp_path):
    for threads in (1, 2, 5):
        succeed("--threads", threads, "trace", DS16, "--data", samples, "--v", "12,6", "--samples", 20, "--out", tmp_path / f"{threads}.h5")
    texts = {(tmp_path / f"{threads}.h5").read_bytes() for threads in (1, 2, 5)}
    assert len(texts) == 1


def test_interpreter_and_fast_path_agree(samples, tmp_path):
    for precision in (["--v", "11,4"], ["--v", "16,9", "--types", "uniform"], ["--v", "20,8", "--wb", "18,3"]):
        a = succeed("predict", DS16, "--data", samples, *precision, "--out", tmp_path / "a.txt")
        b = succeed("predict", DS16, "--data", samples, *precision, "--interpreter", "--out", tmp_path / "b.txt")
        assert a == b  # the counts as well
        assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text()


def test_bench_names_the_kernels(samples):
    text = succeed("bench", GOLDEN / "ds64.keras", "--data", GOLDEN / "clusters.h5", "--samples", 50, "--v", "16,6", "--rounds", 1)
    result = json.loads(text)
    assert result["samples_per_s"] > 0 and 0 < result["counted_rows"] < 1
    assert {layer["layer"]: layer["kernel"] for layer in result["layers"]}["phi2"] == "int16"
    uniform = json.loads(succeed("bench", GOLDEN / "ds64.keras", "--data", GOLDEN / "clusters.h5", "--samples", 50, "--v", "16,9", "--types", "uniform",
                                 "--rounds", 1, "--no-dedup"))
    assert uniform["counted_rows"] == 0
    assert {layer["layer"]: layer["kernel"] for layer in uniform["layers"]}["phi2"] == "high half"


# --- what a command does with input that nothing was made for


def test_yaml_keys_that_are_not_words(samples, tmp_path):
    for name, content, line in [
        ("list.yml", "Model:\n  Precision: ap_fixed<16,6>\nLayerName:\n  [a, b]:\n    Precision: auto\n", 4),
        ("map.yml", "Model:\n  Precision: ap_fixed<16,6>\nLayerType:\n  {a: b}:\n    Precision: auto\n", 4),
        ("type.yml", "Model:\n  Precision:\n    [default]: ap_fixed<16,6>\n", 3),
        ("null.yml", "Model:\n  Precision: ap_fixed<16,6>\nLayerName:\n  ~: {Precision: auto}\n", 4),
        ("names.yml", "Model:\n  Precision: ap_fixed<16,6>\nLayerName: [phi1]\n", 3),
    ]:
        (tmp_path / name).write_text(content)
        error = fail("show", DS16, "--precision", tmp_path / name)
        assert f"{name}, line {line}: " in error, error


def test_deeply_nested_json_is_refused(tmp_path):
    for content in ("[" * 200000, '{"a":' * 200000, '{"class_name": "Sequential", "config": ' + "[" * 200000 + "]" * 200000 + "}"):
        (tmp_path / "deep.json").write_text(content if content.startswith("{") else '{"a": ' + content)
        shutil.copy(GOLDEN / "ds16_keras215_weights.h5", tmp_path / "deep.h5")
        assert "deep.json: " in fail("show", tmp_path / "deep.json")


def test_a_file_on_which_hdf5_crashes_is_refused(tmp_path):
    content = bytearray((ROOT / "fuzz/corpus/clusters/chunked.h5").read_bytes())
    content[5690] = 0  # HDF5 1.10.8 divides by it
    (tmp_path / "damaged.h5").write_bytes(content)
    said = fail("prepare", "--data", tmp_path / "damaged.h5", "--features", "eta,energy", "--out", tmp_path / "out.h5")
    assert "damaged.h5: /energy cannot be read" in said
    assert not (tmp_path / "out.h5").exists()


def test_names_with_line_breaks_stay_on_one_line(tmp_path):
    assert "no such file" in fail("show", tmp_path / "a\nb.keras")


def test_folders_of_too_many_bits_are_refused(tmp_path):
    (tmp_path / "x.99999999999.6.wb_8.2.model").mkdir()
    assert "x.99999999999.6.wb_8.2.model: 99999999999 bits are not possible" in fail("report", tmp_path, "--out", tmp_path / "r.html")


# --- sweep


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "results"
    text = succeed("sweep", DS16, GOLDEN / "ds32.keras", "--data", GOLDEN / "clusters.h5", "--v-full", "8:16:4", "--v-int", "6:10:4", "--wb-full", "12",
                   "--wb-int", "2:3", "--samples", 50, "--trace", 3, "--out", out)
    return out, text


def test_sweep_skips_and_says_so(study):
    assert "20 points of 50 samples; 4 points with more integer than total bits skipped" in study[1]


def test_sweep_writes_the_studys_layout(study, tmp_path):
    out, _ = study
    folders = sorted(path.name for path in out.glob("*.model"))
    assert len(folders) == 20 and "16.12.10.wb_12.3.model" in folders and "32.8.6.wb_12.2.model" in folders
    with h5py.File(GOLDEN / "clusters.h5") as file:
        np.testing.assert_array_equal(np.loadtxt(out / "regression_targets.txt"), file["y"][:50, 0].astype(np.float64))
    folder = out / "32.16.6.wb_12.3.model"
    succeed("predict", GOLDEN / "ds32.keras", "--data", GOLDEN / "clusters.h5", "--samples", 50, "--v", "16,6", "--wb", "12,3", "--out", tmp_path / "hls.txt")
    succeed("predict", GOLDEN / "ds32.keras", "--data", GOLDEN / "clusters.h5", "--samples", 50, "--out", tmp_path / "keras.txt")
    assert (folder / "hls_predictions.txt").read_text() == (tmp_path / "hls.txt").read_text()
    assert (folder / "keras_predictions.txt").read_text() == (tmp_path / "keras.txt").read_text()
    with h5py.File(folder / "hls_trace.h5") as file, h5py.File(out / "32.keras_trace.h5") as floats:
        assert file["trace/phi1"].shape == floats["trace/phi1"].shape == (3, 128, 32)


def test_sweep_results_are_the_metrics(study):
    out, _ = study
    for name in ("mpe", "mae"):
        table = np.loadtxt(out / f"results_16_{name}.txt")
        assert table.shape == (10, 5)
        for v_full, v_int, wb_full, wb_int, value in table:
            folder = out / f"16.{v_full:.0f}.{v_int:.0f}.wb_{wb_full:.0f}.{wb_int:.0f}.model"
            hls, reference = np.loadtxt(folder / "hls_predictions.txt"), np.loadtxt(folder / "keras_predictions.txt")
            error = np.abs(hls - reference)
            expected = error.mean() if name == "mae" else (error / np.abs(reference))[reference != 0].mean() * 100
            assert value == pytest.approx(expected, rel=1e-8)
        first = (out / f"results_16_{name}.txt").read_text().splitlines()[0]
        best = table[table[:, 4].argmin()]
        assert first.startswith(f"# best: vectors ap_fixed<{best[0]:.0f},{best[1]:.0f}>, weights ap_fixed<{best[2]:.0f},{best[3]:.0f}>: {name} ")


def test_sweep_answers_points_by_others(tmp_path):
    """Points that follow are recomputed with --no-share: no difference, files included."""
    args = ("sweep", DS16, "--data", GOLDEN / "clusters.h5", "--v-full", "10:16:2", "--v-int", "4:10", "--wb-full", "8:12:2", "--wb-int", "1:5", "--samples", 40)
    for types in ("auto", "uniform"):
        shared, alone = tmp_path / f"shared_{types}", tmp_path / f"alone_{types}"
        text = succeed(*args, "--types", types, "--out", shared)
        follow = int(re.search(r"points were computed, (\d+) follow", text).group(1))
        assert follow > 20
        assert (shared / "points_16.txt").read_text().count(" follows ") == follow
        assert " 0 follow" in succeed(*args, "--types", types, "--out", alone, "--no-share", "--no-dedup")
        for folder in shared.glob("*.model"):
            for name in ("hls_predictions.txt", "keras_predictions.txt"):
                assert (folder / name).read_text() == (alone / folder.name / name).read_text(), folder.name
            with h5py.File(folder / "hls_trace.h5") as a, h5py.File(alone / folder.name / "hls_trace.h5") as b:
                assert all(np.array_equal(a[f"trace/{layer}"][:], b[f"trace/{layer}"][:]) for layer in b["trace"])


def test_models_of_one_width_keep_apart(tmp_path):
    shutil.copy(DS16, tmp_path / "other.keras")
    succeed("sweep", DS16, tmp_path / "other.keras", "--data", GOLDEN / "clusters.h5", "--v-full", 8, "--v-int", 4, "--wb-full", 8, "--wb-int", 2,
            "--samples", 5, "--out", tmp_path / "study")
    assert {path.name for path in (tmp_path / "study").glob("*.model")} == {"ds16.8.4.wb_8.2.model", "other.8.4.wb_8.2.model"}


# --- wrong input: one line, status 1; wrong usage: status 2


def test_errors_name_what_is_wrong(samples, tmp_path):
    bad = np.load(samples)[:4]
    bad[2, 5, 1] = np.nan
    np.save(tmp_path / "nan.npy", bad)
    np.save(tmp_path / "features.npy", np.zeros((4, 32, 3), np.float32))
    np.save(tmp_path / "rows.npy", np.zeros((4, 20, 4), np.float32))
    (tmp_path / "short.npy").write_bytes(samples.read_bytes()[:1000])
    (tmp_path / "short.keras").write_bytes(DS16.read_bytes()[:10000])
    predict = ("predict", DS16, "--out", tmp_path / "p.txt", "--data")
    assert "row 2 of x holds NaN" in fail(*predict, tmp_path / "nan.npy", "--v", "16,6")
    assert "3 features a row and the model 4" in fail(*predict, tmp_path / "features.npy")
    assert "pad the samples to 32 rows" in fail(*predict, tmp_path / "rows.npy")
    assert "cut short" in fail(*predict, tmp_path / "short.npy")
    assert "no such file" in fail(*predict, tmp_path / "none.npy")
    assert "it has no dataset x; it has cases, float, input" in fail(*predict, GOLDEN / "ds16.h5")
    assert "cut short" in fail("show", tmp_path / "short.keras")
    assert "there are AP_RND, " in fail(*predict, samples, "--v", "16,6,AP_ROUND", status=2)
    assert "--relu: unknown overflow mode" in fail(*predict, samples, "--v", "16,6", "--relu", "AP_RND,AP_CLIP", status=2)
    assert "its result type ap_fixed<131,19> needs 131 bits" in fail(*predict, samples, "--v", "64,8")
    assert "does its folder exist" in fail("predict", DS16, "--data", samples, "--out", tmp_path / "none" / "p.txt")
    assert not (tmp_path / "p.txt").exists()


def test_sweep_errors_come_before_any_work(samples, tmp_path):
    sweep = ("sweep", DS16, "--data", samples, "--wb-full", 8, "--wb-int", 2, "--out", tmp_path / "study")
    assert "the grid is empty" in fail(*sweep, "--v-full", 4, "--v-int", 8)
    assert "bins should be increasing edges" in fail(*sweep, "--v-full", 8, "--v-int", 4, "--bins", "1,nan,2")
    assert "--v-full 12:8" in fail(*sweep, "--v-full", "12:8", "--v-int", 8, status=2)
    assert "its result type ap_fixed<131,9> needs 131 bits" in fail("sweep", DS16, "--data", samples, "--v-full", "8:64:56", "--v-int", 4, "--wb-full", 64, "--wb-int", 2, "--out", tmp_path / "study")
    assert not (tmp_path / "study").exists()
    (tmp_path / "file").write_text("")
    assert "the folder cannot be made" in fail("sweep", DS16, "--data", samples, "--v-full", 8, "--v-int", 4, "--wb-full", 8, "--wb-int", 2, "--out", tmp_path / "file" / "study")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predic model.keras", "no command predic; did you mean predict?"),
        ("swep", "no command swep; did you mean sweep?"),
        ("fly", "no command fly; there are generate, prepare, train, "),
        ("sweep model.keras --v_full 8", "sweep: no option --v_full; did you mean --v-full?"),
        ("sweep model.keras --keep=none --sampels=3", "sweep: no option --sampels; did you mean --samples?"),
        ("--thread 1 sweep", "no option --thread; did you mean --threads?"),
        ("sweep --quite", "sweep: no option --quite; did you mean --quiet?"),
        ("--threads 0 show model.keras", "--threads: 0 should be a number above 0"),
        ("show a b", "The following argument was not expected: b"),
        ("show model.keras --v 16,x", "--v: '16,x' is not a valid type"),
        ("run study.yml --shard 5/4", "--shard 5/4: it should be like 3/40"),
        ("report study --below nan", "--below: the bound should be a number"),
        ("predict model.keras --data x.npy --out p --branches a", "--branches: 'a' should be FEATURE=BRANCH"),
        ("sweep model.keras --data x.npy --v-full 8, --v-int 4 --wb-full 8 --wb-int 2 --out s", "--v-full : it should be a number of bits"),
        ("sweep model.keras --data x.npy --v-full 8 --v-int 4 --wb-full 8 --wb-int 2 --out s --keep some", "--keep: 'some' is not one of predictions, trace"),
        ("train --data x.npy --out m.keras --nodes 8 --phi-nodes 4", "--nodes excludes --phi-nodes"),
        ("train --data x.npy --out m.keras --rho 8,4 --rho-layers 4", "--rho-layers excludes --rho"),
    ],
)
def test_wrong_usage_names_what_is_wrong(line, said, tmp_path):
    inputs_folder(tmp_path)
    shutil.copy(DS16, tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", np.zeros((4, 32, 4), np.float32))
    (tmp_path / "study.yml").write_text("out: s\ndata: x.npy\nmodels: model.keras\ngrid: {v_full: 8, v_int: 4, wb_full: 8, wb_int: 2}\n")
    (tmp_path / "study").mkdir()
    run = narrow(*line.split(), cwd=tmp_path)
    assert run.returncode == 2 and run.stderr.count("\n") == 1 and run.stderr.startswith(f"narrow: error: {said}"), run.stderr
    assert len(run.stderr) < 400


def test_lists_are_given_as_in_yaml(tmp_path):
    sweep = ("sweep", DS16, "--data", GOLDEN / "clusters.h5", "--v-int", 4, "--wb-full", 8, "--wb-int", 2, "--samples", 5)
    succeed(*sweep, "--v-full", "8,10,12:14", "--keep", "predictions", "--keep", "trace", "--out", tmp_path / "a")
    assert {path.name for path in (tmp_path / "a").glob("*.model")} == {f"16.{bits}.4.wb_8.2.model" for bits in (8, 10, 12, 13, 14)}
    assert {path.name for path in (tmp_path / "a" / "16.8.4.wb_8.2.model").iterdir()} == {"keras_predictions.txt", "hls_predictions.txt", "hls_trace.h5"}
    succeed(*sweep, "--v-full", 8, "--v-full", "10", "--keep", "trace", "--out", tmp_path / "b")
    assert {path.name for path in (tmp_path / "b").glob("*.model")} == {f"16.{bits}.4.wb_8.2.model" for bits in (8, 10)}


def test_swapped_bits_are_said(tmp_path):
    run = narrow("predict", DS16, "--data", GOLDEN / "clusters.h5", "--samples", 5, "--v", "6,16", "--out", tmp_path / "p")
    assert run.returncode == 0 and "narrow: note: --v: ap_fixed<6,16> has more integer than total bits, so its step is 2^10; total bits come first" in run.stderr
    assert "e+02" not in run.stdout and " 100 %" in run.stdout
    assert "note: --v" not in narrow("predict", DS16, "--data", GOLDEN / "clusters.h5", "--samples", 5, "--v", "6,6", "--out", tmp_path / "p").stderr


def test_traces_come_as_dictionaries_of_arrays(tmp_path):
    """As the study's notebooks keep them, by name of layer: what the HDF5 file has."""
    line = ("trace", GOLDEN / "bn16.keras", "--data", GOLDEN / "clusters.h5", "--samples", 7, "--v", "12,5", "--out")
    succeed(*line, tmp_path / "trace.h5")
    succeed(*line, tmp_path / "dicts", "--layout", "npz")
    with h5py.File(tmp_path / "trace.h5") as file:
        for group, name in (("trace", "hls_trace_dict.npz"), ("float_trace", "keras_trace_dict.npz")):
            arrays = dict(np.load(tmp_path / "dicts" / name))
            assert set(arrays) == set(file[group])
            for layer, values in arrays.items():
                assert values.dtype == file[group][layer].dtype and np.array_equal(values, file[group][layer][:]), layer


def test_a_training_that_is_stopped_says_how_to_resume(tmp_path):
    succeed("--quiet", "generate", tmp_path / "c.h5", "--samples", 2000)
    line = [NARROW, "train", "--data", "c.h5", "--nodes", "8", "--epochs", "400", "--stop-patience", "0", "--out", "m.keras"]
    process = subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    said = ""
    while "epoch 2/" not in said:
        more = process.stderr.readline()
        assert more, said
        said += more
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait() == 130 and "narrow: stopped: what is done is kept; the same command resumes from there" in said, said
    line[line.index("400")] = "3"
    again = narrow(*line[1:], cwd=tmp_path)
    assert again.returncode == 0 and "narrow: resuming m.keras after epoch " in again.stderr, again.stderr


def test_a_driven_program_ends_with_its_input(tmp_path):
    """Progress comes in lines, twice a second; the end of standard input is Ctrl-C, and leaves a study that resumes. Without --driven it is nothing."""
    line = ("sweep", DS16, "--data", GOLDEN / "clusters.h5", "--v-full", "8:30", "--v-int", "4:8", "--wb-full", "8:20", "--wb-int", "1:3",
            "--samples", 500, "--keep", "none", "--out", tmp_path / "study")
    process = subprocess.Popen([NARROW, "--driven", *map(str, line)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    lines = []
    while len(lines) < 3:
        text = process.stderr.readline()
        assert text, lines
        if re.match(r"\d+/4485 points", text):
            lines.append(time.monotonic())
    assert lines[2] - lines[1] < 5  # seconds; 10 without
    process.stdin.close()
    said = process.stderr.read()
    assert process.wait() == 130 and "narrow: stopped: what is done is kept; the same command resumes from there" in said, said
    short = [*line[:5], 8, *line[6:]]
    resumed = subprocess.run([NARROW, *map(str, short)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert resumed.returncode == 0 and re.search(r"\d+ points were done before", resumed.stdout), resumed.stdout + resumed.stderr


def test_a_copied_program_names_the_library_that_is_missing(tmp_path):
    (tmp_path / "bin").mkdir()
    shutil.copy(NARROW, tmp_path / "bin" / "narrow")
    succeed("--quiet", "generate", tmp_path / "c.h5", "--samples", 50)
    run = subprocess.run([tmp_path / "bin" / "narrow", "train", "--data", tmp_path / "c.h5", "--nodes", "4", "--out", tmp_path / "m.keras"], capture_output=True, text=True)
    assert run.returncode == 1 and f"{tmp_path}/bin/libnarrow_torch.so: it is missing" in run.stderr, run.stderr


def test_wrong_usage_is_status_2(samples, tmp_path):
    fail(status=2)
    fail("predct", status=2)
    fail("predict", DS16, status=2)
    fail("predict", DS16, "--data", samples, "--out", tmp_path / "p", "--types", "both", status=2)
    fail("predict", DS16, "--data", samples, "--out", tmp_path / "p", "--wb", "8,2", status=2)
    assert "0." in succeed("--version")


# --- what a command writes is none of what it reads


def inputs_folder(tmp_path):
    shutil.copy(GOLDEN / "ds16.keras", tmp_path / "v.keras")
    shutil.copy(GOLDEN / "ds16_keras215.json", tmp_path / "m.json")
    shutil.copy(GOLDEN / "ds16_keras215_weights.h5", tmp_path / "m.weights.h5")
    shutil.copy(GOLDEN / "clusters.h5", tmp_path / "c.h5")
    shutil.copy(GOLDEN / "clusters.h5", tmp_path / "c.keras")
    shutil.copy(GOLDEN / "clusters.h5", tmp_path / "next.h5.partial")
    shutil.copy(GOLDEN / "clusters.h5", tmp_path / "8.weights.h5")
    (tmp_path / "t.yml").write_text("Model: {Precision: 'ap_fixed<16,6>'}\n")
    (tmp_path / "p.html").write_text("1\n2\n")
    (tmp_path / "q.html").write_text("1\n3\n")
    (tmp_path / "soft.h5").symlink_to("c.h5")
    (tmp_path / "hard.h5").hardlink_to(tmp_path / "c.h5")
    (tmp_path / "folder").mkdir()


@pytest.mark.parametrize(
    ("command", "out"),
    [
        ("prepare --data c.h5", "--out c.h5"),
        ("prepare --data c.h5", "--out folder/../c.h5"),
        ("prepare --data c.h5", "--out soft.h5"),
        ("prepare --data soft.h5", "--out c.h5"),
        ("prepare --data c.h5", "--out hard.h5"),
        ("prepare --data ?.h5", "--out c.h5"),
        ("prepare --data v.keras --data c.h5", "--out c.h5"),
        ("train --nodes 4 --epochs 1 --data c.h5", "--out c.h5"),
        ("train --nodes 8 --epochs 1 --data 8.weights.h5", "--out {nodes}.json"),
        ("train --nodes 4 --epochs 1 --data c.h5 --validation-data c.keras", "--out c.keras"),
        ("predict v.keras --data c.h5", "--out c.h5"),
        ("predict v.keras --data c.h5", "--out v.keras"),
        ("predict v.keras --data c.h5 --precision t.yml", "--out t.yml"),
        ("predict m.json --data c.h5", "--out m.json"),
        ("predict m.json --data c.h5", "--out m.weights.h5"),
        ("predict m.json --weights m.weights.h5 --data c.h5", "--out m.weights.h5"),
        ("predict m.json+m.weights.h5 --data c.h5", "--out m.weights.h5"),
        ("trace v.keras --data c.h5", "--out c.h5"),
        ("trace v.keras --data c.h5", "--out v.keras"),
        ("trace v.keras --data c.h5 --precision t.yml", "--out ./t.yml"),
        ("trace v.keras --data next.h5.partial", "--out next.h5"),
        ("show v.keras --v 16,6", "--save v.keras"),
        ("show v.keras --precision t.yml", "--save t.yml"),
        ("show v.keras", "--save-model v.keras"),
        ("show m.json", "--save-model m.json"),
        ("compare p.html q.html --figures none", "--out p.html"),
    ],
)
def test_inputs_are_not_overwritten(command, out, tmp_path):
    inputs_folder(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    run = narrow(*command.split(), *out.split(), cwd=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert run.returncode == 1 and run.stderr.count("\n") == 1, run.stderr
    assert re.match(rf"narrow: error: {out.split()[0]} \S+: (it|\S+\.partial|8\.weights\.h5) is an input of this command; give another file\n", run.stderr), run.stderr


def test_a_classifier_of_five_outputs_goes_through_a_study(tmp_path):
    """Softmax in hls4ml's default configuration answers the same for every jet, and narrow says so; a sweep and its report have all outputs."""
    jets, tagger = tmp_path / "jets.npy", GOLDEN / "jet_tagger.keras"
    with h5py.File(GOLDEN / "jet_tagger.h5") as file:
        np.save(jets, file["input"][:])
        expected = file["cases/auto_16_6/predictions"][:]
    run = narrow("predict", tagger, "--data", jets, "--v", "16,6", "--out", tmp_path / "p.txt")
    assert run.returncode == 0 and "scores that differ by less than 128 are equal" in run.stderr, run.stderr
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "p.txt"), expected)
    assert len(np.unique(expected)) == 1
    grid = ["--v-full", "10:12", "--v-int", 5, "--wb-full", 12, "--wb-int", 5, "--types", "uniform"]
    succeed("sweep", tagger, "--data", jets, *grid, "--keep", "predictions", "--layout", "text", "--out", tmp_path / "study")
    assert np.loadtxt(tmp_path / "study" / "jet_tagger.12.5.wb_12.5.model" / "hls_predictions.txt").shape == expected.shape
    succeed("report", tmp_path / "study")
    assert (tmp_path / "study" / "report.html").exists()


@pytest.mark.parametrize("command", ["predict --out p", "trace --out p", "bench", "show"])
@pytest.mark.parametrize("option", ["--types uniform", "--types auto", "--relu AP_RND", "--maximum 20,8", "--wb 8,2"])
def test_options_of_a_precision_are_not_ignored(command, option, tmp_path):
    inputs_folder(tmp_path)
    name, *rest = command.split()
    line = [name, "v.keras", *([] if name == "show" else ["--data", "c.h5"]), *rest, *option.split()]
    for more, message in [([], f"{option.split()[0]} requires --v"), (["--precision", "t.yml"], f"--precision excludes {option.split()[0]}")]:
        run = narrow(*line, *more, cwd=tmp_path)
        assert run.returncode == 2 and run.stderr.startswith(f"narrow: error: {message}; "), run.stderr
    assert not (tmp_path / "p").exists()


def test_options_that_need_a_precision_say_so(samples, tmp_path):
    assert "--save" in fail("show", DS16, "--save", tmp_path / "types.yml")
    assert "--interpreter" in fail("predict", DS16, "--data", samples, "--interpreter", "--out", tmp_path / "p")
    assert not (tmp_path / "p").exists()
