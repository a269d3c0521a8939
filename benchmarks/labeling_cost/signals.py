"""What each signal of the confidence is worth: the order of a finished job's remainder by other scores.

    python -m benchmarks.labeling_cost.signals JOB_FOLDER TRUTH.jsonl

Takes the last round's model as it is. For each score it prints the area under the risk-coverage curve of the remainder
(mean error of the most confident 1, 2, ... objects; less is better) and the labels by people that a look would need in
all at 2 % and 5 % promised error if its audit were chosen knowing the errors.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from autolabel import LabelingJob
from autolabel.job.models import learner_for
from autolabel.job.rounds import Round, round_name
from autolabel.learning.crossfit import Surroundings, Training, fold_of
from autolabel.learning.search import blended
from autolabel.learning.confidence import fit_error_model, signals_of
from autolabel.learning.graph import PoolGraph
from autolabel.learning.packed import classifier_of, heads_of
from autolabel.quality.contract import Quality
from autolabel.quality.design import Frozen
from autolabel.quality.look import plan_look
from autolabel.quality.planner import Calibration, Decision, Prices, Situation


def main() -> int:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    lines = Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
    truth = np.asarray([json.loads(line)["class_id"] for line in lines])
    with LabelingJob.open(Path(sys.argv[1])) as job:
        learner = learner_for(job.folder, job.settings, job.task)
        run = job.walk(learner)
        embedded = run.steps.stored("embed")
        learner.resume(job.folder.embeddings, embedded.result["facts"], embedded.arrays())
        number = run.steps.stored("look.freeze").result["round"]
        last = Round(number, Decision.LOOK, run.steps.stored(f"{round_name(number)}.learn"))
        model, remainder = last.model(), last.remainder()
    objects, labels = model["labeled.objects"], model["labeled.classes"].astype(np.int64)
    found = scores(learner, embedded.arrays(), model, objects, labels, remainder)
    print(f"{'score':<34} {'error':>7} {'area':>8} {'at 2 %':>7} {'at 5 %':>7}")
    for name, (predicted, risk) in found.items():
        wrong = (predicted != truth[remainder])[np.argsort(risk, kind="stable")]
        area = float((np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean())
        people = [needed(wrong, len(objects), error) for error in (0.02, 0.05)]
        print(f"{name:<34} {wrong.mean():7.4f} {area:8.5f} {people[0]:7,} {people[1]:7,}")
    return 0


def scores(learner, arrays, model, objects, labels, remainder):
    """Name to predicted classes and risk of the remainder."""
    classifier = classifier_of(model)
    graph = PoolGraph(arrays["graph.neighbours"], arrays["graph.weights"])
    pool, classes = arrays["graph.pool"], len(classifier.heads.full.bias)
    own = np.searchsorted(pool, remainder)
    labeled = np.searchsorted(pool, objects)
    features = learner.features(pool)
    beliefs = classifier.heads.full.probabilities(features)
    alone = beliefs[own]
    beliefs[labeled] = np.eye(classes, dtype=np.float32)[labels]
    opinion = graph.opinion(own, beliefs)
    around = Surroundings(graph, lambda places: features[places], labeled)
    heads = heads_of(model)
    folds = fold_of(objects)
    held_out = np.empty((len(objects), classes), np.float32)
    for fold, head in enumerate(heads.folds):
        held_out[folds == fold] = head.probabilities(features[labeled][folds == fold])

    def learned(probabilities, heard, out_of_fold, out_of_fold_heard, *, by_class):
        def inputs(values, said):
            signals = signals_of(values, said)
            return signals, (values.argmax(axis=1) if by_class else np.zeros(len(values), np.int64))

        signals, predicted = inputs(out_of_fold, out_of_fold_heard)
        wrong = out_of_fold.argmax(axis=1) != labels
        errors = fit_error_model(signals, predicted, wrong, classes=classes)
        return probabilities.argmax(axis=1), errors.error_probability(*inputs(probabilities, heard))

    training = Training(features[labeled], labels, folds, classes, None)
    said = out_of_fold_opinion(training, heads, around)
    together, together_out = blended(alone, opinion, classifier.say), blended(held_out, said, classifier.say)
    top = np.sort(alone, axis=1)
    return {
        "top probability": (alone.argmax(axis=1), 1 - top[:, -1]),
        "margin": (alone.argmax(axis=1), top[:, -2] - top[:, -1]),
        "entropy": (alone.argmax(axis=1), signals_of(alone, None)[:, 2]),
        "learned from the three": learned(alone, None, held_out, None, by_class=False),
        "... and the predicted class": learned(alone, None, held_out, None, by_class=True),
        "... and the neighbours": learned(alone, opinion, held_out, said, by_class=True),
        "neighbours in the prediction too": learned(together, opinion, together_out, said, by_class=True),
    }


def needed(wrong, labeled, error) -> int:
    """Labels by people in all, after the best audit in hindsight."""
    # `wrong` is in walking order; what is taken for an error probability must not be sorted again.
    frozen = Frozen(np.arange(len(wrong)), np.zeros(len(wrong), np.int64), wrong.astype(np.float64))
    situation = Situation(labeled, Prices(1.0, 0.0), calibration=Calibration(1.0, 1.0, 1.0))
    return plan_look(frozen, Quality(error), situation).human_total


if __name__ == "__main__":
    sys.exit(main())
