"""`train`: from a config to a finished run in a folder; interrupted runs go on where they stopped.

Comes in: a `TrainConfig` and a folder. Goes out: a verified `NestedModel` and the files that `runs`
describes. Invariant: the weights are a function of the config alone. What is random in an epoch (order,
shifts) comes from a generator seeded by (seed, phase, epoch), and the learning rate is a function of the
step, so a run that is killed and resumed ends in the same bits as one that is not (same machine and torch).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from .config import TrainConfig, parse_config
from .datasets import Dataset, load_dataset
from .ensemble import Ensemble
from .errors import CheckpointError, ConfigError
from .evaluate import evaluate
from .graph_module import SUFFIX, check_fits
from .loop import Teacher, Trainer
from .models import model_spec
from .nested import NestedModel
from .parallel import Workers, launch
from .progress import ConsoleProgress, Progress
from .runs import CONFIG, METRICS, TEACHER, load_run, load_snapshots, locked, make_module, prepare_out

__all__ = ["evaluate", "load_run", "train"]


def train(
    config: TrainConfig,
    out: str | Path,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    devices: int = 1,
    accelerator: str = "cpu",
) -> NestedModel:
    """Train the nested model of `config` and leave the run in `out`.

    Args:
        config: decides the weights.
        out: folder of the run; see `runs` for its files.
        resume: go on with the run in `out`; a finished one is loaded and nothing is written.
        overwrite: replace the run in `out`. Other files in the folder are left alone.
        progress: shows what happens; silent by default.
        devices: processes that share the work; with another number sums differ in their last bits.
        accelerator: `cpu` or `cuda`, one GPU for each process. Only on the CPU equal runs end in equal bits.

    Returns:
        The verified nested model, in evaluation mode at its densest level.

    Raises:
        ConfigError, DataError: before anything is written.
        OutputError: `out` cannot be written or holds another run; before any training.
        CheckpointError: the run in `out` cannot be continued.
        KeyboardInterrupt: passed on; at most the current epoch is lost.
    """
    out = Path(out)
    progress = progress or Progress()
    if accelerator != "cpu" and torch.cuda.device_count() < devices:
        raise ConfigError(
            f"--accelerator {accelerator}: torch sees {torch.cuda.device_count()} GPUs, --devices wants {devices}; "
            "give less, or train on the CPU"
        )
    if any(config.targets):
        raise ConfigError("config: targets are not resolved yet; call targets.resolve, or give sparsities in levels")
    imported = None
    if config.model.endswith(SUFFIX):  # what is wrong with the model must not leave a folder behind
        imported = make_module(config, out if resume and not overwrite else None)
    elif ":" not in config.model:
        model_spec(config.model)
    if resume and not overwrite and (out / METRICS).exists():
        prepare_out(out, config, resume=True, overwrite=False)
        progress.note(f"{out}: this run is finished; nothing to do")
        return load_run(out)[0]
    dataset = load_dataset(config.dataset, config.data, progress.open_bar)
    if config.validation >= len(dataset.train):
        raise ConfigError(
            f"config: validation holds out {config.validation:,} examples, but {dataset.name} has only "
            f"{len(dataset.train):,} to train on; give a smaller number"
        )
    if imported is not None:
        check_fits(imported, dataset.name, dataset.test.x.shape[1:], len(dataset.classes))
    if resume and not overwrite and not out.exists():
        raise CheckpointError(f"{out}: holds no run to resume; check --out, or leave --resume out")
    with locked(out):
        prepare_out(out, config, resume, overwrite)
        try:
            if devices > 1:
                launch(devices, accelerator, _work, config.to_dict(), str(out), type(progress) is not Progress)
            else:
                with _torch_settings(config, torch.device(accelerator, 0)):
                    nested = _run(config, dataset, out, progress, Workers())
                if accelerator == "cpu":
                    return nested
            return load_run(out)[0]
        finally:
            progress.stop()


def _work(workers: Workers, config: dict[str, Any], out: str, show: bool) -> None:
    """What each of several processes does."""
    settings = parse_config(config)
    progress = ConsoleProgress(Console()) if show and workers.rank == 0 else Progress()
    with _torch_settings(settings, workers.device):
        try:
            _run(settings, load_dataset(settings.dataset, settings.data), Path(out), progress, workers)
        finally:
            progress.stop()


def _run(config: TrainConfig, dataset: Dataset, out: Path, progress: Progress, workers: Workers) -> NestedModel:
    teacher = _teacher(config, dataset, out / TEACHER, progress, workers)
    return Trainer(config, dataset, out, progress, teacher, workers).run()


def _teacher(config: TrainConfig, dataset: Dataset, out: Path, progress: Progress, workers: Workers) -> Teacher | None:
    """The networks of `config.teacher`, trained in `out` unless that is done; None if the config has none."""
    members: list[nn.Module] = []
    wall_s, cpu_s, epochs = 0.0, 0.0, 0
    for k, own in enumerate(config.of_teachers()):
        folder = out / str(k)
        done = (folder / METRICS).exists()
        workers.wait()  # nobody writes before all have looked
        if not done:
            if workers.rank == 0:
                folder.mkdir(parents=True, exist_ok=True)
                prepare_out(folder, own, resume=(folder / CONFIG).exists(), overwrite=False)
            workers.wait()
            progress.note(f"teacher {k + 1} of {config.teacher.members}: {own.model}")
            Trainer(own, dataset, folder, progress, None, workers).run()
            progress.stop()
        nested, _, metrics = load_run(folder)
        members += [nested.module, *load_snapshots(folder)]
        wall_s += float(metrics["run"]["wall_s"])
        cpu_s += float(metrics["run"]["cpu_s"])
        epochs += int(metrics["epochs"])
    if not members:
        return None
    module = Ensemble(members).eval() if len(members) > 1 else members[0]
    accuracy = evaluate(module, dataset.test, dataset.input_frac_bits)
    figures = {"model": config.teacher.model, "members": len(members), "epochs": epochs, "accuracy_float": accuracy}
    return Teacher(module, figures, wall_s, cpu_s)


@contextmanager
def _torch_settings(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Threads, torch's global generator and where tensors lie, for a run; the caller gets its own back."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]), nullcontext() if device.type == "cpu" else device:
        torch.set_num_threads(config.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
