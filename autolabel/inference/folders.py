"""Image encoders kept in a folder: ``model.json`` names the architecture, ``model.safetensors`` holds its weights.

::

    {"architecture": "torchvision:resnet18"}
    {"architecture": "torchvision:resnet18",
     "input": {"size": 160, "short_side": 182, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}

The weights are the architecture's own state dict, with or without a classifier of any number of classes. Without
``input`` the preprocessing that torchvision publishes for the architecture is used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from autolabel.errors import CheckpointError, SettingsError
from autolabel.inference.backbone import ImageEncoder, ImageInput
from autolabel.inference.encoder import View
from autolabel.inference.framing import Framing
from autolabel.inference.torchvision_models import PREFIX, is_rectified, network_from_state, preprocessing

if TYPE_CHECKING:
    import torch

    from autolabel.inference.runtimes.device import Compute

DESCRIPTION = "model.json"
WEIGHTS = "model.safetensors"

_Side = Annotated[int, msgspec.Meta(ge=1, le=4096)]
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Input(msgspec.Struct, forbid_unknown_fields=True):
    size: _Side
    mean: tuple[float, float, float]
    std: tuple[_Positive, _Positive, _Positive]
    short_side: _Side | None = None
    bicubic: bool = False


class _Description(msgspec.Struct, forbid_unknown_fields=True):
    architecture: str
    input: _Input | None = None


def folder_encoder(name: str, *, compute: Compute) -> ImageEncoder:
    """Build the encoder of a folder; `CheckpointError` says what is wrong with it."""
    folder = Path(name)
    description = _read_description(folder)
    architecture = description.architecture.removeprefix(PREFIX)
    if architecture == description.architecture:
        raise CheckpointError(f"{folder / DESCRIPTION}: found architecture {architecture!r}; expected {PREFIX}NAME")
    try:
        wants = preprocessing(architecture) if description.input is None else _wanted(description.input)
        data = (folder / WEIGHTS).read_bytes()
    except SettingsError as error:
        raise CheckpointError(f"{folder / DESCRIPTION}: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{folder / WEIGHTS} cannot be read: {error.strerror}") from error
    network, dim = network_from_state(architecture, _tensors(data, folder))
    weights = hashlib.sha256(data).hexdigest()
    views = (View(dim, rectified=is_rectified(architecture)),)
    return ImageEncoder(name, network, views, weights=weights, wants=wants, compute=compute)


def _read_description(folder: Path) -> _Description:
    path = folder / DESCRIPTION
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Description)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise CheckpointError(f"{path} does not describe an image encoder: {error}") from error


def _wanted(found: _Input) -> ImageInput:
    return ImageInput(Framing(found.size, short_side=found.short_side, bicubic=found.bicubic), found.mean, found.std)


def _tensors(data: bytes, folder: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: dict[str, torch.Tensor] = load(data)
    except SafetensorError as error:
        raise CheckpointError(f"{folder / WEIGHTS} is not a safetensors file: {error}") from error
    return tensors
