"""The simulated device as Python sees it: load, run, look, fork.

In: a device name, an ELF file. Out: registers, counters, watch events, a profile by function; copies and snapshots.
Its other parts: symbols and memory (``places.py``), serial lines, external memory and pins (``host.py``).
Deliberately not here: what instructions do (``sim/core``), prices (``sim/energy.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from . import _core, snapshot
from .counters import Counters
from .descriptors import TLV, descriptors
from .device import Device
from .elf import Image, Symbol, read_image
from .energy import Rates
from .errors import FAULTS, MachineFault, PowerLost
from .functions import code_index, profile_slots
from .host import HostSide
from .lea import LeaModel
from .options import resolve
from .places import Places
from .stops import FAULT, STOPS, Stop, WatchEvent

__all__ = ["Machine", "Stop", "WatchEvent"]

_FOREVER = 2**63
_NEVER = 2**64 - 1
RESET_VECTOR = 55
NVM = ("chip", "external", "all")  # order: NvmScope in core/limits.h


class Machine(Places, HostSide):
    """One simulated device.

    Args:
        device: name of a data file in ``sim/data``.
        seed: of the random bits that volatile memory and registers hold after power-on. The same seed gives the
            same run, bit by bit and cycle by cycle.
        allow_uninitialised: let programs read volatile memory that they never wrote (named in ``assumptions``).
        options: model options by name (``sim/options.py``), named in ``assumptions``.
        lea: options of the LEA model (``sim/LEA.md``), a file of them, or a ``LeaModel``; named in ``assumptions``.

    Raises:
        UnknownDevice: there is no such data file.
        ValueError: an unknown option or a value outside its range.
    """

    def __init__(
        self,
        device: str = "msp430fr5994",
        *,
        seed: int = 0,
        allow_uninitialised: bool = False,
        options: Mapping[str, float | str] | None = None,
        lea: Mapping[str, object] | str | Path | LeaModel | None = None,
    ) -> None:
        self._device = Device.load(device)
        self._allow = allow_uninitialised
        self._core = _core.Machine(list(self._device.ranges), seed & (2**64 - 1), allow_uninitialised)
        if self._device.vectors:
            self._core.set_vectors(list(self._device.vectors))
        self._core.set_gaps(list(self._device.gaps))
        self._core.set_compares(list(self._device.compares))
        self._core.set_descriptors(TLV, descriptors(self._device, seed))
        self._options = dict(options or {})
        for name, value in resolve(self._options).items():
            self._core.set_option(name, value)
        self._lea = lea if isinstance(lea, LeaModel) else LeaModel.load(lea or {})
        if any(kind == "lea_ram" for kind, _, _ in self._device.ranges):
            self._core.lea_configure(*self._lea.for_core())
        self._image = Image((), {}, ())
        self._index: tuple[list[int], list[Symbol]] = ([], [])
        self._profiled: tuple[str, ...] = ()
        self._breakpoints: tuple[int, ...] = ()
        self._spi_frams = ()

    def load(self, path: str | Path) -> None:
        """Write an ELF image into memory, take its symbols, and start over: counters and time are zero.

        Raises:
            BadElf: not an ELF, another architecture, damaged, or a segment outside memory. Nothing was loaded then.
        """
        image = read_image(path, self._device.memories)
        for address, data in image.segments:
            self._core.write(address, data)
        self._take_image(replace(image, segments=()))
        ram = [(a, d) for a, d in image.segments if a < 0x4000]
        self._core.forget()
        for address, data in ram:
            self._core.write(address, data)

    def _take_image(self, image: Image) -> None:
        self._image = image
        self._index = code_index(image)
        self._profiled = ()
        self._core.profile_enable([])

    def run(
        self,
        until: str | int | None = None,
        max_cycles: int | None = None,
        *,
        max_instructions: int | None = None,
        max_nvm_writes: int | None = None,
        nvm: Literal["chip", "external", "all"] = "chip",
        tear: bool = True,
        stop_at_watch: bool = False,
    ) -> Stop:
        """Execute until the PC arrives at ``until``, a limit is reached, or the CPU sleeps for good.

        At least one instruction is executed unless the CPU sleeps, so ``run(until=X)`` at ``PC == X`` goes on to
        the next arrival. Stops between instructions: at the first one at or after the limit. Releases the GIL;
        Ctrl-C works.

        Args:
            until: symbol or address.
            max_cycles: MCLK cycles from now.
            max_instructions: instructions from now, exact.
            max_nvm_writes: writes of non-volatile memory from now.
            nvm: which: of the on-chip FRAM (a 20- or 32-bit store is two), bytes that an external FRAM stores, or both.
            tear: stop exactly after that write, inside the instruction or DMA block; the power is gone then and only
                `power_cycle` may follow. Without it the instruction is finished.
            stop_at_watch: stop after an instruction that wrote a watched word.

        Raises:
            MachineFault: the program did something impossible or unmodelled (subclasses say what). The machine
                stays at that instruction, which may be half executed.
            PowerLost: the power was cut before and the machine was not power-cycled.
            UnknownSymbol: ``until`` is not in the image.
        """
        target = self._target(until)
        limits = {"max_cycles": max_cycles, "max_instructions": max_instructions, "max_nvm_writes": max_nvm_writes}
        for name, value in limits.items():
            if value is not None and value < (0 if name == "max_cycles" else 1):
                raise ValueError(f"{name} must not be {'negative' if name == 'max_cycles' else '< 1'}, got {value}")
        self._alive()
        if nvm not in NVM:
            raise ValueError(f"nvm={nvm!r}: choose {', '.join(NVM)}")
        done = {
            "chip": self.nvm_writes,
            "external": self.external_writes,
            "all": self.nvm_writes + self.external_writes,
        }
        writes = _NEVER if max_nvm_writes is None else done[nvm] + max_nvm_writes
        self._core.set_limits(
            _NEVER if max_instructions is None else self.instructions + max_instructions,
            _NEVER if tear else writes,
            writes if tear else _NEVER,
            stop_at_watch,
            NVM.index(nvm),
        )
        why = self._core.run(target, _FOREVER if max_cycles is None else min(max_cycles, _FOREVER))
        return self._stopped(why)

    def run_metered(
        self,
        rates: Rates,
        available_j: float,
        input_w: float,
        max_cycles: int,
        until: str | int | None = None,
        *,
        base_j: float = 0.0,
        farads: float = 0.0,
        since: tuple[list[int], float] | None = None,
        naps: bool = False,
    ) -> Stop:
        """Run until ``available_j`` is spent.

        Returns:
            ``Stop.SUPPLY`` at the first instruction boundary without energy, ``ASLEEP`` when the CPU fell asleep and
            ``INSTRUCTIONS`` when it slept and is awake now, both only without ``naps``; ``INSTRUCTIONS`` also after a
            reset or a change of MCLK; else as `run`.

        Args:
            rates: what events cost (`EnergyModel.rates`).
            available_j: energy at the start.
            input_w: power that comes in meanwhile; negative for a constant load.
            max_cycles, until: as `run`, which also says what it raises.
            base_j: energy on the capacitor beyond ``available_j``.
            farads: the capacitor, whose voltage the program measures meanwhile; 0: ``supply_v`` stays.
            since: counters and time at which ``available_j`` was there [default: now].
            naps: go on when the CPU falls asleep or wakes up.
        """
        target = self._target(until)
        self._alive()
        self._core.set_limits(_NEVER, _NEVER, _NEVER, False, 0)
        costs = (list(rates.prices), rates.cycle_j, rates.sleep_w, rates.wake_j)
        counters, time_s = since or (self._core.counters(), self.time_s)
        energy = (available_j, input_w, counters, time_s)
        why = self._core.run_metered(target, min(max_cycles, _FOREVER), *costs, *energy, base_j, farads, naps)
        return self._stopped(why)

    def _alive(self) -> None:
        if self._core.dead:
            raise PowerLost("the power was cut; call power_cycle() before running on")

    def _stopped(self, why: int) -> Stop:
        if why == FAULT:
            raise self._fault()
        return STOPS[why]

    @property
    def pc(self) -> int:
        """Address of the next instruction."""
        return self._core.registers()[0]

    @pc.setter
    def pc(self, address: int) -> None:
        self._core.set_register(0, address)

    @property
    def registers(self) -> tuple[int, ...]:
        """R0-R15 (R0 = PC, R1 = SP, R2 = SR), 20 bits each."""
        return tuple(self._core.registers())

    def set_register(self, index: int, value: int) -> None:
        """Set R0-R15 from the host."""
        if not 0 <= index <= 15 or not 0 <= value <= 0xFFFFF:
            raise ValueError(f"R{index} = {value:#x}: registers are R0-R15 and hold 20 bits")
        self._core.set_register(index, value)

    @property
    def cycles(self) -> int:
        """MCLK cycles since ``load``."""
        return self._core.cycles

    @property
    def instructions(self) -> int:
        """Instructions since ``load``."""
        return self._core.instructions

    @property
    def nvm_writes(self) -> int:
        """Writes of the on-chip FRAM since ``load``, by CPU and DMA; what ``max_nvm_writes`` counts."""
        return self._core.nvm_writes

    @property
    def external_writes(self) -> int:
        """Bytes that external FRAMs stored since ``load``; their status register counts as one."""
        return self._core.external_writes

    @property
    def time_s(self) -> float:
        """Simulated seconds since ``load``, across changes of MCLK."""
        return self._core.time_s

    @property
    def mclk_hz(self) -> int:
        """MCLK now, in Hz."""
        return self._core.mclk_hz

    def counters(self) -> Counters:
        """Everything counted since ``load``."""
        return Counters.of(self._core.counters())

    @property
    def assumptions(self) -> list[str]:
        """Model options and assumptions in use, one sentence each; a report lists them."""
        relaxed = ["allow-uninitialised: reads of volatile memory that was never written are allowed"]
        chosen = [f"option {name}: {value}" for name, value in sorted(self._options.items())]
        return list(self._device.assumptions) + self._lea.assumptions() + (relaxed if self._allow else []) + chosen

    def watch(self, where: str | int) -> None:
        """Log every write of CPU or DMA to the 16-bit word at ``where`` (host writes are not logged)."""
        address, _ = self._place(where)
        self._check_span(where, address, 1, 0)
        self._core.watch(address)

    def unwatch(self, where: str | int) -> None:
        """Stop logging writes to the word at ``where``."""
        self._core.unwatch(self._address(where))

    def watch_log(self, clear: bool = True) -> list[WatchEvent]:
        """The writes seen so far, oldest first; ``clear`` forgets them."""
        out = []
        for address, value, pc, time_s, flat in self._core.watch_log(clear):
            counters = Counters.of(flat)
            out.append(WatchEvent(address, value, pc, counters.cycles, counters, time_s))
        return out

    def profile(self, on: bool = True) -> None:
        """Start (from zero) or stop attributing counters to functions. Costs no speed while off."""
        starts, names = profile_slots(self._image, self._index)
        self._profiled = tuple(names) if on else ()
        self._core.profile_enable(starts if on else [])

    def profile_report(self) -> dict[str, Counters]:
        """Counters by function symbol since ``profile(True)``; exclusive of callees, and they sum to the total.

        Interrupt acceptance counts for the interrupted function, a DMA transfer for the one that started it;
        code outside all symbols is ``"?"``.
        """
        out: dict[str, Counters] = {}
        for name, flat in zip(self._profiled, self._core.profile(), strict=False):
            counters = Counters.of(flat)
            if counters.cycles:
                out[name] = out.get(name, Counters()) + counters
        return out

    def fork(self) -> Machine:
        """An independent copy: same state, same future, nothing shared."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)  # values and tuples that are replaced, never changed
        other._core = self._core.fork()
        return other

    def snapshot(self, path: str | Path) -> None:
        """Write the whole state to a file: memory, peripherals, external FRAM, counters, logs, profile, options.

        The file belongs to this build of the simulator. It appears complete or not at all.

        Raises:
            OSError: it cannot be written.
        """
        snapshot.write(path, snapshot.to_bytes(self))

    @classmethod
    def restore(cls, path: str | Path) -> Machine:
        """The machine of a file that `snapshot` wrote; it goes on bit by bit and cycle by cycle as the original.

        Raises:
            BadSnapshot: not a snapshot, damaged, truncated, or of another build of the simulator.
            OSError: the file cannot be read.
        """
        return snapshot.from_bytes(cls, Path(path).read_bytes(), str(path))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled as a snapshot, so that machines travel to other processes (``sim.parallel``)."""
        return snapshot.unpickle, (type(self), snapshot.to_bytes(self))

    def __copy__(self) -> Machine:
        """`fork`."""
        return self.fork()

    def __deepcopy__(self, memo: dict[int, object]) -> Machine:
        """`fork`."""
        return self.fork()

    def reset(self, power_on: bool = True) -> None:
        """Reset the device. Cycles, time and counters go on.

        Args:
            power_on: also lose power: SRAM, LEA RAM and registers come back as fresh random bits. FRAM stays.
        """
        self._core.reset(power_on)

    def power_cycle(self, off_s: float = 0.0) -> None:
        """Lose power and come back ``off_s`` seconds later.

        SRAM, LEA RAM, tiny RAM and registers hold fresh random bits that count as uninitialised, peripherals their
        reset values; FRAM stays. SYSRSTIV reports BOR, and SVSH where it was enabled. The same seed gives
        the same bits. Counters go on, time passes.
        """
        if off_s < 0:
            raise ValueError(f"off_s must not be negative, got {off_s}")
        self._power_up(off_s, counted=True)

    def _power_up(self, off_s: float, *, counted: bool) -> None:
        """`power_cycle`; not ``counted``: the charge of the reset is in the books of a supply."""
        self._core.brown_out(counted)
        self._core.pass_time(off_s)

    @property
    def breakpoints(self) -> tuple[int, ...]:
        """Addresses at which ``run`` stops before the instruction (not when it starts there); no cost elsewhere."""
        return self._breakpoints

    @breakpoints.setter
    def breakpoints(self, places: Iterable[str | int]) -> None:
        addresses = tuple(dict.fromkeys(self._target(place) for place in places))
        self._core.set_breakpoints(list(addresses))
        self._breakpoints = addresses

    def interrupt(self, index: int) -> None:
        """Request the interrupt with vector ``0xFF90 + 2 * index``; accepted when GIE allows (53, 54: always)."""
        if not 0 <= index < RESET_VECTOR:
            raise ValueError(f"interrupt index {index} is not in 0..54; 55 is reset, use reset()")
        self._core.interrupt(index)

    def _fault(self) -> MachineFault:
        kind, address, message = self._core.fault()
        cls, word = FAULTS[kind]
        pc, cycles = self.pc, self.cycles
        text = f"at {self.where(pc)}, cycle {cycles}: {message}"
        return cls(text, kind=word, address=address, pc=pc, cycles=cycles)
