"""The runtime waits for energy asleep, and a reboot takes less than a millisecond of work before it goes on."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import rig
from rig import ROOT
from strategies import lenet_columns

from codegen.build import build
from codegen.emit import emit_project, write_project
from sim import EnergyModel, Harvested, Machine, PoweredMachine, Stop
from sim.sources import ConstantPower

APPLICATION = [ROOT / "examples" / "sensor.c", ROOT / "tests" / "uart" / "uart.c"]
START_V = 2.2
LIMIT_CYCLES = 16_000
"""A millisecond at 16 MHz."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sensor") / "lenet"
    write_project(emit_project(lenet_columns(), rig.TARGET), folder)
    return build(folder, out=folder / "application", application=APPLICATION).program


def machine(program: Path) -> Machine:
    m = Machine("msp430fr5994", seed=1)
    m.load(program)
    m.set_analog("A3", 1.0)
    return m


def powered(program: Path, watts: float, start_v: float) -> PoweredMachine:
    source = Harvested(ConstantPower(watts), 200e-6, v_on=2.0, v_off=1.9, v_start=start_v)
    return PoweredMachine(machine(program), source, EnergyModel.load("fused"))


def test_nothing_is_sampled_before_the_supply_is_there(program: Path) -> None:
    """From 2.0 V, with 0.1 mW: the device sleeps until the supply has 2.2 V, of which a sample takes 0.07 V."""
    node = powered(program, 1e-4, 2.0)
    assert node.run("sw_submit", duration_s=10) is Stop.UNTIL
    assert START_V - 0.1 < node.machine.supply_v < START_V
    assert 0.5 < node.time_s < 3  # 200 uF from 2.0 to 2.2 V take 84 uJ: 0.84 s and what is spent meanwhile
    assert node.machine.counters().lpm3_ns > 0.9e9 * node.time_s


def test_with_enough_it_samples_at_once(program: Path) -> None:
    node = powered(program, 1e-3, 2.5)
    assert node.run("sw_submit", duration_s=0.1) is Stop.UNTIL


def test_a_reboot_goes_on_within_a_millisecond(program: Path) -> None:
    """From the reset vector to the step loop of the inference that was cut off, clocks and peripherals included."""
    m = machine(program)
    assert m.run("sw_lea_wait", 100_000_000) is Stop.UNTIL
    m.run(max_cycles=50_000)
    m.power_cycle()
    cycles, start = m.cycles, m.time_s
    assert m.run("sw_infer", 1_000_000) is Stop.UNTIL
    assert m.cycles - cycles <= LIMIT_CYCLES
    assert m.time_s - start <= 1e-3


def test_on_a_pc(tmp_path: Path) -> None:
    """The same source with a store that sleep fills."""
    cc = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if cc is None or os.name == "nt":
        pytest.skip("no C compiler that makes a shared library")
    files = [ROOT / "src" / "sw_wait_supply.c", ROOT / "boards" / "host" / "supply.c"]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fPIC", "-shared", f"-I{ROOT / 'include'}"]
    subprocess.run([cc, *flags, *map(str, files), "-o", str(tmp_path / "wait.so")], check=True)
    lib = ctypes.CDLL(str(tmp_path / "wait.so"))
    lib.sw_wait_supply.restype = ctypes.c_uint16
    supply, gain, sleeps = (ctypes.c_uint16.in_dll(lib, f"host_{n}") for n in ("supply_mv", "gain_mv", "sleeps"))
    assert lib.sw_wait_supply(2200, 10, None) == 3000
    assert sleeps.value == 0
    supply.value, gain.value = 1950, 60
    assert lib.sw_wait_supply(2200, 10, None) == 2250
    assert sleeps.value == 5
    event = ctypes.c_uint16(1)
    supply.value = 1950
    assert lib.sw_wait_supply(2200, 10, ctypes.byref(event)) == 1950
    assert sleeps.value == 5
