"""Accuracy of a network in float, as it is or with dropout left on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .datasets import Split
from .ensemble import mean_log
from .nested import NestedModel

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)


def evaluate(model: nn.Module, split: Split, frac_bits: int = 8, batch: int = 1000) -> float:
    """Accuracy of `model` on `split` in percent; a `NestedModel` is measured at its active level.

    The model sees `split.x * 2**-frac_bits`.
    """
    was_training = model.training
    model.eval()
    correct = 0
    with torch.no_grad():
        for start in range(0, len(split), batch):
            x = torch.tensor(split.x[start : start + batch]).float() * 2.0**-frac_bits
            x = x.contiguous(memory_format=torch.channels_last)
            y = torch.tensor(split.y[start : start + batch])
            correct += int((model(x).argmax(1) == y).sum())
    model.train(was_training)
    return 100 * correct / len(split)


@dataclass(frozen=True)
class Uncertain:
    """What Monte-Carlo dropout says of a split (Gal and Ghahramani 2016).

    Attributes:
        accuracy: percent, of the mean class probabilities.
        entropy: mean entropy of these, in nats: how unsure the network is.
        entropy_wrong: the same over the examples that it gets wrong; nan if there are none.
    """

    accuracy: float
    entropy: float
    entropy_wrong: float


@torch.no_grad()
def monte_carlo_dropout(
    model: NestedModel, split: Split, frac_bits: int, passes: int, seed: int = 0, batch: int = 1000
) -> Uncertain:
    """Measure `model` at its active level with dropout left on, the mean of `passes` draws for each example.

    A network without dropout gives the same answer in every pass.
    """
    was_training = model.training
    model.eval()
    for layer in model.modules():
        if isinstance(layer, _DROPOUTS):
            layer.train()
    entropies, right = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for start in range(0, len(split), batch):
            x = torch.tensor(split.x[start : start + batch]).float() * 2.0**-frac_bits
            y = torch.tensor(split.y[start : start + batch])
            mean = mean_log([model(x) for _ in range(passes)])
            entropies.append(-(mean.exp() * mean).sum(1))
            right.append(mean.argmax(1) == y)
    model.train(was_training)
    entropy, correct = torch.cat(entropies), torch.cat(right)
    wrong = entropy[~correct]
    return Uncertain(100 * float(correct.float().mean()), float(entropy.mean()), float(wrong.mean()))
