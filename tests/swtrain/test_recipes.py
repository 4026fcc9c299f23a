"""Every shipped recipe trains, nests and exports: a few steps of each on random inputs of its data set's shape."""

from pathlib import Path

import numpy as np
import pytest

from swtrain.config import load_config, parse_config
from swtrain.datasets import Dataset, Split
from swtrain.export import export_run
from swtrain.runs import load_run
from swtrain.train import train

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))

SHAPES = {
    "mnist": ((1, 28, 28), 10, 8),
    "mnist-subset": ((1, 28, 28), 10, 8),
    "hapt": ((9, 1, 128), 6, 12),
    "wakewords": ((1, 49, 10), 6, 8),
    "digits": ((1, 49, 10), 10, 8),
    "cifar10-15k": ((3, 32, 32), 10, 8),
}
"""Data set to shape of an input, classes, fraction bits."""


def random_data(name: str) -> Dataset:
    """Random inputs with random labels; groups of five, as persons and clips have."""
    shape, classes, frac_bits = SHAPES[name.partition(":")[0]]
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        x = rng.integers(0, 256, (count, *shape)).astype(np.uint8 if frac_bits == 8 else np.int16)
        return Split(x, rng.integers(0, classes, count), np.arange(count) // 5)

    return Dataset(name, split(60), split(20), tuple("abcdefghij"[:classes]), frac_bits, "random")


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] if "sqnxt23" in p.stem else []) for p in CONFIGS],
)
def test_recipe_trains_and_exports(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = {"dense": 1, "prune": 2, "grow": 1, "joint": 1}
    values = load_config(path).to_dict()
    values |= {"epochs": values["epochs"] | short, "validation": 10, "batch_size": 25}
    values["teacher"] |= {"epochs": 1, "members": 1}
    config, data = parse_config(values), random_data(values["dataset"])
    for module in ("train", "export"):
        monkeypatch.setattr(f"swtrain.{module}.load_dataset", lambda *_: data)
    train(config, tmp_path / "run")
    nested, _, metrics = load_run(tmp_path / "run")
    nested.verify()
    assert [level["name"] for level in metrics["levels"]] == [f"{level:g}" for level in config.levels]
    graph = export_run(tmp_path / "run")
    assert [graph.nnz(k) for k in range(nested.num_levels)] == [nested.nnz(k) for k in range(nested.num_levels)]
