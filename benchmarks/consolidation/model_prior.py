"""Whether the model helps to consolidate people's answers, and whether the model that learns from them gets better.

    python -m benchmarks.consolidation.model_prior DATA_SET_FOLDER [--cache FOLDER] [--answers 1 2 3]
        [--people dawid-skene] [--selection margin-diverse] [--seeds 5] [--free]

The loop of a job without its audit: a first batch, then rounds of training, choosing the next batch and asking people
about it. Labels are consolidated twice from the same answers: blind, and with what the model of the round before said
of each object as a prior. Two such loops run side by side, one that trains on blind labels and one that trains on the
others. Reported are the labels' accuracy by truth, the accuracy of the last head on everything that was never asked,
and the share of it that the most confident predictions could cover at 5 % errors by truth.

As in a job, the model only decides among classes that people named; ``--free`` lets it overrule them.

People are Dawid and Skene's of 70 to 99 % (a confusion matrix each), one-coin workers of 70 to 99 %, or what people
really answered, from the truth file (``human``: CIFAR-10H counts and CIFAR-10N answers).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from autolabel.api.kinds import TaskKind
from autolabel.consolidation.classes import AnswerSheet
from autolabel.consolidation.dawid_skene import dawid_skene
from autolabel.inference.encoder import View
from autolabel.job.belief import believed
from autolabel.learning.classifier import fit_classifier
from autolabel.learning.features import fit_features
from autolabel.selection.batch import uniform_batch
from autolabel.selection.strategies import STRATEGIES
from autolabel.selection.view import PoolView
from autolabel.tasks import task_for
from autolabel.workforce import HumanTask, SimulatedWorkforce
from autolabel.workforce.profiles import WorkerProfile
from autolabel.workforce.truth import read_distributions
from benchmarks.selection.embeddings import embedded

WORKERS = 30
ERROR = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, help="where embeddings are kept (default: a temporary folder)")
    parser.add_argument("--answers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--people", choices=("dawid-skene", "one-coin", "human"), default="dawid-skene")
    parser.add_argument("--selection", default="margin-diverse", choices=sorted(STRATEGIES))
    parser.add_argument("--free", action="store_true", help="the model may choose a class that nobody named")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--batch", type=int, help="objects a batch (default: a job's: a fiftieth of the data)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="model-prior-") as folder:
        vectors, truth = embedded(options.folder, options.cache or Path(folder))
    features = fit_features(vectors, [View(vectors.shape[1])]).apply(vectors)
    for answers in options.answers:
        rows = [compare(features, truth, answers, options, seed) for seed in range(options.seeds)]
        for row in rows if options.json else []:
            print(json.dumps(row), flush=True)
        if not options.json:
            print(table_row(rows), flush=True)
    return 0


def compare(features, truth, answers: int, options: argparse.Namespace, seed: int) -> dict:
    people = workforce(truth, options, seed)
    row = {"data": options.folder.name, "people": options.people, "answers": answers, "seed": seed}
    for name in ("blind", "prior"):
        row[name] = loop(features, truth, people, answers, options, seed, with_prior=name == "prior")
    return row


def loop(features, truth, people, answers, options, seed, *, with_prior: bool) -> dict:
    """Label in rounds; train on labels with or without the prior; measure both kinds of labels all the same."""
    classes = int(truth.max()) + 1
    size = options.batch or max(20, 2 * classes, len(truth) // 50)
    rng = np.random.default_rng([seed, 7])
    asked = uniform_batch(np.arange(len(truth)), size, rng).objects
    sheet = ask(people, asked, answers, 1)
    prior = np.zeros((len(truth), classes))
    heads = None
    for number in range(options.rounds):
        blind = consolidate(sheet, None, classes)
        informed = consolidate(sheet, prior, classes, free=options.free)
        labels = informed if with_prior else blind
        classifier = fit_classifier(
            features[asked], asked, labels, classes=classes, previous=heads, search=number in {0, 3, 6}
        )
        heads = classifier.heads
        remainder = np.setdiff1d(np.arange(len(truth)), asked)
        predictions = classifier.predict(heads.full.probabilities(features[remainder]))
        if number == options.rounds - 1:
            break
        view = PoolView(
            remainder, lambda places: features[places], head=heads.full.probabilities, margin=predictions.margin,
            labeled=asked,
        )  # fmt: skip
        batch = STRATEGIES[options.selection](view, size, rng).objects
        places = np.searchsorted(remainder, batch)
        prior[batch] = believed(
            heads.full.probabilities(features[batch]),
            predictions.predicted[places],
            predictions.error_probability[places],
        )
        more = ask(people, batch, answers, number + 2)
        sheet = tuple(np.concatenate(pair) for pair in zip(sheet, more, strict=True))
        asked = np.sort(np.concatenate([asked, batch]))
    wrong = (predictions.predicted != truth[remainder])[np.argsort(predictions.error_probability, kind="stable")]
    within = np.flatnonzero(np.cumsum(wrong) <= ERROR * (np.arange(len(wrong)) + 1))
    return {
        "labels_blind": float((blind == truth[asked]).mean()),
        "labels_prior": float((informed == truth[asked]).mean()),
        "model": float(1 - wrong.mean()),
        "coverage": float((within[-1] + 1) / len(wrong)) if len(within) else 0.0,
    }


def ask(people: SimulatedWorkforce, objects, answers: int, batch: int):
    task = people._task  # noqa: SLF001 - the benchmark made it
    people.publish([HumanTask(int(number), batch, {}, answers) for number in objects])
    given = people.collect()
    return (
        np.array([answer.object for answer in given]),
        np.array([people.workers.index(answer.worker) for answer in given]),
        np.array([task.label_from_answer(answer.content) for answer in given]),
    )


def consolidate(sheet, prior, classes: int, *, free: bool = False) -> np.ndarray:
    """Labels of the asked objects, ascending; blind ones as a job makes them."""
    found = AnswerSheet.of(*sheet, classes=classes)
    believed = None if prior is None else prior[found.objects]
    posterior = dawid_skene(found.rows, found.workers, found.labels, classes=classes, prior=believed).posterior
    named = np.full(posterior.shape, free)
    named[found.rows, found.labels] = True
    return np.where(named, posterior, -1.0).argmax(axis=1)


def workforce(truth, options: argparse.Namespace, seed: int) -> SimulatedWorkforce:
    names = [entry["label"] for entry in json.loads((options.folder / "labels.json").read_text())["labels"]]
    task = task_for(TaskKind.TEXT_CLASSIFICATION, names)
    if options.people == "human":
        with (options.folder / "manifest.jsonl").open() as lines:
            records = [json.loads(line) for line in lines]
        kind = TaskKind.TEXT_CLASSIFICATION if "source" in records[0] else TaskKind.IMAGE_CLASSIFICATION
        task = task_for(kind, names)
        sources = [record[kind.source_key] for record in records]
        weights = read_distributions(options.folder / "truth.jsonl", sources, task, ["human_counts", "human_labels"])
        return SimulatedWorkforce(truth.tolist(), task, distributions=weights, workers=WORKERS, seed=seed)
    if options.people == "one-coin":
        return SimulatedWorkforce(truth.tolist(), task, accuracy=(0.7, 0.99), workers=WORKERS, seed=seed)
    rng = np.random.default_rng([seed, 3])
    crew = [matrix_of(share, len(names), rng) for share in np.linspace(0.7, 0.99, WORKERS)]
    return SimulatedWorkforce(truth.tolist(), task, profiles=crew, seed=seed)


def matrix_of(accuracy: float, classes: int, rng: np.random.Generator) -> WorkerProfile:
    """A worker of this mean accuracy, of another one for each class, who mistakes each class for a few others."""
    right = np.clip(accuracy + rng.uniform(-0.1, 0.1, classes) * min(1, 10 * (1 - accuracy)), 0, 1)
    matrix = rng.dirichlet(np.full(classes, 0.3), classes)
    np.fill_diagonal(matrix, 0)
    matrix *= ((1 - right) / np.maximum(matrix.sum(axis=1), 1e-12))[:, None]
    np.fill_diagonal(matrix, 1 - matrix.sum(axis=1))
    return WorkerProfile(confusion=tuple(map(tuple, matrix.tolist())))


def table_row(rows: list[dict]) -> str:
    def cell(name: str) -> str:
        blind, prior = (np.array([row[kind][name] for row in rows]) for kind in ("blind", "prior"))
        gain = prior - blind
        error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
        return f"{100 * blind.mean():.1f} {100 * gain.mean():+.1f} ± {100 * error:.1f}"

    blind, informed = (np.mean([row["blind"][name] for row in rows]) for name in ("labels_blind", "labels_prior"))
    first = rows[0]
    labels = f"{100 * blind:.1f} → {100 * informed:.1f}"
    start = f"| `{first['data']}` | {first['people']} | {first['answers']} "
    return f"{start}| {labels} | {cell('model')} | {cell('coverage')} |"


if __name__ == "__main__":
    sys.exit(main())
