"""The settings of one training run: defaults, a TOML file, then overrides from the command line.

Comes in: a TOML file and a mapping of overrides. Goes out: a frozen `TrainConfig`, or a `ConfigError` of one
sentence. Invariant: every `TrainConfig` that exists is valid in itself (names of models and data sets are
checked by their registries, which know them). Does not import torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from .errors import ConfigError, unknown_name
from .sections import (
    AdmmSettings,
    BlockSize,
    Count,
    Epochs,
    FreezeRule,
    LayerRule,
    LearningRates,
    Percent,
    PositiveFloat,
    Section,
    ShapeName,
    Target,
    TeacherSettings,
    parse_target,
    read_toml,
)  # fmt: skip

__all__ = ["DENSE_ONLY", "LayerRule", "Target", "TrainConfig", "differing_keys", "load_config", "parse_config"]


DENSE_ONLY: dict[str, Any] = {
    "levels": (0.0,),
    "targets": (),
    "levels_from": (),
    "strategy": "sequential",
    "fold": "dense",
    "level_weights": (),
    "layers": (),
}
"""Settings that make a config that of one dense model."""


class TrainConfig(Section):
    """Everything that decides the weights of a run. Two runs with equal configs give equal weights."""

    model: str = "lenet5"
    """Name of a network, an ONNX file, or `package.module:function` that makes a module of your own."""
    model_options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Keyword arguments of the network: `{width = 0.5}`."""
    activation: Literal["relu", "leaky-relu", "elu", "selu"] = "relu"
    """Takes the place of every `nn.ReLU` of the network; only `relu` can be exported."""
    init: str = ""
    """Folder of a finished run whose weights the network starts from, wherever names and shapes agree."""
    freeze: tuple[FreezeRule, ...] = ()
    dataset: str = "mnist-subset"
    """Name of a data set, with options after a colon: `hapt:channels=6`."""
    data: str | None = None
    """Folder of the data set's files; None: `SWTRAIN_DATA`, then the user's cache, then a download."""

    levels: tuple[float, ...] = (60.24, 40.50, 20.70)
    """Sparsity of each level in percent of the prunable weights, sparsest first. `[0]`: one dense model."""
    targets: tuple[str, ...] = ()
    """One per level, where given in the place of its sparsity: `latency<=0.05` (seconds by the cost model), or
    `accuracy_drop<=0.5` (points on held-out data); '' keeps the number. See `targets.py`."""
    levels_from: tuple[str, ...] = ()
    """The targets that `levels` were derived from; written, not to be set."""
    board: str = "msp430fr5994"
    """Whose cost model predicts latency."""
    strategy: Literal["sequential", "joint", "hybrid", "sw-train", "auto"] = "sequential"
    """`sequential`: the sparsest level first, frozen, then grown; `joint`: all levels at once; `hybrid`: the
    sparsest first, then all; `sw-train`: the published way, no retraining; `auto`: `sequential` or `hybrid`, whichever
    is better on held-out data."""
    scope: Literal["layer", "global", "row"] = "layer"
    """`layer`: the same sparsity in each layer; `row`: and in each filter; `global`: weights of all layers compete."""
    shape: ShapeName = "unstructured"
    """What is removed at once; see `sparsity.shapes`."""
    group: Count = 0
    """`column`: consecutive filters that share their columns; 0: all of a layer."""
    pair: bool = True
    """`column`: columns enter in pairs, since LEA sizes are even."""
    block: tuple[BlockSize, BlockSize] = (4, 8)
    """`whole-block`: filters and columns of a block; `block`: weights of a run (the second number)."""
    patterns: Annotated[int, Field(ge=1, le=256)] = 8
    """`pattern`: different kernel patterns that a level may add."""
    floor: Percent = 0.0
    """Percent of its weights that each layer keeps at least, at every level."""
    layers: tuple[LayerRule, ...] = ()
    score: Literal["magnitude", "lamp", "taylor"] = "magnitude"
    """What makes a weight worth keeping; `lamp` needs scope `global`."""
    prune: Literal["ramp", "admm", "one-shot"] = "ramp"
    """How the sparsest level comes about: gradually, by ADMM and a hard cut, or at once."""
    admm: AdmmSettings = AdmmSettings()
    enter: Literal["dense", "zero"] = "dense"
    """What a denser level's new weights start from: their values in the dense model, or 0, where the level begins as
    good as the sparser one; better when the sparser weights have moved far from the dense ones."""
    fold: Literal["dense", "prune"] = "dense"
    """Phase after which batch norms go into the layers before them: they help to prune far, and no longer exist where
    levels share weights. `prune` is for `sequential` and `hybrid` with `enter = "zero"`."""
    distill: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the loss that follows a teacher: that of `[teacher]`, else the dense model, in a joint phase the
    densest level."""
    temperature: PositiveFloat = 2.0
    """Softening of the outputs in that part of the loss."""
    teacher: TeacherSettings = TeacherSettings()
    level_weights: tuple[Annotated[float, Field(ge=0)], ...] = ()
    """`joint`, `hybrid`: weight of each level in the loss; empty: all 1."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each label that goes to all classes evenly."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    epochs: Epochs = Epochs()
    lr: LearningRates = LearningRates()
    optimizer: Literal[
        "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "adamax", "nadam",
        "novograd", "powersign", "addsign",
    ] = "adam"  # fmt: skip
    optimizer_options: dict[str, bool | float | list[float]] = Field(default_factory=dict)
    """Further keyword arguments of the optimiser: `{betas = [0.9, 0.99]}`."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    schedule: Literal[
        "one-cycle", "cosine", "cosine-restarts", "constant", "power", "exponential", "plateau"
    ] = "one-cycle"  # fmt: skip
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """First part of each phase over which the learning rate rises linearly; `one-cycle` has its own."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without a better held-out accuracy after which `plateau` halves the rate; 0: never."""
    stop_after: Annotated[int, Field(ge=0)] = 0
    """Epochs without a better held-out accuracy after which a phase ends early (not while masks change); 0: never."""
    clip_norm: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Largest norm of all gradients together; 0: no limit."""
    clip_value: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Largest absolute value of a gradient; 0: no limit."""
    gradient_noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Variance of normal noise on gradients at step 1; it falls with `(1 + step) ** -0.55` (Neelakantan 2015)."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Memory of the running mean of the weights that each phase ends with, per step: 0.999; 0: no mean."""
    snapshots: bool = False
    """The dense phase keeps the weights at each restart of `cosine-restarts`; a teacher teaches by all of them."""
    qat_bits: Annotated[int, Field(ge=2, le=16)] = 8
    """`epochs.qat`: bits of a weight, sign included; its scale is a power of two per layer, shared by all levels."""
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 128
    batch_growth: Annotated[int, Field(ge=0, le=16)] = 0
    """How often the batch size doubles, evenly spread over each phase (Smith et al. 2018)."""
    ramp: Annotated[float, Field(gt=0, le=1)] = 0.5
    """`sequential`: part of the pruning phase in which the sparsity rises (cubic); the rest trains at it."""

    augment_shift: Annotated[int, Field(ge=0, le=64)] = 2
    """Training images are shifted by up to this many pixels in x and y; signals of one row by samples."""
    augment_wrap: bool = False
    """What a shift moves out at one end comes in at the other, for signals that repeat; else zeros come in."""
    augment_rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Training images are turned by up to this many degrees."""
    augment_scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Training images are stretched by up to this share, in x and y apart; 0.1: by 0.9 to 1.1."""
    augment_flip: bool = False
    """Half of the training images are mirrored."""
    augment_noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Normal noise on training inputs, in units of what the network sees."""
    augment_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Training inputs are multiplied by 1 plus or minus up to this share."""
    augment_turn: Annotated[float, Field(ge=0, le=180)] = 0.0
    """The three axes of every sensor are turned together by up to this many degrees about a random axis."""
    augment_mask: Annotated[int, Field(ge=0, le=64)] = 0
    """Up to this many neighbouring rows, and as many columns, of a training input become 0 (SpecAugment)."""
    validation: Annotated[int, Field(ge=0)] = 1000
    """Training examples held out; the accuracy shown after each epoch is measured on them."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads of torch. Part of the config since sums depend on it."""

    @field_validator("levels", mode="before")
    @classmethod
    def _split_levels(cls, value: object) -> object:
        """Accept `60.24,40.50,20.70` as the command line gives it."""
        if isinstance(value, str):
            return [part.strip() for part in value.replace("/", ",").split(",") if part.strip()]
        return value

    @field_validator("levels")
    @classmethod
    def _check_levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if not levels:
            raise ValueError("the list is empty; give at least one sparsity, for example [60.24, 40.50, 20.70]")
        if len(levels) > 255:
            raise ValueError(f"{len(levels)} levels do not fit the uint8 level index, which holds at most 255")
        for sparsity in levels:
            if not 0 <= sparsity < 100:  # also catches nan
                raise ValueError(f"sparsity {sparsity:g} % is out of range; it must be at least 0 and below 100")
        for sparser, denser in itertools.pairwise(levels):
            if not denser < sparser:
                raise ValueError(
                    f"{denser:g} % follows {sparser:g} %, but density must increase from level to level; "
                    "list the sparsities from the highest to the lowest, each once"
                )
        return levels

    @field_validator("targets")
    @classmethod
    def _check_targets(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        for text in targets:
            parse_target(text)
        return targets

    @model_validator(mode="after")
    def _check_together(self) -> TrainConfig:
        if self.score == "lamp" and self.scope != "global":
            raise ValueError(f"score 'lamp' compares layers, which scope '{self.scope}' does not; set scope to global")
        if self.level_weights and len(self.level_weights) != len(self.levels):
            raise ValueError(
                f"level_weights has {len(self.level_weights)} numbers for {len(self.levels)} levels; give one per level"
            )
        grow = self.epochs.grow
        if not isinstance(grow, int) and len(grow) != len(self.levels) - 1:
            raise ValueError(
                f"epochs.grow has {len(grow)} numbers for {len(self.levels)} levels; give one for each but the sparsest"
            )
        if self.fold == "prune" and (self.strategy not in ("sequential", "hybrid") or self.enter != "zero"):
            raise ValueError(
                "fold = 'prune' changes what the dense model's weights mean before levels grow; it needs strategy "
                "sequential or hybrid and enter = 'zero'"
            )
        if self.fold == "prune" and self.levels[0] == 0:
            raise ValueError("fold = 'prune' needs a pruning phase, but the sparsest level is dense")
        if self.teacher.model and self.distill == 0:
            raise ValueError("a teacher is named, but distill is 0, so nothing follows it; set distill, such as 0.5")
        if self.targets and len(self.targets) != len(self.levels):
            raise ValueError(
                f"targets has {len(self.targets)} entries for {len(self.levels)} levels; give one for each, or ''"
            )
        if self.validation == 0 and any(t is not None and t.kind == "accuracy_drop" for t in self.parsed_targets):
            raise ValueError("target accuracy_drop is measured on held-out examples, but validation is 0")
        if self.snapshots and self.schedule != "cosine-restarts":
            raise ValueError(f"snapshots are taken at restarts, which schedule '{self.schedule}' lacks")
        if self.strategy == "auto" and self.validation == 0:
            raise ValueError("strategy 'auto' chooses on held-out examples, but validation is 0; hold some out")
        if (self.schedule == "plateau") != (self.patience > 0):
            raise ValueError("schedule 'plateau' and patience go together; set both or none")
        if (self.patience or self.stop_after) and self.validation == 0:
            raise ValueError("patience and stop_after watch held-out examples, but validation is 0; hold some out")
        return self

    def of_teachers(self) -> list[TrainConfig]:
        """Configs of the runs that train the teachers: dense, otherwise like this one; empty without a teacher."""
        if not self.teacher.model:
            return []
        changed: dict[str, Any] = {
            "model": self.teacher.model,
            "model_options": self.teacher.model_options,
            **DENSE_ONLY,
            "shape": "unstructured",
            "scope": "layer",
            "score": "magnitude",
            "distill": 0.0,
            "teacher": {},
            "init": "",
            "freeze": (),
            "epochs": {**self.epochs.model_dump(), "dense": self.teacher.epochs, "grow": 1, "qat": 0},
            "lr": {**self.lr.model_dump(), "dense": self.teacher.lr},
        }
        seeds = [(self.seed + k) % 2**32 for k in range(self.teacher.members)]
        return [TrainConfig.model_validate({**self.to_dict(), **changed, "seed": seed}) for seed in seeds]

    @property
    def parsed_targets(self) -> tuple[Target | None, ...]:
        """One per level, or none at all."""
        return tuple(parse_target(text) for text in self.targets)

    @property
    def densities(self) -> tuple[float, ...]:
        """Share of the weights present at each level, 0 to 1, increasing."""
        return tuple(1 - sparsity / 100 for sparsity in self.levels)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, as stored in `config.json` and in checkpoints."""
        return self.model_dump(mode="json")


def load_config(path: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a config: defaults, then the TOML file at `path`, then `overrides`.

    Args:
        path: a TOML file with the fields of `TrainConfig`; None for the defaults.
        overrides: field to value; `epochs.dense` reaches into a section; a value of None is ignored.

    Raises:
        ConfigError: the file cannot be read or parsed, a key is unknown, or a value is not allowed.
    """
    values: dict[str, Any] = {}
    where = "config"
    if path is not None:
        where = str(path)
        values = read_toml(Path(path))
    for key, value in (overrides or {}).items():
        if value is not None:
            _put(values, key, value)
    return parse_config(values, where)


def parse_config(values: Mapping[str, Any], where: str = "config") -> TrainConfig:
    """Validate plain values (of TOML or of a stored `config.json`).

    Raises:
        ConfigError: one sentence that names every wrong key, beginning with `where`.
    """
    try:
        return TrainConfig.model_validate(dict(values))
    except ValidationError as error:
        reasons = [_sentence(detail) for detail in error.errors(include_url=False)]
        raise ConfigError(f"{where}: {'; '.join(dict.fromkeys(reasons))}") from error


def differing_keys(old: TrainConfig, new: TrainConfig) -> dict[str, tuple[Any, Any]]:
    """Fields that decide the weights and differ, as key to (old, new). `data` only says where files lie."""
    before, after = _flatten(old.to_dict()), _flatten(new.to_dict())
    keys = [key for key in before | after if key != "data" and before.get(key) != after.get(key)]
    return {key: (before.get(key), after.get(key)) for key in keys}


def _put(values: dict[str, Any], key: str, value: object) -> None:
    section, dot, field = key.partition(".")
    if not dot:
        values[key] = value
        return
    inner = values.setdefault(section, {})
    if isinstance(inner, dict):
        values[section] = {**inner, field: value}
    else:
        raise ConfigError(f"config: '{section}' is a section, but it is set to {inner!r}")


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


_SECTIONS: dict[str, type[Section]] = {
    "epochs": Epochs,
    "lr": LearningRates,
    "layers": LayerRule,
    "admm": AdmmSettings,
    "teacher": TeacherSettings,
    "freeze": FreezeRule,
}


def _sentence(detail: Any) -> str:
    """One pydantic error as `key: reason`."""
    location = detail["loc"]
    key = ".".join(str(part) for part in location)
    if detail["type"] == "extra_forbidden":
        section = _SECTIONS.get(str(location[0]), TrainConfig) if len(location) > 1 else TrainConfig
        return unknown_name("key", key, _prefixed(section, location[:-1]))
    if detail["type"] == "value_error":
        return f"{key}: {detail['ctx']['error']}" if key else str(detail["ctx"]["error"])
    value = detail["input"]
    shown = value if isinstance(value, str | int | float) else type(value).__name__
    return f"{key}: {detail['msg'][0].lower()}{detail['msg'][1:]}, got {shown!r}"


def _prefixed(section: type[Section], location: tuple[int | str, ...]) -> list[str]:
    return [".".join([*map(str, location), field]) for field in section.model_fields]
