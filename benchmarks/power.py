"""Power failures: what protection costs, what a failure loses, what a switch of level writes, beside the alternatives.

    python benchmarks/power.py --json build/power.json

`harvest` is the table of `benchmarks/harvest.py`: requests that expire, answered on harvested power.
LeNet-5 on the LEA (`results/models/lenet5-column`), all on the simulator. `overhead_*` compare with the same firmware
and a step loop that records nothing (`power_variants/unprotected.c`). `periods`: power fails again and again after so
many cycles; cycles from the request to the right answer, boots included, for each alternative, null if there is none
after `POWER_UPS`. Fractions, cycles, joules, bytes; `*_paper_memory` at the source paper's costs of memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import harvest
import numpy as np

from codegen import reference
from codegen.build import build
from codegen.emit import CProject, emit_project, external_content, read_project, write_project
from codegen.files import write_atomic
from codegen.serialize import load_graph
from codegen.target import load_target
from sim import EnergyModel, Machine, Stop, powerloss
from swtrain.interrupt import INFER, SWITCH, Interrupted, Job, some_input

HERE = Path(__file__).parent
MODEL = HERE.parent / "results" / "models" / "lenet5-column"
TARGET, OUTER = load_target("msp430fr5994"), load_target("msp430fr5994-spifram")
SETS = ("fused", "fused+paper-memory")
PERIODS = (30_000, 60_000, 120_000, 240_000, 480_000)
"""Cycles from power-up to power failure; boot takes about 8,000 of them."""
POWER_UPS = 2_000
SOURCE, GOAL = "60.24", "40.5"
STRUCT = 0x2C00
"""LEA RAM, for arguments of a kernel."""


class Firmware:
    """A project on the simulated board, idle at each level.

    Args:
        loop: file in `power_variants` that replaces `src/sw_run.c`.
    """

    def __init__(self, project: CProject, folder: Path, loop: str | None = None) -> None:
        write_project(project, folder)
        if loop is not None:
            manifest = json.loads((folder / "project.json").read_text())
            own = str((HERE / "power_variants" / loop).resolve())
            manifest["sources"] = [own if name == "src/sw_run.c" else name for name in manifest["sources"]]
            (folder / "project.json").write_text(json.dumps(manifest))
        self.graph = project.graph
        machine = Machine(TARGET.name, allow_uninitialised=loop == "checkpoint.c")  # it saves what nobody wrote
        machine.load(build(folder).program)
        content, memory = external_content(read_project(folder)), project.target.external
        if content is not None and memory is not None:
            machine.attach_spi_fram(memory.bus, memory.chip_select, memory.size * 8 // 2**20)
            machine.spi_fram_write(0, content)
        run(machine, "sw_idle")
        self.x = some_input(self.graph)
        machine.write("sw_input", self.x.astype("<i2").tobytes())
        self.idle = []
        for level in range(len(self.graph.levels)):
            self.idle.append(asked(machine, SWITCH, level))
            run(self.idle[-1], "sw_idle")

    def inference(self, level: int) -> Machine:
        """A machine that is asked for one."""
        return asked(self.idle[level], INFER)


def run(machine: Machine, until: str | int) -> None:
    if machine.run(until, 2_000_000_000) is not Stop.UNTIL:
        raise SystemExit(f"the firmware does not reach {until}")


def asked(machine: Machine, request: int, argument: int = 0) -> Machine:
    made = machine.fork()
    made.write("sw_argument", argument.to_bytes(2, "little"))
    made.write("sw_request", request.to_bytes(2, "little"))
    return made


def word(machine: Machine, name: str) -> int:
    return int.from_bytes(machine.read(name, 2), "little")


def right(firmware: Firmware, machine: Machine, level: int) -> bool:
    want = reference.logits(firmware.graph, firmware.x[np.newaxis], level)[0]
    return machine.read("sw_output") == want.astype("<i2").tobytes()


def spent(firmware: Firmware, level: int) -> dict[str, float]:
    """Cycles and energy of an inference on continuous power."""
    machine = firmware.inference(level)
    run(machine, "sw_infer")
    before = machine.counters()
    run(machine, "sw_asleep")
    cost = machine.counters() - before
    if not right(firmware, machine, level):
        raise SystemExit("an uninterrupted inference is wrong")
    return {"cycles": cost.cycles, "energy_j": EnergyModel.load("fused").energy_j(cost)}


def longest_loss_ms(firmware: Firmware) -> float:
    """The longest work between two records of an inference, over all levels: what a failure can lose."""
    longest = 0
    for level in range(len(firmware.graph.levels)):
        machine = firmware.inference(level)
        run(machine, "sw_infer")
        times = [machine.cycles]
        machine.watch("sw_progress")
        machine.watch("sw_result")
        run(machine, "sw_asleep")
        times += [event.cycles for event in machine.watch_log()]
        longest = max(longest, *(b - a for a, b in itertools.pairwise(times)))
    return 1e3 * longest / TARGET.mclk_hz


def periodic(firmware: Firmware, level: int, period: int, forgets: bool = False) -> dict[str, float] | None:
    """Power fails every `period` cycles until the request is answered.

    Args:
        forgets: the request is lost with the power, too.
    """
    machine = firmware.inference(level)
    before, start = machine.counters(), machine.cycles
    for power_ups in range(POWER_UPS):
        stop = machine.run("sw_asleep", period)
        if stop is Stop.UNTIL and word(machine, "sw_request") == 0:
            if not right(firmware, machine, level):
                return None
            energy = EnergyModel.load("fused").energy_j(machine.counters() - before)
            return {"cycles": machine.cycles - start, "energy_j": energy, "power_failures": power_ups}
        machine.power_cycle()
        if forgets:
            machine.write("sw_request", bytes(2))
    return None


def switch_cost(firmware: Firmware, source: int, target: int) -> dict[str, Any]:
    """From the first instruction of `sw_switch` to its return."""
    machine = asked(firmware.idle[source], SWITCH, target)
    run(machine, "sw_switch")
    before = machine.counters()
    run(machine, word_at(machine, machine.registers[1]))
    cost = machine.counters() - before
    return {
        "cycles": cost.cycles,
        "bytes_written": 2 * cost.fram_write,
        "bytes_read": cost.spi_fram_bytes,
        **priced(cost),
    }


def call(machine: Machine, function: str, registers: dict[int, int], argument: int | None = None) -> Any:
    """What a call of `function` costs; `argument` is the one that goes over the stack."""
    stack = machine.registers[1]
    for value in (argument, machine.symbols["sw_idle"].address):
        if value is not None:
            stack -= 2
            machine.write(stack, value.to_bytes(2, "little"))
    machine.set_register(1, stack)
    for number, value in registers.items():
        machine.set_register(number, value)
    machine.pc = machine.symbols[function].address
    before = machine.counters()
    run(machine, "sw_idle")
    return machine.counters() - before


def external_reload_cost(firmware: Firmware, source: int) -> dict[str, Any]:
    """All images read from external memory by DMA, straight into their place."""
    machine = firmware.idle[source].fork()
    symbol = machine.symbols["sw_images"]
    parts, at = [], 0
    while at < symbol.size:
        size, to = min(60_000, symbol.size - at), symbol.address + at
        registers = {12: to & 0xFFFF, 13: to >> 16, 14: at & 0xFFFF, 15: at >> 16}
        parts.append(call(machine, "sw_external_read", registers, size))
        at += size
    return {
        "cycles": sum(cost.cycles for cost in parts),
        "bytes_read": sum(cost.spi_fram_bytes for cost in parts),
        "bytes_written": symbol.size,
        **{name: sum(priced(cost)[name] for cost in parts) for name in priced(parts[0])},
    }


def reload_cost(firmware: Firmware, source: int) -> dict[str, Any]:
    """All images rewritten by DMA, the fastest way to bring a whole level in."""
    machine = firmware.idle[source].fork()
    symbol = machine.symbols["sw_images"]
    words = symbol.size // 2
    rows, width = -(-words // 2048), 2048
    machine.write(STRUCT, struct.pack("<II4H", symbol.address, symbol.address, width, rows, 2 * width, 2 * width))
    cost = call(machine, "sw_copy_rows_s16_dma", {12: STRUCT})
    share = words / (rows * width)  # the last row is whole
    return {name: value * share for name, value in {"cycles": cost.cycles, **priced(cost)}.items()} | {
        "bytes_written": 2 * words
    }


def word_at(machine: Machine, address: int) -> int:
    return int.from_bytes(machine.read(address, 2), "little")


def priced(cost: Any) -> dict[str, float]:
    return {
        "energy_j" if name == "fused" else "energy_j_paper_memory": EnergyModel.load(name).energy_j(cost)
        for name in SETS
    }


def injected(firmware: Firmware, count: int) -> Iterator[tuple[int, int]]:
    """Runs with power failures, and how many of them end wrong."""
    device = Interrupted(firmware.idle, firmware.x)
    jobs = [Job((k,)) for k in range(len(firmware.idle))] + [Job((0, 1)), Job((1, 0))]
    for i, job in enumerate(jobs):
        verdict = device.verify(job, powerloss.random(i, -(-count // len(jobs)), "instruction"))
        for case, reason in verdict.failures:
            print(f"  {case}: {reason}")
        yield verdict.cases, len(verdict.failures)


def figures(scratch: Path, failures: int) -> dict[str, Any]:
    graph = load_graph(MODEL)
    names = [level.name for level in graph.levels]
    source, goal = names.index(SOURCE), names.index(GOAL)
    project = emit_project(graph, TARGET)
    images = emit_project(graph, TARGET, switching="image")
    ours = Firmware(project, scratch / "ours")
    bare = Firmware(project, scratch / "bare", "unprotected.c")
    saving = Firmware(project, scratch / "checkpoint", "checkpoint.c")
    imaged = Firmware(images, scratch / "images")
    outer = Firmware(emit_project(graph, OUTER, switching="image", external="all"), scratch / "external")
    mine, other = spent(ours, goal), spent(bare, goal)
    reload = reload_cost(imaged, source)
    runs = [pair for firmware in (ours, imaged, outer) for pair in injected(firmware, failures // 3)]
    patched = switch_cost(imaged, source, goal)
    patched["differing_bytes"] = 2 * images.images.differing_words(source, goal)
    patched |= {f"full_reload_{k}" if k != "bytes_written" else "full_reload_bytes": v for k, v in reload.items()}
    resident = switch_cost(ours, source, goal)
    return {
        "model": graph.name,
        "overhead_cycles": mine["cycles"] / other["cycles"] - 1,
        "overhead_energy": mine["energy_j"] / other["energy_j"] - 1,
        "lost_ms_max": max(longest_loss_ms(ours), longest_loss_ms(imaged)),
        "injected": sum(n for n, _ in runs),
        "wrong": sum(n for _, n in runs),
        "switch": {
            "resident": resident,
            "image": patched,
            "external": {
                "up": switch_cost(outer, source, goal),
                "down": switch_cost(outer, goal, source),
                "full_reload": external_reload_cost(outer, source),
            },
        },
        "continuous": {"steps": mine, "none": other, "checkpoint": spent(saving, goal)},
        "periods": {
            str(period): {
                "steps": periodic(ours, goal, period),
                "none": periodic(bare, goal, period, forgets=True),
                "restart": periodic(bare, goal, period),
                "checkpoint": periodic(saving, goal, period),
            }
            for period in PERIODS
        },
    }


def show(found: dict[str, Any]) -> None:
    print(f"overhead: {100 * found['overhead_cycles']:.2f} % cycles, {100 * found['overhead_energy']:.2f} % energy")
    print(f"lost by a power failure: at most {found['lost_ms_max']:.2f} ms")
    print(f"{found['injected']} runs with power failures, {found['wrong']} wrong")
    r, i = found["switch"]["resident"], found["switch"]["image"]
    print(f"switch {SOURCE} -> {GOAL} %, resident: {r['cycles']} cycles, {r['bytes_written']} bytes")
    print(
        f"  image: {i['cycles']:,} cycles, {i['bytes_written']:,} bytes ({i['differing_bytes']:,} differ), "
        f"{1e6 * i['energy_j']:.1f} uJ, at the paper's memory costs {1e6 * i['energy_j_paper_memory']:.1f} uJ"
    )
    print(
        f"  full reload: {i['full_reload_cycles']:,.0f} cycles, {i['full_reload_bytes']:,} bytes, "
        f"{1e6 * i['full_reload_energy_j']:.1f} uJ, {1e6 * i['full_reload_energy_j_paper_memory']:.1f} uJ"
    )
    for name, cost in found["switch"]["external"].items():
        print(
            f"  patches outside, {name}: {cost['cycles']:,} cycles, {cost['bytes_read']:,} bytes read there, "
            f"{cost['bytes_written']:,} written, {1e6 * cost['energy_j']:.1f} uJ"
        )
    print(f"{'power fails every':>20}" + "".join(f"{name:>14}" for name in ("steps", "none", "restart", "checkpoint")))
    for period, row in found["periods"].items():
        texts = (f"{v['cycles']:,}" if v else "never" for v in row.values())
        cells = "".join(f"{text:>14}" for text in texts)
        print(f"{int(period):>13,} cycles{cells}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, help="write all figures")
    parser.add_argument("--failures", type=int, default=1200, help="runs with power failures")
    parser.add_argument(
        "--harvest", type=float, default=60.0, metavar="S", help="least seconds of a run on harvested power; 0: none"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        found = figures(Path(scratch), options.failures)
        show(found)
        if options.harvest:
            found["harvest"] = harvest.run(Path(scratch) / "harvest", options.harvest)
            print(harvest.show(found["harvest"]))
    if options.json:
        write_atomic(options.json, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
