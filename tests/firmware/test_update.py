"""Packages over the simulated UART: installed at once or not at all, wherever power fails."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import rig
from click.testing import CliRunner
from intermittent import lea_network, lea_target, other_weights
from rig import ROOT, reference
from strategies import inputs_for

from codegen.build import build
from codegen.emit import EXTERNAL, emit_project, write_project
from codegen.errors import DoesNotFit, ToolchainError
from codegen.package import BLOCK_BYTES, HEADER_BYTES, make_package
from sim import Machine, Stop
from swtrain.cli import main

APPLICATION = [ROOT / "examples" / "update.c", ROOT / "tests" / "uart" / "uart.c"]
OK, PACKAGE, MODEL, VERSION, ROOM, ORDER, CRC, NONE = 0, -16, -17, -18, -19, -20, -21, -22
EXTERNAL_GONE = -2


class Fleet:
    """Two builds of one model, a package between them, and the logits of both."""

    def __init__(self, folder: Path, kind: str) -> None:
        graphs = lea_network(), other_weights(lea_network())
        self.elves = []
        for version, graph in enumerate(graphs, 1):
            project = emit_project(graph, lea_target(), "lea", update=0, model_version=version, **KINDS[kind])
            write_project(project, folder / f"v{version}")
            made = build(folder / f"v{version}", out=folder / f"elf{version}", application=APPLICATION)
            self.elves.append(made.program)
        self.package = make_package(*self.elves)
        self.graph = project.graph
        self.x = inputs_for(self.graph, 1, 3)[0]
        self.logits = [reference.logits(g, self.x[None], 0)[0].astype("<i2").tobytes() for g in graphs]

    def device(self) -> Machine:
        machine = Machine("msp430fr5994", seed=5)
        machine.load(self.elves[0])
        memory = self.elves[0].parent / EXTERNAL
        if memory.is_file():
            rig.attach_external(machine, memory.read_bytes())
        machine.run("uart_setup", 10_000_000)
        machine.run(max_cycles=1000)
        machine.write("sw_input", self.x.astype("<i2").tobytes())
        return machine


KINDS: dict[str, dict[str, str]] = {
    "resident": {"switching": "resident"},
    "image": {"switching": "image"},
    "patches outside": {"switching": "image", "external": "all"},
    "weights outside": {"switching": "resident", "external": "all"},
}


@pytest.fixture(
    scope="module",
    params=[
        "resident",
        "patches outside",
        pytest.param("image", marks=pytest.mark.slow),
        pytest.param("weights outside", marks=pytest.mark.slow),
    ],
)
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("fleet"), request.param)


def send(machine: Machine, letter: str, payload: bytes = b"", limit: int = 40_000_000) -> tuple[int, int] | None:
    """A frame and its answer, or nothing within `limit` cycles."""
    frame = letter.encode() + bytes([len(payload)]) + payload
    before = len(machine.uart_output("UCA0"))
    machine.uart_input(frame + struct.pack("<I", zlib.crc32(frame)))
    start = machine.cycles
    while machine.cycles - start < limit:
        machine.run(max_cycles=min(20_000, limit))
        found = machine.uart_output("UCA0")[before:]
        if len(found) >= 4:
            assert found[:1] == b"K"
            return struct.unpack("<xbH", found[:4])
    return None


def block(package: bytes, number: int) -> bytes:
    payload = package[HEADER_BYTES:]
    return struct.pack("<H", number) + payload[BLOCK_BYTES * number : BLOCK_BYTES * (number + 1)]


def blocks(package: bytes) -> int:
    return -(-(len(package) - HEADER_BYTES) // BLOCK_BYTES)


def deliver(machine: Machine, package: bytes) -> int:
    """Header and all blocks; the first status that is not 0, or that of the commit."""
    answer = send(machine, "H", package[:HEADER_BYTES])
    assert answer is not None
    if answer[0] != OK:
        return answer[0]
    for number in range(answer[1], blocks(package)):
        answer = send(machine, "B", block(package, number))
        assert answer == (OK, number + 1)
    answer = send(machine, "C")
    assert answer is not None
    return answer[0]


def answer_to(machine: Machine, letter: str) -> int:
    """Status, however often what was under way when power failed has spoiled the frame."""
    for _ in range(5):
        if (answer := send(machine, letter, limit=3_000_000)) is not None:
            return answer[0]
    raise AssertionError("no answer")


def infer(machine: Machine) -> bytes:
    for _ in range(5):  # what was under way when power failed may have spoiled the frame
        answer = send(machine, "I", limit=3_000_000)
        if answer is not None:
            assert answer[0] == OK
            return machine.read("sw_output")
    raise AssertionError("no answer")


def test_new_weights_and_back(fleet: Fleet) -> None:
    machine = fleet.device()
    assert infer(machine) == fleet.logits[0]
    assert send(machine, "R") == (NONE, 0)
    assert deliver(machine, fleet.package.data) == OK
    assert infer(machine) == fleet.logits[1]
    assert deliver(machine, fleet.package.data) == VERSION
    for status, want in ((OK, 0), (NONE, 0)):
        answer = send(machine, "R")
        assert answer is not None and answer[0] == status
        assert infer(machine) == fleet.logits[want]
    answer = send(machine, "C")  # the package is still here
    assert answer is not None and answer[0] == OK
    assert infer(machine) == fleet.logits[1]


def resealed(package: bytes, **fields: int) -> bytes:
    """With other fields in the header and a right check sum of it."""
    places = {"format": (4, "H"), "version": (6, "H"), "digest": (8, "I"), "bytes": (12, "I"), "crc": (16, "I")}
    out = bytearray(package)
    for name, value in fields.items():
        struct.pack_into("<" + places[name][1], out, places[name][0], value)
    out[28:32] = struct.pack("<I", zlib.crc32(bytes(out[:28])))
    return bytes(out)


def test_what_is_refused_leaves_the_model_alone(fleet: Fleet) -> None:
    good = fleet.package.data
    payload = bytearray(good)
    payload[-1] ^= 4
    wild = bytearray(good)
    struct.pack_into("<I", wild, HEADER_BYTES, 0xFF80)  # the first run would lock the board
    wild_crc = zlib.crc32(bytes(wild[HEADER_BYTES:]))
    cases = {
        "magic": (b"SWXX" + good[4:], PACKAGE),
        "header": (good[:8] + b"\0" + good[9:], PACKAGE),
        "format": (resealed(good, format=2), PACKAGE),
        "older": (resealed(good, version=1), VERSION),
        "other model": (resealed(good, digest=1), MODEL),
        "too large": (resealed(good, bytes=10**6), ROOM),
        "corrupt": (bytes(payload), CRC),
        "signatures": (resealed(bytes(wild), crc=wild_crc), CRC),
    }
    for name, (package, status) in cases.items():
        machine = fleet.device()
        assert deliver(machine, package) == status, name
        assert infer(machine) == fleet.logits[0], name
    machine = fleet.device()
    assert send(machine, "H", good[:HEADER_BYTES]) == (OK, 0)
    assert send(machine, "B", block(good, 0)) == (OK, 1)
    answer = send(machine, "C")
    assert answer is not None and answer[0] == ORDER  # truncated
    assert infer(machine) == fleet.logits[0]
    assert deliver(machine, good) == OK  # goes on behind the block that is here
    assert infer(machine) == fleet.logits[1]


def test_power_fails_all_the_time(fleet: Fleet) -> None:
    """In every part of the protocol, in recovery too: after each failure the model is the old one or the new one."""
    rng = np.random.default_rng(8)
    machine, package = fleet.device(), fleet.package.data
    seen, cuts = set(), 0
    while True:
        answer = send(machine, "H", package[:HEADER_BYTES], 3_000_000)
        if answer and answer[0] in (MODEL, VERSION):
            break
        number = answer[1] if answer else 0
        letter, payload = ("B", block(package, number)) if number < blocks(package) else ("C", b"")
        if rng.random() < 0.5 or letter == "C":
            if send(machine, letter, payload, int(rng.integers(1, 150_000 if letter == "B" else 400_000))) is None:
                machine.power_cycle()
                cuts += 1
                if rng.random() < 0.2:
                    logits = infer(machine)
                    assert logits in fleet.logits
                    seen.add(fleet.logits.index(logits))
        else:
            send(machine, letter, payload)
    assert infer(machine) == fleet.logits[1]
    assert cuts > 10


def test_every_write_of_the_installation(fleet: Fleet) -> None:
    """Power after each fortieth FRAM write from the commit on: then an inference, old or new; the same going back."""
    machine, package = fleet.device(), fleet.package.data
    assert send(machine, "H", package[:HEADER_BYTES]) == (OK, 0)
    for number in range(blocks(package)):
        send(machine, "B", block(package, number))
    for letter, order in (("C", (0, 1)), ("R", (1, 0))):
        frame = letter.encode() + b"\0"
        machine.uart_input(frame + struct.pack("<I", zlib.crc32(frame)))
        whole = machine.fork()
        while len(whole.uart_output("UCA0")) == len(machine.uart_output("UCA0")):
            whole.run(max_cycles=10_000)
        total = whole.nvm_writes - machine.nvm_writes
        assert total > 500
        found = []
        for point in range(1, total, 40):
            victim = machine.fork()
            assert victim.run(max_nvm_writes=point) is Stop.NVM_WRITES
            victim.power_cycle()
            logits = infer(victim)
            assert logits in fleet.logits, f"{letter} at write {point}"
            found.append(fleet.logits.index(logits))
        assert set(found) == {0, 1}
        assert found == sorted(found, reverse=order[0] == 1)  # the commit is one write
        machine = whole
        machine.run(max_cycles=100_000)


def test_an_installation_waits_for_its_memory(fleet: Fleet) -> None:
    """Nothing computes with half a model; with the memory back the installation goes on."""
    machine, package = fleet.device(), fleet.package.data
    if not (fleet.elves[0].parent / EXTERNAL).is_file():
        pytest.skip("a model on the chip alone")
    assert send(machine, "H", package[:HEADER_BYTES]) == (OK, 0)
    for number in range(blocks(package)):
        send(machine, "B", block(package, number))
    frame = b"C\0"
    machine.uart_input(frame + struct.pack("<I", zlib.crc32(frame)))
    machine.run("sw_update_commit", 10_000_000)
    machine.run(max_nvm_writes=1500)
    machine.power_cycle()
    size = rig.SPIFRAM.external.size if rig.SPIFRAM.external else 0
    memory = machine.spi_fram_read(0, size)
    machine.spi_fram_write(0, bytes(size))
    for letter in ("I", "R", "C"):
        assert answer_to(machine, letter) == EXTERNAL_GONE
    machine.spi_fram_write(0, memory)
    assert infer(machine) == fleet.logits[1]


@pytest.mark.parametrize("fleet", ["resident"], indirect=True)
def test_packages_are_for_one_program(fleet: Fleet, tmp_path: Path) -> None:
    old, new = fleet.elves
    with pytest.raises(ToolchainError, match="higher --model-version"):
        make_package(new, old)
    plain = emit_project(lea_network(), lea_target(), "lea")
    write_project(plain, tmp_path / "plain")
    with pytest.raises(ToolchainError, match="takes no updates"):
        make_package(build(tmp_path / "plain").program, new)
    others = emit_project(lea_network(), lea_target(), "cpu", update=20_000, model_version=3)
    write_project(others, tmp_path / "others")
    made = build(tmp_path / "others", application=APPLICATION, out=tmp_path / "elf")
    with pytest.raises(ToolchainError, match="another program"):
        make_package(old, made.program)
    done = CliRunner().invoke(main, ["package", str(old), str(new), "--out", str(tmp_path / "new.swup")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "new.swup").read_bytes() == fleet.package.data
    shutil.rmtree(tmp_path)


def test_staging_goes_out_where_the_chip_is_full() -> None:
    """150,000 B do not fit beside LeNet-5; as much as the external memory has does not fit that."""
    project = emit_project(rig.lenet(), rig.SPIFRAM, update=150_000)
    manifest = json.loads(project.files["project.json"])
    assert manifest["staging_outside"] and project.image is not None and not project.image.blobs
    assert project.image.end - project.image.staging == 150_000 + HEADER_BYTES
    assert rig.SPIFRAM.external is not None
    with pytest.raises(DoesNotFit, match=r"packages [\d,]+ B of external memory, .* \(64 B too many\).*--update"):
        emit_project(rig.lenet(), rig.SPIFRAM, update=rig.SPIFRAM.external.size)


def test_no_room_is_refused_with_the_numbers() -> None:
    with pytest.raises(DoesNotFit, match=r"room for packages: 150,000 B\).* of high FRAM.*B too few"):
        emit_project(rig.lenet(), rig.TARGET, external="none", update=150_000)
