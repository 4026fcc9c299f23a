"""ONNX's own node tests: each passes in float or is refused with a message, as the committed list says."""

import json

import onnx
from onnx_backend import LIST, PASSES, cases, outcome


def test_each_passes_or_is_refused_as_committed() -> None:
    """No third kind, at least 100 pass, and the list names the very tests that this version of onnx has."""
    committed = json.loads(LIST.read_text())
    found = {case.name: outcome(case) for case in cases()}
    assert all(v == PASSES or v.startswith("refused: model") for v in found.values())
    assert sum(v == PASSES for v in found.values()) >= 100
    same = committed["onnx"] == onnx.__version__
    names = set(found) if same else set(found) & set(committed["tests"])
    assert {name: committed["tests"].get(name) for name in names} == {name: found[name] for name in names}
    assert not same or set(committed["tests"]) == names
