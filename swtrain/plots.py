"""The results page: accuracy over sparsity of every recipe, as a picture and a Markdown table.

Comes in: `results/accuracy.json`. Goes out: `accuracy.png` and `README.md` beside it. Does not import torch.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from codegen.files import write_atomic

from .errors import ConfigError


def results_page(table_file: Path) -> list[Path]:
    """Write the page of a table of accuracies.

    Args:
        table_file: made by `swtrain test RUN --results FILE`.

    Returns:
        The files written, beside `table_file`.

    Raises:
        ConfigError: the table can't be read.
    """
    try:
        table: dict[str, Any] = json.loads(table_file.read_text(encoding="utf-8"))
        rows = [
            (name, level, row["sparsity"], row["accuracy_float"], row["accuracy_device"], row["data"], row["seed"], row)
            for name, levels in table.items()
            for level, row in levels.items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{table_file}: no table of accuracies ({error}); make it with swtrain test --results"
        ) from error
    lines = [
        "# Accuracy",
        "",
        f"Test split, never used for a choice. Made from `{table_file.name}`; device accuracy is that of the integer",
        "reference, which the device repeats bit for bit. Epochs and minutes (wall clock, other work beside it",
        "included) are those of one training of all levels of a recipe, teachers included.",
        "",
        "A row is made by `swtrain train --config configs/RECIPE.toml --out runs/RECIPE` and then",
        f"`swtrain test runs/RECIPE --results {table_file.parent.name}/{table_file.name}`, which also makes this page.",
        "",
        "![accuracy over sparsity](accuracy.png)",
        "",
        "| recipe | level | sparsity % | float % | device % | seed | epochs | minutes | data |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, level, sparsity, floating, device, data, seed, row in rows:
        shown = "-" if device is None else f"{device:.2f}"
        seeds = f"mean of {', '.join(map(str, seed))}" if isinstance(seed, list) else seed
        figures = f"{sparsity:.2f} | {floating:.2f} | {shown} | {seeds} | {row.get('epochs', '-')}"
        lines.append(f"| {name} | {level} | {figures} | {row.get('minutes', '-')} | {data} |")
    page, picture = table_file.with_name("README.md"), table_file.with_name("accuracy.png")
    write_atomic(picture, _picture(table))
    write_atomic(page, "\n".join(lines) + "\n")
    return [page, picture]


def _picture(table: dict[str, Any]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for k, (name, levels) in enumerate(table.items()):
        points = sorted((row["sparsity"], row["accuracy_float"]) for row in levels.values())
        marker = "os^D"[k // 10 % 4]  # ten colours, then the same with another marker
        axes.plot([x for x, _ in points], [y for _, y in points], marker=marker, label=name)
    axes.set_xlabel("sparsity (%)")
    axes.set_ylabel("test accuracy (%)")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    return content.getvalue()
