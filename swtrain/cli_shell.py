"""The commands about the installation: `doctor`."""

from __future__ import annotations

import json

import click
from rich.table import Table

from . import __version__
from .terminal import console, fail, known_errors


@click.command()
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


COMMANDS: tuple[click.Command, ...] = (doctor,)
