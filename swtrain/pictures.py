"""Pictures of a finished run: which weights belong to which level, and how much each layer can lose.

Comes in: the folder of a run. Goes out: `masks.png`, `sensitivity.png` and `sensitivity.json` in it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from .datasets import Split, hold_out, load_dataset
from .errors import ConfigError
from .evaluate import evaluate
from .nested import NestedModel
from .runs import load_run, write_atomic, write_json
from .sparsity import NEVER, SparsityPlan

MASKS, SENSITIVITY = "masks.png", "sensitivity.png"
CUTS = (25.0, 50.0, 75.0, 90.0, 95.0, 99.0)
"""Percent of its weights that a layer loses, one after the other."""

Curve = list[tuple[float, float]]
"""Percent of a layer's weights that are absent, and accuracy in percent."""


def pictures(out: Path) -> list[Path]:
    """Draw the pictures of the finished run in `out`, and write its sensitivities as numbers.

    Returns:
        The files written.

    Raises:
        CheckpointError: there is no finished run.
        ConfigError: the run holds no examples out, on which sensitivity is measured.
        DataError: the data can't be read.
    """
    nested, config, _ = load_run(out)
    if config.validation == 0:
        raise ConfigError(f"{out}: sensitivity is measured on held-out examples, but the run has validation 0")
    dataset = load_dataset(config.dataset, config.data)
    held_out = hold_out(dataset.train, config.validation, config.seed)[1]
    curves = sensitivity(nested, held_out, dataset.input_frac_bits)
    write_json(out / "sensitivity.json", curves)
    write_atomic(out / MASKS, masks_picture(nested))
    write_atomic(out / SENSITIVITY, sensitivity_picture(curves))
    return [out / MASKS, out / SENSITIVITY, out / "sensitivity.json"]


@torch.no_grad()
def sensitivity(nested: NestedModel, split: Split, frac_bits: int, cuts: Sequence[float] = CUTS) -> dict[str, Curve]:
    """Accuracy of the densest level after one layer alone loses its smallest units, without retraining.

    Args:
        nested: units have the shape that its plan gives each layer.
        split: to measure on.
        frac_bits: the model sees `split.x * 2**-frac_bits`.
        cuts: percent of the layer's weights; those that its densest level lacks already are not measured.
    """
    last = nested.num_levels - 1
    nested.set_active_level_(last)
    whole = evaluate(nested, split, frac_bits)
    curves: dict[str, Curve] = {}
    for name in nested.names:
        weight, mask = nested.weight(name), nested.mask(name, last)
        kept, absent = weight.detach().clone(), 100 * (1 - float(mask.float().mean()))
        curves[name] = [(absent, whole)]
        score = torch.where(mask, kept.abs(), 0.0)
        for cut in cuts:
            if cut <= absent:
                continue
            plan = SparsityPlan((cut,), {name: replace(nested.plan.layers[name], sparsity=(), floor=0.0)})
            left = plan.select({name: score}, 0, alive={name: mask})[name] & mask
            weight.copy_(torch.where(left, kept, 0.0))
            curves[name].append((100 * (1 - float(left.float().mean())), evaluate(nested, split, frac_bits)))
        weight.copy_(kept)
    return curves


def masks_picture(nested: NestedModel) -> bytes:
    """PNG: one image per layer, filters down, taps across; the darker, the sparser the level of entry."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.figure import Figure

    names, levels = nested.names, nested.num_levels
    columns = min(len(names), 4)
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(3.2 * columns, 2.4 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    shades = [str(0.85 * k / max(levels, 1)) for k in range(levels)] + ["1.0"]
    colours, norm = ListedColormap(shades), BoundaryNorm(range(levels + 2), levels + 1)
    for k, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, k + 1)
        index = nested.level_index[name].flatten(1).numpy().astype(int)
        index[index == NEVER] = levels
        image = axes.imshow(index, cmap=colours, norm=norm, aspect="auto", interpolation="nearest")
        axes.set_title(f"{name} {tuple(nested.weight(name).shape)}", fontsize="small")
        axes.set_xticks([])
        axes.set_yticks([])
    bar = figure.colorbar(image, ax=figure.axes, ticks=[k + 0.5 for k in range(levels + 1)], shrink=0.8)
    bar.ax.set_yticklabels([*(f"{s:g} %" for s in nested.sparsities), "absent"])
    return _png(figure)


def sensitivity_picture(curves: Mapping[str, Curve]) -> bytes:
    """PNG: accuracy over the absent share of one layer, a line per layer."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, curve in curves.items():
        axes.plot([x for x, _ in curve], [y for _, y in curve], marker="o", label=name)
    axes.set_xlabel("weights of this layer that are absent (%)")
    axes.set_ylabel("held-out accuracy (%)")
    axes.grid(visible=True, alpha=0.3)
    if len(curves) <= 12:
        axes.legend(fontsize="small")
    return _png(figure)


def _png(figure: object) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})  # type: ignore[attr-defined]
    return content.getvalue()
