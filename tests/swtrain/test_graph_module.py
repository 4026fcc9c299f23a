"""Imported networks as torch modules: the same outputs, the same operators when traced back, trained further."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from onnx_models import model, rand
from strategies import float_graphs
from torch import nn

from codegen.affine import Affine
from codegen.floatgraph import FloatGraph
from codegen.onnx_import import lower
from codegen.onnx_reader import parse_onnx
from codegen.ops import Array, Conv2d, FullyConnected
from swtrain.config import TrainConfig
from swtrain.errors import ConfigError, OutputError
from swtrain.export import export_run
from swtrain.graph_module import Fixed, OperatorModule, PaddedConv2d, onnx_module
from swtrain.importing import RECORD
from swtrain.nested import NestedModel
from swtrain.runs import SOURCE
from swtrain.tracing import trace
from swtrain.train import load_run, train


def same(graph: FloatGraph, x: Array, module: nn.Module) -> None:
    """Module, graph, and the graph that the module is traced into, all dense, agree."""
    want = graph.run(x, 254)[graph.nodes[-1].output]
    with torch.no_grad():
        got = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    nodes = trace(NestedModel(module, (0.0,)), graph.shape)
    assert [n.op for n in nodes] == [n.op for n in graph.nodes]
    traced = FloatGraph("net", "input", graph.shape, tuple(nodes), graph.levels[:1], 8, 1.0)
    np.testing.assert_allclose(traced.run(x, 0)["logits"], want, rtol=1e-4, atol=1e-5)


@given(float_graphs())
@settings(max_examples=8)
def test_graph_and_module_agree(case: tuple[FloatGraph, Array]) -> None:
    """Sums, groups, dilation, pools, clips and zeros of any number at each edge."""
    graph, x = case
    torch.manual_seed(0)
    same(graph, x, OperatorModule(graph))


def test_a_scale_is_no_layer() -> None:
    """What stands for a batch norm or a padded average is neither trained nor pruned; the rest has its padding."""
    nodes = [
        ("AveragePool", ("x",), "a", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
        ("Relu", ("a",), "r", {}),
        ("Mul", ("r", "s"), "m", {}),
        ("Add", ("m", "r"), "d", {}),
        ("Conv", ("d", "w"), "y", {"pads": [0, 1, 1, 0]}),
    ]
    made = lower(parse_onnx(model((1, 2, 6, 6), nodes, s=rand(2, 1, 1), w=rand(3, 2, 2, 2)), "m"))
    module = OperatorModule(made.graph, made.whole)
    same(made.graph, rand(2, 2, 6, 6), module)
    assert [type(layer) for layer in module.children()] == [Fixed, nn.ReLU, Fixed, PaddedConv2d]
    assert NestedModel(module, (50.0,)).names == ("Conv_4",)
    assert not any(isinstance(n.op, Affine) for n in made.graph.nodes)


def lenet_like(folder: Path) -> Path:
    """A small network of the embedded digits as ONNX, flat input, layers with awkward names."""
    nodes = [
        ("Reshape", ("x", "image"), "i", {}),
        ("Conv", ("i", "train.weight"), "c", {"strides": [3, 3]}),
        ("Relu", ("c",), "r", {}),
        ("Flatten", ("r",), "f", {}),
        ("Gemm", ("f", "fc.weight"), "g", {"transB": 1}),
        ("Softmax", ("g",), "y", {}),
    ]
    weights = {"train.weight": rand(4, 1, 5, 5) / 5, "fc.weight": rand(10, 256) / 16}
    proto = model(("n", 784), nodes, image=np.array([-1, 1, 28, 28]), **weights)
    onnx.save(proto, str(folder / "own.onnx"))
    return folder / "own.onnx"


def test_training_starts_from_the_model(tmp_path: Path) -> None:
    """`model` names the file; the run keeps a copy of it and exports."""
    file = lenet_like(tmp_path)
    config = TrainConfig(
        model=str(file), model_options={"mean": 0.1307, "std": 0.3081}, levels=(60.0, 20.0), batch_size=512,
        epochs={"dense": 1, "prune": 1, "grow": 1}, lr={"dense": 1e-9, "prune": 1e-9, "grow": 1e-9},
    )  # fmt: skip
    train(config, tmp_path / "run")
    file.unlink()
    assert (tmp_path / "run" / SOURCE).is_file()
    nested, _, _ = load_run(tmp_path / "run")
    assert nested.names == ("train_", "fc")
    # hardly a step was made: what stays in the densest level is the model's own weight, normalised
    kept = nested.mask("fc", 1)
    np.testing.assert_allclose(
        nested.weight("fc").detach()[kept], torch.from_numpy(rand(10, 256) / 16)[kept], atol=1e-4
    )
    graph = export_run(tmp_path / "run")
    assert graph.name == "own"
    assert [type(n.op) for n in graph.nodes if n.params is not None] == [Conv2d, FullyConnected]


def test_mistakes_leave_no_folder(tmp_path: Path) -> None:
    """A missing file, an unknown option, numbers that are none."""
    config = TrainConfig(model=str(tmp_path / "none.onnx"))
    with pytest.raises(ConfigError, match=r"none\.onnx does not exist"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    file = lenet_like(tmp_path)
    wrong = [((1, 1, 8, 8), 10, "takes inputs of shape"), ((1, 784), 9, "9 outputs, .* 10 classes")]
    for shape, outputs, words in wrong:
        size = int(np.prod(shape))
        nodes = [("Flatten", ("x",), "f", {}), ("Gemm", ("f", "w"), "y", {"transB": 1})]
        onnx.save(model(shape, nodes, w=rand(outputs, size)), str(tmp_path / "other.onnx"))
        with pytest.raises(ConfigError, match=words):
            train(TrainConfig(model=str(tmp_path / "other.onnx")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="unknown options width"):
        onnx_module(file, {"width": 2})
    with pytest.raises(ConfigError, match="no number"):
        onnx_module(file, {"mean": "many"})
    with pytest.raises(ConfigError, match="std holds 0"):
        onnx_module(file, {"std": 0})


def test_open_shapes(tmp_path: Path) -> None:
    """An option says them, as on the command line."""
    onnx.save(model(("n", 1, "h", "w"), [("Conv", ("x", "w"), "y", {})], w=rand(2, 1, 3, 3)), str(tmp_path / "o.onnx"))
    with pytest.raises(ConfigError, match="dimension 2 is 'h'"):
        onnx_module(tmp_path / "o.onnx")
    made = onnx_module(tmp_path / "o.onnx", {"shape": "x=1,1,5,6"})
    assert isinstance(made, OperatorModule) and made.shape == (1, 5, 6)


def test_a_folder_of_another_run_is_left_alone(tmp_path: Path) -> None:
    """As with any model."""
    file = lenet_like(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.pt").write_text("mine")
    with pytest.raises(OutputError):
        train(TrainConfig(model=str(file)), tmp_path / "run")
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["model.pt"]
    (tmp_path / "imported").mkdir()
    (tmp_path / "imported" / RECORD).write_text("{}")
    with pytest.raises(OutputError, match="holds an imported model"):
        train(TrainConfig(model=str(file)), tmp_path / "imported")
