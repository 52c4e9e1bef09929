"""hls4ml's own models: what narrow makes of a ModelGraph, against what hls4ml's compiled C++ answers. Needs hls4ml, TensorFlow and Keras."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import h5py  # noqa: E402
import random_graphs  # noqa: E402  (sets Keras' backend)
import random_hgq2  # noqa: E402
from random_graphs import reference  # noqa: E402

import narrow  # noqa: E402

hls4ml, keras = reference.hls4ml, reference.keras
GOLDEN = ROOT / "golden"
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def ksum(tmp_path_factory):
    reference.register_ksum(tmp_path_factory.mktemp("ksum"))


# Where the types that hls4ml infers leave something of a softmax (docs/numerics.md).
SCORES = {"layers": {"scores": {"result": "ap_fixed<16,6>"}}}


def convert(model, folder, case=None, backend="Vitis", **options):
    case = case or {"default": "ap_fixed<16,6>", **SCORES}
    start = getattr(model, "convert", None) or (lambda **given: hls4ml.converters.convert_from_keras_model(model, **given))
    return start(
        hls_config=reference.hls_config(model, case), output_dir=str(folder), backend=backend, part="xcvu9p-flga2104-3-e",
        io_type=options.pop("io_type", case.get("io", "io_stream")), **options,
    )


def filled(model, seed=1):
    random = np.random.default_rng(seed)
    model.set_weights([0.5 * random.normal(size=w.shape).astype(np.float32) for w in model.get_weights()])
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([*layer.get_weights()[:3], np.abs(layer.get_weights()[3]) + 0.3])
    return model


def tagger():
    x = inputs = keras.Input((16,), name="jet")
    for i, nodes in enumerate((32, 16)):
        x = layers.Activation("relu", name=f"relu{i}")(layers.Dense(nodes, name=f"dense{i}")(x))
    return filled(keras.Model(inputs, layers.Softmax(name="softmax")(layers.Dense(5, name="scores")(x))))


def deep_sets():
    x = inputs = keras.Input((6, 4), name="cells")
    x = layers.Dense(8, activation="tanh", name="phi1")(x)
    x = layers.LeakyReLU(0.3, name="phi2_act")(layers.Dense(6, name="phi2")(x))
    x = reference.KSum(name="KSum")(x)
    y = layers.Dense(5, activation="relu", name="rho1")(x)
    x = layers.Add(name="both")([y, layers.Dense(5, name="rho2")(x)])
    return filled(keras.Model(inputs, [layers.Dense(1, name="energy")(x), layers.Dense(2, activation="sigmoid", name="kind")(y)]))


def image():
    x = inputs = keras.Input((6, 6, 2), name="image")
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(3, 3, padding="same", name="conv1")(x))
    x = layers.MaxPooling2D(2, name="pool")(layers.ReLU(name="act1")(x))
    x = layers.Activation("selu", name="act2")(layers.Conv2D(4, 2, name="conv2")(x))
    return filled(keras.Model(inputs, layers.Dense(3, name="last")(layers.Flatten(name="flat")(x))))


# --- the same bits


@pytest.mark.parametrize(
    ("make", "case", "kind"),
    [
        (tagger, {"default": "ap_fixed<16,6>", "io": "io_parallel", **SCORES}, np.float32),
        (tagger, {"default": "ap_fixed<9,4,AP_RND,AP_SAT>", "granularity": "model", "strategy": "Resource", "reuse": 4}, np.float64),
        (deep_sets, {"default": "ap_fixed<14,6>", "weight": "ap_fixed<8,2>", "bias": "ap_fixed<8,2>", "strategy": "Resource", "reuse": 2}, np.float32),
        (image, {"default": "ap_fixed<12,5>", "layers": {"act1": {"result": "ap_ufixed<7,3,AP_RND,AP_SAT>"}}}, np.float32),
    ],
    ids=["tagger", "tagger-resource", "sets", "image"],
)
def test_compiled_models_have_the_same_bits(make, case, kind, tmp_path):
    model = make()
    hls = convert(model, tmp_path / "hls", case)
    x = np.random.default_rng(3).normal(size=(20, *model.inputs[0].shape[1:])).astype(kind)
    different, values = random_graphs.compare(hls, x)
    assert different == [] and values > 200


def golden_cases():
    for path in sorted(GOLDEN.glob("*.cases.json")):
        for case in json.loads(path.read_text()):
            yield pytest.param(path.name.removesuffix(".cases.json"), case, id=f"{path.name.split('.')[0]}-{case['name']}")


@pytest.mark.parametrize(("name", "case"), list(golden_cases()))
def test_golden_answers(name, case, tmp_path):
    """hls4ml compiled these networks long ago: its graphs are made anew, and narrow's answers are those."""
    path = GOLDEN / f"{name}.keras"
    if name == "separable":  # a file of Keras 2, by hls4ml's reader for it
        model = reference.FileOfKeras2(path, tmp_path)
    else:
        model = keras.models.load_model(path, compile=False, custom_objects={"KSum": reference.KSum})
    hls = convert(model, tmp_path / "hls", case)
    if "unrolled" in case.get("strategy", "").lower():  # which narrow takes from a configuration alone
        with pytest.raises(narrow.hls4ml.Unsupported, match="narrow has no strategy resource_unrolled"):
            narrow.hls4ml.accelerate(hls)
        return
    with h5py.File(GOLDEN / f"{name}.h5") as file:
        x, known = file["input"][:], file["cases"][case["name"]]
        narrow.hls4ml.accelerate(hls)
        arrays = reference.as_double(reference.inputs_of(model, x))
        expected = known["predictions"][:]
        y = reference.side_by_side(hls.predict(arrays), len(x))
        assert y.dtype == np.float64 and np.array_equal(y, expected.reshape(y.shape))
        _, trace = hls.trace(arrays)
        for layer, values in known.get("trace", {}).items():
            assert np.array_equal(trace[layer][: len(values)].reshape(values.shape), values[:]), layer


def proxy_cases():
    for path in sorted((GOLDEN / "hgq").glob("*.cases.json")):
        for case in json.loads(path.read_text()):
            yield pytest.param(path.name.removesuffix(".cases.json"), case, id=f"{path.name.split('.')[0]}-{case['name']}")


@pytest.mark.parametrize(("name", "case"), list(proxy_cases()))
def test_golden_answers_of_proxy_models(name, case, tmp_path):
    """HGQ's proxy models, which hls4ml reads from their JSON."""
    from hls4ml.converters.keras_v2_to_hls import keras_v2_to_hls

    files = {"KerasJson": str(GOLDEN / "hgq" / f"{name}.json"), "KerasH5": str(GOLDEN / "hgq" / f"{name}_weights.h5")}
    names = [layer["config"]["name"] for layer in json.loads(Path(files["KerasJson"]).read_text())["config"]["layers"]]
    config = hls4ml.utils.config.create_config(output_dir=str(tmp_path), backend="Vitis", io_type=case["io"])
    config["HLSConfig"] = {"Model": {"Precision": case["default"], "ReuseFactor": 1}, "LayerName": {layer: {"Trace": True} for layer in names}}
    hls = keras_v2_to_hls({**config, **files, "InputData": None, "OutputPredictions": None})
    with h5py.File(GOLDEN / "hgq" / f"{name}.h5") as file:
        x, known = file["input"][:].astype(np.float64), file["cases"][case["name"]]
        y = narrow.from_hls4ml(hls).predict(x)
        assert np.array_equal(y.reshape(len(x), -1), known["predictions"][:])
        narrow.hls4ml.accelerate(hls)
        _, trace = hls.trace(x)
        assert set(known["trace"]) <= set(trace)
        for layer, values in known["trace"].items():
            assert np.array_equal(trace[layer][: len(values)].reshape(values.shape), values[:]), layer


@pytest.mark.parametrize("number", range(3))
def test_networks_of_hgq2_have_the_same_bits(number, tmp_path):
    keras.utils.set_random_seed(number)
    network = random_hgq2.Network(np.random.default_rng([2, number]))
    model = network.model()
    x = network.samples(model)
    hls = random_hgq2.converted(model, tmp_path)
    assert any(layer.class_name == "FixedPointQuantizer" for layer in hls.get_layers())
    different, values = random_graphs.compare(hls, x)
    assert different == [] and values > 200
    # And from its file.
    model.save(tmp_path / "network.keras")
    y = narrow.load(tmp_path / "network.keras").predict(x, "ap_fixed<16,6>", types="uniform")
    assert np.array_equal(y.reshape(len(x), -1).astype(np.float32), random_graphs.side_by_side(hls.predict(x)).reshape(len(x), -1))


@pytest.mark.parametrize("io_type", ["io_stream", "io_parallel"])
def test_ksum_comes_with_the_package(io_type, tmp_path):
    """Deep sets converted with no other code for KSum, for Keras 3: hls4ml's compiled C++ has narrow's bits."""
    KSum = narrow.hls4ml.register_ksum()
    assert narrow.hls4ml.register_ksum() is KSum
    x = inputs = keras.Input((5, 3), name="cells")
    x = KSum(name="sum")(layers.Dense(4, activation="relu", name="phi")(x))
    filled(keras.Model(inputs, layers.Dense(2, name="rho")(x))).save(tmp_path / "sets.keras")
    model = keras.models.load_model(tmp_path / "sets.keras")
    case = {"default": "ap_fixed<9,3,AP_RND,AP_SAT>", "granularity": "model", "io": io_type}
    hls = convert(model, tmp_path / "hls", case)
    assert hls.graph["sum"].class_name == "KSum"
    x = 4 * np.random.default_rng(3).normal(size=(50, 5, 3)).astype(np.float32)
    different, values = random_graphs.compare(hls, x)
    assert different == [] and values > 100
    if io_type == "io_stream":
        assert np.array_equal(hls.predict(x), narrow.load(tmp_path / "sets.keras").predict(x, case["default"], types="uniform").astype(np.float32))


def test_ksum_of_keras_2(tmp_path):
    import tf_keras

    KSum = narrow.hls4ml.register_ksum(tf_keras)
    inputs = tf_keras.Input((5, 3), name="cells")
    x = KSum(name="sum")(tf_keras.layers.Dense(4, activation="relu", name="phi")(inputs))
    tf_keras.Model(inputs, tf_keras.layers.Dense(2, name="rho")(x)).save(tmp_path / "sets.keras")
    model = reference.FileOfKeras2(tmp_path / "sets.keras", tmp_path)
    hls = convert(model, tmp_path / "hls", {"default": "ap_fixed<16,6>", "granularity": "model"})
    x = np.random.default_rng(3).normal(size=(50, 5, 3)).astype(np.float32)
    assert hls.graph["sum"].class_name == "KSum"
    np.testing.assert_allclose(narrow.from_hls4ml(hls).predict(x), np.asarray(model.model(x)), atol=0.1)


# --- hls4ml's calls


@pytest.fixture(scope="module")
def jets():
    return np.random.default_rng(4).normal(size=(30, 16)).astype(np.float32)


def test_the_backend_is_narrow(jets, tmp_path):
    """Registered by the package's entry point; nothing is written; the answers have the shapes and types of hls4ml's."""
    assert "narrow" in hls4ml.backends.get_available_backends()
    model = tagger()
    config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="Narrow")
    config["LayerName"]["dense0"]["Trace"] = True
    fast = hls4ml.converters.convert_from_keras_model(model, hls_config=config, output_dir=str(tmp_path / "narrow"), backend="Narrow")
    fast.compile()
    assert not (tmp_path / "narrow").exists()
    slow = hls4ml.converters.convert_from_keras_model(model, hls_config=config, output_dir=str(tmp_path / "vitis"), backend="Vitis")
    assert [(n.name, n.class_name) for n in fast.get_layers()] == [(n.name, n.class_name) for n in slow.get_layers()]
    _, trace = slow.trace(jets[:3])  # which compiles
    assert trace["dense0"].shape == (3, 32)
    for x in (jets, jets.astype(np.float64), jets[:1], jets[0]):
        expected, y = slow.predict(x), fast.predict(x)
        assert y.shape == expected.shape and y.dtype == expected.dtype and np.array_equal(y, expected)
    y, ours = fast.trace(jets[:3])
    assert np.array_equal(y, slow.predict(jets[:3]))
    assert list(ours) == list(trace) and all(np.array_equal(ours[name], trace[name]) for name in trace)
    fast.write()
    assert (tmp_path / "narrow" / "firmware" / "myproject.cpp").exists()


def test_a_model_is_accelerated_and_compiled_again(jets, tmp_path):
    hls = convert(tagger(), tmp_path)
    assert narrow.hls4ml.accelerate(hls) is hls
    before = hls.predict(jets)
    hls.graph["dense0"].weights["weight"].data = hls.graph["dense0"].weights["weight"].data * 0.5
    assert np.array_equal(hls.predict(jets), before)  # as hls4ml's, which has compiled the weights
    hls.compile()
    assert not np.array_equal(hls.predict(jets), before)
    fixed = narrow.from_hls4ml(hls)
    assert np.array_equal(fixed.predict(jets).astype(np.float32), hls.predict(jets))
    assert fixed.types["dense0"]["weight_t"] == "fixed<16,6,TRN,WRAP,0>"


def test_a_precision_goes_to_hls4ml(jets, tmp_path):
    """narrow's types, as hls4ml's configuration: the graph that hls4ml makes of it has narrow's numbers."""
    model = tagger()
    ours = narrow.load(model)
    fixed = ours.fixed(v=(14, 5), wb=(10, 3), relu="AP_RND,AP_SAT")
    config = narrow.to_hls4ml_config(fixed)
    hls = hls4ml.converters.convert_from_keras_model(model, hls_config=config, output_dir=str(tmp_path), backend="Vitis", io_type="io_stream")
    assert np.array_equal(narrow.from_hls4ml(hls).predict(jets), fixed.predict(jets))
    with pytest.raises(TypeError):
        narrow.to_hls4ml_config(ours)


def test_live_models_are_loaded():
    import tf_keras

    x = np.random.default_rng(4).normal(size=(5, 16)).astype(np.float32)
    np.testing.assert_allclose(narrow.load(tagger()).predict(x), np.asarray(tagger()(x)), atol=1e-5)
    old = tf_keras.Sequential([tf_keras.layers.Dense(4, activation="relu", input_shape=(16,)), tf_keras.layers.Dense(2)])
    np.testing.assert_allclose(narrow.load(old).predict(x), np.asarray(old(x)), atol=1e-5)


def test_onnx_is_read_beside_tensorflow():
    """Both bring a protobuf of their own."""
    it = narrow.load(GOLDEN / "onnx" / "mlp.onnx")
    with h5py.File(GOLDEN / "onnx" / "mlp.h5") as file:
        x = file["input"][:]
        np.testing.assert_allclose(it.predict(x).reshape(len(x), -1), file["float"][:].reshape(len(x), -1), atol=1e-5)


def test_the_page_runs(jets, tmp_path, monkeypatch):
    """The blocks of docs/python.md that speak of hls4ml, in one session."""
    monkeypatch.chdir(tmp_path)
    tagger().save("tagger.keras")
    inputs = keras.Input((16,))
    session = {"jets": jets, "narrow": narrow, "hgq2_network": keras.Model(inputs, random_hgq2.hgq.QDense(5)(inputs))}
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", (ROOT / "docs" / "python.md").read_text().split("\n## hls4ml's models\n")[1], re.MULTILINE)
    blocks = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks]
    assert len(blocks) == 5
    for block in blocks:
        exec(block, session)
    assert np.array_equal(session["y"], session["vitis"].predict(jets))
    assert session["fixed"].counts(jets)["scores"]["values"] == 30 * 5


# --- what is refused


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (lambda: layers.LSTM(3, name="other"), {}, "layer other .LSTM.: narrow does not know it"),
        (lambda: layers.Dense(3, name="other"), {"strategy": "Resource", "reuse": 1, "io": "io_stream", "layers": {"other": {"weight": "ap_fixed<70,9>"}}}, "layer other .*: its weight type ap_fixed<70,9> has more than the 64 bits"),
        (lambda: layers.Softmax(axis=1, name="other"), {"io": "io_parallel"}, "layer other .Softmax."),
    ],
)
def test_what_narrow_does_not_follow_is_named(layer, options, message, tmp_path):
    inputs = keras.Input((4, 3), name="steps")
    model = filled(keras.Model(inputs, layer()(inputs)))
    hls = convert(model, tmp_path, {"default": "ap_fixed<16,6>", "io": "io_parallel", **options})
    before = hls.predict
    for take in (narrow.from_hls4ml, narrow.hls4ml.accelerate):
        with pytest.raises(narrow.hls4ml.Unsupported, match=message + ".*Vitis") as caught:
            take(hls)
        assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)
    assert hls.predict == before
    lazy = convert(model, tmp_path, {"default": "ap_fixed<16,6>", "io": "io_parallel", **options}, backend="Narrow")
    with pytest.raises(narrow.hls4ml.Unsupported, match=message):
        lazy.compile()


def test_other_backends_are_refused(tmp_path):
    with pytest.raises(narrow.hls4ml.Unsupported, match="Vitis, Narrow, and this model is for Vivado"):
        narrow.from_hls4ml(convert(tagger(), tmp_path, backend="Vivado"))


def test_wrong_arrays_are_named(jets, tmp_path):
    hls = narrow.hls4ml.accelerate(convert(tagger(), tmp_path))
    for x, error in [
        (jets[:, :5], ValueError),
        (jets.T, ValueError),
        (jets.tolist(), TypeError),
        (jets.astype(np.float16), TypeError),
        (jets[:0], ValueError),
        (np.full_like(jets, np.nan), ValueError),
        (np.full((2, 16), np.inf), ValueError),
        ([jets], TypeError),
    ]:
        with pytest.raises(error):
            hls.predict(x)
    for wrong in (None, 3, tagger()):
        with pytest.raises(TypeError):
            narrow.from_hls4ml(wrong)


def test_wide_answers_are_rounded_once(tmp_path):
    """Of a type with more bits than a double, hls4ml's float32 answers are the nearest, halfway cases among them."""
    inputs = keras.Input((1,), name="one")
    model = keras.Model(inputs, layers.Dense(1, use_bias=False, name="times")(inputs))
    model.set_weights([np.full((1, 1), 1 + 2.0**-20, np.float32)])
    case = {"default": "ap_fixed<40,12>", "layers": {"times": {"result": "ap_fixed<64,12>", "accum": "ap_fixed<64,12>"}}}
    slow, fast = (convert(model, tmp_path / name, case) for name in ("slow", "fast"))
    slow.compile()
    narrow.hls4ml.accelerate(fast)
    x = np.float32([[1.5], [1 + 2.0**-4], [3 * 2.0**-20], [1000 + 2.0**-14], [-2000.25]])  # the second halfway: 1.0625 + 2^-20 + 2^-24
    assert np.array_equal(fast.predict(x), slow.predict(x)) and fast.predict(x).dtype == np.float32
    assert fast.predict(x.astype(np.float64))[1, 0] == 1.0625 + 2.0**-20 + 2.0**-24
    ours = narrow.hls4ml._Compiled(fast)
    with pytest.raises(narrow.hls4ml.Unsupported, match="layer times: .* give x as float64"):
        ours.answer(np.array([[3 + 2.0**-23]]), np.float32, "times")  # more than 2^53 steps of 2^-52


def test_float64_goes_in_as_it_is(tmp_path):
    """hls4ml's program takes a double into the input's type at once; by way of float32 it would be rounded twice."""
    inputs = keras.Input((2,), name="pair")
    model = filled(keras.Model(inputs, layers.Dense(2, name="sums")(inputs)))
    step = 2.0**-12
    x = 100 + 3 * step - np.array([[0.0, 2.0**-40], [2.0**-40, -(2.0**-40)], [2.0**-20, 0.0]])
    assert len(np.unique(x.astype(np.float32))) < len(np.unique(x))
    slow = convert(model, tmp_path / "slow", {"default": "ap_fixed<20,8>"})
    slow.compile()
    fast = narrow.hls4ml.accelerate(convert(model, tmp_path / "fast", {"default": "ap_fixed<20,8>"}))
    expected = slow.predict(x)
    assert np.array_equal(fast.predict(x), expected) and not np.array_equal(slow.predict(x.astype(np.float32).astype(np.float64)), expected)
    wide = narrow.hls4ml.accelerate(convert(model, tmp_path / "wide", {"default": "ap_fixed<40,8>"}))
    with pytest.raises(ValueError, match="give x as float32"):
        wide.predict(x + 2.0**-30)
