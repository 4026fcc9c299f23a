"""Torch networks with seeded weights as graphs: what the tests of export, emission and simulation share."""

from swtrain.seeded import float_graph_of
from swtrain.seeded import seeded_graph as integer_graph_of
from swtrain.seeded import seeded_module as seeded

__all__ = ["float_graph_of", "integer_graph_of", "seeded"]
