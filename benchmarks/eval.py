"""Time of `swtrain eval`: many inferences of LeNet-5 at three levels on the LEA, then once more without a change.

    python benchmarks/eval.py --json FILE [--inputs 1000]

Weights are `results/models/lenet5-column` at 60.24, 40.5 and 20.7 %. Writes wall-clock and processor seconds of both
runs, all processes together, with the load of the machine before: on a busy one only processor time means something.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harvest import without

from codegen.files import write_atomic
from codegen.serialize import load_graph, save_graph

ROOT = Path(__file__).resolve().parent.parent
LEVELS = ("60.24", "40.5", "20.7")
CONFIG = """
out = "out"
[model]
run = "run"
[emit]
backend = "lea"
[simulate]
dataset = "mnist-subset"
inputs = {inputs}
"""


def timed(folder: Path) -> dict[str, Any]:
    """Run the evaluation; its seconds."""
    before, load = resource.getrusage(resource.RUSAGE_CHILDREN), os.getloadavg()[0]
    started = time.perf_counter()
    command = [sys.executable, "-m", "swtrain.cli", "eval", str(folder / "eval.toml"), "--quiet"]
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(time.perf_counter() - started, 2), "cpu_s": round(cpu, 2), "load": round(load, 2)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--inputs", type=int, default=1000)
    options = parser.parse_args()
    folder = ROOT / "build" / "benchmark" / "eval"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "run").mkdir(parents=True)
    save_graph(without(load_graph(ROOT / "results" / "models" / "lenet5-column"), LEVELS), folder / "run")
    (folder / "eval.toml").write_text(CONFIG.format(inputs=options.inputs))
    first, again = timed(folder), timed(folder)
    report = json.loads((folder / "out" / "report.json").read_text())
    result = {
        "inputs": options.inputs,
        "levels": [level["name"] for level in report["levels"]],
        "bit_exact": all(level["bit_exact"] for level in report["levels"]),
        "run": {"cores": os.cpu_count(), "simulate_s": report["run"]["wall_s"], "first": first, "again": again},
    }
    write_atomic(options.json, json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
