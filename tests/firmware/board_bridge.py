"""A simulated board behind a pseudo-terminal: what `swtrain monitor` sees of a LaunchPad."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import tty
from pathlib import Path

from sim import Machine

SLICE = 100_000
QUIET = 8_000_000
"""Cycles without a byte after which the firmware waits for one: the machine stops until it comes."""


class BoardBridge:
    """Runs an ELF in a thread; bytes go between its UART and `port`, a name to open.

    Attributes:
        damage: what becomes of bytes on their way to the host; a test sets it.
    """

    def __init__(self, elf: Path, device: str, bus: str = "UCA0") -> None:
        self.machine = Machine(device, seed=4)
        self.machine.load(elf)
        self.bus = bus
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.damage = lambda data: data
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> BoardBridge:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        os.close(self._slave)

    def unplug(self) -> None:
        """The board is gone: the port answers with errors."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(OSError):
            os.close(self._master)

    def _serve(self) -> None:
        quiet = sent = 0
        while not self._stop.is_set():
            waiting = quiet >= QUIET
            if select.select([self._master], [], [], 0.02 if waiting else 0)[0]:
                self.machine.uart_input(os.read(self._master, 65536), self.bus)
                quiet = 0
            elif waiting:
                continue
            self.machine.run(max_cycles=SLICE)
            quiet += SLICE
            said = self.machine.uart_output(self.bus)
            if len(said) > sent:
                os.write(self._master, self.damage(said[sent:]))
                sent, quiet = len(said), 0
