"""`swtrain eval` from an ONNX file to its gate: caching, resuming, order, limits, baseline."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import Result
from onnx_models import model, rand

from swtrain.datasets import load_dataset

from .conftest import QUICK, invoke

STAGES = ["model", "project", "build", "simulate", "details"]


def config(folder: Path, extra: str = "", inputs: int = 20, name: str = "net") -> Path:
    """A small network on 40 labelled inputs, in two levels."""
    text = f"""
[model]
onnx = "net.onnx"
dataset = "mnist-subset"
levels = [50, 0]
columns = true
[simulate]
dataset = "test.npz"
inputs = {inputs}
{extra}
"""
    (folder / f"{name}.toml").write_text(text)
    return folder / f"{name}.toml"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eval")
    nodes = [
        ("MaxPool", ("x",), "p", {"kernel_shape": [4, 4], "strides": [4, 4]}),
        ("Flatten", ("p",), "f", {}),
        ("Gemm", ("f", "w", "b"), "y", {"transB": 1}),
    ]
    made = model((1, 1, 28, 28), nodes, w=rand(10, 49), b=rand(10, seed=1))  # type: ignore[arg-type]
    (folder / "net.onnx").write_bytes(made.SerializeToString())
    test = load_dataset("mnist-subset").test
    np.savez(folder / "test.npz", x=test.x[:40] / 256, y=test.y[:40])
    return folder


@pytest.fixture(scope="module")
def first(place: Path) -> Result:
    return evaluate(config(place), "--jobs", "1")


def evaluate(*arguments: str | Path) -> Result:
    """Without the page, which other tests look at."""
    return invoke("eval", *arguments, "--no-page")


def stages(place: Path, name: str = "net") -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((place / "build" / name / "eval.json").read_text())["run"]
    return found


def result(place: Path, name: str = "net") -> dict[str, object]:
    report: dict[str, object] = json.loads((place / "build" / name / "report.json").read_text())
    report.pop("run")
    return report


def test_the_whole_pipeline_once_and_not_twice(first: Result, place: Path) -> None:
    assert first.exit_code == 0, first.output
    assert stages(place)["stages_run"][:5] == STAGES
    before = (place / "build" / "net" / "report.json").read_bytes()
    again = evaluate(place / "net.toml")
    assert again.exit_code == 0, again.output
    assert stages(place)["stages_run"] == []
    assert (place / "build" / "net" / "report.json").read_bytes() == before
    levels = json.loads(before)["levels"]
    assert [v["n_simulated"] for v in levels] == [20, 20]
    assert all(v["bit_exact"] and v["n_test"] == 40 for v in levels)


def test_only_what_a_change_reaches_is_done_again(first: Result, place: Path) -> None:
    assert first.exit_code == 0
    assert evaluate(config(place, inputs=18)).exit_code == 0
    assert {"model", "project", "build", "details"} <= set(stages(place)["stages_cached"])
    generated = place / "build" / "net" / "project" / "model.c"
    generated.write_text(generated.read_text() + "\n")  # somebody edits an output
    assert evaluate(config(place)).exit_code == 0
    assert stages(place)["stages_run"][:3] == ["project", "build", "simulate"]  # a new project has no build yet
    assert {"model", "details"} <= set(stages(place)["stages_cached"])


def test_interrupted_and_in_another_order_the_report_is_the_same(
    first: Result, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, stopped after the first parts; the rest is done by one process."""
    assert first.exit_code == 0
    assert evaluate(config(place)).exit_code == 0
    expected = result(place)
    shutil.copytree(place / "build" / "net", place / "build" / "cut")
    config(place, name="cut")
    (place / "build" / "cut" / "report.json").unlink()
    from swtrain.journal import Journal

    add = Journal.add
    parts: list[tuple[int, int]] = []

    def stop(self: Journal, level: int, start: int, results: list[object]) -> None:
        add(self, level, start, results)
        parts.append((level, start))
        if len(parts) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "add", stop)
    cut = evaluate(place / "cut.toml", "--jobs", "2")
    assert cut.exit_code == 130
    assert "interrupted" in cut.output
    assert not (place / "build" / "cut" / "report.json").exists()
    resumed = evaluate(place / "cut.toml", "--jobs", "1")
    assert resumed.exit_code == 0, resumed.output
    assert "16 inferences are done" in resumed.output or "12 inferences are done" in resumed.output
    assert len(parts) == 6  # three parts of 8 inputs at each of two levels, each once
    assert len(set(parts)) == 6
    assert result(place, "cut") == expected


def test_missed_limits_exit_1_with_a_table_and_junit(first: Result, place: Path) -> None:
    assert first.exit_code == 0
    extra = '[limits]\nmax_latency_s = 1.0\nmax_fram_bytes = 100\n[limits.level."50"]\nmin_accuracy = 100'
    missed = evaluate(config(place, extra))
    assert missed.exit_code == 1
    assert "2 of 4 checks failed" in missed.output
    assert "fram_bytes" in missed.output
    root = ElementTree.parse(place / "build" / "net" / "junit.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("4", "2")
    held = evaluate(config(place, "[limits]\nmax_latency_s = 1.0"), "--junit", place / "j.xml")
    assert held.exit_code == 0
    assert ElementTree.parse(place / "j.xml").getroot().get("failures") == "0"
    unknown = evaluate(config(place, '[limits.level."30"]\nmin_accuracy = 1'))
    assert unknown.exit_code == 1
    assert "no level '30'; there are 50, 0" in unknown.output


def test_a_regression_against_the_baseline_fails(first: Result, place: Path) -> None:
    assert first.exit_code == 0
    file = config(place, '[baseline]\nfile = "baseline.json"')
    assert "--update-baseline" in evaluate(file).output
    assert evaluate(file, "--update-baseline").exit_code == 0
    assert evaluate(file).exit_code == 0
    stored = json.loads((place / "baseline.json").read_text())
    stored["figures"]["level 0"]["cycles"] /= 1.05
    stored["figures"]["program"]["code_bytes"] -= 2
    (place / "other.json").write_text(json.dumps(stored))
    worse = evaluate(file, "--baseline", place / "other.json")
    assert worse.exit_code == 1
    assert "2 of " in worse.output
    assert "code_bytes" in worse.output
    assert evaluate(config(place), "--update-baseline").exit_code == 2


def test_inputs_of_the_wrong_shape_are_one_sentence(first: Result, place: Path) -> None:
    assert first.exit_code == 0
    np.savez(place / "wide.npz", x=np.zeros((3, 1, 32, 32)), y=np.zeros(3, int))
    project = place / "build" / "net" / "project"
    wrong = invoke("sim", project, "--dataset", place / "wide.npz", "--inputs", "1")
    assert wrong.exit_code == 1
    assert "wide.npz has inputs of shape (1, 32, 32), the model takes (1, 28, 28)" in wrong.output
    measured = invoke("test", place / "build" / "net" / "run", "--dataset", place / "test.npz")
    assert measured.exit_code == 0, measured.output
    imported = invoke("import", place / "net.onnx", "--dataset", place / "test.npz", "--out", place / "x")
    assert imported.exit_code == 1
    assert "--calibrate FILE.npz" in imported.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[simulate]\ninputs = 9999", "simulate.inputs 9999: test.npz has 40 test inputs"),
        ('[simulate]\nenergy = "foo"', "no energy set 'foo'"),
        ('[emit]\ntarget = "nope"', "target 'nope' is unknown"),
        ('[emit]\ntarget = "host"', "no MCU that can be simulated"),
        ('[simulate]\ntoolchain = "icc"', "toolchain"),
        ('[harvest]\nsupply = "bench"\nperiod_s = 1\nduration_s = 2', "is no harvester"),
        ('[harvest]\nsupply = "harvest:power=1,capacitor=1"\nperiod_s = 3\nduration_s = 2', "no request"),
    ],
)
def test_mistakes_are_found_before_anything_is_made(place: Path, text: str, message: str) -> None:
    section = text.replace("[simulate]", '[simulate]\ndataset = "test.npz"')
    (place / "bad.toml").write_text(f'[model]\nonnx = "net.onnx"\ndataset = "mnist-subset"\n{section}')
    wrong = evaluate(place / "bad.toml", "--quiet")
    assert wrong.exit_code == 1
    assert message in wrong.output
    assert wrong.output.count("\n") == 1
    assert not (place / "build" / "bad").exists()


def test_a_recorded_trace_lies_beside_the_config_and_decides(first: Result, place: Path) -> None:
    """What is stored names the trace as the config does: no folder of this machine."""
    assert first.exit_code == 0
    (place / "lamp.csv").write_text("time_s,power_w\n0.0,2e-3\n0.5,0\n1.0,2e-3\n")
    section = '[harvest]\nsupply = "harvest:csv=lamp.csv,capacitor=1e-4,v_start=3.0"\nperiod_s = 0.25\nduration_s = 1'
    assert evaluate(config(place, section)).exit_code == 0
    out = place / "build" / "net"
    bright = json.loads((out / "harvest.json").read_text())
    assert bright["supply"] == "harvest:csv=lamp.csv,capacitor=1e-4,v_start=3.0"
    assert str(place) not in (out / "harvest.json").read_text()
    assert sum(bright["answered"]) == bright["requests"] == 4
    (place / "lamp.csv").write_text("time_s,power_w\n0.0,1e-9\n0.5,0\n1.0,1e-9\n")
    assert evaluate(config(place, section)).exit_code == 0
    dark = json.loads((out / "harvest.json").read_text())
    assert dark["energy"]["harvested"] < 1e-3 * bright["energy"]["harvested"]
    assert evaluate(config(place)).exit_code == 0
    assert not (out / "harvest.json").exists()


@pytest.mark.slow
def test_an_interrupted_training_goes_on_and_another_config_trains_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swtrain.progress import ConsoleProgress

    (tmp_path / "quick.toml").write_text(QUICK)
    text = (
        '[model]\ntrain = "quick.toml"\n[model.overrides]\nlevels = [60]\n"epochs.dense" = 2\n[simulate]\ninputs = 2\n'
    )
    (tmp_path / "t.toml").write_text(text)
    epochs: list[str] = []
    epoch = ConsoleProgress.epoch

    def count(self: ConsoleProgress, label: str, loss: float, accuracies: str) -> None:
        epoch(self, label, loss, accuracies)
        epochs.append(label)
        if len(epochs) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ConsoleProgress, "epoch", count)
    assert evaluate(tmp_path / "t.toml").exit_code == 130
    assert evaluate(tmp_path / "t.toml").exit_code == 0
    assert len(epochs) < 6  # 3 in all, and at most the one that was cut short again
    resumed = result(tmp_path, "t")
    epochs.append("no more interruptions")
    assert evaluate(tmp_path / "t.toml", "--fresh").exit_code == 0
    assert result(tmp_path, "t") == resumed
    before = len(epochs)
    (tmp_path / "t.toml").write_text(text.replace("inputs = 2", "inputs = 3"))
    assert evaluate(tmp_path / "t.toml").exit_code == 0
    assert len(epochs) == before
    (tmp_path / "t.toml").write_text(text.replace("[60]", "[50]"))
    assert evaluate(tmp_path / "t.toml").exit_code == 0
    assert len(epochs) > before
