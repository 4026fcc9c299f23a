"""The integer helpers that clang calls (MSP430 EABI) and memcpy, memmove, memset, against Python."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import ARRAY, Bench

U16 = [0, 1, 2, 3, 7, 255, 256, 0x7FFF, 0x8000, 0x8001, 0xFFFE, 0xFFFF]
U32 = [0, 1, 2, 10, 0xFFFF, 0x10000, 0x10001, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFF0000, 0xFFFFFFFE, 0xFFFFFFFF]


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def truncated(a: int, b: int) -> tuple[int, int]:
    """C division: toward zero; the remainder has the sign of the dividend."""
    q = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return q, a - q * b


def words(value: int) -> tuple[int, int]:
    return value & 0xFFFF, value >> 16 & 0xFFFF


def call16(bench: Bench, name: str, a: int, b: int) -> int:
    return bench.call(f"__mspabi_{name}", a, b)[12] & 0xFFFF


def call32(bench: Bench, name: str, a: int, *more: int) -> int:
    r = bench.call(f"__mspabi_{name}", *words(a), *more)
    return (r[12] & 0xFFFF) | (r[13] & 0xFFFF) << 16


def check16(bench: Bench, a: int, b: int) -> None:
    assert call16(bench, "mpyi", a, b) == a * b & 0xFFFF
    if b:
        assert call16(bench, "divu", a, b) == a // b
        assert call16(bench, "remu", a, b) == a % b
        q, r = truncated(signed(a, 16), signed(b, 16))
        assert call16(bench, "divi", a, b) == q & 0xFFFF
        assert call16(bench, "remi", a, b) == r & 0xFFFF


def check32(bench: Bench, a: int, b: int) -> None:
    assert call32(bench, "mpyl", a, *words(b)) == a * b & 0xFFFFFFFF
    if b:
        assert call32(bench, "divul", a, *words(b)) == a // b
        assert call32(bench, "remul", a, *words(b)) == a % b
        q, r = truncated(signed(a, 32), signed(b, 32))
        assert call32(bench, "divli", a, *words(b)) == q & 0xFFFFFFFF
        assert call32(bench, "remli", a, *words(b)) == r & 0xFFFFFFFF


def test_16_bit_edges(bench: Bench) -> None:
    for a, b in itertools.product(U16, U16):
        check16(bench, a, b)


def test_32_bit_edges(bench: Bench) -> None:
    for a, b in itertools.product(U32, U32):
        check32(bench, a, b)


@given(a=st.integers(0, 0xFFFF), b=st.integers(0, 0xFFFF))
@settings(max_examples=60, deadline=None)
def test_16_bit_random(bench: Bench, a: int, b: int) -> None:
    check16(bench, a, b)


@given(a=st.integers(0, 0xFFFFFFFF), b=st.integers(0, 0xFFFFFFFF), small=st.integers(0, 31))
@settings(max_examples=60, deadline=None)
def test_32_bit_random(bench: Bench, a: int, b: int, small: int) -> None:
    check32(bench, a, b)
    check32(bench, a, b >> small)


@pytest.mark.parametrize("count", range(32))
def test_shifts(bench: Bench, count: int) -> None:
    for value in [*U32, 0x12345678, 0x87654321]:
        assert call32(bench, "slll", value, count) == value << count & 0xFFFFFFFF
        assert call32(bench, "srll", value, count) == value >> count
        assert call32(bench, "sral", value, count) == (signed(value, 32) >> count) & 0xFFFFFFFF


SIZE = 64


def memory(bench: Bench) -> bytearray:
    data = np.random.default_rng(1).integers(0, 256, SIZE).astype(np.uint8).tobytes()
    bench.machine.write(ARRAY, data)
    return bytearray(data)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 15, 16, 20])
@pytest.mark.parametrize(("to", "source"), [(0, 30), (1, 31), (30, 1), (31, 30 - 21)])
def test_memcpy(bench: Bench, to: int, source: int, size: int) -> None:
    data = memory(bench)
    assert bench.call("memcpy", ARRAY + to, ARRAY + source, size)[12] == ARRAY + to
    data[to : to + size] = data[source : source + size]
    assert bench.machine.read(ARRAY, SIZE) == bytes(data)


@given(to=st.integers(0, 40), source=st.integers(0, 40), size=st.integers(0, 24))
@settings(max_examples=80, deadline=None)
def test_memmove_with_any_overlap(bench: Bench, to: int, source: int, size: int) -> None:
    data = memory(bench)
    assert bench.call("memmove", ARRAY + to, ARRAY + source, size)[12] == ARRAY + to
    data[to : to + size] = bytes(data[source : source + size])
    assert bench.machine.read(ARRAY, SIZE) == bytes(data)


@pytest.mark.parametrize("size", [0, 1, 2, 17])
@pytest.mark.parametrize("value", [0, 0x5A, 0xFF, 0x1234])
def test_memset_takes_the_low_byte(bench: Bench, value: int, size: int) -> None:
    data = memory(bench)
    assert bench.call("memset", ARRAY + 3, value, size)[12] == ARRAY + 3
    data[3 : 3 + size] = bytes([value & 0xFF]) * size
    assert bench.machine.read(ARRAY, SIZE) == bytes(data)
