from __future__ import annotations

import json

import numpy as np
import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import AnswerError, InvalidRequestError, ObjectError
from autolabel.tasks import Classification, Consolidated, Task, task_for

ANIMALS = ("cat", "dog", "owl")


@pytest.fixture
def task() -> Task:
    return task_for(TaskKind.IMAGE_CLASSIFICATION, ANIMALS)


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        (TaskKind.IMAGE_CLASSIFICATION, "crowd-image-classifier"),
        (TaskKind.TEXT_CLASSIFICATION, "crowd-classifier"),
    ],
)
def test_an_answer_stands_in_the_element_of_the_kinds_own_template(kind, element):
    task = task_for(kind, ANIMALS)
    assert task.answer_from_label(1) == {element: {"label": "dog"}}
    assert [task.label_from_answer(task.answer_from_label(label)) for label in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(
    "content",
    [
        {"crowd-classifier": {"label": "owl"}},
        {"my-choice": {"label": "owl"}},
        {"crowd-image-classifier": {"label": "owl"}, "workerComment": "a bit dark"},
        {"crowd-image-classifier": {"label": "owl", "workerComment": "a bit dark"}},
        {"crowd-image-classifier": {"label": "owl"}, "sure": {"label": "yes"}},
        {"sure": {"on": True}, "my-choice": {"label": "owl"}},
    ],
)
def test_an_answer_may_name_its_element_otherwise_and_say_more(task, content):
    assert task.label_from_answer(content) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "found 0 elements with a label"),
        ({"crowd-image-classifier": "cat"}, "found 0 elements with a label"),
        ({"a": {"label": "cat"}, "b": {"label": "dog"}}, "found 2 elements with a label"),
        ({"crowd-image-classifier": {"labels": ["cat"]}}, "found 0 elements with a label"),
        ({"crowd-image-classifier": {"label": "Cat"}}, "found the label 'Cat'; expected one of 'cat', 'dog'"),
        ({"crowd-image-classifier": {"label": 0}}, "found the label 0"),
        ({"crowd-image-classifier": {"label": None}}, "found the label None"),
        ({"crowd-image-classifier": {"label": ["cat"]}}, "found the label"),
    ],
)
def test_an_unusable_answer_is_refused_with_what_was_found(task, content, said):
    with pytest.raises(AnswerError, match=said):
        task.label_from_answer(content)


def test_the_worker_page_gets_the_object_and_the_category_names(task):
    assert task.task_input("s3://bucket/1.jpg") == {
        "taskObject": "s3://bucket/1.jpg",
        "labels": ["cat", "dog", "owl"],
    }


def test_manifest_fields_are_what_the_service_writes(task):
    fields = task.manifest_fields(
        "kind", 2, confidence=0.95, human=True, job_name="My-Job", created="2023-03-08T19:30:08.880289"
    )
    assert json.dumps(fields, separators=(",", ":")) == (
        '{"kind":2,"kind-metadata":{"class-name":"owl","job-name":"labeling-job/my-job","confidence":0.95,'
        '"type":"groundtruth/image-classification","human-annotated":"yes",'
        '"creation-date":"2023-03-08T19:30:08.880289"}}'
    )


@pytest.mark.parametrize(
    ("confidence", "written"), [(0.0, "0"), (1.0, "1.0"), (0.123456, "0.12"), (0.5, "0.5"), (0.999, "1.0")]
)
def test_confidence_has_at_most_two_decimals(task, confidence, written):
    label = np.int64(0)
    fields = task.manifest_fields("a", label, confidence=np.float64(confidence), human=False, job_name="j", created="")
    assert json.dumps(fields["a-metadata"]["confidence"]) == written
    assert fields["a-metadata"]["human-annotated"] == "no"


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_a_confidence_out_of_range_is_refused(task, confidence):
    with pytest.raises(ValueError, match=r"expected a number in \[0, 1\]"):
        task.manifest_fields("a", 0, confidence=confidence, human=True, job_name="j", created="")


@pytest.mark.parametrize(
    ("record", "label"),
    [
        ({"source-ref": "x"}, None),
        ({"a-metadata": {"failure-reason": "ClientError: Annotation tasks expired."}}, None),
        ({"a": 1}, 1),
        ({"a": "1"}, 1),
        ({"a": 1, "a-metadata": {"class-name": "dog"}}, 1),
        ({"a": "0", "a-metadata": {"class-name": "cat", "confidence": 0.00}}, 0),
        ({"a": 1, "a-metadata": {"confidence": 1.0}}, 1),
        ({"a": 1, "a-metadata": "torn"}, 1),
    ],
)
def test_a_manifest_line_is_read_as_int_or_decimal_string(task, record, label):
    assert task.label_from_record(record, "a") == label


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"a": 3}, "MISSING_CLASS_MAP_ID"),
        ({"a": -1}, "MISSING_CLASS_MAP_ID"),
        ({"a": "-1"}, "INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ({"a": "١"}, "INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ({"a": "9" * 5000}, "INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ({"a": 1.0}, "INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ({"a": True}, "INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ({"a": None}, "INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ({"a": [0, 2]}, "INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ({"a": {"annotations": []}}, "INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ({"a": 1, "a-metadata": {"class-name": "cat"}}, "INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        ({"a": 1, "a-metadata": {"class-name": 7}}, "INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        ({"normal": 0, "a-metadata": {"class-name": "cat", "confidence": 1}}, "INVALID_LABEL_ATTRIBUTE_FORMAT"),
    ],
)
def test_a_broken_label_is_an_object_error_with_the_published_code(task, record, code):
    with pytest.raises(ObjectError) as caught:
        task.label_from_record(record, "a")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("record", "attribute"),
    [
        ({"label": "dog"}, None),
        ({"class_id": 1}, None),
        ({"class_id": "1"}, None),
        ({"label": 1}, None),
        ({"label": "dog", "class_id": 1, "split": "train"}, None),
        ({"a": 1, "label": "cat"}, "a"),
        ({"label": "dog"}, "a"),
        ({"label": 1, "label-metadata": {"class-name": "dog"}}, "label"),
    ],
)
def test_truth_is_the_attribute_or_a_class_id_or_a_name(task, record, attribute):
    assert task.truth_from_record(record, attribute) == 1


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"source": "x"}, "expected the key 'a' or 'class_id' or 'label'"),
        ({"label": "Dog"}, "'label' is 'Dog', expected one of 'cat', 'dog', 'owl'"),
        ({"label": None}, "'label' is None"),
        ({"label": 3}, "'label' is 3, expected 0 to 2"),
        ({"class_id": 3}, "'class_id' is 3, expected 0 to 2"),
        ({"class_id": 0, "label": "dog"}, "'class_id' is 0, which is 'cat' here, but 'label' is 'dog'"),
    ],
)
def test_truth_that_is_missing_or_contradicts_itself_is_refused(task, record, said):
    with pytest.raises(ObjectError, match=said):
        task.truth_from_record(record, "a")


def test_a_written_line_reads_back(task):
    fields = task.manifest_fields("a", 1, confidence=0.7, human=True, job_name="j", created="")
    assert task.label_from_record(fields, "a") == 1


def test_a_single_workers_label_stands_with_confidence_zero(task):
    answers = [(7, "ann", 2), (3, "ann", 0)]
    assert task.consolidate(answers, objects=[7, 3]) == {7: Consolidated(2, 0.0), 3: Consolidated(0, 0.0)}


def test_only_the_objects_asked_for_come_back_but_all_answers_count(task):
    # Ann and bob disagree on object 9; that bob is the odd one out shows only in the other objects.
    answers = [(number, worker, number % 3) for number in range(9) for worker in ("ann", "cid", "dot")]
    answers += [(number, "bob", (number + 1) % 3) for number in range(9)]
    answers += [(9, "ann", 0), (9, "bob", 1)]
    consolidated = task.consolidate(answers, objects=[9])
    assert list(consolidated) == [9]
    assert consolidated[9].label == 0
    assert consolidated[9].confidence > 0.8


def test_an_object_without_an_answer_cannot_be_consolidated(task):
    with pytest.raises(ValueError, match="object 4 has no answer to consolidate; objects without one: 1"):
        task.consolidate([(3, "ann", 0)], objects=[3, 4])


def test_nothing_asked_gives_nothing(task):
    assert task.consolidate([], objects=[]) == {}
    assert task.consolidate([(1, "ann", 0), (1, "bob", 0)], objects=[]) == {}


def test_loss_is_zero_or_one(task):
    loss = task.loss([0, 1, 2], [0, 2, 2])
    assert loss.dtype == np.float64
    assert loss.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="found 1 predictions and 2 references"):
        task.loss([0], [0, 1])


@pytest.mark.parametrize("kind", [TaskKind.OBJECT_DETECTION, TaskKind.SEMANTIC_SEGMENTATION])
def test_a_task_type_of_a_later_release_is_named_as_such(kind):
    with pytest.raises(InvalidRequestError, match=f"{kind} comes with a later release"):
        task_for(kind, ANIMALS)


@pytest.mark.parametrize(
    ("categories", "said"), [(["cat"], "at least 2"), ([], "at least 2"), (["cat", "cat"], "unique")]
)
def test_categories_are_at_least_two_and_unique(categories, said):
    with pytest.raises(InvalidRequestError, match=said):
        Classification(TaskKind.TEXT_CLASSIFICATION, categories)


def test_a_message_stays_a_line_with_many_categories():
    task = task_for(TaskKind.TEXT_CLASSIFICATION, [f"intent {number}" for number in range(150)])
    with pytest.raises(AnswerError) as caught:
        task.label_from_answer({"crowd-classifier": {"label": "x" * 10_000}})
    assert len(str(caught.value)) < 300
    assert "and 145 more" in str(caught.value)
