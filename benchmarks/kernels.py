"""Cycles of the kernels that read packed weights, on the simulator: ``python benchmarks/kernels.py --json FILE``.

Each encoding packs rows of two lengths with three nested levels of 60, 40 and 20 percent sparsity in the shape that it
is made for. Cycles are the slope between the lengths, so that what a call costs does not count, and they are divided by
the weights that a level holds: padding, fillers and levels of few weights make an encoding slower. `sram`: code,
weights, index and input in SRAM, state in FRAM beside it, which is what the limits are about. `fram`: weights and
index in high FRAM at 16 MHz with one wait state, as in a network.
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from codegen import encodings
from codegen.boards import board_file
from codegen.build import compile_and_link, toolchain
from codegen.encodings import BYTE_ENCODINGS, ENCODINGS, RowLayer, dot_kernel, kernel_unit, taps_kernel
from codegen.encodings.base import runs
from codegen.ir import NEVER, Params
from codegen.target import firmware_dir, load_target
from sim import Machine, Stop

TARGET = "msp430fr5994"
STRUCT, X, BLOB, FRAM = 0x2C00, 0x2C40, 0x2F60, 0x20000
SHORT, LONG, ROWS, LEVELS = 96, 384, 4, 3
DENSITIES = (0.4, 0.2, 0.2)
LIMITS = {"dot_dense_cycles_per_mac": 9.0, "csr_cycles_per_nnz": 14.0}
MAIN = """
typedef void (*function_t)(void);
{declarations}
const function_t table[] = {{{names}}};
volatile unsigned which;
void sw_board_wait(const volatile unsigned *flag);
static volatile unsigned never __attribute__((section(".nvm"))) = 0;
int main(void) {{
    while (which) table[which]();
    for (;;) sw_board_wait(&never);
}}
"""


class Kernels:
    """A program that holds some kernels, idle on the simulator."""

    def __init__(self, names: list[str], folder: Path) -> None:
        folder.mkdir()
        main = folder / "main.c"
        declarations = "".join(f"void {n}(void);\n" for n in names)
        main.write_text(MAIN.format(declarations=declarations, names=", ".join(names)))
        root = firmware_dir()
        sources = [
            main,
            board_file(TARGET, "start.S"),
            board_file(TARGET, "board.c"),
            *(root / "kernels" / f"{n}.S" for n in names),
        ]
        sources += [root / "src" / "sw_mem.S", root / "src" / "sw_mspabi.S"]
        program = folder / "kernels.elf"
        compile_and_link(
            toolchain("zig", load_target(TARGET)), sources, [root / "include"], program, folder / "kernels.map"
        )
        self.machine = Machine(TARGET, seed=1)
        self.machine.load(program)
        assert self.machine.run(until="sw_idle", max_cycles=100_000) is Stop.UNTIL

    def cycles(self, name: str, argument: int) -> int:
        """Cycles of ``name(argument)``."""
        m = self.machine
        idle, stack = m.symbols["sw_idle"].address, 0x2BE0
        m.set_register(12, argument)
        m.set_register(1, stack - 2)
        m.write(stack - 2, idle.to_bytes(2, "little"))
        m.set_register(2, 0)
        m.pc = m.symbols[name].address
        before = m.cycles
        assert m.run(until=idle, max_cycles=1_000_000) is Stop.UNTIL
        return m.cycles - before


def params_for(name: str, cols: int, seed: int, reach: int) -> Params:
    """Weights in the shape of sparsity that encoding `name` is made for."""
    rng = np.random.default_rng(seed)
    edges = np.cumsum(DENSITIES)

    def levels(shape: tuple[int, ...]) -> np.ndarray:
        return np.searchsorted(edges, rng.random(shape), side="right")

    match name:
        case "dense":
            index = np.zeros((ROWS, cols), int)
        case "row":
            index = np.repeat(np.arange(ROWS)[:, None], cols, axis=1)
        case "channel":
            index = np.repeat(np.tile(levels((1, cols // 16)), (ROWS, 1)), 16, axis=1)
        case "block":
            index = np.repeat(levels((ROWS, cols // 8)), 8, axis=1)
        case "pattern":
            arrangements = levels((6, 9))
            index = arrangements[rng.integers(0, 6, (ROWS, cols // 9 + 1))]
        case _:
            index = levels((ROWS, cols))
    index = np.where(index >= LEVELS, NEVER, index).astype(np.uint8)
    weight = np.where(index == NEVER, 0, rng.integers(1, reach, index.shape)).astype(np.int16)
    if name == "pattern":
        weight, index = (a.reshape(ROWS, -1, 3, 3) for a in (weight, index))
    return Params(weight, index, np.zeros(ROWS, np.int32), 15)


def packed_for(name: str, cols: int, weight_bits: int) -> tuple[Params, RowLayer]:
    params = params_for(name, cols, cols, 2 ** (weight_bits - 1) if weight_bits == 8 else 900)
    unit = {"unit": 8} if name == "block" else {}
    return params, encodings.encode(name, name, params, LEVELS, weight_bits, **unit)


def row_starts(packed: RowLayer) -> list[tuple[int, int, int]]:
    """Offsets of weights, index and counts of each row."""
    found, weights, index = [], 0, packed.index_offset
    own = {r: [run for run in runs(packed) if run.row == r] for r in range(packed.rows)} if packed.counts.size else {}
    for row in range(packed.rows):
        counts = 0 if packed.shared else row * packed.counts.shape[1] * packed.count_bytes
        found.append((weights, index, packed.counts_offset + counts))
        weights += packed.weight_size * (sum(len(r.weights) for r in own[row]) if own else packed.cols)
        if own and not packed.shared:
            index += sum(len(r.index) for r in own[row])
    return found


def dot_cycles(kernels: Kernels, packed: RowLayer, level: int, at: int, near: bool) -> int:
    """Cycles of the dot products of all rows at `level`."""
    m, total = kernels.machine, 0
    m.write(at, packed.blob)
    m.write(X, np.arange(packed.cols, dtype="<i2").tobytes())
    has_counts = packed.counts.shape[1] > 0
    for weights, index, counts in row_starts(packed):
        size, number = (packed.count_bytes, level + 1) if has_counts else (0, 1)
        call = struct.pack(
            "<ihHIIHIHH", 0, X, packed.cols, at + weights, at + index, kernel_unit(packed), at + counts, size, number
        )
        m.write(STRUCT, call)
        total += kernels.cycles(dot_kernel(replace(packed, near=near)), STRUCT)
    return total


def taps_cycles(kernels: Kernels, packed: RowLayer, at: int) -> int:
    """Cycles of unpacking level 0 of all rows into taps of a 3 x 3 window."""
    m, total = kernels.machine, 0
    m.write(at, packed.blob)
    table = b""
    if packed.patterns:
        starts = np.cumsum([len(packed.patterns) + 1, *map(len, packed.patterns)])
        offsets = [2 * (t // 3 * 20 + t % 3) for p in packed.patterns for t in p]
        table = np.array([*starts, *offsets], "<u2").tobytes()
    m.write(X, table + bytes(2))
    state = (-400, 0, 0, 0, 0, 0, 400, 0) if table else (-2, 0, 4, 3, 3, 3, 34, 280)
    for row, (weights, index, _) in enumerate(row_starts(packed)):
        count = int(packed.counts[0 if packed.shared else row, 0]) if packed.counts.size else packed.cols
        call = struct.pack(
            "<HHIIHH8hHHHH", BLOB, count, at + weights, at + index, 0, 0, *state, kernel_unit(packed), 0, X, 0
        )
        m.write(STRUCT, call)
        total += kernels.cycles(taps_kernel(packed), STRUCT)
    return total


def measure_dots(folder: Path, weight_bits: int) -> dict[str, dict[str, object]]:
    """Cycles per weight of each encoding, in SRAM and from high FRAM, by level."""
    found: dict[str, dict[str, object]] = {}
    for name in BYTE_ENCODINGS if weight_bits == 8 else [e for e in ENCODINGS if e != "pattern"]:
        sizes = [packed_for(name, cols, weight_bits) for cols in (SHORT, LONG)]
        near = "_near_" in dot_kernel(replace(sizes[0][1], near=True))
        kernels = Kernels(
            sorted({dot_kernel(replace(sizes[0][1], near=near)), dot_kernel(sizes[0][1])}),
            folder / f"{name}{weight_bits}",
        )
        row: dict[str, object] = {"index_share": round(sizes[1][1].index_bytes(2) / sizes[1][1].weight_bytes(2), 4)}
        for place, at, use_near in (("sram", BLOB, near), ("fram", FRAM, False)):
            slopes = []
            for level in range(LEVELS):
                spent = [dot_cycles(kernels, packed, level, at, use_near) for _, packed in sizes]
                nnz = [params.nnz(level) for params, _ in sizes]
                slopes.append(round((spent[1] - spent[0]) / (nnz[1] - nnz[0]), 3))
            row[f"{place}_cycles_per_weight"] = slopes
        found[name if weight_bits == 16 else f"{name} int8"] = row
    return found


def measure_taps(folder: Path) -> dict[str, float]:
    """Cycles of unpacking a weight of level 0 into a tap, from high FRAM."""
    found = {}
    for name in ENCODINGS:
        sizes = [packed_for(name, cols, 16) for cols in (SHORT, LONG)]
        kernels = Kernels([taps_kernel(sizes[0][1])], folder / f"taps_{name}")
        spent = [taps_cycles(kernels, packed, FRAM) for _, packed in sizes]
        nnz = [params.nnz(0) for params, _ in sizes]
        found[name] = round((spent[1] - spent[0]) / (nnz[1] - nnz[0]), 2)
    return found


def measure_conv(folder: Path) -> float:
    """Cycles of a tap of one window, taps and input in SRAM."""
    kernels = Kernels(["sw_conv2d_taps_s16_cpu"], folder / "conv")
    m, spent = kernels.machine, []
    m.write(BLOB, np.array([2, 3] * 300, "<i2").tobytes())
    m.write(X, bytes(2 * 301))
    for taps in (40, 240):
        m.write(STRUCT, struct.pack("<8H", X, 2, 1, BLOB, taps, X - 4, 0, X - 8))
        m.write(X - 8, bytes(8))
        spent.append(kernels.cycles("sw_conv2d_taps_s16_cpu", STRUCT))
    return round((spent[1] - spent[0]) / 200, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kernels-") as scratch:
        folder = Path(scratch)
        dots = measure_dots(folder, 16) | measure_dots(folder, 8)
        taps, conv = measure_taps(folder), measure_conv(folder)
    figures: dict[str, object] = {
        "dot_dense_cycles_per_mac": max(dots["dense"]["sram_cycles_per_weight"]),  # type: ignore[call-overload]
        "csr_cycles_per_nnz": max(dots["csr"]["sram_cycles_per_weight"]),  # type: ignore[call-overload]
        "conv_cycles_per_tap": conv,
        "dot": dots,
        "taps_cycles_per_weight": taps,
    }
    print(f"{'encoding':14s} {'index':>7s}  {'SRAM, cycles per weight':26s} {'high FRAM':26s} taps")
    for name, row in dots.items():
        share = float(str(row["index_share"]))
        slopes = [", ".join(f"{v:6.2f}" for v in row[f"{p}_cycles_per_weight"]) for p in ("sram", "fram")]  # type: ignore[attr-defined]
        print(f"{name:14s} {share:7.1%}  {slopes[0]:26s} {slopes[1]:26s} {taps.get(name, '')}")
    print(f"{'pattern':14s} {'':7s}  {'':26s} {'':26s} {taps['pattern']}")
    print(f"a tap of a window: {conv} cycles")
    for name, limit in LIMITS.items():
        print(f"{name}: {figures[name]} (at most {limit})")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        partial = replace_suffix(options.json)
        partial.write_text(json.dumps(figures, indent=1) + "\n")
        partial.replace(options.json)


def replace_suffix(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


if __name__ == "__main__":
    main()
