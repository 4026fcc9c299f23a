"""The commands that simulate: `sim` a project, `run` any ELF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .terminal import STDOUT, OutPath, bar, bar_after, console, fail, known_errors, only_json


@click.command("sim")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--inputs", default=100, show_default=True, help="Test inputs to simulate at every level.")
@click.option(
    "--json",
    "json_file",
    type=OutPath(),
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help="Write the report, and a picture beside it; without FILE print it, and nothing else.",
)
@click.option("--dataset", help="Data set to test on [default: the one of the training].")
@click.option("--data", help="Folder of its files.")
@click.option("--toolchain", default="zig", show_default=True, help="Whose ELF: zig or gcc.")
@click.option("--energy", default="fused", show_default=True, help="Set of energy coefficients.")
@click.option("--jobs", type=click.IntRange(1), help="Processes [default: all cores].")
@click.option("--max-latency-s", multiple=True, metavar="[LEVEL=]S", help="Limit; exit 1 when missed. Repeatable.")
@click.option("--max-energy-j", multiple=True, metavar="[LEVEL=]J", help="Limit; exit 1 when missed. Repeatable.")
@click.option("--min-accuracy", multiple=True, metavar="[LEVEL=]PERCENT", help="Limit; exit 1 when missed. Repeatable.")
@click.option("--power-failures", type=click.IntRange(1), metavar="N", help="Instead: N runs with power failures.")
@click.option("--replay", metavar="ID", help="Instead: the run with this id, such as infer:1/linear:write@1234.")
@click.option(
    "--gdb", type=click.IntRange(0, 65535), metavar="PORT", help="With --replay: gdb takes over at the last one."
)
@known_errors
def sim_command(
    project: Path,
    inputs: int,
    json_file: Path | None,
    dataset: str | None,
    data: str | None,
    toolchain: str,
    energy: str,
    jobs: int | None,
    power_failures: int | None,
    replay: str | None,
    gdb: int | None,
    **limits: tuple[str, ...],
) -> None:
    """Run a built PROJECT on the simulated MCU and report accuracy, latency and energy.

    Every logit is compared with the reference. With limits, exit 1 names each one that is missed.
    """
    from codegen.build import find_build

    if power_failures is not None or replay is not None:
        from .cli_power import fail_and_compare, replay_one

        if power_failures is not None and replay is not None:
            fail("--power-failures and --replay exclude each other")
        built = find_build(project, toolchain)
        if replay is not None:
            replay_one(project, built.program, replay, gdb)
        elif power_failures is not None:
            fail_and_compare(project, built.program, power_failures)
        return
    if gdb is not None:
        fail("--gdb goes with --replay; `swtrain run ELF --gdb PORT` debugs without power failures")
    from codegen.emit import read_project
    from codegen.files import check_writable, write_atomic

    from .datasets import load_dataset
    from .limits import check_limits, parse_limit
    from .report import summarize
    from .show import picture, tables

    graph = read_project(project).graph
    names = [level.name for level in graph.levels]
    wanted = [parse_limit(field, text, names) for field, texts in limits.items() for text in texts]
    to_stdout = json_file == STDOUT
    if to_stdout:
        only_json()
    elif json_file is not None:
        if json_file.suffix == ".png":
            fail(f"--json {json_file} would be overwritten by the picture; give it another ending, such as .json")
        check_writable(json_file)
        check_writable(json_file.with_suffix(".png"))
    find_build(project, toolchain)
    loaded = load_dataset(dataset or str(graph.meta.get("dataset", "mnist-subset")), data)
    with bar() as progress:
        report = summarize(project, loaded, inputs, toolchain=toolchain, energy=energy, jobs=jobs, progress=progress)
    console.print(tables(report))
    run = report.run
    console.print(
        f"simulated {run['instructions']:,} instructions ({run['mips']:.0f} million per second in each of "
        f"{run['jobs']} processes), every logit equal to the reference",
        highlight=False,
    )
    if to_stdout:
        click.echo(report.to_json())
    elif json_file is not None:
        write_atomic(json_file, report.to_json())
        picture(report, json_file.with_suffix(".png"))
        console.print(f"{json_file}, {json_file.with_suffix('.png')}", highlight=False)
    missed = check_limits(report, wanted)
    if missed:
        fail("; ".join(missed))


@click.command()
@click.argument("elf", type=click.Path(path_type=Path))
@click.option("--device", default="msp430fr5994", show_default=True, help="Which MCU.")
@click.option("--supply", default="bench", show_default=True, help="See above.")
@click.option("--until", help="Stop where the program arrives: a symbol or 0xADDRESS. Exit 1 if it does not.")
@click.option(
    "--max-cycles", type=click.IntRange(1), help="Stop after these [default: 1e9; 2e6 with a text trace]; bench only."
)
@click.option(
    "--duration",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="Stop after these simulated seconds [default with a harvester: 3600].",
)
@click.option("--energy", default="fused", show_default=True, help="Set of energy coefficients, overlays after a +.")
@click.option("--seed", default=0, show_default=True, help="Of what memory holds at power-up.")
@click.option("--uart", is_flag=True, help="Print what the program sends.")
@click.option("--watch", multiple=True, metavar="SYMBOL", help="Show writes to this word in the .vcd. Repeatable.")
@click.option("--split", metavar="SYMBOL", help="Split the cost by the value of this word, such as a layer's number.")
@click.option(
    "--trace", type=OutPath(), help="FILE.vcd: words, serial bytes and the supply. Else instructions, as text."
)
@click.option("--profile", type=OutPath(), help="Folded stacks for a flame graph; a table by function as well.")
@click.option(
    "--profile-unit",
    type=click.Choice(["cycles", "picojoules"]),
    default="cycles",
    show_default=True,
    help="Of the stacks.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help="Write the result; without FILE print it, and nothing else.",
)
@click.option("--gdb", type=click.IntRange(0, 65535), metavar="PORT", help="Wait for gdb on this port (loopback).")
@known_errors
def run(elf: Path, uart: bool, json_file: Path | None, gdb: int | None, **options: Any) -> None:
    """Run any ELF on the simulated MCU and report cycles, time and energy.

    \b
    --supply, every value in SI units:
      bench  bench:volts=3.3
      harvest:SOURCE,capacitor=F[,v_on=3.0][,v_off=1.9][,leakage=A][,boot_s=S]
             [,boot_c=C][,v_max=3.6][,v_start=V]
    SOURCE is one of
      power=W                    constant
      solar=W[,start_h=8]        clear days with that peak
      rf=W,period=S,on=S         bursts
      csv=FILE[,ohm=R]           columns time_s and power_w (with ohm: voltage_v)
      volts=V,ohm=R              a source behind a resistance

    \b
    Examples:
      swtrain run firmware.elf --until done --uart
      swtrain run firmware.elf --until done --profile p.folded --profile-unit picojoules
      swtrain run firmware.elf --supply harvest:power=1e-3,capacitor=100e-6 --trace v.vcd
    """
    from codegen.files import write_atomic

    from .run import INTERRUPTED, RunError, RunOptions, load, run_elf, show

    settings = RunOptions(**options)
    if gdb is not None:
        if uart or json_file or any((settings.trace, settings.profile, settings.split, settings.supply != "bench")):
            raise RunError("--gdb goes with --device, --seed and --watch only; gdb decides what runs")
        from sim.gdb import GdbServer

        server = GdbServer(load(elf, settings), gdb)
        click.echo(f"waiting for gdb: target remote localhost:{server.port}")
        server.serve()
        return
    with bar_after(2.0) as progress:
        result = run_elf(elf, settings, progress)
    if json_file == Path("-"):
        click.echo(result.to_json())
    else:
        if uart and result.uart:
            click.echo(result.uart)
        console.print(show(result))
        if json_file is not None:
            write_atomic(json_file, result.to_json())
    if result.stop == INTERRUPTED:
        raise click.exceptions.Exit(130)
    if settings.until is not None and result.stop != "until":
        fail(f"did not arrive at {settings.until}: {result.stop} at {result.pc}")


COMMANDS: tuple[click.Command, ...] = (
    sim_command,
    run,
)
