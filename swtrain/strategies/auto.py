"""`auto`: several strategies from the same dense weights; the best on held-out data stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..config import TrainConfig
from ..nested import NestedModel
from .base import Phase, Strategy
from .joint import Hybrid
from .sequential import Sequential

CANDIDATES: dict[str, type[Strategy]] = {"sequential": Sequential, "hybrid": Hybrid}


class Auto(Strategy):
    """Runs each of `CANDIDATES` after one dense phase and keeps the best mean accuracy of the levels.

    Ties go to the first. Without held-out data there is nothing to choose by: the config refuses that.
    """

    def __init__(self, config: TrainConfig, nested: NestedModel) -> None:
        super().__init__(config, nested)
        self._children = {name: kind(config, nested) for name, kind in CANDIDATES.items()}
        self._start: dict[str, Any] = {}
        self._best: dict[str, Any] = {}
        self._results: dict[str, float] = {}

    @property
    def phases(self) -> list[Phase]:
        """The dense phase, then those of each candidate, marked with its name."""
        children = list(self._children.items())
        phases = [children[0][1].phases[0]]
        for name, child in children:
            phases += [replace(phase, name=f"{name}: {phase.name}") for phase in child.phases[1:]]
        return phases

    def _child(self, phase: Phase) -> tuple[str, Strategy, Phase]:
        name, colon, rest = phase.name.partition(": ")
        if not colon:
            first = next(iter(self._children))
            return first, self._children[first], phase
        return name, self._children[name], replace(phase, name=rest)

    def begin_(self, phase: Phase) -> None:
        """A candidate starts from the dense weights."""
        _, child, inner = self._child(phase)
        if phase.kind != "dense" and inner == child.phases[1]:
            self.nested.load_state_dict(self._start)
        child.begin_(inner)

    def attach_(self, phase: Phase) -> list[nn.Parameter]:
        """The candidate's own."""
        _, child, inner = self._child(phase)
        return child.attach_(inner)

    def loss(self, phase: Phase, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The candidate's own."""
        _, child, inner = self._child(phase)
        child.teacher = self.teacher
        return child.loss(inner, x, y)

    def before_step_(self, phase: Phase) -> None:
        """The candidate's own."""
        _, child, inner = self._child(phase)
        child.before_step_(inner)

    @torch.no_grad()
    def after_step_(self, phase: Phase, progress: float) -> None:
        """The candidate's own."""
        _, child, inner = self._child(phase)
        child.after_step_(inner, progress)

    def end_(self, phase: Phase) -> None:
        """After the dense phase all candidates know it; after its last one a candidate is judged."""
        name, child, inner = self._child(phase)
        for each in self._children.values():
            each.teacher = self.teacher
        if phase.kind == "dense":
            for each in self._children.values():
                each.scores.load_state_dict(child.scores.state_dict())
                each.end_(inner)
            self._start = _copy(self.nested)
            return
        child.end_(inner)
        if inner != child.phases[-1]:
            return
        self._results[name] = self.held_out()
        if name == max(self._results, key=lambda each: self._results[each]):
            self._best = _copy(self.nested)
        if len(self._results) == len(self._children):
            self.nested.load_state_dict(self._best)

    @property
    def results(self) -> dict[str, float]:
        """Mean accuracy (%) on held-out data of each candidate that is complete."""
        return dict(self._results)

    def state_dict(self) -> dict[str, Any]:
        """State of every candidate, the dense start and the best so far."""
        return {
            "children": {name: child.state_dict() for name, child in self._children.items()},
            "start": self._start,
            "best": self._best,
            "results": dict(self._results),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`."""
        for name, child in self._children.items():
            child.load_state_dict(state["children"][name])
        self._start, self._best, self._results = state["start"], state["best"], dict(state["results"])


def _copy(nested: NestedModel) -> dict[str, Any]:
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in nested.state_dict().items()}
