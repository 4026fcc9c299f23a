"""What all tests share: the data sets that may lie beside the checkout."""

import os
import sys
from collections.abc import Callable
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


POWER_FAILURES = "runs with power failures"


@pytest.fixture
def injected(record_property: Callable[[str, object], None]) -> Callable[[int], None]:
    """Takes how many runs with power failures a test has made: the last lines give their sum."""
    return lambda runs: record_property(POWER_FAILURES, runs)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Whoever ran the tests, in one process or several."""
    reports = (report for reports in terminalreporter.stats.values() for report in reports)
    ended = (report for report in reports if getattr(report, "when", "") == "call")
    runs = sum(value for report in ended for name, value in report.user_properties if name == POWER_FAILURES)
    if runs:
        terminalreporter.write_line(f"{runs:,} {POWER_FAILURES}")
