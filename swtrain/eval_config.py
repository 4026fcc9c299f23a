"""The config of `swtrain eval`: one TOML for the whole pipeline, and the limits that its report must keep.

Comes in: a TOML file; paths in it are relative to its folder. Goes out: a frozen `EvalConfig`, or a `ConfigError` of
one sentence. Does not import torch, codegen or sim.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from .errors import ConfigError, unknown_name
from .sections import PositiveFloat, Section, read_toml

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Inputs = Annotated[int, Field(ge=1)]


class ModelSection(Section):
    """Where the network comes from: exactly one of `train`, `onnx` and `run`."""

    train: str | None = None
    """Config of a training; `overrides` changes some of its fields."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    onnx: str | None = None
    """An ONNX model; the other fields are the options of `swtrain import`."""
    levels: tuple[float, ...] = (0.0,)
    columns: bool = False
    calibrate: str | None = None
    """.npz with inputs that calibrate; empty: those of `dataset`."""
    shapes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    output: str | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    run: str | None = None
    """A finished run or an imported folder."""
    dataset: str | None = None
    """Training inputs of this data set calibrate an ONNX model."""
    data: str | None = None
    """Folder of its files."""

    @model_validator(mode="after")
    def _check(self) -> ModelSection:
        given = [name for name in ("train", "onnx", "run") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"has {len(given)} of train, onnx and run ({', '.join(given) or 'none'}); give one")
        own = {"train": {"overrides"}, "run": set[str](), "onnx": set(type(self).model_fields) - {"train", "overrides"}}
        stray = self.model_fields_set - {given[0]} - own[given[0]]
        if stray:
            raise ValueError(f"{', '.join(sorted(stray))} can't be set beside {given[0]}")
        return self


class EmitSection(Section):
    """Options of `swtrain emit-c`."""

    target: str = "msp430fr5994"
    backend: Literal["auto", "cpu", "lea"] = "auto"
    overlap: bool = True
    external: Literal["auto", "all", "none"] = "auto"
    encoding: str | dict[str, str] = "auto"
    """Of all layers with weights, or of each by name."""
    optimize: Literal["latency", "energy", "size"] = "latency"
    switching: Literal["resident", "image", "auto"] = "resident"
    max_step_cycles: Annotated[int, Field(ge=1)] | None = None


class SimulateSection(Section):
    """What is measured, and on what."""

    dataset: str | None = None
    """Data set, or an .npz file with x and y; None: that of the model."""
    data: str | None = None
    inputs: Inputs = 100
    """Test inputs that are simulated at every level; accuracy is that of all."""
    toolchain: Literal["zig", "gcc", "gcc-large"] = "zig"
    energy: str = "fused"


class HarvestSection(Section):
    """A harvested supply on which the example application answers requests by the policy."""

    supply: str
    """As `swtrain run --supply`: harvest:power=1e-3,capacitor=100e-6"""
    period_s: PositiveFloat
    """Between two requests."""
    duration_s: Annotated[float, Field(gt=0, le=86400)]

    @property
    def trace(self) -> str | None:
        """The file of a recorded trace, if the supply has one."""
        found = re.search(r"[:,]csv=([^,]+)", self.supply)
        return found[1] if found else None


class LevelLimits(Section):
    """Limits of one level; None: no limit."""

    max_latency_s: PositiveFloat | None = None
    max_energy_j: PositiveFloat | None = None
    min_accuracy: Annotated[float, Field(ge=0, le=100)] | None = None
    max_weight_bytes: Annotated[int, Field(ge=1)] | None = None
    """Weights and indices that the level reads."""


class SwitchLimits(Section):
    """Limits of every switch."""

    max_latency_s: PositiveFloat | None = None
    max_energy_j: PositiveFloat | None = None
    max_bytes_written: Annotated[int, Field(ge=0)] | None = None


class SwitchesSection(SwitchLimits):
    """Limits of every switch, and of one by its levels."""

    pair: dict[str, SwitchLimits] = Field(default_factory=dict)
    """By `FROM -> TO`, the names of two levels."""

    @model_validator(mode="after")
    def _check_order(self) -> SwitchesSection:
        for name, own in self.pair.items():
            _contradiction(f"switch {name}", "switches", self, own, SwitchLimits)
        return self


def _contradiction(where: str, all_of: str, every: Section, own: Section, kind: type[Section]) -> None:
    """A limit of one holds beside that of all; a looser one could never count.

    Raises:
        ValueError: there is one.
    """
    for key in kind.model_fields:
        general, one = getattr(every, key), getattr(own, key)
        if general is None or one is None:
            continue
        if (one < general) if key.startswith("min") else (one > general):
            raise ValueError(
                f"contradiction: {where} has {key} = {one:g}, but {key} = {general:g} for all {all_of} is stricter, so "
                f"that of {where} never counts; change or remove one of them"
            )


class LimitsSection(LevelLimits):
    """Limits of all levels, of one level by its name, of switches, and of the program."""

    max_fram_bytes: Annotated[int, Field(ge=1)] | None = None
    """FRAM of the program: code, constants, variables, weights."""
    level: dict[str, LevelLimits] = Field(default_factory=dict)
    switch: SwitchesSection = SwitchesSection()

    @field_validator("level")
    @classmethod
    def _check_names(cls, level: dict[str, LevelLimits]) -> dict[str, LevelLimits]:
        for name in level:
            try:
                if not math.isfinite(float(name)):
                    raise ValueError
            except ValueError:
                raise ValueError(f"'{name}' is no level; write its sparsity: [limits.level.\"60.24\"]") from None
        return level

    @model_validator(mode="after")
    def _check_order(self) -> LimitsSection:
        for name, own in self.level.items():
            _contradiction(f"level {name}", "levels", self, own, LevelLimits)
        return self


class BaselineSection(Section):
    """A committed report, and what a new one may be worse by."""

    file: str | None = None
    cycles_percent: Amount = 1.0
    energy_percent: Amount = 1.0
    bytes_percent: Amount = 0.0
    accuracy_points: Amount = 0.1


class EvalConfig(Section):
    """The whole config."""

    out: str | None = None
    """Folder of everything that is made; None: build/<name of the config>."""
    model: ModelSection
    emit: EmitSection = EmitSection()
    simulate: SimulateSection = SimulateSection()
    harvest: HarvestSection | None = None
    limits: LimitsSection = LimitsSection()
    baseline: BaselineSection = BaselineSection()


@dataclass(frozen=True)
class LoadedEval:
    """A config with the folder that its paths are relative to.

    Attributes:
        config: as in the file.
        home: folder of the file.
        name: of the file, without its ending.
    """

    config: EvalConfig
    home: Path
    name: str

    @property
    def out(self) -> Path:
        """Folder of everything that is made."""
        return self.path(self.config.out) if self.config.out else self.home / "build" / self.name

    def path(self, text: str) -> Path:
        """A path of the config."""
        return self.home / Path(text).expanduser()

    @property
    def harvest(self) -> HarvestSection | None:
        """That section, with the path of a recorded trace (`csv=FILE`) made absolute."""
        section = self.config.harvest
        if section is None or section.trace is None:
            return section
        whole = section.supply.replace(f"csv={section.trace}", f"csv={self.path(section.trace)}")
        return section.model_copy(update={"supply": whole})

    def data(self, name: str) -> str | None:
        """Folder with the files of the data set that is measured on; None: swtrain looks for them."""
        given = self.config.simulate.data or self.config.model.data
        return str(self.path(given)) if given and not name.endswith(".npz") else None

    def dataset(self, name: str) -> str:
        """A data set's name; an .npz file as a path."""
        return str(self.path(name)) if name.endswith(".npz") else name


def load_eval(path: Path) -> LoadedEval:
    """Read the config of `swtrain eval`.

    Raises:
        ConfigError: it can't be read, a key is unknown, a value is not allowed, or limits contradict each other.
    """
    values = read_toml(path)
    try:
        config = EvalConfig.model_validate(values)
    except ValidationError as error:
        reasons = dict.fromkeys(_sentences(error))
        raise ConfigError(f"{path}: {'; '.join(reasons)}") from error
    return LoadedEval(config, path.resolve().parent, path.stem)


def _sentences(error: ValidationError) -> Iterator[str]:
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            *section, last = (str(part) for part in detail["loc"])
            where = f" in [{'.'.join(section)}]" if section else ""
            yield unknown_name("key", last, _fields(section)) + where
        elif detail["type"] == "value_error":
            yield f"{key}: {detail['ctx']['error']}" if key else str(detail["ctx"]["error"])
        elif detail["type"] == "missing":
            yield f"{key} is missing"
        else:
            shown = (
                detail["input"] if isinstance(detail["input"], str | int | float) else type(detail["input"]).__name__
            )
            yield f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}, got {shown!r}"


def _fields(section: list[str]) -> list[str]:
    """Known keys of a section."""
    if section[:2] == ["limits", "level"]:
        return [*LevelLimits.model_fields]
    if section[:3] == ["limits", "switch", "pair"]:
        return [*SwitchLimits.model_fields]
    if section == ["limits", "switch"]:
        return [*SwitchesSection.model_fields]
    sections: dict[str, type[Section]] = {
        "model": ModelSection,
        "emit": EmitSection,
        "simulate": SimulateSection,
        "harvest": HarvestSection,
        "limits": LimitsSection,
        "baseline": BaselineSection,
    }
    return [*(sections[section[0]] if section else EvalConfig).model_fields]
