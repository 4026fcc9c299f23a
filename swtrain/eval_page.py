"""Last stage of `swtrain eval`: the HTML page and its figures, from the JSON files in the output folder."""

from __future__ import annotations

from pathlib import Path

from codegen.files import replace_folder, write_atomic

from .eval_cache import Cache, Stage, digest, file_digest, files_digest
from .html import make_page, read_stored
from .html.stored import DETAILS, HARVEST

PAGE, FIGURES = "report.html", "figures"


def write_page(folder: Path, page: Path) -> list[Path]:
    """Make the page of the evaluation in `folder`; its figures lie in `figures` beside it.

    Returns:
        The files written, the page first.

    Raises:
        ConfigError: there is no evaluation, or it is damaged.
        OutputError: a file can't be written.
    """
    text, pictures = make_page(read_stored(folder))
    replace_folder(page.parent / FIGURES, pictures)
    write_atomic(page, text)
    return [page, *(page.parent / FIGURES / name for name in pictures)]


def page_stage(cache: Cache) -> None:
    """Make the page unless what it shows is unchanged."""
    out = cache.out
    stored = read_stored(out)
    home = Path(__file__).parent / "html"
    options = {
        "report": digest({k: v for k, v in stored.report.items() if k != "run"}),
        "stored": [file_digest(out / name) for name in (DETAILS, HARVEST)],
        "checks": digest(stored.checks),
        "sources": files_digest((p for p in home.iterdir() if p.is_file()), home),
    }
    figures = out / FIGURES

    def outputs() -> list[Path]:
        return [out / PAGE, *sorted(figures.glob("*.svg")), *sorted(figures.glob("*.png"))]

    def work() -> None:
        write_page(out, out / PAGE)

    cache.run(Stage("page", (), options), outputs, work)
