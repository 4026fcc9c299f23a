"""What power failures interrupt, and what must be true afterwards: inferences and switches as `powerloss.Program`s.

A case ends when the firmware falls asleep with the request answered (`sw_asleep`). Compared is the whole of FRAM:
outputs, weights, levels, numbers and everything in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rig
from rig import INFER, SWITCH, Board, Workshop, reference
from strategies import inputs_for

from codegen.delta import apply
from codegen.emit import emit_project
from codegen.ir import Graph
from codegen.ops import Array
from sim import Machine, powerloss

MAX_CYCLES = 200_000_000


def fram(machine: Machine) -> bytes:
    """All of it but the vectors."""
    return machine.read(0x4000, 0xBF80) + machine.read(0x10000, 0x34000)


def inference(board: Board, x: Array) -> powerloss.Program:
    """One inference, from the request to the answer."""
    started = board.fork()
    started.feed(x)
    started.put("sw_request", INFER)
    return powerloss.Program(started.machine, "sw_asleep", MAX_CYCLES)


def switch(board: Board, level: int) -> powerloss.Program:
    """One switch, from the request to the answer."""
    started = board.fork()
    started.put("sw_argument", level)
    started.put("sw_request", SWITCH)
    return powerloss.Program(started.machine, "sw_asleep", MAX_CYCLES)


@dataclass(frozen=True)
class Found:
    """What an inference right after a power failure shows."""

    whole: bool
    right: bool


class Switches:
    """A model with images. After each power failure in a switch the world wants an inference, not the switch."""

    def __init__(self, shop: Workshop, graph: Graph, target: rig.TargetSpec) -> None:
        project = emit_project(graph, target, "lea", switching="image")
        self.graph, self.project = project.graph, project
        self.board = Board(shop.program(project), self.graph)
        self.x = inputs_for(self.graph, 2, 9)[1]
        self.want = [reference.logits(self.graph, self.x[None], k)[0] for k in range(len(self.graph.levels))]
        names = [n for n in project.packed.layers if n in project.images.initial]
        initial = project.images.initial
        levels = range(len(self.graph.levels))
        made = [
            b"".join(apply(project.images, n, initial[n], 0, k).astype("<i2").tobytes() for n in names) for k in levels
        ]
        self.images = made
        self.start = fram(self.board.machine).index(made[0])

    def image(self, machine: Machine) -> bytes:
        """The images, one behind the other as in `weights.S`."""
        return fram(machine)[self.start : self.start + len(self.images[0])]

    def program(self, source: int, target: int) -> powerloss.Program:
        """A switch; whatever is interrupted, an inference is asked for at each power-up."""
        board = self.board.fork()
        assert board.request(SWITCH, source) == 0
        board.feed(self.x)

        def want_an_inference(machine: Machine) -> None:
            machine.write("sw_request", INFER.to_bytes(2, "little"))

        program = switch(board, target)
        return powerloss.Program(program.machine, "sw_asleep", MAX_CYCLES, want_an_inference)

    def verify(self, source: int, target: int, schedule: powerloss.Schedule) -> powerloss.Verdict:
        """The images are whole, of the level that the device says, and logits are that level's."""

        def final(machine: Machine) -> Found:
            level = int.from_bytes(machine.read("sw_level", 2), "little")
            logits = np.frombuffer(machine.read("sw_output"), "<i2")
            inferred = int.from_bytes(machine.read("sw_result", 2), "little") > 0
            right = not inferred or np.array_equal(logits, self.want[level].reshape(-1))
            return Found(self.image(machine) == self.images[level], right)

        return powerloss.verify(self.program(source, target), schedule, final=final)
