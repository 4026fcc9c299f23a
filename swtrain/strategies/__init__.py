"""How nested levels come about: which weights are trained, masked and frozen in each phase of a run.

    sequential   sparsest level first, freeze it, grow the next
    joint        all levels at once: sandwich rule with in-place distillation
    hybrid       the sparsest level's mask by its own gradual pruning, then all levels at once
    sw-train     the paper's way: dense weights cut into nested levels, no retraining
    auto         sequential and hybrid from the same dense weights; the better one on held-out data stays

To add one: subclass `Strategy`, give it `phases`, and enter it in `STRATEGIES` and in `TrainConfig.strategy`.
"""

from ..config import TrainConfig
from ..nested import NestedModel
from .auto import Auto
from .base import Phase, Strategy
from .joint import Hybrid, Joint
from .sequential import Sequential
from .sw_train import SwTrain

__all__ = ["STRATEGIES", "Phase", "Strategy", "make_strategy"]

STRATEGIES: dict[str, type[Strategy]] = {
    "sequential": Sequential,
    "joint": Joint,
    "hybrid": Hybrid,
    "sw-train": SwTrain,
    "auto": Auto,
}


def make_strategy(config: TrainConfig, nested: NestedModel) -> Strategy:
    """The strategy that `config.strategy` names, for `nested`."""
    return STRATEGIES[config.strategy](config, nested)
