"""Device descriptors: as a program reads them, with the checksum a program would compute."""

from __future__ import annotations

import binascii
import struct

import pytest

import sim

IDS = {"msp430fr5994": 0x82A1, "msp430fr5992": 0x82A0, "msp430fr5969": 0x8169, "msp430fr6989": 0x81A8}


def table(device: str = "msp430fr5994", seed: int = 0) -> bytes:
    """A program copies all 256 bytes to RAM, word by word."""
    words = [0x40B2, 0x5A80, 0x15C, 0x4034, 0x1A00, 0x4035, 0x1E00]  # MOV #1A00h,R4; MOV #1E00h,R5
    words += [0x44B5, 0x0000, 0x5325, 0x9034, 0x1B00, 0x23FA, 0x4303]  # MOV @R4+,0(R5); INCD R5; CMP #1B00h,R4; JNE
    m = sim.Machine(device, seed=seed)
    m.write(0x5000, struct.pack(f"<{len(words)}H", *words))
    m.pc = 0x5000
    assert m.run(until=0x5000 + 2 * len(words) - 2, max_cycles=5000) is sim.Stop.UNTIL
    return m.read(0x1E00, 256)


def entries(data: bytes) -> dict[int, bytes]:
    out, at = {}, 8
    while data[at] != 0xFF:
        out[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return out


@pytest.mark.parametrize("device", IDS)
def test_identity_and_checksum(device):
    data = table(device)
    info, crc_length, crc, device_id = struct.unpack_from("<BBHH", data)
    assert 4 << info == 4 << crc_length == len(data)
    assert device_id == IDS[device]
    assert crc == binascii.crc_hqx(data[4:], 0xFFFF)


def test_tags():
    """SLAU367P table 1-5; 0x1A08 die record, 0x1A14 ADC12, 0x1A26 REF, 0x1A2E random number."""
    data = table()
    found = entries(data)
    assert {tag: len(v) for tag, v in found.items()} == {0x08: 10, 0x11: 16, 0x12: 6, 0x15: 16}
    assert [data[a] for a in (0x08, 0x14, 0x26, 0x2E)] == [0x08, 0x11, 0x12, 0x15]
    gain, offset, *temperatures = struct.unpack("<Hh6H", found[0x11])
    assert (gain, offset) == (0x8000, 0)
    assert all(cold < warm < 4096 for cold, warm in zip(temperatures[::2], temperatures[1::2], strict=True))


def test_another_seed_is_another_part():
    a, b, c = entries(table(seed=1)), entries(table(seed=1)), entries(table(seed=2))
    assert a == b
    assert a[0x15] != c[0x15]
    assert a[0x08] != c[0x08]
    assert a[0x11] == c[0x11]


def test_they_cannot_be_written_and_boot_code_cannot_be_read(bare):
    with pytest.raises(sim.BusFault, match="0x01A04 in boot code or device descriptors, which are read-only"):
        bare([0x4382, 0x1A04]).go()
    with pytest.raises(sim.Unmodelled, match="boot code"):
        bare([0x4219, 0x1000]).go()


def test_they_survive_power_cycles_and_forks(bare):
    b = bare([0x4219, 0x1A04])
    fork = b.m.fork()
    b.m.power_cycle(0.1)
    for m in (fork, b.m):
        m.pc = b.at
        m.run(max_cycles=1)
        assert m.registers[9] == 0x82A1
