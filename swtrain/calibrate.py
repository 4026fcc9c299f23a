"""Fit the cost model: micro-benchmarks on the simulator or on a board, and the prices that explain them.

Each program of `programs` times the layers of one small network and prints them over UART. `measure` runs them on the
simulator; on a board a person flashes them and logs the lines. `samples_of` reads either, `calibrate` fits.
"""

from __future__ import annotations

import binascii
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from codegen.buffers import FAR
from codegen.build import build, build_with
from codegen.emit import emit_project, read_project, write_project
from codegen.encodings import RowLayer
from codegen.errors import DoesNotFit, GraphError
from codegen.fit import Fit, Sample, fit_prices
from codegen.ir import Graph
from codegen.microbench import graphs
from codegen.ops import Conv2d
from codegen.plans import Plans, plan_project
from codegen.target import TargetSpec, firmware_dir
from sim import Machine, Stop

from .deploy import Device
from .errors import SwtrainError

_ENCODINGS = ("csr", "block", "bitmap")
"""Those that any mask allows."""

_STEP_CYCLES = 256_000
"""Power does not fail meanwhile, and some filters are longer than any product's should be."""
_LIMIT_CYCLES = 4_000_000_000
_LINE = re.compile(rb"(#CAL [a-z]+(?: [0-9A-F]{4})*) \*([0-9A-F]{4})")


class CalibrationError(SwtrainError):
    """A log is incomplete or damaged, or a program hangs."""


@dataclass(frozen=True)
class Program:
    """One micro-benchmark: its name and how the network is planned."""

    name: str
    plans: Plans
    backend: str
    encoding: str | Mapping[str, str]


def programs(target: TargetSpec) -> Iterator[Program]:
    """Every network on the CPU in each encoding, and on the LEA with and without overlap."""
    target = replace(target, step_cycles=_STEP_CYCLES)
    for graph in graphs():
        for encoding in ("auto", *_ENCODINGS):
            chosen: str | dict[str, str] = "auto"
            if encoding != "auto":
                chosen = {n.name: encoding for n in graph.nodes if n.params is not None and not _huge(n.op)}
            try:
                plans = plan_project(graph, target, "cpu", external="none", encoding=chosen)
            except (GraphError, DoesNotFit):
                continue  # an encoding that these masks do not allow
            yield Program(f"{graph.name}-{encoding}", plans, "cpu", chosen)
        for overlap in (False, True):
            name = f"{graph.name}-lea{'-overlap' if overlap else ''}"
            yield Program(name, plan_project(graph, target, "lea", overlap, external="none"), "lea", "auto")
            far = _far(graph, target, overlap)
            if far is not None:
                yield Program(f"{name}-far", far, "lea", "auto")


def _far(graph: Graph, target: TargetSpec, overlap: bool) -> Plans | None:
    """The same with low FRAM so short that activations lie above 64 KB, if any can."""
    fram = target.regions["fram"]
    for size in range(fram.size, target.fram_reserve, -1024):
        short = replace(target, regions={**target.regions, "fram": replace(fram, size=size)})
        try:
            plans = plan_project(graph, short, "lea", overlap, external="none")
        except DoesNotFit:
            return None
        if plans.memory.arena_words[FAR]:
            return plans
    return None


def _huge(op: object) -> bool:
    return isinstance(op, Conv2d) and op.kernel[0] * op.kernel[1] > 30


def link(program: Program, folder: Path) -> Path:
    """Build it into `folder`; returns the ELF."""
    p = program.plans
    project = folder / "project"
    write_project(emit_project(p.graph, p.target, program.backend, p.overlap, "none", program.encoding), project)
    elf = folder / f"{program.name}.elf"
    build_with(firmware_dir() / "tests" / "calibrate", project, elf)
    return elf


def run(elf: Path) -> bytes:
    """What the program prints on the simulator.

    Raises:
        CalibrationError: it does not come to an end.
    """
    machine = Machine("msp430fr5994")
    machine.load(elf)
    stop = machine.run(until="calibrate_done", max_cycles=_LIMIT_CYCLES)
    if stop is not Stop.UNTIL:
        raise CalibrationError(f"{elf.name} does not end within {_LIMIT_CYCLES:,} cycles ({stop.name})")
    return machine.uart_output()


def samples_of(program: Program, log: bytes) -> list[Sample]:
    """The layers that a log tells of.

    Raises:
        CalibrationError: a line is damaged or missing.
    """
    plans = program.plans
    work = [plans.work(k) for k in range(len(plans.graph.levels))]
    found, seen, ended = [], 0, False
    for text, crc in _LINE.findall(log):
        if binascii.crc_hqx(text, 0xFFFF) != int(crc, 16):
            raise CalibrationError(f"{program.name}: a line is damaged ({text.decode()}); log it again")
        kind, *fields = text.decode().split()[1:]
        if kind == "end":
            ended = True
            continue
        level, number, high, low = (int(f, 16) for f in fields)
        seen += 1
        if _in_pieces(plans, number):
            continue
        name = f"{program.name} {plans.schedule.layers[number].name} {level}"
        found.append(Sample(name, work[level][number], plans.overlap, 4.0 * (high << 16 | low)))
    if not ended or seen != sum(map(len, work)):
        raise CalibrationError(
            f"{program.name}: the log has {seen} of {sum(map(len, work))} layers; log it again from the reset"
        )
    return found


def measure(program: Program) -> list[Sample]:
    """Every layer of a program, on the simulator."""
    with tempfile.TemporaryDirectory() as scratch:
        return samples_of(program, run(link(program, Path(scratch))))


def read_logs(target: TargetSpec, logs: Iterable[Path]) -> list[Sample]:
    """Every layer that board logs tell of; a log is called after its program, `<program>.log`.

    Raises:
        CalibrationError: a log is none, or of an unknown program.
    """
    known = {p.name: p for p in programs(target)}
    samples = []
    for path in logs:
        if path.stem not in known:
            raise CalibrationError(f"{path}: no program is called {path.stem}; known are {', '.join(known)}")
        try:
            samples += samples_of(known[path.stem], path.read_bytes())
        except OSError as e:
            raise CalibrationError(f"{path} can't be read ({e.strerror})") from e
    return samples


def _in_pieces(plans: Plans, number: int) -> bool:
    """True for a convolution on the CPU with filters longer than `sw_taps`: its estimate is rough, no price follows."""
    packed = plans.schedule.layers[number].packed
    conv = plans.schedule.layers[number].kind == "conv2d"
    return conv and isinstance(packed, RowLayer) and packed.max_row_entries() >= plans.memory.taps


def fit_energy(target: TargetSpec, prices: Mapping[str, float]) -> dict[str, float]:
    """Joules of a cycle, and what a cycle of the LEA adds to it, on the simulator."""
    graph = next(graphs())
    rows, joules = [], []
    for backend in ("cpu", "lea"):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "project"
            project = emit_project(graph, target, backend)
            write_project(project, folder)
            device = Device(read_project(folder), build(folder).program, "fused")
            plans = plan_project(graph, target, backend)
            tensor = plans.graph.tensors[plans.graph.input]
            x = np.full(tensor.shape, tensor.hi, np.int16)
            for level in range(len(plans.graph.levels)):
                for layer, work in zip(device.infer(0, x, level).layers, plans.work(level), strict=True):
                    rows.append((layer.cycles / layer.energy_j, work.lea_cycles(prices) / layer.energy_j))
                    joules.append(1.0)
    (cycle, lea), *_ = np.linalg.lstsq(np.array(rows), np.array(joules), rcond=None)
    return {"cycle": float(cycle), "lea": float(lea)}


def calibrate(samples: list[Sample], target: TargetSpec) -> Fit:
    """Prices that explain `samples`."""
    return fit_prices(samples, target.prices)


def with_prices(text: str, tables: Mapping[str, Mapping[str, float]]) -> str:
    """A target.toml with other numbers in some tables; comments and order stay.

    Raises:
        CalibrationError: a number has no line.
    """
    for table, values in tables.items():
        head, mark, rest = text.partition(f"[{table}]")
        body, separator, tail = rest.partition("\n[")
        for name, value in values.items():
            line = re.compile(rf"(?m)^{name} = \S+( *)(#?)")
            if not mark or not line.search(body):
                raise CalibrationError(f"target.toml has no line for {name} in [{table}]; add one")
            entry, found = f"{name} = {float(f'{value:.3g}'):g}", line.search(body)
            assert found is not None
            body = line.sub(entry.ljust(32) + "#" if found[2] else entry, body, count=1)
        text = head + mark + body + separator + tail
    return text
