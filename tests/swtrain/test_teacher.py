"""A teacher of its own: trained first, in a folder inside the run, and followed by every level in every phase."""

import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from swtrain.config import TrainConfig, load_config
from swtrain.datasets import Dataset
from swtrain.ensemble import Ensemble
from swtrain.errors import ConfigError
from swtrain.evaluate import evaluate
from swtrain.models import prunable_layers
from swtrain.nested import NestedModel
from swtrain.runs import load_run, load_snapshots
from swtrain.sparsity.settings import plan_of
from swtrain.strategies import make_strategy
from swtrain.train import train

SMALL = {
    "model": "lenet5",
    "teacher": {"model": "lenet5", "epochs": 2, "lr": 0.01},
    "distill": 0.25,
    "temperature": 3.0,
    "levels": [60, 20],
    "epochs": {"dense": 1, "prune": 1, "grow": 1, "joint": 1},
    "batch_size": 64,
    "validation": 40,
}


def config_of(**values: object) -> TrainConfig:
    return load_config(None, {**SMALL, **values})


def test_the_teachers_config_is_dense_and_otherwise_the_same() -> None:
    config = config_of(seed=7, shape="column", scope="global", score="lamp", augment_shift=1)
    (teacher,) = config.of_teachers()
    assert teacher.levels == (0.0,) and not teacher.of_teachers()
    assert (teacher.seed, teacher.augment_shift, teacher.epochs.dense, teacher.lr.dense) == (7, 1, 2, 0.01)
    assert not TrainConfig().of_teachers()


def test_a_teacher_that_nothing_follows_is_refused() -> None:
    with pytest.raises(ConfigError, match="distill is 0, so nothing follows it"):
        config_of(distill=0)


@pytest.mark.parametrize("strategy", ["sequential", "joint", "hybrid", "sw-train", "auto"])
def test_every_level_follows_the_teacher_in_every_phase(strategy: str) -> None:
    """Loss of each phase against the formula, with a teacher that is none of the levels."""
    torch.manual_seed(0)
    module = nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(16, 8), fc2=nn.Linear(8, 10)))
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))
    config = config_of(strategy=strategy)
    nested = NestedModel(module, config.levels, plan_of(config, prunable_layers(module)))
    run = make_strategy(config, nested)
    run.teacher = teacher
    x, y = torch.rand(6, 1, 4, 4), torch.randint(0, 10, (6,))
    wanted = torch.softmax(teacher(x) / 3, 1)

    def follows(level: int) -> float:
        logits = nested.set_active_level_(level)(x)
        apart = (wanted * (wanted.log() - torch.log_softmax(logits / 3, 1))).sum(1).mean()
        return float((0.75 * F.cross_entropy(logits, y) + 0.25 * 9 * apart).detach())

    for phase in run.phases:
        run.begin_(phase)
        run.attach_(phase)
        loss, _ = run.loss(phase, x, y)
        levels = (0, 1) if phase.kind == "joint" else (phase.level,)
        expected = sum(follows(level) for level in levels) / len(levels)
        assert float(loss.detach()) == pytest.approx(expected, rel=1e-5), phase
        run.after_step_(phase, 1.0)
        run.end_(phase)
    assert not any(p.grad is not None for p in teacher.parameters())


@pytest.mark.usefixtures("tiny")
def test_the_teacher_is_a_run_inside_the_run(tmp_path: Path) -> None:
    train(config_of(), tmp_path)
    _, own, figures = load_run(tmp_path / "teacher" / "0")
    assert [own] == config_of().of_teachers()
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    accuracy = figures["levels"][0]["accuracy_float"]
    assert metrics["teacher"] == {"model": "lenet5", "members": 1, "epochs": 2, "accuracy_float": accuracy}
    assert metrics["run"]["wall_s"] >= figures["run"]["wall_s"]
    assert metrics["run"]["cpu_s"] >= figures["run"]["cpu_s"] > 0
    train(config_of(teacher={}, distill=0), tmp_path, overwrite=True)
    assert not list((tmp_path / "teacher").iterdir())


def test_several_teachers_teach_by_their_mean(tiny: Dataset, tmp_path: Path) -> None:
    teacher = {"model": "lenet5", "epochs": 2, "lr": 0.01, "members": 2}
    train(config_of(teacher=teacher, schedule="cosine-restarts", snapshots=True), tmp_path)
    networks = []
    for k in range(2):
        nested, own, _ = load_run(tmp_path / "teacher" / str(k))
        assert own.seed == k
        snapshots = load_snapshots(tmp_path / "teacher" / str(k))
        assert len(snapshots) == 1  # of two epochs, the first restart is at 2 * 3/7
        networks += [nested.module, *snapshots]
    x = torch.rand(5, 1, 28, 28)
    mean = sum(torch.softmax(network(x), 1) for network in networks) / 4
    ensemble = Ensemble(networks)
    assert torch.allclose(torch.softmax(ensemble(x), 1), mean, atol=1e-6)
    assert not torch.equal(networks[0](x), networks[1](x))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["teacher"]["members"] == 4
    assert metrics["teacher"]["accuracy_float"] == evaluate(ensemble, tiny.test)


def test_snapshots_need_restarts() -> None:
    with pytest.raises(ConfigError, match="snapshots are taken at restarts, which schedule 'one-cycle' lacks"):
        config_of(snapshots=True)
