"""A module of the user's own with a residual sum, depthwise and dilated convolutions, from training to the MCU."""

import json
from pathlib import Path

import pytest

from codegen.emit import read_project

from .conftest import invoke

MODULE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8)
        self.depth = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.point, self.clip, self.fc = nn.Conv2d(8, 8, 1), nn.ReLU6(), nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        y = self.clip(self.point(self.depth(x)) + x)
        return self.fc(torch.cat([x, y], 1).mean((2, 3)))


def residual():
    return Net()
"""

CONFIG = """
model = "own_module:residual"
batch_size = 256
levels = [70, 30]
[epochs]
dense = 1
prune = 1
grow = 1
"""


def test_a_module_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_module.py").write_text(MODULE)
    (tmp_path / "own.toml").write_text(CONFIG)
    monkeypatch.syspath_prepend(tmp_path)
    run, project, report = tmp_path / "run", tmp_path / "project", tmp_path / "report.json"
    for command in (
        ("train", "--config", tmp_path / "own.toml", "--out", run),
        ("emit-c", run, "--out", project),
        ("build", project),
        ("sim", project, "--inputs", "2", "--json", report),
    ):
        result = invoke(*command)
        assert result.exit_code == 0, result.output
    kinds = [node.op.kind for node in read_project(project).graph.nodes]
    assert {"add", "concat", "avgpool"} <= set(kinds)
    assert not {"relu", "clip"} & set(kinds)  # all went into the clip of what comes before
    levels = json.loads(report.read_text())["levels"]
    assert [level["sparsity"] for level in levels] == [70, 30]
    for level in levels:
        assert level["bit_exact"]
        assert abs(level["accuracy_float"] - level["accuracy_device"]) < 1
