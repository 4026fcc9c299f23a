"""What a real-valued network is fed with: its input's shape, range and scale, and a normalisation before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, log2, prod

import numpy as np

from .affine import Affine, fold_affine
from .errors import GraphError
from .floatgraph import FloatGraph, FloatNode
from .ops import Array, Flatten, Shape


def of_shape(graph: FloatGraph, shape: Shape) -> FloatGraph:
    """`graph` for inputs of `shape`: its own, or an image whose elements are its flat input.

    Raises:
        GraphError: neither.
    """
    if shape == graph.shape:
        return graph
    if len(graph.shape) != 1 or prod(shape) != graph.shape[0]:
        raise GraphError(f"{graph.name}: takes inputs of shape {graph.shape}, not {shape}")
    moved = f"{graph.input}_flat"
    first = FloatNode("input_flatten", Flatten(), (graph.input,), moved)
    return replace(graph, shape=shape, nodes=(first, *_reading(graph, moved)))


def normalized(graph: FloatGraph, mean: Sequence[float], std: Sequence[float], scale: float = 1.0) -> FloatGraph:
    """`graph` with `(x * scale - mean) / std` before it, per channel or one number for all.

    It goes into the first layer where that has no padding; else it is a layer of its own, called `normalize`.

    Raises:
        GraphError: the numbers do not fit the channels, or a `std` is not positive.
    """
    channels = graph.shape[0]
    for what, numbers in (("mean", mean), ("std", std)):
        if len(numbers) not in (1, channels) or not np.all(np.isfinite(numbers)):
            raise GraphError(f"{graph.name}: {what} has {len(numbers)} numbers for {channels} channels")
    if min(std) <= 0:
        raise GraphError(f"{graph.name}: std holds {min(std)}; it must be positive")
    wide = np.broadcast_to(np.asarray(std, np.float64), channels)
    shift = -np.broadcast_to(np.asarray(mean, np.float64), channels) / wide
    first = FloatNode("normalize", Affine(), (graph.input,), "normalize_out", scale / wide, None, shift)
    nodes = [first, *_reading(graph, "normalize_out")]
    shapes = {**graph.shapes(), "normalize_out": graph.shape}
    return replace(graph, nodes=tuple(fold_affine(nodes, shapes, nodes[-1].output)))


def of_examples(graph: FloatGraph, x: Array) -> FloatGraph:
    """`graph` with a range and scale of its input that hold `x` `(N, *shape)`: powers of two, full 16 bits.

    Raises:
        GraphError: `x` is empty, not finite, or all zero.
    """
    if not x.size or not np.all(np.isfinite(x)):
        raise GraphError(f"{graph.name}: the calibration inputs are empty, or hold NaN or infinite values")
    largest = float(np.abs(x).max())
    if not largest:
        raise GraphError(f"{graph.name}: the calibration inputs are all 0")
    return of_range(graph, float(x.min()), float(x.max()))


def of_range(graph: FloatGraph, low: float, high: float) -> FloatGraph:
    """`graph` for inputs of `low` to `high`, rounded up to a power of two."""
    power = ceil(log2(max(-low, high)))
    bound = 2.0**power - 2.0 ** (power - 15)
    bits = min(max(15 - power, 0), 15)
    return replace(graph, input_frac_bits=max(bits - 7, 0), input_max=bound, input_min=-bound if low < 0 else 0.0)


def _reading(graph: FloatGraph, name: str) -> list[FloatNode]:
    """The nodes, with `name` in the place of the input."""
    return [replace(n, inputs=tuple(name if x == graph.input else x for x in n.inputs)) for n in graph.nodes]
