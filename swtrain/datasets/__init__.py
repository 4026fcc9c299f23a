"""Data sets by name, as NumPy arrays of what the device's input buffer holds; one file per family.

Comes in: a name with options (`hapt:channels=6`) and perhaps a folder. Goes out: a `Dataset`. Invariant: the
content is what the name says, or a `DataError` names the file and the remedy. Does not import torch.

    mnist-subset   digits inside the package
    mnist          the canonical IDX files, downloaded on demand
    hapt           motion windows of 30 persons (har/hapt_windows_128.npz), split by person; channels=6|9,
                   body=8,gyro=4 amplify these channels
    uci-har        the UCI HAR zip or folder, its own split by person; the same options
    wakewords      six wake words of one second (kws/wakewords_1s_16k.npz)
    digits         spoken digits of six speakers (kws/fsdd_8k.npz); speaker=NAME leaves that one out for testing
    speech-commands   folder of Speech Commands v0.02, its own split by speaker; words=yes+no+...
    cifar10-15k    15,000/3,000 images of CIFAR-10 (cifar10/cifar10_15k_3k_u8.npz)
    cifar10        the official python or binary archive
    image-folder   FOLDER/train/<class>/* and FOLDER/test/<class>/*; size=32
    FILE.npz       inputs x and class indices y of your own, to measure on, not to train on
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ConfigError, unknown_name
from . import har, images, keywords, labelled, mnist
from .base import Dataset, OpenBar, Split, cache_dir, hold_out
from .mnist import MNIST_MIRRORS, MNIST_SHA256

__all__ = ["DATASETS", "MNIST_MIRRORS", "MNIST_SHA256", "Dataset", "Split", "cache_dir", "hold_out", "load_dataset"]

_LOADERS: dict[str, Callable[..., Dataset]] = {
    "hapt": har.load_hapt,
    "uci-har": har.load_uci_har,
    "wakewords": keywords.load_wakewords,
    "digits": keywords.load_digits,
    "speech-commands": keywords.load_speech_commands,
    "cifar10-15k": images.load_cifar10_15k,
    "cifar10": images.load_cifar10,
    "image-folder": images.load_image_folder,
}

DATASETS = ("mnist", "mnist-subset", *_LOADERS)


def load_dataset(name: str, path: str | Path | None = None, open_bar: OpenBar | None = None) -> Dataset:
    """Load a data set.

    Args:
        name: one of `DATASETS`, with options after a colon: `hapt:channels=6`; or an .npz file.
        path: folder with its files; None looks in `$SWTRAIN_DATA` and the cache folder, and for `mnist`
            downloads what is missing into the cache.
        open_bar: opens a progress bar for a download.

    Raises:
        ConfigError: no data set has this name, an option is unknown, or `path` is given for an embedded one.
        DataError: a file is missing, truncated, corrupt or not canonical.
    """
    if name.endswith(labelled.SUFFIX):
        if path is not None:
            raise ConfigError(f"data: dataset {name} is a file already; leave the folder out")
        return labelled.load_labelled(Path(name))
    base, _, rest = name.partition(":")
    given = Path(path) if path is not None else None
    if base in ("mnist-subset", "mnist") and rest:
        raise ConfigError(f"dataset {name}: {base} takes no options; leave out ':{rest}'")
    if base == "mnist-subset":
        if given is not None:
            raise ConfigError("data: mnist-subset lies inside the package and takes no path; use dataset 'mnist'")
        return mnist.load_subset()
    if base == "mnist":
        return mnist.load_mnist(given, open_bar)
    if base not in _LOADERS:
        raise ConfigError(unknown_name("dataset", base, (*DATASETS, "FILE.npz")))
    return _LOADERS[base](name, given, **_options(name, base, rest))


def _options(name: str, base: str, text: str) -> dict[str, Any]:
    """`a=1,b=x` as keyword arguments, typed like the loader's defaults."""
    known = {
        key: parameter.default
        for key, parameter in inspect.signature(_LOADERS[base]).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    options: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if key not in known or not equals:
            raise ConfigError(
                f"dataset {name}: " + unknown_name("option", part, [f"{k}={v}" for k, v in known.items()])
            )
        try:
            options[key] = type(known[key])(value)
        except ValueError:
            raise ConfigError(f"dataset {name}: {key} must be a number, got '{value}'") from None
    return options
