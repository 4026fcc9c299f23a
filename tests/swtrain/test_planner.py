"""`swtrain plan` and `swtrain calibrate`: figures beside each other, logs read back, prices written in place."""

from __future__ import annotations

import binascii
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from strategies import lenet_columns

from codegen.alternatives import break_even, offers
from codegen.files import write_atomic
from codegen.passes import fuse_clips
from codegen.serialize import save_graph
from codegen.target import firmware_dir, load_target
from swtrain.calibrate import CalibrationError, programs, samples_of, with_prices
from swtrain.cli import main

TARGET = load_target("msp430fr5994")


def line(text: str) -> bytes:
    return f"{text} *{binascii.crc_hqx(text.encode(), 0xFFFF):04X}\r\n".encode()


def log_of(layers: int, levels: int) -> list[bytes]:
    lines = [line(f"#CAL layer {k:04X} {i:04X} 0001 0010") for k in range(levels) for i in range(layers)]
    return [*lines, line("#CAL end")]


def test_plan_shows_predicted_beside_simulated(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    save_graph(lenet_columns(), tmp_path / "run")
    out = tmp_path / "plan.json"
    done = CliRunner().invoke(main, ["plan", str(tmp_path / "run"), "--no-break-even", "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert "conv2d0" in done.output
    report = json.loads(out.read_text())
    total = {
        kind: sum(sum(layer[f"{kind}_cycles"]) for layer in report["layers"]) for kind in ("predicted", "simulated")
    }
    assert total["predicted"] == pytest.approx(total["simulated"], rel=0.1)
    assert all(layer["runner_up"] for layer in report["layers"] if layer["encoding"] == "column")


@pytest.mark.parametrize("goal", ["latency", "energy", "size"])
def test_goals(goal: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    save_graph(lenet_columns(), tmp_path / "run")
    options = ["plan", str(tmp_path / "run"), "--optimize", goal, "--no-break-even", "--no-simulate"]
    assert CliRunner().invoke(main, options).exit_code == 0


def test_the_fastest_offer_comes_first_and_break_even_is_a_threshold() -> None:
    graph = fuse_clips(lenet_columns())
    node = graph.node("conv2d2")
    found = [sum(o.cycles) for o in offers(graph, node, TARGET)]
    assert found == sorted(found)
    assert {o.backend for o in offers(graph, node, TARGET)} == {"cpu", "lea"}
    lea = break_even(graph, node, TARGET, "lea", "columns")
    assert all(v is not None and 1 <= v <= 20 for v in lea.values())


def test_logs_are_read_back() -> None:
    program = next(programs(TARGET))
    layers, levels = len(program.plans.schedule.layers), len(program.plans.graph.levels)
    lines = log_of(layers, levels)
    samples = samples_of(program, b"noise\r\n" + b"".join(lines))
    assert len(samples) == layers * levels
    assert samples[0].cycles == 4 * 0x10010
    with pytest.raises(CalibrationError, match=r"the log has \d+ of \d+ layers; log it again"):
        samples_of(program, b"".join(lines[:-1]))
    with pytest.raises(CalibrationError, match="a line is damaged"):
        samples_of(program, b"".join(lines).replace(b"0001 0010", b"0001 0011", 1))


def test_prices_are_written_where_they_stand(tmp_path: Path) -> None:
    text = (firmware_dir() / "boards" / TARGET.name / "target.toml").read_text()
    changed = with_prices(text, {"cycles": {"tile": 123.456, "relu_word": 7.0}, "energy": {"cycle": 1.5e-10}})
    write_atomic(tmp_path / "target.toml", changed)
    before, after = text.splitlines(), changed.splitlines()
    different = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert [b.split("#")[0].strip() for _, b in different] == ["relu_word = 7", "tile = 123", "cycle = 1.5e-10"]
    assert all(("#" in a) == ("#" in b) for a, b in different)
    with pytest.raises(CalibrationError, match=r"no line for nothing in \[cycles\]"):
        with_prices(text, {"cycles": {"nothing": 1.0}})
