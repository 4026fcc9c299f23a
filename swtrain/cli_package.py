"""`swtrain package` and `swtrain update`: new weights for devices in the field."""

from __future__ import annotations

from pathlib import Path

import click

from .terminal import OutPath, bar, console, json_result, known_errors


@click.command()
@click.argument("old", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("new", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=OutPath(), required=True, help="File of the package.")
@known_errors
def package(old: Path, new: Path, out: Path) -> None:
    """Make the package that turns the program OLD (.elf) on a device into NEW: the same model with other weights.

    Both were emitted with --update and built; NEW with a higher --model-version.
    """
    from codegen.files import write_atomic
    from codegen.package import make_package

    made = make_package(old, new)
    write_atomic(out, made.data)
    json_result(
        {"package": str(out), "version": made.version, "bytes": len(made.data), "words": made.words, "runs": made.runs}
    )
    console.print(
        f"{out}: version {made.version}, {len(made.data):,} bytes, {made.words:,} words in {made.runs:,} runs",
        highlight=False,
    )


@click.command()
@click.argument("port")
@click.argument("package", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--rollback", is_flag=True, help="Bring back what the last package replaced.")
@click.option("--baud", default=115200, show_default=True, type=click.IntRange(min=1))
@click.option("--patience", default=60.0, show_default=True, help="Seconds without any answer before giving up.")
@known_errors
def update(port: str, package: Path | None, rollback: bool, baud: int, patience: float) -> None:
    """Send PACKAGE to the device at serial PORT, which checks and installs it.

    The device runs firmware/examples/update.c, or a program with its frames. Whatever fails meanwhile, it has the old
    model or the new one, and the same command goes on where it was.

    \b
    Example:
      swtrain update /dev/ttyACM1 demo.swup
      swtrain update /dev/ttyACM1 --rollback
    """
    from . import sender
    from .serial_port import SerialPort

    if (package is None) == (not rollback):
        raise click.UsageError("give a PACKAGE, or --rollback")
    with SerialPort(port, baud) as line:
        if package is None:
            sender.go_back(line, patience)
            json_result({"port": port, "rollback": True})
            console.print("the former model is back")
            return
        with bar() as show:
            sent = sender.deliver(line, package.read_bytes(), lambda done, n: show("blocks", done, n), patience)
    json_result({"port": port, "blocks": sent.blocks, "resumed": sent.resumed, "again": sent.again})
    console.print(
        f"installed: {sent.blocks:,} blocks, {sent.resumed:,} of them there before, {sent.again:,} frames sent again",
        highlight=False,
    )


COMMANDS = (package, update)
