"""Colours and sizes of all figures, and matplotlib's SVG turned into one that follows the page's colours.

A figure is drawn in the light colours. Inside the page each of them becomes a CSS variable, so that one drawing serves
light and dark. Every colour has a contrast of at least 3:1 to its background, text of at least 4.5:1 (WCAG 2.1).
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, QUIET, RULE, PAPER = "#1c2026", "#545c68", "#d3d8de", "#fdfdfc"
SERIES = ("#1d5fa8", "#b3541e", "#1f7a4d", "#7d4aa8", "#a8324a", "#5c6b1f", "#0f7486", "#8a5a12")
BAD = "#c02032"
DARK = {
    INK: "#e6e8eb",
    QUIET: "#a4adb8",
    RULE: "#3a414b",
    PAPER: "#15181d",
    BAD: "#ff7b86",
    **dict(
        zip(
            SERIES,
            ("#6cb0f5", "#f0995c", "#58c28d", "#c39bea", "#f28a9c", "#b4c25c", "#4cc3d6", "#e0b05e"),
            strict=True,
        )
    ),
}
VARIABLES = {
    INK: "ink",
    QUIET: "quiet",
    RULE: "rule",
    PAPER: "paper",
    BAD: "bad",
    **{c: f"s{k}" for k, c in enumerate(SERIES)},
}
WIDTH = 4.5
"""Inches of every figure: narrow enough to be read on a phone."""


def colour(k: int) -> str:
    """Of the k-th series."""
    return SERIES[k % len(SERIES)]


def css() -> str:
    """Both sets of colours as CSS."""

    def block(dark: bool) -> str:
        return "".join(f"--{name}:{DARK[light] if dark else light};" for light, name in VARIABLES.items())

    return f":root{{color-scheme:light dark;{block(False)}}}@media(prefers-color-scheme:dark){{:root{{{block(True)}}}}}"


def parameters(name: str) -> Any:
    """matplotlib's settings; `name` makes ids of the SVG unique and the same every time."""
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.family": "sans-serif",
        "font.size": 9.5,
        "axes.titlesize": 10.5,
        "axes.labelsize": 9.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": QUIET,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "grid.color": RULE,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 1.6,
    }


def svg_text(figure: Figure) -> str:
    """The figure as SVG without a background."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out now, for the PNG as well
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return out.getvalue()


def on_white(svg: str) -> str:
    """The SVG as a file for papers."""
    start = svg.index(">", svg.index("<svg")) + 1
    return f'{svg[:start]}\n <rect width="100%" height="100%" fill="#ffffff"/>{svg[start:]}'


def png_bytes(figure: Figure) -> bytes:
    """The same as PNG, 200 dots per inch."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def inline_svg(svg: str, name: str, title: str) -> str:
    """The SVG for the page: colours are variables, ids are its own, hovering over a `hint_` shows its text."""
    text = svg
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'<g id="hint_([^"]*)">', lambda m: f"<g><title>{_unhex(m[1])}</title>", text)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'href="#{name}-\2"', text)
    for light, variable in VARIABLES.items():
        text = text.replace(light, f"var(--{variable})")
    text = text.replace("#000000", "var(--ink)").replace("#ffffff", "var(--paper)")
    text = re.sub(r'font-family: [^;"]*', "font-family: inherit", text)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--font)", text)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()  # type: ignore[union-attr]
    head = f'<svg role="img" aria-label="{title}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">'
    return re.sub(r"\s*\n\s*", "\n", head + text[text.index(">") + 1 :])


def hint(text: str) -> str:
    """Id of an element that shows `text` when the mouse is over it."""
    return "hint_" + text.encode().hex()


def _unhex(text: str) -> str:
    from html import escape

    return escape(bytes.fromhex(text).decode())
