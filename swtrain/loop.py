"""The loop of a training run: epochs of phases, checkpoints, and the figures at the end.

Comes in: a config, a data set and a folder that `train` prepared. Goes out: a verified `NestedModel` and the files
that `runs` describes. What is random in an epoch (order, shifts) comes from a generator seeded by (seed, phase, epoch),
and the learning rate is a function of the step, so nothing depends on where a run was interrupted.
"""

from __future__ import annotations

import csv
import io
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import __version__
from .batches import ImageBatches, epoch_generator
from .config import TrainConfig
from .datasets import Dataset, Split, hold_out
from .errors import CheckpointError
from .evaluate import evaluate
from .models import fold_batch_norm_
from .nested import NestedModel
from .optim import learning_rate, make_optimizer, plateaus, restarts
from .optim.average import WeightAverage
from .parallel import Workers
from .progress import Progress
from .runs import (
    CHECKPOINT,
    HISTORY,
    METRICS,
    MODEL,
    load_nested_,
    make_nested,
    read_tensors,
    write_atomic,
    write_json,
    write_tensors,
)
from .strategies import Phase, Strategy, make_strategy
from .transfer import check_rules, freeze_, frozen_layers, load_weights_, still_

HISTORY_FIELDS = (
    "phase",
    "epoch",
    "level",
    "sparsity",
    "lr",
    "loss",
    "train_accuracy",
    "held_out_accuracy",
    "held_out_levels",
)


@dataclass
class _Position:
    """Where a run stands: `epoch` epochs of phase number `phase` are complete."""

    phase: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class Teacher:
    """A network that was trained before this run and for it.

    Attributes:
        module: in evaluation mode.
        figures: what it is, and its accuracy; for `metrics.json`.
        wall_s: seconds that its training took.
        cpu_s: seconds of processor time in these, of all threads of the first process.
    """

    module: nn.Module
    figures: dict[str, Any]
    wall_s: float
    cpu_s: float


class Trainer:
    """One run in memory; `run` trains what is still missing.

    Args:
        config, dataset, out: of the run; `out` holds its config already.
        progress: shows what happens.
        teacher: a finished network whose outputs the loss follows, and its figures.
        workers: the processes that train together; the first one writes.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        out: Path,
        progress: Progress,
        teacher: Teacher | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.out = out
        self.progress = progress
        self.workers = workers or Workers()
        fitting, self.held_out = hold_out(dataset.train, config.validation, config.seed)
        self.batches = ImageBatches(
            fitting,
            config.batch_size,
            config.augment_shift,
            config.augment_rotate,
            config.augment_scale,
            dataset.input_frac_bits,
            config.augment_flip,
            config.augment_noise,
            config.augment_gain,
            config.augment_mask,
            config.augment_turn,
            config.augment_wrap,
        )
        torch.manual_seed(config.seed)
        self.nested = make_nested(config, out)
        # like the batches: where they lie, and so that no convolution reorders
        self.nested.module.to(torch.get_default_device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.strategy: Strategy = make_strategy(config, self.nested)
        self.strategy.held_out = self._mean_held_out
        self.teacher = teacher
        if teacher is not None:
            self.strategy.teacher = teacher.module
        self.history: list[dict[str, Any]] = []
        self.at = _Position()
        self.average: WeightAverage | None = None
        self.snapshots: list[dict[str, Tensor]] = []
        check_rules(config.freeze, self.nested.module)
        if config.init and not (out / CHECKPOINT).exists():
            load_weights_(self.nested.module, Path(config.init))
        self.wall_s = 0.0
        self.cpu_s = 0.0
        self.dense_accuracy: float | None = None
        self._stored_optimizer: dict[str, Any] | None = None
        if (out / CHECKPOINT).exists():
            self._restore(out / CHECKPOINT)

    def run(self) -> NestedModel:
        """Train all phases that are not complete, then write the model and its figures."""
        phases = self.strategy.phases
        steps = [sum(self._steps(phase, epoch) for epoch in range(phase.epochs)) for phase in phases]
        done = sum(steps[: self.at.phase])
        if self.at.phase < len(phases):
            done += sum(self._steps(phases[self.at.phase], epoch) for epoch in range(self.at.epoch))
        self.progress.start(sum(steps), done)
        while self.at.phase < len(phases):
            self._run_phase(phases[self.at.phase])
        return self._finish()

    def _run_phase(self, phase: Phase) -> None:
        if self.at.epoch == 0:
            self.strategy.begin_(phase)
        parameters = self.strategy.attach_(phase)
        config = self.config
        optimizer = make_optimizer(config.optimizer, parameters, config.weight_decay, config.optimizer_options)
        if self.at.epoch == 0:
            self.average = WeightAverage(config.average) if config.average else None
        if self._stored_optimizer is not None:
            optimizer.load_state_dict(self._stored_optimizer)
            self._stored_optimizer = None
        while self.at.epoch < phase.epochs:
            started, worked = time.perf_counter(), time.process_time()
            row = self._run_epoch(phase, optimizer)
            self.history.append(row)
            self.wall_s += time.perf_counter() - started
            self.cpu_s += time.process_time() - worked
            label = f"{phase.name}  epoch {self.at.epoch + 1}/{phase.epochs}"
            self.progress.epoch(label, row["loss"], row["held_out_levels"])
            self.at.epoch += 1
            if self.config.snapshots and phase.kind == "dense" and self.at.epoch in restarts(phase.epochs):
                state = self.nested.module.state_dict()
                self.snapshots.append({name: value.clone() for name, value in state.items()})
            if self.at.epoch == phase.epochs or self._stalled(phase):
                if self.average is not None:
                    self.average.apply_(self.nested.module)
                    self.workers.average_statistics_(self.nested.module)
                if phase.kind == self.config.fold:
                    fold_batch_norm_(self.nested.module)
                if phase.kind == "dense":
                    self.dense_accuracy = self._accuracy(self.dataset.test)
                self.strategy.end_(phase)
                self.at = _Position(self.at.phase + 1)
            self._save(optimizer)
            if self.at.epoch == 0:
                return

    def _run_epoch(self, phase: Phase, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        peak = float(getattr(self.config.lr, phase.kind))
        label = f"{phase.name}  epoch {self.at.epoch + 1}/{phase.epochs}"
        factor = self._factor(phase, self.at.epoch)
        steps = phase.epochs * self.batches.steps(factor)
        step = self.at.epoch * self.batches.steps(factor)
        generator = epoch_generator(self.config.seed, self.at.phase, self.at.epoch)
        self.nested.train()
        frozen = frozen_layers(self.config.freeze, self.nested.module, phase.kind, self.at.epoch / phase.epochs)
        still_(self.nested.module, frozen)
        halvings = plateaus(self._held_out_history(phase), self.config.patience) if self.config.patience else 0
        loss_sum, correct, seen, lr = 0.0, 0.0, 0.0, 0.0
        for x, y in self.batches.epoch(generator, factor):
            lr = learning_rate(self.config.schedule, peak, step / steps, self.config.warmup, halvings)
            for group in optimizer.param_groups:
                group["lr"] = lr
            x, y, share = self.workers.part(x, y)
            loss, logits = self.strategy.loss(phase, x, y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.workers.sum_gradients_([*self.nested.module.parameters()], share)
            self._limit_gradients_(step, generator)
            self.strategy.before_step_(phase)
            freeze_(self.nested.module, frozen)
            optimizer.step()
            step += 1
            self.strategy.after_step_(phase, step / steps)
            if self.average is not None and step >= steps * self._settled(phase):
                self.average.update_(self.nested.module)
            value = loss.item()
            mine = len(y) if share else 0
            loss_sum += value * mine
            correct += int((logits.detach().argmax(1) == y)[:mine].sum())
            seen += mine
            self.progress.step(label, value)
        loss_sum, correct, seen = self.workers.sums([loss_sum, correct, seen])
        self.workers.average_statistics_(self.nested.module)
        levels = self._level_accuracies(phase)
        return {
            "phase": phase.name,
            "epoch": self.at.epoch + 1,
            "level": phase.level,
            "sparsity": 100 * (1 - self.nested.density(phase.level)),
            "lr": lr,
            "loss": loss_sum / seen,
            "train_accuracy": 100 * correct / seen,
            "held_out_accuracy": levels[-1] if levels else None,
            "held_out_levels": " ".join(f"{accuracy:.2f}" for accuracy in levels),
        }

    def _level_accuracies(self, phase: Phase) -> list[float]:
        """Accuracy (%) on held-out data of the levels that a phase has, its own last; empty if none is held out.

        That of the running mean of the weights, if there is one.
        """
        if not len(self.held_out):
            return []
        first = phase.level if phase.kind == "dense" else 0
        with self.average.applied(self.nested.module) if self.average is not None else nullcontext():
            found = []
            for level in range(first, phase.level + 1):
                self.nested.set_active_level_(level)
                found.append(self._accuracy(self.held_out))
        return found

    def _factor(self, phase: Phase, epoch: int) -> int:
        """By how much batches have grown in an epoch of a phase."""
        return int(2 ** ((self.config.batch_growth + 1) * epoch // phase.epochs))

    def _steps(self, phase: Phase, epoch: int) -> int:
        return self.batches.steps(self._factor(phase, epoch))

    def _settled(self, phase: Phase) -> float:
        """Part of a phase after which its masks are final."""
        return self.config.ramp if phase.kind in ("prune", "joint") else 0.0

    def _limit_gradients_(self, step: int, generator: torch.Generator) -> None:
        """Clip gradients and add noise, as the config says; before the strategy masks them."""
        config = self.config
        parameters = [p for p in self.nested.module.parameters() if p.grad is not None]
        if config.clip_value:
            nn.utils.clip_grad_value_(parameters, config.clip_value)
        if config.clip_norm:
            nn.utils.clip_grad_norm_(parameters, config.clip_norm)
        if config.gradient_noise:
            deviation = (config.gradient_noise / (1 + step) ** 0.55) ** 0.5
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.grad.add_(torch.randn(parameter.shape, generator=generator), alpha=deviation)

    def _held_out_history(self, phase: Phase) -> list[float]:
        """Accuracy on held-out data after each epoch of a phase so far."""
        return [float(row["held_out_accuracy"]) for row in self.history if row["phase"] == phase.name]

    def _stalled(self, phase: Phase) -> bool:
        """Whether a phase ends early: its masks are final, and no epoch was better for long enough."""
        if not self.config.stop_after:
            return False
        settled = math.ceil(self._settled(phase) * phase.epochs)
        return plateaus(self._held_out_history(phase)[settled:], self.config.stop_after) > 0

    def _accuracy(self, split: Split) -> float:
        return evaluate(self.nested, split, self.dataset.input_frac_bits)

    def _mean_held_out(self) -> float:
        accuracies = []
        for level in range(self.nested.num_levels):
            self.nested.set_active_level_(level)
            accuracies.append(self._accuracy(self.held_out))
        return sum(accuracies) / len(accuracies)

    def _save(self, optimizer: torch.optim.Optimizer) -> None:
        if self.workers.rank:
            return
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
                "average": self.average.state_dict() if self.average is not None and self.at.epoch else None,
                "snapshots": self.snapshots,
                "rng": torch.get_rng_state(),
                "history": self.history,
                "wall_s": self.wall_s,
                "cpu_s": self.cpu_s,
                "dense_accuracy": self.dense_accuracy,
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
            self.wall_s, self.cpu_s = float(state["wall_s"]), float(state["cpu_s"])
            self.dense_accuracy = state["dense_accuracy"]
            self._stored_optimizer = state["optimizer"]
            self.snapshots = list(state["snapshots"])
            if state["average"] is not None:
                self.average = WeightAverage(self.config.average)
                self.average.load_state_dict(state["average"])
            torch.set_rng_state(state["rng"].cpu())
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
        write_tensors(
            self.out / MODEL, {"swtrain": __version__, "nested": self.nested.state_dict(), "snapshots": self.snapshots}
        )
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
                    "accuracy_float": self._accuracy(self.dataset.test),
                    "accuracy_held_out": (self._accuracy(self.held_out) if len(self.held_out) else None),
                }
            )
        wall_s = self.wall_s + (0.0 if self.teacher is None else self.teacher.wall_s)
        cpu_s = self.cpu_s + (0.0 if self.teacher is None else self.teacher.cpu_s)
        threads, devices = self.config.threads, self.workers.count
        return {
            "schema": 1,
            "model": self.config.model,
            "dataset": self.dataset.name,
            "provenance": self.dataset.provenance,
            "strategy": self.config.strategy,
            "scope": self.config.scope,
            "levels": levels,
            "dense_accuracy_float": self.dense_accuracy,
            "n_train": len(self.dataset.train) - len(self.held_out),
            "n_held_out": len(self.held_out),
            "n_test": len(self.dataset.test),
            "epochs": len(self.history),
            "seed": self.config.seed,
            "versions": {"swtrain": __version__, "torch": torch.__version__, "numpy": np.__version__},
            **({"teacher": self.teacher.figures} if self.teacher is not None else {}),
            "run": {"wall_s": round(wall_s, 1), "cpu_s": round(cpu_s, 1), "threads": threads, "devices": devices},
        }


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HISTORY_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
