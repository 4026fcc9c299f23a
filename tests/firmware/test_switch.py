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
from codegen.errors import DoesNotFit
from sim import Stop

BUSY, EXTERNAL = -3, -2


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


# --- weights of patches in external memory


@pytest.fixture(scope="module")
def outside() -> CProject:
    made = rig.emit_project(lea_network(), lea_target(), "lea", external="all", switching="image")
    assert made.images.outside and made.image is not None and not made.image.blobs
    return made


@pytest.fixture(scope="module")
def outside_board(zig: Workshop, outside: CProject) -> Board:
    return Board(zig.program(outside), outside.graph)


def test_up_reads_what_differs_and_down_reads_nothing(outside_board: Board, outside: CProject) -> None:
    """Beside the header, once: the weights that enter, and a READ command for each chunk."""
    board = outside_board.fork()
    x = inputs_for(outside.graph, 1, 5)[0]
    np.testing.assert_array_equal(board.infer(x, 0), reference.logits(outside.graph, x[None], 0)[0])
    assert board.machine.counters().spi_fram_bytes == 0  # level 0 needs no external memory
    entering, chunks = 2 * outside.images.differing_words(0, 1), len(outside.images.chunks)
    for level, want in ((1, 36 + entering + 4 * chunks), (0, 0), (1, entering + 4 * chunks), (0, 0)):
        before = board.machine.counters()
        assert board.request(SWITCH, level) == 0
        assert (board.machine.counters() - before).spi_fram_bytes == want
        assert board.machine.read("sw_images") == images(outside, level)
        np.testing.assert_array_equal(board.infer(x, level), reference.logits(outside.graph, x[None], level)[0])


def test_host_program_with_patches_outside(host: Workshop, outside: CProject) -> None:
    rig.assert_host(outside.graph, host.program(outside), inputs_for(outside.graph, 2, 5))


def test_without_the_memory_the_level_stays(outside_board: Board, outside: CProject) -> None:
    board = outside_board.fork()
    board.machine.spi_fram_write(0, bytes(32))
    assert board.request(SWITCH, 1) == EXTERNAL
    assert board.machine.read("sw_images") == images(outside, 0)
    x = inputs_for(outside.graph, 1, 5)[0]
    np.testing.assert_array_equal(board.infer(x, 0), reference.logits(outside.graph, x[None], 0)[0])


def test_a_way_up_is_undone_when_the_memory_has_gone(outside_board: Board, outside: CProject) -> None:
    """Power fails and the part is gone: the old level or the new one, never a mixture."""
    start = outside_board.fork()
    start.put("sw_argument", 1)
    start.put("sw_request", SWITCH)
    whole = start.fork()
    whole.go("sw_asleep")
    seen = set()
    total = whole.machine.nvm_writes - start.machine.nvm_writes
    for point in (*range(1, total, 7), *range(total - 6, total)):
        board = start.fork()
        assert board.machine.run(max_nvm_writes=point) is Stop.NVM_WRITES
        board.machine.power_cycle()
        board.machine.spi_fram_write(0, bytes(32))
        board.put("sw_request", 0)
        board.go("sw_idle")
        if point % 5 == 0:  # and once more, on the way back
            board.put("sw_request", INFER)
            board.machine.run(max_nvm_writes=point % 40 + 1)
            board.machine.power_cycle()
        board.put("sw_request", INFER)
        board.go("sw_asleep")
        level = board.word("sw_level")
        assert board.word("sw_switching") == 0
        assert board.machine.read("sw_images") == images(outside, level), point
        seen.add(level)
    assert seen == {0, 1}


def test_steps_of_patches_outside_are_as_long_as_planned(zig: Workshop) -> None:
    project = rig.emit_project(lenet(), rig.SPIFRAM, external="all", switching="image")
    board = Board(zig.program(project), project.graph)
    assert board.request(SWITCH, 1) == 0
    board.machine.watch("sw_patched")
    assert board.request(SWITCH, 2) == 0
    log = board.machine.watch_log()
    assert max(b.cycles - a.cycles for a, b in itertools.pairwise(log)) <= rig.TARGET.step_cycles


def test_patches_go_out_where_high_fram_is_short() -> None:
    """Before any weight that inferences read."""
    whole = rig.emit_project(lea_network(), lea_target(), "lea", switching="image")
    assert not whole.images.outside
    region = rig.TARGET.regions["hifram"]
    room = whole.packed.blob_bytes + whole.packed.patch_bytes - 2
    target = rig.replace(lea_target(), regions={**lea_target().regions, "hifram": rig.replace(region, size=room)})
    project = rig.emit_project(lea_network(), target, "lea", switching="image")
    assert project.images.outside and project.image is not None and not project.image.blobs
    with pytest.raises(DoesNotFit, match="patches and room for packages"):
        rig.emit_project(lea_network(), target, "lea", switching="image", external="none")
