"""The model on a harvested supply: requests arrive, the policy picks a level, power fails and comes back.

The firmware's example application (`firmware/examples/harvest`) with a policy from the measured report runs on the
simulated supply. Comes in: a project and its report. Goes out: plain values for `harvest.json`: voltage over time,
when the device was on, which request was answered when and at which level.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from codegen.build import build
from codegen.emit import read_project
from codegen.policy import LevelCost, Store, policy_source
from codegen.target import firmware_dir, load_target
from sim import EnergyModel, Harvested, Machine

from . import __version__
from .deploy import Int16, attach_external
from .errors import ConfigError
from .eval_config import HarvestSection
from .report import Report
from .run import parse_supply
from .serving import serve

FORMAT = 1
POINTS = 1500
"""Most points of the voltage that are kept: more than a picture can show."""

Progress = Callable[[int, int], None]
"""Called with requests that are over, and all."""


APPLICATION_DEVICE = "msp430fr5994"
"""What the example application is written for."""


def harvester(section: HarvestSection, target: str) -> Harvested:
    """The supply of `section`.

    Raises:
        ConfigError: it is none, no request fits into its time, or the board has no example application.
    """
    device = load_target(target).device
    if device != APPLICATION_DEVICE:
        raise ConfigError(
            f"[harvest] runs the example application, which is written for {APPLICATION_DEVICE}, not for {target}; "
            "leave the section out"
        )
    supply = parse_supply(section.supply)
    if not isinstance(supply, Harvested):
        raise ConfigError(f"harvest.supply {section.supply}: is no harvester; write harvest:SOURCE,capacitor=F")
    if section.period_s > section.duration_s:
        raise ConfigError(
            f"harvest.period_s {section.period_s:g} is longer than duration_s {section.duration_s:g}: no request"
        )
    return supply


def harvest(
    folder: Path,
    report: Report,
    section: HarvestSection,
    supply: Harvested,
    x: Int16,
    energy: str,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Serve requests with input `x` on `supply`, as often and as long as `section` says.

    Raises:
        CodegenError, SimError: the application can't be built, or fails.
    """
    count = math.floor(section.duration_s / section.period_s)
    with tempfile.TemporaryDirectory(prefix="swtrain-") as scratch:
        elf = _application(folder, report, supply, Path(scratch))
        machine = Machine(load_target(report.target).device)
        machine.load(elf)
        attach_external(machine, read_project(folder))
    machine.write("sw_input", x.astype("<i2").tobytes())
    replies, node = serve(machine, supply, EnergyModel.load(energy), section.period_s, count, progress)
    trace = node.finish()
    by_level = [sum(r.level == k for r in replies) for k in range(len(report.levels))]
    right = sum(n * v.accuracy_device / 100 for n, v in zip(by_level, report.levels, strict=True))
    return {
        "format": FORMAT,
        "supply": section.supply,
        "period_s": section.period_s,
        "time_s": trace.time_s,
        "requests": count,
        "answers": [[r.request, r.time_s, r.level] for r in replies],
        "answered": by_level,
        "expected_right": right / count,
        "power_cycles": trace.power_cycles,
        "on_s": trace.on_s,
        "energy": {n: getattr(trace.energy, n) for n in ("harvested", "used", "leaked", "clipped")},
        "voltage": thinned([(float(t), float(v)) for t, v in trace.voltage], POINTS),
        "intervals": [[i.state, i.start_s, i.end_s] for i in trace.intervals],
        "v_on": supply.v_on,
        "v_off": supply.v_off,
        "v_max": supply.v_max,
        "assumptions": list(trace.assumptions),
    }


def _application(folder: Path, report: Report, supply: Harvested, scratch: Path) -> Path:
    """Build the example with a policy for this store, beside a copy of the project; its ELF."""
    example = firmware_dir() / "examples" / "harvest"
    names = [level.name for level in read_project(folder).graph.levels]
    costs = [LevelCost(v.name, v.energy_j, v.latency_s, v.accuracy_device) for v in report.levels]
    switch_j = {(s.from_, s.to): s.energy_j for s in report.switches}
    table = [[switch_j.get((a, b), 0.0) for b in names] for a in names]
    store = Store(supply.capacitor_f, supply.v_off, supply.v_max)
    project = scratch / "project"
    project.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            shutil.copy(path, project)
    (project / "policy.c").write_text(policy_source(costs, table, store, f"swtrain {__version__}"))
    sources = [example / "main.c", example / "ready.S"]
    return build(project, out=scratch / "application", application=sources).program


def thinned(points: Sequence[tuple[float, float]], most: int) -> list[list[float]]:
    """At most about `most` points of a curve; of each stretch its first, lowest, highest and last one."""
    if len(points) <= most:
        return [list(p) for p in points]
    size = math.ceil(4 * len(points) / most)
    out: list[list[float]] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        chosen = {0, len(part) - 1, min(range(len(part)), key=lambda i: part[i][1])}
        chosen.add(max(range(len(part)), key=lambda i: part[i][1]))
        out += [list(part[i]) for i in sorted(chosen)]
    return out
