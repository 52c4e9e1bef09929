#!/usr/bin/env python3
"""An ONNX file as an exporter wrote it -> one that hls4ml 1.3.0, and narrow, take: cleaned by qonnx, channels last, Gemm as MatMul and Add.

    build/venv-onnx/bin/python tools/onnx_for_hls4ml.py EXPORTED.onnx NET.onnx [--channels-first-input]

What ONNX lets a Conv or a pool leave out is written out, which qonnx needs. Where qonnx leaves a Pad, a Resize or a Concat with the channels
first, it is turned too, for hls4ml takes the last axis for the channels all the same.
"""
import argparse

from onnx import helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
from qonnx.transformation.gemm_to_matmul import GemmToMatMul
from qonnx.transformation.general import SortGraph
from qonnx.util.cleanup import cleanup_model

TO_LAST = {3: [0, 2, 1], 4: [0, 2, 3, 1]}
TO_FIRST = {3: [0, 2, 1], 4: [0, 3, 1, 2]}


def pads_of(where, sizes, kernel, strides):
    """`auto_pad` as pads, those in front of each axis first."""
    odd = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, kernel, strides)] if where.startswith("SAME") else [0] * len(sizes)
    less, more = [p // 2 for p in odd], [p - p // 2 for p in odd]
    return more + less if where == "SAME_LOWER" else less + more


def write_attributes(model):
    for node in model.graph.node:
        if node.op_type not in ("Conv", "MaxPool", "AveragePool"):
            continue
        said = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        sizes = model.get_tensor_shape(node.input[0])[2:]
        kernel = list(said.get("kernel_shape") or model.get_tensor_shape(node.input[1])[2:])
        strides = list(said.get("strides") or [1] * len(sizes))
        dilations = list(said.get("dilations") or [1] * len(sizes))
        wide = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
        all_of_it = {"kernel_shape": kernel, "strides": strides, "pads": list(said.get("pads") or pads_of(said.get("auto_pad", b"").decode(), sizes, wide, strides))}
        if node.op_type == "Conv":
            all_of_it |= {"dilations": dilations, "group": said.get("group", 1)}
        for attribute in [a for a in node.attribute if a.name in all_of_it or a.name == "auto_pad"]:
            node.attribute.remove(attribute)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in all_of_it.items())


def turn(model, node):
    """The same on values whose channels are last, between Transposes."""
    axes = len(model.get_tensor_shape(node.output[0]))
    last = TO_LAST[axes]

    def turned_name(tensor):
        name = model.make_new_valueinfo_name()
        shape = model.get_tensor_shape(tensor)
        model.set_tensor_shape(name, [shape[i] for i in last])
        return name

    def turned_numbers(i, order):
        name = f"{node.name}_turned_{i}"
        model.set_initializer(name, model.get_initializer(node.input[i])[order])
        node.input[i] = name

    for i, tensor in enumerate(node.input if node.op_type == "Concat" else node.input[:1]):
        name = turned_name(tensor)
        model.graph.node.append(helper.make_node("Transpose", [tensor], [name], perm=last))
        node.input[i] = name
    out, name = node.output[0], turned_name(node.output[0])
    model.graph.node.append(helper.make_node("Transpose", [name], [out], perm=TO_FIRST[axes]))
    node.output[0] = name
    if node.op_type == "Concat":
        node.attribute[0].i = last.index(node.attribute[0].i % axes)
    elif node.op_type == "Pad":
        turned_numbers(1, last + [axes + i for i in last])
    else:
        turned_numbers(2, last)


def cancel_transposes(model):
    """Two that undo each other go, whoever else reads what is between them, and those that nobody reads."""
    graph = model.graph
    perm = lambda node: list(node.attribute[0].ints)
    makers = {n.output[0]: n for n in graph.node}
    outputs = {o.name for o in graph.output}
    for back in [n for n in graph.node if n.op_type == "Transpose" and n.output[0] not in outputs]:
        there = makers.get(back.input[0])
        if there is None or there.op_type != "Transpose" or [perm(there)[i] for i in perm(back)] != list(range(len(perm(back)))):
            continue
        for node in graph.node:
            node.input[:] = [there.input[0] if tensor == back.output[0] else tensor for tensor in node.input]
    while idle := [n for n in graph.node if n.op_type == "Transpose" and n.output[0] not in outputs | {t for m in graph.node for t in m.input}]:
        for node in idle:
            graph.node.remove(node)


def for_hls4ml(model, make_input_channels_last=True):
    """`model`: a ModelWrapper."""
    model = cleanup_model(model)
    write_attributes(model)
    if any(len(model.get_tensor_shape(i.name)) > 2 for i in model.graph.input):
        model = model.transform(ConvertToChannelsLastAndClean(make_input_channels_last=make_input_channels_last))
        if any(node.domain == "qonnx.custom_op.channels_last" for node in model.graph.node):
            for node in [n for n in model.graph.node if n.op_type in ("Pad", "Resize", "Concat")]:
                if len(model.get_tensor_shape(node.output[0])) in TO_LAST and stands_first(model, node):
                    turn(model, node)
            cancel_transposes(model)
            model = model.transform(SortGraph())
    model = model.transform(GemmToMatMul())
    return cleanup_model(model)


def stands_first(model, node):
    """Whether a node's values come from, or go to, a Transpose between channels that are first and last."""
    axes = len(model.get_tensor_shape(node.output[0]))
    before = [model.find_producer(tensor) for tensor in (node.input if node.op_type == "Concat" else node.input[:1])]
    after = model.find_direct_successors(node) or []
    perm = lambda each: list(each.attribute[0].ints) if each is not None and each.op_type == "Transpose" else None
    return any(perm(each) == TO_FIRST[axes] for each in before) or any(perm(each) == TO_LAST[axes] for each in after)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("exported")
    parser.add_argument("out")
    parser.add_argument("--channels-first-input", action="store_true", help="leave the input as it is, and transpose it in the network")
    args = parser.parse_args()
    for_hls4ml(ModelWrapper(args.exported), not args.channels_first_input).save(args.out)


if __name__ == "__main__":
    main()
