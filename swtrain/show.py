"""A report as tables for a terminal and as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from codegen.files import write_atomic

from .report import Report


def level_table(report: Report) -> Table:
    """Accuracy, latency, energy and bytes of each level."""
    levels = Table(title=f"{report.model} on {report.target}, {report.mclk_hz / 1e6:g} MHz, {report.dataset}")
    for name in (
        "sparsity %",
        "float %",
        "device %",
        "bit-exact",
        "cycles",
        "latency ms",
        "energy mJ",
        "weights B",
        "index B",
    ):
        levels.add_column(name, justify="right")
    for v in report.levels:
        levels.add_row(
            v.name,
            "-" if v.accuracy_float is None else f"{v.accuracy_float:.2f}",
            f"{v.accuracy_device:.2f}",
            f"{v.n_simulated - v.mismatches}/{v.n_simulated}",
            f"{v.cycles:,}",
            f"{v.latency_s * 1e3:.1f}",
            f"{v.energy_j * 1e3:.3f}",
            f"{v.weight_bytes:,}",
            f"{v.index_bytes:,}",
        )
    return levels


def tables(report: Report) -> RenderableType:
    """The report for a terminal: levels, layers of each level, switches, memory."""
    layers = Table(title="cycles per layer (cycles per executed MAC)")
    layers.add_column("layer")
    layers.add_column("encoding")
    for v in report.levels:
        layers.add_column(f"{v.name} %", justify="right")
    for i, layer in enumerate(report.levels[0].layers):
        cells = [v.layers[i] for v in report.levels]
        layers.add_row(
            layer.name,
            layer.encoding,
            *(f"{c.cycles:,}" + (f" ({c.cycles / c.macs:.1f})" if c.macs else "") for c in cells),
        )
    parts: list[RenderableType] = [level_table(report), layers, *_against_dense(report)]
    if report.switches:
        switches = Table(title="switches")
        for name in ("from %", "to %", "bytes written", "full reload B", "cycles", "energy nJ"):
            switches.add_column(name, justify="right")
        for s in report.switches:
            switches.add_row(
                s.from_,
                s.to,
                str(s.bytes_written),
                f"{s.full_reload_bytes:,}",
                str(s.cycles),
                f"{s.energy_j * 1e9:.1f}",
            )
        parts.append(switches)
    if report.sizes:
        parts.append(size_table(report.sizes))
    return Group(*parts)


def _against_dense(report: Report) -> list[RenderableType]:
    """Cycles and energy of each layer with weights, measured and predicted, beside the dense layer on the LEA."""
    rows = [i for i, layer in enumerate(report.levels[0].layers) if layer.dense_lea_cycles is not None]
    if not rows:
        return []
    parts: list[RenderableType] = []
    for what, unit, scale, digits in (("cycles", "kilocycles", 1e-3, 1), ("energy", "microjoules", 1e6, 2)):
        table = Table(title=f"{unit} of layers with weights: measured (predicted)")
        table.add_column("layer")
        for v in report.levels:
            table.add_column(f"{v.name} %", justify="right")
        table.add_column("dense LEA", justify="right")
        lost = False
        for i in rows:
            cells = []
            for layer in (v.layers[i] for v in report.levels):
                pair: tuple[float, float] = (layer.cycles, layer.predicted_cycles)
                if what == "energy":
                    pair = (layer.energy_j, layer.predicted_j)
                mark = " !" if what in layer.loses else ""
                lost |= bool(mark)
                cells.append(f"{pair[0] * scale:,.{digits}f} ({pair[1] * scale:,.{digits}f}){mark}")
            first = report.levels[0].layers[i]
            dense = first.dense_lea_cycles if what == "cycles" else first.dense_lea_j
            table.add_row(first.name, *cells, f"{(dense or 0) * scale:,.{digits}f}")
        if lost:
            table.caption = "! sparsity loses: the dense layer on the LEA, pool included, costs less"
        parts.append(table)
    return parts


def size_table(sizes: Mapping[str, Any]) -> Table:
    """Bytes used per memory region, and what they are for."""
    table = Table(title="memory (bytes)")
    for name in ("region", "used", "size", "used %"):
        table.add_column(name, justify="left" if name == "region" else "right")
    for name, region in sizes["regions"].items():
        table.add_row(
            name, f"{region['used']:,}", f"{region['size']:,}", f"{100 * region['used'] / region['size']:.0f}"
        )
    kinds = ("code", "constants", "nvm", "weights", "indices", "stack")
    table.caption = ", ".join(f"{kind} {sizes[kind]:,}" for kind in kinds)
    return table


def picture(report: Report, path: Path) -> None:
    """Draw accuracy, latency and energy of each level into a PNG, with latency and energy split by layer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = [f"{v.name} %" for v in report.levels]
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    x = np.arange(len(names))
    device = [v.accuracy_device for v in report.levels]
    floats = [v.accuracy_float for v in report.levels]
    axes[0].plot(x, device, "o-", label="device (int16)", color="#1f5a94")
    if all(f is not None for f in floats):
        axes[0].plot(x, [float(f or 0) for f in floats], "s--", label="float", color="#d9822b", markerfacecolor="none")
    for i, value in enumerate(device):
        axes[0].annotate(f"{value:.2f}", (i, value), textcoords="offset points", xytext=(0, 9), ha="center")
    lowest = min([*device, *[f for f in floats if f is not None]])
    axes[0].set_ylim(max(0.0, lowest - 1.0), min(100.4, max(device) + 1.0))
    axes[0].set_ylabel("accuracy, %")
    axes[0].legend(loc="lower right")
    colors = plt.get_cmap("tab10")
    shown = [
        i
        for i, layer in enumerate(report.levels[0].layers)
        if max(v.layers[i].cycles / v.cycles for v in report.levels) > 0.01
    ]
    for axis, unit, scale in ((axes[1], "latency, ms", 1e3 / report.mclk_hz), (axes[2], "energy, mJ", 1e3)):
        bottom = np.zeros(len(names))
        for color, i in enumerate(shown):
            part = [v.layers[i].cycles if axis is axes[1] else v.layers[i].energy_j for v in report.levels]
            heights = scale * np.asarray(part, float)
            axis.bar(x, heights, 0.6, bottom=bottom, label=report.levels[0].layers[i].name, color=colors(color))
            bottom += heights
        totals = [1e3 * (v.latency_s if axis is axes[1] else v.energy_j) for v in report.levels]
        axis.bar(x, np.maximum(np.asarray(totals) - bottom, 0), 0.6, bottom=bottom, label="other", color="#bbbbbb")
        for i, total in enumerate(totals):
            axis.annotate(f"{total:.3g}", (i, total), textcoords="offset points", xytext=(0, 4), ha="center")
        axis.set_ylabel(unit)
        axis.set_ylim(0, 1.12 * max(totals))
    handles, labels = axes[2].get_legend_handles_labels()
    axes[2].legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)
    for axis in axes:
        axis.set_xticks(x, names)
        axis.set_xlabel("sparsity of the level")
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
        axis.margins(x=0.15)
    figure.suptitle(
        f"{report.model} on a simulated {report.target.upper()} at {report.mclk_hz / 1e6:g} MHz, {report.dataset}"
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    plt.close(figure)
    write_atomic(path, buffer.getvalue())
