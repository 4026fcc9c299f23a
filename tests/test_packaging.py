"""What the wheel holds, and that no other distribution owns the generic import names."""

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"swtrain", "codegen", "sim"}

in_checkout = pytest.mark.skipif(
    not (ROOT / "sim" / "CMakeLists.txt").exists(), reason="needs the sources of a checkout to build a wheel"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel built from the checkout, with the objects that `make core` left there."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out)]
    same = ["-Ccmake.define.SWTRAIN_WERROR=ON", str(ROOT)]  # as `make core`: no object is compiled again
    done = subprocess.run([*command, *same], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    assert built.stat().st_size < 8_000_000
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


@in_checkout
def test_top_levels(wheel: list[str]) -> None:
    """Nothing but the three packages and the metadata."""
    tops = {name.split("/")[0] for name in wheel}
    assert {t for t in tops if not t.endswith(".dist-info")} == PACKAGES


@in_checkout
def test_data_is_inside_and_sources_of_the_core_are_not(wheel: list[str]) -> None:
    """Templates, firmware, device data and the MNIST subset ship; C++ sources and build products do not."""
    for name in (
        "codegen/_firmware/include/swtrain.h",
        "codegen/_firmware/kernels/sw_dot_csr_s16_cpu.S",
        "codegen/_firmware/boards/msp430fr5994/target.toml",
        "codegen/_firmware/boards/msp430fr5994/link.ld",
        "codegen/_firmware/boards/msp430fr5994/device.h",
        "codegen/_firmware/boards/msp430fr/sections.ld",
        "codegen/_firmware/boards/msp430fr/monitor_timer.S",
        "codegen/templates/vendor/Makefile.j2",
        "codegen/templates/model.c.j2",
        "sim/data/msp430fr5994.toml",
        "sim/_core.pyi",
        "swtrain/html/page.css",
        "swtrain/html/page.html.j2",
        "sim/py.typed",
    ):
        assert name in wheel, name
    assert any(name.startswith("sim/_core.") and name.endswith((".so", ".pyd")) for name in wheel)
    assert any(name.startswith("swtrain/data/") for name in wheel)
    assert not [name for name in wheel if name.endswith((".cpp", ".o", ".pyc")) or name.startswith("sim/core/")]


def test_the_import_names_are_ours() -> None:
    """PyPI has another `codegen`; pip would install it over ours without a word."""
    owners = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, [])) <= {"swtrain"}, owners[package]


def test_pins() -> None:
    """Results depend on torch and numpy, and ziglang promises no stable interface."""
    if not (ROOT / "constraints.txt").exists():
        pytest.skip("constraints.txt belongs to a checkout")
    pins = (ROOT / "constraints.txt").read_text()
    for pin in ("torch==2.13.0", "numpy>=2", "ziglang=="):
        assert pin in pins
