"""Fetch one file over HTTP: resumed by byte range, checked by SHA-256, renamed into place when complete.

Comes in: mirrors of a file and the SHA-256 of its decompressed content. Goes out: the file at its place.
Invariant: the final name exists only with the right content; an interrupted transfer leaves `<name>.part`,
from which the next call goes on.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from .errors import DataError
from .idx import read_bytes

ATTEMPTS = 3
"""Failures in a row, none of which brought new bytes, after which a mirror is given up."""
CHUNK = 64 * 1024
TIMEOUT_S = 30.0


class ByteProgress(Protocol):
    """Told how far a transfer is."""

    def __call__(self, done_bytes: int, total_bytes: int | None) -> None:
        """`done_bytes` are on disk, of `total_bytes` if the server said so."""


def download(urls: Sequence[str], target: Path, sha256: str, progress: ByteProgress | None = None) -> None:
    """Fetch `target` from the first of `urls` that delivers the right content.

    Args:
        urls: mirrors of the same bytes.
        target: final path; its folder is created.
        sha256: hex digest of the content, decompressed if the name ends in .gz or .xz.
        progress: called after each chunk.

    Raises:
        DataError: no mirror delivered the file; the message gives the reason of each and the remedy.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{target.parent}: cannot create the cache folder: {error.strerror or error}; "
            "set SWTRAIN_DATA to a folder that holds the files"
        ) from error
    reasons = []
    for url in urls:
        reason = _from_mirror(url, part, target, sha256, progress)
        if reason is None:
            return
        reasons.append(f"{url}: {reason}")
    raise DataError(
        f"{target.name}: could not be downloaded ({'; '.join(reasons)}); check the connection, or fetch "
        "the file by other means and give its folder as data path or in SWTRAIN_DATA"
    )


def _from_mirror(url: str, part: Path, target: Path, sha256: str, progress: ByteProgress | None) -> str | None:
    """Try one mirror; None when `target` is in place, else the reason why not."""
    reason, failures = "no attempt", 0
    while failures < ATTEMPTS:
        resumed, before = part.exists(), _size(part)
        try:
            _transfer(url, part, progress)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # the partial file is longer than the real one
                part.unlink(missing_ok=True)
                reason, failures = "the partial file did not fit", failures + 1
                continue
            return f"HTTP {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            reason = f"connection failed ({getattr(error, 'reason', None) or error})"
            failures = 0 if _size(part) > before else failures + 1
            continue
        found = _digest(part, target.suffix)
        if found == sha256:
            part.replace(target)
            return None
        part.unlink(missing_ok=True)
        failures += 1
        reason = f"wrong content (SHA-256 {found[:12]}, expected {sha256[:12]})"
        if not resumed:  # a clean transfer will not improve by repetition
            return reason
    return reason


def _transfer(url: str, part: Path, progress: ByteProgress | None) -> None:
    """Append to `part` what is missing, from the start if the server ignores ranges."""
    have = _size(part)
    headers = {"User-Agent": "swtrain"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        if have and response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        with part.open("ab" if have else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                if progress is not None:
                    progress(have, total)
    if total is not None and have < total:
        raise ConnectionError(f"cut after {have:,} of {total:,} bytes")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _digest(part: Path, compression: str) -> str:
    """SHA-256 of the decompressed content of `part`."""
    try:
        return hashlib.sha256(read_bytes(part, compression)).hexdigest()
    except DataError:
        return "of an unreadable file"
