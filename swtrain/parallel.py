"""Several processes that train one model together: each takes its part of every batch, gradients are summed.

Comes in: a number of processes. Goes out: the same steps as one process would do, up to the order of sums (batch norm
sees its process's part of a batch; running statistics are averaged after each epoch). Started by Lightning Fabric, on
the CPU or one GPU each. Masks, schedules and randomness need no exchange: every process computes them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .errors import ConfigError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Workers:
    """One process alone; the base of several.

    Attributes:
        rank: number of this process; 0 writes the files.
        count: of all processes.
        device: where its tensors lie.
    """

    rank, count = 0, 1
    device = torch.device("cpu")

    def part(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float]:
        """This process's examples of a batch, at least one, and their share of it."""
        return x, y, 1.0

    def sum_gradients_(self, parameters: Sequence[nn.Parameter], share: float) -> None:
        """Gradients of the mean loss of the whole batch, from those of each part's mean."""

    def average_statistics_(self, module: nn.Module) -> None:
        """The same running statistics in all processes."""

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes."""
        return list(values)

    def wait(self) -> None:
        """Until all processes are here."""


class FabricWorkers(Workers):
    """The processes of a Fabric that was launched."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.rank, self.count, self.device = fabric.global_rank, fabric.world_size, fabric.device

    def part(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float]:
        """As the base; a process for which no example is left repeats one with the share 0."""
        mine = torch.tensor_split(torch.arange(len(y)), self.count)[self.rank]
        share = len(mine) / len(y)
        index = mine if len(mine) else torch.zeros(1, dtype=torch.int64)
        return x[index].contiguous(memory_format=torch.channels_last), y[index], share

    @torch.no_grad()
    def sum_gradients_(self, parameters: Sequence[nn.Parameter], share: float) -> None:
        """One exchange for all gradients together."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients]) * share
        flat = self._reduced(flat, "sum")
        at = 0
        for gradient in gradients:
            gradient.copy_(flat[at : at + gradient.numel()].reshape(gradient.shape))
            at += gradient.numel()

    @torch.no_grad()
    def average_statistics_(self, module: nn.Module) -> None:
        """Buffers that are floats."""
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.copy_(self._reduced(buffer.clone(), "mean"))

    def sums(self, values: Sequence[float]) -> list[float]:
        """In double precision."""
        return [float(value) for value in self._reduced(torch.tensor(values, dtype=torch.float64), "sum")]

    def _reduced(self, value: Tensor, how: str) -> Tensor:
        reduced = self._fabric.all_reduce(value, reduce_op=how)
        assert isinstance(reduced, Tensor)
        return reduced

    def wait(self) -> None:
        """Fabric's barrier."""
        self._fabric.barrier()


def launch(devices: int, accelerator: str, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(workers, *arguments)` in `devices` processes and wait for them.

    Args:
        devices: processes, at least 2.
        accelerator: `cpu` or `cuda`.
        work: a function of a module, since it is sent to new processes.
        arguments: plain values.

    Raises:
        ConfigError: Lightning Fabric is missing.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise ConfigError("--devices needs lightning-fabric: pip install 'swtrain[train]'") from error
    fabric = Fabric(accelerator=accelerator, devices=devices, strategy="ddp_spawn")
    fabric.launch(partial(_enter, work, arguments))


def _enter(work: Callable[..., None], arguments: tuple[Any, ...], fabric: Fabric) -> None:
    work(FabricWorkers(fabric), *arguments)
