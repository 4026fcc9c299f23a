"""Reference == host C == simulated ELF, bit for bit, for random networks of every operator, level and encoding."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace

import numpy as np
import pytest
import rig
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import TARGET, Board, Workshop, assert_device, assert_host, tight
from strategies import Chain, graphs, inputs_for, lenet, make_params, random_graph, seeds, tiny

from codegen.emit import emit_project
from codegen.ir import NEVER, Graph
from codegen.ops import AvgPool, Conv2d, Flatten, FullyConnected, MaxPool, Relu

needs_cc = pytest.mark.skipif(
    not any(shutil.which(c) for c in ("cc", "gcc", "clang")), reason="no host C compiler on PATH"
)

# --- random networks


@needs_cc
@given(graph=graphs())
@settings(max_examples=25, deadline=None)
def test_host_c_equals_the_reference(graph: Graph, host: Workshop) -> None:
    emitted, program = host.build(graph)
    assert_host(emitted, program, inputs_for(graph, 6, 1))


@needs_cc
@given(graph=graphs())
@settings(max_examples=12, deadline=None)
def test_host_c_is_clean_under_sanitizers(graph: Graph, sanitized: Workshop) -> None:
    emitted, program = sanitized.build(graph)
    assert_host(emitted, program, inputs_for(graph, 4, 1))


@given(graph=graphs())
@settings(max_examples=30, deadline=None)
def test_the_device_equals_the_reference(graph: Graph, zig: Workshop) -> None:
    emitted, program = zig.build(graph)
    assert_device(emitted, program, inputs_for(graph, 4, 1))


@pytest.mark.slow
@needs_cc
@given(graph=graphs(7))
@settings(max_examples=400, deadline=None)
def test_host_c_is_clean_under_sanitizers_many(graph: Graph, sanitized: Workshop) -> None:
    emitted, program = sanitized.build(graph)
    assert_host(emitted, program, inputs_for(graph, 6, 2))


@pytest.mark.slow
@given(graph=graphs(7))
@settings(max_examples=600, deadline=None)
def test_the_device_equals_the_reference_many(graph: Graph, zig: Workshop) -> None:
    emitted, program = zig.build(graph)
    assert_device(emitted, program, inputs_for(graph, 5, 2))


# --- filters longer than the scratch that holds them


@needs_cc
@given(seed=seeds, taps=st.integers(33, 200), room=st.integers(32, 80), levels=st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_long_filters_in_pieces(
    seed: int, taps: int, room: int, levels: int, sanitized: Workshop, zig: Workshop
) -> None:
    graph = random_graph(seed, levels, True, 2, taps)
    target = tight(graph, room)
    assert emit_project(graph, target, "cpu").schedule.taps <= room
    for workshop, check in ((sanitized, assert_host), (zig, assert_device)):
        emitted, program = workshop.build(graph, target)
        check(emitted, program, inputs_for(graph, 3, seed))


SHAPES = {31: (31, 1, 1), 32: (2, 4, 4), 33: (3, 11, 1), 63: (7, 3, 3), 64: (4, 4, 4), 65: (13, 1, 5), 96: (6, 4, 4)}


@pytest.mark.parametrize("dense", [True, False], ids=["dense", "csr"])
def test_filters_around_multiples_of_the_scratch(dense: bool, zig: Workshop) -> None:
    """Several convolutions in one network, each with a filter of another length, in pieces of 32 taps."""
    rng = np.random.default_rng(5)
    for taps, (c, kh, kw) in SHAPES.items():
        chain = Chain((c, kh + 2, kw + 1), -128, 127, 2)
        index = np.zeros((2, c, kh, kw), int)
        if not dense:
            index[1] = rng.choice([0, 1, NEVER], (c, kh, kw))
            index[0].reshape(-1)[-1] = 1
        params = make_params(rng.integers(-3000, 3000, index.shape), index, [3, -3])
        graph = chain.add(Conv2d((kh, kw)), params).graph()
        emitted, program = zig.build(graph, tight(graph, 32))
        assert emit_project(graph, tight(graph, 32), "cpu").schedule.taps == min(taps + 1, 32)
        assert_device(emitted, program, inputs_for(graph, 3, taps))


# --- chosen cases


def check_everywhere(graph: Graph, zig: Workshop, host: Workshop, count: int = 4) -> None:
    for workshop, check in ((host, assert_host), (zig, assert_device)):
        emitted, program = workshop.build(graph)
        check(emitted, program, inputs_for(graph, count, 9))


@needs_cc
@pytest.mark.parametrize("kernel", [(1, 1), (1, 3), (3, 3), (5, 5), (2, 3), (7, 1)])
def test_pools_of_any_area_saturate_as_the_reference(kernel: tuple[int, int], zig: Workshop, host: Workshop) -> None:
    """Inputs at both ends of int16: `sum * multiplier >> 15` may leave int16 by one before the clip."""
    chain = Chain((1, 8, 6), -32768, 32767, 1).add(AvgPool(kernel, (1, 1))).add(MaxPool((2, 2), (1, 1)))
    check_everywhere(chain.graph(), zig, host)


@needs_cc
@pytest.mark.parametrize("shift", [0, 1, 7, 14, 15, 16, 22, 30])
def test_every_shift_saturates(shift: int, zig: Workshop, host: Workshop) -> None:
    """Sums at the bound in both directions, with a full and a narrow clip."""
    third = 10922
    rows = [[32767, 0, 0], [-32767, 0, 0], [third] * 3, [-third] * 3, [1, -1, 0], [0, 0, 0]]
    x = np.array([[32767] * 3, [0] * 3, [0, 32767, 32767], [32767, 0, 0], [1, 2, 3]], np.int16)
    for lo, hi in ((-32768, 32767), (-5, 5)):
        graph = Chain((3,), 0, 32767, 1).add(FullyConnected(), make_params(rows, 0, 0, shift, shift), lo, hi).graph()
        for workshop, check in ((host, assert_host), (zig, assert_device)):
            emitted, program = workshop.build(graph)
            check(emitted, program, x)


@needs_cc
def test_every_level_count_and_empty_things(zig: Workshop, host: Workshop) -> None:
    """1..5 levels; rows, levels and whole layers without a weight; stored zeros."""
    rng = np.random.default_rng(2)
    for levels in range(1, 6):
        chain = Chain((2, 5, 4), 0, 255, levels)
        index = rng.integers(0, levels, (3, 2, 3, 2))
        index[1] = NEVER
        index[index == levels // 2] = NEVER
        chain.add(
            Conv2d((3, 2), (1, 2), (1, 1, 0, 0)), make_params(rng.integers(-200, 200, index.shape), index, [9, -4, 0])
        )
        chain.add(
            Conv2d((1, 1)), make_params(np.zeros((2, 3, 1, 1), int), 0, [100, -100]), -200, 200
        )  # stored zeros, dense
        chain.add(Flatten())
        features = chain.last.size
        chain.add(FullyConnected(), make_params(np.zeros((4, features), int), NEVER, [1, -2, 3, -4]))
        last = rng.choice([NEVER, *range(levels)], (3, 4))
        last[0] = NEVER
        chain.add(FullyConnected(), make_params(rng.integers(-99, 99, (3, 4)), last, [5, 6, 7], 4, 4))
        check_everywhere(chain.graph(), zig, host, 2)


@needs_cc
def test_long_rows_with_wide_gaps(zig: Workshop, host: Workshop) -> None:
    """Padding entries in fully connected rows and filters, gaps of 254 to 511, counts of two bytes."""
    cols = 1200
    index = np.full((6, cols), NEVER)
    for row, gap in enumerate((254, 255, 256, 510, 511)):
        index[row, [gap, 2 * gap, cols - 1]] = [0, 1, 1]
    index[5, :600] = 0
    index[5, 600:] = np.arange(600) % 2
    weight = np.random.default_rng(1).integers(-50, 50, (6, cols))
    chain = Chain((cols,), -100, 100, 2).add(FullyConnected(), make_params(weight, index, 1, 3, 3))
    check_everywhere(chain.graph(), zig, host, 3)
    wide = index[:3].reshape(3, 12, 10, 10)
    chain = Chain((12, 10, 10), -100, 100, 2)
    chain.add(Conv2d((10, 10)), make_params(weight[:3].reshape(wide.shape), wide, 1, 3, 3))
    check_everywhere(chain.graph(), zig, host, 3)


@needs_cc
def test_a_tensor_read_twice_and_relu_of_the_input(zig: Workshop, host: Workshop) -> None:
    chain = Chain((2, 4, 4), -99, 99, 1).add(Relu(), None, 3, 50).add(MaxPool((2, 2), (1, 1))).add(Relu())
    graph = chain.graph()
    early = replace(graph.nodes[2], name="late", inputs=("t0",), output="t9")
    tensors = {**graph.tensors, "t9": replace(graph.tensors["t0"], name="t9", lo=-5, hi=40)}
    check_everywhere(replace(graph, nodes=(*graph.nodes, early), tensors=tensors), zig, host)


@needs_cc
def test_lenet_at_every_level(zig: Workshop, host: Workshop) -> None:
    check_everywhere(lenet(), zig, host, 5)


@needs_cc
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_lenet_many(seed: int, zig: Workshop, host: Workshop) -> None:
    check_everywhere(lenet(seed, [(), (0.0,), (95.0, 10.0), (60.24, 40.5, 20.7)][seed % 3 + 1]), zig, host, 30)


# --- above 64 KB


def test_one_layer_larger_than_64_kb(zig: Workshop) -> None:
    """400 -> 100 dense: 80,000 B of weights, all above 0x10000, the address table below."""
    rng = np.random.default_rng(8)
    weight = rng.integers(-2000, 2000, (100, 400))
    graph = Chain((400,), 0, 255, 1).add(FullyConnected(), make_params(weight, 0, rng.integers(-99, 99, 100))).graph()
    emitted, program = zig.build(graph)
    with program.open("rb") as f:
        elf = ELFFile(f)
        section = elf.get_section_by_name(".hifram")
        table = elf.get_section_by_name(".symtab").get_symbol_by_name("sw_blobs")[0]
        assert section["sh_addr"] == 0x10000
        assert 80_000 <= section["sh_size"] < 80_100
        assert table["st_value"] < 0x10000
    assert_device(emitted, program, inputs_for(graph, 3, 4))


def test_several_layers_across_64_kb_boundaries(zig: Workshop) -> None:
    """csr and dense blobs that begin and end in different 64 KB pages."""
    rng = np.random.default_rng(9)
    chain = Chain((300,), 0, 15, 2)
    for outputs, pruned in ((180, False), (150, True), (130, False)):
        features = chain.last.size
        index = rng.choice([0, 1, NEVER], (outputs, features), p=[0.5, 0.3, 0.2]) if pruned else 0
        chain.add(FullyConnected(), make_params(rng.integers(-300, 300, (outputs, features)), index, 0, 9, 9), 0, 15)
    emitted, program = zig.build(chain.graph())
    with program.open("rb") as f:
        assert ELFFile(f).get_section_by_name(".hifram")["sh_size"] > 0x20000
    assert_device(emitted, program, inputs_for(emitted, 2, 4))


# --- the runtime around the layers


@pytest.fixture(scope="module")
def tiny_board(zig: Workshop) -> Board:
    emitted, program = zig.build(tiny())
    return Board(program, emitted)


def test_levels_switch_back_and_forth(tiny_board: Board) -> None:
    board = tiny_board.fork()
    x = inputs_for(board.graph, 6, 3)
    want = [rig.reference.logits(board.graph, x, level) for level in (0, 1)]
    for i, level in itertools.product(range(6), (0, 1, 1, 0)):
        np.testing.assert_array_equal(board.infer(x[i], level), want[level][i])


def test_a_level_that_does_not_exist_is_refused(tiny_board: Board) -> None:
    board = tiny_board.fork()
    board.request(rig.SWITCH, 1)
    for level in (2, 255, 0xFFFF):
        assert board.request(rig.SWITCH, level) == -1
        assert board.word("sw_level") == 1
    assert board.request(7) == 0  # unknown requests do nothing


def test_a_switch_writes_one_word(tiny_board: Board) -> None:
    board = tiny_board.fork()
    board.machine.watch("sw_level")
    before = board.machine.counters().fram_write
    board.request(rig.SWITCH, 1)
    assert [e.value for e in board.machine.watch_log()] == [1]
    assert board.machine.counters().fram_write - before == 3  # level, status, request


def test_scratch_of_uninitialised_sram_does_not_matter(zig: Workshop) -> None:
    """Other random bits at power-on: same cycles, same logits."""
    emitted, program = zig.build(tiny())
    x = inputs_for(emitted, 1, 3)[0]
    runs = []
    for seed in (0, 1, 99):
        board = Board(program, emitted, seed)
        runs.append((board.infer(x, 1).tolist(), board.machine.cycles))
    assert runs[0] == runs[1] == runs[2]


def test_the_stack_stays_within_its_reserve(zig: Workshop) -> None:
    """Deepest use of the stack over boot and inferences, against what planner and linker reserve."""
    for graph in (tiny(), lenet(), random_graph(12, 3, True, 6)):
        emitted, program = zig.build(graph)
        board = Board(program, emitted)
        top = TARGET.regions["sram"].end
        room = board.machine.symbols["__stack_bytes"].address
        sp = board.machine.registers[1]
        board.machine.write(top - room, b"\xa5" * (sp - (top - room)))
        board.infer(inputs_for(emitted, 1, 1)[0], len(emitted.levels) - 1)
        left = board.machine.read(top - room, room)
        used = room - (len(left) - len(left.lstrip(b"\xa5")))
        assert used <= TARGET.stack_bytes - 64, f"{used} B of stack used; an interrupt needs up to 64 more"
