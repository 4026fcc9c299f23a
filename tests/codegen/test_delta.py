"""Images and patches: from any level to any other, the bytes of the patches give exactly that level's image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Chain, lenet, make_params, seeds

from codegen.column import pack_column, verify_column
from codegen.delta import MAX_SKIP, Images, apply, choose_images, dense_params, level_image, make_images
from codegen.emit import emit_project
from codegen.errors import DoesNotFit, GraphError
from codegen.ir import NEVER, Graph
from codegen.ops import FullyConnected
from codegen.plans import plan_project
from codegen.target import load_target

TARGET = load_target("msp430fr5994-spifram")


def layer(seed: int, outputs: int, inputs: int, levels: int, tile: int) -> tuple[Graph, Images, dict[str, Any]]:
    """One fully connected layer with any masks, its images and its dense packing."""
    rng = np.random.default_rng(seed)
    index = rng.choice([*range(levels), NEVER], (outputs, inputs)).astype(np.uint8)
    if seed % 3 == 0:  # long gaps and long runs
        index[:, : inputs // 2] = 0
        index[:, inputs // 2 :] = levels - 1
    weight = rng.integers(-300, 300, (outputs, inputs))
    chain = Chain((inputs,), 0, 100, levels, "one")
    chain.add(FullyConnected(), make_params(weight, index, rng.integers(-99, 99, outputs)), -3000, 3000)
    graph = chain.graph()
    name = graph.nodes[0].name
    params = graph.nodes[0].params
    assert params is not None
    packed = {name: pack_column(name, dense_params(params), levels, max(outputs // 2, 1), tile=tile)}
    target = replace(TARGET, step_cycles=int(rng.integers(1200, 4000)))
    return graph, make_images(graph, packed, [name], target, TARGET.external if seed % 2 else None), packed


@given(
    seed=seeds,
    outputs=st.integers(1, 12),
    inputs=st.integers(1, 700),
    levels=st.integers(1, 4),
    tile=st.sampled_from([0, 2, 4]),
)
@settings(max_examples=60, deadline=None)
def test_a_patch_leads_from_any_level_to_any_other(
    seed: int, outputs: int, inputs: int, levels: int, tile: int
) -> None:
    graph, images, packed = layer(seed, outputs, inputs, levels, tile)
    (name, dense), params = next(iter(packed.items())), graph.nodes[0].params
    assert params is not None
    every = [level_image(dense, params, k) for k in range(levels)]
    np.testing.assert_array_equal(images.initial[name], every[0])
    np.testing.assert_array_equal(every[-1], dense.blob)
    for source in range(levels):
        for target in range(levels):
            np.testing.assert_array_equal(apply(images, name, every[source], source, target), every[target])
            assert images.differing_words(source, target) == np.count_nonzero(every[source] != every[target])


@given(seed=seeds, levels=st.integers(2, 4))
@settings(max_examples=30, deadline=None)
def test_an_image_decodes_to_the_weights_of_its_level(seed: int, levels: int) -> None:
    """By the decoder of `column`, which knows nothing of patches."""
    graph, images, packed = layer(seed, 6, 40, levels, 0)
    (name, dense), params = next(iter(packed.items())), graph.nodes[0].params
    assert params is not None
    image = images.initial[name]
    for level in range(levels):
        image = apply(images, name, image, max(level - 1, 0), level)
        index = np.where(params.level_index <= level, 0, NEVER).astype(np.uint8)
        at = 0
        groups = []
        for g in dense.groups:
            size = len(g.weights) * g.rows
            groups.append(np.asarray(image[at : at + size]).reshape(g.rows, len(g.weights)).T)
            at += size
        made = replace(
            dense,
            groups=tuple(replace(g, weights=w) for g, w in zip(dense.groups, groups, strict=True)),
        )
        weights = np.where(index == 0, params.weight, np.int16(0))
        verify_column(made, make_params(weights, np.where(index == 0, 0, NEVER), params.bias), levels)


def test_chunks_are_whole_runs() -> None:
    plans = plan_project(lenet(), TARGET, switching="image")
    sizes = [c.words for c in plans.images.chunks]
    assert len(sizes) > 10
    for chunk in plans.images.chunks:
        headers = np.frombuffer(chunk.headers, np.uint8)
        assert chunk.words == headers[1::2].sum()
        assert headers[0] <= MAX_SKIP


def test_bytes_written_are_those_that_differ() -> None:
    """LeNet-5, 60.24 to 40.50 %: at most 1.1 times what differs and a quarter of the image, with journal."""
    images = plan_project(lenet(), TARGET, switching="image").images
    differing = 2 * images.differing_words(0, 1)
    journal = 2 * (4 + images.ends[1] - images.ends[0])
    dense = 2 * sum(image.size for image in images.initial.values())
    assert differing + journal <= 1.1 * differing
    assert differing + journal <= 0.25 * dense


def test_auto_takes_images_where_masks_have_no_columns() -> None:
    whole = lenet()
    names = choose_images(whole, TARGET, "auto", True, "latency", "auto")
    assert names
    ordered = plan_project(whole, TARGET, switching="resident")
    mixed = plan_project(whole, TARGET, switching="auto")
    total = [sum(sum(p.cycles(k)) for k in range(3)) for p in (ordered, mixed)]
    assert total[1] < total[0]
    assert set(mixed.images.initial) == names


def test_images_change_no_graph() -> None:
    """Reports and the reference see every level; the planner sees dense nodes."""
    graph = lenet()
    project = emit_project(graph, TARGET, switching="image")
    assert [n.params.nnz(0) for n in project.graph.nodes if n.params] == [
        n.params.nnz(0) for n in graph.nodes if n.params
    ]


def test_an_unknown_way_to_switch_is_refused() -> None:
    with pytest.raises(GraphError, match="resident, image, auto"):
        plan_project(lenet(), TARGET, switching="swap")


def test_images_that_do_not_fit_are_refused_with_the_numbers() -> None:
    high = TARGET.regions["hifram"]
    small = replace(TARGET, regions={**TARGET.regions, "hifram": replace(high, size=150_000)}, external=None)
    with pytest.raises(DoesNotFit, match="high FRAM"):
        plan_project(lenet(), small, switching="image")
