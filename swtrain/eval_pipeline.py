"""`swtrain eval`: model -> project -> build -> simulation -> report, each stage only if something changed.

OUT/run            the trained or imported network (unless the config names a folder)
OUT/project        the C project and its build
OUT/report.json    what was measured
OUT/details.json   memory, profiles, energy set
OUT/harvest.json   the run on a harvested supply, if there is one in the config
OUT/.eval          records of the stages
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codegen.build import find_build, toolchain
from codegen.emit import emit_project, read_project, write_project
from codegen.files import RECORD, write_atomic
from codegen.ir import Graph
from codegen.serialize import load_graph
from codegen.target import load_target
from sim import EnergyModel

from .deploy import quantized_inputs
from .errors import ConfigError
from .eval_cache import Cache, Stage, digest, file_digest, files_digest
from .eval_config import LoadedEval
from .eval_gate import Check, check_baseline, check_limits, check_names, read_baseline
from .eval_model import Note, dataset_digest, dataset_of, graph_digest, prepare_model
from .eval_page import page_stage
from .html.stored import DETAILS, EVAL, HARVEST, REPORT
from .journal import Journal
from .report import Report, read_report, summarize

Bar = Callable[[], AbstractContextManager[Callable[[str, int, int], None]]]
"""Opens a progress bar, fed with (what, done, total)."""


@dataclass
class Evaluation:
    """What one `swtrain eval` found.

    Attributes:
        report: as measured now or before.
        checks: limits and baseline.
        ran, skipped: stages that were done, and those that were cached.
    """

    report: Report
    checks: list[Check] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def missed(self) -> list[Check]:
        """Checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "passed": not self.missed,
            "checks": [check.to_dict() for check in self.checks],
            "run": {"stages_run": self.ran, "stages_cached": self.skipped},
        }


@dataclass(frozen=True)
class Settings:
    """What the command line adds to the config; none of it changes a result.

    Attributes:
        jobs: processes that simulate; None: all cores.
        fresh: do all stages, whatever is cached.
        baseline: another file than the config's.
        compare: look at the baseline.
        page: make the HTML page and its figures.
    """

    jobs: int | None = None
    fresh: bool = False
    baseline: Path | None = None
    compare: bool = True
    page: bool = True


def evaluate(loaded: LoadedEval, settings: Settings, note: Note, bar: Bar) -> Evaluation:
    """Run the pipeline.

    Raises:
        SwtrainError, CodegenError, SimError: from the stages. What is finished by then stays.
    """
    baseline = settings.baseline or (loaded.path(b) if (b := loaded.config.baseline.file) else None)
    stored = read_baseline(baseline) if baseline is not None and settings.compare else None
    check(loaded)
    cache = Cache(loaded.out, settings.fresh)
    run = prepare_model(loaded, cache, note)
    graph = load_graph(run)
    check_names(loaded.config.limits, [level.name for level in graph.levels])
    work = Pipeline(loaded, cache, settings, note, bar, run, graph)
    report = work.measure()
    checks = check_limits(report, loaded.config.limits)
    if stored is not None:
        checks += check_baseline(report, stored, loaded.config.baseline)
    found = Evaluation(report, checks, cache.ran, cache.skipped)
    write_atomic(loaded.out / EVAL, json.dumps(found.to_dict(), indent=1) + "\n")
    if settings.page:
        page_stage(cache)
    write_atomic(loaded.out / EVAL, json.dumps(found.to_dict(), indent=1) + "\n")  # the page is a stage as well
    return found


def check(loaded: LoadedEval) -> None:
    """Find what would stop a late stage before the first one takes its time.

    Raises:
        ConfigError, DataError, TargetError, ToolchainError: board, compiler, energy set, harvester or test inputs.
    """
    section, emit = loaded.config.simulate, loaded.config.emit
    board = load_target(emit.target, emit.max_step_cycles)
    if not board.device:
        raise ConfigError(f"emit.target {emit.target}: is no MCU that can be simulated; choose a board")
    if section.toolchain != "zig":  # that one is a package
        toolchain(section.toolchain, board)
    try:
        EnergyModel.load(section.energy if section.energy.isidentifier() else "")
    except ValueError as error:
        raise ConfigError(f"simulate.energy {section.energy!r}: {error}") from error
    if section.dataset is not None:
        name = loaded.dataset(section.dataset)
        known = len(dataset_of(name, loaded.data(name)).test)
        if section.inputs > known:
            raise ConfigError(f"simulate.inputs {section.inputs}: {section.dataset} has {known} test inputs")
    if loaded.harvest is not None:
        from .eval_harvest import harvester

        harvester(loaded.harvest, emit.target)


class Pipeline:
    """The stages behind the model."""

    def __init__(
        self, loaded: LoadedEval, cache: Cache, settings: Settings, note: Note, bar: Bar, run: Path, graph: Graph
    ) -> None:
        self.loaded, self.config, self.out, self.run, self.graph = loaded, loaded.config, loaded.out, run, graph
        self.cache, self.settings, self.note, self.bar = cache, settings, note, bar
        self.project = self.out / "project"
        wanted = self.config.simulate.dataset
        name = loaded.dataset(wanted) if wanted else str(graph.meta.get("dataset", ""))
        if not name:
            raise ConfigError(f"{run}: was made without a data set; set simulate.dataset to a name or an .npz file")
        self.dataset = (name, loaded.data(name))

    def measure(self) -> Report:
        """All stages; the report."""
        self._emit()
        self._build()
        self._simulate()
        report = read_report(self.out / REPORT)
        self._details()
        self._harvest(report)
        return report

    def _emit(self) -> None:
        emit = self.config.emit
        options = {"graph": graph_digest(self.run), "emit": emit.model_dump(mode="json")}

        def work() -> None:
            self.note(f"emitting C for {emit.target}")
            board = load_target(emit.target, emit.max_step_cycles)
            encoding: str | dict[str, str] = emit.encoding
            if isinstance(encoding, dict):
                names = [node.name for node in self.graph.nodes if node.params is not None]
                encoding = dict.fromkeys(names, "auto") | encoding
            made = emit_project(
                self.graph, board, emit.backend, emit.overlap, emit.external, encoding, emit.optimize, emit.switching
            )
            write_project(made, self.project)

        self.cache.run(Stage("project", ("codegen",), options), lambda: _recorded(self.project), work)

    def _build(self) -> None:
        name = self.config.simulate.toolchain
        compiler = (
            importlib.metadata.version("ziglang")
            if name == "zig"
            else file_digest(Path(shutil.which("msp430-elf-gcc") or ""))
        )
        options = {"project": self._project_digest(), "toolchain": name, "compiler": compiler}

        def work() -> None:
            from codegen.build import build

            self.note(f"building with {name}")
            build(self.project, name)

        self.cache.run(Stage("build", ("codegen",), options), lambda: _recorded(self.project / name), work)

    def _simulate(self) -> None:
        section = self.config.simulate
        options = {
            "program": self._program_digest(),
            "data": dataset_digest(*self.dataset),
            "inputs": section.inputs,
            "energy": section.energy,
        }
        stage = Stage("simulate", ("swtrain", "codegen", "sim"), options)

        def work() -> None:
            journal = Journal(self.cache.folder() / "simulate.jsonl", stage.key)
            if self.settings.fresh:
                journal.path.unlink(missing_ok=True)
            known = sum(len(part) for part in journal.read().values())
            self.note(f"simulating {section.inputs} inputs" + (f", {known} inferences are done" if known else ""))
            with self.bar() as progress:
                report = summarize(
                    self.project,
                    dataset_of(*self.dataset),
                    section.inputs,
                    toolchain=section.toolchain,
                    energy=section.energy,
                    jobs=self.settings.jobs,
                    progress=progress,
                    journal=journal,
                )
            write_atomic(self.out / REPORT, report.to_json())
            journal.path.unlink(missing_ok=True)

        self.cache.run(stage, lambda: [self.out / REPORT], work)

    def _details(self) -> None:
        section = self.config.simulate
        options = {"program": self._program_digest(), "data": dataset_digest(*self.dataset), "energy": section.energy}

        def work() -> None:
            from .eval_details import details

            self.note("profiling one inference at each level")
            found = details(self.project, section.toolchain, self._first(), section.energy)
            write_atomic(self.out / DETAILS, json.dumps(found, indent=1) + "\n")

        self.cache.run(Stage("details", ("swtrain", "codegen", "sim"), options), lambda: [self.out / DETAILS], work)

    def _harvest(self, report: Report) -> None:
        section, found_trace = self.config.harvest, self.loaded.harvest
        if section is None or found_trace is None:
            (self.out / HARVEST).unlink(missing_ok=True)
            return
        measured = report.model_dump(mode="json", exclude={"run"})
        options = {
            "program": self._program_digest(),
            "report": digest(measured),
            "data": dataset_digest(*self.dataset),
            "harvest": section.model_dump(mode="json"),
            "trace": file_digest(Path(found_trace.trace)) if found_trace.trace else "",
        }

        def work() -> None:
            from .eval_harvest import harvest, harvester

            self.note(f"{section.duration_s:g} s on {section.supply}")
            with self.bar() as progress:
                found = harvest(
                    self.project,
                    report,
                    section,
                    harvester(found_trace, report.target),
                    self._first(),
                    self.config.simulate.energy,
                    lambda done, total: progress("requests", done, total),
                )
            write_atomic(self.out / HARVEST, json.dumps(found, indent=1) + "\n")

        self.cache.run(Stage("harvest", ("swtrain", "codegen", "sim"), options), lambda: [self.out / HARVEST], work)

    def _first(self) -> Any:
        """The first test input, as the device takes it."""
        dataset = dataset_of(*self.dataset)
        return quantized_inputs(read_project(self.project).graph, dataset, dataset.test.x[:1])[0]

    def _project_digest(self) -> str:
        return files_digest(_recorded(self.project), self.project)

    def _program_digest(self) -> str:
        return digest(
            [file_digest(find_build(self.project, self.config.simulate.toolchain).program), self._project_digest()]
        )


def _recorded(folder: Path) -> list[Path]:
    """Files that an earlier call generated into `folder`."""
    return list(_names(folder))


def _names(folder: Path) -> Iterator[Path]:
    try:
        names = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    for name in names:
        yield folder / name
