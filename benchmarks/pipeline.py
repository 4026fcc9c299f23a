"""Figures of the main job: latency, index overhead, bit-exactness, and the time from run to ELF.

    python benchmarks/pipeline.py --json FILE [--inputs N] [RUN ...]

Measures trained runs (folders of `swtrain train`); without any it trains the demo and a dense LeNet-5 on the
embedded subset first, into build/benchmark. Cycles are exact; wall-clock figures stand under `run`.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent


def swtrain(*arguments: str) -> float:
    """Run a command; returns its wall time in seconds."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "swtrain.cli", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def default_runs(folder: Path) -> list[Path]:
    """The demo and a dense model, trained if they are not there."""
    runs = []
    for name, options in (("demo", ()), ("dense", ("--levels", "0"))):
        out = folder / "runs" / name
        if not (out / "graph.json").is_file():
            click.echo(f"training {name} on the embedded subset")
            swtrain("train", "--config", str(ROOT / "configs/demo.toml"), *options, "--out", str(out), "--overwrite")
        runs.append(out)
    return runs


def measure(run: Path, folder: Path, inputs: int) -> dict[str, Any]:
    """Export, emit, build and simulate one run."""
    project = folder / run.name
    export = (
        "from pathlib import Path; from swtrain.export import export_run; import sys; export_run(Path(sys.argv[1]))"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", export, str(run)], check=True)
    seconds = {"export": time.perf_counter() - started}
    seconds["emit"] = swtrain("emit-c", str(run), "--out", str(project))
    seconds["build"] = swtrain("build", str(project))
    report_file = project.with_suffix(".json")
    swtrain("sim", str(project), "--inputs", str(inputs), "--json", str(report_file))
    report = json.loads(report_file.read_text())
    keys = (
        "accuracy_float",
        "accuracy_device",
        "bit_exact",
        "n_test",
        "n_simulated",
        "cycles",
        "latency_s",
        "energy_j",
    )
    return {
        "dataset": report["dataset"],
        "levels": {
            v["name"]: {key: v[key] for key in keys} | {"index_overhead": v["index_bytes"] / v["weight_bytes"]}
            for v in report["levels"]
        },
        "switch_cycles_max": max((s["cycles"] for s in report["switches"]), default=None),
        "run": {
            "seconds": {k: round(s, 2) for k, s in seconds.items()},
            "export_emit_build_s": round(sum(seconds.values()), 2),
        },
    }


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--json", "json_file", type=click.Path(path_type=Path), required=True)
@click.option("--inputs", default=20, show_default=True)
def main(runs: tuple[Path, ...], json_file: Path, inputs: int) -> None:
    """Measure RUNS and write FILE."""
    folder = ROOT / "build" / "benchmark"
    results = {run.name: measure(run, folder, inputs) for run in runs or default_runs(folder)}
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(json.dumps(results, indent=1) + "\n")
    for name, result in results.items():
        click.echo(f"{name} ({result['dataset']}): export + emit + build {result['run']['export_emit_build_s']} s")
        for level, v in result["levels"].items():
            click.echo(
                f"  {level:>6} %  device {v['accuracy_device']:.2f} % of {v['n_test']}  {v['cycles']:,} cycles  "
                f"{v['latency_s']:.3f} s  {v['energy_j'] * 1e3:.3f} mJ  index {100 * v['index_overhead']:.1f} %"
            )


if __name__ == "__main__":
    main()
