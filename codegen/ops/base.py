"""What an operator is: shape inference, work, float and integer semantics.

An operator is a frozen dataclass that holds its attributes. All arrays are batch first, `(N, C, H, W)` or
`(N, F)`; shapes in signatures leave the batch out. Integer semantics are the definition that every back end
must meet bit for bit, whatever the tile, encoding or level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import GraphError, UnsupportedOp

Shape = tuple[int, ...]
Array = NDArray[Any]

INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1


@dataclass(frozen=True)
class Op:
    """An operator without weights. Subclasses define `kind` and the methods below."""

    kind: ClassVar[str]
    weighted: ClassVar[bool] = False

    def infer(self, shape: Shape) -> Shape:
        """Shape of the output for an input of `shape`; raises `GraphError` when it can't be applied."""
        raise NotImplementedError

    def infer_all(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the output for inputs of `shapes`; only a `JoinOp` takes more than one."""
        return self.infer(_only(self.kind, shapes))

    def out_frac_bits(self, inputs: Sequence[int]) -> int | None:
        """Fraction bits of the output for inputs with `inputs`; `None` where the output is no fixed-point number."""
        return inputs[0]

    def reach(self, bounds: Sequence[tuple[int, int]]) -> int:
        """Largest magnitude that the 32-bit arithmetic can meet, for inputs within `bounds`; 0 if it has none."""
        return 0

    def macs(self, shape: Shape) -> int:
        """Multiply-accumulates of one dense inference on an input of `shape`."""
        return 0

    def apply_float(self, x: Array) -> Array:
        """Real-valued semantics, used to calibrate and to compare."""
        raise NotImplementedError

    def apply(self, x: Array, lo: int, hi: int) -> Array:
        """Integer semantics on int64 `x`; the result lies in `[lo, hi]`."""
        raise NotImplementedError

    def apply_float_all(self, xs: Sequence[Array]) -> Array:
        """`apply_float` of all inputs."""
        return self.apply_float(xs[0])

    def apply_all(self, xs: Sequence[Array], lo: int, hi: int) -> Array:
        """`apply` of all inputs."""
        return self.apply(xs[0], lo, hi)

    def attributes(self) -> dict[str, Any]:
        """Attributes as plain values, for JSON and for comments in generated C; those at their defaults left out."""
        default = asdict(type(self)())
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items() if v != default[key]}


@dataclass(frozen=True)
class JoinOp(Op):
    """An operator of two or more inputs; subclasses define the methods that end in `_all`."""

    def infer_all(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the output for inputs of `shapes`; raises `GraphError` when they do not go together."""
        raise NotImplementedError

    def apply_float_all(self, xs: Sequence[Array]) -> Array:
        """Real-valued semantics."""
        raise NotImplementedError

    def apply_all(self, xs: Sequence[Array], lo: int, hi: int) -> Array:
        """Integer semantics on int64 arrays; the result lies in `[lo, hi]`."""
        raise NotImplementedError


@dataclass(frozen=True)
class WeightedOp(Op):
    """An operator `y = clip((sum(w*x) >> shift) + b, lo, hi)` with weights `w` and a bias per output channel.

    The sum is exact; `>>` is floor; `b` is an integer in output units that absorbs half an LSB.
    """

    weighted: ClassVar[bool] = True

    def infer_weighted(self, shape: Shape, weight: Shape) -> Shape:
        """Shape of the output for input `shape` and weights of shape `weight` (output channel first)."""
        raise NotImplementedError

    def accumulate(self, x: Array, w: Array) -> Array:
        """`sum(w*x)` for every output, exact in float64 while `|sum| < 2**53`."""
        raise NotImplementedError

    def uses(self, shape: Shape) -> int:
        """How often one inference uses each weight (output positions), for input `shape` and any weight."""
        raise NotImplementedError

    def apply_weighted(self, x: Array, w: Array, bias: Array, shift: int, lo: int, hi: int) -> Array:
        """The integer formula of the class, on int64 arrays."""
        total = self.accumulate(x.astype(np.float64), w.astype(np.float64)).astype(np.int64)
        b = bias.astype(np.int64).reshape((1, -1) + (1,) * (total.ndim - 2))
        y: Array = np.clip((total >> shift) + b, lo, hi)
        return y


_REGISTRY: dict[str, type[Op]] = {}


def register(cls: type[Op]) -> type[Op]:
    """Class decorator: makes an operator known to `op_from_dict`."""
    _REGISTRY[cls.kind] = cls
    return cls


def supported_ops() -> list[str]:
    """Names of all registered operators."""
    return sorted(_REGISTRY)


def op_from_dict(kind: str, attributes: dict[str, Any]) -> Op:
    """Make an operator from its saved name and attributes.

    Raises:
        UnsupportedOp: the name or an attribute is unknown.
    """
    cls = _REGISTRY.get(kind)
    if cls is None:
        raise UnsupportedOp(f"operator {kind!r} is unknown; supported are {', '.join(supported_ops())}")
    unknown = set(attributes) - {f.name for f in fields(cls)}
    if unknown:
        raise UnsupportedOp(f"operator {kind!r} has no attribute {', '.join(sorted(unknown))}")
    default = cls()
    for key, value in attributes.items():
        expected = getattr(default, key)
        what = f"operator {kind!r}: attribute {key} is {value!r}, not"
        if isinstance(expected, int) and not isinstance(value, int):
            raise UnsupportedOp(f"{what} a whole number")
        if isinstance(expected, tuple) and (not isinstance(value, list) or len(value) != (len(expected) or len(value))):
            raise UnsupportedOp(f"{what} a list of {len(expected) or 'any number of'} numbers")
        if isinstance(expected, tuple) and any(type(v) is float for v in expected):
            if not all(type(v) in (int, float) and isfinite(v) for v in value):
                raise UnsupportedOp(f"{what} a list of numbers")
        elif isinstance(expected, tuple) and not all(type(v) is int for v in value):
            raise UnsupportedOp(f"{what} a list of whole numbers")
    return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in attributes.items()})


def _only(kind: str, shapes: Sequence[Shape]) -> Shape:
    if len(shapes) != 1:
        raise GraphError(f"{kind}: takes one input, got {len(shapes)}")
    return shapes[0]


def spatial(where: str, shape: Shape) -> tuple[int, int, int]:
    """`(C, H, W)` of an image shape, or a `GraphError` that names `where`."""
    if len(shape) != 3:
        raise GraphError(f"{where}: needs an input (channels, height, width), got shape {shape}")
    return shape[0], shape[1], shape[2]


def windows(x: Array, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Array:
    """All windows of `(N, C, H, W)` as a view `(N, C, OH, OW, KH, KW)`; elements of one are `dilation` apart."""
    extent = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def out_size(where: str, size: int, kernel: int, stride: int) -> int:
    """Number of windows along one axis; raises `GraphError` when there is none."""
    if kernel < 1 or stride < 1:
        raise GraphError(f"{where}: kernel {kernel} and stride {stride} must be at least 1")
    if size < kernel:
        raise GraphError(f"{where}: a window of {kernel} does not fit an axis of {size}")
    return (size - kernel) // stride + 1
