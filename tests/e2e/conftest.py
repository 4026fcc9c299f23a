"""One small trained run, its project and its build, shared by the end-to-end tests."""

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from swtrain.cli import main
from swtrain.datasets import load_dataset

if "onnx_models" not in sys.modules:  # importlib mode leaves sys.path alone
    _spec = importlib.util.spec_from_file_location("onnx_models", Path(__file__).parents[1] / "onnx_models.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["onnx_models"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["onnx_models"])

QUICK = """
model = "lenet5"
batch_size = 256
[epochs]
dense = 1
prune = 1
grow = 1
"""


def invoke(*arguments: str | Path) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A run of one epoch per phase on the embedded subset: a copy for every process of what one of them trained."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "trained"
    with FileLock(f"{shared}.lock"):
        if not (shared / "quick").is_dir():
            shared.mkdir()
            (shared / "quick.toml").write_text(QUICK)
            result = invoke("train", "--config", shared / "quick.toml", "--out", shared / "quick")
            assert result.exit_code == 0, result.output
    return Path(shutil.copytree(shared / "quick", tmp_path_factory.mktemp("run") / "quick"))


@pytest.fixture(scope="session")
def project(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as a built C project."""
    folder = tmp_path_factory.mktemp("project") / "quick"
    for command in (("emit-c", run_folder, "--out", folder), ("build", folder)):
        result = invoke(*command)
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some test images of the run's data set: the reference takes seconds for all of them."""
    test = load_dataset("mnist-subset").test
    file = tmp_path_factory.mktemp("few") / "few.npz"
    np.savez(file, x=test.x[:100], y=test.y[:100])
    return file
