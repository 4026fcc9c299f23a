"""Sections of the config of a training run, each valid in itself. Does not import torch."""

from __future__ import annotations

import itertools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from .errors import ConfigError

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def read_toml(path: Path) -> dict[str, Any]:
    """What a config file says.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the config: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the config is not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


class Section(BaseModel):
    """Immutable; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Epochs(Section):
    """Passes over the training data for each phase of a strategy."""

    dense: Annotated[int, Field(ge=1)] = 8
    """Training of all weights, before any is pruned."""
    prune: Annotated[int, Field(ge=1)] = 6
    """`sequential`: gradual pruning down to the sparsest level, then training at that sparsity."""
    grow: int | tuple[int, ...] = 3
    """`sequential`: training of the weights that one denser level adds; one number for all such levels, or one each."""
    joint: Annotated[int, Field(ge=1)] = 8
    """`joint`, `hybrid`: training of all levels at once."""
    qat: Annotated[int, Field(ge=0)] = 0
    """Training of all levels with weights rounded to `qat_bits` and masks as they are, at the end; 0: none."""

    @field_validator("grow", mode="plain")
    @classmethod
    def _check_grow(cls, value: object) -> int | tuple[int, ...]:
        numbers = value if isinstance(value, list | tuple) else (value,)
        whole = tuple(number for number in numbers if isinstance(number, int) and number >= 1)
        if len(whole) < max(len(numbers), 1):
            raise ValueError(f"must be a whole number from 1 up, or a list of them, got {value!r}")
        return whole if isinstance(value, list | tuple) else whole[0]

    @field_serializer("grow")
    def _plain_grow(self, value: int | tuple[int, ...]) -> int | list[int]:
        return value if isinstance(value, int) else [*value]

    def grow_to(self, level: int) -> int:
        """Epochs of growing to `level`, at least 1."""
        return self.grow if isinstance(self.grow, int) else self.grow[level - 1]


class LearningRates(Section):
    """Peak learning rate of each phase."""

    dense: PositiveFloat = 4e-3
    prune: PositiveFloat = 3e-3
    grow: PositiveFloat = 2e-3
    joint: PositiveFloat = 2e-3
    qat: PositiveFloat = 5e-4


Percent = Annotated[float, Field(ge=0, lt=100)]
Count = Annotated[int, Field(ge=0, le=65536)]
BlockSize = Annotated[int, Field(ge=1, le=65536)]
ShapeName = Literal["unstructured", "row", "column", "channel", "block", "whole-block", "pattern"]


class LayerRule(Section):
    """Settings of the layers whose name matches; None keeps the value. A later rule overrides an earlier one."""

    match: str
    """Name of a layer as the model has it, or a pattern: `fc*`."""
    shape: ShapeName | None = None
    group: Count | None = None
    pair: bool | None = None
    block: tuple[BlockSize, BlockSize] | None = None
    patterns: Annotated[int, Field(ge=1, le=256)] | None = None
    floor: Percent | None = None
    sparsity: tuple[Percent, ...] | None = None
    """Percent per level, sparsest first, of this layer alone; the other layers make up for it."""

    @field_validator("sparsity")
    @classmethod
    def _check_sparsity(cls, sparsity: tuple[float, ...] | None) -> tuple[float, ...] | None:
        for sparser, denser in itertools.pairwise(sparsity or ()):
            if denser > sparser:
                raise ValueError(f"{denser:g} % follows {sparser:g} %, but a layer can't be sparser at a denser level")
        return sparsity


class AdmmSettings(Section):
    """ADMM regularisation, with `prune = "admm"`."""

    rho: PositiveFloat = 1e-2
    """Weight of the penalty in the gradients."""
    updates: Annotated[int, Field(ge=1)] = 20
    """ADMM iterations, spread over the phase."""


class TeacherSettings(Section):
    """A larger network that is trained first, on the same data, and that the levels follow by `distill`."""

    model: str = ""
    """Its name; empty: the teacher is the model's own dense phase, in a joint phase the densest level."""
    model_options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    members: Annotated[int, Field(ge=1, le=32)] = 1
    """Networks of this kind, with seeds that count up; more than one teach by their mean class probabilities."""
    epochs: Annotated[int, Field(ge=1)] = 10
    lr: PositiveFloat = 2e-3


class FreezeRule(Section):
    """Layers that a phase leaves alone at first; after transfer, the head trains before the rest thaws."""

    match: str
    """Name of a layer as the model has it, or a pattern: `conv*`."""
    until: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Part of the phase after which they are trained as well; 1: not at all."""
    phases: tuple[Literal["dense", "prune", "grow", "joint", "qat"], ...] = ("dense",)


@dataclass(frozen=True)
class Target:
    """What a level shall reach.

    Attributes:
        kind: `latency` in seconds, or `accuracy_drop` in points below the dense model.
        limit: the largest value.
    """

    kind: str
    limit: float

    def __str__(self) -> str:
        return f"{self.kind}<={self.limit:g}"


def parse_target(text: str) -> Target | None:
    """`latency<=0.05` or `accuracy_drop<=0.5`; None for an empty text.

    Raises:
        ValueError: anything else.
    """
    if not text:
        return None
    found = re.fullmatch(r"(latency|accuracy_drop)\s*<=\s*(\d+\.?\d*|\.\d+)", text)
    if found is None:
        raise ValueError(f"'{text}' is no target; give latency<=SECONDS, accuracy_drop<=POINTS or ''")
    return Target(found[1], float(found[2]))
