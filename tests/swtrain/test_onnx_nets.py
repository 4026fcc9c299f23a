"""Networks that torch exports and onnxruntime quantises, imported: against onnxruntime, in float and in integers.

Bounds, in parts of the largest logit: float 1e-5; integers 0.5 % of what the imported network computes in float. A QDQ
model rounds its activations, the import does not: in 16 bits it stays within 1 % of onnxruntime, in 8 bits within 1.3
times of what the rounding costs onnxruntime itself, plus 1 %.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn

from codegen import reference
from codegen.inputs import of_examples, of_range
from codegen.ir import Graph
from codegen.onnx_import import import_onnx
from codegen.onnx_reader import read_onnx
from codegen.ops import Array
from codegen.quantize import quantize
from swtrain.models import build_model
from swtrain.seeded import seeded_module

FLOAT, INTEGERS, QDQ16, QDQ8 = 1e-5, 0.005, 0.01, 1.3


class Residual(nn.Module):
    """Two branches that meet in a sum and in a concatenation; batch norm after the sum has no layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm0 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.branch, self.norm1 = nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.BatchNorm2d(8)
        self.norm2, self.fc = nn.BatchNorm2d(8), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu6(self.norm0(self.stem(x)))
        y = torch.relu(self.norm2(x + self.norm1(self.branch(x))))
        return self.fc(torch.cat([x, y], 1).mean((2, 3)))


NETS = {
    "lenet5": (lambda: build_model("lenet5"), (1, 28, 28)),
    "harnet": (lambda: build_model("harnet"), (9, 1, 128)),
    "dscnn": (lambda: build_model("dscnn"), (1, 49, 12)),
    "residual": (Residual, (3, 12, 12)),
    "sqnxt23": (lambda: build_model("sqnxt23"), (3, 32, 32)),
    "jasper": (lambda: build_model("jasper"), (20, 1, 98)),
}


def exported(name: str, folder: Path, new: bool = False) -> tuple[Path, Array]:
    """The network as ONNX by torch's old or new exporter, and inputs for it."""
    make, shape = NETS[name]
    file, module = folder / f"{name}.onnx", seeded_module(make, 1).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {} if new else {"dynamic_axes": {"input": {0: "batch"}}}
        torch.onnx.export(module, (torch.zeros(1, *shape),), str(file), dynamo=new, input_names=["input"], **options)
    x = np.random.default_rng(0).integers(0, 256, (16, *shape)) / 256
    return file, x.astype(np.float32)


def run(file: Path, x: Array) -> Array:
    """onnxruntime's outputs, one example at a time."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": x[i : i + 1]})[0] for i in range(len(x))])


def integers(graph: Graph, x: Array) -> Array:
    """Logits of the device for real inputs, as real numbers."""
    q = np.rint(x * 2.0 ** graph.tensors[graph.input].frac_bits).astype(np.int16)
    return reference.logits(graph, q, 0) * 2.0**-graph.output.frac_bits


def far(a: Array, b: Array) -> float:
    """Largest difference in parts of the largest `b`."""
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.mark.parametrize("new", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["old", "dynamo"])
@pytest.mark.parametrize("name", [*list(NETS)[:4], *(pytest.param(n, marks=pytest.mark.slow) for n in list(NETS)[4:])])
def test_exported_by_torch(name: str, new: bool, tmp_path: Path) -> None:
    """Float as onnxruntime; integers close to it."""
    file, x = exported(name, tmp_path, new)
    made, want = import_onnx(read_onnx(file)), run(file, x)
    got = made.graph.run(made.examples(x), 0)["logits"]
    assert far(got, want) < FLOAT
    graph = quantize(of_examples(made.graph, x), made.examples(x))
    assert far(integers(graph, made.examples(x)), got) < INTEGERS


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, x: Array) -> None:
        self.left = iter([{"input": x[i : i + 1]} for i in range(len(x))])

    def get_next(self) -> Any:
        return next(self.left, None)


KINDS = {
    "uint8 per channel": (QuantType.QUInt8, QuantType.QInt8, True),
    "int8": (QuantType.QInt8, QuantType.QInt8, False),
    "int16, int8 weights per channel": (QuantType.QInt16, QuantType.QInt8, True),
    "uint16": (QuantType.QUInt16, QuantType.QInt16, False),
}
QUICK = {("lenet5", "uint8 per channel"), ("residual", "int16, int8 weights per channel"), ("residual", "int8")}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=() if (name, kind) in QUICK else pytest.mark.slow)
        for name in ("lenet5", "harnet", "dscnn", "residual", "sqnxt23")
        for kind in KINDS
    ],
)
def test_quantised_by_onnxruntime(name: str, kind: str, tmp_path: Path) -> None:
    """QDQ models: their ranges are the calibration, so that no data is needed."""
    file, x = exported(name, tmp_path)
    activations, weights, per_channel = KINDS[kind]
    quantised = tmp_path / "qdq.onnx"
    quantize_static(
        str(file),
        str(quantised),
        _Reader(x),
        quant_format=QuantFormat.QDQ,
        activation_type=activations,
        weight_type=weights,
        per_channel=per_channel,
    )
    made, want, plain = import_onnx(read_onnx(quantised)), run(quantised, x), run(file, x)
    got = made.graph.run(made.examples(x), 0)["logits"]
    graph = quantize(of_range(made.graph, *made.ranges["input"]), None, ranges=made.ranges)
    device = integers(graph, made.examples(x))
    assert far(device, got) < INTEGERS
    bound = QDQ16 if "16" in kind else QDQ16 + QDQ8 * far(want, plain)
    assert far(device, want) < bound
