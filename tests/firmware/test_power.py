"""Power failures and interrupts: wherever they strike, the logits are those of the reference.

A cut loses SRAM, LEA RAM and registers (they come back as random bits); FRAM stays. Each case is named by the
cycles at which power went, counted from the request or from the reboot, so that a failure replays.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rig
from intermittent import Intermittent, lea_network, lea_target, network, small_steps
from rig import ROOT, Workshop
from strategies import inputs_for

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
    assert [layer.encoding for layer in layers] == ["column"] * 5
    assert any(layer.lea.pool for layer in layers if layer.lea)
    assert sum(layer.step_count for layer in layers) > 20


def test_the_network_is_worth_cutting(intermittent: Intermittent) -> None:
    project = rig.emit_project(network(), small_steps(network()), "cpu")
    assert sum(layer.step_count for layer in project.schedule.layers) > 30
    assert project.schedule.taps == 32
    assert {layer.encoding for layer in project.schedule.layers} >= {"none", "dense", "csr"}
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
    assert values == [*range(done + 1, values[-1] + 1)]
    assert board.machine.cycles - before < intermittent.boot_cycles + 0.75 * intermittent.cycles
    intermittent.check(board, "resumed")


def test_an_inference_keeps_its_level(intermittent: Intermittent) -> None:
    """Someone switches while power is gone: the inference under way ends at the level it began with."""
    board = intermittent.start()
    board.machine.run(max_cycles=intermittent.cycles // 2)
    assert board.word("sw_progress") > 0
    assert board.running
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
        "layer->step(layer->layer, done - first, sw_run_level);",
        "sw_progress = done + 1; layer->step(layer->layer, done - first, sw_run_level);",
    ),
    # a layer's volatile state not rebuilt after a reboot in its middle
    "no prepare after a reboot": (
        "layer->prepare(layer->layer, sw_run_level);",
        "if (done == first) layer->prepare(layer->layer, sw_run_level);",
    ),
    # the level taken again although steps of the old one are recorded
    "level taken again": ("uint16_t done = sw_progress;", "uint16_t done = sw_progress; sw_run_level = sw_level;"),
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
        if name == "level taken again" and board.running:
            board.put("sw_level", 0)
        board.machine.reset(power_on=True)
        board.put("sw_request", 0)  # the resumed inference alone
        try:
            board.go("sw_idle", 10 * broken.cycles)
            caught += board.running or (board.logits() != broken.want).any()
        except (AssertionError, rig.MachineFault):
            caught += 1
    # without a request an inference that had not begun is not made at all: those cuts do not count
    assert caught > 10


def test_interrupts_all_through_an_inference_change_nothing(intermittent: Intermittent) -> None:
    """Interrupts enabled, one every few hundred cycles; the routine uses the stack and every register."""
    fired, count = intermittent.interrupt_all_through()
    assert fired > 300
    assert fired - 2 <= count <= fired
