"""NestedModel: nesting, exact sparsity and shared values, over random shapes, levels and scopes."""

import itertools
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from swtrain.errors import NestingError
from swtrain.models import build_model
from swtrain.nested import NestedModel
from swtrain.sparsity import NEVER, Scope, plan_for, target_nnz

LEVELS = (60.24, 40.50, 20.70)

scopes = st.sampled_from(["layer", "global"])
sparsities = st.lists(st.integers(0, 9999).map(lambda n: n / 100), min_size=1, max_size=6, unique=True).map(
    lambda values: sorted(values, reverse=True)
)


@st.composite
def networks(draw: st.DrawFn) -> nn.Module:
    """Small stacks of layers; weights drawn from few values, so that ties and zeros are common."""
    channels = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    convolution = draw(st.booleans())
    layers: list[nn.Module] = []
    for into, out in itertools.pairwise(channels):
        layers.append(nn.Conv2d(into, out, draw(st.sampled_from([1, 3]))) if convolution else nn.Linear(into, out))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    values = draw(st.integers(1, 50))
    for layer in layers:
        assert isinstance(layer.weight, Tensor)
        drawn = torch.randint(-values, values + 1, layer.weight.shape, generator=generator)
        layer.weight.data = drawn.float() / values
    return nn.Sequential(*layers)


def scores_of(nested: NestedModel) -> dict[str, Tensor]:
    return {name: nested.weight(name).detach().abs() for name in nested.names}


def lenet(levels: tuple[float, ...] = LEVELS) -> NestedModel:
    torch.manual_seed(1)
    nested = NestedModel(build_model("lenet5"), levels)
    nested.set_level_index_(plan_for(nested.names, levels).assign(scores_of(nested)))
    return nested.zero_never_()


@settings(deadline=None, max_examples=150)
@given(networks(), sparsities, scopes)
def test_levels_are_nested_and_exact(module: nn.Module, levels: list[float], scope: Scope) -> None:
    nested = NestedModel(module, levels)
    nested.set_level_index_(plan_for(nested.names, levels, scope).assign(scores_of(nested)))
    nested.zero_never_().verify()
    for level, sparsity in enumerate(levels):
        exact = (100 - Fraction(str(sparsity))) * nested.total / 100
        assert abs(nested.nnz(level) - exact) <= 1
        weights = nested.level_weights(level)
        for name in nested.names:
            assert not weights[name][~nested.mask(name, level)].any()
            if level:
                below = nested.mask(name, level - 1)
                assert bool((nested.mask(name, level) | ~below).all())
                assert torch.equal(weights[name][below], nested.level_weights(level - 1)[name][below])


@settings(deadline=None, max_examples=100)
@given(networks(), sparsities, st.integers(1, 5), scopes)
def test_growing_keeps_what_has_entered(
    module: nn.Module, levels: list[float], given_levels: int, scope: Scope
) -> None:
    nested = NestedModel(module, levels)
    scores = scores_of(nested)
    base = plan_for(nested.names, levels, scope).assign(scores, min(given_levels, len(levels)))
    other = {name: torch.rand(score.shape) for name, score in scores.items()}
    grown = plan_for(nested.names, levels, scope).assign(other, base=base)
    for name in nested.names:
        entered = base[name] != NEVER
        assert torch.equal(grown[name][entered], base[name][entered])
    nested.set_level_index_(grown)
    for level, sparsity in enumerate(levels):
        assert nested.nnz(level) == target_nnz(sparsity, nested.total)


@settings(deadline=None, max_examples=60)
@given(networks(), sparsities)
def test_layer_scope_is_uniform(module: nn.Module, levels: list[float]) -> None:
    nested = NestedModel(module, levels)
    nested.set_level_index_(plan_for(nested.names, levels).assign(scores_of(nested)))
    for level in range(len(levels)):
        for name in nested.names:
            present, size = int(nested.mask(name, level).sum()), nested.weight(name).numel()
            slack = 1 + 0.5 * len(nested.names) * size / nested.total  # from rounding in each layer
            assert abs(present - nested.density(level) * size) <= slack


def test_global_scope_takes_the_largest_of_all_layers() -> None:
    nested = NestedModel(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), [50])
    nested.weight("0").data = torch.tensor([[9.0, -8.0], [7.0, -6.0]])
    nested.weight("1").data = torch.tensor([[5.0, -4.0], [3.0, -2.0]])
    nested.set_level_index_(plan_for(nested.names, [50], "global").assign(scores_of(nested)))
    assert [int(nested.mask(name, 0).sum()) for name in nested.names] == [4, 0]


def test_lenet_counts_of_the_papers_levels() -> None:
    nested = lenet()
    nested.verify()
    assert [nested.nnz(k) for k in range(3)] == [24_440, 36_575, 48_746]
    assert nested.density(0) == pytest.approx(0.3976, abs=1 / 61_470)


def test_the_forward_pass_masks_and_leaves_the_weights_alone() -> None:
    nested = lenet()
    stored = {name: nested.weight(name).detach().clone() for name in nested.names}
    x = torch.rand(3, 1, 28, 28)
    for level in (0, 2, 1):
        plain = build_model("lenet5")
        plain.load_state_dict(nested.module.state_dict())
        for name, weight in nested.level_weights(level).items():
            plain.get_submodule(name).weight.data = weight
        assert torch.equal(nested.set_active_level_(level)(x), plain(x))
    assert all(torch.equal(nested.weight(name), stored[name]) for name in nested.names)


def test_masked_weights_get_no_gradient() -> None:
    nested = lenet().set_active_level_(0)
    nested(torch.rand(4, 1, 28, 28)).square().sum().backward()
    for name in nested.names:
        grad = nested.weight(name).grad
        assert grad is not None
        assert not grad[~nested.mask(name, 0)].any()


def test_state_survives_saving() -> None:
    nested = lenet().set_active_level_(1)
    other = NestedModel(build_model("lenet5"), [10])
    other.load_state_dict(nested.state_dict())
    assert (other.sparsities, other.active_level) == (nested.sparsities, 1)
    for level in range(3):
        for name, weight in nested.level_weights(level).items():
            assert torch.equal(other.level_weights(level)[name], weight)


def test_a_present_weight_may_be_zero() -> None:
    nested = lenet()
    nested.weight("fc1").data[nested.mask("fc1", 0)] = 0.0
    nested.verify()


def test_verify_finds_a_weight_too_many() -> None:
    nested = lenet()
    never = (nested.level_index["fc1"] == NEVER).nonzero()[:2]
    nested.level_index["fc1"][tuple(never.T)] = 0
    with pytest.raises(NestingError, match=r"level 0: 24,442 of 61,470 .*60.24 % sparsity means 24,440"):
        nested.verify()


def test_verify_finds_a_value_outside_all_levels() -> None:
    nested = lenet()
    nested.weight("conv2").data[nested.level_index["conv2"] == NEVER] = 1e-30
    with pytest.raises(NestingError, match="conv2: 497 weights that no level contains are not zero"):
        nested.verify()


def test_verify_finds_values_that_are_not_finite() -> None:
    nested = lenet()
    nested.weight("fc3").data.view(-1)[nested.level_index["fc3"].view(-1).argmin()] = torch.nan
    with pytest.raises(NestingError, match="fc3: holds values that are not finite"):
        nested.verify()


def test_verify_finds_a_changed_shared_value(monkeypatch: pytest.MonkeyPatch) -> None:
    nested = lenet()
    honest = nested.level_weights

    def forged(level: int) -> dict[str, Tensor]:
        weights = honest(level)
        if level == 1:
            row, column = nested.mask("fc2", 0).nonzero()[0]
            weights["fc2"][row, column] = torch.nextafter(weights["fc2"][row, column], torch.tensor(9.0))
        return weights

    monkeypatch.setattr(nested, "level_weights", forged)
    with pytest.raises(NestingError, match="fc2: a weight changes its value between level 0 and 1"):
        nested.verify()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.pop("fc1"), "level index names the layers"),
        (lambda index: index.update(fc1=index["fc1"].int()), r"fc1: level index is torch.int32 .*needs uint8"),
        (lambda index: index.update(fc1=index["fc1"][:3]), r"fc1: level index is torch.uint8 \(3, 400\)"),
        (lambda index: index["fc1"].fill_(3), r"fc1: level index 3 is neither below 3 nor 255"),
    ],
)
def test_a_wrong_level_index_is_refused(change: object, message: str) -> None:
    nested = lenet()
    index = {name: part.clone() for name, part in nested.level_index.items()}
    assert callable(change)
    change(index)
    with pytest.raises(NestingError, match=message):
        nested.set_level_index_(index)


@pytest.mark.parametrize("level", [-1, 3])
def test_a_level_that_does_not_exist_is_refused(level: int) -> None:
    with pytest.raises(NestingError, match=f"level {level} does not exist; levels are 0 to 2"):
        lenet().set_active_level_(level)


def test_a_module_without_weights_is_refused() -> None:
    with pytest.raises(NestingError, match="ReLU: no convolution or fully connected layer"):
        NestedModel(nn.ReLU(), [0])
