"""The table of networks, and factories of the user's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..errors import ConfigError, unknown_name
from . import har, jasper, keywords, lenet, squeezenext


@dataclass(frozen=True)
class ModelSpec:
    """A network of the registry.

    Attributes:
        build: makes the module with weights drawn from torch's global generator; its keywords are the options.
        input_shape: one example without the batch axis at default options.
        classes: number of outputs at default options.
        source: where the layer list comes from.
    """

    build: Callable[..., nn.Module]
    input_shape: tuple[int, ...]
    classes: int
    source: str


MODELS: dict[str, ModelSpec] = {
    "lenet5": ModelSpec(
        lenet.lenet5, (1, 28, 28), 10, "LeCun et al. 1998; average pooling, full second convolution, ReLU"
    ),
    "lenet5-caffe": ModelSpec(lenet.lenet5_caffe, (1, 28, 28), 10, "Caffe's examples/mnist; 20 and 50 filters"),
    "harnet": ModelSpec(har.harnet, (9, 1, 128), 6, "EMCLab's HAR network"),
    "okgnet": ModelSpec(keywords.okgnet, (1, 49, 10), 12, "Zhang et al. 2017, CNN-S"),
    "dscnn": ModelSpec(keywords.dscnn, (1, 49, 12), 11, "Zhang et al. 2017, DS-CNN; Lupe's input and classes"),
    "sqnxt23": ModelSpec(squeezenext.sqnxt23, (3, 32, 32), 10, "Gholami et al. 2018, stem for small images"),
    "jasper": ModelSpec(jasper.jasper, (20, 1, 98), 12, "Li et al. 2019, scaled down"),
}


def model_spec(name: str) -> ModelSpec:
    """Look up a network of the registry.

    Raises:
        ConfigError: no network has this name; the message lists them and the closest one.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise ConfigError(unknown_name("model", name, MODELS)) from None


def build_model(name: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Make the network `name` with fresh weights from torch's global generator.

    Args:
        name: of the registry, or `package.module:function`.
        options: keyword arguments of the network.

    Raises:
        ConfigError: no network has this name, it does not take an option, or the factory fails.
    """
    build = _factory(name) if ":" in name else model_spec(name).build
    try:
        module = build(**(options or {}))
    except TypeError as error:
        raise ConfigError(f"model {name}: does not take these options: {error}") from error
    if not isinstance(module, nn.Module):
        raise ConfigError(f"model {name}: returned a {type(module).__name__}, not a torch.nn.Module")
    return module


def _factory(name: str) -> Callable[..., nn.Module]:
    path, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"model {name}: cannot be imported ({error}); give package.module:function") from error
    if not callable(found):
        raise ConfigError(f"model {name}: is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]
