"""The energy buffer of a batteryless board, and how long a step it can pay for.

A power-up begins with the capacitor at `v_on` and ends at `v_off`. What lies between must cover, without any harvest
meanwhile: the MCU's own reset, the leakage, the firmware's boot, and one step with what prepares it. The rest decides
`TargetSpec.step_cycles`, by which the planner cuts layers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from .errors import DoesNotFit, TargetError
from .target import TargetSpec

BOOT_CYCLES = 10_000
"""Cycles from reset to the step that goes on, an upper bound that a test holds."""

MARGIN = 1.5
"""Above the target's joules per cycle: a whole board of this kind took 0.33 nJ per cycle (INAS), 1.4 times that."""


@dataclass(frozen=True)
class EnergyBuffer:
    """A capacitor between two thresholds. Defaults: MSP430FR5994, reset 102 nAs (JAJSG26C, wake-up charge) and 1 ms.

    Attributes:
        capacitor: in farads.
        v_on, v_off: volts at which the MCU starts, and at which it stops.
        leakage: amperes that the capacitor and its surroundings lose all the time.
        boot_s, boot_c: seconds and coulombs of the MCU's reset; more for a board with other parts.
        v_max: volts where the capacitor holds no more. Plans do not count on it, `swtrain policy` does.
    """

    capacitor: float
    v_on: float = 3.0
    v_off: float = 1.9
    leakage: float = 1e-6
    boot_s: float = 1e-3
    boot_c: float = 102e-9
    v_max: float = 3.6

    def __post_init__(self) -> None:
        if not 0 < self.v_off < self.v_on <= self.v_max <= 3.6:
            raise TargetError(
                f"energy buffer: v_on = {self.v_on:g} V, v_off = {self.v_off:g} V and v_max = {self.v_max:g} V; "
                "need 0 < v_off < v_on <= v_max <= 3.6 V"
            )
        for name in ("capacitor", "leakage", "boot_s", "boot_c"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise TargetError(f"energy buffer: {name} = {getattr(self, name):g} must not be negative")

    @property
    def stored_j(self) -> float:
        """Joules between the thresholds."""
        return self.capacitor * (self.v_on**2 - self.v_off**2) / 2

    @property
    def reset_j(self) -> float:
        """Joules of the MCU's reset, leakage meanwhile included."""
        return (self.boot_c + self.leakage * self.boot_s) * self.v_on

    def step_cycles(self, target: TargetSpec) -> int:
        """Cycles of the longest step that one power-up pays for, CPU and LEA running.

        Raises:
            DoesNotFit: nothing is left for a step.
        """
        cycle_j = MARGIN * (target.joules["cycle"] + target.joules.get("lea", 0.0))
        cycle_j += self.leakage * self.v_on / target.mclk_hz
        boot_j = self.reset_j + BOOT_CYCLES * cycle_j
        left = self.stored_j - boot_j
        if left < cycle_j:
            volts = f"between {self.v_on:g} V and {self.v_off:g} V"
            need = 2 * boot_j / (self.v_on**2 - self.v_off**2)
            raise DoesNotFit(
                f"energy buffer of {1e6 * self.capacitor:g} uF: {1e6 * self.stored_j:.3g} uJ {volts}, a power-up alone "
                f"takes {1e6 * boot_j:.3g} uJ; use more than {1e6 * need:.3g} uF"
            )
        return int(left / cycle_j)


def parse_buffer(text: str) -> EnergyBuffer:
    """The buffer of a text such as `capacitor=100e-6,v_on=3.0,v_off=1.9`; what lacks has its default.

    Raises:
        TargetError: an unknown name, not a number, or out of range.
    """
    known = [f.name for f in fields(EnergyBuffer)]
    values: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, value = part.partition("=")
        try:
            if name not in known:
                raise ValueError
            values[name] = float(value)
        except ValueError as e:
            raise TargetError(f"energy buffer: {part!r}; give NAME=NUMBER with NAME one of {', '.join(known)}") from e
    if "capacitor" not in values:
        raise TargetError("energy buffer: capacitor is missing; give capacitor=FARADS")
    return EnergyBuffer(**values)


def fit_steps(target: TargetSpec, buffer: EnergyBuffer) -> TargetSpec:
    """`target` with steps that `buffer` can pay for; never longer than the target's own."""
    return replace(target, step_cycles=min(target.step_cycles, buffer.step_cycles(target)))


def explain(buffer: EnergyBuffer, target: TargetSpec, error: DoesNotFit) -> DoesNotFit:
    """`error` of a plan with `fit_steps`; if a step does not fit, with the energy behind its cycles."""
    if "smallest step" not in str(error):
        return error
    return DoesNotFit(
        f"{error}; the energy buffer of {1e6 * buffer.capacitor:g} uF holds {1e6 * buffer.stored_j:.3g} uJ, which pays "
        f"for a power-up and {buffer.step_cycles(target):,} cycles of a step"
    )
