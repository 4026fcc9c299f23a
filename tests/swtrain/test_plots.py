"""The results page is made from the table alone."""

import json
from pathlib import Path

import pytest

from swtrain.errors import ConfigError
from swtrain.plots import results_page


def row(sparsity: float, device: float | None) -> dict[str, object]:
    return {"sparsity": sparsity, "accuracy_float": 98.765, "accuracy_device": device, "data": "MNIST", "seed": 0}


def test_the_page_shows_every_row(tmp_path: Path) -> None:
    table = {
        "a": {"60": row(60.01, 98.5), "20": row(20.0, None)},
        "b": {"0": row(0, 99.0) | {"epochs": 7, "minutes": 1.5}},
    }
    (tmp_path / "accuracy.json").write_text(json.dumps(table))
    page, picture = results_page(tmp_path / "accuracy.json")
    text = page.read_text()
    assert "| a | 60 | 60.01 | 98.77 | 98.50 | 0 | - | - | MNIST |" in text
    assert "| a | 20 | 20.00 | 98.77 | - | 0 | - | - | MNIST |" in text
    assert "| b | 0 | 0.00 | 98.77 | 99.00 | 0 | 7 | 1.5 | MNIST |" in text and text.count("\n| b |") == 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    before = picture.read_bytes(), page.read_bytes()
    results_page(tmp_path / "accuracy.json")
    assert before == (picture.read_bytes(), page.read_bytes())


@pytest.mark.parametrize("content", ["[]", "{", '{"a": {"b": {}}}'])
def test_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "accuracy.json").write_text(content)
    with pytest.raises(ConfigError, match="no table of accuracies"):
        results_page(tmp_path / "accuracy.json")
