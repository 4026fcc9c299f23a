"""Output files and folders that appear whole or not at all, and never cost a user a file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .errors import OutputError

RECORD = ".swtrain.json"
"""File in a generated folder that lists what was generated; everything else in the folder is the user's."""


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as e:
        raise OutputError(f"{path} can't be written ({e.strerror or e}); choose another output") from e


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write `path` through a temporary name beside it, then rename; a link is followed.

    Raises:
        OutputError: the folder can't be made or written, or `path` is a device or a folder; nothing is left behind.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    with _writing(path):
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise OutputError(f"{path} can't be written (it is a folder or a device); choose another output")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
            with os.fdopen(handle, "wb") as f:
                f.write(data)
            # mkstemp makes private files; an output has the permissions of any new file
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(target)
        except OSError:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            raise


def check_writable(path: Path) -> None:
    """Find out before a long job whether `write_atomic(path, ...)` can work; makes the folder, no file.

    Raises:
        OutputError: as `write_atomic`.
    """
    with _writing(path):
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise OutputError(f"{path} can't be written (it is a folder or a device); choose another output")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass


def replace_folder(
    folder: Path, files: Mapping[str, str | bytes], derived: Iterable[str] = (), executable: str | None = None
) -> None:
    """Make `folder` hold `files` in place of what an earlier call generated, all at once.

    What a user added to a generated folder is kept. A folder that was not generated is left alone unless it is
    empty.

    Args:
        folder: what to replace; a link is followed.
        files: content by name.
        derived: sub-folders that another call generated from the old files; they go with them.
        executable: the file that may be run.

    Raises:
        OutputError: the folder exists and was not generated, or can't be written.
    """
    scratch = None
    try:
        with _writing(folder):
            target = folder.resolve()
            generated = _generated(folder, target)
            for name in derived:
                if (target / name / RECORD).is_file():
                    generated |= {f"{name}/{g}" for g in _generated(folder / name, target / name)}
            target.parent.mkdir(parents=True, exist_ok=True)
            # one hidden folder beside the target holds the new files and, for a moment, the old ones
            scratch = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", dir=target.parent))
            new, old = scratch / "new", scratch / "old"
            new.mkdir()
            for name, content in files.items():
                write_atomic(new / name, content)
            if executable is not None:
                (new / executable).chmod(0o755)
            write_atomic(new / RECORD, json.dumps({"generator": "swtrain", "files": sorted(files)}) + "\n")
            _keep(target, new, generated)
            existed = target.exists()
            if existed:
                target.replace(old)
            try:
                new.replace(target)
            except OSError:
                if existed:
                    os.rename(old, target)  # noqa: PTH104 (the way back must not fail the way the way there did)
                raise
    finally:
        if scratch is not None:
            with contextlib.suppress(OSError):  # what is left of it is hidden and harms nobody
                shutil.rmtree(scratch)


def check_replaceable(folder: Path) -> None:
    """Find out before a long job whether `replace_folder(folder, ...)` can work.

    Raises:
        OutputError: as `replace_folder`.
    """
    with _writing(folder):
        _generated(folder, folder.resolve())


def _generated(folder: Path, target: Path) -> set[str]:
    """Names that an earlier call wrote into `target`."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return set()
    try:
        record = json.loads((target / RECORD).read_text(encoding="utf-8"))
        if record["generator"] == "swtrain":
            return {RECORD, *record["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise OutputError(
        f"{folder} exists and was not generated (it holds no valid {RECORD}); choose another --out or remove it"
    )


def _keep(source: Path, new: Path, generated: set[str]) -> None:
    """Copy what a user added to `source`, where no new file takes its place."""
    if not source.is_dir():
        return
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        destination = new / name
        if name.as_posix() in generated or destination.exists():
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(g.startswith(f"{name.as_posix()}/") for g in generated):
                destination.mkdir(parents=True, exist_ok=True)
        else:
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, destination, follow_symlinks=False)
