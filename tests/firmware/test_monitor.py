"""`swtrain monitor` against the simulated board behind a pseudo-terminal: the protocol, garbage, unplugging."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from strategies import inputs_for, lenet, tiny

from codegen import reference
from codegen.build import MONITOR, build, build_monitor, find_build
from codegen.emit import ProjectFolder, emit_project, read_project, write_project
from codegen.errors import ToolchainError
from codegen.target import load_target
from swtrain.cli import main
from swtrain.deploy import Device, DeviceError, MismatchError

pytest.importorskip("pty", reason="a pseudo-terminal is a POSIX thing")
serial_port = pytest.importorskip("swtrain.serial_port", reason="pyserial is not installed")
from swtrain.monitor import BoardLink, frame, run_board  # noqa: E402

if "board_bridge" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("board_bridge", Path(__file__).parent / "board_bridge.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["board_bridge"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["board_bridge"])
from board_bridge import BoardBridge  # noqa: E402

PortError, SerialPort = serial_port.PortError, serial_port.SerialPort


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swtrain.monitor.QUIET_S", 0.5)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    folder = tmp_path_factory.mktemp("monitor") / "p"
    write_project(emit_project(tiny(), load_target("msp430fr5994")), folder)
    build_monitor(folder)
    return read_project(folder)


@pytest.fixture
def bridge(project: ProjectFolder) -> Iterator[BoardBridge]:
    with BoardBridge(find_build(project.folder, "zig", MONITOR).program, "msp430fr5994") as bridge:
        yield bridge


def test_a_board_answers_bit_for_bit(project: ProjectFolder, bridge: BoardBridge) -> None:
    """Every level; cycles are those that the simulator counts, but for the tick and what surrounds sw_infer."""
    x = inputs_for(project.graph, 3, 3)
    device = Device(project, build(project.folder).program, "fused")
    with SerialPort(bridge.port) as wire:
        link = BoardLink(wire, project)
        runs = run_board(link, project, x)
        assert link.switch(0) < 1000
        with pytest.raises(DeviceError, match=r"refuses a switch of level with status -1: there is no such level"):
            link.switch(2)
    for k, answers in enumerate(runs):
        want = reference.logits(project.graph, x, k)
        for i, answer in enumerate(answers):
            np.testing.assert_array_equal(answer.logits, want[i])
            assert answer.class_ == int(want[i].argmax())
            expected = device.infer(i, x[i], k).cycles
            assert answer.cycles % 8 == 0
            assert expected - 250 < answer.cycles <= expected


@pytest.mark.parametrize("board", ["msp430fr5969", "msp430fr6989"])
def test_other_boards_answer_on_their_own_port(board: str, tmp_path: Path) -> None:
    write_project(emit_project(tiny(), load_target(board)), tmp_path / "p")
    read = read_project(tmp_path / "p")
    elf = build_monitor(tmp_path / "p").program
    bus = "UCA1" if board == "msp430fr6989" else "UCA0"
    with BoardBridge(elf, board, bus) as bridge, SerialPort(bridge.port) as wire:
        run_board(BoardLink(wire, read), read, inputs_for(read.graph, 1, 3))


@pytest.mark.slow
def test_long_inferences_count_the_rounds_of_the_timer(tmp_path: Path) -> None:
    """LeNet-5 on the CPU: several rounds of 524,288 cycles."""
    write_project(emit_project(lenet(), load_target("msp430fr5994"), "cpu"), tmp_path / "p")
    read = read_project(tmp_path / "p")
    elf, x = build_monitor(tmp_path / "p").program, inputs_for(read.graph, 1, 3)
    with BoardBridge(elf, "msp430fr5994") as bridge, SerialPort(bridge.port) as wire:
        answers = [level[0] for level in run_board(BoardLink(wire, read), read, x)]
    device = Device(read, build(tmp_path / "p").program, "fused")
    for k, answer in enumerate(answers):
        assert answer.cycles > 1_048_576
        assert answer.cycles == pytest.approx(device.infer(0, x[0], k).cycles, rel=5e-4)


def test_a_damaged_answer_is_asked_for_again(project: ProjectFolder, bridge: BoardBridge) -> None:
    broken = iter([True])

    def damage(data: bytes) -> bytes:
        return bytes(b ^ 0x10 for b in data) if next(broken, False) else data

    bridge.damage = damage
    with SerialPort(bridge.port) as wire:
        link = BoardLink(wire, project)
        broken = iter([False, True])
        x = inputs_for(project.graph, 1, 3)
        link.switch(1)
        np.testing.assert_array_equal(link.infer(x[0]).logits, reference.logits(project.graph, x, 1)[0])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: b"\xff" * len(data), "answers garbage"),
        (lambda data: b"hello, I am a modem\r\n", "answers garbage"),
        (lambda data: data[: len(data) // 2], "is cut off|answers garbage"),
        (lambda data: b"", "does not answer"),
    ],
)
def test_garbage_is_an_error(damage: object, said: str, project: ProjectFolder, bridge: BoardBridge) -> None:
    bridge.damage = damage
    with SerialPort(bridge.port) as wire, pytest.raises(DeviceError, match=rf"({said}).*asked 3 times.*swtrain flash"):
        BoardLink(wire, project)


def test_a_board_that_is_unplugged(project: ProjectFolder, bridge: BoardBridge) -> None:
    x = np.repeat(inputs_for(project.graph, 1, 3), 4000, axis=0)
    threading.Timer(1.5, bridge.unplug).start()
    started = time.monotonic()
    with SerialPort(bridge.port) as wire, pytest.raises(PortError, match=r"is gone .*unplugged"):
        run_board(BoardLink(wire, project), project, x)
    assert time.monotonic() - started < 30


def test_another_model_on_the_board_is_refused(bridge: BoardBridge, tmp_path: Path) -> None:
    write_project(emit_project(lenet(), load_target("msp430fr5994")), tmp_path / "other")
    with (
        SerialPort(bridge.port) as wire,
        pytest.raises(DeviceError, match=r"runs another model .*swtrain flash .*other --monitor"),
    ):
        BoardLink(wire, read_project(tmp_path / "other"))


class Liar:
    """A wire whose other end answers well-formed nonsense."""

    name = "liar"

    def __init__(self, project: ProjectFolder) -> None:
        self.graph, self.answer = project.graph, b""
        self.id = int(project.manifest["digest"][:8], 16)

    def write(self, data: bytes) -> None:
        words = 2 * self.graph.output.size
        facts = (1, len(self.graph.levels), self.graph.tensors["x"].size, self.graph.output.size, 8)
        self.answer = {
            b"Q": frame("q", np.array(facts, "<u2").tobytes() + self.id.to_bytes(4, "little")),
            b"L": frame("l", b"\0\0" + data[3:5] + b"\0" * 4),
            b"I": frame("i", b"\0" * 10 + b"\x7f" * words),
        }[data[:1]]

    def read(self, count: int, patience_s: float) -> bytes:
        taken, self.answer = self.answer[:count], self.answer[count:]
        return taken

    def drain(self) -> None:
        self.answer = b""


def test_wrong_logits_are_a_mismatch(project: ProjectFolder) -> None:
    link = BoardLink(Liar(project), project)
    with pytest.raises(MismatchError, match=r"input 0, level .*: the board answers 32639 at logit"):
        run_board(link, project, inputs_for(project.graph, 1, 3))


def test_no_such_port() -> None:
    with pytest.raises(PortError, match=r"/dev/nothing can't be opened .*dialout"):
        SerialPort("/dev/nothing")


def test_monitor_needs_its_build(tmp_path: Path) -> None:
    write_project(emit_project(tiny(), load_target("msp430fr5994")), tmp_path / "p")
    with pytest.raises(ToolchainError, match=r"has no finished monitor build; run `swtrain build .* --monitor`"):
        find_build(tmp_path / "p", "zig", MONITOR)


@pytest.mark.slow
def test_the_command_reports_as_sim_does(tmp_path: Path) -> None:
    """LeNet-5's shape on the embedded digits: the report of `swtrain sim`, with the board's cycles."""
    folder = tmp_path / "p"
    write_project(emit_project(lenet(), load_target("msp430fr5994")), folder)
    build(folder)
    elf = build_monitor(folder).program
    with BoardBridge(elf, "msp430fr5994") as bridge:
        arguments = ["monitor", bridge.port, str(folder), "--inputs", "2", "--dataset", "mnist-subset"]
        done = CliRunner().invoke(main, [*arguments, "--json", str(tmp_path / "r.json"), "--max-latency-s", "1e-6"])
    assert done.exit_code == 1
    assert "the limit max_latency_s is 1e-06" in done.output.replace("\n", " ")
    report = json.loads((tmp_path / "r.json").read_text())
    sim = CliRunner().invoke(
        main, ["sim", str(folder), "--inputs", "2", "--dataset", "mnist-subset", "--json", str(tmp_path / "s.json")]
    )
    assert sim.exit_code == 0, sim.output
    simulated = json.loads((tmp_path / "s.json").read_text())
    assert report.keys() == simulated.keys()
    for mine, other in zip(report["levels"], simulated["levels"], strict=True):
        assert mine["cycles"] == pytest.approx(other["cycles"], rel=1e-3)
        assert mine["accuracy_device"] == other["accuracy_device"]
    assert "measured on the board at" in report["assumptions"][0]


def test_errors_of_the_command_are_one_line(project: ProjectFolder) -> None:
    build(project.folder)
    arguments = ["--inputs", "1", "--dataset", "mnist-subset"]
    done = CliRunner().invoke(main, ["monitor", "/dev/nothing", str(project.folder), *arguments])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
