"""`swtrain sim` with power failures: ids, replay, gdb, and what it says."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from strategies import tiny

from codegen.build import build
from codegen.emit import emit_project, write_project
from codegen.target import load_target
from sim import powerloss
from swtrain.cli import main
from swtrain.interrupt import InterruptError, Job, parse


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted") / "tiny"
    write_project(emit_project(tiny(), load_target("msp430fr5994")), folder)
    build(folder)
    return folder


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    return result.exit_code, " ".join(result.output.split())


def test_ids() -> None:
    job, case = parse("switch:0:2/linear:write@12,3")
    assert job == Job((0, 2))
    assert case == powerloss.Case("linear", "write", (12, 3))
    assert f"{job.name}/{case.id}" == "switch:0:2/linear:write@12,3"
    for text in ("linear:write@3", "infer/none", "infer:1/linear", "switch:1/none", "infer:1/linear:word@3"):
        with pytest.raises(InterruptError):
            parse(text)


def test_many_failures_and_one_again(project: Path) -> None:
    code, text = invoke("sim", project, "--power-failures", 30)
    assert code == 0
    assert text.endswith(" 30 runs with one to three power failures each, every result as without")
    for text in ("infer:1/linear:write@5", "switch:0:1/at:instruction@3", "infer:0/none"):
        assert invoke("sim", project, "--replay", text) == (0, f"{text}: the result is as without power failures")


def test_what_can_be_wrong(project: Path) -> None:
    for arguments, message in (
        (("--replay", "infer:9/none"), "levels are 0 to"),
        (("--replay", "infer:1"), "ids look like"),
        (("--gdb", 0), "--gdb goes with --replay"),
        (("--replay", "infer:1/none", "--power-failures", 3), "exclude each other"),
    ):
        code, text = invoke("sim", project, *arguments)
        assert code == 1
        assert message in text


def test_gdb_takes_over_where_power_comes_back(project: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found: list[tuple[int, str]] = []
    thread = threading.Thread(
        daemon=True,
        target=lambda: found.append(invoke("sim", project, "--replay", "infer:1/linear:write@5", "--gdb", port)),
    )
    thread.start()
    for _ in range(600):
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=1)
            break
        except OSError:
            threading.Event().wait(0.1)
    with client:
        client.sendall(b"$p0#a0")  # PC
        reply = b""
        while reply.count(b"#") < 1:
            reply += client.recv(100)
        assert reply.startswith(b"+$")
        assert int.from_bytes(bytes.fromhex(reply[2:10].decode()), "little") >= 0x4000
        client.sendall(b"+$k#6b")
    thread.join(30)
    assert found[0][0] == 0
    assert "power has just come back" in found[0][1]
