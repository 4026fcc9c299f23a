"""Levels by what they shall reach instead of by a number: `latency<=0.05` (seconds), `accuracy_drop<=0.5` (points).

Comes in: a config with `targets`. Goes out: the same config with a sparsity in the place of each: the smallest that is
fast enough, the largest that is accurate enough. Latency is the cost model's prediction for the network's layers with
the masks that the config's shape and scope give; no training is needed for it. The accuracy is that of held-out data
after a cut of a dense model without retraining, so a trained level does better as a rule. Both are estimates to start
from: `swtrain test` and `swtrain sim` say what came out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from codegen.ir import NEVER, Graph, Level
from codegen.target import load_target

from .config import DENSE_ONLY, TrainConfig
from .datasets import Dataset, Split, hold_out, load_dataset
from .deploy import predict_cycles
from .errors import ConfigError, NestingError
from .evaluate import evaluate
from .export import export_graph
from .models import fold_batch_norm_
from .nested import NestedModel
from .progress import Progress
from .runs import CONFIG, METRICS, load_run, make_nested, read_config
from .sections import Target
from .sparsity import SparsityPlan
from .sparsity.settings import plan_of
from .train import train

DENSE = "dense"
"""Folder inside the run of the dense model that `accuracy_drop` cuts."""

HIGHEST = 99.0
"""Percent: the sparsest level that is tried."""

GRAIN = 0.25
"""Percent: steps in which sparsity is tried."""

Holds = Callable[[tuple[float, ...], int], tuple[bool, str]]
"""Whether a level of these levels reaches its target, and its figure for the message."""


def resolve(config: TrainConfig, out: Path, resume: bool, progress: Progress) -> TrainConfig:
    """Replace the targets of `config` by sparsities; without any, `config` itself.

    Args:
        out: folder of the run. One that was resolved before keeps its sparsities if `resume` is set.

    Raises:
        ConfigError: a target can't be reached, or two levels end up in the wrong order.
        DataError: the data can't be read.
        ExportError: latency is asked of a network that does not deploy.
    """
    targets = config.parsed_targets
    if not any(targets):
        return config
    if resume and (out / CONFIG).exists():
        stored = read_config(out)
        if stored.levels_from == config.targets:
            return _with_levels(config, stored.levels)
    dataset = load_dataset(config.dataset, config.data, progress.open_bar)
    judges: dict[str, Holds] = {}
    kinds = {target.kind for target in targets if target is not None}
    dense = _dense_model(config, out / DENSE, progress) if "accuracy_drop" in kinds else None
    if "latency" in kinds:
        judges["latency"] = _latency(config, dataset, dense, targets)
    if dense is not None:
        held_out = hold_out(dataset.train, config.validation, config.seed)[1]
        judges["accuracy_drop"] = _accuracy(config, dense, held_out, dataset.input_frac_bits, targets)
    levels = list(config.levels)
    for k, target in reversed([*enumerate(targets)]):  # a level's tiles depend on the denser ones
        if target is not None:
            levels[k], figure = _bound(levels, k, target, judges[target.kind])
            progress.note(f"level {k}: {target} is reached at {levels[k]:g} % ({figure})")
    return _with_levels(config, tuple(levels))


def _with_levels(config: TrainConfig, levels: tuple[float, ...]) -> TrainConfig:
    values = config.to_dict() | {"levels": levels, "targets": (), "levels_from": config.targets}
    try:
        return TrainConfig.model_validate(values)
    except ValueError as error:
        shown = ", ".join(f"{level:g}" for level in levels)
        raise ConfigError(
            f"targets: these lead to the levels {shown}, which must fall from one to the next; change a target"
        ) from error


def _bound(levels: Sequence[float], k: int, target: Target, holds: Holds) -> tuple[float, str]:
    """The sparsity of level `k`, on a grid, that just reaches `target`, and the figure there.

    A latency holds above some sparsity, and takes the smallest; an accuracy holds below one, and takes the largest.
    """
    faster, steps = target.kind == "latency", round(HIGHEST / GRAIN)

    def at(step: int) -> tuple[bool, str]:
        tried = [*levels]
        tried[k] = step * GRAIN
        try:
            return holds(tuple(tried), k)
        except NestingError:  # denser levels, or layers with a sparsity of their own, leave no room for this one
            return (step < steps // 2) != faster, ""

    best, other = (steps, 0) if faster else (0, steps)
    reached, figure = at(best)
    if not reached:
        raise ConfigError(f"targets: level {k}: {target} can't be reached; at {best * GRAIN:g} % it is {figure}")
    if at(other)[0]:
        best = other
    while abs(best - other) > 1:
        middle = (best + other) // 2
        if at(middle)[0]:
            best = middle
        else:
            other = middle
    figure = at(best)[1]
    if not figure:
        raise ConfigError(
            f"targets: level {k}: {target} needs a sparsity that the denser levels, or the layers with a sparsity of "
            "their own, leave no room for; change these"
        )
    return best * GRAIN, figure


def _latency(
    config: TrainConfig, dataset: Dataset, dense: NestedModel | None, targets: Sequence[Target | None]
) -> Holds:
    """Judge by the cost model, with the weights of `dense` or fresh ones."""
    board = load_target(config.board)
    if dense is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            dense = make_nested(TrainConfig.model_validate(config.to_dict() | DENSE_ONLY))
        fold_batch_norm_(dense.module)
    graph = export_graph(dense, dataset, "estimate")
    scores = _scores(dense)

    def holds(levels: tuple[float, ...], k: int) -> tuple[bool, str]:
        target = targets[k]
        assert target is not None
        plan = replace(plan_of(config, scores), levels=levels)
        cycles = predict_cycles(_cut(graph, plan, scores, k), board)
        return cycles[0] / board.mclk_hz <= target.limit, f"predicted {cycles[0] / board.mclk_hz:.4f} s"

    return holds


def _scores(model: NestedModel) -> dict[str, torch.Tensor]:
    return {name: model.weight(name).detach().abs() for name in model.names}


def _cut(graph: Graph, plan: SparsityPlan, scores: Mapping[str, torch.Tensor], first: int) -> Graph:
    """The dense `graph` with the levels of `plan` from `first` on."""
    index = {name: np.full(score.shape, NEVER, np.uint8) for name, score in scores.items()}
    entered: dict[str, torch.Tensor] | None = None
    for level in range(first, len(plan.levels)):
        entered = plan.select(scores, level, entered=entered)
        for name, mask in entered.items():
            index[name][mask.numpy() & (index[name] == NEVER)] = level - first
    given = {name.replace(".", "_"): part for name, part in index.items()}
    nodes = []
    for node in graph.nodes:
        params = node.params
        if params is not None and node.name in given:
            part = given[node.name].reshape(params.weight.shape)
            weight = np.where(part == NEVER, 0, params.weight).astype(np.int16)
            params = replace(params, weight=weight, level_index=part)
        nodes.append(replace(node, params=params))
    levels = tuple(Level(f"{s:.10g}", s, None) for s in plan.levels[first:])
    return replace(graph, nodes=tuple(nodes), levels=levels)


def _accuracy(
    config: TrainConfig, dense: NestedModel, held_out: Split, frac_bits: int, targets: Sequence[Target | None]
) -> Holds:
    """Judge by held-out accuracy after a cut of `dense`."""
    best = evaluate(dense, held_out, frac_bits)
    whole = {name: dense.weight(name).detach().clone() for name in dense.names}

    @torch.no_grad()
    def holds(levels: tuple[float, ...], k: int) -> tuple[bool, str]:
        target = targets[k]
        assert target is not None
        plan = replace(plan_of(config, whole), levels=levels)
        for name, mask in plan.select(_scores(dense), k).items():
            dense.weight(name).mul_(mask)
        drop = best - evaluate(dense, held_out, frac_bits)
        for name, weight in whole.items():
            dense.weight(name).copy_(weight)
        return drop <= target.limit, f"{drop:.2f} points below {best:.2f} % on held-out data, not retrained"

    return holds


def _dense_model(config: TrainConfig, out: Path, progress: Progress) -> NestedModel:
    """The dense model of `config`, trained in `out` unless that is done."""
    epochs = {"epochs": config.epochs.model_dump() | {"grow": 1, "qat": 0}}
    own = TrainConfig.model_validate(config.to_dict() | DENSE_ONLY | epochs)
    if not (out / METRICS).exists():
        progress.note("targets: a dense model first, whose cuts are measured on held-out data")
        train(own, out, resume=(out / CONFIG).exists(), progress=progress)
    return load_run(out)[0]
