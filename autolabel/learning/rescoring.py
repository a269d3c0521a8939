"""Scores of cached embeddings: one pass over a shard, and none at all over objects whose label cannot have changed.

A later round changes the head and nothing else, so scoring is a product of embeddings that lie on disk with a small
matrix, and a reduction of each row of logits to 24 bytes while it is in cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autolabel.inference.shards.streaming import widen
from autolabel.learning.packed import head_of, map_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.learning.base import Arrays
    from autolabel.learning.head import LinearHead

BLOCK = 1_024
"""Rows whose embeddings and logits are in cache together."""

SCORE = np.dtype(
    [
        ("predicted", "<i4"),  # class id
        ("confidence", "<f4"),  # the top probability
        ("margin", "<f4"),  # minus the second
        ("entropy", "<f4"),  # of all probabilities, in nats
        ("gap", "<f4"),  # top logit minus the second: what a new head has to overcome
        ("norm", "<f4"),  # length of the embedding, measured from the head's centre
    ]
)
"""What is kept of each object."""

_ROUNDING = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True, eq=False)
class CentredHead:
    """A linear head on embeddings: ``logits = embedding @ weight.T + bias``.

    Attributes
    ----------
    head
        Weight ``(C, D)`` and bias ``(C,)``.
    centre
        What lengths are measured from, shape ``(D,)``: near the embeddings' mean, where they are shortest.
    """

    head: LinearHead
    centre: NDArray[np.float32]

    @property
    def sha256(self) -> str:
        """Digest of what the scores depend on."""
        digest = hashlib.sha256()
        for array in (self.head.weight, self.head.bias, self.centre):
            digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array, np.float32).tobytes())
        return digest.hexdigest()

    def score(self, embeddings: NDArray[np.floating]) -> NDArray[np.void]:
        """Scores of embeddings ``(n, D)``, an array of `SCORE`, shape ``(n,)``."""
        scores = np.empty(len(embeddings), SCORE)
        classes, dim = self.head.weight.shape
        transposed = np.ascontiguousarray(self.head.weight.T)
        wide, logits = np.empty((BLOCK, dim), np.float32), np.empty((BLOCK, classes), np.float32)
        for begin in range(0, len(embeddings), BLOCK):
            block = embeddings[begin : begin + BLOCK]
            x, z = wide[: len(block)], logits[: len(block)]
            if block.dtype == np.float16:
                widen(block, x)
            else:
                np.copyto(x, block)
            np.matmul(x, transposed, out=z)
            z += self.head.bias
            part = scores[begin : begin + BLOCK]
            reduce_logits(z, part)
            x -= self.centre
            part["norm"] = np.sqrt(np.einsum("nd,nd->n", x, x))
        return scores


def head_on_embeddings(model: Arrays) -> CentredHead:
    """Return a packed model's head, with its feature map folded into it."""
    mapped = map_of(model)
    return CentredHead(mapped.fold(head_of(model, "head")), np.asarray(mapped.mean, np.float32))


def reduce_logits(logits: NDArray[np.float32], out: NDArray[np.void]) -> None:
    """Reduce logits ``(n, C)``, which are overwritten, to everything in `SCORE` but the norm."""
    rows = np.arange(len(logits))
    predicted = logits.argmax(axis=1)
    out["predicted"] = predicted
    logits -= logits[rows, predicted][:, None]  # the top is 0 now
    shares = np.exp(logits)
    total = shares.sum(axis=1)
    out["confidence"] = 1.0 / total
    out["entropy"] = np.log(total) - np.einsum("nc,nc->n", shares, logits) / total
    logits[rows, predicted] = -np.inf
    second = logits.max(axis=1)
    out["margin"] = (1.0 - np.exp(second)) / total
    out["gap"] = -second


def certainly_unchanged(scores: NDArray[np.void], old: CentredHead, new: CentredHead) -> NDArray[np.bool_]:
    """Whether the new head gives an object the label that the old one gave it, for certain; shape ``(n,)``.

    For the predicted class a and any other c, with h measured from the centre,

        (z'_a - z'_c) >= gap - ||dw_a - dw_c|| * ||h|| - |db_a - db_c|

    by Cauchy and Schwarz, where dw and db are the changes of weights and biases at the centre. The gap must also exceed
    what rounding in single precision can do to four logits. So the answer is exact: True means that scoring the object
    again would give the same class, and nothing of it has to be read but these 24 bytes.

    Raises
    ------
    ValueError
        The heads have other classes or another centre: nothing can be said.
    """
    if old.head.weight.shape != new.head.weight.shape or not np.array_equal(old.centre, new.centre):
        raise ValueError("found heads of other classes or another centre; score everything again")
    weight, bias = (new.head.weight - old.head.weight).astype(np.float64), new.head.bias - old.head.bias
    shift = weight @ new.centre.astype(np.float64) + bias
    # ||dw_a - dw_c|| for all pairs of classes from their products; never below zero.
    products = weight @ weight.T
    squares = np.diag(products)
    turn = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2.0 * products, 0.0) + 1e-12 * squares.max())
    step = np.abs(shift[:, None] - shift[None, :]).max(axis=1)
    slack = _share(weight.shape[1])
    centre = float(np.linalg.norm(new.centre.astype(np.float64)))
    predicted, gap = scores["predicted"], scores["gap"].astype(np.float64)
    norm = scores["norm"] * (1.0 + slack) + slack * centre  # it was computed in single precision too
    could = turn.max(axis=1)[predicted] * norm + step[predicted]
    rounding = sum(slack * (_longest(each) * (norm + centre) + np.abs(each.head.bias).max()) for each in (old, new))
    return np.asarray(gap * (1.0 - slack) > could + 2.0 * rounding)


def _longest(centred: CentredHead) -> float:
    """Length of the longest row of weights."""
    return float(np.linalg.norm(centred.head.weight.astype(np.float64), axis=1).max())


def _share(dim: int) -> float:
    """Most that a sum of D products computed in single precision is off, as a share of ``||w|| * ||h||``.

    Higham 2002, section 3.1, for any order of the additions; a few more roundings are counted for what comes after.
    """
    count = dim + 8
    return count * _ROUNDING / (1.0 - count * _ROUNDING)
