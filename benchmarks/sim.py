"""Speed and size of the simulator: ``python benchmarks/sim.py --json FILE``.

Writes ``mips`` and ``mips_cache`` (million instructions per second of CPU time, geometric means over five programs, at
NWAITS = 0 and at NWAITS = 1 with the cache), ``cycles_error`` (largest relative difference over the plain programs
between the simulated cycles and a count by the guide's tables that shares no code with the simulator), ``fork_us``,
``machine_mb`` (the larger of a machine that loaded an ELF and a fork, after both ran) and ``idle_hours_s`` (seconds for
ten simulated hours of harvesting and sleep). All checks, the cache model and the counters of energy are on; there is
no faster mode. Where Debian's ``mspdebug`` is installed, its simulator runs the same ELF files beside.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path

import sim_guide
import sim_mspdebug
import sim_programs

import sim
from sim import EnergyModel, Harvested, PoweredMachine, sources

REPEATS = 5
ENERGY = EnergyModel.load("fused")
INFER = 1  # request of firmware/src/sw_serve.c


class Runner:
    """One program, ready to run again and again; the best of several measurements counts."""

    def __init__(self, folder: Path, name: str, nwaits: int) -> None:
        self.best = 0.0
        self.lenet = name == "lenet"
        self.m = sim.Machine(seed=1)
        if self.lenet:
            self.m.load(sim_programs.lenet(folder, nwaits)[0])
            assert self.m.run(until="sw_idle", max_cycles=10**9) is sim.Stop.UNTIL
            self.m.write("sw_input", bytes(i % 199 for i in range(len(self.m.read("sw_input")) // 2) for _ in (0, 1)))
        else:
            self.m.load(sim_programs.assemble(folder, name, nwaits))
            self.m.run(max_cycles=200_000)  # decode and warm up
        self.begin = self.m.counters()

    def measure(self, cycles: int) -> None:
        first, start, end = self.m.instructions, time.process_time(), self.m.cycles + cycles
        while self.m.cycles < end:
            if self.lenet:
                self.m.write("sw_request", INFER.to_bytes(2, "little"))
                assert self.m.run(until="sw_idle", max_cycles=10**10) is sim.Stop.UNTIL
                assert self.m.read("sw_status") == b"\0\0"
            else:
                assert self.m.run(max_cycles=end - self.m.cycles) is sim.Stop.CYCLES
        self.best = max(self.best, (self.m.instructions - first) / (time.process_time() - start) / 1e6)

    @property
    def energy_per_cycle_j(self) -> float:
        spent = self.m.counters() - self.begin
        return ENERGY.energy_j(spent) / max(1, spent.cycles)


def resident_kib() -> int:
    """Resident memory of this process, or 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))


def fork_us(m: sim.Machine, count: int = 400) -> float:
    """Microseconds to make and drop a fork."""
    best = math.inf
    for _ in range(REPEATS):
        start = time.process_time()
        for _ in range(count):
            m.fork()
        best = min(best, (time.process_time() - start) / count)
    return best * 1e6


def machine_mb(elf: Path, count: int = 60) -> float:
    """Megabytes per machine: loaded from the ELF or forked, whichever is more, each after it ran 100000 cycles."""

    def loaded() -> sim.Machine:
        m = sim.Machine(seed=1)
        m.load(elf)
        return m

    first = loaded()
    first.run(until="sw_idle", max_cycles=10**9)
    largest = 0.0
    for make in (first.fork, loaded):
        before = resident_kib()
        kept = [make() for _ in range(count)]
        for m in kept:
            m.run(max_cycles=100_000)
        largest = max(largest, (resident_kib() - before) / 1024 / count)
    return largest


def idle_hours_s(elf: Path) -> float:
    """Seconds for ten hours of a solar day: LPM3, an interrupt each second, work, and failures of the supply."""
    m = sim.Machine(seed=4)
    m.load(elf)
    m.write(0xFF90 + 2 * 20, m.symbols["handler"].address.to_bytes(2, "little"))
    supply = Harvested(sources.SolarDay(1e-3), 1e-3, leakage_a=1e-6, v_start=3.0)
    node = PoweredMachine(m, supply, ENERGY)
    start = time.process_time()
    for _ in range(36_000):
        node.run(duration_s=1.0)
        if node.is_on:
            m.interrupt(20)
    seconds = time.process_time() - start
    trace = node.finish()
    assert abs(trace.time_s - 36_000) < 1e-3
    assert m.counters().interrupts > 1000
    return seconds


def table(folder: Path, cycles: int) -> dict[str, dict[str, float]]:
    """Measure all programs in turn, REPEATS times over, so that a busy moment does not hit one of them alone."""
    kinds = ((0, "mips"), (1, "mips_cache"))
    runners = {(n, key): Runner(folder, n, w) for n in sim_programs.NAMES for w, key in kinds}
    for _ in range(REPEATS):
        for runner in runners.values():
            runner.measure(cycles // REPEATS)
    out: dict[str, dict[str, float]] = {}
    for name in sim_programs.NAMES:
        out[name] = {key: round(runners[name, key].best, 1) for _, key in kinds}
        out[name]["nj_per_cycle"] = round(runners[name, "mips_cache"].energy_per_cycle_j * 1e9, 3)
    return out


def cycles_error(folder: Path) -> tuple[float, dict[str, str]]:
    """Largest relative error against the guide's tables, and mspdebug's answer for each plain program."""
    worst, other = 0.0, {}
    for name in sim_programs.PLAIN:
        ours, guide = sim_guide.compare(sim_programs.assemble(folder, name, 0, rounds=3))
        worst = max(worst, abs(ours - guide) / guide)
        elf = sim_programs.assemble(folder, name, 0, rounds=600)
        answer = sim_mspdebug.run(elf)
        if answer is not None:
            m = sim.Machine(seed=1)
            m.load(elf)
            m.run(until="done")
            error = answer.cycles / m.cycles - 1
            other[name] = f"{answer.mips:8.1f} MIPS, cycles {error:+.1%}"
    return worst, other


def main() -> None:
    """Measure, print the table, write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--cycles", type=int, default=150_000_000, help="MCLK cycles per program")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        programs = table(folder, args.cycles)
        error, other = cycles_error(folder)
        lenet = folder / "lenet1" / "lenet.elf"
        m = sim.Machine(seed=1)
        m.load(lenet)
        m.run(until="sw_idle", max_cycles=10**9)
        figures: dict[str, object] = {
            key: round(math.prod(row[key] for row in programs.values()) ** (1 / len(programs)), 1)
            for key in ("mips", "mips_cache")
        }
        figures |= {
            "cycles_error": error,
            "fork_us": round(fork_us(m), 1),
            "machine_mb": round(machine_mb(lenet), 2),
            "idle_hours_s": round(idle_hours_s(sim_programs.assemble(folder, "hours", 0)), 2),
        }
    print("program    NWAITS=0  NWAITS=1, cache     energy         mspdebug sim, same ELF, NWAITS=0")
    for name, row in programs.items():
        print(
            f"{name:8} {row['mips']:6.1f} MIPS {row['mips_cache']:13.1f} MIPS  {row['nj_per_cycle']:.3f} nJ/cycle"
            f"  {other.get(name, '-' if other else 'not installed')}"
        )
    print(f"{'mean':8} {figures['mips']:6.1f} MIPS {figures['mips_cache']:13.1f} MIPS")
    print(f"cycles against the guide's tables: largest error {error:.2e}")
    print(f"fork {figures['fork_us']} us, {figures['machine_mb']} MB per machine")
    print(f"ten hours of harvesting and sleep: {figures['idle_hours_s']} s")
    if args.json:
        args.json.write_text(json.dumps(figures | {"programs": programs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
