"""LeNet-5, in the classic shape and in Caffe's."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def lenet5() -> nn.Module:
    """Classic LeNet-5 with ReLU: 61,470 weights without biases, 416,520 MACs."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5, padding=2),  # (1, 28, 28) -> (6, 28, 28)
            relu1=nn.ReLU(),
            pool1=nn.AvgPool2d(2),  # -> (6, 14, 14)
            conv2=nn.Conv2d(6, 16, 5),  # -> (16, 10, 10)
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(2),  # -> (16, 5, 5)
            flatten=nn.Flatten(),
            fc1=nn.Linear(400, 120),
            relu3=nn.ReLU(),
            fc2=nn.Linear(120, 84),
            relu4=nn.ReLU(),
            fc3=nn.Linear(84, 10),
        )
    )


def lenet5_caffe() -> nn.Module:
    """Caffe's LeNet: 430,500 weights without biases, 2,293,000 MACs."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 20, 5),  # (1, 28, 28) -> (20, 24, 24)
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),  # -> (20, 12, 12)
            conv2=nn.Conv2d(20, 50, 5),  # -> (50, 8, 8)
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),  # -> (50, 4, 4)
            flatten=nn.Flatten(),
            fc1=nn.Linear(800, 500),
            relu3=nn.ReLU(),
            fc2=nn.Linear(500, 10),
        )
    )
