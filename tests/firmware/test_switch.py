"""Images on the device: every switch gives exactly the level's image, at a cost that is bounded, whatever fails."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import rig
from failing import Switches
from intermittent import lea_network, lea_target
from rig import INFER, SWITCH, Board, Workshop, reference
from strategies import inputs_for, lenet

from sim import powerloss

BUSY = -3


@pytest.fixture(scope="module")
def switches(zig: Workshop) -> Switches:
    return Switches(zig, lea_network(), lea_target())


def test_every_switch_gives_the_levels_image_and_logits(switches: Switches) -> None:
    board = switches.board.fork()
    x = inputs_for(switches.graph, 1, 5)[0]
    for level in (0, 1, 1, 0, 1):
        assert board.request(SWITCH, level) == 0
        assert switches.image(board.machine) == switches.images[level]
        assert board.word("sw_level") == level
        np.testing.assert_array_equal(board.infer(x, level), reference.logits(switches.graph, x[None], level)[0])


def test_host_program_with_images(host: Workshop) -> None:
    project = rig.emit_project(lea_network(), lea_target(), switching="image")
    rig.assert_host(project.graph, host.program(project), inputs_for(project.graph, 2, 5))


def test_an_image_is_not_patched_under_an_inference(switches: Switches) -> None:
    """`sw_switch` refuses, and the inference ends at its level."""
    board = switches.board.fork()
    x = inputs_for(switches.graph, 1, 5)[0]
    board.feed(x)
    board.put("sw_request", INFER)
    board.machine.run(max_cycles=20_000)
    assert board.running
    board.put("sw_request", SWITCH)
    board.put("sw_argument", 1)
    board.machine.reset(power_on=True)
    while board.word("sw_request"):  # resumed first, then switched
        board.go("sw_idle")
    np.testing.assert_array_equal(board.logits(), reference.logits(switches.graph, x[None], 0)[0])
    assert board.word("sw_level") == 1
    assert switches.image(board.machine) == switches.images[1]


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


def test_a_switch_is_old_or_complete_wherever_power_fails(switches: Switches) -> None:
    """`linear` over every FRAM write of a switch up and of one down, each followed by an inference."""
    for source, target in ((0, 1), (1, 0)):
        verdict = switches.verify(source, target, powerloss.linear())
        assert verdict.ok, verdict
        assert verdict.cases > 200


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("no journal", "SW_COMMIT(sw_switching, level + 1);\n    return sw_switch_finish();", """
    uint16_t up = level > sw_level, first = sw_patch_ends[up ? sw_level : level];
    uint16_t end = sw_patch_ends[up ? level : sw_level];
    for (; first < end; first++) patch(&sw_patches[first], up);
    SW_COMMIT(sw_level, level);
    return SW_OK;"""),
        ("level written first", "SW_COMMIT(sw_switching, level + 1);", """
    uint16_t old = sw_level;
    SW_COMMIT(sw_level, level);
    uint16_t up = level > old, first = sw_patch_ends[up ? old : level], end = sw_patch_ends[up ? level : old];
    for (; first < end; first++) patch(&sw_patches[first], up);
    SW_COMMIT(sw_switching, level + 1);"""),
    ],
)  # fmt: skip
def test_a_broken_switch_is_caught(name: str, good: str, bad: str, tmp_path: Path) -> None:
    """First test the tester: caught by `log` already, which tries a handful of points."""
    text = (rig.ROOT / "src" / "sw_switch_image.c").read_text()
    assert text.count(good) == 1, "sw_switch_image.c has changed: adapt this test"
    source = tmp_path / "sw_switch_image.c"
    source.write_text(text.replace(good, bad))
    shop = Workshop(tmp_path / "build", "zig", {"src/sw_switch_image.c": source})
    broken = Switches(shop, lea_network(), lea_target())
    verdict = broken.verify(0, 1, powerloss.log())
    assert not verdict.ok, f"{name} is not caught"
    assert any(case.startswith("log:write@") for case, _ in verdict.failures)
