"""The commands that train and measure: `train`, `sweep`, `test`, `plot`. torch is imported when one of them runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from .errors import ExportError
from .terminal import OutPath, console, fail, json_result, known_errors

if TYPE_CHECKING:
    from codegen.ir import Graph

    from .config import TrainConfig


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="TOML file; options override it.")
@click.option("--model", help="Network, or package.module:function [default: lenet5].")
@click.option("--dataset", help="mnist-subset (embedded, the default), mnist, hapt, wakewords, cifar10-15k, ...")
@click.option("--data", help="Folder of the data files; otherwise SWTRAIN_DATA, the cache, or a download.")
@click.option("--levels", help="Sparsity in percent of each level, sparsest first, as 60.24,40.50,20.70.")
@click.option("--strategy", help="sequential (default), joint, hybrid, auto, or sw-train, the paper's way.")
@click.option("--seed", type=int, help="Same seed, same weights on the same machine.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Runs, by seeds that count up.")
@click.option("--out", type=OutPath(), required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace the run in --out.")
@click.option(
    "--devices", default=1, show_default=True, type=click.IntRange(min=1), help="Processes that share the work."
)
@click.option(
    "--accelerator",
    default="cpu",
    show_default=True,
    type=click.Choice(["cpu", "cuda"]),
    help="Where; cuda: a GPU for each process.",
)
@known_errors
def train(
    config: Path | None,
    out: Path,
    resume: bool,
    overwrite: bool,
    devices: int,
    accelerator: str,
    seeds: int,
    **overrides: Any,
) -> None:
    """Train one set of weights that holds nested sparse models, and export it.

    With --seeds the further runs lie in OUT/seeds, and swtrain test --results takes the mean.
    """
    from .config import load_config, parse_config

    settings = load_config(config, overrides)  # before torch is loaded: a wrong setting is said at once
    from .progress import ConsoleProgress
    from .runs import CONFIG, SEEDS, read_config
    from .targets import resolve

    if resume and config is None:  # the run knows its own config; options may say again, or where data lies now
        given = {key: value for key, value in overrides.items() if value is not None}
        settings = parse_config({**read_config(out).to_dict(), **given})

    settings = resolve(settings, out, resume and not overwrite, ConsoleProgress(console))
    where = (devices, accelerator)
    graphs = {str(out): _train_one(settings, out, resume, overwrite, *where)}
    for k in range(1, seeds):
        another = parse_config({**settings.to_dict(), "seed": (settings.seed + k) % 2**32})
        folder = out / SEEDS / str(another.seed)
        graphs[str(folder)] = _train_one(another, folder, resume and (folder / CONFIG).exists(), overwrite, *where)
    runs = [{"run": run, "levels": _levels(graph)} for run, graph in graphs.items()]
    json_result({"runs": runs})
    console.print(f"run in {out}; next: swtrain emit-c {out} --out build/{out.name}", highlight=False)


def _train_one(
    settings: TrainConfig, out: Path, resume: bool, overwrite: bool, devices: int, accelerator: str
) -> Graph:
    """Train, export and show the test accuracy of each level."""
    from .export import export_run
    from .progress import ConsoleProgress
    from .train import train as run_training

    progress = ConsoleProgress(console)
    run_training(settings, out, resume, overwrite, progress, devices, accelerator)
    console.print("exporting", highlight=False)
    try:
        graph = export_run(out)
    except ExportError as error:
        fail(f"{out}: trained and kept (see swtrain test), but can't be exported: {error}")
    table = Table(title=f"{settings.model}, {settings.strategy}, {settings.dataset}, seed {settings.seed}")
    for name in ("sparsity %", "weights", "of", "test accuracy %"):
        table.add_column(name, justify="right")
    for k, level in enumerate(graph.levels):
        table.add_row(level.name, f"{graph.nnz(k):,}", f"{graph.weight_count:,}", f"{level.accuracy_float:.2f}")
    console.print(table)
    return graph


def _levels(graph: Graph) -> list[dict[str, Any]]:
    return [
        {"name": v.name, "weights": graph.nnz(k), "of": graph.weight_count, "accuracy_float": v.accuracy_float}
        for k, v in enumerate(graph.levels)
    ]


@click.command()
@click.option("--config", type=click.Path(path_type=Path), required=True, help="TOML file that all trials share.")
@click.option(
    "--vary", multiple=True, required=True, help="shape=column|row, or levels.0=80:98 for a range. Repeatable."
)
@click.option("--trials", default=10, show_default=True, type=click.IntRange(min=1), help="Trials to add.")
@click.option(
    "--cost", default="weights", show_default=True, type=click.Choice(["weights", "latency"]), help="What to save."
)
@click.option("--out", type=OutPath(), required=True, help="Folder of the study; several processes can share it.")
@known_errors
def sweep(config: Path, vary: tuple[str, ...], trials: int, cost: str, out: Path) -> None:
    """Train a config many times with some settings varied, and keep the runs that no other one beats.

    A study that exists goes on. Accuracy is that of held-out data, mean of all levels.
    """
    from .config import load_config
    from .progress import ConsoleProgress
    from .sweep import RESULT, parse_choice
    from .sweep import sweep as run_sweep

    choices = [parse_choice(text) for text in vary]
    results = run_sweep(load_config(config), choices, out, trials, cost, ConsoleProgress(console))
    table = Table(title=f"{len(results)} trials; the front first")
    for name in ("trial", *(choice.key for choice in choices), "held-out accuracy %", cost, "front"):
        table.add_column(name, justify="right")
    for result in sorted(results, key=lambda r: (not r.front, -r.accuracy)):
        values = (str(result.params.get(choice.key, "-")) for choice in choices)
        table.add_row(
            str(result.number), *values, f"{result.accuracy:.2f}", f"{result.cost:,.4g}", "yes" if result.front else ""
        )
    console.print(table)
    found = [
        {"trial": r.number, "params": r.params, "accuracy": r.accuracy, "cost": r.cost, "front": r.front}
        for r in results
    ]
    json_result({"trials": found, "cost": cost})
    console.print(f"{out / RESULT}; runs of the front in {out / 'trials'}", highlight=False)


@click.command("test")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--level", help="Only this level, by its sparsity.")
@click.option("--dataset", help="Data set to test on [default: the one of the training].")
@click.option("--data", help="Folder of its files.")
@click.option("--mc-dropout", default=0, type=click.IntRange(min=0), help="Draws of Monte-Carlo dropout per example.")
@click.option("--results", type=OutPath(), help="Put the figures of RUNS into this JSON table, and make its page.")
@known_errors
def test_command(
    runs: tuple[Path, ...],
    level: str | None,
    dataset: str | None,
    data: str | None,
    mc_dropout: int,
    results: Path | None,
) -> None:
    """Measure trained RUNS on their test split: float, and the integers that the device computes."""
    from .accuracy import measure, write_table
    from .plots import results_page

    if results is not None:
        if level or dataset or data or mc_dropout:
            raise click.UsageError("--results measures all levels on the data of the training; leave the others out")
        write_table(runs, results)
        pages = results_page(results)
        json_result({"files": [str(results), *map(str, pages)]})
        console.print(f"{results}, {', '.join(map(str, pages))}", highlight=False)
        return
    measured = []
    for run in runs:
        levels, reason = measure(run, dataset, data, level, mc_dropout)
        measured.append({"run": str(run), "levels": [asdict(v) for v in levels], "no_device_figure": reason})
        table = Table(title=str(run))
        for name in ("level", "sparsity %", "as integers %", "float accuracy %", "device accuracy %"):
            table.add_column(name, justify="right")
        for name in ("with dropout %", "entropy", "of the wrong") if mc_dropout else ():
            table.add_column(name, justify="right")
        for found in levels:
            cells = (found.sparsity, found.effective_sparsity, found.accuracy_float, found.accuracy_device)
            shown = ["-" if cell is None else f"{cell:.2f}" for cell in cells]
            if found.uncertain is not None:
                drawn = found.uncertain
                shown += [f"{drawn.accuracy:.2f}", f"{drawn.entropy:.3f}", f"{drawn.entropy_wrong:.3f}"]
            table.add_row(found.name, *shown)
        console.print(table)
        if reason:
            console.print(f"no integer figures: {reason}", highlight=False)
    json_result({"runs": measured})


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@known_errors
def plot(run: Path) -> None:
    """Draw the masks of a trained RUN and how much accuracy each layer costs when it alone is cut."""
    from .pictures import pictures

    files = [str(path) for path in pictures(run)]
    json_result({"files": files})
    console.print(", ".join(files), highlight=False)


COMMANDS: tuple[click.Command, ...] = (train, sweep, test_command, plot)
