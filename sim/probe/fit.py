"""Cycles of one command from measured sizes: ``c0 + c1 n + c2 m + c3 n m``, rounded up as the LEA's are.

In: points (n, m, cycles). Out: four coefficients and the largest error in cycles. Exact arithmetic, no tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Coefficients = tuple[float, float, float, float]
Point = tuple[int, int, int]
#: which terms are tried, simplest first
_TERMS = ((0, 1), (0, 1, 3), (0, 1, 2), (0, 1, 2, 3))
_GRID = Fraction(1, 4)  # measured slopes are multiples of it (sim/LEA.md, Cycles)


@dataclass(frozen=True)
class Fit:
    """Coefficients, and the largest difference between the rounded-up formula and a measured point."""

    coefficients: Coefficients
    worst: int


def error(c: Sequence[float], points: Sequence[Point]) -> int:
    """The largest difference in cycles between a formula and the points."""
    return max(abs(math.ceil(c[0] + c[1] * n + c[2] * m + c[3] * n * m - 1e-6) - t) for n, m, t in points)


def fit(points: Sequence[Point]) -> Fit:
    """The simplest formula that gives all points exactly; else the one with the smallest largest error.

    Raises:
        ValueError: fewer than two sizes.
    """
    best: Fit | None = None
    for terms in _TERMS:
        for shift in (Fraction(0), Fraction(1, 2)):  # of values rounded up: true ones lie half a cycle lower on average
            solved = _least_squares(points, terms, shift)
            if solved is None:
                continue
            snapped = [round(v / _GRID) * _GRID for v in solved]
            for values in (snapped, solved):
                row = [0.0] * 4
                for term, value in zip(terms, values, strict=True):
                    row[term] = max(0.0, round(float(value), 4))
                c = (row[0], row[1], row[2], row[3])
                worst = error(c, points)
                if best is None or worst < best.worst:
                    best = Fit(c, worst)
                if worst == 0:
                    return best
    if best is None:
        raise ValueError("a formula needs two sizes at least")
    return best


def _least_squares(points: Sequence[Point], terms: tuple[int, ...], shift: Fraction) -> list[Fraction] | None:
    rows = [[(1, n, m, n * m)[t] for t in terms] for n, m, _ in points]
    size = len(terms)
    if len(points) < size:
        return None
    matrix = [[Fraction(sum(r[i] * r[j] for r in rows)) for j in range(size)] for i in range(size)]
    right = [
        sum((Fraction(r[i]) * (p[2] - shift) for r, p in zip(rows, points, strict=True)), Fraction(0))
        for i in range(size)
    ]
    for i in range(size):
        pivot = next((k for k in range(i, size) if matrix[k][i]), None)
        if pivot is None:
            return None
        matrix[i], matrix[pivot], right[i], right[pivot] = matrix[pivot], matrix[i], right[pivot], right[i]
        for k in range(size):
            if k != i and matrix[k][i]:
                factor = matrix[k][i] / matrix[i][i]
                matrix[k] = [a - factor * b for a, b in zip(matrix[k], matrix[i], strict=True)]
                right[k] -= factor * right[i]
    return [right[i] / matrix[i][i] for i in range(size)]
