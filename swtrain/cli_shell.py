"""The commands about the installation: `doctor`, `completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class
from rich.table import Table

from . import __version__
from .terminal import console, fail, json_result, known_errors


@click.command()
@known_errors
def doctor() -> None:
    """Say what is installed and what is missing; exit 1 when something required is."""
    from .doctor import examine

    findings = examine()
    json_result([f.__dict__ for f in findings])
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


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@known_errors
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and files in SHELL.

    \b
    bash:  eval "$(swtrain completion bash)"    in ~/.bashrc
    zsh:   eval "$(swtrain completion zsh)"     in ~/.zshrc, after compinit
    fish:  swtrain completion fish > ~/.config/fish/completions/swtrain.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(context.find_root().command, {}, "swtrain", "_SWTRAIN_COMPLETE").source()
    json_result({"shell": shell, "script": script})
    console.out(script, highlight=False)


COMMANDS: tuple[click.Command, ...] = (doctor, completion)
