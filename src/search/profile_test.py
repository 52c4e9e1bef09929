"""narrow profile as a user meets it: every number held against NumPy, on the layers that `narrow trace` writes and the weights that Keras reads."""

import json
import os
import subprocess
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import h5py
import keras
import numpy as np
import pytest

NARROW = os.environ["NARROW"]
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "golden"
NETWORKS = ["ds16", "bn16", "jet_tagger", "merges"]
# Of every network: everything in range, wrapping and lost values, other modes, sums that overflow.
PRECISIONS = {
    "float": [],
    "wide": ["--v", "32,14", "--wb", "24,6"],
    "narrow": ["--v", "12,4", "--wb", "8,2"],
    "modes": ["--v", "10,3,AP_RND,AP_SAT", "--wb", "7,1,AP_RND,AP_SAT", "--relu", "AP_RND_CONV,AP_SAT_SYM"],
    "uniform": ["--v", "14,5", "--types", "uniform"],
}


def narrow(*args):
    return subprocess.run([NARROW, *map(str, args)], capture_output=True, text=True)


def succeed(*args):
    done = narrow(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fail(*args, status=1):
    done = narrow("--quiet", *args)
    assert done.returncode == status, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("narrow: error: "), done.stderr
    return done.stderr


@keras.saving.register_keras_serializable(package="profile_test")
class KSum(keras.layers.Layer):
    def call(self, x):
        return keras.ops.sum(x, axis=1)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with samples for each network: more of ds16 than are computed at once."""
    folder = tmp_path_factory.mktemp("profile")
    with h5py.File(GOLDEN / "clusters.h5") as file:
        np.save(folder / "ds16.npy", file["x"][:, :32])
        np.save(folder / "bn16.npy", file["x"][:300, :32])
    with h5py.File(GOLDEN / "jet_tagger.h5") as file:
        np.save(folder / "jet_tagger.npy", file["input"][:])
    with h5py.File(GOLDEN / "merges.h5") as file:
        cells, event = np.split(file["input"][:], [6 * 4], axis=1)
        np.savez(folder / "merges.npz", cells=cells.reshape(-1, 6, 4), an_event=event)
    return folder


def data_of(desk, network):
    return ["--data", next(desk.glob(f"{network}.np*"))]


@pytest.fixture(scope="module")
def profile(desk):
    """Of a network and a precision: the JSON, what is printed, and the trace of the same."""
    known = {}

    def get(network, precision):
        if (network, precision) not in known:
            options = [GOLDEN / f"{network}.keras", *data_of(desk, network), *PRECISIONS[precision]]
            said = succeed("profile", *options, "--json", desk / "profile.json")
            succeed("--quiet", "trace", *options, "--out", desk / "trace.h5")
            trace = {}
            with h5py.File(desk / "trace.h5") as file:
                for group in ("trace", "float_trace"):
                    trace[group] = {name: values[:] for name, values in file[group].items()} if group in file else {}
                attributes = {name: json.loads(text) for name, text in file.attrs.items()}
            known[network, precision] = json.loads((desk / "profile.json").read_text()), said, trace, attributes
        return known[network, precision]

    return get


def weights_of(network):
    """By layer and kind, in float64; a normalization multiplied into the layer before it."""
    model = keras.models.load_model(GOLDEN / f"{network}.keras", custom_objects={"KSum": KSum}, compile=False)
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            found[layer.name, "weight"], found[layer.name, "bias"] = (np.asarray(w, np.float64) for w in layer.get_weights())
    if network == "bn16":
        gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in model.get_layer("bn").get_weights())
        scale = gamma / np.sqrt(variance + model.get_layer("bn").epsilon)
        found["phi2", "weight"] = found["phi2", "weight"] * scale
        found["phi2", "bias"] = (found["phi2", "bias"] - mean) * scale + beta
    return found


def float_values(tensor, network, trace, weights):
    if tensor["kind"] == "result":
        layer = "bn" if (network, tensor["layer"]) == ("bn16", "phi2") else tensor["layer"]
        return trace["float_trace"][layer].ravel()
    return weights[tensor["layer"], tensor["kind"]].ravel()


@pytest.mark.parametrize("network", NETWORKS)
def test_the_float_values(network, profile):
    """Range, percentiles, zeros and powers of two; of what is read from the files, exactly."""
    result, _, trace, _ = profile(network, "float")
    weights = weights_of(network)
    # What a normalization was multiplied into is float32 in another order of products.
    for tensor in result["tensors"]:
        values = float_values(tensor, network, trace, weights)
        fused = (network, tensor["layer"]) == ("bn16", "phi2") and tensor["kind"] != "result"
        same = (lambda x: pytest.approx(x, rel=1e-6)) if fused else (lambda x: x)
        assert tensor["values"] == values.size
        assert (tensor["low"], tensor["high"]) == (same(values.min()), same(values.max())), tensor["name"]
        ordered = np.sort(np.abs(values))
        for share, value in tensor["percentiles"].items():
            rank = -(-values.size * round(10 * float(share)) // 1000)
            assert value == same(ordered[rank - 1]), (tensor["name"], share)
            if not fused:
                assert value == np.quantile(np.abs(values), round(10 * float(share)) / 1000, method="inverted_cdf") or float(share) == 99.9
        assert tensor["zeros"] == np.mean(values == 0)
        assert tensor["negative"] == (values.min() < 0)
        exponents, counts = np.unique(np.frexp(values[values != 0])[1] - 1, return_counts=True)
        exponents = np.maximum(exponents, -64)
        assert sum(tensor["powers_of_two"].values()) == counts.sum()
        assert tensor["powers_of_two"] == {str(e): int(counts[exponents == e].sum()) for e in np.unique(exponents)}, tensor["name"]
        if np.any(values):
            signed = values.min() < 0
            holds = lambda bits: values.max() < 2.0 ** (bits - signed) and values.min() >= (-(2.0 ** (bits - 1)) if signed else 0)
            assert holds(tensor["integer_bits"]) and not holds(tensor["integer_bits"] - 1), tensor["name"]
    assert {tensor["name"] for tensor in result["tensors"]} >= {f"{layer}.{kind}" for layer, kind in weights}
    assert "findings" not in result


# --- what a type does, as AMD's documents (UG1399) define the modes


def parsed(type_):
    words = type_[type_.index("<") + 1 : -1].split(",")
    width, integer = int(words[0]), int(words[1])
    modes = (words[2:] + ["AP_TRN", "AP_WRAP"][len(words) - 2 :])[:2]
    return type_.startswith("ap_fixed"), width, integer, *modes


def rounded(values, type_):
    """In steps of the type, before overflow; and whether each fits."""
    signed, width, integer, rounding, overflow = parsed(type_)
    scaled = np.asarray(values, np.float64) * 2.0 ** (width - integer)
    raw = {"AP_TRN": np.floor, "AP_RND": lambda x: np.floor(x + 0.5), "AP_RND_CONV": np.rint}[rounding](scaled)
    high = 2.0 ** (width - signed) - 1
    low = -high if overflow == "AP_SAT_SYM" and signed else -high - 1 if signed else 0
    return raw, (raw >= low) & (raw <= high)


def quantized(values, type_):
    signed, width, integer, _, overflow = parsed(type_)
    raw, fits = rounded(values, type_)
    high = 2.0 ** (width - signed) - 1
    if overflow == "AP_WRAP":
        low = -(2.0 ** (width - 1)) if signed else 0
        raw = (raw - low) % 2.0**width + low
    else:
        raw = np.clip(raw, -high - (overflow == "AP_SAT") if signed else 0, high)
    return raw * 2.0 ** (integer - width), ~fits


def compare(said, before, after):
    """The ratio of signal and noise, in dB, and both as root mean squares."""
    signal, noise = np.mean(before**2), np.mean((after - before) ** 2)
    assert said["rms"] == pytest.approx(np.sqrt(signal), rel=1e-9)
    assert said["rms_error"] == pytest.approx(np.sqrt(noise), rel=1e-6, abs=0)
    if noise == 0 or signal == 0:
        assert said["snr_db"] is None
    else:
        assert said["snr_db"] == pytest.approx(10 * np.log10(signal / noise), abs=1e-5)


@pytest.mark.parametrize("precision", [name for name in PRECISIONS if name != "float"])
@pytest.mark.parametrize("network", NETWORKS)
def test_what_types_do(network, precision, profile):
    result, _, trace, attributes = profile(network, precision)
    weights = weights_of(network)
    compared = 0
    for tensor in result["tensors"]:
        layer, kind, type_ = tensor["layer"], tensor["kind"], tensor["type"]
        signed, width, integer, rounding, overflow = parsed(type_)
        assert attributes["types"][layer][f"{kind}_t"] == f"{'' if signed else 'u'}fixed<{width},{integer},{rounding[3:]},{overflow[3:]},0>"
        before = float_values(tensor, network, trace, weights).astype(np.float64)
        if kind == "result":
            compare(tensor, before, trace["trace"][layer].ravel())
            after, overflows = quantized(before, type_)
            alone = tensor["type_alone"]
            compare(alone, before, after)
            assert alone["overflow"] == np.mean(overflows), tensor["name"]
            assert alone["lost_to_zero"] == np.mean((before != 0) & (after == 0)), tensor["name"]
        else:
            # hls4ml prints weights with as many decimals as the type has fractional bits.
            text = np.array([float(f"{value:.{max(0, width - integer)}f}") for value in before])
            after, overflows = quantized(text, type_)
            assert tensor["overflow"] == np.mean(overflows), tensor["name"]
            assert tensor["lost_to_zero"] == np.mean((before != 0) & (after == 0)), tensor["name"]
            signal, noise = np.mean(before**2), np.mean((after - before) ** 2)
            assert tensor["rms_error"] == pytest.approx(np.sqrt(noise), rel=1e-4), tensor["name"]
            assert tensor["snr_db"] == pytest.approx(10 * np.log10(signal / noise), abs=1e-3), tensor["name"]
        compared += 1
    assert compared > 10


@pytest.mark.parametrize("network", NETWORKS)
def test_overflow_of_relus_and_inputs(network, profile):
    """What these layers take in is known bit for bit, so their overflow is counted exactly."""
    result, _, trace, _ = profile(network, "narrow")
    tensors = {tensor["name"]: tensor for tensor in result["tensors"]}
    before = {"ds16": {"activation": "phi1", "activation_2": "rho1", "activation_3": "rho2"}, "bn16": {"phi2_act": "phi2"},
              "jet_tagger": {"relu1": "fc1", "relu2": "fc2"}, "merges": {"phi2_act": "residual"}}[network]
    some = 0
    for layer, takes in before.items():
        tensor = tensors[f"{layer}.result"]
        values = np.maximum(trace["trace"][takes], 0)
        after, overflows = quantized(values, tensor["type"])
        assert np.array_equal(after, trace["trace"][layer])
        assert tensor["overflow"] == np.mean(overflows)
        assert tensor["lost_to_zero"] == np.mean((values != 0) & (rounded(values, tensor["type"])[0] == 0))
        some += tensor["overflow"] + tensor["lost_to_zero"] > 0
    assert some > 0


@pytest.mark.parametrize("precision", ["narrow", "uniform"])
@pytest.mark.parametrize("network", NETWORKS)
def test_shares_are_those_of_predict(network, precision, profile, desk):
    result, said, _, _ = profile(network, precision)
    table = succeed("predict", GOLDEN / f"{network}.keras", *data_of(desk, network), *PRECISIONS[precision], "--out", desk / "predictions.txt")
    rows = {line[0]: line[2:] for line in (row.replace(" %", "%").split() for row in table.splitlines()[1:]) if line and len(line) == 7}
    shown = {line[0]: line[2:] for line in (row.replace(" %", "%").split() for row in said.splitlines()) if len(line) == 7 and line[1].startswith("ap_")}
    results = [tensor for tensor in result["tensors"] if tensor["kind"] == "result"]
    assert {tensor["layer"] for tensor in results} == set(rows)
    for tensor in results:
        assert shown[tensor["name"]][:3] == rows[tensor["layer"]][:3], tensor["name"]
        for share, text in zip((tensor["overflow"], tensor["sum_overflow"], tensor["lost_to_zero"]), rows[tensor["layer"]]):
            assert 100 * share == pytest.approx(0 if text == "-" else float(text[:-1]), rel=0.06)
    assert any(tensor["overflow"] > 0 for tensor in results)


# --- what to change


def findings(result, kind):
    return {finding["tensor"]: finding["text"] for finding in result["findings"] if finding["kind"] == kind}


def test_findings_are_shown_most_harmful_first(profile):
    result, said, _, _ = profile("ds16", "narrow")
    lines = [f"{finding['tensor']}: {finding['text']}" for finding in result["findings"]]
    assert "\n".join(lines) in said and len(lines) > 5
    harms = [finding["harm"] for finding in result["findings"]]
    assert harms == sorted(harms, reverse=True) and harms[0] > 0.1 and harms[-1] == 0


def test_every_kind_of_finding():
    pass
