"""Requests to the firmware's example application (`firmware/examples/harvest`) on a harvested supply.

A request is a number on port 3 and an edge on P1.4, one every `period_s`; it expires when the next one comes. The
application answers at `app_answer`, with the level of the answer in `sw_level`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from sim import EnergyModel, Harvested, Machine, PoweredMachine, Stop

_EDGE, _NUMBER = "P1.4", tuple(f"P3.{bit}" for bit in range(8))


@dataclass(frozen=True)
class Reply:
    """The answer to request number `request`, from 0, at `time_s`."""

    request: int
    time_s: float
    level: int


def serve(
    machine: Machine,
    supply: Harvested,
    energy: EnergyModel,
    period_s: float,
    count: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Reply], PoweredMachine]:
    """Run `count` requests on `machine`, loaded and not yet started.

    Args:
        progress: called with requests that are over, and all.

    Returns:
        The requests that were answered in time, and the machine with its supply.
    """
    machine.write("app_period_us", struct.pack("<I", min(round(period_s * 1e6), 2**32 - 1)))
    for pin in (_EDGE, *_NUMBER):
        machine.set_pin(pin, 0)
    node = PoweredMachine(machine, supply, energy)
    replies: list[Reply] = []
    for k in range(count):
        announce(machine, k + 1)
        end, done = (k + 1) * period_s, False
        while node.time_s < end:
            if node.run("app_answer", duration_s=end - node.time_s) is Stop.UNTIL and not done:
                replies.append(Reply(k, node.time_s, struct.unpack("<H", machine.read("sw_level", 2))[0]))
                done = True  # an answer that a power failure made the device repeat counts once
        if progress is not None:
            progress(k + 1, count)
    return replies, node


def announce(machine: Machine, number: int) -> None:
    """A sample is ready: its number, modulo 256, then the edge of P1.4."""
    machine.set_pin(_EDGE, 0)
    for bit, pin in enumerate(_NUMBER):
        machine.set_pin(pin, number >> bit & 1)
    machine.set_pin(_EDGE, 1)
