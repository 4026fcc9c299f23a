"""Training batches with random changes, from one data set in memory.

Comes in: a split and how far to change its examples. Goes out: batches `(B, ...)` of what the network sees, as
float32, in an order drawn from a generator. Invariant: equal generators give equal batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .datasets import Split
from .errors import ConfigError


class ImageBatches:
    """Batches of images or signals with random changes; what comes in from outside is 0, or the other end (`wrap`).

    Attributes:
        shift: largest shift in pixels.
        rotate: largest turn in degrees.
        scale: largest stretch, as a share of the size.
        flip: mirror half of the examples.
        noise: standard deviation of normal noise.
        gain: largest change of the amplitude, as a share.
        turn: largest turn in degrees of the axes of sensors; channels are triples x, y, z.
        wrap: what `shift` moves out at one end comes in at the other.
        mask: most neighbouring rows and columns that are blanked.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        shift: int,
        rotate: float = 0.0,
        scale: float = 0.0,
        frac_bits: int = 8,
        flip: bool = False,
        noise: float = 0.0,
        gain: float = 0.0,
        mask: int = 0,
        turn: float = 0.0,
        wrap: bool = False,
    ) -> None:
        self.shift, self.rotate, self.scale = shift, rotate, scale
        self.flip, self.noise, self.gain, self.mask = flip, noise, gain, mask
        self.turn = turn
        if turn and split.x.shape[1] % 3:
            raise ConfigError(
                f"augment_turn: inputs have {split.x.shape[1]} channels, which are no triples of axes; set it to 0"
            )
        self._batch_size = batch_size
        self._unit = 2.0**-frac_bits
        height, width = split.x.shape[2:]
        down = shift if height > 1 else 0  # a signal of one row moves in time alone
        mode: Literal["wrap", "constant"] = "wrap" if wrap else "constant"
        padded = torch.tensor(np.pad(split.x, ((0, 0), (0, 0), (down, down), (shift, shift)), mode))
        self._down = down
        # `(N, C, 2 shift + 1, 2 shift + 1, H, W)`: every shift of every image, as a view
        self._windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        self._y = torch.tensor(split.y)

    def __len__(self) -> int:
        return self.steps()

    def steps(self, factor: int = 1) -> int:
        """Batches of an epoch in which each is `factor` times as large."""
        return math.ceil(len(self._y) / (factor * self._batch_size))

    def epoch(self, generator: torch.Generator, factor: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches `(B, C, H, W)` and labels `(B,)`, each `factor` times as large as usual."""
        size = factor * self._batch_size
        order = torch.randperm(len(self._y), generator=generator)
        offsets = torch.randint(0, 2 * self.shift + 1, (2, len(order)), generator=generator)
        offsets[0].clamp_(max=2 * self._down)
        for index, down, right in zip(
            torch.split(order, size),
            torch.split(offsets[0], size),
            torch.split(offsets[1], size),
            strict=True,
        ):
            x = self._windows[index, :, down, right].float() * self._unit
            if self.rotate or self.scale:
                x = self._warp(x, generator)
            x = self._disturb(x, generator)
            yield x.contiguous(memory_format=torch.channels_last), self._y[index]  # convolutions are faster so

    def _disturb(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Mirror, amplify, blank and add noise."""
        if self.flip:
            x = torch.where(torch.rand((len(x), 1, 1, 1), generator=generator) < 0.5, x.flip(3), x)
        if self.turn:
            turns = _turns(len(x), math.radians(self.turn), generator)
            triples = x.reshape(len(x), -1, 3, *x.shape[2:])
            x = torch.einsum("bij,bsjhw->bsihw", turns, triples).reshape(x.shape)
        if self.gain:
            x = x * (1 + self.gain * (2 * torch.rand((len(x), 1, 1, 1), generator=generator) - 1))
        if self.mask:
            for axis in (2, 3):
                size = x.shape[axis]
                wide = torch.randint(0, self.mask + 1, (len(x), 1), generator=generator)
                start = (torch.rand((len(x), 1), generator=generator) * (size - wide).clamp(min=0)).long()
                at = torch.arange(size)
                kept = (at < start) | (at >= start + wide)
                x = x * (kept[:, None, :, None] if axis == 2 else kept[:, None, None, :])
        if self.noise:
            x = x + self.noise * torch.randn(x.shape, generator=generator)
        return x

    def _warp(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Turn and stretch each image by its own random amount, bilinear."""
        angle, wide, high = 2 * torch.rand((3, len(x)), generator=generator) - 1
        angle = angle * math.radians(self.rotate)
        wide, high = 1 + wide * self.scale, 1 + high * self.scale
        cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
        matrix = torch.stack(
            [torch.stack([cos * wide, -sin * high, zero], 1), torch.stack([sin * wide, cos * high, zero], 1)], 1
        )
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)


def _turns(count: int, most: float, generator: torch.Generator) -> Tensor:
    """Rotations `(count, 3, 3)` by up to `most` radians about axes drawn at random (Rodrigues' formula)."""
    axis = torch.randn((count, 3), generator=generator)
    x, y, z = (axis / axis.norm(dim=1, keepdim=True)).T
    zero = torch.zeros(count)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(count, 3, 3)
    angle = (most * (2 * torch.rand(count, generator=generator) - 1))[:, None, None]
    return torch.eye(3) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * cross @ cross


def epoch_generator(seed: int, phase: int, epoch: int) -> torch.Generator:
    """What is random in one epoch; another one for each epoch of each phase."""
    mixed = np.random.SeedSequence((seed, phase, epoch)).generate_state(1, np.uint64)[0]
    return torch.Generator(torch.get_default_device()).manual_seed(int(mixed >> np.uint64(1)))
