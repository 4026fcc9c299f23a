"""`quantize`: the proof holds, one integer per weight at every level, and the error stays within a stated bound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import LIMIT, float_graphs, inputs_for, worst_inputs

from codegen import reference
from codegen.errors import GraphError
from codegen.floatgraph import FloatGraph, FloatNode
from codegen.ir import NEVER, Graph, Level
from codegen.ops import Add, Argmax, Array, AvgPool, Conv2d, FullyConnected, MaxPool, WeightedOp
from codegen.quantize import NARROW_SHIFT, calibrate, quantize

Case = tuple[FloatGraph, Array]


def one_layer(weight: object, bias: object = 0.0, index: object = 0, **options: float) -> FloatGraph:
    w = np.asarray(weight, np.float32)
    level = np.array(np.broadcast_to(np.asarray(index, np.uint8), w.shape))
    b = np.array(np.broadcast_to(np.asarray(bias, np.float32), w.shape[:1]))
    node = FloatNode("fc", FullyConnected(), ("x",), "y", w, level, b)
    settings_ = {"input_frac_bits": 8, "input_max": 255 / 256, **options}
    return FloatGraph("net", "x", (w.shape[1],), (node,), (Level("a", 50), Level("b", 0)), **settings_)  # type: ignore[arg-type]


def full(name: str, x: str, y: str, weight: Array) -> FloatNode:
    """A fully connected node without pruned weights or bias."""
    zeros, index = np.zeros(len(weight), np.float32), np.zeros(weight.shape, np.uint8)
    return FloatNode(name, FullyConnected(), (x,), y, weight.astype(np.float32), index, zeros)


SOME = np.array([[0.25, 0.5], [1, 0]], np.float32) * (255 / 256)


def prove(graph: Graph) -> None:
    """The specification's bound, in Python integers, and the int16 ranges."""
    for node in graph.nodes:
        if node.params is None:
            continue
        p, x = node.params, graph.tensors[node.input]
        assert p.weight.dtype == np.int16
        for row, index, bias in zip(p.weight, p.level_index, p.bias, strict=True):
            kept = [int(w) for w, k in zip(row.reshape(-1), index.reshape(-1), strict=True) if k != NEVER]
            positive, negative = sum(w for w in kept if w > 0), -sum(w for w in kept if w < 0)
            reach = x.hi * max(positive, negative) if x.lo >= 0 else max(-x.lo, x.hi) * (positive + negative)
            assert reach + abs(int(bias)) * 2**p.shift < LIMIT
            for values in worst_inputs(x, np.array(kept)):
                exact = sum(int(a) * b for a, b in zip(values, kept, strict=True)) + (int(bias) << p.shift)
                assert -(2**31) <= exact < 2**31


def error_bound(graph: Graph, floats: FloatGraph, inputs: Array, level: int) -> list[tuple[str, float]]:
    """Largest possible `|device - float|` of every tensor, in real units, while no clip is active.

    A weighted output adds up, for each row: weights off by half an LSB times the input, the input's own error
    times the weights, and at most 1.5 LSB for the floor and the rounded bias. A pool adds 1 LSB (floor) and
    the rounding of its multiplier, 2**-16 per summed element; relu, max and flatten add nothing.
    """
    values = floats.run(inputs, level)
    errors = {graph.input: 2.0 ** -(graph.tensors[graph.input].frac_bits + 1)}
    found = []
    for node, node_f in zip(graph.nodes, floats.nodes, strict=True):
        e, y = errors[node.input], graph.tensors[node.output]
        if node.params is not None:
            assert node_f.weight is not None
            p = node.params
            used = p.level_index <= level
            magnitude = float(np.abs(values[node.input]).max())
            count = int(used.reshape(len(used), -1).sum(axis=1).max())
            sums = float((np.abs(node_f.weight) * used).reshape(len(used), -1).sum(axis=1).max())
            e = count * 2.0 ** -(p.frac_bits + 1) * (magnitude + e) + sums * e + 1.5 * 2.0**-y.frac_bits
        elif isinstance(node.op, AvgPool):
            area = node.op.kernel[0] * node.op.kernel[1]
            e += 2.0**-y.frac_bits + area * 2.0**-16 * float(np.abs(values[node.input]).max())
        elif isinstance(node.op, Add):  # rounded once
            e += errors[node.inputs[1]] + 0.5 * 2.0**-y.frac_bits
        errors[node.output] = e * (1 + 1e-5)  # float32 of the other side
        found.append((node.output, errors[node.output]))
    return found


def check_quantized(case: Case) -> None:
    floats, inputs = case
    graph = quantize(floats, inputs)
    prove(graph)
    for node, source in zip(graph.nodes, floats.nodes, strict=True):
        if node.params is None:
            continue
        assert source.weight is not None
        p = node.params
        assert np.array_equal(p.level_index, source.level_index)
        kept = p.level_index != NEVER
        expected = np.floor(source.weight.astype(np.float64) * 2.0**p.frac_bits + 0.5)
        assert (np.abs(p.weight - expected)[kept] <= 1).all()  # half to even or half up
        assert (p.weight[~kept] == 0).all()
        for level in range(len(graph.levels)):  # the same integer wherever a weight is in use
            assert np.array_equal(p.at_level(level), np.where(p.level_index <= level, p.weight, 0))
    scale = 2.0 ** graph.tensors[graph.input].frac_bits
    q = np.rint(inputs * scale).astype(np.int16)
    for level in range(len(graph.levels)):
        got, want = reference.run(graph, q, level), floats.run(inputs, level)
        for name, bound in error_bound(graph, floats, inputs, level):
            t = graph.tensors[name]
            real = got[name] * 2.0**-t.frac_bits
            # where the float value lies within the bounds, no clip adds to the error
            inside = (want[name] >= t.lo * 2.0**-t.frac_bits) & (want[name] <= t.hi * 2.0**-t.frac_bits)
            assert (np.abs(real - want[name])[inside] <= bound).all(), (name, level)


@given(case=float_graphs())
@settings(max_examples=25, deadline=None)
def test_quantized_networks_are_proven_and_close(case: Case) -> None:
    check_quantized(case)


@pytest.mark.slow
@given(case=float_graphs())
@settings(max_examples=600, deadline=None)
def test_quantized_networks_are_proven_and_close_many(case: Case) -> None:
    check_quantized(case)


@given(case=float_graphs(), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_inputs_beyond_the_calibration_never_overflow(case: Case, seed: int) -> None:
    """The clip enforces the proof: on any input every exact sum stays below 2**30."""
    floats, inputs = case
    graph = quantize(floats, inputs[:1])
    x = inputs_for(graph, 6, seed)
    for level in range(len(graph.levels)):
        values = reference.run(graph, x, level)
        for node in graph.nodes:
            if node.params is not None:
                assert isinstance(node.op, WeightedOp)
                p = node.params
                w = p.at_level(level).astype(np.float64)
                total = node.op.accumulate(values[node.input].astype(np.float64), w)
                assert np.abs(total).max() + (np.abs(p.bias.astype(int)).max() << p.shift) < LIMIT * 2
                assert np.abs(total).max() < LIMIT
            t = graph.tensors[node.output]
            assert values[node.output].min() >= t.lo
            assert values[node.output].max() <= t.hi


@given(case=float_graphs())
@settings(max_examples=10, deadline=None)
def test_quantize_is_deterministic(case: Case) -> None:
    floats, inputs = case
    a, b = quantize(floats, inputs), quantize(floats, inputs)
    assert a.tensors == b.tensors
    for m, n in zip(a.nodes, b.nodes, strict=True):
        if m.params is not None and n.params is not None:
            assert np.array_equal(m.params.weight, n.params.weight)
            assert np.array_equal(m.params.bias, n.params.bias)


def test_logits_get_the_bits_that_are_free() -> None:
    """14 fraction bits of the logits are possible here: the worst tensor counts, logits included."""
    graph = quantize(one_layer([[0.5, -0.25], [0.75, 1.0]], [0.1, -0.2]), SOME)
    assert np.abs(graph.nodes[0].params.weight).max() >= 2**12  # type: ignore[union-attr]
    real = reference.run(graph, np.rint(SOME * 2.0 ** graph.tensors["x"].frac_bits).astype(np.int16), 1)["y"]
    want = SOME @ np.array([[0.5, 0.75], [-0.25, 1.0]]) + [0.1, -0.2]
    assert np.abs(real * 2.0 ** -graph.tensors["y"].frac_bits - want).max() < 2e-3


def test_logits_use_the_full_range_and_hidden_tensors_the_calibrated_one() -> None:
    first = one_layer([[1.0, -1.0], [0.5, 0.5]])
    node = first.nodes[0]
    second = FloatNode(
        "fc2",
        FullyConnected(),
        ("y",),
        "z",
        np.eye(2, dtype=np.float32),
        np.zeros((2, 2), np.uint8),
        np.zeros(2, np.float32),
    )
    graph = quantize(replace(first, nodes=(node, second, FloatNode("top", Argmax(), ("z",), "c"))), SOME)
    y, z = graph.tensors["y"], graph.tensors["z"]
    assert (z.lo, z.hi) == (-32768, 32767)
    values = first.run(SOME, 1)["y"]
    step = 2.0**-y.frac_bits
    assert values.max() <= y.hi * step <= values.max() + step
    assert values.min() - step <= y.lo * step <= values.min()


def test_calibration_covers_every_level() -> None:
    """The sparsest level can reach values that the densest does not: its negative weight comes later."""
    floats = one_layer([[1.0, -1.0]], 0.0, [[0, 1]])
    ranges = calibrate(floats, np.array([[1.0, 1.0]], np.float32))
    assert ranges["y"] == (0.0, 1.0)


def test_weights_of_no_level_do_not_take_range() -> None:
    """A huge weight that no level uses must not coarsen the others."""
    plain = quantize(one_layer([[0.5, 0.5]], 0.0, [[0, 255]]), SOME)
    huge = quantize(one_layer([[0.5, 1e6]], 0.0, [[0, 255]]), SOME)
    assert plain.nodes[0].params.frac_bits == huge.nodes[0].params.frac_bits  # type: ignore[union-attr]


# --- refusals


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_and_biases_must_be_finite(bad: float) -> None:
    with pytest.raises(GraphError, match="fc: a weight is NaN or infinite"):
        quantize(one_layer([[bad, 1.0]]), SOME)
    with pytest.raises(GraphError, match="fc: a bias is NaN or infinite"):
        quantize(one_layer([[1.0, 1.0]], bad), SOME)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own about NaN; the error is what counts
def test_calibration_inputs_must_be_finite(bad: float) -> None:
    with pytest.raises(GraphError):
        quantize(one_layer([[1.0, 1.0]]), np.array([[0.5, bad]], np.float32))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_activations_must_be_finite() -> None:
    floats = one_layer([[3e38, 3e38]])
    second = FloatNode(
        "fc2",
        FullyConnected(),
        ("y",),
        "z",
        np.full((1, 1), 3e38, np.float32),
        np.zeros((1, 1), np.uint8),
        np.zeros(1, np.float32),
    )
    with pytest.raises(GraphError):
        quantize(replace(floats, nodes=(*floats.nodes, second)), np.ones((1, 2), np.float32) * 0.9)


def test_needs_calibration_inputs() -> None:
    with pytest.raises(GraphError, match="at least one calibration input"):
        quantize(one_layer([[1.0, 1.0]]), SOME[:0])


def test_inputs_must_fit_int16() -> None:
    with pytest.raises(GraphError, match="do not fit int16"):
        quantize(one_layer([[1.0, 1.0]], input_max=200.0), SOME)


def test_weights_that_no_scale_holds_are_refused() -> None:
    with pytest.raises(GraphError, match="fc: no number of fraction bits"):
        quantize(one_layer([[1e9, 1.0]]), SOME)


def test_wrong_shapes_name_the_node() -> None:
    with pytest.raises(GraphError, match="input must be"):
        quantize(one_layer([[1.0, 1.0]]), np.zeros((2, 3), np.float32))
    floats = one_layer([[1.0, 1.0]])
    bad = replace(floats, shape=(3,))
    with pytest.raises(GraphError, match="fc"):
        bad.shapes()
    pool = FloatNode("pool", MaxPool(), ("y",), "z")
    with pytest.raises(GraphError, match="pool: maxpool"):
        replace(floats, nodes=(*floats.nodes, pool)).shapes()


def test_a_level_beyond_the_list_is_refused() -> None:
    with pytest.raises(GraphError, match="enters at level 7"):
        quantize(one_layer([[1.0, 1.0]], 0.0, [[0, 7]]), SOME)


def test_float_conv_equals_a_loop() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(2, 1, 2, 3)).astype(np.float32)
    op = Conv2d((2, 3), (2, 1), (1, 0, 0, 1))
    node = FloatNode("c", op, "x", "y", w, np.zeros(w.shape, np.uint8), np.array([0.5, -1], np.float32))
    floats = FloatGraph("net", "x", (1, 4, 4), (node,), (Level("a", 0),), 8, 1.0)
    x = rng.random((1, 1, 4, 4)).astype(np.float32)
    got = floats.run(x, 0)["y"]
    padded = np.zeros((5, 5))
    padded[1:, :4] = x[0, 0]
    for o in range(2):
        for i in range(2):
            for j in range(3):
                want = (padded[2 * i : 2 * i + 2, j : j + 3] * w[o, 0]).sum() + (0.5, -1)[o]
                assert got[0, o, i, j] == pytest.approx(want, rel=1e-5)
    assert got.shape == (1, 2, 2, 3)


# --- weights of 8 bits


@given(case=float_graphs())
@settings(max_examples=20, deadline=None)
def test_weights_of_8_bits_fit_and_keep_the_proof(case: Case) -> None:
    floats, inputs = case
    names = [n.name for n in floats.nodes if n.weight is not None]
    graph = quantize(floats, inputs, {names[0]: 8})
    prove(graph)
    for node in graph.nodes:
        if node.params is None:
            continue
        narrow = node.name == names[0]
        assert node.params.shift == (NARROW_SHIFT if narrow else 15)
        if narrow:
            assert int(np.abs(node.params.weight).max(initial=0)) <= 127


def test_8_bits_round_weights_and_keep_the_scale_of_outputs() -> None:
    rng = np.random.default_rng(1)
    floats = one_layer(rng.normal(0, 0.2, (6, 40)))
    inputs = (rng.integers(0, 256, (32, 40)) / 256).astype(np.float32)
    wide, narrow = quantize(floats, inputs), quantize(floats, inputs, {"fc": 8})
    assert wide.tensors["y"].frac_bits - narrow.tensors["y"].frac_bits in (0, 1)
    x = np.rint(inputs * 2.0 ** narrow.tensors["x"].frac_bits).astype(np.int16)
    want = floats.run(inputs, 1)["y"]
    got = reference.logits(narrow, x, 1) * 2.0 ** -narrow.tensors["y"].frac_bits
    step = 2.0 ** -narrow.node("fc").params.frac_bits  # type: ignore[union-attr]
    assert np.abs(got - want).max() <= 40 * step / 2 + 2.0 ** -narrow.tensors["y"].frac_bits


@pytest.mark.parametrize(("name", "bits", "words"), [("fc", 4, "weights of 4 bits"), ("no", 8, "no node with weights")])
def test_impossible_weight_bits_are_refused(name: str, bits: int, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        quantize(one_layer(SOME), np.zeros((1, 2), np.float32), {name: bits})
