"""Accuracy of a finished run on the PC: float and integer, any level; and the committed table of all recipes.

The integer figure comes from `codegen.reference`, which the device repeats bit for bit: it is the accuracy on the
device. Choices are made on held-out training data; here only the test split is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codegen import reference
from codegen.errors import CodegenError
from codegen.files import write_atomic
from codegen.ir import Graph
from codegen.serialize import load_graph

from .config import differing_keys
from .datasets import Dataset, load_dataset
from .deploy import quantized_inputs
from .errors import ConfigError, ExportError
from .evaluate import Uncertain, evaluate, monte_carlo_dropout
from .export import export_run
from .importing import RECORD, float_accuracy, read_level, read_record
from .runs import CONFIG, SEEDS, load_run, read_config


@dataclass(frozen=True)
class LevelAccuracy:
    """Accuracy of one level in percent.

    Attributes:
        name: the level's sparsity as given.
        sparsity: percent of the prunable weights that are absent.
        effective_sparsity: percent that are absent or round to 0 in int16; None without an export.
        accuracy_float: by torch.
        accuracy_device: by the integer reference; None if the network can't be exported.
        uncertain: by dropout left on, if that was asked for.
    """

    name: str
    sparsity: float
    effective_sparsity: float | None
    accuracy_float: float
    accuracy_device: float | None
    uncertain: Uncertain | None = None


def measure(
    out: Path, dataset: str | None = None, data: str | None = None, level: str | None = None, passes: int = 0
) -> tuple[list[LevelAccuracy], str]:
    """Measure a finished run on the test split.

    Args:
        out: folder of the run; exported into it if that has not happened yet.
        dataset: another data set than that of the training.
        data: folder of its files.
        level: name of the only level to measure.
        passes: draws of Monte-Carlo dropout per example; 0: none.

    Returns:
        The levels, sparsest first, and why there is no integer figure (empty if there is).

    Raises:
        CheckpointError: the run is missing or unfinished.
        ConfigError: there is no such level.
        DataError: the data can't be read.
    """
    if (out / RECORD).exists():
        if passes:
            raise ConfigError(f"{out} was imported from ONNX, which keeps no dropout; leave --mc-dropout out")
        return _measure_imported(out, dataset, data, level), ""
    model, config, _ = load_run(out)
    loaded = load_dataset(dataset or config.dataset, data or config.data)
    names = [f"{s:.10g}" for s in config.levels]
    if level is not None and level not in names:
        raise ConfigError(f"--level {level}: the run has the levels {', '.join(names)}")
    graph, reason = None, ""
    try:
        graph = load_graph(out) if (out / "graph.json").exists() else export_run(out)
    except (ExportError, CodegenError) as error:
        reason = str(error)
    found = []
    for k, name in enumerate(names):
        if level not in (None, name):
            continue
        model.set_active_level_(k)
        found.append(
            LevelAccuracy(
                name,
                100 * (1 - model.density(k)),
                None if graph is None else 100 * (1 - _effective(graph, k) / model.total),
                evaluate(model, loaded.test, loaded.input_frac_bits),
                None if graph is None else integer_accuracy(graph, loaded, k),
                monte_carlo_dropout(model, loaded.test, loaded.input_frac_bits, passes) if passes else None,
            )
        )
    return found, reason


def _measure_imported(out: Path, dataset: str | None, data: str | None, level: str | None) -> list[LevelAccuracy]:
    graph, record = load_graph(out), read_record(out)
    name = dataset or record.dataset
    if name is None:
        raise ConfigError(f"{out} was imported without a data set; name the one to test on with --dataset")
    loaded = load_dataset(name, data or (record.data if dataset is None else None))
    names = [v.name for v in graph.levels]
    if level is not None and level not in names:
        raise ConfigError(f"--level {level}: the run has the levels {', '.join(names)}")
    return [
        LevelAccuracy(
            v.name,
            100 * (1 - graph.nnz(k) / graph.weight_count),
            100 * (1 - _effective(graph, k) / graph.weight_count),
            float_accuracy(read_level(out, k), loaded, 0),
            integer_accuracy(graph, loaded, k),
        )
        for k, v in enumerate(graph.levels)
        if level in (None, v.name)
    ]


def _effective(graph: Graph, level: int) -> int:
    """Weights of a level that are not 0 as integers."""
    params = [node.params for node in graph.nodes if node.params is not None]
    return sum(int(np.count_nonzero((p.level_index <= level) & (p.weight != 0))) for p in params)


def integer_accuracy(graph: Graph, dataset: Dataset, level: int, batch: int = 500) -> float:
    """Accuracy in percent of the integer reference at `level` on the test split."""
    logits = reference.logits(graph, quantized_inputs(graph, dataset, dataset.test.x), level, batch)
    return 100 * float(np.mean(logits.argmax(1) == dataset.test.y))


def accuracy_table(runs: Sequence[Path]) -> dict[str, Any]:
    """Figures of finished runs as `<run>.<level>`, for `results/accuracy.json`; a run is named by its folder.

    A run that holds further ones with other seeds (`RUN/seeds/<seed>`) has the mean of all: `seed` is their list then,
    `accuracy_device_each` has the figure of each, and epochs and minutes are those of one training.

    Raises:
        CheckpointError: a run is missing or unfinished.
        ConfigError: runs in one folder differ in more than the seed.
    """
    return {out.name: _mean([_rows(run) for run in seed_runs(out)]) for out in runs}


def seed_runs(out: Path) -> list[Path]:
    """The run in `out`, and those with other seeds inside it.

    Raises:
        CheckpointError: one has no config.
        ConfigError: two of them differ in more than the seed.
    """
    others = sorted((path.parent for path in (out / SEEDS).glob(f"*/{CONFIG}")), key=lambda path: path.name.zfill(10))
    first = read_config(out)
    for other in others:
        differing = set(differing_keys(first, read_config(other))) - {"seed"}
        if differing:
            raise ConfigError(f"{other}: differs from {out} in {', '.join(sorted(differing))}; train it again")
    return [out, *others]


def _rows(out: Path) -> dict[str, dict[str, Any]]:
    """Figures of one run by level."""
    levels, reason = measure(out)
    _, config, metrics = load_run(out)
    return {
        level.name: {
            "sparsity": round(level.sparsity, 4),
            "effective_sparsity": None if level.effective_sparsity is None else round(level.effective_sparsity, 4),
            "accuracy_float": round(level.accuracy_float, 4),
            "accuracy_device": None if level.accuracy_device is None else round(level.accuracy_device, 4),
            **({"no_device_figure": reason} if reason else {}),
            "data": metrics["provenance"],
            "seed": config.seed,
            "epochs": metrics["epochs"] + metrics.get("teacher", {}).get("epochs", 0),
            "minutes": round(metrics["run"]["wall_s"] / 60, 1),
            "cpu_minutes": _minutes(metrics["run"].get("cpu_s")),
        }
        for level in levels
    }


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 60, 1)


def _mean(seeds: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Rows of equal recipes with different seeds as one; those of a single run as they are."""
    if len(seeds) == 1:
        return seeds[0]
    table = {}
    for level, first in seeds[0].items():
        same = [rows[level] for rows in seeds]
        row = {**first, "seed": [each["seed"] for each in same]}
        for key in ("sparsity", "effective_sparsity", "accuracy_float", "accuracy_device", "minutes", "cpu_minutes"):
            figures = [each[key] for each in same if each[key] is not None]
            if len(figures) == len(same):
                row[key] = round(sum(figures) / len(figures), 1 if "minutes" in key else 4)
            else:
                row[key] = None
        table[level] = row | {"accuracy_device_each": [each["accuracy_device"] for each in same]}
    return table


def write_table(runs: Sequence[Path], file: Path) -> dict[str, Any]:
    """Measure `runs` and put their rows into `file`; rows of other runs stay.

    Raises:
        ConfigError: `file` holds something else than such a table.
        CheckpointError: as `accuracy_table`.
    """
    table: dict[str, Any] = {}
    if file.exists():
        try:
            table = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{file}: is not JSON ({error}); remove it or give another file") from error
        if not isinstance(table, dict):
            raise ConfigError(f"{file}: holds no table; remove it or give another file")
    table = dict(sorted({**table, **accuracy_table(runs)}.items()))
    write_atomic(file, (json.dumps(table, indent=1) + "\n").encode())
    return table
