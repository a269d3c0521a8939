"""From embeddings to the features a head is fitted on: principal directions of every view, at the view's weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.learning.head import LinearHead
from autolabel.learning.threads import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from autolabel.inference.encoder import View

WIDEST = 256
"""Principal directions kept of a view; on the benchmark's sets more of them change no accuracy."""
WIDEST_SIDE = 128
"""Of a view whose values are uneven."""
NOTHING = 1e-6
"""Share of the largest variance below which a direction is float32's rounding."""


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """``(embedding - mean) @ projection``, view by view; a view's mean squared norm is its weight's square.

    Attributes
    ----------
    mean
        Shape ``(D,)``, float32.
    projection
        Shape ``(D, F)``, float32; zero between different views.
    widths
        Embedding and feature columns of every view, shape ``(V, 2)``, int64; they sum to D and F.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    widths: NDArray[np.int64]

    @property
    def dim(self) -> int:
        """Width F of the features."""
        return int(self.projection.shape[1])

    def apply(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map ``(n, D)`` embeddings to ``(n, F)`` float32 features."""
        features = np.empty((len(embeddings), self.dim), np.float32)
        for columns, kept in self._blocks():
            centred = np.asarray(embeddings[:, columns], np.float32) - self.mean[columns]
            features[:, kept] = centred @ self.projection[columns, kept]
        return features

    def beside(self, other: FeatureMap) -> FeatureMap:
        """Return the map of vectors with `other`'s to the right of these; features stand side by side too."""
        rows, columns = self.projection.shape
        projection = np.zeros((rows + len(other.mean), columns + other.dim), np.float32)
        projection[:rows, :columns], projection[rows:, columns:] = self.projection, other.projection
        return FeatureMap(
            np.concatenate([self.mean, other.mean]), projection, np.concatenate([self.widths, other.widths])
        )

    def fold(self, head: LinearHead) -> LinearHead:
        """Head on embeddings that says what `head` says on their features: scoring then needs no features."""
        weight = np.empty((len(head.bias), len(self.mean)), np.float32)
        for columns, kept in self._blocks():
            weight[:, columns] = head.weight[:, kept] @ self.projection[columns, kept].T
        return LinearHead(weight, np.asarray(head.bias - weight @ self.mean, np.float32))

    def _blocks(self) -> Iterator[tuple[slice, slice]]:
        """Embedding and feature columns of every view."""
        ends = np.cumsum(self.widths, axis=0).tolist()
        for (width, size), (columns, kept) in zip(self.widths.tolist(), ends, strict=True):
            yield slice(columns - width, columns), slice(kept - size, kept)


def fit_features(sample: NDArray[np.float32], views: Sequence[View]) -> FeatureMap:
    """Fit the map on a sample of the pool, shape ``(n, D)``; no label is used.

    Directions keep their spread (no whitening): over the text and image sets of the benchmark whitening costs up to
    four points of accuracy at 300 labels, because it raises noise to the height of signal.
    """
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    parts = []
    begin = 0
    for view in views:
        columns = slice(begin, begin + view.width)
        parts.append(_directions(sample[:, columns] - mean[columns], view))
        begin += view.width
    widths = np.asarray([part.shape for part in parts], np.int64).reshape(-1, 2)
    projection = np.zeros(widths.sum(axis=0), np.float32)
    empty = FeatureMap(mean, projection, widths)
    for part, (columns, kept) in zip(parts, empty._blocks(), strict=True):  # noqa: SLF001 - of the class itself
        projection[columns, kept] = part
    return empty


def _directions(centred: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Principal directions of one view, shape ``(width, kept)``, scaled to its weight."""
    scale = np.ones(view.width, np.float32)
    if view.uneven:
        deviation = centred.std(axis=0, dtype=np.float64)
        scale = np.asarray(1.0 / np.maximum(deviation, 1e-3 * max(float(deviation.max()), 1e-12)), np.float32)
        centred = centred * scale
    covariance = (centred.T @ centred).astype(np.float64) / max(1, len(centred))
    with one_blas_thread():
        variances, directions = np.linalg.eigh(covariance)  # ascending
    real = max(1, int((variances > NOTHING * variances[-1]).sum()))
    kept = directions[:, ::-1][:, : min(real, WIDEST_SIDE if view.uneven else WIDEST)]
    # The sign of an eigenvector is arbitrary: fix it, so that the same pool always gives the same features.
    kept = kept * np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])])
    spread = float(np.sqrt(np.maximum(variances[::-1][: kept.shape[1]], 0.0).sum()))
    return np.asarray(scale[:, None] * kept * (view.weight / max(spread, 1e-12)), np.float32)
