"""What a round after the first costs: scoring cached embeddings against embedding the same objects.

    python -m benchmarks.labeling_cost.rescoring JOB_FOLDER

Reads a finished job: seconds of its embedding step an object, and the best of three scorings of all its objects with
the last round's model.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from autolabel import LabelingJob
from autolabel.job.models import learner_for
from autolabel.job.rounds import Round, round_name
from autolabel.quality.planner import Decision


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
        best = min(timed(learner, model, objects) for _ in range(3))
    embed, score = embedded.seconds / len(objects), best / len(objects)
    print(
        f"embedding {embed * 1e6:,.0f} us an object, scoring {score * 1e6:,.1f} us: {embed / score:,.0f} times faster"
    )
    return 0


def timed(learner, model, objects) -> float:
    begun = time.perf_counter()
    learner.score(model, objects)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
