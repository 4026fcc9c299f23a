"""Makes the helpers of these tests importable (importlib mode leaves `sys.path` alone) and shares builds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

for _path in (
    Path(__file__).parents[1] / "strategies.py",
    Path(__file__).parent / "rig.py",
    Path(__file__).parent / "intermittent.py",
    Path(__file__).parent / "failing.py",
    Path(__file__).parent / "steps.py",
):
    if _path.stem not in sys.modules:
        _spec = importlib.util.spec_from_file_location(_path.stem, _path)
        assert _spec is not None
        assert _spec.loader is not None
        sys.modules[_path.stem] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_path.stem])

import rig  # noqa: E402


@pytest.fixture(scope="session")
def zig(tmp_path_factory: pytest.TempPathFactory) -> rig.Workshop:
    return rig.Workshop(tmp_path_factory.mktemp("zig"), "zig")


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> rig.Workshop:
    return rig.Workshop(tmp_path_factory.mktemp("host"), "host")


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> rig.Workshop:
    """The host compiler with address and undefined-behaviour sanitizers."""
    with pytest.MonkeyPatch.context() as m:
        m.setenv("SW_HOST_CFLAGS", "-fsanitize=address,undefined -fno-sanitize-recover=all -g")
        return rig.Workshop(tmp_path_factory.mktemp("sanitized"), "host")


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> rig.Bench:
    """Every kernel in one ELF on the simulator."""
    return rig.Bench(tmp_path_factory.mktemp("bench"))
