"""`swtrain report`: the HTML page of an evaluation again, from its stored JSON."""

from __future__ import annotations

from pathlib import Path

import click

from .terminal import OutPath, console, json_result, known_errors


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=OutPath(), help="The page [default: FOLDER/report.html]; figures lie beside it.")
@known_errors
def report(folder: Path, out: Path | None) -> None:
    """Make the HTML page and the figures (SVG, PNG) of an evaluation in FOLDER again.

    FOLDER is what swtrain eval made, or any folder with a report.json of swtrain sim --json.
    """
    from .eval_page import PAGE, write_page

    page = out or folder / PAGE
    written = write_page(folder, page)
    json_result({"page": str(page), "figures": [str(path) for path in written[1:]]})
    console.print(f"{page} ({page.stat().st_size / 1024:,.0f} KB), {len(written) - 1} pictures", highlight=False)


COMMANDS: tuple[click.Command, ...] = (report,)
