"""Masks and sensitivities of a run, the numbers against their definition."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from matplotlib import image

from swtrain.cli import main
from swtrain.config import TrainConfig, parse_config
from swtrain.datasets import Dataset
from swtrain.errors import ConfigError
from swtrain.evaluate import evaluate
from swtrain.pictures import masks_picture, pictures, sensitivity
from swtrain.runs import load_run
from swtrain.train import train


@pytest.fixture
def trained(tiny: Dataset, tiny_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("swtrain.pictures.load_dataset", lambda *_: tiny)
    values = {"strategy": "sw-train", "epochs": {"dense": 6}, "levels": [80, 30]}
    train(parse_config(tiny_config.to_dict() | values), tmp_path)
    return tmp_path


def test_the_files_of_a_run_are_drawn(trained: Path) -> None:
    done = CliRunner().invoke(main, ["plot", str(trained)])
    assert done.exit_code == 0 and "masks.png" in done.output.replace("\n", "")
    for name in ("masks.png", "sensitivity.png"):
        assert np.ptp(image.imread(trained / name)) > 0.9
    curves = json.loads((trained / "sensitivity.json").read_text())
    assert list(curves) == ["conv1", "conv2", "fc1", "fc2", "fc3"]


def test_sensitivity_cuts_one_layer_alone(trained: Path, tiny: Dataset) -> None:
    nested, _, _ = load_run(trained)
    before = {name: nested.weight(name).detach().clone() for name in nested.names}
    curves = sensitivity(nested, tiny.test, 8, cuts=[20, 75])
    for name, weight in before.items():
        assert torch.equal(nested.weight(name), weight)
        assert [round(absent) for absent, _ in curves[name]] == [30, 75], "20 % is absent already"
    nested.set_active_level_(1)
    assert {curve[0][1] for curve in curves.values()} == {evaluate(nested, tiny.test)}
    weight = nested.weight("fc1")
    kept = weight.detach().abs().flatten().topk(round(0.25 * weight.numel())).indices
    cut = torch.zeros(weight.numel())
    cut[kept] = weight.detach().flatten()[kept]
    with torch.no_grad():
        weight.copy_(cut.reshape(weight.shape))
    assert curves["fc1"][1][1] == evaluate(nested, tiny.test)


def test_masks_show_each_weight_in_the_shade_of_its_level(trained: Path, tmp_path: Path) -> None:
    nested, _, _ = load_run(trained)
    first = masks_picture(nested)
    assert first == masks_picture(nested)
    other = {name: part.clone() for name, part in nested.level_index.items()}
    swapped = other["fc3"].flatten()
    swapped[:] = torch.cat([torch.zeros(420), torch.full((420,), 255)]).to(torch.uint8)
    nested.set_level_index_(other)
    assert masks_picture(nested) != first


def test_a_run_that_holds_nothing_out_is_refused(tiny: Dataset, tiny_config: TrainConfig, tmp_path: Path) -> None:
    values = {"validation": 0, "strategy": "sw-train", "epochs": {"dense": 1}}
    train(parse_config(tiny_config.to_dict() | values), tmp_path)
    with pytest.raises(ConfigError, match="measured on held-out examples, but the run has validation 0"):
        pictures(tmp_path)
