"""Shapes of sparsity: units are whole, levels nest, and every level keeps what it should."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from swtrain.config import load_config
from swtrain.errors import ConfigError, NestingError
from swtrain.sparsity import KINDS, LayerPlan, Scope, Shape, SparsityPlan, plan_for, target_nnz, units_of
from swtrain.sparsity.settings import plan_of
from swtrain.sparsity.shapes import largest_unit

shapes = st.builds(
    Shape,
    st.sampled_from(KINDS),
    group=st.integers(0, 5),
    pair=st.booleans(),
    block=st.tuples(st.integers(1, 4), st.integers(1, 6)),
    patterns=st.integers(1, 4),
)
weight_shapes = st.one_of(
    st.tuples(st.integers(1, 7), st.integers(1, 12)),
    st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5)),
)
sparsities = st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True).map(lambda s: sorted(s, reverse=True))


@st.composite
def scores_of_layers(draw: st.DrawFn) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    found = draw(st.lists(weight_shapes, min_size=1, max_size=3))
    few = draw(st.booleans())  # ties and zeros
    scores = {f"l{i}": torch.rand(shape, generator=generator) for i, shape in enumerate(found)}
    return {name: (score * 3).round() / 3 if few else score for name, score in scores.items()}


@settings(max_examples=100, deadline=None)
@given(scores_of_layers(), sparsities, shapes, st.sampled_from(["layer", "global", "row"]))
def test_levels_of_every_shape_nest_and_hit_their_sparsity(
    scores: dict[str, Tensor], levels: list[int], shape: Shape, scope: Scope
) -> None:
    plan = plan_for(list(scores), levels, scope, shape)
    index = plan.assign(scores)
    total = sum(score.numel() for score in scores.values())
    slack = plan.slack({name: score.shape for name, score in scores.items()})
    for level, sparsity in enumerate(levels):
        nnz = sum(int((part <= level).sum()) for part in index.values())
        want = target_nnz(sparsity, total)
        assert want - slack < nnz <= want
        if shape.kind == "unstructured":
            assert nnz == want
    for fewer in range(1, len(levels)):  # filling level by level gives the same
        again = plan.assign(scores, base=plan.assign(scores, fewer))
        assert all(torch.equal(again[name], index[name]) for name in scores)


@settings(max_examples=60, deadline=None)
@given(weight_shapes, shapes, st.floats(0.05, 1), st.integers(0, 2**32 - 1))
def test_units_cover_what_has_not_entered_and_nothing_else(
    weight_shape: tuple[int, ...], shape: Shape, density: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    score = torch.rand(weight_shape, generator=generator)
    nothing = torch.zeros(weight_shape, dtype=torch.bool)
    units = units_of(shape, score, nothing, ~nothing, density)
    assert sorted(set(units.ids.reshape(-1).tolist())) == list(range(len(units.sizes)))
    assert units.sizes.tolist() == torch.bincount(units.ids.reshape(-1)).tolist()
    assert int(units.sizes.max()) <= largest_unit(shape, weight_shape)
    entered = units.ids == 0
    rest = units_of(shape, score, entered, ~nothing, density)
    assert torch.equal(rest.ids == -1, entered)
    assert int(rest.sizes.sum()) == int((~entered).sum())


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Shape("row"), [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]]),
        (Shape("column", group=2, pair=False), [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7], [4, 5, 6, 7]]),
        (Shape("channel"), [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]]),
        (Shape("block", block=(9, 3)), [[0, 0, 0, 1], [2, 2, 2, 3], [4, 4, 4, 5], [6, 6, 6, 7]]),
        (Shape("whole-block", block=(2, 2)), [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]),
    ],
)
def test_each_shape_groups_as_documented(shape: Shape, expected: list[list[int]]) -> None:
    weight = torch.rand(4, 2, 1, 2)
    nothing = torch.zeros(weight.shape, dtype=torch.bool)
    units = units_of(shape, weight, nothing, ~nothing, 1.0)
    assert units.ids.reshape(4, 4).tolist() == expected
    for unit, score in enumerate(units.scores):  # the root mean square
        assert score == pytest.approx(float(weight[units.ids == unit].double().square().mean().sqrt()))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 8), st.integers(0, 2**32 - 1), sparsities)
def test_counts_of_paired_columns_are_even(out: int, taps: int, group: int, seed: int, levels: list[int]) -> None:
    score = torch.rand((out, taps), generator=torch.Generator().manual_seed(seed))
    index = plan_for(["fc"], levels, shape=Shape("column", group)).assign({"fc": score})["fc"]
    for level in range(len(levels)):
        mask = index <= level
        for rows in torch.split(mask, group or out):
            assert bool((rows == rows[0]).all())  # a column is there for the whole group
            if taps % 2 == 0:
                assert int(rows[0].sum()) % 2 == 0


def test_patterns_are_few_and_grow() -> None:
    generator = torch.Generator().manual_seed(3)
    score = torch.rand((16, 8, 3, 3), generator=generator)
    index = plan_for(["c"], [70, 40], shape=Shape("pattern", patterns=4)).assign({"c": score})["c"].reshape(-1, 9)
    sparse, dense = index <= 0, index <= 1
    assert bool((dense | ~sparse).all())
    present = sparse[sparse.any(1)]
    assert set(present.sum(1).tolist()) == {3}  # ceil of 30 % of 9 taps, or the whole kernel is away
    assert len(torch.unique(present, dim=0)) <= 4
    # one of the few patterns, and for each kernel the one with the largest norm among them
    library = torch.unique(present, dim=0)
    squares = score.reshape(-1, 9).square()
    norms = squares @ library.float().T
    chosen = sparse.any(1)
    assert bool((norms[chosen].max(1).values <= (squares * sparse).sum(1)[chosen] + 1e-6).all())


def test_a_layer_of_its_own_sparsity_leaves_the_rest_to_others() -> None:
    scores = {"a": torch.rand(10, 10), "b": torch.rand(40, 10)}
    layers = {"a": LayerPlan(sparsity=(50.0, 10.0)), "b": LayerPlan()}
    index = SparsityPlan((80.0, 40.0), layers).assign(scores)
    assert [[int((index[n] <= k).sum()) for k in (0, 1)] for n in ("a", "b")] == [[50, 90], [50, 210]]


def test_a_floor_holds_at_every_level_and_moves_the_rest() -> None:
    scores = {"small": torch.rand(10, 10) * 1e-3, "large": torch.rand(30, 30)}
    for floor, kept in ((0.0, 0), (20.0, 20)):
        layers = {"small": LayerPlan(floor=floor), "large": LayerPlan()}
        index = SparsityPlan((90.0,), layers, "global").assign(scores)
        assert int((index["small"] == 0).sum()) == kept
        assert sum(int((part == 0).sum()) for part in index.values()) == 100


def test_sparsities_that_contradict_each_other_are_refused() -> None:
    layers = {"a": LayerPlan(sparsity=(0.0,)), "b": LayerPlan()}
    with pytest.raises(NestingError, match=r"level 90 %: the layers .* leave -80 weights for the others \(b\)"):
        SparsityPlan((90.0,), layers).assign({"a": torch.rand(10, 10), "b": torch.rand(10, 10)})


def test_lamp_is_its_formula() -> None:
    scores = {"a": torch.tensor([[3.0, 1.0, 2.0]]), "b": torch.tensor([[0.1, 0.2]])}
    # squares over the sum of those that are not smaller: a 9/9, 1/14, 4/13; b 0.01/0.05, 0.04/0.04
    order = [("a", 0), ("b", 1), ("a", 2), ("b", 0), ("a", 1)]
    for count in range(1, 6):
        plan = SparsityPlan((100 - 20.0 * count,), {n: LayerPlan() for n in scores}, "global", lamp=True)
        index = plan.assign(scores)
        kept = {(name, int(i)) for name, part in index.items() for i in (part[0] == 0).nonzero()}
        assert kept == set(order[:count])


def test_scope_row_gives_each_filter_the_same_number_of_weights() -> None:
    score = torch.rand(8, 20) * torch.arange(1, 9)[:, None]
    index = plan_for(["fc"], [75, 30], "row").assign({"fc": score})["fc"]
    assert (index <= 0).sum(1).tolist() == [5] * 8
    assert (index <= 1).sum(1).tolist() == [14] * 8


def test_a_ramp_only_removes_whole_columns() -> None:
    score = torch.rand(12, 30)
    plan = plan_for(["fc"], [80], shape=Shape("column", group=4))
    alive = {"fc": torch.ones(12, 30, dtype=torch.bool)}
    for before, after in itertools.pairwise(i / 20 for i in range(21)):
        mask = plan.select({"fc": score * alive["fc"]}, 0, after, alive=alive)["fc"]
        assert not bool((mask & ~alive["fc"]).any()), (before, after)
        alive = {"fc": mask}
    assert abs(int(alive["fc"].sum()) - 72) < 8


def test_rules_override_each_other_in_order() -> None:
    config = load_config(
        None,
        {
            "levels": [60, 20],
            "shape": "block",
            "layers": [
                {"match": "*", "floor": 5},
                {"match": "fc*", "shape": "column", "group": 4},
                {"match": "fc2", "group": 8, "sparsity": [30, 10]},
            ],
        },
    )
    plan = plan_of(config, ["conv", "fc1", "fc2"])
    assert [plan.layers[n].shape.kind for n in ("conv", "fc1", "fc2")] == ["block", "column", "column"]
    assert [plan.layers[n].shape.group for n in ("conv", "fc1", "fc2")] == [0, 4, 8]
    assert plan.layers["fc2"].sparsity == (30, 10) and plan.layers["conv"].floor == 5


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"match": "conv9"}, "'conv9' matches no layer; the model has conv, fc"),
        ({"match": "fc", "sparsity": [30]}, "'fc' gives 1 sparsities for 2 levels"),
    ],
)
def test_rules_that_do_not_fit_are_refused(rule: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_of(load_config(None, {"levels": [60, 20], "layers": [rule]}), ["conv", "fc"])


def test_a_layer_cannot_be_sparser_at_a_denser_level() -> None:
    with pytest.raises(ConfigError, match="20 % follows 10 %, but a layer can't be sparser at a denser level"):
        load_config(None, {"layers": [{"match": "fc", "sparsity": [10, 20, 0]}]})
