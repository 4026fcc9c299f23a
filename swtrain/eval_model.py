"""First stage of `swtrain eval`: the network, trained, imported or there already, as a folder with `graph.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from .datasets import Dataset, load_dataset
from .errors import ConfigError
from .eval_cache import Cache, Stage, digest, file_digest
from .eval_config import LoadedEval, ModelSection

GRAPH = ("graph.json", "graph.npz")

Note = Callable[[str], None]
"""Called with a line for the user."""


@lru_cache(maxsize=4)
def dataset_of(name: str, data: str | None) -> Dataset:
    """A data set, loaded once."""
    return load_dataset(name, data)


@lru_cache(maxsize=4)
def dataset_digest(name: str, data: str | None) -> str:
    """Hash of the content of a data set."""
    dataset = dataset_of(name, data)
    total = hashlib.sha256(f"{name} {dataset.input_frac_bits}".encode())
    for array in (dataset.train.x, dataset.train.y, dataset.test.x, dataset.test.y):
        total.update(f"{array.dtype} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def prepare_model(loaded: LoadedEval, cache: Cache, note: Note) -> Path:
    """The folder of the network; trains or imports unless that is done.

    Raises:
        ConfigError, DataError, CodegenError: as `swtrain train` and `swtrain import`.
    """
    model = loaded.config.model
    if model.train is not None:
        return _train(loaded, model, cache, note)
    if model.onnx is not None:
        return _import(loaded, model, cache, note)
    assert model.run is not None
    run = loaded.path(model.run)
    if not all((run / name).is_file() for name in GRAPH):
        raise ConfigError(f"{run}: has no {GRAPH[0]}; give the folder of a finished swtrain train or swtrain import")
    return run


def _outputs(run: Path) -> list[Path]:
    return [*(run / name for name in GRAPH), *sorted((run / "onnx").glob("*.onnx"))]


def _train(loaded: LoadedEval, model: ModelSection, cache: Cache, note: Note) -> Path:
    from .config import load_config, parse_config

    assert model.train is not None
    settings = load_config(loaded.path(model.train), model.overrides)
    settings = parse_config({**settings.to_dict(), "dataset": loaded.dataset(settings.dataset)})
    out = loaded.out / "run"
    options: dict[str, Any] = {
        "config": {k: v for k, v in settings.to_dict().items() if k != "data"},
        "data": dataset_digest(settings.dataset, settings.data),
    }
    if settings.init:
        options["init"] = file_digest(Path(settings.init) / "model.pt")
    if settings.model.endswith(".onnx"):
        options["onnx"] = file_digest(Path(settings.model))
    stage = Stage("model", ("swtrain", "codegen"), options)

    def work() -> None:
        note(f"training {settings.model}, levels {', '.join(f'{v:g}' for v in settings.levels)}")
        from .export import export_run
        from .progress import ConsoleProgress
        from .targets import resolve
        from .terminal import log
        from .train import train

        # a checkpoint of this very stage goes on; one of other settings or sources is replaced
        started = cache.folder() / "model.started"
        resume = started.is_file() and started.read_text() == stage.key and (out / "config.json").is_file()
        started.write_text(stage.key)
        progress = ConsoleProgress(log)
        resolved = resolve(settings, out, resume, progress)
        train(resolved, out, resume=resume, overwrite=not resume, progress=progress)
        export_run(out)
        started.unlink()

    cache.run(stage, lambda: _outputs(out), work)
    return out


def _import(loaded: LoadedEval, model: ModelSection, cache: Cache, note: Note) -> Path:
    assert model.onnx is not None
    from .importing import ImportSettings, import_model

    source, out = loaded.path(model.onnx), loaded.out / "run"
    settings = ImportSettings(
        source,
        model.dataset,
        str(loaded.path(model.data)) if model.data else None,
        loaded.path(model.calibrate) if model.calibrate else None,
        model.levels,
        model.columns,
        model.shapes,
        model.output,
        model.mean,
        model.std,
    )
    options: dict[str, Any] = {
        "model": file_digest(source),
        "calibrate": file_digest(settings.calibrate) if settings.calibrate else "",
        "data": dataset_digest(settings.dataset, settings.data) if settings.dataset else "",
        "settings": model.model_dump(mode="json", exclude={"data"}),
    }

    def work() -> None:
        note(f"importing {source.name}")
        for text in import_model(settings, out).notes:
            note(f"note: {text}")

    cache.run(Stage("model", ("swtrain", "codegen"), options), lambda: _outputs(out), work)
    return out


def graph_digest(run: Path) -> str:
    """Hash of the integer network in a folder."""
    return digest([file_digest(run / name) for name in GRAPH])
