"""The command that imports ONNX models."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from .terminal import OutPath, console, json_result, known_errors


def _numbers(text: str | None, what: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.UsageError(f"{what} is {text!r}; give numbers, such as 0.1307") from None


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")
    try:
        shape = tuple(int(part) for part in sizes.split(","))
    except ValueError:
        shape = ()
    if not name or not shape or min(shape) < 1:
        raise click.UsageError(f"--shape is {text!r}; give the input's name and whole numbers: input=1,1,28,28")
    return name, shape


@click.command("import")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--out", type=OutPath(), required=True, help="Folder of the run.")
@click.option("--dataset", help="Data set that calibrates, and on which accuracy is measured; see swtrain train.")
@click.option("--data", help="Folder of its files.")
@click.option("--calibrate", type=click.Path(path_type=Path), help="Instead: .npz with an array x of inputs.")
@click.option("--levels", default="0", show_default=True, help="Sparsity in percent of each level, sparsest first.")
@click.option("--columns", is_flag=True, help="Prune whole columns, which the LEA executes.")
@click.option("--mean", help="The model expects (x - mean) / std, pixels as 0..1: one number or one per channel.")
@click.option("--std", help="See --mean.")
@click.option("--shape", "shapes", multiple=True, metavar="INPUT=N,...", help="Shape of an input that is open.")
@click.option("--output", help="Output to take, where there are several.")
@known_errors
def import_command(
    model: Path,
    out: Path,
    dataset: str | None,
    data: str | None,
    calibrate: Path | None,
    levels: str,
    columns: bool,
    mean: str | None,
    std: str | None,
    shapes: tuple[str, ...],
    output: str | None,
) -> None:
    """Import an ONNX MODEL (opset 13 to 28, float or QDQ): quantise it, as it is or pruned into nested levels.

    Levels are cut by magnitude without training; to train them instead: swtrain train --model MODEL.onnx.
    """
    from .config import parse_config
    from .importing import ImportSettings, import_model

    sparsities = parse_config({"levels": levels}).levels  # the same rules as for a training
    settings = ImportSettings(
        model,
        dataset,
        data,
        calibrate,
        sparsities,
        columns,
        dict(_shape(text) for text in shapes),
        output,
        _numbers(mean, "--mean"),
        _numbers(std, "--std"),
    )
    result = import_model(settings, out)
    graph = result.graph
    table = Table(title=f"{graph.name}, imported from {model.name}")
    for name in ("sparsity %", "weights", "of", "test accuracy %"):
        table.add_column(name, justify="right")
    for k, level in enumerate(graph.levels):
        accuracy = "-" if level.accuracy_float is None else f"{level.accuracy_float:.2f}"
        table.add_row(level.name, f"{graph.nnz(k):,}", f"{graph.weight_count:,}", accuracy)
    console.print(table)
    json_result(
        {
            "run": str(out),
            "levels": [
                {"name": v.name, "weights": graph.nnz(k), "of": graph.weight_count, "accuracy_float": v.accuracy_float}
                for k, v in enumerate(graph.levels)
            ],
            "notes": list(result.notes),
            "weight_error": result.weight_error,
        }
    )
    for note in result.notes:
        console.print(f"note: {note}", highlight=False)
    console.print(
        f"weights in int16 with power-of-two scales are off by at most {100 * result.weight_error:.2g} % of the "
        "largest of their layer",
        highlight=False,
    )
    console.print(f"run in {out}; next: swtrain emit-c {out} --out build/{out.name}", highlight=False)


COMMANDS: tuple[click.Command, ...] = (import_command,)
