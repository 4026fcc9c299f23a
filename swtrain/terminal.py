"""What every command needs of the terminal: consoles, errors as one line, progress bars, checked output paths.

Every command has `--json`, `--quiet` and `--verbose` (`with_common_options`); it calls `json_result` once, with what
it found.
Exit codes: 0 done; 1 a known error, a missed limit; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import functools
import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
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

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT."""

_JSON, _QUIET, _VERBOSE = "swtrain.json", "swtrain.quiet", "swtrain.verbose"
STDOUT = Path("-")

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
            if _meta().get(_VERBOSE):
                traceback.print_exc()
            raise click.ClickException(" ".join(str(e).split())) from e
        except ModuleNotFoundError as e:
            if e.name != "torch":
                raise
            fail(f"{e.name} is not installed; training needs it: pip install -c constraints.txt 'swtrain[train]'")
        except KeyboardInterrupt:
            resume = "; go on with --resume" if command.__name__ == "train" else "; run the command again"
            click.echo(f"Error: interrupted, nothing is half-written{resume}", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None

    return run  # type: ignore[return-value]


def fail(message: str) -> NoReturn:
    """End the command with one line and exit 1."""
    raise click.ClickException(message)


# --- what the shell offers at a press of tab


def boards(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of boards that begin with `incomplete`."""
    from codegen.boards import boards as known

    return [name for name in known() if name.startswith(incomplete)]


board_option = click.option(
    "--board",
    "--target",
    "target",
    default="msp430fr5994",
    show_default=True,
    help="Board.",
    shell_complete=boards,
)
"""Option of the commands that plan for a board."""


# --- options that all commands have


def _meta() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    return {} if context is None else context.meta


def json_result(data: Mapping[str, Any] | Sequence[Any]) -> None:
    """What the command found, for `--json`: into the file, or alone on stdout."""
    target = _meta().get(_JSON)
    if target is None:
        return
    text = json.dumps(data, indent=1, default=str)
    if target == STDOUT:
        click.echo(text)
        return
    from codegen.files import write_atomic

    write_atomic(target, text + "\n")


def verbose() -> bool:
    """Was `--verbose` given?"""
    return bool(_meta().get(_VERBOSE))


def _silence(context: click.Context, *consoles: Console) -> None:
    """Let consoles be quiet until the command has ended."""
    for each in consoles:
        if not each.quiet:
            each.quiet = True
            context.call_on_close(functools.partial(setattr, each, "quiet", False))


def only_json() -> None:
    """From now on nothing but JSON goes to stdout."""
    _silence(click.get_current_context(), console)


def _take_json(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.meta[_JSON] = value
        if value == STDOUT:
            _silence(context, console)
            return
        from codegen.errors import OutputError
        from codegen.files import check_writable

        try:
            check_writable(value)  # before a long job
        except OutputError as e:
            fail(str(e))


def _take_quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        _exclusive(context, _QUIET)
        _silence(context, console, log)


def _take_verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        _exclusive(context, _VERBOSE)


def _exclusive(context: click.Context, name: str) -> None:
    context.meta[name] = True
    if context.meta.get(_QUIET) and context.meta.get(_VERBOSE):
        raise click.UsageError("--quiet and --verbose exclude each other")


def with_common_options(command: click.Command) -> click.Command:
    """Give a command `--json`, unless it has its own, `--quiet` and `--verbose`."""
    if not any("--json" in parameter.opts for parameter in command.params):
        command.params.append(
            click.Option(
                ["--json"],
                type=OutPath(),
                expose_value=False,
                is_eager=True,
                callback=_take_json,
                is_flag=False,
                flag_value=str(STDOUT),
                metavar="[FILE]",
                help="Write what was found; without FILE print it, and nothing else.",
            )
        )
    flags = (
        (["-q", "--quiet"], _take_quiet, "Print errors only."),
        (["-v", "--verbose"], _take_verbose, "Print more; errors with their traceback."),
    )
    for names, callback, text in flags:
        command.params.append(
            click.Option(names, is_flag=True, expose_value=False, is_eager=True, callback=callback, help=text)
        )
    return command


max_step_cycles = click.option(
    "--max-step-cycles",
    type=click.IntRange(min=1),
    help="What a step may take from a reboot to the record of its progress [default: the board's, 64000 = 4 ms].",
)
"""Option of the commands that plan."""

_WEIGHT_BITS = (
    click.option(
        "--weight-bits",
        metavar="NODE=8,... | auto",
        help="Layers whose weights are rounded to 8 bits, for the CPU; auto: those that save a larger part of their "
        "bytes than they add to their cycles, while no level loses more than 0.2 points on the test data.",
    ),
    click.option("--dataset", help="What --weight-bits auto measures [default: the model's]."),
    click.option("--data", help="Folder of its files."),
)


def weight_bits(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the commands that plan: `weight_bits`, `dataset`, `data`."""
    for option in reversed(_WEIGHT_BITS):
        command = option(command)
    return command


@contextmanager
def bar_after(seconds: float) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr as soon as the work has taken ``seconds``, fed with (done, total)."""
    began = time.monotonic()
    columns = (TextColumn("simulating"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn())
    bar = Progress(*columns, console=log, disable=not log.is_terminal or log.quiet, transient=True)
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
    with Progress(*columns, console=log, disable=not log.is_terminal or log.quiet) as progress:
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
