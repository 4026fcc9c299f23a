"""Cycles and bytes of the same models built by clang, by GCC, and by GCC's large model; every logit is the reference's.

python benchmarks/toolchains.py            # measure, and show the difference to the committed table
python benchmarks/toolchains.py --write    # measure, and commit: toolchains.json and the table of docs/toolchain.md
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from codegen import reference
from codegen.build import build
from codegen.emit import emit_project, read_project, write_project
from codegen.ir import Graph
from codegen.serialize import load_graph
from codegen.target import DEVICE_TOOLCHAINS, load_target
from swtrain.deploy import Device

ROOT = Path(__file__).resolve().parent.parent
COMMITTED, PAGE = ROOT / "benchmarks" / "toolchains.json", ROOT / "docs" / "toolchain.md"
MARKS = ("<!-- toolchains.py -->\n", "<!-- end -->\n")


def _strategies() -> ModuleType:
    spec = importlib.util.spec_from_file_location("strategies", ROOT / "tests" / "strategies.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules["strategies"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def models() -> dict[str, tuple[Graph, str]]:
    """By name: the graph and its back end."""
    trained = ROOT / "results" / "models"
    return {
        "LeNet-5, LEA": (load_graph(trained / "lenet5-column"), "auto"),
        "LeNet-5, CPU": (load_graph(trained / "lenet5-column"), "cpu"),
        "HAR-Net, LEA": (load_graph(trained / "harnet"), "auto"),
    }


def measure(toolchains: tuple[str, ...] = DEVICE_TOOLCHAINS) -> dict[str, Any]:
    """For each model and toolchain: cycles of one inference at each level, bytes of code.

    Raises:
        MismatchError: a logit differs.
    """
    inputs_for = _strategies().inputs_for
    table: dict[str, Any] = {}
    for name, (graph, backend) in models().items():
        table[name] = {}
        for toolchain in toolchains:
            with tempfile.TemporaryDirectory() as folder:
                write_project(emit_project(graph, load_target("msp430fr5994"), backend), Path(folder) / "p")
                project, built = read_project(Path(folder) / "p"), build(Path(folder) / "p", toolchain)
                device, x = Device(project, built.program, "fused"), inputs_for(graph, 1, 3)
                cycles = {
                    level.name: device.infer(0, x[0], k, reference.logits(graph, x, k)[0]).cycles
                    for k, level in enumerate(graph.levels)
                }
                table[name][toolchain] = {"cycles": cycles, "code": built.sizes["code"]}
    return table


def markdown(table: dict[str, Any]) -> str:
    """The table of the page."""
    lines = ["| model, level | clang | GCC | | GCC, large model | |", "|---|---:|---:|---:|---:|---:|"]
    for name, by_tool in table.items():
        rows = {f"{name}, {level} %": lambda t, level=level: t["cycles"][level] for level in by_tool["zig"]["cycles"]}
        rows[f"{name}, bytes of code"] = lambda t: t["code"]
        for label, value in rows.items():
            first = value(by_tool["zig"])
            others = [value(by_tool[t]) for t in DEVICE_TOOLCHAINS[1:]]
            cells = [f"{first:,}", *(c for v in others for c in (f"{v:,}", f"{100 * (v / first - 1):+.1f} %"))]
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page_with(table: dict[str, Any]) -> str:
    """docs/toolchain.md with this table."""
    pattern = f"{re.escape(MARKS[0])}.*{re.escape(MARKS[1])}"
    return re.sub(pattern, lambda _: f"{MARKS[0]}{markdown(table)}{MARKS[1]}", PAGE.read_text(), flags=re.DOTALL)


def main() -> int:
    """Measure; exit 1 when cycles or bytes differ from the committed ones and are not to be written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="commit what is measured")
    arguments = parser.parse_args()
    if shutil.which("msp430-elf-gcc") is None:
        print("msp430-elf-gcc is not on PATH", file=sys.stderr)
        return 1
    table = measure()
    print(markdown(table))
    if arguments.write:
        COMMITTED.write_text(json.dumps(table, indent=1) + "\n")
        PAGE.write_text(page_with(table))
        return 0
    before = json.loads(COMMITTED.read_text())
    changed = [
        f"{name}, {tool}: {before.get(name, {}).get(tool)} -> {found}"
        for name, by_tool in table.items()
        for tool, found in by_tool.items()
        if before.get(name, {}).get(tool) != found
    ]
    print("\n".join(changed) or "equal to benchmarks/toolchains.json")
    return bool(changed)


if __name__ == "__main__":
    sys.exit(main())
