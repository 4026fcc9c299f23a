"""A `Graph` on disk: `graph.json` (structure) and `graph.npz` (arrays), written by rename, read without torch."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import CodegenError, GraphFileError
from .files import write_atomic
from .ir import Graph, Level, Node, Params, Tensor
from .ops import op_from_dict

FORMAT = 2
"""Version of the format; a file of another version is refused."""


_DAMAGE = (
    OSError,
    EOFError,
    KeyError,
    RecursionError,
    NotImplementedError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What damaged bytes make json, zipfile and numpy raise."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Level(_Part):
    name: str
    sparsity: float
    accuracy_float: float | None


class _Tensor(_Part):
    name: str
    shape: list[int]
    frac_bits: int
    lo: int
    hi: int


class _Params(_Part):
    frac_bits: int
    shift: int


class _Node(_Part):
    name: str
    op: str
    attributes: dict[str, int | list[int] | list[float]]
    inputs: list[str]
    output: str
    params: _Params | None


class _Graph(_Part):
    """The structure of `graph.json`; `arrays_sha256` binds `graph.npz` to it."""

    format: int
    arrays_sha256: str
    name: str
    input: str
    levels: list[_Level]
    tensors: list[_Tensor]
    nodes: list[_Node]
    meta: dict[str, str | int | float | bool | None]


def graph_to_dict(graph: Graph) -> dict[str, Any]:
    """The structure of `graph` without its arrays, as plain JSON values."""
    return {
        "format": FORMAT,
        "arrays_sha256": hashlib.sha256(npz_bytes(graph_arrays(graph))).hexdigest(),
        "name": graph.name,
        "input": graph.input,
        "levels": [{"name": v.name, "sparsity": v.sparsity, "accuracy_float": v.accuracy_float} for v in graph.levels],
        "tensors": [
            {"name": t.name, "shape": list(t.shape), "frac_bits": t.frac_bits, "lo": t.lo, "hi": t.hi}
            for t in graph.tensors.values()
        ],
        "nodes": [
            {
                "name": n.name,
                "op": n.op.kind,
                "attributes": n.op.attributes(),
                "inputs": list(n.inputs),
                "output": n.output,
                "params": None if n.params is None else {"frac_bits": n.params.frac_bits, "shift": n.params.shift},
            }
            for n in graph.nodes
        ],
        "meta": dict(graph.meta),
    }


def graph_arrays(graph: Graph) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of `graph`, keyed `<node>.<weight|level_index|bias>`."""
    arrays = {}
    for n in graph.nodes:
        if n.params is not None:
            arrays[f"{n.name}.weight"] = n.params.weight
            arrays[f"{n.name}.level_index"] = n.params.level_index
            arrays[f"{n.name}.bias"] = n.params.bias
    return arrays


def npz_bytes(arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """A .npz archive without time stamps or compression: same arrays, same bytes, whatever zlib is installed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, buffer.getvalue())
    return out.getvalue()


def save_graph(graph: Graph, folder: Path) -> None:
    """Write `graph.npz` and `graph.json` into `folder`."""
    write_atomic(folder / "graph.npz", npz_bytes(graph_arrays(graph)))
    write_atomic(folder / "graph.json", json.dumps(graph_to_dict(graph), indent=1) + "\n")


def load_graph(folder: Path) -> Graph:
    """Read a graph that `save_graph` wrote.

    Raises:
        GraphFileError: missing, corrupt, of another format version, or breaking an invariant.
    """
    path = folder / "graph.json"
    if not path.is_file():
        raise GraphFileError(f"{path} does not exist; make it with `swtrain train --out {folder}`")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and data.get("format", FORMAT) != FORMAT:
            raise GraphFileError(f"{path} has format {data['format']}, this version reads {FORMAT}; export it again")
        structure, content = _Graph.model_validate(data), (folder / "graph.npz").read_bytes()
        if hashlib.sha256(content).hexdigest() != structure.arrays_sha256:
            raise GraphFileError(f"{path} and graph.npz do not belong together, or one is damaged; export again")
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        return _graph(structure, arrays)
    except GraphFileError:
        raise
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GraphFileError(f"{path} is not a graph ({where}: {first['msg']}); export it again") from e
    except CodegenError as e:
        raise GraphFileError(f"{path} does not hold a valid graph: {e}") from e
    except _DAMAGE as e:
        raise GraphFileError(f"{path} or graph.npz beside it is corrupt ({e!r}); export it again") from e


def _graph(data: _Graph, arrays: dict[str, np.ndarray[Any, Any]]) -> Graph:
    nodes = []
    for n in data.nodes:
        params = None
        if n.params is not None:
            weight, index, bias = (arrays[f"{n.name}.{k}"] for k in ("weight", "level_index", "bias"))
            params = Params(weight, index, bias, n.params.frac_bits, n.params.shift)
        nodes.append(Node(n.name, op_from_dict(n.op, n.attributes), tuple(n.inputs), n.output, params))
    tensors = {t.name: Tensor(t.name, tuple(t.shape), t.frac_bits, t.lo, t.hi) for t in data.tensors}
    levels = tuple(Level(v.name, v.sparsity, v.accuracy_float) for v in data.levels)
    return Graph(data.name, data.input, tensors, tuple(nodes), levels, data.meta)
