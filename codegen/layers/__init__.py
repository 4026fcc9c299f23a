"""Kinds of layers, one idea per file: from a node of the graph to steps, scratch, firmware files and C.

To add one: a `LayerKind` here, `templates/layers/<kind>.j2`, `firmware/src/sw_<kind>.c` and its descriptor in
`sw_layers.h`; then name it in `KINDS`.
"""

from __future__ import annotations

from ..errors import UnsupportedOp
from ..ops import Op
from .base import Emission, Layer, LayerKind, Scratch, Step, common
from .columns import LeaKind, LeaLayer
from .conv2d_lea import Conv2dLea
from .fetch_weights import FetchWeights, check_chunks
from .fully_connected_lea import FullyConnectedLea
from .io import LOAD, STORE, Load, Store
from .join import AddLayer, ConcatLayer
from .pool import PoolLayer
from .relu import ReluLayer
from .weighted import Conv2dLayer, FullyConnectedLayer

_ALL: tuple[LayerKind, ...] = (
    Load(), Store(), Conv2dLayer(), FullyConnectedLayer(), Conv2dLea(), FullyConnectedLea(), PoolLayer(), ReluLayer(),
    AddLayer(), ConcatLayer(), FetchWeights(),
)  # fmt: skip
KINDS: dict[str, LayerKind] = {k.kind: k for k in _ALL}
"""Every kind by name."""

_ON_LEA = {op: f"{k.kind}_lea" for k in _ALL for op in k.ops if f"{k.kind}_lea" in KINDS}


def cpu_kind(name: str, op: Op) -> LayerKind:
    """The kind that runs `op` of node `name` on the CPU.

    Raises:
        UnsupportedOp: there is none.
    """
    for kind in _ALL:
        if type(op) in kind.ops:
            return kind
    raise UnsupportedOp(f"{name}: no kernel for {op.kind}")


def lea_kind(name: str, op: Op) -> LeaKind:
    """The kind that runs `op` of node `name` on the LEA.

    Raises:
        UnsupportedOp: there is none.
    """
    kind = KINDS.get(_ON_LEA.get(type(op), ""))
    if not isinstance(kind, LeaKind):
        raise UnsupportedOp(f"{name}: no LEA kernel for {op.kind}")
    return kind


__all__ = [
    "KINDS",
    "LOAD",
    "STORE",
    "Emission",
    "FetchWeights",
    "Layer",
    "LayerKind",
    "LeaKind",
    "LeaLayer",
    "Load",
    "Scratch",
    "Step",
    "Store",
    "check_chunks",
    "common",
    "cpu_kind",
    "lea_kind",
]
