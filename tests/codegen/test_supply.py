"""An energy buffer bounds the steps; what does not fit is refused with the numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from strategies import lenet_columns

from codegen.emit import emit_project
from codegen.errors import DoesNotFit, TargetError
from codegen.supply import BOOT_CYCLES, EnergyBuffer, fit_steps, parse_buffer
from codegen.target import load_target

TARGET = load_target("msp430fr5994")


def test_energy_between_the_thresholds() -> None:
    assert EnergyBuffer(100e-6).stored_j == pytest.approx(0.5 * 100e-6 * (9 - 3.61))
    assert EnergyBuffer(100e-6, leakage=0).reset_j == pytest.approx(306e-9)


def test_cycles_grow_with_the_capacitor_and_are_paid_for() -> None:
    """Step, boot and reset together never exceed what is stored, at the target's prices with the margin."""
    found = [EnergyBuffer(c * 1e-6).step_cycles(TARGET) for c in (3, 10, 100, 1000)]
    assert found == sorted(found)
    assert len(set(found)) == 4
    buffer = EnergyBuffer(10e-6)
    price = 1.5 * (TARGET.joules["cycle"] + TARGET.joules["lea"]) + 1e-6 * 3 / 16e6
    spent = buffer.reset_j + price * (BOOT_CYCLES + buffer.step_cycles(TARGET))
    assert spent <= buffer.stored_j < spent + 2 * price


def test_steps_follow_the_buffer() -> None:
    small = EnergyBuffer(10e-6)
    assert fit_steps(TARGET, small).step_cycles < TARGET.step_cycles
    assert fit_steps(TARGET, EnergyBuffer(1e-3)).step_cycles == TARGET.step_cycles
    steps = [
        sum(layer.step_count for layer in emit_project(lenet_columns(), t).schedule.layers)
        for t in (TARGET, fit_steps(TARGET, small))
    ]
    assert steps[1] > steps[0]


def test_a_buffer_below_a_power_up_is_refused_with_the_numbers() -> None:
    with pytest.raises(
        DoesNotFit, match=r"1 uF: 2.69 uJ between 3 V and 1.9 V, a power-up alone takes 5.* use more than"
    ):
        EnergyBuffer(1e-6).step_cycles(TARGET)
    need = 1e-6 * 5.2 / 2.695
    assert EnergyBuffer(need * 1.1).step_cycles(TARGET) > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v_on=3", "capacitor is missing"),
        ("capacitor=1e-4,v_off=3.1", "need 0 < v_off < v_on"),
        ("capacitor=big", "NAME=NUMBER"),
        ("capacitor=1e-4,volts=3", "v_on, v_off"),
        ("capacitor=-1", "must not be negative"),
    ],
)
def test_bad_buffers(text: str, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        parse_buffer(text)


def test_text() -> None:
    assert parse_buffer("capacitor=1e-4, v_off=2.0,leakage=0") == EnergyBuffer(1e-4, v_off=2.0, leakage=0)
    assert replace(EnergyBuffer(1e-4), v_off=2.0, leakage=0) == parse_buffer("capacitor=1e-4,v_off=2.0,leakage=0")
