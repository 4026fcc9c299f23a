"""The lint of LEA commands: it passes what the planner makes and refuses each rule's violation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from strategies import lenet_columns

from codegen.column import ColumnLayer
from codegen.errors import GraphError
from codegen.layers import Layer
from codegen.lint import lint_lea
from codegen.plans import plan_project
from codegen.target import load_target

TARGET = load_target("msp430fr5994")
PLANS = plan_project(lenet_columns(), TARGET, "lea")


def changed(name: str, change: Callable[[Layer], Layer]) -> None:
    layers = tuple(change(layer) if layer.name == name else layer for layer in PLANS.schedule.layers)
    lint_lea(PLANS.graph, replace(PLANS.schedule, layers=layers), TARGET)


def counts(layer: Layer, values: tuple[int, ...]) -> Layer:
    assert isinstance(layer.packed, ColumnLayer)
    first, *rest = layer.packed.groups
    return replace(layer, packed=replace(layer.packed, groups=(replace(first, counts=values), *rest)))


def test_plans_pass() -> None:
    lint_lea(PLANS.graph, PLANS.schedule, TARGET)
    assert sum(layer.lea is not None for layer in PLANS.schedule.layers) == 5


def test_odd_rows() -> None:
    with pytest.raises(GraphError, match="conv2d0: illegal on the LEA: level 0: rowSize 3; it must be even"):
        changed("conv2d0", lambda layer: counts(layer, (3, 4, 4)))


def test_no_rows() -> None:
    with pytest.raises(GraphError, match="level 0: rowSize 0"):
        changed("conv2d0", lambda layer: counts(layer, (0, 4, 4)))


def test_more_columns_than_stored() -> None:
    with pytest.raises(GraphError, match="level 2 reads more columns than group 0 has"):
        changed("conv2d0", lambda layer: counts(layer, (2, 2, 10_000)))


def tilings(layer: Layer, **values: int) -> Layer:
    assert layer.lea is not None
    lea = replace(layer.lea, tilings=tuple(replace(t, **values) for t in layer.lea.tilings))
    return replace(layer, lea=lea)


def test_odd_columns() -> None:
    with pytest.raises(GraphError, match="level 0: colSize 9; it must be even"):
        changed("conv2d2", lambda layer: tilings(layer, height=1, rows=1, width=9, cols=9))


def test_operands_that_do_not_fit() -> None:
    with pytest.raises(GraphError, match=r"operands need [\d,]+ B of LEA RAM, layers have 3,784 B"):
        changed("conv2d2", lambda layer: tilings(layer, rows=10, cols=10))


def test_odd_tile_of_outputs() -> None:
    def odd(layer: Layer) -> Layer:
        assert layer.lea is not None
        return replace(layer, lea=replace(layer.lea, tile=3))

    with pytest.raises(GraphError, match="colSize 3"):
        changed("fully_connected5", odd)


def test_another_shift() -> None:
    def shift(layer: Layer) -> Layer:
        assert layer.node is not None
        assert layer.node.params is not None
        return replace(layer, node=replace(layer.node, params=replace(layer.node.params, shift=14)))

    with pytest.raises(GraphError, match="shift 14; the command shifts by 15"):
        changed("conv2d0", shift)
