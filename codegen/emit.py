"""`CProject`: a graph and its plans as C text. Same input, same bytes; no clock, no path of any machine.

Templates lay out data and calls; arithmetic lives in `firmware/kernels`. `project.json` lists the firmware
sources that the model needs, so that a build compiles nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
from pydantic import BaseModel, ConfigDict

from .blobs import blob_context, patch_context
from .boards import board_folders
from .delta import Images
from .errors import GraphFileError
from .external import FILE, ExternalImage
from .files import replace_folder
from .image import Segment, to_intel_hex
from .ir import Graph
from .layers import KINDS, LOAD, Emission, common
from .memory import MemoryPlan
from .packing import PackedModel
from .plans import MARK_BYTES, Plans, plan_project
from .serialize import graph_arrays, graph_to_dict, load_graph, npz_bytes
from .target import TargetSpec
from .tiling import Schedule

MANIFEST = "project.json"
FORMAT = 1
ARENAS = ("sw_arena", "sw_far_arena")
"""Symbols of `buffers.NEAR` and `buffers.FAR`."""
EXTERNAL = FILE
EXTERNAL_BOARD = ("external.c", "external_dma.S")
"""The board's driver of external memory."""
RUNTIME = ("src/sw_run.c", "src/sw_handover.c")
"""Firmware of every model."""
UPDATE = ("src/sw_update.c", "src/sw_crc.c", "src/sw_staging.c")
"""What replaces weights in the field."""
UPDATE_EXTERNAL = ("src/sw_update.c", "src/sw_crc.c", "src/sw_staging_external.c", "src/sw_external.c")
"""The same where external memory has to do with it."""
READY: tuple[tuple[str, Callable[[Plans], bool]], ...] = (
    ("sw_update_finish", lambda p: p.staging > 0),
    ("sw_external_check", lambda p: p.image is not None and bool(p.image.blobs or p.memory.swapped)),
    ("sw_switch_finish", lambda p: bool(p.images.initial)),
)
"""What must be done before an inference, in this order."""
SWITCH = ("src/sw_switch.c",)
"""How a model without images switches levels."""
SWITCH_IMAGE = ("src/sw_switch_image.c", "src/sw_patch_weights.c")
SWITCH_EXTERNAL = ("src/sw_switch_image.c", "src/sw_patch_weights_external.c", "src/sw_external.c")
"""How one with images does: the weights of the patches lie on the chip, or in external memory."""
BUILDS = ("zig", "gcc", "gcc-large", "host")
"""Sub-folders that `build` makes, one for each toolchain."""


@dataclass(frozen=True)
class CProject:
    """Text of every file by name, with the plans behind it."""

    graph: Graph
    target: TargetSpec
    packed: PackedModel
    schedule: Schedule
    plan: MemoryPlan
    image: ExternalImage | None
    images: Images
    files: Mapping[str, str | bytes]


def emit_project(
    graph: Graph,
    target: TargetSpec,
    backend: str = "auto",
    overlap: bool = True,
    external: str = "auto",
    encoding: str | Mapping[str, str] = "auto",
    optimize: str = "latency",
    switching: str = "resident",
    update: int | None = None,
    model_version: int = 1,
) -> CProject:
    """Plan, pack and write `graph` as a C project for `target`.

    Args:
        backend: `auto`, `cpu` or `lea` (`lea.lea_choices`); changes time, never bits.
        overlap: CPU and DMA work while the LEA runs; changes time, never bits.
        encoding: of weights that the CPU reads (`packing.pack_weights`); changes bytes and time, never results.
        optimize: `latency`, `energy` or `size`: what decides back end, tile and encoding.
        external: `auto`, `all` or `none`: which weights lie in external memory (`spill.choose_external`).
        switching: `resident`, `image` or `auto`: how a switch of level works (`delta.choose_images`).
        update: bytes for packages that replace weights in the field, 0 for as many as all weights take.
        model_version: what such a package must exceed.

    Raises:
        TargetError, DoesNotFit, UnsupportedOp, GraphError: see the planning functions.
    """
    plans = plan_project(graph, target, backend, overlap, external, encoding, optimize, switching, update)
    graph, packed, schedule, plan, image = plans.graph, plans.packed, plans.schedule, plans.memory, plans.image
    emission = Emission(graph, packed, plan)
    structure = json.dumps(graph_to_dict(graph), indent=1) + "\n"
    arrays = npz_bytes(graph_arrays(graph))
    digest = hashlib.sha256(structure.encode() + arrays).hexdigest()
    context = {
        "graph": graph,
        "target": target,
        "board_folders": [f.name for f in board_folders(target.name)],
        "schedule": schedule,
        "plan": plan,
        "packed": packed,
        "overlap": overlap,
        "generator": f"swtrain {_version()}",
        "digest": digest,
        "model_id": model_id(digest),
        "layers": [common(emission, layer) | KINDS[layer.kind].context(emission, layer) for layer in schedule.layers],
        "blobs": [blob_context(p, i, plans.images.initial.get(p.node)) for i, p in enumerate(packed.layers.values())],
        "image": image,
        "images": plans.images,
        "patches": patch_context(plans.images),
        "blob_index": {name: i for i, name in enumerate(packed.layers)},
        "staging": plans.staging,
        "staging_at": image.staging + MARK_BYTES if image and plans.beside.staging_outside else None,
        "updates_outside": plans.updates_outside,
        "model_version": model_version,
        "ready": [name for name, used in READY if used(plans)],
        "sources": _collect(
            [*RUNTIME, *_switch_sources(plans.images), *_update_sources(plans)],
            (KINDS[layer.kind].sources for layer in schedule.layers),
        ),
        "kernels": _collect(
            [
                *(["sw_patch_s16_cpu"] if plans.images.initial else []),
                *(["sw_copy_rows_s16_dma"] if plans.staging else []),
                *(["sw_load_u8"] if plans.updates_outside else []),
            ],
            (KINDS[layer.kind].kernels_of(layer) for layer in schedule.layers),
        ),
        "board_sources": _collect(
            list(EXTERNAL_BOARD if image else ()), (KINDS[layer.kind].board_sources for layer in schedule.layers)
        ),
    }
    files: dict[str, str | bytes] = {
        name: environment().get_template(f"{name}.j2").render(context)
        for name in ("model.c", "model.h", "weights.S", "project.mk")
    }
    files["graph.json"], files["graph.npz"] = structure, arrays
    manifest = _manifest(plans, context)
    if image is not None:
        files[EXTERNAL] = image.data
        files[EXTERNAL.replace(".bin", ".hex")] = to_intel_hex([Segment(0, image.data)])
        manifest["external"] = _external_manifest(image, target, plan)
    files[MANIFEST] = json.dumps(manifest, indent=1) + "\n"
    return CProject(graph, target, packed, schedule, plan, image, plans.images, files)


def model_id(digest: str) -> int:
    """32 bits by which a program on a board says what it was made of."""
    return int(digest[:8], 16)


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
    storage: dict[str, int | str | list[int]]
    encoding: str
    backend: str
    macs: list[int]
    nnz: list[int]
    weight_bytes: list[int]
    index_bytes: list[int]


class _External(BaseModel):
    """What the external memory must hold, and where it sits."""

    model_config = ConfigDict(strict=True)
    file: str
    bytes: int
    crc32: int
    part: str
    part_bytes: int
    bus: str
    chip_select: str


class _Manifest(BaseModel):
    """What every reader of `project.json` relies on."""

    model_config = ConfigDict(strict=True)
    model: str
    target: str
    digest: str
    sources: list[str]
    kernels: list[str]
    board_sources: list[str]
    layers: list[_Layer]
    weight_bytes: list[int]
    index_bytes: list[int]
    external: _External | None = None


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


def external_content(project: ProjectFolder) -> bytes | None:
    """What the external memory of a project must hold; `None` if it needs none.

    Raises:
        GraphFileError: the file is missing or is not the one that was emitted.
    """
    about = project.manifest.get("external")
    if about is None:
        return None
    path = project.folder / about["file"]
    try:
        content: bytes = path.read_bytes()
    except OSError as e:
        raise GraphFileError(f"{path} can't be read ({e.strerror}); emit the project again") from e
    if len(content) != about["bytes"] or zlib.crc32(content) != about["crc32"]:
        raise GraphFileError(f"{path} is not the file that was emitted with the project; emit the project again")
    return content


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
def environment() -> jinja2.Environment:
    """The templates of `templates/`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("codegen"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["comment"] = _comment
    return environment


def _update_sources(plans: Plans) -> tuple[str, ...]:
    if not plans.staging:
        return ()
    return UPDATE_EXTERNAL if plans.updates_outside else UPDATE


def _switch_sources(images: Images) -> tuple[str, ...]:
    if not images.initial:
        return SWITCH
    return SWITCH_EXTERNAL if images.outside else SWITCH_IMAGE


def _collect(first: list[str], lists: Iterable[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys([*first, *(name for names in lists for name in names)]))


def _external_manifest(image: ExternalImage, target: TargetSpec, plan: MemoryPlan) -> dict[str, Any]:
    assert target.external is not None
    levels = range(int.from_bytes(image.data[6:8], "little"))
    return {
        "file": EXTERNAL,
        "bytes": len(image.data),
        "crc32": zlib.crc32(image.data),
        "part": target.external.part,
        "part_bytes": target.external.size,
        "bus": target.external.bus,
        "chip_select": target.external.chip_select,
        "work_bytes": plan.work.size,
        "blobs": [
            {
                "node": b.node,
                "offset": b.address,
                "bytes": b.size,
                "crc32": zlib.crc32(image.data[b.address : b.address + b.size]),
                "read_bytes": [b.bytes_read(k) for k in levels],
            }
            for b in image.blobs.values()
        ],
    }


def _storage(plan: MemoryPlan, tensor: str) -> dict[str, Any]:
    """Where `tensor` lies, in words of its arena."""
    b = plan.buffer(tensor)
    return {"arena": ARENAS[b.arena], "data": b.data, "pitch": b.pitch, "plane": b.plane, "shape": list(b.shape)}


def _manifest(plans: Plans, context: Mapping[str, Any]) -> dict[str, Any]:
    graph, packed, plan = plans.graph, plans.packed, plans.memory
    count = len(graph.levels)
    cycles = [plans.cycles(k) for k in range(count)]
    joules = [plans.joules(k) for k in range(count)]
    return {
        "format": FORMAT,
        "generator": context["generator"],
        "model": graph.name,
        "target": plans.target.name,
        "digest": context["digest"],
        "max_step_cycles": plans.target.step_cycles,
        "longest_step": {
            "layer": plans.schedule.longest.layer,
            "level": plans.schedule.longest.level,
            "predicted_cycles": round(plans.schedule.longest.cycles),
        },
        "input": LOAD,
        "sources": context["sources"],
        "kernels": context["kernels"],
        "board_sources": context["board_sources"],
        "layers": [
            {
                "name": layer.name,
                "function": layer.kind,
                "tensor": layer.y,
                "storage": _storage(plan, layer.y),
                "kind": layer.node.op.kind if layer.node else layer.kind,
                "encoding": layer.encoding,
                "backend": "lea" if layer.lea else "cpu",
                "steps": layer.step_count,
                "macs": [KINDS[layer.kind].macs(graph, layer, k) for k in range(count)],
                "nnz": [params.nnz(k) if params else 0 for k in range(count)],
                "weight_bytes": [layer.packed.weight_bytes(k) if layer.packed else 0 for k in range(count)],
                "index_bytes": [layer.packed.index_bytes(k) if layer.packed else 0 for k in range(count)],
                "image": layer.node is not None and layer.node.name in plans.images.initial,
                "staged": layer.name in plan.staged,
                "predicted_cycles": [round(c[i]) for c in cycles],
                "predicted_j": [float(f"{j[i]:.4g}") for j in joules],
            }
            for i, layer in enumerate(plans.schedule.layers)
            for params in [graph.node(layer.node.name).params if layer.node else None]
        ],
        "weight_bytes": [packed.weight_bytes(k) for k in range(count)],
        "index_bytes": [packed.index_bytes(k) for k in range(count)],
        "blob_bytes": packed.blob_bytes,
        "near_bytes": packed.near_bytes,
        "patch_bytes": sum(len(c.headers) + len(c.weights) for c in plans.images.chunks),
        "patches_outside": plans.images.outside,
        "staging_bytes": plans.staging,
        "staging_outside": plans.beside.staging_outside,
        "arena_bytes": [2 * n for n in plan.arena_words],
        "lea_bytes": 2 * plan.lea_words,
    }
