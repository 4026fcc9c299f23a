"""A record of finished simulations, so that an interrupted `swtrain eval` goes on where it was.

One line of JSON for each finished part, behind a first line with the key of the whole. A line that was cut off by a
crash, or a file of another key, is ignored. Knows nothing of what is simulated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


class Journal:
    """Parts of one job, by level and first input.

    Args:
        path: of the file; it is made at the first part.
        key: what decides the results of the job.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key
        self._file: IO[str] | None = None

    def read(self) -> dict[tuple[int, int], list[Any]]:
        """The finished parts, by level and first input."""
        found: dict[tuple[int, int], list[Any]] = {}
        lines = self._lines()
        if next(lines, None) != {"key": self.key}:
            return found
        for line in lines:
            if isinstance(line, list) and len(line) == 3:
                found[line[0], line[1]] = line[2]
        return found

    def _lines(self) -> Iterator[Any]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return
        for line in text.splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # cut off; what follows, if anything, was written after it
                continue

    def add(self, level: int, first: int, results: list[Any]) -> None:
        """Write a finished part through to the file."""
        if self._file is None:
            fresh = next(self._lines(), None) != {"key": self.key}
            self._file = self.path.open("w" if fresh else "a", encoding="utf-8")
            self._file.write(json.dumps({"key": self.key}) + "\n" if fresh else "\n")
        self._file.write(json.dumps([level, first, results]) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file; what is in it stays."""
        if self._file is not None:
            self._file.close()
            self._file = None
