"""ONNX's own node tests of the operators that can be imported, each run in float; writes the committed list.

The first real-valued input of a test is the network's; its other inputs are bound as initialisers, as weights, shapes
and bounds are in real models. Tests of operators on constants (`CONSTANTS`) have initialisers only. A softmax at the
end is not left out here, since its output would be missed.

    python tests/codegen/onnx_backend.py     # after a change that refuses less, or a new version of onnx
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from codegen.errors import CodegenError
from codegen.onnx_import import LAST, lower
from codegen.onnx_ops import IMPORTERS
from codegen.onnx_reader import parse_onnx

LIST = Path(__file__).with_name("onnx_backend.json")
PASSES = "passes"

CONSTANTS = {"Constant", "ConstantOfShape", "DequantizeLinear"}
EXPANDED = ("depthtospace", "spacetodepth")
"""Operators that ONNX itself expands into reshapes and transposes."""


def cases() -> list[Any]:
    """The node tests whose operators can all be imported."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        node = importlib.import_module("onnx.backend.test.case.node")
        wanted = {op.lower() for op in (*IMPORTERS, *LAST)} | set(EXPANDED)
        for module in pkgutil.iter_modules(node.__path__):  # all of them take half a minute
            if module.name.replace("_", "") in wanted:
                importlib.import_module(f"{node.__name__}.{module.name}")
    ops = {*IMPORTERS, *LAST}
    return [t for t in node._NodeTestCases if {n.op_type for n in t.model.graph.node} <= ops]


def outcome(case: Any) -> str:
    """`passes`, or `refused: message`; anything else is an exception."""
    inputs, outputs = case.data_sets[0]
    model, x = _bound(case.model, inputs)
    try:
        made = lower(parse_onnx(model, "model"), keep_last=True)
    except CodegenError as e:
        return f"refused: {str(e).split('. Supported are')[0]}"
    (want,) = outputs
    got = made.run(x)
    assert got.shape == np.shape(want), f"{case.name}: shape {got.shape}, not {np.shape(want)}"
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=case.name)
    return PASSES


def _bound(model: ModelProto, inputs: list[Any]) -> tuple[ModelProto, Any]:
    """`model` with all inputs but one as initialisers, and the value of that one."""
    made = ModelProto()
    made.CopyFrom(model)
    del made.graph.input[:]
    constants = {n.op_type for n in model.graph.node} <= CONSTANTS
    kinds = [i.type.tensor_type.elem_type for i in model.graph.input]
    real = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    first = None if constants else next((i for i, kind in enumerate(kinds) if kind in real), 0)
    x: Any = np.zeros(1, np.float32)
    for i, (info, value) in enumerate(zip(model.graph.input, inputs, strict=True)):
        if i == first:
            made.graph.input.append(info)
            x = value
            continue
        tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value))
        stored = made.graph.initializer.add()
        stored.CopyFrom(tensor)
        stored.name = info.name
    if not made.graph.input:
        made.graph.input.append(helper.make_tensor_value_info("unused", TensorProto.FLOAT, [1]))
    return made, x


def main() -> None:
    found = {case.name: outcome(case) for case in cases()}
    LIST.write_text(json.dumps({"onnx": onnx.__version__, "tests": dict(sorted(found.items()))}, indent=1) + "\n")
    passed = sum(v == PASSES for v in found.values())
    print(f"{passed} pass, {len(found) - passed} are refused: {LIST}")


if __name__ == "__main__":
    main()
