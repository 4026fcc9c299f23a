"""A stored evaluation for tests of the report: figures that are made up, in the form of the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def layer(name: str, cycles: int, macs: int = 100, dense: int | None = None, how: str = "column") -> dict[str, Any]:
    return {
        "name": name,
        "encoding": how,
        "backend": "lea" if macs else "cpu",
        "macs": macs,
        "nnz": macs // 2,
        "cycles": cycles,
        "energy_j": cycles * 3e-10,
        "predicted_cycles": cycles,
        "predicted_j": cycles * 3e-10,
        "dense_lea_cycles": dense,
        "dense_lea_j": None if dense is None else dense * 3e-10,
        "loses": [],
    }


def level(name: str, accuracy: float, scale: int, layers: int) -> dict[str, Any]:
    parts = [layer("<input>", 400, 0, None, "none")]
    parts += [layer(f"layer{i}_<&>", 900 * scale * (i + 1), 100 * scale, 4000 * (i + 1)) for i in range(layers)]
    cycles = sum(p["cycles"] for p in parts)
    return {
        "name": name,
        "sparsity": float(name),
        "accuracy_float": None,
        "accuracy_device": accuracy,
        "bit_exact": True,
        "n_test": 3000,
        "n_simulated": 100,
        "mismatches": 0,
        "cycles": cycles,
        "cycles_max": cycles,
        "latency_s": cycles / 16e6,
        "energy_j": cycles * 3e-10,
        "weight_bytes": 4000 * scale,
        "index_bytes": 200 * scale,
        "layers": parts,
    }


def stored(layers: int = 3) -> dict[str, dict[str, Any]]:
    """Files by name: three levels, of which the middle one is beaten."""
    levels = [level("60.24", 97.2, 2, layers), level("40.5", 97.0, 3, layers), level("20.7", 98.9, 4, layers)]
    names = [v["name"] for v in levels]
    report = {
        "schema": 1,
        "model": "net <of> & tests",
        "target": "msp430fr5994",
        "dataset": "mnist-subset",
        "toolchain": "zig",
        "mclk_hz": 16e6,
        "boot_cycles": 1000,
        "energy_model": "fused",
        "levels": levels,
        "switches": [
            {
                "from": a,
                "to": b,
                "bytes_written": 2,
                "full_reload_bytes": 9000,
                "cycles": 20,
                "latency_s": 1e-6,
                "energy_j": 6e-9,
            }
            for a in names
            for b in names
            if a != b
        ],
        "sizes": {"code": 10, "regions": {}},
        "assumptions": [f"assumption {i}: <something> is as the datasheet says" for i in range(30)],
        "generator": "swtrain 0",
        "run": {"wall_s": 1.0},
    }
    details = {
        "format": 1,
        "memory": {
            "regions": [
                {
                    "name": "sram",
                    "origin": 0x1C00,
                    "bytes": 4096,
                    "parts": [
                        {"name": "variables", "address": 0x1C00, "bytes": 600},
                        {"name": "stack", "address": 0x1E58, "bytes": 3496},
                    ],
                },
                {
                    "name": "hifram",
                    "origin": 0x10000,
                    "bytes": 0x34000,
                    "parts": [{"name": "weights", "address": 0x10000, "bytes": 100000}],
                },
            ]
        },
        "layers": [
            {
                "name": f"layer{i}_<&>",
                "weight_bytes": [100, 200, 300],
                "index_bytes": [10, 20, 30],
                "dense_bytes": 400,
            }
            for i in range(layers)
        ],
        "levels": [
            {
                "name": v["name"],
                "cycles": v["cycles"],
                "energy_j": v["energy_j"],
                "energy_error_j": 0.4 * v["energy_j"],
                "breakdown_j": {},
                "stacks": [
                    ["idle;main", 2],
                    ["idle;main;sw_infer", 300],
                    ["idle;main;sw_infer;sw_conv2d_lea_step", 20000],
                    ["idle;main;sw_infer;sw_conv2d_lea_step;sw_lea_wait", 9000],
                    ["idle;main;sw_infer;sw_fully_connected_step", 5000],
                ],
            }
            for v in levels
        ],
        "energy": {
            "set": "fused",
            "conditions": "at 8 MHz",
            "coefficients": [{"event": "sram_read", "joules": 1e-10, "error": 0.3, "source": "somebody"}],
        },
    }
    harvest = {
        "format": 1,
        "supply": "harvest:power=1e-3,capacitor=1e-4",
        "period_s": 0.5,
        "time_s": 4.0,
        "requests": 8,
        "answers": [[0, 0.1, 0], [1, 0.6, 1], [5, 2.9, 2], [7, 3.9, 0]],
        "answered": [2, 1, 1],
        "expected_right": 0.4,
        "power_cycles": 2,
        "on_s": 2.9,
        "energy": {"harvested": 4e-3, "used": 3e-3, "leaked": 1e-6, "clipped": 0.0},
        "voltage": [[0, 3.0], [1.0, 1.9], [2.0, 3.0], [3.0, 2.2], [4.0, 2.0]],
        "intervals": [["boot", 0, 0.01], ["on", 0.01, 1.0], ["off", 1.0, 2.0], ["boot", 2.0, 2.01], ["on", 2.01, 4.0]],
        "v_on": 3.0,
        "v_off": 1.9,
        "v_max": 3.6,
        "assumptions": [],
    }
    checks = [
        {
            "group": "limits",
            "where": "level 60.24",
            "what": "latency_s",
            "value": 0.2,
            "limit": 0.1,
            "passed": False,
        },
        {"group": "limits", "where": "program", "what": "fram_bytes", "value": 1, "limit": 2, "passed": True},
    ]
    return {
        "report.json": report,
        "details.json": details,
        "harvest.json": harvest,
        "eval.json": {"passed": False, "checks": checks},
    }


def write(folder: Path, layers: int = 3) -> Path:
    """The files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in stored(layers).items():
        (folder / name).write_text(json.dumps(content))
    return folder
