"""Several networks as one. Comes in: networks. Goes out: logits that are the log of their mean class probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """The log of the mean class probabilities of its members, which softmax turns back into that mean."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, classes)` for a batch."""
        return mean_log([member(x) for member in self.members])


def mean_log(logits: Sequence[Tensor]) -> Tensor:
    """Log of the mean of class probabilities, `(B, classes)`."""
    stacked = torch.stack([torch.log_softmax(each, 1) for each in logits])
    return torch.logsumexp(stacked, 0) - math.log(len(logits))
