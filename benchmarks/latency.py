"""Latency and energy of the shipped models on the simulated MCU: ``python benchmarks/latency.py --json FILE``.

Builds and simulates each model and writes, for each level, ``models.<name>.<level>`` with ``latency_s``,
``latency_low_s``, ``cycles``, ``cycles_per_mac``, ``energy_j``, ``bit_exact``, ``accuracy``, ``weights``,
``flash_bytes``, ``index_overhead``, ``latency_serial_s`` (without overlap), ``limit_s`` and every layer; besides
``cost_model_error_max`` over all layers, ``dot_dense_cycles_per_mac`` and ``csr_cycles_per_nnz``
(``benchmarks/kernels.py``). Sparse models are the committed weights of ``results/models``, made by the recipes in
``configs/``; dense ones and SqNxt-23 have seeded weights, which have no accuracy. ``latency_s`` is for the high reading
of the LEA's cycles, ``latency_low_s`` for the low one (sim/LEA.md), both with transfers overlapped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from codegen import reference
from codegen.build import build
from codegen.emit import CProject, emit_project, read_project, write_project
from codegen.ir import Graph
from codegen.serialize import load_graph
from codegen.target import load_target
from swtrain.deploy import Device
from swtrain.models import build_model
from swtrain.seeded import seeded_graph

ROOT = Path(__file__).resolve().parent.parent
TARGET = load_target("msp430fr5994-spifram")
ENERGY = "fused"


@dataclass(frozen=True)
class Model:
    """A row of the table.

    Attributes:
        graph: makes it.
        config: recipe of its weights, whose accuracy is in `results/accuracy.json`; empty: seeded weights.
        limits: seconds by level.
    """

    graph: Callable[[], Graph]
    config: str
    limits: dict[str, float] = field(default_factory=dict)


def committed(name: str) -> Callable[[], Graph]:
    """The weights in ``results/models``."""
    return lambda: load_graph(ROOT / "results" / "models" / name)


def seeded(name: str, shape: tuple[int, ...], levels: tuple[float, ...] = (0.0,)) -> Callable[[], Graph]:
    """A registry network with seeded weights, pruned by columns."""
    return lambda: seeded_graph(lambda: build_model(name), shape, levels, columns=True)


MODELS: dict[str, list[Model]] = {
    "lenet5": [
        Model(seeded("lenet5", (1, 28, 28)), "", {"dense": 0.069}),
        Model(committed("lenet5-column"), "lenet5-column", {"90": 0.019, "60.24": 0.038, "40.5": 0.048, "20.7": 0.060}),
    ],
    "harnet": [Model(committed("harnet"), "harnet", {"24.13": 0.050, "5.31": 0.050, "2.69": 0.050})],
    "okgnet": [Model(committed("okgnet"), "okgnet", {"83.76": 0.10, "56.32": 0.28, "30.78": 0.40})],
    "sqnxt23": [
        Model(
            seeded("sqnxt23", (3, 32, 32), (55.39, 54.30, 54.07)),
            "",
            {"55.39": 2.5, "54.3": 2.5, "54.07": 2.5},
        )
    ],
    "dscnn": [Model(seeded("dscnn", (1, 49, 12)), "", {"dense": 0.60})],
}


def built(project: CProject, folder: Path, reading: str) -> Device:
    """A project on a simulated device with one reading of the LEA's cycles."""
    write_project(project, folder)
    made = build(folder)
    return Device(read_project(folder), made.program, ENERGY, lea={"cycles": reading})


def measure(model: Model, folder: Path, inputs: int) -> Iterator[tuple[str, dict[str, Any], list[float]]]:
    """Figures of each level, and the error of the cost model for each layer."""
    graph = model.graph()
    overlapped, serial = (emit_project(graph, TARGET, overlap=overlap) for overlap in (True, False))
    devices = {
        "high": built(overlapped, folder / "overlap", "high"),
        "low": built(overlapped, folder / "low", "low"),
        "best": built(overlapped, folder / "best", "best"),
        "serial": built(serial, folder / "serial", "high"),
    }
    manifest = json.loads(overlapped.files["project.json"])
    x = sample(overlapped.graph, inputs)
    for k, level in enumerate(overlapped.graph.levels):
        expected = reference.logits(overlapped.graph, x, k)
        runs = {name: [d.infer(i, x[i], k) for i in range(len(x))] for name, d in devices.items()}
        mean = {name: float(np.mean([r.cycles for r in found])) for name, found in runs.items()}
        exact = all(np.array_equal(r.logits, expected[i]) for found in runs.values() for i, r in enumerate(found))
        layers = [
            {
                "name": layer["name"],
                "backend": layer["backend"],
                "encoding": layer["encoding"],
                "cycles": round(float(np.mean([r.layers[i].cycles for r in runs["best"]]))),
                "predicted_cycles": layer["predicted_cycles"][k],
                "macs": layer["macs"][k],
                "sparsity": sparsity(overlapped.graph, layer["name"], k),
            }
            for i, layer in enumerate(manifest["layers"])
        ]
        errors = [abs(layer["predicted_cycles"] / layer["cycles"] - 1) for layer in layers]
        weights = manifest["weight_bytes"][k]
        macs = sum(layer["macs"] for layer in layers)
        name = "dense" if level.sparsity == 0 else level.name
        yield (
            name,
            {
                "latency_s": mean["high"] / TARGET.mclk_hz,
                "latency_low_s": mean["low"] / TARGET.mclk_hz,
                "latency_serial_s": mean["serial"] / TARGET.mclk_hz,
                "limit_s": model.limits[name],
                "cycles": round(mean["high"]),
                "cycles_per_mac": mean["high"] / macs,
                "energy_j": float(np.mean([r.energy_j for r in runs["high"]])),
                "bit_exact": exact,
                "accuracy": accuracy(model.config, level.name),
                "weights": overlapped.graph.nnz(k),
                "flash_bytes": manifest["blob_bytes"],
                "index_overhead": manifest["index_bytes"][k] / weights,
                "layers": layers,
            },
            errors,
        )


def sparsity(graph: Graph, name: str, level: int) -> float | None:
    """Percent of a layer's weights that `level` leaves out."""
    params = next((n.params for n in graph.nodes if n.name == name), None)
    return None if params is None else round(100 * (1 - params.nnz(level) / params.weight.size), 2)


def sample(graph: Graph, count: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Seeded inputs within the bounds of the input tensor, the extremes among them."""
    t = graph.tensors[graph.input]
    x = np.random.default_rng(7).integers(t.lo, t.hi + 1, (count, *t.shape)).astype(np.int16)
    x[0] = t.hi
    return x


def accuracy(config: str, level: str) -> float | None:
    """Accuracy of the integer model on the whole test set, from `results/accuracy.json`."""
    table = json.loads((ROOT / "results" / "accuracy.json").read_text())
    return float(table[config][level]["accuracy_device"]) if config else None


def kernel_figures() -> dict[str, float]:
    """Cycles of the CPU's inner loops, by the benchmark that measures them."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "kernels.json"
        command = [sys.executable, str(ROOT / "benchmarks" / "kernels.py"), "--json", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text())
    return {key: found[key] for key in ("dot_dense_cycles_per_mac", "csr_cycles_per_nnz")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--inputs", type=int, default=2, help="inputs to simulate at each level (default 2)")
    parser.add_argument("--only", nargs="*", choices=list(MODELS), help="models to measure (default all)")
    options = parser.parse_args()
    report: dict[str, Any] = {"mclk_hz": TARGET.mclk_hz, "energy": ENERGY, "models": {}}
    worst: list[float] = []
    for name in options.only or MODELS:
        rows = report["models"].setdefault(name, {})
        for i, model in enumerate(MODELS[name]):
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / f"{name}{i}"
                folder.mkdir()
                for level, figures, errors in measure(model, folder, options.inputs):
                    rows[level] = figures
                    worst += errors
                    print(
                        f"{name:8s} {level:>6s}  {figures['latency_s']:.4f} s (limit {figures['limit_s']:g}; low "
                        f"{figures['latency_low_s']:.4f}, serial {figures['latency_serial_s']:.4f})  "
                        f"{figures['energy_j'] * 1e3:.3f} mJ  exact {figures['bit_exact']}  "
                        f"accuracy {figures['accuracy']}  cost model {100 * max(errors):.1f} %",
                        flush=True,
                    )
    report["cost_model_error_max"] = max(worst)
    if not options.only:
        report |= kernel_figures()
    options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
