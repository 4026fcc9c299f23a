"""`swtrain sim` with power failures: many of them, or one again by its id, under gdb if wanted."""

from __future__ import annotations

from pathlib import Path

import click

from codegen.emit import read_project
from sim import SimError, powerloss

from .deploy import Device
from .interrupt import Interrupted, InterruptError, Job, some_input
from .terminal import bar, console


def _interrupted(project: Path, elf: Path) -> Interrupted:
    found = read_project(project)
    return Interrupted(Device(found, elf, "fused").idle, some_input(found.graph))


def fail_and_compare(project: Path, elf: Path, count: int) -> None:
    """Interrupt inferences at every level and switches between neighbours `count` times in all, by chance.

    Raises:
        InterruptError: a result differs; the message has the ids.
    """
    device = _interrupted(project, elf)
    levels = len(read_project(project).graph.levels)
    jobs = [Job((k,)) for k in range(levels)]
    jobs += [Job(pair) for k in range(levels - 1) for pair in ((k, k + 1), (k + 1, k))]
    done, wrong = 0, []
    with bar() as show:
        for i, job in enumerate(jobs):
            part = count * (i + 1) // len(jobs) - count * i // len(jobs)
            for first in range(0, part, 50):
                schedule = powerloss.random(1000 * i + first, min(50, part - first), "instruction")
                verdict = device.verify(job, schedule)
                done += verdict.cases
                wrong += list(verdict.failures)
                show(f"power failures: {job.name}", done, count)
    if wrong:
        shown = "; ".join(f"{case}: {reason}" for case, reason in wrong[:5])
        again = f"swtrain sim {project} --replay {wrong[0][0]}"
        raise InterruptError(
            f"{len(wrong)} of {done} runs with power failures end differently: {shown}; again: {again}"
        )
    console.print(f"{done} runs with one to three power failures each, every result as without", highlight=False)


def replay_one(project: Path, elf: Path, text: str, gdb: int | None) -> None:
    """Run one case again; with `gdb`, up to its last power failure, where gdb takes over.

    Raises:
        InterruptError: the result differs, or there is no such case.
    """
    device = _interrupted(project, elf)
    if gdb is not None:
        from sim.gdb import GdbServer

        server = GdbServer(device.last_power_up(text), gdb)
        click.echo(f"power has just come back; waiting for gdb: target remote localhost:{server.port}")
        server.serve()
        return
    try:
        _, right = device.replay(text)
    except SimError as e:
        raise InterruptError(f"{text}: {e}") from e
    if not right:
        raise InterruptError(f"{text}: the result differs from that without power failures")
    console.print(f"{text}: the result is as without power failures", highlight=False)
