"""Operators, one idea per file. CONTRIBUTING.md has the recipe for adding one."""

from .base import INT16_MAX, INT16_MIN, Array, Op, Shape, WeightedOp, op_from_dict, supported_ops
from .conv2d import Conv2d
from .elementwise import Argmax, Flatten, Relu
from .fully_connected import FullyConnected
from .pool import AvgPool, MaxPool

__all__ = [
    "INT16_MAX",
    "INT16_MIN",
    "Argmax",
    "Array",
    "AvgPool",
    "Conv2d",
    "Flatten",
    "FullyConnected",
    "MaxPool",
    "Op",
    "Relu",
    "Shape",
    "WeightedOp",
    "op_from_dict",
    "supported_ops",
]
