"""Jasper BxR (Li et al. 2019): blocks of 1-D convolutions, residual or Dense Residual; scaled down for keywords."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import ConfigError


class _Sub(nn.Module):
    """1-D convolution, batch norm, ReLU, dropout; the last one of a block adds the residual before the ReLU."""

    def __init__(self, into: int, out: int, kernel: int, dropout: float, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv1d(into, out, kernel, stride, padding, dilation)
        self.bn = nn.BatchNorm1d(out)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.relu(self.bn(self.conv(x))))
        return y


class _Project(nn.Module):
    """1x1 convolution and batch norm of a residual connection."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(into, out, 1)
        self.bn = nn.BatchNorm1d(out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return y


class _Block(nn.Module):
    """R sub-blocks; the residuals of `sources` enter the last one between batch norm and ReLU."""

    def __init__(self, into: int, out: int, kernel: int, repeat: int, sources: list[int], dropout: float) -> None:
        super().__init__()
        self.subs = nn.Sequential(*(_Sub(into if r == 0 else out, out, kernel, dropout) for r in range(repeat - 1)))
        padding = (kernel - 1) // 2
        self.conv = nn.Conv1d(out if repeat > 1 else into, out, kernel, padding=padding)
        self.bn = nn.BatchNorm1d(out)
        self.residuals = nn.ModuleList(_Project(channels, out) for channels in sources)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        y = self.bn(self.conv(self.subs(inputs[-1])))
        for project, x in zip(self.residuals, inputs[len(inputs) - len(self.residuals) :], strict=True):
            y = y + project(x)
        z: Tensor = self.dropout(self.relu(y))
        return z


class Jasper(nn.Module):
    """Prologue with stride 2, B blocks, three epilogue convolutions, mean over time.

    Input `(batch, features, 1, frames)` or `(batch, features, frames)`.
    """

    def __init__(self, b: int, r: int, features: int, classes: int, width: int, dense: bool, dropout: float) -> None:
        super().__init__()
        kernels = [11 + 2 * k for k in range(b)]
        self.prologue = _Sub(features, width, 11, dropout, stride=2)
        self.blocks = nn.ModuleList()
        into, sources = width, [width]
        for k in range(b):
            out = width + k * width // 2
            self.blocks.append(_Block(into, out, kernels[k], r, list(sources) if dense else [into], dropout))
            into = out
            sources.append(out)
        wide = 2 * into
        self.epilogue1 = _Sub(into, wide, 15, dropout, dilation=2)
        self.epilogue2 = _Sub(wide, wide, 1, dropout)
        self.epilogue3 = nn.Conv1d(wide, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(B, classes)`."""
        x = torch.flatten(x, 2)
        inputs = [self.prologue(x)]
        for block in self.blocks:
            inputs.append(block(inputs))
        y = self.epilogue3(self.epilogue2(self.epilogue1(inputs[-1])))
        mean: Tensor = y.mean(2)
        return mean


def jasper(
    b: int = 3,
    r: int = 2,
    features: int = 20,
    classes: int = 12,
    width: int = 32,
    topology: str = "residual",
    dropout: float = 0.1,
) -> nn.Module:
    """JasperBxR, scaled down: `b` blocks of `r` sub-blocks with kernels 11, 13, ...

    Args:
        b: blocks.
        r: sub-blocks in each.
        features: per frame; the input is `(features, 1, frames)`.
        classes: outputs.
        width: channels of the prologue; block k has `width * (1 + k / 2)`.
        topology: `residual` (a block's input is added to its output) or `dense` (Dense Residual: those of all
            blocks before as well).
        dropout: probability, in each sub-block.

    Raises:
        ConfigError: an option is out of range.
    """
    if topology not in ("residual", "dense"):
        raise ConfigError(f"network.topology: '{topology}' is unknown; known are residual and dense")
    if not (1 <= b <= 10 and 1 <= r <= 5):
        raise ConfigError(f"network: b = {b} must be 1 to 10 and r = {r} 1 to 5")
    return Jasper(b, r, features, classes, width, topology == "dense", dropout)
