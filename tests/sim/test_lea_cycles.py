"""LEA cycles from trigger to interrupt: formulas, readings, energy. Published figures: ``benchmarks/lea.py``."""

from __future__ import annotations

import struct

import pytest

import sim

X, Y, Z, BLOCK = 0x2C40, 0x2F00, 0x3700, 0x2C10
ISR = 0x5000
WRITES = {"ADDMATRIX": 0x040, "MPYMATRIX": 0x03C, "MAC": 0x054, "FIR": 0x018, "DEINTERLEAVEEVENEVEN": 0x058,
          "MPYMATRIXROW": 0x034, "FIRLONG": 0x0C8, "ADDLONGMATRIX": 0x07C}  # fmt: skip


def block_of(name: str, n: int, m: int) -> list[int]:
    if name == "MPYMATRIXROW":
        return [m, n, Y >> 2, Z >> 2]
    if name.startswith("FIR"):
        return [n, Y >> 2, Z >> 2, m, 0xFFFF, 0]
    if name.startswith("DEINTERLEAVE"):
        return [n, m, Z >> 2, 0]
    return [n, Y >> 2, Z >> 2, 1, 1, 1][: 4 if name == "MAC" else 6]


def asleep(bare, name: str, n: int, m: int = 0, **lea: object) -> tuple[int, sim.Counters]:
    """Run one command while the CPU sleeps in LPM0; cycles from the trigger to the request, and all counters."""
    control = [(0x0A84, 0x500), (0x0A8C, 0xF00), (0x0AC0, 1), (0x0AF4, 0x10), (0x0ACC, X >> 2), (0x0AC8, BLOCK >> 2)]
    words = [w for to, v in control for w in (0x40B2, v, to)] + [0x40B2, WRITES[name] | 2, 0x0AD0, 0xD032, 0x18, 0x4303]
    b = bare(words, lea=lea)
    b.put(0xFF90 + 2 * 18, ISR)
    b.put(ISR, 0x4303)
    b.m.write(0x2C40, bytes(0x3AC8 - 0x2C40))
    b.m.write(BLOCK, struct.pack("<6H", *(block_of(name, n, m) + [0] * 6)[:6]))
    before = b.m.counters()
    b.go(until=b.end - 6)  # the trigger is done, the sleep comes
    start = b.m.cycles
    b.go(until=ISR)
    return b.m.cycles - start - 6, b.m.counters() - before  # 6: acceptance of the interrupt


@pytest.mark.parametrize(
    ("name", "n", "m", "formula"),
    [("ADDMATRIX", 60, 0, 16 + 1.5 * 60), ("MPYMATRIX", 60, 0, 18 + 1.5 * 60), ("MAC", 60, 0, 16 + 1.5 * 60),
     ("FIR", 30, 6, 34 + 30 * 12), ("MPYMATRIXROW", 10, 24, 33 + 10 * (7 + 1.25 * 24)),
     ("MPYMATRIXROW", 84, 2, 33 + 84 * 9.5), ("DEINTERLEAVEEVENEVEN", 20, 4, 15 + 30)],
)  # fmt: skip
def test_default_formulas(bare, name, n, m, formula):
    assert asleep(bare, name, n, m)[0] == formula


@pytest.mark.parametrize("name", list(WRITES))
def test_low_best_high_in_order(bare, name):
    low, best, high = (asleep(bare, name, 20, 4, cycles=r)[0] for r in ("low", "best", "high"))
    assert low <= best <= high
    assert low < high


def test_readings_by_class(bare):
    options = {"cycles": {"fir": "high"}}
    assert asleep(bare, "FIR", 20, 4, **options)[0] == 37 + 20 * 10
    assert asleep(bare, "MAC", 20, 0, **options)[0] == 46


def test_every_command_has_three_readings():
    best, low, high = (sim.LeaModel.load({"cycles": r}) for r in ("best", "low", "high"))
    for name in best.costs:
        for n, m in [(2, 2), (16, 4), (200, 12), (2, 200)]:
            assert low.cycles(name, n, m) <= best.cycles(name, n, m) <= high.cycles(name, n, m), name


def test_energy_of_the_datasheet(bare):
    """LEA energy of the two datasheet kernels comes out of the coefficients."""
    model = sim.EnergyModel.load("fused")

    def joules(name: str, n: int, m: int = 0) -> float:  # without the sleeping CPU's
        lea = asleep(bare, name, n, m)[1].lea_events()
        return model.energy_j(sim.Counters(**lea))

    fir, add = joules("FIRLONG", 24, 128), joules("ADDLONGMATRIX", 32)
    assert fir == pytest.approx(2.6e-6, rel=0.02)
    assert add == pytest.approx(6.6e-9, rel=0.02)
