"""The figures of the report about the model: accuracy, layers, switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .stored import Stored
from .style import INK, PAPER, QUIET, WIDTH, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY = 14
"""Layers that a figure shows; of more, the dearest. The table below has all."""


def new_figure(height: float, rows: int = 1, ratios: Sequence[float] | None = None) -> tuple[Figure, list[Axes]]:
    """A figure of the common width with `rows` axes above each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots(rows, 1, sharex=rows > 1, squeeze=False, height_ratios=ratios)
    return made, [row[0] for row in axes]


def front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """Levels that no other one beats in cost and accuracy, by rising cost."""
    order = sorted(range(len(costs)), key=lambda k: (costs[k], -accuracies[k]))
    best, kept = float("-inf"), []
    for k in order:
        if accuracies[k] > best:
            best = accuracies[k]
            kept.append(k)
    return kept


def pareto(stored: Stored, what: str) -> Figure:
    """Accuracy over latency in ms or energy in uJ; the front as a line, error bounds of energy as bars."""
    scale, unit = {"latency_s": (1e3, "latency per inference, ms"), "energy_j": (1e6, "energy per inference, µJ")}[what]
    figure, (axes,) = new_figure(2.9)
    costs = [scale * v[what] for v in stored.levels]
    accuracies = [v["accuracy_device"] for v in stored.levels]
    kept = front(costs, accuracies)
    axes.plot([costs[k] for k in kept], [accuracies[k] for k in kept], color=QUIET, zorder=1)
    for k, level in enumerate(stored.levels):
        error = stored.energy_error(k) * costs[k] if what == "energy_j" else 0.0
        filled = colour(k) if k in kept else PAPER
        if error:
            axes.errorbar(costs[k], accuracies[k], xerr=error, color=colour(k), capsize=3, linewidth=1, zorder=1)
        axes.plot(costs[k], accuracies[k], "o", color=colour(k), markerfacecolor=filled, markersize=8, zorder=2)
        # left of the line, which rises; a level that is beaten lies right of it
        offset, side = ((-5, 5), "right") if k in kept else ((5, -11), "left")
        axes.annotate(
            f"{level['name']} %", (costs[k], accuracies[k]), xytext=offset, textcoords="offset points", ha=side
        )
    low, high = min(accuracies), max(accuracies)
    room = max(0.25 * (high - low), 0.2)
    axes.set_ylim(max(0.0, low - room), min(100.0, high) + 1.4 * room)
    axes.set_xlim(0, 1.15 * max(c * (1 + stored.energy_error(k)) for k, c in enumerate(costs)))
    axes.set_xlabel(unit)
    axes.set_ylabel("accuracy, %")
    return figure


def layer_rows(stored: Stored, what: str) -> list[int]:
    """Indices of the layers that a figure shows, in order of execution."""
    layers = stored.levels[-1]["layers"]
    order = sorted(range(len(layers)), key=lambda i: -max(v["layers"][i][what] for v in stored.levels))
    total = max(sum(layer[what] for layer in v["layers"]) for v in stored.levels)
    dear = [i for i in order if max(v["layers"][i][what] for v in stored.levels) > 0.004 * total]
    return sorted(dear[:MANY])


def layers(stored: Stored, what: str) -> Figure:
    """Kilocycles or microjoules of each layer at each level, and of the dense layer on the LEA."""
    scale, unit = {"cycles": (1e-3, "kilocycles"), "energy_j": (1e6, "µJ")}[what]
    dense = {"cycles": "dense_lea_cycles", "energy_j": "dense_lea_j"}[what]
    rows = layer_rows(stored, what)
    names, values, marks = [], [], []
    for i in rows:
        first = stored.levels[-1]["layers"][i]
        how = "" if first["encoding"] == "none" else f"\n{first['backend'].upper()}, {first['encoding']}"
        names.append(f"{first['name']}{how}")
        values.append([scale * v["layers"][i][what] for v in stored.levels])
        marks.append(None if first[dense] is None else scale * first[dense])
    return _bars(stored, names, values, marks, unit, "dense on the LEA")


def layer_bytes(stored: Stored) -> Figure:
    """Bytes of weights and indices that each layer reads at each level, and of its dense weights."""
    assert stored.details is not None
    chosen = sorted(
        sorted(range(len(stored.details["layers"])), key=lambda i: -stored.details["layers"][i]["dense_bytes"])[:MANY]  # type: ignore[index]
    )
    picked = [stored.details["layers"][i] for i in chosen]
    values = [[(w + x) / 1024 for w, x in zip(p["weight_bytes"], p["index_bytes"], strict=True)] for p in picked]
    marks: list[float | None] = [p["dense_bytes"] / 1024 for p in picked]
    return _bars(stored, [p["name"] for p in picked], values, marks, "KB of weights and indices", "dense weights")


def _bars(
    stored: Stored,
    names: Sequence[str],
    values: Sequence[Sequence[float]],
    marks: Sequence[float | None],
    unit: str,
    mark: str,
) -> Figure:
    """A group of horizontal bars for each name, one bar for each level, and a stroke across the group."""
    count = len(stored.levels)
    thick = 0.8 / count
    figure, (axes,) = new_figure(1.1 + len(names) * max(0.42, 0.14 * count + 0.12))
    for k, name in enumerate(stored.names):
        where = [i - 0.4 + thick * (k + 0.5) for i in range(len(names))]
        axes.barh(where, [row[k] for row in values], 0.92 * thick, color=colour(k), label=name)
    shown = [(i, m) for i, m in enumerate(marks) if m]
    for n, (i, m) in enumerate(shown):
        axes.plot([m, m], [i - 0.46, i + 0.46], color=INK, linewidth=1.6, label=mark if n == 0 else None)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(unit)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda k: labels[k] == mark)  # levels first
    figure.legend(
        [handles[k] for k in order], [labels[k] for k in order], loc="outside upper left", ncols=3, handlelength=1.2,
        columnspacing=1.2,
    )  # fmt: skip
    return figure


def switches(stored: Stored) -> Figure:
    """Bytes that each switch writes, beside those of a full reload, on a logarithmic scale."""
    found: list[dict[str, Any]] = stored.report["switches"]
    figure, (axes,) = new_figure(1.1 + 0.3 * len(found))
    for k, (key, name) in enumerate((("bytes_written", "written by the switch"), ("full_reload_bytes", "full reload"))):
        where = [i - 0.2 + 0.4 * k for i in range(len(found))]
        axes.barh(where, [max(s[key], 0.8) for s in found], 0.36, color=colour(k), label=name)
        for y, s in zip(where, found, strict=True):
            axes.annotate(
                f"{s[key]:,}", (max(s[key], 0.8), y), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(0.7, 12 * max(s["full_reload_bytes"] for s in found))
    axes.set_yticks(range(len(found)), [f"{s['from']} → {s['to']} %" for s in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("bytes")
    figure.legend(loc="outside upper left", ncols=2, handlelength=1.2)
    return figure
