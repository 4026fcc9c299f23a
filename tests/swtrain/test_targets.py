"""Levels by what they shall reach: the sparsity that comes out is the edge, by the same measure taken independently."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from codegen.target import load_target
from swtrain.cli import main
from swtrain.config import TrainConfig, load_config
from swtrain.datasets import Dataset, hold_out
from swtrain.deploy import predict_cycles
from swtrain.errors import ConfigError
from swtrain.evaluate import evaluate
from swtrain.export import export_graph
from swtrain.progress import Progress
from swtrain.runs import load_run, make_nested, read_config
from swtrain.targets import resolve
from swtrain.train import train


class Notes(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def small_data(monkeypatch: pytest.MonkeyPatch, tiny_dataset: Dataset) -> None:
    for module in ("targets", "train", "export"):
        monkeypatch.setattr(f"swtrain.{module}.load_dataset", lambda *_: tiny_dataset)


def config_of(**values: object) -> TrainConfig:
    small = {"epochs": {"dense": 2, "prune": 1, "grow": 1}, "batch_size": 32, "validation": 100, "shape": "column"}
    return load_config(None, small | values)


def predicted_s(config: TrainConfig, dataset: Dataset) -> list[float]:
    """Latency of each level of a fresh model that is cut as `config` says."""
    torch.manual_seed(config.seed)
    nested = make_nested(config)
    scores = {name: nested.weight(name).detach().abs() for name in nested.names}
    nested.set_level_index_(nested.plan.assign(scores)).zero_never_()
    board = load_target("msp430fr5994")
    return [cycles / board.mclk_hz for cycles in predict_cycles(export_graph(nested, dataset, "x"), board)]


def test_latency_gives_the_smallest_sparsity_that_is_fast_enough(tiny_dataset: Dataset, tmp_path: Path) -> None:
    config = config_of(levels=[90, 20], targets=["latency<=0.03", ""])
    progress = Notes()
    found = resolve(config, tmp_path, False, progress)
    assert found.targets == () and found.levels_from == ("latency<=0.03", "") and found.levels[1] == 20
    assert predicted_s(found, tiny_dataset)[0] == pytest.approx(0.03, rel=0.02)
    less = found.model_copy(update={"levels": (found.levels[0] - 2, 20.0)})
    assert predicted_s(less, tiny_dataset)[0] > 0.03
    assert (
        len(progress.notes) == 1 and f"level 0: latency<=0.03 is reached at {found.levels[0]:g} %" in progress.notes[0]
    )


def test_accuracy_gives_the_largest_sparsity_that_keeps_it(tiny_dataset: Dataset, tmp_path: Path) -> None:
    config = config_of(levels=[90, 5], targets=["accuracy_drop<=3", ""], shape="unstructured")
    found = resolve(config, tmp_path, False, Progress())
    dense, _, _ = load_run(tmp_path / "dense")
    held_out = hold_out(tiny_dataset.train, 100, 0)[1]
    best = evaluate(dense, held_out)
    scores = {name: dense.weight(name).detach().abs() for name in dense.names}

    def drop(sparsity: float) -> float:
        """After keeping the largest weights of each layer."""
        nested = make_nested(config_of(levels=[sparsity], shape="unstructured"))
        nested.module.load_state_dict(dense.module.state_dict())
        nested.set_level_index_(nested.plan.assign(scores)).zero_never_()
        return best - evaluate(nested, held_out)

    assert drop(found.levels[0]) <= 3 < drop(found.levels[0] + 0.25)


@pytest.mark.slow
def test_a_resolved_run_resumes_with_its_sparsities(tmp_path: Path) -> None:
    config = config_of(levels=[90, 20], targets=["latency<=0.03", ""])
    found = resolve(config, tmp_path, False, Progress())
    train(found, tmp_path)
    progress = Notes()
    assert resolve(config, tmp_path, True, progress) == found == read_config(tmp_path)
    assert not progress.notes
    assert resolve(found, tmp_path, False, progress) == found


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["latency<=0.001", ""], r"level 0: latency<=0.001 can't be reached; at 99 % it is predicted 0\.0\d+ s"),
        (["latency<=9", ""], r"level 0: latency<=9 .* leave no room|lead to the levels"),
        (["latency<=0.03"], "targets has 1 entries for 2 levels"),
        (["speed<=3", ""], "'speed<=3' is no target; give latency<=SECONDS"),
    ],
)
def test_what_can_not_be_reached_is_said(tmp_path: Path, targets: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(config_of(levels=[90, 20], targets=targets), tmp_path, False, Progress())


def test_targets_must_be_resolved_before_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="targets are not resolved yet"):
        train(config_of(levels=[90, 20], targets=["latency<=0.03", ""]), tmp_path)


def test_the_command_resolves(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        'levels = [90, 20]\ntargets = ["latency<=0.03", ""]\nshape = "column"\nstrategy = "sw-train"\n'
        "validation = 100\n[epochs]\ndense = 1\n"
    )
    done = CliRunner().invoke(main, ["train", "--config", str(file), "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "latency<=0.03 is reached at" in done.output
