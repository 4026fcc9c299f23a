"""The CRC32 module against zlib and binascii."""

from __future__ import annotations

import binascii
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim

SEED32 = [0x40B2, 0xFFFF, 0x988, 0x40B2, 0xFFFF, 0x98A]
READ32 = [0x4218, 0x988, 0x4219, 0x98A, 0x421A, 0x98C, 0x421B, 0x98E]  # INIRESW0, W1 and RESRW1, W0 to R8-R11


def feed(data: bytes, words: list[int], byte: int) -> list[int]:
    """Words to the registers in turn, an odd last byte to ``byte``."""
    code: list[int] = []
    for i in range(0, len(data) - 1, 2):
        code += [0x40B2, data[i] | data[i + 1] << 8, words[i // 2 % len(words)]]
    if len(data) % 2:
        code += [0x40F2, data[-1], byte]
    return code


def mirrored(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=40))
def test_crc32_is_that_of_zlib(bare, data):
    """Seed FFFF FFFFh, CRC32DI, the bit-reversed result inverted; as pairs of words or word by word."""
    for words in ([0x980, 0x982], [0x980]):
        b = bare([*SEED32, *feed(data, words, 0x980), *READ32])
        b.go()
        assert (b.r(11) << 16 | b.r(10)) ^ 0xFFFFFFFF == zlib.crc32(data)
        assert mirrored(b.r(9) << 16 | b.r(8), 32) ^ 0xFFFFFFFF == zlib.crc32(data)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=40))
def test_reversed_input_is_the_crc_of_mirrored_bytes(bare, data):
    b = bare([*SEED32, *feed(data, [0x984, 0x986], 0x984), *READ32])
    b.go()
    expected = zlib.crc32(bytes(mirrored(v, 8) for v in data)) ^ 0xFFFFFFFF
    assert b.r(11) << 16 | b.r(10) == expected


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 0xFFFF))
def test_crc16_set_is_that_of_binascii(bare, data, seed):
    b = bare([0x40B2, seed, 0x998, *feed(data, [0x996], 0x996), 0x4218, 0x998, 0x4219, 0x99E])
    b.go()
    assert b.r(8) == binascii.crc_hqx(data, seed)
    assert b.r(9) == mirrored(b.r(8), 16)


def test_the_two_sets_do_not_mix(bare):
    b = bare([*SEED32, 0x4382, 0x998, *feed(b"abcd", [0x980], 0x980), *feed(b"xy", [0x990], 0x990), *READ32])
    b.go()
    assert (b.r(11) << 16 | b.r(10)) ^ 0xFFFFFFFF == zlib.crc32(b"abcd")


@pytest.mark.parametrize(
    ("words", "text"), [([0x4218, 0x980], "cannot be read"), ([0x4382, 0x98C], "cannot be written")]
)
def test_refusals(bare, words, text):
    with pytest.raises(sim.Unmodelled, match=text):
        bare(words).go()


def test_not_on_the_fr5969():
    m = sim.Machine("msp430fr5969")
    m.write(0x5000, bytes([0x18, 0x42, 0x88, 0x09]))
    m.pc = 0x5000
    with pytest.raises(sim.BusFault, match="this device has no CRC32"):
        m.run(max_cycles=20)
