"""Make the MNIST subset that lies inside the package, from the canonical files.

    python -m swtrain.subset FOLDER_WITH_CANONICAL_MNIST [TARGET_FOLDER]

Takes the first images of each class, in the order of the file: training images from the training file, test
images from the test file. Same input, same bytes. The result is four IDX files compressed with xz, and
`about.json` with their SHA-256 and the rule.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .datasets import Split, load_dataset
from .idx import idx_bytes

TRAIN_PER_CLASS = 1500
TEST_PER_CLASS = 300
LIMIT_BYTES = 2_500_000


def first_per_class(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Indices of the first `count` examples of each class, ascending."""
    chosen = [np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def make_subset(source: Path, target: Path) -> int:
    """Write the subset of the canonical files in `source` into `target`; returns its size in bytes."""
    dataset = load_dataset("mnist", source)
    target.mkdir(parents=True, exist_ok=True)
    sha256, size = {}, 0
    for part, split, count in (
        ("train", dataset.train, TRAIN_PER_CLASS),
        ("t10k", dataset.test, TEST_PER_CLASS),
    ):
        for stem, array in _arrays(part, split, count).items():
            content = idx_bytes(array)
            sha256[stem] = hashlib.sha256(content).hexdigest()
            packed = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
            (target / f"{stem}.xz").write_bytes(packed)
            size += len(packed)
    provenance = (
        f"MNIST subset: the first {TRAIN_PER_CLASS:,} images of each digit of the canonical training file "
        f"and the first {TEST_PER_CLASS:,} of each digit of the canonical test file"
    )
    about = {"provenance": provenance, "made_by": "python -m swtrain.subset", "sha256": sha256}
    (target / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return size


def _arrays(part: str, split: Split, count: int) -> dict[str, NDArray[np.uint8]]:
    index = first_per_class(split.y, count)
    return {
        f"{part}-images-idx3-ubyte": split.x[index, 0],
        f"{part}-labels-idx1-ubyte": split.y[index].astype(np.uint8),
    }


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m swtrain.subset FOLDER_WITH_CANONICAL_MNIST [TARGET_FOLDER]")
    here = Path(__file__).parent / "data" / "mnist-subset"
    total = make_subset(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else here)
    print(f"{total:,} bytes, limit {LIMIT_BYTES:,}")
