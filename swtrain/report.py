"""`report.json` (schema 1): what a project does on the device, per level, per layer and per switch.

Comes in: an emitted and built project, its data set. Goes out: a `Report`, its table for a terminal, its picture,
and the limits that it misses. Everything that depends on the clock is in `run`; the rest is the same on every
machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.table import Table

import codegen.build
from codegen import reference
from codegen.emit import ProjectFolder, read_project

from . import __version__
from .datasets import Dataset
from .deploy import (
    Device,
    Inference,
    Int16,
    MismatchError,
    Progress,
    accuracy,
    host_logits,
    quantized_inputs,
    simulate,
)
from .errors import ConfigError

SCHEMA = 1


class LayerReport(BaseModel):
    """One layer at one level. `macs` counts what the level executes, padding included; `nnz` its weights."""

    name: str
    encoding: str
    backend: str
    macs: int
    nnz: int
    cycles: int
    energy_j: float


class LevelReport(BaseModel):
    """One level. Cycles, latency and energy are means over the simulated inputs, from request to result.

    `accuracy_*` in percent on `n_test` inputs: float (PyTorch) and device (host C, bit-identical to the
    simulator on its `n_simulated` inputs). Bytes are what the level reads of weights and indices.
    """

    name: str
    sparsity: float
    accuracy_float: float | None
    accuracy_device: float
    bit_exact: bool
    n_test: int
    n_simulated: int
    mismatches: int
    cycles: int
    cycles_max: int
    latency_s: float
    energy_j: float
    weight_bytes: int
    index_bytes: int
    layers: list[LayerReport]


class SwitchReport(BaseModel):
    """One call of `sw_switch`; `full_reload_bytes` is what rewriting the target level would write."""

    from_: str
    to: str
    bytes_written: int
    full_reload_bytes: int
    cycles: int
    latency_s: float
    energy_j: float


class Report(BaseModel):
    """The whole report."""

    schema_: int = SCHEMA
    model: str
    target: str
    dataset: str
    toolchain: str
    mclk_hz: float
    boot_cycles: int
    energy_model: str
    levels: list[LevelReport]
    switches: list[SwitchReport]
    sizes: dict[str, Any]
    assumptions: list[str]
    generator: str
    run: dict[str, Any]

    def to_json(self) -> str:
        """JSON text with the schema's names (`schema`, `from`)."""
        import json

        data = self.model_dump(mode="json")
        data = {"schema": data.pop("schema_"), **data}
        data["switches"] = [{"from": s.pop("from_"), **s} for s in data["switches"]]
        return json.dumps(data, indent=1) + "\n"


def summarize(
    folder: Path,
    dataset: Dataset,
    count: int,
    *,
    toolchain: str = "zig",
    energy: str = "fused",
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Evaluate the built project in `folder`: host C on the whole test split, `count` inputs simulated.

    Raises:
        MismatchError: host C or the simulated device differs from the reference.
        ConfigError: `count` is not between 1 and the size of the test split.
        CodegenError, SimError, SwtrainError: from the steps.
    """
    started = time.perf_counter()
    project = read_project(folder)
    graph, test = project.graph, dataset.test
    if not 1 <= count <= len(test):
        raise ConfigError(f"--inputs {count} is out of range; {dataset.name} has {len(test)} test inputs")
    built = codegen.build.find_build(folder, toolchain)
    inputs = quantized_inputs(graph, dataset, test.x)
    on_host = host_logits(folder, graph, inputs, progress)
    _compare_host(project, inputs[:count], on_host)
    device = Device(project, built.program, energy)
    simulated_from = time.perf_counter()
    runs = simulate(folder, built.program, inputs[:count], energy, jobs, progress)
    simulated_s = time.perf_counter() - simulated_from
    instructions = sum(r.instructions for level in runs for r in level)
    return Report(
        model=graph.name,
        target=project.manifest["target"],
        dataset=dataset.name,
        toolchain=toolchain,
        mclk_hz=device.mclk_hz,
        boot_cycles=device.boot_cycles,
        energy_model=energy,
        levels=[
            _level(project, k, runs[k], accuracy(on_host[k], test.y), len(test), device.mclk_hz)
            for k in range(len(graph.levels))
        ],
        switches=[_switch(project, device, a, b) for a, b in permutations(range(len(graph.levels)), 2)],
        sizes=dict(built.sizes),
        assumptions=_assumptions(device, count),
        generator=f"swtrain {__version__}",
        run={
            "wall_s": round(time.perf_counter() - started, 3),
            "simulation_s": round(simulated_s, 3),
            "mips": round(instructions / simulated_s / 1e6, 2),
            "jobs": jobs or os.cpu_count() or 1,
            "instructions": instructions,
        },
    )


def _compare_host(project: ProjectFolder, inputs: Int16, on_host: Sequence[Int16]) -> None:
    for k, level in enumerate(project.graph.levels):
        expected = reference.logits(project.graph, inputs, k)
        wrong = np.argwhere(expected != on_host[k][: len(inputs)])
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            raise MismatchError(
                f"input {index[0]}, level {level.name}: host C differs from the reference at logit {index[1:]}"
            )


def _level(
    project: ProjectFolder,
    k: int,
    runs: Sequence[Inference],
    device_accuracy: float,
    n_test: int,
    mclk_hz: float,
) -> LevelReport:
    level, manifest = project.graph.levels[k], project.manifest
    cycles = round(float(np.mean([r.cycles for r in runs])))
    layers = []
    for i, layer in enumerate(manifest["layers"]):
        layers.append(
            LayerReport(
                name=layer["name"],
                encoding=layer["encoding"],
                backend=layer["backend"],
                macs=layer["macs"][k],
                nnz=layer["nnz"][k],
                cycles=round(float(np.mean([r.layers[i].cycles for r in runs]))),
                energy_j=float(np.mean([r.layers[i].energy_j for r in runs])),
            )
        )
    return LevelReport(
        name=level.name,
        sparsity=level.sparsity,
        accuracy_float=level.accuracy_float,
        accuracy_device=device_accuracy,
        bit_exact=True,  # a difference has raised by now
        n_test=n_test,
        n_simulated=len(runs),
        mismatches=0,
        cycles=cycles,
        cycles_max=max(r.cycles for r in runs),
        latency_s=cycles / mclk_hz,
        energy_j=float(np.mean([r.energy_j for r in runs])),
        weight_bytes=manifest["weight_bytes"][k],
        index_bytes=manifest["index_bytes"][k],
        layers=layers,
    )


def _switch(project: ProjectFolder, device: Device, source: int, target: int) -> SwitchReport:
    cost = device.switch(source, target)
    names = [level.name for level in project.graph.levels]
    return SwitchReport(
        from_=names[source],
        to=names[target],
        bytes_written=cost.bytes_written,
        full_reload_bytes=project.manifest["weight_bytes"][target] + project.manifest["index_bytes"][target],
        cycles=cost.cycles,
        latency_s=cost.cycles / device.mclk_hz,
        energy_j=cost.energy_j,
    )


def _assumptions(device: Device, count: int) -> list[str]:
    own = [
        f"cycles, latency and energy of a level are means over {count} test inputs",
        "energy covers the MCU only: no board, supply or sensor",
    ]
    return [*own, *device.assumptions]


def tables(report: Report) -> RenderableType:
    """The report for a terminal: levels, layers of each level, switches, memory."""
    levels = Table(title=f"{report.model} on {report.target}, {report.mclk_hz / 1e6:g} MHz, {report.dataset}")
    for name in (
        "sparsity %",
        "float %",
        "device %",
        "bit-exact",
        "cycles",
        "latency ms",
        "energy mJ",
        "weights B",
        "index B",
    ):
        levels.add_column(name, justify="right")
    for v in report.levels:
        levels.add_row(
            v.name,
            "-" if v.accuracy_float is None else f"{v.accuracy_float:.2f}",
            f"{v.accuracy_device:.2f}",
            f"{v.n_simulated - v.mismatches}/{v.n_simulated}",
            f"{v.cycles:,}",
            f"{v.latency_s * 1e3:.1f}",
            f"{v.energy_j * 1e3:.3f}",
            f"{v.weight_bytes:,}",
            f"{v.index_bytes:,}",
        )
    layers = Table(title="cycles per layer (cycles per executed MAC)")
    layers.add_column("layer")
    layers.add_column("encoding")
    for v in report.levels:
        layers.add_column(f"{v.name} %", justify="right")
    for i, layer in enumerate(report.levels[0].layers):
        cells = [v.layers[i] for v in report.levels]
        layers.add_row(
            layer.name,
            layer.encoding,
            *(f"{c.cycles:,}" + (f" ({c.cycles / c.macs:.1f})" if c.macs else "") for c in cells),
        )
    parts: list[RenderableType] = [levels, layers]
    if report.switches:
        switches = Table(title="switches")
        for name in ("from %", "to %", "bytes written", "full reload B", "cycles", "energy nJ"):
            switches.add_column(name, justify="right")
        for s in report.switches:
            switches.add_row(
                s.from_,
                s.to,
                str(s.bytes_written),
                f"{s.full_reload_bytes:,}",
                str(s.cycles),
                f"{s.energy_j * 1e9:.1f}",
            )
        parts.append(switches)
    if report.sizes:
        parts.append(size_table(report.sizes))
    return Group(*parts)


def size_table(sizes: Mapping[str, Any]) -> Table:
    """Bytes used per memory region, and what they are for."""
    table = Table(title="memory (bytes)")
    for name in ("region", "used", "size", "used %"):
        table.add_column(name, justify="left" if name == "region" else "right")
    for name, region in sizes["regions"].items():
        table.add_row(
            name, f"{region['used']:,}", f"{region['size']:,}", f"{100 * region['used'] / region['size']:.0f}"
        )
    kinds = ("code", "constants", "nvm", "weights", "indices", "stack")
    table.caption = ", ".join(f"{kind} {sizes[kind]:,}" for kind in kinds)
    return table


@dataclass(frozen=True)
class Limit:
    """A limit of a user's CI: `value` for one level by name, or for all levels when `level` is `None`."""

    field: str
    level: str | None
    value: float


_LIMITS = {
    "max_latency_s": ("latency_s", 1),
    "max_energy_j": ("energy_j", 1),
    "min_accuracy": ("accuracy_device", -1),
}


def parse_limit(field: str, text: str) -> Limit:
    """`0.25` for all levels, `60.24=0.25` for one.

    Raises:
        ConfigError: not a number.
    """
    level, _, number = text.rpartition("=")
    try:
        return Limit(field, level or None, float(number))
    except ValueError:
        option = field.replace("_", "-")
        raise ConfigError(f"--{option} {text!r} is not a number, or LEVEL=NUMBER as in 60.24=0.25") from None


def check_limits(report: Report, limits: Sequence[Limit]) -> list[str]:
    """One sentence for every missed limit.

    Raises:
        ConfigError: a limit names a level that does not exist.
    """
    missed = []
    names = [v.name for v in report.levels]
    for limit in limits:
        key, sign = _LIMITS[limit.field]
        if limit.level is not None and limit.level not in names:
            raise ConfigError(
                f"--{limit.field.replace('_', '-')}: no level {limit.level}; there are {', '.join(names)}"
            )
        for v in report.levels:
            value = getattr(v, key)
            if (limit.level is None or _is_level(limit.level, v)) and sign * value > sign * limit.value:
                missed.append(f"level {v.name}: {key} is {value:.6g}, the limit {limit.field} is {limit.value:g}")
    return missed


def _is_level(text: str, level: LevelReport) -> bool:
    """Whether `text` means `level`: its name, or its sparsity written otherwise (40.50)."""
    try:
        return text == level.name or float(text) == level.sparsity
    except ValueError:
        return False


def picture(report: Report, path: Path) -> None:
    """Draw accuracy, latency and energy of each level into a PNG, with latency and energy split by layer."""
    import io

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from codegen.files import write_atomic

    names = [f"{v.name} %" for v in report.levels]
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    x = np.arange(len(names))
    device = [v.accuracy_device for v in report.levels]
    floats = [v.accuracy_float for v in report.levels]
    axes[0].plot(x, device, "o-", label="device (int16)", color="#1f5a94")
    if all(f is not None for f in floats):
        axes[0].plot(x, [float(f or 0) for f in floats], "s--", label="float", color="#d9822b", markerfacecolor="none")
    for i, value in enumerate(device):
        axes[0].annotate(f"{value:.2f}", (i, value), textcoords="offset points", xytext=(0, 9), ha="center")
    lowest = min([*device, *[f for f in floats if f is not None]])
    axes[0].set_ylim(max(0.0, lowest - 1.0), min(100.4, max(device) + 1.0))
    axes[0].set_ylabel("accuracy, %")
    axes[0].legend(loc="lower right")
    colors = plt.get_cmap("tab10")
    shown = [
        i
        for i, layer in enumerate(report.levels[0].layers)
        if max(v.layers[i].cycles / v.cycles for v in report.levels) > 0.01
    ]
    for axis, unit, scale in ((axes[1], "latency, ms", 1e3 / report.mclk_hz), (axes[2], "energy, mJ", 1e3)):
        bottom = np.zeros(len(names))
        for color, i in enumerate(shown):
            part = [v.layers[i].cycles if axis is axes[1] else v.layers[i].energy_j for v in report.levels]
            heights = scale * np.asarray(part, float)
            axis.bar(x, heights, 0.6, bottom=bottom, label=report.levels[0].layers[i].name, color=colors(color))
            bottom += heights
        totals = [1e3 * (v.latency_s if axis is axes[1] else v.energy_j) for v in report.levels]
        axis.bar(x, np.maximum(np.asarray(totals) - bottom, 0), 0.6, bottom=bottom, label="other", color="#bbbbbb")
        for i, total in enumerate(totals):
            axis.annotate(f"{total:.3g}", (i, total), textcoords="offset points", xytext=(0, 4), ha="center")
        axis.set_ylabel(unit)
        axis.set_ylim(0, 1.12 * max(totals))
    handles, labels = axes[2].get_legend_handles_labels()
    axes[2].legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)
    for axis in axes:
        axis.set_xticks(x, names)
        axis.set_xlabel("sparsity of the level")
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
        axis.margins(x=0.15)
    figure.suptitle(
        f"{report.model} on a simulated {report.target.upper()} at {report.mclk_hz / 1e6:g} MHz, {report.dataset}"
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    plt.close(figure)
    write_atomic(path, buffer.getvalue())
