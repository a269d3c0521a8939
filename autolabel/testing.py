"""What users need to test their own orchestrators: a clock they own, a workforce that knows the truth, a tiny job.

>>> from autolabel.testing import FixedClock, toy_job       # doctest: +SKIP
>>> with toy_job(tmp_path) as (job, workforce):             # doctest: +SKIP
...     assert job.run(workforce).finished
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.api.request import LabelingJobRequest
from autolabel.job.job import LabelingJob
from autolabel.job.settings import Settings
from autolabel.workforce.simulated import SimulatedWorkforce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

__all__ = ["FixedClock", "SimulatedWorkforce", "toy_job", "toy_request", "write_toy_texts"]

TOPICS = {
    "weather": ("rain", "snow", "sun", "storm", "cloud", "wind"),
    "cooking": ("soup", "bread", "salt", "oven", "pepper", "pan"),
    "travel": ("train", "ticket", "hotel", "airport", "map", "luggage"),
}
COMMON = ("today", "again", "maybe", "because", "people", "think", "often", "little")


class FixedClock:
    """A clock that stands still: two runs of the same job write the same dates."""

    def __init__(self, moment: datetime | None = None) -> None:
        self.moment = moment or datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the moment."""
        return self.moment

    def seconds(self) -> float:
        """Return 0: nothing takes time."""
        return 0.0


def write_toy_texts(
    folder: Path, count: int = 300, *, seed: int = 0, noise: float = 0.3, blank: float = 0.0
) -> list[int]:
    """Write ``manifest.jsonl``, ``truth.jsonl`` and ``labels.json`` of short made-up texts; return the class ids.

    `noise` is the share of words that say nothing about the topic, `blank` that of texts without any other word.
    """
    rng = np.random.default_rng(seed)
    names = list(TOPICS)
    labels: list[int] = rng.integers(len(names), size=count).tolist()
    manifest, truth = [], []
    for number, label in enumerate(labels):
        here = 1.0 if number < blank * count else noise
        words = [
            str(rng.choice(COMMON if rng.random() < here else TOPICS[names[label]])) for _ in range(rng.integers(4, 9))
        ]
        line = {"source": " ".join([*words, f"#{number}"]), "id": number}
        manifest.append(json.dumps(line))
        truth.append(json.dumps({**line, "label": names[label]}))
    (folder / "manifest.jsonl").write_text("\n".join(manifest) + "\n")
    (folder / "truth.jsonl").write_text("\n".join(truth) + "\n")
    (folder / "labels.json").write_text(
        json.dumps({"document-version": "2018-11-28", "labels": [{"label": name} for name in names]})
    )
    return labels


def toy_request(folder: Path, *, name: str = "toy", **changes: Any) -> LabelingJobRequest:
    """Build the request for `write_toy_texts`' data; `changes` are `example_document`'s parameters."""
    members: dict[str, Any] = {
        "name": name,
        "attribute": "topic",
        "manifest": str(folder / "manifest.jsonl"),
        "output": str(folder / "out"),
        "categories": str(folder / "labels.json"),
        "workers": 1,
    }
    return LabelingJobRequest.from_document(example_document(TaskKind.TEXT_CLASSIFICATION, **(members | changes)))


@contextmanager
def toy_job(
    folder: Path, *, count: int = 300, settings: Settings | None = None, **changes: Any
) -> Iterator[tuple[LabelingJob, SimulatedWorkforce]]:
    """Create a small text job with an encoder that needs no weights, and a workforce that knows the truth."""
    labels = write_toy_texts(folder, count)
    settings = settings or Settings(model="tfidf", batch=20)
    with LabelingJob.create(toy_request(folder, **changes), settings=settings, clock=FixedClock()) as job:
        yield job, SimulatedWorkforce(labels, job.task)
