"""What every command needs of the terminal: consoles, errors as one line, progress bars, checked output paths."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .errors import SwtrainError

F = TypeVar("F", bound=Callable[..., Any])

WIDTH = 120
"""Columns where there is no terminal to ask: a log or a pipe."""

console = Console() if Console().is_terminal else Console(width=WIDTH)
log = Console(stderr=True)


def known_errors(command: F) -> F:
    """Show errors of the three packages as one line."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        from codegen.errors import CodegenError

        known: tuple[type[Exception], ...] = (SwtrainError, CodegenError)
        try:
            from sim.errors import SimError

            known = (*known, SimError)
        except ImportError:  # a core that was never built: only `sim` and `doctor` need it
            pass
        try:
            return command(*args, **kwargs)
        except known as e:
            raise click.ClickException(" ".join(str(e).split())) from e
        except ModuleNotFoundError as e:
            if e.name != "torch":
                raise
            fail(f"{e.name} is not installed; training needs it: pip install -c constraints.txt 'swtrain[train]'")
        except KeyboardInterrupt:
            resume = "; go on with --resume" if command.__name__ == "train" else "; run the command again"
            fail(f"interrupted, nothing is half-written{resume}")

    return run  # type: ignore[return-value]


def fail(message: str) -> NoReturn:
    """End the command with one line and exit 1."""
    raise click.ClickException(message)


max_step_cycles = click.option(
    "--max-step-cycles",
    type=click.IntRange(min=1),
    help="What a step may take from a reboot to the record of its progress [default: the board's, 64000 = 4 ms].",
)
"""Option of the commands that plan."""

weight_bits = click.option(
    "--weight-bits",
    metavar="NODE=8,... | auto",
    help="Layers whose weights are rounded to 8 bits, for the CPU; auto: those that save a larger part of their bytes "
    "than they add to their cycles, while no level loses more than 0.2 points on the test data.",
)
"""Option of the commands that plan."""


@contextmanager
def bar_after(seconds: float) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr as soon as the work has taken ``seconds``, fed with (done, total)."""
    began = time.monotonic()
    columns = (TextColumn("simulating"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn())
    bar = Progress(*columns, console=log, disable=not log.is_terminal, transient=True)
    task = bar.add_task("simulating", total=None)

    def show(done: int, total: int) -> None:
        if not bar.live.is_started and time.monotonic() - began > seconds:
            bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        bar.stop()


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr, fed with (what, done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=log, disable=not log.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
                if not log.is_terminal:
                    log.print(f"{what}: {total} runs", highlight=False)
            progress.update(tasks[what], completed=done)

        yield show


class OutPath(click.Path):
    """A path to write; an empty one is a shell variable that was never set."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; an empty one is refused."""
        if value == "":
            self.fail("is empty", param, ctx)
        return super().convert(value, param, ctx)
