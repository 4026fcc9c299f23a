"""Power failures as named, enumerable, replayable schedules.

In: a `Program` (a machine at its start and the address where it is done). Out: one final machine for each case, and
a verdict that compares a property of it with the uninterrupted run. A case is an id such as ``linear:write@1234`` or
``at:write@17,4``: power is lost directly after the 17th FRAM write, and again after the 4th one that follows; the
same id on the same program is the same run. Points count from the start of the program or the last power-up, in a unit:
``write`` (on-chip FRAM), ``external`` (bytes that an external FRAM stores: a burst is cut between two of them, and its
write enable and chip select are gone), ``nvm`` (both), ``instruction`` or ``cycle``.

Deliberately not here: voltages and capacitors (``sim/supply.py``); a cut inside one 16-bit write or one external byte.
A cut by cycle or instruction falls between two instructions, after a DMA block that has begun.
"""

from __future__ import annotations

import itertools
import random as _random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from .errors import MachineFault, SimError
from .machine import Machine
from .stops import Stop

Unit = Literal["write", "external", "nvm", "instruction", "cycle"]
UNITS: tuple[Unit, ...] = get_args(Unit)
_SCOPES: dict[Unit, Literal["chip", "external", "all"]] = {"write": "chip", "external": "external", "nvm": "all"}


class NoProgress(SimError):
    """After a power failure the program did not reach its end within the limit."""


@dataclass(frozen=True)
class Case:
    """One sequence of power failures. ``points`` count ``unit`` events since the last power-up, from 1."""

    schedule: str
    unit: Unit = "write"
    points: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """What `replay` takes."""
        return f"{self.schedule}:{self.unit}@{','.join(map(str, self.points))}" if self.points else self.schedule

    @classmethod
    def parse(cls, text: str) -> Case:
        """The case of an id.

        Raises:
            ValueError: not an id.
        """
        match = re.fullmatch(rf"([a-z]+):({'|'.join(UNITS)})@(\d+(?:,\d+)*)", text)
        if match is None:
            if text == "none":
                return cls("none")
            raise ValueError(f"'{text}' is not a case; ids look like none, linear:write@1234 or at:cycle@17,4")
        unit = next(u for u in UNITS if u == match[2])
        return cls(match[1], unit, _points(int(p) for p in match[3].split(",")))


@dataclass(frozen=True)
class Schedule:
    """A named set of cases. ``cases`` makes them from the number of events of the uninterrupted run.

    Attributes:
        name: first part of the ids.
        unit: what is counted.
        cases: ``total -> lists of points``, in rising order where ``depth`` is not 0.
        depth: 0, or how many failures in a row are enumerated (then ``cases`` gives the points of each one).
    """

    name: str
    unit: Unit
    cases: Callable[[int], Iterable[tuple[int, ...]]]
    depth: int = 0


def none() -> Schedule:
    """No failure: the reference itself."""
    return Schedule("none", "write", lambda total: [()])


def at(points: Iterable[int], unit: Unit = "write") -> Schedule:
    """One case: failures at the given points, each counted from the last power-up."""
    fixed = _points(points)
    return Schedule("at", _unit(unit), lambda total: [fixed])


def linear(unit: Unit = "write", first: int = 1, step: int = 1) -> Schedule:
    """One failure at every event in turn (or every ``step``-th from ``first``)."""
    if first < 1 or step < 1:
        raise ValueError(f"first and step must be at least 1, got {first} and {step}")
    return Schedule("linear", _unit(unit), lambda total: ((p,) for p in range(first, total + 1, step)), 1)


def log(unit: Unit = "write") -> Schedule:
    """One failure at event 1, 2, 4, 8, ..."""
    return Schedule("log", _unit(unit), lambda total: ((1 << k,) for k in range(total.bit_length())), 1)


def random(seed: int, n: int, unit: Unit = "write", losses: int = 3) -> Schedule:
    """``n`` cases with one to ``losses`` failures, each anywhere in the run."""

    def cases(total: int) -> Iterator[tuple[int, ...]]:
        draw = _random.Random(f"{seed}:{unit}")
        for _ in range(n if total else 0):
            yield tuple(draw.randint(1, total) for _ in range(draw.randint(1, losses)))

    return Schedule("random", _unit(unit), cases)


def exhaustive(depth: int, unit: Unit = "write") -> Schedule:
    """Every sequence of up to ``depth`` failures, also inside what recovers from the ones before."""
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    return Schedule("exhaustive", _unit(unit), lambda total: ((p,) for p in range(1, total + 1)), depth)


@dataclass(frozen=True)
class Program:
    """What is interrupted.

    Attributes:
        machine: at the start; it is only forked.
        until: symbol or address where the program is done.
        max_cycles: limit of each boot; a program that is not done by then makes no progress.
        at_boot: what the outside world does at each power-up, e.g. posting the request again.
        off_s: how long the power stays away, in seconds.
    """

    machine: Machine
    until: str | int
    max_cycles: int = 1_000_000_000
    at_boot: Callable[[Machine], None] = field(default=lambda machine: None)
    off_s: float = 0.0

    def finish(self, machine: Machine) -> Machine:
        """Run to the end without further failures.

        Raises:
            NoProgress: the end was not reached.
            MachineFault: the program failed.
        """
        stop = machine.run(self.until, self.max_cycles)
        if stop is not Stop.UNTIL:
            raise NoProgress(
                f"{self.until} was not reached within {self.max_cycles:,} cycles "
                f"({stop.name}, PC {machine.where(machine.pc)})"
            )
        return machine

    def total(self, unit: Unit, machine: Machine | None = None) -> int:
        """Events of the uninterrupted run from ``machine`` [default: from the start]."""
        start = machine or self.machine
        return _count(self.finish(start.fork()), unit) - _count(start, unit)


@dataclass(frozen=True)
class Outcome:
    """How one case ended: a final machine, or the error that stopped it."""

    case: Case
    machine: Machine | None
    error: SimError | None = None


@dataclass(frozen=True)
class Verdict:
    """Cases that ran, and ``(id, reason)`` of each one that ended differently from the uninterrupted run."""

    cases: int
    failures: tuple[tuple[str, str], ...]

    @property
    def ok(self) -> bool:
        """Did every case end as the uninterrupted run?"""
        return not self.failures

    def __str__(self) -> str:
        shown = "".join(f"\n  {case}: {reason}" for case, reason in self.failures[:10])
        return f"{len(self.failures)} of {self.cases} power failures change the result{shown}"


def explore(program: Program, schedule: Schedule) -> Iterator[Outcome]:
    """Run every case to its end, in the order of their first failures.

    What cases have in common is run once: linear over N costs N recoveries.
    """
    if schedule.depth:
        yield from _tree(program, schedule, program.machine, (), schedule.depth)
        return
    unit, all_points = schedule.unit, sorted(schedule.cases(program.total(schedule.unit)))
    victims = _victims(program, unit, program.machine, (points[0] for points in all_points if points))
    for points in all_points:
        _, lost = next(victims, (0, None)) if points else (0, None)
        start, left = (program.machine.fork(), points) if lost is None else (lost, points[1:])
        case = Case(schedule.name, unit, points)
        yield _outcome(case, lambda m=start, p=left: _play(program, m, unit, p))  # type: ignore[misc]


def replay(program: Program, case: str | Case) -> Machine:
    """The final machine of a case, as `explore` reached it.

    Raises:
        ValueError: not an id.
        NoProgress, MachineFault: the case ends in an error.
    """
    case = Case.parse(case) if isinstance(case, str) else case
    return _play(program, program.machine.fork(), case.unit, case.points)


def last_power_up(program: Program, case: str | Case) -> Machine:
    """The machine of a case right after its last power failure; the start for `none`.

    Raises:
        ValueError: not an id.
        NoProgress: the program is done before that.
    """
    machine = program.machine.fork()
    case = Case.parse(case) if isinstance(case, str) else case
    for point in case.points:
        if not _advance(program, machine, case.unit, point, tear=True):
            raise NoProgress(f"{case.id}: the program is done before the {case.unit} at which power is to fail")
        _boot(program, machine)
    return machine


def verify(
    program: Program, *schedules: Schedule, final: Callable[[Machine], object], limit: int | None = None
) -> Verdict:
    """Compare ``final(machine)`` of every case with the uninterrupted run's.

    Args:
        program: what is interrupted.
        schedules: when.
        final: the property that must not depend on power failures, e.g. ``lambda m: m.read("result")``.
        limit: stop after that many failures.
    """
    expected = final(program.finish(program.machine.fork()))
    count, failures = 0, []
    for outcome in itertools.chain.from_iterable(explore(program, s) for s in schedules):
        count += 1
        if outcome.machine is None:
            failures.append((outcome.case.id, str(outcome.error)))
        elif (found := final(outcome.machine)) != expected:
            failures.append((outcome.case.id, f"{_short(found)} instead of {_short(expected)}"))
        if limit is not None and len(failures) >= limit:
            break
    return Verdict(count, tuple(failures))


def _tree(
    program: Program, schedule: Schedule, start: Machine, before: tuple[int, ...], depth: int
) -> Iterator[Outcome]:
    """Every failure from ``start`` on, and below each one the next."""
    try:
        total = program.total(schedule.unit, start)
    except (NoProgress, MachineFault):
        return  # reported by the case that led here
    points = (p for (p,) in schedule.cases(total))
    for point, lost in _victims(program, schedule.unit, start, points):
        case = Case(schedule.name, schedule.unit, (*before, point))
        again = lost.fork() if depth > 1 else lost
        yield _outcome(case, lambda m=again: program.finish(m))  # type: ignore[misc]
        if depth > 1:
            yield from _tree(program, schedule, lost, case.points, depth - 1)


def _victims(program: Program, unit: Unit, start: Machine, points: Iterable[int]) -> Iterator[tuple[int, Machine]]:
    """Machines that lost power at rising ``points``; the way to them is run once."""
    base, origin = start.fork(), _count(start, unit)
    for point in points:
        gap = point - 1 - (_count(base, unit) - origin)
        if gap > 0:  # as near to the point as boundaries allow: an instruction may write more than one word
            ahead = base.fork()
            if _advance(program, ahead, unit, gap, tear=False) and _count(ahead, unit) - origin < point:
                base = ahead
        victim = base.fork()
        if not _advance(program, victim, unit, point - (_count(base, unit) - origin), tear=True):
            return  # done before that
        _boot(program, victim)
        yield point, victim


def _play(program: Program, machine: Machine, unit: Unit, points: Iterable[int]) -> Machine:
    """Run on to the end through failures at `points`."""
    for point in points:
        if not _advance(program, machine, unit, point, tear=True):
            return machine  # done before that
        _boot(program, machine)
    return program.finish(machine)


def _advance(program: Program, machine: Machine, unit: Unit, count: int, *, tear: bool) -> bool:
    """Run on by ``count`` events; False when the program is done first."""
    if unit in _SCOPES:
        stop = machine.run(program.until, program.max_cycles, max_nvm_writes=count, nvm=_SCOPES[unit], tear=tear)
    elif unit == "instruction":
        stop = machine.run(program.until, program.max_cycles, max_instructions=count)
    else:
        stop = machine.run(program.until, count)
    return stop is not Stop.UNTIL


def _boot(program: Program, machine: Machine) -> None:
    machine.power_cycle(program.off_s)
    program.at_boot(machine)


def _outcome(case: Case, run: Callable[[], Machine]) -> Outcome:
    try:
        return Outcome(case, run())
    except (NoProgress, MachineFault) as e:
        return Outcome(case, None, e)


def _count(machine: Machine, unit: Unit) -> int:
    if unit in _SCOPES:
        scope = _SCOPES[unit]
        on_chip = machine.nvm_writes if scope != "external" else 0
        return on_chip + (machine.external_writes if scope != "chip" else 0)
    return machine.instructions if unit == "instruction" else machine.cycles


def _unit(unit: str) -> Unit:
    for known in UNITS:
        if unit == known:
            return known
    raise ValueError(f"'{unit}' is not a unit; there are: {', '.join(UNITS)}")


def _points(points: Iterable[int]) -> tuple[int, ...]:
    out = tuple(points)
    if not all(p >= 1 for p in out):
        raise ValueError(f"points count from 1, got {out}")
    return out


def _short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
