#!/usr/bin/env python3
"""ONNX and QONNX networks, answered by the real hls4ml 1.3.0: NAME.onnx, NAME.cases.json and NAME.h5 as in golden/, for golden_test, and
of cases that give types to nodes or their classes hls4ml's configuration, NAME.CASE.yml.

    python3 -m venv build/venv-onnx && build/venv-onnx/bin/pip install -r tools/requirements-onnx.txt
    build/venv-onnx/bin/python tools/onnx_golden.py FOLDER [NAME ...]
    NARROW_GOLDEN=FOLDER build/golden_test

The networks are made here, node by node as exporters write them, with random numbers from a fixed seed, then cleaned by qonnx as hls4ml
asks for. The float predictions are qonnx's own.
"""
import argparse
import contextlib
import io
import json
import os
import shutil
import tempfile
import warnings
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")
import h5py
import hls4ml
import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from golden_case import write_case
from onnx_for_hls4ml import for_hls4ml

CASES = [
    {"name": "name_16_6", "default": "ap_fixed<16,6>"},
    {"name": "model_16_6", "granularity": "model", "default": "ap_fixed<16,6>"},
    {"name": "name_10_4", "default": "ap_fixed<10,4>"},
    {"name": "model_24_9", "granularity": "model", "default": "ap_fixed<24,9>"},
    {"name": "name_32_12", "default": "ap_fixed<32,12>", "maximum": "ap_fixed<48,20>"},
]


class Net:
    """A graph in the making. Each method adds a node and gives the tensor that it makes."""

    def __init__(self, name, shape):
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.nodes, self.initializers, self.count = [], [], 0
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])
        self.name = name

    def const(self, values, dtype=np.float32):
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(self, op, *inputs, domain="", **attributes):
        self.count += 1
        out = f"t{self.count}"
        self.nodes.append(helper.make_node(op, list(inputs), [out], name=f"n{self.count}", domain=domain, **attributes))
        return out

    def numbers(self, *shape, scale=0.5):
        return self.rng.normal(0, scale, shape)

    def gemm(self, x, n_in, n_out):
        return self.node("Gemm", x, self.const(self.numbers(n_out, n_in)), self.const(self.numbers(n_out)), transB=1)

    def conv(self, x, channels, filters, size, strides=None, pads=None, bias=True, group=1):
        """As PyTorch writes it: channels first."""
        arrays = [self.const(self.numbers(filters, channels // group, *size))] + ([self.const(self.numbers(filters))] if bias else [])
        one = [1] * len(size)
        return self.node("Conv", x, *arrays, kernel_shape=size, strides=strides or one, pads=pads or [0] * 2 * len(size), dilations=one, group=group)

    def pool(self, op, x, size, strides=None, pads=None):
        return self.node(op, x, kernel_shape=size, strides=strides or size, pads=pads or [0] * 2 * len(size))

    def matmul(self, x, n_in, n_out):
        return self.node("MatMul", x, self.const(self.numbers(n_in, n_out)))

    def norm(self, x, n, **where):
        rng = self.rng
        return self.node("BatchNormalization", x, *(self.const(v) for v in (rng.uniform(0.5, 1.5, n), self.numbers(n), self.numbers(n), rng.uniform(0.3, 2, n))), epsilon=1e-3, **where)

    def quant(self, x, bits, scale, signed=1, narrow=0, rounding="ROUND"):
        return self.node("Quant", x, self.const(scale), self.const(0), self.const(bits), domain="qonnx.custom_op.general", signed=signed, narrow=narrow, rounding_mode=rounding)

    def model(self, *outputs):
        graph = helper.make_graph(
            self.nodes, self.name, [self.input], [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs], self.initializers
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 8
        return model


def mlp():
    """As PyTorch writes Linear, ReLU and Softmax."""
    net = Net("mlp", [16])
    x = net.node("Relu", net.gemm("x", 16, 12))
    x = net.node("Relu", net.gemm(x, 12, 8))
    return net.model(net.node("Softmax", net.gemm(x, 8, 5), axis=1))


mlp.cases = [
    *CASES,
    {"name": "given", "default": "ap_fixed<16,6>", "layers": {"MatMul_0": {"result": "ap_fixed<18,7>"}, "Relu_0": {"result": "ap_ufixed<12,5,AP_RND,AP_SAT>"},
     "MatMul_1": {"accum": "ap_fixed<20,9>"}, "Add_2": {"result": "ap_fixed<16,6>"}}},
]


def heads():
    """As tf2onnx writes Dense layers; a head for each activation."""
    net = Net("heads", [8])
    tops = []
    for op, attributes in (("Sigmoid", {}), ("Tanh", {}), ("LeakyRelu", {"alpha": 0.3}), ("Elu", {"alpha": 0.7}), ("Softplus", {}), ("Softsign", {}), ("Selu", {}), ("ThresholdedRelu", {"alpha": 0.4})):
        x = net.node("Add", net.matmul("x", 8, 3), net.const(net.numbers(3)))
        tops.append(net.node(op, x, **attributes))
    return net.model(*tops)


def norms():
    """Normalizations in front of a product, behind one, behind its bias and behind an activation; numbers of double precision come of it."""
    net = Net("norms", [10])
    x = net.norm("x", 10)
    x = net.node("Relu", net.norm(net.matmul(x, 10, 12), 12))
    x = net.norm(net.node("Relu", net.norm(net.gemm(x, 12, 9), 9)), 9)
    x = net.node("Tanh", net.norm(net.norm(net.gemm(x, 9, 8), 8), 8))
    x = net.node("Sub", x, net.const(net.numbers(8)))
    x = net.node("Mul", net.matmul(x, 8, 6), net.const(net.numbers(6)))
    x = net.node("Div", net.node("Relu", x), net.const(net.rng.uniform(1, 3, 6)))
    return net.model(net.gemm(net.node("Sub", net.const(net.numbers(6)), x), 6, 4))


def branches():
    """Two branches of vectors, a residual one and a concatenation."""
    net = Net("branches", [6])
    a = net.node("Relu", net.gemm("x", 6, 8))
    b = net.node("Tanh", net.gemm("x", 6, 8))
    x = net.node("Concat", net.node("Add", a, b), net.node("Mul", a, b), axis=1)
    x = net.node("Max", x, net.node("Relu", net.gemm(x, 16, 16)))
    x = net.node("Dropout", net.node("Identity", x))
    return net.model(net.node("Sigmoid", net.gemm(x, 16, 2)), net.node("Sub", x, net.node("Relu", x)))


def image():
    """A small network of images as PyTorch writes it, channels first, flattened before its head."""
    net = Net("image", [2, 8, 7])
    x = net.node("Relu", net.norm(net.conv("x", 2, 4, [3, 3], pads=[1, 1, 1, 1]), 4))
    x = net.pool("MaxPool", x, [2, 2])
    x = net.node("Tanh", net.conv(x, 4, 3, [2, 2], strides=[1, 2], bias=False))
    x = net.pool("MaxPool", x, [2, 1], strides=[1, 1])
    return net.model(net.node("Softmax", net.gemm(net.node("Flatten", x, axis=1), 6, 3), axis=1))


def steps():
    """Convolutions over time."""
    net = Net("steps", [3, 12])
    x = net.node("Relu", net.conv("x", 3, 4, [3], pads=[1, 1]))
    x = net.node("Relu", net.norm(net.conv(x, 4, 5, [4], strides=[2]), 5))
    x = net.node("Reshape", x, net.const([1, 25], np.int64))
    return net.model(net.gemm(x, 25, 3))


def quantized():
    """QONNX as Brevitas writes it, scales of powers of two: weights, biases, inputs and activations."""
    net = Net("quantized", [8])
    x = net.quant("x", 8, 2.0**-4)
    for n_in, n_out, bits, scale in ((8, 10, 4, 2.0**-2), (10, 6, 6, 1 / 16), (6, 4, 8, 1.0)):
        w = net.quant(net.const(net.numbers(n_in, n_out, scale=bits * scale)), bits, scale, narrow=1 if bits == 4 else 0)
        x = net.node("MatMul", x, w)
        x = net.node("Add", x, net.quant(net.const(net.numbers(n_out)), 8, 2.0**-4, rounding="FLOOR"))
        if bits != 6:
            x = net.node("Relu", x)
        x = net.quant(x, 6, 2.0**-3, signed=int(bits == 6))
    return net.model(x)


def scaled():
    """QONNX with scales that are no powers of two."""
    net = Net("scaled", [6])
    x = net.quant("x", 8, 0.07)
    x = net.node("MatMul", x, net.quant(net.const(net.numbers(6, 8)), 6, 0.03, narrow=1))
    x = net.node("Relu", net.node("Add", x, net.const(net.numbers(8))))
    x = net.quant(x, 7, 0.011, signed=0)
    x = net.node("MatMul", x, net.quant(net.const(net.numbers(8, 5)), 5, 0.0625))
    x = net.quant(x, 8, 0.05)
    return net.model(net.node("Tanh", x))


def signs():
    """BipolarQuants of values and weights."""
    net = Net("signs", [12])
    def sign(x):
        return net.node("BipolarQuant", x, net.const(1.0), domain="qonnx.custom_op.general")
    x = net.node("MatMul", sign("x"), sign(net.const(net.numbers(12, 9))))
    x = net.norm(net.node("Relu", x), 9)
    return net.model(net.node("MatMul", x, sign(net.const(net.numbers(9, 4)))))


def thresholds():
    """Scales of double precision that become thresholds, just below a step of the input: in float32 .0525 / .07 is .75."""
    net = Net("thresholds", [40])
    x = net.node("Sub", net.node("Mul", "x", net.const([0.07] * 40)), net.const([0.0525] * 40))
    return net.model(net.node("BipolarQuant", x, net.const(1.0), domain="qonnx.custom_op.general"))


def filters():
    """A convolution whose weights have a scale for each filter, and one with a scale for all and a bias."""
    net = Net("filters", [2, 6, 6])
    x = net.quant("x", 8, 0.125)
    w = net.quant(net.const(net.numbers(3, 2, 3, 3)), 6, net.rng.uniform(0.02, 0.09, (3, 1, 1, 1)))
    x = net.node("Conv", x, w, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1], dilations=[1, 1], group=1)
    x = net.quant(net.node("Relu", x), 6, 0.25, signed=0)
    w = net.quant(net.const(net.numbers(2, 3, 2, 2)), 6, 0.03)
    x = net.node("Conv", x, w, net.const(net.numbers(2)), kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0], dilations=[1, 1], group=1)
    return net.model(net.node("Relu", x))


def separable():
    """A depthwise convolution with a normalization behind it, and a pointwise one; a mean over all pixels."""
    net = Net("separable", [3, 6, 5])
    x = net.node("Relu", net.norm(net.conv("x", 3, 3, [3, 2], group=3), 3))
    x = net.node("Relu", net.conv(x, 3, 4, [1, 1]))
    x = net.node("Flatten", net.node("GlobalAveragePool", x), axis=1)
    return net.model(net.gemm(x, 4, 2))


def unet():
    """A small U-Net as tiny_unet is one: quantized convolutions, pooling, repeated pixels (Resize), and what was before pooling beside them."""
    net = Net("unet", [2, 8, 8])

    def conv(x, channels, filters, size, bits=6):
        w = net.quant(net.const(net.numbers(filters, channels, size, size)), bits, 2.0 ** -(bits - 2))
        pad = [(size - 1) // 2] * 2 + [size // 2] * 2
        x = net.node("Conv", x, w, net.const(np.round(net.numbers(filters) * 16) / 16), kernel_shape=[size, size], strides=[1, 1], pads=pad, dilations=[1, 1], group=1)
        return net.quant(net.node("Relu", x), 7, 0.0625, signed=0)

    def twice(x):
        return net.node("Resize", x, net.const([]), net.const([1, 1, 2, 2]), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    top = conv(net.quant("x", 8, 0.0625), 2, 4, 3)
    middle = conv(net.pool("MaxPool", top, [2, 2]), 4, 6, 3)
    bottom = conv(net.pool("MaxPool", middle, [2, 2]), 6, 6, 3)
    up = conv(net.node("Concat", twice(bottom), middle, axis=1), 12, 4, 3)
    up = conv(net.node("Concat", twice(up), top, axis=1), 8, 3, 3)
    w = net.quant(net.const(net.numbers(1, 3, 1, 1)), 6, 0.0625)
    return net.model(net.node("Conv", up, w, kernel_shape=[1, 1], strides=[1, 1], pads=[0] * 4, dilations=[1, 1], group=1))


unet.cases = [CASES[0], CASES[2]]


def padded():
    """Zeros around pixels, more on some sides than on others: behind a type of its own, an activation and a convolution."""
    net = Net("padded", [2, 5, 6])
    x = net.node("Relu", net.quant(net.conv("x", 2, 3, [1, 2]), 8, 0.0625))
    x = net.node("Pad", x, net.const([0, 0, 1, 0, 0, 0, 2, 1], np.int64), mode="constant")
    x = net.conv(x, 3, 4, [3, 2])
    x = net.node("Pad", x, net.const([0, 0, 0, 2, 0, 0, 1, 1], np.int64), net.const(0.0))
    return net.model(net.conv(x, 4, 3, [2, 3]))


padded.cases = [CASES[0], CASES[2], {**CASES[0], "name": "model_12_5", "granularity": "model", "default": "ap_fixed<12,5,AP_RND,AP_SAT>"}]


def plain():
    """What PyTorch's and others' files leave out and leave channels first: attributes of a Conv and of a pool, and zeros in front of all."""
    net = Net("plain", [2, 6, 7])
    x = net.node("Pad", "x", net.const([0, 0, 1, 2, 0, 0, 0, 1], np.int64))
    x = net.node("Relu", net.node("Conv", x, net.const(net.numbers(3, 2, 3, 2))))
    x = net.node("MaxPool", x, kernel_shape=[2, 2])
    return net.model(net.node("Conv", x, net.const(net.numbers(2, 3, 3, 3)), net.const(net.numbers(2)), auto_pad="SAME_UPPER", strides=[2, 2]))


plain.cases = [CASES[0], CASES[1]]


def rows():
    """Constants as first inputs, with the axis of the batch, which hls4ml takes for one of the values until it makes layers of the nodes."""
    net = Net("rows", [4])
    def row():
        return net.const(net.numbers(1, 4))
    products = [net.node("MatMul", net.node("Sub", row(), "x"), net.quant(net.const(net.numbers(4, 3)), 4, scale)) for scale in (0.25, 0.2)]
    def relu():
        return net.node("Relu", net.node("Add", row(), "x"))
    sums = net.node("Tanh", net.node("Add", relu(), net.node("Sub", "x", net.const(net.numbers(4)))))
    return net.model(*products, net.node("Tanh", net.quant(relu(), 6, 0.11)), net.node("Softmax", net.node("Mul", row(), "x"), axis=1), sums)


def folded():
    """Quantized scales and biases one behind the other: hls4ml combines the numbers before they were quantized, and looks at those for
    ones that change nothing."""
    net = Net("folded", [6])
    def numbers(bits, scale, values=None):
        return net.quant(net.const(net.numbers(6) if values is None else [values] * 6), bits, scale)
    def relu():
        return net.node("Relu", "x")
    tops = [
        net.node("Mul", net.node("Add", relu(), numbers(4, 0.25)), numbers(5, 0.125)),
        net.node("Mul", net.node("Add", net.node("Mul", relu(), numbers(4, 0.25)), numbers(5, 0.125)), net.const(net.numbers(6))),
        net.node("Tanh", net.node("Mul", relu(), numbers(4, 0.25, 0.97))),  # 1 when it is quantized
        net.node("Tanh", net.node("Mul", relu(), numbers(3, 0.25, 1.0))),  # not 1 any more
        net.node("Tanh", net.node("Add", net.node("Add", relu(), numbers(4, 0.25, 0.1)), numbers(4, 0.25))),  # 0
        net.node("Tanh", net.node("Mul", net.node("Mul", relu(), numbers(4, 0.25, 1.0)), numbers(4, 0.25))),
    ]
    x = net.node("Add", net.node("MatMul", "x", net.const(net.numbers(6, 6))), numbers(4, 0.25))
    return net.model(*tops, net.norm(net.node("Mul", x, numbers(4, 0.25)), 6))


MODEL_10_3 = {"name": "model_10_3", "granularity": "model", "default": "ap_fixed<10,3>"}


def moved():
    """Transpositions, which have the types that hls4ml gave the nodes before them, whatever became of those."""
    net = Net("moved", [12])
    def turn(x):
        return net.node("Tanh", net.node("Transpose", x, perm=[0, 2, 1]))
    def relu():
        return net.node("Relu", net.node("Reshape", "x", net.const([1, 3, 4], np.int64)))
    sign = net.node("BipolarQuant", net.node("Sub", relu(), net.const([0.4])), net.const(1.0), domain="qonnx.custom_op.general")
    quants = [net.quant(relu(), 8, scale) for scale in (0.25, 0.3)]
    return net.model(*(turn(x) for x in (sign, *quants, net.node("Add", relu(), net.const([0.3])))))


moved.cases = [
    CASES[0],
    MODEL_10_3,
    {"name": "given", "default": "ap_fixed<16,6>", "layers": {"Quant_0": {"result": "ap_fixed<7,3>"}, "Add_0": {"result": "ap_fixed<8,3>"}}},
    {"name": "types", "default": "ap_fixed<16,6>", "granularity": "model", "types": {"Merge": {"default": "ap_fixed<9,3>"}, "BipolarQuant": {"result": "ap_fixed<8,3>"}}},
]


def floors():
    """Biases that FLOOR quantizes, in front of normalizations that change their scale."""
    net = Net("floors", [4, 6, 5])
    def conv(filters, group):
        bias = net.quant(net.const([0.25 * (i + 1) for i in range(filters)]), 6, 0.125, rounding="FLOOR")
        x = net.node("Conv", "x", net.const(net.numbers(filters, 4 // group, 3, 3)), bias, kernel_shape=[3, 3], strides=[1, 1], pads=[0] * 4, dilations=[1, 1], group=group)
        zeros = net.const([0.0] * filters)
        numbers = [net.const([0.4999] * filters), net.const([0.999] * filters)]  # a bit less than half of each bias, which is a step
        return net.node("BatchNormalization", x, numbers[0], zeros, zeros, numbers[1], epsilon=1e-3)
    return net.model(net.node("Relu", conv(3, 1)), net.node("Relu", conv(4, 4)))


def classes():
    """For configurations of classes, and of nodes and of layers that hls4ml makes of them."""
    net = Net("classes", [6])
    x = net.node("Relu", net.norm(net.gemm("x", 6, 5), 5))
    x = net.node("Mul", net.matmul(net.quant(x, 7, 0.3), 5, 4), net.const(net.numbers(4)))
    return net.model(net.node("Tanh", x))


classes.cases = [
    {"name": "classes", "default": "ap_fixed<16,6>", "granularity": "model", "types": {
        "Merge": {"result": "ap_fixed<14,7>", "bias": "ap_fixed<7,2>"}, "ApplyAlpha": {"scale": "ap_fixed<9,3>", "bias": "ap_fixed<5,3>"},
        "MatMul": {"weight": "ap_fixed<8,2>"}, "Dense": {"bias": "ap_fixed<6,1>", "accum": "ap_fixed<18,8>"},
        "BatchNormalization": {"scale": "ap_fixed<7,2>"}, "BatchNormOnnx": {"result": "ap_fixed<8,1>"},
        "Quant": {"result": "ap_fixed<12,5>", "scale": "ap_fixed<13,4>"}}},
    {"name": "both", "default": "ap_fixed<16,6>", "types": {"Merge": {"result": "ap_fixed<14,7>", "bias": "ap_fixed<7,2>"}, "ApplyAlpha": {"default": "ap_fixed<9,3>"}},
     "layers": {"Add_0": {"default": "ap_fixed<15,6>"}, "bn_Add_0": {"bias": "ap_fixed<6,3>", "default": "ap_fixed<7,3>"},
                "Dense_MatMul_1": {"default": "ap_fixed<15,7>", "weight": "ap_fixed<9,2>"}, "Quant_0_scale": {"scale": "ap_fixed<11,4>", "default": "ap_fixed<18,6>"}}},
    {"name": "own_default", "default": "ap_fixed<16,6>", "granularity": "model", "types": {"ApplyAlpha": {"bias": "ap_fixed<5,3>"}}, "layers": {"bn_Add_0": {"default": "ap_fixed<9,4>"}}},
    {"name": "node_first", "default": "ap_fixed<16,6>", "granularity": "model", "types": {"Merge": {"result": "ap_fixed<9,4>"}},
     "layers": {"Add_0": {"bias": "ap_fixed<6,2>"}, "bn_Add_0": {"bias": "ap_fixed<5,3>"}}},
    {"name": "type", "granularity": "type", "default": "ap_fixed<16,6>"},
]


def zeros():
    """Zero points beside scales of powers of two, which hls4ml does not look at."""
    net = Net("zeros", [3])
    def quant(x, scale):
        return net.node("Quant", x, net.const(scale), net.const(3.0), net.const(5.0), domain="qonnx.custom_op.general", signed=1, narrow=0, rounding_mode="ROUND")
    return net.model(quant(net.node("Tanh", "x"), 0.25), net.node("MatMul", "x", quant(net.const(net.numbers(3, 3)), 0.25)), net.node("Tanh", quant(net.node("Relu", "x"), 0.3)))


zeros.cases = [*CASES, {"name": "types", "default": "ap_fixed<16,6>", "granularity": "model", "types": {"Quant": {"result": "ap_fixed<7,3>"}}}]


def exported(name):
    """What PyTorch wrote (tools/torch_export.py)."""
    return lambda: onnx.load(str(Path(__file__).resolve().parents[1] / "golden" / "onnx" / "exported" / f"{name}.onnx"))


NETS = {f.__name__: f for f in (mlp, heads, norms, branches, image, steps, quantized, scaled, signs, thresholds, filters, separable, unet, padded, plain, rows, folded, moved, floors, classes, zeros)}
NETS |= {name: exported(name) for name in ("jets", "pictures")}


def converted(model, case, folder, written=None):
    """`written`: where hls4ml's configuration goes, of a case that gives types to nodes or classes."""
    config = hls4ml.utils.config_from_onnx_model(
        model, granularity=case.get("granularity", "name"), backend="Vitis", default_precision=case["default"], max_precision=case.get("maximum")
    )
    for node, types in case.get("layers", {}).items():
        config.setdefault("LayerName", {}).setdefault(node, {}).setdefault("Precision", {}).update(types)
    for layer_class, types in case.get("types", {}).items():
        config.setdefault("LayerType", {}).setdefault(layer_class, {}).setdefault("Precision", {}).update(types)
    if written is not None and ({"layers", "types"} & case.keys() or case.get("granularity") == "type"):
        written.write_text(yaml.safe_dump(config))
    hls = hls4ml.converters.convert_from_onnx_model(model, output_dir=str(folder), io_type="io_parallel", backend="Vitis", hls_config=config)
    for layer in hls.get_layers():
        layer.set_attr("trace", layer.class_name != "Clone")
    return hls


def types_of(hls):
    return {
        layer.name: {k: str(v.precision) for k, v in layer.attributes.items() if k.endswith("_t") and hasattr(v, "precision")}
        for layer in hls.get_layers()
    }


def samples_for(rng, shape, count):
    """Of a normal distribution, some of them far out."""
    x = rng.normal(0, 1, (count, int(np.prod(shape))))
    x[: count // 8] *= 8
    return x.astype(np.float32).reshape(count, *shape)


def floats(model, x):
    name = model.graph.input[0].name
    outputs = [o.name for node in model.graph.node for o in model.graph.output if o.name == node.output[0]]  # in hls4ml's order
    rows = []
    for sample in x:
        made = execute_onnx(model, {name: sample[None]})
        rows.append(np.concatenate([made[o].ravel() for o in outputs]))
    return np.array(rows, dtype=np.float64)


def make(name, folder, samples, traced):
    model = for_hls4ml(ModelWrapper(NETS[name]()))
    model.save(str(folder / f"{name}.onnx"))
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    x = samples_for(np.random.default_rng(zlib.crc32(name.encode()) + 1), shape, samples)
    cases = [{**case, "io": "io_parallel"} for case in getattr(NETS[name], "cases", CASES)]
    (folder / f"{name}.cases.json").write_text(json.dumps(cases, indent=1) + "\n")
    work = Path(tempfile.mkdtemp(prefix="onnx_golden_"))
    with h5py.File(folder / f"{name}.h5", "w") as out:
        out["input"] = x.reshape(len(x), -1)
        out["float"] = floats(model, x)
        for case in cases:
            with contextlib.redirect_stdout(io.StringIO()):
                hls = converted(model, case, work, folder / f"{name}.{case['name']}.yml")
                doubles = np.ascontiguousarray(x, dtype=np.float64)
                trace = hls.trace(doubles[:traced])[1]
                predictions = hls.predict(doubles)
            predictions = predictions if isinstance(predictions, list) else [predictions]
            predictions = np.concatenate([p.reshape(len(x), -1) for p in predictions], axis=1)
            write_case(out, case, types_of(hls), predictions, trace)
            error = np.abs(predictions - out["float"][:]).mean()
            print(f"{name} {case['name']}: {len(trace)} layers traced, mean |hls - float| {error:.5f}", flush=True)
            shutil.rmtree(work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--trace", type=int, default=12)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.names or NETS:
        make(name, args.folder, args.samples, args.trace)


if __name__ == "__main__":
    main()
