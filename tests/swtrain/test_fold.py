"""Batch norms that stay until level 0 is pruned: `fold = "prune"`."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from swtrain.config import TrainConfig, parse_config
from swtrain.errors import ConfigError
from swtrain.progress import Progress
from swtrain.runs import load_run
from swtrain.train import train

WITH_NORMS = {
    "model": f"{__name__}:network",
    "levels": [80, 50, 20],
    "strategy": "sequential",
    "enter": "zero",
    "fold": "prune",
    "distill": 0.5,
    "epochs": {"dense": 1, "prune": 2, "grow": 1, "joint": 1},
    "batch_size": 64,
    "validation": 40,
    "optimizer": "adamw",
    "weight_decay": 0.01,
}


def network() -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5, stride=4, bias=False),
            bn1=nn.BatchNorm2d(6),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(6, 8, 3),
            bn2=nn.BatchNorm2d(8),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            fc=nn.Linear(128, 10),
        )
    )


def config_of(**values: object) -> TrainConfig:
    return parse_config(WITH_NORMS | values)


class Watch(Progress):
    """Stops at an optimiser step, and notes before each whether the checkpoint's model has batch norms."""

    def __init__(self, out: Path, stop: int = -1) -> None:
        self.out, self.left = out, stop
        self.norms: list[bool] = []

    def step(self, label: str, loss: float) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        if (self.out / "checkpoint.pt").exists():
            stored = torch.load(self.out / "checkpoint.pt", weights_only=True)["nested"]
            self.norms.append(any(key.endswith("running_mean") for key in stored))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("strategy", ["sequential", "hybrid"])
def test_norms_stay_until_level_0_is_pruned(tmp_path: Path, strategy: str) -> None:
    watch = Watch(tmp_path)
    nested = train(config_of(strategy=strategy), tmp_path, progress=watch)
    after_epoch = watch.norms[::5]  # 5 steps an epoch
    assert after_epoch[:3] == [True, True, False], "dense, half of the pruning, all of it"
    assert not any(isinstance(module, nn.BatchNorm2d) for module in nested.module.modules())
    nested.verify()
    again, _, metrics = load_run(tmp_path)
    x = torch.rand(5, 1, 28, 28)
    assert torch.equal(again(x), nested(x))
    assert metrics["dense_accuracy_float"] is not None


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("step", [3, 8, 12, 17])
def test_a_run_that_folds_late_resumes_to_the_same_bits(tmp_path: Path, step: int) -> None:
    train(config_of(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config_of(), tmp_path / "cut", progress=Watch(tmp_path / "cut", step))
    train(config_of(), tmp_path / "cut", resume=True)
    for name in ("model.pt", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"strategy": "joint"}, "sequential or hybrid"),
        ({"enter": "dense"}, "enter = 'zero'"),
        ({"levels": [0]}, "dense"),
    ],
)
def test_what_it_needs_is_said(values: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        config_of(**values)


def test_a_teacher_and_a_dense_model_are_folded_as_ever() -> None:
    config = config_of(teacher={"model": "lenet5", "epochs": 1})
    assert [own.fold for own in config.of_teachers()] == ["dense"]
