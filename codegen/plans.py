"""All planning of a graph for a target, and what the result is expected to cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from .beside import NOTHING, Beside, choices, choose
from .blobs import blob_bytes
from .cost import Work
from .delta import Images, choose_images, make_images, with_images
from .errors import DoesNotFit
from .external import ExternalImage, build_image
from .ir import Graph
from .layers import KINDS, LeaLayer, SwapOut
from .lea import lea_choices
from .lint import lint_lea
from .memory import MemoryPlan, low_fram_left, place_tensors, plan_memory
from .near import place_near
from .package import HEADER_BYTES, whole_set
from .packing import PackedModel, is_near, pack_weights
from .passes import fuse_clips
from .spill import choose_external
from .swaps import fit_tensors
from .target import TargetSpec
from .tiling import Schedule, plan_schedule

MARK_BYTES = HEADER_BYTES
"""Header of the package that external memory has to do with, before the room for packages."""

_ROUNDS = 4
"""Of placing weights: two suffice unless activations move."""


@dataclass(frozen=True)
class Plans:
    """A graph with clips fused, and how it will run.

    Attributes:
        graph: with the weights of every level; the layers' nodes are dense where they have images.
        overlap: CPU and DMA work while the LEA runs.
        image: of the external memory, if anything lies there.
        beside: images with their patches, and room for packages.
    """

    graph: Graph
    target: TargetSpec
    overlap: bool
    packed: PackedModel
    schedule: Schedule
    memory: MemoryPlan
    image: ExternalImage | None = None
    beside: Beside = NOTHING

    @property
    def images(self) -> Images:
        """Weights of which a switch of level rewrites what differs."""
        return self.beside.images

    @property
    def staging(self) -> int:
        """Bytes in which packages arrive, 0 for a model without updates."""
        return self.beside.staging

    @property
    def updates_outside(self) -> bool:
        """True if a package is staged in external memory or replaces weights there."""
        image = self.image
        return self.staging > 0 and image is not None and bool(image.blobs or self.beside.outside)

    def work(self, level: int) -> list[Work]:
        """Primitives of each layer at `level`."""
        layers = self.schedule.layers
        return [KINDS[layer.kind].work(self.graph, layer, level, self.memory) for layer in layers]

    def cycles(self, level: int) -> list[float]:
        """Expected cycles of each layer at `level`."""
        return [w.cycles(self.target.prices, self.overlap) for w in self.work(level)]

    def joules(self, level: int) -> list[float]:
        """Expected energy of each layer at `level`."""
        return [self.target.energy(w, self.overlap) for w in self.work(level)]


def plan_project(
    graph: Graph,
    target: TargetSpec,
    backend: str = "auto",
    overlap: bool = True,
    external: str = "auto",
    encoding: str | Mapping[str, str] = "auto",
    optimize: str = "latency",
    switching: str = "resident",
    update: int | None = None,
) -> Plans:
    """Choose back ends and encodings, pack, cut into steps and place everything.

    Args:
        backend: `auto`, `cpu` or `lea` (`lea.lea_choices`); changes time, never bits.
        overlap: CPU and DMA work while the LEA runs; changes time, never bits.
        external: `auto`, `all` or `none`: which weights lie in external memory (`spill.choose_external`).
        encoding: of weights that the CPU reads (`packing.pack_weights`); changes bytes and time, never results.
        optimize: `latency`, `energy` or `size`: what decides back end, tile and encoding.
        switching: `resident`, `image` or `auto`: how a switch of level works (`delta.choose_images`).
        update: bytes of high FRAM for packages (`package.whole_set` for 0), `None` for a model without updates.

    Raises:
        TargetError, DoesNotFit, UnsupportedOp, GraphError: see the planning functions.
    """
    whole = fuse_clips(graph)
    names = choose_images(whole, target, backend, overlap, optimize, switching)
    graph = with_images(whole, names)
    *better, last = lea_choices(graph, target, backend, overlap, optimize, names)

    def plan(lea: Mapping[str, LeaLayer]) -> Plans:
        return _plan(whole, graph, target, lea, overlap, external, encoding, optimize, names, update)

    for lea in better:
        with suppress(DoesNotFit):
            return plan(lea)
    return plan(last)


def _plan(
    whole: Graph,
    graph: Graph,
    target: TargetSpec,
    lea: Mapping[str, LeaLayer],
    overlap: bool,
    external: str,
    encoding: str | Mapping[str, str],
    optimize: str,
    names: frozenset[str],
    update: int | None,
) -> Plans:
    """All plans, with what runs on the LEA decided; of `graph` the nodes `names` are dense for their images."""
    columns = {name: choice.packed for name, choice in lea.items()}
    packed = pack_weights(graph, columns, encoding, target, optimize)
    staging = 0 if update is None else update + update % 2 or whole_set(packed.blob_bytes)
    offers = choices(target, external, staging, lambda memory: make_images(whole, columns, names, target, memory))
    packed, schedule, image, beside = _place_weights(graph, packed, target, lea, external, offers, overlap)
    if image is None and any(layer.kind == SwapOut.kind for layer in schedule.layers):
        assert target.external is not None
        image = build_image({}, len(graph.levels), target, target.external)  # a header: which model the part belongs to
    memory = plan_memory(graph, schedule, packed, target, image.end if image else 0)
    lint_lea(graph, schedule, target)
    return Plans(whole, target, overlap, packed, schedule, memory, image, beside)


def _place_weights(
    graph: Graph,
    packed: PackedModel,
    target: TargetSpec,
    lea: Mapping[str, LeaLayer],
    external: str,
    offers: Sequence[Beside],
    overlap: bool,
) -> tuple[PackedModel, Schedule, ExternalImage | None, Beside]:
    """What lies in low FRAM and what in external memory, and the schedule with the transfers of weights.

    Descriptors of transfers take low FRAM, which may move activations to high FRAM, which may send more weights to
    external memory: the second round sees that.
    """
    image: ExternalImage | None = None
    for _ in range(_ROUNDS):
        blobs = image.blobs if image else None
        schedule = plan_schedule(graph, packed, target, lea, blobs, overlap)
        memory = place_tensors(graph, schedule, target)
        near = place_near(schedule, packed, low_fram_left(graph, schedule, memory, target))
        other = plan_schedule(graph, near, target, lea, blobs, overlap)
        # unless the kernels for it take SRAM that convolutions need
        placed, schedule = (near, other) if other.taps == schedule.taps else (packed, schedule)
        room = target.regions["hifram"].size
        if external != "none":
            schedule, memory = fit_tensors(graph, schedule, target, room - _least_weights(placed, offers))
        beside, image = _external_image(graph, placed, target, external, room - memory.far_bytes, offers)
        placed = replace(placed, patch_bytes=beside.chip_bytes)
        if set(image.blobs if image else ()) == set(blobs or ()):
            break
    return placed, schedule, image, beside


def _least_weights(packed: PackedModel, offers: Sequence[Beside]) -> int:
    """Bytes of high FRAM that weights take at least: what can't leave it, and a working buffer for the rest."""
    images = offers[0].images.initial
    movable = [p.blob_bytes for name, p in packed.layers.items() if name not in images]
    fixed = min(b.chip_bytes for b in offers) + sum(packed.layers[name].blob_bytes for name in images)
    return fixed + max(movable, default=0)


def _external_image(
    graph: Graph, packed: PackedModel, target: TargetSpec, mode: str, room: int, offers: Sequence[Beside]
) -> tuple[Beside, ExternalImage | None]:
    """What lies beside the weights, and the image of the external memory if `room` bytes of high FRAM are too few.

    Images stay on the chip.
    """
    levels, images = len(graph.levels), offers[0].images.initial
    room -= sum(packed.layers[name].blob_bytes for name in images)
    movable = {n: p for n, p in packed.layers.items() if n not in images and (mode == "all" or not is_near(p))}
    beside = choose(offers, room - sum(p.blob_bytes for p in movable.values()))
    names = choose_external(replace(packed, layers=movable), levels, target, mode, room - beside.chip_bytes)
    if not names and not beside.outside:
        return beside, None
    assert target.external is not None
    contents = {n: (packed.layers[n], blob_bytes(packed.layers[n])) for n in names}
    patches = beside.images.weights if beside.images.outside else b""
    staging = MARK_BYTES if beside.staging else 0
    staging += beside.staging if beside.staging_outside else 0
    return beside, build_image(contents, levels, target, target.external, patches, staging)
