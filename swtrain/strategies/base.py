"""`Strategy`: the frame that all strategies share, and dense training.

Comes in: a `NestedModel` with fresh weights, step by step. Goes out: its level index and its weights.
Invariant: after every optimiser step weights outside the active mask and frozen weights have exactly the
values they had before it. A strategy knows nothing of data sets, optimisers or files (`train` does).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import TrainConfig
from ..models import fold_batch_norm_
from ..nested import NestedModel
from ..quantize import Grid, finest_grid
from ..sparsity.scores import ScoreKeeper
from .admm import Admm

RAMP_STEPS = 100
"""Number of times that masks are tightened during gradual pruning."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one learning-rate cycle.

    Attributes:
        name: shown to the user and stored in the history.
        kind: key of the phase's learning rate in the config: `dense`, `prune`, `grow`, `joint` or `qat`.
        level: level that the forward pass computes; the densest one for `joint` and `qat`.
        epochs: passes over the training data.
    """

    name: str
    kind: str
    level: int
    epochs: int


def cubic_ramp(progress: float, final: float) -> float:
    """Sparsity at `progress` (0 to 1) on the way to `final` (Zhu and Gupta 2017): steep first, then flat."""
    left = 1 - min(max(progress, 0.0), 1.0)
    return final * (1 - left**3)


def distillation(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Mean KL divergence of softened outputs, times the squared temperature (Hinton et al. 2015)."""
    target = F.log_softmax(teacher / temperature, 1)
    student = F.log_softmax(logits / temperature, 1)
    return F.kl_div(student, target, reduction="batchmean", log_target=True) * temperature**2


class Strategy:
    """Dense training only; the base of all strategies.

    Call order: `begin_` when a phase starts (not when it is resumed), `attach_` when it starts or is resumed,
    `loss`, `before_step_` and `after_step_` for each optimiser step, `end_` when it is complete.

    Attributes:
        held_out: mean accuracy (%) of all levels on held-out data; set by whoever trains, for `auto`.
        teacher: a finished network that the loss follows by `config.distill` in every phase; set by whoever trains.
            None: after the dense phase, a copy of its model takes this part.
    """

    def __init__(self, config: TrainConfig, nested: NestedModel) -> None:
        self.config = config
        self.nested = nested
        self.held_out: Callable[[], float] = lambda: 0.0
        self.teacher: nn.Module | None = None
        self.scores = ScoreKeeper(config.score)
        self._trainable: dict[str, Tensor] = {}
        self._held: dict[str, Tensor] = {}
        self._own_teacher: nn.Module | None = None
        self._admm: Admm | None = None

    @property
    def phases(self) -> list[Phase]:
        """Phases in order, a function of the config alone."""
        return self.with_qat([Phase("dense", "dense", self.nested.num_levels - 1, self.config.epochs.dense)])

    def with_qat(self, phases: list[Phase]) -> list[Phase]:
        """The phases, and one with rounded weights at the end if the config wants it."""
        epochs, bits = self.config.epochs.qat, self.config.qat_bits
        return [*phases, Phase(f"{bits} bits", "qat", self.nested.num_levels - 1, epochs)] if epochs else phases

    def begin_(self, phase: Phase) -> None:
        """Prepare level index and weights for a phase that starts now."""
        if phase.kind == "qat":
            bits = self.config.qat_bits
            self.nested.grids = {name: finest_grid(self.nested.weight(name), bits) for name in self.nested.names}

    def attach_(self, phase: Phase) -> list[nn.Parameter]:
        """Fix what the phase trains: set the level, remember all that must not change.

        Returns:
            The parameters to give to the optimiser.
        """
        self.nested.set_active_level_(phase.level)
        self._trainable = {name: self.trainable(name, phase) for name in self.nested.names}
        self._held = {name: self.nested.weight(name).detach().clone() for name in self.nested.names}
        for name, parameter in self.nested.module.named_parameters():
            layer = name.rpartition(".")[0]
            is_weight = layer in self.nested.names and name == f"{layer}.weight"
            parameter.requires_grad_(is_weight or self.trains_rest(phase))
            parameter.grad = None
        return [p for p in self.nested.module.parameters() if p.requires_grad]

    def trainable(self, name: str, phase: Phase) -> Tensor:
        """Bool mask of the weights of a layer that `phase` may change."""
        return self.nested.mask(name, phase.level)

    def trains_rest(self, phase: Phase) -> bool:
        """Whether `phase` may change biases, which belong to all levels."""
        return phase.kind != "grow"

    def loss(self, phase: Phase, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Loss to minimise and logits `(B, classes)` for a batch.

        The loss mixes in the distance to the teacher's output, by `config.distill`. Phases `joint` and `qat` have
        that of several levels.
        """
        if phase.kind in ("joint", "qat"):
            return self._sandwich(phase, x, y)
        logits = self.nested(x)
        return self._against(logits, y, self._teacher_logits(phase, x)), logits

    @torch.no_grad()
    def _teacher_logits(self, phase: Phase, x: Tensor) -> Tensor | None:
        """What the loss follows; None without distillation, or in a dense phase that makes the teacher."""
        if self.config.distill == 0:
            return None
        teacher = self.teacher or (self._own_teacher if phase.kind != "dense" else None)
        return None if teacher is None else teacher(x)

    def _sandwich(self, phase: Phase, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of all levels: sandwich rule and in-place distillation (Yu and Huang 2019).

        Each batch runs the densest level against the labels, and the sparsest and one random level between against
        the labels and, by `config.distill`, against the densest level's output. With a teacher of its own, all
        three follow that one.
        """
        last = self.nested.num_levels - 1
        weights = self.config.level_weights or (1.0,) * (last + 1)
        dense = self.nested.set_active_level_(last)(x)
        teacher = self._teacher_logits(phase, x) if self.teacher is not None else None
        loss = weights[last] * self._against(dense, y, teacher)
        others = {0} if last > 0 else set()
        if last > 1:
            others.add(int(torch.randint(1, last, ())))
        for level in sorted(others):
            logits = self.nested.set_active_level_(level)(x)
            loss = loss + weights[level] * self._against(logits, y, dense.detach() if teacher is None else teacher)
        self.nested.set_active_level_(last)
        return loss / (1 + len(others)), dense

    def _against(self, logits: Tensor, y: Tensor, teacher: Tensor | None) -> Tensor:
        """Loss against the labels and, by `config.distill`, against a teacher's output."""
        loss, weight = self._cross_entropy(logits, y), self.config.distill
        if teacher is None or weight == 0:
            return loss
        return (1 - weight) * loss + weight * distillation(logits, teacher, self.config.temperature)

    def _cross_entropy(self, logits: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(logits, y, label_smoothing=self.config.label_smoothing)

    def before_step_(self, phase: Phase) -> None:
        """Add the ADMM term to the gradients and zero those of weights that must not change."""
        for name in self.nested.names:
            weight = self.nested.weight(name)
            if weight.grad is None:
                continue
            self.scores.observe(name, weight)
            if self._admm is not None:
                self._admm.add_gradient_(name, weight)
            weight.grad.mul_(self._trainable[name])

    @torch.no_grad()
    def after_step_(self, phase: Phase, progress: float) -> None:
        """Undo what momentum and weight decay did to weights that must not change.

        Args:
            phase: the current phase.
            progress: part of the phase's steps that is done, above 0 and at most 1.
        """
        for name in self.nested.names:
            weight = self.nested.weight(name)
            weight.copy_(torch.where(self._trainable[name], weight, self._held[name]))

    def end_(self, phase: Phase) -> None:
        """Conclude a phase that is complete: round weights for good, or remember the dense model as the teacher."""
        if phase.kind == "qat":
            self.nested.snap_()
        if phase.kind == "dense" and self.config.distill > 0 and self.teacher is None:
            self._own_teacher = _finished(self.nested.module)

    def weight_scores(self, level: int | None = None) -> dict[str, Tensor]:
        """Score of every weight that `level` holds (None: every stored weight), 0 elsewhere."""
        found = {}
        for name in self.nested.names:
            score = self.scores.of(name, self.nested.weight(name))
            found[name] = score if level is None else torch.where(self.nested.mask(name, level), score, 0.0)
        return found

    def state_dict(self) -> dict[str, Any]:
        """State beyond the nested model's own, as plain values and tensors."""
        return {
            "teacher": self._own_teacher.state_dict() if self._own_teacher is not None else {},
            "scores": self.scores.state_dict(),
            "admm": self._admm.state_dict() if self._admm is not None else None,
            "grids": {name: (grid.bits, grid.frac_bits) for name, grid in self.nested.grids.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`."""
        self._own_teacher = _finished(self.nested.module) if state["teacher"] else None
        if self._own_teacher is not None:
            self._own_teacher.load_state_dict(state["teacher"])
        self.scores.load_state_dict(state["scores"])
        self.nested.grids = {name: Grid(*numbers) for name, numbers in state["grids"].items()}
        if state["admm"] is not None:
            self._admm = Admm(self.config.admm.rho)
            self._admm.load_state_dict(state["admm"])


def _finished(module: nn.Module) -> nn.Module:
    """A copy for evaluation only, its batch norms folded."""
    return fold_batch_norm_(copy.deepcopy(module).eval()).requires_grad_(False)


def levels_of(masks: Sequence[Mapping[str, Tensor]], never: int) -> dict[str, Tensor]:
    """Level index from the masks of each level, sparsest first."""
    index = {name: torch.full(mask.shape, never, dtype=torch.uint8) for name, mask in masks[0].items()}
    for level in range(len(masks) - 1, -1, -1):
        for name, part in index.items():
            part[masks[level][name]] = level
    return index
