"""`sequential`: sparsest level first, then freeze it and grow the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..config import TrainConfig
from ..nested import NestedModel
from ..sparsity import NEVER
from .admm import Admm
from .base import RAMP_STEPS, Phase, Strategy, cubic_ramp


class Sequential(Strategy):
    """Dense training, pruning to level 0, training at that sparsity, then growth level by level.

    Pruning is gradual with a cubic ramp (`prune = "ramp"`), by ADMM with a hard cut (`"admm"`) or at once
    (`"one-shot"`); gradients of removed weights are masked. Each denser level adds the units that scored best in
    the dense model, at the values that they had there or at 0 (`enter`), and trains only these. Biases are trained
    until level 0 is complete.
    """

    def __init__(self, config: TrainConfig, nested: NestedModel) -> None:
        super().__init__(config, nested)
        self._dense: dict[str, Tensor] = {}
        self._dense_scores: dict[str, Tensor] = {}
        self._tightened = 0.0

    @property
    def phases(self) -> list[Phase]:
        """Dense, then pruning to level 0 unless that is dense already, then one phase per denser level."""
        epochs, levels = self.config.epochs, self.config.levels
        phases = [Phase("dense", "dense", 0, epochs.dense)]
        if levels[0] > 0:
            phases.append(Phase(f"prune to {levels[0]:g} %", "prune", 0, epochs.prune))
        for level, sparsity in enumerate(levels[1:], start=1):
            phases.append(Phase(f"grow to {sparsity:g} %", "grow", level, epochs.grow_to(level)))
        return self.with_qat(phases)

    def begin_(self, phase: Phase) -> None:
        """Before growing: let the level's new weights enter at their dense values."""
        super().begin_(phase)
        if phase.kind == "grow":
            self._enter_(phase.level + 1)
        self._tightened = 0.0
        self._admm = Admm(self.config.admm.rho) if phase.kind == "prune" and self.config.prune == "admm" else None

    def _enter_(self, levels: int) -> None:
        """Fill the first `levels` levels with the best weights of the dense model, at their dense values or at 0."""
        index = self.nested.plan.assign(self._dense_scores, levels, self.nested.level_index)
        with torch.no_grad():
            for name in self.nested.names:
                new = (index[name] != NEVER) & (self.nested.level_index[name] == NEVER)
                self.nested.weight(name)[new] = self._dense[name][new] if self.config.enter == "dense" else 0.0
        self.nested.set_level_index_(index)

    def trainable(self, name: str, phase: Phase) -> Tensor:
        """While growing only the weights that enter; before that all that are present."""
        if phase.kind == "grow":
            return self.nested.level_index[name] == phase.level
        return self.nested.mask(name, phase.level)

    @torch.no_grad()
    def after_step_(self, phase: Phase, progress: float) -> None:
        """Restore what must not change; while pruning also move towards the sparsest level."""
        super().after_step_(phase, progress)
        if phase.kind == "prune":
            self._prune_(min(progress / self.config.ramp, 1.0))

    def _prune_(self, progress: float) -> None:
        """Where pruning stands at `progress` of its ramp: tighten the mask, iterate ADMM, or cut."""
        if self._admm is not None and progress < 1:
            if self._admm.updates < int(progress * self.config.admm.updates) + 1:
                weights = {name: self.nested.weight(name) for name in self.nested.names}
                self._admm.update_(weights, lambda scores: self.nested.plan.select(scores, 0))
            return
        if self.config.prune == "ramp":
            grid = 1.0 if progress == 1.0 else int(progress * RAMP_STEPS) / RAMP_STEPS
            self._tighten_(cubic_ramp(grid, 1.0))
        else:
            self._admm = None
            self._tighten_(1.0)

    def _tighten_(self, part: float) -> None:
        """Drop the units with the smallest scores until `part` of the sparsest level's sparsity is reached."""
        nested = self.nested
        if self._tightened >= part:
            return
        self._tightened = part
        alive = {name: nested.mask(name, 0) for name in nested.names}
        masks = nested.plan.select(self.weight_scores(0), 0, part, alive=alive)
        nested.set_level_index_({name: torch.where(mask, 0, NEVER).to(torch.uint8) for name, mask in masks.items()})
        nested.zero_never_()
        self._trainable = masks
        self._held = {name: torch.zeros_like(held) for name, held in self._held.items()}

    def end_(self, phase: Phase) -> None:
        """Remember the dense weights, which later levels grow from."""
        super().end_(phase)
        if phase.kind == "dense":
            self._dense = {name: self.nested.weight(name).detach().clone() for name in self.nested.names}
            self._dense_scores = self.weight_scores()

    def state_dict(self) -> dict[str, Any]:
        """The dense weights and scores once they are known, beside the base's state."""
        own = {"dense": dict(self._dense), "dense_scores": dict(self._dense_scores), "tightened": self._tightened}
        return super().state_dict() | own

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`."""
        super().load_state_dict(state)
        self._dense, self._dense_scores = dict(state["dense"]), dict(state["dense_scores"])
        self._tightened = float(state["tightened"])
