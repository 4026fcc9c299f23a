"""From scores to nested levels: `SparsityPlan` says how much each level keeps of each layer, and selects it.

Comes in: one score per weight. Goes out: masks or level indices. Invariant: what has entered a sparser level is
in every denser one, and the number of weights at a level misses its target by less than the smallest unit that
was left out (unstructured: it is exact).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ..errors import NestingError
from .shapes import Shape, Units, largest_unit, units_of

NEVER = 255
Scope = Literal["layer", "global", "row"]


def target_nnz(sparsity: float, total: int) -> int:
    """Weights that a level of `sparsity` percent keeps out of `total`."""
    return round((100 - sparsity) * total / 100)


@dataclass(frozen=True)
class LayerPlan:
    """What applies to one layer.

    Attributes:
        shape: of its units.
        sparsity: percent per level, sparsest first; empty: the layer shares what the others leave.
        floor: percent of its weights that every level keeps at least.
    """

    shape: Shape = field(default_factory=Shape)
    sparsity: tuple[float, ...] = ()
    floor: float = 0.0


@dataclass(frozen=True)
class SparsityPlan:
    """How a model is cut into levels.

    Attributes:
        levels: sparsity of each level in percent of all prunable weights, sparsest first.
        layers: layer name to what applies to it, in the order of the model.
        scope: `layer`: the same density in each layer; `row`: and in each filter (or group of filters that
            shares its columns); `global`: all units compete by score.
        lamp: with scope `global`, divide each squared score by the sum of those in its layer that are not smaller
            (LAMP, Lee et al. 2021), which keeps small layers from being emptied.
    """

    levels: tuple[float, ...]
    layers: Mapping[str, LayerPlan] = field(default_factory=dict)
    scope: Scope = "layer"
    lamp: bool = False

    def slack(self, shapes: Mapping[str, Sequence[int]]) -> int:
        """Weights by which a level may miss its target, for weights of these shapes."""
        grains = [largest_unit(plan.shape, tuple(shapes[name])) for name, plan in self.layers.items()]
        return max(grains, default=1)

    def assign(
        self, scores: Mapping[str, Tensor], levels: int | None = None, base: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Level index of every weight.

        Args:
            scores: per layer, not negative, larger enters earlier.
            levels: number of levels to fill, the sparsest first; None fills all.
            base: level indices already given; those that are not `NEVER` are kept, and the levels that they use
                are not filled again.

        Returns:
            Per layer a uint8 tensor in the shape of the scores: level of entry, or `NEVER`.

        Raises:
            NestingError: fixed layers leave the others more weights to keep than they have.
        """
        index = {
            name: torch.full(score.shape, NEVER, dtype=torch.uint8) if base is None else base[name].clone()
            for name, score in scores.items()
        }
        used = [int(part[part != NEVER].max()) for part in index.values() if bool((part != NEVER).any())]
        for level in range(max(used, default=-1) + 1, len(self.levels) if levels is None else levels):
            entered = {name: part != NEVER for name, part in index.items()}
            masks = self.select(scores, level, entered=entered)
            for name, part in index.items():
                part[masks[name] & ~entered[name]] = level
        return index

    def select(
        self,
        scores: Mapping[str, Tensor],
        level: int,
        part: float = 1.0,
        entered: Mapping[str, Tensor] | None = None,
        alive: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Masks of one level.

        Args:
            scores: as for `assign`.
            level: which level's sparsities apply.
            part: share of these sparsities to reach, below 1 while a ramp rises.
            entered: weights of sparser levels, which stay.
            alive: weights that are present now, while a ramp rises; units without any of them enter last. A unit
                is never split, so one that mixes both (a pattern) may bring weights back.
        """
        shapes = {name: score.shape for name, score in scores.items()}
        entered = entered or {name: torch.zeros(shape, dtype=torch.bool) for name, shape in shapes.items()}
        alive = alive or {name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()}
        total = sum(score.numel() for score in scores.values())
        budget = target_nnz(self.levels[level] * part, total)
        taken: dict[str, Tensor] = {}
        units: dict[str, Units] = {}
        keys: dict[str, Tensor] = {}
        for name, score in scores.items():
            plan = self.layers.get(name, LayerPlan())
            sparsity = plan.sparsity[level] if plan.sparsity else self.levels[level]
            units[name] = units_of(plan.shape, score, entered[name], alive[name], 1 - part * sparsity / 100)
            present = int(entered[name].sum())
            budget -= present
            keys[name] = self._keys(units[name], present, score.numel())
            taken[name] = torch.zeros(len(units[name].sizes), dtype=torch.bool)
            fixed = bool(plan.sparsity)
            least = target_nnz(part * sparsity, score.numel()) if fixed else round(plan.floor * score.numel() / 100)
            if least > present:
                taken[name] = _fill(keys[name], units[name].sizes, least - present)
                budget -= int(units[name].sizes[taken[name]].sum())
        self._share(units, keys, taken, budget, level, strict=part == 1)
        masks = {}
        for name in scores:
            padded = torch.cat([taken[name], torch.zeros(1, dtype=torch.bool)])  # id -1 reads the last one
            masks[name] = padded[units[name].ids] | entered[name]
        return masks

    def _share(
        self,
        units: Mapping[str, Units],
        keys: Mapping[str, Tensor],
        taken: dict[str, Tensor],
        budget: int,
        level: int,
        strict: bool,
    ) -> None:
        """Give the rest of the budget to the layers whose sparsity is not fixed, the smallest key first."""
        free = [name for name in units if not (name in self.layers and self.layers[name].sparsity)]
        if not free:
            return
        key = torch.cat([keys[name] for name in free])
        sizes = torch.cat([units[name].sizes for name in free])
        open_ = ~torch.cat([taken[name] for name in free])
        left = int(sizes[open_].sum())
        if strict and not 0 <= budget <= left:
            raise NestingError(
                f"level {self.levels[level]:g} %: the layers with a sparsity or a floor of their own leave "
                f"{budget:,} weights for the others ({', '.join(free)}), which have {left:,}; change these settings"
            )
        more = torch.zeros_like(open_)
        more[open_] = _fill(key[open_], sizes[open_], budget)
        for name, chosen in zip(free, torch.split(more, [len(units[n].sizes) for n in free]), strict=True):
            taken[name] |= chosen

    def _keys(self, units: Units, present: int, total: int) -> Tensor:
        """Order in which units enter, one float64 per unit; smaller enters first.

        Scopes `layer` and `row`: the middle of the unit's weights in the ranking, as a fraction of the layer or
        row. Every prefix then has the same density in each layer to within a unit (the divisor method of Webster,
        which, unlike largest remainders, never takes a weight back when the budget grows).
        """
        order = torch.argsort(units.scores, descending=True, stable=True)
        if self.scope == "global":
            if not self.lamp:
                return -units.scores
            squares = units.scores[order].clamp(min=0).square() * units.sizes[order]
            key = torch.empty_like(units.scores)
            key[order] = -squares / torch.cumsum(squares, 0).clamp(min=1e-300)
            key[units.scores < 0] = torch.inf
            return key
        key = torch.empty(len(order), dtype=torch.float64)
        if self.scope == "row" and len(order):
            order = order[torch.argsort(units.row[order], stable=True)]
            row, sizes = units.row[order], units.sizes[order].double()
            before = torch.cumsum(sizes, 0) - sizes
            first = torch.searchsorted(row, row)
            rows = int(row.max()) + 1
            size = total / rows
            held = torch.zeros(rows, dtype=torch.float64).index_add_(0, row, sizes)
            key[order] = (size - held[row] + (before - before[first]) + sizes / 2) / size
            return key
        sizes = units.sizes[order].double()
        key[order] = (present + torch.cumsum(sizes, 0) - sizes / 2) / total
        return key


def plan_for(
    names: Sequence[str],
    levels: Sequence[float],
    scope: Scope = "layer",
    shape: Shape | None = None,
) -> SparsityPlan:
    """The same shape in every layer of `names`."""
    return SparsityPlan(tuple(levels), {name: LayerPlan(shape or Shape()) for name in names}, scope)


def _fill(keys: Tensor, sizes: Tensor, budget: int) -> Tensor:
    """Bool mask of the units with the smallest keys that fit `budget` weights; a unit too large is passed over."""
    taken = torch.zeros(len(keys), dtype=torch.bool)
    order = torch.argsort(keys, stable=True)
    ordered = sizes[order]
    prefix = int(torch.searchsorted(torch.cumsum(ordered, 0), max(budget, 0), right=True))
    taken[order[:prefix]] = True
    left, at = budget - int(ordered[:prefix].sum()), prefix
    while left > 0:
        fits = (ordered[at:] <= left).nonzero()
        if not len(fits):
            break
        at += int(fits[0])
        taken[order[at]] = True
        left -= int(ordered[at])
        at += 1
    return taken
