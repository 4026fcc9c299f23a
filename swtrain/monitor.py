"""Hardware in the loop: a board that runs `boards/msp430fr/monitor.c` answers requests over its serial port.

In: the port, a project and inputs. Out: logits, held against the reference, and cycles by level; `measured` puts them
into the report that `swtrain sim` makes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from codegen import reference
from codegen.emit import ProjectFolder, model_id

from .deploy import DeviceError, Int16, MismatchError, Progress
from .report import Report

VERSION = 1
TRIES = 3
QUIET_S = 1.0
"""No byte for so long within a frame: it was cut off."""
STATUS = {
    -1: "there is no such level",
    -2: "the external memory is absent or holds other weights; swtrain flash fills it",
    -3: "an inference is under way",
}


class Wire(Protocol):
    """What `serial_port.SerialPort` does of it."""

    name: str

    def write(self, data: bytes) -> None: ...  # noqa: D102
    def read(self, count: int, patience_s: float) -> bytes: ...  # noqa: D102
    def drain(self) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Answer:
    """One inference on a board. `cycles` of `sw_infer`, to 8."""

    logits: Int16
    class_: int
    level: int
    cycles: int


class BoardLink:
    """A board that was asked who it is.

    Args:
        wire: an open port.
        project: what it must run.
        patience_s: for the first byte of the answer to an inference.

    Raises:
        DeviceError: nobody answers, something else does, or the board runs another model.
        PortError: from the wire.
    """

    def __init__(self, wire: Wire, project: ProjectFolder, patience_s: float = 60.0) -> None:
        self._wire, self._graph, self._patience_s = wire, project.graph, patience_s
        hint = f"run `swtrain build {project.folder} --monitor` and `swtrain flash {project.folder} --monitor`"
        try:
            facts = self._ask("Q", b"", "q", 14, 2 * QUIET_S)
        except DeviceError as e:
            raise DeviceError(f"{e}; if the board runs another program: {hint}") from e
        version, levels, inputs, outputs, tick, found = struct.unpack("<5HI", facts)
        self.tick = int(tick)
        if version != VERSION:
            raise DeviceError(f"the board speaks version {version} of the protocol, this is {VERSION}; {hint}")
        wanted = model_id(project.manifest["digest"])
        shape = (levels, inputs, outputs)
        mine = (len(self._graph.levels), self._graph.tensors[self._graph.input].size, self._graph.output.size)
        if found != wanted or shape != mine or self.tick < 1:
            raise DeviceError(f"the board runs another model (id {found:08x}, the project's is {wanted:08x}); {hint}")

    def switch(self, level: int) -> int:
        """Go to `level`; cycles of `sw_switch`.

        Raises:
            DeviceError, PortError.
        """
        status, now, ticks = struct.unpack("<hHI", self._ask("L", struct.pack("<H", level), "l", 8, self._patience_s))
        self._check(status, "a switch of level")
        if now != level:
            raise DeviceError(f"the board is at level {now} and says that the switch to {level} went well")
        return int(ticks) * self.tick

    def infer(self, x: Int16) -> Answer:
        """Run one input at the present level.

        Raises:
            DeviceError, PortError.
        """
        size = 2 * self._graph.output.size
        answer = self._ask("I", x.astype("<i2").tobytes(), "i", 10 + size, self._patience_s)
        status, level, ticks, class_ = struct.unpack("<hHIh", answer[:10])
        self._check(status, "an inference")
        logits = np.frombuffer(answer[10:], "<i2").astype(np.int16).reshape(self._graph.output.shape)
        return Answer(logits, class_, level, int(ticks) * self.tick)

    def _check(self, status: int, what: str) -> None:
        if status != 0:
            raise DeviceError(f"the board refuses {what} with status {status}: {STATUS.get(status, 'unknown')}")

    def _ask(self, letter: str, payload: bytes, answer: str, size: int, patience_s: float) -> bytes:
        """Send a frame until its answer comes whole; `TRIES` times."""
        complaint = ""
        for _ in range(TRIES):
            self._wire.drain()
            self._wire.write(frame(letter, payload))
            head = self._wire.read(3, patience_s)
            if not head:
                complaint = f"does not answer within {patience_s:g} s"
                continue
            wanted = answer.encode() + struct.pack("<H", size)
            rest = self._wire.read(size + 4, QUIET_S) if head == wanted else b""
            if head == wanted and rest == frame(answer, rest[:size])[3:]:
                return rest[:size]
            complaint = f"answers garbage ({(head + rest)[:12].hex(' ')} ...)" if head != wanted else "is cut off"
            self._wire.read(1 << 16, QUIET_S)  # until it is silent, so that the next answer begins where it begins
        raise DeviceError(f"the board at {self._wire.name} {complaint}, asked {TRIES} times")


def frame(letter: str, payload: bytes) -> bytes:
    """A frame of the protocol, see monitor.c."""
    body = letter.encode() + struct.pack("<H", len(payload)) + payload
    return body + struct.pack("<I", zlib.crc32(body))


def run_board(
    link: BoardLink, project: ProjectFolder, inputs: Int16, progress: Progress | None = None
) -> list[list[Answer]]:
    """Every input at every level, held against the reference; one list per level.

    Raises:
        MismatchError: a logit or the class differs.
        DeviceError, PortError: see `BoardLink`.
    """
    graph, found = project.graph, []
    for k, level in enumerate(graph.levels):
        link.switch(k)
        expected = reference.logits(graph, inputs, k)
        answers = []
        for i, x in enumerate(inputs):
            answers.append(link.infer(x))
            _compare(answers[-1], expected[i], k, f"input {i}, level {level.name}")
            if progress is not None:
                progress("on the board", k * len(inputs) + i + 1, len(graph.levels) * len(inputs))
        found.append(answers)
    return found


def _compare(answer: Answer, expected: Int16, level: int, where: str) -> None:
    if answer.level != level:
        raise DeviceError(f"{where}: the board computed at level {answer.level}; was it reset? Start again")
    wrong = np.argwhere(answer.logits != expected)
    if len(wrong):
        at = tuple(int(n) for n in wrong[0])
        raise MismatchError(
            f"{where}: the board answers {answer.logits[at]} at logit {at}, the reference {expected[at]} "
            f"({len(wrong)} of {expected.size} differ)"
        )
    if answer.class_ != int(expected.reshape(-1).argmax()):
        raise MismatchError(f"{where}: the board answers class {answer.class_}, the reference {expected.argmax()}")


def measured(report: Report, runs: Sequence[Sequence[Answer]], port: str) -> Report:
    """A simulated report with cycles and latency of its levels as the board took them."""
    levels = []
    for level, answers in zip(report.levels, runs, strict=True):
        cycles = round(float(np.mean([a.cycles for a in answers])))
        most, latency_s = max(a.cycles for a in answers), cycles / report.mclk_hz
        levels.append(level.model_copy(update={"cycles": cycles, "cycles_max": most, "latency_s": latency_s}))
    said = (
        f"logits, cycles and latency of levels were measured on the board at {port}; cycles to 8, from the call of "
        "sw_infer to its return, the clock as its DCO runs",
        "energy, layers and switches are simulated",
    )
    return report.model_copy(update={"levels": levels, "assumptions": [*said, *report.assumptions]})
