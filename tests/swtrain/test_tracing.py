"""Modules become operators: the traced network computes what torch does, and what can't be traced is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from networks import float_graph_of, seeded
from torch import Tensor, nn

from codegen import reference
from codegen.floatgraph import FloatGraph
from codegen.onnx_writer import to_onnx
from codegen.quantize import quantize
from swtrain.errors import ExportError
from swtrain.models import build_model


class _Joins(nn.Module):
    """Every way to write a sum, a concatenation, a clip and a reshape."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 1)
        self.clip, self.relu6 = nn.Hardtanh(-0.3, 0.4), nn.ReLU6()
        self.mix = nn.Conv2d(12, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.a(x), self.b(x)
        y = torch.cat([self.clip(a + b), torch.add(a, b), nn.functional.hardtanh(b, -0.2, 0.2)], dim=1)
        z = self.mix(y)
        z += z.clamp(-0.1, 0.1)
        z = self.relu6(z) + nn.functional.relu6(z)
        return z.view(z.shape[0], -1)


class _Sound(nn.Module):
    """1-D layers, and both ways to write a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv1d(3, 4, 5, stride=2, padding=4, dilation=2), nn.Conv1d(4, 6, 3, groups=2)
        self.pool, self.whole = nn.MaxPool1d(3, 2), nn.AdaptiveAvgPool1d(1)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(self.pool(torch.relu(self.norm(self.a(torch.flatten(x, 2))))))
        return self.whole(y).squeeze(2) + y.mean(dim=-1)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet5": (lambda: build_model("lenet5"), (1, 28, 28)),
    "harnet": (lambda: build_model("harnet"), (9, 1, 128)),
    "okgnet": (lambda: build_model("okgnet"), (1, 49, 10)),
    "dscnn": (lambda: build_model("dscnn"), (1, 49, 12)),
    "sqnxt23": (lambda: build_model("sqnxt23", {"width": 0.25, "size": 16}), (3, 16, 16)),
    "sqnxt23 v5": (lambda: build_model("sqnxt23", {"width": 0.125, "size": 17, "variant": "v5"}), (3, 17, 17)),
    "jasper": (lambda: build_model("jasper", {"width": 8, "b": 2}), (20, 1, 49)),
    "jasper dense": (lambda: build_model("jasper", {"width": 4, "topology": "dense"}), (20, 1, 30)),
    "joins": (_Joins, (2, 5, 6)),
    "sound": (_Sound, (3, 1, 40)),
}


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, FloatGraph, np.ndarray]:
    """A module, its float graph, and inputs."""
    make, shape = NETWORKS[request.param]
    module = seeded(make, 1)
    x = (np.random.default_rng(2).integers(0, 256, (24, *shape)) / 256).astype(np.float32)
    return module, float_graph_of(module, shape), x


def test_the_traced_network_computes_what_torch_does(case: tuple[nn.Module, FloatGraph, np.ndarray]) -> None:
    module, graph, x = case
    with torch.no_grad():
        want = module.eval()(torch.from_numpy(x)).numpy()
    got = graph.run(x, 0)["logits"]
    np.testing.assert_allclose(got, want, atol=1e-4 * np.abs(want).max(), rtol=0)


def test_the_integer_network_is_close_to_torch(case: tuple[nn.Module, FloatGraph, np.ndarray]) -> None:
    """Within 3 % of the largest logit, on the inputs that it was calibrated on."""
    _, floats, x = case
    want = floats.run(x, 0)["logits"]
    graph = quantize(floats, x)
    q = np.rint(x * 2.0 ** graph.tensors["input"].frac_bits).astype(np.int16)
    got = reference.logits(graph, q, 0) * 2.0**-graph.output.frac_bits
    assert np.abs(got - want).max() < 0.03 * np.abs(want).max()


def test_the_onnx_file_computes_the_same(case: tuple[nn.Module, FloatGraph, np.ndarray]) -> None:
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    _, graph, x = case
    (got,) = evaluator(to_onnx(graph, 0)).run(None, {"input": x[:2]})
    want = graph.run(x[:2], 0)["logits"]
    np.testing.assert_allclose(got, want, atol=1e-4 * np.abs(want).max(), rtol=0)


class _Call(nn.Module):
    """One convolution and a function behind it."""

    def __init__(self, call: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.conv, self.call = nn.Conv2d(2, 2, 1), call

    def forward(self, x: Tensor) -> object:
        return self.call(self.conv(x))


BAD: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "a constant": (lambda y: y + 1, "add is supported of two tensors of one shape only"),
    "broadcasting": (lambda y: y + y.mean((2, 3), keepdim=True), "add is supported of two tensors of one shape"),
    "a scaled sum": (lambda y: torch.add(y, y, alpha=2), "add is supported of two tensors"),
    "rows": (lambda y: torch.cat([y, y], dim=2), r"cat along an axis other than channels"),
    "a mean of rows": (lambda y: y.mean(2), "a mean is supported over all of time or space only"),
    "channels": (lambda y: y.mean(1), "a mean is supported over all of time or space only"),
    "transposed": (lambda y: torch.transpose(y, 1, 2), "transpose is not supported; supported are Conv1d, Conv2d"),
    "half flat": (lambda y: y.flatten(1, 2), "only flatten is"),
    "tanh": (torch.tanh, "tanh is not supported"),
    "one bound": (lambda y: y.clamp(min=0), "a clip needs two numbers"),
    "two results": (lambda y: (y, y), "more than one tensor"),
    "control flow": (lambda y: y if y.sum() > 0 else -y, "can't be traced"),
    "early result": (lambda y: (torch.relu(y), y)[1], "does not return what its last operator makes"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_supported_is_named(what: str) -> None:
    call, message = BAD[what]
    with pytest.raises(ExportError, match=message):
        float_graph_of(_Call(call), (2, 3, 4))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.Conv2d(2, 2, 3, padding="same")], "padding 'same'"),
        ([nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")], "reflect"),
        ([nn.Conv2d(2, 2, 1), nn.AvgPool2d(2, ceil_mode=True)], "ceil_mode"),
        ([nn.Conv2d(2, 2, 1), nn.AvgPool2d(2, divisor_override=3)], "another divisor"),
        ([nn.Conv2d(2, 2, 1), nn.MaxPool2d(3, 1, 1)], "pooling with padding"),
        ([nn.Conv2d(2, 2, 1), nn.LeakyReLU()], "LeakyReLU trains but does not deploy"),
        ([nn.Linear(4, 3)], "flatten it first"),
        ([nn.Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d(2)], "a mean is supported over all"),
        ([nn.Conv2d(3, 2, 1)], "can't run on an input of shape"),
    ],
)
def test_layers_that_are_not_supported_are_named(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        float_graph_of(nn.Sequential(*layers), (2, 3, 4))
