"""What decides whether `swtrain eval` passes: limits of the config, and a committed report to compare with.

Comes in: a measured `Report`, limits, a baseline. Goes out: one `Check` for each figure that was looked at. Cycles,
bytes and energy may only rise by their tolerance, accuracy may only fall by its own; figures that get better pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codegen.files import write_atomic

from .errors import ConfigError
from .eval_config import BaselineSection, LevelLimits, LimitsSection, SwitchLimits
from .junit import Case
from .report import LevelReport, Report, SwitchReport

BASELINE_FORMAT = 1

_LEVEL = {"latency_s": "latency_s", "energy_j": "energy_j", "accuracy": "accuracy_device", "weight_bytes": ""}


@dataclass(frozen=True)
class Check:
    """One figure beside its limit.

    Attributes:
        group: `limits` or `baseline`.
        where: `level 60.24`, `switch 60.24 -> 40.5` or `program`.
        what: name of the figure.
        value: as measured; None if the new report lacks it.
        limit: that it must keep; None if there is none to compare with.
        passed: does it?
    """

    group: str
    where: str
    what: str
    value: float | None
    limit: float | None
    passed: bool

    @property
    def sentence(self) -> str:
        """What is wrong, for people."""
        if self.value is None:
            return f"{self.where}: {self.what} stands in the baseline, but not in this report"
        if self.limit is None:
            return f"{self.where}: {self.what} is {self.value:.7g}, the baseline has no such figure; update it"
        kind = "limit" if self.group == "limits" else "baseline with its tolerance"
        return f"{self.where}: {self.what} is {self.value:.7g}, the {kind} is {self.limit:.7g}"

    def case(self) -> Case:
        """For JUnit."""
        return Case(self.group, f"{self.where} {self.what}", None if self.passed else self.sentence)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def fram_bytes(report: Report) -> int:
    """Bytes of on-chip FRAM that the program takes: code, constants, variables, weights.

    External memory is not part of it.
    """
    regions = report.sizes["regions"]
    return sum(int(regions[name]["used"]) for name in ("fram", "hifram") if name in regions)


def check_names(limits: LimitsSection, names: Sequence[str]) -> None:
    """Do all limits name a level, each at most once?

    Raises:
        ConfigError: no.
    """
    seen: dict[str, str] = {}
    for given in limits.level:
        name = _resolve(given, names)
        if name is None:
            raise ConfigError(f"limits.level: no level '{given}'; there are {', '.join(names)}")
        if name in seen:
            raise ConfigError(f"limits.level: contradiction: '{seen[name]}' and '{given}' are the same level; keep one")
        seen[name] = given

    _pair(limits, names)


def _pair(limits: LimitsSection, names: Sequence[str]) -> dict[tuple[str, str], SwitchLimits]:
    """Limits of single switches by the names of their levels."""
    found: dict[tuple[str, str], SwitchLimits] = {}
    for given, limit in limits.switch.pair.items():
        ends = [_resolve(part.strip(), names) for part in given.split("->")]
        if len(ends) != 2 or ends[0] is None or ends[1] is None or ends[0] == ends[1]:
            raise ConfigError(
                f"limits.switch.pair: '{given}' is no switch; write FROM -> TO with two of {', '.join(names)}"
            )
        if (ends[0], ends[1]) in found:
            raise ConfigError(f"limits.switch.pair: contradiction: '{given}' stands there twice; keep one")
        found[ends[0], ends[1]] = limit
    return found


def _resolve(given: str, names: Sequence[str]) -> str | None:
    try:
        return next((n for n in names if n == given or float(n) == float(given)), None)
    except ValueError:
        return None


def check_limits(report: Report, limits: LimitsSection) -> list[Check]:
    """Each limit beside its figure.

    Raises:
        ConfigError: a limit names no level.
    """
    names = [v.name for v in report.levels]
    check_names(limits, names)
    checks = []
    for level in report.levels:
        own = next((v for given, v in limits.level.items() if _resolve(given, names) == level.name), None)
        for source in (limits, own):
            checks += list(_level_checks(level, source)) if source is not None else []
    for switch in report.switches:
        pair = _pair(limits, names).get((switch.from_, switch.to), SwitchLimits())
        checks += [*_switch_checks(switch, limits.switch), *_switch_checks(switch, pair)]
    if limits.max_fram_bytes is not None:
        used = fram_bytes(report)
        checks.append(
            Check("limits", "program", "fram_bytes", used, limits.max_fram_bytes, used <= limits.max_fram_bytes)
        )
    return checks


def _figure(level: LevelReport, what: str) -> float:
    return level.weight_bytes + level.index_bytes if what == "weight_bytes" else float(getattr(level, _LEVEL[what]))


def _level_checks(level: LevelReport, limits: LevelLimits) -> Iterator[Check]:
    for key in LevelLimits.model_fields:
        limit = getattr(limits, key)
        if limit is None:
            continue
        what = key.partition("_")[2]
        value = _figure(level, what)
        passed = value >= limit if key.startswith("min") else value <= limit
        yield Check("limits", f"level {level.name}", what, value, limit, passed)


def _switch_checks(switch: SwitchReport, limits: SwitchLimits) -> Iterator[Check]:
    for key in SwitchLimits.model_fields:
        limit = getattr(limits, key)
        if limit is not None:
            what = key.removeprefix("max_")
            value = float(getattr(switch, what))
            yield Check("limits", f"switch {switch.from_} -> {switch.to}", what, value, limit, value <= limit)


# --- baseline


def figures(report: Report) -> dict[str, dict[str, float]]:
    """What a baseline keeps of a report: figures by place."""
    found: dict[str, dict[str, float]] = {}
    for v in report.levels:
        found[f"level {v.name}"] = {
            "cycles": v.cycles,
            "energy_j": v.energy_j,
            "accuracy": v.accuracy_device,
            "weight_bytes": v.weight_bytes,
            "index_bytes": v.index_bytes,
        }
    for s in report.switches:
        found[f"switch {s.from_} -> {s.to}"] = {
            "cycles": s.cycles,
            "energy_j": s.energy_j,
            "bytes_written": s.bytes_written,
        }
    found["program"] = {"fram_bytes": fram_bytes(report), "code_bytes": int(report.sizes["code"])}
    return found


def setting(report: Report) -> dict[str, Any]:
    """What must be equal for two reports to be compared."""
    same = {name: getattr(report, name) for name in ("model", "target", "dataset", "toolchain", "energy_model")}
    return same | {"mclk_hz": report.mclk_hz, "inputs": report.levels[0].n_simulated}


def write_baseline(report: Report, path: Path) -> None:
    """Keep the figures of `report` in `path`, to be committed."""
    content = {
        "format": BASELINE_FORMAT,
        "generator": report.generator,
        "setting": setting(report),
        "figures": figures(report),
    }
    write_atomic(path, json.dumps(content, indent=1) + "\n")


def read_baseline(path: Path) -> dict[str, Any]:
    """What `write_baseline` wrote.

    Raises:
        ConfigError: the file is missing or something else.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != BASELINE_FORMAT:
            raise ValueError(f"format {stored['format']}, this version reads {BASELINE_FORMAT}")
        numbers = [value for place in stored["figures"].values() for value in place.values()]
        if not isinstance(stored["setting"], dict) or not all(isinstance(v, int | float) for v in numbers):
            raise ValueError("figures must be numbers")
    except FileNotFoundError as error:
        raise ConfigError(f"baseline {path}: does not exist; write it with --update-baseline") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"baseline {path}: is none ({type(error).__name__}: {error}); write it with --update-baseline"
        ) from error
    return dict(stored)


def check_baseline(report: Report, stored: dict[str, Any], tolerance: BaselineSection) -> list[Check]:
    """Each figure beside that of the baseline.

    Raises:
        ConfigError: the baseline is of another model, board, data set or number of inputs.
    """
    now = setting(report)
    other = [f"{k} {stored['setting'].get(k)} instead of {v}" for k, v in now.items() if stored["setting"].get(k) != v]
    if other:
        raise ConfigError(
            f"the baseline can't be compared: it has {', '.join(other)}; --update-baseline writes a new one"
        )
    checks = []
    new = figures(report)
    for where in dict.fromkeys((*stored["figures"], *new)):
        before, after = stored["figures"].get(where, {}), new.get(where, {})
        for what in dict.fromkeys((*before, *after)):
            checks.append(_compare(where, what, before.get(what), after.get(what), tolerance))
    return checks


def _compare(where: str, what: str, before: float | None, after: float | None, tolerance: BaselineSection) -> Check:
    if before is None or after is None:
        return Check("baseline", where, what, after, None, False)
    if what == "accuracy":
        limit = before - tolerance.accuracy_points
        return Check("baseline", where, what, after, limit, after >= limit - 1e-9)
    kind = what.partition("_")[0] if not what.endswith(("bytes", "written")) else "bytes"
    limit = before * (1 + getattr(tolerance, f"{kind}_percent") / 100)
    return Check("baseline", where, what, after, limit, after <= limit * (1 + 1e-12))
