"""The `Encoder` protocol: one object's bytes or text in, one vector out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Module

    from autolabel.inference.gpu.module import DevicePart
    from autolabel.inference.images import ImageLimits, Picture
    from autolabel.inference.runtimes.base import Network
    from autolabel.inference.runtimes.device import Compute

Prepared = Any
"""What `Encoder.prepare` makes and `Encoder.encode` takes: pixels, token ids, or the text itself."""

State = dict[str, "NDArray[Any]"]
"""Named arrays, as a safetensors file holds them."""


class Modality(StrEnum):
    """What an encoder reads."""

    IMAGE = "image"
    """The bytes of a JPEG or PNG file."""
    TEXT = "text"
    """A ``str``."""


@dataclass(frozen=True, slots=True)
class View:
    """A part of an encoder's vectors: one way to look at an object, which a learner weighs by itself.

    What a network knows of an object is not all in its last layer's mean (Evci et al. 2022, Head2Toe): the kind of a
    question is in its first word, a texture in the middle of a picture network. They come from the same pass.
    """

    width: int
    weight: float = 1.0
    """How much it counts before a label is known; what was trained for the purpose has 1."""
    rectified: bool = False
    """Whether the values are activations behind a rectifier: never negative and long-tailed."""
    uneven: bool = False
    """Whether the values have scales of their own, which mean nothing, and are brought to one first."""


SIDE_WEIGHT = 0.4
"""Weight of a view that nobody trained to be one, before a label is known."""


class Encoder(Protocol):
    """A frozen map from objects to vectors; the same `fingerprint` gives the same vectors up to rounding.

    `prepare` and `encode` run in many threads at once.
    """

    @property
    def name(self) -> str:
        """The name that `encoder_for` resolves to this encoder again."""
        ...

    @property
    def dim(self) -> int:
        """Width D of the vectors."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 over weights, preprocessing and version: two encoders of one fingerprint are one encoder."""
        ...

    @property
    def route(self) -> str:
        """How the vectors are computed here: decoder, runtime, precision, with versions.

        Vectors of one fingerprint agree to the rounding of half precision by every route, and to the byte by one.
        """
        ...

    @property
    def modality(self) -> Modality:
        """Whether it reads image bytes or text."""
        ...

    @property
    def window(self) -> int:
        """Objects that one call of `encode` should get: a small batch of pictures, a few hundred texts to sort."""
        ...

    @property
    def views(self) -> tuple[View, ...]:
        """The parts of a vector, side by side; their widths sum to `dim`."""
        ...

    def prepare(self, raw: bytes | str) -> Prepared:
        """Decode or tokenise one object; `ObjectError` when that cannot be done. Thread-safe."""
        ...

    def encode(self, batch: Sequence[Prepared]) -> NDArray[np.float32]:
        """Encode prepared objects: shape ``(B, D)``, float32. The same batch gives the same bytes. Thread-safe."""
        ...

    def state(self) -> State:
        """Return what was fitted on the pool, for `encoder_for(..., state=...)`; empty for fixed weights."""
        ...


@runtime_checkable
class PoolFitted(Protocol):
    """An encoder that learns something of the pool before it encodes; afterwards its fingerprint is another."""

    @property
    def fitted(self) -> bool:
        """Whether it can encode."""
        ...

    def fit(self, sample: Sequence[Prepared]) -> None:
        """Learn from prepared objects of the pool."""
        ...

    def restore(self, state: State) -> None:
        """Take over what an earlier `fit` had learned."""
        ...


@runtime_checkable
class Networked(Protocol):
    """An encoder that is a network, whose products can be computed in another precision."""

    @property
    def network(self) -> Network:
        """From what `prepare` makes, stacked, to vectors."""
        ...


@runtime_checkable
class Tunable(Encoder, Protocol):
    """An encoder whose network can be trained further on labels."""

    @property
    def network(self) -> Network:
        """From what `stack` makes to vectors."""
        ...

    @property
    def compute(self) -> Compute:
        """Where and how it computes."""
        ...

    def kinds(self, prepared: Sequence[Prepared]) -> NDArray[np.int64]:
        """Shape ``(n,)``: objects of equal kind can be stacked, texts of one length say."""
        ...

    def stack(self, prepared: Sequence[Prepared], rng: np.random.Generator | None) -> Tensor:
        """Stack objects of one kind into the network's argument; with a generator each is changed a little at random.

        What is changed keeps its class: a picture is cropped and mirrored. Not everything can be changed so.
        """
        ...

    def with_network(self, module: Module, *, weights: str, width: int) -> Encoder:
        """Return an encoder that prepares objects as this one and gives what `module` makes of them, as it is.

        Parameters
        ----------
        module
            From what `stack` gives to ``(B, width)``.
        weights
            Digest of what the module computes.
        """
        ...


@runtime_checkable
class Computed(Protocol):
    """An encoder that is told where and how to compute."""

    @property
    def compute(self) -> Compute:
        """Where and how."""
        ...


@runtime_checkable
class DevicePartial(Protocol):
    """An encoder of pictures that can be computed on a device, as a part of a larger one at least."""

    def device_parts(self) -> tuple[DevicePart, ...]:
        """Its networks, in the order of its vectors."""
        ...


@runtime_checkable
class DeviceEncoder(DevicePartial, Protocol):
    """An encoder of pictures that may run on a device as a whole, all its networks on the same decoded pixels."""

    @property
    def on_device(self) -> bool:
        """Whether it does."""
        ...

    @property
    def compute(self) -> Compute:
        """Where and how."""
        ...

    @property
    def limits(self) -> ImageLimits:
        """What is refused before it is decoded."""
        ...

    @property
    def name(self) -> str:
        """See `Encoder.name`."""
        ...

    @property
    def fingerprint(self) -> str:
        """See `Encoder.fingerprint`."""
        ...


@runtime_checkable
class Seeing(Protocol):
    """An encoder of pictures that several can share one decoding with."""

    @property
    def wanted(self) -> int:
        """Pixels of each side that a large JPEG should be decoded to at least."""
        ...

    def prepare_picture(self, picture: Picture) -> Prepared:
        """Prepare a picture that is decoded already. Thread-safe."""
        ...


def fingerprint_of(weights: str, settings: Mapping[str, Any]) -> str:
    """Digest of an encoder: the SHA-256 of its weights and everything else that changes a vector.

    Parameters
    ----------
    weights
        Hexadecimal SHA-256 of a weights file or of `digest_of` arrays; empty without weights.
    settings
        JSON values: version of the code, preprocessing, precision.
    """
    text = json.dumps({"weights": weights, **settings}, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names, types, shapes and values of arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
