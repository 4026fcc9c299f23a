"""Layers whose weights lie in external memory: same logits, only what a level reads, power failures, wrong memories."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rig
from hypothesis import given, settings
from intermittent import Intermittent, lea_network, lea_target, network, small_steps
from rig import INFER, ROOT, SPIFRAM, SWITCH, Board, Workshop, assert_device, assert_host, emit_project
from strategies import graphs, inputs_for, lenet, lenet_columns

from codegen import reference
from codegen.boards import board_file
from codegen.build import build, compile_and_link, find_build, toolchain
from codegen.emit import EXTERNAL, write_project
from codegen.errors import DoesNotFit
from codegen.external import RUNS_AT_ONCE
from codegen.ir import Graph
from codegen.loader import build_loaders
from sim import Machine, Stop

ERR_EXTERNAL = -2
needs_cc = pytest.mark.skipif(
    not any(shutil.which(c) for c in ("cc", "gcc", "clang")), reason="no host C compiler on PATH"
)
needs_gcc = pytest.mark.skipif(shutil.which("msp430-elf-gcc") is None, reason="msp430-elf-gcc is not on PATH")
SHORT = rig.replace(SPIFRAM, step_cycles=9000)
"""Chunks of some 400 bytes, so that small layers have several."""


@needs_cc
@given(graph=graphs(4))
@settings(max_examples=6, deadline=None)
def test_any_graph(graph: Graph, sanitized: Workshop, zig: Workshop) -> None:
    for workshop, check in ((sanitized, assert_host), (zig, assert_device)):
        for backend in ("cpu", "lea"):
            try:
                emitted, program = workshop.build(graph, SHORT, backend, "all")
            except DoesNotFit:
                continue
            check(emitted, program, inputs_for(graph, 2, 3))


@pytest.mark.parametrize("model", ["csr", "column"])
@pytest.mark.parametrize("tool", ["zig", pytest.param("gcc", marks=needs_gcc)])
def test_lenet(model: str, tool: str, zig: Workshop, tmp_path_factory: pytest.TempPathFactory) -> None:
    workshop = zig if tool == "zig" else Workshop(tmp_path_factory.mktemp("gcc"), "gcc")
    graph, backend = (lenet(), "cpu") if model == "csr" else (lenet_columns(), "auto")
    emitted, program = workshop.build(graph, backend=backend, external="all")
    assert_device(emitted, program, inputs_for(emitted, 2, 3))


def test_part_of_the_weights_outside(zig: Workshop) -> None:
    region = SPIFRAM.regions["hifram"]
    target = rig.replace(SPIFRAM, regions={**SPIFRAM.regions, "hifram": rig.replace(region, size=100_000)})
    project = emit_project(lenet(), target, "cpu")
    assert project.image is not None
    assert len(project.image.blobs) < len(project.packed.layers)
    assert_device(project.graph, zig.program(project), inputs_for(project.graph, 1, 3))


@pytest.mark.parametrize("model", ["csr", "column"])
def test_nothing_but_what_the_level_reads_is_fetched_and_nothing_else_matters(model: str, zig: Workshop) -> None:
    """The working buffers hold noise before every inference; bytes on the bus are those that the plan counts."""
    graph, backend = (lenet(), "cpu") if model == "csr" else (lenet_columns(), "lea")
    project = emit_project(graph, SPIFRAM, backend, external="all")
    assert project.image is not None
    program = zig.program(project)
    board = Board(program, project.graph)
    x = inputs_for(project.graph, 1, 3)[0]
    board.infer(x, 0)  # the header is checked once
    totals = []
    for level in range(len(project.graph.levels)):
        board.machine.write("sw_work", np.random.default_rng(level).bytes(project.plan.work.size))
        before = board.machine.counters()
        got = board.infer(x, level)
        np.testing.assert_array_equal(got, reference.logits(project.graph, x[np.newaxis], level)[0])
        spent = board.machine.counters() - before
        reads = sum(
            1 + -(-len(chunk[level]) // RUNS_AT_ONCE) + len(chunk[level])
            for blob in project.image.blobs.values()
            for chunk in blob.runs
        )
        bytes_ = sum(blob.bytes_read(level) for blob in project.image.blobs.values())
        assert spent.spi_fram_bytes == bytes_ + 4 * reads
        totals.append(spent.spi_fram_bytes)
    assert totals[0] < 0.7 * totals[2]


@pytest.mark.parametrize("model", ["csr", "column"])
def test_steps_are_as_long_as_planned(model: str, zig: Workshop) -> None:
    """No step of a fetch takes longer than the target allows, and their sum is the plan's within 3 %."""
    assert SPIFRAM.external is not None
    graph, backend = (lenet(), "cpu") if model == "csr" else (lenet_columns(), "lea")
    project = emit_project(graph, SPIFRAM, backend, external="all")
    assert project.image is not None
    board = Board(zig.program(project), project.graph)
    x = inputs_for(project.graph, 1, 3)[0]
    board.infer(x, 0)
    for level in range(len(project.graph.levels)):
        cycles = rig.layer_cycles(board, x, level)
        for layer, spent in zip(project.schedule.layers, cycles, strict=True):
            if layer.fetch is not None:
                assert spent == pytest.approx(layer.fetch.cycles(level, SPIFRAM.external), rel=0.03)
    board.machine.watch("sw_progress")
    board.infer(x, 1)
    log = board.machine.watch_log()
    first = 0
    for layer in project.schedule.layers:
        if layer.fetch is not None:
            for i in range(first + 1, first + layer.step_count):
                assert log[i].cycles - log[i - 1].cycles <= SPIFRAM.step_cycles
        first += layer.step_count


# --- another memory


def test_another_memory_is_refused(zig: Workshop) -> None:
    emitted, program = zig.build(lenet_columns(), backend="auto", external="all")
    content = (program.parent / EXTERNAL).read_bytes()
    x = inputs_for(emitted, 1, 3)[0]
    board = Board(program, emitted)
    board.feed(x)
    machine = board.machine
    machine.spi_fram_write(0, bytes(32))
    before = machine.read("sw_output")
    assert board.request(INFER) == ERR_EXTERNAL
    assert not board.running
    assert machine.read("sw_output") == before
    other, other_program = zig.build(lenet_columns(2), backend="auto", external="all")
    assert len(other.nodes) == len(emitted.nodes)
    machine.spi_fram_write(0, (other_program.parent / EXTERNAL).read_bytes())
    assert board.request(INFER) == ERR_EXTERNAL
    machine.spi_fram_write(0, content)
    assert board.request(INFER) == 0
    np.testing.assert_array_equal(board.logits(), reference.logits(emitted, x[np.newaxis], 0)[0])
    assert board.request(SWITCH, 1) == 0


def test_an_absent_memory_is_refused(zig: Workshop) -> None:
    emitted, program = zig.build(lenet_columns(), backend="auto", external="all")
    (program.parent / EXTERNAL).unlink()
    assert Board(program, emitted).request(INFER) == ERR_EXTERNAL


def test_a_memory_taken_away_under_an_inference(zig: Workshop) -> None:
    """After the reboot nothing is computed with the wrong weights; with the right ones the inference goes on."""
    emitted, program = zig.build(lenet_columns(), backend="auto", external="all")
    content = (program.parent / EXTERNAL).read_bytes()
    x = inputs_for(emitted, 1, 3)[0]
    board = Board(program, emitted)
    board.feed(x)
    board.put("sw_request", INFER)
    board.machine.run(max_cycles=900_000)
    done = board.word("sw_progress")
    assert done > 5
    board.machine.reset(power_on=True)
    board.machine.spi_fram_write(0, bytes(32))
    board.put("sw_request", 0)
    board.go("sw_idle")
    assert board.word("sw_progress") == done
    board.machine.spi_fram_write(0, content)
    board.machine.reset(power_on=True)
    board.go("sw_idle")
    assert not board.running
    np.testing.assert_array_equal(board.logits(), reference.logits(emitted, x[np.newaxis], 0)[0])


@needs_cc
def test_the_host_program_refuses_another_file(host: Workshop) -> None:
    emitted, program = host.build(lenet_columns(), backend="auto", external="all")
    x = inputs_for(emitted, 1, 3).astype(np.int16).tobytes()
    wrong = program.parent / "wrong.bin"
    wrong.write_bytes(bytes(1000))
    for arguments, status, message in (
        ([], 3, "weights_external.bin"),
        ([str(wrong)], 3, "weights_external.bin"),
        ([str(wrong) + "x"], 2, "can't be read"),
    ):
        done = subprocess.run([str(program), "0", *arguments], input=x, capture_output=True, check=False)
        assert done.returncode == status
        assert message in done.stderr.decode()
        assert not done.stdout


# --- power failures


CASES = {"csr": ("cpu", 1), "column sparsest": ("lea", 0), "column densest": ("lea", 1)}


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def outside(request: pytest.FixtureRequest, zig: Workshop) -> Intermittent:
    """All weights outside, chunks of a few bytes."""
    backend, level = request.param
    graph, target = (network(), small_steps(network())) if backend == "cpu" else (lea_network(), lea_target())
    target = rig.replace(target, name=SPIFRAM.name, external=SPIFRAM.external, prices=SPIFRAM.prices)
    emitted, program = zig.build(graph, target, backend, "all")
    project = emit_project(graph, target, backend, external="all")
    assert sum(layer.step_count for layer in project.schedule.layers if layer.fetch) >= 6
    return Intermittent(program, emitted, level)


def test_a_cut_anywhere_is_survived(outside: Intermittent) -> None:
    for loss in np.linspace(1, outside.cycles - 1, 150).astype(int).tolist():
        outside.cut([loss])


@pytest.mark.parametrize("seed", range(20))
def test_many_cuts_in_one_inference(outside: Intermittent, seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses = rng.integers(1, outside.boot_cycles + outside.cycles // 3, int(rng.integers(2, 11))).tolist()
    outside.cut(losses)


def test_every_instruction_of_a_fetch_step(outside: Intermittent) -> None:
    """From the start of the first fetch to the record of its first step, power is lost after each instruction."""
    board = outside.start()
    board.go("sw_fetch_weights_step")
    done = board.word("sw_progress")
    cuts = 0
    while board.word("sw_progress") == done:
        broken = board.fork()
        broken.machine.reset(power_on=cuts % 3 > 0)
        outside.finish(broken)
        outside.check(broken, f"at {board.machine.where(board.machine.pc)}")
        board.machine.run(max_instructions=1 if cuts < 250 else 7)
        cuts += 1
    assert cuts > 100


def test_a_reset_without_power_loss_is_survived(outside: Intermittent) -> None:
    """The memory may be in the middle of a command, with chip select low."""
    for loss in np.linspace(1, outside.cycles - 1, 40).astype(int).tolist():
        board = outside.start()
        board.machine.run(max_cycles=loss)
        board.machine.reset(power_on=False)
        outside.finish(board)
        outside.check(board, f"reset={loss}")


def test_interrupts_all_through_an_inference_change_nothing(outside: Intermittent) -> None:
    """Routines whose instructions are short beside a byte on the bus."""
    fired, count = outside.interrupt_all_through(saves=2)
    assert fired >= count > 300


def test_a_byte_lost_to_a_long_instruction_is_read_again(outside: Intermittent) -> None:
    """PUSHM.A of twelve registers holds the DMA off for two bytes: that transfer starts again."""
    fired, count = outside.interrupt_all_through(every=9001)
    assert fired >= count > 5


# --- filling the memory of a board


def run_loader(elf: Path, memory: bytes) -> tuple[int, bytes]:
    """A loader on a board whose external memory holds `memory`: its verdict and what the memory holds then."""
    machine = Machine("msp430fr5994", seed=2)
    machine.load(elf)
    rig.attach_external(machine, memory)
    assert machine.run(until="sw_idle", max_cycles=200_000_000) is Stop.UNTIL
    status = int.from_bytes(machine.read("loader_status", 2), "little", signed=True)
    return status, machine.spi_fram_read(0, len(memory))


def test_loaders_fill_the_memory_with_the_header_last(tmp_path: Path) -> None:
    """Two programs for a file larger than high FRAM; after the first the memory is not yet valid."""
    project = emit_project(lenet(), SPIFRAM, "cpu", external="all")
    write_project(project, tmp_path / "p")
    content = project.files[EXTERNAL]
    assert isinstance(content, bytes)
    small = rig.replace(SPIFRAM.regions["hifram"], size=100_000)
    target = rig.replace(SPIFRAM, regions={**SPIFRAM.regions, "hifram": small})
    tool = toolchain("zig", SPIFRAM)
    sources = [board_file(SPIFRAM.name, n) for n in ("start.S", "board.c", "external.c", "external_dma.S")]
    sources += [ROOT / "src" / "sw_mem.S", ROOT / "src" / "sw_mspabi.S", ROOT / "kernels" / "sw_load_u8.S"]

    def link(files: list[Path], includes: list[Path], program: Path) -> None:
        compile_and_link(tool, files, [ROOT / "include", *includes], program, program.with_suffix(".map"))

    programs = build_loaders(content, target, sources, tmp_path, link)
    assert len(programs) == 2
    memory = bytes(len(content))
    for number, program in enumerate(programs):
        status, memory = run_loader(program, memory)
        assert status == 1
        assert (memory[:32] == content[:32]) == (number == 1)
    assert memory == content


def test_a_build_brings_its_loaders(tmp_path: Path) -> None:
    project = emit_project(lenet_columns(), SPIFRAM, "auto", external="all")
    write_project(project, tmp_path / "p")
    built = build(tmp_path / "p", "zig")
    assert find_build(tmp_path / "p").loaders == built.loaders
    assert [p.name for p in built.loaders] == ["external_0.elf"]
    assert built.loaders[0].with_suffix(".txt").is_file()
    content = project.files[EXTERNAL]
    assert isinstance(content, bytes)
    assert run_loader(built.loaders[0], bytes(len(content))) == (1, content)
    machine = Machine("msp430fr5994")
    machine.load(built.loaders[0])  # no memory fitted
    assert machine.run(until="sw_idle", max_cycles=10_000_000) is Stop.UNTIL
    assert machine.read("loader_status", 2) == b"\xff\xff"


def test_a_loader_that_lost_power_starts_again(tmp_path: Path) -> None:
    project = emit_project(lenet_columns(), SPIFRAM, "auto", external="all")
    write_project(project, tmp_path / "p")
    content = project.files[EXTERNAL]
    assert isinstance(content, bytes)
    machine = Machine("msp430fr5994", seed=2)
    machine.load(build(tmp_path / "p", "zig").loaders[0])
    rig.attach_external(machine, bytes(len(content)))
    for cycles in (3_000_000, 1_000, 4_444_444):
        machine.run(max_cycles=cycles)
        assert machine.spi_fram_read(0, 32) != content[:32]
        machine.reset(power_on=True)
    assert machine.run(until="sw_idle", max_cycles=200_000_000) is Stop.UNTIL
    assert machine.spi_fram_read(0, len(content)) == content
