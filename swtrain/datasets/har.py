"""Human activity recognition: windows of 128 samples at 50 Hz from a waist-worn phone, six activities.

Both sources give `(N, channels, 1, 128)` int16 with 12 fraction bits: acceleration in g, angular rate in rad/s,
clipped to +-4. Six channels: total acceleration x, y, z and gyro x, y, z. Nine: body acceleration before these.
Body acceleration is total acceleration less gravity, and gravity its mean over the window: a low-pass filter of
2.56 s that a device computes with one addition per sample and a shift by 7.

`body` and `gyro` amplify these channels by a power of two, a shift to the left that ends at the same +-4. Sitting and
standing differ in sway of some 0.01 g and 0.02 rad/s, which is lost beside walking otherwise; walking, which is cut off
then, still has the total acceleration.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError
from .base import Dataset, Split, find_file, load_arrays

FRAC_BITS = 12
LIMIT = 4 << FRAC_BITS
WINDOW = 128
ACTIVITIES = ("walking", "upstairs", "downstairs", "sitting", "standing", "laying")
UCI_URL = "https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip"


def quantize_windows(x: NDArray[Any], channels: int, body: int = 1, gyro: int = 1) -> NDArray[np.int16]:
    """Raw windows `(N, 128, 6)` in g and rad/s as `(N, channels, 1, 128)`, in integer arithmetic after rounding.

    Args:
        channels: 6 or 9.
        body, gyro: amplification of body acceleration and of the gyro, each clipped afterwards.
    """
    raw = np.clip(np.rint(x * float(1 << FRAC_BITS)), -LIMIT, LIMIT - 1).astype(np.int32).transpose(0, 2, 1)
    total, turning = raw[:, :3], raw[:, 3:]
    parts = [total, np.clip(turning * gyro, -LIMIT, LIMIT - 1)]
    if channels == 9:
        gravity = total.sum(2, keepdims=True) >> 7  # WINDOW is 2**7
        parts = [np.clip((total - gravity) * body, -LIMIT, LIMIT - 1), *parts]
    return np.concatenate(parts, 1).astype(np.int16)[:, :, np.newaxis]


def load_hapt(name: str, path: Path | None, channels: int = 9, body: int = 1, gyro: int = 1) -> Dataset:
    """Windows of UCI HAPT, test = nine persons who are in no training window.

    Raises:
        ConfigError, DataError: as `load_dataset`.
    """
    _check_options(name, channels, body, gyro)
    file = find_file(path, ("har/hapt_windows_128.npz",), "hapt", "the project's data folder")
    stored = load_arrays(file, ("x", "y", "user", "test"))
    x, y, user, test = (stored[key] for key in ("x", "y", "user", "test"))
    if x.ndim != 3 or x.shape[1:] != (WINDOW, 6):
        raise DataError(f"{file}: x is {x.shape}, it should be (N, 128, 6); fetch it again")
    if set(user[test]) & set(user[~test]):
        raise DataError(f"{file}: persons {sorted(set(user[test]) & set(user[~test]))} are in both splits")
    ready = quantize_windows(x, channels, body, gyro)
    train, held = (Split(ready[m], y[m].astype(np.int64), user[m].astype(np.int64)) for m in (~test, test))
    provenance = f"UCI HAPT windows, {len(train):,} of 21 persons to train, {len(held):,} of 9 others to test"
    return Dataset(name, train, held, ACTIVITIES, FRAC_BITS, provenance, -LIMIT, LIMIT - 1)


def load_uci_har(name: str, path: Path | None, channels: int = 9, body: int = 1, gyro: int = 1) -> Dataset:
    """The UCI HAR data set with its own split by person, from its zip or unpacked folder.

    Total acceleration and gyro are read; the body acceleration is computed as for `hapt`, so that both agree.

    Raises:
        ConfigError, DataError: as `load_dataset`.
    """
    _check_options(name, channels, body, gyro)
    file = find_file(path, ("har/UCI HAR Dataset.zip", "UCI HAR Dataset"), "uci-har", UCI_URL)
    read = _zip_reader(file) if file.is_file() else _folder_reader(file)
    splits = []
    for part in ("train", "test"):
        signals = [
            _numbers(read, f"{part}/Inertial Signals/{kind}_{axis}_{part}.txt")
            for kind in ("total_acc", "body_gyro")
            for axis in "xyz"
        ]
        y = _numbers(read, f"{part}/y_{part}.txt").astype(np.int64).reshape(-1) - 1
        user = _numbers(read, f"{part}/subject_{part}.txt").astype(np.int64).reshape(-1)
        if any(s.shape != (len(y), WINDOW) for s in signals) or len(user) != len(y):
            raise DataError(f"{file}: the files of {part} do not fit each other; fetch it again")
        splits.append(Split(quantize_windows(np.stack(signals, 2), channels, body, gyro), y, user))
    provenance = f"UCI HAR, its own split by person: {len(splits[0]):,} / {len(splits[1]):,} windows"
    return Dataset(name, splits[0], splits[1], ACTIVITIES, FRAC_BITS, provenance, -LIMIT, LIMIT - 1)


def _check_options(name: str, channels: int, body: int, gyro: int) -> None:
    if channels not in (6, 9):
        raise ConfigError(f"dataset {name}: channels must be 6 (raw) or 9 (with body acceleration), got {channels}")
    for what, gain in (("body", body), ("gyro", gyro)):
        if gain not in (1, 2, 4, 8, 16, 32, 64):
            raise ConfigError(f"dataset {name}: {what} must be a power of two from 1 to 64, got {gain}")
    if body != 1 and channels == 6:
        raise ConfigError(f"dataset {name}: there is no body acceleration in 6 channels; leave body out or take 9")


def _zip_reader(file: Path) -> Any:
    """Reads members of the zip, also of the zip that UCI packs inside its zip."""

    def read(member: str) -> bytes:
        try:
            with zipfile.ZipFile(file) as outer:
                inner = next((n for n in outer.namelist() if n.endswith("Dataset.zip")), None)
                if inner is None:
                    return outer.read(f"UCI HAR Dataset/{member}")
                with zipfile.ZipFile(io.BytesIO(outer.read(inner))) as archive:
                    return archive.read(f"UCI HAR Dataset/{member}")
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{file}: can't read {member} ({error}); fetch it again from {UCI_URL}") from error

    return read


def _folder_reader(folder: Path) -> Any:
    def read(member: str) -> bytes:
        try:
            return (folder / member).read_bytes()
        except OSError as error:
            raise DataError(f"{folder / member}: can't be read ({error.strerror}); unpack {UCI_URL} again") from error

    return read


def _numbers(read: Any, member: str) -> NDArray[np.float64]:
    try:
        return np.loadtxt(io.BytesIO(read(member)), ndmin=2)
    except ValueError as error:
        raise DataError(f"{member}: holds something other than numbers ({error}); fetch the data set again") from error
