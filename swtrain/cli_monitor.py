"""`swtrain monitor`: a board runs the test inputs, over its serial port."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.table import Table

from .terminal import bar, console, fail, json_result, known_errors


@click.command()
@click.argument("port")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--inputs", default=20, show_default=True, help="Test inputs to run at every level.")
@click.option("--dataset", help="Data set to test on [default: the one of the training].")
@click.option("--data", help="Folder of its files.")
@click.option("--toolchain", default="zig", show_default=True, help="Whose ELF is simulated beside: zig or gcc.")
@click.option("--timeout", default=60.0, show_default=True, metavar="S", help="Longest wait for an inference.")
@click.option("--max-latency-s", multiple=True, metavar="[LEVEL=]S", help="Limit; exit 1 when missed. Repeatable.")
@click.option("--min-accuracy", multiple=True, metavar="[LEVEL=]PERCENT", help="Limit; exit 1 when missed. Repeatable.")
@known_errors
def monitor(
    port: str,
    project: Path,
    inputs: int,
    dataset: str | None,
    data: str | None,
    toolchain: str,
    timeout: float,
    **limits: tuple[str, ...],
) -> None:
    """Run test inputs on the board at PORT, which `swtrain flash PROJECT --monitor` has prepared.

    Every logit is compared with the reference, and cycles with the simulator's. The report is that of `swtrain sim`.
    """
    from codegen.build import find_build
    from codegen.emit import read_project

    from .datasets import load_dataset
    from .deploy import quantized_inputs
    from .limits import check_limits, parse_limit
    from .monitor import BoardLink, measured, run_board
    from .report import summarize
    from .serial_port import SerialPort
    from .show import level_table

    read = read_project(project)
    names = [level.name for level in read.graph.levels]
    wanted = [parse_limit(field, text, names) for field, texts in limits.items() for text in texts]
    find_build(project, toolchain)
    loaded = load_dataset(dataset or str(read.graph.meta.get("dataset", "mnist-subset")), data)
    if not 1 <= inputs <= len(loaded.test):
        fail(f"--inputs {inputs} is out of range; {loaded.name} has {len(loaded.test)} test inputs")
    x = quantized_inputs(read.graph, loaded, loaded.test.x[:inputs])
    with SerialPort(port) as wire, bar() as progress:
        runs = run_board(BoardLink(wire, read, timeout), read, x, progress)
    with bar() as progress:
        simulated = summarize(project, loaded, inputs, toolchain=toolchain, progress=progress)
    report = measured(simulated, runs, port)
    console.print(level_table(report))
    table = Table(title=f"cycles on the board at {port}, and simulated")
    for name in ("sparsity %", "board", "simulated", "difference %"):
        table.add_column(name, justify="right")
    for found, expected in zip(report.levels, simulated.levels, strict=True):
        difference = 100 * (found.cycles / expected.cycles - 1)
        table.add_row(found.name, f"{found.cycles:,}", f"{expected.cycles:,}", f"{difference:+.2f}")
    console.print(table)
    json_result(json.loads(report.to_json()))
    missed = check_limits(report, wanted)
    if missed:
        fail("; ".join(missed))


COMMANDS: tuple[click.Command, ...] = (monitor,)
