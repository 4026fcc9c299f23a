"""Networks that are worth cutting, and a board whose power fails in the middle of an inference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import rig
from rig import INFER, SWITCH, Board
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
    """Steps of few columns, whose sums leave a scratch of 32 taps for filters of 36."""
    sizes = (rig.replace(rig.tight(graph, taps), step_cycles=8000) for taps in range(32, 0, -1))
    return next(t for t in sizes if rig.emit_project(graph, t, "cpu").schedule.taps <= 32)


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
        assert not board.running, name
        assert board.word("sw_result") == (self.board.word("sw_result") + 1) & 0xFFFF, f"{name}: not one result"
        if board.word("sw_request") == 0 and board.machine.pc == board.machine.symbols["sw_idle"].address:
            assert board.word("sw_released") == board.word("sw_result"), name

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

    def interrupt_all_through(self, every: int = 211, saves: int = 12) -> tuple[int, int]:
        """One inference with an interrupt after so many cycles; the routine uses the stack and every register.

        It saves `saves` registers with one instruction. Returns how many interrupts were asked for and taken.
        """
        board = self.start()
        m = board.machine
        handler = 0xFE00
        code = [0x1400 | (saves - 1) << 4 | r for r in range(15, 3, -saves)]  # pushm.a
        code += [0x5392, handler + 0x60]  # inc &counter
        for register in range(4, 16):
            code += [0x4030 | register, 0xA5C3]  # mov #0xA5C3, rN
        code += [0x1600 | (saves - 1) << 4 | r for r in range(4, 16, saves)]  # popm.a
        code += [0x1300]  # reti
        m.write(handler, b"".join(w.to_bytes(2, "little") for w in code))
        m.write(handler + 0x60, b"\0\0")
        m.write(0xFF90 + 2 * 44, handler.to_bytes(2, "little"))
        board.go("sw_infer")
        m.set_register(2, m.registers[2] | 8)
        fired = 0
        while board.word("sw_request") != 0:
            m.run(max_cycles=every)
            m.interrupt(44)
            fired += 1
        self.check(board, "interrupted")
        count = int.from_bytes(m.read(handler + 0x60, 2), "little")
        return fired, count


def lea_network() -> Graph:
    """Convolutions with and without pool, a depthwise one with a residual sum, filters resident and not, two levels."""
    rng = np.random.default_rng(6)
    chain = Chain((2, 12, 9), 0, 255, 2, "cut_lea")
    for outputs, kernel, padding in ((6, 3, 1), (5, 2, 0)):
        taps = chain.last.shape[0] * kernel * kernel
        index = np.tile(rng.choice([0, 1], taps), outputs).reshape(outputs, -1, kernel, kernel)
        params = make_params(rng.integers(-3000, 3000, index.shape), index, rng.integers(-99, 99, outputs))
        chain.add(Conv2d((kernel, kernel), (1, 1), (padding,) * 4), params, 0, 2000)
        chain.add(AvgPool() if padding else Relu(), None, 0, 2000)
    summand = chain.last.name
    depthwise = make_params(rng.integers(-3000, 3000, (5, 1, 3, 3)), rng.choice([0, 1], (5, 1, 3, 3)), 7)
    chain.add(Conv2d((3, 3), (1, 1), (1, 1, 1, 1), groups=5), depthwise, -900, 900)
    chain.add(Add(), None, -500, 2000, [chain.last.name, summand])
    chain.add(Flatten())
    for outputs in (14, 5):
        index = np.tile(rng.choice([0, 1], chain.last.size), outputs).reshape(outputs, -1)
        chain.add(FullyConnected(), make_params(rng.integers(-3000, 3000, index.shape), index, 3), -3000, 3000)
    return chain.graph()


def lea_target() -> rig.TargetSpec:
    """Little LEA RAM and short steps."""
    region = rig.SPIFRAM.regions["lea_ram"]
    return rig.replace(
        rig.SPIFRAM,
        step_cycles=9000,
        regions={**rig.SPIFRAM.regions, "lea_ram": rig.replace(region, size=2 * 560 + 312)},
    )


def other_weights(graph: Graph) -> Graph:
    """The same masks, all weights of the densest level nearer to 0, other biases."""
    nodes = []
    for node in graph.nodes:
        if node.params is not None:
            p = node.params
            weight = (p.weight - np.sign(p.weight) * (np.abs(p.weight) > 1)).astype(np.int16)
            node = replace(node, params=replace(p, weight=weight, bias=p.bias - np.sign(p.bias)))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))
