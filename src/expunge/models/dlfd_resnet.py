"""The network of the DLFD paper: a ResNet-18 whose features of 512 pass a head of 256, 128 and C values.

Plain layers, named so that files of weights of the published code fit (`base_model.*`, `features.*`). How that code
normalises pictures is known here as well, since nothing in such a file says it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from expunge.models.preprocessing import Preprocessing

SIDE = 128  # of the pictures that the published weights were trained on, in pixels
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
# the published files tell their tasks by the number of classes: ages of MUFAC, emotions of RAF-DB
PUBLISHED = {8: IMAGENET, 7: HALF}


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Maps [b, outputs, H / stride, W / stride] of maps `x` [b, inputs, H, W]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet18(nn.Module):
    """A ResNet-18 up to its 512 pooled features; its convolutions start from He's normal distribution."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        self.layer4 = nn.Sequential(Block(256, 512, 2), Block(512, 512, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Features [b, 512] of normalised pictures `x` [b, channels, H, W]."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))  # type: ignore[no-any-return]


class DLFDResNet18(nn.Module):
    """The classifier of the published code: `base_model`, and `features` with dropout in between.

    Args:
        logits: width of the answer.
        channels: colour channels of the pictures.

    Example:
        >>> DLFDResNet18(8)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 8])
    """

    def __init__(self, logits: int, channels: int = 3) -> None:
        super().__init__()
        self.base_model = ResNet18(channels)
        self.features = nn.Sequential(
            nn.Linear(512, 256),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(256, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(128, logits),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits [b, logits] of normalised pictures `x` [b, channels, H, W]."""
        return self.features(self.base_model(x))  # type: ignore[no-any-return]


def dlfd_preprocessing(size: tuple[int, int], logits: int) -> Preprocessing | None:
    """How the published code normalises the pictures of a network with this many classes; None where it has none."""
    return Preprocessing(size, *PUBLISHED[logits]) if logits in PUBLISHED else None
