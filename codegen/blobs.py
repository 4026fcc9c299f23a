"""Packed weights as assembler data, and as the bytes that it makes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .column import ColumnLayer
from .delta import Images
from .ops import Array
from .packing import Packed, is_near


def blob_context(packed: Packed, index: int, image: Array | None = None) -> dict[str, Any]:
    """Index, name, comment and parts `(directive, lines)` of a blob; an image starts as `image`."""
    return {
        "index": index,
        "name": packed.node,
        "encoding": packed.encoding,
        "bytes": packed.blob_bytes,
        "near": is_near(packed),
        "image": image is not None,
        "parts": _parts(packed) if image is None else [(".short", _lines(image))],
    }


def patch_context(images: Images) -> list[dict[str, Any]]:
    """Where the headers and the weights of each chunk of the patches begin, and both."""
    headers = np.cumsum([0, *(len(c.headers) for c in images.chunks)])
    weights = np.cumsum([0, *(len(c.weights) for c in images.chunks)])
    return [
        {
            "chunk": chunk,
            "headers_at": int(header),
            "weights_at": int(weight),
            "headers": _lines(np.frombuffer(chunk.headers, "<u2")),
            "weights": _lines(np.frombuffer(chunk.weights, "<i2")),
        }
        for header, weight, chunk in zip(headers[:-1], weights[:-1], images.chunks, strict=True)
    ]


def blob_bytes(packed: Packed) -> bytes:
    """What the assembler makes of it."""
    types = {".short": "<u2", ".byte": "u1"}
    return b"".join(
        (np.array(", ".join(lines).split(", "), np.int64) if lines else np.zeros(0, np.int64))
        .astype(types[directive])
        .tobytes()
        for directive, lines in _parts(packed)
    )


def _parts(packed: Packed) -> Iterable[tuple[str, list[str]]]:
    if isinstance(packed, ColumnLayer):
        return [(".short", _lines(packed.blob))]
    parts = []
    for values, size in (
        (packed.weights, packed.weight_size),
        (packed.counts.reshape(-1), packed.count_bytes),
        (packed.index, 1),
    ):
        padded = np.append(values, 0) if size * len(values) % 2 else values
        parts.append((".byte", _lines(padded, 24)) if size == 1 else (".short", _lines(padded)))
    return parts


def _lines(values: np.ndarray[Any, Any], per_line: int = 16) -> list[str]:
    items = [str(int(v)) for v in values]
    return [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
