"""The figures of the report about the device: memory map, harvested supply, flame graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .figures import new_figure
from .stored import Stored
from .style import BAD, INK, PAPER, QUIET, RULE, SERIES, colour, hint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REGIONS = {"sram": "SRAM", "lea_ram": "LEA RAM", "fram": "FRAM", "hifram": "FRAM above 64 KB", "external": "SPI FRAM"}


def memory(stored: Stored) -> Figure:
    """A bar for each region of memory, as long as the region, with what lies in it."""
    assert stored.details is not None
    regions: list[dict[str, Any]] = stored.details["memory"]["regions"]
    names = list(dict.fromkeys(part["name"] for region in regions for part in region["parts"]))
    figure, (axes,) = new_figure(1.0 + 0.62 * len(regions))
    for row, region in enumerate(regions):
        axes.barh(row, 1, 0.42, color=RULE)
        for part in region["parts"]:
            left = (part["address"] - region["origin"]) / region["bytes"]
            bar = axes.barh(
                row,
                part["bytes"] / region["bytes"],
                0.42,
                left=left,
                color=colour(names.index(part["name"])),
                edgecolor=PAPER,
                linewidth=0.5,
            )
            bar[0].set_gid(hint(f"{part['name']}: {part['bytes']:,} B at {part['address']:#07x}"))
        used = sum(p["bytes"] for p in region["parts"] if p["name"] != "stack")
        title = f"{REGIONS.get(region['name'], region['name'])} from {region['origin']:#07x}"
        axes.annotate(title, (0, row - 0.27), va="bottom", fontsize=9, color=INK)
        axes.annotate(
            f"{used / 1024:,.1f} of {region['bytes'] / 1024:,.0f} KB", (1, row - 0.27), va="bottom", ha="right",
            fontsize=9, color=INK,
        )  # fmt: skip
    axes.set_ylim(len(regions) - 0.6, -0.75)
    axes.set_xlim(0, 1)
    axes.set_axis_off()
    handles = [axes.bar(0, 0, color=colour(k), label=name) for k, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, handlelength=1.0, columnspacing=1.0)
    return figure


def supply(stored: Stored) -> Figure:
    """Voltage over time, below it the level of each answer; stretches without power and power failures are marked."""
    assert stored.harvest is not None
    run = stored.harvest
    figure, (volts, level) = new_figure(3.9, 2, (3, 2))
    points = run["voltage"]
    volts.plot([t for t, _ in points], [v for _, v in points], color=SERIES[0], linewidth=1.2)
    for name in ("v_on", "v_off"):
        volts.axhline(run[name], color=QUIET, linewidth=0.8, linestyle="--")
        volts.annotate(
            name.replace("_", " "), (1, run[name]), xycoords=("axes fraction", "data"), xytext=(3, 0),
            textcoords="offset points", va="center", fontsize=8, color=QUIET,
        )  # fmt: skip
    failures = power_failures(run)
    dark = [(start, end) for state, start, end in run["intervals"] if state != "on"]
    for axes in (volts, level):
        for start, end in dark:
            axes.axvspan(start, end, color=RULE, linewidth=0)
    for k, t in enumerate(failures):
        volts.axvline(t, color=BAD, linewidth=0.9, label="power failure" if k == 0 else None)
    if failures:
        volts.plot(failures, [run["v_off"]] * len(failures), "x", color=BAD, markersize=6)
    names = stored.names
    for k in range(len(names)):
        times = [a[1] for a in run["answers"] if a[2] == k]
        level.plot(times, [k] * len(times), "o", color=colour(k), markersize=3.5)
    late = [(k + 1) * run["period_s"] for k in range(run["requests"]) if k not in {a[0] for a in run["answers"]}]
    level.plot(late, [-1] * len(late), "x", color=BAD, markersize=4)
    level.set_yticks(range(-1, len(names)), ["no answer", *names])
    level.set_ylim(-1.5, len(names) - 0.5)
    level.set_xlabel("time, s")
    volts.set_ylabel("supply, V")
    volts.set_xlim(-0.01 * run["time_s"], 1.01 * run["time_s"])  # room for the first and the last answer
    if failures:
        figure.legend(loc="outside upper right")
    return figure


def power_failures(run: dict[str, Any]) -> list[float]:
    """Times at which the device lost its power."""
    states = run["intervals"]
    return [start for k, (state, start, _) in enumerate(states) if k and state == "off" and states[k - 1][0] != "off"]


# --- flame graph


@dataclass
class Frame:
    """A function in a chain of calls: cycles with callees, and the callees."""

    name: str
    cycles: int = 0
    below: dict[str, Frame] = field(default_factory=dict)


def tree(stacks: list[list[Any]]) -> Frame:
    """Folded stacks as a tree; a chain that everything shares at the top is left out but for its last function."""
    root = Frame("all")
    for path, cycles in stacks:
        at = root
        at.cycles += cycles
        for name in path.split(";"):
            at = at.below.setdefault(name, Frame(name))
            at.cycles += cycles
    while len(root.below) == 1 or (root.below and max(f.cycles for f in root.below.values()) > 0.995 * root.cycles):
        root = max(root.below.values(), key=lambda f: f.cycles)
    return root


def flame(stored: Stored, level: int) -> Figure:
    """Where the cycles of one inference go: the wider, the more; callees stand on their callers."""
    assert stored.details is not None
    root = tree(stored.details["levels"][level]["stacks"])
    boxes: list[tuple[int, float, float, Frame]] = []

    def place(frame: Frame, depth: int, left: float) -> None:
        boxes.append((depth, left, frame.cycles / root.cycles, frame))
        at = left
        for part in sorted(frame.below.values(), key=lambda f: (-f.cycles, f.name)):
            if part.cycles > 0.002 * root.cycles:
                place(part, depth + 1, at)
                at += part.cycles / root.cycles

    place(root, 0, 0.0)
    height = max(depth for depth, *_ in boxes) + 1
    figure, (axes,) = new_figure(0.25 + 0.34 * height)
    for depth, left, width, frame in boxes:
        box = axes.barh(depth, width, 0.94, left=left, color=colour(depth), edgecolor=PAPER, linewidth=0.6)
        share = 100 * frame.cycles / root.cycles
        box[0].set_gid(hint(f"{frame.name}: {frame.cycles:,} cycles, {share:.1f} %"))
        room = int(width * 62)
        if room >= 4:
            short = frame.name.removeprefix("sw_")
            text = short if len(short) <= room else short[: room - 1] + "…"
            axes.text(left + 0.006, depth, text, va="center", fontsize=8, color=PAPER, clip_on=True)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.5, height - 0.5)
    axes.set_axis_off()
    return figure
