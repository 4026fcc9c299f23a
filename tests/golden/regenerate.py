"""Makes the committed tables of `tests/golden` again:  python tests/golden/regenerate.py [snapshot] [cycles] [sizes]

Without names, all of them. `snapshot/` is the C project of `strategies.tiny()`; `cycles.json` holds simulated
cycles and `sizes.json` bytes per section, both of the zig toolchain. Run it when a change is meant, and read the
difference in the commit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMAND = "python tests/golden/regenerate.py"
sys.path[:0] = [p for p in (str(HERE.parent), str(HERE.parent / "firmware")) if p not in sys.path]

Table = dict[str, object]


def snapshot(out: Path) -> None:
    """Text files of the tiny project; the archive of its arrays is binary and left out."""
    from strategies import tiny

    from codegen.emit import emit_project
    from codegen.target import load_target

    folder = out / "snapshot"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in emit_project(tiny(), load_target("msp430fr5994")).files.items():
        if isinstance(content, str):
            (folder / name).write_text(content, newline="\n")


def _table(out: Path, name: str, make: Callable[[Path], Table]) -> None:
    with tempfile.TemporaryDirectory(prefix="golden-") as scratch:
        (out / name).write_text(json.dumps(make(Path(scratch)), indent=1) + "\n", newline="\n")


def cycles(out: Path) -> None:
    """Cycles per layer of LeNet-5's shape, and of each kernel on fixed arguments."""
    import rig

    _table(out, "cycles.json", rig.cycle_table)


def sizes(out: Path) -> None:
    """Bytes per section of LeNet-5's shape."""
    import rig

    _table(out, "sizes.json", rig.size_table)


PARTS = {"snapshot": snapshot, "cycles": cycles, "sizes": sizes}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to make again; all without a name")
    parser.add_argument("--out", type=Path, default=HERE, help="where to write (default: beside this file)")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts or PARTS:
        PARTS[part](options.out)


if __name__ == "__main__":
    main()
