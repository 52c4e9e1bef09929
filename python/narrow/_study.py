"""Studies, searches of types and recovered weights: what the commands `sweep`, `search`, `recover`, `best` and `report` do, on files, on arrays and on models in memory."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import html
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np
from numpy.typing import ArrayLike

from narrow import _command, _narrow
from narrow._model import Model, Precision, Type, _array_of, _configuration, _text_of, is_live, load, write_live

if TYPE_CHECKING:
    import pandas

Path_ = Union[str, "os.PathLike[str]"]
# 8, range(8, 17, 2), [8, 12], or as the command line takes it: "8:16:2", both ends included.
Bits = Union[int, str, Iterable[Union[int, str]]]
# One, or several.
Texts = Union[str, Iterable[str]]
Numbers = Union[float, Iterable[float]]
Models = Any  # a file, a narrow.Model, a model of Keras; or a list of these
Data = Any  # a file or a list of files; or arrays

_TEMPORARY: list[tempfile.TemporaryDirectory[str]] = []  # removed when the interpreter ends


_DAY = 86400.0  # seconds


def _temporary() -> str:
    _TEMPORARY.append(tempfile.TemporaryDirectory(prefix="narrow-"))
    return _TEMPORARY[-1].name


# --- what commands read


class _Inputs:
    """Models and data as files. What is in memory is written into a folder, under a hash of its content: again only where it has changed."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.paths: list[str] = []  # of files that the user named

    def models(self, models: Models) -> list[str]:
        if isinstance(models, (list, tuple)):
            if not models:
                raise ValueError("model: the list is empty; give one model or more")
            return [self._model(model) for model in models]
        return [self._model(models)]

    def _model(self, model: Any) -> str:
        if isinstance(model, Model):
            file = self._model(model._source)
            if _narrow.load(file).digest != model._made.digest:
                raise ValueError(f"model: {model.name} is no longer what narrow.load read; load it again")
            return file
        if is_live(model):
            return self._written(_hash_of_live(model), lambda folder: write_live(model, folder))
        if not isinstance(model, (str, os.PathLike)):
            raise TypeError(f"model: a {type(model).__name__} is neither a file, nor a narrow.Model, nor a Keras model")
        path = os.fspath(model)
        self.paths += [path] if os.path.exists(path) else path.split("+")
        return path

    def data(self, data: Data) -> list[str]:
        if isinstance(data, (str, os.PathLike)):
            data = [data]
        if isinstance(data, list) and data and all(isinstance(path, (str, os.PathLike)) for path in data):
            files = [os.fspath(path) for path in data]
            self.paths += [path for path in files if not re.search(r"[*?,]|:weight=", path)]
            return files
        arrays = _arrays_of(data)
        digest = hashlib.blake2b(digest_size=8)
        for name, array in arrays.items():
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).ravel().view(np.uint8).data)

        def write(folder: Path) -> Path:
            np.savez(folder / "samples.npz", **arrays)
            return folder / "samples.npz"

        return [self._written(digest.hexdigest(), write)]

    def _written(self, name: str, write: Any) -> str:
        folder = self._folder / name
        if not folder.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            for left in self._folder.glob("partial-*"):  # by an interpreter that was killed
                if time.time() - left.stat().st_mtime > _DAY:
                    shutil.rmtree(left, ignore_errors=True)
            partial = Path(tempfile.mkdtemp(prefix="partial-", dir=self._folder))
            try:
                write(partial)
                os.rename(partial, folder)
            except OSError:
                if not folder.exists():  # else another call was first
                    raise
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        (file,) = folder.iterdir()
        return str(file)


def _hash_of_live(model: Any) -> str:
    digest = hashlib.blake2b(model.to_json().encode(), digest_size=8)
    for weights in model.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    return digest.hexdigest()


def _arrays_of(data: Any) -> dict[str, np.ndarray[Any, Any]]:
    """As prepared samples have them in a file (docs/data.md): `x` or an array for each input, `y`, `weight`."""
    named: dict[str, Any] = {}
    if isinstance(data, tuple):
        if not 1 <= len(data) <= 3:
            raise TypeError(f"data: a tuple of {len(data)} should be (x, y) or (x, y, weight)")
        x, *others = data
        named.update(x if isinstance(x, Mapping) else {"x": x})
        named.update({name: values for name, values in zip(("y", "weight"), others) if values is not None})
    else:
        named.update(data if isinstance(data, Mapping) else {"x": data})
    return {str(name): _array_of(str(name), values) for name, values in named.items()}


@contextlib.contextmanager
def _files_named(paths: Sequence[str]) -> Iterator[None]:
    """The command's error, as the exception that Python has for a file that is not there."""
    try:
        yield
    except _narrow.Error as error:
        for path in paths:
            if not os.path.exists(path) and path in str(error):
                raise FileNotFoundError(errno.ENOENT, str(error), path) from None
        raise


def _bits_of(name: str, bits: Any) -> str:
    if isinstance(bits, str):
        return bits
    try:
        items = [bits] if isinstance(bits, (int, np.integer)) else list(bits)
    except TypeError:
        raise TypeError(f"{name}: {bits!r} should be a number of bits, several, or a text as in '8:16:2'") from None
    return ",".join(item if isinstance(item, str) else str(int(item)) for item in items)


# --- sweep


def _need_pandas(call: str) -> None:
    try:
        import pandas  # noqa: F401
    except ImportError:
        raise ImportError(f"{call} gives a pandas DataFrame: install pandas (pip install pandas)") from None


def results(study: Path_) -> pandas.DataFrame:
    """The points of a study that are done, a row each: its view `results` (docs/study.md), also while it runs.

    `attrs["study"]` is the study's folder.
    """
    _need_pandas("narrow.results")
    import sqlite3

    import pandas

    path = Path(study) / "study.db"
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, "there is no study", str(path))
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        frame = pandas.read_sql_query("SELECT * FROM results ORDER BY point", database)
        metrics = [name for (name,) in database.execute("SELECT name FROM metric_names")]
    # What is unknown everywhere is a column of numbers too.
    for column in frame.columns.intersection([*metrics, *(f"error of {name}" for name in metrics)]):
        frame[column] = frame[column].astype(float)
    frame.attrs["study"] = str(study)
    return frame


def sweep(
    model: Models,
    data: Data,
    *,
    v_full: Bits,
    v_int: Bits,
    wb_full: Bits,
    wb_int: Bits,
    out: Path_ | None = None,
    types: str | None = None,
    relu: Type | None = None,
    maximum: Type | None = None,
    samples: int | Literal["all"] | None = None,
    features: Texts | None = None,
    target: str | None = None,
    order: str | None = None,
    vmax: int | None = None,
    padding: float | None = None,
    branches: Mapping[str, str] | None = None,
    tree: str | None = None,
    weight: str | None = None,
    select: str | None = None,
    counts: str | None = None,
    indices: str | None = None,
    unfit: str | None = None,
    tolerance: Numbers | None = None,
    threshold: Numbers | None = None,
    bins: Numbers | None = None,
    classes: Texts | None = None,
    background: Numbers | None = None,
    efficiency: Numbers | None = None,
    unit: str | None = None,
    keep: Texts | None = None,
    layout: str | None = None,
    trace: int | None = None,
    counted: int | None = None,
    share: bool = True,
    dedup: bool = True,
    executor: Any = None,
) -> pandas.DataFrame:
    """Runs models at every precision of a grid: the command `narrow sweep`, whose options, defaults and errors these are (docs/study.md).

    Args:
        model: a file, a narrow.Model or a model of Keras; or a list of these.
        data: a file or a list of files, prepared samples or clusters (docs/data.md); or an array (samples, *shape of the input), (x, y) with
            targets, (x, y, weight), or a dictionary as an .npz file has it: "x" or an array for each input, "y", "weight".
        v_full, v_int, wb_full, wb_int: total and integer bits of vectors, and of weights and biases: 8, range(8, 17, 2), [8, 12], or as the
            command line takes them, "8:16:2", both ends included.
        out: the study's folder. The same call resumes it, or adds to it what is new. Arrays and models in memory are written into
            its folder `inputs`. Where it is not given, the study is in a temporary folder until the interpreter ends, with nothing kept of
            the points but what the table has.
        samples: the first so many, or "all"; 1,000 where it is not given.
        executor: where the points are computed: any of concurrent.futures, such as a ProcessPoolExecutor, or a Dask client
            (distributed.Client). Each of its workers computes with one core, and needs this package and, where it does not see the
            files, is sent them once. The study is the same (docs/python.md).

    Returns:
        A row for each point: its coordinates, `bits`, each metric and its error ("error of mpe"), `overflowed`, and the other columns of the
        study's view `results`. `attrs["study"]` is the study's folder, for narrow.best and narrow.report.

    Raises:
        narrow.Error: a ValueError with the line of the command's error.
        FileNotFoundError: where a file is not there.
        TypeError: where values are no real numbers.
        ImportError: without pandas.
        KeyboardInterrupt: on Ctrl-C; the points that are done are kept, and the same call resumes.
    """
    _need_pandas("narrow.sweep")
    temporary = out is None
    study = _temporary() if out is None else os.fspath(out)
    inputs = _Inputs(Path(study) / "inputs")
    models, files = inputs.models(model), inputs.data(data)
    grid = {"v_full": v_full, "v_int": v_int, "wb_full": wb_full, "wb_int": wb_int}
    options = _command.options(
        **{name: _bits_of(name, bits) for name, bits in grid.items()},
        **_types_of(types, relu, maximum),
        samples=samples,
        features=features,
        target=target,
        order=order,
        vmax=vmax,
        padding=padding,
        branches=branches,
        tree=tree,
        weight=weight,
        select=select,
        counts=counts,
        indices=indices,
        unfit=unfit,
        tolerance=tolerance,
        threshold=threshold,
        bins=bins,
        classes=classes,
        background=background,
        efficiency=efficiency,
        unit=unit,
        keep="none" if keep is None and temporary else keep,
        layout=layout,
        trace=trace,
        counted=counted,
        no_share=not share,
        no_dedup=not dedup,
    )
    with _files_named(inputs.paths):
        if executor is not None:
            from narrow import _executor

            _executor.sweep(executor, models, files, options, study, stacklevel=2)
        words = ["sweep", *models, *_command.data(files)]
        # After an executor's workers: whatever they did, the study is what the command makes of it. It has said its notes.
        _command.run([*words, *options, "--out", study], stacklevel=2, quiet=executor is not None)
    return results(study)


def _types_of(types: str | None, relu: Type | None, maximum: Type | None) -> dict[str, str | None]:
    return {"types": types, "relu": _text_of("relu", relu) or None, "maximum": _text_of("maximum", maximum) or None}


# --- search


class SearchResult:
    """A type for each tensor of a network: what `search` found. `model.predict(x, precision=found)` computes with them.

    Attributes:
        types: of each tensor, {"phi1.weight": "ap_fixed<10,2,AP_RND,AP_SAT>", ...}.
        cost: what was minimized, as `cost` said.
        searched: each bounded metric on the samples that were searched on, {"mae": {"value": 0.009, "error": 0.0005}}.
        judged: the same on the samples that the search never saw, which is the figure to believe.
        document: everything that `narrow search --json` writes (docs/search.md): `tensors`, `single_types`, `front`, `candidates`.
    """

    types: dict[str, str]
    cost: float
    searched: dict[str, dict[str, float]]
    judged: dict[str, dict[str, float]]
    document: dict[str, Any]

    def __init__(self, document: dict[str, Any], yaml: str):
        self.document = document
        self.types = {tensor["name"]: tensor["type"] for tensor in document["tensors"]}
        self.cost = document["best"]["cost"]
        self.searched = document["best"]["searched"]
        self.judged = document["best"]["judged"]
        self._yaml = yaml

    def to_yaml(self) -> str:
        """The types as an hls4ml configuration in YAML, as the command's --out has it."""
        return self._yaml

    def __repr__(self) -> str:
        judged = ", ".join(f"{name} {_shown(metric)}" for name, metric in self.judged.items())
        return f"<narrow.SearchResult: {self.document['cost']} {self.cost:.4g}; judged: {judged}>"


def _shown(metric: Mapping[str, float | None]) -> str:
    value, error = metric["value"], metric["error"]
    return ("unknown" if value is None else f"{value:.3g}") + ("" if error is None else f" +- {error:.2g}")


def search(
    model: Any,
    data: Data,
    *,
    below: str | Mapping[str, float],
    out: Path_ | None = None,
    cost: str | None = None,
    search: int | None = None,
    most: int | None = None,
    margin: float | None = None,
    sigmas: float | None = None,
    rounding: str | None = None,
    overflow: str | None = None,
    threshold: Numbers | None = None,
    tolerance: Numbers | None = None,
    background: Numbers | None = None,
    efficiency: Numbers | None = None,
    classes: Texts | None = None,
    samples: int | Literal["all"] | None = None,
    features: Texts | None = None,
    target: str | None = None,
    order: str | None = None,
    vmax: int | None = None,
    padding: float | None = None,
    branches: Mapping[str, str] | None = None,
    tree: str | None = None,
    weight: str | None = None,
    select: str | None = None,
    counts: str | None = None,
    indices: str | None = None,
    unfit: str | None = None,
) -> SearchResult:
    """Finds a type for each tensor that keeps metrics within bounds at the least cost: the command `narrow search`, whose options, defaults
    and errors these are (docs/search.md).

    Args:
        model, data: as of `sweep`; one model.
        below: the bounds, "resolution_loss=1" or {"mae": 0.01, "rate_change@20": 2}.
        out: a file for the types, an hls4ml configuration. Where it is given, the same call resumes a search that was stopped.
        cost: what is minimized: "bits" (the average of all tensors, where it is not given), "total_bits", "ebops", "dsp" or "lut".
        search: samples to search on, the first ones (half of them where it is not given); the others judge.
        most: most bits of a tensor (24).
        margin: headroom that the types of results leave, per cent (0).
        sigmas: by how many of its errors each bound is to be met (1).
        rounding, overflow: the modes of all types ("AP_RND", "AP_SAT").

    Raises: as `sweep`; narrow.Error too where no types keep to the bounds.
    """
    folder = tempfile.TemporaryDirectory(prefix="narrow-")
    with folder as name:
        inputs = _Inputs(Path(name) / "inputs")
        models = inputs.models(model)
        if len(models) != 1:
            raise TypeError(f"model: a search has one model, not {len(models)}")
        words = ["search", *models, *_command.data(inputs.data(data))]
        yaml = os.fspath(out) if out is not None else os.path.join(name, "found.yml")
        found = os.path.join(name, "found.json")
        words += _command.options(
            below=below,
            cost=cost,
            search=search,
            most=most,
            margin=margin,
            sigmas=sigmas,
            rounding=rounding,
            overflow=overflow,
            threshold=threshold,
            tolerance=tolerance,
            background=background,
            efficiency=efficiency,
            classes=classes,
            samples=samples,
            features=features,
            target=target,
            order=order,
            vmax=vmax,
            padding=padding,
            branches=branches,
            tree=tree,
            weight=weight,
            select=select,
            counts=counts,
            indices=indices,
            unfit=unfit,
            out=yaml,
            json=found,
        )
        with _files_named(inputs.paths):
            _command.run(words, stacklevel=2)
        return SearchResult(json.loads(Path(found).read_text()), Path(yaml).read_text())


# --- recover


class RecoverResult:
    """A network whose weights lose less in a precision: what `recover` made.

    Attributes:
        path: the file that was written.
        model: the network as `load` reads it. Its float predictions are those of its own weights; sweeps and searches compare it with the
            float network that it was made from, which the file holds.
        changed_layers: the layers whose weights differ.
        document: everything that `narrow recover --json` writes (docs/recover.md): `results`, `sums_before`, `sums_after`.
    """

    path: Path
    model: Model
    changed_layers: list[str]
    document: dict[str, Any]

    def __init__(self, document: dict[str, Any], path: Path):
        self.document = document
        self.path = path
        self.model = load(path)
        self.changed_layers = document["results"][-1]["changed_layers"]

    def __repr__(self) -> str:
        before, after = (result["judged"]["mean_squared_deviation"]["value"] for result in (self.document["results"][0], self.document["results"][-1]))
        return f"<narrow.RecoverResult {self.path}: mean squared deviation on unseen samples {before:.3g} before, {after:.3g} after>"


def recover(
    model: Any,
    data: Data,
    *,
    out: Path_,
    v: Type | None = None,
    wb: Type | None = None,
    types: str | None = None,
    relu: Type | None = None,
    maximum: Type | None = None,
    precision: Precision | None = None,
    equalise: bool = False,
    round: bool = False,
    bias: bool = False,
    search: int | None = None,
    classes: Texts | None = None,
    samples: int | Literal["all"] | None = None,
    features: Texts | None = None,
    target: str | None = None,
    order: str | None = None,
    vmax: int | None = None,
    padding: float | None = None,
    branches: Mapping[str, str] | None = None,
    tree: str | None = None,
    weight: str | None = None,
    select: str | None = None,
    counts: str | None = None,
    indices: str | None = None,
    unfit: str | None = None,
) -> RecoverResult:
    """Changes a trained network's weights so that it loses less accuracy in given types, without training: the command `narrow recover`,
    whose options, defaults and errors these are (docs/recover.md).

    Args:
        model, data: as of `sweep`; one model.
        out: the file for the network with other weights: .keras, .h5, or .json with its weights beside it.
        v, wb, types, relu, maximum, precision: the types that the network is to have, as of `Model.predict`.
        equalise, round, bias: what is tried; all three where none is given.
        search: calibration samples, the first ones (half of them where it is not given); the others judge.

    Raises: as `sweep`.
    """
    with tempfile.TemporaryDirectory(prefix="narrow-") as name:
        inputs = _Inputs(Path(name) / "inputs")
        models = inputs.models(model)
        if len(models) != 1:
            raise TypeError(f"model: recover takes one model, not {len(models)}")
        words = ["recover", *models, *_command.data(inputs.data(data))]
        configuration = None
        if precision is not None:
            configuration = os.path.join(name, "precision.yml")
            Path(configuration).write_text(_configuration(precision)[0])
        found = os.path.join(name, "recovered.json")
        words += _command.options(
            v=_text_of("v", v) or None,
            wb=_text_of("wb", wb) or None,
            **_types_of(types, relu, maximum),
            precision=configuration,
            equalise=equalise,
            round=round,
            bias=bias,
            search=search,
            classes=classes,
            samples=samples,
            features=features,
            target=target,
            order=order,
            vmax=vmax,
            padding=padding,
            branches=branches,
            tree=tree,
            weight=weight,
            select=select,
            counts=counts,
            indices=indices,
            unfit=unfit,
            out=out,
            json=found,
        )
        with _files_named(inputs.paths):
            _command.run(words, stacklevel=2)
        return RecoverResult(json.loads(Path(found).read_text()), Path(out))


# --- what is made of studies


class Report:
    """A study's page. In a notebook it shows itself.

    Attributes:
        path: the page, one HTML file that needs nothing else.
        said: what the command printed: a line for each model, and what is missing.
    """

    path: Path
    said: list[str]

    # Of the frame in a notebook, pixels.
    _HEIGHT = 900

    def __init__(self, path: Path, said: list[str]):
        self.path = path
        self.said = said

    def __repr__(self) -> str:
        return f"<narrow.Report {self.path}>"

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" width="100%" height="{self._HEIGHT}" style="border: 0"></iframe>'


def _study_of(study: Any) -> str:
    """A study's folder, or the table that `sweep` gave."""
    attributes = getattr(study, "attrs", None)
    if isinstance(attributes, Mapping):
        if "study" not in attributes:
            raise ValueError('study: this table does not say of which study it is (attrs["study"]); give the study\'s folder')
        study = attributes["study"]
    if not isinstance(study, (str, os.PathLike)):
        raise TypeError(f"study: a {type(study).__name__} is neither a study's folder nor the table of narrow.sweep")
    folder = os.fspath(study)
    if not os.path.exists(folder):
        raise FileNotFoundError(errno.ENOENT, "there is no study", folder)
    return folder


def best(
    study: Any,
    *,
    metric: str | None = None,
    below: str | float | Mapping[str, float] | None = None,
    overflow: float | None = None,
    any: bool = False,
    pareto: bool = False,
) -> list[dict[str, Any]]:
    """The fewest bits of a study that keep to a bound: the command `narrow best`, whose options, defaults and errors these are (docs/study.md).

    Args:
        study: a study's folder, or the table that `sweep` gave.
        below: the bound of `metric`, 5; or several, "mpe=5,rate_change@20=2" or {"mpe": 5, "rate_change@20": 2}.
        pareto: every point that no other beats in both bits and error, instead.

    Returns:
        For each model, data set and kind of types {"model", "data", "types", "points", "said"}. `said` is what one should know, a sentence
        each. `points` has one, or none where none is recommended: {"bits", "v": (16, 6), "wb": (12, 3), "v_full", "v_int", "wb_full", "wb_int",
        "label", "metrics": {"mpe": {"value", "error"}, ...}}, unknown numbers None; of a search's types without coordinates `label` alone.
        `model.predict(x, v=point["v"], wb=point["wb"], types=...)` computes with it.
    """
    folder = _study_of(study)
    with tempfile.TemporaryDirectory(prefix="narrow-") as name:
        path = Path(name, "best.json")
        words = _command.options(metric=metric, below=below, overflow=overflow, any=any, pareto=pareto, json=path)
        _command.run(["best", folder, *words], stacklevel=2)
        found: list[dict[str, Any]] = json.loads(path.read_text())
    for scan in found:
        for point in scan["points"]:
            if "v_full" in point:
                point.update(v=(point["v_full"], point["v_int"]), wb=(point["wb_full"], point["wb_int"]))
    return found


def report(
    study: Any,
    *,
    labels: Texts | None = None,
    out: Path_ | None = None,
    metric: str | None = None,
    below: str | float | Mapping[str, float] | None = None,
    overflow: float | None = None,
    any: bool = False,
    shown: str | None = None,
    model: str | None = None,
    at: Sequence[int] | None = None,
    percentile: int | None = None,
    sample: int | None = None,
    figures: Texts | None = None,
) -> Report:
    """Writes a study as one page, and its figures as files: the command `narrow report`; of several studies `narrow compare`. Options, defaults
    and errors are theirs (docs/report.md).

    Args:
        study: a study's folder or the table that `sweep` gave; or a list of 2 to 6 of these, with `labels` as their names.
        out: the page; report.html in the study's folder where it is not given.
        figures: "svg", "png", "pdf", several, or "none"; all three where a Python that draws them is known.
    """
    studies = [_study_of(each) for each in study] if isinstance(study, (list, tuple)) else [_study_of(study)]
    words = ["compare" if isinstance(study, (list, tuple)) else "report", *studies]
    words += _command.options(
        labels=labels,
        out=out,
        metric=metric,
        below=below,
        overflow=overflow,
        any=any,
        shown=shown,
        model=model,
        at=at,
        percentile=percentile,
        sample=sample,
        figures=figures,
    )
    said = _command.run(words, stacklevel=2).splitlines()
    path = next(line.rpartition(": ")[0] for line in said if re.search(r": \d+ figures$", line))
    return Report(Path(path), [line for line in said if not line.startswith(path[: -len(".html")])])


# --- training


def train(data: Data, *, out: Path_, **options: Any) -> Model | list[Model]:
    """Trains a DeepSets network, a family of sizes, or a dense network: the command `narrow train`, whose options, defaults and errors these
    are (docs/training.md). It needs libtorch, which a wheel does not have: narrow.Error says so.

    Args:
        data: as of `sweep`.
        out: the model, .keras, .h5 or .json; with {nodes} where there are several. The same call resumes a training that was stopped.
        options: `nodes=8`, `phi_layers=2`, `epochs=3`, `loss="mae"`, `validation_data=...`, `shuffle=False`, and the others of the command,
            with `_` for `-`.

    Returns:
        The model; of several sizes a list.
    """
    with tempfile.TemporaryDirectory(prefix="narrow-") as name:
        inputs = _Inputs(Path(name))
        words = ["train", *_command.data(inputs.data(data))]
        if options.pop("shuffle", True) is False:  # the one switch that the command has to be set off
            words.append("--no-shuffle")
        words += _command.options(**options, out=out)
        with _files_named(inputs.paths):
            said = _command.run(words, stacklevel=2)
    models = [load(path) for path in re.findall(r"^(.*): val_loss ", said, re.MULTILINE)]
    return models[0] if len(models) == 1 else models
