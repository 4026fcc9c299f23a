"""What an installation has and lacks."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("swtrain", "codegen", "sim")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for."""

    what: str
    ok: bool
    required: bool
    found: str
    remedy: str


def examine() -> list[Finding]:
    """Look for everything; required things first."""
    return [
        Finding(
            "Python",
            sys.version_info >= (3, 11),
            True,
            platform.python_version(),
            "install Python 3.11 or newer",
        ),
        *(_package(name) for name in PACKAGES),
        _try("packages", True, _packages, "run `pip install -e .` again"),
        _try("firmware", True, _firmware, "install swtrain again: its firmware is not there"),
        _try("simulator core", True, _core, "run `pip install -e .` again"),
        _try("zig clang", True, _zig, "pip install ziglang==0.17.0"),
        _try("host C compiler", True, _host, "install gcc or clang (Debian: apt install gcc), or set CC"),
        _try(
            "torch (training)",
            False,
            lambda: _version("torch"),
            "pip install -c constraints.txt 'swtrain[train]'",
        ),
        _program("msp430-elf-gcc", "only for --toolchain gcc: TI's MSP430 GCC"),
        _program(
            "mspdebug", "only for `swtrain flash`: apt install mspdebug, and TI's libmsp430.so, or TI's MSP430Flasher"
        ),
        _data(),
    ]


def _package(name: str) -> Finding:
    """The generic import names `codegen` and `sim` could belong to another distribution as well."""
    owners = importlib.metadata.packages_distributions().get(name, [])
    spec = importlib.util.find_spec(name)
    found = ", ".join(sorted(set(owners))) or ("checkout" if spec else "nothing")
    return Finding(f"package {name}", set(owners) <= {"swtrain"} and spec is not None, True, found,
                   f"uninstall what else brings {name}, then install swtrain again")  # fmt: skip


def _try(what: str, required: bool, probe: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(what, True, required, probe(), remedy)
    except Exception as e:  # whatever is wrong with it, it is not usable
        return Finding(what, False, required, str(e).split("\n")[0] or type(e).__name__, remedy)


def _packages() -> str:
    """Everything that the base installation needs, in the versions that it asks for."""
    from packaging.requirements import Requirement

    names = []
    for text in importlib.metadata.requires("swtrain") or []:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        have = _version(wanted.name)
        if not wanted.specifier.contains(have, prereleases=True):
            raise ImportError(f"{wanted.name} is {have}, needed is {wanted.specifier}")
        names.append(f"{wanted.name} {have}")
    return ", ".join(names)


def _firmware() -> str:
    from codegen.target import firmware_dir

    boards = sorted(path.parent.name for path in (firmware_dir() / "boards").glob("*/target.toml"))
    if not boards:
        raise FileNotFoundError("no boards")
    return f"boards {', '.join(boards)}"


def _core() -> str:
    import sim

    sim.Machine("msp430fr5994")
    return "runs"


def _zig() -> str:
    from importlib.metadata import version

    import ziglang

    zig = Path(ziglang.__file__).parent / ("zig.exe" if os.name == "nt" else "zig")
    first = subprocess.run(
        [str(zig), "clang", "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
    return f"ziglang {version('ziglang')}, {first}"


def _host() -> str:
    name = os.environ.get("CC") or next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if name is None:
        raise FileNotFoundError("none on PATH")
    return subprocess.run([*name.split(), "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[
        0
    ]


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def _program(name: str, remedy: str) -> Finding:
    path = shutil.which(name)
    return Finding(name, path is not None, False, path or "not on PATH", remedy)


def _data() -> Finding:
    folder = os.environ.get("SWTRAIN_DATA")
    ok = folder is not None and Path(folder).is_dir()
    return Finding(
        "SWTRAIN_DATA", ok, False, folder or "not set", "only for full data sets: a folder that holds mnist/"
    )
