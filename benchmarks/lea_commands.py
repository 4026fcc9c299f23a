"""What each LEA command could do for each convolution of the shipped networks: ``python benchmarks/lea_commands.py``.

Prints the table of ``docs/lea-commands.md``: cycles of the LEA alone by the formulas of ``sim/LEA.md``, dense weights,
every operand in LEA RAM. Transfers and the CPU's work come on top; where they decide, the page says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from codegen.buffers import image_buffer
from codegen.ir import Graph, Node
from codegen.ops import Conv2d
from swtrain.models import build_model
from swtrain.seeded import seeded_graph

SHAPES = {
    "lenet5": (1, 28, 28),
    "harnet": (9, 1, 128),
    "okgnet": (1, 49, 10),
    "sqnxt23": (3, 32, 32),
    "dscnn": (1, 49, 12),
}


def even(n: int) -> int:
    """Sizes of commands are even."""
    return n + n % 2


def filter_as_row(taps: int, pixels: int, filters: int, room: int) -> float:
    """MPYMATRIXROW, a filter times a tile of gathered pixels: 33 + C (7 + 1.25 R) for each filter and tile."""
    taps = even(taps + 1)  # with the bias
    tile = min(even(pixels), (room - 4 - taps) // (taps + 2) // 2 * 2)
    if tile < 2:
        return float("inf")
    whole, rest = divmod(pixels, tile)
    return filters * sum(33 + c * (7 + 1.25 * taps) for c in [tile] * whole + [even(rest)] * bool(rest))


def patch_as_row(taps: int, pixels: int, filters: int, room: int) -> float:
    """MPYMATRIXROW, the pixels under one window times a tile of filters."""
    return filter_as_row(taps, filters, pixels, room)


def mac(taps: int, pixels: int, filters: int, _: int) -> float:
    """MAC, 16 + 1.5 N for each result; sums of pieces are exact, the CPU adds and shifts them."""
    return pixels * filters * (16 + 1.5 * even(taps))


def fir(graph: Graph, node: Node) -> float:
    """FIR over joined rows, 34 + N (T + 6) for each filter; only with one input channel for each filter, stride 1."""
    assert isinstance(node.op, Conv2d) and node.params is not None
    if node.params.weight.shape[1] > 1 or node.op.stride != (1, 1):
        return float("inf")
    pitch = image_buffer(graph, node.input).pitch
    (kh, kw), (dh, dw) = node.op.kernel, node.op.dilation
    filters, height, width = graph.tensors[node.output].shape
    window = even((kh - 1) * dh * pitch + (kw - 1) * dw + 1)
    return float(filters * (34 + even((height - 1) * pitch + width) * (window + 6)))


def rows(room: int = 1892) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Each convolution of each network with the cycles of each candidate."""
    commands: dict[str, Callable[[int, int, int, int], float]] = {
        "filter x pixels": filter_as_row, "patch x filters": patch_as_row, "MAC": mac,
    }  # fmt: skip
    for name, shape in SHAPES.items():
        graph = seeded_graph(lambda name=name: build_model(name), shape, (0.0,), columns=True)  # type: ignore[misc]
        for node in graph.nodes:
            if not isinstance(node.op, Conv2d) or node.params is None:
                continue
            filters, height, width = graph.tensors[node.output].shape
            taps, groups = node.params.weight[0].size, node.op.groups
            found = {k: groups * f(taps, height * width, filters // groups, room) for k, f in commands.items()}
            yield name, node.name, found | {"FIR": fir(graph, node)}


def main() -> None:
    print("| network | layer | filter x pixels | patch x filters | MAC | FIR |\n|---|---|---|---|---|---|")
    for network, layer, found in rows():
        cells = ["-" if v == float("inf") else f"{v / 1e3:,.0f}" for v in found.values()]
        print(f"| {network} | {layer} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
