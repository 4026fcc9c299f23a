"""`Graph` refuses whatever breaks an invariant, and says where; sums at the bound never overflow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import LIMIT, Chain, make_params, random_graph, seeds, worst_inputs

from codegen.errors import CodegenError, GraphError, UnsupportedOp
from codegen.ir import NEVER, Graph, Level, Node, Params, Tensor
from codegen.ops import Add, Argmax, AvgPool, Clip, Concat, Conv2d, Flatten, FullyConnected, MaxPool, Relu, op_from_dict


def dense(weight: object = ((1, 2),), bias: object = 0, lo: int = 0, hi: int = 100, **options: int) -> Graph:
    """One fully connected layer on inputs in `[lo, hi]`."""
    w = np.asarray(weight)
    return Chain((w.shape[1],), lo, hi, 2).add(FullyConnected(), make_params(w, 0, bias, **options)).graph()


def test_a_good_graph_passes() -> None:
    graph = dense()
    assert graph.output.name == "t0"
    assert graph.weight_count == graph.nnz(0) == 2


# --- the overflow bound: x_max * max(positive, negative) + |b| * 2**shift < 2**30; signed: x_max * all


def at_limit(lo: int, hi: int, weights: list[int], bias: int, shift: int) -> int:
    """The bound of the specification for one row, in Python integers."""
    positive, negative = sum(w for w in weights if w > 0), -sum(w for w in weights if w < 0)
    total = hi * max(positive, negative) if lo >= 0 else max(-lo, hi) * (positive + negative)
    return total + abs(bias) * 2**shift


@given(
    lo=st.sampled_from([0, -1, -32768, 5]),
    hi=st.sampled_from([5, 127, 32767]),
    weights=st.lists(st.integers(-32768, 32767), min_size=1, max_size=6),
    bias=st.integers(-40000, 40000),
    shift=st.sampled_from([0, 1, 8, 15]),
)
@settings(max_examples=150, deadline=None)
def test_the_overflow_bound_is_the_specified_one(lo: int, hi: int, weights: list[int], bias: int, shift: int) -> None:
    def make() -> Graph:
        return dense([weights], bias, lo, hi, frac_bits=shift, shift=shift)

    if at_limit(lo, hi, weights, bias, shift) < LIMIT:
        make()
    else:
        with pytest.raises(GraphError, match=r"fully_connected0 .*a sum can reach \d+, the limit is 1073741823"):
            make()


@pytest.mark.parametrize(
    ("lo", "hi", "weights", "bias", "shift", "fits"),
    [
        (0, 32767, [32767], 1, 15, True),  # 32767**2 + 2**15 == 2**30 - 32767
        (0, 32767, [32767], 2, 15, False),  # 32767**2 + 2**16 == 2**30 + 1
        (0, 1, [0], (LIMIT - 1) // 2**15, 15, True),
        (0, 1, [0], LIMIT // 2**15, 15, False),
        (0, 1, [0], -LIMIT // 2**15, 15, False),
        (0, 32767, [32767, -32767], 0, 15, True),  # unsigned inputs: one side at a time
        (-1, 32767, [32767, -32767], 0, 15, False),  # signed inputs: both sides
        (-32768, 0, [16383, -16384], 0, 15, True),
        (-32768, 0, [16384, -16384], 0, 15, False),
    ],
)
def test_the_overflow_bound_is_exact(lo: int, hi: int, weights: list[int], bias: int, shift: int, fits: bool) -> None:
    assert (at_limit(lo, hi, weights, bias, shift) < LIMIT) == fits
    if fits:
        dense([weights], bias, lo, hi, shift=shift)
    else:
        with pytest.raises(GraphError, match="a sum can reach"):
            dense([weights], bias, lo, hi, shift=shift)


def test_the_bound_is_per_output_not_per_layer() -> None:
    dense([[32767, 0], [0, 32767]], 0, 0, 32767)


@given(seed=seeds, levels=st.integers(1, 4), image=st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_partial_sum_of_the_worst_inputs_leaves_31_bits(seed: int, levels: int, image: bool) -> None:
    """Adversarial inputs, every level, every prefix in the order of the weights, bias first: all below 2**30."""
    graph = random_graph(seed, levels, image)
    for node in graph.nodes:
        if node.params is None:
            continue
        p, x = node.params, graph.tensors[node.input]
        for r in range(len(p.bias)):
            for level in range(levels):
                w = p.at_level(level)[r].reshape(-1)
                for values in worst_inputs(x, w):
                    total = int(p.bias[r]) << p.shift
                    for a, b in zip(values.tolist(), w.tolist(), strict=True):
                        total += a * b
                        assert abs(total) < LIMIT


def test_the_bound_looks_at_the_densest_level_and_not_at_pruned_weights() -> None:
    weight, hi = np.full((1, 4), 20000), 32767
    for index, fits in (([0, 1, 255, 255], False), ([0, 255, 255, 255], True), ([1, 255, 255, 255], True)):
        chain = Chain((4,), 0, hi, 2)
        params = make_params(weight, [index])
        if fits:
            chain.add(FullyConnected(), params).graph()
        else:
            with pytest.raises(GraphError, match="a sum can reach"):
                chain.add(FullyConnected(), params).graph()


# --- everything else that must hold


def test_fraction_bits_of_a_weighted_node_must_add_up() -> None:
    graph = dense()
    tensors = {**graph.tensors, "t0": replace(graph.tensors["t0"], frac_bits=7)}
    with pytest.raises(GraphError, match=r"7 fraction bits, but input 8 \+ weights 15 - shift 15"):
        replace(graph, tensors=tensors)


@pytest.mark.parametrize("op", [Relu(), Flatten(), MaxPool((1, 1), (1, 1)), AvgPool((1, 1), (1, 1))])
def test_fraction_bits_pass_through(op: Relu | Flatten | MaxPool | AvgPool) -> None:
    graph = Chain((1, 2, 2)).add(op).graph()
    tensors = {**graph.tensors, "t0": replace(graph.tensors["t0"], frac_bits=9)}
    with pytest.raises(GraphError, match="must agree"):
        replace(graph, tensors=tensors)


def two() -> Graph:
    return Chain((2,), 0, 100, 2).add(FullyConnected(), make_params([[1, 2], [3, 4]])).add(Relu()).graph()


def test_nodes_must_be_in_order() -> None:
    graph = two()
    with pytest.raises(GraphError, match="reads 't0' before any node writes it"):
        replace(graph, nodes=graph.nodes[::-1])


def test_a_tensor_is_written_once() -> None:
    graph = two()
    again = replace(graph.nodes[1], output="t0")
    with pytest.raises(GraphError, match="another node writes already"):
        replace(graph, nodes=(graph.nodes[0], again))
    with pytest.raises(GraphError, match="another node writes already"):
        replace(graph, nodes=(replace(graph.nodes[0], output="x"), graph.nodes[1]))


def test_names_of_nodes_are_unique() -> None:
    graph = two()
    with pytest.raises(GraphError, match="share a name"):
        replace(graph, nodes=(graph.nodes[0], replace(graph.nodes[1], name=graph.nodes[0].name)))


@pytest.mark.parametrize("name", ["", "9lives", "a-b", "a b", "a/b", "net\n"])
def test_the_name_is_an_identifier(name: str) -> None:
    with pytest.raises(GraphError, match="not a C identifier"):
        replace(two(), name=name)


def test_every_tensor_belongs_to_a_node() -> None:
    graph = two()
    with pytest.raises(GraphError, match="belong to no node"):
        replace(graph, tensors={**graph.tensors, "stray": Tensor("stray", (1,), 0)})


@pytest.mark.parametrize("missing", ["x", "t0", "t1"])
def test_a_missing_tensor_is_a_graph_error(missing: str) -> None:
    graph = two()
    with pytest.raises(GraphError):
        replace(graph, tensors={k: v for k, v in graph.tensors.items() if k != missing})


def test_a_tensor_is_filed_under_its_own_name() -> None:
    graph = two()
    with pytest.raises(GraphError):
        replace(graph, tensors={**graph.tensors, "t0": replace(graph.tensors["t0"], name="other")})


def test_needs_nodes_and_levels() -> None:
    graph = two()
    with pytest.raises(GraphError, match="at least one node and one level"):
        replace(graph, levels=())
    with pytest.raises(GraphError, match="at least one node and one level"):
        replace(graph, nodes=(), tensors={"x": graph.tensors["x"]})


def test_at_most_255_levels() -> None:
    graph = two()
    replace(graph, levels=tuple(Level(str(k), 0) for k in range(NEVER)))
    with pytest.raises(GraphError, match="at most 255"):
        replace(graph, levels=tuple(Level(str(k), 0) for k in range(NEVER + 1)))


def test_a_weight_enters_at_a_level_that_exists() -> None:
    chain = Chain((2,), 0, 9, 2).add(FullyConnected(), make_params([[1, 2]], [[0, 2]]))
    with pytest.raises(GraphError, match="enters at level 2, but there are 2 levels"):
        chain.graph()


def test_a_weight_of_no_level_is_zero() -> None:
    p = make_params([[1, 2]], [[0, 255]])
    bad = replace(p, weight=np.array([[1, 2]], np.int16))
    with pytest.raises(GraphError, match="no level uses is not 0"):
        Chain((2,), 0, 9, 2).add(FullyConnected(), bad).graph()


@pytest.mark.parametrize("shape", [(3,), (1, 2), (2, 1, 1)])
def test_the_output_has_the_inferred_shape(shape: tuple[int, ...]) -> None:
    graph = two()
    tensors = {**graph.tensors, "t1": replace(graph.tensors["t1"], shape=shape)}
    with pytest.raises(GraphError, match=r"relu1 \(relu\): gives shape \(2,\)"):
        replace(graph, tensors=tensors)


@pytest.mark.parametrize(
    ("shape", "op", "what"),
    [
        ((4,), MaxPool(), "channels, height, width"),
        ((1, 3, 3), MaxPool((4, 1), (1, 1)), "window of 4 does not fit an axis of 3"),
        ((1, 3, 3), AvgPool((1, 1), (0, 1)), "at least 1"),
        ((1, 3, 3), AvgPool((0, 1), (1, 1)), "at least 1"),
        ((1, 3, 3), Argmax(), "flat"),
        ((1, 3, 3), Conv2d((4, 4)), "does not fit"),
        ((1, 3, 3), Conv2d((1, 1), (1, 1), (0, -1, 0, 0)), "negative"),
        ((5,), Conv2d(), "channels, height, width"),
        ((1, 2, 2), FullyConnected(), "flat"),
    ],
)
def test_an_operator_must_fit_its_input(shape: tuple[int, ...], op: object, what: str) -> None:
    with pytest.raises(GraphError, match=what):
        op.infer(shape)  # type: ignore[attr-defined]


def test_weights_must_match_the_operator() -> None:
    with pytest.raises(GraphError, match="do not match"):
        Conv2d((2, 2)).infer_weighted((1, 3, 3), (2, 2, 2, 2))
    with pytest.raises(GraphError, match="do not match"):
        Conv2d((2, 2)).infer_weighted((1, 3, 3), (2, 1, 2, 3))
    with pytest.raises(GraphError, match="do not match"):
        FullyConnected().infer_weighted((3,), (2, 4))


def test_only_weighted_operators_have_weights() -> None:
    graph = two()
    for node in (replace(graph.nodes[0], params=None), replace(graph.nodes[0], op=Relu())):
        with pytest.raises(GraphError, match="has weights where none belong"):
            replace(graph, nodes=(node, graph.nodes[1]))


def test_zero_outputs_is_a_graph_error() -> None:
    p = Params(np.zeros((0, 2), np.int16), np.zeros((0, 2), np.uint8), np.zeros(0, np.int32), 15)
    tensors = {"x": Tensor("x", (2,), 8, 0, 9), "y": Tensor("y", (1,), 8)}
    with pytest.raises(GraphError):
        Graph("net", "x", tensors, (Node("n", FullyConnected(), ("x",), "y", p),), (Level("a", 1),))


@pytest.mark.parametrize(
    ("lo", "hi", "shape"),
    [(1, 0, (1,)), (-32769, 0, (1,)), (0, 32768, (1,)), (0, 1, ()), (0, 1, (2, 0)), (0, 1, (-1,))],
)
def test_a_tensor_checks_itself(lo: int, hi: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(GraphError, match="tensor t"):
        Tensor("t", shape, 0, lo, hi)


@pytest.mark.parametrize(
    ("weight", "index", "bias", "shift"),
    [
        (np.zeros((2, 2), np.int32), np.zeros((2, 2), np.uint8), np.zeros(2, np.int32), 15),
        (np.zeros((2, 2), np.int16), np.zeros((2, 2), np.int16), np.zeros(2, np.int32), 15),
        (np.zeros((2, 2), np.int16), np.zeros((2, 2), np.uint8), np.zeros(2, np.int16), 15),
        (np.zeros((2, 2), np.int16), np.zeros((2, 3), np.uint8), np.zeros(2, np.int32), 15),
        (np.zeros((2, 2), np.int16), np.zeros((2, 2), np.uint8), np.zeros(3, np.int32), 15),
        (np.zeros((2, 2), np.int16), np.zeros((2, 2), np.uint8), np.zeros(2, np.int32), -1),
        (np.zeros((2, 2), np.int16), np.zeros((2, 2), np.uint8), np.zeros(2, np.int32), 31),
    ],
)
def test_params_check_themselves(weight: np.ndarray, index: np.ndarray, bias: np.ndarray, shift: int) -> None:
    with pytest.raises(GraphError):
        Params(weight, index, bias, 0, shift)


def test_params_cannot_be_changed() -> None:
    p = make_params([[1, 2]])
    with pytest.raises(ValueError, match="read-only"):
        p.weight[0, 0] = 5


@given(seed=seeds, levels=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_levels_nest_and_keep_values(seed: int, levels: int) -> None:
    """Every weight of a level has the same value in every denser one."""
    graph = random_graph(seed, levels)
    for node in graph.nodes:
        if node.params is None:
            continue
        p = node.params
        for level in range(levels):
            w = p.at_level(level)
            kept = p.level_index <= level
            assert p.nnz(level) == kept.sum()
            assert (w[~kept] == 0).all()
            for denser in range(level, levels):
                assert np.array_equal(p.at_level(denser)[kept], w[kept])


def test_macs_count_dense_work() -> None:
    chain = Chain((2, 5, 5), 0, 9, 1).add(Conv2d((3, 3), (2, 2)), make_params(np.ones((4, 2, 3, 3), int)))
    graph = chain.add(Flatten()).add(FullyConnected(), make_params(np.ones((3, 16), int))).graph()
    assert [graph.macs(n) for n in graph.nodes] == [4 * 2 * 9 * 4, 0, 48]


def test_unknown_operators_and_attributes_are_named() -> None:
    with pytest.raises(UnsupportedOp, match=r"'gru' is unknown; supported are .*conv2d"):
        op_from_dict("gru", {})
    with pytest.raises(UnsupportedOp, match="no attribute output_padding"):
        op_from_dict("conv2d", {"output_padding": [2, 2]})
    with pytest.raises(UnsupportedOp, match=r"groups is \[2\], not a whole number"):
        op_from_dict("conv2d", {"groups": [2]})
    with pytest.raises(UnsupportedOp, match=r"dilation is 2, not a list of 2 numbers"):
        op_from_dict("conv2d", {"dilation": 2})
    assert op_from_dict("clip", {"bounds": [-1, 2.5]}) == Clip((-1, 2.5))
    for bounds in ([0.0, "6"], [0.0, float("inf")], [0.0, True]):
        with pytest.raises(UnsupportedOp, match="not a list of numbers"):
            op_from_dict("clip", {"bounds": bounds})
    assert issubclass(UnsupportedOp, CodegenError)


def test_joins_must_end_at_the_same_fraction_bits() -> None:
    chain = Chain((2, 2, 2), -9, 9, 1).add(Relu())
    with pytest.raises(GraphError, match=r"inputs of \(8, 8\) fraction bits, shifted by \(0, 1\)"):
        chain.add(Add((0, 1)), None, inputs=["x", "t0"])
    with pytest.raises(GraphError, match=r"shifts \(15, 15\) are outside 0..14"):
        chain.add(Concat((15, 15)), None, inputs=["x", "t0"])
    with pytest.raises(GraphError, match="3 shifts for 2 inputs"):
        chain.add(Concat((0, 0, 0)), None, inputs=["x", "t0"])
    with pytest.raises(GraphError, match="two inputs of one shape"):
        chain.add(Add(), None, inputs=["x", "x", "t0"])
    chain.add(Flatten())
    with pytest.raises(GraphError, match="two inputs of one shape"):
        chain.add(Add(), None, inputs=["x", "t1"])
    with pytest.raises(GraphError, match="differ in channels only"):
        chain.add(Concat(), None, inputs=["x", "t1"])
    with pytest.raises(GraphError, match="relu: takes one input, got 2"):
        chain.add(Relu(), None, inputs=["x", "x"])


@pytest.mark.parametrize(
    ("op", "weight", "message"),
    [
        (Conv2d((2, 2), groups=3), (3, 1, 2, 2), "4 input channels can't form 3 groups"),
        (Conv2d((2, 2), groups=2), (4, 4, 2, 2), r"do not match \(O, 2, 2, 2\)"),
        (Conv2d((2, 2), groups=4), (6, 1, 2, 2), "6 output channels can't form 4 groups"),
        (Conv2d((2, 2), dilation=(1, 0)), (4, 4, 2, 2), "must be at least 1"),
        (Conv2d((2, 3), dilation=(1, 4)), (4, 4, 2, 3), "a window of 9 does not fit an axis of 8"),
    ],
)
def test_groups_and_dilation_must_fit(op: Conv2d, weight: tuple[int, ...], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        op.infer_weighted((4, 8, 8), weight)


@pytest.mark.parametrize(("length", "limit"), [(2049, 2048), (2**16, 2**15)])
def test_an_average_of_too_many_elements_is_refused(length: int, limit: int) -> None:
    with pytest.raises(GraphError, match=f"a window of {length} elements; at most {limit} are averaged"):
        Chain((1, 1, length), -32768, 32767, 1).add(AvgPool((1, length), (1, 1)))
