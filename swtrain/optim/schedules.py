"""Learning rates as pure functions of where a phase stands, so that a resumed run goes on as if never stopped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

RESTARTS = (0, 1 / 7, 3 / 7, 1)
"""Parts of a phase between which `cosine-restarts` has one half cosine each."""

SCHEDULES = ("one-cycle", "cosine", "cosine-restarts", "constant", "power", "exponential", "plateau")


def learning_rate(schedule: str, peak: float, progress: float, warmup: float = 0.0, plateaus_seen: int = 0) -> float:
    """Learning rate at `progress` (0 to 1) of a phase.

        one-cycle         a linear rise from peak/10 over the first fifth, then a half cosine to 0
        cosine            the half cosine alone
        cosine-restarts   three half cosines of 1/7, 2/7 and 4/7 of the phase, each from the peak (SGDR)
        constant          the peak
        power             peak / (1 + 10 * progress)
        exponential       peak * 0.01 ** progress
        plateau           peak halved at every plateau of the accuracy on held-out data

    Args:
        schedule: one of `SCHEDULES`.
        peak: largest value.
        progress: part of the phase that is done.
        warmup: first part of the phase over which the rate rises linearly from peak/10; `one-cycle` has its own.
        plateaus_seen: for `plateau`.
    """
    if schedule == "one-cycle":
        warmup = 0.2
    if progress < warmup:
        return peak * (0.1 + 0.9 * progress / warmup)
    progress = (progress - warmup) / (1 - warmup) if warmup < 1 else 1.0
    match schedule:
        case "constant":
            return peak
        case "power":
            return peak / (1 + 10 * progress)
        case "exponential":
            return float(peak * 0.01**progress)
        case "plateau":
            return float(peak * 0.5**plateaus_seen)
        case "cosine-restarts":
            for start, end in itertools.pairwise(RESTARTS):
                if progress < end or end == 1:
                    progress = (progress - start) / (end - start)
                    break
    return peak * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def plateaus(accuracies: Sequence[float], patience: int) -> int:
    """How often `patience` epochs in a row brought no new best; each such stretch counts once."""
    best, since, found = -math.inf, 0, 0
    for accuracy in accuracies:
        if accuracy > best:
            best, since = accuracy, 0
        else:
            since += 1
            if since == patience:
                found, since = found + 1, 0
    return found


def restarts(epochs: int) -> list[int]:
    """Epochs after which `cosine-restarts` begins anew, in a phase of so many, each once."""
    return sorted({round(part * epochs) for part in RESTARTS} - {0, epochs})
