"""How long steps take behind a reboot: everything from the entry of `sw_infer` to the record of one step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rig import INFER, LIMIT_CYCLES, SWITCH, Board
from strategies import inputs_for

from codegen import reference
from codegen.ir import Graph


@dataclass(frozen=True)
class RebootedStep:
    """Layer of a step in the schedule, and cycles from the entry of `sw_infer` to its record."""

    layer: int
    cycles: int


def rebooted_steps(program: Path, graph: Graph, level: int, count: int) -> list[RebootedStep]:
    """All `count` steps of one inference, each behind a reboot of its own; logits must be those of the reference."""
    board = Board(program, graph)
    machine, x = board.machine, inputs_for(graph, 4, 3)[2]
    assert board.request(SWITCH, level) == 0
    board.feed(x)
    board.put("sw_request", INFER)
    machine.watch("sw_progress")
    found: list[RebootedStep] = []
    for number in range(1, count + 1):
        machine.reset(power_on=True)
        board.go("sw_infer")
        start = machine.cycles
        machine.watch_log()  # forget
        while board.word("sw_progress") != number:
            machine.run(max_cycles=LIMIT_CYCLES, stop_at_watch=True)
        found.append(RebootedStep(board.word("sw_node"), machine.watch_log()[-1].cycles - start))
    machine.reset(power_on=True)
    board.go("sw_idle")
    np.testing.assert_array_equal(board.logits(), reference.logits(graph, x[np.newaxis], level)[0])
    return found
