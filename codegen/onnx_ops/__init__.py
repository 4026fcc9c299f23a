"""What each ONNX operator becomes, one file per group. `IMPORTERS` and `FOLDED` are all that is supported."""

from . import elementwise, linear, quantized, shapes, windows
from .base import IMPORTERS
from .constants import FOLDED, fold

__all__ = ["FOLDED", "IMPORTERS", "elementwise", "fold", "linear", "quantized", "shapes", "windows"]
