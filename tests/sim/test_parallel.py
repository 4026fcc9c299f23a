"""Machines in other processes and threads: the same results, and the GIL is free while they run."""

from __future__ import annotations

import copy
import functools
import threading
import time

import pytest

import sim
from sim import Harvested, PoweredMachine, parallel, sources

COUNTS = """
    .globl _start, count, done
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
1:  inc &count
    mov &count, &0x1c00
    jmp 1b
    .section .nvm,"aw",@progbits
    .type count,@object
count: .word 0
    .size count, 2
"""


pytestmark = pytest.mark.usefixtures("importable")


def counted(cycles: int, m: sim.Machine) -> tuple[int, int, bytes]:
    """What a worker does: run, lose power, run; the machine's seed decides the rest."""
    m.run(max_cycles=cycles)
    m.power_cycle()
    m.run(max_cycles=100)
    return m.cycles, int.from_bytes(m.read("count"), "little"), m.read(0x1C02, 32)


def refuse(number: int) -> int:
    """Fails for odd numbers."""
    if number % 2:
        raise sim.BadAddress(f"number {number}")
    return number


def supplied(node: PoweredMachine) -> str:
    """A supplied machine travels as well."""
    node.run(duration_s=0.2)
    return node.finish().to_json()


def start(assemble, seed: int = 0) -> sim.Machine:
    m = sim.Machine(seed=seed)
    m.load(assemble(COUNTS))
    return m


def test_processes_give_what_one_process_gives(assemble):
    machines = [start(assemble, seed) for seed in range(3)]
    run = functools.partial(counted, 20_000)
    here = parallel.map(run, copy.deepcopy(machines), processes=1)
    there = parallel.map(run, machines, processes=2)
    assert here == there
    assert len(set(here)) == 3  # RAM differs by seed
    assert all(m.cycles == 0 for m in machines)  # what ran were copies


def test_supplied_machines_travel(assemble):
    supply = Harvested(sources.ConstantPower(1e-3), 10e-6, v_start=2.5)
    nodes = [PoweredMachine(start(assemble), supply, sim.EnergyModel.load("fused")) for _ in range(2)]
    for node in nodes:
        node.run(duration_s=0.1)
    assert parallel.map(supplied, nodes, processes=2) == [supplied(nodes[0])] * 2


def test_errors_come_back():
    with pytest.raises(sim.BadAddress, match="number 1"):
        parallel.map(refuse, range(6), processes=2)
    assert parallel.map(refuse, [], processes=2) == []
    assert parallel.map(refuse, [2]) == [2]
    with pytest.raises(ValueError, match="at least 1 process"):
        parallel.map(refuse, [2], processes=0)


def test_a_running_machine_leaves_the_gil(assemble):
    """While one thread simulates, another one goes on with Python."""
    m = start(assemble)
    done = threading.Event()

    def run() -> None:
        m.run(max_cycles=60_000_000)
        done.set()

    worker = threading.Thread(target=run)
    steps = 0
    worker.start()
    while not done.is_set():
        time.sleep(0.001)
        steps += 1
    worker.join()
    assert m.cycles >= 60_000_000
    assert steps > 10  # held, the GIL would let this loop run once or twice


def test_threads_do_not_disturb_each_other(assemble):
    machines = [start(assemble, seed) for seed in range(4)]
    alone = [counted(200_000, m.fork()) for m in machines]
    together: dict[int, tuple[int, int, bytes]] = {}
    threads = [
        threading.Thread(target=lambda k=k, m=m: together.__setitem__(k, counted(200_000, m)))
        for k, m in enumerate(machines)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [together[k] for k in range(4)] == alone
