"""Ways to say how probably a prediction is wrong, fitted on the same labels; less is surer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from autolabel.learning.confidence import fit_error_model, signals_of
from autolabel.learning.crossfit import FOLDS, Surroundings, Training, fold_of
from autolabel.learning.head import fit_head
from autolabel.learning.packed import classifier_of, heads_of, map_of
from autolabel.learning.search import blended

NEIGHBOURS = 10
HEADS = 5
"""Bootstrap heads whose disagreement is a signal."""


@dataclass
class Standing:
    """A model, the labels it was fitted on, and the remainder."""

    learner: object
    model: dict
    objects: np.ndarray
    labels: np.ndarray
    remainder: np.ndarray
    classes: int


def scores(at: Standing, rng) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name to predicted class and risk of every object of the remainder."""
    learner, labels, classes = at.learner, at.labels, at.classes
    pool, graph = learner.graph
    features = learner.features(pool)
    labeled, own = np.searchsorted(pool, at.objects), np.searchsorted(pool, at.remainder)
    classifier, heads = classifier_of(at.model), heads_of(at.model)
    widths = tuple(map_of(at.model).widths[:, 1].tolist())
    training = Training(features[labeled], labels, fold_of(at.objects), classes, widths)
    around = Surroundings(graph, lambda places: features[places], labeled)

    beliefs = classifier.heads.full.probabilities(features)
    alone = beliefs[own]
    beliefs[labeled] = np.eye(classes, dtype=np.float32)[labels]
    heard = graph.opinion(own, beliefs)
    held_out = np.empty((len(labels), classes), np.float32)
    for fold, head in enumerate(heads.folds):
        held = training.folds == fold
        held_out[held] = head.probabilities(training.features[held])
    said = np.concatenate(
        [hearing.opinion(heads.folds) for hearing in around.hearings(training, np.arange(len(labels)))]
    )
    together, together_out = blended(alone, heard, classifier.say), blended(held_out, said, classifier.say)

    def learned(now, out, *, extra=None, extra_out=None, opinion=None, opinion_out=None, by_class=True):
        def inputs(values, told, more):
            signals = signals_of(values, told)
            signals = signals if more is None else np.column_stack([signals, more]).astype(np.float32)
            return signals, (values.argmax(axis=1) if by_class else np.zeros(len(values), np.int64))

        wrong = out.argmax(axis=1) != labels
        errors = fit_error_model(*inputs(out, opinion_out, extra_out), wrong, classes=classes)
        return now.argmax(axis=1), errors.error_probability(*inputs(now, opinion, extra))

    predicted, top = alone.argmax(axis=1), np.sort(alone, axis=1)
    temperature = temperature_of(held_out, labels)
    density, density_out = density_of(graph, features, own), density_of(graph, features, labeled)
    disagreement, disagreement_out = disagreements(training, features[own], heads.strengths, rng)
    both = {"opinion": heard, "opinion_out": said}
    return {
        "top probability": (predicted, 1 - top[:, -1]),
        "margin": (predicted, top[:, -2] - top[:, -1]),
        "entropy": (predicted, signals_of(alone, None)[:, 2]),
        "temperature scaling": (predicted, 1 - tempered(alone, temperature).max(axis=1)),
        "k nearest labels": (predicted, nearest_labels(training.features, labels, features[own], predicted)),
        "learned from the first three": learned(alone, held_out, by_class=False),
        "... and the predicted class": learned(alone, held_out),
        "... and the neighbours": learned(alone, held_out, **both),
        "neighbours in the prediction too (jobs)": learned(together, together_out, **both),
        "jobs' and density": learned(together, together_out, extra=density, extra_out=density_out, **both),
        "jobs' and disagreement": learned(
            together, together_out, extra=disagreement, extra_out=disagreement_out, **both
        ),
    }


def temperature_of(probabilities, labels) -> float:
    """Guo et al. 2017, on out-of-fold predictions."""
    rows = np.arange(len(labels))

    def loss(log_temperature):
        found = tempered(probabilities, np.exp(log_temperature))
        return -np.log(np.maximum(found[rows, labels], 1e-12)).mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def tempered(probabilities, temperature):
    logits = np.log(np.maximum(probabilities, 1e-12)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    found = np.exp(logits)
    return found / found.sum(axis=1, keepdims=True)


def nearest_labels(labeled, labels, features, predicted):
    """Share of the nearest labeled objects, weighed by similarity, that say something else than the prediction."""
    unit = labeled / np.maximum(np.linalg.norm(labeled, axis=1, keepdims=True), 1e-12)
    risk = np.empty(len(features), np.float32)
    for begin in range(0, len(features), 2048):
        rows = features[begin : begin + 2048]
        similarity = rows @ unit.T / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        near = np.argpartition(similarity, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        weights = np.maximum(np.take_along_axis(similarity, near, axis=1), 0) + 1e-3
        other = labels[near] != predicted[begin : begin + 2048, None]
        risk[begin : begin + 2048] = (weights * other).sum(axis=1) / weights.sum(axis=1)
    return risk


def density_of(graph, features, places):
    """Mean cosine similarity to the neighbours in the pool."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    around = graph.neighbours[places]
    return np.mean([(unit[places] * unit[around[:, k]]).sum(axis=1) for k in range(around.shape[1])], axis=0)


def disagreements(training, features, strengths, rng):
    """Entropy of the mean minus mean entropy of bootstrap heads; cross-fitted for the labeled objects."""

    def of(kept, rows):
        votes = []
        for _ in range(HEADS):
            drawn = rng.choice(np.flatnonzero(kept), size=int(kept.sum()))
            factors = np.repeat(np.asarray(strengths.views, np.float32), training.widths)
            head = fit_head(
                training.features[drawn] * factors, training.labels[drawn],
                classes=training.classes, penalty=strengths.penalty,
            )  # fmt: skip
            votes.append(head.probabilities(rows * factors))
        mean = np.mean(votes, axis=0)
        return entropies(mean) - np.mean([entropies(each) for each in votes], axis=0)

    out = np.empty(len(training.labels), np.float32)
    for fold in range(FOLDS):
        held = training.folds == fold
        out[held] = of(~held, training.features[held])
    return of(np.ones(len(training.labels), bool), features), out


def entropies(probabilities):
    return -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1)
