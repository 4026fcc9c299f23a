"""Models whose power fails: on the simulator (`swtrain.interrupt`) and on a PC with a memory worse than FRAM."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from unittest import mock

import rig
from rig import ROOT, SWITCH, Board, Workshop
from strategies import inputs_for

from codegen.emit import EXTERNAL, CProject
from swtrain.interrupt import Interrupted


def interrupted(shop: Workshop, project: CProject) -> Interrupted:
    """The project on the simulator, idle at each level."""
    board = Board(shop.program(project), project.graph)
    idle = []
    for level in range(len(project.graph.levels)):
        assert board.request(SWITCH, level) == 0
        idle.append(board.machine.fork())
    return Interrupted(idle, inputs_for(project.graph, 4, 7)[3])


class HostPower:
    """`firmware/tests/power`: what was written since the last barrier arrives in any order and in part."""

    def __init__(self, folder: Path, sources: dict[str, Path] | None = None) -> None:
        with mock.patch.dict(os.environ, {"SW_HOST_CFLAGS": "-DSW_HOST_NVM"}):
            main = {"boards/host/main.c": ROOT / "tests" / "power" / "main.c"}
            self.shop = Workshop(folder, "host", {**(sources or {}), **main})

    def program(self, project: CProject) -> HostProgram:
        return HostProgram(self.shop.program(project), project)


class HostProgram:
    """One model to cut."""

    def __init__(self, program: Path, project: CProject) -> None:
        self.path = program
        self.x = inputs_for(project.graph, 4, 7)[3].astype("<i2").tobytes()

    def explore(self, job: str, depth: int, tries: int, seed: int = 1) -> tuple[int, list[str]]:
        """Cut `job` at every barrier, `tries` times each, and again while it recovers; cases, and those that fail."""
        return self._run(job, str(depth), str(tries), str(seed))

    def replay(self, job: str, case: str) -> tuple[int, list[str]]:
        """One case again."""
        return self._run(job, "case", case)

    def _run(self, job: str, *arguments: str) -> tuple[int, list[str]]:
        memory = self.path.parent / EXTERNAL
        external = ["--external", str(memory)] if memory.is_file() else []
        command = [str(self.path), *external, *job.split(":"), *arguments]
        done = subprocess.run(command, input=self.x, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        text = done.stdout.decode()
        found = re.search(r"cases (\d+) failures (\d+)", text)
        assert found is not None
        failing = re.findall(r"^case (.+)$", text, re.M)
        assert len(failing) == int(found[2])
        return int(found[1]), failing


def broken(tmp_path: Path, name: str, good: str, bad: str) -> dict[str, Path]:
    """A copy of firmware/`name` with `good` replaced, as `Workshop` takes it."""
    text = (rig.ROOT / name).read_text()
    assert text.count(good) == 1, f"{name} has changed: adapt this test"
    source = tmp_path / Path(name).name
    source.write_text(text.replace(good, bad))
    return {name: source}
