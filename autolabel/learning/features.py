"""From embeddings to the features a head is fitted on: centred, scaled, and at most `MAX_DIM` wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.head import LinearHead

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_DIM = 640
"""Wider embeddings are projected to `REDUCED_DIM` principal directions: a head fits several times faster."""
REDUCED_DIM = 384


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """``(embedding - mean) @ projection``: mean squared norm 1 over the pool it was fitted on.

    Attributes
    ----------
    mean
        Shape ``(D,)``, float32.
    projection
        Shape ``(D, F)`` float32, or ``(1,)`` for a plain scale, when F = D.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    @property
    def dim(self) -> int:
        """Width F of the features."""
        return len(self.mean) if self.projection.ndim == 1 else int(self.projection.shape[1])

    def apply(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map ``(n, D)`` embeddings to ``(n, F)`` float32 features."""
        centred = np.asarray(embeddings, dtype=np.float32) - self.mean
        if self.projection.ndim == 1:
            centred *= self.projection
            return centred
        return np.asarray(centred @ self.projection, dtype=np.float32)

    def fold(self, head: LinearHead) -> LinearHead:
        """Head on embeddings that says what `head` says on their features: scoring then needs no features."""
        weight = head.weight * self.projection if self.projection.ndim == 1 else head.weight @ self.projection.T
        return LinearHead(weight, np.asarray(head.bias - weight @ self.mean, np.float32))


def fit_features(sample: NDArray[np.float32]) -> FeatureMap:
    """Fit the map on a sample of the pool, shape ``(n, D)``; no label is used.

    Directions keep their spread (no whitening): over the text and image sets of the benchmark whitening costs up to
    four points of accuracy at 300 labels, because it raises noise to the height of signal.
    """
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = sample - mean
    if sample.shape[1] <= MAX_DIM:
        scale = 1.0 / max(float(np.sqrt((centred.astype(np.float64) ** 2).sum(axis=1).mean())), 1e-12)
        return FeatureMap(mean, np.asarray([scale], dtype=np.float32))
    covariance = (centred.T @ centred).astype(np.float64) / len(sample)
    _, directions = np.linalg.eigh(covariance)  # ascending
    projection = directions[:, ::-1][:, :REDUCED_DIM]
    # The sign of an eigenvector is arbitrary: fix it, so that the same pool always gives the same features.
    projection = projection * np.sign(projection[np.abs(projection).argmax(axis=0), np.arange(projection.shape[1])])
    projected = centred @ projection
    spread = float(np.sqrt((projected.astype(np.float64) ** 2).sum(axis=1).mean()))
    return FeatureMap(mean, (projection / max(spread, 1e-12)).astype(np.float32))
