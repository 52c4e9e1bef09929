#!/usr/bin/env python3
"""The network of this folder as an hls4ml model, with the types that narrow resolved.

    python convert.py                     # writes the C++ project hls/ and compiles it
    python convert.py --check trace.h5    # and compares it, bit by bit, with what `narrow trace` wrote

It needs hls4ml 1.3 and Keras (2.15 or 3). In Python: `from convert import convert; model = convert(); model.build()`.
"""

import argparse
import sys
from pathlib import Path

import hls4ml
import keras
import yaml
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.layers import Layer, register_layer

HERE = Path(__file__).resolve().parent
BACKEND = "Vitis"
PART = "xcvu9p-flga2104-3-e"
CLOCK_PERIOD = 5  # ns


@keras.saving.register_keras_serializable()
class KSum(keras.layers.Layer):
    """The sum over the cells of a set: (batch, vmax, n) -> (batch, n)."""

    def call(self, x):
        if hasattr(keras, "ops"):  # Keras 3
            return keras.ops.sum(x, axis=1)
        return keras.backend.sum(x, axis=1)

    def compute_output_shape(self, shape):
        return (shape[0], shape[-1])


class HSum(Layer):
    """KSum as hls4ml's graph has it."""

    def initialize(self):
        n_vec, n_feat = self.get_input_variable().shape
        self.set_attr("n_vec", n_vec)
        self.set_attr("n_feat", n_feat)
        self.add_output_variable([n_feat])


class HSumConfig(LayerConfigTemplate):
    def __init__(self):
        super().__init__(HSum)

    def format(self, node):
        return (
            "struct config{index} : nnet::ksum_config {{\n"
            "    static const unsigned n_vec = {n_vec};\n"
            "    static const unsigned n_feat = {n_feat};\n}};\n"
        ).format(**self._default_config_params(node))


class HSumCall(FunctionCallTemplate):
    def __init__(self):
        super().__init__(HSum, include_header=["nnet_utils/nnet_ksum.h"])

    def format(self, node):
        return "nnet::ksum<{input_t}, {output_t}, {config}>({input}, {output});".format(**self._default_function_params(node))


def read_ksum(layer, input_names, input_shapes, reader):
    shape = input_shapes[0]
    return {"name": layer["config"]["name"], "class_name": "HSum", "inputs": input_names}, [shape[0], shape[-1]]


def register_ksum():
    """Once in a process. A reader for Keras 2 is taken for Keras 3 as well, where da4ml's is not tried before."""
    register_layer("HSum", HSum)
    hls4ml.converters.register_keras_v2_layer_handler("KSum", read_ksum)
    backend = hls4ml.backends.get_backend(BACKEND)
    backend.register_template(HSumConfig)
    backend.register_template(HSumCall)
    backend.register_source(HERE / "nnet_ksum.h")


register_ksum()


def convert(output_dir=HERE / "hls", trace=False):
    """The hls4ml model, written to `output_dir` when it is compiled; with `trace` it gives the values of every layer too."""
    network = keras.models.load_model(HERE / "model.h5", custom_objects={"KSum": KSum}, compile=False)
    config = yaml.safe_load((HERE / "hls4ml_config.yml").read_text())
    for layer in config["LayerName"].values():
        layer["Trace"] = trace
    return hls4ml.converters.convert_from_keras_model(
        network,
        hls_config=config,
        output_dir=str(output_dir),
        backend=BACKEND,
        part=PART,
        clock_period=CLOCK_PERIOD,
        io_type="io_stream",
        allow_da_fallback=False,
    )


def check(path):
    """Compares predictions and the values of every layer with those in `path`: the names of all of them, and of those that differ."""
    import h5py
    import numpy as np

    model = convert(trace=True)
    model.compile()
    with h5py.File(path) as file:
        several = isinstance(file["input"], h5py.Group)
        arrays = [np.ascontiguousarray(file["input"][name] if several else file["input"], dtype=np.float64) for name in (model.inputs if several else [""])]
        expected = {name: values[:] for name, values in file["trace"].items() if name in model.graph}
        expected["predictions"] = file["predictions"][:]
    x = arrays if several else arrays[0]
    _, found = model.trace(x)
    outputs = model.predict(x)
    found["predictions"] = np.concatenate([y.reshape(len(arrays[0]), -1) for y in (outputs if isinstance(outputs, list) else [outputs])], axis=1)
    for node in model.get_layers():
        if node.class_name == "Input":  # hls4ml traces no inputs, nor what only changes a shape
            expected.pop(node.name, None)
    return list(expected), [name for name in expected if name not in found or not np.array_equal(found[name].ravel(), expected[name].ravel())]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", metavar="TRACE.h5", help="compare with what `narrow trace` wrote")
    args = parser.parse_args()
    if args.check is None:
        convert().compile()
        return 0
    compared, different = check(args.check)
    if different:
        print("different bits: " + ", ".join(different))
        return 1
    print("the same bits: " + ", ".join(compared))
    return 0


if __name__ == "__main__":
    sys.exit(main())
