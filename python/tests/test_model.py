"""Models in Python: hls4ml's numbers (golden/), the command's numbers, and what is said of bad input."""

import functools
import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import narrow

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
PROGRAM = Path(narrow.__file__).parent / "bin" / "narrow"
NETWORKS = sorted(path.name.removesuffix(".cases.json") for path in GOLDEN.glob("*.cases.json"))
# What the arguments say; the other cases give single layers types, strategies and keys.
SAID = {"name", "default", "granularity", "weight", "bias", "maximum"}

pytestmark = pytest.mark.filterwarnings("ignore::narrow.NarrowWarning")


def arguments(case):
    given = {"v": case["default"], "types": "uniform" if case.get("granularity") == "model" else "auto"}
    if "weight" in case:
        given["wb"] = case["weight"]
    if "maximum" in case:
        given["maximum"] = case["maximum"]
    return given


def golden_cases():
    for network in NETWORKS:
        for case in json.loads((GOLDEN / f"{network}.cases.json").read_text()):
            if set(case) <= SAID and case.get("weight") == case.get("bias"):
                yield pytest.param(network, case, id=f"{network}-{case['name']}")


@pytest.fixture(scope="module")
def model():
    """Loads each network once."""
    return functools.cache(lambda name: narrow.load(GOLDEN / f"{name}.keras"))


def golden_input(network, model):
    with h5py.File(GOLDEN / f"{network}.h5") as file:
        x = file["input"][:]
    if len(model.inputs) == 1:
        return x.reshape(len(x), *model.inputs[0][1])
    parts = np.split(x, np.cumsum([np.prod(shape) for _, shape in model.inputs])[:-1], axis=1)
    return {name: part.reshape(len(x), *shape) for (name, shape), part in zip(model.inputs, parts)}


def command(*args):
    run = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture
def ds16(model):
    return model("ds16")


@pytest.fixture
def x16(ds16):
    return golden_input("ds16", ds16)


# --- the numbers


@pytest.mark.parametrize(("network", "case"), list(golden_cases()))
def test_predicts_and_traces_hls4mls_numbers(network, case, model):
    it = model(network)
    x = golden_input(network, it)
    with h5py.File(GOLDEN / f"{network}.h5") as file:
        known = file["cases"][case["name"]]
        expected = known["predictions"][:]
        y = it.predict(x, **arguments(case))
        assert y.dtype == np.float64 and np.array_equal(y.reshape(expected.shape), expected)
        trace = it.trace(x, **arguments(case))
        for layer, values in known.get("trace", {}).items():
            if not layer.startswith("clone_"):  # copies of streams; several traces have the first samples only
                assert np.array_equal(trace[layer][: len(values)], values[:].reshape(-1, *trace[layer].shape[1:])), layer


def test_a_configuration_gives_hls4mls_numbers(ds16, x16, tmp_path):
    """The mixed types of a golden case as an hls4ml configuration: a dictionary, and the same in a file."""
    with h5py.File(GOLDEN / "ds16.h5") as file:
        case = json.loads(file["cases/mixed_types"].attrs["case"])
        known = json.loads(file["cases/mixed_types"].attrs["types"])
        expected = file["cases/mixed_types/predictions"][:]
    layers = {name: {"Precision": {key: "auto" for key in ("result", "weight", "bias", "accum") if f"{key}_t" in types}} for name, types in known.items()}
    for name in ("phi1", "phi2", "rho1", "rho2", "regression"):
        layers[name]["Precision"].update(weight=case["weight"], bias=case["bias"])
    for name, types in case["layers"].items():
        layers[name]["Precision"].update(types)
    configuration = {"Model": {"Precision": {"default": case["default"]}, "ReuseFactor": 1, "TraceOutput": None}, "LayerName": layers}
    assert np.array_equal(ds16.predict(x16, precision=configuration), expected)
    path = tmp_path / "mixed.yml"
    path.write_text(json.dumps(configuration))
    assert np.array_equal(ds16.predict(x16, precision=path), expected)
    assert np.array_equal(ds16.predict(x16, precision=str(path)), expected)
    configuration["Model"]["Precision"]["default"] = "ap_fixed<7,4>"  # the file is read again where it has changed
    path.write_text(json.dumps(configuration))
    assert not np.array_equal(ds16.predict(x16, precision=path), expected)
    path.write_text(ds16.fixed(v=(13, 6), relu="AP_RND,AP_SAT").to_yaml())
    assert np.array_equal(ds16.predict(x16, precision=path), ds16.predict(x16, (13, 6), relu=("AP_RND", "AP_SAT")))


@pytest.mark.parametrize(
    ("network", "options", "given"),
    [
        ("ds16", ["--v", "9,4", "--wb", "8,2", "--relu", "AP_RND,AP_SAT"], {"v": (9, 4), "wb": (8, 2), "relu": ("AP_RND", "AP_SAT")}),
        ("bn16", ["--v", "14,5,AP_RND,AP_SAT", "--types", "uniform"], {"v": (14, 5, "AP_RND", "AP_SAT"), "types": "uniform"}),
        ("jet_tagger", ["--v", "16,6", "--maximum", "20,8"], {"v": [16, 6], "maximum": "20,8"}),
        ("image", ["--v", "11,5", "--wb", "7,2"], {"v": "11,5", "wb": np.array([7, 2])}),
        ("merges", ["--v", "12,5"], {"v": (12, 5)}),
        ("ds16", [], {}),
        ("merges", [], {}),
    ],
)
def test_the_command_says_the_same(network, options, given, model, tmp_path):
    it = model(network)
    x = golden_input(network, it)
    np.savez(tmp_path / "x.npz", **(x if isinstance(x, dict) else {"x": x}))
    command("predict", GOLDEN / f"{network}.keras", "--data", tmp_path / "x.npz", *options, "--out", tmp_path / "y.txt")
    y = it.predict(x, **given)
    np.savetxt(tmp_path / "numpy.txt", y.reshape(len(y), -1))
    assert (tmp_path / "y.txt").read_text() == (tmp_path / "numpy.txt").read_text()
    command("trace", GOLDEN / f"{network}.keras", "--data", tmp_path / "x.npz", *options, "--out", tmp_path / "trace.h5")
    with h5py.File(tmp_path / "trace.h5") as file:
        trace = it.trace(x, **given)
        expected = file["trace" if options else "float_trace"]
        assert sorted(trace) == sorted(expected)
        for layer, values in trace.items():
            assert values.dtype == expected[layer].dtype and np.array_equal(values, expected[layer][:]), layer
        if options:
            fixed = it.fixed(**given)
            assert fixed.types == json.loads(file.attrs["types"]) and fixed.float_layers == json.loads(file.attrs["float_layers"])


def test_counts_are_the_commands(ds16, x16, tmp_path):
    np.save(tmp_path / "x.npy", x16)
    table = command("predict", GOLDEN / "ds16.keras", "--data", tmp_path / "x.npy", "--v", "8,3", "--wb", "6,0", "--out", tmp_path / "y.txt")
    counts = ds16.fixed((8, 3), (6, 0)).counts(x16)
    rows = {line.split()[0]: line.split() for line in table.splitlines()[1 : 1 + len(counts)]}

    def share(part, whole):
        return "-" if part == 0 else 100 * part / whole

    compared = 0
    for layer, seen in counts.items():
        cells = [cell for cell in rows[layer][2:] if cell != "%"]
        shares = [share(seen[key], seen["values"]) for key in ("overflows", "sum_overflows", "zeros")]
        shares += [share(seen[key], seen["weights"]) for key in ("weight_overflows", "weight_zeros")]
        for cell, expected in zip(cells, shares, strict=True):
            assert cell == "-" if expected == "-" else float(cell) == pytest.approx(expected, rel=0.06), layer
            compared += expected != "-"
    assert compared >= 5


@pytest.mark.parametrize(("network", "options", "given"), [("ds16", [], {}), ("ds16", ["--v", "9,4", "--wb", "8,2"], {"v": (9, 4), "wb": (8, 2)}), ("merges", ["--v", "12,5"], {"v": "12,5"})])
def test_profiles_are_the_commands(network, options, given, model, tmp_path):
    it = model(network)
    x = golden_input(network, it)
    np.savez(tmp_path / "x.npz", **(x if isinstance(x, dict) else {"x": x}))
    command("profile", GOLDEN / f"{network}.keras", "--data", tmp_path / "x.npz", *options, "--json", tmp_path / "profile.json")
    profile = it.profile(x, **given)
    assert profile == json.loads((tmp_path / "profile.json").read_text())
    assert len(profile["tensors"]) > 5 and ("findings" in profile) == bool(options)
    with pytest.raises(ValueError, match="one sample or more"):
        it.profile({name: values[:0] for name, values in x.items()} if isinstance(x, dict) else x[:0], **given)


def test_float_predictions_are_kerass(ds16, x16):
    with h5py.File(GOLDEN / "ds16.h5") as file:
        y = ds16.predict(x16)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, file["float"][:], atol=1e-5)


def test_blocks_make_no_difference(ds16, x16):
    """More samples than one block has, as one call and sample by sample."""
    x = np.concatenate([x16] * (5000 // len(x16) + 1))[:5000]
    y = ds16.predict(x, (10, 4))
    assert np.array_equal(y[: len(x16)], np.concatenate([ds16.predict(x16[i : i + 1], (10, 4)) for i in range(len(x16))]))
    assert np.array_equal(y, np.concatenate([y[: len(x16)]] * (5000 // len(x16) + 1))[:5000])
    trace = ds16.trace(x[:3000], (10, 4))
    assert np.array_equal(trace["regression"], y[:3000])
    assert sum(ds16.fixed((10, 4)).counts(x)["KSum"].values()) > 5000


# --- arrays


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_layout_and_type_gives_the_same(data):
    it = narrow.load(GOLDEN / "steps.keras")
    shape = it.inputs[0][1]
    dtype = data.draw(st.sampled_from(["f2", "f4", "f8", ">f4", ">f8", "i1", "u1", "i4", "i8", "?"]))
    n = data.draw(st.integers(0, 4))
    elements = st.floats(-8, 8, width=16) if "f" in dtype else None
    x = data.draw(hnp.arrays(dtype, (n, *shape), elements=elements, fill=st.nothing() if n < 2 else None))
    expected = it.predict(np.array(x, dtype=np.float32, order="C"), (12, 6))
    layouts = [x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], x[::-1][::-1], np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1)]
    layouts[2].flags.writeable = False
    layout = data.draw(st.integers(0, len(layouts)))
    it_takes = x.tolist() if layout == len(layouts) and n > 0 else layouts[min(layout, len(layouts) - 1)]
    y = it.predict(it_takes, (12, 6))
    assert y.shape == (n, *it.outputs[0][1]) and np.array_equal(y, expected)


@settings(max_examples=60, deadline=None)
@given(shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40), dtype=st.sampled_from(["f4", "f8", "i4"]))
def test_no_other_shape_is_taken(shape, dtype):
    it = narrow.load(GOLDEN / "steps.keras")
    if shape[1:] == it.inputs[0][1] and shape:
        return
    with pytest.raises(ValueError, match="x: its shape is"):
        it.predict(np.zeros(shape, dtype), (12, 6))


def test_nothing_is_copied_where_layouts_agree(ds16, x16):
    from narrow._model import _samples_of

    x16.flags.writeable = False
    assert _samples_of(x16, ds16.inputs) is x16
    assert np.shares_memory(_samples_of(x16[3:9], ds16.inputs), x16)
    assert not np.shares_memory(_samples_of(x16[::2], ds16.inputs), x16)
    y = ds16.predict(x16, (12, 5))
    first = y[0].copy()
    y[:] = 7  # an array of one's own, which outlives the model
    assert ds16.predict(x16, (12, 5))[0] == first


def test_answers_outlive_the_model():
    it = narrow.load(GOLDEN / "ds16.keras")
    y, trace = it.predict(np.ones((3, 32, 4), np.float32), (12, 5)), it.trace(np.ones((3, 32, 4), np.float32), (12, 5))
    kept = y.copy(), {name: values.copy() for name, values in trace.items()}
    del it
    gc.collect()
    assert np.array_equal(y, kept[0]) and all(np.array_equal(trace[name], kept[1][name]) for name in trace)


def test_several_inputs_and_outputs(model):
    it = model("merges")
    x = golden_input("merges", it)
    y = it.predict(x, (12, 5))
    assert np.array_equal(it.predict([x[name] for name, _ in it.inputs], (12, 5)), y)
    assert np.array_equal(it.predict(dict(reversed(x.items())), (12, 5)), y)
    parts = it.split(y)
    assert [(name, part.shape[1:]) for name, part in parts.items()] == it.outputs
    assert np.array_equal(np.concatenate([part.reshape(len(y), -1) for part in parts.values()], axis=1), y)
    (first, _), (second, _) = it.inputs
    with pytest.raises(ValueError, match=f"the input '{second}' is missing"):
        it.predict({first: x[first]}, (12, 5))
    with pytest.raises(ValueError, match="no input 'other'; it has"):
        it.predict({**x, "other": x[first]}, (12, 5))
    with pytest.raises(ValueError, match="it has 3 samples"):
        it.predict({**x, second: x[second][:3]}, (12, 5))
    with pytest.raises(TypeError, match="give a dict"):
        it.predict(x[first], (12, 5))
    with pytest.raises(ValueError, match=f"{second}: its shape is"):
        it.predict({**x, second: x[second][:, None]}, (12, 5))


def test_of_one_input_a_dict_is_taken_too(ds16, x16):
    assert np.array_equal(ds16.predict({ds16.inputs[0][0]: x16}, (12, 5)), ds16.predict(x16, (12, 5)))


def test_no_samples_have_no_answers(ds16):
    assert ds16.predict(np.zeros((0, 32, 4)), (12, 5)).shape == (0, 1)
    assert ds16.trace(np.zeros((0, 32, 4)), (12, 5))["phi1"].shape[0] == 0
    assert ds16.predict(np.zeros((0, 32, 4))).shape == (0, 1)


# --- what is wrong


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("given", [{}, {"v": (16, 6)}])
def test_values_must_be_finite(value, given, ds16):
    for dtype in (np.float32, np.float64):
        x = np.zeros((5, 32, 4), dtype)
        x[3, 1, 2] = value
        for run in (ds16.predict, ds16.trace):
            with pytest.raises(ValueError, match="sample 3 holds " + ("NaN" if np.isnan(value) else "an infinite value")):
                run(x, **given)
    with pytest.raises(ValueError, match="infinite"):
        ds16.predict(np.full((1, 32, 4), 1e300), **given)


@pytest.mark.parametrize("x", [np.zeros((2, 32, 4), complex), np.full((2, 32, 4), "1"), np.zeros((2, 32, 4), object), np.zeros((2, 32, 4), "M8[s]"), np.ma.zeros((2, 32, 4)), None, "text"])
def test_values_must_be_numbers(x, ds16):
    with pytest.raises(TypeError):
        ds16.predict(x, (16, 6))


def test_a_single_sample_needs_an_axis(ds16):
    with pytest.raises(ValueError, match=r"its shape is \(32, 4\), and the network takes \(samples, 32, 4\); one sample is x\[None\]"):
        ds16.predict(np.zeros((32, 4)), (16, 6))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"v": (0, 6)}, ValueError, "v: "),
        ({"v": (16, 6, "AP_ROUND")}, ValueError, "v: .*AP_ROUND"),
        ({"v": (16,)}, ValueError, "v: "),
        ({"v": ""}, ValueError, "v: "),
        ({"v": (16.0, 5.5)}, TypeError, "v: "),
        ({"v": 16}, TypeError, "v: "),
        ({"v": (16, 6), "wb": (900, 6)}, ValueError, "wb: "),
        ({"v": (16, 6), "types": "both"}, ValueError, "types: 'both' should be auto or uniform"),
        ({"v": (16, 6), "types": 3}, TypeError, "types: "),
        ({"v": (16, 6), "relu": "SAT_ALL"}, ValueError, "relu: "),
        ({"v": (16, 6), "maximum": "x"}, ValueError, "maximum: "),
        ({"wb": (16, 6)}, TypeError, "wb: it requires v"),
        ({"types": "uniform"}, TypeError, "types: it requires v"),
        ({"v": (16, 6), "precision": {}}, TypeError, "precision excludes v"),
        ({"precision": {"Model": {}}}, ValueError, "default precision"),
        ({"precision": {"Model": {"Precision": "ap_fixed<16,6>"}, "LayerName": {"nobody": {}}}}, ValueError, "nobody"),
        ({"precision": "missing.yml"}, FileNotFoundError, "missing.yml"),
        ({"precision": 3}, TypeError, "precision: 3 should be a YAML file or a dictionary"),
        ({"width": (16, 6)}, TypeError, "width"),
    ],
)
def test_wrong_precisions_are_named(given, error, message, ds16, x16):
    with pytest.raises(error, match=message):
        ds16.predict(x16, **given)


def test_wrong_files_are_named(tmp_path, ds16):
    with pytest.raises(FileNotFoundError, match="missing.keras") as caught:
        narrow.load(tmp_path / "missing.keras")
    assert caught.value.filename == str(tmp_path / "missing.keras")
    with pytest.raises(FileNotFoundError):
        narrow.load(f"{GOLDEN / 'ds16_keras215.json'}+missing.h5")
    (tmp_path / "broken.keras").write_bytes((GOLDEN / "ds16.keras").read_bytes()[:3000])
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "config.json").write_text(json.dumps({"class_name": "Functional", "config": {"layers": [{"class_name": "LSTM", "name": "memory", "config": {}}]}}))
    for name in ("broken.keras", "folder.keras", "config.json"):
        with pytest.raises(narrow.Error) as caught:
            narrow.load(tmp_path / name)
        assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)
    for what in (3, None, b"ds16.keras", ds16):
        with pytest.raises(TypeError):
            narrow.load(what)
    assert narrow.load(f"{GOLDEN / 'ds16_keras215.json'}+{GOLDEN / 'ds16_keras215_weights.h5'}").name


def test_notes_are_warnings(ds16, x16):
    with pytest.warns(narrow.NarrowWarning, match="v: .* total bits come first") as caught:
        ds16.predict(x16, v=(6, 16))
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds16.predict(x16, v=(6, 16))  # said once


def test_threads_are_a_number():
    for wrong, error in ((-1, ValueError), ("two", TypeError), (1.5, TypeError)):
        with pytest.raises(error):
            narrow.set_threads(wrong)


# --- threads, processes, time


def test_threads_have_the_same_answers(x16):
    """Several threads in one model, each with more precisions than are kept, and others reading files and failing meanwhile."""
    it = narrow.load(GOLDEN / "ds16.keras")
    precisions = [(w, i) for w in range(8, 16) for i in (4, 5)]
    expected = {p: it.predict(x16, p) for p in precisions}

    def work(seed):
        for k in np.random.default_rng(seed).permutation(len(precisions)):
            p = precisions[k]
            assert np.array_equal(it.predict(x16, p), expected[p])
            assert np.array_equal(it.trace(x16[:3], p)["regression"], expected[p][:3])
            with pytest.raises(ValueError):
                it.predict(x16[:, :5], p)
            if k % 5 == 0:
                assert np.array_equal(narrow.load(GOLDEN / "ds16.keras").predict(x16[:2], p), expected[p][:2])
                with pytest.raises(FileNotFoundError):
                    narrow.load("missing.keras")
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))


def test_other_threads_run_meanwhile(model):
    it = model("ds64").fixed((24, 12), (18, 6))
    x = np.random.default_rng(1).normal(size=(30000, 128, 4)).astype(np.float32)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (it.predict(x), done.set()))
    ticks = 0
    thread.start()
    while not done.wait(0.001):
        ticks += 1
    thread.join()
    assert ticks > 20


def test_ctrl_c_is_heard():
    code = f"""
import numpy as np, narrow, warnings
it = narrow.load({str(GOLDEN / "ds64.keras")!r}).fixed((24, 12), (18, 6))
x = np.random.default_rng(1).normal(size=(200000, 128, 4)).astype(np.float32)
print("begin", flush=True)
for _ in range(100):
    it.predict(x)
"""
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begin\n"
    time.sleep(0.3)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in said and time.monotonic() - start < 5


def _in_child(path, x):
    return narrow.load(path).predict(x, (12, 5))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_have_the_same_answers(method, ds16, x16):
    expected = ds16.predict(x16, (12, 5))
    with multiprocessing.get_context(method).Pool(2) as pool:
        for y in [pool.apply_async(_in_child, (str(GOLDEN / "ds16.keras"), x16)) for _ in range(4)]:
            assert np.array_equal(y.get(timeout=60), expected)


def test_a_call_with_one_sample_takes_less_than_50_microseconds(model):
    it = model("jet_tagger")
    x = np.ones((1, *it.inputs[0][1]), np.float32)
    seconds = []
    for _ in range(3000):
        start = time.perf_counter()
        it.predict(x, v=(16, 6), wb=(12, 3))
        seconds.append(time.perf_counter() - start)
    assert np.percentile(seconds, 10) < 50e-6


def test_it_is_imported_in_less_than_a_third_of_a_second():
    code = "import numpy, time; start = time.perf_counter(); import narrow; print(time.perf_counter() - start)"
    assert min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)) < 0.2  # NumPy is loaded already


def test_the_command_comes_with_it():
    script = Path(sys.executable).parent / "narrow"
    for run in ([script], [sys.executable, "-m", "narrow"]):
        assert subprocess.check_output([*run, "--version"], text=True).strip() == narrow.__version__
    assert os.access(PROGRAM, os.X_OK)
