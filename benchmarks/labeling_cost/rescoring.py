"""What a round after the first costs: scoring cached embeddings against embedding the same objects.

    python -m benchmarks.labeling_cost.rescoring JOB_FOLDER

In one process: embeds a sample of a finished job's objects, the first `WARM` of them uncounted, then scores all of them
with the last round's model, best of three.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from autolabel import LabelingJob
from autolabel.inference.catalogue import encoder_for
from autolabel.inference.embed import embed_pool
from autolabel.job.models import learner_for
from autolabel.job.rounds import Round, round_name
from autolabel.job.sources import source_reader
from autolabel.quality.prospect import Decision
from autolabel.storage.base import StorageOptions

SAMPLE = 1_100
WARM = 100


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with LabelingJob.open(Path(sys.argv[1])) as job:
        learner = learner_for(job.folder, job.settings, job.task)
        run = job.walk(learner)
        embedded = run.steps.stored("embed")
        learner.resume(job.folder.embeddings, embedded.result["facts"], embedded.arrays())
        number = run.steps.stored("look.freeze").result["round"]
        model = Round(number, Decision.LOOK, run.steps.stored(f"{round_name(number)}.learn")).model()
        missing = embedded.result["not_embedded"]
        objects = np.setdiff1d(np.arange(run.objects), missing)
        state = {name[8:]: array for name, array in embedded.arrays().items() if name.startswith("encoder.")}
        encoder = encoder_for(embedded.result["facts"]["encoder"], device=job.settings.device, state=state)
        sources = source_reader(run.manifest, StorageOptions(), job.settings, job.task.kind)
        sample = np.sort(np.random.default_rng(0).choice(objects, min(SAMPLE, len(objects)), replace=False))
        embed = embedding_seconds(encoder, sources, sample)
        score = min(timed(learner, model, objects) for _ in range(3)) / len(objects)
    print(
        f"embedding {embed * 1e6:,.0f} us an object, scoring {score * 1e6:,.1f} us: {embed / score:,.0f} times faster"
    )
    return 0


def embedding_seconds(encoder, sources, sample) -> float:
    """Seconds an object, after a few that load what is loaded once."""
    with tempfile.TemporaryDirectory(prefix="rescoring-") as folder:
        embed_pool(encoder, sources, Path(folder) / "warm", rows=sample[:WARM])
        begun = time.perf_counter()
        embed_pool(encoder, sources, Path(folder) / "counted", rows=sample[WARM:])
        return (time.perf_counter() - begun) / len(sample[WARM:])


def timed(learner, model, objects) -> float:
    begun = time.perf_counter()
    learner.score(model, objects)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
