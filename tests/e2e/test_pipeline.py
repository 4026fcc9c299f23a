"""The main job through the command line: train, emit C, build, simulate, report."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from codegen import reference
from codegen.emit import read_project
from codegen.serialize import load_graph, npz_bytes
from swtrain.datasets import load_dataset
from swtrain.deploy import quantized_inputs
from swtrain.train import load_run

from .conftest import invoke

LEVEL_KEYS = {
    "name", "sparsity", "accuracy_float", "accuracy_device", "bit_exact", "n_test", "n_simulated", "mismatches",
    "cycles", "latency_s", "energy_j", "weight_bytes", "index_bytes", "layers",
}  # fmt: skip
LAYER_KEYS = {
    "name", "encoding", "backend", "macs", "nnz", "cycles", "energy_j", "predicted_cycles", "predicted_j",
    "dense_lea_cycles", "dense_lea_j", "loses",
}  # fmt: skip
SWITCH_KEYS = {"from", "to", "bytes_written", "full_reload_bytes", "cycles", "latency_s", "energy_j"}


@pytest.fixture(scope="module")
def report(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    out = tmp_path_factory.mktemp("report") / "report.json"
    result = invoke("sim", project, "--inputs", "4", "--json", out)
    assert result.exit_code == 0, result.output
    assert "every logit equal" in result.output
    with Image.open(out.with_suffix(".png")) as picture:
        assert picture.width > 800
    return json.loads(out.read_text())


def test_report_has_the_schema(report: dict) -> None:
    """Names and types that others rely on."""
    assert report["schema"] == 1
    assert {"model", "target", "dataset", "levels", "switches", "assumptions", "run"} <= set(report)
    assert {"wall_s", "mips"} <= set(report["run"])
    assert [v["sparsity"] for v in report["levels"]] == [60.24, 40.5, 20.7]
    for level in report["levels"]:
        assert set(level) >= LEVEL_KEYS
        for layer in level["layers"]:
            assert set(layer) == LAYER_KEYS
    assert len(report["switches"]) == 6
    for switch in report["switches"]:
        assert set(switch) == SWITCH_KEYS
    assert report["assumptions"]


def test_figures_fit_together(report: dict) -> None:
    """Layers add up to levels, denser levels cost more, a switch writes one word."""
    for level in report["levels"]:
        assert level["bit_exact"] is True
        assert level["n_simulated"] == 4
        assert level["mismatches"] == 0
        assert level["n_test"] == 3000
        layers = sum(layer["cycles"] for layer in level["layers"])
        assert 0 <= level["cycles"] - layers < 2000  # the step loop's own share
        assert sum(layer["energy_j"] for layer in level["layers"]) == pytest.approx(level["energy_j"], rel=1e-3)
        assert level["latency_s"] == pytest.approx(level["cycles"] / 16e6)
        assert abs(level["accuracy_device"] - level["accuracy_float"]) < 1
        assert level["index_bytes"] <= 0.52 * level["weight_bytes"]
    nnz = [sum(layer["nnz"] for layer in level["layers"]) for level in report["levels"]]
    assert nnz == [24440, 36575, 48746]
    for key in ("cycles", "energy_j", "weight_bytes"):
        values = [level[key] for level in report["levels"]]
        assert values == sorted(values)
        assert len(set(values)) == 3
    for switch in report["switches"]:
        assert switch["bytes_written"] == 2
        assert switch["cycles"] <= 60
        assert switch["full_reload_bytes"] > 70_000


def test_report_is_deterministic(project: Path, report: dict, tmp_path: Path) -> None:
    """The same inputs give the same report, in one process as in two, apart from `run`."""
    result = invoke("sim", project, "--inputs", "4", "--jobs", "1", "--json", tmp_path / "again.json")
    assert result.exit_code == 0, result.output
    again = json.loads((tmp_path / "again.json").read_text())
    again.pop("run")
    assert again == {key: value for key, value in report.items() if key != "run"}


def test_weights_in_external_memory(run_folder: Path, report: dict, tmp_path: Path) -> None:
    """The same network with all weights outside: the file is loaded by itself, the logits are the same, a wrong file
    is refused."""
    folder = tmp_path / "outside"
    for command in (
        ("emit-c", run_folder, "--out", folder, "--board", "msp430fr5994-spifram", "--external", "all"),
        ("build", folder),
        ("sim", folder, "--inputs", "1", "--jobs", "1", "--json", tmp_path / "r.json"),
    ):
        result = invoke(*command)
        assert result.exit_code == 0, result.output
        if command[0] == "emit-c":
            assert "weights_external.bin): " in result.output.replace("\n", "")
    outside = json.loads((tmp_path / "r.json").read_text())
    for inside, level in zip(report["levels"], outside["levels"], strict=True):
        assert level["accuracy_device"] == inside["accuracy_device"]
        fetched = [layer for layer in level["layers"] if layer["name"].endswith(" weights")]
        assert len(fetched) == 5
        assert all(layer["cycles"] > 0 and layer["energy_j"] > 0 for layer in fetched)
    assert any("bytes exchanged with the external memory" in a for a in outside["assumptions"])
    assert not any("bytes exchanged with the external memory" in a for a in report["assumptions"])
    sums = [sum(x["cycles"] for x in v["layers"] if x["name"].endswith(" weights")) for v in outside["levels"]]
    assert sums == sorted(sums)
    content = (folder / "weights_external.bin").read_bytes()
    (folder / "weights_external.bin").write_bytes(content[:-1] + b"?")
    result = invoke("sim", folder, "--inputs", "1")
    assert result.exit_code == 1
    assert "weights_external.bin is not the file that was emitted with the project" in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("limits", "missed"),
    [
        (("--max-latency-s", "1", "--max-energy-j", "1", "--min-accuracy", "10"), []),
        (("--max-latency-s", "0.01"), ["level 60.24", "level 40.5", "level 20.7", "max_latency_s is 0.01"]),
        (("--max-latency-s", "60.24=0.01"), ["level 60.24: latency_s"]),
        (
            ("--min-accuracy", "40.50=100", "--max-energy-j", "20.7=1e-9"),
            ["level 40.5: accuracy", "level 20.7: energy_j"],
        ),
    ],
)
def test_limits(project: Path, few: Path, limits: tuple[str, ...], missed: list[str]) -> None:
    """A missed limit is exit 1 and is named; levels that keep it are not."""
    result = invoke("sim", project, "--dataset", few, "--inputs", "1", *limits)
    assert result.exit_code == (1 if missed else 0), result.output
    lines = result.output.splitlines()
    error = next((line for line in lines if line.startswith("Error:")), "")
    for text in missed:
        assert text in error
    assert error.count("level ") == sum("level" in text for text in missed)


@pytest.mark.slow
def test_another_data_set_has_no_float_accuracy(project: Path, tmp_path: Path, mnist: str) -> None:
    """The float accuracy was measured on the training's data set; it must not stand beside another one's."""
    out = tmp_path / "r.json"
    result = invoke("sim", project, "--inputs", "1", "--dataset", "mnist", "--data", mnist, "--json", out)
    assert result.exit_code == 0, result.output
    assert [v["accuracy_float"] for v in json.loads(out.read_text())["levels"]] == [None, None, None]


@pytest.mark.parametrize("arguments", [("--max-latency-s", "fast"), ("--min-accuracy", "33=50"), ("--inputs", "0")])
def test_bad_arguments_of_sim(project: Path, arguments: tuple[str, str]) -> None:
    """One line, exit 1."""
    result = invoke("sim", project, "--inputs", "1", *arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1


def test_mismatch_names_input_layer_and_index(project: Path, few: Path, tmp_path: Path) -> None:
    """A project whose graph differs from its ELF in one weight is caught, and the layer is found."""
    broken = tmp_path / "broken"
    shutil.copytree(project, broken)
    graph = load_graph(broken)
    with np.load(broken / "graph.npz") as archive:
        arrays = {key: archive[key].copy() for key in archive.files}
    arrays["fc2.bias"][17] += 64
    (broken / "graph.npz").write_bytes(npz_bytes(arrays))
    structure = json.loads((broken / "graph.json").read_text())
    structure["arrays_sha256"] = hashlib.sha256(npz_bytes(arrays)).hexdigest()
    (broken / "graph.json").write_text(json.dumps(structure))
    assert graph.node("fc2").params is not None
    result = invoke("sim", broken, "--dataset", few, "--inputs", "2", "--jobs", "1")
    assert result.exit_code == 1
    assert "level 60.24: fc2 differs from the reference at index (17,)" in result.output


def test_onnx_agrees_with_torch(run_folder: Path) -> None:
    """Each level's ONNX file, run by onnxruntime, gives the logits of the module at that level."""
    model, config, _ = load_run(run_folder)
    data = load_dataset(config.dataset)
    x = data.to_real(data.test.x[:64])
    for level in range(model.num_levels):
        session = onnxruntime.InferenceSession(str(run_folder / "onnx" / f"level{level}.onnx"))
        (got,) = session.run(["logits"], {"input": x})
        with torch.no_grad():
            want = model.set_active_level_(level)(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(got, want, atol=1e-4)


def test_integers_follow_the_floats(run_folder: Path) -> None:
    """The reference stays close to the float network at every level: a stated tolerance, and the classes."""
    model, config, _ = load_run(run_folder)
    graph = load_graph(run_folder)
    data = load_dataset(config.dataset)
    pixels = data.test.x[:500]
    for level in range(model.num_levels):
        got = reference.logits(graph, quantized_inputs(graph, data, pixels), level) * 2.0**-graph.output.frac_bits
        with torch.no_grad():
            want = model.set_active_level_(level)(torch.from_numpy(data.to_real(pixels))).numpy()
        assert np.abs(got - want).max() < 0.05 * np.abs(want).max()
        assert np.mean(got.argmax(1) == want.argmax(1)) > 0.99


def test_a_weight_keeps_its_integer_at_every_level(project: Path) -> None:
    """What the C project stores is nested and exact."""
    graph = read_project(project).graph
    for node in graph.nodes:
        if node.params is None:
            continue
        previous = node.params.at_level(0)
        for level in range(1, len(graph.levels)):
            denser = node.params.at_level(level)
            kept = node.params.level_index <= level - 1
            assert np.array_equal(denser[kept], previous[kept])
            previous = denser
    assert [graph.nnz(k) for k in range(3)] == [24440, 36575, 48746]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize(
    "how",
    [signal.SIGKILL, *(pytest.param(s, marks=pytest.mark.slow) for s in (signal.SIGINT, signal.SIGTERM))],
)
def test_a_killed_simulation_leaves_no_process(project: Path, tmp_path: Path, how: signal.Signals) -> None:
    """Workers end with their parent, and a pipe to them closes."""
    command = [
        sys.executable,
        "-m",
        "swtrain.cli",
        "sim",
        str(project),
        "--inputs",
        "3000",
        "--json",
        str(tmp_path / "r.json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("simulating"):
                break
        time.sleep(3)  # the workers are under way
        process.send_signal(how)
        rest, _ = process.communicate(timeout=20)  # returns only when every holder of the pipe is gone
    assert process.returncode != 0
    assert "Traceback" not in rest
    assert not (tmp_path / "r.json").exists()


@pytest.mark.slow
@pytest.mark.data
def test_all_test_images_at_every_level(project: Path, tmp_path: Path, mnist: str) -> None:
    """All 10,000 test images, every level, every logit."""
    result = invoke(
        "sim", project, "--dataset", "mnist", "--data", mnist, "--inputs", "10000", "--json", tmp_path / "r.json"
    )
    assert result.exit_code == 0, result.output
    for level in json.loads((tmp_path / "r.json").read_text())["levels"]:
        assert (level["n_simulated"], level["n_test"], level["mismatches"]) == (10_000, 10_000, 0)
