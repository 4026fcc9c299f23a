"""Dependencies point one way, and the light packages stay light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

APPLICATION = {
    "accuracy", "calibrate", "cli_board", "cli_emit", "cli_eval", "cli_monitor", "cli_package", "cli_plan",
    "cli_policy", "cli_power", "cli_reference", "cli_sim", "cli_train", "config_reference", "dense", "deploy", "doctor",
    "eval_cache", "eval_details", "eval_gate", "eval_harvest", "eval_page", "eval_pipeline", "export", "graph_module",
    "importing", "interrupt", "monitor", "planning", "plots", "report", "run", "seeded", "sender", "serving", "show",
    "sweep", "targets", "terminal", "tracing", "weight_bits",
}  # fmt: skip
TORCH = {
    "batches", "ensemble", "evaluate", "export", "graph_module", "loop", "models", "nested", "optim", "parallel",
    "pictures", "runs", "quantize", "seeded", "sparsity", "strategies", "targets", "tracing", "train", "transfer",
}  # fmt: skip


def folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def imports(path: Path) -> Iterator[str]:
    """Top-level names that a file imports absolutely, inside functions as well."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def modules(package: str) -> list[Path]:
    found = sorted(
        p for p in folder(package).rglob("*.py*") if p.suffix in (".py", ".pyi") and "_firmware" not in p.parts
    )
    assert found
    return found


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("codegen", {"torch", "swtrain", "sim"}), ("sim", {"torch", "swtrain", "codegen"})],
)
def test_lower_packages_do_not_look_up(package: str, forbidden: set[str]) -> None:
    """`codegen` and `sim` know neither each other nor the application nor torch."""
    for path in modules(package):
        assert not forbidden & set(imports(path)), path


def test_only_the_application_joins_codegen_and_sim() -> None:
    """The trainer's modules know neither."""
    for path in modules("swtrain"):
        if path.stem not in APPLICATION:
            assert not {"codegen", "sim"} & set(imports(path)), path


def test_torch_is_imported_only_where_it_is_needed() -> None:
    """A list to be kept short by hand."""
    home = folder("swtrain")
    users = {
        path.relative_to(home).parts[0].removesuffix(".py") for path in modules("swtrain") if "torch" in imports(path)
    }
    assert users <= TORCH


@pytest.mark.parametrize(
    "code",
    [
        "import codegen.emit, codegen.build, sim",
        "from click.testing import CliRunner; from swtrain.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0",
        "import swtrain.report, swtrain.config, swtrain.datasets",
    ],
)
def test_torch_stays_unloaded(code: str) -> None:
    """Simulating, emitting and reading help must not wait for torch."""
    check = "import sys; assert 'torch' not in sys.modules, 'torch was imported'"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_files_stay_small() -> None:
    """One idea per file, about 400 lines at most."""
    for package in ("swtrain", "codegen", "sim"):
        for path in modules(package):
            lines = len(path.read_text().splitlines())
            assert lines <= 440, f"{path} has {lines} lines; split it by idea"
