"""The `Learner` protocol: what a job needs of a model, whatever its task type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.inference.checkpoint import Checkpoint
    from autolabel.inference.embed import SourceReader

Arrays = dict[str, "NDArray[Any]"]
"""Named arrays as safetensors holds them: how anything of a learner is stored."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model says of n objects; every array has shape ``(n,)``."""

    predicted: NDArray[np.int64]
    """Class ids."""
    confidence: NDArray[np.float32]
    """The model's own top probability, in (0, 1]."""
    margin: NDArray[np.float32]
    """Top probability minus the second: the smaller, the more a label would teach."""
    error_probability: NDArray[np.float32]
    """Estimated probability that the prediction is wrong."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What embedding the pool gave."""

    facts: dict[str, Any]
    """JSON: encoder, fingerprint, dim and whatever a later process needs to go on."""
    arrays: Arrays
    """For example the feature map."""
    failures: dict[int, str]
    """Objects that cannot be embedded, and why; nobody will be asked about them."""


class Learner(Protocol):
    """Trains on labels, predicts labels and how probably they are wrong. Everything it keeps is arrays."""

    def prepare(
        self,
        sources: SourceReader,
        objects: NDArray[np.int64],
        folder: Path,
        progress: Callable[[int, int], None],
    ) -> Prepared:
        """Embed `objects` once into `folder`; what is there already is not done again."""
        ...

    def resume(self, folder: Path, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """Take up what `prepare` left, in this or a later process."""
        ...

    @property
    def tunable(self) -> bool:
        """Whether there is a network that could be trained too, and not only what stands behind it."""
        ...

    def tune(
        self,
        sources: SourceReader,
        objects: NDArray[np.int64],
        labels: Sequence[Any],
        folder: Path,
        progress: Callable[[int, int], None],
    ) -> Prepared:
        """Train the network further on labeled objects and see the whole pool with it; all of it is kept in `folder`.

        What is there already is not done again. This learner stays as it is; see `tuned`.
        """
        ...

    def tuned(self, folder: Path, facts: Mapping[str, Any], arrays: Arrays) -> Learner:
        """Return a learner that sees objects as what `tune` left does too, beside what this one sees.

        Its models are its own: one that was fitted before means nothing to it.
        """
        ...

    def features(self, objects: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of some objects, shape ``(n, F)``: what diversity is measured on."""
        ...

    def fit(
        self, objects: NDArray[np.int64], labels: Sequence[Any], *, previous: Arrays | None, search: bool
    ) -> tuple[Arrays, Predictions]:
        """Train on labeled objects; return the model and out-of-fold predictions of the same objects.

        `previous` is an earlier round's model to start from; `search` looks for hyper-parameters anew.
        """
        ...

    def score(self, model: Arrays, objects: NDArray[np.int64]) -> Predictions:
        """Predict objects from their cached embeddings."""
        ...

    def head(self, model: Arrays) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Class probabilities ``(n, C)`` of features ``(n, F)``: what selection strategies look at."""
        ...

    def start_model(self) -> Arrays | None:
        """Return the checkpoint's model, or ``None`` for a cold start."""
        ...

    def checkpoint(self, model: Arrays, measured: Mapping[str, Any]) -> Checkpoint:
        """Pack a model in the form that another job can start from."""
        ...
