"""`joint` and `hybrid`: all levels trained at once, so that a shared weight serves each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..config import TrainConfig
from ..nested import NestedModel
from ..sparsity import NEVER
from .base import RAMP_STEPS, Phase, Strategy, cubic_ramp, distillation, levels_of
from .sequential import Sequential


class _Sandwich(Strategy):
    """The loss of all levels: sandwich rule and in-place distillation (Yu and Huang 2019).

    Each batch runs the densest level against the labels, and the sparsest and one random level between against
    the labels and, by `config.distill`, against the densest level's output. With a teacher of its own, all three
    follow that one. Every weight of every level is trained.
    """

    def loss(self, phase: Phase, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """As the base, outside the joint phase."""
        if phase.kind != "joint":
            return super().loss(phase, x, y)
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


class Joint(_Sandwich):
    """Dense training, then all levels at once while all their sparsities rise along one cubic ramp."""

    def __init__(self, config: TrainConfig, nested: NestedModel) -> None:
        super().__init__(config, nested)
        self._cut = -1.0

    @property
    def phases(self) -> list[Phase]:
        """Dense, then joint."""
        last = self.nested.num_levels - 1
        dense, joint = self.config.epochs.dense, self.config.epochs.joint
        phases = [Phase("dense", "dense", last, dense)]
        return phases if self.config.levels == (0.0,) else [*phases, Phase("joint", "joint", last, joint)]

    def begin_(self, phase: Phase) -> None:
        """A ramp starts from the dense model."""
        self._cut = -1.0

    @torch.no_grad()
    def after_step_(self, phase: Phase, progress: float) -> None:
        """Restore what must not change, then cut all levels along the ramp."""
        super().after_step_(phase, progress)
        if phase.kind != "joint":
            return
        progress = min(progress / self.config.ramp, 1.0)
        part = cubic_ramp(1.0 if progress == 1.0 else int(progress * RAMP_STEPS) / RAMP_STEPS, 1.0)
        if part <= self._cut:
            return
        self._cut = part
        nested, last = self.nested, self.nested.num_levels - 1
        alive = {name: nested.mask(name, last) for name in nested.names}
        scores = self.weight_scores(last)
        masks: list[dict[str, Tensor]] = []
        for level in range(nested.num_levels):
            masks.append(nested.plan.select(scores, level, part, masks[-1] if masks else None, alive))
        nested.set_level_index_(levels_of(masks, NEVER)).zero_never_()
        self._trainable = masks[-1]
        self._held = {name: torch.zeros_like(held) for name, held in self._held.items()}

    def state_dict(self) -> dict[str, Any]:
        """How far the ramp has come, beside the base's state."""
        return super().state_dict() | {"cut": self._cut}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`."""
        super().load_state_dict(state)
        self._cut = float(state["cut"])


class Hybrid(_Sandwich, Sequential):
    """The sparsest level's mask by gradual pruning of its own, the others' from the dense model, then all at once."""

    @property
    def phases(self) -> list[Phase]:
        """Dense, pruning to level 0, joint."""
        last = self.nested.num_levels - 1
        phases = [p for p in super().phases if p.kind != "grow"]
        return [*phases, Phase("joint", "joint", last, self.config.epochs.joint)] if last > 0 else phases

    def begin_(self, phase: Phase) -> None:
        """Before the joint phase all denser levels enter, at their dense values."""
        super().begin_(phase)
        if phase.kind == "joint":
            self._enter_(self.nested.num_levels)
