"""Everything the simulator raises.

SimError
    BadElf (ValueError)          the file is not an ELF image for this device
    UnknownDevice (ValueError)   no data file of that name
    UnknownSymbol (KeyError)     no such symbol in the loaded image
    BadAddress (ValueError)      host access outside memory
    BadSnapshot (ValueError)     not a snapshot, damaged, or of another build of the simulator
    StaleCore (ImportError)      the compiled core is missing or older than its sources
    MissingCoefficient           an event was counted that the energy set does not price
    PowerLost                    the machine ran on after its power was cut, without a power cycle
    MachineFault                 the program did something impossible or unmodelled; has .kind .address .pc .cycles
        BusFault                 vacant, misaligned, read-only or signature memory; jump out of memory
        IllegalInstruction       reserved opcode
        Unmodelled               register, mode or memory that exists in silicon but not here
        UninitialisedRead        volatile memory read before it was written
        PasswordViolation        FRCTL, CS, PMM, WDT or RAMCTL written without its key
        ClockViolation           MCLK too fast for the wait states, or above the CPU's limit
        NotReady                 multiplier result read too early
        ProtectionViolation      access that the memory protection unit forbids
        LeaMisuse                illegal LEA command, or a running command disturbed
"""

from __future__ import annotations


class SimError(Exception):
    """Base of all errors of this package."""


class BadElf(SimError, ValueError):
    """The file is not an ELF image that fits this device."""


class UnknownDevice(SimError, ValueError):
    """There is no data file for this device name."""


class UnknownSymbol(SimError, KeyError):
    """The loaded image has no such symbol."""

    def __str__(self) -> str:
        return str(self.args[0])


class BadAddress(SimError, ValueError):
    """Host access to something that is not RAM or FRAM, or beyond a symbol's size."""


class BadSnapshot(SimError, ValueError):
    """The file is no snapshot that this build of the simulator can go on from."""


class StaleCore(SimError, ImportError):
    """The compiled core is missing or does not belong to the sources beside it."""


class MissingCoefficient(SimError):
    """An event was counted for which the energy set has no coefficient."""


class PowerLost(SimError):
    """The power was cut inside an instruction; only a power cycle may follow."""


class MachineFault(SimError):
    """The simulated program stopped on something impossible or unmodelled.

    Attributes:
        kind: one word, e.g. ``"vacant"``, ``"illegal"``.
        address: the address concerned.
        pc: address of the instruction.
        cycles: MCLK cycles since load, including this instruction.
    """

    def __init__(self, message: str, *, kind: str = "", address: int = 0, pc: int = 0, cycles: int = 0):
        super().__init__(message)
        self.kind = kind
        self.address = address
        self.pc = pc
        self.cycles = cycles


class BusFault(MachineFault):
    """Vacant, misaligned, read-only or signature memory, or a jump out of memory (see ``kind``)."""


class IllegalInstruction(MachineFault):
    """A reserved opcode or operand combination."""


class Unmodelled(MachineFault):
    """Something silicon has and this model does not."""


class UninitialisedRead(MachineFault):
    """Volatile memory was read before it was written; it holds random bits."""


class PasswordViolation(MachineFault):
    """A protected register was written without its key; silicon would reset."""


class ProtectionViolation(MachineFault):
    """An access that the memory protection unit forbids; silicon would raise an NMI or reset."""


class ClockViolation(MachineFault):
    """MCLK is too fast for the wait states or for the CPU."""


class NotReady(MachineFault):
    """A multiplier result was used before it was ready."""


class LeaMisuse(MachineFault):
    """An LEA command that silicon would get wrong, or an access that disturbs a running one (``sim/LEA.md``)."""


#: kind number of the core (``sim/core/faults.h``) -> (class, word)
FAULTS: dict[int, tuple[type[MachineFault], str]] = {
    1: (BusFault, "vacant"),
    2: (BusFault, "misaligned"),
    3: (BusFault, "read-only"),
    4: (BusFault, "signature"),
    5: (BusFault, "fetch"),
    6: (IllegalInstruction, "illegal"),
    7: (Unmodelled, "unmodelled"),
    8: (UninitialisedRead, "uninitialised"),
    9: (PasswordViolation, "password"),
    10: (ClockViolation, "clock"),
    11: (NotReady, "not-ready"),
    12: (LeaMisuse, "lea"),
    13: (ProtectionViolation, "protection"),
}
