"""Model options: what differs between boards, and named readings of facts that are not certain.

In: ``Machine(options={...})``. Out: numbers for the core (``core/options.cpp``). An unknown name or value raises.
"""

from __future__ import annotations

from collections.abc import Mapping

#: name -> (default, lowest, highest, meaning)
NUMBERS: dict[str, tuple[float, float, float, str]] = {
    "vlo_hz": (9400, 1000, 50_000, "VLO frequency in Hz"),
    "modosc_hz": (4_800_000, 1_000_000, 8_000_000, "MODOSC frequency in Hz, a multiple of 128; LFMODCLK is 1/128"),
    "lfxt_hz": (0, 0, 50_000, "crystal at LFXT in Hz, 0: none (LFMODCLK steps in)"),
    "hfxt_hz": (0, 0, 24_000_000, "crystal at HFXT in Hz, 0: none (MODCLK steps in)"),
    "ref_settle_us": (40, 0, 1000, "settling time of the reference REF_A in us"),
    "temperature_c": (25, -40, 85, "what the temperature sensor of ADC12_B measures, in degrees Celsius"),
    "lpm0_wake_ns": (0, 0, 2000, "time to wake from LPM0 beyond the interrupt; the datasheet gives 400 + 1.5 / fDCO"),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "violations": ("raise", "reset"),  # wrong passwords and a forgotten watchdog: an error, or the PUC of silicon
}


def resolve(options: Mapping[str, float | str]) -> dict[str, float]:
    """Checked options as the core takes them.

    Raises:
        ValueError: an unknown option, or a value outside its range.
    """
    out: dict[str, float] = {}
    for name, value in options.items():
        if name in CHOICES:
            if value not in CHOICES[name]:
                raise ValueError(f"option {name}={value!r}: choose {' or '.join(CHOICES[name])}")
            out[f"{name}_reset"] = float(value == "reset")
        elif name in NUMBERS:
            _, low, high, meaning = NUMBERS[name]
            if not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(f"option {name}={value!r}: {meaning}; {low:g} to {high:g}")
            if name == "modosc_hz" and value % 128:
                raise ValueError(f"option {name}={value!r} is not a multiple of 128")
            out[name] = float(value)
        else:
            raise ValueError(f"no option '{name}'; there are: {', '.join(sorted([*NUMBERS, *CHOICES]))}")
    return out
