"""Options of the LEA model: what public sources leave open, each with its readings, and cycles per command.

In: ``data/lea/default.toml``, an option file of the same form (as a board's probe gives), a mapping. Out: what the core
needs, and one sentence per choice for reports. The invariant: every value is one the table allows.
Deliberately not here: what commands compute (``sim/LEA.md``, ``core/lea_commands.cpp``).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data" / "lea"
READINGS = ("best", "low", "high")
#: order is the contract with ``lea_configure`` in ``core/bindings.cpp``
OPTIONS = (
    "accumulator",
    "truncation",
    "long_product",
    "mpy_rounding",
    "fir_rounding",
    "minmax_ties",
    "fir_oor",
    "stall_cycles",
    "stack_bytes",
    "out_of_range",
)


@dataclass(frozen=True)
class CommandCost:
    """Cycles of one command: ``c[0] + c[1] n + c[2] m + c[3] n m`` (sizes as in ``sim/LEA.md``)."""

    code: int
    energy_class: str
    coefficients: tuple[float, float, float, float]
    reading: str
    source: str


@dataclass(frozen=True)
class LeaModel:
    """One choice of all options.

    Attributes:
        values: by option name.
        costs: by command name.
        origin: the option file, or ``"default"``.
        refused: commands that raise, because a board computes something else than ``sim/LEA.md`` says.
    """

    values: Mapping[str, str | int]
    costs: Mapping[str, CommandCost]
    origin: str
    refused: tuple[str, ...] = ()

    @classmethod
    def load(cls, chosen: Mapping[str, object] | str | Path) -> LeaModel:
        """Lay choices over the defaults.

        Args:
            chosen: values by option name; ``"cycles"`` is a reading (``best``, ``low``, ``high``) or a mapping from
                command class to reading; ``"refuse"`` lists commands that raise; ``"file"`` names an option file
                that comes before the other choices. A path alone is such a file.

        Raises:
            ValueError: an unknown option, value, class or reading, or an option file that is none.
        """
        table = _default()
        values: dict[str, str | int] = {name: table["option"][name]["default"] for name in OPTIONS}
        overlay: Mapping[str, Any] = {}
        rest = {"file": chosen} if isinstance(chosen, str | Path) else dict(chosen)
        origin = "default"
        if "file" in rest:
            path = Path(str(rest.pop("file")))
            overlay, origin = _read(path), path.name
            for name, entry in overlay.get("option", {}).items():
                values[name] = _checked(name, entry["default"] if isinstance(entry, dict) else entry)
        cycles = rest.pop("cycles", "best")
        refused = _commands([*overlay.get("refuse", ()), *_names(rest.pop("refuse", ()))], table["cycles"])
        for name, value in rest.items():
            values[name] = _checked(name, value)
        return cls(values, _costs(table["cycles"], overlay.get("cycles", {}), cycles), origin, refused)

    def for_core(self) -> tuple[list[int], list[list[float]], list[int]]:
        """Options as numbers in the order of ``OPTIONS``, a cost row per command, and codes that are refused."""
        numbers = []
        for name in OPTIONS:
            value, entry = self.values[name], _default()["option"][name]
            numbers.append(value if isinstance(value, int) else entry["values"].index(value))
        rows = [[float(c.code), *c.coefficients] for c in self.costs.values()]
        return numbers, rows, [self.costs[name].code for name in self.refused]

    def cycles(self, command: str, n: int, m: int = 0) -> float:
        """Cycles of one command by the formula; ``n`` and ``m`` as in ``sim/LEA.md``."""
        c = self.costs[command].coefficients
        return c[0] + c[1] * n + c[2] * m + c[3] * n * m

    def assumptions(self) -> list[str]:
        """One sentence per option and one for the cycles, for ``Machine.assumptions``."""
        out = []
        for name in OPTIONS:
            entry = _default()["option"][name]
            given = "" if self.values[name] == entry["default"] else f" (default {entry['default']})"
            out.append(f"lea-option-{name.replace('_', '-')}: {self.values[name]}{given}; {entry['text']}")
        if self.refused:
            out.append(f"lea-option-refuse: {', '.join(self.refused)}; these commands raise")
        readings = sorted({c.reading for c in self.costs.values()})
        out.append(f"lea-option-cycles: {', '.join(readings)}; cycles per command by sim/LEA.md, from {self.origin}")
        return out


def option_values(name: str) -> tuple[str, ...]:
    """Values of an option that has a list of them, the default first."""
    entry = _default()["option"][name]
    return (entry["default"], *(v for v in entry["values"] if v != entry["default"]))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ValueError(f"LEA option file {path}: {e}") from None


@cache
def _default() -> dict[str, Any]:
    return _read(_DATA / "default.toml")


def _unknown(what: str, name: object, known: list[str]) -> ValueError:
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else f"; there are: {', '.join(known)}"
    return ValueError(f"LEA: no {what} '{name}'{hint}")


def _names(value: object) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"LEA: refuse = {value!r}; give a list of commands")
    return [str(name) for name in value]


def _commands(names: list[str], table: Mapping[str, Any]) -> tuple[str, ...]:
    for name in names:
        if name not in table:
            raise _unknown("command", name, sorted(table))
    return tuple(sorted(set(names)))


def _checked(name: str, value: object) -> str | int:
    entry = _default()["option"].get(name)
    if entry is None:
        raise _unknown("option", name, [*OPTIONS, "cycles", "refuse", "file"])
    if "values" in entry:
        if value not in entry["values"]:
            raise _unknown(f"value of {name}", value, entry["values"])
        return str(value)
    low, high = entry["range"]
    if value in ("low", "high"):
        value = entry[value]
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"LEA: {name} = {value!r}; give 'low', 'high' or a number from {low} to {high}")
    return value


def _costs(table: Mapping[str, Any], overlay: Mapping[str, Any], cycles: object) -> dict[str, CommandCost]:
    classes = sorted({entry["class"] for entry in table.values()})
    by_class = dict.fromkeys(classes, cycles) if isinstance(cycles, str) else dict.fromkeys(classes, "best")
    if isinstance(cycles, Mapping):
        for name, reading in cycles.items():
            if name not in by_class:
                raise _unknown("command class", name, classes)
            by_class[name] = reading
    elif not isinstance(cycles, str):
        raise ValueError(f"LEA: cycles = {cycles!r}; give a reading or a mapping from class to reading")
    for name in overlay:
        if name not in table:
            raise _unknown("command in [cycles]", name, sorted(table))
    out = {}
    for name, entry in table.items():
        reading = by_class[entry["class"]]
        if reading not in READINGS:
            raise _unknown("reading of cycles", reading, list(READINGS))
        row = {**entry, **overlay.get(name, {})}
        c = [float(v) for v in row[str(reading)]]
        if len(c) != 4 or min(c) < 0:
            raise ValueError(f"LEA: cycles of {name}: four numbers >= 0 are needed, got {row[str(reading)]}")
        out[name] = CommandCost(entry["code"], entry["class"], (c[0], c[1], c[2], c[3]), str(reading), row["source"])
    return out
