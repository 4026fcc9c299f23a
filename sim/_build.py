"""Is the compiled core there, and does it belong to the sources beside it?"""

from __future__ import annotations

import hashlib
from pathlib import Path

from .errors import StaleCore

_REMEDY = "run `make core` (it rebuilds the editable install)"


def source_hash(folder: Path) -> str:
    """Hash of the core's sources; ``sim/CMakeLists.txt`` computes the same one into the core."""
    files = sorted((p for p in folder.iterdir() if p.suffix in (".cpp", ".h")), key=lambda p: p.name)
    lines = "".join(f"{p.name}:{hashlib.sha256(p.read_bytes()).hexdigest()}\n" for p in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def check_core(folder: Path) -> None:
    """Import the core and compare hashes; in an installed wheel there are no sources and only the import counts.

    Raises:
        StaleCore: the core is missing or was built from other sources.
    """
    try:
        from . import _core
    except ImportError as e:
        raise StaleCore(f"the simulator core is not built: {_REMEDY}") from e
    if folder.is_dir() and source_hash(folder) != _core.SOURCE_HASH:
        raise StaleCore(f"the simulator core is older than sim/core: {_REMEDY}")
