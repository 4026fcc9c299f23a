"""Several networks as one: ensembles of teachers and snapshots, and dropout at test time.

Comes in: networks, or one with dropout. Goes out: logits that are the log of mean class probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .datasets import Split
from .nested import NestedModel

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)


class Ensemble(nn.Module):
    """The log of the mean class probabilities of its members, which softmax turns back into that mean."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, classes)` for a batch."""
        return _mean_log([member(x) for member in self.members])


def _mean_log(logits: Sequence[Tensor]) -> Tensor:
    stacked = torch.stack([torch.log_softmax(each, 1) for each in logits])
    return torch.logsumexp(stacked, 0) - math.log(len(logits))


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
            mean = _mean_log([model(x) for _ in range(passes)])
            entropies.append(-(mean.exp() * mean).sum(1))
            right.append(mean.argmax(1) == y)
    model.train(was_training)
    entropy, correct = torch.cat(entropies), torch.cat(right)
    wrong = entropy[~correct]
    return Uncertain(100 * float(correct.float().mean()), float(entropy.mean()), float(wrong.mean()))
