#!/usr/bin/env python3
"""An ONNX file as an exporter wrote it -> one that hls4ml 1.3.0, and narrow, take: cleaned by qonnx, channels last, Gemm as MatMul and Add.

    build/venv-onnx/bin/python tools/onnx_for_hls4ml.py EXPORTED.onnx NET.onnx [--channels-first-input]
"""
import argparse

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
from qonnx.transformation.gemm_to_matmul import GemmToMatMul
from qonnx.util.cleanup import cleanup_model


def for_hls4ml(model, make_input_channels_last=True):
    """`model`: a ModelWrapper."""
    model = cleanup_model(model)
    if any(len(model.get_tensor_shape(i.name)) > 2 for i in model.graph.input):
        model = model.transform(ConvertToChannelsLastAndClean(make_input_channels_last=make_input_channels_last))
    model = model.transform(GemmToMatMul())
    return cleanup_model(model)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("exported")
    parser.add_argument("out")
    parser.add_argument("--channels-first-input", action="store_true", help="leave the input as it is, and transpose it in the network")
    args = parser.parse_args()
    for_hls4ml(ModelWrapper(args.exported), not args.channels_first_input).save(args.out)


if __name__ == "__main__":
    main()
