"""Batch norm into the convolution before it, so that what follows trains and deploys plain weights.

Per-level norms would break "a weight keeps its value at every level": folding happens once, before nesting.
"""

from __future__ import annotations

import torch
from torch import fx, nn

from ..errors import ConfigError

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def has_batch_norm(module: nn.Module) -> bool:
    """Whether any batch norm is left."""
    return any(isinstance(layer, Norm) for layer in module.modules())


@torch.no_grad()
def fold_batch_norm_(module: nn.Module) -> nn.Module:
    """Replace each batch norm by `nn.Identity`, its running statistics going into the layer before it.

    Raises:
        ConfigError: a batch norm does not follow a convolution or fully connected layer of its own.
    """
    if not has_batch_norm(module):
        return module
    layers = dict(module.named_modules())
    for node in fx.symbolic_trace(module).graph.nodes:
        norm = layers.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, Norm):
            continue
        before = node.args[0]
        layer = layers.get(str(before.target)) if before.op == "call_module" else None
        if not isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear) or len(before.users) != 1:
            raise ConfigError(f"model: batch norm {node.target} must follow a convolution that nothing else reads")
        if norm.running_mean is None or norm.running_var is None:
            raise ConfigError(f"model: batch norm {node.target} keeps no running statistics; set track_running_stats")
        scale = torch.rsqrt(norm.running_var + norm.eps) * (norm.weight if norm.affine else 1.0)
        layer.weight.mul_(scale.reshape(-1, *[1] * (layer.weight.dim() - 1)))
        old = layer.bias if layer.bias is not None else torch.zeros_like(norm.running_mean)
        shift = norm.bias if norm.affine else torch.zeros_like(norm.running_mean)
        layer.bias = nn.Parameter((old - norm.running_mean) * scale + shift)
        parent, _, child = str(node.target).rpartition(".")
        setattr(module.get_submodule(parent), child, nn.Identity())
    return module
