"""Limits of a user's CI on a report: parsed before anything runs, checked after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import ConfigError
from .report import Report

_LIMITS = {"max_latency_s": ("latency_s", 1), "max_energy_j": ("energy_j", 1), "min_accuracy": ("accuracy_device", -1)}


@dataclass(frozen=True)
class Limit:
    """A limit on `field`, one of those above, for one level by name, or for all levels when `level` is `None`."""

    field: str
    level: str | None
    value: float


def parse_limit(field: str, text: str, levels: Sequence[str]) -> Limit:
    """`0.25` for all levels, `60.24=0.25` for the level of that name or sparsity.

    Raises:
        ConfigError: not a number, or no such level.
    """
    option = f"--{field.replace('_', '-')}"
    level, given, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is not a number, or LEVEL=NUMBER as in 60.24=0.25") from None
    if not math.isfinite(value):
        raise ConfigError(f"{option} {text!r} is not a finite number; every report would pass it or none")
    if not given:
        return Limit(field, None, value)
    for name in levels:
        if level == name or _number(level) == _number(name):
            return Limit(field, name, value)
    raise ConfigError(f"{option}: no level {level}; there are {', '.join(levels)}")


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def check_limits(report: Report, limits: Sequence[Limit]) -> list[str]:
    """One sentence for every missed limit."""
    missed = []
    for limit in limits:
        key, sign = _LIMITS[limit.field]
        for v in report.levels:
            value = getattr(v, key)
            if limit.level in (None, v.name) and sign * value > sign * limit.value:
                missed.append(f"level {v.name}: {key} is {value:.6g}, the limit {limit.field} is {limit.value:g}")
    return missed
