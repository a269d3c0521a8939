"""Scores beside a shard's vectors: ``scores-00000.npy`` and its receipt, by one head."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from autolabel.errors import CheckpointError
from autolabel.inference.shards.layout import digest_of_file, to_npy
from autolabel.learning.rescoring import SCORE
from autolabel.storage.durable import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.inference.shards.layout import Receipt, Shard
    from autolabel.learning.rescoring import CentredHead


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


def scored_by(shard: Shard, receipt: Receipt, head: str) -> bool:
    """Whether a shard's scores are there, whole, of these vectors and by the head of this digest."""
    try:
        found = msgspec.json.decode(_receipt(shard).read_bytes(), type=ScoreReceipt)
    except (OSError, msgspec.DecodeError):
        return False
    if (found.head, found.vectors_sha256) != (head, receipt.sha256):
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


def _array(shard: Shard) -> Path:
    return shard.folder / f"scores-{shard.place:05d}.npy"


def _receipt(shard: Shard) -> Path:
    return shard.folder / f"scores-{shard.place:05d}.json"
