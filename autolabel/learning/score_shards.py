"""Scores beside a shard's vectors: ``scores-00000.npy`` and its receipt, by a head that is kept there too.

A later head that only labels are wanted of reads the old scores first: most objects cannot have changed their label,
and nothing of them but 24 bytes is touched.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from autolabel.errors import CheckpointError
from autolabel.inference.shards.layout import digest_of_file, to_npy
from autolabel.inference.tensors import dump_tensors, load_tensors
from autolabel.learning.head import LinearHead
from autolabel.learning.rescoring import SCORE, CentredHead, certainly_unchanged
from autolabel.storage.durable import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.inference.shards.layout import Receipt, Shard


WORTH_READING = 0.5
"""Share of a shard's objects that are read one by one at most; beyond it the whole shard is scored anew."""


class ScoreReceipt(msgspec.Struct, frozen=True):
    """Says which head scored which vectors."""

    head: str
    """`CentredHead.sha256`."""
    vectors_sha256: str
    """Of the shard's file of vectors."""
    sha256: str
    """Of the file of scores."""


def score_shard(shard: Shard, receipt: Receipt, head: CentredHead) -> None:
    """Score a finished shard, unless that was done before with this head."""
    if scored_by(shard, receipt, head.sha256):
        return
    data = to_npy(head.score(shard.vectors()))
    write_atomically(_array(shard), data)
    found = ScoreReceipt(head.sha256, receipt.sha256, hashlib.sha256(data).hexdigest())
    write_atomically(_receipt(shard), msgspec.json.encode(found))


def keep_head(folder: Path, head: CentredHead) -> None:
    """Keep a head beside the scores that it will make: later heads are compared with it."""
    path = _head_file(folder, head.sha256)
    if not path.is_file():
        weight, bias = np.asarray(head.head.weight, np.float32), np.asarray(head.head.bias, np.float32)
        write_atomically(path, dump_tensors({"weight": weight, "bias": bias, "centre": head.centre}))


def label_shard(shard: Shard, receipt: Receipt, head: CentredHead) -> tuple[NDArray[np.int32], int]:
    """Return the label of each object of a finished shard, shape ``(n,)``, and how many vectors were read for it.

    The labels are those that `score_shard` would give. Where few objects are certain the shard is scored anew, which
    later heads profit from.
    """
    known = _known_scores(shard, receipt)
    if known is None:
        return _score_all(shard, receipt, head)
    old, scores = known
    if old.sha256 == head.sha256:
        return np.array(scores["predicted"]), 0
    if old.head.weight.shape != head.head.weight.shape or not np.array_equal(old.centre, head.centre):
        return _score_all(shard, receipt, head)
    unsure = np.flatnonzero(~certainly_unchanged(scores, old, head))
    if len(unsure) > WORTH_READING * len(scores):
        return _score_all(shard, receipt, head)
    labels: NDArray[np.int32] = np.array(scores["predicted"])
    labels[unsure] = head.score(shard.vectors()[unsure])["predicted"]
    return labels, len(unsure)


def _score_all(shard: Shard, receipt: Receipt, head: CentredHead) -> tuple[NDArray[np.int32], int]:
    keep_head(shard.folder, head)
    score_shard(shard, receipt, head)
    return np.array(read_scores(shard)["predicted"]), len(shard.objects)


def _known_scores(shard: Shard, receipt: Receipt) -> tuple[CentredHead, NDArray[np.void]] | None:
    """Return scores that are there, whole, and the head that made them."""
    found = _read_receipt(shard)
    if found is None or not scored_by(shard, receipt, found.head):
        return None
    path = _head_file(shard.folder, found.head)
    try:
        arrays = load_tensors(path.read_bytes(), str(path))
        head = CentredHead(LinearHead(arrays["weight"], arrays["bias"]), arrays["centre"])
    except (OSError, CheckpointError, KeyError):
        return None
    return (head, read_scores(shard)) if head.sha256 == found.head else None


def scored_by(shard: Shard, receipt: Receipt, head: str) -> bool:
    """Whether a shard's scores are there, whole, of these vectors and by the head of this digest."""
    found = _read_receipt(shard)
    if found is None or (found.head, found.vectors_sha256) != (head, receipt.sha256):
        return False
    return digest_of_file(_array(shard)) == found.sha256


def read_scores(shard: Shard) -> NDArray[np.void]:
    """Map a shard's scores: an array of `SCORE`, shape ``(n,)``; `CheckpointError` when they cannot be read."""
    path = _array(shard)
    try:
        scores: NDArray[np.void] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); score the shard again") from error
    if scores.dtype != SCORE or len(scores) != len(shard.objects):
        raise CheckpointError(f"{path} holds {len(scores)} scores of another form; score the shard again")
    return scores


def _read_receipt(shard: Shard) -> ScoreReceipt | None:
    try:
        return msgspec.json.decode(_receipt(shard).read_bytes(), type=ScoreReceipt)
    except (OSError, msgspec.DecodeError):
        return None


def _head_file(folder: Path, sha256: str) -> Path:
    return folder / f"head-{sha256[:16]}.safetensors"


def _array(shard: Shard) -> Path:
    return shard.folder / f"scores-{shard.place:05d}.npy"


def _receipt(shard: Shard) -> Path:
    return shard.folder / f"scores-{shard.place:05d}.json"
