"""What the report shows beside `report.json`: the memory map, where the cycles go by function, what energy rests on.

Comes in: a built project and one input. Goes out: plain values for `details.json`; the same on every machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from codegen.build import find_build
from codegen.emit import ProjectFolder, read_project
from codegen.target import Region, TargetSpec, load_target
from sim import EnergyModel, Machine, Stop
from sim.tracing import folded_stacks

from .deploy import MAX_CYCLES, REQUEST_INFER, Device, DeviceError, Int16

FORMAT = 1
PARTS = {
    ".text": "code",
    ".rodata": "constants, indices",
    ".nvm": "variables that stay",
    ".data": "variables",
    ".bss": "variables",
    ".noinit": "variables",
    ".lea": "LEA buffers",
    ".vectors": "vectors",
    ".hifram": "weights",
    ".farnvm": "weights to come",
}
"""What a section of the linker script (`firmware/boards/*/link.ld`) holds."""


def details(folder: Path, toolchain: str, x: Int16, energy: str) -> dict[str, Any]:
    """Memory, profiles of one inference with input `x` at each level, and the energy set.

    Raises:
        CodegenError, SimError, DeviceError: the build is missing or the program fails.
    """
    project = read_project(folder)
    built = find_build(folder, toolchain)
    device = Device(project, built.program, energy)
    model = EnergyModel.load(energy)
    levels = [_profile(device.idle[k], x, v.name, model) for k, v in enumerate(project.graph.levels)]
    return {
        "format": FORMAT,
        "memory": _memory(built.program, load_target(project.manifest["target"]), project.manifest),
        "layers": [_bytes(project, layer) for layer in project.manifest["layers"] if any(layer["nnz"])],
        "levels": levels,
        "energy": {
            "set": model.name,
            "conditions": model.conditions,
            "coefficients": [
                {"event": n, "joules": c.joules, "error": c.error, "source": c.source}
                for n, c in sorted(model.coefficients.items())
            ],
        },
    }


def _bytes(project: ProjectFolder, layer: Any) -> dict[str, Any]:
    """Bytes of a layer's weights and indices at each level, and of all its weights without indices."""
    params = project.graph.node(layer["name"]).params
    dense = 0 if params is None else 2 * int(params.weight.size)
    return {
        "name": layer["name"],
        "weight_bytes": layer["weight_bytes"],
        "index_bytes": layer["index_bytes"],
        "dense_bytes": dense,
    }


def _profile(idle: Machine, x: Int16, level: str, model: EnergyModel) -> dict[str, Any]:
    """One inference: cycles, joules with the bound of their error, and cycles by chain of calls."""
    machine = idle.fork()
    machine.write("sw_input", x.astype("<i2").tobytes())
    machine.write("sw_request", REQUEST_INFER.to_bytes(2, "little"))
    machine.profile(True)
    before = machine.counters()
    if machine.run(until="sw_idle", max_cycles=MAX_CYCLES) is not Stop.UNTIL:
        raise DeviceError(f"level {level}: the firmware does not come back to sw_idle")
    spent = machine.counters() - before
    stacks = [line.rpartition(" ") for line in folded_stacks(machine).splitlines()]
    return {
        "name": level,
        "cycles": spent.cycles,
        "energy_j": model.energy_j(spent),
        "energy_error_j": model.error_j(spent),
        "breakdown_j": dict(sorted(model.breakdown_j(spent).items())),
        "stacks": [[path, int(cycles)] for path, _, cycles in stacks],
    }


def _memory(elf: Path, target: TargetSpec, manifest: Any) -> dict[str, Any]:
    with elf.open("rb") as f:
        sections = [
            (s.name, int(s["sh_addr"]), int(s["sh_size"]))
            for s in ELFFile(f).iter_sections()
            if s["sh_flags"] & 2 and s["sh_size"]
        ]
    regions = [_region(region, sections) for region in sorted(target.regions.values(), key=lambda r: r.origin)]
    sram = next(r for r in regions if r["name"] == "sram")
    end = max((p["address"] + p["bytes"] for p in sram["parts"]), default=sram["origin"])
    if end < sram["origin"] + sram["bytes"]:
        sram["parts"].append({"name": "stack", "address": end, "bytes": sram["origin"] + sram["bytes"] - end})
    external = manifest.get("external")
    if external:
        part = {"name": "weights", "address": 0, "bytes": int(external["bytes"])}
        regions.append(
            {"name": "external", "origin": 0, "bytes": int(external["part_bytes"]), "parts": [part]}
        )  # a memory of its own, with its own addresses
    return {"regions": regions}


def _region(region: Region, sections: list[tuple[str, int, int]]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for name, address, size in sorted(sections, key=lambda s: s[1]):
        if not region.origin <= address < region.end:
            continue
        shown = PARTS.get(name, name)
        if parts and parts[-1]["name"] == shown and parts[-1]["address"] + parts[-1]["bytes"] == address:
            parts[-1]["bytes"] += size
        else:
            parts.append({"name": shown, "address": address, "bytes": size})
    return {"name": region.name, "origin": region.origin, "bytes": region.size, "parts": parts}
