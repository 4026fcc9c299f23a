"""A gdb remote stub: gdb drives a `Machine` over a loopback port.

In: a machine, a port. Supported: registers, memory (RAM and FRAM), step, continue, breakpoints, write watchpoints,
Ctrl-C, detach, kill, and ``monitor power-cycle`` (breakpoints survive it), ``monitor cycles``. One client at a time;
garbage gets an empty answer or is dropped. Peripheral registers are not readable: reading them has side effects.
Protocol: gdb manual, appendix "Remote Serial Protocol". Registers are 16 x 32 bit, as gdb's msp430 port has them.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from .errors import MachineFault, SimError
from .machine import Machine
from .stops import Stop

_SLICE = 2_000_000
_MAX_PACKET = 0x4000
_SIGINT, _SIGTRAP, _SIGSEGV = 2, 5, 11


class _Gone(Exception):
    """The client closed the connection."""


class GdbServer:
    """Listens on 127.0.0.1. ``port`` 0 takes any free one; `port` says which.

    Raises:
        SimError: the port is taken.
    """

    def __init__(self, machine: Machine, port: int = 0) -> None:
        self.machine = machine
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as e:
            self._listener.close()
            raise SimError(f"cannot listen on port {port}: {e}; choose another with --gdb") from e
        self._listener.listen(1)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def serve(self, once: bool = True) -> None:
        """Serve clients until one detaches or kills (with ``once``), or for ever."""
        with self._listener:
            while True:
                client, _ = self._listener.accept()
                with client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    ended = _Session(self.machine, client).run()
                if ended and once:
                    return


class _Session:
    def __init__(self, machine: Machine, client: socket.socket) -> None:
        self._m = machine
        self._client = client
        self._buffer = b""
        self._status = f"S{_SIGTRAP:02x}"
        self._breaks: dict[int, int] = {}
        self._watches: set[int] = set()
        self._acks = True

    def run(self) -> bool:
        """True when the client said goodbye, False when it vanished."""
        try:
            while True:
                packet = self._receive()
                if packet in (b"D", b"k") or packet.startswith(b"D;"):
                    if packet != b"k":
                        self._send("OK")
                    return True
                try:
                    self._send(self._answer(packet.decode("latin-1")))
                except (ValueError, SimError):
                    self._send("E01")
        except (_Gone, OSError):
            return False
        finally:
            self._m.breakpoints = []
            for address in self._watches:
                self._m.unwatch(address)

    # --- packets

    def _read(self) -> None:
        data = self._client.recv(4096)
        if not data:
            raise _Gone
        self._buffer += data

    def _receive(self) -> bytes:
        """The next packet with a right checksum; anything else is dropped."""
        while True:
            start = self._buffer.find(b"$")
            end = self._buffer.find(b"#", start)
            if start < 0 or end < 0 or len(self._buffer) < end + 3:
                if start < 0 or len(self._buffer) - start > _MAX_PACKET:
                    self._buffer = b""
                self._read()
                continue
            body, check = self._buffer[start + 1 : end], self._buffer[end + 1 : end + 3]
            self._buffer = self._buffer[end + 3 :]
            if f"{sum(body) & 0xFF:02x}".encode() == check.lower():
                if self._acks:
                    self._client.sendall(b"+")
                return body
            self._client.sendall(b"-")

    def _send(self, text: str) -> None:
        body = text.encode("latin-1")
        self._client.sendall(b"$" + body + b"#" + f"{sum(body) & 0xFF:02x}".encode())

    def _interrupted(self) -> bool:
        """Did the client press Ctrl-C, or leave?"""
        if select.select([self._client], [], [], 0)[0]:
            self._read()
        if b"\x03" not in self._buffer:
            return False
        self._buffer = self._buffer.replace(b"\x03", b"", 1)
        return True

    # --- commands

    def _answer(self, packet: str) -> str:
        handlers: dict[str, Callable[[str], str]] = {
            "?": lambda _: self._status,
            "g": lambda _: "".join(_word(v) for v in self._m.registers),
            "G": self._set_registers,
            "p": lambda rest: _word(self._m.registers[int(rest, 16)]) if int(rest, 16) < 16 else "E01",
            "P": self._set_register,
            "m": self._read_memory,
            "M": self._write_memory,
            "s": self._step,
            "c": self._continue,
            "Z": lambda rest: self._point(rest, on=True),
            "z": lambda rest: self._point(rest, on=False),
            "H": lambda _: "OK",
            "q": self._query,
            "Q": self._query,
        }
        handler = handlers.get(packet[:1])
        return handler(packet[1:]) if handler else ""

    def _query(self, text: str) -> str:
        if text.startswith("Supported"):
            return f"PacketSize={_MAX_PACKET:x};swbreak-;hwbreak-;QStartNoAckMode+"
        if text == "StartNoAckMode":
            self._acks = False
            return "OK"
        if text.startswith("Rcmd,"):
            return self._monitor(bytes.fromhex(text[5:]).decode("latin-1").strip())
        return {"Attached": "1", "C": "QC1", "fThreadInfo": "m1", "sThreadInfo": "l"}.get(text, "")

    def _monitor(self, command: str) -> str:
        if command in ("power-cycle", "reset"):
            self._m.power_cycle()
            text = f"power-cycled; PC {self._m.where(self._m.pc)}\n"
        elif command == "cycles":
            text = f"{self._m.cycles} cycles, {self._m.time_s:.9f} s\n"
        else:
            text = "monitor commands: power-cycle, cycles\n"
        return text.encode().hex()

    def _set_registers(self, rest: str) -> str:
        values = bytes.fromhex(rest)
        if len(values) < 64:
            return "E01"
        for i in range(16):
            self._m.set_register(i, int.from_bytes(values[4 * i : 4 * i + 4], "little") & 0xFFFFF)
        return "OK"

    def _set_register(self, rest: str) -> str:
        index, value = rest.split("=")
        self._m.set_register(int(index, 16), int.from_bytes(bytes.fromhex(value), "little") & 0xFFFFF)
        return "OK"

    def _read_memory(self, rest: str) -> str:
        address, size = (int(x, 16) for x in rest.split(","))
        return self._m.read(address, min(size, _MAX_PACKET // 2 - 8)).hex()

    def _write_memory(self, rest: str) -> str:
        place, data = rest.split(":")
        address, size = (int(x, 16) for x in place.split(","))
        blob = bytes.fromhex(data)
        if len(blob) != size:
            return "E01"
        self._m.write(address, blob)
        return "OK"

    def _point(self, rest: str, *, on: bool) -> str:
        kind, address, size = (int(x, 16) for x in rest.split(";")[0].split(","))
        if kind in (0, 1):
            count = self._breaks.get(address, 0) + (1 if on else -1)
            self._m.breakpoints = [a for a in {*self._breaks, address} if a != address or count > 0]
            self._breaks = {a: count if a == address else self._breaks[a] for a in self._m.breakpoints}
            return "OK"
        if kind == 2:
            for word in range(address & ~1, address + max(1, min(size, 256)), 2):
                if on and word not in self._watches:
                    self._m.watch(word)
                    self._watches.add(word)
                elif not on:
                    self._m.unwatch(word)
                    self._watches.discard(word)
            return "OK"
        return ""

    # --- running

    def _step(self, rest: str) -> str:
        return self._go(rest, max_instructions=1)

    def _continue(self, rest: str) -> str:
        return self._go(rest, max_instructions=None)

    def _go(self, rest: str, max_instructions: int | None) -> str:
        if rest:
            self._m.pc = int(rest, 16)
        self._m.watch_log()
        try:
            while True:
                stop = self._m.run(max_cycles=_SLICE, max_instructions=max_instructions, stop_at_watch=True)
                if stop is not Stop.CYCLES:
                    break
                if self._interrupted():
                    return self._stopped(_SIGINT)
        except MachineFault as e:
            self._say(f"{e}\n")
            return self._stopped(_SIGSEGV)
        if stop is Stop.WATCH:
            return self._stopped(_SIGTRAP, f"watch:{self._m.watch_log()[0].address:x};")
        if stop is Stop.HALT:
            self._say("the CPU sleeps and nothing can wake it\n")
            return self._stopped(_SIGINT)
        return self._stopped(_SIGTRAP)

    def _stopped(self, signal: int, more: str = "") -> str:
        self._status = f"S{signal:02x}"
        return f"T{signal:02x}{more}" if more else self._status

    def _say(self, text: str) -> None:
        self._send("O" + text.encode().hex())


def _word(value: int) -> str:
    return value.to_bytes(4, "little").hex()
