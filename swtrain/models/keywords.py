"""Keyword networks on 49 frames of cepstral or log-mel features."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def okgnet(classes: int = 12) -> nn.Module:
    """OKG-Net, the shape of KWS CNN-S (Zhang et al. 2017, "Hello Edge"): 64,736 weights with 12 classes.

    The 16-neuron layer has no activation: it is a low-rank factor.

    Args:
        classes: outputs; 6 for the wake words, 10 for the digits, 12 for Speech Commands.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 28, (10, 4)),  # (1, 49, 10) -> (28, 40, 7)
            bn1=nn.BatchNorm2d(28),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(28, 28, (10, 4), stride=(2, 1)),  # -> (28, 16, 4)
            bn2=nn.BatchNorm2d(28),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            dropout1=nn.Dropout(0.3),
            fc1=nn.Linear(1792, 16),
            fc2=nn.Linear(16, 128),
            relu3=nn.ReLU(),
            dropout2=nn.Dropout(0.3),
            fc3=nn.Linear(128, classes),
        )
    )


def dscnn(classes: int = 11, bands: int = 12) -> nn.Module:
    """DS-CNN in Lupe's shape: 10x4 convolution, four depthwise separable blocks; 21,952 weights with 11 classes.

    Args:
        classes: outputs.
        bands: features per frame of the input `(1, 49, bands)`.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(1, 64, (10, 4), stride=2, padding=(5, 1)),  # (1, 49, 12) -> (64, 25, 6)
        bn1=nn.BatchNorm2d(64),
        relu1=nn.ReLU(),
    )
    for k in range(1, 5):
        layers |= {
            f"depth{k}": nn.Conv2d(64, 64, 3, padding=1, groups=64),
            f"depth{k}_bn": nn.BatchNorm2d(64),
            f"depth{k}_relu": nn.ReLU(),
            f"point{k}": nn.Conv2d(64, 64, 1),
            f"point{k}_bn": nn.BatchNorm2d(64),
            f"point{k}_relu": nn.ReLU(),
        }
    layers |= {"pool": nn.AvgPool2d((25, bands // 2)), "flatten": nn.Flatten(), "fc": nn.Linear(64, classes)}
    return nn.Sequential(layers)
