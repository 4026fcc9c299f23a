"""The page of all commands, from what click knows: ``python -m swtrain.cli_reference docs/cli.md`` writes it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from codegen.files import write_atomic

from .cli import main

HEAD = """# Commands

Made by `python -m swtrain.cli_reference docs/cli.md`; a test compares. Exit codes: 0 done; 1 an error, said in one
line, or a missed limit; 2 wrong usage; 130 interrupted.

"""


def reference() -> str:
    """Markdown: usage, help and options of every command."""
    context = click.Context(main, info_name="swtrain", **main.context_settings)
    names = main.list_commands(context)
    links = ", ".join(f"[{name}](#swtrain-{name})" for name in names)
    return HEAD + links + "\n" + "".join(_section(main.commands[name], context) for name in names)


def _section(command: click.Command, parent: click.Context) -> str:
    context = click.Context(command, info_name=command.name, parent=parent, terminal_width=110, max_content_width=110)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"\n## swtrain {command.name}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m swtrain.cli_reference FILE")
    write_atomic(Path(sys.argv[1]), reference())
