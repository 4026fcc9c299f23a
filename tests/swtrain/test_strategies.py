"""Strategies: what is masked and frozen stays so under every optimiser; what each level is made of."""

import itertools
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from swtrain.config import TrainConfig, load_config
from swtrain.datasets import Dataset, Split
from swtrain.export import export_graph
from swtrain.models import prunable_layers
from swtrain.nested import NestedModel
from swtrain.optim import OPTIMIZERS, make_optimizer
from swtrain.sparsity import NEVER, plan_for
from swtrain.sparsity.settings import plan_of
from swtrain.strategies import Phase, make_strategy
from swtrain.strategies.admm import Admm
from swtrain.strategies.base import RAMP_STEPS, cubic_ramp
from swtrain.strategies.sequential import Sequential

STEPS = 8


def config_of(**overrides: object) -> TrainConfig:
    return load_config(None, overrides)


def network() -> nn.Module:
    """Small, for tests that need no LeNet."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(1, 4, 5, stride=4),
            relu=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(144, 20),
            fc2=nn.Linear(20, 10),
        )
    )


def bits(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().view(torch.int32)


class Run:
    """Steps through a strategy on random data and keeps what each phase left."""

    def __init__(self, config: TrainConfig, module: nn.Module | None = None) -> None:
        torch.manual_seed(0)
        self.config = config
        module = module or network()
        self.nested = NestedModel(module, config.levels, plan_of(config, prunable_layers(module)))
        self.strategy = make_strategy(config, self.nested)
        self.after: dict[str, dict[str, Tensor]] = {}

    def phase(self, phase: Phase) -> None:
        self.strategy.begin_(phase)
        optimizer = make_optimizer(self.config.optimizer, self.strategy.attach_(phase), self.config.weight_decay)
        for step in range(STEPS):
            for group in optimizer.param_groups:
                group["lr"] = 0.01
            loss, _ = self.strategy.loss(phase, torch.rand(8, 1, 28, 28), torch.randint(0, 10, (8,)))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.strategy.before_step_(phase)
            for name in self.nested.names:
                grad = self.nested.weight(name).grad
                assert grad is not None
                assert not grad[~self.strategy.trainable(name, phase)].any()
            optimizer.step()
            self.strategy.after_step_(phase, (step + 1) / STEPS)
            self.check_never_is_zero(phase)
        self.strategy.end_(phase)
        self.after[phase.name] = {n: p.detach().clone() for n, p in self.nested.module.named_parameters()}

    def check_never_is_zero(self, phase: Phase) -> None:
        for name in self.nested.names:
            assert not self.nested.weight(name)[self.nested.level_index[name] == NEVER].any(), phase

    def all(self) -> "Run":
        for phase in self.strategy.phases:
            self.phase(phase)
        return self


@pytest.mark.parametrize(
    ("optimizer", "scope"), [*((name, "layer") for name in sorted(OPTIMIZERS)), ("adam", "global")]
)
def test_sequential_freezes_each_level_bit_for_bit(optimizer: str, scope: str) -> None:
    run = Run(config_of(optimizer=optimizer, weight_decay=0.1, scope=scope)).all()
    nested = run.nested
    nested.verify()
    names = list(run.after)
    assert names == ["dense", "prune to 60.24 %", "grow to 40.5 %", "grow to 20.7 %"]
    for level, (earlier, later) in enumerate(itertools.pairwise(names[1:])):
        for name in nested.names:
            key, entered = f"{name}.weight", nested.mask(name, level)
            assert torch.equal(bits(run.after[earlier][key][entered]), bits(run.after[later][key][entered]))
            assert torch.equal(bits(run.after[earlier][f"{name}.bias"]), bits(run.after[later][f"{name}.bias"]))
            grown = nested.level_index[name] == level + 1
            assert not run.after[earlier][key][grown].any()  # absent before
            assert run.after[later][key][grown].any() or (scope == "global" and not grown.any())


def test_sequential_trains_the_new_weights_from_their_dense_values() -> None:
    run = Run(config_of())
    dense, prune, grow, _ = run.strategy.phases
    run.phase(dense)
    run.phase(prune)
    run.strategy.begin_(grow)
    for name in run.nested.names:
        new = run.nested.level_index[name] == 1
        assert torch.equal(run.nested.weight(name)[new], run.after["dense"][f"{name}.weight"][new])
    run.phase(grow)
    changed = [
        not torch.equal(
            run.nested.weight(name)[run.nested.level_index[name] == 1],
            run.after["dense"][f"{name}.weight"][run.nested.level_index[name] == 1],
        )
        for name in run.nested.names
    ]
    assert all(changed)


def test_every_denser_level_may_have_its_own_epochs() -> None:
    run = Run(config_of(epochs={"dense": 1, "prune": 1, "grow": [4, 2]}))
    assert [phase.epochs for phase in run.strategy.phases] == [1, 1, 4, 2]


def test_new_weights_that_start_from_zero_change_nothing_yet() -> None:
    run = Run(config_of(enter="zero"))
    dense, prune, grow, _ = run.strategy.phases
    run.phase(dense)
    run.phase(prune)
    x = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        before = run.nested.set_active_level_(0)(x)
    run.strategy.begin_(grow)
    with torch.no_grad():
        assert torch.equal(run.nested.set_active_level_(1)(x), before)
    run.phase(grow)
    for name in run.nested.names:
        entered = run.nested.level_index[name] == 1
        dense_weight = run.after["dense"][f"{name}.weight"].abs()
        assert run.nested.weight(name)[entered].any()
        never = run.nested.level_index[name] == NEVER
        assert dense_weight[entered].mean() > dense_weight[never].mean()  # chosen by their dense scores


def test_the_ramp_only_ever_removes_weights_and_ends_exactly() -> None:
    run = Run(config_of(levels=[90]))
    dense, prune = run.strategy.phases
    run.phase(dense)
    strategy, nested = run.strategy, run.nested
    strategy.begin_(prune)
    strategy.attach_(prune)
    previous = nested.nnz(0)
    for step in range(1, 201):
        before = {name: nested.mask(name, 0) for name in nested.names}
        strategy.after_step_(prune, step / 200)
        assert all(not bool((nested.mask(n, 0) & ~before[n]).any()) for n in nested.names)
        assert nested.nnz(0) <= previous
        previous = nested.nnz(0)
        grid = min(int(step / 200 / run.config.ramp * RAMP_STEPS) / RAMP_STEPS, 1)
        assert nested.density(0) == pytest.approx(1 - 0.9 * (1 - (1 - grid) ** 3), abs=1 / nested.total)
    assert nested.nnz(0) == round(nested.total * 0.1)
    nested.verify()


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 100))
def test_the_cubic_ramp_rises_to_its_end(a: float, b: float, final: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= cubic_ramp(low, final) <= cubic_ramp(high, final) <= final
    assert cubic_ramp(1, final) == final
    assert cubic_ramp(0, final) == 0


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_sw_train_is_the_papers_sum(scope: str) -> None:
    run = Run(config_of(strategy="sw-train", scope=scope)).all()
    nested = run.nested
    nested.verify()
    assert [phase.name for phase in run.strategy.phases] == ["dense"]
    # Rebuild the levels from the dense weights by the paper's formulas and compare bit for bit.
    torch.manual_seed(0)
    dense_run = Run(config_of(levels=[0]))
    dense_run.all()
    for name in nested.names:
        initial = dense_run.nested.weight(name).detach()
        high = initial * nested.mask(name, 0)
        medium = initial * (nested.mask(name, 1) & ~nested.mask(name, 0)) + high
        low = initial * (nested.mask(name, 2) & ~nested.mask(name, 1)) + medium
        for level, formula in enumerate((high, medium, low)):
            assert torch.equal(nested.level_weights(level)[name], formula)
            present = initial[nested.mask(name, level)].abs()
            absent = initial[~nested.mask(name, level)].abs()
            if scope == "layer":
                assert present.min() >= absent.max()


def test_a_dense_model_has_one_phase_in_both_strategies() -> None:
    for strategy in ("sequential", "sw-train"):
        run = Run(config_of(levels=[0], strategy=strategy)).all()
        assert list(run.after) == ["dense"]
        assert run.nested.density(0) == 1
        run.nested.verify()


def test_a_dense_last_level_holds_every_weight() -> None:
    run = Run(config_of(levels=[50, 0])).all()
    run.nested.verify()
    assert run.nested.nnz(1) == run.nested.total == 3_180
    assert all(bool(run.nested.weight(name).all()) for name in run.nested.names)


def test_levels_that_differ_by_no_weight_are_equal() -> None:
    run = Run(config_of(levels=[50.0001, 50, 10])).all()
    run.nested.verify()
    assert run.nested.nnz(0) == run.nested.nnz(1) < run.nested.nnz(2)


def test_other_layers_stay_frozen_while_growing() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 12), nn.LayerNorm(12), nn.Linear(12, 10))
    run = Run(config_of(levels=[50, 20]), module).all()
    for name in ("2.weight", "2.bias", "1.bias"):
        assert torch.equal(run.after["prune to 50 %"][name], run.after["grow to 20 %"][name])
        assert not torch.equal(run.after["dense"][name], run.after["prune to 50 %"][name])


def test_state_of_sequential_survives_saving() -> None:
    run = Run(config_of())
    run.phase(run.strategy.phases[0])
    other = Sequential(run.config, run.nested)
    other.load_state_dict(run.strategy.state_dict())
    for name, value in run.strategy.state_dict()["dense"].items():
        assert torch.equal(other.state_dict()["dense"][name], value)


SHAPES = ["unstructured", "row", "column", "channel", "block", "whole-block", "pattern"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strategy", ["sequential", "joint", "hybrid", "sw-train", "auto"])
def test_every_strategy_nests_in_every_shape(strategy: str, shape: str) -> None:
    config = config_of(strategy=strategy, shape=shape, block=[2, 4], group=4, distill=0.3, weight_decay=0.1)
    run = Run(config).all()
    run.nested.verify()
    assert [run.nested.density(k) for k in range(3)] == pytest.approx(config.densities, abs=0.08)
    check_integers(run.nested)


def check_integers(nested: NestedModel) -> None:
    """The exported network holds the same masks, and one integer per weight, whichever level it is seen at."""
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (40, 1, 28, 28)).astype(np.uint8), np.arange(40) % 10)
    graph = export_graph(nested, Dataset("noise", split, split, tuple("0123456789"), 8, "noise"), "x")
    assert nested.names == tuple(node.name for node in graph.nodes if node.params is not None)
    for node in graph.nodes:
        if node.params is None:
            continue
        weight = nested.weight(node.name).detach().numpy().astype(np.float64)
        rounded = np.clip(np.rint(weight * 2.0**node.params.frac_bits), -(2**15) + 1, 2**15 - 1)
        seen = np.zeros(weight.shape, bool)
        for level in range(nested.num_levels):
            mask = nested.mask(node.name, level).numpy()
            assert (mask | ~seen).all(), "nested"
            assert np.array_equal(node.params.level_index <= level, mask)
            assert np.array_equal(node.params.at_level(level), np.where(mask, rounded, 0))
            seen = mask


@pytest.mark.parametrize("strategy", ["joint", "hybrid"])
def test_joint_phases_train_every_level(strategy: str) -> None:
    run = Run(config_of(strategy=strategy, distill=0.5)).all()
    before, after = list(run.after.values())[-2:]
    for level in range(3):
        for name in run.nested.names:
            present = run.nested.level_index[name] == level
            assert not torch.equal(before[f"{name}.weight"][present], after[f"{name}.weight"][present])
        assert not torch.equal(before[f"{name}.bias"], after[f"{name}.bias"])


def test_the_sandwich_loss_is_its_formula() -> None:
    run = Run(config_of(strategy="joint", levels=[60, 20], distill=0.25, temperature=3, level_weights=[2, 1]))
    for phase in run.strategy.phases:
        run.phase(phase)
    x, y = torch.rand(6, 1, 28, 28), torch.randint(0, 10, (6,))
    loss, logits = run.strategy.loss(run.strategy.phases[1], x, y)
    dense, sparse = run.nested.set_active_level_(1)(x), run.nested.set_active_level_(0)(x)
    assert torch.equal(logits, dense)
    soft = (torch.softmax(dense / 3, 1) * (torch.log_softmax(dense / 3, 1) - torch.log_softmax(sparse / 3, 1))).sum(1)
    cross = torch.nn.functional.cross_entropy
    assert float(loss.detach()) == pytest.approx(
        float(((cross(dense, y) + 2 * (0.75 * cross(sparse, y) + 0.25 * 9 * soft.mean())) / 2).detach()), rel=1e-5
    )


@pytest.mark.parametrize("prune", ["ramp", "admm", "one-shot"])
def test_every_way_of_pruning_ends_at_the_sparsity(prune: str) -> None:
    run = Run(config_of(prune=prune, score="taylor")).all()
    run.nested.verify()


def test_admm_converges_to_the_constraint() -> None:
    """Least squares with a sparse answer: the weights approach their projection, and that solves the problem."""
    torch.manual_seed(1)
    truth = torch.zeros(1, 20)
    truth[0, [2, 7, 11]] = torch.tensor([2.0, -1.5, 1.0])
    x = torch.randn(200, 20)
    y = x @ truth.T + 0.3 * torch.randn(200, 1)
    weight = nn.Parameter(torch.zeros(1, 20))
    admm, plan = Admm(0.3), plan_for(["w"], [85])
    optimizer = torch.optim.SGD([weight], lr=0.1)
    residuals = []
    for _ in range(40):
        admm.update_({"w": weight}, lambda scores: plan.select(scores, 0))
        for _ in range(20):
            optimizer.zero_grad()
            ((x @ weight.T - y).square().mean() / 2).backward()
            admm.add_gradient_("w", weight)
            optimizer.step()
        residuals.append(admm.residual({"w": weight}))
    assert residuals[-1] < 0.01 < residuals[1]
    assert set(weight.detach()[0].abs().topk(3).indices.tolist()) == {2, 7, 11}


def test_auto_keeps_the_best_candidate() -> None:
    run = Run(config_of(strategy="auto"))
    accuracies = iter([70.0, 60.0])
    run.strategy.held_out = lambda: next(accuracies)
    names = [phase.name for phase in run.strategy.phases]
    assert names[1] == "sequential: prune to 60.24 %" and names[-1] == "hybrid: joint"
    run.all()
    run.nested.verify()
    kept = run.after["sequential: grow to 20.7 %"]
    for name in run.nested.names:
        assert torch.equal(run.nested.weight(name), kept[f"{name}.weight"])
