"""`swtrain sweep`: what it tries, what it keeps, and that processes can share a study."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from swtrain.cli import main
from swtrain.config import TrainConfig, load_config
from swtrain.datasets import Dataset
from swtrain.errors import ConfigError
from swtrain.progress import Progress
from swtrain.runs import load_run, read_config
from swtrain.sweep import Choice, parse_choice, sweep, varied

pytest.importorskip("optuna")


def config_of(**values: object) -> TrainConfig:
    small = {"epochs": {"dense": 1, "prune": 1, "grow": 1}, "batch_size": 64, "validation": 60, "levels": [60, 20]}
    return load_config(None, small | values)


def test_what_varies_is_parsed() -> None:
    assert parse_choice("shape=column|row") == Choice("shape", ("column", "row"))
    assert parse_choice("levels.0=80:98") == Choice("levels.0", (), 80, 98, True)
    assert parse_choice("lr.dense=1e-4:0.01") == Choice("lr.dense", (), 1e-4, 0.01, False)
    for wrong in ("shape", "=3", "seed=", "seed=5:5", "seed=9:2"):
        with pytest.raises(ConfigError, match="--vary"):
            parse_choice(wrong)


def test_settings_are_replaced_in_place() -> None:
    config = varied(config_of(), {"levels.0": 80, "lr.dense": 0.5, "shape": "row"})
    assert (config.levels, config.lr.dense, config.shape, config.lr.prune) == ((80, 20), 0.5, "row", 3e-3)
    for key in ("levels.7", "lr.dens", "epochs.dense.x"):
        with pytest.raises(ConfigError, match=f"--vary {key}: the config has no such setting"):
            varied(config_of(), {key: 1})
    with pytest.raises(ConfigError, match="unknown key 'shap'"):
        varied(config_of(), {"shap": "row"})


@pytest.mark.usefixtures("tiny")
def test_the_front_keeps_its_weights(tmp_path: Path) -> None:
    choices = [parse_choice("shape=column|unstructured"), parse_choice("levels.0=15:95")]
    results = sweep(config_of(), choices, tmp_path, 6, "weights", Progress())
    stored = json.loads((tmp_path / "sweep.json").read_text())
    assert stored["trials"] == [vars(result) for result in results]
    assert any(result.front for result in results)
    for result in results:
        beaten = any(
            other.accuracy >= result.accuracy
            and other.cost <= result.cost
            and (other.accuracy, other.cost) != (result.accuracy, result.cost)
            for other in results
        )
        assert result.front is not beaten
        run = tmp_path / "trials" / str(result.number)
        config = read_config(run)
        assert config.levels[0] == result.params["levels.0"] and config.shape == result.params["shape"]
        assert (run / "model.pt").exists() is result.front
        metrics = json.loads((run / "metrics.json").read_text())
        assert result.cost == sum(level["nnz"] for level in metrics["levels"]) / 2
        assert result.accuracy == sum(level["accuracy_held_out"] for level in metrics["levels"]) / 2
        if result.front:
            load_run(run)[0].verify()
    assert len(sweep(config_of(), choices, tmp_path, 1, "weights", Progress())) >= len(results)


@pytest.mark.usefixtures("tiny")
def test_a_trial_that_is_no_config_is_left_out(tmp_path: Path) -> None:
    results = sweep(config_of(), [parse_choice("levels.0=10:19")], tmp_path, 2, "weights", Progress())
    assert results == []
    assert not (tmp_path / "trials").exists()


@pytest.mark.parametrize(
    ("change", "choices", "cost", "message"),
    [
        ({"validation": 0}, ["seed=1:3"], "weights", "validation is 0"),
        ({}, [], "weights", "nothing varies"),
        ({}, ["seed=1:3"], "money", "cost 'money' is unknown; choose weights or latency"),
        ({}, ["shape=round|flat"], "weights", "shape: .*got 'round'"),
    ],
)
def test_what_can_not_be_swept_is_said(
    tmp_path: Path, change: dict[str, object], choices: list[str], cost: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        sweep(config_of(**change), [parse_choice(text) for text in choices], tmp_path, 1, cost, Progress())


@pytest.mark.slow
def test_the_command_shares_a_study_between_processes(tmp_path: Path) -> None:
    """Two processes at once: every trial has a number and a run of its own. Real digits, the embedded ones."""
    file = tmp_path / "c.toml"
    file.write_text('levels = [50]\nstrategy = "sw-train"\nvalidation = 100\nbatch_size = 512\n[epochs]\ndense = 1\n')
    arguments = ["sweep", "--config", str(file), "--vary", "levels.0=40:90", "--out", str(tmp_path / "s")]
    command = [sys.executable, "-c", "from swtrain.cli import main; main()", *arguments, "--trials", "1"]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    done = CliRunner().invoke(main, [*arguments, "--trials", "1", "--cost", "latency"], terminal_width=200)
    assert done.exit_code == 0, done.output
    assert "3 trials; the front first" in done.output
    assert {path.name for path in (tmp_path / "s" / "trials").iterdir()} == {"0", "1", "2"}


def test_latency_is_that_of_the_exported_network(
    tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swtrain.export.load_dataset", lambda *_: tiny)
    config = config_of(shape="column")
    results = sweep(config, [parse_choice("levels=30,20|95,90")], tmp_path, 4, "latency", Progress())
    seconds = {str(result.params["levels"]): result.cost for result in results}
    assert all(0.005 < cost < 0.2 for cost in seconds.values())
    if len(seconds) == 2:  # the sampler may draw one of the two each time
        assert seconds["95,90"] < 0.8 * seconds["30,20"]
