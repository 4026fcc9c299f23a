"""A saved graph comes back equal; any damage is a `GraphFileError`, never another exception or a wrong graph."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import random_graph, seeds, tiny

from codegen.errors import GraphFileError
from codegen.ir import Graph
from codegen.serialize import graph_arrays, graph_to_dict, load_graph, npz_bytes, save_graph


def same(a: Graph, b: Graph) -> bool:
    if graph_to_dict(a) != graph_to_dict(b) or [n.op for n in a.nodes] != [n.op for n in b.nodes]:
        return False
    x, y = graph_arrays(a), graph_arrays(b)
    return x.keys() == y.keys() and all(x[k].dtype == y[k].dtype and np.array_equal(x[k], y[k]) for k in x)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("saved")
    save_graph(tiny(), made)
    return made


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_round_trip(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("graph")
    graph = random_graph(seed, 1 + seed % 5, bool(seed % 2), joins=bool(seed % 3))
    save_graph(graph, folder)
    assert same(load_graph(folder), graph)


def test_the_same_graph_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    save_graph(tiny(), tmp_path)
    for name in ("graph.json", "graph.npz"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    with zipfile.ZipFile(tmp_path / "graph.npz") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_optional_values_survive(tmp_path: Path) -> None:
    graph = tiny()
    data = graph_to_dict(graph) | {"meta": {"dataset": "mnist", "epochs": 3, "ä": "ü"}}
    data["levels"][0]["accuracy_float"] = 98.5
    save_graph(graph, tmp_path)
    (tmp_path / "graph.json").write_text(json.dumps(data))
    loaded = load_graph(tmp_path)
    assert loaded.meta == {"dataset": "mnist", "epochs": 3, "ä": "ü"}
    assert loaded.levels[0].accuracy_float == 98.5
    assert loaded.levels[1].accuracy_float is None


def damaged(
    folder: Path, tmp_path: Path, data: Any = None, npz: bytes = b"", text: bytes | None = None, bound: bool = False
) -> Path:
    """A copy of the saved graph, with JSON `data` or raw `text`, or the archive `npz`, in place of the good one.

    `bound`: the structure names the hash of `npz`, as if it had been saved with it.
    """
    if text is None:
        text = json.dumps(data).encode() if data is not None else (folder / "graph.json").read_bytes()
    if bound:
        text = json.dumps({**json.loads(text), "arrays_sha256": hashlib.sha256(npz).hexdigest()}).encode()
    (tmp_path / "graph.json").write_bytes(text)
    (tmp_path / "graph.npz").write_bytes(npz or (folder / "graph.npz").read_bytes())
    return tmp_path


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(GraphFileError, match=r"graph.json does not exist; make it with"):
        load_graph(tmp_path)
    with pytest.raises(GraphFileError):
        load_graph(tmp_path / "nowhere")
    (tmp_path / "graph.json").write_bytes((folder / "graph.json").read_bytes())
    with pytest.raises(GraphFileError, match="corrupt"):
        load_graph(tmp_path)


@pytest.mark.parametrize("version", [0, 1, "2", None])
def test_other_versions_are_refused(folder: Path, tmp_path: Path, version: Any) -> None:
    data = json.loads((folder / "graph.json").read_text()) | {"format": version}
    with pytest.raises(GraphFileError, match=f"has format {version}, this version reads 2; export it again"):
        load_graph(damaged(folder, tmp_path, data))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"3", b'"format"', b"\xff\xfe\x00", b"{}", b'{"format": 2}']
)
def test_json_that_is_no_graph(folder: Path, tmp_path: Path, text: bytes) -> None:
    with pytest.raises(GraphFileError):
        load_graph(damaged(folder, tmp_path, text=text))


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(p for k, v in items for p in paths(v, (*at, k)))]


def edited(data: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    copy = json.loads(json.dumps(data))
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return copy


def refusals(folder: Path, tmp_path: Path, others: list[Any], every: bool) -> list[str]:
    """Edits of graph.json that raise anything but GraphFileError; of each list only the first item unless `every`."""
    data = json.loads((folder / "graph.json").read_text())
    wrong = []
    for path in paths(data)[1:]:
        if not every and any(isinstance(key, int) and key for key in path):
            continue
        changes: list[tuple[str, Callable[[Any, Any], None]]] = [("removed", lambda p, k: p.pop(k))]
        changes += [(repr(o), lambda p, k, o=o: p.__setitem__(k, o)) for o in others]
        for what, change in changes:
            try:
                load_graph(damaged(folder, tmp_path, edited(data, path, change)))
            except GraphFileError:
                pass
            except Exception as e:
                wrong.append(f"{'.'.join(map(str, path))} {what}: {e!r}")
    return wrong


def test_a_value_of_another_type_is_refused_or_harmless(folder: Path, tmp_path: Path) -> None:
    """JSON values replaced by others, and removed: GraphFileError, or a graph that is valid all the same."""
    wrong = refusals(folder, tmp_path, [None, "?", [1], {"a": 1}], every=False)
    assert not wrong, f"{len(wrong)} edits, the first: " + "; ".join(wrong[:5])


@pytest.mark.slow
def test_every_value_of_another_type_is_refused_or_harmless(folder: Path, tmp_path: Path) -> None:
    wrong = refusals(folder, tmp_path, [None, -1, 1.5, "?", [], {}, [1], {"a": 1}, True, 10**30], every=True)
    assert not wrong, f"{len(wrong)} edits, the first: " + "; ".join(wrong[:5])


@pytest.mark.parametrize("value", ["?", [], {}, True, 2.5])
@pytest.mark.parametrize("key", ["frac_bits", "lo", "hi"])
def test_bounds_and_fraction_bits_are_integers(folder: Path, tmp_path: Path, key: str, value: Any) -> None:
    """A float that slips through would end up in generated C."""
    data = json.loads((folder / "graph.json").read_text())
    data["tensors"][0][key] = value
    with pytest.raises(GraphFileError):
        load_graph(damaged(folder, tmp_path, data))


def test_a_truncated_archive_is_refused(folder: Path, tmp_path: Path) -> None:
    good = (folder / "graph.npz").read_bytes()
    for length in range(1, len(good), 19):
        with pytest.raises(GraphFileError):
            load_graph(damaged(folder, tmp_path, npz=good[:length]))


@pytest.mark.parametrize("step", [pytest.param(9, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)])
def test_a_flipped_bit_is_refused_or_harmless(step: int, folder: Path, tmp_path: Path) -> None:
    """Bytes of the archive: the error is ours, or the graph is the same (time stamps, unused fields)."""
    good, graph, wrong = (folder / "graph.npz").read_bytes(), load_graph(folder), []
    for at in range(0, len(good), step):
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        try:
            if not same(load_graph(damaged(folder, tmp_path, npz=bytes(bad))), graph):
                wrong.append(f"byte {at}: another graph")
        except GraphFileError:
            pass
        except Exception as e:
            wrong.append(f"byte {at}: {e!r}")
    assert not wrong, f"{len(wrong)} bytes, the first: " + "; ".join(wrong[:5])


def test_arrays_of_another_type_or_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    arrays = graph_arrays(tiny())
    key = next(k for k in arrays if k.endswith(".weight"))
    for bad in (arrays[key].astype(np.int32), arrays[key].astype(float), arrays[key][:1], arrays[key].reshape(-1)):
        with pytest.raises(GraphFileError):
            load_graph(damaged(folder, tmp_path, npz=npz_bytes(arrays | {key: bad})))
    for missing in arrays:
        rest = {k: v for k, v in arrays.items() if k != missing}
        with pytest.raises(GraphFileError):
            load_graph(damaged(folder, tmp_path, npz=npz_bytes(rest)))


def test_weights_that_break_an_invariant_are_refused(folder: Path, tmp_path: Path) -> None:
    arrays = graph_arrays(tiny())
    key = next(k for k in arrays if k.endswith(".bias"))
    with pytest.raises(GraphFileError, match=r"does not hold a valid graph: .*a sum can reach"):
        load_graph(damaged(folder, tmp_path, bound=True, npz=npz_bytes(arrays | {key: arrays[key] + np.int32(40000)})))


def test_pickles_are_never_loaded(folder: Path, tmp_path: Path) -> None:
    out = io.BytesIO()
    arrays = graph_arrays(tiny())
    np.savez(out, **{k: np.array([object()], object) if k.endswith("bias") else v for k, v in arrays.items()})
    with pytest.raises(GraphFileError):
        load_graph(damaged(folder, tmp_path, npz=out.getvalue()))
