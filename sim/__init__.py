"""An MSP430FR5994 that runs any ELF, instruction by instruction, and counts what energy costs.

>>> from sim import Machine
>>> m = Machine("msp430fr5994", seed=0)
>>> m.load("firmware.elf")                              # doctest: +SKIP
>>> m.run(until="main")                                 # doctest: +SKIP
<Stop.UNTIL: 'until'>

See ``sim/README.md`` for what is modelled and what is not. Nothing here imports torch, swtrain or codegen.
"""

from pathlib import Path

from ._build import check_core

check_core(Path(__file__).parent / "core")

from . import parallel, powerloss, sources  # noqa: E402
from .counters import EVENTS, Counters  # noqa: E402
from .elf import Symbol  # noqa: E402
from .energy import Coefficient, EnergyModel  # noqa: E402
from .errors import (  # noqa: E402
    BadAddress,
    BadElf,
    BadSnapshot,
    BusFault,
    ClockViolation,
    IllegalInstruction,
    LeaMisuse,
    MachineFault,
    MissingCoefficient,
    NotReady,
    PasswordViolation,
    PowerLost,
    ProtectionViolation,
    SimError,
    StaleCore,
    UninitialisedRead,
    UnknownDevice,
    UnknownSymbol,
    Unmodelled,
)
from .harvest import Bench, Harvested  # noqa: E402
from .host import UartByte  # noqa: E402
from .lea import LeaModel  # noqa: E402
from .machine import Machine, Stop, WatchEvent  # noqa: E402
from .supply import PoweredMachine, Starved  # noqa: E402
from .trace import Trace  # noqa: E402

__all__ = [
    "EVENTS",
    "BadAddress",
    "BadElf",
    "BadSnapshot",
    "Bench",
    "BusFault",
    "ClockViolation",
    "Coefficient",
    "Counters",
    "EnergyModel",
    "Harvested",
    "IllegalInstruction",
    "LeaMisuse",
    "LeaModel",
    "Machine",
    "MachineFault",
    "MissingCoefficient",
    "NotReady",
    "PasswordViolation",
    "PowerLost",
    "PoweredMachine",
    "ProtectionViolation",
    "SimError",
    "StaleCore",
    "Starved",
    "Stop",
    "Symbol",
    "Trace",
    "UartByte",
    "UninitialisedRead",
    "UnknownDevice",
    "UnknownSymbol",
    "Unmodelled",
    "WatchEvent",
    "parallel",
    "powerloss",
    "sources",
]
