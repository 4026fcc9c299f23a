"""Optimisers and learning-rate schedules by name.

Comes in: names and options of the config. Goes out: a `torch.optim.Optimizer`, and learning rates as pure functions
of where a phase stands. Masks and frozen weights are the strategy's business, so every optimiser works with them.
"""

from .optimizers import OPTIMIZERS, make_optimizer
from .schedules import SCHEDULES, learning_rate, plateaus, restarts

__all__ = ["OPTIMIZERS", "SCHEDULES", "learning_rate", "make_optimizer", "plateaus", "restarts"]
