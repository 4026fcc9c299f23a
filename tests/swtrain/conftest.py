"""Shared by the tests of the trainer: a data set that trains in milliseconds, and where the real one lies."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from swtrain.config import TrainConfig, parse_config
from swtrain.datasets import Dataset, Split

for _name in ("strategies", "networks", "onnx_models"):  # importlib mode leaves sys.path alone
    if _name not in sys.modules:
        _spec = importlib.util.spec_from_file_location(_name, Path(__file__).parents[1] / f"{_name}.py")
        assert _spec is not None
        assert _spec.loader is not None
        sys.modules[_name] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_name])


def bars(count: int, seed: int) -> Split:
    """28 x 28 images with a bright bar whose row says the class: learnable in a few steps."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, count)
    x = rng.integers(0, 60, (count, 1, 28, 28)).astype(np.uint8)
    for image, label in zip(x, y, strict=True):
        image[0, 4 + 2 * label : 6 + 2 * label, 4:24] = 250
    return Split(x, y.astype(np.int64))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors gain nothing from threads, and tests share the machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_dataset() -> Dataset:
    digits = tuple(str(digit) for digit in range(10))
    return Dataset("bars", bars(300, 1), bars(100, 2), digits, 8, "bars for tests")


@pytest.fixture
def tiny(tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """`train` sees the tiny data set, whatever the config names."""
    monkeypatch.setattr("swtrain.train.load_dataset", lambda *_: tiny_dataset)
    return tiny_dataset


@pytest.fixture
def tiny_config() -> TrainConfig:
    return parse_config(
        {
            "epochs": {"dense": 2, "prune": 2, "grow": 2},
            "batch_size": 32,
            "validation": 40,
            "augment_shift": 1,
        }
    )


@pytest.fixture(scope="session")
def canonical_mnist() -> Path:
    """Folder of the canonical MNIST files."""
    root = os.environ.get("SWTRAIN_DATA")
    if not root:
        pytest.skip("SWTRAIN_DATA is not set, so the canonical MNIST files are not at hand")
    folder = Path(root) / "mnist"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist")
    return folder
