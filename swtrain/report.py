"""`report.json` (schema 1): what a project does on the device, per level, per layer and per switch.

Comes in: an emitted and built project, its data set. Goes out: a `Report`. Everything that depends on the clock is in
`run`; the rest is the same on every machine.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

import codegen.build
from codegen.emit import ProjectFolder, read_project

from . import __version__
from .datasets import Dataset
from .dense import Dense, dense_layers, loses
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
from .journal import Journal

SCHEMA = 1


class LayerReport(BaseModel):
    """One layer at one level. `macs` counts what the level executes, padding included; `nnz` its weights.

    `predicted_*` are the planner's; `dense_lea_*` what its cost model expects of the dense layer on the LEA (with the
    pool behind it, if the LEA does both), `None` where there is none. `loses` names what the layer, pruned at this
    level, costs more of than that: `cycles`, `energy`.
    """

    name: str
    encoding: str
    backend: str
    macs: int
    nnz: int
    cycles: int
    energy_j: float
    predicted_cycles: int
    predicted_j: float
    dense_lea_cycles: int | None
    dense_lea_j: float | None
    loses: list[str]


class LevelReport(BaseModel):
    """One level. Cycles, latency and energy are means over the simulated inputs, from request to result.

    `accuracy_*` in percent on `n_test` inputs: float (PyTorch, `None` on another data set than the training's) and
    device (host C, bit-identical to the simulator on its `n_simulated` inputs). Bytes are what the level reads of
    weights and indices.
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
        data = self.model_dump(mode="json")
        data = {"schema": data.pop("schema_"), **data}
        data["switches"] = [{"from": s.pop("from_"), **s} for s in data["switches"]]
        return json.dumps(data, indent=1) + "\n"


def read_report(path: Path) -> Report:
    """A stored report.

    Raises:
        ConfigError: the file can't be read, or holds no report of this schema.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("schema") != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        switches = [{"from_": s.pop("from"), **s} for s in data.pop("switches")]
        return Report.model_validate({**data, "switches": switches})
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror or error}); make it with swtrain eval") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path}: holds no report of this version ({reason}); make it with swtrain eval") from error


def summarize(
    folder: Path,
    dataset: Dataset,
    count: int,
    *,
    toolchain: str = "zig",
    energy: str = "fused",
    jobs: int | None = None,
    progress: Progress | None = None,
    journal: Journal | None = None,
) -> Report:
    """Evaluate the built project in `folder`: host C on the whole test split, `count` inputs simulated.

    What stands in the `journal` is not simulated again.

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
    device = Device(project, built.program, energy)
    on_host = host_logits(folder, graph, inputs, progress)
    runs = simulate(folder, built.program, inputs[:count], energy, jobs, progress, journal=journal)
    busy_s = sum(r.wall_s for level in runs for r in level)
    _compare_host(project, runs, on_host)  # second: the simulator's message names the layer
    instructions = sum(r.instructions for level in runs for r in level)
    dense = dense_layers(project)
    return Report(
        model=graph.name,
        target=project.manifest["target"],
        dataset=dataset.name,
        toolchain=toolchain,
        mclk_hz=device.mclk_hz,
        boot_cycles=device.boot_cycles,
        energy_model=energy,
        levels=[
            _level(project, k, runs[k], accuracy(on_host[k], test.y), dataset, device.mclk_hz, dense)
            for k in range(len(graph.levels))
        ],
        switches=[_switch(project, device, a, b) for a, b in permutations(range(len(graph.levels)), 2)],
        sizes=dict(built.sizes),
        assumptions=_assumptions(device, count),
        generator=f"swtrain {__version__}",
        run={
            "wall_s": round(time.perf_counter() - started, 3),
            "mips": round(instructions / busy_s / 1e6, 2),  # of one process, while it simulates
            "jobs": jobs or os.cpu_count() or 1,
            "instructions": instructions,
        },
    )


def _compare_host(project: ProjectFolder, runs: Sequence[Sequence[Inference]], on_host: Sequence[Int16]) -> None:
    """Logits of the simulated runs are those of the reference; are they those of host C as well?"""
    for k, level in enumerate(project.graph.levels):
        expected = np.stack([r.logits for r in runs[k]])
        wrong = np.argwhere(expected != on_host[k][: len(expected)])
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
    dataset: Dataset,
    mclk_hz: float,
    dense: Mapping[str, Dense],
) -> LevelReport:
    level, manifest = project.graph.levels[k], project.manifest
    cycles = round(float(np.mean([r.cycles for r in runs])))
    layers = []
    costs = {
        layer["name"]: (
            float(np.mean([r.layers[i].cycles for r in runs])), float(np.mean([r.layers[i].energy_j for r in runs]))
        )
        for i, layer in enumerate(manifest["layers"])
    }  # fmt: skip
    for layer in manifest["layers"]:
        own = dense.get(layer["name"])
        layers.append(
            LayerReport(
                name=layer["name"],
                encoding=layer["encoding"],
                backend=layer["backend"],
                macs=layer["macs"][k],
                nnz=layer["nnz"][k],
                cycles=round(costs[layer["name"]][0]),
                energy_j=costs[layer["name"]][1],
                predicted_cycles=layer["predicted_cycles"][k],
                predicted_j=layer["predicted_j"][k],
                dense_lea_cycles=own.cycles if own else None,
                dense_lea_j=own.energy_j if own else None,
                loses=list(loses(own, {"name": layer["name"], "nnz": layer["nnz"][k]}, costs)),
            )
        )
    return LevelReport(
        name=level.name,
        sparsity=level.sparsity,
        accuracy_float=level.accuracy_float if dataset.name == project.graph.meta.get("dataset") else None,
        accuracy_device=device_accuracy,
        bit_exact=True,  # a difference has raised by now
        n_test=len(dataset.test),
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


_OUTSIDE = " and the bytes exchanged with the external memory (not its standby current)"


def _assumptions(device: Device, count: int) -> list[str]:
    own = [
        f"cycles, latency and energy of a level are means over {count} test inputs",
        f"energy covers the MCU{_OUTSIDE if device.external else ''} only: no board, supply or sensor",
    ]
    return [*own, *device.assumptions]
