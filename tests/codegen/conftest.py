"""Makes the helpers of these tests importable: importlib mode leaves `sys.path` alone."""

import importlib.util
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_SHARED = ("strategies.py", "onnx_models.py")
for _path in (*(_HERE.parent / name for name in _SHARED), _HERE / "images.py", _HERE / "onnx_backend.py"):
    if _path.stem not in sys.modules:
        _spec = importlib.util.spec_from_file_location(_path.stem, _path)
        assert _spec is not None
        assert _spec.loader is not None
        sys.modules[_path.stem] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_path.stem])
