"""A small training run in a process of its own, for tests that kill it: `killable_run.py OUT [--resume]`."""

import sys
from unittest.mock import patch

import numpy as np

from swtrain.config import parse_config
from swtrain.datasets import Dataset, Split
from swtrain.progress import Progress
from swtrain.train import train


def noise(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, 1, 28, 28)).astype(np.uint8)
    return Split(x, rng.integers(0, 10, count).astype(np.int64))


class Lines(Progress):
    def epoch(self, label: str, loss: float, accuracy: float | None) -> None:
        print(label, flush=True)


dataset = Dataset("noise", noise(200, 1), noise(50, 2), tuple("0123456789"), 8, "noise for tests")
config = parse_config(
    {"epochs": {"dense": 3, "prune": 3, "grow": 3}, "batch_size": 20, "validation": 20, "optimizer": "adamw"}
)
with patch("swtrain.train.load_dataset", lambda *_: dataset):
    train(config, sys.argv[1], resume="--resume" in sys.argv, progress=Lines())
