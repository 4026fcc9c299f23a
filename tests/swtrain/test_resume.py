"""A run that stops and goes on ends in the same bits; what cannot go on says why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from swtrain.config import TrainConfig, parse_config
from swtrain.errors import CheckpointError, OutputError
from swtrain.progress import Progress
from swtrain.runs import FORMAT, load_run
from swtrain.train import train

SCRIPT = Path(__file__).with_name("killable_run.py")


class Interrupt(Progress):
    """Ctrl-C at the given optimiser step (counted from 0)."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.notes: list[str] = []

    def step(self, label: str, loss: float) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: object) -> Path:
    """An uninterrupted run of the small config."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("swtrain.train.load_dataset", lambda *_: tiny_dataset)
        train(small(), out)
    return out


def small(**values: object) -> TrainConfig:
    return parse_config(
        {
            "epochs": {"dense": 2, "prune": 2, "grow": 2},
            "batch_size": 64,
            "validation": 40,
            "optimizer": "adamw",
            "weight_decay": 0.01,
        }
        | values
    )


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    "step", [3, 13, 22, 37, *(pytest.param(n, marks=pytest.mark.slow) for n in (9, 19, 29))]
)  # 5 steps an epoch, 8 epochs
def test_an_interrupted_run_ends_in_the_same_bits(whole: Path, tmp_path: Path, step: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(small(), tmp_path, progress=Interrupt(step))
    if step >= 5:
        stored = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
        assert len(stored["history"]) == step // 5  # at most the epoch that ran is lost
    train(small(), tmp_path, resume=True)
    for name in ("model.pt", "history.csv", "config.json"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()
    old, new = (json.loads((folder / "metrics.json").read_text()) for folder in (whole, tmp_path))
    assert {k: v for k, v in old.items() if k != "run"} == {k: v for k, v in new.items() if k != "run"}


@pytest.mark.usefixtures("tiny")
def test_a_run_that_lost_only_its_end_finishes(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(small(), tmp_path, progress=Interrupt(12))
    for name in ("config.json", "checkpoint.pt"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    (tmp_path / ".checkpoint.pt.left").write_bytes(b"half")
    train(small(), tmp_path, resume=True)
    assert (tmp_path / "model.pt").read_bytes() == (whole / "model.pt").read_bytes()
    assert not (tmp_path / ".checkpoint.pt.left").exists()


@pytest.mark.slow  # the tests around it interrupt one process in many places
def test_a_killed_process_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def run(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen([sys.executable, str(SCRIPT), *arguments], stdout=subprocess.PIPE, text=True)

    with run(str(tmp_path / "whole")) as process:
        assert len(list(process.stdout or ())) == 12
    with run(str(tmp_path / "killed")) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("prune to 60.24 %  epoch 2"):
                process.kill()  # SIGKILL, somewhere in writing the checkpoint or in the next epoch
                break
    assert process.returncode == -9
    assert not (tmp_path / "killed" / "metrics.json").exists()
    with run(str(tmp_path / "killed"), "--resume") as process:
        remaining = list(process.stdout or ())
    assert process.returncode == 0
    assert len(remaining) <= 12 - 4  # at least the four epochs before the kill were kept
    assert (tmp_path / "killed/model.pt").read_bytes() == (tmp_path / "whole/model.pt").read_bytes()


@pytest.mark.usefixtures("tiny")
def test_resuming_a_finished_run_changes_nothing(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir()}
    progress = Interrupt(0)
    nested = train(small(), whole, resume=True, progress=progress)
    assert {path: path.stat().st_mtime_ns for path in whole.iterdir()} == before
    assert progress.notes == [f"{whole}: this run is finished; nothing to do"]
    nested.verify()


@pytest.mark.usefixtures("tiny")
def test_another_config_is_named(whole: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config \(seed was 0 and is now 7, epochs.grow was 2 and is now 5"):
        train(small(seed=7, epochs={"dense": 2, "prune": 2, "grow": 5}), whole, resume=True)


@pytest.mark.usefixtures("tiny")
def test_nothing_to_resume_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="run: holds no run to resume; check --out"):
        train(small(), tmp_path / "run", resume=True)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def stopped(tmp_path: Path, tiny: object) -> Path:
    with pytest.raises(KeyboardInterrupt):
        train(small(), tmp_path, progress=Interrupt(12))
    return tmp_path


def test_a_checkpoint_of_another_version_is_named_with_both(stopped: Path) -> None:
    state = torch.load(stopped / "checkpoint.pt", weights_only=True)
    torch.save(state | {"format": 99}, stopped / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=f"has format version 99, this swtrain reads version {FORMAT}"):
        train(small(), stopped, resume=True)


@pytest.mark.parametrize("damage", ["empty", "junk", "half", "first part", "one bit of a tensor"])
def test_a_corrupt_checkpoint_is_an_error(stopped: Path, damage: str) -> None:
    path = stopped / "checkpoint.pt"
    whole = path.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "empty": b"",
        "junk": b"junk",
        "half": whole[:middle],
        "first part": whole[:1000] + bytes(500) + whole[1500:],
        "one bit of a tensor": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(CheckpointError, match=r"checkpoint.pt: cannot be read, the file is corrupt or not a"):
        train(small(), stopped, resume=True)


def test_a_checkpoint_that_lacks_something_is_an_error(stopped: Path) -> None:
    state = torch.load(stopped / "checkpoint.pt", weights_only=True)
    del state["history"]
    torch.save(state, stopped / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=r"is damaged \('history'\)"):
        train(small(), stopped, resume=True)


def test_a_checkpoint_of_another_torch_is_noted(stopped: Path) -> None:
    state = torch.load(stopped / "checkpoint.pt", weights_only=True)
    torch.save(state | {"torch": "1.0.0"}, stopped / "checkpoint.pt")
    progress = Interrupt(1000)
    train(small(), stopped, resume=True, progress=progress)
    assert "written with torch 1.0.0" in progress.notes[0]


def test_an_unfinished_run_cannot_be_loaded(stopped: Path) -> None:
    with pytest.raises(CheckpointError, match="the run is not finished; complete it with --resume"):
        load_run(stopped)


def test_a_folder_without_a_run_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no run \(config.json is missing\); train with --out"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"{", r"config.json: cannot be read"),
        ("config.json", b'{"levles": [0]}', r"config.json: unknown key 'levles'.*written by another swtrain"),
        ("config.json", b'{"levels": [1, 0]}', r"config.json: lacks .*augment_shift, .*written by another swtrain"),
        ("metrics.json", b"{", r"metrics.json: cannot be read"),
        ("model.pt", b"junk", r"model.pt: cannot be read, the file is corrupt"),
        ("model.pt", None, r"model.pt: does not exist"),
    ],
)
def test_a_damaged_run_names_the_file(
    whole: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_run(tmp_path)


def test_a_model_of_other_levels_is_refused(whole: Path, tmp_path: Path) -> None:
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "levels": [1, 0]}))
    with pytest.raises(CheckpointError, match=r"does not fit the model of its config|levels, the config has"):
        load_run(tmp_path)


def test_one_training_at_a_time(tmp_path: Path) -> None:
    """A second process is told, and the first goes on."""
    with FileLock(tmp_path / ".lock"), pytest.raises(OutputError, match="another process is training here"):
        train(small(), tmp_path)


def test_a_model_that_breaks_its_invariant_is_refused(whole: Path, tmp_path: Path) -> None:
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    state["nested"]["_extra_state"]["level_index"]["fc1"][:] = 0
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"model.pt: level 0: .* weights are present"):
        load_run(tmp_path)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("strategy", ["joint", "hybrid", "auto"])
@pytest.mark.parametrize("shape", ["column", pytest.param("pattern", marks=pytest.mark.slow)])
def test_every_strategy_resumes_to_the_same_bits(tmp_path: Path, strategy: str, shape: str) -> None:
    epochs = {"dense": 1, "prune": 3, "grow": 1, "joint": 2}
    config = small(strategy=strategy, shape=shape, epochs=epochs, distill=0.3, score="taylor", levels=[60, 20])
    train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "cut", progress=Interrupt(12))
    train(config, tmp_path / "cut", resume=True)
    for name in ("model.pt", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("step", [3, 7, 13])  # 5 steps an epoch: the teacher's second epoch begins at step 5
def test_a_run_with_a_teacher_resumes_to_the_same_bits(tmp_path: Path, step: int) -> None:
    teacher = {"model": "lenet5", "epochs": 2}
    config = small(teacher=teacher, distill=0.5, levels=[60, 20], epochs={"dense": 1, "prune": 1, "grow": 1})
    train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "cut", progress=Interrupt(step))
    train(config, tmp_path / "cut", resume=True)
    for name in ("model.pt", "history.csv", "teacher/0/model.pt"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
