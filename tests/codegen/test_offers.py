"""What the planner may choose for the CPU: legal encodings, their bytes, work and prices."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import Chain, legal_indices, lenet, make_params

from codegen import encodings
from codegen.encodings import ENCODINGS
from codegen.encodings.offers import EncodingOffer, choose, offers, row_work
from codegen.errors import TargetError
from codegen.ir import Graph
from codegen.ops import Conv2d, FullyConnected
from codegen.packing import pack_weights
from codegen.target import load_target

TARGET = load_target("msp430fr5994")


def conv(name: str, reach: int = 900) -> Graph:
    rng = np.random.default_rng(3)
    shape = (8, 6, 3, 3)
    params = make_params(rng.integers(1, reach, shape), legal_indices(rng, name, shape, 3))
    return Chain((6, 9, 9), 0, 100, 3).add(Conv2d((3, 3)), params).graph()


def fully_connected(index: object, reach: int = 900) -> Graph:
    rng = np.random.default_rng(3)
    params = make_params(rng.integers(1, reach, np.shape(index)), index)
    return Chain((np.shape(index)[1],), 0, 100, 3).add(FullyConnected(), params).graph()


def names(found: list[EncodingOffer]) -> set[str]:
    return {o.packed.encoding for o in found}


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_legal_encoding_is_offered_and_decodes(name: str) -> None:
    graph = conv(name)
    node = graph.nodes[0]
    assert node.params is not None
    found = offers(graph, node, TARGET)
    assert {name, "csr", "bitmap", "block"} <= names(found)
    for offer in found:
        encodings.verify(offer.packed, node.params, 3)
        assert len(offer.cycles) == 3
        assert 0 < offer.cycles[0] <= offer.cycles[2]


def test_pattern_is_for_convolutions() -> None:
    graph = fully_connected(np.random.default_rng(1).choice([0, 1, 255], (5, 40)))
    assert "pattern" not in names(offers(graph, graph.nodes[0], TARGET))


def test_weights_that_fit_take_8_bits() -> None:
    index = np.random.default_rng(1).choice([0, 1, 255], (5, 40))
    narrow, wide = fully_connected(index, 127), fully_connected(index, 900)
    found = [{o.packed.weight_size for o in offers(g, g.nodes[0], TARGET)} for g in (narrow, wide)]
    assert found == [{1, 2}, {2}]
    layer = pack_weights(narrow, target=TARGET).layers["fully_connected0"]
    assert (layer.encoding, getattr(layer, "weight_size", 0)) == ("csr", 1)


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (np.zeros((6, 64), int), "dense"),
        (np.repeat([[0], [255], [1], [0], [2], [255]], 64, axis=1), "row"),
        (np.random.default_rng(1).choice([0, 1, 2, 255], (6, 64)), "csr"),
        (np.repeat(np.random.default_rng(1).choice([0, 1, 2, 255], (6, 8)), 16, axis=1), "block"),
    ],
    ids=["dense", "row", "csr", "block"],
)
def test_the_cheapest_follows_the_shape_of_sparsity(index: np.ndarray, expected: str) -> None:
    graph = fully_connected(index)
    found = offers(graph, graph.nodes[0], TARGET)
    best = choose(found)
    assert best.packed.encoding == expected
    assert sum(best.cycles) == min(sum(o.cycles) for o in found)
    smallest = choose(found, "size")
    assert smallest.packed.blob_bytes == min(o.packed.blob_bytes for o in found)
    assert choose(found, "energy") == best


def test_size_and_latency_may_differ() -> None:
    index = np.random.default_rng(1).choice([0, 255], (6, 64), p=[0.78, 0.22])
    graph = fully_connected(index)
    found = offers(graph, graph.nodes[0], TARGET)
    fast, small = choose(found), choose(found, "size")
    assert small.packed.encoding == "bitmap"
    assert small.packed.blob_bytes < fast.packed.blob_bytes
    assert sum(small.cycles) > sum(fast.cycles)


def test_an_unknown_measure_names_the_known() -> None:
    graph = conv("csr")
    with pytest.raises(TargetError, match="optimize 'speed' is unknown; choose latency, energy, size"):
        choose(offers(graph, graph.nodes[0], TARGET), "speed")


def test_every_primitive_has_a_price() -> None:
    for name in ENCODINGS:
        graph = conv(name)
        for offer in offers(graph, graph.nodes[0], TARGET):
            assert set(row_work(graph, graph.nodes[0], offer.packed, 2, taps=99, steps=1).counts) <= set(TARGET.prices)


def test_padding_counts_where_it_is_executed() -> None:
    graph = fully_connected(np.where(np.arange(64) % 20 == 0, 0, 255).reshape(1, 64))
    packed = encodings.encode("csr", "n", graph.nodes[0].params, 3)  # type: ignore[arg-type]
    assert row_work(graph, graph.nodes[0], packed, 0, taps=99, steps=1).counts["dot_csr"] == packed.entries(0) > 4
    assert packed.nonzero(0) == 4


def test_what_is_chosen_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """First test the tester."""

    def refuse(*_: object) -> None:
        raise AssertionError("decoding does not give the weights back")

    monkeypatch.setattr(encodings, "verify", refuse)
    with pytest.raises(AssertionError, match="decoding does not"):
        pack_weights(lenet(), target=TARGET)
