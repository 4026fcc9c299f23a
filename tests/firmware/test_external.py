"""The driver of the external FRAM on the simulator: bytes, 20-bit addresses, pace, sleep, power failures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import ROOT, SPIFRAM

from codegen.boards import board_file
from codegen.build import compile_and_link, toolchain
from sim import Machine, Stop

MAIN = """
#include "sw_external.h"
SW_NVM volatile uint16_t request = 0, bytes = 0;
SW_NVM volatile uint32_t external = 0, internal = 0;
const uint16_t sw_external_ucbrw = {ucbrw};
int main(void) {{
    for (;;) {{
        sw_board_wait(&request);
        if (request == 1)
            sw_external_read(internal, external, bytes);
        else
            sw_external_write(external, internal, bytes);
        request = 0;
    }}
}}
"""
READ, WRITE = 1, 2
SIZE = 2**20
HIGH, SRAM = 0x20001, 0x2800


class Driver:
    """A program that does one transfer for each request."""

    def __init__(self, folder: Path, tool: str = "zig", ucbrw: int = 2) -> None:
        main = folder / "main.c"
        main.write_text(MAIN.format(ucbrw=ucbrw))
        names = ("start.S", "board.c", "external.c", "external_dma.S")
        sources = [
            main,
            *(board_file(SPIFRAM.name, n) for n in names),
            ROOT / "src/sw_mem.S",
            ROOT / "kernels/sw_load_u8.S",
        ]
        compile_and_link(
            toolchain(tool, SPIFRAM), sources, [ROOT / "include"], folder / "external.elf", folder / "external.map"
        )
        self.machine = Machine("msp430fr5994", seed=5)
        self.machine.load(folder / "external.elf")
        self.machine.attach_spi_fram("UCA3", "P6.3", 8)
        assert self.machine.run(until="sw_idle", max_cycles=100_000) is Stop.UNTIL

    def request(self, what: int, external: int, internal: int, data: int, machine: Machine | None = None) -> Machine:
        m = machine or self.machine.fork()
        m.write("external", external.to_bytes(4, "little"))
        m.write("internal", internal.to_bytes(4, "little"))
        m.write("bytes", data.to_bytes(2, "little"))
        m.write("request", what.to_bytes(2, "little"))
        return m

    def do(self, what: int, external: int, internal: int, data: int, machine: Machine | None = None) -> Machine:
        m = self.request(what, external, internal, data, machine)
        assert m.run(until="sw_idle", max_cycles=10_000_000) is Stop.UNTIL
        assert m.read("request", 2) == b"\0\0"
        return m


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return Driver(tmp_path_factory.mktemp("external"))


def noise(count: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(count)


spans = st.tuples(
    st.integers(0, SIZE - 600), st.sampled_from([HIGH, 0x3F001, SRAM, 0x9001]), st.integers(0, 7), st.integers(1, 500)
)


@given(span=spans)
@settings(max_examples=40, deadline=None)
def test_reads_and_writes(driver: Driver, span: tuple[int, int, int, int]) -> None:
    external, base, offset, count = span
    internal, data = base + offset, noise(count + 2, external)
    m = driver.machine.fork()
    m.spi_fram_write(external, data)
    m.write(internal - 1, bytes(count + 2))
    driver.do(READ, external + 1, internal, count, m)
    assert m.read(internal - 1, count + 2) == b"\0" + data[1:-1] + b"\0"
    other = (external + SIZE // 2) % (SIZE - 600)
    before = m.spi_fram_read(other, count + 2)
    driver.do(WRITE, other + 1, internal, count, m)
    assert m.spi_fram_read(other, count + 2) == before[:1] + data[1:-1] + before[-1:]


@pytest.mark.parametrize("ucbrw", [2, 3, 4])
def test_pace(ucbrw: int, tmp_path: Path) -> None:
    """A byte takes 8 UCBRW cycles, as measured on a board for UCBRW = 4; a call some hundred more."""
    driver = Driver(tmp_path, ucbrw=ucbrw)
    driver.do(READ, 0, HIGH, 1, driver.machine)  # sets the bus up
    for what in (READ, WRITE):
        cycles = [driver.do(what, 64, HIGH, n).cycles - driver.machine.cycles for n in (500, 1500)]
        assert (cycles[1] - cycles[0]) / 1000 == pytest.approx(8 * ucbrw, abs=0.02)
        assert cycles[0] - 500 * 8 * ucbrw < (350 if what == READ else 550)


def test_the_cpu_sleeps(driver: Driver) -> None:
    before = driver.machine.counters()
    spent = driver.do(READ, 0, HIGH, 2000).counters() - before
    assert spent.spi_fram_bytes == 2004
    assert spent.dma_words == 2000 + 1999
    assert spent.idle_cycles > 0.2 * spent.cycles


@pytest.mark.parametrize("what", [READ, WRITE])
def test_a_cut_anywhere_is_survived(driver: Driver, what: int) -> None:
    """The request stands until it is done, so the firmware repeats it after the reboot."""
    data = noise(40)
    whole = driver.do(what, 0x81234, HIGH, 40).cycles - driver.machine.cycles
    for cut in range(1, whole, 13):
        m = driver.machine.fork()
        m.write(HIGH, data if what == WRITE else bytes(40))
        m.spi_fram_write(0x81234, data if what == READ else bytes(40))
        driver.request(what, 0x81234, HIGH, 40, m)
        m.run(max_cycles=cut)
        m.reset(power_on=cut % 2 == 0)
        assert m.run(until="sw_idle", max_cycles=1_000_000) is Stop.UNTIL
        if m.read("request", 2) != b"\0\0":  # the idle loop comes first after a reboot
            m.run(max_instructions=3)
            assert m.run(until="sw_idle", max_cycles=1_000_000) is Stop.UNTIL
        assert m.read("request", 2) == b"\0\0", cut
        assert m.read(HIGH, 40) == data, cut
        assert m.spi_fram_read(0x81234, 40) == data, cut
