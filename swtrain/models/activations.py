"""Activations other than ReLU, for comparison: they train, and export refuses them."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
}


def set_activation_(module: nn.Module, name: str) -> nn.Module:
    """Put the activation `name` in the place of every `nn.ReLU` inside `module`; functional ones stay."""
    if name == "relu":
        return module
    for parent in list(module.modules()):
        for child, layer in list(parent.named_children()):
            if type(layer) is nn.ReLU:
                setattr(parent, child, ACTIVATIONS[name]())
    return module
