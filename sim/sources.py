"""What a harvester delivers: power sources as pieces of time in which the charging of a capacitor has a closed form.

In: a time. Out: a `Law`, valid until a stated time, that moves the capacitor's voltage analytically: hours cost what
seconds cost. Powers are those that reach the capacitor: converter losses belong into the figures given. Currents never
flow back into a source. Not modelled: temperature, maximum power point trackers, dielectric relaxation.
"""

from __future__ import annotations

import bisect
import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Protocol

FOREVER = math.inf
_MOST_W, _MOST_V = 100.0, 100.0  # a recording beyond these has another unit


@dataclass(frozen=True)
class Step:
    """A stretch of charging: it lasted `dt_s`, ended at `volts`, and `in_j` came in."""

    dt_s: float
    volts: float
    in_j: float


class Law(Protocol):
    """How the source charges a capacitor, as long as it does not change."""

    def power_w(self, volts: float) -> float:
        """Power into the capacitor at `volts`."""

    def advance(self, volts: float, drain_a: float, farads: float, dt_s: float, low: float, high: float) -> Step:
        """Move on by `dt_s`, or less: to the crossing of `low` or `high`, or to where the law's formula changes.

        `drain_a` is a constant current out of the capacitor.
        """


class Source(Protocol):
    """A harvester over time. One that repeats itself may say so by an attribute ``period_s``."""

    def at(self, t_s: float) -> tuple[Law, float]:
        """The law at `t_s`, and the time until which it holds (later than `t_s`)."""


@dataclass(frozen=True)
class PowerLaw:
    """Constant power: V dV/dt = (P - I V) / C."""

    watts: float

    def power_w(self, volts: float) -> float:
        """The power, at any voltage."""
        return self.watts

    def advance(self, volts: float, drain_a: float, farads: float, dt_s: float, low: float, high: float) -> Step:
        """See `Law`."""
        net = self.watts - drain_a * volts
        stop = high if net > 0 else low
        if net == 0 or (net < 0 and volts <= 0):
            return Step(dt_s, volts, self.watts * dt_s)
        t_stop = self._time(volts, stop, drain_a, farads)
        if t_stop <= dt_s:
            return Step(t_stop, stop, self.watts * t_stop)
        near, far = volts, stop  # the voltage moves one way: bisect
        if self.watts == 0:
            return Step(dt_s, volts - drain_a * dt_s / farads, 0.0)
        for _ in range(80):
            mid = 0.5 * (near + far)
            if self._time(volts, mid, drain_a, farads) <= dt_s:
                near = mid
            else:
                far = mid
        return Step(dt_s, near, self.watts * dt_s)

    def _time(self, v0: float, v1: float, drain_a: float, farads: float) -> float:
        """Seconds from `v0` to `v1`; infinite when the voltage stays short of it."""
        p, i = self.watts, drain_a
        if p == 0:
            return farads * (v0 - v1) / i
        if i * max(v0, v1) < 1e-5 * p:  # the closed form cancels there: two terms of its series
            return farads * ((v1 * v1 - v0 * v0) / 2 + i / p * (v1**3 - v0**3) / 3) / p
        rest0, rest1 = p - i * v0, p - i * v1
        if rest0 * rest1 <= 0:
            return FOREVER
        return farads * (-(v1 - v0) / i - p / (i * i) * math.log(rest1 / rest0))


@dataclass(frozen=True)
class CurveLaw:
    """A current that falls with the voltage along straight pieces: an exponential in each of them.

    Attributes:
        points: `(volts, amperes)` at the capacitor, voltages rising; beyond the last one no current flows.
    """

    points: tuple[tuple[float, float], ...]

    def power_w(self, volts: float) -> float:
        """Power at `volts`."""
        offset, slope, _, _ = self._piece(volts, up=True)
        return max(0.0, offset - slope * volts) * volts

    def _piece(self, volts: float, *, up: bool) -> tuple[float, float, float, float]:
        """`(offset, slope, low, high)` with current = offset - slope * volts in that range of voltages."""
        at = [v for v, _ in self.points]
        k = bisect.bisect_right(at, volts) if up else bisect.bisect_left(at, volts)
        if k == 0:
            return self.points[0][1], 0.0, -math.inf, at[0]
        if k == len(at):
            return 0.0, 0.0, at[-1], math.inf
        (v0, i0), (v1, i1) = self.points[k - 1], self.points[k]
        slope = (i0 - i1) / (v1 - v0)
        return i0 + slope * v0, slope, v0, v1

    def advance(self, volts: float, drain_a: float, farads: float, dt_s: float, low: float, high: float) -> Step:
        """See `Law`."""
        offset, slope, _, _ = self._piece(volts, up=True)
        up = offset - slope * volts - drain_a > 0
        offset, slope, below, above = self._piece(volts, up=up)
        now = offset - slope * volts - drain_a  # net current
        if now == 0 or (now > 0) != up or (now < 0 and volts <= 0):  # it rests here, or on the edge of two pieces
            return Step(dt_s, volts, max(0.0, drain_a if volts > 0 else 0.0) * volts * dt_s)
        stop = min(high, above) if up else max(low, below)
        if slope == 0:
            t = min(dt_s, farads * (stop - volts) / now)
            end = stop if t < dt_s else volts + now * t / farads
            area = 0.5 * (volts + end) * t
        else:
            tau, rest = farads / slope, (offset - drain_a) / slope
            if volts == rest:  # within rounding of its resting point
                return Step(dt_s, volts, drain_a * volts * dt_s)
            ratio = (stop - rest) / (volts - rest)
            t = min(dt_s, -tau * math.log(ratio) if ratio > 0 else FOREVER)
            end = stop if t < dt_s else rest + (volts - rest) * math.exp(-t / tau)
            area = rest * t - (volts - rest) * tau * math.expm1(-t / tau)
        stored = 0.5 * farads * (end * end - volts * volts)
        return Step(t, end, stored + drain_a * area)


@dataclass(frozen=True)
class ConstantPower:
    """The same power for ever."""

    watts: float

    def __post_init__(self) -> None:
        _not_negative("watts", self.watts)

    def at(self, t_s: float) -> tuple[Law, float]:
        """See `Source`."""
        return PowerLaw(self.watts), FOREVER


@dataclass(frozen=True)
class SolarDay:
    """A clear day, every day: the power follows sin(pi * x) from sunrise to sunset, averaged over each `step_s`.

    Attributes:
        peak_w: at noon, into the capacitor.
        start_h: hour of the day at time 0.
    """

    peak_w: float
    start_h: float = 8.0
    sunrise_h: float = 6.0
    sunset_h: float = 18.0
    step_s: float = 60.0
    period_s: ClassVar[float] = 86400.0

    def __post_init__(self) -> None:
        _not_negative("peak_w", self.peak_w)
        if not 0 <= self.sunrise_h < self.sunset_h <= 24 or not 0 < self.step_s <= 3600 or not 0 <= self.start_h < 24:
            raise ValueError(
                f"sunrise {self.sunrise_h}, sunset {self.sunset_h}, "
                f"step {self.step_s} and start {self.start_h} make no day"
            )

    def at(self, t_s: float) -> tuple[Law, float]:
        """See `Source`."""
        k = math.floor(t_s / self.step_s)
        if (k + 1) * self.step_s <= t_s:  # rounding
            k += 1
        first = (self.start_h * 3600 + k * self.step_s) % 86400
        rise, fall = self.sunrise_h * 3600, self.sunset_h * 3600
        x0 = (min(max(first, rise), fall) - rise) / (fall - rise)
        x1 = (min(max(first + self.step_s, rise), fall) - rise) / (fall - rise)
        area = (math.cos(math.pi * x0) - math.cos(math.pi * x1)) / math.pi * (fall - rise)
        return PowerLaw(max(0.0, self.peak_w * area / self.step_s)), (k + 1) * self.step_s


@dataclass(frozen=True)
class RfBursts:
    """Power for `on_s` at the start of each period."""

    watts: float
    period_s: float
    on_s: float

    def __post_init__(self) -> None:
        _not_negative("watts", self.watts)
        if not 0 < self.on_s <= self.period_s:
            raise ValueError(f"on_s must lie in (0, period_s], got {self.on_s} of {self.period_s}")

    def at(self, t_s: float) -> tuple[Law, float]:
        """See `Source`."""
        k = math.floor(t_s / self.period_s)
        on, end = k * self.period_s + self.on_s, (k + 1) * self.period_s
        if t_s < on:
            return PowerLaw(self.watts), on
        if t_s < end:
            return PowerLaw(0.0), end
        return PowerLaw(self.watts), end + self.on_s


@dataclass(frozen=True)
class Recorded:
    """A recorded trace: each row holds until the next one; after `end_s` it repeats, or the last row holds."""

    times_s: tuple[float, ...]
    laws: tuple[Law, ...]
    end_s: float
    repeat: bool = False

    @classmethod
    def from_csv(
        cls, path: str | Path, *, repeat: bool = False, series_ohm: float | None = None, scale: float = 1.0
    ) -> Recorded:
        """Columns `time_s` and `power_w`, or `time_s` and `voltage_v` of a source behind `series_ohm`.

        Raises:
            ValueError: columns, numbers or the order of times are wrong.
        """
        column, most = ("power_w", _MOST_W) if series_ohm is None else ("voltage_v", _MOST_V)
        if not (scale > 0 and math.isfinite(scale)) or not (series_ohm is None or 0 < series_ohm < math.inf):
            raise ValueError(f"{path}: scale {scale} and series_ohm {series_ohm} must be finite and above 0")
        times, values = _columns(Path(path), column)
        for k, (t, v) in enumerate(zip(times, values, strict=True)):
            if not math.isfinite(t) or (t <= times[k - 1] if k else t != 0):
                raise ValueError(f"{path}: row {k + 1}: time_s = {t}; times must start at 0 and rise from row to row")
            if not 0 <= scale * v <= most:
                raise ValueError(
                    f"{path}: row {k + 1}: {column} = {v} times {scale} lies outside 0 to {most:g}; see scale"
                )
        values = [scale * v for v in values]
        laws: list[Law] = [
            PowerLaw(v) if series_ohm is None else CurveLaw(((0.0, v / series_ohm), (max(v, 1e-9), 0.0)))
            for v in values
        ]
        return cls(tuple(times), tuple(laws), times[-1] + (times[-1] - times[-2]), repeat)

    @property
    def period_s(self) -> float:
        """How long one turn of the recording takes; infinite when the last row holds."""
        return self.end_s if self.repeat else FOREVER

    def at(self, t_s: float) -> tuple[Law, float]:
        """See `Source`."""
        turn = math.floor(t_s / self.end_s) if self.repeat else 0
        base = turn * self.end_s
        k = max(0, bisect.bisect_right(self.times_s, t_s - base) - 1)
        last = k + 1 == len(self.laws)
        until = FOREVER if last and not self.repeat else base + (self.end_s if last else self.times_s[k + 1])
        if until <= t_s:  # rounding: the next row has begun
            return self.laws[0 if last else k + 1], math.nextafter(t_s, FOREVER) + (self.times_s[1] if last else 0)
        return self.laws[k], until


@dataclass(frozen=True)
class CurveSource:
    """A source with a current-voltage curve behind a series resistance, e.g. a solar cell or a supply with 1 kohm.

    Attributes:
        points: `(volts, amperes)` at the source, voltages rising and currents falling to 0.
        series_ohm: between source and capacitor.
    """

    points: tuple[tuple[float, float], ...]
    series_ohm: float = 0.0

    def __post_init__(self) -> None:
        at_node = [v - i * self.series_ohm for v, i in self.points]
        falling = all(a[1] >= b[1] for a, b in zip(self.points, self.points[1:], strict=False))
        rising = all(a < b for a, b in pairwise(at_node))
        if len(self.points) < 2 or not falling or not rising or self.points[-1][1] != 0 or self.series_ohm < 0:
            raise ValueError("an I-V curve needs two points or more, rising voltages, currents that fall to 0")

    @classmethod
    def thevenin(cls, volts: float, series_ohm: float) -> CurveSource:
        """A voltage source behind a resistance."""
        if volts <= 0 or series_ohm <= 0:
            raise ValueError(f"needs a voltage and a resistance above 0, got {volts} V and {series_ohm} ohm")
        return cls(((0.0, volts / series_ohm), (volts, 0.0)))

    def at(self, t_s: float) -> tuple[Law, float]:
        """See `Source`."""
        return CurveLaw(tuple((v - i * self.series_ohm, i) for v, i in self.points)), FOREVER


def samples(source: Source, duration_s: float, count: int, volts: float = 2.5) -> Sequence[tuple[float, float]]:
    """`(time_s, power_w)` at `volts`, evenly spaced, to look at a source."""
    times = [duration_s * k / max(1, count - 1) for k in range(count)]
    return [(t, source.at(t)[0].power_w(volts)) for t in times]


def _columns(path: Path, column: str) -> tuple[list[float], list[float]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as f:
            rows = list(csv.DictReader(f))
        times, values = [float(r["time_s"]) for r in rows], [float(r[column]) for r in rows]
    except (KeyError, TypeError, ValueError, csv.Error) as e:
        raise ValueError(f"{path}: needs columns time_s and {column} with a number in each row ({e})") from e
    if len(rows) < 2:
        raise ValueError(f"{path}: needs two rows or more, has {len(rows)}")
    return times, values


def _not_negative(name: str, value: float) -> None:
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{name} must not be negative, got {value}")
