"""MNIST: all of it from the canonical IDX files, or the subset inside the package.

The network sees `pixel / 256` (`input_frac_bits` = 8), which fixed point represents exactly; there is no other
normalisation. Content is checked by SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..download import download
from ..errors import DataError
from ..idx import parse_idx, read_bytes
from .base import Dataset, OpenBar, Split, cache_dir

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


def load_subset() -> Dataset:
    """The embedded subset, made by `python -m swtrain.subset`."""
    folder = Path(str(files("swtrain") / "data" / "mnist-subset"))
    try:
        about: dict[str, Any] = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: the embedded MNIST subset is incomplete; reinstall swtrain") from error
    paths = {stem: folder / f"{stem}.xz" for stem in MNIST_SHA256}
    return _dataset("mnist-subset", paths, about["sha256"], about["provenance"], "reinstall swtrain")


def load_mnist(given: Path | None, open_bar: OpenBar | None) -> Dataset:
    """All of MNIST, from `given`, `$SWTRAIN_DATA`, the cache, or a download into the cache."""
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
