"""`swtrain package`: new weights for devices in the field."""

from __future__ import annotations

from pathlib import Path

import click

from .terminal import OutPath, console, json_result, known_errors


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


COMMANDS = (package,)
