"""Data sets by name, as NumPy arrays of raw pixels.

Comes in: a name and perhaps a folder. Goes out: a `Dataset` with a train and a test split, which never share
a file. Invariant: the content is what the name says (SHA-256), or a `DataError` names the file and the
remedy. The network sees `pixel / 256` (`Dataset.input_frac_bits` = 8), which fixed point represents exactly;
there is no other normalisation. Does not import torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .download import ByteProgress, download
from .errors import ConfigError, DataError, unknown_name
from .idx import parse_idx, read_bytes

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
MNIST_SHA256 = {  # of the decompressed files
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
DIGITS = tuple(str(digit) for digit in range(10))

OpenBar = Callable[[str], AbstractContextManager[ByteProgress]]
"""Opens a progress bar for a file name."""


@dataclass(frozen=True)
class Split:
    """Examples of one split.

    Attributes:
        x: uint8 pixels, `(N, 1, 28, 28)`.
        y: int64 class indices, `(N,)`.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise DataError(f"{len(self.x):,} images but {len(self.y):,} labels; fetch both files again")

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Dataset:
    """A data set with its splits.

    Attributes:
        name: as given to `load_dataset`.
        train: examples to learn from.
        test: examples to measure on, never used for any choice.
        classes: a name for each class index.
        input_frac_bits: the network's input is `pixel * 2**-input_frac_bits`.
        provenance: one sentence on where the examples come from.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    input_frac_bits: int
    provenance: str

    def to_real(self, x: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network sees for the pixels `x`, exactly: float32 in `[0, 1)`."""
        return x.astype(np.float32) * np.float32(2.0**-self.input_frac_bits)


def load_dataset(name: str, path: str | Path | None = None, open_bar: OpenBar | None = None) -> Dataset:
    """Load a data set.

    Args:
        name: `mnist-subset` (inside the package) or `mnist` (the canonical files).
        path: folder with the files of `mnist`; None looks in `$SWTRAIN_DATA/mnist`, `$SWTRAIN_DATA` and the
            cache folder, and else downloads them into the cache.
        open_bar: opens a progress bar for a download.

    Raises:
        ConfigError: no data set has this name, or `path` is given for an embedded one.
        DataError: a file is missing, truncated, corrupt or not canonical.
    """
    if name == "mnist-subset":
        if path is not None:
            raise ConfigError("data: mnist-subset lies inside the package and takes no path; use dataset 'mnist'")
        return _load_subset()
    if name == "mnist":
        return _load_mnist(Path(path) if path is not None else None, open_bar)
    raise ConfigError(unknown_name("dataset", name, DATASETS))


DATASETS = ("mnist", "mnist-subset")


def cache_dir() -> Path:
    """The user's cache folder of swtrain on this platform."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "swtrain"


def _load_subset() -> Dataset:
    """The embedded subset, made by `python -m swtrain.subset`."""
    folder = Path(str(files("swtrain") / "data" / "mnist-subset"))
    try:
        about: dict[str, Any] = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: the embedded MNIST subset is incomplete; reinstall swtrain") from error
    paths = {stem: folder / f"{stem}.xz" for stem in MNIST_SHA256}
    return _dataset("mnist-subset", paths, about["sha256"], about["provenance"], "reinstall swtrain")


def _load_mnist(given: Path | None, open_bar: OpenBar | None) -> Dataset:
    remedy = "fetch the canonical file"
    if given is not None:
        folder = _find(given)
        if folder is None:
            raise DataError(f"{given}: {_missing(given)}; fetch the canonical MNIST files, raw or as .gz")
    else:
        folder = _from_environment()
        if folder is None:
            folder = cache_dir() / "mnist"
            remedy = "delete it, and it is downloaded again"
            if _find(folder) is None:
                _download_mnist(folder, open_bar)
    paths = {stem: _existing(folder, stem) or folder / f"{stem}.gz" for stem in MNIST_SHA256}
    provenance = "MNIST, canonical IDX files: 60,000 training and 10,000 test images"
    return _dataset("mnist", paths, MNIST_SHA256, provenance, remedy)


def _from_environment() -> Path | None:
    root = os.environ.get("SWTRAIN_DATA")
    return _find(Path(root)) if root else None


def _find(folder: Path) -> Path | None:
    """`folder/mnist` or `folder`, whichever holds all files."""
    for candidate in (folder / "mnist", folder):
        if all(_existing(candidate, stem) for stem in MNIST_SHA256):
            return candidate
    return None


def _existing(folder: Path, stem: str) -> Path | None:
    """The file of `stem` under one of its usual names."""
    dotted = stem.replace("-idx", ".idx")
    names = (f"{stem}.gz", stem, f"{dotted}.gz", dotted)
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _missing(folder: Path) -> str:
    if not folder.exists():
        return "the folder does not exist"
    if not folder.is_dir():
        return "this is a file, but the data path must be a folder"
    absent = [stem for stem in MNIST_SHA256 if _existing(folder, stem) is None]
    return f"the folder lacks {', '.join(absent)}"


def _download_mnist(folder: Path, open_bar: OpenBar | None) -> None:
    for stem, sha256 in MNIST_SHA256.items():
        name = f"{stem}.gz"
        if (folder / name).is_file():
            continue
        urls = [f"{mirror}/{name}" for mirror in MNIST_MIRRORS]
        if open_bar is None:
            download(urls, folder / name, sha256)
        else:
            with open_bar(name) as progress:
                download(urls, folder / name, sha256, progress)


def _dataset(name: str, paths: Mapping[str, Path], sha256: Mapping[str, str], provenance: str, remedy: str) -> Dataset:
    content = {}
    for stem, path in paths.items():
        content[stem] = read_bytes(path)
        found = hashlib.sha256(content[stem]).hexdigest()
        if found != sha256[stem]:
            raise DataError(
                f"{path}: not the canonical content (SHA-256 {found[:12]} of {len(content[stem]):,} bytes, "
                f"expected {sha256[stem][:12]}); {remedy}"
            )
    splits = [
        _split(
            parse_idx(content[f"{part}-images-idx3-ubyte"], paths[f"{part}-images-idx3-ubyte"], 3),
            parse_idx(content[f"{part}-labels-idx1-ubyte"], paths[f"{part}-labels-idx1-ubyte"], 1),
        )
        for part in ("train", "t10k")
    ]
    return Dataset(name, splits[0], splits[1], DIGITS, 8, provenance)


def _split(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Split:
    return Split(images[:, np.newaxis], labels.astype(np.int64))
