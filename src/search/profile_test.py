"""narrow profile as a user meets it: every number held against NumPy, on the layers that `narrow trace` writes and the weights in the Keras files."""

import io
import json
import os
import subprocess
import zipfile
from pathlib import Path

import h5py
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


def weights_of(network, fused=True):
    """By layer and kind, in float64, from the file as Keras 3 lays it out; a normalization multiplied into the layer before it where it is `fused`."""
    found = {}
    with zipfile.ZipFile(GOLDEN / f"{network}.keras") as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            dense = [layer["config"] for layer in layers if layer["class_name"] == "Dense"]
            for i, config in enumerate(dense):
                arrays = file[f"layers/dense{f'_{i}' if i else ''}/vars"]
                found[config["name"], "weight"] = arrays["0"][:].astype(np.float64)
                found[config["name"], "bias"] = arrays["1"][:].astype(np.float64) if config["use_bias"] else np.zeros(config["units"])
            for config in (layer["config"] for layer in layers if layer["class_name"] == "BatchNormalization"):  # of bn16, behind phi2
                gamma, beta, mean, variance = (file[f"layers/batch_normalization/vars/{i}"][:] for i in range(4))
                scale = gamma / np.sqrt(variance + np.float32(config["epsilon"]))  # in float32, as hls4ml has it (layers.py, BatchNormalization; FuseBatchNormalization)
                shift = beta - scale * mean
                found["bn", "scale"], found["bn", "bias"] = scale.astype(np.float64), shift.astype(np.float64)
                if not fused:
                    continue
                found["phi2", "weight"] = (scale * found["phi2", "weight"].astype(np.float32)).astype(np.float64)
                found["phi2", "bias"] = (scale * found["phi2", "bias"].astype(np.float32) + shift).astype(np.float64)
    return found


def float_values(tensor, float_layers, trace, weights):
    if tensor["kind"] == "result":
        return trace["float_trace"][float_layers.get(tensor["layer"], tensor["layer"])].ravel()
    return weights[tensor["layer"], tensor["kind"]].ravel()


@pytest.mark.parametrize("network", NETWORKS)
def test_the_float_values(network, profile):
    """Range, percentiles, zeros and powers of two; of what is read from the files, exactly."""
    result, _, trace, _ = profile(network, "float")
    weights = weights_of(network)
    for tensor in result["tensors"]:
        values = float_values(tensor, {"phi2": "bn"} if network == "bn16" else {}, trace, weights)
        assert tensor["values"] == values.size
        assert (tensor["low"], tensor["high"]) == (values.min(), values.max()), tensor["name"]
        ordered = np.sort(np.abs(values))
        for share, value in tensor["percentiles"].items():
            rank = -(-values.size * round(10 * float(share)) // 1000)
            assert value == ordered[rank - 1], (tensor["name"], share)
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
    assert {tensor["name"] for tensor in result["tensors"]} >= {f"{layer}.{kind}" for layer, kind in weights if layer != "bn"}
    assert "findings" not in result


# --- what a type does, as AMD's documents (UG1399) define the modes


def parsed(type_):
    words = type_[type_.index("<") + 1 : -1].split(",")
    if "int<" in type_:
        return type_.startswith("ap_int"), int(words[0]), int(words[0]), "AP_TRN", "AP_WRAP"
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
        raw = np.where(fits, raw, (raw - low) % 2.0**width + low)
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
    fused = "bn" not in attributes["types"]
    assert fused == (network != "bn16" or precision != "uniform"), "types given to results keep hls4ml from fusing"
    weights = weights_of(network, fused)
    compared = 0
    for tensor in result["tensors"]:
        layer, kind, type_ = tensor["layer"], tensor["kind"], tensor["type"]
        signed, width, integer, rounding, overflow = parsed(type_)
        expected = f"fixed<{width},{integer},{rounding[3:]},{overflow[3:]},0>" if "fixed" in type_ else f"int<{width}>"
        assert attributes["types"][layer][f"{kind}_t"] == ("" if signed else "u") + expected
        before = float_values(tensor, attributes["float_layers"], trace, weights).astype(np.float64)
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
            compare(tensor, before, after)
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
    assert any(tensor["overflow"] > 0 or tensor["lost_to_zero"] > 0 for tensor in results)


# --- what to change


def findings(result, kind):
    return {finding["tensor"]: finding["text"] for finding in result["findings"] if finding["kind"] == kind}


def test_findings_are_shown_most_harmful_first(profile):
    result, said, _, _ = profile("ds16", "narrow")
    lines = [f"{finding['tensor']}: {finding['text']}" for finding in result["findings"]]
    assert "\n".join(lines) in said and len(lines) > 5
    harms = [finding["harm"] for finding in result["findings"]]
    assert harms == sorted(harms, reverse=True) and harms[0] > 0.1 and harms[-1] == 0


def made(folder, weight, samples, precision):
    """The profile of one Dense layer, whose result is the output, for a configuration of its types."""
    import keras  # slow to load

    weight = np.asarray(weight, np.float32)
    model = keras.Sequential([keras.Input((weight.shape[0],), name="x"), keras.layers.Dense(weight.shape[1], use_bias=False, name="dense")])
    model.set_weights([weight])
    model.save(folder / "made.keras")
    np.save(folder / "made.npy", np.asarray(samples, np.float32))
    types = {"x": {"result": "ap_fixed<16,8>"}, "dense": {"weight": "ap_fixed<8,4>", "bias": "ap_fixed<8,1>", "accum": "ap_fixed<32,16>", "result": "ap_fixed<32,16>"}}
    for name, type_ in precision.items():
        layer, kind = name.split(".")
        types[layer][kind] = type_
    lines = ["Model:", "  Precision: {default: 'ap_fixed<16,6>'}", "  ReuseFactor: 1", "LayerName:"]
    for layer, kinds in types.items():
        lines += [f"  {layer}:", "    Precision:", *(f"      {kind}: '{type_}'" for kind, type_ in kinds.items())]
    (folder / "made.yml").write_text("\n".join(lines) + "\n")
    said = succeed("profile", folder / "made.keras", "--data", folder / "made.npy", "--precision", folder / "made.yml", "--json", folder / "made.json")
    return json.loads((folder / "made.json").read_text()), said


# Values that use all bits of the types of made(): of x 7 integer bits and a sign, of the weight 3 and a sign, of the result 15 and a sign.
WEIGHT = [[-8.0, 7.5]]
SAMPLES = [[-128.0], [127.0], [100.0], [-90.0]]
FITTED = {"dense.accum": "ap_fixed<28,12>", "dense.result": "ap_fixed<28,12>"}


def texts(result):
    return [(finding["tensor"], finding["kind"], finding["text"]) for finding in result["findings"] if finding["tensor"] != "dense.bias"]


def test_nothing_to_change(tmp_path):
    result, said = made(tmp_path, WEIGHT, SAMPLES, FITTED)
    assert texts(result) == [] and result["findings"] == []
    assert "nothing to change" in said


def test_overflow_of_results(tmp_path):
    result, _ = made(tmp_path, WEIGHT, SAMPLES, {**FITTED, "dense.result": "ap_fixed<26,10>"})
    # Of -8 x and 7.5 x these are not from -512 up to 512: 1024, -960, -1016, 952.5, -800, 750, 720, -675.
    assert texts(result) == [("dense.result", "overflow", "100 % of its values overflow ap_fixed<26,10>; 12 integer bits hold them")]
    few = [[127.0], *[[60.0]] * 3]  # -1016 and 952.5, and then -480 and 450
    result, _ = made(tmp_path, WEIGHT, few, {**FITTED, "x.result": "ap_ufixed<15,7>", "dense.result": "ap_fixed<26,10>"})
    assert texts(result) == [("dense.result", "overflow", "25 % of its values overflow ap_fixed<26,10>; 11 integer bits hold them")]
    result, _ = made(tmp_path, WEIGHT, SAMPLES, {**FITTED, "dense.result": "ap_ufixed<28,12>"})
    assert texts(result) == [("dense.result", "overflow", "50 % of its values overflow ap_ufixed<28,12>; 12 integer bits with a sign hold them")]


def test_overflow_of_inputs_comes_first(tmp_path):
    result, _ = made(tmp_path, WEIGHT, SAMPLES, {**FITTED, "x.result": "ap_fixed<15,7>", "dense.weight": "ap_fixed<9,5>"})
    assert texts(result) == [
        ("x.result", "overflow", "100 % of its values overflow ap_fixed<15,7>; 8 integer bits hold them"),
        ("dense.weight", "unused", "1 integer bit is never used; ap_fixed<8,4> holds the same"),
    ]


def test_overflow_that_comes_from_before(tmp_path):
    """The input wraps from 70 to -58, so a result that is never negative in float becomes so."""
    result, _ = made(tmp_path, [[7.5]], [[70.0], [60.0]], {"x.result": "ap_fixed<15,7>", "dense.accum": "ap_fixed<28,12>", "dense.result": "ap_ufixed<26,10>"})
    assert ("dense.result", "overflow", "50 % of its values overflow ap_ufixed<26,10>; the float model's values fit, so what the layer takes in is off") in texts(result)


def test_overflow_of_sums(tmp_path):
    result, _ = made(tmp_path, WEIGHT, SAMPLES, {**FITTED, "dense.accum": "ap_fixed<26,10>"})
    assert texts(result)[0] == ("dense.accum", "sum_overflow", "100 % of its sums overflow ap_fixed<26,10>; 12 integer bits hold the whole sums")
    # -1024 and 1024 in between, 512 in the end.
    weight = [[-8.0], [4.0]]
    result, _ = made(tmp_path, weight, [[127.0, 127.0], [-127.0, -127.0]], {"dense.accum": "ap_fixed<26,10,AP_TRN,AP_SAT>", "dense.result": "ap_fixed<26,10>", "dense.weight": "ap_fixed<8,4>"})
    assert ("dense.accum", "sum_overflow", "100 % of its sums overflow ap_fixed<26,10,AP_TRN,AP_SAT>; the float model's whole sums fit, those on the way or of what the layer takes in do not") in texts(result)


def test_overflow_of_weights(tmp_path):
    result, _ = made(tmp_path, [[-8.0, 7.5, 0.5, 1.0]], SAMPLES, {**FITTED, "dense.weight": "ap_fixed<7,3>"})
    assert ("dense.weight", "overflow", "50 % of its values overflow ap_fixed<7,3>; 4 integer bits hold them") in texts(result)


def test_values_lost_to_zero(tmp_path):
    """Of 100 values 10 lie below the step of 2^-8, 1 of them below 2^-12; what is below 0 becomes -2^-8."""
    samples = [[100.0]] * 60 + [[-128.0]] * 30 + [[2.0**-12]] * 9 + [[2.0**-13]]
    result, _ = made(tmp_path, WEIGHT, samples, FITTED)
    assert ("x.result", "zero", "10 % of its values become 0; 4 more fractional bits keep all but 1 %") in texts(result)
    result, _ = made(tmp_path, WEIGHT, samples, {**FITTED, "x.result": "ap_fixed<16,8,AP_RND>"})
    assert ("x.result", "zero", "10 % of its values become 0; 3 more fractional bits keep all but 1 %") in texts(result)
    below = [[-value] if abs(value) < 1 else [value] for (value,) in samples]
    result, _ = made(tmp_path, WEIGHT, below, FITTED)
    assert not findings(result, "zero")
    result, _ = made(tmp_path, WEIGHT, below, {**FITTED, "x.result": "ap_fixed<16,8,AP_TRN_ZERO>"})
    assert ("x.result", "zero", "10 % of its values become 0; 4 more fractional bits keep all but 1 %") in texts(result)
    result, _ = made(tmp_path, [[-8.0, 7.5, 0.01, 0.001]], SAMPLES, FITTED)
    assert ("dense.weight", "zero", "50 % of its values become 0; 6 more fractional bits keep all but 1 %") in texts(result)
    result, _ = made(tmp_path, WEIGHT, [[100.0]] * 69 + [[-128.0]] * 30 + [[2.0**-13]], FITTED)
    assert not findings(result, "zero"), "1 % is no finding"


def test_bits_that_are_not_used(tmp_path):
    result, _ = made(tmp_path, [[-8.0, 7.5]], [[30.0], [-10.0]], {})
    # x: 6 bits hold 30; the result, -240 to 225, needs 9. One more than needed is room.
    assert texts(result) == [
        ("dense.result", "unused", "7 integer bits are never used; ap_fixed<25,9> holds the same"),
        ("x.result", "unused", "2 integer bits are never used; ap_fixed<14,6> holds the same"),
    ]
    result, _ = made(tmp_path, [[-8.0, 7.5]], [[60.0], [-10.0]], {"dense.result": "ap_fixed<27,11>"})
    assert texts(result) == []
    result, _ = made(tmp_path, [[7.5]], [[127.0], [1.0]], {"dense.result": "ap_fixed<27,11>", "dense.weight": "ap_fixed<9,5>"})
    assert texts(result) == [
        ("dense.weight", "unsigned", "never negative, and 1 integer bit is never used; ap_ufixed<7,3> holds the same"),
        ("x.result", "unsigned", "never negative; ap_ufixed<15,7> holds the same"),
        ("dense.result", "unsigned", "never negative; ap_ufixed<26,10> holds the same"),
    ]


@pytest.mark.parametrize("network", ["ds16", "merges"])
def test_types_that_hold_the_same_give_the_same_bits(network, profile, desk):
    """What is said to hold the same is tried, all at once."""
    options = [GOLDEN / f"{network}.keras", *data_of(desk, network)]
    result, _, trace, _ = profile(network, "wide")
    said = {**findings(result, "unsigned"), **findings(result, "unused")}
    assert len(said) > 8 and any("ufixed" in text for text in said.values())
    succeed("--quiet", "show", options[0], *PRECISIONS["wide"], "--save", desk / "types.yml")
    lines, layer, replaced = [], "", 0
    for line in (desk / "types.yml").read_text().splitlines():
        if line.startswith("  ") and line[2] != " ":
            layer = line.strip().rstrip(":")
        kind = line.strip().split(":")[0]
        if f"{layer}.{kind}" in said:
            text = said[f"{layer}.{kind}"]
            line = line[: line.index(":")] + ": " + text[text.index("; ") + 2 : text.index(" holds the same")]
            replaced += 1
        lines.append(line)
    assert replaced == len(said)
    (desk / "types.yml").write_text("\n".join(lines) + "\n")
    succeed("--quiet", "predict", *options, "--precision", desk / "types.yml", "--out", desk / "same.txt")
    succeed("--quiet", "predict", *options, *PRECISIONS["wide"], "--out", desk / "wide.txt")
    assert (desk / "same.txt").read_text() == (desk / "wide.txt").read_text()


def test_it_does_not_depend_on_the_cores(profile, desk):
    result, said, _, _ = profile("ds16", "narrow")
    again = succeed("--threads", 1, "profile", GOLDEN / "ds16.keras", *data_of(desk, "ds16"), *PRECISIONS["narrow"], "--json", desk / "again.json")
    assert again == said and json.loads((desk / "again.json").read_text()) == result


# --- bad input


def test_bad_input(desk, tmp_path):
    options = ["profile", GOLDEN / "ds16.keras"]
    np.save(tmp_path / "wide.npy", np.zeros((3, 32, 5), np.float32))
    assert "wide.npy" in fail(*options, "--data", tmp_path / "wide.npy")
    np.save(tmp_path / "nan.npy", np.full((3, 32, 4), np.nan, np.float32))
    assert "NaN" in fail(*options, "--data", tmp_path / "nan.npy")
    np.save(tmp_path / "huge.npy", np.full((3, 32, 4), 3e38, np.float32))
    for precision in ([], ["--v", "16,6"]):
        said = fail(*options, "--data", tmp_path / "huge.npy", *precision)
        assert "layer KSum of the float model computes values that are not finite" in said
    assert "is an input of this command" in fail(*options, *data_of(desk, "ds16"), "--json", data_of(desk, "ds16")[1])
    fail(*options, *data_of(desk, "ds16"), "--v", "16", status=2)
    fail(*options, status=2)
