"""What the pages say must exist: commands, options, files, make targets."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from swtrain.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/eval.md",
        "docs/howto-board.md",
        "docs/howto-kernel.md",
        "docs/howto-model.md",
        "docs/howto-trace.md",
        "docs/lea-commands.md",
        "docs/report.md",
        "docs/toolchain.md",
        "docs/tutorial.md",
        "firmware/README.md",
        "firmware/FORMAT.md",
        "sim/README.md",
        "swtrain/README.md",
    )
]

pytestmark = pytest.mark.skipif(not PAGES[0].exists(), reason="the pages belong to a checkout")


def commands() -> list[str]:
    """Every line of a page that starts with `swtrain`."""
    lines = [line.split("#")[0].strip() for page in PAGES if page.exists() for line in page.read_text().splitlines()]
    return sorted({line for line in lines if line.startswith("swtrain ")})


def test_there_are_commands() -> None:
    """The search below must not pass by finding nothing."""
    assert len(commands()) >= 6


@pytest.mark.parametrize("line", commands())
def test_commands_and_options_exist(line: str) -> None:
    """Each command of the pages is known, with every option it is shown with."""
    words = shlex.split(line)
    if words[1].startswith("-"):
        assert words[1] in CliRunner().invoke(main, ["--help"]).output, line
        return
    result = CliRunner().invoke(main, [words[1], "--help"])
    assert result.exit_code == 0, f"{line}: no such command"
    for option in (word for word in words[2:] if word.startswith("--")):
        assert option in result.output, f"{line}: no option {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name if p.parent == ROOT else f"{p.parent.name}/{p.name}")
def test_files_named_in_code_quotes_exist(page: Path) -> None:
    """`path/to/file.ext` in a page is a file of the repository, seen from the root or from the page."""
    for name in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|c|h|S|md|toml|j2|json|png|inc))`", page.read_text()):
        if name.startswith(("build/", "runs/")):
            continue
        near = (ROOT / name, page.parent / name, ROOT / "sim" / name, ROOT / "firmware" / name)
        assert any(p.exists() for p in near), f"{page.name} names {name}"


def test_pictures_exist() -> None:
    """Images and links of the README."""
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGES[0].read_text()):
        assert (ROOT / target).exists(), target


def test_make_targets_exist() -> None:
    """`make X` in a page is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"`make ([a-z][a-z-]*)`", page.read_text()):
            assert re.search(rf"^{target}:", makefile, re.M), f"{page.name} names make {target}"
