"""Run any ELF on the simulated MCU: what it did, how long it took, and what it cost.

In: an ELF file and options. Out: a `RunResult`, for a table or as JSON. A supply is written as in
``--supply harvest:power=1e-3,capacitor=100e-6``; every value is in SI units.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from codegen.files import write_atomic
from sim import Bench, EnergyModel, Harvested, Machine, PoweredMachine, Stop, Trace, WatchEvent, sources
from sim.tracing import Signal, by_value, energy_by_function, folded_stacks, instruction_trace, watched, write_vcd

from . import __version__
from .errors import ConfigError, SwtrainError, unknown_name

Progress = Callable[[int, int], None]

MAX_CYCLES = 1_000_000_000
"""Where a run on a bench supply ends that nothing else ends (a minute at 16 MHz)."""

MAX_TRACED = 2_000_000
"""The same with a text trace, which then has some 100 MB."""

DURATION_S = 3600.0
"""Where a run on a harvester ends."""

_SLICE = 20_000_000

_SUPPLY = {
    "capacitor": "capacitor_f",
    "v_on": "v_on",
    "v_off": "v_off",
    "leakage": "leakage_a",
    "boot_s": "boot_s",
    "boot_c": "boot_c",
    "v_max": "v_max",
    "v_start": "v_start",
}


class RunError(SwtrainError):
    """A program cannot be run as asked."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line says; see there."""

    device: str = "msp430fr5994"
    supply: str = "bench"
    until: str | None = None
    max_cycles: int | None = None
    duration: float | None = None
    energy: str = "fused"
    seed: int = 0
    watch: tuple[str, ...] = ()
    trace: Path | None = None
    profile: Path | None = None
    profile_unit: str = "cycles"
    split: str | None = None


@dataclass
class RunResult:
    """One run. Times in seconds, energies in joules."""

    elf: str
    device: str
    stop: str
    pc: str
    cycles: int
    instructions: int
    time_s: float
    mclk_hz: int
    energy_set: str
    energy_j: float
    energy_error_j: float
    events: dict[str, int]
    functions: dict[str, dict[str, float]] = field(default_factory=dict)
    split: dict[str, dict[str, float]] = field(default_factory=dict)
    uart: str = ""
    supply: dict[str, Any] = field(default_factory=dict)
    assumptions: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """One JSON object, with the version that made it."""
        return json.dumps({"format": 1, "swtrain": __version__, **self.__dict__}, indent=1) + "\n"


def parse_supply(text: str) -> Bench | Harvested:
    """``bench``, ``bench:volts=3.3``, or ``harvest:`` with a source and a capacitor.

    Sources: ``power=W``; ``solar=W`` (peak; ``start_h=8``); ``rf=W,period=S,on=S``; ``csv=FILE`` (columns time_s and
    power_w, or voltage_v with ``ohm=R``; it repeats); ``volts=V,ohm=R``. Then ``capacitor=F`` and, if wished, v_on,
    v_off, leakage, boot_s, boot_c, v_max, v_start.

    Raises:
        ConfigError: unknown names or values that make no supply.
    """
    kind, _, rest = text.partition(":")
    pairs: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        name, equals, value = part.partition("=")
        if not equals or name in pairs:
            raise ConfigError(f"--supply {text}: '{part}' is {'given twice' if equals else 'not NAME=VALUE'}")
        pairs[name] = value

    def number(name: str, default: str | None = None) -> float:
        value = pairs.pop(name, default)
        if value is None:
            raise ConfigError(f"--supply {text}: needs {name}=VALUE as well")
        try:
            return float(value)
        except ValueError:
            raise ConfigError(
                f"--supply {text}: {name}={value} is not a number; write SI units without a suffix, such as 100e-6"
            ) from None

    try:
        if kind == "bench":
            supply: Bench | Harvested = Bench(number("volts", "3.0"))
        elif kind == "harvest":
            source = _source(text, pairs, number)
            if "capacitor" not in pairs:
                raise ConfigError(f"--supply {text}: needs capacitor=FARADS")
            supply = Harvested(source, **{_SUPPLY[k]: number(k) for k in list(pairs) if k in _SUPPLY})
        else:
            raise ConfigError(f"--supply {text}: is neither bench nor harvest:...")
    except (ValueError, OSError) as e:
        raise ConfigError(f"--supply {text}: {e}") from e
    if pairs:
        known = ["volts"] if kind == "bench" else [*_SUPPLY, "start_h", "period", "on", "ohm"]
        raise ConfigError(f"--supply {text}: {unknown_name('name', next(iter(pairs)), known)}")
    return supply


def _source(text: str, pairs: dict[str, str], number: Callable[..., float]) -> sources.Source:
    given = [name for name in ("power", "solar", "rf", "csv", "volts") if name in pairs]
    if len(given) != 1:
        found = f"has {len(given)} sources ({', '.join(given)})" if given else "needs a source"
        raise ConfigError(f"--supply {text}: {found}; give one of power, solar, rf, csv or volts")
    if given == ["power"]:
        return sources.ConstantPower(number("power"))
    if given == ["solar"]:
        return sources.SolarDay(number("solar"), start_h=number("start_h", "8"))
    if given == ["rf"]:
        return sources.RfBursts(number("rf"), number("period"), number("on"))
    if given == ["csv"]:
        path = pairs.pop("csv")
        return sources.Recorded.from_csv(path, repeat=True, series_ohm=number("ohm") if "ohm" in pairs else None)
    return sources.CurveSource.thevenin(number("volts"), number("ohm"))


def load(elf: Path, options: RunOptions) -> Machine:
    """The machine with its image, at the reset vector."""
    machine = Machine(options.device, seed=options.seed)
    machine.load(elf)
    for name in dict.fromkeys((*options.watch, *([options.split] if options.split else []))):
        machine.watch(name)
    return machine


def run_elf(elf: Path, options: RunOptions, progress: Progress = lambda done, total: None) -> RunResult:
    """Run a program until it arrives, sleeps for good, or its limit is reached. Ctrl-C ends it and gives what there is.

    Args:
        elf: the program.
        options: what to do with it.
        progress: called now and then with what is done of what in all (cycles, or milliseconds of a supply).

    Raises:
        RunError, ConfigError: the options contradict each other.
        SimError: the file, the symbols or the program are wrong. A text trace of the way there is written then.
    """
    try:
        energy = EnergyModel.load(options.energy)
    except ValueError as e:
        raise ConfigError(str(e)) from e
    supply = parse_supply(options.supply)
    as_text = options.trace is not None and options.trace.suffix != ".vcd"
    by_time = isinstance(supply, Harvested) or options.duration is not None
    if as_text and by_time:
        raise RunError("an instruction trace needs --supply bench and no --duration; a .vcd file works with both")
    if by_time and options.max_cycles is not None:
        raise RunError("--max-cycles limits runs on a bench supply; with a harvester or --duration use --duration only")
    machine = load(elf, options)
    until = _place(machine, options.until)
    start = machine.counters()
    machine.profile(options.profile is not None)
    node = PoweredMachine(machine, supply, energy) if by_time else None
    try:
        if node is not None:
            duration = DURATION_S if options.duration is None else options.duration
            stop = _supplied(node, until, duration, progress).value
        elif as_text and options.trace is not None:
            stop = _traced(machine, options.trace, until, options.max_cycles or MAX_TRACED).value
        else:
            stop = _bench(machine, until, options.max_cycles or MAX_CYCLES, progress).value
    except KeyboardInterrupt:
        stop = INTERRUPTED
    trace = node.finish() if node is not None else None
    counters = machine.counters()
    result = RunResult(
        str(elf),
        options.device,
        stop,
        machine.where(machine.pc),
        machine.cycles,
        machine.instructions,
        machine.time_s,
        machine.mclk_hz,
        energy.name,
        trace.energy.used if trace else energy.energy_j(counters),
        energy.error_j(counters),
        {k: v for k, v in (counters.events() | counters.beside_events()).items() if v},
        uart=machine.uart_output().decode("latin-1"),
        supply=trace.to_dict() if trace else {},
        assumptions=trace.assumptions if trace else [*machine.assumptions, *energy.assumptions],
    )
    log = machine.watch_log()
    if options.profile is not None:
        joules = energy_by_function(machine, energy)
        spent = machine.profile_report()
        result.functions = {n: {"cycles": spent[n].cycles, "energy_j": j} for n, j in joules.items()}
        unit = energy if options.profile_unit == "picojoules" else None
        write_atomic(options.profile, folded_stacks(machine, unit))
    if options.split is not None:
        word = machine.symbols[options.split].address & ~1
        for value, cost in by_value((e for e in log if e.address == word), start, counters).items():
            name = "before" if value is None else str(value)
            result.split[name] = {"cycles": cost.cycles, "energy_j": energy.energy_j(cost)}
    if options.trace is not None and not as_text:
        out = io.StringIO()
        write_vcd(out, _signals(machine, options, log, trace), f"swtrain {__version__} {elf.name}")
        write_atomic(options.trace, out.getvalue())
    return result


def _place(machine: Machine, text: str | None) -> str | int | None:
    """A symbol, or an address as ``0x4400``."""
    if text is None or text in machine.symbols or not text[:1].isdigit():
        return text
    try:
        return int(text, 0)
    except ValueError:
        raise RunError(f"--until {text}: neither a symbol of the program nor an address such as 0x4400") from None


def _bench(machine: Machine, until: str | int | None, cycles: int, progress: Progress) -> Stop:
    end = machine.cycles + cycles
    while True:
        stop = machine.run(until, min(_SLICE, end - machine.cycles))
        progress(cycles - max(0, end - machine.cycles), cycles)
        if stop is not Stop.CYCLES or machine.cycles >= end:
            return stop


def _supplied(node: PoweredMachine, until: str | int | None, duration_s: float, progress: Progress) -> Stop:
    parts = 200
    for k in range(parts):
        stop = node.run(until, max(0.0, duration_s * (k + 1) / parts - node.time_s))
        progress(round(node.time_s * 1e3), round(duration_s * 1e3))
        if stop is not Stop.CYCLES:
            return stop
    return Stop.CYCLES


def _traced(machine: Machine, path: Path, until: str | int | None, cycles: int) -> Stop:
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            with part.open("w") as f:
                return instruction_trace(machine, f, until, cycles)
        finally:  # also the way to a fault
            if part.exists():
                part.replace(target)
    except OSError as e:
        raise RunError(f"--trace {path} cannot be written: {e.strerror or e}") from e


def _signals(machine: Machine, options: RunOptions, log: Sequence[WatchEvent], trace: Trace | None) -> list[Signal]:
    names = {machine.symbols[n].address & ~1: n for n in options.watch if n in machine.symbols}
    signals = watched(log, names)
    for port in sorted({b.port for b in machine.uart_log()}):
        sent = [(b.time_s, float(b.value)) for b in machine.uart_log() if b.port == port]
        signals.append(Signal(f"{port}_TX", "word", sent))
    if trace is not None:
        signals.append(Signal("volts", "real", trace.voltage))
        signals.append(Signal("on", "bit", [(i.start_s, float(i.state == "on")) for i in trace.intervals]))
    if not signals:
        raise RunError(f"there is nothing to put into {options.trace}: name words with --watch, or give a --supply")
    return signals


def show(result: RunResult) -> Group:
    """The run as tables."""
    table = Table(title=f"{Path(result.elf).name} on {result.device}", show_header=False)
    table.add_row("stopped", f"{_STOPS.get(result.stop, result.stop)} at {result.pc}")
    table.add_row("cycles", f"{result.cycles:,} ({result.instructions:,} instructions)")
    table.add_row("time", f"{result.time_s * 1e3:,.3f} ms, MCLK {result.mclk_hz / 1e6:g} MHz at the end")
    share = 100 * result.energy_error_j / result.energy_j if result.energy_j else 0
    table.add_row("energy", f"{result.energy_j * 1e6:,.3f} uJ +- {share:.0f} % ({result.energy_set})")
    if result.supply:
        books = result.supply["energy"]
        table.add_row("power cycles", f"{result.supply['power_cycles']} in {result.supply['time_s']:.3f} s")
        parts = ", ".join(f"{k} {books[k] * 1e6:,.1f}" for k in ("harvested", "used", "leaked", "clipped"))
        table.add_row("supply, uJ", parts)
    shown: list[Table] = [table]
    if result.functions:
        shown.append(_costs("cost by function, without callees", "function", result.functions, result.energy_j))
    if result.split:
        shown.append(_costs("cost by value", "value", result.split, result.energy_j))
    return Group(*shown)


def _costs(title: str, what: str, costs: Mapping[str, Mapping[str, float]], total_j: float) -> Table:
    table = Table(title=title)
    for column in (what, "cycles", "uJ", "%"):
        table.add_column(column, justify="left" if column == what else "right")
    rows = [(name, c["cycles"], c["energy_j"]) for name, c in costs.items()]
    if len(rows) > _ROWS:
        rest = rows[_ROWS - 1 :]
        rows[_ROWS - 1 :] = [(f"{len(rest)} others", sum(r[1] for r in rest), sum(r[2] for r in rest))]
    counted = sum(r[2] for r in rows)
    if total_j - counted > 1e-3 * total_j:  # a supply: what no instruction accounts for
        rows.append(("boot, endless sleep", 0, total_j - counted))
    for name, cycles, joules in rows:
        percent = 100 * joules / total_j if total_j else 0.0
        table.add_row(name, f"{cycles:,.0f}", f"{joules * 1e6:,.3f}", f"{percent:.1f}")
    return table


INTERRUPTED = "interrupted"
_ROWS = 20
_STOPS = {
    Stop.UNTIL.value: "arrived",
    Stop.CYCLES.value: "out of time",
    Stop.HALT.value: "asleep for good",
    INTERRUPTED: "interrupted",
}
