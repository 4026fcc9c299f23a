"""What the layers on the LEA share: the choice of tile and group, and the description of `column` weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..column import ColumnLayer
from ..ir import Graph, Node
from ..ops import Array
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, c_int

if TYPE_CHECKING:
    from .conv2d_fir import FirTile
    from .conv2d_lea import Tiling


@dataclass(frozen=True)
class LeaLayer:
    """A layer on the LEA.

    Attributes:
        node: its name.
        kind: the `LeaKind` that does it.
        packed: its weights.
        cut: output rows of a group of one step; `packed` may still have larger groups.
        tile: outputs of one command (fully connected).
        tilings: pixels of one command at each level (convolution).
        fir: sizes of the commands (convolution by FIR).
        pool: the pool that the layer does as well.
        cycles, joules: estimates for each level.
        pool_cycles: estimate of a pool that it could do and leaves to the CPU.
    """

    node: str
    kind: str
    packed: ColumnLayer
    cut: int
    tile: int
    tilings: tuple[Tiling, ...]
    pool: Node | None
    cycles: tuple[float, ...]
    joules: tuple[float, ...]
    pool_cycles: float = 0.0
    fir: FirTile | None = None

    @property
    def total(self) -> float:
        """Cycles of all levels, with the pool."""
        return sum(self.cycles) + len(self.cycles) * self.pool_cycles

    @property
    def energy(self) -> float:
        """Joules of all levels, but for a pool that it leaves to the CPU."""
        return sum(self.joules)

    @property
    def size(self) -> int:
        """Bytes of weights and of the tables that describe them."""
        return self.packed.blob_bytes + 2 * self.packed.table_words

    @property
    def tile_text(self) -> str:
        """The tile of each level, for tables."""
        if self.fir:
            return f"FIR {self.fir.rows} rows"
        if not self.tilings:
            return f"{self.tile} outputs"
        return " ".join(f"{t.rows}x{t.cols}" for t in dict.fromkeys(self.tilings))


class LeaKind(LayerKind):
    """A kind of layer that runs on the LEA."""

    def candidates(self, graph: Graph, node: Node, rows: int, target: TargetSpec, overlap: bool) -> Iterator[LeaLayer]:
        """Every way to run `node` with groups of `rows` output rows."""
        raise NotImplementedError

    def layer(self, graph: Graph, node: Node, lea: LeaLayer) -> Layer:
        """Cut `node` into steps."""
        raise NotImplementedError

    def tap_bytes(self, emission: Emission, layer: Layer, taps: Array) -> Array:
        """Bytes from the first element of the window, or of the input, to each tap."""
        raise NotImplementedError

    def table_words(self, layer: Layer) -> int:
        """Groups, taps and counts."""
        assert isinstance(layer.packed, ColumnLayer)
        return layer.packed.table_words

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """The groups with their taps; the clip is that before pooling."""
        assert isinstance(layer.packed, ColumnLayer) and layer.lea is not None and layer.node is not None
        before = emission.graph.tensors[layer.node.output]
        lists = layer.packed.lists()
        number = {i: k for k, (_, members) in enumerate(lists) for i in members}
        return {
            "blob": emission.blob(layer),
            "constants": layer.packed.constants,
            "taps": [[int(t) for t in self.tap_bytes(emission, layer, group.taps)] for group, _ in lists],
            "counts": [group.counts for group, _ in lists],
            "groups": [
                (
                    layer.packed.offsets[i],
                    g.first,
                    g.rows,
                    len(g.weights),
                    int(self.tap_bytes(emission, layer, np.array([g.base]))[0]),
                    number[i],
                )
                for i, g in enumerate(layer.packed.groups)
            ],
            "tile": layer.lea.tile,
            "lo": c_int(before.lo),
            "hi": before.hi,
        }
