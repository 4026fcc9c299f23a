"""Activations that wait in external memory: same logits, planned cycles, power failures, clear errors."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import rig
from hypothesis import given, settings
from hypothesis import strategies as st
from intermittent import Intermittent
from rig import INFER, SPIFRAM, Board, TargetSpec, Workshop, assert_device, assert_host, emit_project
from strategies import Chain, inputs_for, make_params, random_graph

from codegen.emit import EXTERNAL, CProject
from codegen.errors import DoesNotFit
from codegen.ir import Graph
from codegen.layers import KINDS
from codegen.memory import low_fram_left
from codegen.ops import Add, Conv2d, Flatten, FullyConnected

needs_cc = pytest.mark.skipif(
    not any(shutil.which(c) for c in ("cc", "gcc", "clang")), reason="no host C compiler on PATH"
)


def swaps(project: CProject) -> int:
    return sum(layer.kind == "swap_out" for layer in project.schedule.layers)


def crowded(graph: Graph, target: TargetSpec = SPIFRAM, backend: str = "cpu") -> CProject | None:
    """`graph` with as little low FRAM as it can work with; `None` if that makes no tensor wait outside."""
    best: CProject | None = None
    while True:
        try:
            project = emit_project(graph, target, backend)
        except DoesNotFit:
            return best
        best = project if swaps(project) else None
        left = low_fram_left(project.graph, project.schedule, project.plan, target)
        target = rig.replace(target, fram_reserve=target.fram_reserve + left + 2)


def skips(side: int = 8, seed: int = 5) -> Graph:
    """Tensors that wait for a sum at the end, the first the longest."""
    rng = np.random.default_rng(seed)
    chain, waiting = Chain((4, side, side), 0, 255, 2, "skips"), list[str]()
    for _ in range(4):
        waiting.append(chain.last.name)
        index = np.tile(rng.choice([0, 1], 36), 4).reshape(4, 4, 3, 3)
        params = make_params(rng.integers(-2000, 2000, index.shape), index, rng.integers(-9, 9, 4))
        chain.add(Conv2d((3, 3), (1, 1), (1, 1, 1, 1)), params, 0, 2000)
    for name in waiting[::-1]:
        chain.add(Add((0, 0)), None, 0, 2000, [chain.last.name, name])
    chain.add(Flatten())
    shape = (5, chain.last.size)
    chain.add(FullyConnected(), make_params(rng.integers(-9, 9, shape), rng.integers(0, 2, shape), 3), -3000, 3000)
    return chain.graph()


@needs_cc
@given(seed=st.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_any_graph(seed: int, sanitized: Workshop, zig: Workshop) -> None:
    graph = random_graph(seed, depth=6, joins=True)
    for workshop, check in ((sanitized, assert_host), (zig, assert_device)):
        project = crowded(graph, rig.replace(SPIFRAM, step_cycles=12_000))
        if project is not None:
            check(project.graph, workshop.program(project), inputs_for(project.graph, 2, 3))


@pytest.mark.parametrize("backend", ["cpu", "lea"])
def test_skips(backend: str, zig: Workshop) -> None:
    """In low FRAM and, with the LEA, in high FRAM; every tensor that can wait outside does."""
    graph, hifram = skips(), SPIFRAM.regions["hifram"]
    project = crowded(graph) if backend == "cpu" else None
    if backend == "lea":
        small = rig.replace(SPIFRAM, fram_reserve=SPIFRAM.regions["fram"].size - 3000)
        whole = emit_project(graph, small, backend)
        assert not swaps(whole)
        assert whole.plan.far_bytes
        size = whole.plan.far_bytes + max(p.blob_bytes for p in whole.packed.layers.values()) - 2
        regions = {**SPIFRAM.regions, "hifram": rig.replace(hifram, size=size)}
        project = emit_project(graph, rig.replace(small, regions=regions), backend)
    assert project is not None
    assert swaps(project) >= (2 if backend == "cpu" else 1)
    assert_device(project.graph, zig.program(project), inputs_for(project.graph, 2, 3))


def test_cycles_are_those_planned(zig: Workshop) -> None:
    project = crowded(skips(24))
    assert project is not None
    board = Board(zig.program(project), project.graph)
    x = inputs_for(project.graph, 1, 3)[0]
    board.infer(x, 0)
    cycles = rig.layer_cycles(board, x, 0)
    for layer, spent in zip(project.schedule.layers, cycles, strict=True):
        if layer.kind.startswith("swap"):
            work = KINDS[layer.kind].work(project.graph, layer, 0, project.plan)
            print(layer.name, spent, work.cycles(SPIFRAM.prices, True), layer.step_count)
            assert spent == pytest.approx(work.cycles(SPIFRAM.prices, True), rel=0.05)


def test_what_no_swap_can_help_is_an_error() -> None:
    small = rig.replace(SPIFRAM, fram_reserve=SPIFRAM.regions["fram"].size - 1500)
    project = crowded(skips())
    assert project is not None
    with pytest.raises(DoesNotFit, match="B of low FRAM"):
        emit_project(skips(), small, "cpu")
    with pytest.raises(DoesNotFit, match="B of low FRAM"):  # the user keeps everything on the chip
        emit_project(skips(), project.target, "cpu", external="none")
    assert SPIFRAM.external is not None
    tiny = rig.replace(project.target, external=rig.replace(SPIFRAM.external, size=128))
    with pytest.raises(DoesNotFit, match=r"activations wait in external memory, CY15B108QN has \d+ B"):
        emit_project(skips(), tiny, "cpu")


def test_an_absent_memory_is_refused(zig: Workshop) -> None:
    project = crowded(skips())
    assert project is not None
    assert project.image is not None
    assert not project.image.blobs
    program = zig.program(project)
    (program.parent / EXTERNAL).unlink()
    assert Board(program, project.graph).request(INFER) == -2


# --- power failures


@pytest.fixture(scope="module")
def waiting(zig: Workshop) -> Intermittent:
    """Three tensors wait outside, in several chunks each."""
    project = crowded(skips(7), rig.replace(SPIFRAM, step_cycles=9000))
    assert project is not None
    assert all(layer.step_count > 1 for layer in project.schedule.layers if layer.kind.startswith("swap"))
    return Intermittent(zig.program(project), project.graph, 1)


def test_a_cut_anywhere_is_survived(waiting: Intermittent) -> None:
    for loss in np.linspace(1, waiting.cycles - 1, 150).astype(int).tolist():
        waiting.cut([loss])


def test_cuts_all_through_a_step(waiting: Intermittent) -> None:
    """Of the first way out and the first way back: power is lost every 29 cycles, most of them in mid-transfer."""
    for step in ("sw_swap_out_step", "sw_swap_in_step"):
        board = waiting.start()
        board.go(step)
        done, cuts = board.word("sw_progress"), 0
        while board.word("sw_progress") == done:
            broken = board.fork()
            broken.machine.reset(power_on=cuts % 3 > 0)
            waiting.finish(broken)
            waiting.check(broken, f"{step} at {board.machine.where(board.machine.pc)}")
            board.machine.run(max_cycles=29)
            cuts += 1
        assert cuts > 60
