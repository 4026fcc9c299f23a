"""Operators, one idea per file. CONTRIBUTING.md has the recipe for adding one."""

from .base import INT16_MAX, INT16_MIN, Array, JoinOp, Op, Shape, WeightedOp, op_from_dict, supported_ops
from .conv2d import Conv2d
from .elementwise import Argmax, Clip, Flatten, Relu
from .fully_connected import FullyConnected
from .join import Add, Concat
from .pool import AvgPool, MaxPool

__all__ = [
    "INT16_MAX",
    "INT16_MIN",
    "Add",
    "Argmax",
    "Array",
    "AvgPool",
    "Clip",
    "Concat",
    "Conv2d",
    "Flatten",
    "FullyConnected",
    "JoinOp",
    "MaxPool",
    "Op",
    "Relu",
    "Shape",
    "WeightedOp",
    "op_from_dict",
    "supported_ops",
]
