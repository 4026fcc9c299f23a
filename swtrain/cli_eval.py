"""`swtrain eval`: the whole pipeline by one config, with limits and a baseline for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from .terminal import OutPath, bar, console, fail, json_result, known_errors, log, verbose

if TYPE_CHECKING:
    from .eval_gate import Check


@click.command("eval")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.IntRange(1), help="Processes that simulate [default: all cores].")
@click.option("--fresh", is_flag=True, help="Do every stage again, also the unchanged ones.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Compare with this file [default: the config's].")
@click.option("--update-baseline", is_flag=True, help="Write the baseline instead of comparing with it.")
@click.option("--page/--no-page", default=True, help="Make report.html and its figures [default: page].")
@click.option("--junit", type=OutPath(), help="JUnit XML of all checks [default: OUT/junit.xml].")
@known_errors
def eval_command(
    config: Path,
    jobs: int | None,
    fresh: bool,
    baseline: Path | None,
    update_baseline: bool,
    page: bool,
    junit: Path | None,
) -> None:
    """Train or import, emit, build and simulate as CONFIG (TOML) says; exit 1 when a limit is missed.

    Unchanged stages are not done again, an interrupted one goes on where it was. Everything lies in the folder that
    the config names, or in build/<name of the config>: report.json, report.html, junit.xml, eval.json.
    """
    from codegen.files import write_atomic

    from .eval_config import load_eval
    from .eval_gate import figures, write_baseline
    from .eval_pipeline import Settings, evaluate
    from .junit import junit_xml
    from .show import level_table, tables

    loaded = load_eval(config)
    target = baseline or (loaded.path(f) if (f := loaded.config.baseline.file) else None)
    if update_baseline and target is None:
        raise click.UsageError("--update-baseline needs --baseline FILE, or baseline.file in the config")
    settings = Settings(jobs, fresh, baseline, compare=not update_baseline, page=page)
    found = evaluate(loaded, settings, lambda text: log.print(text, highlight=False), bar)
    write_atomic(junit or loaded.out / "junit.xml", junit_xml(loaded.name, [check.case() for check in found.checks]))
    json_result({"out": str(loaded.out), **found.to_dict(), "figures": figures(found.report)})
    console.print(tables(found.report) if verbose() else level_table(found.report))
    console.print(
        f"done: {', '.join(found.ran) or 'nothing'}; unchanged: {', '.join(found.skipped) or 'nothing'}",
        highlight=False,
    )
    if update_baseline and target is not None:
        write_baseline(found.report, target)
        console.print(f"baseline {target}; commit it", highlight=False)
    console.print(f"{loaded.out}: report.html, report.json, junit.xml, eval.json", highlight=False)
    if found.missed:
        console.print(_missed(found.missed))
        fail(f"{len(found.missed)} of {len(found.checks)} checks failed")
    if found.checks:
        console.print(f"{len(found.checks)} checks passed", highlight=False)


def _missed(checks: list[Check]) -> Table:
    table = Table(title="missed limits")
    for name in ("check", "where", "what", "measured", "limit"):
        table.add_column(name, justify="right" if name in ("measured", "limit") else "left")
    for check in checks:
        figures = ("none" if v is None else f"{v:.7g}" for v in (check.value, check.limit))
        table.add_row(check.group, check.where, check.what, *figures)
    return table


COMMANDS: tuple[click.Command, ...] = (eval_command,)
