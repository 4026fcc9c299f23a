"""Power failures and interrupts: wherever they strike, the logits are those of the reference.

A cut loses SRAM, LEA RAM and registers (they come back as random bits); FRAM stays. Each case is named by the
cycles at which power went, counted from the request or from the reboot, so that a failure replays.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rig
from rig import INFER, ROOT, SWITCH, Board, Workshop
from strategies import Chain, inputs_for, level_indices, make_params

from codegen import reference
from codegen.ir import Graph
from codegen.ops import Add, Array, AvgPool, Concat, Conv2d, Flatten, FullyConnected, MaxPool, Relu


def network() -> Graph:
    """Every kind of layer, several steps each, both encodings, a border, a filter in pieces, reused memory."""
    rng = np.random.default_rng(4)
    chain = Chain((2, 9, 8), 0, 255, 2, "cut")

    def conv(outputs: int, kernel: int, op: Conv2d, sparsity: str) -> None:
        shape = (outputs, chain.last.shape[0] // op.groups, kernel, kernel)
        index = level_indices(rng, shape, 2, sparsity)
        params = make_params(rng.integers(-1500, 1500, shape), index, rng.integers(-9, 9, outputs), 9, 9)
        chain.add(op, params, -300, 2000)

    chain.add(MaxPool((1, 1), (1, 1)))
    conv(4, 3, Conv2d((3, 3), (1, 1), (1, 1, 1, 1)), "mixed")
    chain.add(AvgPool((2, 2), (2, 2)), None, -300, 2000)
    conv(3, 3, Conv2d((3, 3), (1, 1), (0, 1, 1, 0)), "full")
    summand = chain.last.name
    conv(3, 2, Conv2d((2, 2), (1, 1), (0, 1, 2, 1), (2, 2), 3), "full")  # depthwise, dilated
    chain.add(Add((1, 1)), None, -700, 900, [chain.last.name, summand])
    chain.add(Concat((0, 1)), None, -600, 800, [chain.last.name, summand])
    chain.add(MaxPool((1, 2), (1, 2))).add(Relu(), None, 0, 1500).add(Flatten())
    for outputs, sparsity, shift, reach in ((20, "mixed", 9, 1500), (5, "full", 15, 15000)):
        shape = (outputs, chain.last.size)
        params = make_params(
            rng.integers(-reach, reach, shape), level_indices(rng, shape, 2, sparsity), 3, shift, shift
        )
        chain.add(FullyConnected(), params, -3000, 3000)
    return chain.graph()


def small_steps(graph: Graph) -> rig.TargetSpec:
    """Steps of few rows, and a scratch of 32 taps for filters of 36."""
    return rig.replace(rig.tight(graph, 32), step_cycles=4000)


class Intermittent:
    """A board, one input at one level, and what must come out."""

    def __init__(self, program: Path, graph: Graph, level: int) -> None:
        board = Board(program, graph)
        self.graph = graph
        self.x = inputs_for(graph, 4, 7)[3]
        self.want = reference.logits(graph, self.x[np.newaxis], level)[0]
        assert board.request(SWITCH, level) == 0
        board.feed(self.x)
        board.put("sw_request", INFER)
        self.board = board
        whole = board.fork()
        start = whole.machine.cycles
        whole.go("sw_idle")
        self.cycles = whole.machine.cycles - start
        self.boot_cycles = board.boot_cycles

    def start(self) -> Board:
        return self.board.fork()

    def finish(self, board: Board) -> None:
        """Let the firmware answer, however often it passes the idle loop on the way."""
        for _ in range(3):
            board.go("sw_idle", 4 * (self.cycles + self.boot_cycles))
            if board.word("sw_request") == 0:
                return
        raise AssertionError("the request is never answered")

    def check(self, board: Board, name: str) -> None:
        got: Array = board.logits()
        np.testing.assert_array_equal(got, self.want, err_msg=name)
        assert board.word("sw_class") == int(self.want.argmax()), name
        assert board.word("sw_progress") == 0, name

    def cut(self, losses: list[int]) -> Board:
        """One inference with power lost after each of these many cycles."""
        board, name = self.start(), f"loss={','.join(map(str, losses))}"
        for loss in losses:
            board.machine.run(max_cycles=loss)
            if board.word("sw_request") == 0:
                break
            board.machine.reset(power_on=True)
        if board.word("sw_request") != 0:
            self.finish(board)
        self.check(board, name)
        return board


def lea_network() -> Graph:
    """Convolutions with and without pool, filters resident and not, tiles of weights that overlap, two levels."""
    rng = np.random.default_rng(6)
    chain = Chain((2, 12, 9), 0, 255, 2, "cut_lea")
    for outputs, kernel, padding in ((6, 3, 1), (5, 2, 0)):
        taps = chain.last.shape[0] * kernel * kernel
        index = np.tile(rng.choice([0, 1], taps), outputs).reshape(outputs, -1, kernel, kernel)
        params = make_params(rng.integers(-3000, 3000, index.shape), index, rng.integers(-99, 99, outputs))
        chain.add(Conv2d((kernel, kernel), (1, 1), (padding,) * 4), params, 0, 2000)
        chain.add(AvgPool() if padding else Relu(), None, 0, 2000)
    chain.add(Flatten())
    for outputs in (14, 5):
        index = np.tile(rng.choice([0, 1], chain.last.size), outputs).reshape(outputs, -1)
        chain.add(FullyConnected(), make_params(rng.integers(-3000, 3000, index.shape), index, 3), -3000, 3000)
    return chain.graph()


def lea_target() -> rig.TargetSpec:
    """Little LEA RAM and short steps."""
    region = rig.TARGET.regions["lea_ram"]
    return rig.replace(
        rig.TARGET, step_cycles=3000, regions={**rig.TARGET.regions, "lea_ram": rig.replace(region, size=2 * 560 + 312)}
    )


CASES = {"sparsest": ("cpu", 0), "densest": ("cpu", 1), "sparsest lea": ("lea", 0), "densest lea": ("lea", 1)}


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def intermittent(request: pytest.FixtureRequest, zig: Workshop) -> Intermittent:
    backend, level = request.param
    graph, target = (network(), small_steps(network())) if backend == "cpu" else (lea_network(), lea_target())
    emitted, program = zig.build(graph, target, backend)
    return Intermittent(program, emitted, level)


def test_the_lea_network_is_worth_cutting() -> None:
    project = rig.emit_project(lea_network(), lea_target(), "lea")
    layers = [layer for layer in project.schedule.layers if layer.lea]
    assert [layer.encoding for layer in layers] == ["column"] * 4
    assert any(layer.lea.pool for layer in layers if layer.lea)
    assert sum(layer.step_count for layer in layers) > 20


def test_the_network_is_worth_cutting(intermittent: Intermittent) -> None:
    project = rig.emit_project(network(), small_steps(network()), "cpu")
    assert sum(layer.step_count for layer in project.schedule.layers) > 30
    assert project.schedule.taps == 32
    assert {layer.encoding for layer in project.schedule.layers} == {"none", "dense", "csr"}
    assert len(np.unique(intermittent.want)) > 3


def test_a_cut_anywhere_is_survived(intermittent: Intermittent) -> None:
    """150 single cuts, evenly over boot-up of the request, every layer and the answer."""
    for loss in np.linspace(1, intermittent.cycles - 1, 150).astype(int).tolist():
        intermittent.cut([loss])


@pytest.mark.slow
def test_a_cut_at_every_hundredth_cycle_is_survived(intermittent: Intermittent) -> None:
    for loss in range(1, intermittent.cycles, 97):
        intermittent.cut([loss])


@pytest.mark.parametrize("seed", range(25))
def test_many_cuts_in_one_inference(intermittent: Intermittent, seed: int) -> None:
    """Up to ten cuts, some of them during boot, some before any progress."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 11))
    losses = rng.integers(1, intermittent.boot_cycles + intermittent.cycles // 3, count).tolist()
    intermittent.cut(losses)


def test_a_cut_in_the_answer_is_survived(intermittent: Intermittent) -> None:
    """Every instruction of the last 60: storing logits, class, progress, status and request."""
    board = intermittent.start()
    board.machine.run(max_cycles=intermittent.cycles - 500)
    cuts = 0
    while board.word("sw_request") != 0:
        broken = board.fork()
        broken.machine.reset(power_on=True)
        intermittent.finish(broken)
        intermittent.check(broken, f"at {board.machine.where(board.machine.pc)}")
        board.machine.run(max_cycles=0)
        cuts += 1
    assert cuts > 50


def test_work_goes_on_where_it_stopped(intermittent: Intermittent) -> None:
    """After a reboot the first step recorded is the one that was not, and earlier layers do not run again."""
    board = intermittent.start()
    board.machine.run(max_cycles=intermittent.cycles // 2)
    done = board.word("sw_progress")
    assert done > 5
    board.machine.reset(power_on=True)
    board.machine.watch("sw_progress")
    before = board.machine.cycles
    board.go("sw_idle")
    values = [e.value for e in board.machine.watch_log()]
    assert values[0] == done + 1
    assert values == [*range(done + 1, values[-2] + 1), 0]
    assert board.machine.cycles - before < intermittent.boot_cycles + 0.75 * intermittent.cycles
    intermittent.check(board, "resumed")


def test_an_inference_keeps_its_level(intermittent: Intermittent) -> None:
    """Someone switches while power is gone: the inference under way ends at the level it began with."""
    board = intermittent.start()
    board.machine.run(max_cycles=intermittent.cycles // 2)
    assert board.word("sw_progress") > 0
    board.put("sw_level", 1 - board.word("sw_level"))
    board.put("sw_request", 0)  # only the resumed inference, not a second one
    board.machine.reset(power_on=True)
    board.go("sw_idle")
    intermittent.check(board, "level kept")


def test_input_written_meanwhile_does_not_mix(intermittent: Intermittent) -> None:
    board = intermittent.start()
    board.machine.run(max_cycles=intermittent.cycles // 2)
    board.feed(inputs_for(intermittent.graph, 2, 1)[1])
    board.go("sw_idle")
    intermittent.check(board, "old input")


def test_a_reset_without_power_loss_is_survived(intermittent: Intermittent) -> None:
    for loss in (100, intermittent.cycles // 3, intermittent.cycles - 50):
        board = intermittent.start()
        board.machine.run(max_cycles=loss)
        board.machine.reset(power_on=False)
        intermittent.finish(board)
        intermittent.check(board, f"reset={loss}")


BROKEN = {
    # progress recorded before the data that it stands for
    "commit before data": (
        "layer->step(layer->layer, done - first, run_level);",
        "sw_progress = done + 1; layer->step(layer->layer, done - first, run_level);",
    ),
    # a layer's volatile state not rebuilt after a reboot in its middle
    "no prepare after a reboot": (
        "layer->prepare(layer->layer, run_level);",
        "if (done == first) layer->prepare(layer->layer, run_level);",
    ),
    # the level taken again although steps of the old one are recorded
    "level taken again": ("if (done == 0) run_level = sw_level;", "run_level = sw_level;"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_step_loop_is_caught(name: str, tmp_path: Path) -> None:
    """First test the tester."""
    text = (ROOT / "src" / "sw_run.c").read_text()
    good, bad = BROKEN[name]
    assert text.count(good) == 1, "sw_run.c has changed: adapt this test"
    source = tmp_path / "sw_run.c"
    source.write_text(text.replace(good, bad))
    graph = network()
    emitted, program = Workshop(tmp_path / "build", "zig", {"src/sw_run.c": source}).build(graph, small_steps(graph))
    broken = Intermittent(program, emitted, 1)
    caught = 0
    for loss in np.linspace(1, broken.cycles - 1, 60).astype(int).tolist():
        board = broken.start()
        board.machine.run(max_cycles=loss)
        if name == "level taken again" and board.word("sw_progress"):
            board.put("sw_level", 0)
        board.machine.reset(power_on=True)
        board.put("sw_request", 0)  # the resumed inference alone
        try:
            board.go("sw_idle", 10 * broken.cycles)
            caught += board.word("sw_progress") != 0 or (board.logits() != broken.want).any()
        except (AssertionError, rig.MachineFault):
            caught += 1
    # without a request an inference that had not begun is not made at all: those cuts do not count
    assert caught > 10


def test_interrupts_all_through_an_inference_change_nothing(intermittent: Intermittent) -> None:
    """Interrupts enabled, one every few hundred cycles; the routine uses the stack and every register."""
    board = intermittent.start()
    m = board.machine
    handler = 0xFE00
    code = [0x14BF, 0x5392, handler + 0x60]  # pushm.a #12, r15; inc &counter
    for register in range(4, 16):
        code += [0x4030 | register, 0xA5C3]  # mov #0xA5C3, rN
    code += [0x16B4, 0x1300]  # popm.a #12, r15; reti
    m.write(handler, b"".join(w.to_bytes(2, "little") for w in code))
    m.write(handler + 0x60, b"\0\0")
    m.write(0xFF90 + 2 * 44, handler.to_bytes(2, "little"))
    board.go("sw_infer")
    m.set_register(2, m.registers[2] | 8)
    fired = 0
    while board.word("sw_request") != 0:
        m.run(max_cycles=211)
        m.interrupt(44)
        fired += 1
    intermittent.check(board, "interrupted")
    count = int.from_bytes(m.read(handler + 0x60, 2), "little")
    assert fired > 300
    assert fired - 2 <= count <= fired
