"""Stages of `swtrain eval` that are done already are skipped: by the content of what went in and of what came out.

A stage has a key, the hash of its options, of the content of its inputs and of the sources that compute it. When it
is done, the key and the hash of its outputs are written to `.eval/<stage>.json` in the output folder. It is done again
when the key differs, or when somebody changed or removed an output. Does not import torch or sim.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from codegen.files import write_atomic

from . import __version__
from .errors import OutputError

RECORDS = ".eval"

PRESENTATION = ("cli", "eval_gate", "html", "show", "terminal", "plots", "pictures", "doctor", "junit")
"""Beginnings of names of modules that decide what is shown, not what is computed."""


def digest(value: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content; empty if there is no such file."""
    try:
        with path.open("rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    except OSError:
        return ""


def files_digest(paths: Iterable[Path], base: Path) -> str:
    """Of the content of files and their names below `base`, in any order."""
    return digest(sorted((p.relative_to(base).as_posix(), file_digest(p)) for p in paths))


@cache
def sources_digest(package: str) -> str:
    """Of the modules, data and compiled core of an installed package that compute something.

    `codegen` includes the firmware, which lies inside it or beside it.
    """
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    home = Path(spec.origin).parent
    folders = [home]
    if package == "codegen" and not (home / "_firmware").exists():
        folders.append(home.parent / "firmware")
    files = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not _shown(package, path.relative_to(folder))
    ]
    if package == "sim" and spec.submodule_search_locations:  # an editable install keeps the core elsewhere
        core = find_spec("sim._core")
        files += [Path(core.origin)] if core is not None and core.origin else []
    return digest(sorted((p.name, file_digest(p)) for p in files))


def _shown(package: str, name: Path) -> bool:
    if package == "sim":
        return name.parts[0] == "core"  # its compiled form counts
    return package == "swtrain" and name.parts[0].startswith(PRESENTATION)


@dataclass
class Stage:
    """One stage of the pipeline.

    Attributes:
        name: of its record.
        packages: whose sources compute it.
        options: plain values: settings and the hashes of its inputs.
    """

    name: str
    packages: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What decides the stage's outputs."""
        sources = {name: sources_digest(name) for name in self.packages}
        return digest({"stage": self.name, "swtrain": __version__, "sources": sources, "options": self.options})


class Cache:
    """Records of the finished stages of one output folder.

    Attributes:
        ran: names of the stages that were not cached, in order.
        skipped: names of those that were.
    """

    def __init__(self, out: Path, fresh: bool = False) -> None:
        self.out = out
        self.fresh = fresh
        self.ran: list[str] = []
        self.skipped: list[str] = []

    def folder(self) -> Path:
        """Where records and journals lie.

        Raises:
            OutputError: it can't be made.
        """
        place = self.out / RECORDS
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{place} can't be made ({error.strerror}); choose another out") from error
        return place

    def run(self, stage: Stage, outputs: Callable[[], Iterable[Path]], work: Callable[[], None]) -> bool:
        """Do `work` unless the record says that its `outputs` are there; True if it was done now.

        Args:
            stage: what decides the outputs.
            outputs: files that the stage made, below the output folder; called before and after the work.
            work: makes them.

        Raises:
            OutputError: the record can't be written, or the work left no outputs.
        """
        record = self.folder() / f"{stage.name}.json"
        key = stage.key
        if not self.fresh and _read(record) == {"key": key, "outputs": self._state(outputs())}:
            self.skipped.append(stage.name)
            return False
        record.unlink(missing_ok=True)
        work()
        made = self._state(outputs())
        if made is None:
            raise OutputError(f"stage {stage.name} left no outputs in {self.out}")
        write_atomic(record, json.dumps({"key": key, "outputs": made}, indent=1) + "\n")
        self.ran.append(stage.name)
        return True

    def _state(self, outputs: Iterable[Path]) -> str | None:
        found = list(outputs)
        if not found or not all(path.is_file() for path in found):
            return None
        return files_digest(found, self.out)


def _read(record: Path) -> Any:
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
