"""The command line: parses, calls one function per command, shows what comes back.

Known errors are one line and exit 1, wrong usage is exit 2, anything else a traceback. torch is imported only by
the commands that train or export.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from . import __version__, cli_import, cli_package, cli_plan, cli_policy, cli_train
from .terminal import OutPath, bar, bar_after, console, fail, known_errors, max_step_cycles, weight_bits


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="swtrain")
def main() -> None:
    """Nested sparse neural networks on batteryless MSP430FR microcontrollers."""


COMMAND_SETS = (cli_train, cli_import, cli_plan, cli_policy, cli_package)
for command in (c for module in COMMAND_SETS for c in module.COMMANDS):
    main.add_command(command)


@main.command("emit-c")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=OutPath(), required=True, help="Folder of the C project.")
@click.option("--target", default="msp430fr5994", show_default=True, help="Board.")
@click.option(
    "--backend",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "cpu", "lea"]),
    help="auto: each layer where it is cheaper. Results are the same bits.",
)
@click.option("--overlap/--no-overlap", default=True, help="CPU and DMA work while the LEA runs [default: overlap].")
@click.option(
    "--external",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "all", "none"]),
    help="Weights in external memory; auto: what high FRAM can't hold.",
)
@click.option(
    "--encoding",
    multiple=True,
    metavar="NAME | NODE=NAME",
    help="Encoding of weights that the CPU reads, of all layers or of one: csr, block, ... [default: the cheapest].",
)
@click.option(
    "--optimize",
    default="latency",
    show_default=True,
    type=click.Choice(["latency", "energy", "size"]),
    help="What the choice of an encoding compares.",
)
@click.option(
    "--switching",
    default="resident",
    show_default=True,
    type=click.Choice(["resident", "image", "auto"]),
    help="resident: weights ordered by level, a switch is one word. image: dense weights on the LEA, a switch patches "
    "what differs. auto: for each layer what costs less.",
)
@click.option(
    "--update",
    metavar="auto | BYTES",
    help="Room for packages that replace weights in the field; auto: as many as all weights take. [default: none]",
)
@click.option("--model-version", default=1, show_default=True, type=click.IntRange(1, 65535), help="See --update.")
@click.option(
    "--supply",
    metavar="capacitor=F[,v_on=3.0][,v_off=1.9][,leakage=A][,boot_s=S][,boot_c=C]",
    help="Energy buffer in SI units: steps that it pays for. [default: steps of the board's target.toml]",
)
@max_step_cycles
@weight_bits
@click.option("--dataset", help="What --weight-bits auto measures [default: the model's].")
@click.option("--data", help="Folder of its files.")
@known_errors
def emit_c(
    run: Path,
    out: Path,
    target: str,
    backend: str,
    overlap: bool,
    external: str,
    encoding: tuple[str, ...],
    optimize: str,
    switching: str,
    update: str | None,
    model_version: int,
    supply: str | None,
    max_step_cycles: int | None,
    weight_bits: str | None,
    dataset: str | None,
    data: str | None,
) -> None:
    """Turn a trained RUN into a C project."""
    from codegen.emit import EXTERNAL, emit_project, write_project
    from codegen.errors import DoesNotFit
    from codegen.memory import planned_bytes
    from codegen.serialize import load_graph
    from codegen.supply import explain, fit_steps, parse_buffer
    from codegen.target import load_target

    from .cli_plan import narrowed

    board = load_target(target, max_step_cycles)
    graph = load_graph(run)
    names = [node.name for node in graph.nodes if node.params is not None]
    wanted = dict.fromkeys(names, next((e for e in reversed(encoding) if "=" not in e), "auto"))
    wanted |= {node: name for node, _, name in (e.rpartition("=") for e in encoding if "=" in e)}
    if weight_bits is not None:
        graph, stored = narrowed(graph, weight_bits, board, overlap, (dataset, data))
        wanted |= {node: name for node, name in stored.items() if wanted[node] == "auto"}
    buffer = parse_buffer(supply) if supply else None
    if update is not None and update != "auto" and not update.isdecimal():
        fail(f"--update {update}: give auto or a number of bytes")
    room = None if update is None else 0 if update == "auto" else int(update)
    planned = fit_steps(board, buffer) if buffer else board
    try:
        project = emit_project(
            graph, planned, backend, overlap, external, wanted, optimize, switching, room, model_version
        )
    except DoesNotFit as e:
        raise (explain(buffer, board, e) if buffer else e) from e
    write_project(project, out)
    count = len(project.graph.levels)
    table = Table(title=f"{project.graph.name} for {target}: bytes read by each level")
    table.add_column("layer")
    table.add_column("encoding")
    for level in project.graph.levels:
        table.add_column(f"{level.name} % weights + index", justify="right")
    for packed in project.packed.layers.values():
        cells = (f"{packed.weight_bytes(k):,} + {packed.index_bytes(k):,}" for k in range(count))
        table.add_row(packed.node, packed.encoding, *cells)
    sums = [(project.packed.weight_bytes(k), project.packed.index_bytes(k)) for k in range(count)]
    table.add_row("all", "", *(f"{w:,} + {i:,} ({100 * i / w:.1f} %)" for w, i in sums))
    console.print(table)
    used = planned_bytes(project.graph, project.schedule, project.plan, project.packed, project.target)
    regions = Table(title="planned memory (bytes), with the target's reserves for code and stack")
    for column in ("region", "planned", "size"):
        regions.add_column(column, justify="left" if column == "region" else "right")
    for name, count in used.items():
        regions.add_row(name, f"{count:,}", f"{project.target.regions[name].size:,}")
    if project.image is not None and project.target.external is not None:
        regions.add_row("external", f"{len(project.image.data):,}", f"{project.target.external.size:,}")
    console.print(regions)
    if project.image is not None:
        outside = ", ".join(project.image.blobs)
        console.print(f"weights in external memory ({out / EXTERNAL}): {outside}", highlight=False)
    longest = project.schedule.longest
    console.print(
        f"longest step, reboot included: {longest.layer}, {longest.cycles:,.0f} of {planned.step_cycles:,} cycles",
        highlight=False,
    )
    console.print(f"C project in {out}; next: swtrain build {out}", highlight=False)


@main.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "--toolchain",
    default="zig",
    show_default=True,
    help="zig (clang, built in), gcc (msp430-elf-gcc) or host.",
)
@click.option(
    "--main",
    "application",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own main.c, and further sources. Repeatable. The program appears in PROJECT/application.",
)
@known_errors
def build(project: Path, toolchain: str, application: tuple[Path, ...]) -> None:
    """Compile an emitted PROJECT: ELF, Intel HEX, TI-TXT, map and sizes."""
    from codegen.build import build as run_build

    if application:
        if toolchain == "host":
            fail("--main is for the board; the host program reads inputs from stdin")
        built = run_build(project, toolchain, project / "application", [p.resolve() for p in application])
        console.print(f"{built.program}; next: swtrain run {built.program}", highlight=False)
        return
    built = run_build(project, toolchain)
    if built.sizes:
        from .show import size_table

        console.print(size_table(built.sizes))
    console.print(f"{built.program}; next: swtrain sim {project}", highlight=False)


@main.command("sim")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--inputs", default=100, show_default=True, help="Test inputs to simulate at every level.")
@click.option("--json", "json_file", type=OutPath(), help="Write the report, and a picture beside it.")
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
    if json_file is not None:
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
    if json_file is not None:
        write_atomic(json_file, report.to_json())
        picture(report, json_file.with_suffix(".png"))
        console.print(f"{json_file}, {json_file.with_suffix('.png')}", highlight=False)
    missed = check_limits(report, wanted)
    if missed:
        fail("; ".join(missed))


@main.command()
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
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result; - prints it.")
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


@main.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--toolchain", default="zig", show_default=True, help="Whose image: zig or gcc.")
@known_errors
def flash(project: Path, toolchain: str) -> None:
    """Write a built PROJECT to a board with mspdebug (driver tilib); its external memory first, if it needs one."""
    from codegen.build import find_build
    from codegen.flash import fill_external
    from codegen.flash import flash as run_flash

    built = find_build(project, toolchain)
    for loader in built.loaders:
        console.print(fill_external(loader), highlight=False)
    console.print(run_flash(built.program), highlight=False)


@main.command("lea-probe")
@click.argument("out", type=OutPath())
@click.option("--toolchain", default="zig", show_default=True, help="zig or gcc.")
@known_errors
def lea_probe(out: Path, toolchain: str) -> None:
    """Build the firmware that measures a board's LEA into the folder OUT."""
    from codegen.probe import build_probe

    elf = build_probe(out, toolchain)
    console.print(f"{elf}; flash it, log its UART (115200 baud), then: python -m sim.probe LOG", highlight=False)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@known_errors
def doctor(as_json: bool) -> None:
    """Say what is installed and what is missing; exit 1 when something required is."""
    from .doctor import examine

    findings = examine()
    if as_json:
        click.echo(json.dumps([f.__dict__ for f in findings], indent=1))
    else:
        table = Table(title=f"swtrain {__version__}")
        for column in ("", "what", "found", "remedy"):
            table.add_column(column)
        for f in findings:
            sign = "[green]ok[/]" if f.ok else "[red]missing[/]" if f.required else "[yellow]absent[/]"
            table.add_row(sign, f.what, f.found, "" if f.ok else f.remedy)
        console.print(table)
    broken = [f.what for f in findings if f.required and not f.ok]
    if broken:
        fail(f"required and missing: {', '.join(broken)}")


if __name__ == "__main__":
    main()
