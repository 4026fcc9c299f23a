"""REF_A, ADC12_B and COMP_E: results worked out by hand, times, flags, wake-up, refusals."""

from __future__ import annotations

import pytest

import sim

REF = 0x1B0
CTL0, CTL1, CTL2, CTL3, LO, HI, IFGR0, IFGR2, IER0, IER2, IV = (
    0x800, 0x802, 0x804, 0x806, 0x808, 0x80A, 0x80C, 0x810, 0x812, 0x816, 0x818)  # fmt: skip
MCTL, MEM = 0x820, 0x860
CE0, CE1, CE2, CEINT, CEIV = 0x8C0, 0x8C2, 0x8C4, 0x8CC, 0x8CE
REFON, V12, V20, V25, GENRDY, GENBUSY = 1, 0x00, 0x10, 0x20, 0x1000, 0x400
ON, ENC, SC, MSC, SHP, BATMAP, TCMAP = 0x10, 2, 1, 0x80, 0x200, 0x40, 0x80
VREF, EOS, WINC = 0x100, 0x80, 0x4000
ADC, COMP = 46, 52
MCLK = 1_000_000


def mov(value: int, address: int) -> list[int]:
    return [0x40B2, value & 0xFFFF, address]


def bis(value: int, address: int) -> list[int]:
    return [0xD0B2, value, address]


def read(address: int, register: int = 9) -> list[int]:
    return [0x4210 | register, address]


def wait_for(bits: int, address: int) -> list[int]:
    return [0xB0B2, bits, address, 0x27FC]  # BIT #bits,&address; JZ back


def setup(mctl: int, ctl3: int = 0, res: int = 2, ctl0: int = 0, ctl1: int = 0) -> list[int]:
    return [*mov(ON | ctl0, CTL0), *mov(SHP | ctl1, CTL1), *mov(res << 4, CTL2), *mov(ctl3, CTL3), *mov(mctl, MCTL)]


def convert() -> list[int]:
    return [*bis(ENC | SC, CTL0), *wait_for(1, IFGR0), *read(MEM)]


def expected(volts: float, reference: float, bits: int) -> int:
    return max(0, min(2**bits - 1, int(2**bits * volts / reference + 0.5)))


# --- ADC12_B


@pytest.mark.parametrize("supply", [1.8, 2.345, 3.0, 3.6])
@pytest.mark.parametrize(("select", "volts"), [(V12, 1.2), (V20, 2.0), (V25, 2.5)])
@pytest.mark.parametrize(("res", "bits"), [(0, 8), (1, 10), (2, 12)])
def test_battery_monitor(bare, supply, select, volts, res, bits):
    """AVCC / 2 on channel 31 against each reference; above it the result is full scale."""
    b = bare([*mov(select, REF), *setup(31 | VREF, BATMAP, res), *convert()])
    b.m.supply_v = supply
    b.go()
    assert b.r(9) == expected(supply / 2, volts, bits)


def test_channels_of_the_host(bare):
    """Volts, a divider from the supply, and AVCC as reference (ratiometric)."""
    b = bare([*setup(3), *convert()])
    b.m.set_analog("A3", volts=0.5, supply_ratio=0.25)
    b.m.supply_v = 2.0
    b.go()
    assert b.r(9) == 2048
    below = bare([*setup(3), *convert()])
    below.m.set_analog("A3", volts=-0.2)
    below.go()
    assert below.r(9) == 0


def test_temperature_sensor(bare):
    b = bare([*mov(V12 | REFON, REF), *wait_for(GENRDY, REF), *setup(30 | VREF, TCMAP), *convert()],
             options={"temperature_c": -15})  # fmt: skip
    b.go()
    assert b.r(9) == expected(0.7 - 45 * 2.5e-3, 1.2, 12)


@pytest.mark.parametrize(("sht", "clocks"), [(0, 4), (2, 16), (6, 128), (10, 512)])
@pytest.mark.parametrize(("res", "steps"), [(0, 10), (2, 14)])
def test_conversion_time(bare, sht, clocks, res, steps):
    """1 + ADC12SHT + 10..14 clocks of SMCLK / 2 (1 MHz here), from the write of ADC12SC to the flag."""
    probe = bare([*setup(31, BATMAP, res, sht << 8, 3 << 3 | 1 << 5), *mov(1, IER0), 0xD232, *bis(ENC | SC, CTL0),
                  0x3FFF])  # fmt: skip
    probe.put(0xFF90 + 2 * ADC, 0x5000)
    probe.m.run(until=probe.end - 2)
    begin = probe.m.cycles
    probe.m.run(until=0x5000, max_cycles=5000)
    assert probe.m.cycles - begin - 6 == pytest.approx(2 * (1 + clocks + steps), abs=2)


def test_reference_settles_first(bare):
    """Off: the conversion waits 40 us for it and sets ADC12RDYIFG. REFON and ready: it does not."""
    program = [*setup(31 | VREF, BATMAP), *bis(ENC | SC, CTL0), *read(REF, 10), *wait_for(1, IFGR0), *read(REF, 11),
               *read(IFGR2, 12)]  # fmt: skip
    cold, warm = bare(program), bare([*mov(REFON, REF), *wait_for(GENRDY, REF), *program])
    slow, fast = cold.go().cycles, 0
    warm.m.run(until=warm.at + 2 * 7, max_cycles=100)
    fast = warm.go().cycles
    assert slow - fast == pytest.approx(40, abs=8)
    assert cold.r(10) & (GENBUSY | GENRDY) == GENBUSY
    assert cold.r(11) & (GENBUSY | GENRDY) == 0
    assert warm.r(11) & GENRDY
    assert cold.r(12) == 0x40


def test_reference_ready_time(bare):
    b = bare([*mov(REFON, REF), *wait_for(GENRDY, REF)], options={"ref_settle_us": 75})
    assert b.go().cycles == pytest.approx(5 + 75, abs=7)


def test_sequence_and_repeat(bare):
    """A1, A2, AVCC / 2 in one go (ADC12MSC); the flags of all three; then single steps without ADC12MSC."""
    inputs = [*mov(1, MCTL), *mov(2, MCTL + 2), *mov(31 | EOS, MCTL + 4)]
    b = bare([*setup(1, BATMAP, ctl0=MSC, ctl1=2), *inputs, *bis(ENC | SC, CTL0), *wait_for(4, IFGR0),
              *read(IFGR0, 8), *read(CTL1, 7), *read(MEM, 9), *read(MEM + 2, 10), *read(MEM + 4, 11)])  # fmt: skip
    for name, ratio in (("A1", 0.25), ("A2", 0.75)):
        b.m.set_analog(name, supply_ratio=ratio)
    b.go()
    assert (b.r(8), b.r(9), b.r(10), b.r(11), b.r(7) & 1) == (7, 1024, 3072, 2048, 0)
    steps = bare([*setup(1, BATMAP, ctl1=2), *inputs, *bis(ENC | SC, CTL0), *wait_for(1, IFGR0), *[0x4303] * 99,
                  *read(IFGR0, 8), *bis(SC, CTL0), *wait_for(2, IFGR0), *read(IFGR0, 9)])  # fmt: skip
    for name in ("A1", "A2"):
        steps.m.set_analog(name, supply_ratio=0.5)
    steps.go()
    assert (steps.r(8), steps.r(9)) == (1, 3)
    repeat = bare([*setup(31, BATMAP, ctl0=MSC, ctl1=4), *bis(ENC | SC, CTL0), *wait_for(0x10, IFGR2),
                   0xC0B2, ENC, CTL0, *[0x4303] * 99, *read(CTL1, 8)])  # fmt: skip
    repeat.go()  # not read: ADC12OVIFG; ends at the end of a conversion after ADC12ENC was cleared
    assert repeat.r(8) & 1 == 0


@pytest.mark.parametrize(("supply", "flag", "vector"), [(2.2, 4, 8), (2.6, 2, 0x0A), (3.0, 8, 6)])
def test_window_comparator(bare, supply, flag, vector):
    """Thresholds 2.4 and 2.8 V, as firmware that checkpoints before power loss sets them."""
    low, high = (expected(v / 2, 2.0, 12) for v in (2.4, 2.8))
    window = [*mov(low, LO), *mov(high, HI)]
    ready = [*mov(V20 | REFON, REF), *wait_for(GENRDY, REF), *setup(31 | VREF | WINC, BATMAP), *window]
    b = bare([*ready, *mov(0x0E, IER2), *convert(), *read(IFGR2, 10), *read(IV, 11), *read(IV, 12)])
    b.m.supply_v = supply
    b.go()
    assert (b.r(10) & 0x0E, b.r(11), b.r(12)) == (flag, vector, 0)


def test_vector_register_and_flags(bare):
    """ADC12OVIFG and ADC12TOVIFG clear when ADC12IV gives them, ADC12IFG0 only when its result is read."""
    b = bare([*setup(31, BATMAP), *mov(1, IER0), *mov(0x30, IER2), *bis(ENC | SC, CTL0), *bis(SC, CTL0),
              *wait_for(1, IFGR0), *bis(SC, CTL0), *wait_for(0x10, IFGR2), *read(IV, 5), *read(IV, 6), *read(IV, 7),
              *read(IV, 8), *read(MEM, 9), *read(IV, 10)])  # fmt: skip
    b.go()
    assert [b.r(k) for k in (5, 6, 7, 8, 10)] == [2, 4, 0x0C, 0x0C, 0]


@pytest.mark.parametrize(("mode", "source", "counted"), [(0x10, 0, 0), (0xD0, 0, 3), (0xD0, 3, 1)])
def test_conversion_wakes_from_sleep(bare, mode, source, counted):
    """MODCLK runs in LPM3; SMCLK is requested, which lifts LPM3 to LPM1."""
    b = bare([*setup(31, BATMAP, ctl1=source << 3), *mov(1, IER0), *bis(ENC | SC, CTL0), 0xD032, mode | 8, 0x4303])
    b.put(0xFF90 + 2 * ADC, 0x5000)
    b.put(0x5000, *read(MEM), 0xC0B1, 0xF0, 0, 0x1300)
    cost = b.go()
    assert b.r(9) == 2048
    assert getattr(cost, f"lpm{counted}_cycles") > 0


def test_dma_takes_results(bare):
    """Trigger 26: four results of a repeated conversion into memory, without the CPU."""
    dma = [*mov(26, 0x500), 0x0088, MEM, 0x0860, 0x512, 0x0089, 0x1E00, 0x0960, 0x516, *mov(4, 0x51A),
           *mov(0x0C10, 0x510)]  # fmt: skip
    b = bare([*setup(2, ctl0=MSC | 0xA00, ctl1=4), *dma, *bis(ENC | SC, CTL0), *wait_for(8, 0x510), *read(IFGR2, 10)])
    b.m.set_analog("A2", volts=1.0)
    b.m.supply_v = 2.5
    b.put(0x1E00, *[0] * 5)
    assert b.go().dma_words == 4
    assert [b.word(0x1E00 + 2 * k) for k in range(5)] == [expected(1.0, 2.5, 12)] * 4 + [0]
    assert b.r(10) & 0x10 == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([*setup(7), *bis(ENC | SC, CTL0)], "A7, which nobody drives"),
        ([*setup(31, BATMAP, ctl1=0x400), *bis(ENC, CTL0)], "only ADC12SC as trigger"),
        ([*setup(31, BATMAP, ctl1=2 << 3), *bis(ENC, CTL0)], "clocked by MODCLK"),
        ([*setup(31, BATMAP, res=3), *bis(ENC, CTL0)], "ADC12RES = 3"),
        ([*setup(31, 0x100), *bis(ENC, CTL0)], "ADC12ICH0-3"),
        ([*mov(0x2000, MCTL)], "differential"),
        ([*mov(0x200, MCTL)], "external references"),
        ([*setup(31, BATMAP, ctl0=0xB00), *bis(ENC | SC, CTL0)], "ADC12SHT = 11 is reserved"),
        ([*setup(31, BATMAP), *mov(SC | ENC, CTL0)], "nothing would be converted"),
        ([*mov(2, REF)], "REFOUT"),
        ([*mov(0x80, 0x89E + 2)], "ADC12_B|reserved"),
        ([*mov(0x10, CE1)], "CESHORT"),
        ([*mov(0x400, CE1), *read(CE1)], "terminal is open"),
        ([*mov(0x85, CE0), *mov(0x400, CE1), *mov(0x60, CE2), *read(CE1)], "terminal is open"),
    ],
)
def test_refusals(bare, words, text):
    with pytest.raises(sim.Unmodelled, match=text):
        bare(words).go()


@pytest.mark.parametrize(
    "late", [mov(0x8000, CTL0), mov(SHP, CTL1), mov(0, CTL2), mov(0, CTL3), mov(0, MCTL), mov(REFON, REF)]
)
def test_writes_that_silicon_ignores(bare, late):
    keep = [0xD0B2, ENC, CTL0] if late[2] != REF else [0xD0B2, ENC | SC, CTL0]
    if late[2] == CTL0:
        late = mov(late[1] | ENC | ON, CTL0)
    with pytest.raises(sim.NotReady, match="silicon ignores it"):
        bare([*setup(31 | VREF, BATMAP, ctl1=2), *keep, *late]).go()


def test_host_arguments():
    m = sim.Machine()
    for name in ("A32", "C16", "B1", "A", "a1"):
        with pytest.raises(ValueError, match="no analog channel"):
            m.set_analog(name, 1.0)
    for volts, ratio in ((5.0, 0.0), (0.0, 1.5), (-1.0, 0.0)):
        with pytest.raises(ValueError, match="must lie within"):
            m.set_analog("A1", volts, ratio)
    with pytest.raises(ValueError, match="a supply of 9"):
        m.supply_v = 9.0
    m.supply_v = 2.5
    assert m.fork().supply_v == 2.5


# --- COMP_E


def compare(channel: int, tap: int, level: int, source: int = 2, extra: int = 0, tap1: int | None = None) -> list[int]:
    """V+ from a channel, V- from the ladder: output 1 while the channel is above."""
    high = tap if tap1 is None else tap1
    return [*mov(0x80 | channel, CE0), *mov(level << 13 | high << 8 | source << 6 | 1 << 5 | tap, CE2),
            *mov(0x400 | extra, CE1)]  # fmt: skip


SETTLE = [0x4303] * 60


@pytest.mark.parametrize(("level", "volts"), [(1, 1.2), (2, 2.0), (3, 2.5)])
@pytest.mark.parametrize("tap", [0, 15, 31])
def test_ladder(bare, level, volts, tap):
    edge = volts * (tap + 1) / 32
    for offset in (-1e-3, 1e-3):
        b = bare([*compare(4, tap, level), *SETTLE, *read(CE1)])
        b.m.set_analog("C4", edge + offset)
        b.go()
        assert b.r(9) & 1 == (offset > 0)


@pytest.mark.parametrize(("extra", "inverted"), [(0, 0), (2, 1), (0x20, 0), (0x22, 1)])
def test_polarity_and_exchange(bare, extra, inverted):
    """CEOUTPOL inverts; CEEX exchanges the inputs and inverts, which changes nothing."""
    b = bare([*compare(4, 15, 2, extra=extra), *SETTLE, *read(CE1)])
    b.m.set_analog("C4", 1.5)
    b.go()
    assert b.r(9) & 1 == 1 - inverted


def test_reference_sources(bare):
    """CERS 1: the ladder hangs on the supply; 3: the reference without the ladder. CERSEL 0 feeds V+."""
    for source, volts, on in ((1, 1.4, 0), (1, 1.6, 1), (3, 1.9, 0), (3, 2.1, 1)):
        b = bare([*compare(4, 15, 2, source), *SETTLE, *read(CE1)])
        b.m.set_analog("C4", volts)
        b.go()
        assert b.r(9) & 1 == on
    b = bare([*mov(0x8900, CE0), *mov(2 << 13 | 3 << 6, CE2), *mov(0x400, CE1), *SETTLE, *read(CE1)])
    b.m.set_analog("C9", 1.9)
    b.go()
    assert b.r(9) & 1 == 1


def test_edges_and_vector(bare):
    """A supply divider against 1.2 V: CEIFG when it rises, CEIIFG when it falls, CEIV in order."""
    b = bare([*compare(4, 31, 1), *wait_for(0x10, CEINT), *mov(0x1300, CEINT), 0x4303, 0x3FFF])
    b.m.set_analog("C4", supply_ratio=0.5)
    b.m.supply_v = 2.0
    b.go(b.end - 2)
    b.m.supply_v = 2.5
    b.m.supply_v = 2.3
    assert b.m._core.supply_mark == pytest.approx(2.4)
    b.put(0x5000, *read(CEINT, 7), *read(CEIV, 8), *read(CEIV, 9), *read(CEIV, 10))
    b.m.pc = 0x5000
    b.go(0x5010)
    assert (b.r(7) & 0x13, b.r(8), b.r(9), b.r(10)) == (3, 2, 4, 0)
    falling = bare([*compare(4, 31, 1, extra=8), *SETTLE, *mov(0, CEINT), *SETTLE, *read(CEINT)])
    falling.m.set_analog("C4", 1.3)
    falling.m.run(until=falling.end - 8, max_cycles=500)
    falling.m.set_analog("C4", 1.1)
    falling.go()
    assert falling.r(9) == 1  # CEIES exchanges the edges


def test_hysteresis_by_two_taps(bare):
    """CEREF0 counts while CEOUT is 0, CEREF1 while it is 1: up at 28/32, down at 20/32 of 2.0 V."""
    b = bare([*compare(4, 27, 2, tap1=19), *SETTLE, 0x3FFF])
    b.m.set_analog("C4", supply_ratio=0.5)
    b.m.supply_v = 3.0
    b.m.run(until=b.end - 2)
    seen = []
    for volts in (3.4, 3.6, 3.4, 2.6, 2.4, 2.6):
        b.m.supply_v = volts
        twin = b.m.fork()
        twin.write(0x5000, b"\x19\x42\xc2\x08")
        twin.pc = 0x5000
        twin.run(until=0x5004)
        seen.append(twin.registers[9] & 1)
    assert seen == [0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("mode", [0x10, 0xD0, 0xF0])
def test_crossing_wakes_from_sleep(bare, mode):
    b = bare([*compare(4, 31, 1), *wait_for(0x10, CEINT), *mov(0x200, CEINT), 0xD032, mode | 8, 0x4303])
    b.put(0xFF90 + 2 * COMP, 0x5000)
    b.put(0x5000, *read(CEIV), 0xC0B1, 0xF0, 0, 0x1300)
    b.m.set_analog("C4", supply_ratio=0.5)
    assert b.m.run(until=b.end, max_cycles=10_000) is sim.Stop.HALT
    b.m.supply_v = 2.3
    b.go()
    assert b.r(9) == 4


def test_off_and_reset(bare):
    b = bare([*compare(4, 0, 1), *SETTLE, *mov(0, CE1), *read(CE1, 9), *read(CEINT, 10)])
    b.m.set_analog("C4", 1.0)
    b.go()
    assert (b.r(9), b.r(10) & 3) == (0, 3)  # up when ready, down when switched off
    b.m.reset(power_on=False)
    b.put(0x3000, *read(CE2), *read(CEINT, 10), *read(CTL2, 11), *read(HI, 12))
    b.m.pc = 0x3000
    b.go(0x3010)
    assert [b.r(k) for k in (9, 10, 11, 12)] == [0, 0, 0x20, 0xFFF]
