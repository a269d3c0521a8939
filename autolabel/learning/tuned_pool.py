"""A pool seen by networks that were trained on some of its labels, beside what the frozen encoder sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import CheckpointError, ObjectError
from autolabel.inference.embed import embed_pool
from autolabel.inference.encoder import digest_of
from autolabel.inference.shards.embeddings import Embeddings
from autolabel.inference.tuned import TunedEncoder, ensemble_encoder, tunable_part
from autolabel.learning.base import Arrays, Prepared
from autolabel.learning.features import FeatureMap
from autolabel.learning.threads import usable_cores
from autolabel.learning.tuning import Lessons, read_networks, tuned_networks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import Encoder, State, Tunable

MOST_LABELS = 20_000
"""Labeled objects that are trained on: what they look like is kept in memory, 110 KB of a picture with 192 pixels."""
EMBEDDINGS = "embeddings"


def tune_pool(
    encoder: Encoder,
    sources: SourceReader,
    labeled: tuple[NDArray[np.int64], NDArray[np.int64]],
    pool: NDArray[np.int64],
    folder: Path,
    *,
    classes: int,
    seed: int,
    threads: int,
    progress: Callable[[int, int], None],
) -> Prepared:
    """Train networks on labeled objects, and let them see the whole pool.

    Parameters
    ----------
    encoder
        What the job's embeddings are made by; networks that it was trained to already are where the new ones begin.
    labeled
        Objects, ascending, and their class ids; shape ``(n,)``.
    pool
        Every object that was embedded or failed to be.
    progress
        Called with objects seen and to be seen, by training and scoring together.

    Raises
    ------
    CheckpointError
        There is no network to train, or most of the labeled objects cannot be read any more.
    """
    found = tunable_part(encoder)
    if found is None:
        raise CheckpointError(f"{encoder.name} has no network that could be trained")
    _, part = found
    asked = _some(*labeled, seed=seed)
    objects, labels, prepared = _readable(part, sources, *asked)
    if 2 * len(objects) < len(asked[0]):
        raise CheckpointError(f"only {len(objects)} of {len(asked[0])} labeled objects can still be read to train on")
    lessons = Lessons(prepared, objects, labels, classes, seed)
    trained = 0

    def training(done: int, everything: int) -> None:
        nonlocal trained
        trained = everything
        progress(done, everything + len(pool))

    begin = encoder.states if isinstance(encoder, TunedEncoder) else ()
    states, said = tuned_networks(part, lessons, folder, begin=begin, progress=training)
    ensemble = ensemble_encoder(encoder, states)
    embeddings = embed_pool(
        ensemble,
        sources,
        folder / EMBEDDINGS,
        rows=pool,
        threads=threads,
        progress=lambda done, everything: progress(trained + done, trained + everything),
    )
    facts = {
        "fingerprint": embeddings.fingerprint,
        "route": embeddings.route,
        "networks": [digest_of(state) for state in states],
        "trained_on": len(objects),
        "right_out_of_fold": round(float((said.argmax(axis=1) == labels).mean()), 6),
    }
    good = pool[~np.isin(pool, np.fromiter(embeddings.failures, np.int64, len(embeddings.failures)))]
    mapped = _standard(embeddings, good, seed)
    arrays: Arrays = {
        "mean": mapped.mean,
        "scale": mapped.projection.diagonal().copy(),
        "out_of_fold.objects": objects,
        "out_of_fold.said": said,
    }
    return Prepared(facts, arrays, dict(embeddings.failures))


def _some(
    objects: NDArray[np.int64], labels: NDArray[np.int64], *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if len(objects) <= MOST_LABELS:
        return objects, labels
    some = np.sort(np.random.default_rng(seed).choice(len(objects), size=MOST_LABELS, replace=False))
    return objects[some], labels[some]


def _readable(
    part: Tunable, sources: SourceReader, objects: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Any]]:
    """Read and prepare labeled objects; one that was embedded and cannot be read any more is left out."""

    def prepare(number: int) -> Any:
        try:
            return part.prepare(sources.get(number))
        except ObjectError:
            return None

    with ThreadPoolExecutor(max(usable_cores(), sources.ahead)) as threads:
        prepared = list(threads.map(prepare, objects.tolist()))
    good = np.asarray([each is not None for each in prepared], dtype=bool)
    return objects[good], labels[good], [each for each in prepared if each is not None]


def _standard(embeddings: Embeddings, good: NDArray[np.int64], seed: int) -> FeatureMap:
    """Centre log-probabilities and bring their mean squared length to one, on a sample of the pool."""
    sample = good if len(good) <= MOST_LABELS else np.sort(np.random.default_rng(seed).choice(good, MOST_LABELS, False))
    rows = embeddings.rows(sample)
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    length = float(np.sqrt(((rows - mean) ** 2).sum(axis=1).mean(dtype=np.float64)))
    width = len(mean)
    projection = np.eye(width, dtype=np.float32) / np.float32(max(length, 1e-6))
    return FeatureMap(mean, projection, np.asarray([[width, width]], np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class TunedPool:
    """Vectors of a pool with what the trained networks say to their right.

    Attributes
    ----------
    mapped
        From those vectors to features.
    width
        Features that the networks add, C.
    """

    embeddings: Embeddings
    mapped: FeatureMap
    width: int
    _folder: Path
    _networks: tuple[str, ...]
    _trained: NDArray[np.int64]
    _unseen: NDArray[np.float32]

    @classmethod
    def open(
        cls, folder: Path, facts: Mapping[str, Any], arrays: Arrays, *, base: Embeddings, mapped: FeatureMap
    ) -> TunedPool:
        """Open what `tune_pool` left, beside the frozen encoder's vectors and their map."""
        scale = arrays["scale"]
        own = FeatureMap(arrays["mean"], np.diag(scale), np.asarray([[len(scale), len(scale)]], np.int64))
        return cls(
            base.beside(Embeddings.open(folder / EMBEDDINGS, facts["fingerprint"])),
            mapped.beside(own),
            len(scale),
            folder,
            tuple(facts["networks"]),
            arrays["out_of_fold.objects"],
            own.apply(arrays["out_of_fold.said"]),
        )

    def networks(self) -> list[State]:
        """Read the trained networks: only a model that is packed needs them, and a job is walked many times.

        Raises
        ------
        CheckpointError
            One is not there, or not the one that was trained.
        """
        return read_networks(self._folder, self._networks)

    def unseen(self, objects: NDArray[np.int64], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Replace, of objects that were trained on, what all networks say by what the one says that has not seen it.

        Parameters
        ----------
        objects, features
            Object numbers ``(n,)`` and their features ``(n, F)``, which are changed in place.
        """
        if len(self._trained):
            at = np.minimum(np.searchsorted(self._trained, objects), len(self._trained) - 1)
            known = self._trained[at] == objects
            features[known, -self.width :] = self._unseen[at[known]]
        return features
