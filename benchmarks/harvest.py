"""Answers under harvested power: ``python benchmarks/harvest.py --json FILE``, a part of ``benchmarks/power.py``.

Requests arrive every T seconds and expire after T. The ELF of ``firmware/examples/harvest`` answers them on a simulated
supply: at each fixed level, by the policy, and beside both stands the best that a schedule could do which knows
the whole future (`optimum`, from the measured energy of each level, by dynamic programming over the stored energy).

score = expected part of requests with a right answer: each answer counts with its level's accuracy on the whole test
set, so that chance in the order of images plays no part. Every machine runs the same seeded input; the time of an
inference does not depend on it by more than the spread in the report.

Supplies: v_on 3.0 V, v_off 1.9 V, v_max 3.6 V, leakage 1 uA, charged to v_on at the start; boot 1 ms and 102 nC, or
a board's 70 ms and 77.9 uJ. Traces have 1 mW on average: `constant`; `rf`, bursts of 4 mW for 0.5 of every 2 s;
`solar`, the power of a clear day with its night, in 20 s instead of 24 h.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from codegen.build import build
from codegen.emit import emit_project, read_project, write_project
from codegen.files import write_atomic
from codegen.ir import NEVER, Graph, Node
from codegen.policy import LevelCost, Store, policy_source
from codegen.serialize import load_graph
from codegen.target import firmware_dir, load_target
from sim import EnergyModel, Harvested, Machine
from sim.sources import ConstantPower, PowerLaw, Recorded, RfBursts, SolarDay, Source
from swtrain.deploy import Device
from swtrain.serving import serve as requests

ROOT = Path(__file__).resolve().parent.parent
APPLICATION = [firmware_dir() / "examples" / "harvest" / name for name in ("main.c", "ready.S")]
MODEL = "lenet5-extreme"
LEVELS = ("98", "90", "60")
BY_POLICY = 0xFFFF
ENERGY = EnergyModel.load("fused")
REQUESTS = 200
"""Of a run at least: one answer is half a point then."""
MEAN_W = 1e-3
DAY_S = 20.0
V_ON, V_OFF, V_MAX, LEAKAGE_A = 3.0, 1.9, 3.6, 1e-6
SLEEP_W = 3e-6
"""What the optimum pays for sleep: below any device's LPM3, so that its score stays an upper bound."""


@dataclass(frozen=True)
class Row:
    """A supply: capacitor and what a boot costs."""

    name: str
    capacitor_f: float
    boot_s: float
    boot_c: float


ROWS = (
    Row("100uF", 100e-6, 1e-3, 102e-9),
    Row("1mF", 1e-3, 1e-3, 102e-9),
    Row("1mF-board", 1e-3, 70e-3, 77.9e-6 / V_ON),
)


def traces() -> dict[str, Source]:
    """The three sources, 1 mW on average."""
    day = SolarDay(math.pi * MEAN_W, start_h=7.0)
    steps = np.arange(0, 24, 0.1)
    shrunk = Recorded(
        tuple(float(h) * DAY_S / 24 for h in steps),
        tuple(PowerLaw(day.at(float(h) * 3600)[0].power_w(2.5)) for h in steps),
        DAY_S,
        repeat=True,
    )
    return {"constant": ConstantPower(MEAN_W), "rf": RfBursts(4 * MEAN_W, 2.0, 0.5), "solar": shrunk}


def periods(levels: Sequence[LevelCost]) -> list[float]:
    """Five values of T, from scarce (7 of 10 requests at the thrifty level) to plenty (all at the densest)."""
    energies = sorted(level.energy_j for level in levels)
    least, most = energies[0] / MEAN_W, energies[-1] / MEAN_W
    return [
        round(t, 3) for t in (0.7 * least, 1.15 * least, math.sqrt(1.15 * least * 1.3 * most), 1.3 * most, 2 * most)
    ]


# --- the device


@dataclass(frozen=True)
class Job:
    """One run: a level, or BY_POLICY, for `count` requests."""

    elf: Path
    trace: str
    row: Row
    period_s: float
    count: int
    level: int


def serve(job: Job) -> list[int]:
    """How many requests were answered in time at each level."""
    machine = Machine(seed=1)
    machine.load(job.elf)
    machine.write("app_level", struct.pack("<H", job.level))
    row = job.row
    supply = Harvested(
        traces()[job.trace], row.capacitor_f, V_ON, V_OFF, LEAKAGE_A, row.boot_s, row.boot_c, V_MAX, v_start=V_ON
    )
    replies, _ = requests(machine, supply, ENERGY, job.period_s, job.count)
    return [sum(r.level == k for r in replies) for k in range(len(LEVELS))]


# --- the optimum


def optimum(
    source: Source, row: Row, period_s: float, count: int, levels: Sequence[LevelCost]
) -> tuple[float, list[int]]:
    """The best score of any schedule that knows the trace, and its answers at each level.

    An inference may use what comes in during its whole period; stored energy is rounded up: an upper bound.
    """
    bins = 8192
    full = Store(row.capacitor_f, V_OFF, V_MAX).full_j
    on_at, boot_j = Store(row.capacitor_f, V_OFF, V_ON).full_j, row.boot_c * V_ON
    unit = full / (bins - 1)
    grid = np.arange(bins) * unit

    def place(joules: NDArray[np.float64] | float) -> NDArray[np.int64]:
        return np.clip(np.ceil(np.asarray(joules) / unit), 0, bins - 1).astype(np.int64)

    idle_j = (SLEEP_W + LEAKAGE_A * V_OFF) * period_s
    income = [_joules(source, k * period_s, (k + 1) * period_s) - idle_j for k in range(count)]
    costs = [(0.0, 0.0), *((level.energy_j, level.accuracy / 100) for level in levels)]
    on, off = np.zeros(bins), np.zeros(bins)
    choices: list[NDArray[np.int8]] = []
    for k in reversed(range(count)):
        best, choice = np.full(bins, -1.0), np.zeros(bins, np.int8)
        for action, (energy, gain) in enumerate(costs):
            left = grid + income[k] - energy
            total = np.where(left >= 0, gain + on[place(left)], off[0] if action == 0 else -1.0)
            choice = np.where(total > best, action, choice).astype(np.int8)
            best = np.maximum(best, total)
        charged = np.maximum(grid + income[k], 0)  # a device that boots has the rest of the period
        on, off = best, np.where(charged >= on_at, best[place(grid - boot_j)], off[place(charged)])
        choices.append(choice)
    answered, at, is_on = [0] * len(levels), on_at - boot_j, True
    score = float(on[place(at)]) / count
    for k, choice in enumerate(reversed(choices)):
        if not is_on and at + income[k] >= on_at:
            is_on, at = True, at - boot_j
        action = int(choice[place(at)]) if is_on else 0
        if action:
            answered[action - 1] += 1
        at = min(full, at + income[k] - costs[action][0])
        if at < 0:
            is_on, at = False, 0.0
    return score, answered


def _joules(source: Source, start_s: float, end_s: float) -> float:
    total, t = 0.0, start_s
    while t < end_s - 1e-12:
        law, until = source.at(t)
        step = min(until, end_s)
        total += law.power_w(2.5) * (step - t)
        t = step
    return total


# --- the table


def measure(graph: Graph, folder: Path, accuracies: Sequence[float]) -> list[LevelCost]:
    """Emit and build the project; energy and latency of each level by the simulator."""
    write_project(emit_project(graph, load_target("msp430fr5994")), folder)
    built = build(folder)
    device = Device(read_project(folder), built.program, ENERGY.name)
    tensor = graph.tensors[graph.input]
    x = np.random.default_rng(0).integers(0, tensor.hi + 1, tensor.shape).astype(np.int16)
    runs = [device.infer(0, x, k) for k in range(len(graph.levels))]
    return [
        LevelCost(level.name, run.energy_j, run.cycles / device.mclk_hz, accuracy)
        for level, run, accuracy in zip(graph.levels, runs, accuracies, strict=True)
    ]


def without(graph: Graph, keep: Sequence[str]) -> Graph:
    """The graph with fewer levels: a weight enters at the next level that is kept."""
    names = [level.name for level in graph.levels]
    kept = [names.index(name) for name in keep]
    place = np.full(256, NEVER, np.uint8)
    for old in range(len(names)):
        place[old] = next((new for new, k in enumerate(kept) if k >= old), NEVER)

    def thinned(node: Node) -> Node:
        if node.params is None:
            return node
        index = place[node.params.level_index]
        weight = np.where(index == NEVER, 0, node.params.weight).astype(node.params.weight.dtype)
        return replace(node, params=replace(node.params, weight=weight, level_index=index))

    return replace(graph, levels=tuple(graph.levels[k] for k in kept), nodes=tuple(map(thinned, graph.nodes)))


def table(
    model: str, seconds: float, folder: Path, only: str | None = None, processes: int | None = None
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yields done, all, and the results so far."""
    graph = load_graph(ROOT / "results" / "models" / model)
    recorded = json.loads((ROOT / "results" / "accuracy.json").read_text())
    names = [level.name for level in graph.levels]
    keep = LEVELS if set(LEVELS) <= set(names) else names[:3]
    levels = measure(without(graph, keep), folder, [recorded[model][n]["accuracy_device"] for n in keep])
    zero = [[0.0] * len(levels)] * len(levels)
    results: dict[str, Any] = {}
    jobs: dict[Any, tuple[Job, str]] = {}
    with ProcessPoolExecutor(processes) as pool:
        for row in ROWS:
            (folder / "policy.c").write_text(
                policy_source(levels, zero, Store(row.capacitor_f, V_OFF, V_MAX), "benchmarks")
            )
            elf = build(folder, out=folder / row.name, application=APPLICATION).program
            for trace, source in traces().items():
                if only not in (None, trace):
                    continue
                for period in periods(levels):
                    count = max(math.ceil(seconds / period), REQUESTS)
                    place = results.setdefault(trace, {}).setdefault(row.name, {}).setdefault(f"{period:g}", {})
                    best, answered = optimum(source, row, period, count, levels)
                    place["optimum"] = {"score": round(best, 5), "inferences": sum(answered), "answered": answered}
                    for k, name in enumerate((*keep, "policy")):
                        job = Job(elf, trace, row, period, count, k if k < len(keep) else BY_POLICY)
                        jobs[pool.submit(serve, job)] = (job, name)
        for done, future in enumerate(as_completed(jobs), 1):
            job, name = jobs[future]
            answered = future.result()
            right = sum(n * level.accuracy / 100 for n, level in zip(answered, levels, strict=True))
            results[job.trace][job.row.name][f"{job.period_s:g}"][name] = {
                "score": round(right / job.count, 5),
                "inferences": sum(answered),
                "answered": answered,
            }
            yield done, len(jobs), results


def show(results: dict[str, Any]) -> str:
    """The table as text, with the policy's distance to the best fixed level in points."""
    lines = []
    for trace, rows in results.items():
        for row, by_period in rows.items():
            for period, figures in by_period.items():
                fixed = {n: f["score"] for n, f in figures.items() if n not in ("policy", "optimum")}
                ours = figures["policy"]["score"]
                cells = "  ".join(f"{n} {s:.4f}" for n, s in fixed.items())
                best = f"({100 * (ours - max(fixed.values())):+.2f})"
                most = figures["optimum"]["score"]
                lines.append(f"{trace:9}{row:10} T {period:6} {cells}  policy {ours:.4f} {best}  optimum {most:.4f}")
    return "\n".join(lines)


def run(
    folder: Path, seconds: float, model: str = MODEL, only: str | None = None, processes: int | None = None
) -> dict[str, Any]:
    """The whole table, with the number of runs on the terminal meanwhile."""
    results: dict[str, Any] = {}
    with Progress(TextColumn("harvest"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("runs")
        for done, count, so_far in table(model, seconds, folder, only, processes):
            bar.update(task, completed=done, total=count)
            results = so_far
    return results


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--model", default=MODEL, help="of results/models")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run at least")
    parser.add_argument("--trace", help="only this one")
    parser.add_argument("--jobs", type=int, help="processes; default: one for each core")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        results = run(Path(scratch) / "harvest", options.seconds, options.model, options.trace, options.jobs)
    print(show(results))
    write_atomic(options.json, json.dumps({"harvest": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
