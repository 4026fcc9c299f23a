"""An ONNX model as a folder that `plan`, `emit-c`, `build`, `sim` and `test` take like a trained run; needs no torch.

    graph.json, graph.npz   the integer network
    onnx/level<k>.onnx      each level in float
    import.json             where it comes from, and how it was imported

All files appear at once. `swtrain train --model FILE.onnx` trains such a model further instead (`graph_module.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from codegen.errors import CodegenError
from codegen.files import RECORD as GENERATED
from codegen.files import check_replaceable, replace_folder
from codegen.floatgraph import FloatGraph
from codegen.inputs import normalized, of_examples, of_range, of_shape
from codegen.ir import Graph
from codegen.onnx_import import Imported, import_onnx
from codegen.onnx_reader import read_onnx
from codegen.onnx_writer import to_onnx
from codegen.ops import Argmax
from codegen.prune import prune
from codegen.quantize import quantize
from codegen.serialize import graph_arrays, graph_to_dict, npz_bytes

from . import __version__
from .datasets import Dataset, load_dataset
from .errors import ConfigError, DataError

RECORD = "import.json"
FILES = (RECORD, GENERATED)
"""What says that a folder was imported."""
CALIBRATION = 1024
"""Training inputs whose activations set the clip bounds."""


@dataclass(frozen=True)
class ImportSettings:
    """How a model is imported.

    Attributes:
        model: the ONNX file.
        dataset, data: training inputs of this data set calibrate; its test split measures.
        calibrate: .npz with inputs in ONNX's layout, in the place of a data set.
        levels: sparsity in percent, sparsest first; (0,) keeps every weight.
        columns: prune whole columns, which the LEA executes.
        shapes: of the input, where the model leaves it open.
        output: the output to take where there are several.
        mean, std: the model was trained on `(x - mean) / std`; empty: on x.
    """

    model: Path
    dataset: str | None = None
    data: str | None = None
    calibrate: Path | None = None
    levels: tuple[float, ...] = (0.0,)
    columns: bool = False
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    output: str | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class ImportRecord(BaseModel):
    """`import.json`: where an imported model comes from, and how it was imported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    model: str
    sha256: str
    dataset: str | None
    data: str | None
    calibrate: str | None
    levels: tuple[float, ...]
    columns: bool
    input: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ImportResult:
    """What was imported.

    Attributes:
        graph: the integer network, with float accuracies if a data set was given.
        weight_error: the largest difference between a weight and its integer, relative to the largest weight of its
            layer; at most half a step of the layer's power-of-two scale.
        notes: what a user should know, one sentence each.
    """

    graph: Graph
    weight_error: float
    notes: tuple[str, ...]


def import_model(settings: ImportSettings, out: Path) -> ImportResult:
    """Import the model of `settings` into the folder `out`.

    Raises:
        CodegenError: the model can't be imported or quantised, or `out` can't be written.
        ConfigError, DataError: a setting is wrong, or the inputs can't be read.
    """
    if settings.calibrate is not None and settings.dataset is not None:
        raise ConfigError("--calibrate and --dataset both give calibration inputs; give one of them")
    check_replaceable(out)
    name = identifier(settings.model)
    imported = import_onnx(read_onnx(settings.model, settings.shapes, settings.output), name)
    dataset = load_dataset(settings.dataset, settings.data) if settings.dataset is not None else None
    floats, inputs = _fed(imported, settings, dataset)
    floats = prune(floats, settings.levels, settings.columns, {*imported.whole, "normalize"})
    floats = replace(floats, meta=_meta(settings, dataset))
    if dataset is not None:
        found = [replace(v, accuracy_float=float_accuracy(floats, dataset, k)) for k, v in enumerate(floats.levels)]
        floats = replace(floats, levels=tuple(found))
    # the data says better than the model what the input is
    ranges = {k: v for k, v in imported.ranges.items() if inputs is None or k != floats.input}
    graph = quantize(floats, inputs, ranges=ranges)
    files: dict[str, str | bytes] = {
        "graph.npz": npz_bytes(graph_arrays(graph)),
        "graph.json": json.dumps(graph_to_dict(graph), indent=1) + "\n",
        RECORD: _record(settings, imported).model_dump_json(indent=1) + "\n",
    }
    files |= {f"onnx/level{k}.onnx": to_onnx(floats, k) for k in range(len(floats.levels))}
    replace_folder(out, files)
    return ImportResult(graph, weight_error(floats, graph), imported.notes)


def identifier(model: str | Path) -> str:
    """A C identifier for the name of a file."""
    found = re.sub(r"\W", "_", Path(model).stem, flags=re.ASCII).strip("_") or "net"
    return f"net_{found}" if found[0].isdigit() else found


def fed_from(graph: FloatGraph, dataset: Dataset, mean: Sequence[float], std: Sequence[float]) -> FloatGraph:
    """`graph` for the inputs of `dataset`, normalised before it if asked.

    `mean` and `std` are for pixels of 0 to 1, as torchvision makes them; other data is taken as it is.
    """
    bits = dataset.input_frac_bits
    pixels = bits == 8 and (dataset.input_low, dataset.input_high) == (0, 255)
    shape = dataset.test.x.shape[1:]
    if mean or std:
        parts = [_by_element(part, graph.shape, shape) for part in (mean or (0.0,), std or (1.0,))]
        graph = normalized(graph, parts[0], parts[1], 256 / 255 if pixels else 1.0)
    made = of_shape(graph, shape)
    high, low = dataset.input_high / 2**bits, dataset.input_low / 2**bits
    return replace(made, input_frac_bits=bits, input_max=high, input_min=low)


def _by_element(numbers: Sequence[float], own: tuple[int, ...], shape: tuple[int, ...]) -> Sequence[float]:
    """Numbers per channel of an image of `shape` as numbers per element, for a network of flat inputs."""
    if len(own) == 1 and len(shape) == 3 and len(numbers) == shape[0] > 1:
        return [float(v) for v in np.repeat(numbers, shape[1] * shape[2])]
    return numbers


def _fed(
    imported: Imported, settings: ImportSettings, dataset: Dataset | None
) -> tuple[FloatGraph, NDArray[np.float32] | None]:
    """The network for the inputs that `settings` name, and what calibrates it."""
    graph = imported.graph
    if dataset is not None:
        if not len(dataset.train):
            raise ConfigError(f"{dataset.name} holds inputs to measure on; calibrate with others: --calibrate FILE.npz")
        try:
            graph = fed_from(graph, dataset, settings.mean, settings.std)
        except CodegenError as error:
            raise ConfigError(f"{settings.model} does not go with {dataset.name}: {error}") from error
        return graph, dataset.to_real(dataset.train.x[:CALIBRATION])
    inputs = None
    if settings.calibrate is not None:
        inputs = imported.examples(_read_inputs(settings.calibrate, imported.input_shape))
        graph = of_examples(graph, inputs)
    elif graph.input in imported.ranges:
        graph = of_range(graph, *imported.ranges[graph.input])
    else:
        raise ConfigError(
            f"{settings.model}: nothing says which values its tensors take; give inputs with --dataset NAME or "
            "--calibrate FILE.npz"
        )
    if settings.mean or settings.std:
        raise ConfigError("--mean and --std are for the inputs of --dataset; normalise those of --calibrate yourself")
    return graph, inputs


def _read_inputs(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array of inputs in an .npz file: the one called `x` or `inputs`, or the only one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = list(stored.files)
            name = next((n for n in ("x", "inputs") if n in names), names[0] if len(names) == 1 else None)
            if name is None:
                raise DataError(f"{path}: holds the arrays {', '.join(names)}; call the inputs x")
            x: NDArray[Any] = stored[name]
    except FileNotFoundError as error:
        raise DataError(f"{path}: does not exist; give an .npz file with calibration inputs") from error
    except (OSError, ValueError, EOFError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: can't be read as .npz ({error})") from error
    if x.shape[1:] != shape[1:] or not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x):
        wanted = ", ".join(map(str, ("N", *shape[1:])))
        raise DataError(f"{path}: array {name} is {x.dtype} {x.shape}; real numbers of shape ({wanted}) are needed")
    return x


def _meta(settings: ImportSettings, dataset: Dataset | None) -> dict[str, str]:
    meta = {"source": settings.model.name, "swtrain": __version__}
    return meta | ({"dataset": dataset.name, "data": dataset.provenance} if dataset is not None else {})


def _record(settings: ImportSettings, imported: Imported) -> ImportRecord:
    return ImportRecord(
        model=settings.model.name,
        sha256=hashlib.sha256(settings.model.read_bytes()).hexdigest(),
        dataset=settings.dataset,
        data=settings.data,
        calibrate=settings.calibrate.name if settings.calibrate is not None else None,
        levels=settings.levels,
        columns=settings.columns,
        input=imported.input_shape,
        mean=settings.mean,
        std=settings.std,
        notes=imported.notes,
    )


def read_record(out: Path) -> ImportRecord:
    """How the model in the folder `out` was imported.

    Raises:
        ConfigError: the record is damaged or of another version.
    """
    try:
        return ImportRecord.model_validate_json((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{out / RECORD}: can't be read ({' '.join(str(error).split())}); import again") from error


def read_level(out: Path, level: int) -> FloatGraph:
    """A level of an imported model in float, dense."""
    return import_onnx(read_onnx(out / "onnx" / f"level{level}.onnx")).graph


def float_accuracy(floats: FloatGraph, dataset: Dataset, level: int, batch: int = 500) -> float:
    """Accuracy in percent of a real-valued network on the test split."""
    logits = next(n.output for n in reversed(floats.nodes) if not isinstance(n.op, Argmax))
    right, test = 0, dataset.test
    for start in range(0, len(test), batch):
        x = dataset.to_real(test.x[start : start + batch])
        y = floats.run(x.reshape(len(x), *floats.shape), level)[logits]
        right += int(np.count_nonzero(y.reshape(len(y), -1).argmax(1) == test.y[start : start + batch]))
    return 100 * right / len(test)


def weight_error(floats: FloatGraph, graph: Graph) -> float:
    """See `ImportResult`."""
    worst = 0.0
    for node in floats.nodes:
        if node.weight is None or not np.any(node.weight):
            continue
        params = graph.node(node.name).params
        assert params is not None
        made = params.at_level(len(graph.levels) - 1) * 2.0**-params.frac_bits
        off = np.abs(np.where(params.level_index == 255, 0, node.weight) - made).max()
        worst = max(worst, float(off / np.abs(node.weight).max()))
    return worst
