"""Runs the probe's ELF on the simulator, as a board with a person who waits would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import MachineFault
from ..lea import LeaModel
from ..machine import Machine
from ..stops import Stop

_MAX_FAULTS = 1000


def run_probe(
    elf: str | Path, lea: Mapping[str, object] | str | Path | LeaModel | None = None, *, device: str = "msp430fr5994"
) -> bytes:
    """What the probe prints on a machine with these options of the LEA model.

    Where the model refuses a command, silicon would do something: here the power is cycled, as the watchdog does with a
    command that hangs on a board, and the probe goes on with the next experiment.

    Raises:
        RuntimeError: the probe makes no progress (an ELF that is not the probe).
    """
    machine = Machine(device, lea=lea)
    machine.load(elf)
    for _ in range(_MAX_FAULTS):
        try:
            stop = machine.run(until="probe_done", max_cycles=2_000_000_000)
        except MachineFault:
            machine.power_cycle()
            continue
        if stop is Stop.UNTIL:
            return machine.uart_output("UCA0")
        break
    raise RuntimeError(f"{elf} does not arrive at probe_done; is it lea_probe?")
