"""The optimisation toolbox beyond optimisers and schedules, each part against its definition."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from swtrain.batches import ImageBatches, epoch_generator
from swtrain.config import TrainConfig, parse_config
from swtrain.datasets import Dataset, Split
from swtrain.errors import ConfigError, ExportError
from swtrain.evaluate import monte_carlo_dropout
from swtrain.export import float_graph
from swtrain.loop import Trainer
from swtrain.models import ACTIVATIONS, build_model, set_activation_
from swtrain.nested import NestedModel
from swtrain.optim import restarts
from swtrain.optim.average import WeightAverage
from swtrain.progress import Progress
from swtrain.runs import load_run, prepare_out
from swtrain.sparsity import plan_for
from swtrain.train import train
from swtrain.transfer import load_weights_


def changed(config: TrainConfig, **values: object) -> TrainConfig:
    return parse_config(config.to_dict() | values)


class Seen(Progress):
    """Counts optimiser steps."""

    def __init__(self) -> None:
        self.total, self.steps = 0, 0

    def start(self, total_steps: int, done_steps: int) -> None:
        self.total = total_steps

    def step(self, label: str, loss: float) -> None:
        self.steps += 1


def test_batches_double_over_a_phase(tiny: Dataset, tiny_config: TrainConfig, tmp_path: Path) -> None:
    """260 examples: 9 batches of 32, then 5 of 64, in each phase of two epochs."""
    seen = Seen()
    train(changed(tiny_config, batch_growth=1), tmp_path, progress=seen)
    assert seen.steps == seen.total == 4 * (9 + 5)
    batches = ImageBatches(tiny.train, 32, 0)
    sizes = [len(y) for _, y in batches.epoch(epoch_generator(0, 0, 0), 4)]
    assert sizes == [128, 128, 44] and batches.steps(4) == 3


def test_the_running_mean_is_its_formula_and_leaves_constants_alone() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = WeightAverage(0.9)
    mean = None
    frozen = module[0].bias.detach().clone()
    for t in range(1, 200):
        with torch.no_grad():
            module[0].weight.copy_(torch.randn(2, 3))
        average.update_(module)
        now = module[0].weight.detach().double()
        share = 1 - min(0.9, t / (10 + t))
        mean = now if mean is None else mean + share * (now - mean)
    before = module[0].weight.detach().clone()
    assert mean is not None
    with average.applied(module):
        assert torch.allclose(module[0].weight.detach().double(), mean, atol=1e-6)
        assert torch.equal(module[0].bias, frozen)
    assert torch.equal(module[0].weight, before)
    average.apply_(module)
    assert torch.allclose(module[0].weight.detach().double(), mean, atol=1e-6)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("strategy", ["sequential", "joint", "hybrid"])
def test_averaged_runs_keep_the_invariant_and_resume(tiny_config: TrainConfig, tmp_path: Path, strategy: str) -> None:
    config = changed(
        tiny_config, average=0.9, strategy=strategy, epochs={"dense": 2, "prune": 2, "grow": 1, "joint": 2}
    )
    train(config, tmp_path / "whole").verify()

    class Cut(Progress):
        def epoch(self, label: str, loss: float, accuracies: str) -> None:
            if label.endswith("1/2"):
                raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "cut", resume=(tmp_path / "cut").exists(), progress=Cut())
    train(config, tmp_path / "cut", resume=True)
    assert (tmp_path / "cut" / "model.pt").read_bytes() == (tmp_path / "whole" / "model.pt").read_bytes()


def test_restarts_are_those_of_the_schedule() -> None:
    assert restarts(7) == [1, 3] and restarts(14) == [2, 6] and restarts(1) == []


def test_frozen_layers_keep_their_bits_until_they_thaw(tiny: Dataset, tiny_config: TrainConfig, tmp_path: Path) -> None:
    rules = [{"match": "conv*", "until": 0.5}, {"match": "fc1"}]
    config = changed(tiny_config, freeze=rules, optimizer="adamw", weight_decay=0.1, levels=[0])
    prepare_out(tmp_path, config, resume=False, overwrite=False)
    trainer = Trainer(config, tiny, tmp_path, Progress())
    states = [{k: v.clone() for k, v in trainer.nested.module.state_dict().items()}]

    class Keep(Progress):
        def epoch(self, label: str, loss: float, accuracies: str) -> None:
            states.append({k: v.clone() for k, v in trainer.nested.module.state_dict().items()})

    trainer.progress = Keep()
    trainer.run()
    start, half, end = states
    for name in start:
        assert torch.equal(start[name], half[name]) == name.startswith(("conv", "fc1")), name
        assert torch.equal(half[name], end[name]) == name.startswith("fc1"), name


def test_running_statistics_of_frozen_layers_stand_still(tiny_dataset: Dataset, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(-999, 999, (64, 9, 1, 128)).astype(np.int16)
    split = Split(x, np.arange(64) % 6)
    data = Dataset("noise", split, split, tuple("abcdef"), 10, "noise", -(2**15), 2**15 - 1)
    rules = [{"match": "conv1"}, {"match": "bn1"}]
    config = parse_config({"model": "harnet", "levels": [0], "epochs": {"dense": 1}, "validation": 0, "freeze": rules})
    prepare_out(tmp_path, config, resume=False, overwrite=False)
    trainer = Trainer(config, data, tmp_path, Progress())
    module = trainer.nested.module
    trainer.strategy.end_ = lambda phase: None  # type: ignore[method-assign]
    phase = trainer.strategy.phases[0]
    optimizer = torch.optim.SGD(trainer.strategy.attach_(phase), lr=0.1)
    trainer._run_epoch(phase, optimizer)
    state = module.state_dict()
    assert not state["bn1.running_mean"].any() and state["bn2.running_mean"].any()


def test_a_rule_that_freezes_nothing_is_refused(tiny: Dataset, tiny_config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"freeze: 'cnv\*' matches no layer; the model has conv1, conv2, fc1"):
        Trainer(changed(tiny_config, freeze=[{"match": "cnv*"}]), tiny, tmp_path, Progress())


@pytest.mark.usefixtures("tiny")
def test_a_run_starts_from_the_weights_of_another(tiny_config: TrainConfig, tmp_path: Path) -> None:
    donor = train(tiny_config, tmp_path / "donor")
    module = build_model("lenet5")
    copied = load_weights_(module, tmp_path / "donor")
    assert "conv1.weight" in copied and "fc3.bias" in copied
    for name, weight in donor.level_weights(2).items():
        assert torch.equal(module.get_submodule(name).weight, weight)
    frozen = [{"match": "conv*"}]
    config = changed(tiny_config, init=str(tmp_path / "donor"), freeze=frozen, levels=[0], seed=5)
    nested = train(config, tmp_path / "next")
    assert torch.equal(nested.weight("conv1"), donor.level_weights(2)["conv1"])
    assert not torch.equal(nested.weight("fc3"), donor.level_weights(2)["fc3"])
    with pytest.raises(ConfigError, match="no weight of which has the name and shape"):
        load_weights_(nn.Sequential(nn.Linear(2, 2)), tmp_path / "donor")


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"relu"}))
def test_other_activations_train_and_export_says_no(
    tiny: Dataset, tiny_config: TrainConfig, tmp_path: Path, name: str
) -> None:
    nested = train(changed(tiny_config, activation=name), tmp_path)
    nested.verify()
    loaded, _, _ = load_run(tmp_path)
    kind = type(ACTIVATIONS[name]()).__name__
    assert [type(layer).__name__ for layer in loaded.module.modules()].count(kind) == 4
    with pytest.raises(ExportError, match=rf"relu1: {kind} trains but does not deploy: the device has ReLU and clips"):
        float_graph(loaded, tiny, "x")


def test_activations_inside_blocks_are_replaced() -> None:
    module = set_activation_(build_model("sqnxt23"), "elu")
    assert not any(isinstance(layer, nn.ReLU) for layer in module.modules())
    assert isinstance(module.get_submodule("stage1.0.relu"), nn.ELU)


def test_monte_carlo_dropout_is_the_mean_of_its_draws() -> None:
    """One weight, one class that wins only while the unit is kept: the mean probability is known in closed form."""
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.25), nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        module[2].weight.copy_(torch.tensor([[3.0], [0.0]]))
    nested = NestedModel(module, [0], plan_for(["2"], [0]))
    split = Split(np.full((2000, 1, 1, 1), 256, np.int16), np.zeros(2000, np.int64))
    found = monte_carlo_dropout(nested, split, 8, passes=400)
    kept = 1 / (1 + math.exp(-3 / 0.75))
    mean = 0.75 * kept + 0.25 * 0.5
    entropy = -(mean * math.log(mean) + (1 - mean) * math.log(1 - mean))
    assert found.accuracy == 100 and math.isnan(found.entropy_wrong)
    assert found.entropy == pytest.approx(entropy, abs=0.005)
    module[1].p = 0.0
    sure = monte_carlo_dropout(nested, split, 8, passes=2)
    plain = 1 / (1 + math.exp(-3))
    assert sure.entropy == pytest.approx(-(plain * math.log(plain) + (1 - plain) * math.log(1 - plain)), rel=1e-4)


def test_sensors_turn_as_a_whole() -> None:
    """Lengths and the angle between two sensors stay; no turn is larger than asked."""
    rng = np.random.default_rng(1)
    x = rng.integers(-500, 500, (64, 6, 1, 16)).astype(np.int16)
    batches = ImageBatches(Split(x, np.arange(64)), 64, 0, turn=30)
    turned, order = next(batches.epoch(epoch_generator(0, 0, 0)))
    before = torch.tensor(x[order.numpy()]).float().reshape(64, 2, 3, 16) / 256
    after = turned.reshape(64, 2, 3, 16)
    assert torch.allclose(before.norm(dim=2), after.norm(dim=2), atol=1e-4)
    dots = [(each[:, 0] * each[:, 1]).sum(1) for each in (before, after)]
    assert torch.allclose(*dots, atol=1e-3)
    cosine = torch.nn.functional.cosine_similarity(before, after, dim=2)
    assert math.cos(math.radians(30)) - 1e-5 <= cosine.min() < math.cos(math.radians(20))
    with pytest.raises(ConfigError, match="augment_turn: inputs have 1 channels, which are no triples"):
        ImageBatches(Split(x[:, :1], np.arange(64)), 8, 0, turn=10)


@pytest.mark.usefixtures("tiny")
def test_metrics_name_the_dense_accuracy(tiny_config: TrainConfig, tmp_path: Path) -> None:
    train(changed(tiny_config, levels=[0]), tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["dense_accuracy_float"] == metrics["levels"][0]["accuracy_float"]
