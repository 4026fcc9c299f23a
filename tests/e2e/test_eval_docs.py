"""The commands of the pages and the steps of the CI files, run as they stand there."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from onnx_models import model, rand

from swtrain.datasets import load_dataset

from .conftest import invoke

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.skipif(not (DOCS / "eval.md").exists(), reason="the pages belong to a checkout")


def blocks(page: str, kind: str) -> list[str]:
    """Code blocks of a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", (DOCS / page).read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's repository with the config of the page, and a small network in the place of LeNet-5."""
    folder = tmp_path_factory.mktemp("user")
    nodes = [
        ("MaxPool", ("x",), "p", {"kernel_shape": [4, 4], "strides": [4, 4]}),
        ("Flatten", ("p",), "f", {}),
        ("Gemm", ("f", "w", "b"), "y", {"transB": 1}),
    ]
    made = model((1, 1, 28, 28), nodes, w=rand(10, 49), b=rand(10, seed=1))  # type: ignore[arg-type]
    (folder / "lenet.onnx").write_bytes(made.SerializeToString())
    test = load_dataset("mnist-subset").test
    np.savez(folder / "test.npz", x=test.x[:60] / 256, y=test.y[:60])
    (config,) = blocks("eval.md", "toml")
    (folder / "eval.toml").write_text(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def run(line: str) -> None:
    """One line of a page or a CI file."""
    words = shlex.split(line)
    assert words[0] == "swtrain", line
    done = invoke(*words[1:])
    assert done.exit_code == 0, f"{line}: {done.output}"


def test_commands_of_the_pages(place: Path) -> None:
    lines = [line for page in ("eval.md", "report.md") for text in blocks(page, "sh") for line in text.splitlines()]
    assert len(lines) >= 7
    for line in lines:
        run(line)
    assert (place / "site" / "index.html").read_bytes() == (place / "build" / "lenet" / "report.html").read_bytes()
    harvest = json.loads((place / "build" / "lenet" / "harvest.json").read_text())
    assert sum(harvest["answered"]) > 0
    assert harvest["requests"] == 20
    stored = json.loads((place / "result.json").read_text())
    assert stored["passed"]
    assert {c["group"] for c in stored["checks"]} == {"limits", "baseline"}


def steps(name: str) -> list[str]:
    """What a CI system would run: GitHub's `run`, GitLab's `before_script` and `script`."""
    yaml = pytest.importorskip("yaml", reason="no PyYAML")
    found: Any = yaml.safe_load((DOCS / "ci" / name).read_text())
    if name.startswith("gitlab"):
        return [*found["swtrain"]["before_script"], *found["swtrain"]["script"]]
    return [step["run"] for step in found["jobs"]["eval"]["steps"] if "run" in step]


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_steps_of_ci_files(place: Path, name: str) -> None:
    """All but the installation; what the artefacts name is there afterwards."""
    (place / "junit.xml").unlink(missing_ok=True)
    if not (place / "baseline.json").exists():
        run("swtrain eval eval.toml --update-baseline")
    install, *rest = steps(name)
    assert install == 'python -m pip install "$SWTRAIN"'
    assert rest
    for line in rest:
        run(line)
    assert ElementTree.parse(place / "junit.xml").getroot().get("failures") == "0"
    text = (DOCS / "ci" / name).read_text()
    for path in ("report.html", "report.json", "figures"):
        assert f"build/lenet/{path}" in text or f"OUT }}}}/{path}" in text
        assert (place / "build" / "lenet" / path).exists()


@pytest.mark.slow
def test_ci_fails_on_a_regression(place: Path) -> None:
    """The same step, after a change that costs cycles."""
    run("swtrain eval eval.toml --update-baseline")
    config = (place / "eval.toml").read_text()
    try:
        (place / "eval.toml").write_text(config.replace("columns = true", "columns = false"))
        done = invoke("eval", "eval.toml", "--junit", "junit.xml")
    finally:
        (place / "eval.toml").write_text(config)
    assert done.exit_code == 1, done.output
    assert "checks failed" in done.output
    assert int(str(ElementTree.parse(place / "junit.xml").getroot().get("failures"))) > 0
