"""The image of an external memory: packed weights that high FRAM can't hold. `firmware/FORMAT.md` has every byte.

A blob lies there as it would lie in high FRAM. Before its layer runs, steps copy it into a working buffer, a chunk
each, and of every chunk only the runs of bytes that the level of the inference reads: lists of runs stand behind the
blob. The header names the contents, so that a device never computes with another model's weights.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .column import ColumnLayer
from .encodings.base import RowLayer
from .errors import DoesNotFit
from .packing import Packed
from .target import ExternalMemory, TargetSpec

FILE = "weights_external.bin"
"""What the external memory must hold."""

MAGIC, VERSION = b"SWXF", 1
HEADER_BYTES, ENTRY_BYTES, RUN_BYTES = 32, 8, 4
RUNS_AT_ONCE = 12
"""Runs that the firmware reads of a list in one transfer (sw_fetch_weights.c)."""

MAX_CHUNK = 2**16 - 2
"""Bytes of a run are counted in 16 bits."""

Range = tuple[int, int]
"""Bytes `[first, end)` of a blob."""


@dataclass(frozen=True)
class ExternalBlob:
    """A blob in external memory.

    Attributes:
        node: whose weights.
        address: of its first byte in external memory.
        size: in bytes.
        directory: address of the entries that lead to the runs.
        chunk: bytes that one step copies at most; the last one of the blob may be shorter.
        runs: for each chunk and level, the bytes to copy; in order, inside the chunk.
    """

    node: str
    address: int
    size: int
    directory: int
    chunk: int
    runs: tuple[tuple[tuple[Range, ...], ...], ...]

    def bytes_read(self, level: int) -> int:
        """Bytes on the bus at `level`, lists of runs included, commands not."""
        own = sum(end - first for chunk in self.runs for first, end in chunk[level])
        return own + sum(ENTRY_BYTES + RUN_BYTES * len(chunk[level]) for chunk in self.runs)

    def transfers(self, level: int) -> int:
        """Commands on the bus at `level`."""
        return sum(len(transfer_sizes(chunk[level])) for chunk in self.runs)

    def cycles(self, level: int, memory: ExternalMemory) -> float:
        """Estimate of all its steps at `level`."""
        return sum(step_cycles(chunk[level], memory) for chunk in self.runs)


@dataclass(frozen=True)
class ExternalImage:
    """All of external memory that a model uses.

    Attributes:
        blobs: by node.
        data: header, blobs and their lists of runs, weights of patches.
        patches: address of the weights of patches; the end of the data if there are none.
        staging: address of the mark and the room for packages, even, behind the data.
        end: of that room, even; activations may lie behind it.
    """

    blobs: Mapping[str, ExternalBlob]
    data: bytes
    patches: int
    staging: int
    end: int

    @property
    def header(self) -> bytes:
        """The bytes that a device compares with its own."""
        return self.data[:HEADER_BYTES]


def step_cycles(runs: Iterable[Range], memory: ExternalMemory) -> float:
    """Estimate of a step."""
    return memory.step_cycles + sum(memory.cycles(size) for size in transfer_sizes(runs))


def transfer_sizes(runs: Iterable[Range]) -> list[int]:
    """Bytes of each transfer of a step: its entry, its list, its runs."""
    sizes = [end - first for first, end in runs]
    lists = [min(RUNS_AT_ONCE, len(sizes) - i) * RUN_BYTES for i in range(0, len(sizes), RUNS_AT_ONCE)]
    return [ENTRY_BYTES, *lists, *sizes]


def level_ranges(packed: Packed, level: int) -> list[Range]:
    """Bytes of the blob that the kernels read at `level`, in order."""
    if isinstance(packed, ColumnLayer):
        return _column_ranges(packed, level)
    return _row_ranges(packed, level)


def _column_ranges(packed: ColumnLayer, level: int) -> list[Range]:
    """The first columns of every row (convolution) or tile (fully connected)."""
    found = []
    width = packed.tile or 1
    for offset, group in zip(packed.offsets, packed.groups, strict=True):
        pitch, used = 2 * len(group.weights) * width, 2 * group.counts[level] * width
        found += [(offset + pitch * i, offset + pitch * i + used) for i in range(-(-group.rows // width))]
    return found


def _row_ranges(packed: RowLayer, level: int) -> list[Range]:
    """The first weights of every row and their part of the index, and all counts."""
    counts = packed.counts
    if not counts.shape[1]:
        return [(0, packed.blob_bytes)]
    found = [(packed.counts_offset, packed.counts_offset + counts.size * packed.count_bytes)]
    weights, index = 0, packed.index_offset
    for row in range(packed.rows):
        own = [int(n) for n in counts[0 if packed.shared else row]]
        size = packed.weight_size
        found.append((weights, weights + size * sum(own[: level + 1])))
        weights += size * sum(own)
        if row == 0 or not packed.shared:
            runs = [packed.run_index_bytes(n) for n in own]
            found.append((index, index + sum(runs[: level + 1])))
            index += sum(runs)
    return sorted(found)


def merge_ranges(ranges: Iterable[Range], gap: int) -> list[Range]:
    """`ranges` in order, without empty ones; what lies at most `gap` bytes apart becomes one."""
    merged: list[Range] = []
    for first, end in sorted(ranges):
        if first == end:
            continue
        if merged and first - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((first, end))
    return merged


def cut_ranges(ranges: Iterable[Range], size: int, chunk: int) -> list[tuple[Range, ...]]:
    """`ranges` for each chunk of a blob of `size` bytes."""
    found: list[list[Range]] = [[] for _ in range(0, size, chunk)]
    for first, end in ranges:
        for i in range(first // chunk, (end - 1) // chunk + 1):
            found[i].append((max(first, i * chunk), min(end, (i + 1) * chunk)))
    return [tuple(runs) for runs in found]


def chunk_bytes(target: TargetSpec, memory: ExternalMemory) -> int:
    """The most that one step may copy, in one run.

    More runs cost no more: a gap is left out only where that saves cycles.

    Raises:
        DoesNotFit: a step has no time for any byte.
    """
    free = target.step_budget - target.prices["step_restart"] - step_cycles([(0, 0)], memory)
    chunk = min(int(free // memory.byte_cycles) // 2 * 2, MAX_CHUNK)
    if chunk < 2:
        raise DoesNotFit(
            f"{target.name}: a step of {target.step_cycles:,} cycles is too short to read external memory, which takes "
            f"{step_cycles([(0, 2)], memory):,.0f} cycles; use a larger --max-step-cycles"
        )
    return chunk


def worth_skipping(memory: ExternalMemory) -> int:
    """Gaps of so many bytes are read; longer ones cost more than a run of their own."""
    return int(memory.read_cycles // memory.byte_cycles) + RUN_BYTES


def plan_blob(packed: Packed, levels: int, target: TargetSpec, memory: ExternalMemory, address: int) -> ExternalBlob:
    """Chunks and runs of one blob that starts at `address`, its directory right behind it."""
    size, chunk = packed.blob_bytes, chunk_bytes(target, memory)
    by_level = [
        cut_ranges(merge_ranges(level_ranges(packed, k), worth_skipping(memory)), size, chunk) for k in range(levels)
    ]
    runs = tuple(zip(*by_level, strict=True))
    return ExternalBlob(packed.node, address, size, address + size, chunk, runs)


def build_image(
    blobs: Mapping[str, tuple[Packed, bytes]],
    levels: int,
    target: TargetSpec,
    memory: ExternalMemory,
    patches: bytes = b"",
    staging: int = 0,
) -> ExternalImage:
    """Lay out `blobs` (packed weights and their bytes, by node) one after another, and `patches` behind them.

    Args:
        staging: bytes to keep free behind all that, for packages.

    Raises:
        DoesNotFit: they exceed the external memory.
    """
    planned: dict[str, ExternalBlob] = {}
    parts: list[bytes] = []
    at = HEADER_BYTES
    for node, (packed, content) in blobs.items():
        assert len(content) == packed.blob_bytes
        blob = plan_blob(packed, levels, target, memory, at)
        lists = _lists(blob)
        parts += [content, lists]
        planned[node] = blob
        at += len(content) + len(lists)
    start = at
    parts.append(patches)
    at += len(patches)
    room = at + at % 2
    if room + staging > memory.size:
        packages = f" and packages {staging:,} B" if staging else ""
        raise DoesNotFit(
            f"weights and their lists need {at:,} B{packages} of external memory, {memory.part} has {memory.size:,} B "
            f"({room + staging - memory.size:,} B too many); use a sparser densest level, weights pruned by columns "
            "or a smaller model" + (", or a smaller --update" if staging else "")
        )
    payload = b"".join(parts)
    header = struct.pack(
        "<4sHHII16s", MAGIC, VERSION, levels, at, zlib.crc32(payload), hashlib.sha256(payload).digest()
    )
    return ExternalImage(planned, header + payload, start, room, room + staging)


def _lists(blob: ExternalBlob) -> bytes:
    """The directory and the runs that it leads to."""
    directory, runs = bytearray(), bytearray()
    start = blob.directory + ENTRY_BYTES * sum(len(chunk) for chunk in blob.runs)
    for i, chunk in enumerate(blob.runs):
        for ranges in chunk:
            directory += struct.pack("<IHH", start + len(runs), len(ranges), 0)
            at = i * blob.chunk
            for first, end in ranges:
                runs += struct.pack("<HH", first - at, end - first)
                at = end
    return bytes(directory + runs)


def read_runs(data: bytes, blob: ExternalBlob, chunk: int, level: int) -> tuple[Range, ...]:
    """Runs of one chunk and level, from the image alone."""
    levels = struct.unpack_from("<H", data, 6)[0]
    address, count, _ = struct.unpack_from("<IHH", data, blob.directory + ENTRY_BYTES * (chunk * levels + level))
    found, at = [], chunk * blob.chunk
    for i in range(count):
        skip, size = struct.unpack_from("<HH", data, address + RUN_BYTES * i)
        found.append((at + skip, at + skip + size))
        at += skip + size
    return tuple(found)
