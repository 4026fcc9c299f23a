"""Run an emitted project: on this PC (host C) and on the simulated MCU, and hold both against the reference.

In: a project folder and inputs. Out: logits, cycles and energy per input, level and layer. Invariant: every
logit equals `codegen.reference`; a difference is an error that names input, layer and index. Each inference
starts from a fork of the same idle machine, so results do not depend on order or on the number of processes.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import codegen.build
from codegen import reference
from codegen.emit import ProjectFolder, external_content, read_project
from codegen.ir import Graph
from codegen.plans import plan_project
from codegen.target import TargetSpec, load_target
from sim import Counters, EnergyModel, Machine, Stop

from .datasets import Dataset
from .errors import SwtrainError
from .journal import Journal

Int16 = NDArray[np.int16]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

REQUEST_INFER, REQUEST_SWITCH = 1, 2
MAX_CYCLES = 20_000_000_000
"""A firmware that has not answered after this many cycles (21 minutes at 16 MHz) hangs."""


class MismatchError(SwtrainError):
    """An output of the device differs from the reference."""


class DeviceError(SwtrainError):
    """The program on the device or on the host failed or does not answer."""


@dataclass(frozen=True)
class LayerRun:
    """What one layer cost in one inference."""

    cycles: int
    energy_j: float


@dataclass(frozen=True)
class Inference:
    """One simulated inference: from the request to the device being idle again."""

    index: int
    logits: Int16
    cycles: int
    instructions: int
    wall_s: float
    energy_j: float
    layers: tuple[LayerRun, ...]

    def to_list(self) -> list[Any]:
        """Plain values, for a journal."""
        layers = [[layer.cycles, layer.energy_j] for layer in self.layers]
        figures = [self.index, self.cycles, self.instructions, self.wall_s, self.energy_j]
        return [*figures, [*self.logits.shape], self.logits.ravel().tolist(), layers]

    @classmethod
    def of_list(cls, values: list[Any]) -> Inference:
        """What `to_list` made."""
        index, cycles, instructions, wall_s, energy_j, shape, logits, layers = values
        costs = tuple(LayerRun(*layer) for layer in layers)
        return cls(index, np.array(logits, np.int16).reshape(shape), cycles, instructions, wall_s, energy_j, costs)


@dataclass(frozen=True)
class Switch:
    """One simulated call of `sw_switch`."""

    source: int
    target: int
    cycles: int
    energy_j: float
    bytes_written: int


def predict_cycles(graph: Graph, target: TargetSpec, backend: str = "auto", overlap: bool = True) -> tuple[float, ...]:
    """Cycles that the cost model expects of one inference, for each level.

    Raises:
        TargetError, DoesNotFit, UnsupportedOp, GraphError: as `plan_project`.
    """
    plans = plan_project(graph, target, backend, overlap)
    return tuple(sum(plans.cycles(k)) for k in range(len(plans.graph.levels)))


def quantized_inputs(graph: Graph, dataset: Dataset, pixels: NDArray[Any]) -> Int16:
    """Inputs of `dataset` as the device takes them: int16 `(N, *input.shape)`.

    Real numbers are rounded to the scale of the network's input and clipped to its range.

    Raises:
        DeviceError: shape or scale do not fit the network.
    """
    tensor = graph.tensors[graph.input]
    if np.issubdtype(pixels.dtype, np.floating):
        own = [n for n in pixels.shape[1:] if n != 1]
        if own not in ([n for n in tensor.shape if n != 1], [int(np.prod(tensor.shape))]):
            raise DeviceError(f"{dataset.name} has inputs of shape {pixels.shape[1:]}, the model takes {tensor.shape}")
        scaled = np.rint(pixels.reshape(len(pixels), *tensor.shape).astype(np.float64) * 2.0**tensor.frac_bits)
        return np.clip(scaled, tensor.lo, tensor.hi).astype(np.int16)
    if pixels.shape[1:] != tensor.shape:
        raise DeviceError(f"{dataset.name} has inputs of shape {pixels.shape[1:]}, the model takes {tensor.shape}")
    shift = tensor.frac_bits - dataset.input_frac_bits
    if shift < 0:
        raise DeviceError(
            f"{dataset.name}: inputs need {dataset.input_frac_bits} fraction bits, the model has {tensor.frac_bits}"
        )
    return (pixels.astype(np.int16) << shift).astype(np.int16)


def run_host(
    program: Path, inputs: Int16, level: int, output_shape: tuple[int, ...], external: Path | None = None
) -> Int16:
    """Logits of the host program for int16 `inputs` `(N, ...)`; `external` is what its external memory holds.

    Raises:
        DeviceError: the program failed or answered too little.
    """
    command = [str(program), str(level), *([str(external)] if external else [])]
    try:
        done = subprocess.run(command, input=inputs.tobytes(), capture_output=True, check=False)
    except OSError as e:
        raise DeviceError(f"{program} can't be started ({e.strerror}); is another command building it?") from e
    if done.returncode != 0:
        raise DeviceError(
            f"{program.name} failed with status {done.returncode}: {done.stderr.decode(errors='replace').strip()}"
        )
    logits = np.frombuffer(done.stdout, np.int16)
    if logits.size != len(inputs) * int(np.prod(output_shape)):
        raise DeviceError(f"{program.name} answered {logits.size} values for {len(inputs)} inputs")
    return logits.reshape(len(inputs), *output_shape)


def attach_external(machine: Machine, project: ProjectFolder) -> bool:
    """Give `machine` the filled external memory that the project needs; False if it needs none."""
    content = external_content(project)
    if content is None:
        return False
    part = project.manifest["external"]
    machine.attach_spi_fram(part["bus"], part["chip_select"], part["part_bytes"] * 8 // 2**20)
    machine.spi_fram_write(0, content)
    return True


class Device:
    """A project's ELF on a simulated board, booted and idle."""

    def __init__(self, project: ProjectFolder, elf: Path, energy: str, lea: Mapping[str, object] | None = None) -> None:
        self.project = project
        try:
            self.energy = EnergyModel.load(energy if energy.isidentifier() else "")
        except ValueError as e:
            raise DeviceError(f"energy set {energy!r}: {e}") from e
        self.machine = Machine(load_target(project.manifest["target"]).device, lea=lea)
        self.machine.load(elf)
        self.external = attach_external(self.machine, project)
        self._run(self.machine, "sw_idle")
        self._idle = [self._at_level(level) for level in range(len(project.graph.levels))]

    @property
    def mclk_hz(self) -> float:
        """Clock of the CPU once the board is set up."""
        return float(self.machine.mclk_hz)

    @property
    def boot_cycles(self) -> int:
        """Cycles from reset to idle."""
        return int(self.machine.cycles)

    @property
    def assumptions(self) -> list[str]:
        """What the simulated figures rest on."""
        return [*self.machine.assumptions, *self.energy.assumptions]

    @property
    def idle(self) -> tuple[Machine, ...]:
        """The idle machine at each level; fork it before it runs."""
        return tuple(self._idle)

    def infer(self, index: int, x: Int16, level: int, expected: Int16 | None = None) -> Inference:
        """Run input `x` at `level`; with `expected` logits, compare.

        Raises:
            MismatchError: a logit differs.
            DeviceError: the firmware does not answer.
        """
        machine = self._idle[level].fork()
        machine.write("sw_input", x.astype("<i2").tobytes())
        machine.watch("sw_node")
        before, instructions = machine.counters(), machine.instructions
        started = time.perf_counter()
        self._request(machine, REQUEST_INFER)
        wall_s = time.perf_counter() - started
        total = machine.counters() - before
        logits = (
            np.frombuffer(machine.read("sw_output"), "<i2").astype(np.int16).reshape(self.project.graph.output.shape)
        )
        if expected is not None and not np.array_equal(logits, expected):
            raise self._explain(index, x, level)
        return Inference(
            index,
            logits,
            total.cycles,
            machine.instructions - instructions,
            wall_s,
            self.energy.energy_j(total),
            tuple(self._layers(machine)),
        )

    def switch(self, source: int, target: int) -> Switch:
        """Measure `sw_switch(target)` from level `source`: from its first instruction to its return."""
        machine = self._idle[source].fork()
        machine.write("sw_argument", target.to_bytes(2, "little"))
        machine.write("sw_request", REQUEST_SWITCH.to_bytes(2, "little"))
        self._run(machine, "sw_switch")
        before = machine.counters()
        self._run(machine, int.from_bytes(machine.read(machine.registers[1], 2), "little"))
        cost: Counters = machine.counters() - before
        return Switch(source, target, cost.cycles, self.energy.energy_j(cost), 2 * cost.fram_write)

    def _at_level(self, level: int) -> Machine:
        machine = self.machine.fork()
        machine.write("sw_argument", level.to_bytes(2, "little"))
        self._request(machine, REQUEST_SWITCH)
        return machine

    def _request(self, machine: Machine, request: int) -> None:
        machine.write("sw_request", request.to_bytes(2, "little"))
        self._run(machine, "sw_idle")
        status = int.from_bytes(machine.read("sw_status", 2), "little", signed=True)
        if status != 0:
            raise DeviceError(
                f"the firmware answers request {request} with status {status}; emit and build the project again"
            )

    def _run(self, machine: Machine, until: str | int) -> None:
        stop = machine.run(until=until, max_cycles=MAX_CYCLES)
        if stop != Stop.UNTIL:
            raise DeviceError(
                f"the firmware does not reach {until} within {MAX_CYCLES:,} cycles ({stop.name}, PC {machine.pc:#x})"
            )

    def _layers(self, machine: Machine) -> Iterator[LayerRun]:
        log = machine.watch_log()
        for start, end in pairwise(log):
            yield LayerRun(end.cycles - start.cycles, self.energy.energy_j(end.counters - start.counters))

    def _explain(self, index: int, x: Int16, level: int) -> MismatchError:
        """Run `x` again, layer by layer, and name the first difference."""
        graph = self.project.graph
        where = f"input {index}, level {graph.levels[level].name}"
        expected = {k: v[0] for k, v in reference.run(graph, x[np.newaxis], level).items()}
        machine = self._idle[level].fork()
        machine.write("sw_input", x.astype("<i2").tobytes())
        machine.write("sw_request", REQUEST_INFER.to_bytes(2, "little"))
        layers = self.project.manifest["layers"]
        for done, following in zip([None, *layers], layers, strict=False):
            self._run(machine, f"sw_{following['function']}_prepare")
            if done is None:
                continue
            got, want = self._tensor(machine, done["storage"]), expected[done["tensor"]]
            wrong = np.argwhere(got.reshape(want.shape) != want)
            if len(wrong):
                at = tuple(int(i) for i in wrong[0])
                return MismatchError(
                    f"{where}: {done['name']} differs from the reference at index {at}: "
                    f"{got.reshape(want.shape)[at]} instead of {want[at]} ({len(wrong)} of {want.size} differ)"
                )
        return MismatchError(f"{where}: all layers agree with the reference, but the stored logits do not")

    def _tensor(self, machine: Machine, storage: dict[str, Any]) -> Int16:
        arena = np.frombuffer(machine.read(storage["arena"]), "<i2").astype(np.int16)
        c, h, w = storage["shape"]
        rows = storage["data"] + storage["plane"] * np.arange(c)[:, None] + storage["pitch"] * np.arange(h)[None, :]
        tensor: Int16 = arena[rows[:, :, None] + np.arange(w)]
        return tensor


@lru_cache(maxsize=1)
def _device(folder: str, elf: str, energy: str) -> Device:
    return Device(read_project(Path(folder)), Path(elf), energy)


def _end_with_parent() -> None:
    """A worker must not outlive a parent that was killed and could not tell it."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _task(folder: str, elf: str, energy: str, level: int, first: int, x: Int16) -> list[Inference]:
    device = _device(folder, elf, energy)
    expected = reference.logits(device.project.graph, x, level)
    return [device.infer(first + i, x[i], level, expected[i]) for i in range(len(x))]


def simulate(
    folder: Path,
    elf: Path,
    inputs: Int16,
    energy: str,
    jobs: int | None = None,
    progress: Progress | None = None,
    chunk: int = 8,
    journal: Journal | None = None,
) -> list[list[Inference]]:
    """Simulate `inputs` at every level in `jobs` processes; one list per level, in the order of the inputs.

    Parts that stand in the `journal` are not simulated again; the others are added to it.

    Raises:
        MismatchError: a logit differs from the reference.
        DeviceError, sim.errors.SimError: the firmware failed.
    """
    graph = read_project(folder).graph
    tasks: list[tuple[int, int]] = [(k, i) for k in range(len(graph.levels)) for i in range(0, len(inputs), chunk)]
    found: list[list[Inference | None]] = [[None] * len(inputs) for _ in graph.levels]
    total = len(inputs) * len(graph.levels)
    for (k, i), known in (journal.read() if journal else {}).items():
        if (k, i) in tasks and len(known) == len(inputs[i : i + chunk]):
            found[k][i : i + chunk] = [Inference.of_list(v) for v in known]
            tasks.remove((k, i))
    done = sum(r is not None for level in found for r in level)
    pool = ProcessPoolExecutor(jobs or os.cpu_count() or 1, get_context("spawn"), initializer=_end_with_parent)
    try:
        futures = [pool.submit(_task, str(folder), str(elf), energy, k, i, inputs[i : i + chunk]) for k, i in tasks]
        slots = dict(zip(futures, tasks, strict=True))
        for future in as_completed(futures):
            level, first = slots[future]
            result = future.result()
            found[level][first : first + len(result)] = result
            done += len(result)
            if journal is not None:
                journal.add(level, first, [r.to_list() for r in result])
            if progress is not None:
                progress("simulating", done, total)
    except BrokenProcessPool as e:
        raise DeviceError("a simulating process was ended from outside (out of memory?); try --jobs 1") from e
    finally:
        pool.shutdown(cancel_futures=True)
        if journal is not None:
            journal.close()
    return [[r for r in level if r is not None] for level in found]


def host_logits(
    folder: Path, graph: Graph, inputs: Int16, progress: Progress | None = None, batch: int = 1000
) -> list[Int16]:
    """Build the host program of a project, in a folder of its own, and run `inputs` at every level, on all cores."""
    with tempfile.TemporaryDirectory(prefix="swtrain-") as scratch:
        program = codegen.build.build(folder, "host", Path(scratch) / "host").program
        external = None
        content = external_content(read_project(folder))
        if content is not None:
            external = Path(scratch) / "external.bin"
            external.write_bytes(content)
        return _host_logits(program, graph, inputs, progress, batch, external)


def _host_logits(
    program: Path, graph: Graph, inputs: Int16, progress: Progress | None, batch: int, external: Path | None
) -> list[Int16]:
    starts = range(0, len(inputs), batch)
    done, total = 0, len(graph.levels) * len(inputs)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # each thread waits for a process
        levels = [
            [pool.submit(run_host, program, inputs[i : i + batch], k, graph.output.shape, external) for i in starts]
            for k in range(len(graph.levels))
        ]
        for future in as_completed([f for level in levels for f in level]):
            done += len(future.result())
            if progress is not None:
                progress("host C", done, total)
    return [np.concatenate([f.result() for f in level]) for level in levels]


def accuracy(logits: Int16, labels: Sequence[int] | NDArray[np.int64]) -> float:
    """Percent of rows whose largest logit, lowest index on a tie, is the label."""
    return float(100 * np.mean(logits.reshape(len(logits), -1).argmax(axis=1) == np.asarray(labels)))
