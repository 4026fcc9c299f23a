"""Packages to a device over UART: the PC's side of `firmware/examples/update.c`, which describes the frames.

A frame that nobody answers is sent again: the line may have lost it, or power may have failed over there. What the
device has received survives that, so that an interrupted delivery goes on where it was.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from codegen.package import BLOCK_BYTES, HEADER_BYTES, MAGIC

from .errors import DataError, SwtrainError
from .serial_port import SerialPort

ANSWER_S, INSTALL_S, PATIENCE_S = 1.0, 20.0, 60.0
"""Seconds for a frame, for the installation, and without any answer before the delivery is given up."""

OK, ORDER, NONE = 0, -20, -22
ROUNDS = 20
"""Blocks that bring nothing, one behind the other, before the delivery is given up."""
REFUSALS = {
    -2: "its external memory does not answer, or is another one",
    -3: "an inference is under way",
    -16: "it takes this for no package",
    -17: "the package was made for another program or another version; make it with the ELF that runs there",
    -18: "it has this version or a newer one",
    -19: "it has no room for a package of this size",
    -20: "parts of the package are missing",
    -21: "the package is corrupt",
    -22: "it has nothing to go back to",
}
"""Statuses of `sw_update.h`, in words."""


class UpdateError(SwtrainError):
    """The device refuses a package, or does not answer."""


@dataclass(frozen=True)
class Delivery:
    """What was sent.

    Attributes:
        blocks: of the package.
        resumed: those that were there already.
        again: frames that had to be sent more than once.
    """

    blocks: int
    resumed: int
    again: int


class Link:
    """Frames to a device and its answers."""

    def __init__(self, port: SerialPort, patience_s: float = PATIENCE_S) -> None:
        self.port = port
        self.patience_s = patience_s
        self.again = 0

    def ask(self, letter: str, payload: bytes = b"", answer_s: float = ANSWER_S) -> tuple[int, int]:
        """Send a frame until it is answered; status and word.

        Raises:
            PortError: the port is lost.
            UpdateError: no answer.
        """
        frame = letter.encode() + bytes([len(payload)]) + payload
        frame += struct.pack("<I", zlib.crc32(frame))
        end = time.monotonic() + max(self.patience_s, answer_s)
        while True:
            self.port.drain()
            self.port.write(frame)
            if (answer := self._answer(answer_s)) is not None:
                return answer
            if time.monotonic() > end:
                raise UpdateError(
                    f"the device at {self.port.name} does not answer; does its program take these frames "
                    "(firmware/examples/update.c), and at this --baud?"
                )
            self.again += 1

    def _answer(self, seconds: float) -> tuple[int, int] | None:
        found, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            found += self.port.read(4, 0.1)
            start = found.find(b"K")
            if start >= 0 and len(found) >= start + 4:
                status, word = struct.unpack_from("<bH", found, start + 1)
                return status, word
        return None


def deliver(port: SerialPort, package: bytes, show: Callable[[int, int], None], patience_s: float) -> Delivery:
    """Send `package`, let the device check and install it.

    Args:
        show: called with (blocks done, blocks).
        patience_s: seconds without an answer before it is given up.

    Raises:
        DataError: not a package.
        UpdateError: the device refuses it, or does not answer; its model is as it was.
    """
    header, payload = package[:HEADER_BYTES], package[HEADER_BYTES:]
    whole = len(header) == HEADER_BYTES and header[:4] == MAGIC
    if not whole or zlib.crc32(payload) != struct.unpack_from("<I", header, 16)[0]:
        raise DataError("not a whole package; make it with `swtrain package`")
    link, blocks = Link(port, patience_s), -(-len(payload) // BLOCK_BYTES)
    status, number = link.ask("H", header)
    _refuse(status)
    resumed = number
    rounds = 0
    while number < blocks:
        show(number, blocks)
        block = payload[BLOCK_BYTES * number : BLOCK_BYTES * (number + 1)]
        status, received = link.ask("B", struct.pack("<H", number) + block)
        if status == ORDER and received <= number:  # power failed before the header was kept
            status, received = link.ask("H", header)
        if status != ORDER:  # else an answer was lost: the block is there
            _refuse(status)
        rounds = 0 if received > number else rounds + 1
        if rounds == ROUNDS:
            raise UpdateError(f"the device stays at block {number} of {blocks}; run the command again")
        number = received
    show(blocks, blocks)
    again = link.again
    status, _ = link.ask("C", answer_s=INSTALL_S)
    if not (link.again > again and status == ORDER):  # else it is installed, and the answer was lost
        _refuse(status)
    return Delivery(blocks, resumed, link.again)


def go_back(port: SerialPort, patience_s: float) -> None:
    """Bring back what the last package replaced.

    Raises:
        UpdateError: there is nothing to go back to, or no answer.
    """
    link = Link(port, patience_s)
    status, _ = link.ask("R", answer_s=INSTALL_S)
    if not (link.again and status == NONE):  # else it has gone back, and the answer was lost
        _refuse(status)


def _refuse(status: int) -> None:
    if status != OK:
        raise UpdateError(f"the device refuses: {REFUSALS.get(status, 'reason unknown')} (status {status})")
