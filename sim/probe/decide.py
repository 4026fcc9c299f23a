"""From a log to readings of every option: which values explain what the board computed, and in how many cycles.

In: a `ProbeLog`. Out: a `Report`. A value is decided when it, and no other, belongs to the combinations of options that
explain the most lines; what no combination explains is named, and its command goes on the list of refused ones.
Deliberately not here: any formula of a command (`replay` asks the core).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from ..lea import CommandCost, LeaModel, option_values
from .fit import Coefficients, error, fit
from .log import FLAG_OUT_OF_RANGE, LEA_BOTTOM, ProbeLog, Result
from .replay import judge

#: options that change results
RESULT_OPTIONS = ("accumulator", "truncation", "long_product", "mpy_rounding", "fir_rounding", "minmax_ties")
_ARITHMETIC = RESULT_OPTIONS[:5]
#: which of them the commands of a class may depend on
_RELEVANT: dict[str, tuple[str, ...]] = {
    "add": (),
    "add_long": (),
    "deinterleave": (),
    "minmax": ("minmax_ties",),
    "minmax_long": ("minmax_ties",),
    "mac": ("accumulator",),
    "mpy": ("accumulator", "truncation", "mpy_rounding"),
    "matrix_row": ("accumulator", "truncation"),
    "fir": ("accumulator", "truncation", "fir_rounding"),
    "mpy_long": ("accumulator", "truncation"),
    "mac_long": ("accumulator", "truncation", "long_product"),
    "fir_long": ("accumulator", "truncation", "long_product"),
    "complex": _ARITHMETIC,
}
_TWO_SIZES = ("matrix_row", "fir", "fir_long", "deinterleave")
ACCESSES = 64
"""Loads or stores in a stall experiment."""
START_CYCLES = 3
"""From the reading of the timer to the trigger, as the simulator places both; a board may differ by one cycle."""
_FIR = 0x018

Choice = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Decision:
    """One option.

    Attributes:
        status: ``"decided"``; ``"undecided"``: no line tells the values apart; ``"contradicted"``: decided by most
            lines, others say something else; ``"missing"``: the lines are not in the log.
        value: the reading, or None unless decided or contradicted.
    """

    option: str
    status: str
    value: str | int | None
    evidence: str


@dataclass(frozen=True)
class CommandReading:
    """One command: how many recorded results the model explains, and its cycles as measured.

    Attributes:
        reading: the reading of the default table that gives every measured time, ``"measured"`` where none does, or
            ``"missing"``.
        worst: largest error of the formula over the measured times, in cycles.
        refused: why the command is refused by the file, or an empty text.
    """

    name: str
    explained: int
    results: int
    reading: str
    coefficients: Coefficients | None
    sizes: int
    worst: int
    refused: str


@dataclass
class Report:
    """What a log decides. ``notes`` are sentences about what the model has no option for."""

    decisions: list[Decision]
    commands: list[CommandReading]
    notes: list[str] = field(default_factory=list)

    @property
    def refused(self) -> list[str]:
        """Commands that the option file refuses."""
        return [c.name for c in self.commands if c.refused]

    @property
    def values(self) -> dict[str, str | int]:
        """Readings of the decided options."""
        return {d.option: d.value for d in self.decisions if d.value is not None}


def decide(log: ProbeLog) -> Report:
    """Read every option from a log."""
    costs = LeaModel.load({}).costs
    names = {cost.code: name for name, cost in costs.items()}
    lines = [r for _, r in sorted(log.results.items()) if r.code in names]
    verdicts = {i: _explaining(r, costs[names[r.code]].energy_class) for i, r in enumerate(lines)}
    report = Report([], [])
    chosen = _decide_results(report, [names[r.code] for r in lines], verdicts)
    report.decisions += [_fir_oor(log), _stall(log, report.notes), _stack(log), _range(log)]
    for name, cost in costs.items():
        own = [i for i, r in enumerate(lines) if r.code == cost.code]
        report.commands.append(_command(log, name, cost, [verdicts[i] for i in own], chosen, report.notes))
    _notes(log, report)
    return report


def _project(choice: Choice, options: Iterable[str]) -> Choice:
    kept = set(options)
    return tuple((name, value) for name, value in choice if name in kept)


def _explaining(r: Result, energy_class: str) -> tuple[tuple[str, ...], frozenset[Choice]]:
    """The options that a line may depend on, and the combinations of them that give its words."""
    relevant = _RELEVANT[energy_class]
    good = set()
    for values in itertools.product(*(option_values(name) for name in relevant)):
        choice = tuple(zip(relevant, values, strict=True))
        if judge(choice).output(r) == r.z:
            good.add(choice)
    return relevant, frozenset(good)


_Verdicts = dict[int, tuple[tuple[str, ...], frozenset[Choice]]]


def _holds(verdict: tuple[tuple[str, ...], frozenset[Choice]], choice: Choice) -> bool:
    relevant, good = verdict
    return _project(choice, relevant) in good


def _decide_results(report: Report, names: list[str], verdicts: _Verdicts) -> Choice:
    """Add the decisions on `RESULT_OPTIONS`; the combination that explains the most lines, defaults first."""
    every = [
        tuple(zip(RESULT_OPTIONS, values, strict=True))
        for values in itertools.product(*(option_values(name) for name in RESULT_OPTIONS))
    ]
    scores = [sum(_holds(v, choice) for v in verdicts.values()) for choice in every]
    top = max(scores)
    best = [choice for choice, score in zip(every, scores, strict=True) if score == top]
    chosen = best[0]
    for k, option in enumerate(RESULT_OPTIONS):
        values = {choice[k][1] for choice in best}
        if len(values) > 1:
            asked = any(option in relevant for relevant, _ in verdicts.values())
            text = (
                f"{', '.join(sorted(values))} explain the log equally well"
                if asked
                else "no result in the log depends on it"
            )
            report.decisions.append(Decision(option, "undecided" if asked else "missing", None, text))
            continue
        value = chosen[k][1]
        changed = [
            (*chosen[:k], (option, other), *chosen[k + 1 :]) for other in option_values(option) if other != value
        ]
        telling, against = set(), set()
        for i, verdict in verdicts.items():
            if _holds(verdict, chosen):
                if not all(_holds(verdict, other) for other in changed):
                    telling.add(names[i])
            elif any(_holds(verdict, other) for other in changed):
                against.add(names[i])
        text = f"results of {_some(telling)}"
        if against:
            text += f"; against it: {_some(against)}"
        report.decisions.append(Decision(option, "contradicted" if against else "decided", value, text))
    return chosen


def _some(names: set[str]) -> str:
    listed = sorted(names)
    return (
        ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")
        if listed
        else "no command alone"
    )


def _fir_oor(log: ProbeLog) -> Decision:
    seen = {
        bool(r.flags & FLAG_OUT_OF_RANGE) for r in log.results.values() if r.code == _FIR and 4 * r.x_at == LEA_BOTTOM
    }
    if len(seen) != 1:
        return Decision("fir_oor", "missing", None, "no FIR with its source at LEAMB in the log")
    value = "on" if seen == {True} else "off"
    return Decision("fir_oor", "decided", value, f"OORIFG {'set' if value == 'on' else 'clear'} after a FIR from LEAMB")


def _stall(log: ProbeLog, notes: list[str]) -> Decision:
    waits = {}
    for s in log.stalls.values():
        kind = "stores" if s.stores else "loads"
        if max(s.ticks) >= min(s.ends):
            notes.append(f"stall: the FIR ended before the {kind} did; they say nothing")
            continue
        waits[kind] = (s.ticks[1] - s.ticks[0]) / ACCESSES
        if s.ends[0] != s.ends[1]:
            notes.append(
                f"stall: {ACCESSES} {kind} delayed the LEA by {s.ends[1] - s.ends[0]} cycles; the model never delays it"
            )
    if not waits:
        return Decision("stall_cycles", "missing", None, "no stall lines in the log")
    text = ", ".join(f"{wait:.2f} cycles per access for {kind}" for kind, wait in waits.items())
    values = {round(wait) for wait in waits.values()}
    low, high = 0, 8
    if len(values) > 1 or not all(low <= v <= high for v in values):
        worst = min(max(values), high)
        return Decision(
            "stall_cycles", "contradicted", max(worst, low), f"{text}; the model has one number, the larger is taken"
        )
    return Decision("stall_cycles", "decided", values.pop(), text)


def _stack(log: ProbeLog) -> Decision:
    if log.stack_bytes is None:
        return Decision("stack_bytes", "missing", None, "no stack line in the log")
    text = (
        f"{log.stack_bytes} bytes below the block changed during the commands: a lower bound, results cannot decide it"
    )
    return Decision("stack_bytes", "undecided", None, text)


def _range(log: ProbeLog) -> Decision:
    if any(kind == "range" for kind, _ in log.unfinished.values()):
        return Decision("out_of_range", "decided", "raise", "a command with an operand outside LEA RAM did not end")
    if not log.ranges:
        return Decision("out_of_range", "missing", None, "no range line in the log")
    if all(c.flags & FLAG_OUT_OF_RANGE for c in log.ranges.values()):
        return Decision("out_of_range", "decided", "flag", "the command ended with OORIFG")
    return Decision(
        "out_of_range", "contradicted", "raise", "the command ended without OORIFG; raise is the safe reading"
    )


def _command(
    log: ProbeLog,
    name: str,
    cost: CommandCost,
    verdicts: list[tuple[tuple[str, ...], frozenset[Choice]]],
    chosen: Choice,
    notes: list[str],
) -> CommandReading:
    explained = sum(_holds(v, chosen) for v in verdicts)
    never = sum(not good for _, good in verdicts)
    refused = f"{never} of {len(verdicts)} results are explained by no combination of options" if never else ""
    if any(code == cost.code and kind in ("result", "cycles") for kind, code in log.unfinished.values()):
        refused = "did not end"
    wake = median(log.wakes) if log.wakes else None
    two = cost.energy_class in _TWO_SIZES or "FIR" in name
    points = [
        (c.n, c.m if two else 0, round(c.ticks - wake - START_CYCLES))
        for _, c in sorted(log.cycles.items())
        if wake is not None and c.code == cost.code
    ]
    if len({p[:2] for p in points}) < 2:
        return CommandReading(name, explained, len(verdicts), "missing", None, len(points), 0, refused)
    for reading in ("best", "low", "high"):
        coefficients = LeaModel.load({"cycles": reading}).costs[name].coefficients
        if error(coefficients, points) == 0:
            worst = 0
            break
    else:
        found = fit(points)
        reading, coefficients, worst = "measured", found.coefficients, found.worst
    for r in log.results.values():
        took = None if wake is None or r.code != cost.code else round(r.ticks - wake - START_CYCLES)
        if took is not None and abs(off := error(coefficients, [(r.n, r.m if two else 0, took)])) > max(1, worst):
            block = " ".join(f"{v:04X}" for v in r.block)
            notes.append(f"{name} with block {block}: {took} cycles, {off} off the formula of its other sizes")
    return CommandReading(name, explained, len(verdicts), reading, coefficients, len(points), worst, refused)


def _notes(log: ProbeLog, report: Report) -> None:
    if log.wakes and len(set(log.wakes)) > 1:
        report.notes.append(
            f"an interrupt took {min(log.wakes)} to {max(log.wakes)} cycles; times are uncertain by as much"
        )
    if log.revision is not None:
        report.notes.append(f"LEA ROM checksum {log.revision:08X}, LEAMB {log.bottom:04X}, LEAMT {log.top:04X}")
    for kind, code in log.unfinished.values():
        if kind == "odd":
            report.notes.append(f"command {code:03X} with an odd size did not end")
    for r in log.odd.values():
        words = ", ".join(f"{w:08X}" for w in r.z)
        report.notes.append(f"command {r.code:03X} with an odd size ended with {words}; the model refuses odd sizes")
    for d in log.results.values():
        expected = d.code == _FIR and 4 * d.x_at == LEA_BOTTOM
        if d.flags & 0x0F and not (expected and d.flags & 0x0F == FLAG_OUT_OF_RANGE):
            report.notes.append(f"command {d.code:03X} set LEAIFG = {d.flags:02X}, unexpectedly")
    if log.missing is None:
        report.notes.append("the log has no end; press reset on the board and log again, it goes on where it stopped")
    elif log.missing:
        report.notes.append(f"{log.missing} of {log.count} experiments have no whole line")
    if log.damaged:
        report.notes.append(f"{log.damaged} lines are damaged and were left out")
    if log.differing:
        report.notes.append(f"{len(log.differing)} experiments gave different lines when repeated; the last counts")
