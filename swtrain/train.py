"""`train`: from a config to a finished run in a folder; interrupted runs go on where they stopped.

Comes in: a `TrainConfig` and a folder. Goes out: a verified `NestedModel` and the files that `runs`
describes. Invariant: the weights are a function of the config alone. What is random in an epoch (order,
shifts) comes from a generator seeded by (seed, phase, epoch), and the learning rate is a function of the
step, so a run that is killed and resumed ends in the same bits as one that is not (same machine and torch).
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from . import __version__
from .batches import ImageBatches
from .config import TrainConfig
from .datasets import Dataset, Split, load_dataset
from .errors import CheckpointError, ConfigError
from .models import model_spec
from .nested import NestedModel
from .progress import Progress
from .runs import (
    CHECKPOINT,
    HISTORY,
    METRICS,
    MODEL,
    load_nested_,
    load_run,
    locked,
    make_nested,
    prepare_out,
    read_tensors,
    write_atomic,
    write_json,
    write_tensors,
)
from .strategies import Phase, Strategy, make_strategy

__all__ = ["evaluate", "load_run", "train"]

HISTORY_FIELDS = ("phase", "epoch", "level", "sparsity", "lr", "loss", "train_accuracy", "held_out_accuracy")


def train(
    config: TrainConfig,
    out: str | Path,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> NestedModel:
    """Train the nested model of `config` and leave the run in `out`.

    Args:
        config: decides the weights.
        out: folder of the run; see `runs` for its files.
        resume: go on with the run in `out`; a finished one is loaded and nothing is written.
        overwrite: replace the run in `out`. Other files in the folder are left alone.
        progress: shows what happens; silent by default.

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
    model_spec(config.model)  # an unknown name must not leave a folder behind
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
    if resume and not overwrite and not out.exists():
        raise CheckpointError(f"{out}: holds no run to resume; check --out, or leave --resume out")
    with locked(out), _torch_settings(config):
        prepare_out(out, config, resume, overwrite)
        try:
            return _Trainer(config, dataset, out, progress).run()
        finally:
            progress.stop()


def evaluate(model: nn.Module, split: Split, batch: int = 1000) -> float:
    """Accuracy of `model` on `split` in percent; a `NestedModel` is measured at its active level."""
    was_training = model.training
    model.eval()
    correct = 0
    with torch.no_grad():
        for start in range(0, len(split), batch):
            x = torch.tensor(split.x[start : start + batch]).float() / 256
            y = torch.tensor(split.y[start : start + batch])
            correct += int((model(x).argmax(1) == y).sum())
    model.train(was_training)
    return 100 * correct / len(split)


def learning_rate(schedule: str, peak: float, progress: float) -> float:
    """Learning rate at `progress` (0 to 1) of a phase.

    `one-cycle`: a linear rise from peak/10 over the first fifth, then a half cosine to 0. `cosine`: the half
    cosine alone. `constant`: the peak.
    """
    if schedule == "constant":
        return peak
    rise = 0.2 if schedule == "one-cycle" else 0.0
    if progress < rise:
        return peak * (0.1 + 0.9 * progress / rise)
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))


@dataclass
class _Position:
    """Where a run stands: `epoch` epochs of phase number `phase` are complete."""

    phase: int = 0
    epoch: int = 0


class _Trainer:
    """One run in memory; `run` trains what is still missing."""

    def __init__(self, config: TrainConfig, dataset: Dataset, out: Path, progress: Progress) -> None:
        self.config = config
        self.dataset = dataset
        self.out = out
        self.progress = progress
        fitting, self.held_out = _hold_out(dataset.train, config.validation, config.seed)
        self.batches = ImageBatches(
            fitting, config.batch_size, config.augment_shift, config.augment_rotate, config.augment_scale
        )
        torch.manual_seed(config.seed)
        self.nested = make_nested(config)
        self.strategy: Strategy = make_strategy(config, self.nested)
        self.strategy.held_out = self._mean_held_out
        self.history: list[dict[str, Any]] = []
        self.at = _Position()
        self.wall_s = 0.0
        self._stored_optimizer: dict[str, Any] | None = None
        if (out / CHECKPOINT).exists():
            self._restore(out / CHECKPOINT)

    def run(self) -> NestedModel:
        phases = self.strategy.phases
        steps = [phase.epochs * len(self.batches) for phase in phases]
        done = sum(steps[: self.at.phase]) + self.at.epoch * len(self.batches)
        self.progress.start(sum(steps), done)
        while self.at.phase < len(phases):
            self._run_phase(phases[self.at.phase])
        return self._finish()

    def _run_phase(self, phase: Phase) -> None:
        if self.at.epoch == 0:
            self.strategy.begin_(phase)
        optimizer = _make_optimizer(self.config, self.strategy.attach_(phase))
        if self._stored_optimizer is not None:
            optimizer.load_state_dict(self._stored_optimizer)
            self._stored_optimizer = None
        while self.at.epoch < phase.epochs:
            started = time.perf_counter()
            row = self._run_epoch(phase, optimizer)
            self.history.append(row)
            self.wall_s += time.perf_counter() - started
            label = f"{phase.name}  epoch {self.at.epoch + 1}/{phase.epochs}"
            self.progress.epoch(label, row["loss"], row["held_out_accuracy"])
            self.at.epoch += 1
            if self.at.epoch == phase.epochs:
                self.strategy.end_(phase)
                self.at = _Position(self.at.phase + 1)
            self._save(optimizer)
            if self.at.epoch == 0:
                return

    def _run_epoch(self, phase: Phase, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        peak = float(getattr(self.config.lr, phase.kind))
        label = f"{phase.name}  epoch {self.at.epoch + 1}/{phase.epochs}"
        steps = phase.epochs * len(self.batches)
        step = self.at.epoch * len(self.batches)
        generator = _epoch_generator(self.config.seed, self.at.phase, self.at.epoch)
        self.nested.train()
        loss_sum, correct, seen, lr = 0.0, 0, 0, 0.0
        for x, y in self.batches.epoch(generator):
            lr = learning_rate(self.config.schedule, peak, step / steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            loss, logits = self.strategy.loss(phase, x, y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.strategy.before_step_(phase)
            optimizer.step()
            step += 1
            self.strategy.after_step_(phase, step / steps)
            value = loss.item()
            loss_sum += value * len(y)
            correct += int((logits.detach().argmax(1) == y).sum())
            seen += len(y)
            self.progress.step(label, value)
        return {
            "phase": phase.name,
            "epoch": self.at.epoch + 1,
            "level": phase.level,
            "sparsity": 100 * (1 - self.nested.density(phase.level)),
            "lr": lr,
            "loss": loss_sum / seen,
            "train_accuracy": 100 * correct / seen,
            "held_out_accuracy": evaluate(self.nested, self.held_out) if len(self.held_out) else None,
        }

    def _mean_held_out(self) -> float:
        accuracies = []
        for level in range(self.nested.num_levels):
            self.nested.set_active_level_(level)
            accuracies.append(evaluate(self.nested, self.held_out))
        return sum(accuracies) / len(accuracies)

    def _save(self, optimizer: torch.optim.Optimizer) -> None:
        write_tensors(
            self.out / CHECKPOINT,
            {
                "swtrain": __version__,
                "torch": torch.__version__.split("+")[0],
                "config": self.config.to_dict(),
                "phase": self.at.phase,
                "epoch": self.at.epoch,
                "nested": self.nested.state_dict(),
                "strategy": self.strategy.state_dict(),
                # a phase starts with a fresh optimiser; its schedule is a function of the step
                "optimizer": optimizer.state_dict() if self.at.epoch else None,
                "scheduler": {"step": self.at.epoch * len(self.batches)},
                "rng": torch.get_rng_state(),
                "history": self.history,
                "wall_s": self.wall_s,
            },
        )
        write_atomic(self.out / HISTORY, _csv(self.history))

    def _restore(self, path: Path) -> None:
        state = read_tensors(path)
        try:
            load_nested_(self.nested, state, path)
            self.strategy.load_state_dict(state["strategy"])
            self.history = list(state["history"])
            self.at = _Position(int(state["phase"]), int(state["epoch"]))
            self.wall_s = float(state["wall_s"])
            self._stored_optimizer = state["optimizer"]
            torch.set_rng_state(state["rng"])
            if not 0 <= self.at.phase <= len(self.strategy.phases) or self.at.epoch < 0:
                raise ValueError(f"phase {self.at.phase}, epoch {self.at.epoch} do not exist")
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"{path}: is damaged ({reason}); train again with --overwrite") from error
        if state.get("torch") != torch.__version__.split("+")[0]:
            self.progress.note(
                f"{path}: written with torch {state.get('torch')}, this is {torch.__version__}; "
                "the result may differ in the last bits"
            )

    def _finish(self) -> NestedModel:
        self.nested.verify()
        self.nested.eval()
        write_tensors(self.out / MODEL, {"swtrain": __version__, "nested": self.nested.state_dict()})
        write_json(self.out / METRICS, self._metrics())
        self.nested.set_active_level_(self.nested.num_levels - 1)
        return self.nested

    def _metrics(self) -> dict[str, Any]:
        levels = []
        for level, sparsity in enumerate(self.nested.sparsities):
            self.nested.set_active_level_(level)
            levels.append(
                {
                    "name": f"{sparsity:g}",
                    "sparsity": 100 * (1 - self.nested.density(level)),
                    "target_sparsity": sparsity,
                    "nnz": self.nested.nnz(level),
                    "total": self.nested.total,
                    "accuracy_float": evaluate(self.nested, self.dataset.test),
                    "accuracy_held_out": (evaluate(self.nested, self.held_out) if len(self.held_out) else None),
                }
            )
        return {
            "schema": 1,
            "model": self.config.model,
            "dataset": self.dataset.name,
            "provenance": self.dataset.provenance,
            "strategy": self.config.strategy,
            "scope": self.config.scope,
            "levels": levels,
            "n_train": len(self.dataset.train) - len(self.held_out),
            "n_held_out": len(self.held_out),
            "n_test": len(self.dataset.test),
            "epochs": len(self.history),
            "seed": self.config.seed,
            "versions": {"swtrain": __version__, "torch": torch.__version__, "numpy": np.__version__},
            "run": {"wall_s": round(self.wall_s, 1), "threads": self.config.threads},
        }


def _hold_out(split: Split, count: int, seed: int) -> tuple[Split, Split]:
    """Split off `count` random examples, chosen by `seed`."""
    order = np.random.default_rng(seed).permutation(len(split))
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    return Split(split.x[kept], split.y[kept]), Split(split.x[held], split.y[held])


def _epoch_generator(seed: int, phase: int, epoch: int) -> torch.Generator:
    mixed = np.random.SeedSequence((seed, phase, epoch)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


def _make_optimizer(config: TrainConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    decay = config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=0.0, momentum=0.9, nesterov=True, weight_decay=decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=0.0, weight_decay=decay)
    return torch.optim.Adam(parameters, lr=0.0, weight_decay=decay)


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HISTORY_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@contextmanager
def _torch_settings(config: TrainConfig) -> Iterator[None]:
    """Threads and torch's global generator for a run; the caller gets its own back."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(config.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
