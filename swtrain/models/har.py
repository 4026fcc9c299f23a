"""HAR-Net: activities from windows of 128 samples of a motion sensor."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def harnet(channels: int = 9) -> nn.Module:
    """HAR-Net in EMCLab's shape: 13,716 weights and 304,020 MACs with 9 channels (13,608 and 290,088 with 6).

    One zero on each side keeps the length even after each pooling; the last position is not pooled.

    Args:
        channels: of the input `(channels, 1, 128)`: 9 (body and total acceleration, gyro) or 6 (raw).
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 18, (1, 2), padding=(0, 1)),  # (9, 1, 128) -> (18, 1, 129)
            bn1=nn.BatchNorm2d(18),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d((1, 2)),  # -> (18, 1, 64)
            conv2=nn.Conv2d(18, 36, (1, 2), padding=(0, 1)),  # -> (36, 1, 65)
            bn2=nn.BatchNorm2d(36),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d((1, 2)),  # -> (36, 1, 32)
            conv3=nn.Conv2d(36, 72, (1, 2), padding=(0, 1)),  # -> (72, 1, 33)
            bn3=nn.BatchNorm2d(72),
            relu3=nn.ReLU(),
            pool3=nn.MaxPool2d((1, 2)),  # -> (72, 1, 16)
            flatten=nn.Flatten(),
            dropout=nn.Dropout(0.5),
            fc=nn.Linear(1152, 6),
        )
    )
