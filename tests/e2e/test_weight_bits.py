"""`--weight-bits` from the command line to simulated logits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from codegen.emit import read_project
from codegen.serialize import load_graph
from codegen.target import load_target
from swtrain.weight_bits import MAX_LOSS, apply_weight_bits

from .conftest import invoke


@pytest.mark.parametrize("bits", ["fc1=8,fc2=8", pytest.param("auto", marks=pytest.mark.slow)])
def test_accuracy_is_kept_and_the_device_agrees(bits: str, run_folder: Path, few: Path, tmp_path: Path) -> None:
    """Every logit of the ELF is compared with the reference of the graph with narrow weights."""
    out = tmp_path / "narrow"
    said = invoke("emit-c", run_folder, "--out", out, "--weight-bits", bits).output
    found = apply_weight_bits(load_graph(run_folder), bits, load_target("msp430fr5994"))
    assert found.nodes
    assert f"weights of 8 bits: {', '.join(found.nodes)}" in " ".join(said.split())
    assert all(before - after <= MAX_LOSS for before, after in zip(found.before, found.after, strict=True))
    wide = tmp_path / "wide"
    invoke("emit-c", run_folder, "--out", wide)
    sizes = [json.loads((folder / "project.json").read_text())["blob_bytes"] for folder in (wide, out)]
    assert sizes[1] < 0.75 * sizes[0]
    for node in read_project(out).graph.nodes:
        wanted = found.graph.node(node.name).params
        assert (node.params is None) == (wanted is None)
        assert wanted is None or np.array_equal(node.params.weight, wanted.weight)
    invoke("build", out)
    said = invoke("sim", out, "--dataset", few, "--inputs", "2", "--jobs", "1").output
    assert "every logit equal to the reference" in said


@pytest.mark.parametrize(
    ("bits", "message"), [("conv9=8", "no node with weights is called conv9"), ("conv1=3", "give NODE=8 or NODE=16")]
)
def test_bad_bits_are_one_line(bits: str, message: str, run_folder: Path, tmp_path: Path) -> None:
    result = invoke("emit-c", run_folder, "--out", tmp_path / "p", "--weight-bits", bits)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
