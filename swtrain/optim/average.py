"""The running mean of weights over the steps of a phase (exponential; Polyak averaging with forgetting).

Comes in: a network after each optimiser step. Goes out: the mean of its weights and running statistics. Invariant: what
does not change keeps its bits, so masks and frozen levels survive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The mean of one phase.

    Attributes:
        memory: share of the past in the mean; smaller at first, so that the beginning is forgotten.
    """

    def __init__(self, memory: float) -> None:
        self.memory = memory
        self._mean: dict[str, Tensor] = {}
        self._steps = 0

    @torch.no_grad()
    def update_(self, module: nn.Module) -> None:
        """Take in the weights after a step."""
        state = _floats(module)
        if not self._mean:
            self._mean = {name: value.clone() for name, value in state.items()}
        self._steps += 1
        share = 1 - min(self.memory, self._steps / (10 + self._steps))
        for name, value in state.items():
            # not lerp_: this form leaves equal values alone
            self._mean[name].add_(value - self._mean[name], alpha=share)

    @torch.no_grad()
    def apply_(self, module: nn.Module) -> None:
        """Put the mean into `module`; nothing without a step."""
        for name, value in _floats(module).items():
            if name in self._mean:
                value.copy_(self._mean[name])

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """The mean inside `module` for a while, then what was there before."""
        before = {name: value.clone() for name, value in _floats(module).items()}
        self.apply_(module)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, value in _floats(module).items():
                    value.copy_(before[name])

    def state_dict(self) -> dict[str, object]:
        """Plain values and tensors."""
        return {"mean": dict(self._mean), "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Counterpart of `state_dict`."""
        mean, steps = state["mean"], state["steps"]
        assert isinstance(mean, dict) and isinstance(steps, int)
        self._mean, self._steps = dict(mean), steps


def _floats(module: nn.Module) -> dict[str, Tensor]:
    """Weights, biases and running statistics, by name; the tensors themselves."""
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: value.data for name, value in named if value.is_floating_point()}
