"""Two processes train one model: the steps of one process, up to the order of sums."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from swtrain.config import TrainConfig, parse_config
from swtrain.parallel import Workers, launch
from swtrain.runs import load_run
from swtrain.train import train

pytest.importorskip("lightning_fabric")
pytestmark = pytest.mark.usefixtures("importable")


def small(**values: object) -> TrainConfig:
    """On the embedded digits, since new processes see no patched data set."""
    fast = {"batch_size": 512, "validation": 200, "epochs": {"dense": 1, "prune": 1, "grow": 1, "joint": 1}}
    return parse_config(fast | {"levels": [60, 20], "optimizer": "momentum", "lr": {"dense": 0.02}} | values)


TAUGHT = {"teacher": {"model": "lenet5", "epochs": 1}, "distill": 0.3, "levels": [60, 40, 20]}


@pytest.mark.slow  # the test below sends parts to two processes as well
@pytest.mark.parametrize("teaching", [{}, TAUGHT], ids=["alone", "taught"])
def test_two_processes_take_the_steps_of_one(teaching: dict[str, object], tmp_path: Path) -> None:
    config = small(strategy="joint", **teaching)
    alone = train(config, tmp_path / "1")
    both = train(config, tmp_path / "2", devices=2)
    both.verify()
    for name in alone.names:
        assert torch.allclose(alone.weight(name), both.weight(name), atol=1e-3), name
        assert float((alone.level_index[name] == both.level_index[name]).float().mean()) > 0.99
    metrics = [load_run(tmp_path / str(n))[2] for n in (1, 2)]
    assert [m["run"]["devices"] for m in metrics] == [1, 2]
    assert (tmp_path / "2" / "teacher" / "0" / "model.pt").exists() == bool(teaching)
    rows = [(tmp_path / str(n) / "history.csv").read_text().splitlines()[1].split(",") for n in (1, 2)]
    assert float(rows[0][5]) == pytest.approx(float(rows[1][5]), rel=1e-4)  # the loss


def _report(workers: Workers, folder: str) -> None:
    """What each process of the next test does: parts of five examples, their gradients, their statistics."""
    x, y = torch.arange(5.0).reshape(5, 1, 1, 1), torch.arange(5)
    mine, labels, share = workers.part(x, y)
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = mine.mean().reshape(1)
    workers.sum_gradients_([weight], share)
    norm = nn.BatchNorm1d(1)
    assert isinstance(norm.running_mean, Tensor)
    norm.running_mean.fill_(float(workers.rank))
    workers.average_statistics_(norm)
    few, _, none = workers.part(x[:1], y[:1])
    found = {
        "labels": labels,
        "gradient": weight.grad,
        "mean": norm.running_mean,
        "sums": workers.sums([1.0, float(workers.rank)]),
        "few": (len(few), none),
    }
    torch.save(found, Path(folder) / f"{workers.rank}.pt")
    workers.wait()


def test_parts_gradients_and_statistics(tmp_path: Path) -> None:
    launch(2, "cpu", _report, str(tmp_path))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert [*first["labels"], *second["labels"]] == [0, 1, 2, 3, 4]
    for found in (first, second):
        assert float(found["gradient"]) == pytest.approx(2.0)  # the mean of 0 to 4, from parts of 3 and 2
        assert float(found["mean"]) == 0.5
        assert found["sums"] == [2.0, 1.0]
    assert first["few"] == (1, 1.0) and second["few"] == (1, 0.0)
