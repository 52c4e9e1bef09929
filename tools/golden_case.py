"""One case of a golden file, as src/engine/golden.cc reads it."""

import json

import numpy as np


def write_case(out, case, types, predictions, trace, **seconds):
    """Adds hls4ml's answers for a case, a dictionary with a `name`, to the HDF5 file `out`: predictions (samples, values), and of the first
    samples each layer's values."""
    group = out.create_group(f"cases/{case['name']}")
    group.attrs.update(case=json.dumps(case), types=json.dumps(types), **seconds)
    group.create_dataset("predictions", data=predictions, compression="gzip")
    for layer, values in trace.items():
        group.create_dataset(f"trace/{layer}", data=np.asarray(values, dtype=np.float64), compression="gzip")
