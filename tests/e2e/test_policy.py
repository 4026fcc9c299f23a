"""Report -> policy -> application: answers on a harvested supply, at levels that the energy allows."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from codegen import reference
from codegen.emit import read_project
from codegen.target import firmware_dir
from sim import EnergyModel, Harvested, Machine, PoweredMachine, Stop
from sim.sources import ConstantPower, PowerLaw, Recorded
from swtrain.serving import announce
from swtrain.serving import serve as answers

from .conftest import invoke

CAPACITOR = 1e-3
PERIOD_S = 0.5


@pytest.fixture(scope="module")
def report(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.json"
    result = invoke("sim", project, "--inputs", "1", "--json", path)
    assert result.exit_code == 0, result.output
    return path


def energies_of(report: Path) -> list[float]:
    return [level["energy_j"] for level in json.loads(report.read_text())["levels"]]


def application_for(project: Path, report: Path, capacitor: float) -> Path:
    """The example built with a policy for a store."""
    result = invoke("policy", project, "--report", report, "--supply", f"capacitor={capacitor}")
    assert result.exit_code == 0, result.output
    example = firmware_dir() / "examples" / "harvest"
    result = invoke("build", project, "--main", example / "main.c", "--main", example / "ready.S")
    assert result.exit_code == 0, result.output
    elf = next((project / "application").glob("*.elf"))
    return shutil.copy(elf, report.with_name(f"{capacitor:.3g}.elf"))


@pytest.fixture(scope="module")
def application(project: Path, report: Path) -> tuple[Path, Path, list[float]]:
    """The example built with a policy; its project, and the energy of each level."""
    return project, application_for(project, report, CAPACITOR), energies_of(report)


def serve(
    elf: Path, watts: float, count: int, x: bytes | None = None, start_v: float = 3.0, capacitor: float = CAPACITOR
) -> tuple[list[int | None], int]:
    """The level that answered each request in time, or None; and the class of the last answer."""
    machine = Machine(seed=3)
    machine.load(elf)
    if x is not None:
        machine.write("sw_input", x)
    supply = Harvested(ConstantPower(watts), capacitor, leakage_a=1e-6, v_start=start_v)
    replies, _ = answers(machine, supply, EnergyModel.load("fused"), PERIOD_S, count)
    levels: list[int | None] = [None] * count
    for reply in replies:
        levels[reply.request] = reply.level
    return levels, struct.unpack("<h", machine.read("sw_class", 2))[0]


def test_plenty_answers_every_request_and_leaves_the_sparsest_level(application) -> None:
    project, elf, energies = application
    graph = read_project(project).graph
    x = np.random.default_rng(4).integers(0, 128, graph.tensors[graph.input].shape).astype("<i2")
    levels, answer = serve(elf, 3 * max(energies) / PERIOD_S, 30, x.tobytes(), 3.55)
    assert None not in levels
    assert levels[0] == 0  # nothing is known yet
    assert levels[-1] != 0
    last = levels[-1]
    assert last is not None
    assert answer == int(reference.logits(graph, x[None].astype(np.int16), last)[0].argmax())


def test_scarcity_answers_what_the_energy_allows_at_the_sparsest_level(application) -> None:
    _, elf, energies = application
    levels, _ = serve(elf, 0.6 * min(energies) / PERIOD_S, 24)
    answered = [level for level in levels if level is not None]
    assert set(answered) == {0}
    stored = 0.5 * CAPACITOR * (3.0**2 - 1.9**2)
    possible = stored / min(energies) + 0.6 * len(levels)
    assert min(len(levels), 0.8 * possible) <= len(answered) <= possible + 1


def test_a_level_that_the_store_cannot_finish_is_done_by_what_comes_in(project: Path, report: Path) -> None:
    """The store holds the sparsest level 1.2 times, and less than the densest; power fails in each of its runs."""
    energies = energies_of(report)
    capacitor = 1.2 * 17 / 16 * min(energies) / (0.5 * (3.6**2 - 1.9**2))
    elf = application_for(project, report, capacitor)
    levels, _ = serve(elf, 1.4 * max(energies) / PERIOD_S, 40, start_v=3.55, capacitor=capacitor)
    assert None not in levels
    assert set(levels[:17]) == {0}, "seen full for sixteen requests, and measured"
    assert set(levels[20:]) == {len(energies) - 1}
    levels, _ = serve(elf, 0.6 * max(energies) / PERIOD_S, 40, start_v=3.55, capacitor=capacitor)
    assert None not in levels
    assert set(levels) == {0}, "too little for it comes in"


def test_looks_become_rare_in_a_dark(application) -> None:
    """Nothing comes in, and the store has not enough for an inference: what the looks of a request take."""
    _, elf, energies = application
    machine = Machine(seed=3)
    machine.load(elf)
    night = 40
    day = 3 * min(energies) / PERIOD_S
    source = Recorded((0.0, night * PERIOD_S), (PowerLaw(1e-9), PowerLaw(day)), 1000.0, repeat=False)
    supply = Harvested(source, CAPACITOR, v_on=1.95, leakage_a=0.0, v_start=1.96)
    node = PoweredMachine(machine, supply, EnergyModel.load("fused"))
    machine.write("app_period_us", struct.pack("<I", round(PERIOD_S * 1e6)))
    taken, answered = [], []
    for number in range(1, night + 6):
        announce(machine, number)
        before = node.volts
        while node.time_s < number * PERIOD_S:
            if node.run("app_answer", duration_s=number * PERIOD_S - node.time_s) is Stop.UNTIL:
                answered.append(number - 1)
        taken.append(0.5 * CAPACITOR * (before**2 - node.volts**2))
        assert node.is_on
    assert taken[1] < 10e-6, "eight looks"
    assert taken[night - 1] < 0.4 * taken[1]
    assert answered == [*range(night + 1, night + 5)] or answered == [*range(night, night + 5)]


def test_reports_that_do_not_fit_are_refused(project: Path, tmp_path: Path) -> None:
    for text, message in (
        (None, "can't be read"),
        ("{}", "is not a report"),
        ('{"levels": [], "switches": []}', "belongs to another model"),
    ):
        report = tmp_path / "report.json"
        if text is not None:
            report.write_text(text)
        result = invoke("policy", project, "--report", report, "--supply", "capacitor=1e-4")
        assert result.exit_code == 1
        assert message in result.output
        assert "Traceback" not in result.output
        assert result.output.count("\n") == 1
