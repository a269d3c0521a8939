"""The learner of classification jobs: a frozen encoder, a linear head refit every round, a model of its errors."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import CheckpointError, ObjectError
from autolabel.inference.checkpoint import Checkpoint
from autolabel.inference.embed import embed_pool
from autolabel.inference.encoder import PoolFitted
from autolabel.inference.shards.embeddings import Embeddings
from autolabel.inference.shards.streaming import each_shard
from autolabel.inference.tuned import TunedEncoder, tunable_part
from autolabel.learning.agreement import error_probability
from autolabel.learning.base import Arrays, Predictions, Prepared
from autolabel.learning.checked import check_model
from autolabel.learning.classifier import fit_classifier
from autolabel.learning.crossfit import Memory, Surroundings
from autolabel.learning.features import FeatureMap, fit_features
from autolabel.learning.graph import PoolGraph, build_graph
from autolabel.learning.packed import (
    classifier_of,
    classifier_to_arrays,
    head_of,
    heads_of,
    map_of,
    map_to_arrays,
    memory_of,
    memory_to_arrays,
)
from autolabel.learning.pool_features import PoolFeatures
from autolabel.learning.rescoring import SCORE, CentredHead
from autolabel.learning.tuned_pool import tune_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.api.kinds import TaskKind
    from autolabel.inference.embed import SourceReader
    from autolabel.inference.encoder import Encoder
    from autolabel.inference.shards.layout import Shard
    from autolabel.learning.classifier import Classifier

SAMPLE = 20_000
"""Objects that the feature map is fitted on."""
BLOCK = 16_384
"""Objects scored at a time: the block's probabilities stay in cache for a few hundred classes."""
TOO_EARLY = "the learner was asked before prepare() and resume()"
MOST_BELIEFS = 100_000_000
"""Objects times classes beyond which the pool's opinion is not asked: its beliefs would take more than 400 MB."""


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
        self._seen: PoolFeatures | None = None
        self._pool: NDArray[np.int64] = np.empty(0, np.int64)
        self._graph: PoolGraph | None = None

    def prepare(
        self,
        sources: SourceReader,
        objects: NDArray[np.int64],
        folder: Path,
        progress: Callable[[int, int], None],
    ) -> Prepared:
        """Embed `objects`, fit the feature map, unless the checkpoint brings its own, and find the neighbours.

        An encoder that is fitted on the pool is fitted first, on a sample drawn with the job's seed.
        """
        if isinstance(self._encoder, PoolFitted) and not self._encoder.fitted:
            self._encoder.fit(self._readable(sources, objects))
        embeddings = embed_pool(self._encoder, sources, folder, rows=objects, threads=self._threads, progress=progress)
        good = objects[~np.isin(objects, np.fromiter(embeddings.failures, np.int64, len(embeddings.failures)))]
        arrays: Arrays = {f"encoder.{name}": array for name, array in self._encoder.state().items()}
        if len(good):
            mapped = map_of(self._start) if self._start is not None else self._fit_map(embeddings, good)
            arrays |= map_to_arrays(mapped)
            if len(good) * len(self._categories) <= MOST_BELIEFS:
                graph = build_graph(
                    lambda places: mapped.apply(embeddings.rows(good[places])),
                    len(good),
                    np.random.default_rng(self._seed),
                )
                arrays |= {"graph.pool": good, "graph.neighbours": graph.neighbours, "graph.weights": graph.weights}
        facts = {
            "encoder": self._encoder.name,
            "fingerprint": self._encoder.fingerprint,
            "route": embeddings.route,
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
        return fit_features(embeddings.rows(sample), self._encoder.views)

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
        self._seen = PoolFeatures(Embeddings.open(folder, facts["fingerprint"]), map_of(arrays))
        if "graph.pool" in arrays:
            self._pool = arrays["graph.pool"]
            self._graph = PoolGraph(arrays["graph.neighbours"], arrays["graph.weights"])

    @property
    def tunable(self) -> bool:
        """Whether the encoder, or a part of it, is a network that can be trained."""
        return tunable_part(self._encoder) is not None

    def tune(
        self,
        sources: SourceReader,
        objects: NDArray[np.int64],
        labels: Sequence[Any],
        folder: Path,
        progress: Callable[[int, int], None],
    ) -> Prepared:
        """Train the encoder's network on labeled objects; see `tune_pool`."""
        return tune_pool(
            self._encoder,
            sources,
            (objects, np.asarray(labels, np.int64)),
            self._pool_features().objects,
            folder,
            classes=len(self._categories),
            seed=self._seed,
            threads=self._threads,
            progress=progress,
        )

    def tuned(self, folder: Path, facts: Mapping[str, Any], arrays: Arrays) -> ClassificationLearner:
        """Return a learner with one more view; an earlier tuning's is replaced. Whom objects resemble stays."""
        other = copy.copy(self)
        other._seen = self._pool_features().beside(folder, facts, arrays)  # noqa: SLF001 - of this class
        return other

    def _memory(self) -> Memory | None:
        """What the checkpoint was trained on. Networks trained here have not seen it: they say nothing of it."""
        if self._start is None:
            return None
        memory = memory_of(self._start)
        nothing = np.zeros((len(memory.labels), self._pool_features().added), np.float32)
        return Memory(np.concatenate([memory.features, nothing], axis=1), memory.labels)

    @property
    def graph(self) -> tuple[NDArray[np.int64], PoolGraph | None]:
        """Objects of the pool, ascending, and their neighbours; ``None`` where the pool is too large to ask them."""
        return self._pool, self._graph

    def features(self, objects: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of some objects, shape ``(n, F)``, float32."""
        return self._pool_features().of(objects)

    def _pool_features(self) -> PoolFeatures:
        if self._seen is None:
            raise RuntimeError(TOO_EARLY)
        return self._seen

    def fit(
        self, objects: NDArray[np.int64], labels: Sequence[Any], *, previous: Arrays | None, search: bool
    ) -> tuple[Arrays, Predictions]:
        """Fit head and error model; see `fit_classifier`."""
        class_ids = np.asarray(labels, np.int64)
        surroundings = None
        if self._graph is not None and len(self._graph):
            places = np.searchsorted(self._pool, objects)
            surroundings = Surroundings(self._graph, lambda asked: self.features(self._pool[asked]), places)
        classifier = fit_classifier(
            self.features(objects),
            objects,
            class_ids,
            classes=len(self._categories),
            widths=tuple(self._pool_features().mapped.widths[:, 1].tolist()),
            memory=self._memory(),
            previous=heads_of(previous) if previous is not None else None,
            search=search,
            surroundings=surroundings,
        )
        labeled: Arrays = {"labeled.objects": objects, "labeled.classes": class_ids.astype(np.int32)}
        return classifier_to_arrays(classifier, self._pool_features().mapped) | labeled, classifier.out_of_fold

    def score(self, model: Arrays, objects: NDArray[np.int64]) -> Predictions:
        """Predict objects, ascending, the pool's opinion included when the model was fitted in this pool.

        Beside a block it holds one probability for every object of the pool and class.
        """
        classifier = classifier_of(model)
        head = classifier.heads.full
        if self._graph is None or "labeled.objects" not in model:
            folded = CentredHead(self._pool_features().mapped.fold(head), self._pool_features().mapped.mean)
            return self._predict_alone(folded, classifier, objects)
        beliefs = self._pool_features().believed(head, self._pool)
        labeled = np.searchsorted(self._pool, model["labeled.objects"])
        own = beliefs[labeled]
        beliefs[labeled] = 0.0
        beliefs[labeled, model["labeled.classes"]] = 1.0
        parts = []
        for block in _blocks(objects):
            places = np.searchsorted(self._pool, block)
            probabilities = beliefs[places]
            at = np.minimum(np.searchsorted(labeled, places), len(labeled) - 1)
            told = labeled[at] == places  # what people said of an object is no prediction of it
            probabilities[told] = own[at[told]]
            parts.append(classifier.predict(probabilities, self._graph.opinion(places, beliefs)))
        return join(parts)

    def _predict_alone(self, head: CentredHead, classifier: Classifier, objects: NDArray[np.int64]) -> Predictions:
        """Predict without the pool's opinion: shards side by side, each in one pass, and 24 bytes kept of an object."""

        def score(shard: Shard) -> NDArray[np.void]:
            wanted = np.isin(shard.objects, objects, assume_unique=True)
            vectors = shard.vectors()
            return head.score(vectors if wanted.all() else vectors[wanted])

        scores = np.concatenate([np.empty(0, SCORE), *each_shard(score, self._pool_features().embeddings.shards)])
        return Predictions(
            scores["predicted"].astype(np.int64),
            scores["confidence"].copy(),
            scores["margin"].copy(),
            error_probability(scores, classifier.errors_alone),
        )

    def head(self, model: Arrays) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Return the head's probabilities; what the neighbours say is not in them."""
        return head_of(model, "head").probabilities

    def start_model(self) -> Arrays | None:
        """Return the checkpoint's model, or ``None`` for a cold start."""
        return self._start

    def checkpoint(self, model: Arrays, measured: Mapping[str, Any]) -> Checkpoint:
        """Pack head, feature map, error models and training labels; fold heads and the pool's places stay behind."""
        arrays = {name: array for name, array in model.items() if not name.startswith(("fold.", "labeled."))}
        networks = self._pool_features().networks()
        encoder = TunedEncoder(self._encoder, networks) if networks else self._encoder
        arrays |= {f"encoder.{name}": array for name, array in encoder.state().items()}
        learned = Memory(self.features(model["labeled.objects"]), model["labeled.classes"].astype(np.int64))
        memory = self._memory()
        arrays |= memory_to_arrays([learned] if memory is None else [learned, memory])
        return Checkpoint(
            task_kind=self._kind,
            categories=self._categories,
            encoder=encoder.name,
            encoder_fingerprint=encoder.fingerprint,
            arrays=arrays,
            facts={"measured": dict(measured)},
        )


def predict_with(model: Arrays, embeddings: NDArray[np.float32]) -> Predictions:
    """Predict ``(n, D)`` embeddings with a packed model: batch scoring outside a job."""
    classifier = classifier_of(model)
    return classifier.predict(map_of(model).fold(classifier.heads.full).probabilities(embeddings))


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
    if checkpoint.encoder_fingerprint != encoder.fingerprint:
        return None
    check_model(checkpoint.arrays, checkpoint.encoder, width=encoder.dim, classes=len(checkpoint.categories))
    return dict(checkpoint.arrays)


def _state_of(arrays: Arrays) -> Arrays:
    """Return what a checkpoint or the embedding step kept of an encoder that was fitted on the pool."""
    return {name.removeprefix("encoder."): array for name, array in arrays.items() if name.startswith("encoder.")}


def encoder_state(checkpoint: Checkpoint) -> Arrays:
    """Return the state of the checkpoint's encoder, for `encoder_for`."""
    return _state_of(checkpoint.arrays)


def _blocks(objects: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (objects[begin : begin + BLOCK] for begin in range(0, len(objects), BLOCK))
