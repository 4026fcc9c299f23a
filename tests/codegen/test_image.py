"""Intel HEX and TI-TXT decode back to the ELF's segments; the signatures are never written."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import decode_hex, decode_txt, flat

from codegen.errors import DoesNotFit, ToolchainError
from codegen.image import Segment, read_segments, to_intel_hex, to_ti_txt


@st.composite
def segment_lists(draw: st.DrawFn) -> list[Segment]:
    """Disjoint segments at even addresses, some across 64 KB."""
    out, at = [], 0x4000
    for _ in range(draw(st.integers(1, 4))):
        at += 2 * draw(st.integers(0, 0x5000))
        data = draw(st.binary(min_size=1, max_size=70))
        out.append(Segment(at, data))
        at += len(data) + len(data) % 2
    if draw(st.booleans()):
        out.append(Segment(max(at, 0x20000) - at % 2, bytes(range(256)) * 3))
    return out


@given(segments=segment_lists())
@settings(max_examples=60, deadline=None)
def test_both_formats_hold_exactly_the_segments(segments: list[Segment]) -> None:
    assert decode_hex(to_intel_hex(segments)) == flat(segments)
    assert decode_txt(to_ti_txt(segments)) == flat(segments)


def test_a_segment_across_64_kb() -> None:
    segments = [Segment(0xFFFE, bytes(range(1, 9)))]
    assert decode_hex(to_intel_hex(segments)) == flat(segments)
    assert decode_txt(to_ti_txt(segments)) == flat(segments)


def elf(segments: list[tuple[int, int, bytes]], machine: int = 105) -> bytes:
    """A minimal ELF32: `(p_paddr, p_vaddr, data)`."""
    header = 52 + 32 * len(segments)
    out = struct.pack("<4sBBBB8xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 0, 2, machine, 1, 0x4000, 52, 0, 0, 52, 32,
                      len(segments), 40, 0, 0)  # fmt: skip
    body = b""
    for physical, virtual, data in segments:
        out += struct.pack("<8I", 1, header + len(body), virtual, physical, len(data), len(data), 7, 2)
        body += data
    return out + body


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "a.elf"
    path.write_bytes(data)
    return path


def test_segments_are_read_at_their_load_address_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, elf([(0x10000, 0x10000, b"high"), (0x5000, 0x1C00, b"data"), (0x4000, 0x4000, b"")]))
    assert read_segments(path) == [Segment(0x5000, b"data"), Segment(0x10000, b"high")]


@pytest.mark.parametrize(
    ("address", "size", "fits"),
    [(0xFF70, 16, True), (0xFF70, 17, False), (0xFF80, 1, False), (0xFF8F, 1, False), (0xFF90, 2, True),
     (0xFF00, 0x100, False), (0xFF86, 4, False)],
)  # fmt: skip
def test_signatures_are_refused(address: int, size: int, fits: bool, tmp_path: Path) -> None:
    path = write(tmp_path, elf([(address, address, b"\xff" * size)]))
    if fits:
        assert read_segments(path)[0].address == address
    else:
        with pytest.raises(DoesNotFit, match=r"covers the signatures at 0xff80-0xff8f, which would lock the board"):
            read_segments(path)


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"a\.elf is for EM_ARM, not EM_MSP430"):
        read_segments(write(tmp_path, elf([(0x4000, 0x4000, b"x")], machine=40)))


@pytest.mark.parametrize("damage", ["empty", "text", "short header", "short table", "short data"])
def test_damaged_files_are_refused(damage: str, tmp_path: Path) -> None:
    good = elf([(0x4000, 0x4000, b"abcdefgh")])
    data = {
        "empty": b"",
        "text": b"not an ELF file at all, just text that is long enough for a header" * 2,
        "short header": good[:40],
        "short table": good[:70],
        "short data": good[:-3],
    }[damage]
    with pytest.raises(ToolchainError):
        read_segments(write(tmp_path, data))


def test_a_missing_file_is_a_toolchain_error(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="not a readable ELF"):
        read_segments(tmp_path / "none.elf")
