"""Which weights lie in low FRAM: those of fully connected layers on the CPU, as far as there is room.

Below 64 KB a weight is read with a 16-bit address, a cycle faster. Only kernels that use each weight once gain from it.
"""

from __future__ import annotations

from dataclasses import replace

from .encodings import RowLayer, has_near_kernel
from .ops import FullyConnected
from .packing import PackedModel
from .tiling import Schedule

MARGIN = 1024
"""Bytes of low FRAM that stay free: code and constants beside the reserve, which is an estimate."""


def place_near(schedule: Schedule, packed: PackedModel, room: int) -> PackedModel:
    """`packed` with the blobs marked that lie in `room` bytes of low FRAM; the largest first.

    Weights in external memory stay there: their working buffer is in high FRAM.
    """
    fetched = {layer.fetch.node for layer in schedule.layers if layer.fetch}
    found: dict[str, RowLayer] = {}
    for layer in schedule.layers:
        node, p = layer.node, layer.packed
        if node is None or not isinstance(p, RowLayer) or not isinstance(node.op, FullyConnected):
            continue
        if has_near_kernel(p) and node.name not in fetched:
            found[node.name] = p
    layers, left = dict(packed.layers), room - MARGIN
    for name, p in sorted(found.items(), key=lambda item: -item[1].blob_bytes):
        if p.blob_bytes <= left:
            left -= p.blob_bytes
            layers[name] = replace(p, near=True)
    return replace(packed, layers=layers)
