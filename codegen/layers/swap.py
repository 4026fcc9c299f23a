"""Activations that move to external memory and come back, whole tensors with their borders (`swaps.py` says which)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from ..buffers import image_buffer
from ..cost import Work
from ..errors import DoesNotFit
from ..external import MAX_CHUNK
from ..ir import Graph
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, Step

if TYPE_CHECKING:
    from ..memory import MemoryPlan


class _Swap(LayerKind):
    """A step copies some bytes. `x` and `y` name the tensor, which keeps its value."""

    transfer: ClassVar[str]
    sources = ("src/sw_swap.c", "src/sw_io.c", "src/sw_external.c")
    kernels = ("sw_load_u8",)
    board_sources = ("external.c", "external_dma.S")
    descriptor_bytes = 24
    far_x = far_y = True

    def layer(self, graph: Graph, name: str, tensor: str, target: TargetSpec) -> Layer:
        """The layer called `name`; each step copies as much of `tensor` as it has time for.

        Raises:
            DoesNotFit: a step has no time for any byte.
        """
        size = 2 * image_buffer(graph, tensor).words
        prices, free = target.prices, target.step_budget - target.prices["step_restart"]
        chunk = int((free - prices["swap_step"] - prices[self.transfer]) // prices["external_byte"]) // 2 * 2
        chunk = min(chunk, MAX_CHUNK, size)
        if chunk < 2:
            raise DoesNotFit(
                f"{name}: a step of {target.step_cycles:,} cycles is too short to copy two bytes to external memory; "
                f"use a larger --max-step-cycles"
            )
        cuts = [*range(0, size, chunk), size]
        steps = tuple(Step(ends, (0, 1)) for ends in pairwise(cuts))
        return Layer(name, self.kind, tensor, tensor, (steps,) * len(graph.levels), chunk)

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Where the tensor lies, on the chip and in external memory."""
        b = emission.plan.buffer(layer.x)
        return {
            "comment": f"{2 * b.words:,} bytes",
            "place": emission.place(b.arena, b.offset),
            "external": emission.plan.external_address(layer.x),
            "bytes": 2 * b.words,
            "chunk": layer.rows_per_step,
        }

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """Nothing is prepared."""
        first, end = step.channels
        return self._copies(1, end - first)

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """A transfer for each step."""
        return self._copies(len(layer.steps[level]), 2 * plan.buffer(layer.x).words)

    def _copies(self, steps: int, size: int) -> Work:
        work = Work()
        work.add(1, swap_step=steps, external_byte=size, **{self.transfer: steps})
        return work


class SwapOut(_Swap):
    """From the chip to external memory."""

    kind = "swap_out"
    transfer = "external_write"


class SwapIn(_Swap):
    """Back to where it was."""

    kind = "swap_in"
    transfer = "external_read"
