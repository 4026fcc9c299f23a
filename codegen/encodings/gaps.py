"""Gap codes: the distances between units (weights or blocks) of one level of one row, four bits each.

A code is the number of units left out before the next one; the first counts from the start of the row. A longer
distance takes padding units: code 15 and weights 0, which move 16 units on. Four codes make a 16-bit word, the first
in bits 3-0, then 11-8, 7-4 and 15-12: in that order the assembly kernels take them out with a byte swap between the
two halves and one shift by four (`sw_dot_csr.inc`).
"""

from __future__ import annotations

import numpy as np

from ..ops import Array

WORD_CODES = 4
LARGEST = 15
_SHIFTS = np.array([0, 8, 4, 12])


def encode_gaps(units: Array) -> tuple[Array, Array]:
    """Codes of rising unit numbers.

    Args:
        units: `(n,)`, rising.

    Returns:
        Codes `(m,)`, and for each of them the position in `units` of what it places, -1 for padding.
    """
    gaps = np.diff(units, prepend=-1) - 1
    padding = gaps // (LARGEST + 1)
    ends = np.cumsum(padding + 1) - 1
    codes = np.full(int(ends[-1]) + 1 if len(ends) else 0, LARGEST, np.uint8)
    places = np.full(len(codes), -1)
    codes[ends] = gaps - (LARGEST + 1) * padding
    places[ends] = np.arange(len(units))
    return codes, places


def decode_gaps(codes: Array) -> Array:
    """Unit number that each code places, padding included."""
    return np.cumsum(codes.astype(np.int64) + 1) - 1


def words_of_codes(codes: Array) -> Array:
    """uint8 bytes of the little-endian words that hold `codes`, unused ones 0."""
    padded = np.zeros((-(-len(codes) // WORD_CODES), WORD_CODES), np.uint16)
    padded.reshape(-1)[: len(codes)] = codes
    words: Array = (padded << _SHIFTS).sum(axis=1).astype("<u2")
    return words.view(np.uint8)


def codes_of_words(index: Array) -> Array:
    """All codes of the words in `index`, unused ones included."""
    words = np.ascontiguousarray(index).view("<u2")
    codes: Array = (words[:, None] >> _SHIFTS & LARGEST).reshape(-1).astype(np.uint8)
    return codes
