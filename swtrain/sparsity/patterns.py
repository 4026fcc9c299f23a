"""Kernel patterns: every kernel of a layer keeps taps in one of a few arrangements (PCONV, Ma et al. 2020).

Comes in: the scores of all kernels of a layer, `(kernels, taps)`, and what has entered. Goes out: one unit per
kernel, the taps that it would add. The set of patterns is the one that keeps most of the squared scores, found
greedily; each kernel takes the pattern of the set with the largest L2 norm of its own weights. A kernel that has
taps already keeps them: its pattern only grows, so patterns nest. The exact sparsity comes from kernels that stay
away as a whole (connectivity pruning).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CANDIDATES = 256
"""Different arrangements that compete for the pattern set."""


def pattern_units(scores: Tensor, entered: Tensor, density: float, patterns: int) -> Tensor:
    """Unit number of each tap: its kernel's number if the tap may enter at this level.

    Args:
        scores: float64 `(kernels, taps)`.
        entered: bool, the same shape.
        density: share of weights that the level keeps; a kernel has `ceil(density * taps)` taps.
        patterns: size of the pattern set for kernels of one history.

    Returns:
        int64 `(kernels, taps)`; -1 for taps that have entered. Taps outside a kernel's pattern get numbers from
        `kernels` on, one per kernel: they make up the rest, should the level ask for more than the patterns hold.
    """
    kernels, taps = scores.shape
    count = min(max(math.ceil(density * taps - 1e-9), 1), taps)
    chosen = entered.clone()
    for history in torch.unique(entered, dim=0):
        mine = (entered == history).all(1)
        more = count - int(history.sum())
        if more > 0:
            chosen[mine] = history | _best_patterns(
                scores[mine].square().masked_fill(history, 0.0), history, more, patterns
            )
    number = torch.arange(kernels)[:, None].expand(kernels, taps)
    return torch.where(entered, -1, torch.where(chosen, number, number + kernels))


def _best_patterns(squares: Tensor, taken: Tensor, more: int, patterns: int) -> Tensor:
    """For each kernel the pattern of `more` free taps, out of a set of `patterns`, that keeps most."""
    ranked = squares.masked_fill(taken, -1.0).argsort(dim=1, descending=True, stable=True)[:, :more]
    own = torch.zeros_like(squares, dtype=torch.bool).scatter_(1, ranked, True)
    candidates, frequency = torch.unique(own, dim=0, return_counts=True)
    candidates = candidates[frequency.argsort(descending=True, stable=True)[:CANDIDATES]]
    kept = squares @ candidates.double().T  # `(kernels, candidates)`
    best = torch.zeros(len(squares), dtype=torch.float64)
    chosen: list[int] = []
    for _ in range(min(patterns, len(candidates))):
        gain = torch.maximum(kept, best[:, None]).sum(0)
        if chosen:
            gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        best = torch.maximum(best, kept[:, chosen[-1]])
    library: Tensor = candidates[chosen]
    return library[kept[:, chosen].argmax(1)]
