"""Models made with onnx.helper against ONNX's own reference evaluator, and our writer read back."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from onnx_models import Node, model, qdq, rand
from strategies import float_graphs

from codegen.errors import OnnxError, UnsupportedOp
from codegen.floatgraph import FloatGraph
from codegen.onnx_import import Imported, import_onnx, lower
from codegen.onnx_reader import parse_onnx
from codegen.onnx_writer import to_onnx
from codegen.ops import Array, Conv2d, FullyConnected
from codegen.quantize import quantize


def check(proto: onnx.ModelProto, *shape: int) -> Imported:
    """The imported model computes what ONNX's reference does."""
    made, x = lower(parse_onnx(proto, "m.onnx")), rand(*shape, seed=1)
    want = ReferenceEvaluator(proto).run(None, {"x": x})[0]
    got = made.run(x)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    return made


def kinds(graph: FloatGraph) -> list[str]:
    return [node.op.kind for node in graph.nodes]


@given(float_graphs(), st.integers(0, 3))
@settings(max_examples=15)
def test_what_is_written_is_read_back(case: tuple[FloatGraph, Array], level: int) -> None:
    """Random networks through `onnx_writer` and import: the same operators, the same float outputs."""
    graph, x = case
    level %= len(graph.levels)
    made = import_onnx(parse_onnx(onnx.load_model_from_string(to_onnx(graph, level)), "m.onnx"))
    assert kinds(made.graph)[:-1] == kinds(graph)
    assert [n.name for n in made.graph.nodes if n.weight is not None] == [
        n.name for n in graph.nodes if n.weight is not None
    ]
    want = graph.run(x, level)[graph.nodes[-1].output]
    np.testing.assert_array_equal(made.graph.run(made.examples(x), 0)["logits"], want)


def test_channels_last_costs_nothing() -> None:
    """A model in TensorFlow's layout: the input is laid out anew and the first matrix takes the last transpose."""
    proto = model(
        (1, 6, 5, 3),
        [
            ("Sub", ("x", "mean"), "n", {}),
            ("Transpose", ("n",), "t", {"perm": [0, 3, 1, 2]}),
            ("Conv", ("t", "w"), "c", {}),
            ("Transpose", ("c",), "u", {"perm": [0, 2, 3, 1]}),
            ("Reshape", ("u", "flat"), "f", {}),
            ("MatMul", ("f", "m"), "d", {}),
            ("Add", ("d", "b"), "y", {}),
        ],
        mean=rand(3),
        w=rand(4, 3, 3, 3),
        flat=np.array([1, -1]),
        m=rand(4 * 3 * 4, 5),
        b=rand(5),
    )
    made = check(proto, 1, 6, 5, 3)
    assert made.graph.shape == (3, 6, 5)
    assert kinds(made.graph) == ["conv2d", "flatten", "fully_connected"]
    assert "channels first" in " ".join(import_onnx(parse_onnx(proto, "m")).notes)


def test_batch_norm_goes_where_it_can() -> None:
    """Into the layer before, into the layer behind, or into a layer of its own where padding forbids both."""
    norm = {name: np.abs(rand(4, seed=i)) + 0.5 for i, name in enumerate(("s", "b", "m", "v"))}
    names = ("s", "b", "m", "v")
    before = [("Conv", ("x", "w"), "c", {}), ("BatchNormalization", ("c", *names), "y", {})]
    assert kinds(check(model((2, 3, 6, 6), before, w=rand(4, 3, 3, 3), **norm), 2, 3, 6, 6).graph) == ["conv2d"]
    for pads, expected in (([0] * 4, ["relu", "conv2d"]), ([1] * 4, ["relu", "conv2d", "conv2d"])):
        behind = [
            ("Relu", ("x",), "r", {}),
            ("BatchNormalization", ("r", *names), "n", {}),
            ("Conv", ("n", "w"), "y", {"pads": pads, "group": 2}),
        ]
        made = check(model((1, 4, 6, 6), behind, w=rand(6, 2, 3, 3), **norm), 1, 4, 6, 6)
        assert kinds(made.graph) == expected
        assert bool(made.whole) == (expected.count("conv2d") > 1)
    flat = [("Relu", ("x",), "r", {}), ("BatchNormalization", ("r", *names), "n", {}), ("Relu", ("n",), "y", {})]
    assert kinds(check(model((3, 4), flat, **norm), 3, 4).graph) == ["relu", "fully_connected", "relu"]


def test_products_and_sums_with_constants() -> None:
    """Scalars, channels and single elements; a folded scale reaches the weights of every group."""
    nodes = [
        ("Mul", ("x", "half"), "a", {}),
        ("Div", ("a", "per"), "d", {}),
        ("Conv", ("d", "w", "b"), "c", {"group": 2}),
        ("Sub", ("half", "c"), "y", {}),
    ]
    constants = {"half": np.float32(0.5), "per": rand(4, 1, 1), "w": rand(6, 2, 2, 2), "b": rand(6)}
    made = check(model((1, 4, 5, 5), nodes, **constants), 1, 4, 5, 5)
    assert kinds(made.graph) == ["conv2d"]
    element = model((1, 2, 3), [("Add", ("x", "e"), "y", {})], e=rand(2, 3))
    assert kinds(check(element, 1, 2, 3).graph) == ["flatten", "fully_connected"]


def test_matrix_over_time_is_a_convolution() -> None:
    """`(N, T, F) @ (F, O)`, transposed before: one tap."""
    nodes = [("Transpose", ("x",), "t", {"perm": [0, 2, 1]}), ("MatMul", ("t", "w"), "y", {})]
    made = check(model((1, 3, 7), nodes, w=rand(3, 5)), 1, 3, 7)
    assert kinds(made.graph) == ["conv2d"]


def test_shapes_that_exporters_compute() -> None:
    """`view(x.size(0), -1)` of an open batch: every shape is known at import."""
    nodes = [
        ("Conv", ("x", "w"), "c", {}),
        ("Shape", ("c",), "s", {}),
        ("Gather", ("s", "zero"), "n", {"axis": 0}),
        ("Unsqueeze", ("n", "zeros"), "u", {}),
        ("Concat", ("u", "rest"), "shape", {"axis": 0}),
        ("Reshape", ("c", "shape"), "y", {}),
    ]
    constants = {"zero": np.array(0), "zeros": np.array([0]), "rest": np.array([-1])}
    check(model(("batch", 1, 4, 4), nodes, w=rand(2, 1, 3, 3), **constants), 1, 1, 4, 4)


def test_sums_and_concatenations() -> None:
    """A residual sum, and channels of two convolutions with a pool between."""
    nodes = [
        ("Conv", ("x", "w"), "a", {"pads": [1, 1, 1, 1]}),
        ("Add", ("a", "x"), "r", {}),
        ("Concat", ("r", "a", "x"), "c", {"axis": -3}),
        ("GlobalAveragePool", ("c",), "p", {}),
        ("Squeeze", ("p", "axes"), "y", {}),
    ]
    made = check(model((1, 3, 5, 5), nodes, w=rand(3, 3, 3, 3), axes=np.array([2, 3])), 1, 3, 5, 5)
    assert kinds(made.graph) == ["conv2d", "add", "concat", "avgpool"]


def test_softmax_at_the_end_is_left_out() -> None:
    """With a note; elsewhere, or over another axis, it is refused."""

    def net(*last: Node) -> Imported:
        nodes = [("Gemm", ("x", "w"), "g", {"transB": 1}), *last]
        return import_onnx(parse_onnx(model((1, 4), nodes, w=rand(3, 4)), "m.onnx"))

    made = net(("Softmax", ("g",), "y", {}))
    assert made.notes == ("Softmax_1 (Softmax) at the end is left out: the device takes the largest logit",)
    assert kinds(made.graph) == ["fully_connected", "argmax"]
    assert kinds(net(("LogSoftmax", ("g",), "p", {}), ("ArgMax", ("p",), "y", {"axis": 1})).graph) == kinds(made.graph)
    with pytest.raises(UnsupportedOp, match=r"Softmax_1 \(Softmax\): supported at the end"):
        net(("Softmax", ("g",), "p", {}), ("Relu", ("p",), "y", {}))
    with pytest.raises(UnsupportedOp, match="axis 0 is not the one of the classes"):
        net(("Softmax", ("g",), "y", {"axis": 0}))


def test_one_message_names_every_node() -> None:
    """Unknown operators, and refused uses of known ones; what hangs on them is not blamed."""
    nodes = [
        ("LSTM", ("x", "x", "x"), "l", {"hidden_size": 2}),
        ("Relu", ("l",), "r", {}),
        ("MaxPool", ("x",), "m", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}),
        ("Gelu", ("m",), "h", {}),
        ("Add", ("r", "h"), "y", {}),
    ]
    with pytest.raises(UnsupportedOp) as caught:
        lower(parse_onnx(model((1, 1, 4, 4), nodes, opset=20), "m.onnx"))
    text = str(caught.value)
    assert text.startswith(
        "m.onnx: 3 nodes can't be imported: LSTM_0 (LSTM): not supported; MaxPool_2 (MaxPool): its padding"
    )
    assert "Gelu_3 (Gelu): not supported" in text
    assert "Relu_1" not in text
    assert "Supported are Add, ArgMax, AveragePool" in text


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers(bad: float) -> None:
    """NaN and infinity are counted."""
    w = rand(3, 4)
    w[1, 2] = bad
    with pytest.raises(UnsupportedOp, match="its weights hold 1 values that are NaN or infinite"):
        lower(parse_onnx(model((1, 4), [("Gemm", ("x", "w"), "y", {"transB": 1})], w=w), "m.onnx"))


def test_what_is_no_network() -> None:
    """No layer, or an output that something moves afterwards."""
    with pytest.raises(OnnxError, match="has no layer with weights"):
        import_onnx(parse_onnx(model((1, 4), [("Relu", ("x",), "y", {})]), "m.onnx"))
    nodes = [("Conv", ("x", "w"), "c", {}), ("Transpose", ("c",), "y", {"perm": [0, 2, 3, 1]})]
    with pytest.raises(OnnxError, match="not what the last layer computes"):
        import_onnx(parse_onnx(model((1, 1, 4, 4), nodes, w=rand(2, 1, 3, 3)), "m.onnx"))


def test_quantised_model_brings_its_ranges() -> None:
    """Weights per channel become real numbers, ranges of activations stand for calibration; no data is needed."""
    nodes = [
        *qdq("x", "xq", "sx", "zx"),
        ("DequantizeLinear", ("w8", "sw", "zw"), "w", {"axis": 0}),
        ("Conv", ("xq", "w"), "c", {}),
        ("Relu", ("c",), "r", {}),
        *qdq("r", "rq", "sr", "zr"),
        ("Flatten", ("rq",), "f", {}),
        ("DequantizeLinear", ("m8", "sm", "zm"), "m", {}),
        ("Gemm", ("f", "m"), "g", {"transB": 1}),
        *qdq("g", "y", "sg", "zg"),
    ]
    rng = np.random.default_rng(3)
    constants = {
        "sx": np.float32(1 / 256), "zx": np.uint8(0), "sr": np.float32(0.02), "zr": np.uint8(0),
        "sg": np.float32(0.05), "zg": np.int8(3), "sm": np.float32(0.01), "zm": np.int8(0),
        "sw": np.abs(rand(2)) + np.float32(0.01), "zw": np.zeros(2, np.int8),
        "w8": rng.integers(-127, 128, (2, 1, 3, 3)).astype(np.int8),
        "m8": rng.integers(-127, 128, (3, 8)).astype(np.int8),
    }  # fmt: skip
    made = import_onnx(parse_onnx(model((1, 1, 4, 4), nodes, **constants), "m.onnx"))
    assert kinds(made.graph) == ["conv2d", "relu", "flatten", "fully_connected", "argmax"]
    first = made.graph.nodes[0].weight
    assert first is not None
    np.testing.assert_allclose(first, constants["w8"] * constants["sw"].reshape(-1, 1, 1, 1), rtol=1e-6)
    assert made.ranges["input"] == pytest.approx((0, 255 / 256))
    assert made.ranges["Relu_4_out"] == pytest.approx((0, 5.1))
    assert made.ranges["logits"] == pytest.approx((-131 * 0.05, 124 * 0.05))
    graph = quantize(made.graph, None, ranges=made.ranges)
    relu = graph.tensors["Relu_4_out"]
    assert relu.hi * 2.0**-relu.frac_bits == pytest.approx(5.1, abs=2.0**-relu.frac_bits)


def test_quantised_arithmetic_is_refused() -> None:
    """Operators on the integers themselves, and a pair that does not agree."""
    pair = [*qdq("x", "d", "s", "z")]
    constants = {"s": np.float32(0.1), "z": np.uint8(0), "t": np.float32(0.2)}
    with pytest.raises(UnsupportedOp, match="quantised numbers"):
        lower(parse_onnx(model((1, 4), [pair[0], ("Relu", ("d_q",), "y", {})], **constants), "m"))
    other = ("DequantizeLinear", ("d_q", "t", "z"), "y", {})
    with pytest.raises(UnsupportedOp, match="not those of the QuantizeLinear"):
        lower(parse_onnx(model((1, 4), [pair[0], other], **constants), "m"))


def test_padding_in_an_average_is_a_convolution() -> None:
    """`count_include_pad` divides by the whole window everywhere."""
    pool = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "count_include_pad": 1}
    made = check(model((1, 2, 7, 7), [("AveragePool", ("x",), "y", pool)]), 1, 2, 7, 7)
    assert isinstance(made.graph.nodes[0].op, Conv2d)
    assert made.whole == {"AveragePool_0"}


@pytest.mark.parametrize(
    "pool",
    [
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 2], "strides": [1, 1], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [0, 0, 2, 2], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "strides": [4, 4], "pads": [0, 0, 1, 1]},
    ],
)
def test_padding_of_a_maximum(pool: dict[str, Any]) -> None:
    """Zeros behind a relu; elsewhere refused."""
    made = check(model((1, 2, 7, 7), [("Relu", ("x",), "r", {}), ("MaxPool", ("r",), "y", pool)]), 1, 2, 7, 7)
    assert made.whole <= {"MaxPool_1_pad"}
    if made.whole:
        with pytest.raises(UnsupportedOp, match="behind a relu only"):
            lower(parse_onnx(model((1, 2, 7, 7), [("MaxPool", ("x",), "y", pool)]), "m"))


def random_window(rng: np.random.Generator) -> tuple[str, dict[str, Any], list[int]]:
    """Operator, attributes and image that onnxruntime takes."""
    op, kernel = str(rng.choice(["Conv", "MaxPool", "AveragePool"])), rng.integers(1, 5, 2).tolist()
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": rng.integers(1, 5, 2).tolist()}
    if rng.random() < 0.5:  # strides up to the kernel: else its padding becomes negative
        attributes["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        attributes["strides"] = [min(pair) for pair in zip(attributes["strides"], kernel, strict=True)]
    else:
        attributes["pads"] = [int(rng.integers(kernel[i % 2])) for i in range(4)]
    if op == "Conv":
        attributes["group"] = int(rng.integers(1, 3))
        attributes["dilations"] = rng.integers(1, 3, 2).tolist() if "pads" in attributes else [1, 1]
    elif "pads" in attributes:
        attributes["ceil_mode"] = int(rng.integers(2))
    if op == "AveragePool":
        attributes["count_include_pad"] = 1
    return op, attributes, rng.integers(7, 11, 2).tolist()


@pytest.mark.parametrize("seed", range(40))
def test_windows_are_those_of_onnxruntime(seed: int) -> None:
    """Any kernel, stride, padding, `auto_pad` and `ceil_mode` that both take; onnx's reference has mistakes here."""
    op, attributes, size = random_window(np.random.default_rng(seed))
    weights = {"w": rand(4, 2 // attributes["group"], *attributes["kernel_shape"])} if op == "Conv" else {}
    nodes = [("Relu", ("x",), "r", {}), (op, ("r", *weights), "y", attributes)]
    proto, x = model((1, 2, *size), nodes, **weights), rand(1, 2, *size)
    try:
        made = lower(parse_onnx(proto, "m"))
    except UnsupportedOp as e:
        if op == "AveragePool" and "ceil_mode" in str(e):
            return
        raise
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    want, got = session.run(None, {"x": x})[0], made.run(x)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_layers_are_called_as_their_weights() -> None:
    """torch's names survive, made C identifiers and unique."""
    nodes = [("Gemm", ("x", "fc.1.weight"), "a", {}), ("Relu", ("a",), "r", {}), ("Gemm", ("r", "2nd.weight"), "y", {})]
    made = lower(parse_onnx(model((1, 4), nodes, **{"fc.1.weight": rand(4, 4), "2nd.weight": rand(4, 4)}), "m"))
    weighted = [n.name for n in made.graph.nodes if isinstance(n.op, FullyConnected)]
    assert weighted == ["fc_1", "n2nd"]
