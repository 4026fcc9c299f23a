"""The commands for a board: `flash`, `lea-probe`."""

from __future__ import annotations

from pathlib import Path

import click

from .terminal import OutPath, console, known_errors


@click.command()
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


@click.command("lea-probe")
@click.argument("out", type=OutPath())
@click.option("--toolchain", default="zig", show_default=True, help="zig or gcc.")
@known_errors
def lea_probe(out: Path, toolchain: str) -> None:
    """Build the firmware that measures a board's LEA into the folder OUT."""
    from codegen.probe import build_probe

    elf = build_probe(out, toolchain)
    console.print(f"{elf}; flash it, log its UART (115200 baud), then: python -m sim.probe LOG", highlight=False)


COMMANDS: tuple[click.Command, ...] = (
    flash,
    lea_probe,
)
