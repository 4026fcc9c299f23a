"""Labelled inputs of a user's own, to measure an imported network on: an .npz file with the arrays x and y.

Comes in: `x`, real numbers `(N, channels, height, width)` as the network takes them (axes of length 1 may be missing),
and `y`, class indices `(N,)`. Goes out: a `Dataset` without training examples whose `x` is float32; the device's
integers are made of it with the scale of the network (`deploy.quantized_inputs`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import DataError
from .base import Dataset, Split, load_arrays

SUFFIX = ".npz"


def load_labelled(path: Path) -> Dataset:
    """Read the file.

    Raises:
        DataError: it is missing or damaged, an array is missing, empty or of a wrong kind, a value is NaN or infinite.
    """
    if not path.is_file():
        raise DataError(f"{path}: does not exist; give an .npz file with inputs x and class indices y")
    stored = load_arrays(path, ("x", "y"))
    x, y = stored["x"], stored["y"]
    if not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x) or x.ndim < 2 or not x.size:
        raise DataError(f"{path}: array x is {x.dtype} {x.shape}; real numbers (N, channels, height, width) are needed")
    if not np.issubdtype(y.dtype, np.integer) or y.shape != (len(x),):
        raise DataError(f"{path}: array y is {y.dtype} {y.shape}; whole numbers ({len(x)},) are needed, one per input")
    if y.min() < 0:
        raise DataError(f"{path}: array y holds {y.min()}; class indices count from 0")
    x = x.astype(np.float32)
    if not np.all(np.isfinite(x)):
        raise DataError(f"{path}: array x holds NaN or infinite values; remove these inputs")
    test = Split(x, y.astype(np.int64))
    low, high = int(np.floor(x.min())), int(np.ceil(x.max()))
    classes = tuple(str(k) for k in range(int(y.max()) + 1))
    nothing = Split(x[:0], test.y[:0])
    return Dataset(path.name, nothing, test, classes, 0, f"{len(x):,} labelled inputs of {path.name}", low, high)
