"""Back end, tile, step and encoding of every layer may change: no logit of any level does.

Each network is planned in several ways that are drawn for each layer; host C and the simulated ELF must give the logits
of the reference every time.
"""

from __future__ import annotations

import numpy as np
import pytest
from rig import TARGET, TargetSpec, Workshop, assert_device, assert_host, emit_project, replace
from strategies import inputs_for, random_graph

from codegen.emit import CProject
from codegen.encodings.offers import offers
from codegen.errors import DoesNotFit
from codegen.ir import Graph
from codegen.passes import fuse_clips

WAYS = 3
LEA_WORDS, STEPS = (300, 700, 1892), (12_000, 25_000, 64_000, 250_000)


def legal_encodings(graph: Graph, target: TargetSpec) -> dict[str, list[str]]:
    """What the CPU's kernels may read, for each node with weights."""
    nodes = [n for n in fuse_clips(graph).nodes if n.params is not None]
    return {n.name: sorted({o.packed.encoding for o in offers(graph, n, target)}) for n in nodes}


def permuted(graph: Graph, rng: np.random.Generator) -> CProject:
    """One way to run it: back end, room for tiles, length of steps, overlap, and the encoding of every layer."""
    region = TARGET.regions["lea_ram"]
    size = 2 * int(rng.choice(LEA_WORDS)) + TARGET.lea_stack_bytes
    regions = {**TARGET.regions, "lea_ram": replace(region, size=size)}
    encodings = {name: str(rng.choice(names)) for name, names in legal_encodings(graph, TARGET).items()}
    backend = str(rng.choice(["cpu", "lea", "auto"]))
    for steps in STEPS[rng.integers(len(STEPS)) :]:  # longer ones where a layer has none so short
        target = replace(TARGET, regions=regions, step_cycles=steps)
        try:
            return emit_project(graph, target, backend, bool(rng.integers(2)), encoding=encodings)
        except DoesNotFit:
            continue
    raise AssertionError("no step is long enough")


def description(project: CProject) -> tuple[tuple[object, ...], ...]:
    """What may differ between two ways."""
    layers = project.schedule.layers
    return tuple((y.name, y.kind, y.encoding, y.step_count, y.lea.tile_text if y.lea else "") for y in layers)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 100))])
def test_no_logit_depends_on_the_plan(seed: int, sanitized: Workshop, zig: Workshop) -> None:
    graph = random_graph(1000 + seed, 3, image=seed % 4 > 0, depth=4, joins=True)
    rng = np.random.default_rng(seed)
    seen = set()
    for _ in range(WAYS):
        project = permuted(graph, rng)
        if description(project) in seen:
            continue
        seen.add(description(project))
        inputs = inputs_for(project.graph, 2, 5)
        assert_host(project.graph, sanitized.program(project), inputs)
        assert_device(project.graph, zig.program(project), inputs)


def test_the_ways_differ() -> None:
    """First test the tester: over the seeds every back end, several tiles and most encodings are drawn."""
    kinds, encodings, tiles = set[str](), set[str](), set[str]()
    for seed in range(12):
        graph = random_graph(1000 + seed, 3, image=seed % 4 > 0, depth=4, joins=True)
        rng = np.random.default_rng(seed)
        for _ in range(WAYS):
            for layer in permuted(graph, rng).schedule.layers:
                kinds.add(layer.kind)
                encodings.add(layer.encoding)
                tiles |= {layer.lea.tile_text} if layer.lea else set()
    assert kinds >= {"conv2d", "conv2d_lea", "fully_connected", "fully_connected_lea", "pool", "add", "concat", "relu"}
    assert encodings >= {"csr", "block", "bitmap", "column", "pattern"}
    assert len(tiles) >= 5
