"""The board's three descriptions agree: target.toml (planner), link.ld (linker), the simulator's device file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from codegen.boards import board_file
from codegen.errors import TargetError
from codegen.target import Region, boards, load_target

ROOT = Path(__file__).parents[2]
SPIFRAM = "msp430fr5994-spifram"
NAMES = {"sram": "SRAM", "lea_ram": "LEARAM", "fram": "FRAM", "hifram": "HIFRAM"}


MCUS = [name for name in boards() if load_target(name).device]


def linker_memory(board: str) -> dict[str, tuple[int, int]]:
    text = board_file(board, "link.ld").read_text()
    found = re.findall(r"(\w+)\s*\([rwx]+\)\s*:\s*ORIGIN\s*=\s*(\w+),\s*LENGTH\s*=\s*(\w+)", text)
    return {name: (int(origin, 0), int(length, 0)) for name, origin, length in found}


@pytest.mark.parametrize("board", MCUS)
def test_target_and_linker_script_have_the_same_memory(board: str) -> None:
    regions, linked = load_target(board).regions, linker_memory(board)
    assert {NAMES[k]: (r.origin, r.size) for k, r in regions.items()} == {
        k: v for k, v in linked.items() if k != "VECTORS"
    }
    assert linked["VECTORS"] == (0xFF90, 0x70)


@pytest.mark.parametrize("board", MCUS)
def test_nothing_covers_the_signatures(board: str) -> None:
    for origin, length in linker_memory(board).values():
        assert origin + length <= 0xFF80 or origin >= 0xFF90


def test_the_linker_asserts_the_stack_that_the_planner_reserves() -> None:
    for board in MCUS:
        found = re.search(r"ASSERT\(__stack_bytes >= (\d+)", board_file(board, "sections.ld").read_text())
        assert found
        assert int(found[1]) == load_target(board).stack_bytes


def test_the_board_file_and_the_target_agree_about_the_external_memory() -> None:
    external = load_target(SPIFRAM).external
    assert external is not None
    text = board_file(SPIFRAM, "external.c").read_text()
    port, pin = external.chip_select.removeprefix("P").split(".")
    assert f"#define P{port}OUT" in text
    assert f"#define CS {1 << int(pin):#04x}" in text
    assert f"#define {external.bus}CTLW0" in text
    assert external.size & (external.size - 1) == 0


def test_a_bus_faster_than_the_dma_is_refused() -> None:
    target = load_target(SPIFRAM)
    assert target.external is not None
    with pytest.raises(TargetError, match="UCBRW = 1 is faster than the DMA; use at least 2"):
        replace(target, external=replace(target.external, ucbrw=1))


def device_memory(device: str) -> list[tuple[str, int, int]]:
    text = (ROOT / "sim" / "data" / f"{device}.toml").read_text()
    return [(m["kind"], m["first"], m["last"]) for m in tomllib.loads(text)["memory"]]


@pytest.mark.skipif(not (ROOT / "sim" / "data").is_dir(), reason="not a checkout: the simulator's data is elsewhere")
@pytest.mark.parametrize("board", MCUS)
def test_target_lies_in_the_simulated_memory_of_its_kind(board: str) -> None:
    target = load_target(board)
    memory = device_memory(target.device)
    assert ("lea_ram" in target.regions) == any(kind == "lea_ram" for kind, _, _ in memory)
    for region, r in target.regions.items():
        kind = region.replace("hifram", "fram")
        spans = [(first, last) for k, first, last in memory if k == kind]
        assert any(first <= r.origin and r.end - 1 <= last for first, last in spans), spans
        if kind != "fram":
            assert (r.origin, r.end - 1) in spans
        assert r.volatile == (kind != "fram")
        if region == "hifram":
            assert r.end - 1 == max(last for _, last in spans)


@pytest.mark.skipif(not (ROOT / "sim" / "data").is_dir(), reason="not a checkout: the simulator's data is elsewhere")
@pytest.mark.parametrize("device", ["msp430fr5969", "msp430fr6989"])
def test_vectors_are_those_of_the_simulated_device(device: str) -> None:
    """Those of the FR5994 are proved by tests that take its interrupts."""
    names = {"PORT1": "P1", "TIMER1_A0": "TA1_0", "DMA": "DMA", "TIMER0_A1": "TA0_1", "ADC12": "ADC12"}
    found = re.findall(r"#define VECTOR_(\w+) (\d+)", board_file(device, "device.h").read_text())
    vectors = tomllib.loads((ROOT / "sim" / "data" / f"{device}.toml").read_text())["vectors"]
    assert {k: int(v) for k, v in found} == {k: vectors[v] for k, v in names.items()}


def test_boards_and_unknown_ones() -> None:
    assert "msp430fr5994" in boards()
    with pytest.raises(TargetError, match=r"target 'atmega328' is unknown; known are .*msp430fr5994"):
        load_target("atmega328")


def test_overlapping_regions_are_refused() -> None:
    target = load_target("msp430fr5994")
    fram = target.regions["fram"]
    with pytest.raises(TargetError, match=r"fram \(ends 0x10001\) and hifram \(0x10000\) overlap"):
        replace(target, regions={**target.regions, "fram": Region("fram", fram.origin, 0x10001 - fram.origin, False)})


def test_a_reserve_beyond_its_region_is_refused() -> None:
    target = load_target("msp430fr5994")
    with pytest.raises(TargetError, match="reserve of 5356 B exceeds region sram of 4096 B"):
        replace(target, sram_reserve=5100)
    with pytest.raises(TargetError, match="exceeds region fram"):
        replace(target, fram_reserve=50000)


@pytest.mark.parametrize("damage", ["regions.sram", "mclk_hz =", "stack_bytes =", "max_cycles =", "= ["])
def test_a_malformed_target_is_named(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = board_file("msp430fr5994", "target.toml").read_text()
    damaged = text.replace(damage, "other ="[: len(damage)], 1) if damage in text else damage
    own_boards(monkeypatch, tmp_path, broken=damaged)
    with pytest.raises(TargetError, match=r"target\.toml of broken is malformed"):
        load_target.__wrapped__("broken")


def own_boards(monkeypatch: pytest.MonkeyPatch, folder: Path, **tables: str) -> None:
    for name, text in tables.items():
        (folder / "boards" / name).mkdir(parents=True)
        (folder / "boards" / name / "target.toml").write_text(text)
    monkeypatch.setattr("codegen.boards.firmware_dir", lambda: folder)


def test_a_board_takes_what_it_lacks_from_the_one_it_is_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = board_file("msp430fr5994", "target.toml").read_text()
    small = 'name = "small"\nlike = "base"\n[reserve]\nstack_bytes = 300\nsram_bytes = 1\nfram_bytes = 9000\n'
    own_boards(monkeypatch, tmp_path, base=text, small=small)
    (tmp_path / "boards" / "msp430fr").mkdir()
    for name in ("base/link.ld", "base/device.h", "small/device.h", "msp430fr/start.S"):
        (tmp_path / "boards" / name).write_text(name)
    target = load_target.__wrapped__("small")
    assert (target.name, target.stack_bytes, target.device) == ("small", 300, "msp430fr5994")
    assert [board_file("small", n).read_text() for n in ("device.h", "link.ld", "start.S")] == [
        "small/device.h",
        "base/link.ld",
        "msp430fr/start.S",
    ]
    with pytest.raises(TargetError, match=r"board small has no x\.c \(looked in boards/small, boards/base, boards/msp"):
        board_file("small", "x.c")


def test_boards_like_nothing_or_each_other_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_boards(monkeypatch, tmp_path, a='like = "b"\n', b='like = "a"\n', c='like = "d"\n')
    with pytest.raises(TargetError, match="like = 'a' leads back to a"):
        load_target.__wrapped__("a")
    with pytest.raises(TargetError, match=r"target 'd', which c is like, is unknown; known are a, b, c"):
        load_target.__wrapped__("c")
