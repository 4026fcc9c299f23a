"""The commands that make a program: `emit-c`, `build`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from .terminal import OutPath, board_option, console, fail, json_result, known_errors, max_step_cycles, weight_bits


@click.command("emit-c")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=OutPath(), required=True, help="Folder of the C project.")
@board_option
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
    metavar="capacitor=F[,v_on=3.0][,v_off=1.9][,leakage=A][,boot_s=S][,boot_c=C][,v_max=3.6]",
    help="Energy buffer in SI units: steps that it pays for. [default: steps of the board's target.toml]",
)
@max_step_cycles
@weight_bits
@click.option(
    "--vendor", is_flag=True, help="A plain folder instead, for TI's IDE with GCC or for make, without Python."
)
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
    vendor: bool,
    dataset: str | None,
    data: str | None,
) -> None:
    """Turn a trained RUN into a C project."""
    from codegen.emit import EXTERNAL, emit_project, write_project
    from codegen.errors import DoesNotFit
    from codegen.files import replace_folder
    from codegen.memory import planned_bytes
    from codegen.serialize import load_graph
    from codegen.supply import explain, fit_steps, parse_buffer
    from codegen.target import load_target
    from codegen.vendor import vendor_files

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
    if vendor:
        replace_folder(out, vendor_files(project))
    else:
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
        outside = len(project.image.data) + project.plan.swapped_bytes
        regions.add_row("external", f"{outside:,}", f"{project.target.external.size:,}")
    console.print(regions)
    if project.image is not None:
        weights = ", ".join(project.image.blobs) or "none"
        console.print(f"weights in external memory ({out / EXTERNAL}): {weights}", highlight=False)
    if project.plan.swapped:
        console.print(f"activations that wait there: {', '.join(project.plan.swapped)}", highlight=False)
    longest = project.schedule.longest
    json_result(
        {
            "project": str(out),
            "levels": [
                {"name": level.name, "weight_bytes": w, "index_bytes": i}
                for level, (w, i) in zip(project.graph.levels, sums, strict=True)
            ],
            "layers": {packed.node: packed.encoding for packed in project.packed.layers.values()},
            "regions": {n: {"planned": c, "size": project.target.regions[n].size} for n, c in used.items()},
            "longest_step": {"layer": longest.layer, "cycles": round(longest.cycles), "limit": planned.step_cycles},
        }
    )
    console.print(
        f"longest step, reboot included: {longest.layer}, {longest.cycles:,.0f} of {planned.step_cycles:,} cycles",
        highlight=False,
    )
    following = f"make -C {out}, or see {out / 'README.txt'}" if vendor else f"swtrain build {out}"
    console.print(f"C project in {out}; next: {following}", highlight=False)


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "--toolchain",
    help="zig (clang, built in), gcc (msp430-elf-gcc), gcc-large or host. [default: the board's, zig for an MSP430]",
)
@click.option(
    "--main",
    "application",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own main.c, and further sources. Repeatable. The program appears in PROJECT/application.",
)
@click.option("--monitor", is_flag=True, help="The program that `swtrain monitor` talks to, in PROJECT/monitor.")
@known_errors
def build(project: Path, toolchain: str | None, application: tuple[Path, ...], monitor: bool) -> None:
    """Compile an emitted PROJECT: ELF, Intel HEX, TI-TXT, map and sizes."""
    from codegen.build import build as run_build

    if monitor:
        from codegen.build import build_monitor

        if application:
            fail("--monitor and --main exclude each other")
        built = build_monitor(project, toolchain)
        console.print(f"{built.program}; next: swtrain flash {project} --monitor", highlight=False)
        return
    if application:
        if toolchain == "host":
            fail("--main is for the board; the host program reads inputs from stdin")
        built = run_build(project, toolchain, project / "application", [p.resolve() for p in application])
        json_result({"program": str(built.program), "sizes": built.sizes})
        console.print(f"{built.program}; next: swtrain run {built.program}", highlight=False)
        return
    built = run_build(project, toolchain)
    json_result({"program": str(built.program), "sizes": built.sizes})
    if built.sizes:
        from .show import size_table

        console.print(size_table(built.sizes))
    console.print(f"{built.program}; next: swtrain sim {project}", highlight=False)


COMMANDS: tuple[click.Command, ...] = (
    emit_c,
    build,
)
