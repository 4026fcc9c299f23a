"""`train`: files, figures and refusals, on a data set that trains in a moment."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from swtrain.batches import ImageBatches, epoch_generator
from swtrain.config import TrainConfig, parse_config
from swtrain.datasets import Dataset, Split, hold_out
from swtrain.errors import ConfigError, NestingError, OutputError
from swtrain.evaluate import evaluate
from swtrain.models import build_model
from swtrain.progress import ConsoleProgress
from swtrain.runs import FILES, load_run, write_atomic
from swtrain.train import train


def changed(config: TrainConfig, **values: object) -> TrainConfig:
    return parse_config(config.to_dict() | values)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("strategy", ["sequential", "sw-train"])
def test_a_run_leaves_its_files_and_can_be_loaded(tiny_config: TrainConfig, tmp_path: Path, strategy: str) -> None:
    config, out = changed(tiny_config, strategy=strategy), tmp_path / "deep" / "run"
    nested = train(config, out)
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    loaded, loaded_config, metrics = load_run(out)
    assert loaded_config == config
    assert not loaded.training
    for name in nested.names:
        assert torch.equal(loaded.weight(name), nested.weight(name))
        assert torch.equal(loaded.level_index[name], nested.level_index[name])
    assert metrics["strategy"] == strategy
    assert metrics["n_test"] == 100
    assert metrics["n_train"] + metrics["n_held_out"] == 300
    assert [level["name"] for level in metrics["levels"]] == ["60.24", "40.5", "20.7"]
    assert [level["nnz"] for level in metrics["levels"]] == [24_440, 36_575, 48_746]
    assert all(level["total"] == 61_470 for level in metrics["levels"])
    assert set(metrics["run"]) == {"wall_s", "cpu_s", "threads", "devices"}
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == metrics["epochs"] == (8 if strategy == "sequential" else 2)


def test_figures_are_those_of_the_stored_levels(tiny: Dataset, tiny_config: TrainConfig, tmp_path: Path) -> None:
    train(tiny_config, tmp_path)
    nested, _, metrics = load_run(tmp_path)
    for level, row in enumerate(metrics["levels"]):
        plain = build_model("lenet5")
        plain.load_state_dict(nested.module.state_dict())
        for name, weight in nested.level_weights(level).items():
            plain.get_submodule(name).weight.data = weight
        assert evaluate(plain, tiny.test) == row["accuracy_float"]


@pytest.mark.usefixtures("tiny")
def test_training_learns(tiny_config: TrainConfig, tmp_path: Path) -> None:
    config = changed(tiny_config, epochs={"dense": 12, "prune": 3, "grow": 1}, batch_size=16)
    train(config, tmp_path)
    assert all(level["accuracy_float"] > 90 for level in load_run(tmp_path)[2]["levels"])


@pytest.mark.usefixtures("tiny")
def test_equal_configs_give_equal_bytes_and_other_seeds_do_not(tiny_config: TrainConfig, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    for name in ("a", "b"):
        train(tiny_config, tmp_path / name)
        torch.rand(3)  # the global generator of the caller must not matter
    train(changed(tiny_config, seed=5), tmp_path / "c")
    assert (tmp_path / "a/model.pt").read_bytes() == (tmp_path / "b/model.pt").read_bytes()
    assert (tmp_path / "a/history.csv").read_bytes() == (tmp_path / "b/history.csv").read_bytes()
    assert (tmp_path / "a/model.pt").read_bytes() != (tmp_path / "c/model.pt").read_bytes()
    torch.set_rng_state(state)
    expected = torch.rand(6)
    torch.set_rng_state(state)
    torch.rand(3)
    assert torch.equal(torch.rand(3), expected[3:])


@pytest.mark.usefixtures("tiny")
def test_the_callers_generator_and_threads_are_restored(tiny_config: TrainConfig, tmp_path: Path) -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train(changed(tiny_config, levels=[0]), tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("tiny")
def test_a_run_is_not_replaced_unless_asked(tiny_config: TrainConfig, tmp_path: Path) -> None:
    config = changed(tiny_config, levels=[0])
    train(config, tmp_path)
    before = (tmp_path / "model.pt").read_bytes()
    with pytest.raises(OutputError, match="already holds a run; continue it with --resume, replace it with --over"):
        train(config, tmp_path)
    assert (tmp_path / "model.pt").read_bytes() == before
    (tmp_path / "notes.txt").write_text("mine")
    train(changed(config, seed=9), tmp_path, overwrite=True)
    assert (tmp_path / "model.pt").read_bytes() != before
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("tiny")
def test_an_output_that_cannot_be_written_is_refused_before_training(tiny_config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OutputError, match=f"{out}: cannot create the output folder: "):
            train(tiny_config, out)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_atomic(path, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OutputError, match="a: cannot write: No space left on device"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "lenet"}, "unknown model 'lenet'"),
        ({"validation": 300}, "validation holds out 300 examples, but bars has only 300"),
    ],
)
def test_a_config_that_does_not_fit_writes_nothing(
    tiny_config: TrainConfig, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(changed(tiny_config, **values), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("tiny")
def test_a_training_that_diverges_says_so(tiny_config: TrainConfig, tmp_path: Path) -> None:
    config = changed(tiny_config, levels=[0], optimizer="sgd", lr={"dense": 1e9}, schedule="constant")
    with pytest.raises(NestingError, match="values that are not finite; lower the learning rate"):
        train(config, tmp_path)
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.usefixtures("tiny")
def test_without_held_out_examples_all_are_trained_on(tiny_config: TrainConfig, tmp_path: Path) -> None:
    train(changed(tiny_config, validation=0, levels=[0]), tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["n_train"], metrics["n_held_out"]) == (300, 0)
    assert metrics["levels"][0]["accuracy_held_out"] is None


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_each_epoch(tiny_config: TrainConfig, tmp_path: Path, terminal: bool) -> None:
    with (tmp_path / "log").open("w+") as file:
        console = Console(file=file, force_terminal=terminal, width=100, color_system=None)
        train(tiny_config, tmp_path / "run", progress=ConsoleProgress(console))
        file.seek(0)
        text = file.read()
    for label in ("dense  epoch 2/2  loss", "prune to 60.24 %  epoch 1/2", "grow to 20.7 %  epoch 2/2"):
        assert label in text
    assert text.count("held-out accuracy") >= 8
    assert ("\x1b" in text) == terminal


def test_shifts_are_real_shifts() -> None:
    image = np.zeros((1, 1, 28, 28), np.uint8)
    image[0, 0, 10, 12] = 128
    batches = ImageBatches(Split(np.repeat(image, 500, 0), np.zeros(500, np.int64)), 500, 2)
    x, _ = next(batches.epoch(torch.Generator().manual_seed(0)))
    found = {(int(i) - 10, int(j) - 12) for _, _, i, j in x.nonzero()}
    assert found == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}
    assert x.sum() == 500 * 0.5


def test_a_wrapped_shift_brings_back_what_it_moves_out() -> None:
    """Every example is one of the 2 * 5 + 1 rotations of the signal, and all of them occur."""
    signal = np.arange(1, 13, dtype=np.int16).reshape(1, 1, 1, 12)
    batches = ImageBatches(Split(np.repeat(signal, 400, 0), np.zeros(400, np.int64)), 400, 5, frac_bits=0, wrap=True)
    ((x, _),) = batches.epoch(epoch_generator(0, 0, 0))
    seen = {tuple(int(v) for v in row) for row in x.reshape(400, 12)}
    assert seen == {tuple(np.roll(signal.reshape(-1), k)) for k in range(-5, 6)}


def test_without_shift_batches_are_the_images_once_each() -> None:
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (70, 1, 28, 28)).astype(np.uint8), np.arange(70))
    batches = ImageBatches(split, 32, 0)
    seen = list(batches.epoch(torch.Generator().manual_seed(0)))
    assert [len(y) for _, y in seen] == [32, 32, 6]
    assert len(batches) == 3
    order = torch.cat([y for _, y in seen]).numpy()
    assert sorted(order) == list(range(70))
    assert np.array_equal(torch.cat([x for x, _ in seen]).numpy() * 256, split.x[order])


def test_each_epoch_of_each_phase_draws_anew() -> None:
    split = Split(np.zeros((64, 1, 28, 28), np.uint8), np.arange(64))
    batches = ImageBatches(split, 64, 0)
    orders = [
        tuple(next(batches.epoch(epoch_generator(seed, phase, epoch)))[1].tolist())
        for seed, phase, epoch in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 0))
    ]
    assert len(set(orders)) == 4
    assert orders[0] == orders[4]


@pytest.mark.usefixtures("tiny")
def test_epochs_of_a_run_differ(tiny_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def draw(seed: int, phase: int, epoch: int) -> torch.Generator:
        drawn.append((seed, phase, epoch))
        return epoch_generator(seed, phase, epoch)

    monkeypatch.setattr("swtrain.loop.epoch_generator", draw)
    train(tiny_config, tmp_path)
    assert drawn == [(0, phase, epoch) for phase in range(4) for epoch in range(2)]


def test_held_out_examples_are_not_trained_on() -> None:
    split = Split(np.zeros((50, 1, 28, 28), np.uint8), np.arange(50))
    fitting, held = hold_out(split, 12, 3)
    assert len(held) == 12
    assert sorted([*fitting.y, *held.y]) == list(range(50))


@pytest.mark.usefixtures("tiny")
def test_each_epoch_says_what_every_level_reaches(tiny_config: TrainConfig, tmp_path: Path) -> None:
    epochs = {"dense": 1, "prune": 1, "grow": 1, "joint": 1}
    for strategy, counts in (("sequential", [1, 1, 2, 3]), ("hybrid", [1, 1, 3])):
        out = tmp_path / strategy
        train(changed(tiny_config, strategy=strategy, epochs=epochs), out)
        with (out / "history.csv").open() as file:
            rows = [[float(part) for part in row["held_out_levels"].split()] for row in csv.DictReader(file)]
        assert [len(row) for row in rows] == counts
        held_out = [level["accuracy_held_out"] for level in json.loads((out / "metrics.json").read_text())["levels"]]
        assert rows[-1] == pytest.approx(held_out, abs=0.01)
