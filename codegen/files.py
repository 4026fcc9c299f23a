"""Output files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .errors import OutputError


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write `path` through a temporary name beside it, then rename.

    Raises:
        OutputError: the folder can't be made or written; nothing is left behind.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as f:
            f.write(data)
        # mkstemp makes private files; an output has the permissions of any new file
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except OSError as e:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise OutputError(f"{path} can't be written ({e.strerror or e}); choose another --out") from e


def replace_folder(folder: Path, files: Mapping[str, str | bytes], marker: str) -> None:
    """Make `folder` hold exactly `files`, all at once.

    An existing folder is replaced only if it holds `marker`, so that a wrong path never deletes a user's work.

    Raises:
        OutputError: the folder exists and is something else, or can't be written.
    """
    if folder.exists() and not (folder / marker).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and holds no {marker}; choose another --out or remove it")
    scratch = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # one hidden folder beside the target holds the new files and, for a moment, the old ones
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        new, old = scratch / "new", scratch / "old"
        new.mkdir()
        for name, content in files.items():
            write_atomic(new / name, content)
        existed = folder.exists()
        if existed:
            folder.replace(old)
        try:
            new.replace(folder)
        except OSError:
            if existed:
                os.rename(old, folder)  # noqa: PTH104 (the way back must not fail the way the way there did)
            raise
    except OSError as e:
        if isinstance(e, OutputError):
            raise
        raise OutputError(f"{folder} can't be written ({e.strerror or e}); choose another --out") from e
    finally:
        if scratch is not None:
            with contextlib.suppress(OSError):  # what is left of it is hidden and harms nobody
                shutil.rmtree(scratch)
