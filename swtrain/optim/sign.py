"""PowerSign and AddSign (Bello et al. 2017, "Neural Optimizer Search with Reinforcement Learning")."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn


class _Sign(torch.optim.Optimizer):
    """Steps along the gradient, longer where its sign agrees with that of its running mean."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, beta: float, weight_decay: float, **own: Any) -> None:
        if not 0 <= beta < 1:
            raise ValueError(f"beta must be at least 0 and below 1, got {beta}")
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay, **own})

    def _scale(self, group: dict[str, Any], agreement: Tensor) -> Tensor:
        raise NotImplementedError

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of all parameters."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                gradient = parameter.grad
                if group["weight_decay"]:
                    gradient = gradient.add(parameter, alpha=group["weight_decay"])
                state = self.state[parameter]
                mean = state.setdefault("mean", torch.zeros_like(parameter))
                mean.mul_(group["beta"]).add_(gradient, alpha=1 - group["beta"])
                agreement = gradient.sign() * mean.sign()
                parameter.add_(self._scale(group, agreement) * gradient, alpha=-group["lr"])
        return loss


class PowerSign(_Sign):
    """`w -= lr * base ** (sign(g) * sign(m)) * g`, with m the running mean of g.

    Args:
        params: to be trained.
        lr: learning rate.
        beta: memory of the running mean.
        base: the power's base; e in the paper.
        weight_decay: share of the weight that is added to its gradient.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        beta: float = 0.9,
        base: float = math.e,
        weight_decay: float = 0.0,
    ) -> None:
        if not base > 0:
            raise ValueError(f"base must be positive, got {base}")
        super().__init__(params, lr, beta, weight_decay, base=base)

    def _scale(self, group: dict[str, Any], agreement: Tensor) -> Tensor:
        return torch.exp(agreement * math.log(group["base"]))


class AddSign(_Sign):
    """`w -= lr * (alpha + sign(g) * sign(m)) * g`, with m the running mean of g.

    Args:
        params: to be trained.
        lr: learning rate.
        beta: memory of the running mean.
        alpha: 1 in the paper: no step where the signs differ, a double one where they agree.
        weight_decay: share of the weight that is added to its gradient.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        beta: float = 0.9,
        alpha: float = 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, beta, weight_decay, alpha=alpha)

    def _scale(self, group: dict[str, Any], agreement: Tensor) -> Tensor:
        return agreement + float(group["alpha"])
