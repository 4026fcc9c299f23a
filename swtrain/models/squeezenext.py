"""SqueezeNext-23 (Gholami et al. 2018): bottlenecks of 1x1, separable 3x1 and 1x3, and residual sums."""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import ConfigError

BLOCKS = {"": (6, 6, 8, 1), "v5": (2, 4, 14, 1)}
"""Blocks per stage of the variants: the 1.0-SqNxt-23 and its hardware-aware version 5."""

WIDTHS = (32, 64, 128, 256)


class _Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, into: int, out: int, kernel: tuple[int, int], stride: int = 1) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(into, out, kernel, stride, padding)
        self.bn = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.bn(self.conv(x)))
        return y


class _Block(nn.Module):
    """Two squeezing 1x1, then 3x1 and 1x3 in an alternating order, an expanding 1x1, and the residual sum."""

    def __init__(self, into: int, out: int, stride: int, tall_first: bool) -> None:
        super().__init__()
        # a block that widens or strides squeezes to the full width, others to half of it
        half = into if stride > 1 else into // 2 if into == out else into // 4
        quarter = max(half // 2, 1)
        kernels = ((3, 1), (1, 3)) if tall_first else ((1, 3), (3, 1))
        self.squeeze1 = _Unit(into, half, (1, 1), stride)
        self.squeeze2 = _Unit(half, quarter, (1, 1))
        self.first = _Unit(quarter, half, kernels[0])
        self.second = _Unit(half, half, kernels[1])
        self.expand = _Unit(half, out, (1, 1))
        self.shortcut = _Unit(into, out, (1, 1), stride) if stride > 1 or into != out else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(self.second(self.first(self.squeeze2(self.squeeze1(x)))))
        z: Tensor = self.relu(y + self.shortcut(x))
        return z


class SqueezeNext(nn.Module):
    """The network; layers are named `stem`, `stage<k>.<block>.<unit>`, `head`, `fc`."""

    def __init__(self, width: float, size: int, classes: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        channels = [int(width * w) for w in (64, *WIDTHS)]
        self.stem = _Unit(3, channels[0], (3, 3), 2)
        into, side = channels[0], (size + 1) // 2
        for k, (count, out) in enumerate(zip(blocks, channels[1:], strict=True)):
            stage = nn.Sequential()
            for block in range(count):
                stride = 2 if block == 0 and k > 0 else 1
                stage.append(_Block(into, out, stride, tall_first=block % 2 == 0))
                into, side = out, -(-side // stride)
            setattr(self, f"stage{k + 1}", stage)
        self.stages = len(blocks)
        self.head = _Unit(into, int(width * 128), (1, 1))
        self.pool = nn.AvgPool2d(side)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(int(width * 128), classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(B, classes)` of images `(B, 3, size, size)`."""
        x = self.stem(x)
        for k in range(self.stages):
            x = getattr(self, f"stage{k + 1}")(x)
        y: Tensor = self.fc(self.flatten(self.pool(self.head(x))))
        return y


def sqnxt23(width: float = 1.0, size: int = 32, classes: int = 10, variant: str = "") -> nn.Module:
    """SqueezeNext-23 for small images: 3x3 stem with stride 2, blocks 6-6-8-1.

    Args:
        width: factor of all channel counts; 1.0: 64 in the stem, stages of 32, 64, 128 and 256.
        size: side of the square RGB input.
        classes: outputs.
        variant: empty, or `v5` with blocks 2-4-14-1.

    Raises:
        ConfigError: an option is out of range.
    """
    if variant not in BLOCKS:
        raise ConfigError(f"network.variant: '{variant}' is unknown; known are {sorted(BLOCKS)}")
    if not 0.125 <= width <= 4 or not 16 <= size <= 256:
        raise ConfigError(f"network: width {width:g} must be 0.125 to 4 and size {size} 16 to 256")
    return SqueezeNext(width, size, classes, BLOCKS[variant])
