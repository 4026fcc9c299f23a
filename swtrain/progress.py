"""What the user sees while a run trains: a bar on a terminal, one line per epoch elsewhere.

`train` calls the methods of a `Progress`; the base class is silent, so that the library prints nothing
unless a caller asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichBar

from .download import ByteProgress


class Progress:
    """Silent; subclass to show something."""

    @contextmanager
    def open_bar(self, name: str) -> Iterator[ByteProgress]:
        """Around the download of the file `name`."""
        yield lambda done_bytes, total_bytes: None

    def start(self, total_steps: int, done_steps: int) -> None:
        """Training begins at `done_steps` of `total_steps`."""

    def step(self, label: str, loss: float) -> None:
        """One optimiser step is done."""

    def epoch(self, label: str, loss: float, accuracies: str) -> None:
        """One epoch is done, with its mean loss and what held-out data say: percent per level, empty without any."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def stop(self) -> None:
        """Training is over, also by an error."""


class ConsoleProgress(Progress):
    """Shows progress on a rich console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: RichBar | None = None
        self._task: object = None

    @contextmanager
    def open_bar(self, name: str) -> Iterator[ByteProgress]:
        """A bar of bytes, or one line where there is no terminal."""
        if not self.console.is_terminal:
            self.console.print(f"downloading {name}")
            yield lambda done_bytes, total_bytes: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with RichBar(*columns, console=self.console) as bar:
            task = bar.add_task(f"downloading {name}", total=None)
            yield lambda done_bytes, total_bytes: bar.update(task, completed=done_bytes, total=total_bytes)

    def start(self, total_steps: int, done_steps: int) -> None:
        """Open the bar, on a terminal."""
        if self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._bar = RichBar(*columns, console=self.console)
            self._bar.start()
            self._task = self._bar.add_task("training", total=total_steps, completed=done_steps)

    def step(self, label: str, loss: float) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, advance=1, description=f"{label}  loss {loss:.4f}")  # type: ignore[arg-type]

    def epoch(self, label: str, loss: float, accuracies: str) -> None:
        """Print the epoch's line."""
        held_out = f"  held-out accuracy {accuracies} %" if accuracies else ""
        self.console.print(f"{label}  loss {loss:.4f}{held_out}", highlight=False)

    def note(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False)

    def stop(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
