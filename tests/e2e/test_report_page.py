"""The HTML report: complete without network, its figures right, and readable in a real browser."""

import importlib.util
import re
import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from swtrain.html.device import power_failures, tree
from swtrain.html.figures import front, layer_rows
from swtrain.html.stored import Stored, read_stored
from swtrain.html.style import BAD, DARK, INK, PAPER, QUIET, SERIES

from .conftest import invoke

_spec = importlib.util.spec_from_file_location("eval_data", Path(__file__).parents[1] / "eval_data.py")
assert _spec is not None
assert _spec.loader is not None
eval_data = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("eval_data", eval_data)
_spec.loader.exec_module(eval_data)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = eval_data.write(tmp_path_factory.mktemp("report") / "made")
    result = invoke("report", folder)
    assert result.exit_code == 0, result.output
    return folder / "report.html"


# --- what is in it


def test_one_file_without_network(page: Path) -> None:
    """Nothing is loaded from anywhere; the file is small."""
    text = page.read_text()
    assert page.stat().st_size < 3_000_000
    outside = re.findall(r"""(?:src|href)=["']([^"']+)|url\(([^)]+)\)|@import|<script|<link[^>]*stylesheet""", text)
    assert outside
    for address in (a or b for a, b in outside):
        assert address.startswith(("#", "data:")), address


class Outline(HTMLParser):
    """Ids, headings and images of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "svg":
            self.images += 1
            assert values.get("role") == "img"
            assert values.get("aria-label")
        if tag == "th":
            assert values.get("scope")


def test_structure(page: Path) -> None:
    """Unique ids, headings in order, every figure there and labelled; text of the model is escaped."""
    outline = Outline()
    text = page.read_text()
    outline.feed(text)
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(outline.headings, outline.headings[1:], strict=False))
    assert outline.images == 10
    assert "net &lt;of&gt; &amp; tests" in text
    assert "1 of 2 checks failed" in text
    assert "30 assumptions" in text
    for target in re.findall(r'href="#([^"]+)"', text):
        assert target in outline.ids, target


def test_figures_are_files_as_well(page: Path) -> None:
    names = {p.stem for p in (page.parent / "figures").glob("*.svg")}
    assert {"accuracy-energy", "layers-cycles", "memory", "harvest", "switches", "flame-20.7"} <= names
    for name in names:
        root = ElementTree.parse(page.parent / "figures" / f"{name}.svg").getroot()
        assert root.tag.endswith("svg")
        assert (page.parent / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_many_layers_of_sim_alone_and_the_same_again(tmp_path: Path) -> None:
    """Without the other files their figures are left out. Same JSON, same bytes; only what is stored decides."""
    folder = eval_data.write(tmp_path / "many", layers=60)
    for name in ("details.json", "harvest.json", "eval.json"):
        (folder / name).unlink()
    for out in (folder / "report.html", tmp_path / "x" / "r.html"):
        result = invoke("report", folder, "--out", out)
        assert result.exit_code == 0, result.output
    text = (folder / "report.html").read_text()
    assert "layer59_" in text
    assert "Harvested supply" not in text
    assert (tmp_path / "x" / "r.html").read_text() == text
    files = sorted(p.name for p in (folder / "figures").iterdir())
    assert len(files) == 11  # five figures, two files each, and their list
    for name in files:
        assert (tmp_path / "x" / "figures" / name).read_bytes() == (folder / "figures" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("report.json", None, "holds no report.json"),
        ("report.json", "{}", "is no report of schema 1"),
        ("report.json", "{", "can't be read"),
        ("harvest.json", "[]", "is damaged"),
        ("details.json", '{"format": 0, "levels": []}', "run swtrain eval again"),
    ],
)
def test_damaged_evaluations(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    folder = eval_data.write(tmp_path / "made")
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    result = invoke("report", folder)
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not (folder / "report.html").exists()


# --- what the figures show


def test_front() -> None:
    assert front([3.0, 1.0, 2.0], [9.0, 5.0, 4.0]) == [1, 0]
    assert front([1.0, 1.0], [5.0, 6.0]) == [1]
    assert front([1.0, 2.0, 3.0], [5.0, 5.0, 6.0]) == [0, 2]


def test_flame_tree_keeps_every_cycle() -> None:
    root = tree([["a;b", 1], ["a;b;c", 600], ["a;b;c;d", 200], ["a;b;e", 300]])
    assert root.name == "b"
    assert root.cycles == 1101
    assert {f.name: f.cycles for f in root.below.values()} == {"c": 800, "e": 300}


def test_power_failures_are_falls_not_the_start() -> None:
    states: Any = [["off", 0, 1], ["boot", 1, 2], ["off", 2, 3], ["boot", 3, 4], ["on", 4, 5], ["off", 5, 6]]
    assert power_failures({"intervals": states}) == [2, 5]


def test_dear_layers_are_shown(tmp_path: Path) -> None:
    found: Stored = read_stored(eval_data.write(tmp_path, layers=60))
    rows = layer_rows(found, "cycles")
    assert rows == sorted(rows)
    assert len(rows) == 14
    assert rows[-1] == 60


def luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    """WCAG 2.1."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [INK, QUIET, BAD, *SERIES])
def test_contrast(colour: str) -> None:
    """Text, and text on bars, in light and dark."""
    assert contrast(colour, PAPER) >= 4.5
    assert contrast(DARK[colour], DARK[PAPER]) >= 4.5


# --- in a browser

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "headless_shell")
MEASURE = """() => {
  const linear = x => x / 255 <= .04045 ? x / 255 / 12.92 : ((x / 255 + .055) / 1.055) ** 2.4;
  const luminance = c => { const v = c.map(linear);
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2] };
  const parse = s => (s.match(/[\\d.]+/g) || []).map(Number);
  const paper = parse(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  const texts = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    if (!n.data.trim() || n.parentElement.closest('title')) continue;
    const svg = n.parentElement.closest('svg'), style = getComputedStyle(n.parentElement);
    const range = document.createRange(); range.selectNodeContents(n);
    const box = range.getBoundingClientRect();
    if (!box.width) continue;
    const c = parse(svg ? style.fill : style.color);
    const onBar = svg && c.slice(0, 3).join() === paper.join();
    const [a, b] = [luminance(c), luminance(paper)].sort((x, y) => y - x);
    const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    const frame = svg ? svg.getBoundingClientRect() : null;
    texts.push({text: n.data.trim().slice(0, 40), contrast: onBar ? 99 : (a + .05) / (b + .05),
      size: parseFloat(style.fontSize) * scale, left: box.left, right: box.right,
      scrolls: !!n.parentElement.closest('.scroll'),
      cut: svg ? Math.max(frame.left - box.left, box.right - frame.right) : 0});
  }
  const spilled = [...document.querySelectorAll('.card')].filter(e => e.scrollWidth > e.clientWidth).length;
  return {texts, spilled, width: document.documentElement.scrollWidth, window: innerWidth,
    unnamed: [...document.querySelectorAll('svg, [role=region], section')].filter(e =>
      !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')).length}; }"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    program = next((p for name in BROWSERS if (p := shutil.which(name))), None)
    with api.sync_playwright() as running:
        if program is None and not Path(running.chromium.executable_path).exists():
            pytest.skip("no browser: apt install chromium-headless-shell, or playwright install chromium")
        started = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(page: Path, browser: Any, width: int, scheme: str, tmp_path: Path) -> None:
    """No errors, no request, nothing wider than the screen, text large enough and with contrast, also unfolded."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    tab = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page.as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = tab.evaluate(MEASURE)
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    shot = tab.screenshot(path=tmp_path / "page.png", full_page=True)
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert found["width"] <= found["window"]
    assert found["unnamed"] == 0
    assert found["spilled"] == 0
    assert len(found["texts"]) > 200
    for text in found["texts"]:
        assert text["contrast"] >= 4.5, text
        assert text["size"] >= 8.0, text
        assert text["scrolls"] or text["right"] <= width, text
        assert text["cut"] <= 1.0, text
    assert (dark == "rgb(21, 24, 29)") == (scheme == "dark")
    assert len(shot) > 20_000
