"""Run any ELF on the simulated MCU: what it did, how long it took, and what it cost.

In: an ELF file and options. Out: a `RunResult`, for a table or as JSON. A supply is written as in
``--supply harvest:power=1e-3,capacitor=100e-6``; every value is in SI units.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from sim import Bench, EnergyModel, Harvested, Machine, PoweredMachine, Stop, sources
from sim.tracing import Signal, energy_by_function, folded_stacks, instruction_trace, watched, write_vcd

from . import __version__
from .errors import ConfigError, SwtrainError

MAX_CYCLES = 1_000_000_000
"""Where a run ends that nothing else ends (a minute at 16 MHz)."""

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
    max_cycles: int = MAX_CYCLES
    energy: str = "fused"
    seed: int = 0
    watch: tuple[str, ...] = ()
    trace: Path | None = None
    profile: Path | None = None


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
    uart: str = ""
    supply: dict[str, Any] = field(default_factory=dict)
    assumptions: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """One JSON object, with the version that made it."""
        return json.dumps({"format": 1, "swtrain": __version__, **self.__dict__}, indent=1) + "\n"


def parse_supply(text: str) -> Bench | Harvested:
    """``bench``, ``bench:volts=3.3``, or ``harvest:`` with a source and a capacitor.

    Sources: ``power=W``; ``solar=W`` (peak; ``start_h=8``); ``rf=W,period=S,on=S``; ``csv=FILE`` (columns time_s and
    power_w, or voltage_v with ``ohm=R``); ``volts=V,ohm=R``. Then ``capacitor=F`` and, if wished, v_on, v_off,
    leakage, boot_s, boot_c, v_max, v_start.

    Raises:
        ConfigError: unknown names or values that make no supply.
    """
    kind, _, rest = text.partition(":")
    pairs = dict(part.partition("=")[::2] for part in rest.split(",") if part)
    try:
        if kind == "bench":
            volts = float(pairs.pop("volts", "3.0"))
            _nothing_left(text, pairs)
            return Bench(volts)
        if kind != "harvest":
            raise ConfigError(f"--supply {text}: is neither bench nor harvest:...")
        if "capacitor" not in pairs:
            raise ConfigError(f"--supply {text}: needs capacitor=FARADS")
        options = {_SUPPLY[k]: float(pairs.pop(k)) for k in list(pairs) if k in _SUPPLY}
        source = _source(text, pairs)
        _nothing_left(text, pairs)
        return Harvested(source, **options)
    except (ValueError, OSError) as e:
        raise ConfigError(f"--supply {text}: {e}") from e


def _source(text: str, pairs: dict[str, str]) -> sources.Source:
    def number(name: str) -> float:
        if name not in pairs:
            raise ConfigError(f"--supply {text}: needs {name}=VALUE as well")
        return float(pairs.pop(name))

    if "power" in pairs:
        return sources.ConstantPower(number("power"))
    if "solar" in pairs:
        return sources.SolarDay(number("solar"), start_h=float(pairs.pop("start_h", "8")))
    if "rf" in pairs:
        return sources.RfBursts(number("rf"), number("period"), number("on"))
    if "csv" in pairs:
        path = pairs.pop("csv")
        ohm = float(pairs.pop("ohm")) if "ohm" in pairs else None
        return sources.Recorded.from_csv(path, repeat=True, series_ohm=ohm)
    if "volts" in pairs:
        return sources.CurveSource.thevenin(number("volts"), number("ohm"))
    raise ConfigError(f"--supply {text}: needs a source: power, solar, rf, csv or volts")


def _nothing_left(text: str, pairs: Mapping[str, str]) -> None:
    if pairs:
        raise ConfigError(f"--supply {text}: unknown {', '.join(pairs)}")


def load(elf: Path, options: RunOptions) -> Machine:
    """The machine with its image, at the reset vector."""
    machine = Machine(options.device, seed=options.seed)
    machine.load(elf)
    for name in options.watch:
        machine.watch(name)
    return machine


def run_elf(elf: Path, options: RunOptions) -> RunResult:
    """Run a program until it arrives, sleeps for good, or has used its cycles.

    Raises:
        RunError, ConfigError: the options contradict each other.
        SimError: the file, the symbols or the program are wrong.
    """
    try:
        energy = EnergyModel.load(options.energy)
    except ValueError as e:
        raise ConfigError(str(e)) from e
    supply = parse_supply(options.supply)
    as_text = options.trace is not None and options.trace.suffix != ".vcd"
    if as_text and isinstance(supply, Harvested):
        raise RunError("an instruction trace needs --supply bench; a .vcd file works with every supply")
    machine = load(elf, options)
    machine.profile(options.profile is not None)
    trace = None
    if as_text and options.trace is not None:
        with options.trace.open("w") as f:
            stop = instruction_trace(machine, f, options.until, options.max_cycles)
    elif isinstance(supply, Harvested):
        node = PoweredMachine(machine, supply, energy)
        stop = node.run(options.until, options.max_cycles / machine.mclk_hz)
        trace = node.finish()
    else:
        stop = machine.run(options.until, options.max_cycles)
    counters = machine.counters()
    result = RunResult(
        str(elf),
        options.device,
        stop.value,
        machine.where(machine.pc),
        machine.cycles,
        machine.instructions,
        machine.time_s,
        machine.mclk_hz,
        energy.name,
        trace.energy.used if trace else energy.energy_j(counters),
        energy.error_j(counters),
        {k: v for k, v in counters.events().items() if v},
        uart=uart_text(machine),
        supply=trace.to_dict() if trace else {},
        assumptions=trace.assumptions if trace else [*machine.assumptions, *energy.assumptions],
    )
    if options.profile is not None:
        joules = energy_by_function(machine, energy)
        spent = machine.profile_report()
        result.functions = {n: {"cycles": spent[n].cycles, "energy_j": j} for n, j in joules.items()}
        options.profile.write_text(folded_stacks(machine))
    if options.trace is not None and not as_text:
        names = {machine.symbols[n].address: n for n in options.watch if n in machine.symbols}
        signals = watched(machine.watch_log(), names)
        if trace is not None:
            signals.append(Signal("volts", "real", trace.voltage))
            signals.append(Signal("on", "bit", [(i.start_s, float(i.state == "on")) for i in trace.intervals]))
        with options.trace.open("w") as f:
            write_vcd(f, signals, f"swtrain {__version__} {elf.name}")
    return result


def uart_text(machine: Machine) -> str:
    """What the program sent over its UARTs, where the machine captures it."""
    capture = getattr(machine, "uart_output", None)
    return capture().decode("latin-1") if callable(capture) else ""


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
    parts_shown: list[Table] = [table]
    if result.functions:
        by_function = Table(title="cost by function, without callees")
        for column in ("function", "cycles", "uJ", "%"):
            by_function.add_column(column, justify="left" if column == "function" else "right")
        for name, cost in list(result.functions.items())[:20]:
            percent = 100 * cost["energy_j"] / result.energy_j
            by_function.add_row(name, f"{cost['cycles']:,.0f}", f"{cost['energy_j'] * 1e6:,.3f}", f"{percent:.1f}")
        parts_shown.append(by_function)
    return Group(*parts_shown)


_STOPS = {
    Stop.UNTIL.value: "arrived",
    Stop.CYCLES.value: "out of cycles",
    Stop.HALT.value: "asleep for good",
}
