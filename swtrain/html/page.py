"""The page: figures with their numbers as tables, and what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import device, figures
from .stored import Stored
from .style import SERIES, css, inline_svg, on_white, parameters, png_bytes, svg_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plate:
    """A figure with its words.

    Attributes:
        name: of its files.
        title, caption: above and below it.
        draw: makes it.
        columns, rows: the same as a table.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def plates(stored: Stored) -> Iterator[Plate]:
    """All figures that the stored values allow."""
    yield from _costs(stored)
    yield from _layers(stored)
    if stored.details is not None:
        yield _memory(stored)
    if stored.harvest is not None:
        yield _supply(stored)
    if stored.report["switches"]:
        yield _switches(stored)
    if stored.details is not None:
        yield from _flames(stored)


def make_page(stored: Stored) -> tuple[str, dict[str, str | bytes]]:
    """The page, and each figure as SVG and PNG by file name."""
    import matplotlib
    from jinja2 import Environment, PackageLoader, StrictUndefined

    shown: list[dict[str, Any]] = []
    pictures: dict[str, str | bytes] = {}
    for plate in plates(stored):
        with matplotlib.rc_context(parameters(plate.name)):
            drawn = plate.draw()
            svg = svg_text(drawn)
            pictures[f"{plate.name}.svg"] = on_white(svg)
            pictures[f"{plate.name}.png"] = png_bytes(drawn)
            shown.append({**vars(plate), "svg": inline_svg(svg, plate.name, plate.title)})
    environment = Environment(
        loader=PackageLoader("swtrain.html", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["figure"] = _figure
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    text = environment.get_template("page.html.j2").render(
        report=stored.report,
        levels=stored.levels,
        checks=stored.checks,
        missed=stored.missed,
        details=stored.details,
        errors=[stored.energy_error(k) for k in range(len(stored.levels))],
        figures=shown,
        colours=len(SERIES),
        css=_Safe(css()),
        style=_Safe(style),
    )
    return text, pictures


class _Safe(str):
    """Text that a template takes as it is: our own CSS."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.7g}"


def _costs(stored: Stored) -> Iterator[Plate]:
    for what, title, unit, scale in (
        ("latency_s", "Accuracy over latency", "ms", 1e3),
        ("energy_j", "Accuracy over energy", "µJ", 1e6),
    ):
        bound = " Bars are the bounds of its error." if what == "energy_j" and stored.details else ""
        rows = [
            [name, f"{v['accuracy_device']:.2f}", f"{scale * v[what]:.5g}", f"{v['cycles']:,}"]
            for name, v in zip(stored.names, stored.levels, strict=True)
        ]
        yield Plate(
            "accuracy-latency" if what == "latency_s" else "accuracy-energy",
            title,
            f"Each dot is a level. The line joins those that no other level beats; hollow dots are beaten.{bound}",
            lambda what=what: figures.pareto(stored, what),  # type: ignore[misc]
            ["level", "accuracy %", unit, "cycles"],
            rows,
        )


def _layers(stored: Stored) -> Iterator[Plate]:
    for what, dense, title, unit, scale in (
        ("cycles", "dense_lea_cycles", "Cycles per layer", "cycles", 1.0),
        ("energy_j", "dense_lea_j", "Energy per layer", "µJ", 1e6),
    ):
        rows = []
        for i, first in enumerate(stored.levels[0]["layers"]):
            cells = [f"{scale * v['layers'][i][what]:,.5g}" if what != "cycles" else f"{v['layers'][i][what]:,}"
                     for v in stored.levels]  # fmt: skip
            own = first[dense]
            shown = "-" if own is None else f"{round(own):,}" if what == "cycles" else f"{scale * own:,.4g}"
            rows.append([first["name"], first["backend"], first["encoding"], *cells, shown])
        yield Plate(
            f"layers-{'cycles' if what == 'cycles' else 'energy'}",
            title,
            "Below a layer's name: the chosen back end and encoding. The stroke is what the dense layer would cost on "
            "the LEA, by the cost model; a bar beyond it loses by its sparsity." + _left_out(stored, what),
            lambda what=what: figures.layers(stored, what),  # type: ignore[misc]
            ["layer", "back end", "encoding", *(f"{n}, {unit}" for n in stored.names), "dense LEA"],
            rows,
        )
    if stored.details is not None and stored.details["layers"]:
        rows = [
            [
                layer["name"],
                *(f"{w:,} + {x:,}" for w, x in zip(layer["weight_bytes"], layer["index_bytes"], strict=True)),
                f"{layer['dense_bytes']:,}",
            ]
            for layer in stored.details["layers"]
        ]
        yield Plate(
            "layers-bytes",
            "Bytes per layer",
            "Weights and indices that a level reads. The stroke is the layer without any sparsity.",
            lambda: figures.layer_bytes(stored),
            ["layer", *(f"{n}, weights + indices" for n in stored.names), "dense"],
            rows,
        )


def _left_out(stored: Stored, what: str) -> str:
    """A sentence where the figure has not all layers."""
    shown, every = len(figures.layer_rows(stored, what)), len(stored.levels[0]["layers"])
    return "" if shown == every else f" Shown are {shown} of {every} layers, the dearest; the table has all."


def _memory(stored: Stored) -> Plate:
    assert stored.details is not None
    rows = [
        [f"{device.REGIONS.get(r['name'], r['name'])}: {p['name']}", f"{p['address']:#07x}", f"{p['bytes']:,}"]
        for r in stored.details["memory"]["regions"]
        for p in r["parts"]
    ]
    return Plate(
        "memory",
        "Memory",
        "Each bar is a region of memory from its first to its last byte; grey is free.",
        lambda: device.memory(stored),
        ["part", "from", "bytes"],
        rows,
    )


def _supply(stored: Stored) -> Plate:
    run = stored.harvest
    assert run is not None
    answered = ", ".join(f"{n} at {name}" for n, name in zip(run["answered"], stored.names, strict=True))
    failures = len(device.power_failures(run))
    caption = (
        f"{run['supply']}: {sum(run['answered'])} of {run['requests']} requests answered in time ({answered}), one "
        f"every {run['period_s']:g} s; {failures} power failures. Grey: the device is off or "
        "boots. Below: the level of each answer, as the policy chose it from the stored energy."
    )
    rows = [[name, f"{value * 1e6:,.1f}"] for name, value in run["energy"].items()]
    return Plate("harvest", "Harvested supply", caption, lambda: device.supply(stored), ["energy", "µJ"], rows)


def _switches(stored: Stored) -> Plate:
    rows = [
        [
            f"{s['from']} → {s['to']} %",
            f"{s['bytes_written']:,}",
            f"{s['full_reload_bytes']:,}",
            f"{s['cycles']:,}",
            f"{s['energy_j'] * 1e9:,.1f}",
        ]
        for s in stored.report["switches"]
    ]
    return Plate(
        "switches",
        "Switches",
        "Bytes of FRAM that a switch of level writes, beside those of loading the level's weights anew.",
        lambda: figures.switches(stored),
        ["switch", "bytes written", "full reload", "cycles", "nJ"],
        rows,
    )


def _flames(stored: Stored) -> Iterator[Plate]:
    assert stored.details is not None
    for k in sorted({0, len(stored.levels) - 1}, reverse=True):
        level = stored.details["levels"][k]
        spent: dict[str, int] = {}
        for path, cycles in level["stacks"]:
            name = path.rpartition(";")[2]
            spent[name] = spent.get(name, 0) + cycles
        order = sorted(spent.items(), key=lambda item: -item[1])[:20]
        yield Plate(
            f"flame-{level['name']}",
            f"Where the cycles go, level {level['name']} %",
            f"{level['cycles']:,} cycles of one inference by function, callers below callees; names without sw_.",
            lambda k=k: device.flame(stored, k),  # type: ignore[misc]
            ["function, without callees", "cycles", "%"],
            [[name, f"{c:,}", f"{100 * c / level['cycles']:.1f}"] for name, c in order],
        )
