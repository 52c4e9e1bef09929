"""hls4ml's networks, as it configured and optimized them, computed by narrow: the same bits, without compiling.

    fixed = narrow.from_hls4ml(hls_model)      # of a model for Vitis
    narrow.hls4ml.accelerate(hls_model)        # its own compile(), predict() and trace() are narrow's from now on

With the package installed hls4ml has a backend `Narrow`, which converts as `Vitis` does.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from narrow import _narrow
from narrow._model import FixedModel, HasTypes, _warn

__all__ = ["Unsupported", "accelerate", "from_hls4ml", "register_ksum", "to_hls4ml_config"]


class Unsupported(_narrow.Error):
    """What narrow does not compute as hls4ml's C++ does. hls4ml's own way is open: the backend `Vitis`, or `hls_model` as it was."""


_HERE = Path(__file__).parent

# Backends whose C++ narrow is compared with; Vivado has other nnet_utils for some streams.
_BACKENDS = ("Vitis", "Narrow")


def to_hls4ml_config(precision: HasTypes) -> dict[str, Any]:
    """The types of a model in a precision (Model.fixed), or those that narrow.search found, as the dictionary for hls4ml.converters.convert_from_keras_model(hls_config=...):
    nothing is left to `auto`. Needs PyYAML, which hls4ml needs too."""
    import yaml

    if not hasattr(precision, "to_yaml"):
        raise TypeError(f"precision: a {type(precision).__name__} should be a FixedModel, as in model.fixed(v=(16, 6))")
    config: dict[str, Any] = yaml.safe_load(precision.to_yaml())
    return config


def from_hls4ml(hls_model: Any) -> FixedModel:
    """The network of a ModelGraph of hls4ml 1.3.0, with the types, strategies and weights that it has now.

    Its `predict` and `trace` are a FixedModel's; `accelerate` has hls4ml's.

    Raises:
        narrow.hls4ml.Unsupported: for what narrow does not compute as hls4ml's C++ does, naming the layer and its class.
        TypeError: where it is no ModelGraph.
    """
    layers, outputs, _ = _read(hls_model)
    parallel = hls_model.config.get_config_value("IOType") == "io_parallel"
    try:
        made = _narrow.from_graph(hls_model.config.get_project_name(), layers, outputs, parallel)
    except _narrow.Error as error:
        raise _unsupported(str(error)) from None
    _warn(made.notes, 2)
    return FixedModel(made)


def _unsupported(why: str) -> Unsupported:
    return Unsupported(f"{why}; hls4ml's own backend, Vitis, compiles such a network")


# --- the graph


def _read(hls_model: Any) -> tuple[list[dict[str, Any]], list[str], dict[str, str]]:
    """Layers as C++ takes them, the names of those that are outputs, and of each layer of hls4ml's that of ours with the same values."""
    config = getattr(hls_model, "config", None)
    if config is None or not all(hasattr(hls_model, name) for name in ("get_layers", "get_output_variables", "_applied_flows")):
        raise TypeError(f"hls_model: a {type(hls_model).__name__} should be a ModelGraph of hls4ml")
    if config.backend is None or config.backend.name not in _BACKENDS:
        raise _unsupported(f"narrow follows the C++ of the backends {', '.join(_BACKENDS)}, and this model is for {getattr(config.backend, 'name', None)}")
    io_type = config.get_config_value("IOType")
    if io_type not in ("io_stream", "io_parallel"):
        raise _unsupported(f"narrow has no IOType {io_type}")
    _apply_flow(hls_model)
    # What its C++ calls by one name has one type, that of the first layer (vivado_writer.py).
    first: dict[str, Any] = {}
    ambiguous = {t.name for node in hls_model.get_layers() for t in node.types.values() if first.setdefault(t.name, t.precision) != t.precision}
    layers: list[dict[str, Any]] = []
    of_output: dict[str, str] = {}  # of each tensor the layer that makes it
    alias: dict[str, str] = {}
    for node in hls_model.get_layers():
        inputs = [of_output.get(name, name) for name in node.inputs]
        if node.class_name == "Clone":
            for name in node.outputs:
                of_output[name] = inputs[0]
            alias[node.name] = inputs[0]
            continue
        if len(node.outputs) != 1:
            raise _unsupported(f"layer {node.name} ({node.class_name}): it has {len(node.outputs)} outputs")
        layer = _Reader(node, inputs, io_type == "io_parallel", ambiguous).read()
        layers.append(layer)
        of_output[node.outputs[0]] = node.name
        alias[node.name] = node.name
    return layers, [of_output.get(name, name) for name in hls_model.outputs], alias


def _apply_flow(hls_model: Any) -> None:
    """hls4ml's passes up to its C++, where a user stopped before."""
    flow = hls_model.config.backend.get_default_flow()
    if flow not in {name for applied in hls_model._applied_flows for name in applied}:
        hls_model.apply_flow(flow)


def _statements(header: Path) -> str:
    """C++ without what does not change it: comments, pragmas, white space, includes, and braces around single statements."""
    text = re.sub(r"//.*|/\*.*?\*/|^\s*#\s*(pragma|include).*$", "", header.read_text(), flags=re.MULTILINE)
    return re.sub(r"\{((?:sum|out)\[j\]\+?=(?:in|sum)\[j\];)\}", r"\1", re.sub(r"\s", "", text))


class _Reader:
    """One layer."""

    def __init__(self, node: Any, inputs: list[str], parallel: bool, ambiguous: set[str]):
        self.node = node
        self.parallel = parallel
        self.ambiguous = ambiguous
        variable = node.get_output_variable()
        self.layer: dict[str, Any] = {
            "name": node.name,
            "kind": "",
            "inputs": inputs,
            "shape": [int(size) for size in variable.shape],
            "types": {"result": self.type_text(variable.type)},
            "numbers": {},
            "reals": {},
            "words": {},
            "arrays": [],
        }

    def refuse(self, why: str) -> Unsupported:
        return _unsupported(f"layer {self.node.name} ({self.node.class_name}): {why}")

    def read(self) -> dict[str, Any]:
        make = getattr(self, "read_" + self.node.class_name, None)
        if make is None:
            raise self.refuse("narrow does not know it")
        make()
        if not self.layer["kind"]:
            raise self.refuse("narrow does not know it")
        return self.layer

    # What layers have.

    def attr(self, name: str, default: Any = None) -> Any:
        return self.node.get_attr(name, default)

    def type_text(self, named: Any) -> str:
        """A type as hls4ml prints it: fixed<16,6,TRN,WRAP,0>, uint<1>."""
        from hls4ml.model import types

        precision = named.precision
        plain = isinstance(precision, (types.FixedPrecisionType, types.IntegerPrecisionType))
        if not plain or isinstance(named, (types.CompressedType, types.ExponentType)):
            raise self.refuse(f"its type {getattr(named, 'name', named)} ({type(precision).__name__}) is neither a fixed-point number nor an integer")
        if named.name in self.ambiguous:
            raise self.refuse(f"its type {named.name} is not the only one of that name, and in hls4ml's C++ they are one")
        sign = "" if precision.signed else "u"
        if isinstance(precision, types.IntegerPrecisionType):
            return f"{sign}int<{precision.width}>"
        modes = f"{precision.rounding_mode},{precision.saturation_mode},{precision.saturation_bits}"
        return f"{sign}fixed<{precision.width},{precision.integer},{modes}>"

    def set_type(self, name: str, attribute: str | None = None) -> None:
        named = self.attr(attribute or f"{name}_t")
        if named is None:
            raise self.refuse(f"it has no {name} type")
        self.layer["types"][name] = self.type_text(named)

    def set_number(self, name: str, *values: Any) -> None:
        self.layer["numbers"][name] = [int(value) for value in values]

    def shape_of(self, index: int = 0) -> list[int]:
        return [int(size) for size in self.node.get_input_variable(self.node.inputs[index]).shape]

    def require(self, name: str, value: Any, default: Any = None) -> None:
        found = self.attr(name, default)
        if found != value:
            raise self.refuse(f"its {name} is {found}, and narrow has it as {value} alone")

    def channels_last(self) -> None:
        self.require("data_format", "channels_last", "channels_last")

    def weights(self, name: str) -> NDArray[Any]:
        variable = self.node.weights[name]
        self.layer["types"][name] = self.type_text(variable.type)
        data = np.asarray(variable.data)
        return data if data.dtype == np.float32 else data.astype(np.float64)

    def add(self, array: NDArray[Any]) -> None:
        self.layer["arrays"].append(np.ascontiguousarray(array))

    def kernel(self, *shape: int) -> None:
        """Rows of the shape's last axis, as hls4ml has them before the Resource strategy turns them round (resource_strategy.py)."""
        data = self.weights("weight")
        if self.attr("_weights_transposed", False):
            data = np.moveaxis(data, 0, -1)
        if data.size != np.prod(shape):
            raise self.refuse(f"its {data.size} weights are not of the shape {shape}")
        self.add(data)

    def product(self) -> None:
        """What a Dense and a convolution have beside their weights."""
        self.set_type("accum")
        strategy = str(self.attr("strategy", "latency")).lower()
        if strategy not in ("latency", "resource"):
            raise self.refuse(f"narrow has no strategy {strategy}")
        self.layer["words"]["strategy"] = strategy
        self.set_number("reuse_factor", self.attr("reuse_factor", 1))

    # Layers, by hls4ml's names of their classes.

    def read_Input(self) -> None:
        self.layer["kind"] = "input"
        self.layer["inputs"] = []

    def read_Dense(self) -> None:
        self.layer["kind"] = "dense"
        self.kernel(int(self.attr("n_in")), int(self.attr("n_out")))
        self.add(self.weights("bias"))
        self.product()

    def convolution(self, axes: int) -> None:
        self.channels_last()
        self.require("dilation", 1, 1)
        if not self.parallel:
            self.require("implementation", "linebuffer", "linebuffer")
        names = ("width",) if axes == 1 else ("height", "width")
        sides = (("pad_left", "pad_right"),) if axes == 1 else (("pad_top", "pad_bottom"), ("pad_left", "pad_right"))
        # hls4ml may pad another layer that reads the same values (conv_same_pad.py).
        if self.shape_of() != [*(int(self.attr(f"in_{name}")) for name in names), int(self.attr("n_chan"))]:
            raise self.refuse(f"its input is {self.shape_of()}, and hls4ml takes it for another")
        self.set_number("size", *(self.attr(f"filt_{name}") for name in names))
        self.set_number("strides", *(self.attr(f"stride_{name}") for name in names))
        self.set_number("padding", *(self.attr(side) for pair in sides for side in pair))
        size, channels, filters = self.layer["numbers"]["size"], int(self.attr("n_chan")), int(self.attr("n_filt"))
        if self.node.class_name.startswith("Depthwise"):
            self.layer["kind"] = "depthwise"
            self.require("depth_multiplier", 1, 1)
            if filters != channels:
                raise self.refuse("narrow has one filter for each channel")
            if self.parallel and str(self.attr("strategy", "latency")).lower() != "latency":
                raise self.refuse("with io_parallel hls4ml 1.3.0 has it with the Latency strategy alone")
            self.kernel(*size, channels)
        else:
            self.layer["kind"] = "conv"
            self.kernel(*size, channels, filters)
        self.add(self.weights("bias"))
        self.product()

    def read_Conv1D(self) -> None:
        self.convolution(1)

    def read_Conv2D(self) -> None:
        self.convolution(2)

    read_DepthwiseConv1D = read_PointwiseConv1D = read_Conv1D
    read_DepthwiseConv2D = read_PointwiseConv2D = read_Conv2D

    def read_BatchNormalization(self) -> None:
        self.layer["kind"] = "batch_normalization"
        last, size = self.shape_of()[-1], int(np.prod(self.shape_of()))
        filters = int(self.attr("n_filt", -1))
        if filters not in (-1, last) or (filters == -1 and size != last):
            raise self.refuse("narrow has a scale for each value of the last axis")
        self.add(self.weights("scale"))
        self.add(self.weights("bias"))

    read_ApplyAlpha = read_BatchNormalization

    def table(self) -> None:
        self.set_type("table")
        self.set_number("table_size", self.attr("table_size"))

    def read_Activation(self) -> None:
        name = str(self.attr("activation")).lower()
        if name not in ("linear", "relu", "relu6", "sigmoid", "tanh", "softplus", "softsign", "selu"):
            raise self.refuse(f"narrow does not know the function {name}")
        self.layer["kind"] = name
        if name in ("sigmoid", "tanh", "softplus", "softsign", "selu"):
            self.table()

    def read_ParametrizedActivation(self) -> None:
        name = self.node._get_act_function_name()
        if name not in ("leaky_relu", "thresholded_relu", "elu"):
            raise self.refuse(f"narrow does not know the function {name}")
        self.layer["kind"] = name
        self.layer["reals"]["param"] = float(self.attr("activ_param", 1.0))
        self.set_type("param")
        if name == "elu":
            self.table()

    def read_PReLU(self) -> None:
        self.layer["kind"] = "prelu"
        self.add(self.weights("param"))

    def read_HardActivation(self) -> None:
        if str(self.attr("activation")).lower() != "hard_sigmoid":
            raise self.refuse(f"narrow does not know the function {self.attr('activation')}")
        line = (self.attr("slope"), self.type_text(self.attr("slope_t")), self.attr("shift"), self.type_text(self.attr("shift_t")))
        if line != (0.2, "ufixed<16,0,TRN,WRAP,0>", 0.5, "ufixed<2,0,TRN,WRAP,0>"):
            raise self.refuse(f"narrow has the line 0.2 x + 0.5 alone, and this one is {line}")
        self.layer["kind"] = "hard_sigmoid"

    def read_Softmax(self) -> None:
        self.layer["kind"] = "softmax"
        shape = self.shape_of()
        for name, value in (("exp_scale", 1.0), ("n_inner", 1)):
            self.require(name, value, value)
        for name in ("exp_table_size", "inv_table_size", "inp_norm_t"):
            if self.attr(name) is not None:
                raise self.refuse(f"narrow does not know its {name}")
        implementation = str(self.attr("implementation", "stable")).lower()
        if self.parallel and len(shape) > 1 and int(self.attr("n_outer", 1)) != np.prod(shape[:-1]):
            raise self.refuse("with io_parallel hls4ml takes it over all values of a sample")
        if self.parallel and implementation == "legacy":
            raise self.refuse("narrow has the legacy implementation with io_stream alone")
        self.layer["words"]["implementation"] = implementation
        for name in ("exp_table", "inv_table", "accum"):
            self.set_type(name)
        # core_templates.py
        self.set_type("inv_inp", "exp_table_t" if self.attr("inv_inp_t").name == "model_default_t" else "inv_inp_t")
        self.set_number("table_size", self.attr("table_size"))

    def read_Reshape(self) -> None:
        from hls4ml.model.types import InplaceTensorVariable

        # Its values are the layer's before, in place, with their type (inplace_*.py).
        inplace = self.parallel or isinstance(self.node.get_output_variable(), InplaceTensorVariable) or hasattr(self.node.get_output_variable(), "input_var")
        if not inplace:
            raise self.refuse("narrow knows it in place alone")
        self.layer["kind"] = "flatten" if len(self.layer["shape"]) == 1 else "reshape"
        self.layer["types"]["result"] = self.type_text(self.node.get_input_variable().type)

    def read_Repack(self) -> None:
        self.layer["kind"] = "reshape"

    def merge_inputs(self) -> None:
        if len(self.node.inputs) != 2:
            raise self.refuse("narrow merges two layers")

    def read_Merge(self) -> None:
        self.merge_inputs()
        self.layer["kind"] = "merge"
        self.layer["words"]["op"] = str(self.attr("op")).lower()

    def read_Concatenate(self) -> None:
        self.merge_inputs()
        self.layer["kind"] = "concatenate"
        self.set_number("axis", self.attr("axis"))

    def read_Dot(self) -> None:
        self.merge_inputs()
        self.layer["kind"] = "dot"
        self.set_type("accum")

    def pool(self, axes: int) -> None:
        self.channels_last()
        self.layer["kind"] = "pool"
        self.layer["words"]["op"] = str(self.attr("pool_op")).lower()
        self.require("count_pad", False, False)
        if not self.parallel:
            self.require("implementation", "linebuffer", "linebuffer")
        names = ("width",) if axes == 1 else ("height", "width")
        sides = (("pad_left", "pad_right"),) if axes == 1 else (("pad_top", "pad_bottom"), ("pad_left", "pad_right"))
        self.set_number("size", *(self.attr(f"pool_{name}") for name in names))
        self.set_number("strides", *(self.attr(f"stride_{name}") for name in names))
        self.set_number("padding", *(self.attr(side) for pair in sides for side in pair))
        self.set_type("accum")

    def read_Pooling1D(self) -> None:
        self.pool(1)

    def read_Pooling2D(self) -> None:
        self.pool(2)

    def read_GlobalPooling1D(self) -> None:
        self.channels_last()
        self.layer["kind"] = "global_pool"
        self.layer["words"]["op"] = str(self.attr("pool_op")).lower()
        self.set_type("accum")

    read_GlobalPooling2D = read_GlobalPooling1D

    def sides(self, kind: str, prefix: str, axes: int) -> None:
        self.channels_last()
        self.layer["kind"] = kind
        names = ("left", "right") if axes == 1 else ("top", "bottom", "left", "right")
        self.set_number("numbers", *(self.attr(f"{prefix}_{name}") for name in names))

    def read_ZeroPadding1D(self) -> None:
        self.sides("zero_pad", "pad", 1)

    def read_ZeroPadding2D(self) -> None:
        self.sides("zero_pad", "pad", 2)

    def read_Cropping1D(self) -> None:
        self.sides("crop", "crop", 1)

    def read_Cropping2D(self) -> None:
        self.sides("crop", "crop", 2)

    def read_Resize(self) -> None:
        self.channels_last()
        self.require("algorithm", "nearest")
        before, behind = self.shape_of(), self.layer["shape"]
        if any(b % a != 0 for a, b in zip(before[:-1], behind[:-1])) or len(before) != len(behind):
            raise self.refuse("narrow repeats values a whole number of times")
        if self.layer["types"]["result"] != self.type_text(self.node.get_input_variable().type):
            raise self.refuse("its type is not its input's")
        self.layer["kind"] = "repeat"
        self.set_number("numbers", *(b // a for a, b in zip(before[:-1], behind[:-1])))

    def read_HSum(self) -> None:
        """KSum, a class that users register; its C++ should be narrow's (register_ksum, and what `narrow export` writes)."""
        sources = self.node.model.config.backend.get_custom_source()
        call = re.fullmatch(r"nnet::ksum<\w+, \w+, config\d+>\(\w+, \w+\);", str(self.attr("function_cpp")).strip())
        config = dict(re.findall(r"(n_vec|n_feat) = (\d+);", str(self.attr("config_cpp"))))
        if call is None or [int(config.get(name, 0)) for name in ("n_vec", "n_feat")] != self.shape_of():
            raise self.refuse("narrow knows it as KSum of narrow.hls4ml.register_ksum alone")
        for name in ("nnet_ksum.h", "nnet_ksum_parallel.h")[: 1 + self.parallel]:
            source = sources.get(f"nnet_utils/{name}")
            if source is None or _statements(Path(source)) != _statements(_HERE / name):
                raise self.refuse(f"its {name} is not narrow's")
        self.layer["kind"] = "sum"

    read_KSum = read_HSum

    def read_FixedPointQuantizer(self) -> None:
        """HGQ's, where a layer's values have several types (hgq_proxy_model.py)."""
        self.layer["kind"] = "fixed_quantizer"
        bits = np.broadcast_arrays(*(np.asarray(each).astype(np.int64) for each in self.node.mask_kbi))
        axes = list(bits[0].shape[1:])
        shape = self.shape_of()
        # As NumPy broadcasts them: axes of the front may be absent, and of a size of 1.
        while axes and axes[0] == 1 and len(axes) > len(shape):
            axes.pop(0)
        if bits[0].shape[:1] not in ((), (1,)) or len(axes) > len(shape):
            raise self.refuse(f"its bits are of the shape {bits[0].shape}, and its input's is {shape}")
        if bits[0].size == 1:
            axes = []
        elif axes:
            axes = [1] * (len(shape) - len(axes)) + axes
        self.set_number("axes", *axes)
        for name, values in zip(("keep_negative", "bits", "integers"), bits):
            self.set_number(name, *values.ravel())
        self.layer["words"].update(rounding=str(self.node.RND), overflow=str(self.node.SAT))

    def read_UnaryLUT(self) -> None:
        self.layer["kind"] = "unary_lut"
        self.add(self.weights("table"))

    def read_Transpose(self) -> None:
        self.layer["kind"] = "permute"
        self.set_number("numbers", *(int(axis) + 1 for axis in self.attr("perm")))


# --- hls4ml's calls


class _Compiled:
    """A graph as it was when it was compiled, with hls4ml's own way to take arrays and give them."""

    def __init__(self, hls_model: Any):
        layers, outputs, self.alias = _read(hls_model)
        self.fixed = from_hls4ml(hls_model)
        self.inputs = [(layer["name"], tuple(layer["shape"])) for layer in layers if layer["kind"] == "input"]
        self.order = list(hls_model.inputs)  # ours stand in the graph's order
        self.outputs = outputs
        shapes = {layer["name"]: layer["shape"] for layer in layers}
        self.sizes = [int(np.prod(shapes[name])) for name in outputs]
        self.wide: dict[str, int] = {}  # of layers whose values may have more bits than a double, their fractional bits
        for layer in layers:
            fields = re.split(r"[<,>]", layer["types"]["result"])
            width, integer = int(fields[1]), int(fields[2 if "fixed" in fields[0] else 1])
            if width > 53:
                self.wide[layer["name"]] = width - integer

    def samples(self, x: Any) -> tuple[NDArray[np.float32], int, Any]:
        """The inputs side by side in our order, how many samples, and hls4ml's type of the answers: that of x."""
        arrays = [x] if len(self.order) == 1 else x
        if not isinstance(arrays, (list, tuple)) or len(arrays) != len(self.order):
            raise ValueError(f"x: the model has {len(self.order)} inputs; give a list of as many arrays")
        by_name = dict(zip(self.order, arrays))
        kind = None
        parts, counts = [], []
        for name, shape in self.inputs:
            array = by_name[name]
            if not isinstance(array, np.ndarray):
                raise TypeError(f"x: a {type(array).__name__} should be a numpy.ndarray")
            if not array.flags.c_contiguous:
                raise ValueError("x: it should be C-contiguous; try numpy.ascontiguousarray(x)")
            if array.dtype not in (np.float32, np.float64):
                raise TypeError(f"x: hls4ml takes float32 and float64, not {array.dtype}")
            if array.dtype != arrays[0].dtype:
                raise TypeError("x: its arrays should have one type")
            kind = array.dtype
            size = int(np.prod(shape))
            n, rest = divmod(array.size, size)
            if rest or n == 0 or (n > 1 and array.shape[0] != n):
                raise ValueError(f"x: the shape {array.shape} is no number of samples of {shape}")
            counts.append(n)
            parts.append(array.reshape(n, size))
        if len(set(counts)) != 1:
            raise ValueError(f"x: its arrays have {counts} samples")
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if joined.dtype == np.float64:
            joined = self.fixed._made.singles_of(np.ascontiguousarray(joined))
        return joined, counts[0], kind

    def answer(self, values: NDArray[np.float64], kind: Any, layer: str) -> NDArray[Any]:
        if kind == np.float64:
            return values
        singles = values.astype(np.float32)
        if layer in self.wide:
            # hls4ml rounds a fixed-point number to float32 at once. Where a double on the way had to be rounded, and then lies halfway between
            # two of float32, it does not tell which of them is nearer.
            rounded = np.abs(values) >= 2.0 ** (53 - self.wide[layer])
            between = np.nextafter(singles, np.where(values > singles, np.inf, -np.inf).astype(np.float32))
            halfway = (values != singles) & (values - singles == between - values)
            if np.any(rounded & halfway):
                raise Unsupported(f"layer {layer}: a value with more than 53 bits lies halfway between two of float32; give x as float64")
        return singles

    def predict(self, x: Any) -> Any:
        joined, n, kind = self.samples(x)
        y = self.fixed._made.predict(joined).reshape(n, -1)
        parts = np.split(y, np.cumsum(self.sizes)[:-1], axis=1)
        parts = [self.answer(part, kind, name) for part, name in zip(parts, self.outputs)]
        parts = [np.ascontiguousarray(part) for part in parts]
        if n == 1:
            parts = [part[0] for part in parts]
        return parts[0] if len(parts) == 1 else parts

    def trace(self, hls_model: Any, x: Any) -> Any:
        joined, _, kind = self.samples(x)
        values = self.fixed._made.trace(joined)
        traced = {}
        for node in hls_model.get_layers():
            if node.get_attr("function_cpp", None) and node.get_attr("trace", False):
                shape = tuple(int(size) for size in node.get_output_variable().shape)
                layer = values[self.alias[node.name]]
                traced[node.name] = self.answer(layer.reshape(len(layer), *shape), kind, self.alias[node.name])
        return self.predict(x), traced


def _take_over(hls_model: Any) -> None:
    """A model's own calls become narrow's; it is read when it is compiled, or first used."""
    hls_model._narrow = None

    def compile() -> None:
        hls_model._narrow = _Compiled(hls_model)

    def compiled() -> _Compiled:
        if hls_model._narrow is None:
            compile()
        found: _Compiled = hls_model._narrow
        return found

    def predict(x: Any, *_: Any, **__: Any) -> Any:
        return compiled().predict(x)

    def trace(x: Any) -> Any:
        return compiled().trace(hls_model, x)

    hls_model.compile, hls_model.predict, hls_model.trace = compile, predict, trace


def accelerate(hls_model: Any) -> Any:
    """Gives a ModelGraph narrow's `compile`, `predict` and `trace`, which take and return what hls4ml's do, and the same bits.

    The network is taken as it is now, and again with every `compile()`; nothing is written or compiled. `write()` and `build()` are
    hls4ml's own.

    Returns:
        hls_model.

    Raises:
        narrow.hls4ml.Unsupported: as from_hls4ml; the model is then as it was.
        Calls raise it too, for a value that hls4ml's float32 answers would round in another way.
    """
    compiled = _Compiled(hls_model)
    _take_over(hls_model)
    hls_model._narrow = compiled
    return hls_model


def register_ksum(keras: Any = None) -> Any:
    """Teaches hls4ml KSum, the sum over the rows of a set, (set, n) -> (n): its readers of Keras 2 and 3 (of any class of that name), its
    graph, and the C++ of Vitis and Vivado for io_stream and io_parallel. Once in a process; later calls change nothing.

    Args:
        keras: the Keras for which a layer is made; the one that is installed where it is not given. tf_keras is one.

    Returns:
        The class of Keras' layer, which is registered with Keras for load_model.
    """
    import importlib

    _register_ksum()
    if keras is None:
        keras = importlib.import_module("keras")
    name = keras.__name__
    if name in _KSUM:
        return _KSUM[name]

    class KSum(keras.layers.Layer):
        """The sum over the rows of a set: (batch, set, n) -> (batch, n)."""

        def call(self, x: Any) -> Any:
            if hasattr(keras, "ops"):  # Keras 3
                return keras.ops.sum(x, axis=1)
            return keras.backend.sum(x, axis=1)

        def compute_output_shape(self, shape: Any) -> Any:
            return (shape[0], shape[-1])

    _KSUM[name] = keras.saving.register_keras_serializable()(KSum)
    return _KSUM[name]


_KSUM: dict[str, Any] = {}


def _register_ksum() -> None:
    if "hls4ml" in _KSUM:
        return
    from hls4ml.backends import get_backend
    from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
    from hls4ml.converters import register_keras_v2_layer_handler
    from hls4ml.converters.keras_v2_to_hls import layer_handlers
    from hls4ml.converters.keras_v3._base import registry
    from hls4ml.model.layers import Layer, register_layer

    class KSum(Layer):
        def initialize(self) -> None:
            n_vec, n_feat = self.get_input_variable().shape
            self.set_attr("n_vec", n_vec)
            self.set_attr("n_feat", n_feat)
            self.add_output_variable([n_feat])

    class KSumConfig(LayerConfigTemplate):
        def __init__(self) -> None:
            super().__init__(KSum)

        def format(self, node: Any) -> str:
            text = (
                "struct config{index} : nnet::ksum_config {{\n"
                "    static const unsigned n_vec = {n_vec};\n"
                "    static const unsigned n_feat = {n_feat};\n}};\n"
            )
            return text.format(**self._default_config_params(node))

    class KSumCall(FunctionCallTemplate):
        def __init__(self) -> None:
            super().__init__(KSum, include_header=["nnet_utils/nnet_ksum.h", "nnet_utils/nnet_ksum_parallel.h"])

        def format(self, node: Any) -> str:
            return "nnet::ksum<{input_t}, {output_t}, {config}>({input}, {output});".format(**self._default_function_params(node))

    def read_keras2(layer: Any, input_names: Any, input_shapes: Any, reader: Any) -> Any:
        shape = input_shapes[0]
        return {"name": layer["config"]["name"], "class_name": "KSum", "inputs": input_names}, [shape[0], shape[-1]]

    def read_keras3(layer: Any, in_tensors: Any, out_tensors: Any) -> Any:
        names = {"input_keras_tensor_names": [t.name for t in in_tensors], "output_keras_tensor_names": [t.name for t in out_tensors]}
        shapes = {"input_shape": [list(t.shape[1:]) for t in in_tensors], "output_shape": [list(t.shape[1:]) for t in out_tensors]}
        return ({"name": layer.name, "class_name": "KSum", "module": layer.__module__, **names, **shapes},)

    register_layer("KSum", KSum)
    if "KSum" not in layer_handlers:
        register_keras_v2_layer_handler("KSum", read_keras2)
    registry["KSum"] = read_keras3
    for name in ("Vitis", "Vivado"):
        backend = get_backend(name)
        backend.register_template(KSumConfig)
        backend.register_template(KSumCall)
        for header in ("nnet_ksum.h", "nnet_ksum_parallel.h"):
            backend.register_source(_HERE / header)
    _KSUM["hls4ml"] = KSum


def register(register_backend: Any, register_writer: Any) -> None:
    """hls4ml's entry point (hls4ml.backends): the backend Narrow, which is Vitis but for compile(), predict() and trace() of its models."""
    from hls4ml.backends.backend import get_backend
    from hls4ml.backends.vitis.vitis_backend import VitisBackend
    from hls4ml.model.flow import register_flow
    from hls4ml.model.optimizer.optimizer import ModelOptimizerPass, register_pass

    class NarrowBackend(VitisBackend):
        def __init__(self) -> None:
            # Its flows, passes, templates and sources are Vitis', those that users register too.
            self.__dict__.update(get_backend("Vitis").__dict__)
            self.name = "Narrow"
            last = register_pass("take_over", ModelOptimizerPass("take_over", _take_over), backend=self.name)
            self._default_flow = register_flow("ip", [last], requires=[get_backend("Vitis").get_default_flow()], backend=self.name)

        def register_pass(self, *args: Any, **kwargs: Any) -> None:
            get_backend("Vitis").register_pass(*args, **kwargs)

        def register_template(self, template: Any) -> None:
            get_backend("Vitis").register_template(template)

        def predict(self, model: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(model, "_narrow", None) is None:  # of a model whose flows were others
                _take_over(model)
            return model.predict(x, *args, **kwargs)

    register_backend("Narrow", NarrowBackend)
