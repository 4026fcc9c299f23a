"""The gdb stub, driven by a scripted client; gdb itself where it is installed."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

import sim
from sim.gdb import GdbServer

PROGRAM = """
    .globl _start, loop, work, count, spin
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #0, r10
loop:
    call #work
    jmp loop
work:
    inc r10
    mov r10, &count
    ret
spin: jmp spin
    .section .nvm,"aw",@progbits
    .type count,@object
count: .word 0
    .size count, 2
"""


class Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.buffer = b""

    def send(self, text: str) -> None:
        self.socket.sendall(f"${text}#{sum(text.encode()) & 0xFF:02x}".encode())

    def receive(self) -> str:
        while True:
            start, end = self.buffer.find(b"$"), self.buffer.find(b"#")
            if start >= 0 and end >= 0 and len(self.buffer) >= end + 3:
                body = self.buffer[start + 1 : end]
                assert int(self.buffer[end + 1 : end + 3], 16) == sum(body) & 0xFF
                self.buffer = self.buffer[end + 3 :]
                return body.decode("latin-1")
            data = self.socket.recv(4096)
            assert data, "the stub closed the connection"
            self.buffer += data

    def ask(self, text: str) -> str:
        self.send(text)
        return self.receive()


@pytest.fixture
def machine(assemble) -> sim.Machine:
    m = sim.Machine(seed=1)
    m.load(assemble(PROGRAM))
    return m


@pytest.fixture
def gdb(machine) -> Iterator[Client]:
    server = GdbServer(machine)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    client = Client(server.port)
    yield client
    if thread.is_alive():
        try:
            client.send("k")
        except OSError:
            again = Client(server.port)
            again.send("k")
            again.socket.close()
    thread.join(20)
    client.socket.close()
    assert not thread.is_alive()


def at(m: sim.Machine, name: str) -> int:
    return m.symbols[name].address


def register(reply: str, index: int) -> int:
    return int.from_bytes(bytes.fromhex(reply[8 * index : 8 * index + 8]), "little")


def test_registers_and_memory(gdb, machine):
    assert gdb.ask("?") == "S05"
    assert "PacketSize" in gdb.ask("qSupported:multiprocess+")
    reply = gdb.ask("g")
    assert len(reply) == 16 * 8
    assert register(reply, 0) == at(machine, "_start")
    assert gdb.ask("P5=78560100") == "OK"
    assert gdb.ask("p5") == "78560100"
    assert gdb.ask(f"M{at(machine, 'count'):x},2:3412") == "OK"
    assert gdb.ask(f"m{at(machine, 'count'):x},2") == "3412"
    assert machine.read("count") == b"\x34\x12"
    assert gdb.ask("m100,2") == "E01"  # a peripheral
    assert gdb.ask(f"M{at(machine, 'count'):x},2:34") == "E01"


def test_break_step_continue(gdb, machine):
    work = at(machine, "work")
    assert gdb.ask(f"Z0,{work:x},2") == "OK"
    for _ in range(3):
        assert gdb.ask("c") == "S05"
        assert register(gdb.ask("g"), 0) == work
    assert gdb.ask("s") == "S05"
    assert register(gdb.ask("g"), 0) == work + 2
    assert register(gdb.ask("g"), 10) == 3
    assert gdb.ask(f"z0,{work:x},2") == "OK"
    assert gdb.ask(f"Z2,{at(machine, 'count'):x},2") == "OK"
    assert gdb.ask("c") == f"T05watch:{at(machine, 'count'):x};"
    assert gdb.ask(f"z2,{at(machine, 'count'):x},2") == "OK"
    assert gdb.ask(f"Z3,{work:x},2") == ""  # read watchpoints: not supported


def test_interrupt_and_power_cycle(gdb, machine):
    gdb.send("c")
    gdb.socket.sendall(b"\x03")
    assert gdb.receive() == "S02"
    assert gdb.ask(f"Z0,{at(machine, 'loop'):x},2") == "OK"
    assert b"power-cycled" in bytes.fromhex(gdb.ask("qRcmd," + b"power-cycle".hex()))
    assert register(gdb.ask("g"), 0) == at(machine, "_start")
    assert gdb.ask("c") == "S05"
    assert register(gdb.ask("g"), 0) == at(machine, "loop")
    assert register(gdb.ask("g"), 10) == 0


def test_a_fault_is_a_signal_with_its_message(gdb, machine):
    machine.write("spin", bytes.fromhex("1542001b"))  # MOV &1B00h, R5: nothing is there
    assert gdb.ask(f"P0={at(machine, 'spin').to_bytes(4, 'little').hex()}") == "OK"
    text = gdb.ask("c")
    assert text.startswith("O")
    assert b"read of 0x01B00" in bytes.fromhex(text[1:])
    assert gdb.receive() == "S0b"


def test_garbage_does_not_hurt(gdb):
    gdb.socket.sendall(b"\x00\xff+++nonsense$m1,2#00")
    for text in (
        "",
        "zz",
        "m",
        "m-1,2",
        "mxyz",
        "Z0",
        "Z9,1,1",
        "G00",
        "P99=0",
        "P5",
        "qRcmd,zz",
        "vCont?",
        "X1,2:\x01",
    ):
        assert gdb.ask(text) in ("", "E01", "OK")
    assert gdb.ask("?") == "S05"


def test_detach_and_come_back(machine):
    server = GdbServer(machine)
    thread = threading.Thread(target=server.serve, kwargs={"once": True})
    thread.start()
    first = Client(server.port)
    assert first.ask(f"Z0,{at(machine, 'work'):x},2") == "OK"
    first.socket.close()  # vanishes without a word
    second = Client(server.port)
    assert second.ask("D") == "OK"
    thread.join(20)
    second.socket.close()
    assert not thread.is_alive()
    assert machine.breakpoints == ()


def test_a_taken_port_is_one_sentence(machine):
    taken = GdbServer(machine)
    with pytest.raises(sim.SimError, match="choose another"):
        GdbServer(machine, taken.port)
    taken.close()


def test_random_bytes_do_not_hurt(machine):
    """Whatever arrives, the stub answers the next sound packet, or the next client."""
    server = GdbServer(machine)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    rng = random.Random(7)
    alphabet = b"$#+-\x03\x00}*:;,=0123456789abcdefgGmMpPcsZzqQHvXk?\xff"
    for _ in range(30):
        client = Client(server.port)
        for _ in range(rng.randrange(1, 8)):
            body = bytes(rng.choice(alphabet) for _ in range(rng.randrange(40))).replace(b"k", b"")
            body = body.replace(b"c", b"").replace(b"D", b"")  # nothing here may run for ever or end the server
            framed = b"$" + body + b"#" + f"{sum(body) & 0xFF:02x}".encode()
            client.socket.sendall(framed if rng.random() < 0.6 and b"#" not in body and b"$" not in body else body)
        client.socket.close()
    last = Client(server.port)
    assert last.ask("?").startswith("S")
    assert len(last.ask("g")) == 128
    assert last.ask("D") == "OK"
    thread.join(20)
    last.socket.close()
    assert not thread.is_alive()


def gdb_for_msp430() -> str | None:
    """A gdb that knows the architecture: Debian's gdb-multiarch may not."""
    for name in ("msp430-elf-gdb", "gdb-multiarch"):
        path = shutil.which(name)
        if path is None:
            continue
        asked = subprocess.run(
            [path, "-nx", "-batch", "-ex", "set architecture msp430x"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if "Undefined item" not in asked.stderr + asked.stdout:
            return path
    return None


def test_gdb_itself(machine, assemble):
    """Break, step, registers, memory, and a power cycle, from gdb's own prompt."""
    gdb = gdb_for_msp430()
    if gdb is None:
        pytest.skip("no gdb that knows msp430 (Debian's gdb-multiarch 13 does not); install msp430-elf-gdb")
    server = GdbServer(machine)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    commands = [f"target remote localhost:{server.port}", "break work", "continue", "print $r10", "stepi", "print $r10"]
    commands += ["x/1xh &count", "monitor power-cycle", "maintenance flush register-cache", "continue", "kill"]
    flags = [x for c in commands for x in ("-ex", c)]
    done = subprocess.run(
        [gdb, "-nx", "-batch", "-ex", "set architecture msp430x", *flags, str(assemble(PROGRAM))],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.count("Breakpoint 1,") == 2, done.stdout + done.stderr
    assert "$1 = 0" in done.stdout
    assert "$2 = 1" in done.stdout
