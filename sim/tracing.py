"""Looking at a run: instructions as text, events as a VCD file, cost as a tree of calls.

In: a `Machine`. Out: text. Traces record every instruction and slow a run to about a million instructions per second;
profiles cost about half of the speed. Nothing here changes what the program does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from .counters import Counters
from .energy import EnergyModel
from .machine import Machine
from .stops import Stop, WatchEvent

_RECORD = struct.Struct("<Qd16I")
_NAMES = ("PC", "SP", "SR", "CG", *(f"R{i}" for i in range(4, 16)))


def instruction_trace(
    machine: Machine, out: TextIO, until: str | int | None = None, max_cycles: int = 1_000_000
) -> Stop:
    """Run as `Machine.run` and write one line per instruction: cycle, place, and the registers it changed.

    Raises:
        MachineFault: after the lines that led there were written.
    """
    machine._core.set_trace(True)
    last: tuple[int, ...] | None = None
    line = ""
    try:
        end = machine.cycles + max_cycles
        while True:
            try:
                stop = machine.run(until, min(20_000, max(0, end - machine.cycles)))
            finally:
                for cycle, _, *registers in _RECORD.iter_unpack(machine._core.take_trace()):
                    if last is not None:
                        out.write(f"{line}{_changes(last, registers)}\n")
                    line = f"{cycle:10d}  {machine.where(registers[0]):<30}"
                    last = tuple(registers)
            if stop is not Stop.CYCLES or machine.cycles >= end:
                return stop
    finally:
        if last is not None:
            out.write(f"{line}{_changes(last, machine.registers)}\n")
        machine._core.set_trace(False)


def _changes(before: Sequence[int], after: Sequence[int]) -> str:
    changed = (f" {n}={b:05X}" for n, a, b in zip(_NAMES[1:], before[1:], after[1:], strict=True) if a != b)
    return "".join(changed)


# --- VCD


@dataclass(frozen=True)
class Signal:
    """One line of a VCD file. ``kind``: ``word`` (0-65535), ``bit``, or ``real``."""

    name: str
    kind: str
    changes: Sequence[tuple[float, float]]


def watched(events: Iterable[WatchEvent], names: Mapping[int, str] | None = None) -> list[Signal]:
    """Signals of a watch log, one for each watched word."""
    by_address: dict[int, list[tuple[float, float]]] = {}
    for event in events:
        by_address.setdefault(event.address, []).append((event.time_s, float(event.value)))
    names = names or {}
    return [Signal(names.get(a, f"w{a:05X}"), "word", changes) for a, changes in sorted(by_address.items())]


def write_vcd(out: TextIO, signals: Sequence[Signal], comment: str = "") -> None:
    """A value change dump (IEEE 1364-2005, clause 18) with nanoseconds as unit; viewers as GTKWave read it."""
    out.write(f"$comment {comment or 'swtrain'} $end\n$timescale 1 ns $end\n$scope module msp430 $end\n")
    for k, signal in enumerate(signals):
        kind = {"word": "wire 16", "bit": "wire 1", "real": "real 64"}[signal.kind]
        name = "".join(c if c.isalnum() or c == "_" else "_" for c in signal.name)
        out.write(f"$var {kind} {_code(k)} {name} $end\n")
    out.write("$upscope $end\n$enddefinitions $end\n")
    rows = sorted((round(t * 1e9), k, value) for k, signal in enumerate(signals) for t, value in signal.changes)
    now = None
    for time_ns, k, value in rows:
        if time_ns != now:
            out.write(f"#{time_ns}\n")
            now = time_ns
        kind = signals[k].kind
        text = f"r{value:.9g} " if kind == "real" else f"b{int(value):b} " if kind == "word" else f"{int(value)}"
        out.write(f"{text}{_code(k)}\n")


def _code(k: int) -> str:
    digits = ""
    while True:
        digits += chr(33 + k % 94)
        k = k // 94 - 1
        if k < 0:
            return digits


# --- profile


@dataclass(frozen=True)
class CallPath:
    """What was spent in the last function of a chain of calls, without its callees."""

    path: tuple[str, ...]
    counters: Counters


def call_paths(machine: Machine) -> Iterator[CallPath]:
    """Every chain of calls since ``machine.profile(True)``; the counters sum to the total."""
    nodes = machine._core.call_graph()
    paths: list[tuple[str, ...]] = []
    for parent, slot, flat in nodes:
        paths.append((*(paths[parent] if parent >= 0 else ()), machine._profiled[slot]))
        counters = Counters.of(flat)
        if counters.cycles:
            yield CallPath(paths[-1], counters)


def by_value(events: Iterable[WatchEvent], start: Counters, end: Counters) -> dict[int | None, Counters]:
    """What was spent while a watched word held each of its values, such as the number of a layer.

    Args:
        events: writes of one word, oldest first.
        start: counters where the account begins; until the first write it goes to ``None``.
        end: counters where it ends.

    Returns:
        Counters by value; they sum to ``end - start``.
    """
    out: dict[int | None, Counters] = {}
    value, since = None, start
    for event in events:
        out[value] = out.get(value, Counters()) + (event.counters - since)
        value, since = event.value, event.counters
    out[value] = out.get(value, Counters()) + (end - since)
    return {v: c for v, c in out.items() if v is not None or c.cycles}


def folded_stacks(machine: Machine, energy: EnergyModel | None = None) -> str:
    """Folded stacks for flame graphs: ``main;outer;inner 123`` in cycles, or in picojoules with an energy set."""
    spent: dict[str, float] = {}
    for item in call_paths(machine):
        value = item.counters.cycles if energy is None else energy.energy_j(item.counters) * 1e12
        key = ";".join(item.path)
        spent[key] = spent.get(key, 0) + value
    return "".join(f"{key} {round(value)}\n" for key, value in sorted(spent.items()))


def energy_by_function(machine: Machine, energy: EnergyModel) -> dict[str, float]:
    """Joules by function since ``machine.profile(True)``, dearest first; they sum to the total."""
    joules = {name: energy.energy_j(counters) for name, counters in machine.profile_report().items()}
    return dict(sorted(joules.items(), key=lambda item: -item[1]))
