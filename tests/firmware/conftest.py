"""Makes `tests/strategies.py` importable as `strategies`: importlib mode leaves `sys.path` alone."""

import importlib.util
import sys
from pathlib import Path

if "strategies" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("strategies", Path(__file__).parents[1] / "strategies.py")
    assert _spec is not None
    assert _spec.loader is not None
    _module = importlib.util.module_from_spec(_spec)
    sys.modules["strategies"] = _module
    _spec.loader.exec_module(_module)
