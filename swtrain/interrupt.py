"""Power failures in a model's inferences and switches: schedules, the property that must hold, replay by id.

In: an idle device at each level. A job is `infer:LEVEL` or `switch:FROM:TO`; with a case of `sim.powerloss` it makes an
id, such as `infer:1/linear:write@1234`. An inference must end with the FRAM of the uninterrupted one, bit by bit.
After each failure in a switch the world asks for an inference: weights and logits must be those of the level that the
device then says it has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph
from sim import Machine, powerloss

from .errors import SwtrainError

INFER, SWITCH = 1, 2
DONE = "sw_asleep"
MAX_CYCLES = 2_000_000_000


class InterruptError(SwtrainError):
    """Not a job of this model, or a failure that changed a result."""


@dataclass(frozen=True)
class Job:
    """What is interrupted: an inference at `levels[0]`, or a switch from `levels[0]` to `levels[1]`."""

    levels: tuple[int, ...]

    @property
    def name(self) -> str:
        """First part of the ids."""
        return ":".join(["switch" if len(self.levels) == 2 else "infer", *map(str, self.levels)])

    @classmethod
    def parse(cls, text: str) -> Job:
        """The job called `text`.

        Raises:
            InterruptError: not a job.
        """
        match = re.fullmatch(r"infer:(\d+)|switch:(\d+):(\d+)", text)
        if match is None:
            raise InterruptError(f"'{text}' is not a job; give infer:LEVEL or switch:FROM:TO")
        return cls(tuple(int(v) for v in match.groups() if v is not None))


def parse(text: str) -> tuple[Job, powerloss.Case]:
    """Job and case of an id.

    Raises:
        InterruptError: not an id.
    """
    job, slash, case = text.partition("/")
    try:
        if slash:
            return Job.parse(job), powerloss.Case.parse(case)
    except ValueError as e:
        raise InterruptError(str(e)) from e
    raise InterruptError(f"'{text}' is not an id; ids look like infer:1/linear:write@1234")


def some_input(graph: Graph, seed: int = 0) -> NDArray[np.int16]:
    """Any input of the network's range, the same for the same seed."""
    x = graph.tensors[graph.input]
    return np.random.default_rng(seed).integers(x.lo, x.hi + 1, x.shape).astype(np.int16)


def fram(machine: Machine) -> bytes:
    """All FRAM but the vectors."""
    return machine.read(0x4000, 0xBF80) + machine.read(0x10000, 0x34000)


class Interrupted:
    """A device whose power fails.

    Args:
        idle: machines at `sw_idle`, one for each level.
        x: input of the inferences.
    """

    def __init__(self, idle: Sequence[Machine], x: NDArray[np.int16]) -> None:
        self._idle = [self._fed(machine, x) for machine in idle]
        self._images = "sw_images" in self._idle[0].symbols
        self._expected = [
            self._result(self.program(Job((level,))).finish(self._asked(level))) for level in range(len(idle))
        ]

    @property
    def levels(self) -> int:
        """How many the model has."""
        return len(self._idle)

    def program(self, job: Job) -> powerloss.Program:
        """From the request to the answer.

        Raises:
            InterruptError: the model has no such level.
        """
        if max(job.levels) >= self.levels:
            raise InterruptError(f"{job.name}: levels are 0 to {self.levels - 1}")
        if len(job.levels) == 1:
            return powerloss.Program(self._asked(job.levels[0]), DONE, MAX_CYCLES)
        machine = self._idle[job.levels[0]].fork()
        _put(machine, "sw_argument", job.levels[1])
        _put(machine, "sw_request", SWITCH)
        return powerloss.Program(machine, DONE, MAX_CYCLES, lambda m: _put(m, "sw_request", INFER))

    def verify(self, job: Job, *schedules: powerloss.Schedule, limit: int | None = None) -> powerloss.Verdict:
        """Run every case; failures carry full ids."""
        final = fram if len(job.levels) == 1 else self._is_one_level
        verdict = powerloss.verify(self.program(job), *schedules, final=final, limit=limit)
        failures = tuple((f"{job.name}/{case}", reason) for case, reason in verdict.failures)
        return powerloss.Verdict(verdict.cases, failures)

    def replay(self, text: str) -> tuple[Machine, bool]:
        """Final machine of an id, and whether it is right.

        Raises:
            InterruptError: not an id of this model.
            SimError: the program fails or makes no progress, as it did when the id was found.
        """
        job, case = parse(text)
        program = self.program(job)
        final = fram if len(job.levels) == 1 else self._is_one_level
        machine = powerloss.replay(program, case)
        return machine, final(machine) == final(program.finish(program.machine.fork()))

    def last_power_up(self, text: str) -> Machine:
        """The machine of an id right after its last power failure, for a debugger."""
        job, case = parse(text)
        return powerloss.last_power_up(self.program(job), case)

    def _asked(self, level: int) -> Machine:
        machine = self._idle[level].fork()
        _put(machine, "sw_request", INFER)
        return machine

    @staticmethod
    def _fed(machine: Machine, x: NDArray[np.int16]) -> Machine:
        fed = machine.fork()
        fed.write("sw_input", x.astype("<i2").tobytes())
        return fed

    def _result(self, machine: Machine) -> dict[str, Any]:
        names = ["sw_output", "sw_class", *(["sw_images"] if self._images else [])]
        return {name: machine.read(name) for name in names}

    def _is_one_level(self, machine: Machine) -> tuple[bool, ...]:
        """The device is at one level in all it has; logits count when there are any."""
        expected = self._expected[_get(machine, "sw_level")]
        found = self._result(machine)
        if _get(machine, "sw_result") == _get(self._idle[0], "sw_result"):
            found |= {name: expected[name] for name in ("sw_output", "sw_class")}
        return tuple(found[name] == expected[name] for name in expected)


def _put(machine: Machine, name: str, value: int) -> None:
    machine.write(name, value.to_bytes(2, "little"))


def _get(machine: Machine, name: str) -> int:
    return int.from_bytes(machine.read(name, 2), "little")
