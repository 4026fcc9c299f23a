"""An ONNX model through the command line: import, plan, emit C, build, simulate, test; every mistake in one line."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from onnx_models import model, qdq, rand

from codegen.onnx_writer import to_onnx
from codegen.serialize import load_graph
from swtrain.models import build_model
from swtrain.seeded import float_graph_of, seeded_module

from .conftest import invoke
from .test_bad_input import check


@pytest.fixture(scope="module")
def lenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LeNet-5 as a user's file: torch's weights, written as ONNX."""
    torch.manual_seed(0)
    graph = float_graph_of(seeded_module(lambda: build_model("lenet5"), 1), (1, 28, 28))
    file = tmp_path_factory.mktemp("onnx") / "my-lenet.onnx"
    file.write_bytes(to_onnx(graph, 0))
    return file


def test_from_file_to_report(lenet: Path, tmp_path: Path) -> None:
    """Cut without training; every logit of the simulated ELF equals the reference."""
    run, project = tmp_path / "run", tmp_path / "project"
    options = ("--dataset", "mnist-subset", "--levels", "20", "--columns", "--mean", "0.1307", "--std", "0.3081")
    result = invoke("import", lenet, "--out", run, *options)
    assert result.exit_code == 0, result.output
    assert "next: swtrain emit-c" in result.output
    for command in (("plan", run, "--no-break-even", "--no-simulate"), ("emit-c", run, "--out", project)):
        result = invoke(*command)
        assert result.exit_code == 0, result.output
    assert invoke("build", project).exit_code == 0
    result = invoke("sim", project, "--inputs", "2", "--json", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    assert "every logit equal to the reference" in result.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["model"] == "my_lenet"
    for level, stored in zip(report["levels"], load_graph(run).levels, strict=True):
        assert level["bit_exact"] and level["n_simulated"] == 2
        assert level["accuracy_float"] == stored.accuracy_float
        assert abs(level["accuracy_device"] - level["accuracy_float"]) < 1
    result = invoke("test", run)
    assert result.exit_code == 0, result.output
    assert f"{stored.accuracy_float:.2f}" in result.output
    check(("test", run, "--level", "30"), "has the levels 20")
    check(("test", run, "--mc-dropout", "3"), "keeps no dropout")


def test_as_it_is_with_own_inputs(lenet: Path, tmp_path: Path) -> None:
    """One dense level, calibrated on an .npz; the same inputs give the same bytes."""
    x = (np.random.default_rng(0).random((20, 1, 28, 28)) * 3 - 1).astype(np.float32)
    np.savez(tmp_path / "mine.npz", x=x, y=np.zeros(20))
    for name in ("a", "b"):
        result = invoke("import", lenet, "--out", tmp_path / name, "--calibrate", tmp_path / "mine.npz")
        assert result.exit_code == 0, result.output
    graph = load_graph(tmp_path / "a")
    assert [level.name for level in graph.levels] == ["0"]
    x_in = graph.tensors["input"]
    assert [round(bound * 2.0**-x_in.frac_bits) for bound in (x_in.lo, x_in.hi)] == [-2, 2]
    assert (tmp_path / "a" / "graph.npz").read_bytes() == (tmp_path / "b" / "graph.npz").read_bytes()
    assert invoke("emit-c", tmp_path / "a", "--out", tmp_path / "p").exit_code == 0
    check(("test", tmp_path / "a"), "--dataset")


def test_quantised_model_needs_no_data(tmp_path: Path) -> None:
    """QDQ brings its ranges along, a relu that the quantiser removed comes back; two nested levels."""
    nodes = [
        *qdq("x", "xq", "s", "z"),
        ("DequantizeLinear", ("w8", "s", "zw"), "w", {}),
        ("Gemm", ("xq", "w"), "g", {"transB": 1}),
        *qdq("g", "r", "s", "z"),
        ("DequantizeLinear", ("v8", "s", "zw"), "v", {}),
        ("Gemm", ("r", "v"), "h", {"transB": 1}),
        *qdq("h", "y", "s", "zw"),
    ]
    constants = {
        "s": np.float32(0.01),
        "z": np.uint8(0),
        "zw": np.int8(0),
        "w8": np.ones((3, 8), np.int8),
        "v8": np.ones((2, 3), np.int8),
    }
    onnx.save(model((1, 8), nodes, **constants), str(tmp_path / "q.onnx"))
    result = invoke("import", tmp_path / "q.onnx", "--out", tmp_path / "run", "--levels", "50,0")
    assert result.exit_code == 0, result.output
    graph = load_graph(tmp_path / "run")
    assert [n.op.kind for n in graph.nodes] == ["fully_connected", "clip", "fully_connected", "argmax"]
    assert [graph.nnz(k) for k in range(2)] == [15, 30]
    assert invoke("emit-c", tmp_path / "run", "--out", tmp_path / "p").exit_code == 0
    assert {p.name for p in (tmp_path / "run" / "onnx").iterdir()} == {"level0.onnx", "level1.onnx"}


def test_mistakes(lenet: Path, tmp_path: Path) -> None:
    """One line each, exit 1, and no folder."""
    out, data = tmp_path / "run", ("--dataset", "mnist-subset")

    def refuse(file: Path, *words: str, options: tuple[str | Path, ...] = data) -> None:
        check(("import", file, "--out", out, *options), *words)
        assert not out.exists()

    refuse(tmp_path / "none.onnx", "does not exist")
    refuse(tmp_path, "is not a file")
    (tmp_path / "text.onnx").write_text("hello")
    refuse(tmp_path / "text.onnx", "text.onnx")
    refuse(lenet, "--dataset NAME", options=())
    refuse(lenet, "give one of them", options=(*data, "--calibrate", tmp_path / "x.npz"))
    refuse(lenet, "does not exist", options=("--calibrate", tmp_path / "x.npz"))
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 3)))
    refuse(lenet, "(N, 1, 28, 28)", options=("--calibrate", tmp_path / "x.npz"))
    np.savez(tmp_path / "x.npz", a=1, b=2)
    refuse(lenet, "call the inputs x", options=("--calibrate", tmp_path / "x.npz"))
    np.savez(tmp_path / "x.npz", x=np.full((2, 1, 28, 28), np.nan))
    refuse(lenet, "NaN", options=("--calibrate", tmp_path / "x.npz"))
    refuse(lenet, "density must increase", options=(*data, "--levels", "20,60"))
    refuse(lenet, "mean has 3 numbers for 1 channels", options=(*data, "--mean", "1,2,3"))
    refuse(lenet, "contradicts", options=(*data, "--shape", "input=1,3,28,28"))
    onnx.save(model((1, 1, 8, 8), [("Conv", ("x", "w"), "y", {})], w=rand(2, 1, 3, 3)), str(tmp_path / "c.onnx"))
    refuse(tmp_path / "c.onnx", "mnist-subset", "(1, 8, 8)", "(1, 28, 28)")
    nodes = [("LSTM", ("x", "w", "w"), "l", {"hidden_size": 4}), ("Gelu", ("l",), "y", {})]
    onnx.save(model((1, 1, 8), nodes, opset=20, w=rand(1, 16, 8)), str(tmp_path / "l.onnx"))
    refuse(tmp_path / "l.onnx", "2 nodes", "LSTM_0 (LSTM)", "Gelu_1 (Gelu)", "Supported are Add")
    for options in (("--mean", "many"), ("--shape", "28")):
        assert invoke("import", lenet, "--out", out, *options).exit_code == 2


def test_a_users_folder_stays(lenet: Path, tmp_path: Path) -> None:
    """A folder with other content, and a trained run, are not replaced; an imported one is."""
    (tmp_path / "thesis.tex").write_text("years of work")
    check(("import", lenet, "--out", tmp_path, "--dataset", "mnist-subset"), "choose another --out")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_inputs_of_another_type(tmp_path: Path) -> None:
    """Bytes as inputs: said by name."""
    proto = model((1, 4), [("Gemm", ("x", "w"), "y", {"transB": 1})], w=rand(3, 4))
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    onnx.save(proto, str(tmp_path / "u.onnx"))
    check(("import", tmp_path / "u.onnx", "--out", tmp_path / "run", "--dataset", "mnist-subset"), "UINT8")
