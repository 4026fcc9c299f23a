"""The commands of the planner: `plan` shows what it chooses and why, `calibrate` fits its cost model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from .terminal import OutPath, bar, board_option, console, json_result, known_errors, max_step_cycles, weight_bits

if TYPE_CHECKING:
    from codegen.ir import Graph
    from codegen.target import TargetSpec


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@board_option
@click.option("--optimize", default="latency", show_default=True, type=click.Choice(["latency", "energy", "size"]))
@click.option("--overlap/--no-overlap", default=True, help="CPU and DMA work while the LEA runs [default: overlap].")
@click.option("--simulate/--no-simulate", default=True, help="Build and simulate one input beside [default: simulate].")
@click.option("--break-even/--no-break-even", default=True, help="Sparsity from which sparse is cheaper than dense.")
@max_step_cycles
@weight_bits
@known_errors
def plan(
    run: Path,
    target: str,
    optimize: str,
    overlap: bool,
    simulate: bool,
    break_even: bool,
    max_step_cycles: int | None,
    weight_bits: str | None,
    dataset: str | None,
    data: str | None,
) -> None:
    """Show, for each layer of RUN, the chosen back end and encoding, the runner-up, and where sparsity pays."""
    from codegen.plans import plan_project
    from codegen.serialize import load_graph
    from codegen.target import load_target

    from .planning import break_evens, layer_rows, simulated_cycles

    board = load_target(target, max_step_cycles)
    graph, stored = load_graph(run), dict[str, str]()
    if weight_bits is not None:
        graph, stored = narrowed(graph, weight_bits, board, overlap, (dataset, data))
    plans = plan_project(graph, board, overlap=overlap, encoding=stored, optimize=optimize)
    measured = None
    if simulate:
        with tempfile.TemporaryDirectory() as scratch:
            measured = simulated_cycles(plans, optimize, stored, Path(scratch) / "project")
    rows = layer_rows(plans, measured)
    console.print(_choices(rows, [v.name for v in plans.graph.levels], f"{plans.graph.name} on {board.name}"))
    report: dict[str, Any] = {"model": plans.graph.name, "optimize": optimize, "layers": rows}
    longest = plans.schedule.longest
    report["longest_step"] = {"layer": longest.layer, "level": longest.level, "cycles": round(longest.cycles)}
    console.print(
        f"longest step, reboot included: {longest.layer}, {longest.cycles:,.0f} of {board.step_cycles:,} cycles",
        highlight=False,
    )
    if break_even:
        weighted = [n for n in plans.graph.nodes if n.params is not None]
        report["break_even"] = []
        with bar() as show:
            for i, node in enumerate(weighted):
                show("break-even", i, len(weighted))
                report["break_even"] += break_evens(plans.graph, node, board)
        console.print(_break_even_table(report["break_even"]))
    json_result(report)


def narrowed(
    graph: Graph, text: str, board: TargetSpec, overlap: bool, source: tuple[str | None, str | None]
) -> tuple[Graph, dict[str, str]]:
    """The graph with the weight bits of `text`, shown with its accuracy, and the encodings of the narrow nodes."""
    from codegen.narrow import byte_encodings

    from .weight_bits import apply_weight_bits

    found = apply_weight_bits(graph, text, board, overlap, *source)
    console.print(f"weights of 8 bits: {', '.join(found.nodes) or 'none'}", highlight=False)
    if found.before:
        levels = zip(graph.levels, found.before, found.after, strict=True)
        shown = ", ".join(f"{level.name} %: {before:.2f} -> {after:.2f}" for level, before, after in levels)
        console.print(f"device accuracy in percent, first test inputs, 16 bits -> 8 bits: {shown}", highlight=False)
    return found.graph, dict(byte_encodings(found.graph, found.nodes, board))


def _choices(rows: list[dict[str, Any]], levels: list[str], title: str) -> Table:
    table = Table(title=f"{title}: kilocycles predicted (simulated), dense LEA, runner-up")
    table.add_column("layer")
    table.add_column("choice")
    for level in levels:
        table.add_column(f"{level} %", justify="right")
    table.add_column("dense LEA", justify="right")
    table.add_column("runner-up")
    for row in rows:
        cells = [
            f"{p / 1e3:,.1f}" + (f" ({s / 1e3:,.1f})" if s is not None else "")
            for p, s in zip(row["predicted_cycles"], row["simulated_cycles"], strict=True)
        ]
        dense = f"{row['dense_lea_cycles'] / 1e3:,.1f}" if row["dense_lea_cycles"] else ""
        second = row["runner_up"]
        text = f"{second['name']}: {sum(second['cycles']) / len(levels) / 1e3:,.1f}" if second else ""
        table.add_row(row["name"], row["choice"], *cells, dense, text)
    return table


def _break_even_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="break-even: percent of pruned weights from which sparse is cheaper than dense")
    for name in ("layer", "back end", "mask"):
        table.add_column(name)
    for name in ("bytes", "cycles", "joules"):
        table.add_column(name, justify="right")
    for row in rows:
        cells = ["never" if row[k] is None else f"{row[k]:g}" for k in ("bytes", "cycles", "joules")]
        table.add_row(row["layer"], row["backend"], row["mask"], *cells)
    return table


@click.command()
@board_option
@click.option("--out", type=OutPath(), help="Write the board's target.toml with the fitted prices.")
@click.option("--programs", type=OutPath(), help="Only build the programs into this folder, to flash them on a board.")
@click.option("--log", "logs", multiple=True, type=click.Path(path_type=Path), help="What a board printed. Repeatable.")
@known_errors
def calibrate(target: str, out: Path | None, programs: Path | None, logs: tuple[Path, ...]) -> None:
    """Fit the planner's cost model to layers timed on the simulator, or on a board over UART."""
    import shutil

    from codegen.boards import prices_file
    from codegen.files import write_atomic
    from codegen.target import load_target

    from . import calibrate as calibration

    board = load_target(target)
    everything = list(calibration.programs(board))
    if programs:
        programs.mkdir(parents=True, exist_ok=True)
        with bar() as show:
            for i, program in enumerate(everything):
                show("building", i, len(everything))
                with tempfile.TemporaryDirectory() as scratch:
                    shutil.copy(calibration.link(program, Path(scratch)), programs / f"{program.name}.elf")
        json_result({"programs": [program.name for program in everything], "folder": str(programs)})
        console.print(f"flash each of {programs}, log its UART (115200 baud) as <program>.log, then: --log FILE ...")
        return
    if logs:
        samples = calibration.read_logs(board, logs)
    else:
        samples = []
        with bar() as show:
            for i, program in enumerate(everything):
                show("measuring", i, len(everything))
                samples += calibration.measure(program)
    fit = calibration.calibrate(samples, board)
    tables = {"cycles": {k: v for k, v in fit.prices.items() if not k.startswith("external")}}
    if not logs:
        tables["energy"] = calibration.fit_energy(board, fit.prices)
    console.print(_fit_table(board.prices, fit.prices))
    errors = sorted((abs(e) for e in fit.errors), reverse=True)
    middle = errors[len(errors) // 2]
    console.print(f"{len(errors)} layers; error: median {100 * middle:.1f} %, largest {100 * errors[0]:.1f} %")
    if out:
        text = prices_file(target).read_text()
        write_atomic(out, calibration.with_prices(text, tables))
    found = [{"sample": s.name, "cycles": s.cycles, "error": e} for s, e in zip(samples, fit.errors, strict=True)]
    json_result({"prices": dict(fit.prices), "samples": found})


def _fit_table(before: Any, after: Any) -> Table:
    table = Table(title="cycles of primitives")
    for name in ("primitive", "now", "fitted"):
        table.add_column(name, justify="left" if name == "primitive" else "right")
    for name in sorted(after):
        table.add_row(name, f"{before[name]:.4g}", f"{after[name]:.4g}")
    return table


COMMANDS = (plan, calibrate)
