"""How nested levels come about: which weights are trained, masked and frozen in each phase of a run.

Comes in: a `NestedModel` with fresh weights, step by step. Goes out: its level index and its weights.
Invariant: after every optimiser step weights outside the active mask and frozen weights have exactly the
values they had before it. A strategy knows nothing of data, losses, optimisers or files (`train` does).

To add one: subclass `Strategy`, give it `phases`, and enter it in `STRATEGIES` and in `TrainConfig.strategy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .config import TrainConfig
from .nested import NEVER, NestedModel, assign_levels, rank_keys, take_smallest, target_nnz

RAMP_STEPS = 100
"""Number of times that the mask is tightened during gradual pruning."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one learning-rate cycle.

    Attributes:
        name: shown to the user and stored in the history.
        kind: key of the phase's learning rate in the config: `dense`, `prune` or `grow`.
        level: level that the forward pass computes.
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


class Strategy:
    """Dense training only; the base of all strategies.

    Call order: `begin_` when a phase starts (not when it is resumed), `attach_` when it starts or is resumed,
    `before_step_` and `after_step_` around each optimiser step, `end_` when it is complete.
    """

    def __init__(self, config: TrainConfig, nested: NestedModel) -> None:
        self.config = config
        self.nested = nested
        self._trainable: dict[str, Tensor] = {}
        self._held: dict[str, Tensor] = {}

    @property
    def phases(self) -> list[Phase]:
        """Phases in order, a function of the config alone."""
        return [Phase("dense", "dense", self.nested.num_levels - 1, self.config.epochs.dense)]

    def begin_(self, phase: Phase) -> None:
        """Prepare level index and weights for a phase that starts now."""

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

    def before_step_(self, phase: Phase) -> None:
        """Zero the gradients of weights that must not change."""
        for name in self.nested.names:
            grad = self.nested.weight(name).grad
            if grad is not None:
                grad.mul_(self._trainable[name])

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
        """Conclude a phase that is complete."""

    def state_dict(self) -> dict[str, Any]:
        """State beyond the nested model's own, as plain values and tensors."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`."""


class SwTrain(Strategy):
    """The paper's shared-weights training (section 3.1): no retraining, so that shared weights stay equal.

    Train dense weights W0 once. Then W_h = W0 * M_h for the highest sparsity, W_m = W0 * M_hm + W_h and
    W_l = W0 * M_hm' + W_m, where each further mask selects the weights that the level adds. Masks select by
    magnitude; biases are those of the dense training.
    """

    def end_(self, phase: Phase) -> None:
        """Cut the dense weights into nested levels."""
        scores = {name: self.nested.weight(name).detach().abs() for name in self.nested.names}
        self.nested.set_level_index_(assign_levels(scores, self.config.levels, self.config.scope))
        self.nested.zero_never_()


class Sequential(Strategy):
    """Sparsest level first, then freeze it and grow the next.

    Dense training; gradual magnitude pruning down to level 0 with a cubic ramp, then training at that
    sparsity; then for each denser level: add the weights that were largest in the dense model, at the values
    that they had there, and train only these. Biases are trained until level 0 is complete.
    """

    def __init__(self, config: TrainConfig, nested: NestedModel) -> None:
        super().__init__(config, nested)
        self._dense: dict[str, Tensor] = {}

    @property
    def phases(self) -> list[Phase]:
        """Dense, then pruning to level 0 unless that is dense already, then one phase per denser level."""
        epochs, levels = self.config.epochs, self.config.levels
        phases = [Phase("dense", "dense", 0, epochs.dense)]
        if levels[0] > 0:
            phases.append(Phase(f"prune to {levels[0]:g} %", "prune", 0, epochs.prune))
        for level, sparsity in enumerate(levels[1:], start=1):
            phases.append(Phase(f"grow to {sparsity:g} %", "grow", level, epochs.grow))
        return phases

    def begin_(self, phase: Phase) -> None:
        """Before growing: let the level's new weights enter at their dense values."""
        if phase.kind != "grow":
            return
        scores = {name: value.abs() for name, value in self._dense.items()}
        index = assign_levels(scores, self.config.levels[: phase.level + 1], self.config.scope, self.nested.level_index)
        with torch.no_grad():
            for name in self.nested.names:
                new = index[name] == phase.level
                self.nested.weight(name)[new] = self._dense[name][new]
        self.nested.set_level_index_(index)

    def trainable(self, name: str, phase: Phase) -> Tensor:
        """While growing only the weights that enter; before that all that are present."""
        if phase.kind == "grow":
            return self.nested.level_index[name] == phase.level
        return self.nested.mask(name, phase.level)

    @torch.no_grad()
    def after_step_(self, phase: Phase, progress: float) -> None:
        """Restore what must not change; while pruning also tighten the mask along the ramp."""
        super().after_step_(phase, progress)
        if phase.kind == "prune":
            self._tighten_(progress / self.config.ramp)

    def _tighten_(self, progress: float) -> None:
        """Drop the smallest weights so that the sparsity follows the ramp at `progress`, on a fixed grid."""
        progress = min(progress, 1.0)
        nested = self.nested
        grid = 1.0 if progress == 1.0 else int(progress * RAMP_STEPS) / RAMP_STEPS
        keep = target_nnz(cubic_ramp(grid, self.config.levels[0]), nested.total)
        if nested.nnz(0) <= keep:
            return
        scores = {
            name: torch.where(nested.mask(name, 0), nested.weight(name).detach().abs(), -1.0) for name in nested.names
        }
        masks = take_smallest(rank_keys(scores, self.config.scope), keep)
        nested.set_level_index_({name: torch.where(mask, 0, NEVER).to(torch.uint8) for name, mask in masks.items()})
        nested.zero_never_()
        self._trainable = masks
        self._held = {name: torch.zeros_like(held) for name, held in self._held.items()}

    def end_(self, phase: Phase) -> None:
        """Remember the dense weights, which later levels grow from."""
        if phase.kind == "dense":
            self._dense = {name: self.nested.weight(name).detach().clone() for name in self.nested.names}

    def state_dict(self) -> dict[str, Any]:
        """The dense weights once they are known."""
        return {"dense": dict(self._dense)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`."""
        self._dense = dict(state["dense"])


STRATEGIES: dict[str, type[Strategy]] = {"sequential": Sequential, "sw-train": SwTrain}


def make_strategy(config: TrainConfig, nested: NestedModel) -> Strategy:
    """The strategy that `config.strategy` names, for `nested`."""
    return STRATEGIES[config.strategy](config, nested)
