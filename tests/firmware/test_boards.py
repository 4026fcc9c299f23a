"""Every board runs every shipped model that fits it, bit by bit as the reference; one that does not fit is refused."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from strategies import Chain, inputs_for, make_params, tiny

from codegen import reference
from codegen.boards import board_file
from codegen.build import build, find_build, toolchain
from codegen.emit import emit_project, external_content, read_project, write_project
from codegen.errors import CodegenError, DoesNotFit, ToolchainError
from codegen.ir import Graph
from codegen.ops import FullyConnected
from codegen.serialize import load_graph
from codegen.target import boards, load_target
from swtrain.cli import main
from swtrain.deploy import Device, run_host

MODELS = Path(__file__).parents[2] / "results" / "models"
SMALL = ("msp430fr5969", "msp430fr6989")


def check(graph: Graph, board: str, folder: Path, inputs: int = 2) -> None:
    """Emit, build and run `graph`; raises where a logit differs."""
    write_project(emit_project(graph, load_target(board)), folder)
    project, built = read_project(folder), build(folder)
    x = inputs_for(project.graph, inputs, 3)
    want = [reference.logits(project.graph, x, k) for k in range(len(project.graph.levels))]
    if not load_target(board).device:
        for k, logits in enumerate(want):
            external = folder / "weights_external.bin" if external_content(project) is not None else None
            got = run_host(built.program, x, k, project.graph.output.shape, external)
            np.testing.assert_array_equal(got, logits)
        return
    device = Device(project, built.program, "fused")
    for k, logits in enumerate(want):
        for i in range(inputs):
            device.infer(i, x[i], k, logits[i])


@pytest.mark.parametrize("board", boards())
def test_the_smallest_shipped_model_runs_on_every_board(board: str, tmp_path: Path) -> None:
    check(load_graph(MODELS / "harnet"), board, tmp_path / "p", 1)


@pytest.mark.slow
@pytest.mark.parametrize("board", boards())
@pytest.mark.parametrize("name", ["lenet5-column", "okgnet"])
def test_trained_models_run_where_they_fit(name: str, board: str, tmp_path: Path) -> None:
    graph = load_graph(MODELS / name)
    if board in SMALL:
        with pytest.raises(DoesNotFit, match=r"need [\d,]+ B of high FRAM, msp430fr.* has [\d,]+ B \([\d,]+ B too few"):
            emit_project(graph, load_target(board))
    else:
        check(graph, board, tmp_path / "p")


SHAPES = {
    "lenet5": (1, 28, 28),
    "lenet5-caffe": (1, 28, 28),
    "harnet": (9, 1, 128),
    "okgnet": (1, 49, 10),
    "dscnn": (1, 49, 12),
    "sqnxt23": (3, 32, 32),
    "jasper": (20, 1, 98),
}
LEVELS = {"sqnxt23": (55.39, 54.07), "jasper": (90.0, 70.0), "lenet5 97": (98.0, 97.0), "lenet5 85": (98.0, 85.0)}
FITS = {
    "msp430fr5969": {"harnet", "lenet5 97"},
    "msp430fr6989": {"harnet", "lenet5 97", "lenet5 85"},
    "msp430fr5994": {"harnet", "lenet5 97", "lenet5 85", "lenet5", "okgnet", "dscnn", "jasper"},
}
FITS["msp430fr5994-spifram"] = FITS["msp430fr5994"] | {"sqnxt23"}
FITS["host"] = FITS["msp430fr5994"] | {"lenet5-caffe"}


@pytest.mark.slow
@pytest.mark.parametrize("board", boards())
@pytest.mark.parametrize("name", [*SHAPES, "lenet5 97", "lenet5 85"])
def test_the_registry_runs_where_it_fits(name: str, board: str, tmp_path: Path) -> None:
    """Seeded weights at two levels; a number says how sparse the densest is, which decides what fits."""
    pytest.importorskip("torch", reason="networks are built by torch")
    from swtrain.models import build_model
    from swtrain.seeded import seeded_graph

    model = name.split()[0]
    columns = name == model
    graph = seeded_graph(lambda: build_model(model), SHAPES[model], LEVELS.get(name, (75.0, 20.0)), columns=columns)
    if name in FITS[board]:
        check(graph, board, tmp_path / "p", 1)
    else:
        with pytest.raises(DoesNotFit, match=r"[\d,]{3,} B"):
            emit_project(graph, load_target(board))


def test_too_large_for_a_board_is_refused_on_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    run = ("emit-c", MODELS / "okgnet", "--out", folder, "--board", "msp430fr5969")
    result = CliRunner().invoke(main, [str(a) for a in run])
    assert result.exit_code == 1
    assert re.search(r"need 1\d\d,\d{3} B of high FRAM, msp430fr5969 has 16,384 B", result.output.replace("\n", " "))
    assert not folder.exists()


def test_the_launchpad_names_the_board_with_external_memory() -> None:
    weight = np.full((300, 400), 200)
    graph = Chain((400,), 0, 9, 1).add(FullyConnected(), make_params(weight)).graph()
    with pytest.raises(DoesNotFit, match=r"too few\); use .* or a board with external memory \(msp430fr5994-spifram\)"):
        emit_project(graph, load_target("msp430fr5994"), "cpu")
    with pytest.raises(DoesNotFit, match=r"too few\); use a sparser densest level or a smaller model$"):
        emit_project(graph, load_target("msp430fr5969"), "cpu")


def test_emit_for_a_board_by_name(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["emit-c", str(MODELS / "harnet"), "--out", str(tmp_path / "p"), "--board", "msp430fr6989"]
    )
    assert result.exit_code == 0, result.output
    assert read_project(tmp_path / "p").manifest["target"] == "msp430fr6989"
    assert (
        "SW_BOARD_FOLDERS := msp430fr6989 msp430fr5969 msp430fr5994 msp430fr"
        in (tmp_path / "p" / "project.mk").read_text()
    )


def test_the_host_is_built_by_its_compiler_and_not_simulated(tmp_path: Path) -> None:
    write_project(emit_project(tiny(), load_target("host")), tmp_path / "p")
    with pytest.raises(ToolchainError, match="board host is built by host, not by zig"):
        build(tmp_path / "p", "zig")
    assert build(tmp_path / "p").folder.name == "host"
    with pytest.raises(ToolchainError, match="no MCU to simulate or to flash"):
        find_build(tmp_path / "p", "host")
    result = CliRunner().invoke(main, ["sim", str(tmp_path / "p")])
    assert result.exit_code == 1
    assert "no MCU to simulate" in result.output.replace("\n", " ")


@pytest.mark.parametrize("board", SMALL)
def test_boards_without_lea_do_not_use_it(board: str) -> None:
    target = load_target(board)
    with pytest.raises(CodegenError, match="LEA"):
        emit_project(tiny(), target, "lea")
    assert target.lea_words == 0
    assert target.lea_commands == ()


@pytest.mark.parametrize("board", SMALL)
def test_kernels_are_in_the_memory_that_the_planner_counts(board: str, tmp_path: Path) -> None:
    """A kernel written for SRAM is in [ram_code] or in kernels_in_fram.ld; those of the LEA are not used."""
    inside = load_target(board).ram_code
    script = board_file(board, "kernels_in_fram.ld").read_text()
    outside = [p.rstrip("*)") for p in re.findall(r"\.ramtext\.([\w*]+)", script)]
    for name in load_target("msp430fr5994").ram_code:
        on_lea = name.endswith("_lea") or name == "sw_lea_wait"
        assert on_lea or (name in inside) != any(name.startswith(p) for p in outside), name


def test_boards_without_lea_take_as_long_as_the_cpu_of_one_with(tmp_path: Path) -> None:
    """Prices are those of the FR5994; a fully connected layer of 4,000 weights, some kernels in FRAM."""
    rng = np.random.default_rng(4)
    weight = rng.integers(-300, 300, (40, 100))
    graph = Chain((100,), 0, 15, 1).add(FullyConnected(), make_params(weight, 0, 0, 9, 9), 0, 99).graph()
    cycles = {}
    for board in ("msp430fr5994", *SMALL):
        write_project(emit_project(graph, load_target(board), "cpu"), tmp_path / board)
        device = Device(read_project(tmp_path / board), build(tmp_path / board).program, "fused")
        assert device.mclk_hz == load_target(board).mclk_hz == 16e6
        cycles[board] = device.infer(0, inputs_for(graph, 1, 2)[0], 0).cycles
    for board in SMALL:
        assert cycles[board] == pytest.approx(cycles["msp430fr5994"], rel=0.03)


def test_toolchains_take_the_boards_own_files() -> None:
    link: Callable[[Path, Path, list[str]], list[str]] = toolchain("zig", load_target("msp430fr6989")).link
    command = link(Path("a"), Path("b"), [])
    assert command[command.index("-T") + 1] == str(board_file("msp430fr6989", "link.ld"))
    assert subprocess.list2cmdline(command).count("msp430fr5969") == 1
