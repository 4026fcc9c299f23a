"""``python -m sim.probe LOG --out FILE``: the readings as a table, and an option file for ``Machine(lea=FILE)``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from ..errors import SimError
from .decide import decide
from .log import read_log
from .show import option_file, table


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one line when the log or the output cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m sim.probe", description=__doc__)
    parser.add_argument("log", type=Path, help="what a terminal captured from the board (115200 baud), - for stdin")
    parser.add_argument("--out", type=Path, help="write the options as TOML")
    parser.add_argument("--name", default="board", help="name of the board in that file")
    given = parser.parse_args(arguments)
    try:
        data = sys.stdin.buffer.read() if given.log == Path("-") else given.log.read_bytes()
        report = decide(read_log(data))
        sys.stdout.write(table(report))
        if given.out is not None:
            _write(given.out, option_file(report, given.name))
    except (OSError, SimError) as e:
        sys.stderr.write(f"python -m sim.probe: {e}\n")
        return 1
    return 0


def _write(path: Path, text: str) -> None:
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink()
        raise


if __name__ == "__main__":
    sys.exit(main())
