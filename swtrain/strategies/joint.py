"""`joint` and `hybrid`: all levels trained at once, so that a shared weight serves each of them.

Their loss is `Strategy`'s of several levels; every weight of every level is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..config import TrainConfig
from ..nested import NestedModel
from ..sparsity import NEVER
from .base import RAMP_STEPS, Phase, Strategy, cubic_ramp, levels_of
from .sequential import Sequential


class Joint(Strategy):
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
        return self.with_qat(
            phases if self.config.levels == (0.0,) else [*phases, Phase("joint", "joint", last, joint)]
        )

    def begin_(self, phase: Phase) -> None:
        """A ramp starts from the dense model."""
        super().begin_(phase)
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


class Hybrid(Sequential):
    """The sparsest level's mask by gradual pruning of its own, the others' from the dense model, then all at once."""

    @property
    def phases(self) -> list[Phase]:
        """Dense, pruning to level 0, joint."""
        last = self.nested.num_levels - 1
        phases = [p for p in super().phases if p.kind not in ("grow", "qat")]
        if last > 0:
            phases.append(Phase("joint", "joint", last, self.config.epochs.joint))
        return self.with_qat(phases)

    def begin_(self, phase: Phase) -> None:
        """Before the joint phase all denser levels enter, at their dense values."""
        super().begin_(phase)
        if phase.kind == "joint":
            self._enter_(self.nested.num_levels)
