"""`swtrain policy`: thresholds of the policy from a measured report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from .errors import ConfigError
from .terminal import console, json_result, known_errors


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--report", type=click.Path(path_type=Path), required=True, help="report.json of `swtrain sim --json`.")
@click.option(
    "--supply",
    required=True,
    metavar="capacitor=F[,v_off=1.9][,v_max=3.6]",
    help="Energy buffer in SI units, as for emit-c: it stops at v_off and holds no more at v_max.",
)
@known_errors
def policy(project: Path, report: Path, supply: str) -> None:
    """Write PROJECT/policy.c: which level the stored energy allows, from the measured cost of each.

    \b
    Example:
      swtrain sim build/demo --json report.json
      swtrain policy build/demo --report report.json --supply capacitor=100e-6
      swtrain build build/demo --main main.c
    """
    from codegen.emit import read_project
    from codegen.files import write_atomic
    from codegen.policy import NEVER, Store, policy_source, prices
    from codegen.supply import parse_buffer

    from . import __version__

    names = [level.name for level in read_project(project).graph.levels]
    levels, switch_j = _measured(report, names)
    buffer = parse_buffer(supply)
    store = Store(buffer.capacitor, buffer.v_off, buffer.v_max)
    text = policy_source(levels, switch_j, store, f"swtrain {__version__}")
    write_atomic(project / "policy.c", text)
    volts = f"from {store.v_off} to {store.v_max} V"
    table = Table(title=f"policy for {store.capacitor_f * 1e6:g} uF: {store.full_j * 1e6:.0f} uJ {volts}")
    for column in ("sparsity %", "right %", "energy uJ", "latency ms", "alone from V", "price"):
        table.add_column(column, justify="right")
    _, price = prices(levels)
    for level, its in zip(levels, price, strict=True):
        needs = level.energy_j * 17 / 16
        volts = f"{store.volts(needs):.2f}" if needs <= store.full_j else "never"
        cost = "not used" if its == NEVER else f"{its / 256:.2f}"
        figures = (f"{level.accuracy:.2f}", f"{level.energy_j * 1e6:.1f}", f"{level.latency_s * 1e3:.1f}", volts, cost)
        table.add_row(level.name, *figures)
    json_result(
        {"policy": str(project / "policy.c"), "store_j": store.full_j, "prices": dict(zip(names, price, strict=True))}
    )
    console.print(table)
    console.print(f"{project / 'policy.c'}; next: swtrain build {project} --main YOUR_MAIN.c", highlight=False)


def _measured(path: Path, names: list[str]) -> tuple[list[Any], list[list[float]]]:
    """Levels and switches of a report, in the project's order.

    Raises:
        ConfigError: no such report, or of another model.
    """
    from codegen.policy import LevelCost

    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        found = {
            level["name"]: LevelCost(
                level["name"], float(level["energy_j"]), float(level["latency_s"]), float(level["accuracy_device"])
            )
            for level in report["levels"]
        }
        costs = {(s["from"], s["to"]): float(s["energy_j"]) for s in report["switches"]}
    except OSError as e:
        raise ConfigError(
            f"--report {path} can't be read ({e.strerror}); make it: swtrain sim PROJECT --json FILE"
        ) from e
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise ConfigError(f"--report {path} is not a report of `swtrain sim --json` ({e!r})") from e
    missing = [n for n in names if n not in found] + [
        f"{a} to {b}" for a in names for b in names if a != b and (a, b) not in costs
    ]
    if missing:
        raise ConfigError(
            f"--report {path} has no figures for {missing[0]}; it belongs to another model, the project's levels are "
            + ", ".join(names)
        )
    return [found[n] for n in names], [[0.0 if a == b else costs[a, b] for b in names] for a in names]


COMMANDS = (policy,)
