"""lea_probe on the simulator under many options of the LEA model: its reader must recover exactly those."""

from __future__ import annotations

import contextlib
import math
import random
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sim
from codegen.probe import build_probe
from sim.lea import LeaModel, option_values
from sim.probe import BadLog, decide, read_log, run_probe
from sim.probe.__main__ import main
from sim.probe.fit import error, fit
from sim.probe.log import crc16
from sim.probe.show import option_file, table
from swtrain.cli import main as swtrain

RESULT_OPTIONS = ("accumulator", "truncation", "long_product", "mpy_rounding", "fir_rounding", "minmax_ties")
OPTIONS = st.fixed_dictionaries(
    {name: st.sampled_from(option_values(name)) for name in (*RESULT_OPTIONS, "fir_oor", "out_of_range")}
    | {"stall_cycles": st.integers(0, 8), "cycles": st.sampled_from(["best", "low", "high"])}
)
GUESSED = ("MAC3", "SCALEDMAC", "MACMATRIX", "SCALEDFIR", "MAXMATRIX")
few = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="session")
def elf(tmp_path_factory) -> Path:
    return build_probe(tmp_path_factory.mktemp("probe") / "out")


@pytest.fixture(scope="session")
def log(elf) -> bytes:
    return run_probe(elf)


def line(text: str) -> str:
    return f"{text} *{crc16(text):04X}\r\n"


def rewritten(log: bytes, change) -> bytes:
    """The log with `change(fields)` made in each line, CRCs made anew."""
    out = []
    for text in log.decode().splitlines():
        fields = text[: text.rindex(" *")].split(" ")
        change(fields)
        out.append(line(" ".join(fields)))
    return "".join(out).encode()


def assert_recovered(data: bytes, lea: dict) -> None:
    report = decide(read_log(data))
    model = LeaModel.load({k: v for k, v in lea.items() if k != "refuse"})
    assert {d.option: d.value for d in report.decisions} == {**model.values, "stack_bytes": None}
    assert {d.option: d.status for d in report.decisions if d.status != "decided"} == {"stack_bytes": "undecided"}
    assert report.refused == [n for n in model.costs if n in lea.get("refuse", ())]
    for c in report.commands:
        if c.name not in report.refused:
            assert c.coefficients == model.costs[c.name].coefficients, c.name
            assert c.explained == c.results >= 8


@pytest.mark.parametrize(
    "lea",
    [
        {},
        {"accumulator": "wrap32", "truncation": "toward_zero", "fir_oor": "off", "stall_cycles": 0, "cycles": "low"},
        {"accumulator": "saturate32", "long_product": "wide", "mpy_rounding": "round", "out_of_range": "flag"},
        {"accumulator": "guard40", "fir_rounding": "round", "minmax_ties": "highest", "stall_cycles": 8},
        {"cycles": {"fir": "low", "mac": "high", "complex": "low", "minmax_long": "high"}, "refuse": ["SCALEDFIR"]},
    ],
)
def test_every_value_of_every_option_is_recovered(elf, lea):
    assert_recovered(run_probe(elf, lea), lea)


@few
@given(OPTIONS, st.sets(st.sampled_from(GUESSED)))
def test_any_combination_is_recovered(elf, lea, refused):
    lea = {**lea, "refuse": sorted(refused)}
    assert_recovered(run_probe(elf, lea), lea)


@few
@given(st.data(), OPTIONS)
def test_the_file_makes_a_machine_like_the_board(elf, tmp_path_factory, data, lea):
    """Coefficients that no reading has: the machine made from the file prints the very same log."""
    rows = {}
    for name in data.draw(st.sets(st.sampled_from(sorted(LeaModel.load({}).costs)), max_size=6)):
        rows[name] = [data.draw(st.integers(8, 60)), data.draw(st.integers(4, 40)) / 4, 0, 0]
        if name in ("MPYMATRIXROW", "FIR", "FIRLONG"):
            rows[name][3] = data.draw(st.integers(2, 20)) / 4
    folder = tmp_path_factory.mktemp("board")
    costs = "".join(f"[cycles.{name}]\nbest = {row}\nlow = {row}\nhigh = {row}\n" for name, row in rows.items())
    (folder / "silicon.toml").write_text(costs)
    first = run_probe(elf, {**lea, "file": folder / "silicon.toml"})
    (folder / "board.toml").write_text(option_file(decide(read_log(first)), "board"))
    assert run_probe(elf, folder / "board.toml") == first


@few
@given(st.integers(0, 2**32), st.integers(1, 200), st.binary(max_size=40))
def test_damage_loses_readings_and_never_changes_them(log, seed, hits, noise):
    data, rng = bytearray(log), random.Random(seed)
    for _ in range(hits):
        data[rng.randrange(len(data))] = rng.randrange(256)
    cut = rng.randrange(len(data) // 2, len(data))
    report = decide(read_log(noise + bytes(data[:cut])))
    expected = LeaModel.load({})
    for d in report.decisions:
        assert d.status in ("decided", "undecided", "missing")
        assert d.value in (None, expected.values[d.option])
    for c in report.commands:
        assert not c.refused
        if c.sizes >= 4 and c.coefficients is not None:
            assert c.coefficients == expected.costs[c.name].coefficients
    assert any("damaged" in note for note in report.notes)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300)), st.data())
def test_garbage_is_no_log(junk, data):
    kind = data.draw(
        st.sampled_from(["begin", "wake", "result", "odd", "cycles", "range", "stall", "stack", "end", "x"])
    )
    fields = data.draw(
        st.lists(st.sampled_from(["0000", "0040", "0B20", "FFFF", "5AA55AA5*FFFF", "-", "", "00", "zz"]), max_size=18)
    )
    text = line(" ".join(["#LEA", kind, *fields]))
    for blob in (junk, text, text.encode() + (junk if isinstance(junk, bytes) else junk.encode())):
        with contextlib.suppress(BadLog):
            decide(read_log(blob))


def test_a_command_that_computes_something_else_is_refused(log):
    def change(fields: list[str]) -> None:
        if fields[1:2] == ["result"] and fields[3] == "0138":
            fields[-1] = "00000001,5AA55AA5"

    report = decide(read_log(rewritten(log, change)))
    assert report.refused == ["SCALEDMAC"]
    assert report.values["accumulator"] == "saturate_end"
    assert "SCALEDMAC" in option_file(report, "x")


def test_commands_that_disagree_are_named(elf, log):
    """FIR wraps, everything else saturates: the model has one option for all, and says so."""
    other = {
        r[2]: r
        for r in (t.split(" ") for t in run_probe(elf, {"accumulator": "wrap32"}).decode().splitlines())
        if r[1] == "result"
    }

    def change(fields: list[str]) -> None:
        if fields[1] == "result" and fields[3] == "0018":
            fields[:] = other[fields[2]][:-1]

    report = decide(read_log(rewritten(log, change)))
    found = next(d for d in report.decisions if d.option == "accumulator")
    assert (found.status, found.value) == ("contradicted", "saturate_end")
    assert found.evidence.endswith("against it: FIR")
    assert report.refused == []


def test_what_the_model_cannot_hold_is_a_note(log):
    def change(fields: list[str]) -> None:
        if fields[1] == "stall" and fields[3] == "0001":
            fields[5] = f"{int(fields[4], 16) + 3 * 64:04X}"  # stores wait three cycles, loads one
            fields[7] = f"{int(fields[6], 16) + 10:04X}"
        if fields[1] == "cycles" and fields[3] == "0040":
            fields[6] = f"{int(fields[6], 16) + int(fields[4], 16) ** 2 // 64:04X}"  # not linear
        if fields[1] == "range":
            fields[7] = "0010"

    report = decide(read_log(rewritten(log, change)))
    status = {d.option: (d.status, d.value) for d in report.decisions}
    assert status["stall_cycles"] == ("contradicted", 3)
    text = table(report)
    assert "64 stores delayed the LEA by 10 cycles" in text
    assert next(c for c in report.commands if c.name == "ADDMATRIX").worst > 3


def test_odd_sizes_and_flags_are_shown(elf, log):
    number = max(read_log(log).unfinished)
    odd = line(
        f"#LEA odd {number:04X} 0040 0005 0000 0030 0010 0B20 0005 0C00 0DC0 0001 0001 0001 00000001 00000002 00000003"
    )
    text = table(decide(read_log(log + odd.encode())))
    assert "note: command 040 with an odd size ended with 00000003" in text
    out = table(decide(read_log(run_probe(elf, {"out_of_range": "flag"}))))
    assert "the command ended with OORIFG" in out


def test_a_log_without_its_end_says_how_to_go_on(log):
    report = decide(read_log(log[: len(log) // 2]))
    assert any("press reset" in note for note in report.notes)
    assert {d.status for d in report.decisions if d.option == "stall_cycles"} == {"missing"}


@pytest.mark.skipif(shutil.which("msp430-elf-gcc") is None, reason="msp430-elf-gcc is not on PATH")
@pytest.mark.toolchain
def test_another_compiler_prints_the_same(log, tmp_path):
    assert run_probe(build_probe(tmp_path / "gcc", "gcc")) == log


def test_command_lines(log, tmp_path, capsys):
    (tmp_path / "log").write_bytes(log)
    assert main([str(tmp_path / "log"), "--out", str(tmp_path / "board.toml"), "--name", "mine"]) == 0
    assert "MPYMATRIXROW" in capsys.readouterr().out
    assert sim.Machine(lea=tmp_path / "board.toml").assumptions
    assert main([str(tmp_path / "none")]) == 1
    (tmp_path / "other").write_text("hello\n")
    assert main([str(tmp_path / "other")]) == 1
    assert "115200" in capsys.readouterr().err
    (tmp_path / "old").write_text(line("#LEA begin 0009"))
    assert main([str(tmp_path / "old")]) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["board.toml", "log", "old", "other"]
    done = CliRunner().invoke(swtrain, ["lea-probe", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert {p.suffix for p in (tmp_path / "out").iterdir() if p.stem == "lea_probe"} == {".elf", ".hex", ".txt"}
    assert CliRunner().invoke(swtrain, ["lea-probe", str(tmp_path / "out"), "--toolchain", "host"]).exit_code == 1


@settings(max_examples=200, deadline=None)
@given(st.tuples(*[st.integers(0, 400)] * 3), st.booleans())
def test_formulas_are_found_from_rounded_points(numbers, on_grid):
    a, b, d = (v / 4 if on_grid else v / 7.3 for v in numbers)
    c = (float(math.ceil(a)), b, 0.0, d)
    sizes = [(2, 2), (2, 12), (10, 2), (10, 12), (20, 6), (30, 8)]
    points = [(n, m, math.ceil(c[0] + c[1] * n + c[3] * n * m - 1e-6)) for n, m in sizes]
    found = fit(points)
    assert error(found.coefficients, points) == found.worst <= 1
