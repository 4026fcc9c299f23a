"""`swtrain test`: figures of a run, float and integer, and the table of all recipes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from swtrain.accuracy import accuracy_table, measure, seed_runs, write_table
from swtrain.cli import main
from swtrain.config import TrainConfig, parse_config
from swtrain.datasets import Dataset
from swtrain.errors import ConfigError
from swtrain.plots import results_page
from swtrain.runs import read_config
from swtrain.train import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Dataset) -> Path:
    out = tmp_path_factory.mktemp("runs") / "small"
    config = parse_config({"levels": [60, 20], "epochs": {"dense": 8}, "strategy": "sw-train", "batch_size": 32})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("swtrain.train.load_dataset", lambda *_: tiny_dataset)
        train(parse_config(config.to_dict() | {"validation": 50}), out)
    return out


@pytest.fixture(autouse=True)
def small_data(monkeypatch: pytest.MonkeyPatch, tiny_dataset: Dataset) -> None:
    for module in ("accuracy", "export"):
        monkeypatch.setattr(f"swtrain.{module}.load_dataset", lambda *_: tiny_dataset)


def test_the_figures_are_those_of_the_run(trained: Path) -> None:
    levels, reason = measure(trained)
    metrics = json.loads((trained / "metrics.json").read_text())
    assert reason == ""
    assert [level.name for level in levels] == ["60", "20"]
    for level, row in zip(levels, metrics["levels"], strict=True):
        assert level.accuracy_float == row["accuracy_float"] > 50
        assert level.accuracy_device == pytest.approx(level.accuracy_float, abs=3)
        assert level.effective_sparsity is not None and level.effective_sparsity >= level.sparsity - 1e-9
    assert [level.name for level in measure(trained, level="20")[0]] == ["20"]
    with pytest.raises(ConfigError, match="--level 30: the run has the levels 60, 20"):
        measure(trained, level="30")


def test_the_table_keeps_other_rows(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "accuracy.json"
    file.write_text('{"other": {"1": {}}}')
    write_table([trained], file)
    table = json.loads(file.read_text())
    assert list(table) == ["other", "small"]
    row = table["small"]["60"]
    assert set(row) == {
        "sparsity", "effective_sparsity", "accuracy_float", "accuracy_device", "data", "seed", "epochs", "minutes",
        "cpu_minutes",
    }  # fmt: skip
    assert row["epochs"] == 8 and row["sparsity"] == pytest.approx(60, abs=0.01)
    file.write_text("[]")
    with pytest.raises(ConfigError, match="holds no table"):
        write_table([trained], file)


def test_the_command_prints_every_level(trained: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["test", str(trained)])
    assert result.exit_code == 0, result.output
    assert "60.00" in result.output and "device accuracy" in result.output
    result = CliRunner().invoke(main, ["test", str(trained), "--results", str(tmp_path / "a.json")])
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "README.md", "accuracy.png"}
    assert CliRunner().invoke(main, ["test", str(trained), "--results", "x", "--level", "60"]).exit_code == 2


def test_a_network_without_integer_kernels_says_why(
    tmp_path: Path, tiny_dataset: Dataset, tiny_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = tiny_config.to_dict() | {"model": f"{__name__}_net:make", "levels": [0]}
    module = type("Module", (), {"make": staticmethod(make)})
    monkeypatch.setitem(__import__("sys").modules, f"{__name__}_net", module)
    monkeypatch.setattr("swtrain.train.load_dataset", lambda *_: tiny_dataset)
    train(parse_config(values), tmp_path / "run")
    levels, reason = measure(tmp_path / "run")
    assert levels[0].accuracy_device is None and "Tanh trains but does not deploy" in reason


def make() -> object:
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Tanh())


def test_dropout_at_test_time_is_shown(trained: Path) -> None:
    done = CliRunner().invoke(main, ["test", str(trained), "--level", "20", "--mc-dropout", "3"], terminal_width=200)
    assert done.exit_code == 0 and "entropy" in done.output
    (level,) = measure(trained, level="20", passes=3)[0]
    assert level.uncertain is not None and level.uncertain.accuracy == pytest.approx(level.accuracy_float)
    refused = CliRunner().invoke(main, ["test", str(trained), "--mc-dropout", "3", "--results", "x.json"])
    assert refused.exit_code == 2


def test_several_seeds_are_one_row_with_their_mean(tmp_path: Path, tiny: Dataset) -> None:
    config = tmp_path / "small.toml"
    config.write_text(
        'levels = [60]\nstrategy = "sw-train"\nbatch_size = 32\nvalidation = 50\nseed = 4\n[epochs]\ndense = 2\n'
    )
    out, file = tmp_path / "small", tmp_path / "accuracy.json"
    command = ["train", "--config", str(config), "--out", str(out), "--seeds", "3"]
    assert CliRunner().invoke(main, command).exit_code == 0
    row = write_table([out], file)["small"]["60"]
    singles = [measure(run)[0][0] for run in (out, out / "seeds" / "5", out / "seeds" / "6")]
    assert row["seed"] == [4, 5, 6] and row["epochs"] == 2
    assert row["accuracy_device_each"] == [single.accuracy_device for single in singles]
    assert len({single.accuracy_float for single in singles}) > 1
    assert row["accuracy_float"] == pytest.approx(np.mean([single.accuracy_float for single in singles]), abs=1e-4)
    results_page(file)
    assert "| mean of 4, 5, 6 |" in (tmp_path / "README.md").read_text()

    stamp = (out / "seeds" / "5" / "model.pt").stat().st_mtime_ns
    shutil.rmtree(out / "seeds" / "6")
    assert CliRunner().invoke(main, [*command, "--resume"]).exit_code == 0
    assert (out / "seeds" / "5" / "model.pt").stat().st_mtime_ns == stamp and (
        out / "seeds" / "6" / "model.pt"
    ).exists()
    assert CliRunner().invoke(main, [*command[:-1], "1", "--overwrite"]).exit_code == 0
    assert seed_runs(out) == [out]

    other = out / "seeds" / "9"
    train(parse_config(read_config(out).to_dict() | {"seed": 9, "batch_size": 50}), other)
    with pytest.raises(ConfigError, match=r"seeds/9: differs from .* in batch_size"):
        accuracy_table([out])
