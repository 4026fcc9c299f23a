"""The folder of a training run: what lies in it, written whole or not at all.

    config.json     the `TrainConfig` of the run
    checkpoint.pt   state after the last complete epoch, enough to go on
    history.csv     one row per epoch
    model.pt        the finished `NestedModel`
    metrics.json    figures of the finished run; written last, so its presence means that the run is complete
    source.onnx     the model that the run started from, if it was an ONNX file
    teacher/<k>/    the runs of the config's `[teacher]`, if it has one
    seeds/<seed>/   the same recipe with other seeds, by `swtrain train --seeds`

Invariant: every file is written to a temporary name in the same folder, synced and renamed, so a killed
process never leaves half of one. Stored tensors are read with `weights_only=True`: no code is executed.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from .config import TrainConfig, differing_keys, parse_config
from .errors import CheckpointError, ConfigError, NestingError, OutputError
from .graph_module import SUFFIX, onnx_module, self_contained
from .importing import FILES as IMPORTED
from .models import build_model, fold_batch_norm_, prunable_layers, set_activation_
from .nested import NestedModel
from .sparsity.settings import plan_of

FORMAT = 1
LOCK = ".lock"
"""Version of `checkpoint.pt` and `model.pt`; raised whenever an older program could misread them."""
CONFIG, CHECKPOINT, HISTORY, MODEL, METRICS = (
    "config.json",
    "checkpoint.pt",
    "history.csv",
    "model.pt",
    "metrics.json",
)
TEACHER = "teacher"
SOURCE = "source.onnx"
SEEDS = "seeds"
EXPORTED = ("graph.json", "graph.npz")
"""Made from a finished run by `export`; they must not outlive the run they belong to."""
FILES = (CONFIG, CHECKPOINT, HISTORY, MODEL, METRICS)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that `path` is either the old or the new content, also after a power failure.

    Raises:
        OutputError: the folder cannot be written or the disk is full.
    """
    temporary: str | None = None
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: cannot write: it is a folder or a device")
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # noqa: PTH101 (mkstemp makes 0600)
        os.replace(temporary, path)  # noqa: PTH105
        temporary = None
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON atomically, keys in the given order."""
    write_atomic(path, (json.dumps(value, indent=1) + "\n").encode())


def write_tensors(path: Path, value: Mapping[str, Any]) -> None:
    """Write tensors and plain values atomically, marked with the format version."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **value}, buffer)
    write_atomic(path, buffer.getvalue())


def read_tensors(path: Path) -> dict[str, Any]:
    """Read what `write_tensors` wrote.

    Raises:
        CheckpointError: the file is missing, corrupt or of another format version.
    """
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()  # torch itself does not check the CRC of tensors
        if damaged is not None:
            raise zipfile.BadZipFile(f"wrong CRC of {damaged}")
        value = torch.load(io.BytesIO(content), map_location=torch.get_default_device(), weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: does not exist; train with --out {path.parent} first") from error
    except Exception as error:  # on damaged bytes the unpickler raises whatever it stumbles over
        raise CheckpointError(
            f"{path}: cannot be read, the file is corrupt or not a checkpoint; train again with --overwrite"
        ) from error
    found = value.get("format") if isinstance(value, dict) else None
    if found != FORMAT:
        raise CheckpointError(
            f"{path}: has format version {found}, this swtrain reads version {FORMAT}; "
            "train again with --overwrite, or use the swtrain that wrote it"
        )
    assert isinstance(value, dict)
    return value


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold `out` for one training; a lock ends with its process, however that ends.

    Raises:
        OutputError: `out` cannot be created, or another process trains into it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / LOCK, timeout=0):
            try:
                yield
            finally:
                (out / LOCK).unlink(missing_ok=True)
    except Timeout as error:
        raise OutputError(f"{out}: another process is training here; wait for it, or give another --out") from error
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{out}: cannot create the output folder: {error.strerror or error}") from error


def prepare_out(out: Path, config: TrainConfig, resume: bool, overwrite: bool) -> None:
    """Make `out` ready to be written, or refuse before any training.

    Raises:
        OutputError: `out` cannot be written, or holds a run and neither `resume` nor `overwrite` is set.
        CheckpointError: `resume` is set, but there is no run, or one with another config.
    """
    try:
        has_run = any((out / name).exists() for name in FILES)
    except OSError as error:
        raise OutputError(f"{out}: cannot be used as output folder: {error.strerror or error}") from error
    if (out / IMPORTED[0]).exists() and not overwrite:
        raise OutputError(f"{out}: holds an imported model; replace it with --overwrite, or give another --out")
    if resume and not overwrite:
        if not has_run:
            raise CheckpointError(f"{out}: holds no run to resume; check --out, or leave --resume out")
        _check_same_config(out, config)
    elif has_run and not overwrite:
        raise OutputError(
            f"{out}: already holds a run; continue it with --resume, replace it with --overwrite, or give another --out"
        )
    for name in FILES:  # what a killed process may have left
        for temporary in out.glob(f".{name}.*"):
            temporary.unlink(missing_ok=True)
    source = None
    if config.model.endswith(SUFFIX) and (overwrite or not (out / SOURCE).exists()):
        source = self_contained(config.model)
    if overwrite:
        for member in (*(out / TEACHER).glob(f"*/{CONFIG}"), *(out / SEEDS).glob(f"*/{CONFIG}")):
            shutil.rmtree(member.parent)
        for exported in (out / "onnx").glob("level*.onnx"):
            exported.unlink()
        # first what says "complete"
        for name in (*IMPORTED, *EXPORTED, METRICS, MODEL, CHECKPOINT, HISTORY, CONFIG):
            (out / name).unlink(missing_ok=True)
        (out / SOURCE).unlink(missing_ok=True)
    if source is not None:
        write_atomic(out / SOURCE, source)
    if not (out / CONFIG).exists():
        write_json(out / CONFIG, config.to_dict())


def read_config(out: Path) -> TrainConfig:
    """Config of the run in `out`.

    Raises:
        CheckpointError: there is none, or it is not valid for this version.
    """
    path = out / CONFIG
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        config = parse_config(stored, str(path))
        missing = sorted(set(TrainConfig.model_fields) - set(stored))
        if missing:  # a default in its place would make another run of it
            raise ConfigError(f"{path}: lacks {', '.join(missing)}")
        return config
    except FileNotFoundError as error:
        raise CheckpointError(f"{out}: holds no run ({CONFIG} is missing); train with --out {out} first") from error
    except (OSError, RecursionError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); train again with --overwrite") from error
    except ConfigError as error:
        raise CheckpointError(f"{error}; was it written by another swtrain?") from error


def _check_same_config(out: Path, config: TrainConfig) -> None:
    differing = differing_keys(read_config(out), config)
    if differing:
        shown = ", ".join(f"{key} was {old} and is now {new}" for key, (old, new) in differing.items())
        raise CheckpointError(f"{out}: cannot resume with another config ({shown}); restore it or use --overwrite")


def load_run(out: str | Path) -> tuple[NestedModel, TrainConfig, dict[str, Any]]:
    """Load a finished run.

    Args:
        out: the folder that `train` wrote.

    Returns:
        The verified nested model in evaluation mode, its config, and the contents of `metrics.json`.

    Raises:
        CheckpointError: there is no finished run, or a file is corrupt or of another version.
    """
    out = Path(out)
    config = read_config(out)
    try:
        metrics: dict[str, Any] = json.loads((out / METRICS).read_text(encoding="utf-8"))
        accuracies = [float(level["accuracy_float"]) for level in metrics["levels"]]
        if len(accuracies) != len(config.levels):
            raise ValueError(f"{len(accuracies)} levels, the config has {len(config.levels)}")
    except FileNotFoundError as error:
        raise CheckpointError(f"{out}: the run is not finished; complete it with --resume") from error
    except (OSError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"{out / METRICS}: cannot be read ({error}); train again with --overwrite") from error
    state = read_tensors(out / MODEL)
    nested = make_nested(config, out)
    load_nested_(nested, state, out / MODEL)
    try:
        nested.verify()
    except NestingError as error:
        raise CheckpointError(f"{out / MODEL}: {error}; train again with --overwrite") from error
    nested.eval()
    return nested, config, metrics


def make_nested(config: TrainConfig, out: Path | None = None) -> NestedModel:
    """The model of `config` with fresh weights of torch's global generator, dense at every level.

    Raises:
        ConfigError: the model is unknown, or a rule for layers does not fit it.
    """
    module = make_module(config, out)
    return NestedModel(module, config.levels, plan_of(config, prunable_layers(module)))


def make_module(config: TrainConfig, out: Path | None = None) -> nn.Module:
    """The network of `config` with fresh weights of torch's global generator; an imported one with its own.

    Args:
        out: folder of the run, whose copy of an imported model is taken.

    Raises:
        ConfigError: as `build_model`.
    """
    if config.model.endswith(SUFFIX):
        copy = out / SOURCE if out is not None else None
        path = copy if copy is not None and copy.exists() else Path(config.model)
        return set_activation_(onnx_module(path, config.model_options), config.activation)
    return set_activation_(build_model(config.model, config.model_options), config.activation)


def load_snapshots(out: Path) -> list[nn.Module]:
    """The networks of a finished run at the restarts of its dense phase, batch norm folded; for `Ensemble`.

    Raises:
        CheckpointError: there is no finished run, or a file is damaged.
    """
    config = read_config(out)
    found = []
    for state in read_tensors(out / MODEL)["snapshots"]:
        module = make_module(config, out)
        module.load_state_dict(state)
        found.append(fold_batch_norm_(module.eval()))
    return found


def load_nested_(nested: NestedModel, state: Mapping[str, Any], where: Path) -> None:
    """Load `state["nested"]` into `nested`.

    Raises:
        CheckpointError: shapes, names or levels do not fit.
    """
    config_levels = nested.sparsities
    try:
        if not any(key.endswith("running_mean") for key in state["nested"]):
            fold_batch_norm_(nested.module)  # as it was when the state was stored
        nested.load_state_dict(state["nested"])
    except (RuntimeError, KeyError, TypeError, NestingError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{where}: does not fit the model of its config: {reason}") from error
    if nested.sparsities != config_levels:
        raise CheckpointError(
            f"{where}: does not fit the model of its config: holds the levels {nested.sparsities}, "
            f"the config says {config_levels}"
        )
