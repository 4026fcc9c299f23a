"""`swtrain update` through a pseudo-terminal: to the simulated device, and to a scripted one on a bad line."""

from __future__ import annotations

import os
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from click.testing import CliRunner, Result
from intermittent import lea_network, lea_target, other_weights
from rig import ROOT
from strategies import inputs_for

from codegen import reference
from codegen.build import build
from codegen.emit import emit_project, write_project
from codegen.package import BLOCK_BYTES, HEADER_BYTES, make_package
from sim import Machine
from swtrain.cli import main

APPLICATION = [ROOT / "examples" / "update.c", ROOT / "tests" / "uart" / "uart.c"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")


def swtrain_update(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["update", *arguments])


@contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: the device's end, and the name of the PC's."""
    import pty
    import tty

    device, pc = pty.openpty()
    tty.setraw(pc)
    try:
        yield device, os.ttyname(pc)
    finally:
        os.close(device)
        os.close(pc)


@contextmanager
def served(device: int, peer: Peer) -> Iterator[None]:
    """`peer` answers at the device's end meanwhile."""
    ended = threading.Event()
    os.set_blocking(device, False)

    def serve() -> None:
        while not ended.is_set():
            try:
                data = os.read(device, 4096)
            except BlockingIOError:
                data = b""
            if answer := peer.step(data):
                os.write(device, answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Peer(Protocol):
    """What sits at the other end."""

    def step(self, data: bytes) -> bytes:
        """Take `data`, go on for a while, and answer."""


class Simulated:
    """The board; its power fails now and then."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.sent = len(machine.uart_output("UCA0"))
        self.failures = 0
        self.rng = np.random.default_rng(4)

    def step(self, data: bytes) -> bytes:
        if data:
            self.machine.uart_input(data)
            if len(data) > 40 and self.rng.random() < 0.1:
                self.machine.run(max_cycles=int(self.rng.integers(1, 200_000)))
                self.machine.power_cycle()
                self.failures += 1
        self.machine.run(max_cycles=50_000)
        output = self.machine.uart_output("UCA0")
        new, self.sent = output[self.sent :], len(output)
        return new


class Scripted:
    """Takes frames as the device does; loses every third answer and adds noise to others."""

    def __init__(self) -> None:
        self.pending = b""
        self.blocks: list[bytes] = []
        self.header = b""
        self.installed = False
        self.answers = 0

    def step(self, data: bytes) -> bytes:
        self.pending += data
        if len(self.pending) < 2 or len(self.pending) < 6 + self.pending[1]:
            threading.Event().wait(0.001)
            return b""
        size = 2 + self.pending[1]
        frame, self.pending = self.pending[: size + 4], self.pending[size + 4 :]
        assert zlib.crc32(frame[:size]) == struct.unpack("<I", frame[size:])[0]
        status = self.take(chr(frame[0]), frame[2:size])
        self.answers += 1
        if self.answers % 3 == 0:
            return b""
        return b"\0\x80" * (self.answers % 2) + struct.pack("<cbH", b"K", status, len(self.blocks))

    def take(self, letter: str, payload: bytes) -> int:
        if letter == "H":
            self.header = payload
        elif letter == "B":
            if struct.unpack_from("<H", payload)[0] != len(self.blocks):
                return -20
            self.blocks.append(payload[2:])
        elif letter == "C":
            if self.installed:
                return -20
            self.installed = True
        return 0


def package_of(payload: bytes) -> bytes:
    header = b"SWUP" + struct.pack("<HHIIIHHI", 1, 2, 7, len(payload), zlib.crc32(payload), 1, 0, 0)
    return header + struct.pack("<I", zlib.crc32(header)) + payload


def test_a_package_reaches_the_simulated_device(tmp_path: Path) -> None:
    """Blocks get lost while its power fails; then the new model answers, and after --rollback the old one."""
    graphs, elves = (lea_network(), other_weights(lea_network())), []
    for version, graph in enumerate(graphs, 1):
        project = emit_project(graph, lea_target(), "lea", update=0, model_version=version)
        write_project(project, tmp_path / f"v{version}")
        elves.append(build(tmp_path / f"v{version}", out=tmp_path / f"elf{version}", application=APPLICATION).program)
    file = tmp_path / "new.swup"
    file.write_bytes(make_package(*elves).data)
    machine = Machine("msp430fr5994", seed=5)
    machine.load(elves[0])
    machine.run("uart_setup", 10_000_000)
    machine.run(max_cycles=1000)
    x = inputs_for(project.graph, 1, 3)[0]
    machine.write("sw_input", x.astype("<i2").tobytes())
    peer = Simulated(machine)
    with terminal() as (device, name):
        with served(device, peer):
            done = swtrain_update(name, str(file))
            again = swtrain_update(name, str(file))
        assert done.exit_code == 0, done.output
        assert "installed: " in done.output
        assert peer.failures > 0
        assert again.exit_code == 1
        assert "this version or a newer one" in again.output
        for arguments, version in (((), 1), (("--rollback",), 0)):
            if arguments:
                with served(device, peer):
                    assert swtrain_update(name, *arguments).exit_code == 0
            frame = b"I\0"
            machine.uart_input(frame + struct.pack("<I", zlib.crc32(frame)))
            machine.run(max_cycles=3_000_000)
            peer.sent = len(machine.uart_output("UCA0"))
            want = reference.logits(graphs[version], x[None], 0)[0]
            assert machine.read("sw_output") == want.astype("<i2").tobytes()


def test_a_bad_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that are lost or come behind noise; what was there already is not sent again."""
    monkeypatch.setattr("swtrain.sender.ANSWER_S", 0.2)
    monkeypatch.setattr("swtrain.sender.INSTALL_S", 0.2)
    payload = np.random.default_rng(1).bytes(5 * BLOCK_BYTES + 40)
    file = tmp_path / "some.swup"
    file.write_bytes(package_of(payload))
    peer = Scripted()
    peer.blocks.append(payload[:BLOCK_BYTES])
    with terminal() as (device, name), served(device, peer):
        done = swtrain_update(name, str(file))
    assert done.exit_code == 0, done.output
    assert "installed: 6 blocks, 1 of them there before" in done.output
    assert b"".join(peer.blocks) == payload
    assert peer.header == package_of(payload)[:HEADER_BYTES]
    assert peer.installed


def test_what_can_not_be_sent(tmp_path: Path) -> None:
    file = tmp_path / "some.swup"
    file.write_bytes(package_of(b"1234")[:-1])
    with terminal() as (_, name):
        cut = swtrain_update(name, str(file))
        assert cut.exit_code == 1
        assert "not a whole package" in cut.output
        file.write_bytes(package_of(b"1234"))
        silent = swtrain_update(name, str(file), "--patience", "0.2")
        assert silent.exit_code == 1
        assert "does not answer" in silent.output
        assert swtrain_update(name).exit_code == 2
    missing = swtrain_update(str(tmp_path / "no-port"), str(file))
    assert missing.exit_code == 1
    assert "can't be opened" in missing.output
