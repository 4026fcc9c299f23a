"""`policy.c`: what `firmware/src/sw_policy.c` must know of the levels and of the energy store, from measurements.

In: energy, latency and accuracy of each level, the energy of each switch, a capacitor. Out: C text. No threshold is
typed in: how full the store must be for a level follows from what the level gains for each joule, beside the first
step up (the price of a joule falls from there to nothing at a full store).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .emit import environment
from .errors import CodegenError

NEVER = 0xFFFF
"""Price of a level that another one beats (`SW_POLICY_NEVER`)."""
_MOST_NJ = 1 << 28  # sums of a few of them stay below 2^32


class PolicyError(CodegenError):
    """Levels or store make no policy."""


@dataclass(frozen=True)
class LevelCost:
    """A level as it was measured: joules and seconds of one inference, percent of right answers."""

    name: str
    energy_j: float
    latency_s: float
    accuracy: float


@dataclass(frozen=True)
class Store:
    """A capacitor between the voltage where the device stops and the one where it holds no more.

    Raises:
        PolicyError: no such store.
    """

    capacitor_f: float
    v_off: float = 1.9
    v_max: float = 3.6

    def __post_init__(self) -> None:
        if not (0 < self.capacitor_f < math.inf and 1.8 <= self.v_off < self.v_max <= 3.6):
            raise PolicyError(
                f"a capacitor of {self.capacitor_f} F between {self.v_off} and {self.v_max} V is no store; "
                "it needs more than 0 F and 1.8 <= v_off < v_max <= 3.6 V (MSP430FR5994, SLASE54)"
            )
        if self.full_j * 1e9 >= _MOST_NJ:
            raise PolicyError(
                f"a capacitor of {self.capacitor_f} F holds {self.full_j * 1e3:.0f} mJ; the policy counts up to "
                f"{_MOST_NJ / 1e6:.0f} mJ: choose a smaller one"
            )

    @property
    def full_j(self) -> float:
        """Joules from `v_off` to `v_max`."""
        return 0.5 * self.capacitor_f * (self.v_max**2 - self.v_off**2)

    def volts(self, stored_j: float) -> float:
        """The voltage at which the store holds that much."""
        return math.sqrt(self.v_off**2 + 2 * stored_j / self.capacitor_f)

    def scale(self) -> tuple[int, int]:
        """`(scale, shift)`: nanojoules = (mV * mV / 1024) * scale >> shift, the product below 2^32."""
        exact = 0.5 * self.capacitor_f * 1024 * 1e-6 * 1e9
        shift = 0
        while exact * 2 ** (shift + 1) < 0xFFFF and shift < 15:
            shift += 1
        if round(exact * 2**shift) > 0xFFFF:
            raise PolicyError(f"a capacitor of {self.capacitor_f} F is too large for the policy's arithmetic")
        return round(exact * 2**shift), shift


def prices(levels: Sequence[LevelCost]) -> tuple[int, list[int]]:
    """The thrifty level and each level's price, of 256.

    Only levels on the upper hull of accuracy over energy are worth a joule; the price of one is 1 less the ratio of
    its gain per joule to that of the first step up from the thrifty level.
    """
    thrifty = min(range(len(levels)), key=lambda k: (levels[k].energy_j, -levels[k].accuracy))
    out = [NEVER] * len(levels)
    out[thrifty] = 0
    at, first = thrifty, None
    while True:
        above = [k for k in range(len(levels)) if levels[k].accuracy > levels[at].accuracy]
        if not above:
            return thrifty, out
        gain = {
            k: (levels[k].accuracy - levels[at].accuracy) / max(levels[k].energy_j - levels[at].energy_j, 1e-15)
            for k in above
        }
        at = max(above, key=lambda k: (gain[k], levels[k].accuracy))
        first = gain[at] if first is None else first
        out[at] = round(256 * (1 - min(1.0, gain[at] / first)))


def policy_source(
    levels: Sequence[LevelCost], switch_j: Sequence[Sequence[float]], store: Store, generator: str
) -> str:
    """C text of `policy.c`.

    Args:
        levels: sparsest first, as the project has them.
        switch_j: joules of the switch from level i to j.
        store: where the energy comes from.
        generator: named in the first line.

    Raises:
        PolicyError: an inference at the thrifty level does not fit the store, or a number is out of range.
    """
    thrifty, price = prices(levels)
    for level in levels:
        if not (0 < level.energy_j < math.inf and 0 < level.latency_s < 4294 and math.isfinite(level.accuracy)):
            raise PolicyError(f"level {level.name}: {level} is no measurement")
    need = levels[thrifty].energy_j
    if need * 17 / 16 > store.full_j:
        raise PolicyError(
            f"level {levels[thrifty].name} needs {need * 1e6:.0f} uJ and 1/16 more for an inference, the store holds "
            f"{store.full_j * 1e6:.0f} uJ from {store.v_off} to {store.v_max} V: take a capacitor of "
            f"{need * 17 / 8 / (store.v_max**2 - store.v_off**2) * 1e6:.0f} uF or more"
        )
    scale, shift = store.scale()
    return (
        environment()
        .get_template("policy.c.j2")
        .render(
            generator=generator,
            levels=[
                {
                    "name": level.name,
                    "energy_nj": math.ceil(level.energy_j * 1e9),
                    "latency_us": math.ceil(level.latency_s * 1e6),
                    "price": price[k],
                    "accuracy": level.accuracy,
                }
                for k, level in enumerate(levels)
            ],
            thrifty=thrifty,
            switch_nj=[
                [0 if i == j else math.ceil(e * 1e9) for j, e in enumerate(row)] for i, row in enumerate(switch_j)
            ],
            store=store,
            full_nj=round(store.full_j * 1e9),
            empty_mv2=round(store.v_off * 1000) ** 2 >> 10,
            scale=scale,
            shift=shift,
        )
    )
