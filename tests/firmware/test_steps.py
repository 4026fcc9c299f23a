"""No step takes longer than the bound, from the entry of `sw_infer` after a reboot to the record of its progress.

Power fails after every record, so that each step comes behind a reboot with all its preparation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rig import TARGET, TargetSpec, Workshop, emit_project, replace
from steps import rebooted_steps
from strategies import Chain, lenet, lenet_columns, make_params, random_graph

from codegen.errors import DoesNotFit
from codegen.ir import Graph
from codegen.ops import Add, AvgPool, Concat, Conv2d, Flatten, FullyConnected, MaxPool, Relu
from codegen.serialize import load_graph

MODELS = Path(__file__).resolve().parents[2] / "results" / "models"


def check(graph: Graph, zig: Workshop, target: TargetSpec = TARGET, backend: str = "auto") -> int:
    """Cycles of the longest step of any level."""
    project = emit_project(graph, target, backend)
    program, longest = zig.program(project), 0
    count = sum(layer.step_count for layer in project.schedule.layers)
    for level in range(len(project.graph.levels)):
        for step in rebooted_steps(program, project.graph, level, count):
            name = project.schedule.layers[step.layer].name
            assert step.cycles <= target.step_cycles, f"{name}, level {level}: a step takes {step.cycles} cycles"
            longest = max(longest, step.cycles)
    return longest


def large() -> Graph:
    """Channels, rows and rows of windows that are too long for one step, in every kind of layer."""
    rng = np.random.default_rng(3)
    chain = Chain((1, 4, 600), 0, 255, 2, "large")

    def conv(outputs: int, op: Conv2d) -> None:
        shape = (outputs, chain.last.shape[0] // op.groups, *op.kernel)
        params = make_params(rng.integers(-300, 300, shape), rng.choice([0, 1, 255], shape), 3)
        chain.add(op, params, -300, 900)

    chain.add(MaxPool((1, 2), (1, 1)))
    conv(3, Conv2d((3, 5), (1, 3), (1, 2, 1, 2)))
    summand = chain.last.name
    chain.add(AvgPool((2, 2), (1, 1)), None, -300, 900)
    chain.add(Relu(), None, -200, 800)
    conv(3, Conv2d((2, 2), (1, 1), (1, 1, 1, 1)))
    chain.add(Add((1, 1)), None, -300, 900, [chain.last.name, summand])
    chain.add(Concat((0, 1)), None, -300, 900, [chain.last.name, summand])
    chain.add(AvgPool((4, 10), (4, 10)), None, -300, 900).add(Flatten()).add(Relu(), None, 0, 900)
    shape = (70, chain.last.size)
    params = make_params(rng.integers(-300, 300, shape), rng.choice([0, 1, 255], shape), 3)
    return chain.add(FullyConnected(), params, -3000, 3000).graph()


@pytest.mark.parametrize("cycles", [9000, 20000])
@pytest.mark.parametrize("backend", ["cpu", "lea"])
def test_a_network_of_every_kind_keeps_the_bound(cycles: int, backend: str, zig: Workshop) -> None:
    target = replace(TARGET, step_cycles=cycles)
    project = emit_project(large(), target, backend)
    cuts = {(layer.kind, layer.cut.per_channel > 1) for layer in project.schedule.layers if layer.cut}
    expected = {"load", "pool", "add", "concat", *(["conv2d"] if backend == "cpu" else [])}
    assert {kind for kind, inside in cuts if inside} >= (expected if cycles == 9000 else set())
    assert check(large(), zig, target, backend) > 0.7 * cycles


@pytest.mark.parametrize("backend", ["cpu", "lea"])
@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(n, marks=pytest.mark.slow) for n in range(6, 60))])
def test_a_random_network_keeps_the_bound(seed: int, backend: str, zig: Workshop) -> None:
    """The shortest steps that its layers allow, of filters in pieces too."""
    graph = random_graph(seed, 2, seed % 4 > 0, 5, taps=60 if seed % 3 == 2 else 0, joins=True)
    for cycles in (4000, 8000, 16000, 64000):
        try:
            check(graph, zig, replace(TARGET, step_cycles=cycles), backend)
        except DoesNotFit:
            assert cycles < 64000
            continue
        return


@pytest.mark.parametrize(("graph", "backend"), [(lenet, "cpu"), (lenet_columns, "auto")])
def test_lenet_keeps_the_bound(graph: object, backend: str, zig: Workshop) -> None:
    assert callable(graph)
    assert check(graph(), zig, backend=backend) > 0.8 * TARGET.step_cycles


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(p.name for p in MODELS.iterdir() if (p / "graph.json").is_file()))
@pytest.mark.parametrize("backend", ["auto", "cpu"])
def test_a_shipped_model_keeps_the_bound(name: str, backend: str, zig: Workshop) -> None:
    check(load_graph(MODELS / name), zig, backend=backend)


def test_a_layer_whose_smallest_step_is_too_long_is_refused() -> None:
    params = make_params(np.ones((2, 8000), int))
    graph = Chain((8000,), 0, 9, 1).add(FullyConnected(), params).graph()
    with pytest.raises(DoesNotFit, match=r"fully_connected0: its smallest step may take 8\d,\d{3} cycles.* 64,000 are"):
        emit_project(graph, TARGET)
    assert emit_project(graph, replace(TARGET, step_cycles=100_000)).schedule.longest.cycles < 100_000
