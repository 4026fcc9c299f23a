"""ADMM regularisation towards a sparse copy of the weights (Zhang et al. 2018; the source paper's section 3).

Comes in: the weights W during training. Goes out: a term `rho * (W - Z + U)` for their gradients, where Z is the
projection of W + U on the wanted sparsity (keep the best units, zero the rest) and U collects what is still
missing. The constraint holds in the limit; a hard cut afterwards then costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Project = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
"""Bool masks of what may be present, from values per layer."""


class Admm:
    """Auxiliary variables of one ADMM run.

    Attributes:
        rho: weight of the penalty.
    """

    def __init__(self, rho: float) -> None:
        self.rho = rho
        self._z: dict[str, Tensor] = {}
        self._u: dict[str, Tensor] = {}
        self.updates = 0

    @torch.no_grad()
    def update_(self, weights: Mapping[str, Tensor], project: Project) -> None:
        """One ADMM iteration: `Z = project(W + U)`, then `U += W - Z`."""
        u = {name: self._u.get(name, torch.zeros_like(w)) for name, w in weights.items()}
        moved = {name: w.detach() + u[name] for name, w in weights.items()}
        masks = project({name: value.abs() for name, value in moved.items()})
        self._z = {name: torch.where(masks[name], value, 0.0) for name, value in moved.items()}
        self._u = {name: u[name] + weights[name].detach() - self._z[name] for name in weights}
        self.updates += 1

    def add_gradient_(self, name: str, weight: Tensor) -> None:
        """Add the penalty's gradient to that of a layer's weight."""
        if name in self._z and weight.grad is not None:
            weight.grad.add_(weight.detach() - self._z[name] + self._u[name], alpha=self.rho)

    def residual(self, weights: Mapping[str, Tensor]) -> float:
        """Distance of the weights from their sparse copy, relative to the weights' norm."""
        if not self._z:
            return 1.0
        apart = sum(float((w.detach() - self._z[name]).square().sum()) for name, w in weights.items())
        return float((apart / sum(float(w.detach().square().sum()) for w in weights.values())) ** 0.5)

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {"z": dict(self._z), "u": dict(self._u), "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`."""
        self._z, self._u, self.updates = dict(state["z"]), dict(state["u"]), int(state["updates"])
