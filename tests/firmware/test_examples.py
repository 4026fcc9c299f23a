"""The examples run on the simulated board, results come in order across power failures, and the runtime stays small."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rig
from elftools.elf.elffile import ELFFile
from rig import ROOT, reference
from strategies import tiny

from codegen.build import build
from codegen.emit import emit_project, write_project
from codegen.ir import Graph
from sim import Machine, Stop

UART = ROOT / "tests" / "uart" / "uart.c"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Graph]:
    folder = tmp_path_factory.mktemp("examples") / "tiny"
    made = emit_project(tiny(), rig.TARGET)
    write_project(made, folder)
    return folder, made.graph


def machine(folder: Path, *sources: Path) -> Machine:
    m = Machine("msp430fr5994", seed=1)
    m.load(build(folder, out=folder / "application", application=sources).program)
    return m


def word(m: Machine, name: str) -> int:
    return int.from_bytes(m.read(name, 2), "little")


def pattern(graph: Graph, number: int) -> np.ndarray:
    """What examples/minimal.c measures."""
    size = graph.tensors[graph.input].size
    x = np.array([(i * 7 + number * 13) & 63 for i in range(size)], np.int16)
    return x.reshape(graph.tensors[graph.input].shape)


def test_minimal_delivers_every_result_once_and_in_order(project: tuple[Path, Graph]) -> None:
    """Power fails after every few thousand cycles; each result belongs to the measurement of its number."""
    folder, graph = project
    m = machine(folder, ROOT / "examples" / "minimal.c")
    rng = np.random.default_rng(2)
    inputs = np.stack([pattern(graph, n) for n in range(200)])
    classes = reference.logits(graph, inputs, 0).reshape(len(inputs), -1).argmax(axis=1)
    m.watch("answer")
    for _ in range(60):
        m.run(max_cycles=int(rng.integers(9_000, 40_000)))
        m.power_cycle()
    answers = [e.value for e in m.watch_log()]
    released = word(m, "sw_released")
    assert released > 20
    at = 0
    for value in answers:  # an answer may come twice, before its release
        while at < len(classes) and classes[at] != value:
            at += 1
        assert at < len(classes)
    assert len(answers) >= released
    assert word(m, "answer") in (classes[released - 1], classes[released])


def test_sensor_lights_the_led_and_sends_numbered_lines(project: tuple[Path, Graph]) -> None:
    folder, graph = project
    m = machine(folder, ROOT / "examples" / "sensor.c", UART)
    m.set_analog("A3", 1.5)
    for number in (1, 2):
        while word(m, "sw_released") < number:
            assert m.run(max_cycles=1000) is Stop.CYCLES
    lines = m.uart_output("UCA0").decode().split("\r\n")
    found = [re.match(r"#RES result ([0-9A-F]{4}) ([0-9A-F]{4}) \*[0-9A-F]{4}$", line) for line in lines[:2]]
    assert [f and int(f[1], 16) for f in found] == [1, 2]
    tensor = graph.tensors[graph.input]
    x = np.full(tensor.shape, round(4096 * 1.5 / m.supply_v) * (tensor.hi + 1) >> 12, np.int16)
    np.testing.assert_allclose(np.frombuffer(m.read("sw_input"), "<i2").reshape(x.shape), x, atol=1)
    measured = np.frombuffer(m.read("sw_input"), "<i2").reshape(x.shape)
    want = int(reference.logits(graph, measured[None], 0)[0].argmax())
    assert word(m, "sw_class") == want
    assert m.pin("P1.0") == (want == 0)


RUNTIME = ("sw_serve", "sw_run", "sw_handover", "sw_switch_image", "sw_external", "sw_update", "sw_crc")
RUNTIME += ("sw_patch_weights_external", "sw_staging_external")  # the larger ones of two
LIMIT_CODE, LIMIT_SRAM = 4096, 200


def test_the_runtime_is_small(tmp_path: Path) -> None:
    """Code and variables of the runtime's own files, server included, layers and kernels not."""
    shop = rig.Workshop(tmp_path, "zig")
    code = sram = 0
    for name in RUNTIME:
        output = tmp_path / f"{name}.o"
        shop.compile(ROOT / "src" / f"{name}.c", output, [ROOT / "include"])
        with output.open("rb") as f:
            for section in ELFFile(f).iter_sections():
                if section.name.startswith((".text", ".rodata")):
                    code += section["sh_size"]
                elif section.name.startswith((".bss", ".data", ".noinit")):
                    sram += section["sh_size"]
    assert 0 < code <= LIMIT_CODE
    assert 0 < sram <= LIMIT_SRAM
