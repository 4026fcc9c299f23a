"""`NestedModel`: one set of weights that holds several nested sparse models.

Comes in: a plain module and a level index, one uint8 per weight (the level at which it enters; 255 = never).
Goes out: the masked weights of any level. Invariant: the mask of level k is a subset of the mask of level k+1,
and a weight has the same value at every level that contains it. Biases belong to all levels. Which weights a
level keeps is decided in `sparsity`, training lives in `strategies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .errors import NestingError
from .models import prunable_layers
from .quantize import Grid
from .sparsity import NEVER, SparsityPlan, plan_for, target_nnz


class NestedModel(nn.Module):
    """A module whose weights are masked in the forward pass by the active level.

    Layers are named as in the wrapped module (`conv1`, `fc1`); only the `weight` of convolutions and fully
    connected layers is masked. A new instance is dense: every weight enters at level 0.

    Attributes:
        module: the wrapped module; its stored weights are never changed by masking.
        level_index: layer name to uint8 tensor in the shape of the weight.
        sparsities: percent, per level, sparsest first.
        plan: how levels are cut; its grain is how far a level's sparsity may be off.
        active_level: level that `forward` computes.
        grids: layer name to the grid that `forward` rounds its weights to; empty: none is rounded.
    """

    def __init__(self, module: nn.Module, sparsities: Sequence[float], plan: SparsityPlan | None = None) -> None:
        super().__init__()
        self.module = module
        self.sparsities = tuple(float(s) for s in sparsities)
        self._layers = prunable_layers(module)
        if not self._layers:
            raise NestingError(f"{type(module).__name__}: no convolution or fully connected layer to nest")
        self.level_index: dict[str, Tensor] = {
            name: torch.zeros(layer.weight.shape, dtype=torch.uint8) for name, layer in self._layers.items()
        }
        self.plan = plan or plan_for(self.names, self.sparsities)
        self.active_level = self.num_levels - 1
        self.grids: dict[str, Grid] = {}
        self._masks: dict[str, Tensor] = {}
        self.set_active_level_(self.active_level)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the masked layers, in the order of the module."""
        return tuple(self._layers)

    @property
    def num_levels(self) -> int:
        """Number of levels."""
        return len(self.sparsities)

    @property
    def total(self) -> int:
        """Number of weights that take part in nesting."""
        return sum(layer.weight.numel() for layer in self._layers.values())

    def weight(self, name: str) -> nn.Parameter:
        """The stored weight of a layer, shared by all levels."""
        weight = self._layers[name].weight
        assert isinstance(weight, nn.Parameter)
        return weight

    def bias(self, name: str) -> nn.Parameter | None:
        """The bias of a layer, which belongs to all levels."""
        bias = self._layers[name].bias
        assert bias is None or isinstance(bias, nn.Parameter)
        return bias

    def mask(self, name: str, level: int) -> Tensor:
        """Bool tensor in the shape of the layer's weight: True where the weight is present at `level`."""
        return self.level_index[name] <= self._check_level(level)

    def nnz(self, level: int) -> int:
        """Number of weights present at `level`; a present weight may have the value 0."""
        return sum(int(self.mask(name, level).sum()) for name in self.names)

    def density(self, level: int) -> float:
        """Share of the weights present at `level`, 0 to 1."""
        return self.nnz(level) / self.total

    def level_weights(self, level: int) -> dict[str, Tensor]:
        """Layer name to a detached copy of the weight as `level` sees it: zero where it is not present."""
        return {name: torch.where(self.mask(name, level), self.weight(name).detach(), 0.0) for name in self.names}

    def set_active_level_(self, level: int) -> NestedModel:
        """Choose the level that `forward` computes. Touches no weight."""
        self.active_level = self._check_level(level)
        self._masks = {name: self.mask(name, level) for name in self.names}
        return self

    def set_level_index_(self, level_index: Mapping[str, Tensor]) -> NestedModel:
        """Replace the level index of every layer.

        Raises:
            NestingError: a layer is missing, has another shape, or an index is neither a level nor `NEVER`.
        """
        self._check_index(level_index)
        self.level_index = {name: level_index[name].clone() for name in self.names}
        return self.set_active_level_(self.active_level)

    def zero_never_(self) -> NestedModel:
        """Set every weight that no level contains to zero."""
        with torch.no_grad():
            for name in self.names:
                self.weight(name)[self.level_index[name] == NEVER] = 0.0
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Output of the wrapped module at the active level, for a batch `x`."""
        masked = {f"{name}.weight": torch.where(self._masks[name], self._seen(name), 0.0) for name in self.names}
        output: Tensor = functional_call(self.module, masked, (x,))
        return output

    def _seen(self, name: str) -> Tensor:
        """A layer's weight as `forward` takes it: rounded if it has a grid, the gradient passing through."""
        weight = self.weight(name)
        if name not in self.grids:
            return weight
        return weight + (self.grids[name].snap(weight.detach()) - weight.detach())

    @torch.no_grad()
    def snap_(self) -> NestedModel:
        """Round the stored weights to their grids, and forget these."""
        for name, grid in self.grids.items():
            self.weight(name).copy_(grid.snap(self.weight(name)))
        self.grids = {}
        return self

    def verify(self) -> None:
        """Check the invariant of the type, from the tensors alone.

        Raises:
            NestingError: an index is invalid, a level's sparsity is off by more than one weight (or unit, in a
                structured shape), levels are not nested, a shared value differs in any bit, a weight of no level
                is not zero, or a value is not finite.
        """
        self._check_index(self.level_index)
        for name in self.names:
            weight = self.weight(name).detach()
            if not bool(torch.isfinite(weight).all()):
                raise NestingError(f"{name}: holds values that are not finite; lower the learning rate")
            never = weight[self.level_index[name] == NEVER]
            if int(torch.count_nonzero(never)):
                raise NestingError(
                    f"{name}: {int(torch.count_nonzero(never))} weights that no level contains are not zero"
                )
        previous: dict[str, Tensor] | None = None
        slack = self.plan.slack({name: self.weight(name).shape for name in self.names})
        for level, sparsity in enumerate(self.sparsities):
            nnz, want = self.nnz(level), target_nnz(sparsity, self.total)
            if abs(nnz - want) > slack:
                margin = "plus or minus one" if slack == 1 else f"plus or minus {slack}, the largest unit"
                raise NestingError(
                    f"level {level}: {nnz:,} of {self.total:,} weights are present, but {sparsity:g} % "
                    f"sparsity means {want:,} ({margin})"
                )
            weights = self.level_weights(level)
            if previous is not None:
                self._check_shared(level, previous, weights)
            previous = weights

    def _check_shared(self, level: int, sparser: dict[str, Tensor], denser: dict[str, Tensor]) -> None:
        for name in self.names:
            below, above = self.mask(name, level - 1), self.mask(name, level)
            lost = int((below & ~above).sum())
            if lost:
                raise NestingError(f"{name}: {lost} weights of level {level - 1} are missing at level {level}")
            bits = (sparser[name][below].view(torch.int32), denser[name][below].view(torch.int32))
            if not torch.equal(*bits):
                raise NestingError(f"{name}: a weight changes its value between level {level - 1} and {level}")

    def _check_level(self, level: int) -> int:
        if not 0 <= level < self.num_levels:
            raise NestingError(f"level {level} does not exist; levels are 0 to {self.num_levels - 1}")
        return level

    def _check_index(self, level_index: Mapping[str, Tensor]) -> None:
        if set(level_index) != set(self.names):
            raise NestingError(
                f"level index names the layers {sorted(level_index)}, the model has {sorted(self.names)}"
            )
        for name in self.names:
            index, shape = level_index[name], tuple(self.weight(name).shape)
            if tuple(index.shape) != shape or index.dtype != torch.uint8:
                raise NestingError(
                    f"{name}: level index is {index.dtype} {tuple(index.shape)}, the weight needs uint8 {shape}"
                )
            wrong = index[(index >= self.num_levels) & (index != NEVER)]
            if len(wrong):
                raise NestingError(
                    f"{name}: level index {int(wrong[0])} is neither below {self.num_levels} nor {NEVER} (never)"
                )

    def get_extra_state(self) -> dict[str, Any]:
        """Part of `state_dict`: sparsities, level index and active level, as plain values and tensors."""
        return {
            "sparsities": list(self.sparsities),
            "level_index": {name: part.clone() for name, part in self.level_index.items()},
            "active_level": self.active_level,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Counterpart of `get_extra_state`, called by `load_state_dict`.

        Raises:
            NestingError: the stored levels do not fit this model.
        """
        self.sparsities = tuple(state["sparsities"])
        self.active_level = state["active_level"]
        self.set_level_index_(state["level_index"])
