"""What an evaluation left in its folder, as plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError

REPORT, DETAILS, HARVEST, EVAL = "report.json", "details.json", "harvest.json", "eval.json"
SCHEMA = 1


@dataclass(frozen=True)
class Stored:
    """Parsed files; only the report must be there.

    Attributes:
        report: `report.json`, as `swtrain sim --json` writes it as well.
        details: memory, profiles, energy set.
        harvest: the run on a harvested supply.
        checks: limits and baseline, of `eval.json`.
    """

    report: dict[str, Any]
    details: dict[str, Any] | None = None
    harvest: dict[str, Any] | None = None
    checks: list[dict[str, Any]] | None = None

    @property
    def levels(self) -> list[dict[str, Any]]:
        """Sparsest first."""
        found: list[dict[str, Any]] = self.report["levels"]
        return found

    @property
    def names(self) -> list[str]:
        """Names of the levels for people."""
        return [f"{level['name']} %" for level in self.levels]

    @property
    def missed(self) -> list[dict[str, Any]]:
        """Checks that did not pass."""
        return [check for check in self.checks or [] if not check["passed"]]

    def energy_error(self, level: int) -> float:
        """Bound of the error of a level's energy, relative; 0 if it was not stored."""
        if self.details is None:
            return 0.0
        found = self.details["levels"][level]
        return float(found["energy_error_j"] / found["energy_j"]) if found["energy_j"] else 0.0


def read_stored(folder: Path) -> Stored:
    """Read the files of an evaluation.

    Raises:
        ConfigError: there is no report, or a file is damaged or of another version.
    """
    report = _read(folder / REPORT)
    if report is None:
        raise ConfigError(f"{folder}: holds no {REPORT}; make one with swtrain eval or swtrain sim --json")
    if report.get("schema") != SCHEMA or not report.get("levels"):
        raise ConfigError(f"{folder / REPORT}: is no report of schema {SCHEMA}; make it again with this version")
    evaluation = _read(folder / EVAL)
    details = _read(folder / DETAILS)
    names = [level["name"] for level in report["levels"]]
    if details is not None and [level["name"] for level in details["levels"]] != names:
        raise ConfigError(f"{folder / DETAILS}: belongs to another report; run swtrain eval again")
    return Stored(report, details, _read(folder / HARVEST), evaluation["checks"] if evaluation else None)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: can't be read ({error}); run swtrain eval again") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: is damaged; run swtrain eval again")
    return data
