"""`CProject`: a graph and its plans as C text. Same input, same bytes; no clock, no path of any machine.

Templates lay out data and calls; arithmetic lives in `firmware/kernels`. `project.json` lists the firmware
sources that the model needs, so that a build compiles nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from pydantic import BaseModel, ConfigDict

from .column import ColumnLayer
from .errors import GraphFileError
from .files import replace_folder
from .ir import Graph
from .lea import plan_lea
from .memory import Buffer, MemoryPlan, plan_memory
from .ops import Array, AvgPool, Conv2d, WeightedOp
from .packing import Packed, PackedModel, pack_weights
from .passes import fuse_relu
from .serialize import graph_arrays, graph_to_dict, load_graph, npz_bytes
from .target import TargetSpec
from .tiling import LOAD, Layer, Schedule, plan_schedule

MANIFEST = "project.json"
FORMAT = 1
BUILDS = ("zig", "gcc", "host")
"""Sub-folders that `build` makes, one for each toolchain."""

_SOURCES = {
    "load": ["src/sw_io.c"],
    "store": ["src/sw_io.c"],
    "conv2d": ["src/sw_conv2d.c", "src/sw_weights.c", "src/sw_io.c"],
    "fully_connected": ["src/sw_fully_connected.c", "src/sw_weights.c", "src/sw_io.c"],
    "conv2d_lea": ["src/sw_conv2d_lea.c", "src/sw_io.c"],
    "fully_connected_lea": ["src/sw_fully_connected_lea.c"],
    "pool": ["src/sw_pool.c", "src/sw_io.c"],
    "relu": ["src/sw_relu.c", "src/sw_io.c"],
}
_KERNELS = {
    "store": ["sw_argmax_s16_cpu"],
    "conv2d": [
        "sw_conv2d_taps_s16_cpu", "sw_taps_csr_s16_cpu", "sw_taps_dense_s16_cpu", "sw_requant_s16_cpu",
        "sw_requant15_s16_cpu", "sw_load_u8", "sw_load_u16",
    ],
    "fully_connected": [
        "sw_dot_csr_s16_cpu", "sw_dot_dense_s16_cpu", "sw_requant_s16_cpu", "sw_requant15_s16_cpu",
        "sw_load_u8", "sw_load_u16",
    ],
    "conv2d_lea": [
        "sw_mpymatrixrow_s16_lea", "sw_lea_wait", "sw_fetch_s16_dma", "sw_load_u16", "sw_gather_rows_s16_dma",
        "sw_gather_rows_s16_cpu", "sw_clip_s16_cpu", "sw_clip_avgpool_s16_cpu",
    ],
    "fully_connected_lea": [
        "sw_mpymatrixrow_s16_lea", "sw_lea_wait", "sw_fetch_s16_dma", "sw_load_u16", "sw_gather_s16_cpu",
        "sw_clip_s16_cpu",
    ],
    "pool": ["sw_avgpool_s16_cpu", "sw_maxpool_s16_cpu"],
}  # fmt: skip


@dataclass(frozen=True)
class CProject:
    """Text of every file by name, with the plans behind it."""

    graph: Graph
    target: TargetSpec
    packed: PackedModel
    schedule: Schedule
    plan: MemoryPlan
    files: Mapping[str, str | bytes]


def emit_project(graph: Graph, target: TargetSpec, backend: str = "auto", overlap: bool = True) -> CProject:
    """Plan, pack and write `graph` as a C project for `target`.

    Args:
        backend: `auto`, `cpu` or `lea` (`lea.plan_lea`); changes time, never bits.
        overlap: CPU and DMA work while the LEA runs; changes time, never bits.

    Raises:
        TargetError, DoesNotFit, UnsupportedOp, GraphError: see the planning functions.
    """
    graph = fuse_relu(graph)
    lea = plan_lea(graph, target, backend, overlap)
    packed = pack_weights(graph, {name: choice.packed for name, choice in lea.items()})
    schedule = plan_schedule(graph, packed, target, lea)
    plan = plan_memory(graph, schedule, packed, target)
    structure = json.dumps(graph_to_dict(graph), indent=1) + "\n"
    arrays = npz_bytes(graph_arrays(graph))
    digest = hashlib.sha256(structure.encode() + arrays).hexdigest()
    context = {
        "graph": graph,
        "target": target,
        "schedule": schedule,
        "plan": plan,
        "packed": packed,
        "overlap": overlap,
        "generator": f"swtrain {_version()}",
        "digest": digest,
        "layers": [_layer_context(graph, layer, schedule, plan, packed) for layer in schedule.layers],
        "blobs": [_blob_context(p, len(graph.levels)) for p in packed.layers.values()],
        "sources": _collect(schedule, _SOURCES, ["src/sw_run.c"]),
        "kernels": _collect(schedule, _KERNELS, []),
    }
    files: dict[str, str | bytes] = {
        name: _environment().get_template(f"{name}.j2").render(context)
        for name in ("model.c", "model.h", "weights.S", "project.mk")
    }
    files["graph.json"], files["graph.npz"] = structure, arrays
    files[MANIFEST] = json.dumps(_manifest(graph, target, schedule, packed, plan, context), indent=1) + "\n"
    return CProject(graph, target, packed, schedule, plan, files)


def write_project(project: CProject, folder: Path) -> None:
    """Write `project` as `folder`, all at once; an older project there is replaced, a user's own files stay.

    Raises:
        OutputError: the folder holds something else, or can't be written.
    """
    replace_folder(folder, project.files, derived=BUILDS)


class _Layer(BaseModel):
    """A layer in the manifest: what a report and a debugger need to know of it."""

    model_config = ConfigDict(strict=True)
    name: str
    function: str
    tensor: str
    storage: dict[str, int | list[int]]
    encoding: str
    backend: str
    macs: list[int]
    nnz: list[int]
    weight_bytes: list[int]
    index_bytes: list[int]


class _Manifest(BaseModel):
    """What every reader of `project.json` relies on."""

    model_config = ConfigDict(strict=True)
    model: str
    target: str
    digest: str
    sources: list[str]
    kernels: list[str]
    layers: list[_Layer]
    weight_bytes: list[int]
    index_bytes: list[int]


@dataclass(frozen=True)
class ProjectFolder:
    """An emitted project on disk: its graph and its manifest."""

    folder: Path
    graph: Graph
    manifest: Mapping[str, Any]


def read_project(folder: Path) -> ProjectFolder:
    """Read a folder that `write_project` made.

    Raises:
        GraphFileError: not a project, corrupt, or of another format version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise GraphFileError(
            f"{folder} is not an emitted project (no {MANIFEST}); make it with `swtrain emit-c RUN --out {folder}`"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["format"]
        if found == FORMAT:
            _Manifest.model_validate(manifest)
    except (OSError, RecursionError, ValueError, KeyError, TypeError) as e:
        raise GraphFileError(f"{path} is corrupt ({' '.join(str(e).split())[:200]}); emit the project again") from e
    if found != FORMAT:
        raise GraphFileError(f"{path} has format {found}, this version reads {FORMAT}; emit the project again")
    return ProjectFolder(folder, load_graph(folder), manifest)


def _version() -> str:
    try:
        return version("swtrain")
    except PackageNotFoundError:
        return "0+unknown"


def _comment(text: object) -> str:
    """Any text as part of a one-line C comment: a newline or a last backslash would end the comment elsewhere."""
    plain = str(text)
    return plain if re.fullmatch(r"[\w .,:;%+<>()/#='{}\[\]-]*", plain, re.ASCII) else json.dumps(plain)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("codegen"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["comment"] = _comment
    return environment


def _collect(schedule: Schedule, table: Mapping[str, list[str]], first: list[str]) -> list[str]:
    names = dict.fromkeys(first)
    for layer in schedule.layers:
        names |= dict.fromkeys(table.get(layer.kind, []))
    return list(names)


def _image(plan: MemoryPlan, tensor: str) -> str:
    b = plan.buffer(tensor)
    c, h, w = b.shape
    return f"{{sw_arena + {b.data}, {b.pitch}, {b.plane}, {c}, {h}, {w}, {', '.join(map(str, b.border))}}}"


def _layer_context(
    graph: Graph, layer: Layer, schedule: Schedule, plan: MemoryPlan, packed: PackedModel
) -> dict[str, Any]:
    x, y = plan.buffer(layer.x), graph.tensors[layer.y]
    staged = layer.name in plan.staged
    start = x.data
    if layer.node is not None and isinstance(layer.node.op, Conv2d):
        start -= layer.node.op.padding[0] * x.pitch + layer.node.op.padding[1]
    context: dict[str, Any] = {
        "name": layer.name,
        "kind": layer.kind,
        "steps": len(layer.steps),
        "rows_per_step": layer.rows_per_step,
        "x": f"sw_lea_ram + {start - x.offset}" if staged else f"sw_arena + {start}",
        "x_words": graph.tensors[layer.x].size,
        "x_pitch": x.pitch,
        "x_plane": x.plane,
        "stage": f"{{sw_arena + {x.offset}, {x.words}}}" if staged else "{0, 0}",
        "y": _image(plan, layer.y),
        "y_pitch": plan.buffer(layer.y).pitch,
        "y_data": f"sw_arena + {plan.buffer(layer.y).data}",
        "lo": _c_int(y.lo),
        "hi": y.hi,
        "comment": "",
    }
    if layer.node is not None:
        op = layer.node.op
        context["op"] = op
        context["comment"] = f"{op.kind} {graph.tensors[layer.x].shape} -> {y.shape} {op.attributes() or ''}".rstrip()
        if isinstance(op, AvgPool):
            context["multiplier"], context["shift"] = op.scale
        else:
            context["multiplier"], context["shift"] = 1, 0
        if len(y.shape) == 3:
            context["out_h"], context["out_w"] = y.shape[1:]
    if isinstance(layer.packed, ColumnLayer):
        context |= _columns_context(graph, layer, list(packed.layers).index(layer.name), x)
    elif layer.packed is not None:
        assert layer.node is not None and layer.node.params is not None
        p, params = layer.packed, layer.node.params
        context |= {
            "requant": f"{{{params.shift}, {_c_int(y.lo)}, {y.hi}}}",
            "rows": len(params.bias),
            "bias": [int(b) for b in params.bias],
            "steps_per_channel": len(layer.steps) // len(params.bias) if layer.kind == "conv2d" else 0,
            "weights": (
                f"{{{list(packed.layers).index(layer.name)}, SW_{p.encoding.upper()}, {p.count_bytes}, "
                f"{params.weight[0].size}, {p.deltas_offset}, {p.counts_offset}}}"
            ),
        }
    return context


def _columns_context(graph: Graph, layer: Layer, blob: int, x: Buffer) -> dict[str, Any]:
    """A layer on the LEA: its groups, their taps as byte offsets from the first element of the window."""
    assert isinstance(layer.packed, ColumnLayer) and layer.lea is not None and layer.node is not None
    assert layer.node.params is not None
    before = graph.tensors[layer.node.output]
    _, height, width = before.shape if len(before.shape) == 3 else (0, 0, 0)
    lists = layer.packed.lists()
    number = {i: k for k, (_, members) in enumerate(lists) for i in members}
    return {
        "blob": blob,
        "constants": layer.packed.constants,
        "taps": [[int(t) for t in _tap_bytes(layer, group.taps, x)] for group, _ in lists],
        "counts": [group.counts for group, _ in lists],
        "groups": [
            (layer.packed.offsets[i], g.first, g.rows, len(g.weights), number[i])
            for i, g in enumerate(layer.packed.groups)
        ],
        "tile": layer.lea.tile,
        "width": layer.lea.width,
        "height": height,
        "pool": int(layer.lea.pool is not None),
        "lo": _c_int(before.lo),
        "hi": before.hi,
        "gather": f"sw_gather_rows_s16_{'dma' if width and layer.node.op.stride[1] == 1 else 'cpu'}"
        if isinstance(layer.node.op, Conv2d)
        else "",
    }


def _tap_bytes(layer: Layer, taps: Array, x: Buffer) -> Array:
    assert layer.node is not None
    if not isinstance(layer.node.op, Conv2d):
        return 2 * taps
    kh, kw = layer.node.op.kernel
    channel, row, column = taps // (kh * kw), taps // kw % kh, taps % kw
    offsets: Array = 2 * (channel * x.plane + row * x.pitch + column)
    return offsets


def _c_int(value: int) -> str:
    # -32768 is not an int16 literal in C: it is the negation of 32768, a long
    return "-32767 - 1" if value == -32768 else str(value)


def _lines(values: np.ndarray[Any, Any], per_line: int = 16) -> list[str]:
    items = [str(int(v)) for v in values]
    return [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]


def _blob_context(packed: Packed, levels: int) -> dict[str, Any]:
    """Name, comment and parts `(directive, lines)` of a blob."""
    if isinstance(packed, ColumnLayer):
        parts = [(".short", _lines(packed.blob))]
    else:
        counts = ".byte" if packed.count_bytes == 1 else ".short"
        parts = [
            (".short", _lines(packed.weights)),
            (counts, _lines(packed.counts.reshape(-1))),
            (".byte", _lines(packed.deltas, 24)),
        ]
        if (packed.deltas_offset + len(packed.deltas)) % 2:
            parts.append((".byte", ["0"]))
    return {"name": packed.node, "encoding": packed.encoding, "bytes": packed.blob_bytes, "parts": parts}


def _executed_macs(graph: Graph, layer: Layer, level: int) -> int:
    """Multiply-accumulates that `level` executes, padding included."""
    if layer.packed is None:
        return 0
    assert layer.node is not None and isinstance(layer.node.op, WeightedOp)
    uses = layer.node.op.uses(graph.tensors[layer.x].shape)
    if layer.lea is not None and layer.lea.width:  # an odd output row gets a column more
        shape = graph.tensors[layer.node.output].shape
        uses = shape[1] * layer.lea.width
    return layer.packed.entries(level) * uses


def _storage(plan: MemoryPlan, tensor: str) -> dict[str, Any]:
    """Where `tensor` lies in `sw_arena`, in words."""
    b = plan.buffer(tensor)
    return {"data": b.data, "pitch": b.pitch, "plane": b.plane, "shape": list(b.shape)}


def _manifest(
    graph: Graph,
    target: TargetSpec,
    schedule: Schedule,
    packed: PackedModel,
    plan: MemoryPlan,
    context: Mapping[str, Any],
) -> dict[str, Any]:
    count = len(graph.levels)
    return {
        "format": FORMAT,
        "generator": context["generator"],
        "model": graph.name,
        "target": target.name,
        "digest": context["digest"],
        "input": LOAD,
        "sources": context["sources"],
        "kernels": context["kernels"],
        "layers": [
            {
                "name": layer.name,
                "function": layer.kind,
                "tensor": layer.y,
                "storage": _storage(plan, layer.y),
                "kind": layer.node.op.kind if layer.node else layer.kind,
                "encoding": layer.encoding,
                "backend": "lea" if layer.lea else "cpu",
                "steps": len(layer.steps),
                "macs": [_executed_macs(graph, layer, k) for k in range(count)],
                "nnz": [layer.node.params.nnz(k) if layer.node and layer.node.params else 0 for k in range(count)],
                "weight_bytes": [layer.packed.weight_bytes(k) if layer.packed else 0 for k in range(count)],
                "index_bytes": [layer.packed.index_bytes(k) if layer.packed else 0 for k in range(count)],
                "staged": layer.name in plan.staged,
            }
            for layer in schedule.layers
        ],
        "weight_bytes": [packed.weight_bytes(k) for k in range(count)],
        "index_bytes": [packed.index_bytes(k) for k in range(count)],
        "blob_bytes": packed.blob_bytes,
        "arena_bytes": 2 * plan.arena_words,
        "lea_bytes": 2 * plan.lea_words,
    }
