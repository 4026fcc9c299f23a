"""Colour images: CIFAR-10 in three forms and any folder of images. uint8, the network sees `pixel / 256`."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError
from .base import Dataset, Split, find_file, load_arrays

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar.html"


def load_cifar10_15k(name: str, path: Path | None) -> Dataset:
    """15,000 training and 3,000 test images of CIFAR-10, JPEG-recompressed."""
    file = find_file(path, ("cifar10/cifar10_15k_3k_u8.npz",), "cifar10-15k", "the project's data folder")
    stored = load_arrays(file, ("x", "y", "xt", "yt"))
    splits = [
        Split(np.ascontiguousarray(stored[x].transpose(0, 3, 1, 2)), stored[y].astype(np.int64))
        for x, y in (("x", "y"), ("xt", "yt"))
    ]
    provenance = f"CIFAR-10 subset, {len(splits[0]):,} / {len(splits[1]):,} images, JPEG-recompressed"
    return Dataset(name, splits[0], splits[1], CIFAR_CLASSES, 8, provenance)


def load_cifar10(name: str, path: Path | None) -> Dataset:
    """CIFAR-10 from the official `cifar-10-python.tar.gz` or `cifar-10-binary.tar.gz`."""
    names = ("cifar10/cifar-10-python.tar.gz", "cifar10/cifar-10-binary.tar.gz")
    file = find_file(path, names, "cifar10", CIFAR_URL)
    try:
        with tarfile.open(file) as archive:
            content = {
                Path(m.name).name: stream.read()
                for m in archive.getmembers()
                if m.isfile() and (stream := archive.extractfile(m)) is not None
            }
    except (OSError, tarfile.TarError, EOFError) as error:
        raise DataError(f"{file}: can't be read ({error}); fetch it again from {CIFAR_URL}") from error
    binary = "data_batch_1.bin" in content
    end = ".bin" if binary else ""
    read = _binary_batch if binary else _python_batch
    try:
        parts = [read(content[f"data_batch_{k}{end}"]) for k in range(1, 6)]
        test = read(content[f"test_batch{end}"])
    except (KeyError, ValueError, pickle.UnpicklingError, TypeError) as error:
        raise DataError(f"{file}: not the canonical archive ({error}); fetch it again from {CIFAR_URL}") from error
    train = Split(np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]))
    provenance = f"CIFAR-10, {len(train):,} / {len(test[1]):,} images"
    return Dataset(name, train, Split(*test), CIFAR_CLASSES, 8, provenance)


def _binary_batch(content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].astype(np.int64)


class _NumbersOnly(pickle.Unpickler):
    """Unpickles NumPy arrays and plain values, nothing that runs code."""

    ALLOWED = frozenset({"_reconstruct", "ndarray", "dtype", "_frombuffer", "scalar"})

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in self.ALLOWED:
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not data")


def _python_batch(content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    batch = _NumbersOnly(io.BytesIO(content), encoding="bytes").load()
    x = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32)
    return x, np.asarray(batch[b"labels"], np.int64)


def load_image_folder(name: str, path: Path | None, size: int = 32) -> Dataset:
    """`FOLDER/train/<class>/*` and `FOLDER/test/<class>/*`, scaled and centre-cropped to `size`.

    Raises:
        ConfigError: no folder is given, or `size` is out of range.
        DataError: a split or class is empty, an image can't be read, or Pillow is missing.
    """
    if path is None:
        raise ConfigError(f"dataset {name}: give the folder with --data; it holds train/<class>/ and test/<class>/")
    if not 8 <= size <= 256:
        raise ConfigError(f"dataset {name}: size must be 8 to 256, got {size}")
    classes = tuple(sorted(p.name for p in (path / "train").glob("*") if p.is_dir()))
    if len(classes) < 2:
        raise DataError(f"{path / 'train'}: needs a folder for each of two or more classes")
    splits = [_folder(path / part, classes, size) for part in ("train", "test")]
    provenance = f"images of a folder, {len(splits[0]):,} / {len(splits[1]):,}, {len(classes)} classes"
    return Dataset(name, splits[0], splits[1], classes, 8, provenance)


def _folder(folder: Path, classes: tuple[str, ...], size: int) -> Split:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise DataError("image-folder needs Pillow: pip install pillow") from error
    x, y = [], []
    for label, name in enumerate(classes):
        files = sorted(p for p in (folder / name).glob("*") if p.is_file())
        if not files:
            raise DataError(f"{folder / name}: holds no images; every class of train needs some in test as well")
        for file in files:
            try:
                with Image.open(file) as image:
                    fitted = ImageOps.fit(image.convert("RGB"), (size, size))
                    x.append(np.asarray(fitted, np.uint8).transpose(2, 0, 1))
            except OSError as error:
                raise DataError(f"{file}: can't be read as an image ({error}); remove or repair it") from error
            y.append(label)
    return Split(np.stack(x), np.array(y, np.int64))
