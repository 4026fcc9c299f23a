"""`swtrain run` on any ELF: tables, JSON, traces, profiles, supplies, one-line errors."""

from __future__ import annotations

import json
import re
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
    code, text = run(elf, "--supply", supply, "--duration", 20, "--until", "done")
    assert code == 0
    assert "arrived" in text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--supply", "sun"], "neither bench nor harvest"),
        (["--supply", "harvest:power=1e-3"], "needs capacitor"),
        (["--supply", "harvest:capacitor=1e-4"], "needs a source"),
        (["--supply", "harvest:power=x,capacitor=1e-4"], "power=x is not a number"),
        (["--supply", "harvest:power=1,capacitor=1e-4,colour=2"], "unknown name 'colour'"),
        (["--supply", "harvest:csv=missing.csv,capacitor=1e-4"], "missing.csv"),
        (["--supply", "bench:volts=9"], "1.8-3.6"),
        (["--energy", "free"], "no energy set 'free'"),
        (["--until", "nowhere"], "no symbol 'nowhere'"),
        (["--device", "msp430g2553"], "no device"),
        (["--watch", "colour"], "no symbol"),
        (["--split", "colour"], "no symbol"),
        (["--until", "0x44zz"], "neither a symbol of the program nor an address"),
        (["--until", "0x2"], "lies outside memory"),
        (["--supply", "harvest:power=1,rf=2,capacitor=1e-4"], "has 2 sources (power, rf)"),
        (["--supply", "harvest:power=1,power=2,capacitor=1e-4"], "'power=2' is given twice"),
        (["--supply", "harvest:power,capacitor=1e-4"], "'power' is not NAME=VALUE"),
        (["--supply", "harvest:power=1,capacitor=100uF"], "capacitor=100uF is not a number; write SI units"),
        (["--supply", "harvest:rf=1,capacitor=1e-4"], "needs period=VALUE"),
        (["--supply", "harvest:power=1,capacitor=1e-4,vmax=2"], "did you mean 'v_max'"),
        (["--supply", "harvest:power=1,capacitor=1e-4", "--max-cycles", "5"], "use --duration only"),
        (["--supply", "harvest:power=1,capacitor=1e-4", "--trace", "t.txt"], "needs --supply bench"),
        (["--gdb", "0", "--uart"], "--gdb goes with"),
        (["--trace", "x.vcd", "--until", "done"], "there is nothing to put into x.vcd"),
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


def test_addresses_and_arrival(elf):
    from sim import Machine

    m = Machine()
    m.load(elf)
    code, text = run(elf, "--until", hex(m.symbols["done"].address))
    assert code == 0
    assert "arrived" in text
    code, text = run(elf, "--until", "done", "--max-cycles", 20)
    assert code == 1
    assert "did not arrive at done: cycles at" in text
    code, text = run(elf, "--duration", 0.01)
    assert code == 0
    assert "10.0" in text  # ms


def test_costs_add_up(elf, tmp_path):
    """Functions, values of a word and the folded stacks in picojoules all sum to the total."""
    folded, report = tmp_path / "p.folded", tmp_path / "r.json"
    options = ("--profile", folded, "--profile-unit", "picojoules", "--split", "count", "--json", report)
    code, text = run(elf, "--until", "done", *options)
    assert code == 0
    assert "cost by value" in text
    result = json.loads(report.read_text())
    for part in ("functions", "split"):
        assert sum(c["energy_j"] for c in result[part].values()) == pytest.approx(result["energy_j"], rel=1e-9)
        assert sum(c["cycles"] for c in result[part].values()) == result["cycles"]
    assert list(result["split"])[:3] == ["before", "1", "2"]
    assert len(result["split"]) == 51
    picojoules = sum(int(line.rsplit(" ", 1)[1]) for line in folded.read_text().splitlines())
    assert picojoules == pytest.approx(result["energy_j"] * 1e12, rel=1e-4)


def read_vcd(text: str) -> tuple[dict[str, str], dict[str, list[tuple[int, str]]]]:
    """Kinds and changes by name: a small reader after IEEE 1364-2005, clause 18; it refuses what it does not know."""
    head, _, body = text.partition("$enddefinitions $end\n")
    kinds, names = {}, {}
    for kind, size, code, name in re.findall(r"\$var (\w+) (\d+) (\S+) (\S+) \$end", head):
        kinds[name], names[code] = f"{kind}{size}", name
    assert re.search(r"\$timescale 1 ns \$end", head)
    changes: dict[str, list[tuple[int, str]]] = {name: [] for name in kinds}
    now = -1
    for line in body.splitlines():
        if line.startswith("#"):
            assert int(line[1:]) > now
            now = int(line[1:])
            continue
        match = re.fullmatch(r"b([01]+) (\S+)|r(\S+) (\S+)|([01])(\S+)", line)
        assert match, line
        value, code = (g for g in match.groups() if g is not None)
        changes[names[code]].append((now, value))
    return kinds, changes


def test_vcd_is_read_back(elf, tmp_path):
    supply = "harvest:power=1e-3,capacitor=10e-6,v_start=3"
    options = ("--watch", "count", "--supply", supply, "--json", tmp_path / "r.json", "--duration", 5)
    assert run(elf, "--trace", tmp_path / "t.vcd", *options)[0] == 0
    kinds, changes = read_vcd((tmp_path / "t.vcd").read_text())
    assert kinds == {"count": "wire16", "volts": "real64", "on": "wire1"}
    assert [int(v, 2) for _, v in changes["count"]] == list(range(1, 51))
    voltage = json.loads((tmp_path / "r.json").read_text())["supply"]["voltage"]
    assert [float(v) for _, v in changes["volts"]] == pytest.approx([v for _, v in voltage])
    assert [v for _, v in changes["on"]][:2] == ["0", "0"]


def test_a_fault_leaves_the_way_to_it(assemble, tmp_path):
    bad = assemble("_start: mov #0x5a80, &0x15c\n mov #7, r4\n mov &0x1b00, r5")
    code, text = run(bad, "--trace", tmp_path / "t.txt")
    assert code == 1
    assert "0x01B00" in text
    assert "R4=00007" in (tmp_path / "t.txt").read_text()
    assert len(list(tmp_path.iterdir())) == 1


def test_interrupted_runs_show_what_there_is(elf, tmp_path, monkeypatch):
    import sim

    def interrupted(self: sim.Machine, *args: object, **options: object) -> sim.Stop:
        raise KeyboardInterrupt

    monkeypatch.setattr(sim.Machine, "run", interrupted)
    code, text = run(elf, "--json", tmp_path / "r.json")
    assert code == 130
    assert "interrupted at" in text
    assert json.loads((tmp_path / "r.json").read_text())["stop"] == "interrupted"


def test_json_alone_on_standard_output(assemble):
    send = assemble("""
_start: mov #0x5a80, &0x15c
    mov #0x2c00, r1
    mov #0x81, &0x5c0
    mov #8, &0x5c6
    mov #0, &0x5c8
    bic #1, &0x5c0
    mov #72, &0x5ce
1:  bit #8, &0x5dc
    jz 1b
    bis #0x10, r2
    jmp .
""")
    code, text = run(send, "--uart", "--json", "-")
    assert code == 0
    assert json.loads(text)["uart"] == "H"
    code, text = run(send, "--uart")
    assert text.splitlines()[0] == "H"


def test_files_that_are_no_program(tmp_path):
    for name, content in {"a.elf": b"", "b.elf": b"\x7fELF" + bytes(60), "c.txt": b"hello"}.items():
        (tmp_path / name).write_bytes(content)
        code, text = run(tmp_path / name)
        assert code == 1
        assert name in text
        assert len(text.strip().splitlines()) == 1
    code, text = run(tmp_path)
    assert code == 1


def test_help_shows_the_supplies():
    code, text = run("--help")
    assert code == 0
    for word in ("harvest:SOURCE", "csv=FILE", "Examples:", "--duration"):
        assert word in text
