"""The networks that are measured, as PyTorch modules, and their seeded weights and inputs."""

from __future__ import annotations

import numpy as np
import torch
import torchvision
from torch import nn

SEED = 20240917


class DoubleConv(nn.Sequential):
    """(3x3 convolution without bias, batch norm, ReLU) twice."""

    def __init__(self, channels: int, width: int):
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
        )


class UNet(nn.Module):
    """U-Net with batch norm and bilinear upsampling, corners aligned; keys inc, d1.., c4.., outc."""

    def __init__(self, channels: int = 1, classes: int = 1, widths: tuple[int, ...] = (16, 32, 64, 128, 256)):
        super().__init__()
        self.levels = len(widths)
        self.inc = DoubleConv(channels, widths[0])
        for level in range(1, self.levels):
            self.add_module(f"d{level}", DoubleConv(widths[level - 1], widths[level]))
            self.add_module(f"c{level}", DoubleConv(widths[level - 1] + widths[level], widths[level - 1]))
        self.outc = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = [self.inc(x)]
        for level in range(1, self.levels):
            skips.append(self.get_submodule(f"d{level}")(nn.functional.max_pool2d(skips[-1], 2)))
        y = skips.pop()
        for level in reversed(range(1, self.levels)):
            skip = skips.pop()
            up = nn.functional.interpolate(y, skip.shape[-2:], mode="bilinear", align_corners=True)
            y = self.get_submodule(f"c{level}")(torch.cat([skip, up], 1))
        return self.outc(y)


def resnet18(channels: int = 1, classes: int = 14) -> nn.Module:
    """torchvision's ResNet-18 for grey images."""
    net = torchvision.models.resnet18(weights=None, num_classes=classes)
    net.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return net


def densenet121() -> nn.Module:
    """torchvision's DenseNet-121, 1000 outputs."""
    return torchvision.models.densenet121(weights=None)


BUILDERS = {"densenet121": densenet121, "resnet18": resnet18, "unet": UNet}
#: Channels, height and width of one input.
INPUTS = {"densenet121": (3, 224, 224), "resnet18": (1, 128, 128), "unet": (1, 128, 128)}


def build(name: str) -> nn.Module:
    """The network with seeded weights. Norms get statistics and scales that differ from 0 and 1, as
    in a trained network, so that folding them wrongly shows in the output."""
    torch.manual_seed(SEED)
    net = BUILDERS[name]()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, 0.0, 0.1)
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(4, *INPUTS[name]))
    return net.eval()


def batch_of(name: str, batch: int) -> np.ndarray:
    """A seeded standard normal input, `[batch, c, h, w]`."""
    rng = np.random.default_rng(SEED + batch)
    return rng.standard_normal((batch, *INPUTS[name]), dtype=np.float32)


def target_of(name: str, batch: int) -> np.ndarray:
    """A seeded 0/1 target for binary cross-entropy: `[batch, 14]`, or a mask for the U-Net."""
    rng = np.random.default_rng(SEED - batch)
    shape = (batch, 1, *INPUTS[name][1:]) if name == "unet" else (batch, 14)
    return (rng.random(shape) < 0.2).astype(np.float32)
