"""RTC_C: calendar against Python's, counter and prescalers, interrupts, alarms, key; values worked out by hand."""

from __future__ import annotations

import datetime
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim

KEY, CTL13, PS0CTL, PS1CTL, PS, IV, TIM0, TIM1, DATE, YEAR, AMINHR, ADOWDAY, BIN2BCD, BCD2BIN = (
    0x4A0, 0x4A2, 0x4A8, 0x4AA, 0x4AC, 0x4AE, 0x4B0, 0x4B2, 0x4B4, 0x4B6, 0x4B8, 0x4BA, 0x4BC, 0x4BE)  # fmt: skip
BCD, HOLD, MODE, RDY = 0x80, 0x40, 0x20, 0x10
TEVIE, AIE, RDYIE = 0x40, 0x20, 0x10
RTC = 31
CRYSTAL = {"lfxt_hz": 32768}


def mov(value: int, address: int) -> list[int]:
    return [0x40B2, value & 0xFFFF, address]


def read(address: int, register: int = 9) -> list[int]:
    return [0x4210 | register, address]


UNLOCK = [0x40F2, 0xA5, KEY + 1]  # MOV.B


def bcd(v: int) -> int:
    return int(str(v), 16)


def set_clock(t: datetime.datetime, mode: int, as_bcd: bool = False) -> list[int]:
    put = bcd if as_bcd else int
    form = MODE | (BCD if as_bcd else 0)
    return [*UNLOCK, *mov(HOLD | form | mode, CTL13), *mov(put(t.minute) << 8 | put(t.second), TIM0),
            *mov((t.isoweekday() % 7) << 8 | put(t.hour), TIM1), *mov(put(t.month) << 8 | put(t.day), DATE),
            *mov(put(t.year), YEAR), *mov(form | mode, CTL13)]  # fmt: skip


SLEEP = [0xD032, 0xD8, 0x4303]
LOOK = [*read(TIM0, 5), *read(TIM1, 6), *read(DATE, 7), *read(YEAR, 8)]


def clock(b, as_bcd: bool = False) -> tuple[int, ...]:
    get = (lambda v: int(f"{v:x}")) if as_bcd else (lambda v: v)
    r = [b.r(k) for k in (5, 6, 7, 8)]
    return tuple(map(get, (r[3], r[2] >> 8, r[2] & 0xFF, r[1] & 0xFF, r[0] >> 8, r[0] & 0xFF)))


@given(
    st.datetimes(datetime.datetime(1901, 1, 1), datetime.datetime(2098, 12, 31)), st.integers(1, 200_000), st.booleans()
)
@settings(max_examples=40, deadline=None)
def test_calendar_is_pythons(bare, start, seconds, as_bcd):
    start = start.replace(microsecond=0)
    b = bare([*set_clock(start, 0, as_bcd), *SLEEP, *LOOK], options=CRYSTAL)
    b.m.run(until=b.end - 2 * 11)
    assert b.m.run(max_cycles=5) is sim.Stop.HALT
    b.m._core.pass_time(seconds + 0.5)
    b.m.interrupt(20)
    b.put(0xFF90 + 2 * 20, 0x5000)
    b.put(0x5000, 0xC0B1, 0xF0, 0, 0x1300)
    b.go()
    end = start + datetime.timedelta(seconds=seconds)
    assert clock(b, as_bcd) == end.timetuple()[:6]
    assert b.r(6) >> 8 == end.isoweekday() % 7


def wake_times(bare, setup: list[int], count: int = 3, handler: tuple[int, ...] = ()) -> tuple[list[float], object]:
    """Seconds at which the RTC's interrupt woke the CPU from LPM3, and the machine; R10 holds the last RTCIV."""
    b = bare([*setup, *SLEEP, 0x3FFC], options=CRYSTAL)
    b.put(0xFF90 + 2 * RTC, 0x5000)
    b.put(0x5000, *read(IV, 10), *handler, 0x1300)
    times = []
    for _ in range(count):
        b.m.run(until=0x5000)
        times.append(b.m.time_s)
        b.m.run(until=0x5004)
    return times, b


MIDNIGHT = datetime.datetime(2023, 12, 31, 23, 59, 58)


@pytest.mark.parametrize(
    ("event", "start", "period"),
    [
        (0, datetime.datetime(2024, 1, 1, 0, 0, 30), 60),
        (1, datetime.datetime(2024, 1, 1, 0, 59, 30), 3600),
        (2, datetime.datetime(2024, 1, 1, 23, 59, 30), 86400),
        (3, datetime.datetime(2024, 1, 1, 11, 59, 30), 86400),
    ],
)
def test_time_events(bare, event, start, period):
    times, b = wake_times(bare, [*set_clock(start, event), *mov(0xA500 | TEVIE, KEY)])
    assert times[0] == pytest.approx(30, abs=1e-3)
    assert [y - x for x, y in itertools.pairwise(times)] == pytest.approx([period] * 2, abs=1e-3)
    assert b.r(10) == 6
    assert b.m.counters().instructions < 100  # sleep costs nothing


def test_ready_interrupt_each_second_with_its_window(bare):
    times, b = wake_times(bare, [*set_clock(MIDNIGHT, 0), *mov(0xA500 | RDYIE, KEY)], 4, tuple(read(CTL13, 11)))
    assert times == pytest.approx([k + 64 / 32768 for k in range(4)], abs=1e-3)
    assert b.r(10) == 4
    b.go(0x5008)
    assert b.r(11) & RDY  # after the keep-out window
    before = bare([*set_clock(MIDNIGHT, 0), *read(CTL13)], options=CRYSTAL)
    before.go()
    assert not before.r(9) & RDY  # the count has just started: within 64 ticks of an update


@pytest.mark.parametrize(
    ("alarm", "first"),
    [
        (mov(0x80 | 15, AMINHR), datetime.datetime(2024, 1, 1, 0, 15)),
        (mov(0x8400, AMINHR), datetime.datetime(2024, 1, 1, 4, 0)),
        (mov(0x8480 | 30, AMINHR), datetime.datetime(2024, 1, 1, 4, 30)),
        (mov(0x8300, ADOWDAY), datetime.datetime(2024, 1, 3, 0, 0)),
        (mov(0x80 | 5, ADOWDAY), datetime.datetime(2024, 1, 5, 0, 0)),  # Friday
    ],
)
def test_alarms(bare, alarm, first):
    times, b = wake_times(bare, [*set_clock(MIDNIGHT, 0), *alarm, *mov(0xA500 | AIE, KEY)], 1)
    assert times[0] == pytest.approx((first - MIDNIGHT).total_seconds(), abs=1e-2)
    assert b.r(10) == 8


@pytest.mark.parametrize("ip", [0, 3, 7])
def test_prescaler_interrupts(bare, ip):
    """RT0PSIFG every 2^(ip + 1) ticks, RT1PSIFG every 256 times that."""
    times, b = wake_times(bare, [*mov(ip << 2 | 2, PS0CTL), *set_clock(MIDNIGHT, 0)])
    assert times[2] - times[1] == pytest.approx(2 ** (ip + 1) / 32768, abs=4e-5)
    assert b.r(10) == 0x0A
    times, b = wake_times(bare, [*mov(ip << 2 | 2, PS1CTL), *set_clock(MIDNIGHT, 0)])
    assert times[2] - times[1] == pytest.approx(2 ** (ip + 1) / 128, abs=4e-5)
    assert b.r(10) == 0x0C


def test_counter_of_tis_example(bare):
    """Crystal / 16 / 16 = 128 Hz; an 8-bit overflow every 2 s (TI's example msp430fr599x_rtc_01)."""
    setup = [*UNLOCK, *mov(HOLD | 8, CTL13), *mov(0x1800, PS0CTL), *mov(0x9800, PS1CTL), *mov(0xA500 | TEVIE, KEY),
             *mov(8, CTL13)]  # fmt: skip
    times, b = wake_times(bare, setup)
    assert times == pytest.approx([2, 4, 6], abs=1e-3)
    assert b.r(10) == 6
    b.put(0x5100, *read(TIM0), *read(TIM1, 11))
    b.m.pc = 0x5100
    b.go(0x5108)
    assert (b.r(9), b.r(11)) == (3 * 256, 0)


@pytest.mark.parametrize(("width", "start"), [(0, 0xF0), (1, 0xFFF0), (2, 0xFFFFF0), (3, 0xFFFFFFF0)])
def test_counter_widths(bare, width, start):
    setup = [*UNLOCK, *mov(HOLD | width, CTL13), *mov(start, TIM0), *mov(start >> 16, TIM1),
             *mov(0xA500 | TEVIE, KEY), *mov(width, CTL13)]  # fmt: skip
    times, _ = wake_times(bare, setup, 1)
    assert times[0] == pytest.approx(16 / 32768, abs=1e-4)


def test_prescalers_hold_and_conversion(bare):
    b = bare([*set_clock(MIDNIGHT, 0), *[0x4303] * 1000, *read(PS, 5), *mov(HOLD | MODE, CTL13), *[0x4303] * 1000,
              *read(PS, 6), *mov(1234, BIN2BCD), *read(BIN2BCD, 7), *mov(0x9876, BCD2BIN), *read(BCD2BIN, 8)],
             options=CRYSTAL)  # fmt: skip
    b.go()
    assert b.r(5) == pytest.approx(1003 * 32768 / 1e6, abs=1)
    assert b.r(6) - b.r(5) <= 1
    assert (b.r(7), b.r(8)) == (0x1234, 9876)


def test_key_and_refusals(bare):
    start = [*UNLOCK, *mov(MODE, CTL13)]
    with pytest.raises(sim.PasswordViolation, match="A5h to RTCCTL0_H"):
        bare(mov(HOLD, CTL13), options=CRYSTAL).go()
    with pytest.raises(sim.PasswordViolation, match="A5h to RTCCTL0_H"):
        bare([*UNLOCK, *[0x40F2, 0, KEY + 1], *mov(0, TIM0)], options=CRYSTAL).go()
    bare([*mov(3, AMINHR), *mov(0x0102, PS0CTL)], options=CRYSTAL).go()
    for words, text in (
        (start, "without a crystal"),
        ([*UNLOCK, *mov(4, CTL13)], "RTCSSEL = 1"),
        ([*UNLOCK, *mov(8, CTL13)], "RT0PSHOLD"),
        ([*UNLOCK, *mov(5, 0x4A4)], "calibration"),
        ([*UNLOCK, *mov(HOLD | MODE, CTL13), *mov(0x3C, TIM0)], "outside 0 to 59"),
        ([*UNLOCK, *mov(HOLD | MODE, CTL13), *mov(0x0100, DATE)], "outside 1 to 31"),
    ):
        with pytest.raises(sim.Unmodelled, match=text):
            bare(words, options={} if words is start else CRYSTAL).go()


def test_resets(bare):
    """A PUC leaves the clock running, a BOR stops it."""
    b = bare([*set_clock(MIDNIGHT, 0)], options={**CRYSTAL, "violations": "reset"})
    b.go()
    b.put(0x5000, *mov(0, 0x15C))
    b.m.write(0xFFFE, b"\x00\x54")
    b.put(0x5400, *mov(0x5A80, 0x15C), *read(CTL13))
    b.m.pc = 0x5000
    b.m.run(until=0x540A)
    assert b.r(9) & (HOLD | MODE) == MODE
    b.m.reset(power_on=False)
    b.m.run(until=0x540A)
    assert b.r(9) & (HOLD | MODE) == HOLD
