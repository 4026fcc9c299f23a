"""Kinds of layers, one idea per file: from a node of the graph to steps, scratch, firmware files and C.

To add one: a `LayerKind` here, `templates/layers/<kind>.j2`, `firmware/src/sw_<kind>.c` and its descriptor in
`sw_layers.h`; then name it in `KINDS`.
"""

from __future__ import annotations

from ..errors import UnsupportedOp
from ..ops import Conv2d, FullyConnected, Op
from .base import Emission, Layer, LayerKind, Scratch, Step, common
from .columns import LeaKind, LeaLayer
from .conv2d_fir import Conv2dFir
from .conv2d_lea import Conv2dLea
from .fetch_weights import FetchWeights, check_chunks
from .fully_connected_lea import FullyConnectedLea
from .io import LOAD, STORE, Load, Store
from .join import AddLayer, ConcatLayer
from .pool import PoolLayer
from .relu import ReluLayer
from .swap import SwapIn, SwapOut
from .weighted import Conv2dLayer, FullyConnectedLayer

_ALL: tuple[LayerKind, ...] = (
    Load(), Store(), Conv2dLayer(), FullyConnectedLayer(), Conv2dLea(), Conv2dFir(), FullyConnectedLea(), PoolLayer(),
    ReluLayer(), AddLayer(), ConcatLayer(), FetchWeights(),
    SwapOut(), SwapIn(),
)  # fmt: skip
KINDS: dict[str, LayerKind] = {k.kind: k for k in _ALL}
"""Every kind by name."""

_ON_LEA: dict[type[Op], tuple[LeaKind, ...]] = {
    Conv2d: (Conv2dLea(), Conv2dFir()),
    FullyConnected: (FullyConnectedLea(),),
}


def cpu_kind(name: str, op: Op) -> LayerKind:
    """The kind that runs `op` of node `name` on the CPU.

    Raises:
        UnsupportedOp: there is none.
    """
    for kind in _ALL:
        if type(op) in kind.ops:
            return kind
    raise UnsupportedOp(f"{name}: no kernel for {op.kind}")


def lea_kinds(op: Op) -> tuple[LeaKind, ...]:
    """The kinds that may run `op` on the LEA."""
    return _ON_LEA.get(type(op), ())


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
    "SwapIn",
    "SwapOut",
    "check_chunks",
    "common",
    "cpu_kind",
    "lea_kinds",
]
