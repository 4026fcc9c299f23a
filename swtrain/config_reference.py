"""The page of all configs, from their classes: ``python -m swtrain.config_reference docs/config.md`` writes it."""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from codegen.files import write_atomic

from .config import TrainConfig
from .eval_config import EvalConfig
from .sections import Section

HEAD = """# Configs

Made by `python -m swtrain.config_reference docs/config.md`; a test compares. Both kinds are TOML; an unknown key or a
value outside its range is an error of one line. `configs/` has the recipe of every shipped model, `eval.md` an
example of the second kind.
"""
_BOUNDS = (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))
_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text", type(None): "none", Path: "path"}


def reference() -> str:
    """Markdown: every key of both configs with its values, default and meaning."""
    train = _tables(TrainConfig, "The top of the file.", "")
    check = _tables(EvalConfig, "The top of the file.", "")
    return f"{HEAD}\n## swtrain train --config\n{train}\n## swtrain eval\n{check}"


def _tables(section: type[Section], title: str, path: str) -> str:
    """The table of `section` and of the sections in it."""
    meanings = _docstrings(section)
    rows, inner = [], []
    for name, field in section.model_fields.items():
        found = _section_of(field.annotation)
        if found is None:
            cells = (f"`{name}`", _values(field.annotation, field), _default(field), meanings.get(name, ""))
            rows.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
            continue
        below, kind = f"{path}.{name}" if path else name, get_origin(found[1])
        shown = f"[[{below}]]" if kind is tuple else f'[{below}."NAME"]' if kind is dict else f"[{below}]"
        text = meanings.get(name) or inspect.cleandoc(found[0].__doc__ or "")
        inner.append(f"\n### {shown}\n{_tables(found[0], ' '.join(text.split()), below)}")
    table = ["| key | value | default | meaning |", "|---|---|---|---|", *rows] if rows else []
    return "\n" + title + "\n\n" + "\n".join(table) + "\n" + "".join(inner)


def _section_of(annotation: Any) -> tuple[type[Section], Any] | None:
    """The section that a key holds, one or many, and what holds it."""
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        return annotation, annotation
    for part in get_args(annotation):
        found = _section_of(part)
        if found:
            return found[0], annotation if get_origin(annotation) in (tuple, dict) else found[1]
    return None


def _values(annotation: Any, field: FieldInfo | None = None) -> str:
    """What a key may hold, in words."""
    bounds = _bounds(field.metadata if field else ())
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{v}`" for v in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(_values(p) for p in parts if p is not type(None)) + bounds
    if origin is tuple:
        inner = [_values(p) for p in parts if p is not Ellipsis]
        return f"list of {inner[0]}" if Ellipsis in parts else f"{len(inner)} of {inner[0]}"
    if origin is dict or annotation is dict:
        return "table by name"
    if hasattr(annotation, "__metadata__"):
        return _values(parts[0]) + _bounds(parts[1:])
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation))) + bounds


def _bounds(metadata: Any) -> str:
    """`, at least 0, less than 1` from annotations of pydantic."""
    found = []
    for entry in (m for field in metadata for m in (field.metadata if isinstance(field, FieldInfo) else [field])):
        found += [f", {words} {_number(getattr(entry, name))}" for name, words in _BOUNDS if hasattr(entry, name)]
    return "".join(found)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}):
        return ""
    return f"`{json.dumps([*value] if isinstance(value, tuple) else value, default=str)}`"


def _docstrings(section: type[Section]) -> dict[str, str]:
    """The text below each key, of inherited ones too."""
    found: dict[str, str] = {}
    for cls in reversed([c for c in section.__mro__ if issubclass(c, Section) and c is not Section]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(tree, ast.ClassDef)
        for key, below in zip(tree.body, tree.body[1:], strict=False):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else None
            if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(text, str):
                found[key.target.id] = " ".join(text.split())
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m swtrain.config_reference FILE")
    write_atomic(Path(sys.argv[1]), reference())
