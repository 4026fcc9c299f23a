"""Training on a GPU, as far as a machine without one can tell: on simulated memory that refuses what a GPU refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

import swtrain.train
from swtrain.batches import epoch_generator
from swtrain.config import TrainConfig, parse_config
from swtrain.errors import ConfigError
from swtrain.train import train

GPU = "cuda"
CROSSING = {Tensor.copy_, Tensor.data.__set__, Tensor.grad.__set__}  # may go from one to the other
READERS = {Tensor.numpy, Tensor.__array__}


class SimulatedGpu(TorchFunctionMode):
    """Tensors all lie on the CPU; this remembers which of them would not lie on the GPU, and refuses a mixture."""

    def __init__(self) -> None:
        super().__init__()
        self.on_cpu = WeakTensorKeyDictionary()
        self.moved = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = [
            t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor) and t.dim()
        ]  # numbers may lie anywhere
        here = [t for t in given if t in self.on_cpu]
        wanted = str(kwargs.get("device") or "")
        if func in CROSSING:
            return func(*args, **kwargs)
        if func in READERS and len(here) < len(given):
            raise TypeError(f"{func.__name__} of a tensor on a GPU")
        if 0 < len(here) < len(given):
            raise RuntimeError(f"{getattr(func, '__name__', func)}: tensors on CPU and GPU")
        stays = bool(here) or func is torch.from_numpy
        if func is Tensor.to:
            wanted = wanted or next((str(a) for a in args[1:] if isinstance(a, str | torch.device)), "")
            args = tuple("cpu" if isinstance(a, str | torch.device) else a for a in args)
            stays = wanted == "cpu" or (stays and not wanted)
        elif func is Tensor.cpu:
            stays = True
        elif func in _device_constructors():
            stays = not wanted.startswith(GPU)
        if wanted:
            kwargs |= {"device": "cpu"} if "device" in kwargs else {}
            self.moved += wanted.startswith(GPU)
        result = func(*args, **kwargs)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and (tensor in self.on_cpu) != stays and tensor.dim():
                assert not any(tensor is t for t in given) or func is Tensor.to or func is Tensor.cpu
                if stays:
                    self.on_cpu[tensor] = True
                else:
                    del self.on_cpu[tensor]
        return result


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimulatedGpu:
    """In force while `train` computes; files are read and random numbers drawn as there."""
    simulated, run, load = SimulatedGpu(), swtrain.train._run, torch.load

    def run_there(*arguments: Any) -> Any:
        if torch.get_default_device().type == "cpu":
            return run(*arguments)
        with simulated, torch.device(GPU, 0):  # asked first, so that the other one sees what it answers
            return run(*arguments)

    def load_there(file: Any, map_location: torch.device, **options: Any) -> Any:
        found = load(file, map_location="cpu", **options)
        for tensor in tree_leaves(found):
            if map_location.type == GPU and isinstance(tensor, Tensor) and tensor in simulated.on_cpu:
                del simulated.on_cpu[tensor]
        return found

    def generator(*key: int) -> torch.Generator:
        with torch.device("cpu"):
            return epoch_generator(*key)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch, "load", load_there)
    monkeypatch.setattr("swtrain.train._run", run_there)
    monkeypatch.setattr("swtrain.loop.epoch_generator", generator)
    return simulated


SHORT = {"levels": [60, 20], "batch_size": 100, "epochs": {"dense": 1, "prune": 2, "grow": 1, "joint": 1}}
CASES = {
    "sequential": {
        "optimizer": "momentum",
        "augment_rotate": 5.0,
        "augment_noise": 0.01,
        "gradient_noise": 0.01,
        "clip_norm": 1.0,
    },
    "hybrid": {"strategy": "hybrid", "average": 0.99, "distill": 0.3, "score": "taylor"},
    "admm": {"prune": "admm", "shape": "column", "teacher": {"model": "lenet5", "epochs": 1}, "distill": 0.3},
    "joint": {"strategy": "joint", "optimizer": "novograd", "augment_mask": 2, "shape": "pattern"},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("tiny")
def test_nothing_is_left_on_the_cpu(gpu: SimulatedGpu, name: str, tiny_config: TrainConfig, tmp_path: Path) -> None:
    config = parse_config(tiny_config.to_dict() | SHORT | CASES[name])
    there = train(config, tmp_path / "gpu", accelerator=GPU)
    assert gpu.moved > 100
    here = train(config, tmp_path / "cpu")
    for layer in here.names:
        assert torch.equal(here.weight(layer), there.weight(layer))


@pytest.mark.usefixtures("tiny")
def test_a_resumed_run_lies_where_it_should(gpu: SimulatedGpu, tiny_config: TrainConfig, tmp_path: Path) -> None:
    """Stopped in the middle of pruning by ADMM."""
    from swtrain.progress import Progress

    class Stops(Progress):
        def epoch(self, label: str, *figures: object) -> None:
            if label.startswith("prune"):
                raise KeyboardInterrupt

    config = parse_config(tiny_config.to_dict() | SHORT | CASES["admm"])
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", progress=Stops(), accelerator=GPU)
    train(config, tmp_path / "run", resume=True, accelerator=GPU)


def test_the_simulation_refuses_what_a_gpu_refuses(gpu: SimulatedGpu) -> None:
    with gpu:
        on_cpu = torch.zeros(3)
        with torch.device(GPU, 0):
            on_gpu = torch.zeros(3)
            with pytest.raises(RuntimeError, match="tensors on CPU and GPU"):
                on_gpu + on_cpu
            with pytest.raises(TypeError, match="of a tensor on a GPU"):
                on_gpu.numpy()
            assert torch.equal(on_gpu + on_cpu.to(GPU), on_gpu)


def test_without_a_gpu_it_is_refused(tiny_config: TrainConfig, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(ConfigError, match="torch sees 0 GPUs, --devices wants 1"):
        train(tiny_config, tmp_path / "run", accelerator=GPU)
    assert not (tmp_path / "run").exists()
