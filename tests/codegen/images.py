"""Decoders of Intel HEX and TI-TXT, written from the formats."""

from __future__ import annotations

import struct

from codegen.image import Segment

Bytes = dict[int, int]


def decode_hex(text: str) -> Bytes:
    """Intel HEX by the book: every check sum, types 00, 01 and 04 only."""
    memory: Bytes = {}
    upper, ended = 0, False
    for line in text.split():
        assert line[0] == ":"
        assert not ended, "a record follows the end record"
        record = bytes.fromhex(line[1:])
        assert sum(record) % 256 == 0, line
        count, address, kind, data = record[0], struct.unpack(">H", record[1:3])[0], record[3], record[4:-1]
        assert count == len(data)
        if kind == 4:
            upper = struct.unpack(">H", data)[0] << 16
        elif kind == 1:
            ended = True
        else:
            assert kind == 0
            assert address + count <= 0x10000, "a record crosses 64 KB"
            for i, byte in enumerate(data):
                assert upper + address + i not in memory
                memory[upper + address + i] = byte
    assert ended
    return memory


def decode_txt(text: str) -> Bytes:
    memory: Bytes = {}
    lines = text.splitlines()
    assert lines[-1] == "q"
    address = -1
    for line in lines[:-1]:
        if line.startswith("@"):
            address = int(line[1:], 16)
            assert address % 2 == 0
            continue
        assert address >= 0
        values = line.split(" ")
        assert 1 <= len(values) <= 16
        for value in values:
            assert len(value) == 2
            memory[address] = int(value, 16)
            address += 1
    return memory


def flat(segments: list[Segment]) -> Bytes:
    return {s.address + i: b for s in segments for i, b in enumerate(s.data)}
