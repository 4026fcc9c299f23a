"""The board's three descriptions agree: target.toml (planner), link.ld (linker), the simulator's device file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from codegen.errors import TargetError
from codegen.target import Region, boards, firmware_dir, load_target

ROOT = Path(__file__).parents[2]
NAMES = {"sram": "SRAM", "lea_ram": "LEARAM", "fram": "FRAM", "hifram": "HIFRAM"}


def linker_memory() -> dict[str, tuple[int, int]]:
    text = (firmware_dir() / "boards" / "msp430fr5994" / "link.ld").read_text()
    found = re.findall(r"(\w+)\s*\([rwx]+\)\s*:\s*ORIGIN\s*=\s*(\w+),\s*LENGTH\s*=\s*(\w+)", text)
    return {name: (int(origin, 0), int(length, 0)) for name, origin, length in found}


def test_target_and_linker_script_have_the_same_memory() -> None:
    regions, linked = load_target("msp430fr5994").regions, linker_memory()
    assert {NAMES[k]: (r.origin, r.size) for k, r in regions.items()} == {
        k: v for k, v in linked.items() if k != "VECTORS"
    }
    assert linked["VECTORS"] == (0xFF90, 0x70)


def test_nothing_covers_the_signatures() -> None:
    for origin, length in linker_memory().values():
        assert origin + length <= 0xFF80 or origin >= 0xFF90


def test_the_linker_asserts_the_stack_that_the_planner_reserves() -> None:
    text = (firmware_dir() / "boards" / "msp430fr5994" / "link.ld").read_text()
    found = re.search(r"ASSERT\(__stack_bytes >= (\d+)", text)
    assert found
    assert int(found[1]) == load_target("msp430fr5994").stack_bytes


def test_the_board_file_and_the_target_agree_about_the_external_memory() -> None:
    external = load_target("msp430fr5994").external
    assert external is not None
    text = (firmware_dir() / "boards" / "msp430fr5994" / "external.c").read_text()
    port, pin = external.chip_select.removeprefix("P").split(".")
    assert f"#define P{port}OUT" in text
    assert f"#define CS {1 << int(pin):#04x}" in text
    assert f"#define {external.bus}CTLW0" in text
    assert external.size & (external.size - 1) == 0


def test_a_bus_faster_than_the_dma_is_refused() -> None:
    target = load_target("msp430fr5994")
    assert target.external is not None
    with pytest.raises(TargetError, match="UCBRW = 1 is faster than the DMA; use at least 2"):
        replace(target, external=replace(target.external, ucbrw=1))


def device_memory() -> list[tuple[str, int, int]]:
    path = next(p for p in (ROOT / "sim" / "data").glob("*.toml") if p.stem == "msp430fr5994")
    return [(m["kind"], m["first"], m["last"]) for m in tomllib.loads(path.read_text())["memory"]]


@pytest.mark.skipif(not (ROOT / "sim" / "data").is_dir(), reason="not a checkout: the simulator's data is elsewhere")
@pytest.mark.parametrize(
    ("region", "kind"), [("sram", "sram"), ("lea_ram", "lea_ram"), ("fram", "fram"), ("hifram", "fram")]
)
def test_target_lies_in_the_simulated_memory_of_its_kind(region: str, kind: str) -> None:
    r = load_target("msp430fr5994").regions[region]
    spans = [(first, last) for k, first, last in device_memory() if k == kind]
    assert any(first <= r.origin and r.end - 1 <= last for first, last in spans), spans
    if kind != "fram":
        assert (r.origin, r.end - 1) in spans
    assert r.volatile == (kind != "fram")
    if region == "hifram":
        assert r.end - 1 == max(last for _, last in spans)


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
    text = (firmware_dir() / "boards" / "msp430fr5994" / "target.toml").read_text()
    board = tmp_path / "boards" / "broken"
    board.mkdir(parents=True)
    (board / "target.toml").write_text(text.replace(damage, "other ="[: len(damage)], 1) if damage in text else damage)
    monkeypatch.setattr("codegen.target.firmware_dir", lambda: tmp_path)
    with pytest.raises(TargetError, match=r"target\.toml of broken is malformed"):
        load_target.__wrapped__("broken")
