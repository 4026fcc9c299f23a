"""Relu that no clip could absorb."""

from __future__ import annotations

from ..ops import Relu
from .base import LayerKind


class ReluLayer(LayerKind):
    """A step is one channel."""

    kind = "relu"
    ops = (Relu,)
    sources = ("src/sw_relu.c", "src/sw_io.c")
