"""The world around the device: serial lines, external memory, pins. A part of ``Machine``.

In: bytes and levels from the host. Out: what the device sent, with time stamps; contents of external memory.
Deliberately not here: what the peripherals do with it (``sim/core``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import BadAddress

if TYPE_CHECKING:
    from . import _core
    from .device import Device

_BUSES = ("UCA0", "UCA1", "UCA2", "UCA3", "UCB0", "UCB1", "UCB2", "UCB3")
_CHANNEL = re.compile(r"([AC])(\d{1,2})")
_PIN = re.compile(r"P([1-8J])\.([0-7])")


@dataclass(frozen=True)
class UartByte:
    """One byte that a UART sent.

    Attributes:
        port: ``"UCA0"`` to ``"UCA3"``.
        value: 0-255.
        cycles: MCLK cycles when the last stop bit ended.
        time_s: simulated seconds at that moment.
    """

    port: str
    value: int
    cycles: int
    time_s: float


class HostSide:
    """Serial lines, external FRAM and pins of a machine."""

    _core: _core.Machine
    _device: Device
    _spi_frams: tuple[int, ...] = ()  #: sizes in bytes, in the order of attachment

    def uart_output(self, port: str | None = None) -> bytes:
        """Everything sent since ``load``, by all UARTs in the order of arrival or by one port."""
        return bytes(b.value for b in self.uart_log() if port in (None, b.port))

    def uart_log(self) -> list[UartByte]:
        """Every byte sent since ``load`` with its time, oldest first."""
        return [UartByte(_BUSES[port], value, at, time_s) for port, value, at, time_s in self._core.uart_log()]

    def uart_input(self, data: bytes, port: str = "UCA0") -> None:
        """Send bytes to a UART, back to back from now on, or from when its receiver is out of reset."""
        if port not in _BUSES[:4]:
            raise ValueError(f"no UART '{port}'; there are: {', '.join(_BUSES[:4])}")
        self._core.uart_input(_BUSES.index(port), bytes(data))

    def set_pin(self, pin: str, level: int) -> None:
        """Drive an input from outside from now on; an edge sets the port's flag: ``m.set_pin("P5.6", 0)``."""
        self._core.set_pin(*self._pin(pin), bool(level))

    def pin(self, pin: str) -> int:
        """Level of an output; a pin that is no output, or locked by LOCKLPM5, is pulled up and reads 1."""
        return int(self._core.pin(*self._pin(pin)))

    @property
    def supply_v(self) -> float:
        """Supply voltage (DVCC = AVCC) that ADC12_B and COMP_E see, in volts [default: 3.0].

        ``PoweredMachine`` keeps it at the voltage of its capacitor. Setting it may change the output of COMP_E.
        """
        return self._core.supply_v

    @supply_v.setter
    def supply_v(self, volts: float) -> None:
        if not 0 <= volts <= 4.1:
            raise ValueError(f"a supply of {volts} V: give 0 to 4.1 V, the absolute maximum of the MSP430FR59xx")
        self._core.set_supply(volts)

    def set_analog(self, channel: str, volts: float = 0.0, supply_ratio: float = 0.0) -> None:
        """Drive an analog input from now on with ``volts + supply_ratio * supply_v``.

        Args:
            channel: ``"A0"`` to ``"A31"`` of ADC12_B, ``"C0"`` to ``"C15"`` of COMP_E.
            volts: the part that does not depend on the supply.
            supply_ratio: of a divider from the supply, for example 0.5.

        Raises:
            ValueError: there is no such channel, or a value outside the device's limits.
        """
        match = _CHANNEL.fullmatch(channel)
        if match is None or int(match[2]) > (31 if match[1] == "A" else 15):
            raise ValueError(f"no analog channel '{channel}'; there are A0 to A31 (ADC12_B) and C0 to C15 (COMP_E)")
        if not (-0.3 <= volts <= 4.1 and 0 <= supply_ratio <= 1):
            raise ValueError(
                f"{channel}: {volts} V must lie within -0.3 to 4.1 V, the ratio {supply_ratio} within 0 to 1"
            )
        self._core.set_analog(int(match[1] == "C"), int(match[2]), volts, supply_ratio)

    def attach_spi_fram(self, bus: str, chip_select: str, megabits: int = 4) -> int:
        """Put an external FRAM (CY15B104, CY15B108) on a serial interface; its contents are zero.

        Args:
            bus: ``"UCA0"`` to ``"UCB3"``.
            chip_select: pin, for example ``"P6.3"``.
            megabits: 4 or 8.

        Returns:
            Its number, for ``spi_fram_read`` and ``spi_fram_write``: 0, 1, ... in the order of attachment.
        """
        if bus not in _BUSES or megabits not in (4, 8):
            raise ValueError(f"an external FRAM has 4 or 8 megabits and sits on one of {', '.join(_BUSES)}")
        size = megabits * 131072
        self._core.attach_spi_fram(_BUSES.index(bus), *self._pin(chip_select), size)
        self._spi_frams = (*self._spi_frams, size)
        return len(self._spi_frams) - 1

    def spi_fram_read(self, address: int, size: int, number: int = 0) -> bytes:
        """Contents of an external FRAM, from the host: no time, no events.

        Raises:
            BadAddress: there is no such FRAM, or the span lies outside.
        """
        self._check_external(address, size, number)
        return self._core.spi_fram_read(number, address, size)

    def spi_fram_write(self, address: int, data: bytes, number: int = 0) -> None:
        """Write an external FRAM from the host: no time, no events.

        Raises:
            BadAddress: there is no such FRAM, or the span lies outside.
        """
        self._check_external(address, len(data), number)
        self._core.spi_fram_write(number, address, bytes(data))

    def _pin(self, name: str) -> tuple[int, int]:
        port, pin = parse_pin(name)
        if self._device.ports < port < 9:
            raise ValueError(f"'{name}': this device has the ports P1 to P{self._device.ports} and PJ")
        return port, pin

    def _check_external(self, address: int, size: int, number: int) -> None:
        if not 0 <= number < len(self._spi_frams):
            raise BadAddress(f"there is no external FRAM {number}; {len(self._spi_frams)} are attached")
        if size < 0 or not 0 <= address <= self._spi_frams[number] - size:
            end = self._spi_frams[number] - 1
            raise BadAddress(f"0x{address:05X}, {size} bytes: external FRAM {number} ends at 0x{end:05X}")


def parse_pin(name: str) -> tuple[int, int]:
    """``"P5.6"`` -> (5, 6); port J is 9.

    Raises:
        ValueError: not the name of a pin.
    """
    match = _PIN.fullmatch(name)
    if match is None:
        raise ValueError(f"'{name}' is not a pin; write for example P5.6 or PJ.0")
    return (9 if match[1] == "J" else int(match[1])), int(match[2])
