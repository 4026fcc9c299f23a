"""Each kernel on the simulator, assembly and C, against plain Python; and interrupted at every instruction."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import (
    ARRAY,
    ASSEMBLY,
    KERNELS,
    OUT,
    STRUCT,
    TAPS,
    Bench,
    add_struct,
    conv_struct,
    fixed_cases,
    pool_struct,
)
from strategies import seeds

from sim import Machine, MachineFault, Stop

COUNTS = list(range(21))
HIGH = 0x20000
EXAMPLES = settings(max_examples=120, deadline=None)


def both(name: str) -> list[str]:
    """The kernel that the device uses, and its portable twin."""
    return [name, f"c_{name}"] if name in ASSEMBLY else [name]


def low_high(address: int) -> tuple[int, int]:
    return address & 0xFFFF, address >> 16


def bounded(rng: np.random.Generator, count: int) -> tuple[list[int], list[int], int]:
    """Weights, inputs and a start value whose every partial sum stays below 2**30; sometimes at the very ends."""
    if rng.random() < 0.3 and count:
        w, x = [0] * count, rng.integers(-32768, 32768, count).tolist()
        at = int(rng.integers(count))
        w[at], x[at] = int(rng.choice([-32768, 32767, -1])), int(rng.choice([-32768, 32767]))
        if w[at] * x[at] == 2**30:
            x[at] = 32767
        room = 2**30 - 1 - abs(w[at] * x[at])
    else:
        reach = min(math.isqrt((2**30 - 1) // max(count, 1)), 32767)
        w, x = (rng.integers(-reach, reach + 1, count).tolist() for _ in "wx")
        room = 2**30 - 1 - sum(abs(a * b) for a, b in zip(w, x, strict=True))
    return w, x, int(rng.integers(-room, room + 1))


# --- convolution of a row


def check_conv(bench: Bench, seed: int, taps: int, windows: int, go_on: bool) -> None:
    rng = np.random.default_rng(seed)
    w, _, _ = bounded(rng, taps)
    largest = max(sum(abs(a) for a in w), 1)
    reach = min((2**29) // largest, 32767)
    x = rng.integers(-reach, reach + 1, 400).tolist()
    step = int(rng.integers(1, 4))
    positions = rng.integers(0, 300, taps).tolist()  # a later level starts again: distances may be negative
    distances = [b - a for a, b in itertools.pairwise([0, *positions])]
    init = rng.integers(-(2**28), 2**28, windows if go_on else 1).tolist()
    sums = [sum(a * x[i * step + p] for a, p in zip(w, positions, strict=True)) for i in range(windows)]
    expected = [init[i if go_on else 0] + total for i, total in enumerate(sums)]
    table = [v for d, a in zip(distances, w, strict=True) for v in (2 * d, a)]
    for name in both("sw_conv2d_taps_s16_cpu"):
        bench.put(ARRAY, x)
        bench.put(TAPS, table)
        bench.put(OUT, init, "i")
        start = OUT + 0x60 if not go_on else OUT
        bench.put(start, init, "i")
        bench.machine.write(STRUCT, conv_struct(ARRAY, 2 * step, windows, TAPS, taps, start, 4 * go_on, OUT))
        bench.call(name, STRUCT)
        assert bench.get(OUT, windows, "i") == expected, name


@pytest.mark.parametrize("taps", COUNTS)
def test_conv_row(bench: Bench, taps: int) -> None:
    check_conv(bench, taps, taps, 3, taps % 2 == 0)


@given(seed=seeds, taps=st.integers(0, 100), windows=st.integers(0, 20), go_on=st.booleans())
@EXAMPLES
def test_conv_row_random(bench: Bench, seed: int, taps: int, windows: int, go_on: bool) -> None:
    check_conv(bench, seed, taps, windows, go_on)


# --- requantisation


EDGES = [0, 1, -1, 32767, -32768, 32768, -32769, 2**15 * 32767, -(2**15) * 32768 + 1, 2**30 - 1, -(2**30) + 1]


SHIFTS = [("sw_requant15_s16_cpu", 15), *(("sw_requant_s16_cpu", shift) for shift in (0, 1, 15, 16, 30))]


@pytest.mark.parametrize(("name", "shift"), SHIFTS)
@pytest.mark.parametrize("bounds", [(-32768, 32767), (0, 32767), (-5, 9), (7, 7), (-32768, -32768), (32767, 32767)])
def test_requant(bench: Bench, name: str, bounds: tuple[int, int], shift: int) -> None:
    lo, hi = bounds
    rng = np.random.default_rng(shift)
    values = EDGES + rng.integers(-(2**30) + 1, 2**30, 20).tolist()
    values += [((b << shift) + d) for b in bounds for d in (-1, 0, 1) if abs((b << shift) + d) < 2**30]
    expected = [min(max(v // 2**shift, lo), hi) for v in values]
    bench.put(ARRAY, values, "i")
    bench.machine.write(STRUCT, struct.pack("<Hhh", shift, lo, hi))
    for kernel in both(name):
        bench.put(OUT, [99] * (len(values) + 1))
        bench.call(kernel, ARRAY, OUT, len(values), STRUCT)
        assert bench.get(OUT, len(values) + 1) == [*expected, 99], kernel


@pytest.mark.parametrize("name", ["sw_requant15_s16_cpu", "sw_requant_s16_cpu"])
def test_requant_of_nothing_writes_nothing(bench: Bench, name: str) -> None:
    bench.machine.write(STRUCT, struct.pack("<Hhh", 15, -5, 5))
    for kernel in both(name):
        bench.put(OUT, [99])
        bench.call(kernel, ARRAY, OUT, 0, STRUCT)
        assert bench.get(OUT, 1) == [99]


# --- pooling and argmax


def pool_reference(x: list[int], values: list[int], lo: int, hi: int, average: bool) -> list[list[int]]:
    pitch, _, out_h, out_w, kh, kw, sh, sw, multiplier, shift = values
    rows = []
    for oy, ox in itertools.product(range(out_h), range(out_w)):
        window = [x[(oy * sh + i) * pitch + ox * sw + j] for i in range(kh) for j in range(kw)]
        value = sum(window) * multiplier // 2**shift if average else max(window)
        rows.append(min(max(value, lo), hi))
    return [rows[i : i + out_w] for i in range(0, len(rows), out_w)]


def check_pool(bench: Bench, seed: int, average: bool, reach: int) -> None:
    rng = np.random.default_rng(seed)
    kh, kw, sh, sw = (int(v) for v in rng.integers(1, 6, 4))
    out_h, out_w = (int(v) for v in rng.integers(1, 5, 2))
    pitch = (out_w - 1) * sw + kw + int(rng.integers(0, 4))
    y_pitch = out_w + int(rng.integers(0, 3))
    area = kh * kw
    power = area & (area - 1) == 0
    multiplier, shift = (1, area.bit_length() - 1) if power else ((2**15 + area // 2) // area, 15)
    x = rng.integers(-reach, min(reach, 32767) + 1, pitch * ((out_h - 1) * sh + kh)).tolist()
    if rng.random() < 0.2:
        x = [int(rng.choice([-reach, min(reach, 32767)]))] * len(x)
    lo, hi = ((-32768, 32767), (0, 20000), (-7, 100))[rng.integers(3)]
    values = [pitch, y_pitch, out_h, out_w, kh, kw, sh, sw, multiplier, shift]
    expected = pool_reference(x, values, lo, hi, average)
    bench.put(ARRAY, x)
    bench.machine.write(STRUCT, pool_struct(values, lo, hi))
    for name in both("sw_avgpool_s16_cpu" if average else "sw_maxpool_s16_cpu"):
        bench.put(OUT, [99] * 64)
        bench.call(name, ARRAY, OUT, STRUCT)
        got = bench.get(OUT, 64)
        assert [got[i * y_pitch : i * y_pitch + out_w] for i in range(out_h)] == expected, name
        gaps = [got[i] for i in range(64) if i % y_pitch >= out_w or i // y_pitch >= out_h]
        assert set(gaps) <= {99}, f"{name} writes beside its output"


@pytest.mark.parametrize("average", [True, False], ids=["average", "max"])
@pytest.mark.parametrize("reach", [20000, 32768], ids=["middle", "ends"])
@given(seed=seeds)
@settings(max_examples=40, deadline=None)
def test_pool(bench: Bench, average: bool, reach: int, seed: int) -> None:
    check_pool(bench, seed, average, reach)


@given(values=st.lists(st.integers(-32768, 32767) | st.sampled_from([-32768, 0, 32767]), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_argmax(bench: Bench, values: list[int]) -> None:
    bench.put(ARRAY, values)
    assert bench.call("sw_argmax_s16_cpu", ARRAY, len(values))[12] == values.index(max(values))


# --- reads above 64 KB


def wanted_sum(a: int, b: int, factors: tuple[int, int], lo: int, hi: int) -> int:
    return min(max((a * factors[0] + b * factors[1] + 2**13) // 2**14, lo), hi)


ENDS = (-32768, -32767, -1, 0, 1, 32766, 32767)


@pytest.mark.parametrize("name", both("sw_add_s16_cpu"))
@pytest.mark.parametrize("factors", [(2**14, 2**14), (2**14, 1), (2**13, 2**14), (1, 2**9), (2**12, 0), (2**14, 0)])
@pytest.mark.parametrize("bounds", [(-32768, 32767), (0, 32767), (-32768, 0), (0, 0), (-5, 7), (-1, 32767)])
def test_sums_of_extremes(bench: Bench, name: str, factors: tuple[int, int], bounds: tuple[int, int]) -> None:
    """Every pair of ends, whatever the clip: the result needs 17 bits before it."""
    pairs = list(itertools.product(ENDS, ENDS))
    a, b, y = bench.put(ARRAY, [p[0] for p in pairs]), bench.put(ARRAY + 0x200, [p[1] for p in pairs]), ARRAY + 0x400
    bench.machine.write(STRUCT, add_struct((a, b, y), (0, 0, 0), (len(pairs), 1), factors, *bounds))
    bench.call(name, STRUCT)
    assert bench.get(y, len(pairs)) == [wanted_sum(*p, factors, *bounds) for p in pairs]


@given(
    seed=seeds,
    size=st.tuples(st.integers(1, 9), st.integers(1, 5)),
    skips=st.tuples(*[st.integers(0, 3)] * 3),
    places=st.tuples(*[st.sampled_from([0x3000, 0x9000, 0xFFF0 - 0x4000, 0x10000, 0x2FFF8])] * 3),
)
@EXAMPLES
def test_sums_of_rows_anywhere(
    bench: Bench, seed: int, size: tuple[int, int], skips: tuple[int, ...], places: tuple[int, ...]
) -> None:
    """Rows with gaps, that may lie above 64 KB or cross a page there; what lies between them stays."""
    rng, (width, height) = np.random.default_rng(seed), size
    pitches = [width + s for s in skips]
    a_at, b_at, y_at = (at + 0x200 * k for k, at in enumerate(places))
    a, b = (rng.integers(-32768, 32768, (height, pitch)) for pitch in pitches[:2])
    before = np.full((height, pitches[2]), 0x1234)
    for at, values in ((a_at, a), (b_at, b), (y_at, before)):
        bench.put(at, values.reshape(-1))
    any_two = (2 ** int(rng.integers(0, 15)), 2 ** int(rng.integers(0, 15)))
    factors = (any_two, (2**14, 2**14), (2**14, 0))[seed % 3]
    lo, hi = -int(rng.integers(0, 32769)), int(rng.integers(0, 32768))
    steps = [2 * s for s in skips]
    bench.machine.write(STRUCT, add_struct((a_at, b_at, y_at), steps, size, factors, lo, hi))
    bench.call("sw_add_s16_cpu", STRUCT)
    before[:, :width] = [
        [wanted_sum(int(v), int(w), factors, lo, hi) for v, w in zip(*rows, strict=True)]
        for rows in zip(a[:, :width], b[:, :width], strict=True)
    ]
    got = np.array(bench.get(y_at, before.size)).reshape(before.shape)
    np.testing.assert_array_equal(got[:, :width], before[:, :width])
    np.testing.assert_array_equal(
        got.reshape(-1)[: before.size - skips[2]], before.reshape(-1)[: before.size - skips[2]]
    )


@pytest.mark.parametrize("at", [0x4400, 0xFFFE, 0x10000, 0x1FFFE, 0x20000, 0x43FFE, 0x2C00])
def test_loads_reach_every_page(bench: Bench, at: int) -> None:
    if at == 0xFFFE:
        at = 0xFF7E  # the last FRAM word below the signatures
    m = bench.machine.fork()
    bench.machine, original = m, bench.machine
    try:
        m.write(at, b"\x81\xfe")
        assert bench.call("sw_load_u16", *low_high(at))[12] == 0xFE81
        assert bench.call("sw_load_u8", *low_high(at))[12] == 0x81
        assert bench.call("sw_load_u8", *low_high(at + 1))[12] == 0xFE
        if at < 0x10000:
            assert bench.call("c_sw_load_u16", *low_high(at))[12] == 0xFE81
            assert bench.call("c_sw_load_u8", *low_high(at + 1))[12] == 0xFE
    finally:
        bench.machine = original


# --- interrupts


VECTOR = 44


def every_instruction(bench: Bench, place: Callable[[], int], read: Callable[[Machine], list[bytes]]) -> int:
    """Run once undisturbed, then once for each instruction with an interrupt before it; returns how many."""
    bench.machine.write(0xFF90 + 2 * VECTOR, bench.machine.symbols["bench_isr"].address.to_bytes(2, "little"))
    stack = place()
    machine = bench.machine.fork()
    clean = machine.fork()
    bench.finish(stack, clean)
    expected, fired = read(clean), 0
    while machine.pc != bench.idle:
        broken = machine.fork()
        broken.write("isr_count", b"\0\0")
        broken.interrupt(VECTOR)
        where = machine.where(machine.pc)
        registers = bench.finish(stack, broken)
        assert broken.read("isr_count", 2) == b"\1\0", f"the interrupt before {where} was not taken"
        assert read(broken) == expected, f"an interrupt before {where} changed the result"
        assert registers[12] == clean.registers[12], f"an interrupt before {where} changed r12"
        assert machine.run(max_cycles=0) is Stop.CYCLES
        fired += 1
        assert fired < 5000
    return fired


@pytest.mark.parametrize("name", sorted(fixed_cases()))
def test_an_interrupt_at_every_instruction_changes_nothing(bench: Bench, name: str) -> None:
    case = fixed_cases(7)[name]
    case.place(bench)
    fired = every_instruction(bench, lambda: bench.start(case.name, *case.arguments, gie=True), case.read)
    assert fired >= 4


HELPER_CALLS = {
    "__mspabi_mpyi": (1234, 0x8765),
    "__mspabi_mpyl": (0x5678, 0x1234, 0x4321, 0x8765),
    "__mspabi_divli": (0x5678, 0x9234, 0x0321, 0x0000),
    "__mspabi_remi": (0x8765, 77),
    "__mspabi_sral": (0x5678, 0x9234, 11),
    "memmove": (ARRAY + 4, ARRAY, 9),
}


@pytest.mark.parametrize("name", HELPER_CALLS)
def test_an_interrupt_in_a_helper_changes_nothing(bench: Bench, name: str) -> None:
    def place() -> int:
        bench.put(ARRAY, range(32))
        return bench.start(name, *HELPER_CALLS[name], gie=True)

    def read(machine: Machine) -> list[bytes]:
        high = machine.registers[13] if name.endswith(("l", "li")) else 0
        return [machine.read(ARRAY, 64), high.to_bytes(4, "little")]

    assert every_instruction(bench, place, read) >= 4


def test_a_handler_that_loses_a_register_is_caught(bench: Bench) -> None:
    """First test the tester: an interrupt routine that saves 16 bits only must break a kernel with 20-bit addresses."""
    case = fixed_cases(7)["sw_dot_csr_s16_cpu"]
    case.place(bench)
    m = bench.machine
    address = m.symbols["bench_isr"].address
    good = m.read(address, 2)
    try:
        m.write(address, (0x15BF).to_bytes(2, "little"))  # pushm.w: the upper 4 bits are lost
        pop = m.read(address, 80).index((0x16B4).to_bytes(2, "little"))
        m.write(address + pop, (0x17B4).to_bytes(2, "little"))
        with pytest.raises((AssertionError, MachineFault)):
            every_instruction(bench, lambda: bench.start(case.name, *case.arguments, gie=True), case.read)
    finally:
        m.write(address, good)
        m.write(address + pop, (0x16B4).to_bytes(2, "little"))


def test_every_kernel_has_a_case() -> None:
    assert {c.name for c in fixed_cases().values()} == set(KERNELS)
