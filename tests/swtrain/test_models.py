"""Exact shapes and counts of every network; batch norm folding; the registry and factories."""

import pytest
import torch
from torch import Tensor, fx, nn

from swtrain.errors import ConfigError
from swtrain.models import (
    MODELS,
    build_model,
    count_macs,
    count_weights,
    fold_batch_norm_,
    model_spec,
    prunable_layers,
)


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
    with pytest.raises(ConfigError, match=r"unknown model 'lenet': known are .*lenet5-caffe.*; did you mean 'lenet5'"):
        build_model("lenet")


@pytest.mark.parametrize(
    ("name", "options", "shape", "weights", "macs"),
    [
        ("lenet5-caffe", {}, (1, 28, 28), 500 + 25_000 + 400_000 + 5_000, 288_000 + 1_600_000 + 400_000 + 5_000),
        ("harnet", {}, (9, 1, 128), 13_716, 324 * 129 + 1_296 * 65 + 5_184 * 33 + 6_912),
        ("harnet", {"channels": 6}, (6, 1, 128), 13_608, 216 * 129 + 1_296 * 65 + 5_184 * 33 + 6_912),
        ("okgnet", {}, (1, 49, 10), 64_736, 1_120 * 280 + 31_360 * 64 + 28_672 + 2_048 + 1_536),
        ("okgnet", {"classes": 6}, (1, 49, 10), 63_968, 1_120 * 280 + 31_360 * 64 + 28_672 + 2_048 + 768),
        ("dscnn", {}, (1, 49, 12), 21_952, 2_560 * 150 + 4 * (576 + 4_096) * 150 + 704),
        ("sqnxt23", {}, (3, 32, 32), 571_328, 13_812_992),
        ("sqnxt23", {"width": 0.5}, (3, 32, 32), 143_584, 3_564_160),
        ("jasper", {}, (20, 1, 98), 333_440, 16_338_560),
    ],
)
def test_every_network_has_its_counts(
    name: str, options: dict[str, int], shape: tuple[int, ...], weights: int, macs: int
) -> None:
    model = build_model(name, options)
    assert (count_weights(model), count_macs(model, shape)) == (weights, macs)


def test_harnet_and_okgnet_have_the_published_shapes() -> None:
    def shapes(name: str) -> list[tuple[int, ...]]:
        return [tuple(layer.weight.shape) for layer in prunable_layers(build_model(name)).values()]

    assert shapes("harnet") == [(18, 9, 1, 2), (36, 18, 1, 2), (72, 36, 1, 2), (6, 1152)]
    assert shapes("okgnet") == [(28, 1, 10, 4), (28, 28, 10, 4), (16, 1792), (128, 16), (12, 128)]


def test_squeezenext_has_23_layers_of_blocks_and_fits_its_memory() -> None:
    model = build_model("sqnxt23")
    blocks = {name.rsplit(".", 2)[0] for name in prunable_layers(model) if name.startswith("stage")}
    assert len(blocks) == 6 + 6 + 8 + 1
    assert 2 * count_weights(model) > 2**20 > 2 * (count_weights(model) * (1 - 0.5407))  # 8 Mbit, sparse
    deeper = build_model("sqnxt23", {"variant": "v5"})
    assert len({n.rsplit(".", 2)[0] for n in prunable_layers(deeper) if n.startswith("stage")}) == 2 + 4 + 14 + 1
    block = {n.removeprefix("stage2.1."): p.weight.shape for n, p in prunable_layers(model).items() if "stage2.1." in n}
    assert {n: tuple(s) for n, s in block.items()} == {
        "squeeze1.conv": (32, 64, 1, 1),
        "squeeze2.conv": (16, 32, 1, 1),
        "first.conv": (32, 16, 1, 3),
        "second.conv": (32, 32, 3, 1),
        "expand.conv": (64, 32, 1, 1),
    }


def test_jasper_adds_residuals_of_its_topology() -> None:
    plain, dense = (build_model("jasper", {"b": 3, "topology": t}) for t in ("residual", "dense"))
    assert [len(block.residuals) for block in plain.blocks] == [1, 1, 1]
    assert [len(block.residuals) for block in dense.blocks] == [1, 2, 3]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_folding_batch_norm_changes_no_output(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    x = torch.rand(2, *model_spec(name).input_shape)
    before = model(x).detach()
    names = list(prunable_layers(model))
    after = fold_batch_norm_(model)(x).detach()
    assert after.shape == (2, model_spec(name).classes)
    assert float((after - before).abs().max()) <= 1e-4 * float(before.abs().max())
    assert list(prunable_layers(model)) == names
    assert not any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in model.modules())
    fx.symbolic_trace(model)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        out: Tensor = self.bn(y) + y
        return out


def test_a_batch_norm_that_cannot_be_folded_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch norm bn must follow a convolution that nothing else reads"):
        fold_batch_norm_(Branches())


def test_a_factory_of_the_users_own_is_called_with_the_options() -> None:
    model = build_model("torch.nn:Linear", {"in_features": 3, "out_features": 2})
    assert count_weights(model) == 6


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("no.such.module:net", {}, "model no.such.module:net: cannot be imported"),
        ("torch.nn:NoSuch", {}, "model torch.nn:NoSuch: cannot be imported"),
        ("sys:path", {}, "is a list, not a function"),
        ("math:sqrt", {}, "model math:sqrt: does not take these options"),
        ("lenet5", {"width": 2}, "model lenet5: does not take these options: .*width"),
        ("platform:node", {}, "returned a str, not a torch.nn.Module"),
        ("sqnxt23", {"variant": "v9"}, "network.variant: 'v9' is unknown"),
        ("sqnxt23", {"width": 9.0}, "width 9 must be 0.125 to 4"),
        ("jasper", {"topology": "ring"}, "'ring' is unknown; known are residual and dense"),
    ],
)
def test_a_network_that_cannot_be_made_says_why(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model(name, options)
