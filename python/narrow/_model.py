"""Networks, in float and in fixed point, on NumPy arrays."""

from __future__ import annotations

import errno
import json
import operator
import os
import tempfile
import threading
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from narrow import _narrow

# A type: (16, 6), (14, 5, "AP_RND", "AP_SAT"), or as a text.
Type = Union[str, Sequence[Union[int, str]]]
Samples = Union[ArrayLike, Mapping[str, ArrayLike]]


class HasTypes(Protocol):
    """A FixedModel, or what narrow.search found: types as an hls4ml configuration."""

    def to_yaml(self) -> str: ...


# An hls4ml configuration.
Precision = Union[str, "os.PathLike[str]", Mapping[str, Any], HasTypes]


class NarrowWarning(UserWarning):
    """What a user should know of a file or of a precision, one line each: the command line's notes."""


def _warn(notes: Sequence[str], stacklevel: int) -> None:
    for note in notes:
        warnings.warn(note, NarrowWarning, stacklevel=stacklevel + 1)


def _text_of(option: str, value: Type | None) -> str:
    """A type or modes as the command line takes them, `16,6`; "" for none."""
    if value is None:
        return ""
    if isinstance(value, str):
        if not value:
            raise ValueError(f"{option}: '' should be as in (16, 6)")
        return value
    try:
        return ",".join(part if isinstance(part, str) else str(operator.index(part)) for part in value)
    except TypeError:
        raise TypeError(f"{option}: {value!r} should be as in (16, 6) or '16,6'") from None


def _given(v: Any, wb: Any, types: Any, relu: Any, maximum: Any) -> list[str]:
    """Which parts of a precision are given in words."""
    given = [name for name, value in (("v", v), ("wb", wb), ("relu", relu), ("maximum", maximum)) if value is not None]
    return given + (["types"] if types != "auto" else [])


def _array_of(name: str, values: ArrayLike) -> NDArray[Any]:
    """An array of real numbers, in whatever layout."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name}: a masked array has no values where it is masked; fill it first")
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: its values are of the type {array.dtype}; they should be real numbers")
    return array


def _shape_text(shape: Sequence[int]) -> str:
    return "(samples, " + ", ".join(map(str, shape)) + ")"


def _to_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """The same memory where it is float32 and C-contiguous; values beyond float32 become infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _samples_of(x: Samples, inputs: list[tuple[str, tuple[int, ...]]]) -> NDArray[np.float32]:
    """The inputs' values side by side, (samples, ...), as C++ takes them."""
    if len(inputs) == 1:
        name, shape = inputs[0]
        if isinstance(x, Mapping):
            x = _by_name(x, inputs)[0]
        # What is right already is let through: this is the way of calls with one sample.
        if type(x) is not np.ndarray or x.dtype != np.float32 or not x.flags.c_contiguous or x.shape[1:] != shape:
            array = _array_of("x", x)
            _require_shape("x", array, shape)
            return _to_float32(array)
        return x
    if not isinstance(x, Mapping):
        if isinstance(x, np.ndarray) or not isinstance(x, (list, tuple)) or len(x) != len(inputs):
            raise TypeError(f"x: the network has several inputs; give a dict with an array for each of {', '.join(name for name, _ in inputs)}")
        arrays = list(x)
    else:
        arrays = _by_name(x, inputs)
    parts: list[NDArray[np.float32]] = []
    for (name, shape), values in zip(inputs, arrays):
        array = _array_of(name, values)
        _require_shape(name, array, shape)
        if parts and len(array) != len(parts[0]):
            raise ValueError(f"{name}: it has {len(array)} samples, and {inputs[0][0]} has {len(parts[0])}")
        parts.append(_to_float32(array).reshape(len(array), -1 if len(array) else int(np.prod(shape))))
    return np.concatenate(parts, axis=1)


def _by_name(x: Mapping[str, ArrayLike], inputs: list[tuple[str, tuple[int, ...]]]) -> list[ArrayLike]:
    names = [name for name, _ in inputs]
    for name in x:
        if name not in names:
            raise ValueError(f"x: the network has no input {name!r}; it has {', '.join(names)}")
    for name in names:
        if name not in x:
            raise ValueError(f"x: the input {name!r} is missing")
    return [x[name] for name in names]


def _require_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.ndim > 0 and array.shape[1:] == shape:
        return
    hint = f"; one sample is {name}[None]" if array.shape == shape else ""
    raise ValueError(f"{name}: its shape is {array.shape}, and the network takes {_shape_text(shape)}{hint}")


class FixedModel:
    """A network with a type for each tensor, ready to run in fixed point: bit for bit what hls4ml's C++ computes.

    Made by `Model.fixed`. Calls from several threads run side by side; they leave Python's lock.

    Attributes:
        inputs, outputs: names and shapes (without the samples), in order.
        notes: what a user should know of the precision, a line each.
    """

    inputs: list[tuple[str, tuple[int, ...]]]
    outputs: list[tuple[str, tuple[int, ...]]]
    notes: list[str]

    def __init__(self, made: _narrow.FixedModel):
        self._made = made
        self.inputs = made.inputs
        self.outputs = made.outputs
        self.notes = made.notes

    def predict(self, x: Samples) -> NDArray[np.float64]:
        """The network's outputs.

        Args:
            x: real numbers, (samples, *shape of the input), rounded to float32 as Keras does; float32 in C order is not copied. Of
                several inputs a dict by name, or a list in the order of `inputs`.

        Returns:
            float64, which holds every value of a type of up to 53 bits exactly: (samples, *shape of the output); of several outputs their
            values side by side, (samples, values), which `split` takes apart.

        Raises:
            ValueError: for another shape, a name that is no input, and NaN or infinite values.
            TypeError: where the values are no real numbers.
            KeyboardInterrupt: on Ctrl-C, heard some ten times a second.
        """
        return self._made.predict(_samples_of(x, self.inputs))

    def trace(self, x: Samples) -> dict[str, NDArray[np.float64]]:
        """The outputs of every layer, (samples, *shape), by its name, in the network's order. Takes and raises what `predict` does."""
        return self._made.trace(_samples_of(x, self.inputs))

    def counts(self, x: Samples) -> dict[str, dict[str, int]]:
        """What overflowed and what was lost, by layer: `values` computed, `overflows` of the result type, `sum_overflows` of the accum
        type, `zeros` (values other than 0 that became 0), and of weights and biases `weights`, `weight_overflows`, `weight_zeros`. Takes
        and raises what `predict` does."""
        return self._made.counts(_samples_of(x, self.inputs))

    def split(self, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Predictions by the names of the outputs, each (samples, *shape)."""
        return _split(y, self.outputs)

    @property
    def types(self) -> dict[str, dict[str, Any]]:
        """The types of each layer in hls4ml's words, `{"phi1": {"result_t": "fixed<38,18,TRN,WRAP,0>", ...}, ...}`."""
        types: dict[str, dict[str, Any]] = json.loads(self._made.types_json)
        return types

    @property
    def float_layers(self) -> dict[str, str]:
        """Of layers that took in a BatchNormalization, and others whose values are not the float layer's of their name, the float layer to
        compare with; "" for none."""
        layers: dict[str, str] = json.loads(self._made.float_layers_json)
        return layers

    def to_yaml(self) -> str:
        """The types as an hls4ml configuration in YAML, as `narrow show --save` writes it."""
        return self._made.yaml

    def kernels(self) -> list[str]:
        """What computes each layer (docs/design.md)."""
        return self._made.kernels


def _split(y: NDArray[Any], outputs: list[tuple[str, tuple[int, ...]]]) -> dict[str, NDArray[Any]]:
    sizes = [int(np.prod(shape)) for _, shape in outputs]
    flat = y.reshape(len(y), sum(sizes))
    parts = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
    return {name: part.reshape(len(y), *shape) for (name, shape), part in zip(outputs, parts)}


class Model:
    """A network as it was trained. `load` reads one.

    Attributes:
        name: the file's without its ending.
        inputs, outputs: names and shapes (without the samples), in order.
        layers: names and Keras' classes, in order.
        notes: what a user should know of the file, a line each.
    """

    # Precisions whose engines are kept.
    _KEPT = 8

    name: str
    inputs: list[tuple[str, tuple[int, ...]]]
    outputs: list[tuple[str, tuple[int, ...]]]
    layers: list[tuple[str, str]]
    notes: list[str]
    _source: Any  # the file, or Keras' model

    def __init__(self, made: _narrow.Model):
        self._made = made
        self.name = made.name
        self.inputs = made.inputs
        self.outputs = made.outputs
        self.layers = made.layers
        self.notes = made.notes
        self._kept: OrderedDict[Any, FixedModel] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<narrow.Model {self.name}: {', '.join(_shape_text(shape) for _, shape in self.inputs)}, {len(self.layers)} layers>"

    def fixed(
        self,
        v: Type | None = None,
        wb: Type | None = None,
        *,
        types: str = "auto",
        relu: Type | None = None,
        maximum: Type | None = None,
        precision: Precision | None = None,
    ) -> FixedModel:
        """The network in a precision, given as to the command line. Those last used are kept, so that asking again costs nothing.

        Args:
            v: type of vectors: inputs, activations, sums over cells; (total bits, integer bits), or with modes
                (14, 5, "AP_RND", "AP_SAT"), or as a text, "16,6".
            wb: type of weights and biases; `v` where it is not given.
            types: "auto", sums get the bits they need, as in hls4ml's granularity `name`; "uniform", `v` for all.
            relu: rounding and overflow of the relu results, "AP_RND,AP_SAT".
            maximum: widest inferred type.
            precision: an hls4ml configuration instead, as a YAML file or a dictionary; or what narrow.search found, or a FixedModel.

        Raises:
            ValueError: for types that there are none of, or that narrow does not compute; the message says what would be right.
            TypeError: where arguments do not go together.
            FileNotFoundError: where there is no such file.
        """
        return self._fixed(v, wb, types, relu, maximum, precision, stacklevel=2)

    def _fixed(self, v: Any, wb: Any, types: str, relu: Any, maximum: Any, precision: Any, stacklevel: int) -> FixedModel:
        key: Any
        if precision is None:
            if v is None:
                given = _given(v, wb, types, relu, maximum)
                raise TypeError(f"{given[0]}: it requires v" if given else "a precision is missing: give v, as in v=(16, 6), or precision")
            key = (v, wb, types, relu, maximum)
            try:
                hash(key)
            except TypeError:  # lists
                key = tuple(_text_of(name, value) for name, value in (("v", v), ("wb", wb), ("types", types), ("relu", relu), ("maximum", maximum)))
        else:
            given = _given(v, wb, types, relu, maximum)
            if given:
                raise TypeError(f"precision excludes {given[0]}")
            key = _configuration(precision)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        if precision is None:
            if not isinstance(types, str):
                raise TypeError(f"types: {types!r} should be 'auto' or 'uniform'")
            made = self._made.fixed(_text_of("v", v), _text_of("wb", wb), types, _text_of("relu", relu), _text_of("maximum", maximum))
        else:
            made = self._made.configured(*key)
        _warn(made.notes, stacklevel + 1)
        fixed = FixedModel(made)
        with self._lock:
            self._kept[key] = fixed
            while len(self._kept) > self._KEPT:
                self._kept.popitem(last=False)
        return fixed

    def predict(
        self,
        x: Samples,
        v: Type | None = None,
        wb: Type | None = None,
        *,
        types: str = "auto",
        relu: Type | None = None,
        maximum: Type | None = None,
        precision: Precision | None = None,
    ) -> NDArray[Any]:
        """The network's outputs in a precision; without one those of the float model, as `narrow predict` has them.

        The precision is `fixed`'s. `x`, and what is returned and raised, are FixedModel.predict's; the float model's are float32, within
        1e-5 of Keras' own.
        """
        if v is None and precision is None and not _given(v, wb, types, relu, maximum):
            return self._made.predict(_samples_of(x, self.inputs))
        return self._fixed(v, wb, types, relu, maximum, precision, stacklevel=2)._made.predict(_samples_of(x, self.inputs))

    def trace(
        self,
        x: Samples,
        v: Type | None = None,
        wb: Type | None = None,
        *,
        types: str = "auto",
        relu: Type | None = None,
        maximum: Type | None = None,
        precision: Precision | None = None,
    ) -> dict[str, NDArray[Any]]:
        """The outputs of every layer in a precision, by name; without one those of the float model. As `predict` otherwise.

        In fixed point the layers are hls4ml's: normalizations that were taken in are not there (FixedModel.float_layers).
        """
        if v is None and precision is None and not _given(v, wb, types, relu, maximum):
            return self._made.trace(_samples_of(x, self.inputs))
        return self._fixed(v, wb, types, relu, maximum, precision, stacklevel=2)._made.trace(_samples_of(x, self.inputs))

    def profile(
        self,
        x: Samples,
        v: Type | None = None,
        wb: Type | None = None,
        *,
        types: str = "auto",
        relu: Type | None = None,
        maximum: Type | None = None,
        precision: Precision | None = None,
    ) -> dict[str, Any]:
        """What the values of each tensor are, and with a precision what its type does to them, and what to change: the document that
        `narrow profile --json` writes (docs/search.md).

        `profile["tensors"]` is a list of dictionaries, which pandas.DataFrame takes; `profile["findings"]` the most harmful first. Of `x`
        and the precision as `predict`.
        """
        fixed = None
        if precision is not None or _given(v, wb, types, relu, maximum):
            fixed = self._fixed(v, wb, types, relu, maximum, precision, stacklevel=2)._made
        profile: dict[str, Any] = json.loads(self._made.profile(_samples_of(x, self.inputs), fixed))
        return profile

    def split(self, y: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Predictions by the names of the outputs, each (samples, *shape)."""
        return _split(y, self.outputs)


def _configuration(precision: Any) -> tuple[str, str]:
    """An hls4ml configuration's text and its name for messages."""
    if isinstance(precision, Mapping):
        # hls4ml's own types print as it spells them; YAML takes JSON.
        return json.dumps(precision, default=str), "precision"
    if hasattr(precision, "to_yaml"):
        return precision.to_yaml(), "precision"
    if not isinstance(precision, (str, os.PathLike)):
        raise TypeError(f"precision: {precision!r} should be a YAML file or a dictionary")
    path = os.fspath(precision)
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    return text, str(path)


def load(model: Any) -> Model:
    """Reads a network.

    Args:
        model: a file as the command line takes it (.keras, .h5, .json with its weights beside it or as "model.json+weights.h5", .onnx), or
            a model of Keras 3 or tf_keras as it is in memory.

    Raises:
        FileNotFoundError, PermissionError: where the file cannot be read.
        ValueError: for what narrow cannot run exactly, naming the layer and its class.
        TypeError: where it is neither a file nor a Keras model.
    """
    if isinstance(model, (str, os.PathLike)):
        path = os.fspath(model)
        if not isinstance(path, str):
            raise TypeError(f"model: {path!r} should be text")
        made = _read(path)
        model = path if os.path.isabs(path) else "+".join(map(os.path.abspath, [path] if os.path.exists(path) else path.split("+")))
    elif is_live(model):
        made = _read_live(model)
    else:
        raise TypeError(f"model: a {type(model).__name__} is neither a file nor a Keras model")
    _warn(made.notes, 2)
    read = Model(made)
    read._source = model
    return read


def _read(path: str) -> _narrow.Model:
    try:
        return _narrow.load(path)
    except _narrow.Error as error:
        parts = [path] if os.path.exists(path) else path.split("+")
        for part in parts:
            if not os.path.exists(part):
                raise FileNotFoundError(errno.ENOENT, str(error), part) from None
            if os.path.isfile(part) and not os.access(part, os.R_OK):
                raise PermissionError(errno.EACCES, str(error), part) from None
        raise


def is_live(model: Any) -> bool:
    """Whether it is a model of Keras 3 or tf_keras."""
    return hasattr(model, "save") and hasattr(model, "to_json") and hasattr(model, "get_config")


def _read_live(model: Any) -> _narrow.Model:
    with tempfile.TemporaryDirectory(prefix="narrow-") as folder:
        return _narrow.load(str(write_live(model, Path(folder))))


def write_live(model: Any, folder: Path) -> Path:
    """Writes a model of Keras' into a folder, under its own name."""
    keras2 = type(model).__module__.split(".")[0] == "tf_keras" or any(base.__module__.startswith("tf_keras") for base in type(model).__mro__)
    # Keras' own name of the model; characters of folders have no place in a file's.
    name = str(getattr(model, "name", "model")).replace("/", "_") or "model"
    path = folder / f"{name}{'.h5' if keras2 else '.keras'}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that .h5 is a legacy format
        model.save(path)
    return path


def set_threads(threads: int) -> None:
    """Cores to use, in the whole process; 0 for all. The command line's --threads."""
    threads = operator.index(threads)
    if threads < 0:
        raise ValueError(f"threads: {threads} should be 0 or more")
    _narrow.set_threads(threads)
    global _threads
    _threads = threads


_threads = 0


def threads_set() -> int:
    """What set_threads said last; 0 for all cores."""
    return _threads
