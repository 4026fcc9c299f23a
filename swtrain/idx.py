"""IDX files, the format of MNIST: a big-endian header, then uint8 data, raw or compressed (.gz, .xz).

Comes in: a path. Goes out: bytes, or a checked uint8 array. Invariant: an array is returned only if the
header, the type and the length agree; everything else is a `DataError` that names the file.
Format: http://yann.lecun.com/exdb/mnist ("the IDX file format"). Other element types are not supported.
"""

from __future__ import annotations

import gzip
import lzma
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

UINT8 = 0x08


def read_bytes(path: Path, compression: str | None = None) -> bytes:
    """Contents of a file, decompressed.

    Args:
        path: the file.
        compression: `.gz`, `.xz` or anything else for none; by default what the file's name ends in.

    Raises:
        DataError: the file cannot be read, is truncated or is corrupt.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read the file: {error.strerror or error}") from error
    compression = path.suffix if compression is None else compression
    try:
        if compression == ".gz":
            return gzip.decompress(raw)
        if compression == ".xz":
            return lzma.decompress(raw)
    except EOFError as error:
        raise DataError(f"{path}: truncated after {len(raw):,} bytes; fetch the file again") from error
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path}: corrupt ({error}); fetch the file again") from error
    return raw


def parse_idx(content: bytes, where: str | Path, ndim: int) -> NDArray[np.uint8]:
    """Array of an IDX file's content.

    Args:
        content: the whole file, decompressed.
        where: shown in errors.
        ndim: number of axes that the caller expects (3 for images, 1 for labels).

    Raises:
        DataError: not an IDX file of uint8 with `ndim` axes, or its length disagrees with its header.
    """
    header = 4 + 4 * ndim
    if len(content) < header:
        raise DataError(f"{where}: {len(content)} bytes are too few for an IDX header of {header}")
    zeros, kind, axes = struct.unpack(">HBB", content[:4])
    if zeros != 0 or kind != UINT8 or axes != ndim:
        raise DataError(
            f"{where}: not an IDX file of uint8 with {ndim} axes (it begins with 0x{content[:4].hex()}); "
            "fetch the canonical file"
        )
    shape = struct.unpack(f">{ndim}I", content[4:header])
    want = header + math.prod(shape)
    if len(content) != want:
        raise DataError(
            f"{where}: holds {len(content):,} bytes, its header {shape} means {want:,}; fetch the file again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Content of an IDX file that holds `array`."""
    return struct.pack(f">HBB{array.ndim}I", 0, UINT8, array.ndim, *array.shape) + array.tobytes()
