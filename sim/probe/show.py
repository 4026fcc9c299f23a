"""A `Report` as text for people, and as an option file for ``Machine(lea=...)``."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .decide import Report


def table(report: Report) -> str:
    """Options with their readings and evidence, commands with their cycles, then what the model has no option for."""
    options = [(d.option, "-" if d.value is None else str(d.value), d.status, d.evidence) for d in report.decisions]
    commands = []
    for c in report.commands:
        formula = "-" if c.coefficients is None else formula_text(c.coefficients)
        fitted = c.reading if c.reading != "measured" else f"measured, error <= {c.worst}"
        results = f"{c.explained} of {c.results}"
        commands.append((c.name, results, formula, fitted, f"{c.sizes} sizes", c.refused and f"refused: {c.refused}"))
    parts = [
        columns(("option", "reading", "status", "evidence"), options),
        columns(("command", "results explained", "cycles", "reading", "measured", ""), commands),
        "\n".join(f"note: {note}" for note in report.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text under a head, columns aligned."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )


def formula_text(c: Sequence[float]) -> str:
    """``16 + 1.5 n``."""
    terms = [f"{value:g}{unit}" for value, unit in zip(c, ("", " n", " m", " n m"), strict=True) if value]
    return " + ".join(terms) or "0"


def option_file(report: Report, name: str) -> str:
    """TOML of the form of ``sim/data/lea/default.toml``: what was decided; the rest keeps its default.

    Args:
        name: of the board.
    """
    quoted = json.dumps
    lines = [
        '# LEA options read from a board by sim.probe; lies over sim/data/lea/default.toml: Machine(lea="this file").',
        f"name = {quoted(name)}",
        f"refuse = {quoted(report.refused)}",
        "",
        "[option]",
    ]
    for d in report.decisions:
        kept = "" if d.value is not None else "# "
        value = quoted(d.value) if d.value is not None else "default"
        lines.append(f"{kept}{d.option} = {value} # {d.status}: {d.evidence}")
    for c in report.commands:
        if c.coefficients is None:
            continue
        row = quoted(list(c.coefficients))
        text = quoted(f"lea_probe: {c.sizes} sizes, reading {c.reading}, error <= {c.worst} cycles")
        lines += ["", f"[cycles.{c.name}]", f"best = {row}", f"low = {row}", f"high = {row}"]
        lines += ['confidence = "measured"', f"source = {text}"]
    return "\n".join(lines) + "\n"
