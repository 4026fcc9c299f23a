"""Networks by name, as plain `torch.nn` modules that `torch.fx` can trace.

Comes in: a name. Goes out: a freshly initialised module whose layers carry the names that every later stage
shows. Invariant: layer shapes are exact and counted by tests. Knows nothing of sparsity.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from .errors import ConfigError, unknown_name


@dataclass(frozen=True)
class ModelSpec:
    """A network of the registry.

    Attributes:
        build: makes the module with weights drawn from torch's global generator.
        input_shape: one example without the batch axis, `(channels, height, width)`.
        classes: number of outputs.
        source: where the layer list comes from.
    """

    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    classes: int
    source: str


def _lenet5() -> nn.Module:
    """Classic LeNet-5 with ReLU: 61,470 weights without biases, 416,520 MACs."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5, padding=2),  # (1, 28, 28) -> (6, 28, 28)
            relu1=nn.ReLU(),
            pool1=nn.AvgPool2d(2),  # -> (6, 14, 14)
            conv2=nn.Conv2d(6, 16, 5),  # -> (16, 10, 10)
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(2),  # -> (16, 5, 5)
            flatten=nn.Flatten(),
            fc1=nn.Linear(400, 120),
            relu3=nn.ReLU(),
            fc2=nn.Linear(120, 84),
            relu4=nn.ReLU(),
            fc3=nn.Linear(84, 10),
        )
    )


MODELS: dict[str, ModelSpec] = {
    "lenet5": ModelSpec(_lenet5, (1, 28, 28), 10, "LeCun et al. 1998; average pooling, full second convolution, ReLU"),
}


def model_spec(name: str) -> ModelSpec:
    """Look up a network.

    Raises:
        ConfigError: no network has this name; the message lists them and the closest one.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise ConfigError(unknown_name("model", name, MODELS)) from None


def build_model(name: str) -> nn.Module:
    """Make the network `name` with fresh weights from torch's global generator.

    Raises:
        ConfigError: no network has this name.
    """
    return model_spec(name).build()


def prunable_layers(module: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Layers whose `weight` takes part in nesting, by name, in the order of the module."""
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}


def count_weights(module: nn.Module) -> int:
    """Number of prunable weights, biases not counted."""
    return sum(layer.weight.numel() for layer in prunable_layers(module).values())


def count_macs(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of one inference of the dense network on an input of `input_shape`."""
    total = 0

    def count(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        total += math.prod(output.shape[1:]) * math.prod(layer.weight.shape[1:])

    hooks = [layer.register_forward_hook(count) for layer in prunable_layers(module).values()]
    try:
        with torch.no_grad():
            module(torch.zeros(1, *input_shape))
    finally:
        for hook in hooks:
            hook.remove()
    return total
