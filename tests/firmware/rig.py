"""What the firmware tests stand on: quick builds, a device that answers requests, and single kernels to call.

`Workshop` compiles each firmware source once and then links one model after another. `Board` is an ELF on the
simulator that takes requests through the mailbox of `sw_serve.c`. `Bench` is an ELF that holds every kernel,
assembly and C (as `c_<name>`), and calls any of them with registers and memory of our choice.
"""

from __future__ import annotations

import itertools
import json
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from strategies import inputs_for, lenet, lenet_columns

from codegen import reference
from codegen.boards import board_file
from codegen.build import Toolchain, compile_and_link, toolchain
from codegen.emit import EXTERNAL, CProject, emit_project
from codegen.ir import Graph
from codegen.layers import KINDS
from codegen.ops import Array
from codegen.target import TargetSpec, firmware_dir, load_target
from sim import Machine, MachineFault, Stop

__all__ = ["MachineFault", "TargetSpec", "emit_project", "reference", "replace"]

TARGET = load_target("msp430fr5994")
SPIFRAM = load_target("msp430fr5994-spifram")
"""The same with an external memory."""
ROOT = firmware_dir()
INFER, SWITCH = 1, 2
LIMIT_CYCLES = 2_000_000_000


def run_command(command: Sequence[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(list(command), capture_output=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr.decode(errors='replace')}"
    return done  # type: ignore[no-any-return]


def tight(graph: Graph, taps: int, encoding: str | Mapping[str, str] = "auto") -> TargetSpec:
    """A target whose SRAM leaves room for `taps` unpacked weights, so that longer filters go in pieces."""
    schedule = emit_project(graph, TARGET, "cpu", encoding=encoding).schedule
    sram = TARGET.regions["sram"]
    kernels = {k.replace("_near", "") for layer in schedule.layers for k in KINDS[layer.kind].kernels_of(layer)}
    code = sum(TARGET.ram_code.get(k, 0) for k in kernels)
    size = TARGET.stack_bytes + TARGET.sram_reserve + code + 4 * schedule.acc + 4 * taps
    return replace(TARGET, regions={**TARGET.regions, "sram": replace(sram, size=min(size, sram.size))})


@dataclass
class Workshop:
    """Builds models with one toolchain; firmware objects are made once.

    Attributes:
        sources: replacements for firmware files, by path below `firmware/`.
    """

    folder: Path
    name: str
    sources: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tool: Toolchain = toolchain(self.name, TARGET)
        self._objects: dict[Path, str] = {}
        self._count = 0

    def compile(self, source: Path, output: Path, includes: Sequence[Path]) -> None:
        command = self.tool.assemble if source.suffix == ".S" else self.tool.compile
        run_command([*command, *(f"-I{i}" for i in includes), "-c", str(source), "-o", str(output)])

    def _firmware(self, name: str) -> str:
        source = self.sources.get(name, ROOT / name)
        if source not in self._objects:
            output = self.folder / f"{len(self._objects)}_{source.name}.o"
            self.compile(source, output, [ROOT / "include"])
            self._objects[source] = str(output)
        return self._objects[source]

    def program(self, project: CProject) -> Path:
        """Link `project` with exactly the sources that its manifest names."""
        manifest = json.loads(project.files["project.json"])
        names = list(manifest["sources"])
        for kernel in manifest["kernels"]:
            assembly = (ROOT / "kernels" / f"{kernel}.S").is_file() and self.name != "host"
            names.append(f"kernels/{kernel}.{'S' if assembly else 'c'}")
        if self.name == "host":
            names += ["boards/host/main.c", "boards/host/external.c"]
        else:
            names += ["src/sw_serve.c", "src/sw_mem.S"]
            board = ("start.S", "board.c", *manifest["board_sources"])
            names += [str(board_file(project.target.name, n).relative_to(ROOT)) for n in board]
        if self.name == "zig":
            names += ["src/sw_mspabi.S"]
        self._count += 1
        folder = self.folder / f"model{self._count}"
        folder.mkdir()
        objects = [self._firmware(name) for name in names]
        for name in ("model.h", "model.c", "weights.S"):
            content = project.files[name]
            assert isinstance(content, str)
            (folder / name).write_text(content)
            if name != "model.h":
                self.compile(folder / name, folder / f"{name}.o", [ROOT / "include", folder])
                objects.append(str(folder / f"{name}.o"))
        if EXTERNAL in project.files:
            image = project.files[EXTERNAL]
            assert isinstance(image, bytes)
            (folder / EXTERNAL).write_bytes(image)
        program = folder / "program"
        run_command(self.tool.link(program, folder / "map", objects))
        return program

    def build(
        self, graph: Graph, target: TargetSpec | None = None, backend: str = "cpu", external: str = "auto"
    ) -> tuple[Graph, Path]:
        """The graph as emitted (relu fused) and its program; `external="all"` takes the board with such a memory."""
        target = target or (SPIFRAM if external == "all" else TARGET)
        project = emit_project(graph, target, backend, external=external)
        return project.graph, self.program(project)


def host_logits(program: Path, graph: Graph, inputs: Array, level: int) -> Array:
    """What the host program answers; sanitizer reports make it fail."""
    memory = program.parent / EXTERNAL
    command = [str(program), str(level), *([str(memory)] if memory.exists() else [])]
    done = run_command(command, input=inputs.astype(np.int16).tobytes())
    return np.frombuffer(done.stdout, np.int16).reshape(len(inputs), *graph.output.shape)


def attach_external(machine: Machine, content: bytes) -> None:
    """Fit the memory that the target names, with `content`."""
    part = SPIFRAM.external
    assert part is not None
    machine.attach_spi_fram(part.bus, part.chip_select, part.size // 131072)
    machine.spi_fram_write(0, content)


class Board:
    """A model's ELF on the simulator, booted and idle."""

    def __init__(self, program: Path, graph: Graph, seed: int = 0) -> None:
        self.graph = graph
        self.machine = Machine("msp430fr5994", seed=seed)
        self.machine.load(program)
        memory = program.parent / EXTERNAL
        if memory.exists():
            attach_external(self.machine, memory.read_bytes())
        self.go("sw_idle")
        self.boot_cycles = self.machine.cycles

    def go(self, until: str | int, max_cycles: int = LIMIT_CYCLES) -> None:
        stop = self.machine.run(until=until, max_cycles=max_cycles)
        assert stop is Stop.UNTIL, f"{stop} before {until}, at {self.machine.where(self.machine.pc)}"

    def word(self, name: str) -> int:
        return int.from_bytes(self.machine.read(name, 2), "little")

    def put(self, name: str, value: int) -> None:
        self.machine.write(name, value.to_bytes(2, "little"))

    def request(self, what: int, argument: int = 0) -> int:
        """Ask, wait for the answer, return the status."""
        self.put("sw_argument", argument)
        self.put("sw_request", what)
        self.go("sw_idle")
        assert self.word("sw_request") == 0
        status = self.word("sw_status")
        return status - 0x10000 if status & 0x8000 else status

    def feed(self, x: Array) -> None:
        self.machine.write("sw_input", x.astype("<i2").tobytes())

    def logits(self) -> Array:
        raw = np.frombuffer(self.machine.read("sw_output"), "<i2").astype(np.int16)
        return raw.reshape(self.graph.output.shape)

    def infer(self, x: Array, level: int) -> Array:
        assert self.request(SWITCH, level) == 0
        self.feed(x)
        assert self.request(INFER) == 0
        return self.logits()

    @property
    def running(self) -> bool:
        """An inference is under way."""
        return self.word("sw_submitted") != self.word("sw_result")

    def fork(self) -> Board:
        other = object.__new__(Board)
        other.graph, other.machine, other.boot_cycles = self.graph, self.machine.fork(), self.boot_cycles
        return other


def assert_device(graph: Graph, program: Path, inputs: Array, levels: Sequence[int] | None = None) -> None:
    """Every logit and the class, at every level, on one machine without reboot."""
    board = Board(program, graph)
    for level in levels if levels is not None else range(len(graph.levels)):
        want = reference.logits(graph, inputs, level)
        for i, x in enumerate(inputs):
            got = board.infer(x, level)
            np.testing.assert_array_equal(got, want[i], err_msg=f"level {level}, input {i}")
            assert board.word("sw_class") == int(want[i].reshape(-1).argmax())


def assert_host(graph: Graph, program: Path, inputs: Array) -> None:
    for level in range(len(graph.levels)):
        want = reference.logits(graph, inputs, level)
        np.testing.assert_array_equal(host_logits(program, graph, inputs, level), want, err_msg=f"level {level}")


# --- single kernels

KERNELS = sorted({p.stem for p in (ROOT / "kernels").iterdir() if p.suffix in (".c", ".S")})
ASSEMBLY = sorted(p.stem for p in (ROOT / "kernels").glob("*.S"))
HELPERS = [
    "mpyi", "mpyl", "slll", "srll", "sral", "divu", "remu", "divi", "remi", "divul", "remul", "divli", "remli",
]  # fmt: skip
MEMORY = ["memcpy", "memmove", "memset"]

MAIN = """
typedef void (*function_t)(void);
{declarations}
const function_t bench_table[] = {{{names}}};
volatile unsigned bench_index;
unsigned isr_count;
void sw_board_wait(const volatile unsigned *flag);
static volatile unsigned never __attribute__((section(".nvm"))) = 0;
int main(void) {{
    while (bench_index) bench_table[bench_index]();
    for (;;) sw_board_wait(&never);
}}
"""

ISR = """
/* Clobbers every register that it saves, with 20 bits, and sets a flag. */
    .section .text.bench_isr, "ax", @progbits
    .globl bench_isr
    .type bench_isr, @function
bench_isr:
    .word 0x14BF /* pushm.a #12, r15: r4..r15 */
    inc &isr_count
    .irp n, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    mov #0xA5C3, r\\n
    .endr
    .word 0x16B4 /* popm.a #12, r15 */
    reti
"""

SAVED = {r: 0x1110 * r for r in range(4, 11)}
STRUCT, OUT, ARRAY, TAPS = 0x2C00, 0x2C80, 0x3000, 0x3800
NEAR = 0xC000
"""Where arguments lie: LEA RAM; weights and index wherever a test puts them, `NEAR` in low FRAM."""


class Bench:
    """Every kernel in one ELF; `call` runs one as C would and returns its registers."""

    def __init__(self, folder: Path, tool: str = "zig") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        twins = []
        for name in KERNELS:
            twin = folder / f"c_{name}.c"
            twin.write_text(f'#define {name} c_{name}\n#include "{ROOT / "kernels" / name}.c"\n')
            twins.append(twin)
        helpers = [f"__mspabi_{h}" for h in HELPERS] if tool == "zig" else []
        names = [*KERNELS, *(f"c_{n}" for n in KERNELS), *helpers, "bench_isr"]
        # memcpy and friends are built-ins with types; their addresses come from the assembler
        declarations = "".join(f"void {n}(void);\n" for n in names)
        (folder / "main.c").write_text(MAIN.format(declarations=declarations, names=", ".join(names)))
        (folder / "isr.S").write_text(ISR + '\n .section .rodata,"a"\n .word memcpy, memmove, memset\n')
        kernels = [ROOT / "kernels" / f"{n}.{'S' if n in ASSEMBLY else 'c'}" for n in KERNELS]
        runtime = [ROOT / "src" / "sw_mem.S", *([ROOT / "src" / "sw_mspabi.S"] if tool == "zig" else [])]
        sources = [
            folder / "main.c",
            folder / "isr.S",
            board_file(TARGET.name, "start.S"),
            board_file(TARGET.name, "board.c"),
            *runtime,
            *kernels,
            *twins,
        ]
        made = toolchain(tool, TARGET)
        made = replace(made, link=_keep(made, ["bench_isr", *MEMORY], _bench_script(folder)))
        program = folder / "bench.elf"
        compile_and_link(made, sources, [ROOT / "include"], program, folder / "bench.map")
        self.machine = Machine("msp430fr5994", seed=3)
        self.machine.load(program)
        assert self.machine.run(until="sw_idle", max_cycles=100_000) is Stop.UNTIL
        self.idle = self.machine.symbols["sw_idle"].address

    def start(self, name: str, *arguments: int, gie: bool = False) -> int:
        """Set the machine up to call `name(r12, r13, ...)`; returns the stack pointer before the call."""
        m = self.machine
        for register, value in SAVED.items():
            m.set_register(register, value)
        for register in range(11, 16):
            m.set_register(register, 0xBEE0 + register)
        for register, value in enumerate(arguments, 12):
            m.set_register(register, value & 0xFFFF)
        stack = 0x2BE0
        m.set_register(1, stack - 2)
        m.write(stack - 2, self.idle.to_bytes(2, "little"))
        m.set_register(2, 8 if gie else 0)
        m.pc = m.symbols[name].address
        return stack

    def finish(self, stack: int, machine: Machine | None = None) -> tuple[int, ...]:
        m = machine or self.machine
        assert m.run(until=self.idle, max_cycles=10_000_000) is Stop.UNTIL
        registers = m.registers
        assert registers[1] == stack, "the stack pointer moved"
        for register, value in SAVED.items():
            assert registers[register] == value, f"r{register} is callee-saved"
        return registers

    def call(self, name: str, *arguments: int) -> tuple[int, ...]:
        registers = self.finish(self.start(name, *arguments))
        if name.endswith("_lea"):  # it has only started the command
            self.finish(self.start("sw_lea_wait"))
        return registers

    def cycles(self, name: str, *arguments: int) -> int:
        stack = self.start(name, *arguments)
        before = self.machine.cycles
        self.finish(stack)
        spent = self.machine.cycles - before
        if name.endswith("_lea"):  # it has only started the command
            self.finish(self.start("sw_lea_wait"))
        return spent

    def put(self, at: int, values: Sequence[int] | Array, kind: str = "h") -> int:
        self.machine.write(at, struct.pack(f"<{len(values)}{kind}", *(int(v) for v in values)))
        return at

    def get(self, at: int, count: int, kind: str = "h", machine: Machine | None = None) -> list[int]:
        size = struct.calcsize(kind)
        return list(struct.unpack(f"<{count}{kind}", (machine or self.machine).read(at, count * size)))


def _bench_script(folder: Path) -> Path:
    """The board's linker script with room for every kernel at once: those of 8-bit weights run from FRAM."""
    text = board_file(TARGET.name, "link.ld").read_text()
    text = text.replace("INCLUDE sections.ld", board_file(TARGET.name, "sections.ld").read_text())
    script = folder / "bench.ld"
    script.write_text(text.replace("*(.text .text.*)", "*(.text .text.* .ramtext.*_s8_cpu)", 1))
    return script


def _keep(tool: Toolchain, names: Sequence[str], script: Path):  # type: ignore[no-untyped-def]
    """The toolchain's link command with `script`, and with these symbols kept, whatever refers to them."""
    option = (lambda n: ["-u", n]) if tool.name == "zig" else (lambda n: [f"-Wl,-u,{n}"])

    def link(output: Path, map_file: Path, objects: list[str]) -> list[str]:
        command = list(tool.link(output, map_file, objects))
        command[command.index("-T") + 1] = str(script)
        return [*command, *(o for n in names for o in option(n))]

    return link


# --- struct layouts of sw_kernels.h on the MSP430


def dot_struct(
    acc: int,
    x: int,
    count: int,
    weights: int,
    index: int = 0,
    unit: int = 0,
    counts: tuple[int, int] = (0, 0),
    runs: int = 1,
) -> bytes:
    """`counts` are their address and size; without them each run has `count` weights."""
    return struct.pack("<ihHIIHIHH", acc, x, count, weights, index, unit, *counts, runs)


def conv_struct(x: int, step: int, count: int, taps: int, tap_count: int, init: int, init_step: int, acc: int) -> bytes:
    return struct.pack("<8H", x, step, count, taps, tap_count, init, init_step, acc)


def unpack_struct(
    out: int,
    count: int,
    weights: int,
    index: int,
    state: Sequence[int],
    shape: Sequence[int],
    unit: int = 0,
    patterns: int = 0,
) -> bytes:
    """`state` is offset, previous, left, rows; `shape` is kernel_w, kernel_h, row_skip, plane_skip."""
    return struct.pack("<HHIIHH4h4hHHHH", out, count, weights, index, 0, 0, *state, *shape, unit, 0, patterns, 0)


def pool_struct(values: Sequence[int], lo: int, hi: int) -> bytes:
    """x_pitch, y_pitch, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, multiplier, shift; bounds."""
    return struct.pack("<10Hhh", *values, lo, hi)


def packed_struct(
    weight_bytes: int, count_bytes: int, word_shift: int, run_bytes: int, cols: int, index: int = 0
) -> bytes:
    """Of blob 0, not shared."""
    sizes = struct.pack("<HBBBBHHH", 0, weight_bytes, count_bytes, 0, word_shift, run_bytes, cols, 0)
    return sizes + struct.pack("<IIH", 0, index, 0)


def gather_struct(x: int, taps: int, count: int, to: int, shape: Sequence[int]) -> bytes:
    """`shape` is width, height, pitch in bytes, stride."""
    return struct.pack("<I7H", x, taps, count, to, *shape)


def clip_struct(x: int, y: int, shape: Sequence[int], lo: int, hi: int) -> bytes:
    """`shape` is x_pitch, y_pitch, width, height."""
    return struct.pack("<6Hhh", x, y, *shape, lo, hi)


def add_struct(
    places: Sequence[int], skips: Sequence[int], size: Sequence[int], factors: Sequence[int], lo: int, hi: int
) -> bytes:
    """`places` and `skips` of a, b and y, skips in bytes; `size` is width and height; factors of a and b."""
    return struct.pack("<3I5H4h", *places, *skips, *size, *factors, lo, hi)


@dataclass(frozen=True)
class Case:
    """One call with fixed arguments: how to place them, what to pass, and what to compare."""

    name: str
    memory: tuple[tuple[int, bytes], ...]
    arguments: tuple[int, ...]
    results: tuple[tuple[int, int], ...]

    def place(self, bench: Bench) -> None:
        for at, data in self.memory:
            bench.machine.write(at, data)

    def read(self, machine: Machine) -> list[bytes]:
        if self.name.endswith("_lea"):  # it has only started the command
            machine = machine.fork()
            stack = machine.registers[1] - 2
            machine.set_register(1, stack)
            machine.write(stack, machine.symbols["sw_idle"].address.to_bytes(2, "little"))
            machine.pc = machine.symbols["sw_lea_wait"].address
            assert machine.run(until="sw_idle", max_cycles=100_000) is Stop.UNTIL
        return [machine.read(at, size) for at, size in self.results]


def _words(values: Sequence[int] | Array, kind: str = "h") -> bytes:
    return struct.pack(f"<{len(values)}{kind}", *(int(v) for v in values))


def fixed_cases(count: int = 21) -> dict[str, Case]:
    """A fixed call of every kernel; `count` entries where a kernel loops."""
    rng = np.random.default_rng(11)
    weights, high = rng.integers(-7000, 7000, 64), 0x20000
    bits = rng.integers(0, 256, 64)
    gaps = bits & 0x33  # codes up to 3, and what fits the arrays
    x = rng.integers(-7000, 7000, 256)
    blob = ((high, _words(weights)), (high + 0x200, _words(gaps, "B")))
    near = ((NEAR, _words(weights)), (NEAR + 0x200, _words(gaps, "B")))
    bitmap = ((high, _words(weights)), (high + 0x200, _words(bits, "B")))
    array = (ARRAY, _words(x))
    requant = (STRUCT, struct.pack("<Hhh", 15, -3000, 3000))
    requant9 = (STRUCT, struct.pack("<Hhh", 9, -3000, 3000))
    sums = (ARRAY, _words(rng.integers(-(2**30) + 1, 2**30, 64), "i"))
    index = high + 0x200
    dot = (STRUCT, dot_struct(1234, ARRAY, count, high, index))
    dot_near = (STRUCT, dot_struct(1234, ARRAY, count, NEAR, NEAR + 0x200))
    dot_block = (STRUCT, dot_struct(1234, ARRAY, count, high, index, 4))
    dot_bitmap = (STRUCT, dot_struct(1234, ARRAY, count, high, index, 3))
    taps = (TAPS, _words(np.stack([rng.integers(0, 3, 64) * 2, weights], 1).reshape(-1)))
    conv = (STRUCT, conv_struct(ARRAY, 2, 5, TAPS, count, OUT + 0x60, 0, OUT))
    state, shape = (-2, 0, 4, 3), (3, 3, 10, 40)
    unpack = (STRUCT, unpack_struct(TAPS, count, high, index, state, shape))
    blocks = (STRUCT, unpack_struct(TAPS, count, high, index, state, shape, 4))
    # code p of a pattern: p taps from the channel's first
    starts = [17 + sum(range(p)) for p in range(17)]
    table = (ARRAY, _words([*starts, *(2 * t for p in range(16) for t in range(p))], "H"))
    kernels = (STRUCT, unpack_struct(TAPS, count, high, index, (-60, 0, 0, 0), (0, 0, 60, 0), 15, ARRAY))
    pool = (STRUCT, pool_struct((12, 6, 2, 3, 2, 2, 2, 2, 1, 2), -4000, 4000))
    pool3 = (STRUCT, pool_struct((12, 6, 2, 3, 3, 1, 1, 2, 10923, 15), -4000, 4000))
    one = (OUT + 0x60, _words([77], "i"))
    cases = {
        "sw_conv2d_taps_s16_cpu": Case("sw_conv2d_taps_s16_cpu", (array, taps, one, conv), (STRUCT,), ((OUT, 20),)),
        "sw_requant15_s16_cpu": Case(
            "sw_requant15_s16_cpu", (sums, requant), (ARRAY, OUT, count, STRUCT), ((OUT, 2 * max(count, 1)),)
        ),
        "sw_requant_s16_cpu": Case(
            "sw_requant_s16_cpu", (sums, requant9), (ARRAY, OUT, count, STRUCT), ((OUT, 2 * max(count, 1)),)
        ),
        "sw_avgpool_s16_cpu": Case("sw_avgpool_s16_cpu", (array, pool), (ARRAY, OUT, STRUCT), ((OUT, 24),)),
        "sw_avgpool_s16_cpu 3x1": Case("sw_avgpool_s16_cpu", (array, pool3), (ARRAY, OUT, STRUCT), ((OUT, 24),)),
        "sw_maxpool_s16_cpu": Case("sw_maxpool_s16_cpu", (array, pool), (ARRAY, OUT, STRUCT), ((OUT, 24),)),
        "sw_argmax_s16_cpu": Case("sw_argmax_s16_cpu", (array,), (ARRAY, max(count, 1)), ()),
        "sw_load_u8": Case("sw_load_u8", blob, (high & 0xFFFF, high >> 16), ()),
        "sw_load_u16": Case("sw_load_u16", blob, (high & 0xFFFF, high >> 16), ()),
    }
    for name, memory in {
        **dict.fromkeys((f"{e}_{t}" for e in ("dense", "csr") for t in ("s16", "s8")), (*blob, array, dot)),
        **dict.fromkeys((f"{e}_near_{t}" for e in ("dense", "csr") for t in ("s16", "s8")), (*near, array, dot_near)),
        "block_s16": (*blob, array, dot_block),
        "bitmap_s16": (*bitmap, array, dot_bitmap),
    }.items():
        cases[f"sw_dot_{name}_cpu"] = Case(f"sw_dot_{name}_cpu", memory, (STRUCT,), ((STRUCT, 24),))
    for name, memory in {
        **dict.fromkeys((f"{e}_{t}" for e in ("dense", "csr") for t in ("s16", "s8")), (*blob, unpack)),
        "block_s16": (*blob, blocks),
        "bitmap_s16": (*bitmap, unpack),
        "pattern_s16": (*blob, table, kernels),
    }.items():
        results = ((STRUCT, 40), (TAPS, 4 * max(count, 1)))
        cases[f"sw_taps_{name}_cpu"] = Case(f"sw_taps_{name}_cpu", memory, (STRUCT,), results)
    packed = (STRUCT, packed_struct(2, 1, 2, 0, 40, index))
    cursor = (OUT, struct.pack("<HIII", 0, high, index, high + 0x100))
    cases["sw_skip_runs"] = Case("sw_skip_runs", (*blob, packed, cursor), (OUT, STRUCT, count), ((OUT, 14),))
    several = max(count, 1)
    offsets = (TAPS, _words(rng.integers(0, 60, 64) * 2, "H"))
    rows = (STRUCT, gather_struct(ARRAY, TAPS, min(count, 3), OUT, (4, 2, 40, 1)))
    strided = (STRUCT, gather_struct(ARRAY, TAPS, min(count, 3), OUT, (4, 2, 40, 3)))
    clip = (STRUCT, clip_struct(ARRAY, OUT, (12, 6, 5, 3), -2000, 3000))
    copied = (STRUCT, struct.pack("<II4H", OUT, ARRAY, 11, 2, 50, 46))
    zeroed = (STRUCT, struct.pack("<II4H", ARRAY, 0, 3, 4, 20, 0))
    clip_max = (STRUCT, clip_struct(ARRAY, OUT, (12, 6, 5, 3), -2000, 3000))
    clip_pool = (STRUCT, clip_struct(ARRAY, OUT, (12, 6, 5, 3), 0, 6000))
    block = (STRUCT, struct.pack("<4H", 8, 6, ARRAY >> 2, OUT >> 2))
    vector = (TAPS, _words(rng.integers(-4000, 4000, 8)))
    runs = [i % 4 | (i % 3) << 8 for i in range(several)]
    entering = [w for i in range(several) for w in range(100 * i, 100 * i + i % 3)]
    headers = 2 * len(runs)
    image = ((ARRAY, _words(range(1000, 1100))), (high, _words([*runs, *entering])))
    patching = [(STRUCT, struct.pack("<IIIHH", high, high + headers, ARRAY, several, up)) for up in (0, 1)]
    cases |= {
        f"sw_patch_s16_cpu {name}": Case("sw_patch_s16_cpu", (*image, work), (STRUCT,), ((ARRAY, 200),))
        for name, work in zip(("down", "up"), patching, strict=True)
    }
    fir = (STRUCT, struct.pack("<6H", 14, TAPS >> 2, OUT >> 2, 8, 0xFFFF, 0))
    clip_bias = (STRUCT, clip_struct(ARRAY, OUT, (12, 6, 5, 3), -2000, 3000) + struct.pack("<h", -321))
    cases |= {
        "sw_mpymatrixrow_s16_lea": Case(
            "sw_mpymatrixrow_s16_lea", (array, vector, block), (TAPS >> 2, STRUCT >> 2), ((OUT, 12),)
        ),
        "sw_fir_s16_lea": Case("sw_fir_s16_lea", (array, vector, fir), (ARRAY >> 2, STRUCT >> 2), ((OUT, 28),)),
        "sw_lea_wait": Case("sw_lea_wait", (), (), ()),
        "sw_fetch_s16_dma": Case(
            "sw_fetch_s16_dma", blob, (OUT, high & 0xFFFF, high >> 16, several), ((OUT, 2 * several),)
        ),
        "sw_copy_rows_s16_dma": Case("sw_copy_rows_s16_dma", (array, copied), (STRUCT,), ((OUT, 100),)),
        "sw_zero_rows_s16_dma": Case("sw_zero_rows_s16_dma", (array, zeroed), (STRUCT,), ((ARRAY, 100),)),
        "sw_mul_u16": Case("sw_mul_u16", (), (51234, 60321), ()),
        "sw_clip_maxpool_2x2_s16_cpu": Case("sw_clip_maxpool_2x2_s16_cpu", (array, clip_max), (STRUCT,), ((OUT, 36),)),
        "sw_clip_maxpool_1x2_s16_cpu": Case("sw_clip_maxpool_1x2_s16_cpu", (array, clip_max), (STRUCT,), ((OUT, 36),)),
        "sw_gather_rows_s16_dma": Case("sw_gather_rows_s16_dma", (array, offsets, rows), (STRUCT,), ((OUT, 48),)),
        "sw_gather_rows_s16_cpu": Case("sw_gather_rows_s16_cpu", (array, offsets, strided), (STRUCT,), ((OUT, 48),)),
        "sw_gather_s16_cpu": Case(
            "sw_gather_s16_cpu", (array, offsets), (ARRAY, TAPS, OUT, count), ((OUT, 2 * several),)
        ),
        "sw_clip_s16_cpu": Case("sw_clip_s16_cpu", (array, clip), (STRUCT,), ((OUT, 36),)),
        "sw_clip_bias_s16_cpu": Case("sw_clip_bias_s16_cpu", (array, clip_bias), (STRUCT,), ((OUT, 36),)),
        "sw_clip_avgpool_s16_cpu": Case("sw_clip_avgpool_s16_cpu", (array, clip_pool), (STRUCT,), ((OUT, 36),)),
    }
    for name, factor in (("", 1 << 14), (" shifted", 1 << 11)):
        add = (STRUCT, add_struct((ARRAY, high, OUT), (2, 4, 6), (4, 3), (1 << 14, factor), -3000, 9000))
        cases[f"sw_add_s16_cpu{name}"] = Case("sw_add_s16_cpu", (*blob, array, add), (STRUCT,), ((OUT, 36),))
    # outputs are read back whole, so give them a value
    blank = ((OUT, bytes(0x100)), (TAPS, bytes(256)))
    return {k: replace(c, memory=(*blank, *c.memory)) for k, c in cases.items()}


# --- tables of tests/golden


def layer_cycles(board: Board, x: Array, level: int) -> list[int]:
    """Cycles of each layer, from the marks that `sw_infer` leaves in `sw_node`."""
    one = board.fork()
    assert one.request(SWITCH, level) == 0
    one.feed(x)
    one.machine.watch("sw_node")
    assert one.request(INFER) == 0
    log = one.machine.watch_log()
    return [b.cycles - a.cycles for a, b in itertools.pairwise(log)]


def model_cycles(workshop: Workshop, model: Graph, backend: str) -> tuple[int, dict[str, dict[str, int]]]:
    """Cycles of the boot, and of each layer at each level."""
    project = emit_project(model, TARGET, backend)
    board = Board(workshop.program(project), project.graph)
    names = [layer.name for layer in project.schedule.layers]
    x = inputs_for(project.graph, 4, 1)[3]
    layers = {}
    for level in range(len(model.levels)):
        cycles = layer_cycles(board, x, level)
        assert len(cycles) == len(names)
        layers[f"level {level}"] = dict(zip(names, cycles, strict=True)) | {"sum": sum(cycles)}
    return board.boot_cycles, layers


def cycle_table(scratch: Path) -> dict[str, object]:
    workshop = Workshop(scratch / "zig", "zig")
    boot, layers = model_cycles(workshop, lenet(), "cpu")
    _, columns = model_cycles(workshop, lenet_columns(), "auto")
    bench = Bench(scratch / "bench")
    kernels = {}
    for name, case in fixed_cases().items():
        case.place(bench)
        kernels[name] = bench.cycles(case.name, *case.arguments)
    return {"boot": boot, "lenet": layers, "lenet columns": columns, "kernels": kernels}


def size_table(scratch: Path) -> dict[str, object]:
    workshop = Workshop(scratch / "zig", "zig")
    table: dict[str, object] = {}
    for name, model, backend in (("lenet", lenet(), "cpu"), ("lenet columns", lenet_columns(), "auto")):
        _, program = workshop.build(model, backend=backend)
        with program.open("rb") as f:
            sections = {s.name: s["sh_size"] for s in ELFFile(f).iter_sections() if s["sh_flags"] & 2 and s["sh_size"]}
        table[name] = sections
    return table
