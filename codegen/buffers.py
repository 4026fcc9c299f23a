"""How a tensor is stored: as an image with the border of zeros that its readers pad with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import DoesNotFit, UnsupportedOp
from .ir import Graph
from .ops import Conv2d, Flatten

MAX_BORDER = 255
NEAR, FAR, EXTERNAL = 0, 1, 2
"""Arenas: in low FRAM; in high FRAM, where only the DMA and MSP430X instructions reach; where swapped tensors wait."""

Span = tuple[int, int]
"""The first and the last of a run of layers."""


@dataclass(frozen=True)
class Buffer:
    """Storage of one tensor in an arena, in words.

    Attributes:
        offset: of the first stored word, border included.
        shape: of the tensor, `(C, H, W)`, or `(1, 1, F)` for a flat one.
        border: zeros `(top, left, bottom, right)` around each channel.
        lives: spans of layers, first and last, in which the words hold the tensor: more than one if it is swapped.
        arena: `NEAR`, `FAR` or `EXTERNAL`.
    """

    name: str
    offset: int
    shape: tuple[int, int, int]
    border: tuple[int, int, int, int]
    lives: tuple[Span, ...] = ((0, 0),)
    arena: int = NEAR

    @property
    def pitch(self) -> int:
        """Words from one row to the next."""
        return self.border[1] + self.shape[2] + self.border[3]

    @property
    def plane(self) -> int:
        """Words from one channel to the next."""
        return self.pitch * (self.border[0] + self.shape[1] + self.border[2])

    @property
    def words(self) -> int:
        """Stored words, border included."""
        return self.shape[0] * self.plane

    def is_alive(self, layer: int) -> bool:
        """True while `layer` runs."""
        return any(first <= layer <= last for first, last in self.lives)

    @property
    def data(self) -> int:
        """Offset in the arena of element (0, 0, 0)."""
        return self.offset + self.border[0] * self.pitch + self.border[1]


def owners(graph: Graph) -> dict[str, str]:
    """For every tensor the one whose storage it shares: itself, or the input of a flatten."""
    owner = {graph.input: graph.input}
    for node in graph.nodes:
        owner[node.output] = owner[node.input] if isinstance(node.op, Flatten) else node.output
    return owner


def shape3(graph: Graph, name: str) -> tuple[int, int, int]:
    """`(C, H, W)` of a tensor; a flat one is an image of one row."""
    shape = graph.tensors[name].shape
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (1, 1, shape[0])


def border(graph: Graph, owner: Mapping[str, str], name: str) -> tuple[int, int, int, int]:
    """Zeros `(top, left, bottom, right)` that the readers of `name`'s storage need around each channel.

    Raises:
        DoesNotFit: more than a descriptor can count.
        UnsupportedOp: a reader needs the elements without gaps.
    """
    zeros, flat = (0, 0, 0, 0), False
    for node in graph.nodes:
        if name not in {owner[x] for x in node.inputs}:
            continue
        if isinstance(node.op, Conv2d):
            top, left, bottom, right = (max(a, b) for a, b in zip(zeros, node.op.padding, strict=True))
            zeros = (top, left, bottom, right)
            if max(zeros) > MAX_BORDER:
                raise DoesNotFit(f"{node.name}: padding {node.op.padding}; at most {MAX_BORDER} zeros fit on a side")
        flat |= isinstance(node.op, Flatten)
    if flat and any(zeros):
        raise UnsupportedOp(f"{name}: is both flattened and padded by a convolution; copy it first")
    return zeros


def image_buffer(graph: Graph, name: str) -> Buffer:
    """The storage of tensor `name` as far as it is known before anything is placed."""
    owner = owners(graph)
    return Buffer(owner[name], 0, shape3(graph, owner[name]), border(graph, owner, owner[name]))
