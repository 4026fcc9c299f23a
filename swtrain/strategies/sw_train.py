"""`sw-train`: the source paper's shared-weights training (its section 3.1)."""

from __future__ import annotations

import torch

from .admm import Admm
from .base import Phase, Strategy


class SwTrain(Strategy):
    """Dense training, then a cut into nested levels; no retraining, so that shared weights stay equal.

    Train dense weights W0 once. Then W_h = W0 * M_h for the highest sparsity, W_m = W0 * M_hm + W_h and
    W_l = W0 * M_hm' + W_m, where each further mask selects the weights that the level adds. Biases are those of
    the dense training. With `prune = "admm"` the dense training is regularised towards the sparsest level.
    """

    def attach_(self, phase: Phase) -> list[torch.nn.Parameter]:
        """As the base; starts ADMM if it is wanted."""
        if self.config.prune == "admm" and self._admm is None and phase.kind == "dense":
            self._admm = Admm(self.config.admm.rho)
        return super().attach_(phase)

    @torch.no_grad()
    def after_step_(self, phase: Phase, progress: float) -> None:
        """As the base; ADMM iterations are spread evenly over the second half of the phase."""
        super().after_step_(phase, progress)
        if phase.kind != "dense":
            return
        due = int(max(0.0, 2 * progress - 1) * self.config.admm.updates)
        if self._admm is not None and self._admm.updates < due:
            weights = {name: self.nested.weight(name) for name in self.nested.names}
            self._admm.update_(weights, lambda scores: self.nested.plan.select(scores, 0))

    def end_(self, phase: Phase) -> None:
        """Cut the dense weights into nested levels."""
        super().end_(phase)
        if phase.kind != "dense":
            return
        self._admm = None
        self.nested.set_level_index_(self.nested.plan.assign(self.weight_scores()))
        self.nested.zero_never_()
