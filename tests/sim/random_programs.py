"""Random C programs for all compilers, and the checksum that a 16-bit machine must give, computed on this PC.

`csmith_program` asks Debian's csmith; `network_loops.program` makes loops as a neural-network runtime has them.
`host_checksum` compiles the program as C++ whose integers are 16-bit C's (`c16/host_int16.h`); `Lab.checksum` builds
it for the device and runs it on the simulator. The two share nothing but the program's text.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from compiler_bugs import Bug

import sim
from codegen.build import toolchain
from codegen.target import firmware_dir, load_target

HERE = Path(__file__).parent / "c16"
MAX_CYCLES = 300_000_000
STACK_BOTTOM = 0x1C00  # c16/link.ld
HOST_SECONDS = 10
_CSMITH = (
    *("--no-longlong", "--no-math64", "--no-packed-struct", "--no-argc", "--quiet"),
    *("--max-funcs", "5", "--max-array-dim", "2", "--max-array-len-per-dim", "7"),
    *("--max-block-depth", "4", "--max-expr-complexity", "8", "--max-struct-fields", "7"),
)


class NotComparable(Exception):
    """The program says nothing: it does not end, or does not fit. Another seed must take its place."""


@dataclass(frozen=True)
class Variant:
    """One way to build: compiler, optimisation, memory model."""

    compiler: str
    level: str
    large: bool = False

    def __str__(self) -> str:
        return f"{self.compiler}{'-large' if self.large else ''}{self.level}"


CLANG = tuple(Variant("zig", level) for level in ("-O0", "-Os", "-O2"))
GCC = tuple(Variant("gcc", level, large) for large in (False, True) for level in ("-O0", "-O1", "-Os", "-O2"))


def variants() -> tuple[Variant, ...]:
    """Those whose compiler is here."""
    return CLANG + (GCC if shutil.which("msp430-elf-gcc") else ())


def csmith_program(seed: int, folder: Path) -> str:
    """A program of csmith's for 16-bit int: odd seeds have bit-fields, even ones unions (whose layout they change)."""
    (folder / "platform.info").write_text("integer size = 2\npointer size = 2\n")
    kind = "--no-unions" if seed & 1 else "--no-bitfields"
    command = ["csmith", "--seed", str(seed), *_CSMITH, kind]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    except subprocess.TimeoutExpired as e:
        raise NotComparable("csmith does not end") from e
    if done.stdout.count("transparent_crc(") < 3:
        raise NotComparable("hardly a variable to look at")
    return done.stdout


def as_cpp(text: str) -> str:
    """The same program for `host_int16.h`: typed literals, bit-fields as members, C's tolerance for pointers."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).replace("(void*)0", "nullptr")
    text = re.sub(r"\b(?:un)?signed\s*:\s*0\s*;", "", text)
    text = re.sub(
        r"\b((?:un)?signed|u?int\d+_t)\s+(f\d+)\s*:\s*(\d+)",
        lambda m: f"c16::Bits<{m[3]}, {'false' if m[1].startswith('u') else 'true'}> {m[2]}",
        text,
    )

    text = re.sub(r"\b(?:const|volatile)\b", "", text)
    text = re.sub(
        r"\b((?:union |struct )?(?:u?int\d+_t|[US]\d+))\s*((?:\*\s*)+)(?=\w)",
        lambda m: "c16::Ptr<" * m[2].count("*") + m[1] + ">" * m[2].count("*") + " ",
        text,
    )

    def typed(m: re.Match[str]) -> str:
        if m[1] is None:
            return m[0]  # a string, an array's length or index, a bit-field's width
        return f"{m[1]}_{(m[2] or 'c').lower()}"

    number = r'"[^"\n]*"|\[\d+\]|Bits<\d+|#.*|(?<![\w.])(0[xX][0-9a-fA-F]+|\d+)(UL|U|L)?\b'
    return re.sub(number, typed, text)


def host_checksum(text: str, folder: Path) -> int:
    """What a machine with 16-bit int computes.

    Raises:
        NotComparable: it does not end in time.
    """
    source, program = folder / "host.cpp", folder / "host"
    source.write_text(as_cpp(text))
    flags = ["-std=c++17", "-O1", "-w", "-fpermissive", "-fno-strict-aliasing", "-fpack-struct=2", f"-I{HERE}"]
    done = subprocess.run(["c++", *flags, str(source), "-o", str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the host compiler refuses {source}:\n{done.stderr[:3000]}"
    try:
        answer = subprocess.run([str(program)], capture_output=True, timeout=HOST_SECONDS, check=True, text=True)
    except subprocess.TimeoutExpired as e:
        raise NotComparable("does not end on the host") from e
    return int(answer.stdout)


class Lab:
    """Builds programs for the device in every variant and runs them; what programs share is compiled once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = load_target("msp430fr5994")
        self._shared: dict[Variant, list[str]] = {}

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _compile(self, variant: Variant, source: Path, output: Path, *more: str) -> None:
        tool = toolchain(variant.compiler, self.target)
        flags = [f for f in tool.compile if not f.startswith(("-W", "-O", "-std", "-pedantic"))]
        flags = ["-mlarge" if variant.large and f == "-msmall" else f for f in flags]
        flags += [variant.level, "-w", "-fwrapv", "-std=gnu99", f"-I{HERE}", f"-I{firmware_dir() / 'include'}"]
        done = self._run([*flags, *(more or ("-c",)), str(source), "-o", str(output)])
        assert done.returncode == 0, f"{variant} refuses {source}:\n{done.stderr[:3000]}"

    def _compile_repaired(self, variant: Variant, source: Path, output: Path, bug: Bug) -> None:
        suffix, more = (".ll", ["-S", "-emit-llvm"]) if bug.stage == "ir" else (".s", ["-S"])
        text, fixed = output.with_suffix(suffix), output.with_suffix(f".fixed{suffix}")
        if variant.compiler == "gcc":
            more.append("-dp")  # names the pattern behind each instruction
        self._compile(variant, source, text, *more)
        fixed.write_text(bug.repair(text.read_text()))
        self._compile(variant, fixed, output)

    def _support(self, variant: Variant) -> list[str]:
        """Start-up and helpers: for the small models the firmware's own."""
        if variant not in self._shared:
            sources = [HERE / "start.S"]
            sources.append(HERE / "memory.c" if variant.large else firmware_dir() / "src" / "sw_mem.S")
            if variant.compiler == "zig":
                sources.append(firmware_dir() / "src" / "sw_mspabi.S")
            objects = [str(self.folder / f"{variant}.{source.stem}.o") for source in sources]
            for source, output in zip(sources, objects, strict=True):
                self._compile(variant, source, Path(output))
            self._shared[variant] = objects
        return self._shared[variant]

    def build(self, text: str, variant: Variant, folder: Path, bug: Bug | None = None) -> Path:
        """Compile and link, with a known `bug` repaired; the ELF's path.

        Raises:
            NotComparable: it does not fit into memory.
        """
        source, output = folder / "program.c", folder / f"{variant}.elf"
        source.write_text(text)
        if bug is None:
            self._compile(variant, source, folder / f"{variant}.o")
        else:
            self._compile_repaired(variant, source, folder / f"{variant}.o", bug)
        script = folder / f"{'large' if variant.large else 'small'}.ld"
        script.write_text((HERE / "link.ld").read_text().replace(">TEXT", ">HIFRAM" if variant.large else ">FRAM"))
        tool = toolchain(variant.compiler, self.target)
        objects = [*self._support(variant), str(folder / f"{variant}.o")]
        command = tool.link(output, folder / f"{variant}.map", objects)
        command[command.index("-T") + 1] = str(script)
        command = ["-mlarge" if variant.large and f == "-msmall" else f for f in command]
        done = self._run(command)
        if done.returncode != 0 and re.search("overflow|will not fit", done.stderr):
            raise NotComparable(f"{variant}: does not fit")
        assert done.returncode == 0, f"{variant}:\n{done.stderr[:3000]}"
        return output

    def checksum(self, text: str, variant: Variant, folder: Path, bug: Bug | None = None) -> int:
        """Build and run on the simulator.

        Reads of memory that nobody wrote are refused at first. Compilers make harmless ones (padding, the slot of a
        variable that has no value yet): then the program runs twice, and what the memory held must not matter.

        Raises:
            NotComparable: it does not fit, or runs too long.
        """
        elf = self.build(text, variant, folder, bug)
        try:
            return self._result(elf, variant, seed=1)
        except sim.UninitialisedRead:
            results = {self._result(elf, variant, seed=seed, allow_uninitialised=True) for seed in (1, 2)}
            assert len(results) == 1, f"{variant}: the result depends on memory that nobody wrote; see {folder}"
            return results.pop()

    def _result(self, elf: Path, variant: Variant, **options: int) -> int:
        m = sim.Machine(**options)
        m.load(elf)
        try:
            stop = m.run(until="done", max_cycles=MAX_CYCLES)
        except sim.MachineFault as e:
            if m.registers[1] < STACK_BOTTOM:
                raise NotComparable(f"{variant}: the stack is too small") from e
            raise
        if stop is not sim.Stop.UNTIL:
            raise NotComparable(f"{variant}: more than {MAX_CYCLES} cycles")
        return int.from_bytes(m.read("result"), "little")
