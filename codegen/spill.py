"""Which blobs of weights stay in high FRAM and which lie in external memory.

A blob in external memory costs its transfer in every inference; all of them share one working buffer in high FRAM, as
large as the largest. High FRAM keeps what saves most transfer time per byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import DoesNotFit, TargetError
from .external import plan_blob
from .packing import PackedModel
from .target import TargetSpec

MODES = ("auto", "all", "none")


@dataclass(frozen=True)
class ResidentBlob:
    """A blob that may stay: its size in bytes and what that saves, in cycles over all levels."""

    size: int
    saving: float


def choose_external(packed: PackedModel, levels: int, target: TargetSpec, mode: str, room: int) -> tuple[str, ...]:
    """Nodes whose weights lie in external memory, in the order of `packed`.

    Args:
        mode: `auto`: as few as `room` bytes of high FRAM allow; `all`; `none`.

    Raises:
        TargetError: an unknown mode, or `all` for a board without external memory.
        DoesNotFit: no choice leaves room for the working buffer.
    """
    if mode not in MODES:
        raise TargetError(f"external {mode!r} is unknown; choose {', '.join(MODES)}")
    if mode == "none" or not packed.layers:
        return ()
    memory = target.external
    if memory is None:
        if mode == "all":
            raise TargetError(f"{target.name} has no external memory; use --external auto or none")
        return ()
    if mode == "auto" and packed.blob_bytes <= room:
        return ()
    largest = max(packed.layers.values(), key=lambda p: p.blob_bytes)
    if mode == "all":
        if largest.blob_bytes > room:
            raise DoesNotFit(_too_large(largest.node, largest.blob_bytes, room, target))
        return tuple(packed.layers)
    offers = {}
    for name, p in packed.layers.items():
        blob = plan_blob(p, levels, target, memory, 0)
        offers[name] = ResidentBlob(p.blob_bytes, sum(blob.cycles(k, memory) for k in range(levels)))
    kept = keep(offers, room)
    if kept is None:
        raise DoesNotFit(_too_large(largest.node, largest.blob_bytes, room, target))
    return tuple(name for name in packed.layers if name not in kept)


def keep(offers: Mapping[str, ResidentBlob], room: int) -> set[str] | None:
    """Names that stay in `room` bytes beside a working buffer as large as the largest of the others.

    For every size of the working buffer: what is larger must stay, the rest is taken by saving per byte or the largest
    saving first, whichever keeps more: at least half of what any choice saves. `None` if nothing fits.
    """
    best: set[str] | None = None
    best_saving = -1.0
    for buffer in sorted({o.size for o in offers.values()} | {0}):
        must = {name for name, o in offers.items() if o.size > buffer}
        room_left = room - buffer - sum(offers[name].size for name in must)
        if room_left < 0:
            continue
        by_rate = sorted(set(offers) - must, key=lambda n: (-offers[n].saving / max(offers[n].size, 1), n))
        by_saving = sorted(set(offers) - must, key=lambda n: (-offers[n].saving, n))
        for order in (by_rate, by_saving):
            kept, free = set(must), room_left
            for name in order:
                if offers[name].size <= free:
                    kept.add(name)
                    free -= offers[name].size
            _fill(kept, offers, room)
            saving = sum(offers[name].saving for name in kept)
            if saving > best_saving:
                best, best_saving = kept, saving
    return best


def _fill(kept: set[str], offers: Mapping[str, ResidentBlob], room: int) -> None:
    """Keep more where the working buffer came out smaller than it may be."""
    for name in sorted(set(offers) - kept, key=lambda n: (-offers[n].saving, n)):
        outside = [o.size for n, o in offers.items() if n not in kept and n != name]
        if sum(offers[n].size for n in kept) + offers[name].size + max(outside, default=0) <= room:
            kept.add(name)


def _too_large(node: str, size: int, room: int, target: TargetSpec) -> str:
    return (
        f"{node}: its weights in external memory need a working buffer of {size:,} B, {room:,} B of high FRAM are free "
        f"on {target.name} ({size - room:,} B too few); use a sparser densest level or a smaller layer"
    )
