"""Audio to features in integer arithmetic that a microcontroller can repeat bit for bit.

Comes in: int16 audio of one second at 16 kHz. Goes out: int16 features, 49 frames (32 ms every 20 ms). Per frame:
a Hann window in Q15; the frame shifted up until it fills 15 bits; a 512-point radix-2 FFT in 16 bits with one
right shift per stage, as the LEA's scaled FFT does; squared magnitudes; triangular mel filters in Q8; log2 in Q8
by leading zeros and linear interpolation; for cepstra a DCT-II in Q12. Only shifts, 16x16 and 32x32 bit products.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

RATE, FRAME, STEP, FRAMES = 16000, 512, 320, 49
MELS = 40
FRAC_BITS = 6
"""Of the features: log2 of energy in steps of 1/64."""
NETWORK_FRAC_BITS = 10
"""What the network sees is the same integer in units of 16 octaves, so that inputs are about 1."""
LIMIT = 1 << 14


@functools.cache
def _window() -> NDArray[np.int32]:
    return np.rint(32767 * np.hanning(FRAME + 1)[:FRAME]).astype(np.int32)


@functools.cache
def _twiddles() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    angle = -2 * np.pi * np.arange(FRAME // 2) / FRAME
    return np.rint(32767 * np.cos(angle)).astype(np.int32), np.rint(32767 * np.sin(angle)).astype(np.int32)


@functools.cache
def _mel_filters() -> NDArray[np.int64]:
    """`(MELS, FRAME / 2 + 1)` triangles between 60 Hz and 7.6 kHz, Q8."""

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1127 * np.log1p(hertz / 700)

    edges = np.linspace(mel(np.array(60.0)), mel(np.array(7600.0)), MELS + 2)
    bins = mel(np.arange(FRAME // 2 + 1) * RATE / FRAME)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.clip(np.minimum(rise, fall), 0, None)
    for k in np.flatnonzero(filters.sum(1) == 0):  # narrower than a bin: take the nearest
        filters[k, np.abs(bins - edges[k + 1]).argmin()] = 1
    scaled: NDArray[np.int64] = np.rint(256 * filters).astype(np.int64)
    return scaled


@functools.cache
def _dct(count: int) -> NDArray[np.int64]:
    k, n = np.arange(count)[:, None], np.arange(MELS)[None, :]
    table: NDArray[np.int64] = np.rint(4096 * np.sqrt(2 / MELS) * np.cos(np.pi * k * (n + 0.5) / MELS)).astype(np.int64)
    return table


def fft_512(x: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Real and imaginary part of the FFT of `(N, 512)` values of 16 bits, divided by 512; floor at each stage."""
    order = np.arange(FRAME)
    reversed_ = sum(((order >> b) & 1) << (8 - b) for b in range(9))
    re: NDArray[np.int32] = x[:, reversed_].astype(np.int32)
    im: NDArray[np.int32] = np.zeros(x.shape, np.int32)
    cos, sin = _twiddles()
    half = 1
    while half < FRAME:
        stride = FRAME // (2 * half)
        c, s = cos[::stride][:half], sin[::stride][:half]
        re, im = re.reshape(len(x), -1, 2, half), im.reshape(len(x), -1, 2, half)
        ar, ai, br, bi = re[:, :, 0] >> 1, im[:, :, 0] >> 1, re[:, :, 1] >> 1, im[:, :, 1] >> 1
        tr, ti = (br * c - bi * s) >> 15, (br * s + bi * c) >> 15
        re, im = np.stack([ar + tr, ar - tr], 2), np.stack([ai + ti, ai - ti], 2)
        half *= 2
    return re.reshape(x.shape), im.reshape(x.shape)


def log2_q8(x: NDArray[np.int64]) -> NDArray[np.int64]:
    """log2 of `x + 1` in steps of 1/256, linear between powers of two."""
    x = x + 1
    top = np.frexp(x.astype(np.float64))[1].astype(np.int64) - 1  # position of the highest bit; exact below 2**53
    fraction = np.where(top >= 8, x >> np.maximum(top - 8, 0), x << np.maximum(8 - top, 0)) - 256
    result: NDArray[np.int64] = (top << 8) + fraction
    return result


def features(audio: NDArray[np.int16], cepstra: int = 10, batch: int = 256) -> NDArray[np.int16]:
    """Features of clips.

    Args:
        audio: int16 `(N, 16000)`.
        cepstra: number of cepstral coefficients; 0 gives the 40 log-mel energies.
        batch: clips at once; does not change the result.

    Returns:
        int16 `(N, 1, 49, cepstra or 40)` with `FRAC_BITS` fraction bits, within `+-LIMIT`.
    """
    found = []
    starts = np.arange(FRAMES)[:, None] * STEP + np.arange(FRAME)[None, :]
    for at in range(0, len(audio), batch):
        frames = audio[at : at + batch].astype(np.int32)[:, starts].reshape(-1, FRAME)
        frames = (frames * _window()) >> 15
        peak = np.abs(frames).max(1)
        shift = np.clip(14 - np.frexp(np.maximum(peak, 1).astype(np.float64))[1], 0, 14).astype(np.int32)
        re, im = fft_512(frames << shift[:, None])
        power = re.astype(np.int64) ** 2 + im.astype(np.int64) ** 2
        energy = (power[:, : FRAME // 2 + 1] @ _mel_filters().T) >> 4
        logs = log2_q8(energy) - (2 * shift.astype(np.int64)[:, None] << 8)
        coefficients = (logs @ _dct(cepstra).T) >> 12 if cepstra else logs
        found.append(np.clip(coefficients >> (8 - FRAC_BITS), -LIMIT, LIMIT - 1).astype(np.int16))
    width = cepstra or MELS
    return (
        np.concatenate(found).reshape(len(audio), 1, FRAMES, width)
        if found
        else np.zeros((0, 1, FRAMES, width), np.int16)
    )
