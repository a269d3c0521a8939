"""The learner of classification jobs: a frozen encoder, a linear head refit every round, a model of its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import CheckpointError, ObjectError
from autolabel.inference.checkpoint import Checkpoint
from autolabel.inference.embed import Embeddings, embed_pool
from autolabel.inference.encoder import PoolFitted
from autolabel.learning.base import Arrays, Predictions, Prepared
from autolabel.learning.classifier import Classifier, Heads, fit_classifier
from autolabel.learning.confidence import ErrorModel, Neighbours
from autolabel.learning.features import FeatureMap, fit_features
from autolabel.learning.head import LinearHead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.api.kinds import TaskKind
    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import Encoder

SAMPLE = 20_000
"""Objects that the feature map is fitted on."""
BLOCK = 16_384
"""Objects scored at a time: the block's probabilities stay in cache for a few hundred classes."""
MAX_NEIGHBOURS = 20_000
"""Labeled objects kept for the neighbour search; more no longer change the order."""


class ClassificationLearner:
    """Implements `Learner` for single-label classification.

    Parameters
    ----------
    encoder
        Turns objects into embeddings.
    checkpoint
        Where the job starts from, already found compatible; ``None`` starts cold.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        kind: TaskKind,
        categories: Sequence[str],
        seed: int,
        threads: int = 0,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._encoder = encoder
        self._kind = kind
        self._categories = tuple(categories)
        self._seed = seed
        self._threads = threads
        self._start = _start_model(checkpoint, encoder) if checkpoint is not None else None
        self._embeddings: Embeddings | None = None
        self._map: FeatureMap | None = None

    def prepare(
        self,
        sources: SourceReader,
        objects: NDArray[np.int64],
        folder: Path,
        progress: Callable[[int, int], None],
    ) -> Prepared:
        """Embed `objects` and fit the feature map, unless the checkpoint brings its own.

        An encoder that is fitted on the pool is fitted first, on a sample drawn with the job's seed.
        """
        if isinstance(self._encoder, PoolFitted) and not self._encoder.fitted:
            self._encoder.fit(self._readable(sources, objects))
        embeddings = embed_pool(self._encoder, sources, folder, rows=objects, threads=self._threads, progress=progress)
        good = objects[~np.isin(objects, np.fromiter(embeddings.failures, np.int64, len(embeddings.failures)))]
        arrays: Arrays = {f"encoder.{name}": array for name, array in self._encoder.state().items()}
        if len(good):
            mapped = _map_of(self._start) if self._start is not None else self._fit_map(embeddings, good)
            arrays |= {"map.mean": mapped.mean, "map.projection": mapped.projection}
        facts = {
            "encoder": self._encoder.name,
            "fingerprint": self._encoder.fingerprint,
            "dim": self._encoder.dim,
        }
        return Prepared(facts, arrays, dict(embeddings.failures))

    def _readable(self, sources: SourceReader, objects: NDArray[np.int64]) -> list[str]:
        """Texts of a sample of the pool, those that have any."""
        rng = np.random.default_rng(self._seed)
        sample = objects if len(objects) <= SAMPLE else np.sort(rng.choice(objects, size=SAMPLE, replace=False))
        texts = []
        for number in sample.tolist():
            try:
                texts.append(self._encoder.prepare(sources.get(number)))
            except ObjectError:
                continue  # it fails with its reason when it is embedded
        return texts

    def _fit_map(self, embeddings: Embeddings, good: NDArray[np.int64]) -> FeatureMap:
        rng = np.random.default_rng(self._seed)
        sample = good if len(good) <= SAMPLE else np.sort(rng.choice(good, size=SAMPLE, replace=False))
        return fit_features(embeddings.rows(sample))

    def resume(self, folder: Path, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """Open the embeddings that `prepare` wrote; `CheckpointError` when they are another encoder's."""
        state = _state_of(arrays)
        if isinstance(self._encoder, PoolFitted) and state and not self._encoder.fitted:
            self._encoder.restore(state)
        if facts["fingerprint"] != self._encoder.fingerprint:
            raise CheckpointError(
                f"{folder}: embedded by {facts['encoder']} ({facts['fingerprint'][:12]}), "
                f"found {self._encoder.name} ({self._encoder.fingerprint[:12]}); use the job's own model"
            )
        self._embeddings = Embeddings.open(folder, facts["fingerprint"])
        self._map = FeatureMap(arrays["map.mean"], arrays["map.projection"])

    def features(self, objects: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of some objects, shape ``(n, F)``, float32."""
        if self._embeddings is None or self._map is None:
            msg = "features were asked for before prepare() and resume()"
            raise RuntimeError(msg)
        return self._map.apply(self._embeddings.rows(objects))

    def fit(
        self, objects: NDArray[np.int64], labels: Sequence[Any], *, previous: Arrays | None, search: bool
    ) -> tuple[Arrays, Predictions]:
        """Fit head and error model; see `fit_classifier`."""
        classifier = fit_classifier(
            self.features(objects),
            objects,
            np.asarray(labels, np.int64),
            classes=len(self._categories),
            prior=_head_of(self._start, "head") if self._start is not None else None,
            previous=_heads_of(previous) if previous is not None else None,
            search=search,
        )
        return self._to_arrays(classifier), classifier.out_of_fold

    def score(self, model: Arrays, objects: NDArray[np.int64]) -> Predictions:
        """Predict in blocks; memory beyond the result is one block's."""
        classifier = _classifier_of(model)
        parts = [
            classifier.predict(self.features(objects[begin : begin + BLOCK])) for begin in range(0, len(objects), BLOCK)
        ]
        return join(parts)

    def start_model(self) -> Arrays | None:
        """Return the checkpoint's model, or ``None`` for a cold start."""
        return self._start

    def checkpoint(self, model: Arrays, measured: Mapping[str, Any]) -> Checkpoint:
        """Pack head, feature map, error model and neighbours; fold heads stay behind."""
        arrays = {name: array for name, array in model.items() if not name.startswith("fold.")}
        arrays |= {f"encoder.{name}": array for name, array in self._encoder.state().items()}
        return Checkpoint(
            task_kind=self._kind,
            categories=self._categories,
            encoder=self._encoder.name,
            encoder_fingerprint=self._encoder.fingerprint,
            arrays=arrays,
            facts={"measured": dict(measured)},
        )

    def _to_arrays(self, classifier: Classifier) -> Arrays:
        if self._map is None:
            msg = "a model was packed before prepare() and resume()"
            raise RuntimeError(msg)
        heads = classifier.heads
        arrays: Arrays = {
            "map.mean": self._map.mean,
            "map.projection": self._map.projection,
            "head.weight": heads.full.weight,
            "head.bias": heads.full.bias,
            "head.strength": np.asarray([heads.penalty, float(heads.from_prior)], np.float64),
            "errors.weight": classifier.errors.weight,
            "errors.bias": np.asarray([classifier.errors.bias], np.float64),
            "errors.mean": classifier.errors.mean,
            "errors.scale": classifier.errors.scale,
        }
        arrays["neighbours.features"], arrays["neighbours.labels"] = classifier.neighbours.arrays(MAX_NEIGHBOURS)
        for fold, head in enumerate(heads.folds):
            arrays[f"fold.{fold}.weight"], arrays[f"fold.{fold}.bias"] = head.weight, head.bias
        return arrays


def predict_with(model: Arrays, embeddings: NDArray[np.float32]) -> Predictions:
    """Predict ``(n, D)`` embeddings with a packed model: batch scoring outside a job."""
    return _classifier_of(model).predict(_map_of(model).apply(embeddings))


def join(parts: Sequence[Predictions]) -> Predictions:
    """Concatenate predictions of consecutive blocks; none gives empty arrays."""
    if not parts:
        return Predictions(np.empty(0, np.int64), *(np.empty(0, np.float32) for _ in range(3)))
    return Predictions(
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.margin for part in parts]),
        np.concatenate([part.error_probability for part in parts]),
    )


def _start_model(checkpoint: Checkpoint, encoder: Encoder) -> Arrays | None:
    """Take the checkpoint's arrays when its encoder is this one; features of another would mean nothing."""
    return dict(checkpoint.arrays) if checkpoint.encoder_fingerprint == encoder.fingerprint else None


def _state_of(arrays: Arrays) -> Arrays:
    """Return what a checkpoint or the embedding step kept of an encoder that was fitted on the pool."""
    return {name.removeprefix("encoder."): array for name, array in arrays.items() if name.startswith("encoder.")}


def encoder_state(checkpoint: Checkpoint) -> Arrays:
    """Return the state of the checkpoint's encoder, for `encoder_for`."""
    return _state_of(checkpoint.arrays)


def _map_of(model: Arrays) -> FeatureMap:
    return FeatureMap(model["map.mean"], model["map.projection"])


def _head_of(model: Arrays, name: str) -> LinearHead:
    return LinearHead(model[f"{name}.weight"], model[f"{name}.bias"])


def _heads_of(model: Arrays) -> Heads | None:
    if "fold.0.weight" not in model:
        return None
    penalty, from_prior = model["head.strength"]
    count = sum(name.startswith("fold.") and name.endswith(".weight") for name in model)
    folds = tuple(_head_of(model, f"fold.{fold}") for fold in range(count))
    return Heads(_head_of(model, "head"), folds, float(penalty), bool(from_prior))


def _classifier_of(model: Arrays) -> Classifier:
    penalty, from_prior = model["head.strength"]
    heads = Heads(_head_of(model, "head"), (), float(penalty), bool(from_prior))
    errors = ErrorModel(
        model["errors.weight"], float(model["errors.bias"][0]), model["errors.mean"], model["errors.scale"]
    )
    neighbours = Neighbours(model["neighbours.features"].astype(np.float32), model["neighbours.labels"])
    return Classifier(heads, errors, neighbours, join([]))
