"""Images on the device: every switch gives exactly the level's image, at a cost that is bounded, whatever fails."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import rig
from intermittent import lea_network, lea_target
from rig import INFER, SWITCH, Board, Workshop, reference
from strategies import inputs_for, lenet

from codegen.delta import apply
from codegen.emit import CProject

BUSY = -3


@pytest.fixture(scope="module")
def project() -> CProject:
    return rig.emit_project(lea_network(), lea_target(), "lea", switching="image")


@pytest.fixture(scope="module")
def board(zig: Workshop, project: CProject) -> Board:
    return Board(zig.program(project), project.graph)


def images(project: CProject, level: int) -> bytes:
    """All images at `level`, as they lie in memory."""
    made, initial = project.images, project.images.initial
    names = [n for n in project.packed.layers if n in initial]
    return b"".join(apply(made, n, initial[n], 0, level).astype("<i2").tobytes() for n in names)


def test_every_switch_gives_the_levels_image_and_logits(board: Board, project: CProject) -> None:
    board = board.fork()
    x = inputs_for(project.graph, 1, 5)[0]
    for level in (0, 1, 1, 0, 1):
        assert board.request(SWITCH, level) == 0
        assert board.machine.read("sw_images") == images(project, level)
        assert board.word("sw_level") == level
        np.testing.assert_array_equal(board.infer(x, level), reference.logits(project.graph, x[None], level)[0])


def test_host_program_with_images(host: Workshop, project: CProject) -> None:
    rig.assert_host(project.graph, host.program(project), inputs_for(project.graph, 2, 5))


def test_an_image_is_not_patched_under_an_inference(board: Board, project: CProject) -> None:
    """`sw_switch` refuses, and the inference ends at its level."""
    board = board.fork()
    x = inputs_for(project.graph, 1, 5)[0]
    board.feed(x)
    board.put("sw_request", INFER)
    board.go("sw_mpymatrixrow_s16_lea")
    assert board.running
    board.put("sw_argument", 1)
    m = board.machine
    m.set_register(12, 1)
    m.set_register(1, m.registers[1] - 2)  # as if an application called it now
    m.write(m.registers[1], m.symbols["sw_idle"].address.to_bytes(2, "little"))
    m.pc = m.symbols["sw_switch"].address
    board.go("sw_idle")
    assert m.registers[12] == BUSY & 0xFFFF
    assert m.read("sw_images") == images(project, 0)
    m.reset(power_on=True)
    board.go("sw_asleep")
    np.testing.assert_array_equal(board.logits(), reference.logits(project.graph, x[None], 0)[0])


def test_lenet_writes_little_more_than_what_differs(zig: Workshop) -> None:
    """60.24 to 40.50 %, from the call to its return, journal and stack in FRAM included."""
    project = rig.emit_project(lenet(), rig.TARGET, switching="image")
    board = Board(zig.program(project), project.graph)
    differing = 2 * project.images.differing_words(0, 1)
    dense = 2 * sum(image.size for image in project.images.initial.values())
    for level in (1, 0):
        board.put("sw_argument", level)
        board.put("sw_request", SWITCH)
        board.go("sw_switch")
        board.machine.watch("sw_patched")
        before = board.machine.counters()
        board.go("sw_idle")
        written = 2 * (board.machine.counters() - before).fram_write
        log = board.machine.watch_log()
        assert differing <= written <= 1.1 * differing
        assert written <= 0.25 * dense
        steps = [b.cycles - a.cycles for a, b in itertools.pairwise(log)]
        assert max(steps) <= rig.TARGET.step_cycles, "a chunk takes longer than a step"
        assert max(steps) >= 0.6 * rig.TARGET.step_cycles, "chunks are much shorter than they may be"
