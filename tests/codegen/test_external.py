"""Weights in external memory: what a level reads, lists of runs, the image, what spills, and the working buffer."""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import lenet, lenet_columns, packed_rows, random_graph, seeds

from codegen.column import ColumnLayer, pack_column
from codegen.emit import EXTERNAL, CProject, emit_project
from codegen.encodings import RowLayer, base, encode
from codegen.errors import DoesNotFit, GraphError, TargetError
from codegen.external import (
    ExternalImage,
    build_image,
    chunk_bytes,
    level_ranges,
    merge_ranges,
    read_runs,
    step_cycles,
    worth_skipping,
)
from codegen.ir import Graph, Params
from codegen.spill import ResidentBlob, keep
from codegen.target import TargetSpec, load_target
from codegen.working import WorkPlan, plan_work, verify

TARGET = load_target("msp430fr5994-spifram")
MEMORY = TARGET.external
assert MEMORY is not None
LEVELS = 3


def raw(packed: RowLayer | ColumnLayer) -> bytes:
    """A blob's bytes as FORMAT.md has them."""
    return packed.blob if isinstance(packed, RowLayer) else packed.blob.astype("<i2").tobytes()


@given(params=packed_rows(), rows=st.integers(1, 6), tile=st.sampled_from([0, 2, 4]))
@settings(max_examples=80, deadline=None)
def test_a_level_reads_the_first_columns(params: Params, rows: int, tile: int) -> None:
    packed = pack_column("n", replace(params, shift=15), 5, rows, tile=tile)
    for level in range(5):
        ranges = level_ranges(packed, level)
        assert sum(end - first for first, end in ranges) == packed.weight_bytes(level)
        seen = [b for first, end in ranges for b in range(first, end)]
        assert len(set(seen)) == len(seen)
        assert not seen or max(seen) < packed.blob_bytes
    if tile == 0:
        group, offset = packed.groups[0], packed.offsets[0]
        first, end = level_ranges(packed, 0)[0]
        np.testing.assert_array_equal(
            packed.blob[first // 2 : end // 2], group.weights[: group.counts[0], 0], err_msg=str(offset)
        )


@given(params=packed_rows(), encoding=st.sampled_from(["csr", "block", "row", "bitmap"]))
@settings(max_examples=60, deadline=None)
def test_a_level_reads_nothing_else_of_rows(params: Params, encoding: str) -> None:
    """Weights, counts and index outside the ranges of a level may hold anything: the level decodes the same."""
    try:
        packed = encode(encoding, "n", params, 5)
    except GraphError:
        return
    for level in range(5):
        kept = np.zeros(packed.blob_bytes, bool)
        for first, end in level_ranges(packed, level):
            assert not kept[first:end].any()
            kept[first:end] = True
        size = packed.weight_size
        assert kept[: size * len(packed.weights)].sum() == packed.weight_bytes(level)
        assert kept[packed.counts_offset :][: packed.counts.size * packed.count_bytes].all()
        weights = np.where(kept[: size * len(packed.weights) : size], packed.weights, np.int16(0x5A5A))
        index = np.where(kept[packed.index_offset :][: len(packed.index)], packed.index, np.uint8(0))
        noisy = replace(packed, weights=weights, index=index)
        for mine, theirs in zip(base.runs(noisy), base.runs(packed), strict=True):
            if mine.level <= level:
                np.testing.assert_array_equal(mine.weights, theirs.weights)
                np.testing.assert_array_equal(mine.index, theirs.index)


def test_dense_is_read_whole() -> None:
    graph = lenet(1, (0.0,))
    node = graph.nodes[0]
    assert node.params is not None
    packed = encode("dense", "n", node.params, 1)
    assert level_ranges(packed, 0) == [(0, packed.blob_bytes)]


ranges_ = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)).map(lambda p: (p[0], p[0] + p[1])), max_size=12)


@given(ranges=ranges_, gap=st.integers(0, 30))
def test_merged_ranges_cover_and_lie_apart(ranges: list[tuple[int, int]], gap: int) -> None:
    merged = merge_ranges(ranges, gap)
    covered = {b for first, end in merged for b in range(first, end)}
    assert {b for first, end in ranges for b in range(first, end)} <= covered
    for (_, end), (first, _) in itertools.pairwise(merged):
        assert first - end > gap


def image_of(graph: Graph, target: TargetSpec = TARGET, backend: str = "auto") -> tuple[CProject, ExternalImage]:
    project = emit_project(graph, target, backend, external="all")
    assert project.image is not None
    return project, project.image


@given(seed=seeds, image=st.booleans(), backend=st.sampled_from(["cpu", "lea"]), steps=st.sampled_from([2000, 64000]))
@settings(max_examples=20, deadline=None)
def test_the_image_holds_every_blob_and_its_runs(seed: int, image: bool, backend: str, steps: int) -> None:
    graph = random_graph(seed, LEVELS, image, 4)
    target = replace(TARGET, step_cycles=steps)
    try:
        project = emit_project(graph, target, backend, external="all")
    except DoesNotFit:
        return
    if project.image is None:
        assert not project.packed.layers
        return
    made = project.image
    magic, version, levels, size, crc, digest = struct.unpack("<4sHHII16s", made.header)
    assert (magic, version, levels, size) == (b"SWXF", 1, LEVELS, len(made.data))
    assert crc == zlib.crc32(made.data[32:])
    assert digest == hashlib.sha256(made.data[32:]).digest()[:16]
    end = 32
    for name, blob in made.blobs.items():
        assert blob.address == end
        packed = project.packed.layers[name]
        assert made.data[blob.address : blob.address + blob.size] == raw(packed)
        for c, chunk in enumerate(blob.runs):
            for level, runs in enumerate(chunk):
                assert read_runs(made.data, blob, c, level) == runs
                assert step_cycles(runs, MEMORY) <= steps
                assert all(c * blob.chunk <= a < b <= min((c + 1) * blob.chunk, blob.size) for a, b in runs)
        for level in range(LEVELS):
            covered = {b for chunk in blob.runs for first, last in chunk[level] for b in range(first, last)}
            assert {b for first, last in level_ranges(packed, level) for b in range(first, last)} <= covered
        lists = sum(8 + 4 * len(runs) for chunk in blob.runs for runs in chunk)
        end = blob.directory + lists
    assert end == len(made.data)


def test_a_sparser_level_reads_less() -> None:
    for graph, backend in ((lenet(), "cpu"), (lenet_columns(), "lea")):
        _, made = image_of(graph, backend=backend)
        for blob in made.blobs.values():
            bytes_ = [blob.bytes_read(k) for k in range(LEVELS)]
            cycles = [blob.cycles(k, MEMORY) for k in range(LEVELS)]
            assert cycles == sorted(cycles)
            if blob.size > 1000:
                assert bytes_[0] < 0.75 * bytes_[2]
                assert cycles[0] < 0.9 * cycles[2]


def test_skipping_pays() -> None:
    """A gap longer than `worth_skipping` costs more than a run of its own, a shorter one does not."""
    gap = worth_skipping(MEMORY)
    apart = lambda g: step_cycles([(0, 10), (10 + g, 20 + g)], MEMORY)  # noqa: E731
    whole = lambda g: step_cycles([(0, 20 + g)], MEMORY)  # noqa: E731
    assert apart(gap + 2) <= whole(gap + 2)
    assert whole(gap - 2) <= apart(gap - 2)


def test_a_step_too_short_for_the_bus_is_refused() -> None:
    with pytest.raises(DoesNotFit, match=r"a step of 900 cycles is too short .* use a larger --max-step-cycles"):
        chunk_bytes(replace(TARGET, step_cycles=900), MEMORY)


def test_too_much_for_the_external_memory_says_by_how_much() -> None:
    small = replace(TARGET, external=replace(MEMORY, size=65536))
    with pytest.raises(
        DoesNotFit, match=r"need 12\d,\d{3} B of external memory, CY15B108QN has 65,536 B \(\d+,\d{3} B"
    ):
        emit_project(lenet(), small, "cpu", external="all")


# --- what spills


offers_ = st.dictionaries(
    st.sampled_from("abcdefg"),
    st.tuples(st.integers(1, 500), st.integers(1, 10**5)).map(lambda p: ResidentBlob(2 * p[0], float(p[1]))),
    min_size=1,
)


@given(offers=offers_, room=st.integers(0, 3000))
def test_what_is_kept_fits_beside_the_working_buffer(offers: dict[str, ResidentBlob], room: int) -> None:
    kept = keep(offers, room)
    largest = max(o.size for o in offers.values())
    if largest > room:
        assert kept is None
        return
    assert kept is not None

    def need(names: set[str]) -> int:
        return sum(offers[n].size for n in names) + max([o.size for n, o in offers.items() if n not in names] or [0])

    assert need(kept) <= room
    for name in set(offers) - kept:
        assert need(kept | {name}) > room
    if sum(o.size for o in offers.values()) <= room:
        assert kept == set(offers)


@given(offers=offers_, room=st.integers(0, 3000))
def test_what_is_kept_saves_nearly_the_most(offers: dict[str, ResidentBlob], room: int) -> None:
    """Against every choice, with the saving of a blob proportional to its size, as transfers are."""
    offers = {n: ResidentBlob(o.size, 3.0 * o.size) for n, o in offers.items()}
    kept = keep(offers, room)
    if kept is None:
        return
    best = 0.0
    for count in range(len(offers) + 1):
        for names in itertools.combinations(offers, count):
            outside = [o.size for n, o in offers.items() if n not in names]
            if sum(offers[n].size for n in names) + max(outside, default=0) <= room:
                best = max(best, sum(offers[n].saving for n in names))
    assert sum(offers[n].saving for n in kept) >= 0.5 * best


def high_fram(size: int) -> TargetSpec:
    region = TARGET.regions["hifram"]
    return replace(TARGET, regions={**TARGET.regions, "hifram": replace(region, size=size)})


def test_auto_spills_only_what_does_not_fit() -> None:
    graph = lenet()
    whole = emit_project(graph, TARGET, "cpu")
    assert whole.image is None
    assert json.loads(str(whole.files["project.json"])).get("external") is None
    assert EXTERNAL not in whole.files
    project = emit_project(graph, high_fram(100_000), "cpu")
    assert project.image is not None
    assert 0 < len(project.image.blobs) < len(project.packed.layers)
    resident = sum(p.blob_bytes for n, p in project.packed.layers.items() if n not in project.image.blobs)
    assert resident + project.plan.work.size - project.packed.near_bytes <= 100_000
    about = json.loads(str(project.files["project.json"]))["external"]
    content = project.files[EXTERNAL]
    assert isinstance(content, bytes)
    assert (about["bytes"], about["crc32"]) == (len(content), zlib.crc32(content))
    for b in about["blobs"]:
        assert zlib.crc32(content[b["offset"] : b["offset"] + b["bytes"]]) == b["crc32"]


def test_weights_in_low_fram_need_no_external_memory() -> None:
    project = emit_project(lenet(), high_fram(110_000), "cpu")
    assert project.image is None
    assert project.packed.blob_bytes > 110_000 > project.packed.blob_bytes - project.packed.near_bytes


def test_errors_say_what_does_not_fit() -> None:
    graph = lenet()
    with pytest.raises(DoesNotFit, match=r"weights and indices need 10\d,\d+ B of high FRAM.*90,000 B \(1\d,\d+ B too"):
        emit_project(graph, high_fram(90_000), "cpu", external="none")
    with pytest.raises(DoesNotFit, match=r"fully_connected5: .* working buffer of \d+,\d+ B, 60,000 B .* too few"):
        emit_project(graph, high_fram(60_000), "cpu")
    without = replace(high_fram(100_000), external=None)
    with pytest.raises(DoesNotFit, match="weights and indices need"):
        emit_project(graph, without, "cpu")
    with pytest.raises(TargetError, match="has no external memory; use --external auto or none"):
        emit_project(graph, without, "cpu", external="all")
    with pytest.raises(TargetError, match="external 'some' is unknown; choose auto, all, none"):
        emit_project(graph, TARGET, external="some")


def test_emission_is_deterministic() -> None:
    one, two = (emit_project(lenet_columns(), TARGET, external="all").files for _ in range(2))
    assert one == two
    assert str(one["weights_external.hex"]).startswith(":")


# --- the working buffer


def test_the_working_buffer_is_as_large_as_the_largest_blob() -> None:
    for graph, backend in ((lenet(), "cpu"), (lenet_columns(), "lea")):
        project, made = image_of(graph, backend=backend)
        assert plan_work(project.schedule) == project.plan.work
        assert project.plan.work.size == max(b.size for b in made.blobs.values())
        assert set(project.plan.work.offsets) == set(made.blobs)
    assert emit_project(lenet(), TARGET, "cpu").plan.work.size == 0


def test_broken_placements_are_found() -> None:
    project, _ = image_of(lenet(), backend="cpu")
    good = project.plan.work
    verify(good, project.schedule)
    layers = list(project.schedule.layers)
    for broken in (
        WorkPlan({**good.offsets, "conv2d0": 1}, good.size),
        WorkPlan(good.offsets, good.size - 40_000),
    ):
        with pytest.raises(GraphError, match="working buffer"):
            verify(broken, project.schedule)
    first = next(i for i, layer in enumerate(layers) if layer.fetch)
    with pytest.raises(GraphError, match="does not hold its weights"):
        verify(good, replace(project.schedule, layers=tuple(layers[:first] + layers[first + 1 :])))
    second = next(i for i, layer in enumerate(layers) if layer.fetch and i > first)
    moved = [*layers[: first + 1], layers[second], *layers[first + 1 : second], *layers[second + 1 :]]
    shared = WorkPlan(dict.fromkeys(good.offsets, 0), good.size)
    with pytest.raises(GraphError, match="does not hold its weights"):
        verify(shared, replace(project.schedule, layers=tuple(moved)))


def test_broken_chunks_are_found() -> None:
    project, _ = image_of(lenet(), backend="cpu")
    layers = list(project.schedule.layers)
    at, fetch = next((i, layer) for i, layer in enumerate(layers) if layer.fetch and layer.step_count > 2)
    good = fetch.steps[0]
    for steps in (good[1:], good[:-1], (good[0], *good), ()):
        layers[at] = replace(fetch, steps=(good, steps, good))
        with pytest.raises(GraphError, match=r"conv2d\d|fully_connected\d"):
            replace(project.schedule, layers=tuple(layers)).check(project.graph)


def test_build_image_of_nothing_is_a_header() -> None:
    assert len(build_image({}, 1, TARGET, MEMORY).data) == 32
