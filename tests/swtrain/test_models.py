"""LeNet-5: exact shapes and counts; the registry."""

import pytest
import torch
from torch import fx

from swtrain.errors import ConfigError
from swtrain.models import build_model, count_macs, count_weights, model_spec, prunable_layers


def test_lenet5_has_the_published_counts() -> None:
    model = build_model("lenet5")
    assert count_weights(model) == 61_470
    assert count_macs(model, model_spec("lenet5").input_shape) == 416_520
    assert sum(p.numel() for p in model.parameters()) == 61_470 + 6 + 16 + 120 + 84 + 10


def test_lenet5_has_the_named_shapes() -> None:
    shapes = {name: tuple(layer.weight.shape) for name, layer in prunable_layers(build_model("lenet5")).items()}
    assert shapes == {
        "conv1": (6, 1, 5, 5),
        "conv2": (16, 6, 5, 5),
        "fc1": (120, 400),
        "fc2": (84, 120),
        "fc3": (10, 84),
    }


def test_lenet5_is_traceable() -> None:
    model = build_model("lenet5")
    x = torch.rand(2, 1, 28, 28)
    traced = fx.symbolic_trace(model)
    assert torch.equal(traced(x), model(x))
    assert [n.target for n in traced.graph.nodes if n.op == "call_module"] == [
        "conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "flatten", "fc1", "relu3", "fc2", "relu4", "fc3",
    ]  # fmt: skip


def test_an_unknown_model_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="unknown model 'lenet': known are lenet5; did you mean 'lenet5'"):
        build_model("lenet")
