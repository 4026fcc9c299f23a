"""Power failures by schedule: whatever fails, FRAM ends as if nothing had; and the testers are tested.

Every case has an id; a failing test prints it with the command that runs it again. `INJECTED` is what the default suite
counts at least; the slow suite multiplies the seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rig
from failing import HostPower, HostProgram, broken, interrupted
from intermittent import lea_network, lea_target, network, small_steps
from rig import Workshop
from strategies import lenet_columns, tiny

from codegen.build import build
from codegen.emit import CProject, write_project
from codegen.errors import DoesNotFit
from codegen.serialize import load_graph
from codegen.supply import BOOT_CYCLES, EnergyBuffer, explain, fit_steps
from codegen.target import load_target
from sim import EnergyModel, Harvested, Machine, PoweredMachine, powerloss
from sim.sources import ConstantPower
from swtrain.interrupt import Interrupted, Job

RESULTS = Path(__file__).parents[2] / "results" / "models"
SHIPPED = sorted(p.name for p in RESULTS.glob("*"))
LARGE = {"sqnxt23-column": 500}
"""Cases of models whose inferences take long: a case has one to three failures, 500 have about 1,000."""


def shipped(name: str) -> CProject:
    """On the board that holds it."""
    board = "msp430fr5994-spifram" if name in LARGE else "msp430fr5994"
    return rig.emit_project(load_graph(RESULTS / name), load_target(board))


MODELS: dict[str, Callable[[], CProject]] = {
    "tiny": lambda: rig.emit_project(tiny(), rig.TARGET),
    "cpu": lambda: rig.emit_project(network(), small_steps(network()), "cpu"),
    "lea": lambda: rig.emit_project(lea_network(), lea_target(), "lea"),
    "image": lambda: rig.emit_project(lea_network(), lea_target(), "lea", switching="image"),
    "outside": lambda: rig.emit_project(lea_network(), lea_target(), "lea", external="all", switching="image"),
    **{name: partial(shipped, name) for name in SHIPPED},
}
UP, DOWN = Job((0, 1)), Job((1, 0))
INJECTED = {
    "exhaustive": 5900, "linear infer:0": 2500, "linear infer:1": 2500, "linear switch": 900, "lenet": 100,
    "boot": 300, "instructions": 600, "host": 9000,
}  # fmt: skip
FAILING = Path("build") / "failing"
Check = Callable[[str, powerloss.Verdict, int], None]


@pytest.fixture(scope="module")
def models(zig: Workshop) -> Callable[[str], Interrupted]:
    made: dict[str, Interrupted] = {}

    def model(name: str) -> Interrupted:
        if name not in made:
            made[name] = interrupted(zig, MODELS[name]())
        return made[name]

    return model


@pytest.fixture
def check(injected: Callable[[int], None]) -> Check:
    """No failure; else leave a project behind that `swtrain sim --replay` takes."""

    def check(name: str, verdict: powerloss.Verdict, least: int) -> None:
        injected(verdict.cases)
        if not verdict.ok:
            write_project(MODELS[name](), FAILING / name)
            build(FAILING / name)
            raise AssertionError(f"{verdict}\nagain: swtrain sim {FAILING / name} --replay {verdict.failures[0][0]}")
        assert verdict.cases >= least, f"{verdict.cases} cases, the table says {least}"

    return check


def test_the_table_adds_up() -> None:
    assert sum(INJECTED.values()) >= 20_000


def test_exhaustive_two_failures_in_a_row(models: Callable[[str], Interrupted], check: Check) -> None:
    """Every pair: the second one in boot, in the step that is repeated, in the answer."""
    check("tiny", models("tiny").verify(Job((1,)), powerloss.exhaustive(2)), INJECTED["exhaustive"])


@pytest.mark.parametrize("level", [0, 1])
def test_every_write_of_an_inference(models: Callable[[str], Interrupted], check: Check, level: int) -> None:
    cases = 0
    for name in ("cpu", "lea", "image"):
        verdict = models(name).verify(Job((level,)), powerloss.linear())
        check(name, verdict, 1)
        cases += verdict.cases
    assert cases >= INJECTED[f"linear infer:{level}"]


def test_every_write_of_a_switch(models: Callable[[str], Interrupted], check: Check) -> None:
    """Each followed by an inference: old level or new one, never a mixture."""
    cases = 0
    for name in ("image", "outside", "lea"):
        for job in (UP, DOWN):
            verdict = models(name).verify(job, powerloss.linear())
            check(name, verdict, 1)
            cases += verdict.cases
    assert cases >= INJECTED["linear switch"]


def test_every_write_of_the_smallest_layers_of_lenet(zig: Workshop, injected: Callable[[int], None]) -> None:
    """From the second fully connected layer on."""
    device = interrupted(zig, rig.emit_project(lenet_columns(), rig.TARGET))
    program = device.program(Job((0,)))
    machine = program.machine.fork()
    machine.run("sw_conv2d_lea_prepare")
    for _ in range(2):
        machine.run("sw_fully_connected_lea_prepare")
    first = machine.nvm_writes - program.machine.nvm_writes + 1
    verdict = device.verify(Job((0,)), powerloss.linear(first=first))
    assert verdict.ok, verdict
    assert verdict.cases >= INJECTED["lenet"]
    injected(verdict.cases)


@pytest.mark.parametrize("name", ["cpu", "lea", "image"])
def test_boot_takes_less_than_a_millisecond(models: Callable[[str], Interrupted], name: str) -> None:
    """From reset to the step loop, in time (the clock starts slow) and in the cycles that plans reckon with."""
    program = models(name).program(Job((1,)))
    machine = program.machine.fork()
    machine.run("sw_lea_wait" if name != "cpu" else "sw_conv2d_taps_s16_cpu")
    machine.power_cycle()
    cycles, start = machine.cycles, machine.time_s
    machine.run("sw_infer")
    assert machine.cycles - cycles <= BOOT_CYCLES
    assert machine.time_s - start <= 1e-3


def test_a_plan_for_a_buffer_finishes_on_it(zig: Workshop) -> None:
    """4.7 uF and 0.1 mW: always progress with steps that fit; those of the board's plan never end."""
    buffer = EnergyBuffer(4.7e-6, leakage=0)
    supply = Harvested(ConstantPower(1e-4), buffer.capacitor, boot_s=buffer.boot_s, boot_c=buffer.boot_c)
    for target, finishes in ((fit_steps(rig.TARGET, buffer), True), (rig.TARGET, False)):
        project = rig.emit_project(lenet_columns(), target)
        program = interrupted(zig, project).program(Job((2,)))
        powered = PoweredMachine(program.machine.fork(), supply, EnergyModel.load("fused"))
        powered.run("sw_asleep", duration_s=20)
        done = powered.machine.read("sw_request") == bytes(2)
        assert done == finishes
        assert powered.finish().power_cycles > 10
    small = EnergyBuffer(2.5e-6)
    with pytest.raises(DoesNotFit, match="smallest step may take") as found:
        rig.emit_project(lenet_columns(), fit_steps(rig.TARGET, small))
    assert "energy buffer of 2.5 uF holds 6.74 uJ, which pays for" in str(explain(small, rig.TARGET, found.value))


def test_failures_in_boot(models: Callable[[str], Interrupted], check: Check) -> None:
    """One in the inference, then up to three within the boot that follows."""
    rng = np.random.default_rng(3)
    boot = 8000
    points = [
        (int(rng.integers(1, 60_000)), *(int(n) for n in rng.integers(1, boot, rng.integers(1, 4)))) for _ in range(300)
    ]
    schedule = powerloss.Schedule("boot", "cycle", lambda total: points)
    check("lea", models("lea").verify(Job((0,)), schedule), INJECTED["boot"])


def test_failures_at_any_instruction(models: Callable[[str], Interrupted], check: Check) -> None:
    cases = 0
    for name, job in (("lea", Job((1,))), ("cpu", Job((0,))), ("image", UP), ("image", DOWN), ("outside", UP)):
        verdict = models(name).verify(job, powerloss.random(5, 150, "instruction"))
        check(name, verdict, 150)
        cases += verdict.cases
    assert cases >= INJECTED["instructions"]


# --- a memory worse than FRAM: torn at bytes, reordered up to the barrier

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the harness uses ELF sections, fork and mmap")
HOST_CASES = [
    ("image", "switch:0:1", 1, 40), ("image", "switch:1:0", 1, 40), ("image", "switch:0:1", 2, 2),
    ("outside", "switch:0:1", 1, 20),
    ("lea", "infer:1", 1, 20), ("image", "infer:0", 1, 12), ("cpu", "infer:1", 1, 14), ("tiny", "infer:1", 2, 3),
]  # fmt: skip


@pytest.fixture(scope="module")
def worst(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], HostProgram]:
    power = HostPower(tmp_path_factory.mktemp("worst"))
    made: dict[str, HostProgram] = {}

    def program(name: str) -> HostProgram:
        if name not in made:
            made[name] = power.program(MODELS[name]())
        return made[name]

    return program


@needs_linux
def test_torn_and_reordered_writes(worst: Callable[[str], HostProgram], injected: Callable[[int], None]) -> None:
    total = 0
    for name, job, depth, tries in HOST_CASES:
        cases, failing = worst(name).explore(job, depth, tries)
        assert not failing, f"{name} {job}: {failing[:5]}"
        total += cases
    assert total >= INJECTED["host"]
    injected(total)


# --- first test the testers

STEP = "layer->step(layer->layer, done - first, sw_run_level);"
PATCHES = """
    uint16_t old = sw_level, up = level > old, first = sw_patch_ends[up ? old : level];
    uint16_t end = sw_patch_ends[up ? level : old];"""
BROKEN = {
    # file, good, bad, model, job, schedule on the simulator that catches it or None, caught on the host
    "commit before data": (
        "src/sw_run.c", STEP, "sw_progress = done + 1; " + STEP, "lea", Job((1,)), "log", True,
    ),
    "missing barrier": (
        "src/sw_run.c", "SW_COMMIT(sw_progress, done + 1);", "sw_progress = done + 1; SW_BARRIER();",
        "lea", Job((1,)), None, True,
    ),
    "step that writes what it reads": (
        "src/sw_io.c", "sw_class = (int16_t)sw_argmax_s16_cpu(layer->x, layer->words);",
        "sw_class = (int16_t)sw_argmax_s16_cpu(layer->x, layer->words);\n"
        "for (uint16_t i = 0; i < layer->words; i++) ((int16_t *)layer->x)[i] = 0;", "lea", Job((1,)), "linear", True,
    ),
    "switch without journal": (
        "src/sw_switch_image.c", "SW_COMMIT(sw_switching, level + 1);\n    return sw_switch_finish();", PATCHES + """
    for (; first < end; first++) patch(&sw_patches[first], up);
    SW_COMMIT(sw_level, level);
    return SW_OK;""", "image", UP, "log", True,
    ),
    "level word written first": (
        "src/sw_switch_image.c", "SW_COMMIT(sw_switching, level + 1);", PATCHES + """
    SW_COMMIT(sw_level, level);
    for (; first < end; first++) patch(&sw_patches[first], up);
    SW_COMMIT(sw_switching, level + 1);""", "image", UP, "log", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_variant_is_caught(name: str, tmp_path: Path) -> None:
    """By the schedule that the table names and by no earlier one; its id fails again when it is replayed."""
    file, good, bad, model, job, expected, _ = BROKEN[name]
    sources = broken(tmp_path, file, good, bad)
    device = interrupted(Workshop(tmp_path / "device", "zig", sources), MODELS[model]())
    caught = None
    for schedule in (powerloss.log(), powerloss.linear()):
        verdict = device.verify(job, schedule, limit=1)
        if not verdict.ok:
            caught = schedule.name
            assert verdict.failures[0][0].startswith(f"{job.name}/{caught}:write@")
            machine, right = device.replay(verdict.failures[0][0])
            assert isinstance(machine, Machine)
            assert not right
            assert device.last_power_up(verdict.failures[0][0]).cycles > 0
            break
    assert caught == expected


@needs_linux
@pytest.mark.parametrize("name", [n for n in BROKEN if BROKEN[n][6]])
def test_a_broken_variant_is_caught_on_the_host(name: str, tmp_path: Path) -> None:
    file, good, bad, model, job, _, _ = BROKEN[name]
    program = HostPower(tmp_path / "host", broken(tmp_path, file, good, bad)).program(MODELS[model]())
    _, failing = program.explore(job.name, 1, 12)
    assert failing, "not caught"
    assert program.replay(job.name, failing[0]) == (1, failing[:1])


# --- slow: as many as a night allows


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", ["cpu", "lea", "image", "outside"])
def test_many_failures_at_any_instruction(
    models: Callable[[str], Interrupted], check: Check, name: str, seed: int
) -> None:
    inferences, switches = [Job((0,)), Job((1,))], [UP, DOWN]
    jobs = {"image": inferences + switches, "outside": switches[:1]}.get(name, inferences)
    for job in jobs:
        check(name, models(name).verify(job, powerloss.random(seed, 3000, "instruction")), 3000)


@pytest.mark.slow
@needs_linux
@pytest.mark.parametrize("seed", range(10))
def test_many_torn_and_reordered_writes(
    worst: Callable[[str], HostProgram], injected: Callable[[int], None], seed: int
) -> None:
    total = 0
    for name, job, depth, tries in HOST_CASES:
        cases, failing = worst(name).explore(job, depth, 4 * tries if depth == 1 else 2 * tries, seed)
        assert not failing, f"{name} {job}, seed {seed}: {failing[:5]}"
        total += cases
    assert total >= 30_000
    injected(total)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("name", SHIPPED)
def test_ten_thousand_failures_of_a_shipped_model(
    models: Callable[[str], Interrupted], check: Check, name: str, part: int
) -> None:
    device = models(name)
    cases = LARGE.get(name, 1000)
    check(name, device.verify(Job((part % device.levels,)), powerloss.random(part, cases, "instruction")), cases)
