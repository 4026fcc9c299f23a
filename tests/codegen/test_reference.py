"""`codegen.reference` against brute force: plain loops over Python integers, written from the formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import Chain, inputs_for, make_params, random_graph, seeds

from codegen import reference
from codegen.errors import GraphError
from codegen.ir import Graph, Node
from codegen.ops import Add, Argmax, Array, AvgPool, Clip, Concat, Conv2d, Flatten, FullyConnected, MaxPool, Relu


def clip(value: int, lo: int, hi: int) -> int:
    return lo if value < lo else min(value, hi)


def floor_shift(value: int, shift: int) -> int:
    return value // 2**shift


def brute_conv2d(x: list, w: list, bias: list, op: Conv2d, shift: int, lo: int, hi: int) -> list:
    top, left, bottom, right = op.padding
    height, width = len(x[0]), len(x[0][0])
    out = []
    for o, filters in enumerate(w):
        plane, oy = [], 0
        while oy * op.stride[0] + (op.kernel[0] - 1) * op.dilation[0] < height + top + bottom:
            row, ox = [], 0
            while ox * op.stride[1] + (op.kernel[1] - 1) * op.dilation[1] < width + left + right:
                total = 0
                first = o // (len(w) // op.groups) * len(filters)
                for c, ky, kx in itertools.product(range(len(filters)), range(op.kernel[0]), range(op.kernel[1])):
                    iy, ix = (
                        oy * op.stride[0] + ky * op.dilation[0] - top,
                        ox * op.stride[1] + kx * op.dilation[1] - left,
                    )
                    if 0 <= iy < height and 0 <= ix < width:
                        total += x[first + c][iy][ix] * filters[c][ky][kx]
                row.append(clip(floor_shift(total, shift) + bias[o], lo, hi))
                ox += 1
            plane.append(row)
            oy += 1
        out.append(plane)
    return out


def brute_fully_connected(x: list, w: list, bias: list, shift: int, lo: int, hi: int) -> list:
    sums = [sum(a * b for a, b in zip(x, row, strict=True)) for row in w]
    return [clip(floor_shift(total, shift) + b, lo, hi) for total, b in zip(sums, bias, strict=True)]


def brute_pool(x: list, op: AvgPool | MaxPool, lo: int, hi: int) -> list:
    out = []
    area = op.kernel[0] * op.kernel[1]
    for channel in x:
        plane = []
        for top in range(0, len(channel) - op.kernel[0] + 1, op.stride[0]):
            row = []
            for left in range(0, len(channel[0]) - op.kernel[1] + 1, op.stride[1]):
                window = [channel[top + i][left + j] for i in range(op.kernel[0]) for j in range(op.kernel[1])]
                if isinstance(op, MaxPool):
                    value = max(window)
                elif bin(area).count("1") == 1:
                    value = sum(window) // area
                else:  # multiplier round(2**15 / area), half up
                    value = sum(window) * ((2 * 2**15 + area) // (2 * area)) // 2**15
                row.append(clip(value, lo, hi))
            plane.append(row)
        out.append(plane)
    return out


def nearest(value: int, shift: int) -> int:
    """`value / 2**shift`, rounded to the nearest, half upwards."""
    return (2 * value + 2**shift) // 2 ** (shift + 1)


def brute_join(inputs: list[Array], op: Add | Concat, lo: int, hi: int) -> list:
    if isinstance(op, Add):
        (a, b), (sa, sb) = inputs, op.shifts
        most = max(op.shifts)
        sums = [
            clip(nearest((int(v) << (most - sa)) + (int(w) << (most - sb)), most), lo, hi)
            for v, w in zip(a.reshape(-1), b.reshape(-1), strict=True)
        ]
        return np.array(sums).reshape(a.shape).tolist()
    flat = [
        clip(nearest(int(v), s), lo, hi) for x, s in zip(inputs, op.shifts, strict=True) for v in x.reshape(-1).tolist()
    ]
    channels = sum(len(x) for x in inputs)
    return np.array(flat).reshape(channels, *inputs[0].shape[1:]).tolist()


def brute_node(graph: Graph, node: Node, inputs: list[Array], level: int) -> list:
    x = inputs[0]
    values, out = x.tolist(), graph.tensors[node.output]
    if isinstance(node.op, Add | Concat):
        return brute_join(inputs, node.op, out.lo, out.hi)
    if node.params is not None:
        p = node.params
        rows = p.weight.reshape(len(p.bias), -1).tolist()
        indices = p.level_index.reshape(len(p.bias), -1).tolist()
        w = [
            [v if k <= level else 0 for v, k in zip(row, index, strict=True)]
            for row, index in zip(rows, indices, strict=True)
        ]
        bias = [int(b) for b in p.bias]
        if isinstance(node.op, Conv2d):
            _, c, kh, kw = p.weight.shape
            shaped = [
                [[row[(i * kh + j) * kw : (i * kh + j + 1) * kw] for j in range(kh)] for i in range(c)] for row in w
            ]
            return brute_conv2d(values, shaped, bias, node.op, p.shift, out.lo, out.hi)
        return brute_fully_connected(values, w, bias, p.shift, out.lo, out.hi)
    if isinstance(node.op, AvgPool | MaxPool):
        return brute_pool(values, node.op, out.lo, out.hi)
    flat = x.reshape(-1).tolist()
    if isinstance(node.op, Relu):
        return np.array([clip(max(v, 0), out.lo, out.hi) for v in flat]).reshape(x.shape).tolist()
    if isinstance(node.op, Clip):
        return np.array([clip(v, out.lo, out.hi) for v in flat]).reshape(x.shape).tolist()
    if isinstance(node.op, Argmax):
        return [next(i for i, v in enumerate(flat) if v == max(flat))]
    assert isinstance(node.op, Flatten)
    return flat


def assert_brute(graph: Graph, x: Array, level: int) -> None:
    values = reference.run(graph, x, level)
    for node in graph.nodes:
        for i in range(len(x)):
            got = values[node.output][i]
            assert got.dtype == np.int16
            assert got.tolist() == brute_node(graph, node, [values[t][i] for t in node.inputs], level), (node.name, i)


@given(seed=seeds, levels=st.integers(1, 5), image=st.booleans(), depth=st.integers(1, 4), joins=st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_operator_equals_loops_over_integers(
    seed: int, levels: int, image: bool, depth: int, joins: bool
) -> None:
    graph = random_graph(seed, levels, image, depth, joins=joins)
    for level in {0, levels - 1}:
        assert_brute(graph, inputs_for(graph, 3, seed), level)


@pytest.mark.slow
@given(seed=seeds, levels=st.integers(1, 5), image=st.booleans(), depth=st.integers(1, 5))
@settings(max_examples=1500, deadline=None)
def test_every_operator_equals_loops_over_integers_many(seed: int, levels: int, image: bool, depth: int) -> None:
    graph = random_graph(seed, levels, image, depth, joins=seed % 2 == 1)
    for level in range(levels):
        assert_brute(graph, inputs_for(graph, 4, seed), level)


CONVOLUTIONS = {
    "plain": ((2, 5, 6), (3, 2, 3, 3), Conv2d((3, 3))),
    "stride": ((1, 7, 8), (2, 1, 3, 2), Conv2d((3, 2), (2, 3))),
    "asymmetric padding": ((2, 4, 3), (2, 2, 3, 3), Conv2d((3, 3), (1, 1), (2, 0, 1, 3))),
    "stride and padding drop the end": ((1, 6, 6), (1, 1, 4, 4), Conv2d((4, 4), (3, 3), (0, 1, 1, 0))),
    "one row": ((2, 1, 9), (2, 2, 1, 3), Conv2d((1, 3), (1, 2))),
    "one column": ((2, 9, 1), (2, 2, 4, 1), Conv2d((4, 1), (2, 1), (1, 0, 0, 0))),
    "one pixel": ((3, 1, 1), (4, 3, 1, 1), Conv2d((1, 1))),
    "one channel": ((1, 4, 4), (1, 1, 2, 2), Conv2d((2, 2))),
    "window as large as the padded image": ((1, 2, 3), (2, 1, 4, 5), Conv2d((4, 5), (1, 1), (1, 1, 1, 1))),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv2d(case: str) -> None:
    shape, weight, op = CONVOLUTIONS[case]
    rng = np.random.default_rng(3)
    index = rng.choice([0, 1, 255], weight)
    chain = Chain(shape, -100, 300, 2)
    params = make_params(rng.integers(-900, 900, weight), index, rng.integers(-9, 9, weight[0]), 4, 4)
    graph = chain.add(op, params).graph()
    for level in (0, 1):
        assert_brute(graph, inputs_for(graph, 4, 1), level)


@pytest.mark.parametrize("shift", [0, 1, 15, 30])
def test_the_shift_is_floor_and_the_bias_comes_after_it(shift: int) -> None:
    bias = [5, -5] if shift < 30 else [0, 0]
    graph = Chain((1,), -7, 7, 1).add(FullyConnected(), make_params([[3], [-3]], 0, bias, 0, shift)).graph()
    got = reference.run(graph, np.array([[1], [-1], [7]], np.int16), 0)["t0"].tolist()
    assert got == [[(3 * x) // 2**shift + bias[0], (-3 * x) // 2**shift + bias[1]] for x in (1, -1, 7)]
    if shift == 30:
        assert got[:2] == [[0, -1], [-1, 0]]


@pytest.mark.parametrize("kernel", [(1, 1), (1, 2), (2, 2), (4, 4), (1, 3), (3, 3), (5, 5), (2, 3), (3, 7)])
@pytest.mark.parametrize("bounds", [(-32768, 32767), (-5, 9)])
def test_average_pool_of_any_area(kernel: tuple[int, int], bounds: tuple[int, int]) -> None:
    graph = Chain((2, 8, 9), -32768, 32767, 1).add(AvgPool(kernel, (1, 2)), None, *bounds).graph()
    assert_brute(graph, inputs_for(graph, 5, 2), 0)


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 1), (3, 4)])
def test_average_pool_is_the_mean(kernel: tuple[int, int]) -> None:
    """Within one unit of the floor of the true mean, plus the error of a rounded multiplier (2**-16 of the sum)."""
    graph = Chain((1, 6, 6), -32000, 32000, 1).add(AvgPool(kernel, (1, 1))).graph()
    x = inputs_for(graph, 20, 5)
    got = reference.run(graph, x, 0)["t0"].astype(float)
    for n, i, j in itertools.product(range(len(x)), range(got.shape[2]), range(got.shape[3])):
        window = x[n, 0, i : i + kernel[0], j : j + kernel[1]].astype(float)
        assert abs(got[n, 0, i, j] - (window.mean() - 0.5)) <= 0.5 + abs(window.sum()) * 2.0**-16


@pytest.mark.parametrize("area", [(25, 6), (1, 98), (23, 89), (128, 256)])
def test_the_average_of_a_whole_image_of_extremes(area: tuple[int, int]) -> None:
    """The largest sum times the multiplier stays in 32 bits."""
    graph = Chain((1, *area), -32768, 32767, 1).add(AvgPool(area, area)).graph()
    x = inputs_for(graph, 3, 2)
    assert_brute(graph, x, 0)
    assert np.abs(x.astype(np.int64).sum(axis=(1, 2, 3))).max() * graph.nodes[0].op.scale[0] < 2**31


@pytest.mark.parametrize("shifts", [(0, 0), (0, 14), (14, 0), (14, 14), (3, 1)])
@pytest.mark.parametrize("bounds", [(-32768, 32767), (0, 9)])
def test_sums_of_extremes(shifts: tuple[int, int], bounds: tuple[int, int]) -> None:
    """Both inputs at either end of int16: no 32-bit sum overflows."""
    chain = Chain((3,), -32768, 32767, 1, frac_bits=8 + shifts[0])
    other = make_params(np.eye(3, dtype=int), 0, 0, shifts[1] - shifts[0], 0)
    chain.add(FullyConnected(), other).add(Add(shifts), None, *bounds, ["x", "t0"])
    graph = chain.graph()
    x = np.array([[a, b, c] for a, b, c in itertools.product([-32768, -1, 0, 1, 32767], repeat=3)], np.int16)
    assert_brute(graph, x, 0)
    assert graph.nodes[1].op.reach([(-32768, 32767)] * 2) < 2**31


def test_a_sum_rounds_to_the_nearest_and_half_upwards() -> None:
    chain = Chain((1,), -9, 9, 1).add(Relu()).add(Add((1, 1)), None, inputs=["x", "t0"])
    x = np.array([[-3], [-2], [-1], [0], [1], [2], [3]], np.int16)
    assert reference.run(chain.graph(), x, 0)["t1"].reshape(-1).tolist() == [-1, -1, 0, 0, 1, 2, 3]


def test_argmax_takes_the_lowest_index_on_a_tie() -> None:
    graph = Chain((4,), -9, 9, 1).add(Argmax(), None, 0, 3).graph()
    x = np.array([[1, 5, 5, 2], [-3, -3, -3, -3], [0, 0, 0, 1], [9, -9, 9, 9]], np.int16)
    assert reference.run(graph, x, 0)["t0"].tolist() == [[1], [0], [3], [0]]


def test_flatten_is_row_major() -> None:
    graph = Chain((2, 2, 3), 0, 11, 1).add(Flatten()).graph()
    x = np.arange(12, dtype=np.int16).reshape(1, 2, 2, 3)
    assert reference.run(graph, x, 0)["t0"].tolist() == [list(range(12))]


@pytest.mark.parametrize(
    ("x", "level", "what"),
    [
        (np.zeros((1, 4), np.int32), 0, "int16"),
        (np.zeros((1, 5), np.int16), 0, "int16"),
        (np.zeros(4, np.int16), 0, "int16"),
        (np.zeros((1, 4), np.int16), 1, "level 1"),
        (np.zeros((1, 4), np.int16), -1, "level -1"),
        (np.full((1, 4), 10, np.int16), 0, "bounds"),
        (np.full((1, 4), -10, np.int16), 0, "bounds"),
    ],
)
def test_bad_inputs_are_refused(x: Array, level: int, what: str) -> None:
    graph = Chain((4,), -9, 9, 1).add(Relu()).graph()
    with pytest.raises(GraphError, match=what):
        reference.run(graph, x, level)


@given(seed=seeds, batch=st.integers(1, 7))
@example(seed=0, batch=3)
@settings(max_examples=10, deadline=None)
def test_logits_do_not_depend_on_the_batch(seed: int, batch: int) -> None:
    graph = random_graph(seed, 2)
    x = inputs_for(graph, 6, seed)
    whole = reference.logits(graph, x, 1)
    np.testing.assert_array_equal(whole, reference.logits(graph, x, 1, batch))
    np.testing.assert_array_equal(whole, reference.run(graph, x, 1)[graph.output.name])
    assert reference.logits(graph, x[:0], 1).shape == (0, *graph.output.shape)
