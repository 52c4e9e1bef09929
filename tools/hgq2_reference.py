#!/usr/bin/env python3
"""What HGQ2 0.2.0 counts as EBOPs of single layers: src/cost/testdata/hgq2.json, for src/cost/cost_test.cc.

    python3 -m venv build/venv-hgq2
    build/venv-hgq2/bin/pip install hgq2==0.2.0 keras==3.15.1 tensorflow-cpu==2.17.1 'numpy<2'
    build/venv-hgq2/bin/python tools/hgq2_reference.py src/cost/testdata/hgq2.json

Each weight's quantizer gets the bits that the number itself has, from its highest to its lowest bit that is set."""
import json
import os
import random
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import hgq
import keras
import numpy as np
from hgq.layers import QAdd, QConv1D, QConv2D, QDense, QDot, QMaximum, QMaxPooling1D, QMultiply, QSubtract, QSum, QUnaryFunctionLUT
from hgq.quantizer import QuantizerConfig

chance = random.Random(3)


def value(bits):
    """`bits` without the sign, which ap_fixed<bits + 1, 4> has too."""
    return QuantizerConfig("kbi", "datalane", k0=1, b0=bits, i0=3, overflow_mode="WRAP", round_mode="TRN", homogeneous_axis=None, heterogeneous_axis=())


def significant(raw):
    raw = abs(raw)
    return (raw // (raw & -raw)).bit_length() if raw else 0


def weighted(kind, make, shape, kernel, outputs, bits, weight_bits, bias_bits, **more):
    count = int(np.prod(kernel))
    weights = [0 if chance.random() < 0.3 else chance.randrange(-(1 << (weight_bits - 1)), 1 << (weight_bits - 1)) for _ in range(count)]
    biases = [chance.randrange(-(1 << (bias_bits - 1)), 1 << (bias_bits - 1)) if bias_bits > 1 else 0 for _ in range(outputs)]
    weight = QuantizerConfig("kbi", "weight", homogeneous_axis=(), heterogeneous_axis=None)
    bias = QuantizerConfig("kbi", "bias", homogeneous_axis=(), heterogeneous_axis=None)
    layer = make(kq_conf=weight, bq_conf=bias, iq_conf=value(bits))
    layer.build((None, *shape))
    layer.kq.quantizer._b.assign(np.reshape([significant(raw) for raw in weights], layer.kq.quantizer._b.shape))
    layer.bq.quantizer._b.assign(np.reshape([significant(raw) for raw in biases], layer.bq.quantizer._b.shape))
    return {"layer": kind, "shape": shape, "x": f"ap_fixed<{bits + 1},4>", "weight": f"ap_fixed<{weight_bits},2>", "bias": f"ap_fixed<{bias_bits},3>",
            "weights": weights, "biases": biases, **more, "ebops": float(layer._compute_ebops((1, *shape)))}


def single(kind, layer, shape, bits, **more):
    layer.build((None, *shape))
    return {"layer": kind, "shape": shape, "x": f"ap_fixed<{bits + 1},4>", **more, "ebops": float(layer._compute_ebops((1, *shape)))}


def pair(kind, make, shape, bits, other):
    layer = make(iq_confs=[value(bits), value(other)])
    layer.build([(None, *shape)] * 2)
    return {"layer": kind, "shape": shape, "x": f"ap_fixed<{bits + 1},4>", "other": f"ap_fixed<{other + 1},4>",
            "ebops": float(layer._compute_ebops((1, *shape), (1, *shape)))}


def main():
    assert hgq.__version__.startswith("0.2.0") and keras.__version__.startswith("3.15")
    cases = [weighted("Dense", lambda **q: QDense(5, **q), [7], (7, 5), 5, 9, 6, 7),
             weighted("Dense", lambda **q: QDense(3, **q), [4, 6], (6, 3), 3, 5, 9, 4)]
    for padding in ("valid", "same"):
        # HGQ2 counts biases as often as the input has pixels, which are as many as there are windows only with padding; others get zeros.
        bias = 5 if padding == "same" else 1
        cases.append(weighted("Conv1D", lambda **q: QConv1D(3, 3, padding=padding, **q), [8, 2], (3, 2, 3), 3, 7, 6, bias, size=[3], padding=padding))
        cases.append(weighted("Conv2D", lambda **q: QConv2D(2, (3, 2), padding=padding, **q), [5, 4, 3], (3, 2, 3, 2), 2, 6, 5, bias, size=[3, 2], padding=padding))
    cases += [single("KSum", QSum(axes=1, iq_conf=value(9)), [6, 4], 9),
              single("MaxPooling1D", QMaxPooling1D(2, iq_conf=value(7)), [8, 3], 7),
              single("sigmoid", QUnaryFunctionLUT("sigmoid", iq_conf=value(6), oq_conf=value(11), enable_oq=True), [5], 6, result="ap_fixed<12,4>")]
    for kind, make in (("Add", QAdd), ("Subtract", QSubtract), ("Multiply", QMultiply), ("Maximum", QMaximum), ("Dot", QDot)):
        cases.append(pair(kind, make, [6], 8, 5))
        cases.append(pair(kind, make, [3], 4, 11))
    with open(sys.argv[1], "w") as file:
        json.dump({"hgq2": "0.2.0", "keras": keras.__version__, "cases": cases}, file)
        file.write("\n")


if __name__ == "__main__":
    main()
