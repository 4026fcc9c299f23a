"""What all tests share: the data sets that may lie beside the checkout."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: tests run side by side


@pytest.fixture(scope="session")
def mnist() -> str:
    """Folder with the canonical MNIST files, from SWTRAIN_DATA."""
    for folder in (Path(os.environ.get("SWTRAIN_DATA", "")) / "mnist", Path(os.environ.get("SWTRAIN_DATA", ""))):
        if os.environ.get("SWTRAIN_DATA") and list(folder.glob("t10k-images-idx3-ubyte*")):
            return str(folder)
    pytest.skip("SWTRAIN_DATA names no folder with MNIST")


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions of a test file travel to new processes by the name of its module, from wherever pytest runs."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[1])])
