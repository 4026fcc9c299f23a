"""Transfer learning: weights of an earlier run to start from, and layers that stay frozen for a while."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import nn

from .errors import ConfigError
from .runs import load_run
from .sections import FreezeRule


@torch.no_grad()
def load_weights_(module: nn.Module, run: Path) -> list[str]:
    """Copy the densest level of a finished run into `module`, wherever name and shape agree.

    Batch norm of the run is folded, so that of `module` starts neutral.

    Returns:
        The names of what was copied.

    Raises:
        CheckpointError: there is no finished run.
        ConfigError: nothing agrees.
    """
    nested, config, _ = load_run(run)
    source = {**nested.module.state_dict()}
    source |= {f"{name}.weight": w for name, w in nested.level_weights(nested.num_levels - 1).items()}
    own = module.state_dict()
    found = [name for name, value in own.items() if name in source and source[name].shape == value.shape]
    if not found:
        raise ConfigError(f"init: {run} holds a {config.model}, no weight of which has the name and shape of one here")
    for name in found:
        own[name].copy_(source[name])
    return found


def check_rules(rules: Sequence[FreezeRule], module: nn.Module) -> None:
    """Refuse a rule that matches no layer.

    Raises:
        ConfigError: with the layers there are.
    """
    layers = _layers(module)
    for rule in rules:
        if not any(fnmatchcase(name, rule.match) for name in layers):
            raise ConfigError(f"freeze: '{rule.match}' matches no layer; the model has {', '.join(layers)}")


def frozen_layers(rules: Sequence[FreezeRule], module: nn.Module, phase: str, progress: float) -> list[str]:
    """Layers that a phase of this kind leaves alone at `progress` (0 to 1)."""
    active = [rule.match for rule in rules if phase in rule.phases and (rule.until == 1 or progress < rule.until)]
    return [name for name in _layers(module) if any(fnmatchcase(name, match) for match in active)]


def freeze_(module: nn.Module, layers: Sequence[str]) -> None:
    """Drop the gradients of layers, so that no optimiser touches them."""
    for name in layers:
        for parameter in module.get_submodule(name).parameters(recurse=False):
            parameter.grad = None


def still_(module: nn.Module, layers: Sequence[str]) -> None:
    """Put layers into evaluation mode, so that running statistics stay as they are."""
    for name in layers:
        module.get_submodule(name).eval()


def _layers(module: nn.Module) -> list[str]:
    """Layers with parameters of their own."""
    return [name for name, layer in module.named_modules() if name and [*layer.parameters(recurse=False)]]
