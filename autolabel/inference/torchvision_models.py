"""Every torchvision classification model by name, with its own weights and preprocessing, up to the last layer.

`torchvision:resnet50` downloads torchvision's default weights for it, because the user named it; nothing else in this
package opens a connection. The same networks are read from a folder: see `inference.folders`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from autolabel.errors import CheckpointError, SettingsError
from autolabel.inference.backbone import ImageEncoder, ImageInput
from autolabel.inference.encoder import View, digest_of
from autolabel.inference.framing import Framing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from autolabel.inference.runtimes.device import Compute

PREFIX = "torchvision:"

_INCEPTIONS = ("googlenet", "inception_v3")
_RECTIFIED = (
    "alexnet", "densenet", "googlenet", "inception", "mnasnet", "mobilenet_v2", "regnet", "resnet", "resnext",
    "shufflenet", "squeezenet", "vgg", "wide_resnet",
)  # fmt: skip
"""Families whose last activations went through a ReLU."""
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")


def torchvision_encoder(architecture: str, *, compute: Compute) -> ImageEncoder:
    """Build an encoder from torchvision's default weights; the first use downloads them to torch's cache.

    Raises
    ------
    SettingsError
        torchvision has no classification model of this name.
    CheckpointError
        The weights could not be downloaded.
    """
    wants = preprocessing(architecture)
    state = _download(architecture)
    network, dim = network_from_state(architecture, state)
    weights = digest_of({name: tensor.numpy() for name, tensor in network.state_dict().items()})
    return ImageEncoder(
        PREFIX + architecture,
        network,
        (View(dim, rectified=is_rectified(architecture)),),
        weights=weights,
        wants=wants,
        compute=compute,
    )


def is_rectified(architecture: str) -> bool:
    """Whether the penultimate features are activations behind a rectifier."""
    return architecture.startswith(_RECTIFIED)


def architectures() -> list[str]:
    """Names of torchvision's classification models."""
    import torchvision

    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


def preprocessing(architecture: str) -> ImageInput:
    """Return the preprocessing that torchvision publishes with the default weights."""
    preset = _default_weights(architecture).transforms()
    framing = Framing(
        size=preset.crop_size[0],
        short_side=preset.resize_size[0],
        bicubic=preset.interpolation.value == "bicubic",
    )
    return ImageInput(framing, tuple(preset.mean), tuple(preset.std))


def network_from_state(architecture: str, state: Mapping[str, Tensor]) -> tuple[nn.Module, int]:
    """Build a network without its classifier from a state dict with or without one; also return its width D.

    Raises
    ------
    CheckpointError
        Tensors are missing, left over or of another shape.
    """
    network, classifier, dim = headless(architecture)
    kept = {_today(key): value for key, value in state.items() if not key.startswith(classifier + ".")}
    versions = getattr(state, "_metadata", None) or getattr(network.state_dict(), "_metadata", None)
    try:
        network.load_state_dict(_Versioned(kept, versions))
    except RuntimeError as error:
        raise CheckpointError(f"these weights are not those of {PREFIX}{architecture}: {error}") from error
    return network.eval(), dim


def headless(architecture: str) -> tuple[nn.Module, str, int]:
    """Build a random network without its classifier; also return the classifier's name and input width.

    The classifier is the last layer, linear or 1 x 1 convolution; what stands before it are the penultimate features.
    """
    import torchvision

    _default_weights(architecture)
    options: dict[str, Any] = {}
    if architecture in _INCEPTIONS:  # as torchvision builds them for its weights
        options = {"transform_input": True, "init_weights": False}
    with torch.random.fork_rng(devices=[]):  # the random values are thrown away; the caller's generator stays
        network: nn.Module = torchvision.models.get_model(architecture, weights=None, **options)
    layers = [(name, each) for name, each in network.named_modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    name, layer = layers[-1]
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Identity())
    return network, name, layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


class _Versioned(dict[str, "Tensor"]):
    """A state dict with the versions of its modules, which MNASNet asks for and safetensors files do not hold."""

    def __init__(self, tensors: Mapping[str, Tensor], versions: Any) -> None:
        super().__init__(tensors)
        self._metadata = versions


def _today(key: str) -> str:
    """DenseNet's published weights still carry names with one dot more than the network has today."""
    return _OLD_DENSENET.sub(r"\1\2", key)


def _default_weights(architecture: str) -> Any:
    import torchvision

    if architecture not in architectures():
        raise SettingsError(
            f"torchvision has no classification model {architecture!r}; it has {', '.join(architectures())}"
        )
    return torchvision.models.get_model_weights(architecture).DEFAULT


def _download(architecture: str) -> dict[str, Tensor]:
    """Fetch the default weights; torch checks the digest in the file's name, and only tensors are read."""
    url = _default_weights(architecture).url
    try:
        state: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:  # RuntimeError: the digest differs
        raise CheckpointError(
            f"the weights of {PREFIX}{architecture} could not be had from {url}: {error}; without a network use a "
            "packaged model or a folder with model.json and model.safetensors"
        ) from error
    return state
