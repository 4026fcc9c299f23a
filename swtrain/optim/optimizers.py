"""The table of optimisers.

Those of torch are used as they are. NovoGrad comes from `pytorch_optimizer`; PowerSign and AddSign are in no
package and live here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from ..errors import ConfigError
from .sign import AddSign, PowerSign


def _momentum(parameters: Iterable[nn.Parameter], momentum: float = 0.9, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, momentum=momentum, **options)


def _nesterov(parameters: Iterable[nn.Parameter], momentum: float = 0.9, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, momentum=momentum, nesterov=True, **options)


def _novograd(parameters: Iterable[nn.Parameter], **options: Any) -> torch.optim.Optimizer:
    """NovoGrad as in the Jasper paper: betas 0.95 and 0.5."""
    try:
        from pytorch_optimizer import NovoGrad
    except ImportError as error:
        raise ConfigError("optimizer novograd needs pytorch_optimizer: pip install 'swtrain[train]'") from error
    made: torch.optim.Optimizer = NovoGrad(parameters, **{"betas": (0.95, 0.5), **options})
    return made


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "novograd": _novograd,
    "powersign": PowerSign,
    "addsign": AddSign,
}


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], weight_decay: float = 0.0, options: Mapping[str, Any] | None = None
) -> torch.optim.Optimizer:
    """The optimiser `name` at learning rate 0, which the trainer sets before each step.

    Args:
        name: one of `OPTIMIZERS`.
        parameters: to be trained.
        weight_decay: as the optimiser defines it (decoupled for `adamw`).
        options: further keyword arguments: `{betas = [0.9, 0.99]}`.

    Raises:
        ConfigError: the optimiser does not take an option, or its value.
    """
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in (options or {}).items()}
    taken = {"lr", "weight_decay", "params"} & set(values)
    if taken:
        raise ConfigError(f"optimizer_options: {', '.join(sorted(taken))} has a setting of its own; use that")
    try:
        return OPTIMIZERS[name](parameters, lr=0.0, weight_decay=weight_decay, **values)
    except (TypeError, ValueError) as error:
        known = [p for p in inspect.signature(OPTIMIZERS[name]).parameters if p not in ("params", "parameters", "lr")]
        raise ConfigError(
            f"optimizer_options: {name} refuses {values} ({error}); it takes {', '.join(known)}"
        ) from error
