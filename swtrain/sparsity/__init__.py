"""Which weights a level keeps: shapes of pruning units, scores, and the selection of nested sets.

`shapes` groups the weights of a layer into units that enter together, `scores` says how much a weight matters,
and `plan` turns both into one level index per weight. Nothing here trains.
"""

from .plan import NEVER, LayerPlan, Scope, SparsityPlan, plan_for, target_nnz
from .shapes import KINDS, Shape, Units, units_of

__all__ = [
    "KINDS",
    "NEVER",
    "LayerPlan",
    "Scope",
    "Shape",
    "SparsityPlan",
    "Units",
    "plan_for",
    "target_nnz",
    "units_of",
]
