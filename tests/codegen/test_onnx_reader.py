"""Files that are no model, or none that can be imported: one sentence that says what to do."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import model, rand

from codegen.errors import CodegenError, OnnxError
from codegen.onnx_import import import_onnx
from codegen.onnx_reader import MAX_ELEMENTS, parse_onnx, read_onnx

NET = [("Conv", ("x", "w"), "y", {})]


def net(shape: tuple[int | str | None, ...] = (1, 1, 5, 5), opset: int = 17) -> onnx.ModelProto:
    return model(shape, NET, opset, w=rand(2, 1, 3, 3))


def refused(proto: onnx.ModelProto, **options: object) -> str:
    with pytest.raises(OnnxError) as caught:
        parse_onnx(proto, "m.onnx", **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_model(tmp_path: Path) -> None:
    """Missing, a folder, empty, text, cut short."""
    with pytest.raises(OnnxError, match="does not exist"):
        read_onnx(tmp_path / "none.onnx")
    with pytest.raises(OnnxError, match="is not a file"):
        read_onnx(tmp_path)
    whole = net().SerializeToString()
    for content in (b"", b"this is no protobuf", whole[: len(whole) // 2], whole[::-1]):
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(OnnxError, match=r"m\.onnx"):
            read_onnx(tmp_path / "m.onnx")


def test_every_cut_and_flip_is_an_error_of_ours(tmp_path: Path) -> None:
    """Whatever a damaged file holds: it is imported or refused, never a traceback."""
    whole = net().SerializeToString()
    rng = np.random.default_rng(0)
    for trial in range(150):
        damaged = bytearray(whole[: rng.integers(1, len(whole))] if trial % 3 == 0 else whole)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        (tmp_path / "m.onnx").write_bytes(bytes(damaged))
        try:
            import_onnx(read_onnx(tmp_path / "m.onnx"))
        except CodegenError as e:
            assert str(e)  # noqa: PT017


@pytest.mark.parametrize("opset", [12, 29])
def test_opsets(opset: int) -> None:
    """Too old and too new, with the range."""
    assert f"opset {opset}; 13 to 28 are supported" in refused(net(opset=opset))


def test_dynamic_shapes() -> None:
    """The message names the dimension and the option; the batch may stay open."""
    text = refused(net(("n", 1, "height", None)))
    assert "(n, 1, height, ?): dimension 2 is 'height'" in text
    assert "--shape x=1,1,28,28" in text
    assert parse_onnx(net(("n", 1, "h", "w")), "m", shapes={"x": (1, 1, 6, 5)}).input_shape == (1, 1, 6, 5)
    assert parse_onnx(net(("n", 1, 5, 5)), "m").input_shape == (1, 1, 5, 5)
    assert "contradicts" in refused(net(), shapes={"x": (1, 3, 5, 5)})
    assert "no input 'z'; its input is 'x'" in refused(net(), shapes={"z": (1, 3, 5, 5)})
    proto = net()
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    assert "has no shape; give it" in refused(proto)


def test_inputs_and_outputs() -> None:
    """One of each; several outputs offer the choice."""
    proto = net()
    proto.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1]))
    assert "2 inputs (x, z)" in refused(proto)
    proto = net()
    proto.graph.node.append(helper.make_node("Relu", ["y"], ["z"]))
    proto.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1]))
    assert "2 outputs (y, z); choose one with --output NAME" in refused(proto)
    assert parse_onnx(proto, "m", output="z").output == "z"
    assert len(parse_onnx(proto, "m", output="y").nodes) == 1
    assert "no output 'q'" in refused(proto, output="q")
    proto = net()
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert "of type UINT8" in refused(proto)


def test_huge_tensors() -> None:
    """Claimed sizes are checked before anything is allocated."""
    proto = net()
    proto.graph.initializer[0].dims[:] = [1 << 20, 1 << 20, 3, 3]
    assert f"too large; the limit is {MAX_ELEMENTS:,}" in refused(proto)
    assert "is too large" in refused(net((1, 1, 1 << 16, 1 << 16)))
    assert "holds no element" in refused(net((1, 0, 5, 5)))
    proto = net()
    proto.graph.initializer[0].dims[:] = [2, 1, 3, 4]
    assert "w" in refused(proto)


def test_weights_outside_the_file(tmp_path: Path) -> None:
    """Read from beside the model; missing, cut short or in another folder they are named."""
    file = tmp_path / "m.onnx"
    onnx.save_model(net(), str(file), save_as_external_data=True, location="m.data", size_threshold=0)
    np.testing.assert_array_equal(read_onnx(file).constants["w"], rand(2, 1, 3, 3))
    data = tmp_path / "m.data"
    data.write_bytes(data.read_bytes()[:20])
    with pytest.raises(OnnxError, match="w"):
        read_onnx(file)
    data.unlink()
    with pytest.raises(OnnxError, match=r"weights 'w' lie in 'm\.data', which is not beside it"):
        read_onnx(file)
    proto = onnx.load(str(file), load_external_data=False)
    for entry in proto.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../../etc/passwd"
    file.write_bytes(proto.SerializeToString())
    with pytest.raises(OnnxError, match="outside the model's folder"):
        read_onnx(file)


def test_functions_are_inlined() -> None:
    """A model's own functions are its nodes."""
    proto = model((1, 4), [], w=rand(3, 4))
    proto.graph.node.append(helper.make_node("Layer", ["x", "w"], ["y"], domain="mine"))
    body = [helper.make_node("Gemm", ["a", "b"], ["c"], transB=1)]
    opsets = [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("mine", "Layer", ["a", "b"], ["c"], body, opsets))
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    assert [node.op for node in parse_onnx(proto, "m").nodes] == ["Gemm"]


def test_sparse_weights_are_refused() -> None:
    """By name, not by a wrong result."""
    proto = net()
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    index = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, index, [18]))
    del proto.graph.initializer[:]
    assert "m.onnx" in refused(proto)
