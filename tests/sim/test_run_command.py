"""`swtrain run` on any ELF: tables, JSON, traces, profiles, supplies, one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

PROGRAM = """
    .globl _start, work, done, count
    .type _start,@function
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #50, r10
1:  call #work
    dec r10
    jnz 1b
done: bis #0x10, r2
    jmp done
    .size _start, .-_start
    .type work,@function
work: inc &count
    ret
    .size work, .-work
    .section .nvm,"aw",@progbits
    .type count,@object
count: .word 0
    .size count, 2
"""


@pytest.fixture
def elf(assemble) -> Path:
    return assemble(PROGRAM)


def run(*args: object) -> tuple[int, str]:
    from swtrain.cli import main

    done = CliRunner().invoke(main, ["run", *map(str, args)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_table_and_json(elf, tmp_path):
    code, text = run(elf, "--until", "done", "--profile", tmp_path / "p.folded", "--json", tmp_path / "r.json")
    assert code == 0
    assert "arrived at" in text
    assert "work" in text
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["stop"] == "until"
    assert result["functions"]["work"]["cycles"] > 0
    total = sum(f["energy_j"] for f in result["functions"].values())
    assert total == pytest.approx(result["energy_j"])
    assert "_start;work " in (tmp_path / "p.folded").read_text()
    code, text = run(elf, "--json", "-", "--energy", "inas")
    assert code == 0
    assert json.loads(text)["stop"] == "halt"


def test_traces(elf, tmp_path):
    assert run(elf, "--trace", tmp_path / "t.txt")[0] == 0
    assert "<work>" in (tmp_path / "t.txt").read_text()
    supply = "harvest:power=1e-3,capacitor=10e-6,v_start=3"
    assert run(elf, "--trace", tmp_path / "t.vcd", "--watch", "count", "--supply", supply)[0] == 0
    vcd = (tmp_path / "t.vcd").read_text()
    assert "count $end" in vcd
    assert "volts $end" in vcd


@pytest.mark.parametrize(
    "supply",
    ["harvest:power=1e-3,capacitor=1e-5", "harvest:solar=1e-3,capacitor=1e-5,start_h=12", "bench:volts=3.3",
     "harvest:rf=5e-3,period=1,on=0.5,capacitor=1e-5", "harvest:volts=3.3,ohm=1000,capacitor=1e-5,leakage=1e-6"],
)  # fmt: skip
def test_supplies(elf, supply):
    code, text = run(elf, "--supply", supply, "--max-cycles", 3_000_000, "--until", "done")
    assert code == 0
    assert "arrived" in text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--supply", "sun"], "neither bench nor harvest"),
        (["--supply", "harvest:power=1e-3"], "needs capacitor"),
        (["--supply", "harvest:capacitor=1e-4"], "needs a source"),
        (["--supply", "harvest:power=x,capacitor=1e-4"], "could not convert"),
        (["--supply", "harvest:power=1,capacitor=1e-4,colour=2"], "unknown colour"),
        (["--supply", "harvest:csv=missing.csv,capacitor=1e-4"], "missing.csv"),
        (["--supply", "bench:volts=9"], "1.8-3.6"),
        (["--energy", "free"], "no energy set 'free'"),
        (["--until", "nowhere"], "no symbol 'nowhere'"),
        (["--device", "msp430g2553"], "no device"),
        (["--watch", "colour"], "no symbol"),
    ],
)
def test_errors_are_one_line(elf, options, text):
    code, output = run(elf, *options)
    assert code == 1
    assert text in output
    assert len(output.strip().splitlines()) == 1


def test_a_missing_file_and_wrong_usage(tmp_path):
    assert run(tmp_path / "no.elf")[0] == 1
    assert run()[0] == 2
