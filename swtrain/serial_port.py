"""A serial port with one kind of error, whatever happens to the cable."""

from __future__ import annotations

import time
from contextlib import suppress
from importlib import import_module
from types import TracebackType

import serial

from .errors import SwtrainError

BAUD = 115200

_GONE: tuple[type[Exception], ...] = (OSError, TypeError)
"""What pyserial raises where the device went away: a TypeError where its descriptor did."""
with suppress(ImportError):  # Windows has none
    _GONE = (*_GONE, import_module("termios").error)


class PortError(SwtrainError):
    """The port can't be opened, was unplugged, or stays silent."""


class SerialPort:
    """Bytes to and from a board, 8N1.

    Raises:
        PortError: there is no such port, it may not be opened, or another program holds it.
    """

    def __init__(self, name: str, baud: int = BAUD) -> None:
        self.name = name
        try:
            # exclusive: a second program would take bytes that are ours
            self._port = serial.Serial(name, baud, timeout=0.1, write_timeout=10, exclusive=True)
        except (OSError, ValueError) as e:  # SerialException is an OSError
            raise PortError(
                f"{name} can't be opened ({_reason(e)}); name the board's serial port, such as /dev/ttyACM1 or COM4, "
                "and close other programs that use it (Linux: your user must be in group dialout)"
            ) from e

    def __enter__(self) -> SerialPort:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self._port.close()

    def write(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            PortError: unplugged, or the other side takes nothing for 10 s.
        """
        try:
            self._port.write(data)
            self._port.flush()
        except _GONE as e:
            raise self._gone(e) from e

    def read(self, count: int, patience_s: float) -> bytes:
        """Up to `count` bytes: fewer if none came for `patience_s` seconds.

        Raises:
            PortError: unplugged.
        """
        received, silent_since = b"", time.monotonic()
        while len(received) < count and time.monotonic() - silent_since < patience_s:
            try:
                more: bytes = self._port.read(count - len(received))
            except _GONE as e:
                raise self._gone(e) from e
            if more:
                received, silent_since = received + more, time.monotonic()
        return received

    def drain(self) -> None:
        """Drop what was received and not read.

        Raises:
            PortError: unplugged.
        """
        try:
            self._port.reset_input_buffer()
        except _GONE as e:
            raise self._gone(e) from e

    def _gone(self, e: Exception) -> PortError:
        return PortError(f"{self.name} is gone ({_reason(e)}); was the board unplugged? Plug it in and start again")


def _reason(e: Exception) -> str:
    return str(getattr(e, "strerror", None) or e).strip()
