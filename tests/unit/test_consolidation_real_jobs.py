"""Real answers of real people, where this checkout has the shared data beside it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from autolabel.api.kinds import TaskKind
from autolabel.consolidation.classes import Consolidation
from autolabel.consolidation.dawid_skene import dawid_skene
from autolabel.consolidation.ground_truth import ground_truth_em
from autolabel.consolidation.majority import majority_vote
from autolabel.tasks import task_for
from autolabel.workforce import FilesWorkforce, HumanTask
from autolabel.workforce.responses import parse_worker_response

DATA = Path(__file__).parents[3] / "shared" / "data"
BIRDS = DATA / "groundtruth_samples" / "consolidation_birds"
CROWD = DATA / "crowd"
ATTRIBUTE = "birds-open-images-clone"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no shared data beside the checkout")


def json_lines(path):
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def birds(consolidation=Consolidation.GROUND_TRUTH):
    lines = json_lines(BIRDS / "output.manifest")
    names = {line[ATTRIBUTE]: line[f"{ATTRIBUTE}-metadata"]["class-name"] for line in lines}
    names_in_order = [names[label] for label in range(len(names))]
    task = task_for(TaskKind.IMAGE_CLASSIFICATION, names_in_order, consolidation=consolidation)
    answers = []
    for response in json_lines(BIRDS / "worker-responses.jsonl"):
        number = int(response["path"].split("/")[-2])
        answers += [
            (number, answer.worker, task.label_from_answer(answer.content))
            for answer in parse_worker_response(response["body"], number=number)
        ]
    return task, lines, answers


@needs_data
def test_a_real_jobs_answers_give_the_services_labels():
    task, lines, answers = birds()
    ours = task.consolidate(answers, objects=range(len(lines)))
    theirs = {number: task.label_from_record(line, ATTRIBUTE) for number, line in enumerate(lines)}
    assert len(theirs) == 302
    assert sum(ours[number].label == label for number, label in theirs.items()) >= 301
    same_confidence = [
        round(ours[number].confidence, 2) == line[f"{ATTRIBUTE}-metadata"]["confidence"]
        for number, line in enumerate(lines)
    ]
    assert sum(same_confidence) >= 295


@needs_data
def test_pooling_agrees_with_the_service_but_for_a_few_and_is_right_more_often():
    task, lines, answers = birds(Consolidation.DAWID_SKENE)
    ours = task.consolidate(answers, objects=range(len(lines)))
    theirs = [task.label_from_record(line, ATTRIBUTE) for line in lines]
    assert sum(ours[number].label == label for number, label in enumerate(theirs)) >= 295
    named = {entry["ImageId"]: entry["Label"] for entry in json.loads((BIRDS / "true_labels.json").read_text())}
    truth = [task.categories.index(named[Path(line["source-ref"]).stem]) for line in lines]
    right = sum(ours[number].label == label for number, label in enumerate(truth))
    assert right >= sum(mine == label for mine, label in zip(theirs, truth, strict=True))


@needs_data
def test_a_real_jobs_worker_response_tree_is_collected_whole(tmp_path):
    task, lines, answers = birds()
    for response in json_lines(BIRDS / "worker-responses.jsonl"):
        path = tmp_path / response["path"]
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(response["body"]))
    workforce = FilesWorkforce(tmp_path, task)
    workforce.publish(
        [HumanTask(number, 1, task.task_input(line["source-ref"]), 5) for number, line in enumerate(lines)]
    )
    collected = [
        (answer.object, answer.worker, task.label_from_answer(answer.content)) for answer in workforce.collect()
    ]
    assert sorted(collected) == sorted(answers)
    assert workforce.problems == []
    assert (tmp_path / "tasks.jsonl").read_bytes() == b""


@needs_data
def test_a_real_jobs_line_is_written_as_the_service_wrote_it():
    task, lines, _ = birds()
    for line in lines:
        metadata = line[f"{ATTRIBUTE}-metadata"]
        fields = task.manifest_fields(
            ATTRIBUTE,
            line[ATTRIBUTE],
            confidence=metadata["confidence"],
            human=True,
            job_name="Birds-Open-Images-Clone",
            created=metadata["creation-date"],
        )
        assert {"source-ref": line["source-ref"], **fields} == line


def crowd_set(name):
    with (CROWD / name / "answers.csv").open(encoding="utf-8") as file:
        items, workers, labels = zip(*list(csv.reader(file))[1:], strict=True)
    with (CROWD / name / "truth.csv").open(encoding="utf-8") as file:
        truth_of = dict(list(csv.reader(file))[1:])
    names, objects = np.unique(items, return_inverse=True)
    classes, classes_of = np.unique(labels, return_inverse=True)
    truth = [truth_of.get(name) for name in names]
    known = np.array([label is not None for label in truth])

    def accuracy(predicted):
        return float(np.mean([classes[c] == t for c, t in zip(predicted, truth, strict=True) if t is not None]))

    assert known.any()
    return objects, np.unique(workers, return_inverse=True)[1], classes_of, len(classes), accuracy


@needs_data
@pytest.mark.parametrize(
    "name",
    [
        "bluebird",
        "dog",
        "rte",
        "trec",
        "web",
        "ms",
        "sp",
        "product",
        "sentiment",
        "face",
        "relevance",
        "mozafari",
        "zencrowd_in",
    ],
)
def test_pooling_beats_the_majority_on_crowds_whose_workers_differ(name):
    (baseline,) = (row for row in json.loads((CROWD / "baselines.json").read_text()) if row["name"] == name)
    objects, workers, labels, classes, accuracy = crowd_set(name)
    ours = accuracy(dawid_skene(objects, workers, labels, classes=classes).posterior.argmax(axis=1))
    assert ours > baseline["MV"]
    assert ours > accuracy(majority_vote(objects, labels, classes=classes))
    assert ours > max(baseline["DS"], baseline["OneCoin"]) - 0.04


@needs_data
@pytest.mark.parametrize("name", ["dog", "rte", "ms", "sp", "zencrowd_all", "zencrowd_us", "product", "sentiment"])
def test_awss_variant_beats_the_majority_on_crowds_whose_workers_differ(name):
    objects, workers, labels, classes, accuracy = crowd_set(name)
    theirs = accuracy(ground_truth_em(objects, workers, labels, classes=classes).posterior.argmax(axis=1))
    assert theirs > accuracy(majority_vote(objects, labels, classes=classes))
