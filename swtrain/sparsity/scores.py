"""How much a weight matters: magnitude, or a Taylor estimate of the loss without it.

LAMP is magnitude with a normalisation per layer; it belongs to the comparison between layers (`SparsityPlan.lamp`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

MEMORY = 0.99
"""Share of the past in the running mean of Taylor scores."""


class ScoreKeeper:
    """Scores of weights, with the memory that they need.

    Attributes:
        kind: `magnitude`, `lamp` or `taylor`.
    """

    def __init__(self, kind: str = "magnitude") -> None:
        self.kind = kind
        self._mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def observe(self, name: str, weight: Tensor) -> None:
        """Take note of a layer's gradient, before an optimiser step."""
        if self.kind != "taylor" or weight.grad is None:
            return
        # first-order change of the loss if the weight were 0 (Molchanov et al. 2019): |gradient * weight|
        now = (weight.grad * weight).abs()
        self._mean[name] = MEMORY * self._mean[name] + (1 - MEMORY) * now if name in self._mean else now

    @torch.no_grad()
    def of(self, name: str, weight: Tensor) -> Tensor:
        """Score of each weight of a layer, not negative."""
        if self.kind == "taylor" and name in self._mean:
            return self._mean[name].clone()
        return weight.detach().abs()

    def state_dict(self) -> dict[str, Tensor]:
        """Running means, by layer."""
        return dict(self._mean)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Counterpart of `state_dict`."""
        self._mean = dict(state)
