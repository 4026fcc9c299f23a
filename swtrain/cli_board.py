"""The commands for a board: `flash`, `lea-probe`."""

from __future__ import annotations

from pathlib import Path

import click

from .terminal import OutPath, console, json_result, known_errors


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--toolchain", default="zig", show_default=True, help="Whose image: zig or gcc.")
@click.option(
    "--driver",
    default="auto",
    show_default=True,
    help="tilib or ezfet (mspdebug), MSP430Flasher, dslite (UniFlash); auto: the first that is found.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="UniFlash's target configuration (.ccxml), for dslite.",
)
@click.option("--monitor", is_flag=True, help="The program of `swtrain build PROJECT --monitor`.")
@known_errors
def flash(project: Path, toolchain: str, driver: str, config: Path | None, monitor: bool) -> None:
    """Write a built PROJECT to its board and verify it; its external memory first, if it needs one.

    Exit 1 says whether nothing was written, or the board must be flashed again.
    """
    from codegen.build import MONITOR, find_build
    from codegen.emit import read_project
    from codegen.flash import fill_external
    from codegen.flash import flash as run_flash
    from codegen.target import load_target

    built = find_build(project, toolchain, MONITOR if monitor else None)
    device = load_target(read_project(project).manifest["target"]).device
    said = []
    for loader in built.loaders:
        said.append(fill_external(loader, device, driver))
        console.print(said[-1], highlight=False)
    said.append(run_flash(built.program, device, driver, config))
    console.print(said[-1], highlight=False)
    json_result({"program": str(built.program), "said": said})


@click.command("lea-probe")
@click.argument("out", type=OutPath())
@click.option("--toolchain", default="zig", show_default=True, help="zig or gcc.")
@known_errors
def lea_probe(out: Path, toolchain: str) -> None:
    """Build the firmware that measures a board's LEA into the folder OUT."""
    from codegen.probe import build_probe

    elf = build_probe(out, toolchain)
    json_result({"program": str(elf)})
    console.print(f"{elf}; flash it, log its UART (115200 baud), then: python -m sim.probe LOG", highlight=False)


COMMANDS: tuple[click.Command, ...] = (
    flash,
    lea_probe,
)
