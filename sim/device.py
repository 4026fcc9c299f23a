"""What a device has: its data file in ``sim/data`` as one value.

In: a name. Out: address ranges by kind, memories, interrupt vectors, missing registers, assumptions. A sibling's file
says only what differs from the device that it is ``like``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from .errors import UnknownDevice

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Device:
    """See the module. Ranges are inclusive.

    Attributes:
        name: as TI writes it.
        ranges: ``(kind, first, last)`` of everything on the bus.
        memories: ``(name, first, last)`` of RAM and FRAM.
        assumptions: one sentence each.
        vectors: ``(interrupt source, vector index)``; empty: those of the MSP430FR5994.
        gaps: ``(first, last, name, there)`` of registers that the device has not, or that are not modelled on it.
        compares: capture/compare registers of TA0-TA4 and TB0.
        ports: P1 to this one, beside PJ.
        device_id: word at 0x1A04 of the device descriptors.
    """

    name: str
    ranges: tuple[tuple[str, int, int], ...]
    memories: tuple[tuple[str, int, int], ...]
    assumptions: tuple[str, ...]
    vectors: tuple[tuple[str, int], ...]
    gaps: tuple[tuple[int, int, str, bool], ...]
    compares: tuple[int, ...]
    ports: int
    device_id: int

    @classmethod
    def load(cls, name: str) -> Device:
        """The device of that name, in any case.

        Raises:
            UnknownDevice: there is no such data file.
        """
        try:
            table = tomllib.loads((_DATA / f"{name.lower()}.toml").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError, OSError):
            known = ", ".join(sorted(p.stem for p in _DATA.glob("*.toml")))
            raise UnknownDevice(f"no device '{name}'; there are: {known}") from None
        ranges = tuple((m["kind"], m["first"], m["last"]) for m in table["memory"])
        memories = tuple(
            (m["name"], m["first"], m["last"]) for m in table["memory"] if m["kind"] in ("sram", "lea_ram", "fram")
        )
        gaps = [(first, last, what, False) for first, last, what in table.get("absent", ())]
        gaps += [(first, last, what, True) for first, last, what in table.get("unmodelled", ())]
        vectors = tuple(table.get("vectors", {}).items())
        if "like" in table:  # a sibling: what it does not say is as there
            base = cls.load(table["like"])
            vectors = vectors or base.vectors
            compares = tuple(table.get("compares", base.compares))
            ports = int(table.get("ports", base.ports))
            return cls(
                table["name"],
                ranges,
                memories,
                base.assumptions,
                vectors,
                tuple(gaps),
                compares,
                ports,
                table["device_id"],
            )
        assumptions = tuple(f"{a['id']}: {a['text']}" for a in table["assumption"])
        compares, ports = tuple(table["compares"]), int(table["ports"])
        return cls(
            table["name"], ranges, memories, assumptions, vectors, tuple(gaps), compares, ports, table["device_id"]
        )
