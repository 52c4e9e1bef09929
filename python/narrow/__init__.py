"""How few bits does your trigger network need? Keras, QKeras and ONNX networks in fixed point, bit for bit as hls4ml's C++ would.

    model = narrow.load("model.keras")
    y = model.predict(x, v=(16, 6), wb=(12, 3))
"""

from narrow._model import FixedModel, Model, NarrowWarning, load, set_threads
from narrow._study import RecoverResult, Report, SearchResult, best, recover, report, results, search, sweep, train
from narrow import hls4ml
from narrow.hls4ml import from_hls4ml, to_hls4ml_config
from narrow._narrow import Error, version as __version__

__all__ = [
    "Error",
    "FixedModel",
    "Model",
    "NarrowWarning",
    "RecoverResult",
    "Report",
    "SearchResult",
    "__version__",
    "best",
    "from_hls4ml",
    "hls4ml",
    "load",
    "recover",
    "report",
    "results",
    "search",
    "set_threads",
    "sweep",
    "to_hls4ml_config",
    "train",
]
