"""Training with rounded weights: masks stay, what is kept lies on the grid, and few bits lose less than by rounding."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swtrain.config import TrainConfig, parse_config
from swtrain.datasets import Dataset
from swtrain.evaluate import evaluate
from swtrain.export import export_graph
from swtrain.nested import NestedModel
from swtrain.progress import Progress
from swtrain.quantize import Grid, finest_grid
from swtrain.runs import load_run
from swtrain.sparsity import plan_for
from swtrain.train import train


def config_of(**values: object) -> TrainConfig:
    epochs = {"dense": 2, "prune": 1, "grow": 1, "joint": 1, "qat": 2}
    small = {"batch_size": 32, "validation": 40, "levels": [60, 20], "epochs": epochs, "qat_bits": 4}
    return parse_config(small | values)


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20).filter(any),
    st.integers(2, 16),
)
def test_the_grid_is_the_finest_that_reaches_all(values: list[float], bits: int) -> None:
    tensor = torch.tensor(values, dtype=torch.float64)
    grid = finest_grid(tensor, bits)
    most, step = 2 ** (bits - 1) - 1, 2.0**-grid.frac_bits
    assert float(tensor.abs().max()) <= most * step
    assert float(tensor.abs().max()) > most * step / 2
    assert float((grid.snap(tensor) - tensor).abs().max()) <= step / 2
    integers = grid.snap(tensor) / step
    assert torch.equal(integers, integers.round()) and float(integers.abs().max()) <= most
    assert torch.equal(grid.snap(grid.snap(tensor)), grid.snap(tensor))


def test_values_outside_go_to_the_ends_and_ties_to_even() -> None:
    found = Grid(4, 1).snap(torch.tensor([9.0, -9.0, 0.25, 0.75, -0.25]))
    assert found.tolist() == [3.5, -3.5, 0.0, 1.0, -0.0]
    assert finest_grid(torch.zeros(3), 8) == Grid(8, 0)


def test_forward_sees_rounded_weights_and_gradients_pass() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2, bias=False))
    nested = NestedModel(module, [0], plan_for(["0"], [0]))
    nested.grids = {"0": Grid(3, 2)}
    x = torch.rand(4, 3)
    weight = nested.weight("0")
    assert torch.allclose(nested(x), x @ Grid(3, 2).snap(weight.detach()).T, atol=1e-6)
    nested(x).sum().backward()
    assert weight.grad is not None and torch.allclose(weight.grad, x.sum(0).expand(2, 3))


@pytest.mark.parametrize("strategy", ["sequential", "joint", "hybrid", "sw-train", "auto"])
def test_every_strategy_ends_on_the_grid_with_the_masks_it_had(tiny: Dataset, tmp_path: Path, strategy: str) -> None:
    config = config_of(strategy=strategy, distill=0.3)
    before: dict[str, torch.Tensor] = {}

    class Watch(Progress):
        """Masks at the end of the phase before."""

        def epoch(self, label: str, loss: float, accuracies: str) -> None:
            if "4 bits  epoch 1/2" in label:
                state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
                before.update(state["nested"]["_extra_state"]["level_index"])

    nested = train(config, tmp_path, progress=Watch())
    nested.verify()
    assert set(before) == set(nested.names)
    graph = export_graph(nested, tiny, "x")
    for node in graph.nodes:
        if node.params is None:
            continue
        if strategy != "auto":  # which may keep the other candidate
            assert torch.equal(before[node.name], nested.level_index[node.name])
        weight = nested.weight(node.name).detach().numpy().astype(np.float64)
        integers = weight * 2.0**node.params.frac_bits
        assert np.array_equal(node.params.weight, integers), "the export rounds nothing"
        nonzero = np.abs(weight[weight != 0])
        step = 2.0 ** math.floor(math.log2(nonzero.min()))
        while not np.array_equal(weight / step, np.rint(weight / step)):
            step /= 2
        assert np.abs(weight / step).max() <= 7


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("at", [38, 50])  # 9 steps an epoch: in the last phase, first and second epoch
def test_a_cut_in_the_last_phase_resumes_to_the_same_bits(tmp_path: Path, at: int) -> None:
    class Cut(Progress):
        def __init__(self) -> None:
            self.left = at

        def step(self, label: str, loss: float) -> None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt

    train(config_of(average=0.9), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config_of(average=0.9), tmp_path / "cut", progress=Cut())
    train(config_of(average=0.9), tmp_path / "cut", resume=True)
    assert (tmp_path / "cut" / "model.pt").read_bytes() == (tmp_path / "whole" / "model.pt").read_bytes()


def test_three_bits_lose_less_than_by_rounding(tiny: Dataset, tmp_path: Path) -> None:
    epochs = {"dense": 8, "prune": 1, "grow": 1}
    base = {"levels": [0], "batch_size": 16, "qat_bits": 3}
    nested = train(config_of(**base, epochs=epochs), tmp_path / "plain")
    nested.grids = {name: finest_grid(nested.weight(name), 3) for name in nested.names}
    rounded = evaluate(nested.snap_(), tiny.test)
    train(config_of(**base, epochs=epochs | {"qat": 6}, lr={"dense": 4e-3, "qat": 1e-3}), tmp_path / "qat")
    trained, _, _ = load_run(tmp_path / "qat")
    assert evaluate(trained, tiny.test) > rounded + 5
