"""What a data set is, and where its files may lie.

Invariant: train and test share no example, no person and no speaker where these are known. Does not import torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..download import ByteProgress
from ..errors import DataError

OpenBar = Callable[[str], AbstractContextManager[ByteProgress]]
"""Opens a progress bar for a file name."""


@dataclass(frozen=True)
class Split:
    """Examples of one split.

    Attributes:
        x: uint8 or int16, `(N, channels, height, width)`: what the device's input buffer holds.
        y: int64 class indices, `(N,)`.
        groups: int64 `(N,)`: examples of one person, speaker or clip have one number and are held out together;
            None: every example is its own.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise DataError(f"{len(self.x):,} images but {len(self.y):,} labels; fetch both files again")

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: NDArray[np.int64]) -> Split:
        """The examples at `index`."""
        return Split(self.x[index], self.y[index], None if self.groups is None else self.groups[index])


@dataclass(frozen=True)
class Dataset:
    """A data set with its splits.

    Attributes:
        name: as given to `load_dataset`, options included.
        train: examples to learn from.
        test: examples to measure on, never used for any choice.
        classes: a name for each class index.
        input_frac_bits: the network's input is `x * 2**-input_frac_bits`.
        provenance: one sentence on where the examples come from.
        input_low, input_high: range of `x`, guaranteed.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    input_frac_bits: int
    provenance: str
    input_low: int = 0
    input_high: int = 255

    def to_real(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """What the network sees for `x`, exactly, as float32."""
        return x.astype(np.float32) * np.float32(2.0**-self.input_frac_bits)


def hold_out(split: Split, count: int, seed: int) -> tuple[Split, Split]:
    """Split off random examples, chosen by `seed`: `count` of them, or whole groups until there are as many."""
    rng = np.random.default_rng(seed)
    if split.groups is None:
        order = rng.permutation(len(split))
        return split.take(np.sort(order[count:])), split.take(np.sort(order[:count]))
    groups = rng.permutation(np.unique(split.groups))
    sizes = np.cumsum([np.count_nonzero(split.groups == g) for g in groups])
    chosen = groups[: int(np.searchsorted(sizes, count)) + 1] if count else groups[:0]
    held = np.isin(split.groups, chosen)
    return split.take(np.flatnonzero(~held)), split.take(np.flatnonzero(held))


def cache_dir() -> Path:
    """The user's cache folder of swtrain on this platform."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "swtrain"


def find_file(given: Path | None, relative: tuple[str, ...], what: str, source: str) -> Path:
    """The first of `relative` that exists in the given folder, or in `$SWTRAIN_DATA` and the cache.

    Args:
        given: a folder, or the file itself; None searches.
        relative: names below the folder, the usual one first; the bare file name is tried as well.
        what: the data set's name, for the message.
        source: where to get the file, for the message.

    Raises:
        DataError: there is no such file.
    """
    if given is not None and given.is_file():
        return given
    folders = [given] if given is not None else [Path(os.environ.get("SWTRAIN_DATA") or cache_dir()), cache_dir()]
    for folder in folders:
        for name in relative:
            for path in (folder / name, folder / Path(name).name):
                if path.exists():
                    return path
    raise DataError(
        f"{what}: none of {', '.join(relative)} lies in {' or '.join(dict.fromkeys(map(str, folders)))}; get it from "
        f"{source} and give its folder with --data or SWTRAIN_DATA"
    )


def load_arrays(path: Path, names: tuple[str, ...]) -> Mapping[str, NDArray[Any]]:
    """Arrays of an .npz file, no pickles.

    Raises:
        DataError: the file is damaged, or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except KeyError as error:
        raise DataError(f"{path}: lacks the array {error}; it should hold {', '.join(names)}") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: can't be read as .npz ({error}); fetch it again") from error
