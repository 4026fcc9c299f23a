"""Which layers take part in nesting, and what a network holds and computes."""

from __future__ import annotations

import math

import torch
from torch import nn

PRUNABLE = (nn.Conv1d, nn.Conv2d, nn.Linear)
"""Layers whose `weight` takes part in nesting."""


def prunable_layers(module: nn.Module) -> dict[str, nn.Conv1d | nn.Conv2d | nn.Linear]:
    """Layers whose `weight` takes part in nesting, by name, in the order of the module."""
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, PRUNABLE)}


def count_weights(module: nn.Module) -> int:
    """Number of prunable weights, biases not counted."""
    return sum(layer.weight.numel() for layer in prunable_layers(module).values())


def count_macs(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of one inference of the dense network on an input of `input_shape`."""
    total = 0

    def count(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, PRUNABLE)
        total += math.prod(output.shape[1:]) * math.prod(layer.weight.shape[1:])

    hooks = [layer.register_forward_hook(count) for layer in prunable_layers(module).values()]
    was_training = module.training
    module.eval()  # statistics of batch norm must not take part
    try:
        with torch.no_grad():
            module(torch.zeros(1, *input_shape))
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    return total
