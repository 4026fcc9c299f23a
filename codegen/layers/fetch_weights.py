"""Weights copied from external memory into a working buffer, before the layer that reads them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..cost import Work
from ..errors import GraphError
from ..external import ExternalBlob, transfer_sizes
from ..ir import Graph, Node
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, Step

if TYPE_CHECKING:
    from ..memory import MemoryPlan


class FetchWeights(LayerKind):
    """A step is one chunk of the blob. No tensor is written; `x` and `y` name the input of the layer that follows."""

    kind = "fetch_weights"
    sources = ("src/sw_fetch_weights.c", "src/sw_external.c")
    kernels = ("sw_load_u8",)
    board_sources = ("external.c", "external_dma.S")
    descriptor_bytes = 20
    far_x = far_y = True

    def layer(self, node: Node, blob: ExternalBlob, levels: int) -> Layer:
        """The copy of the weights of `node`."""
        cuts = [*range(0, blob.size, blob.chunk), blob.size]
        steps = tuple(Step((first, end), (0, 1)) for first, end in pairwise(cuts))
        return Layer(f"{node.name}{FETCH_SUFFIX}", self.kind, node.input, node.input, (steps,) * levels, fetch=blob)

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Where the blob and its lists of runs lie."""
        assert layer.fetch is not None
        b = layer.fetch
        levels = range(len(emission.graph.levels))
        read = ", ".join(f"{b.bytes_read(k):,}" for k in levels)
        return {
            "comment": f"{b.size:,} bytes of weights; read at each level: {read}",
            "blob": b.address,
            "directory": b.directory,
            "index": list(emission.packed.layers).index(b.node),
            "chunk": b.chunk,
        }

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """The transfers of the chunk."""
        assert layer.fetch is not None
        work = Work()
        sizes = transfer_sizes(layer.fetch.runs[step.channels[0] // layer.fetch.chunk][level])
        work.add(1, external_step=1, external_read=len(sizes), external_byte=sum(sizes))
        return work

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Transfers of the runs that the level reads, cut where a chunk ends."""
        assert layer.fetch is not None
        work = Work()
        transfers, size = layer.fetch.transfers(level), layer.fetch.bytes_read(level)
        work.add(1, external_step=len(layer.steps[level]), external_read=transfers, external_byte=size)
        return work


FETCH_SUFFIX = " weights"
"""Of the name of such a layer, behind the node's."""


def check_chunks(layer: Layer, size: int) -> None:
    """Verify that the steps copy `size` bytes without gap or overlap.

    Raises:
        GraphError: they do not.
    """
    for steps in layer.steps:
        at = 0
        for step in steps:
            first, end = step.channels
            if first != at or end <= first:
                raise GraphError(f"{layer.name}: a step copies bytes {first} to {end}, expected from {at}")
            at = end
        if at != size:
            raise GraphError(f"{layer.name}: its steps copy {at} of {size} bytes")
