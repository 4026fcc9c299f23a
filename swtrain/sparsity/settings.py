"""The plan that a config describes, for the layers of a model."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ..config import LayerRule, TrainConfig
from ..errors import ConfigError
from .plan import LayerPlan, SparsityPlan
from .shapes import Shape


def plan_of(config: TrainConfig, names: Iterable[str]) -> SparsityPlan:
    """Plan of `config` for the prunable layers `names`: its defaults, then its `[[layers]]`, later ones last.

    Raises:
        ConfigError: a `[[layers]]` entry matches no layer, or names another number of sparsities than levels.
    """
    names = tuple(names)
    for rule in config.layers:
        if not any(fnmatchcase(name, rule.match) for name in names):
            raise ConfigError(f"layers: '{rule.match}' matches no layer; the model has {', '.join(names)}")
        if rule.sparsity is not None and len(rule.sparsity) not in (0, len(config.levels)):
            raise ConfigError(
                f"layers: '{rule.match}' gives {len(rule.sparsity)} sparsities for {len(config.levels)} levels; "
                "give one per level, sparsest first"
            )
    layers = {name: _layer(config, [r for r in config.layers if fnmatchcase(name, r.match)]) for name in names}
    return SparsityPlan(config.levels, layers, config.scope, config.score == "lamp")


def _layer(config: TrainConfig, rules: list[LayerRule]) -> LayerPlan:
    values = {
        "shape": config.shape,
        "group": config.group,
        "pair": config.pair,
        "block": config.block,
        "patterns": config.patterns,
        "floor": config.floor,
        "sparsity": (),
    }
    for rule in rules:
        values |= {key: value for key in values if (value := getattr(rule, key)) is not None}
    kind, floor, sparsity = values.pop("shape"), values.pop("floor"), values.pop("sparsity")
    return LayerPlan(Shape(kind, **values), sparsity, floor)  # type: ignore[arg-type]
