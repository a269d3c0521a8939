"""How many answers an object is worth: ask one more person only where that is expected to pay.

The label that is given now is wrong with one minus its probability, and an error costs `error_value`. Another answer
costs `price`, and may be followed by others, up to the number that the object may still get. What is best is an
optimal stopping problem with a short horizon (Wald's sequential test with a price on each observation), and is solved
exactly by backward induction over how many further answers name each class: an answer is worth asking for when it
lowers the expected cost of errors and answers together. One step of look-ahead would not do: where no single answer
can overturn a label, two may.

Whoever answers next is one of the crowd, hence answers as its pooled confusion matrix says. Classes beyond the three
most probable ones are taken together, so that at most 495 states an object are visited at nine answers.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

APART = 3
"""Classes that are kept apart."""
OBJECTS_AT_ONCE = 1024
NEVER = -1e6
"""Logarithm of a probability of 0: its exponential is 0, and 0 times it is 0."""


class Redundancy(StrEnum):
    """How many people answer an object."""

    FIXED = "fixed"
    """As many as the document says, as in Ground Truth."""
    ADAPTIVE = "adaptive"
    """Two at first, then one more while that is worth its price, never more than the document says."""


def first_answers(most: int, redundancy: Redundancy) -> int:
    """Answers that an object is first asked for, when it may get `most`.

    Two, because a single answer tells nothing about who gave it: a worker who guesses would never be found out.
    """
    return min(2, most) if redundancy is Redundancy.ADAPTIVE else most


def worth_asking(
    posterior: NDArray[np.float64],
    confusion: NDArray[np.float64],
    left: NDArray[np.integer],
    *,
    price: float,
    error_value: float,
) -> NDArray[np.bool_]:
    """Whether one more answer to each object is worth its price, shape ``(N,)``.

    Parameters
    ----------
    posterior
        Probability of each class for each object, shape ``(N, C)``, rows sum to 1.
    confusion
        P(answered class | true class) of whoever answers next, shape ``(C, C)``, rows sum to 1.
    left
        Answers that each object may still get, shape ``(N,)``, each 0 to 9.
    price
        Price of an answer, 0 or more; at 0 every answer that can change a label is worth it.
    error_value
        What a wrong label costs, in the same money, 0 or more.

    Raises
    ------
    ValueError
        The shapes do not fit, or a number is out of range.
    """
    _check(posterior, confusion, left, price, error_value)
    worth = np.zeros(len(posterior), dtype=np.bool_)
    for horizon in np.unique(left[left > 0]).tolist():
        places = np.flatnonzero(left == horizon)
        for first in range(0, len(places), OBJECTS_AT_ONCE):
            some = places[first : first + OBJECTS_AT_ONCE]
            truth, answers, labels = _few_classes(posterior[some], confusion)
            worth[some] = _gain(truth, answers, labels, int(horizon), price, error_value) > 0
    return worth


def _few_classes(
    posterior: NDArray[np.float64], confusion: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Keep the most probable classes apart and take the others together.

    Returns the probabilities ``(n, K)``, P(answer | truth) of each object's classes ``(n, K, K)``, and how many of the
    K are classes that a label may name.
    """
    n, classes = posterior.shape
    if classes <= APART + 1:
        return posterior, np.broadcast_to(confusion, (n, classes, classes)), classes
    order = np.argsort(-posterior, axis=1, kind="stable")
    top, rest = order[:, :APART], order[:, APART:]
    shares = np.take_along_axis(posterior, rest, axis=1)
    mass = shares.sum(axis=1, keepdims=True)
    even = np.full_like(shares, 1 / shares.shape[1])
    shares = np.divide(shares, mass, out=even, where=mass > 0)
    answers = np.empty((n, APART + 1, APART + 1))
    answers[:, :APART, :APART] = confusion[top[:, :, None], top[:, None, :]]
    mixed = np.zeros((n, classes))
    np.put_along_axis(mixed, rest, shares, axis=1)
    answers[:, APART, :APART] = np.take_along_axis(mixed @ confusion, top, axis=1)
    answers[:, :, APART] = 1 - answers[:, :, :APART].sum(axis=2)
    np.clip(answers, 0, 1, out=answers)
    truth = np.concatenate([np.take_along_axis(posterior, top, axis=1), mass], axis=1)
    return truth, answers, APART


def _gain(
    truth: NDArray[np.float64],
    answers: NDArray[np.float64],
    labels: int,
    horizon: int,
    price: float,
    error_value: float,
) -> NDArray[np.float64]:
    """What asking now saves against labeling now, if everything after it is done best; shape ``(n,)``.

    A state counts the further answers that named each class. Everything is weighed by the probability of one order in
    which they may come, so that the weights of a state's successors are the state's own times P(answer | truth), and
    nothing has to be normalised.
    """
    kinds = truth.shape[1]
    with np.errstate(divide="ignore"):
        log_answers = np.maximum(np.log(answers), NEVER)
    best = np.empty(0)
    asking = np.empty(0)
    after: dict[tuple[int, ...], int] = {}
    for asked in range(horizon, -1, -1):
        states = _compositions(asked, kinds)
        joint = _joint(truth, log_answers, np.asarray(states))
        reached = joint.sum(axis=2)
        stopping = error_value * (reached - joint[:, :, :labels].max(axis=2))
        if asked == horizon:
            best = stopping
        else:
            following = np.asarray([[after[_one_more(state, kind)] for kind in range(kinds)] for state in states])
            asking = price * reached + best[:, following].sum(axis=2)
            best = np.minimum(stopping, asking)
        after = {state: place for place, state in enumerate(states)}
        if asked == 0:
            return np.asarray(stopping[:, 0] - asking[:, 0] - 1e-12 * error_value)
    raise AssertionError("the horizon is at least 1")


def _joint(
    truth: NDArray[np.float64], log_answers: NDArray[np.float64], states: NDArray[np.int_]
) -> NDArray[np.float64]:
    """P(true class and one order of a state's answers), shape ``(n, S, K)``."""
    likelihood = np.exp(log_answers @ states.T)
    weighed: NDArray[np.float64] = truth[:, None, :] * likelihood.transpose(0, 2, 1)
    return weighed


def _compositions(total: int, kinds: int) -> list[tuple[int, ...]]:
    """Every way in which `total` answers can fall on `kinds` classes."""
    return [
        tuple(chosen.count(kind) for kind in range(kinds))
        for chosen in combinations_with_replacement(range(kinds), total)
    ]


def _one_more(state: tuple[int, ...], kind: int) -> tuple[int, ...]:
    return (*state[:kind], state[kind] + 1, *state[kind + 1 :])


def _check(
    posterior: NDArray[np.float64],
    confusion: NDArray[np.float64],
    left: NDArray[np.integer],
    price: float,
    error_value: float,
) -> None:
    n, classes = posterior.shape
    if confusion.shape != (classes, classes) or left.shape != (n,):
        raise ValueError(
            f"found a confusion matrix of shape {confusion.shape} and {left.shape} answers left for posteriors of "
            f"shape {posterior.shape}; expected {(classes, classes)} and {(n,)}"
        )
    if n and not 0 <= left.min() <= left.max() <= 9:
        raise ValueError(f"found {left.min()} to {left.max()} answers left, expected 0 to 9")
    if not (price >= 0 and error_value >= 0):
        raise ValueError(f"found the price {price} and the error value {error_value}, expected 0 or more")
