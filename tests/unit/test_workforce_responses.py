from __future__ import annotations

import json

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import AnswerError
from autolabel.workforce import Answer
from autolabel.workforce.responses import (
    Annotated,
    consolidation_request,
    consolidation_response,
    parse_answer,
    parse_consolidation_request,
    parse_consolidation_response,
    parse_object_id,
    parse_worker_response,
    worker_response,
)

DUCK = {"crowd-image-classifier": {"label": "Duck"}}


def test_a_worker_response_is_what_the_service_wrote_in_2019():
    answer = Answer(95, "public.us-east-1.PHMFOWIIICWDF3ZS5HORERJV6Y", DUCK, "2019-04-18T16:11:15Z")
    assert json.dumps(worker_response([answer]), separators=(",", ":")) == (
        '{"answers":[{"answerContent":{"crowd-image-classifier":{"label":"Duck"}},'
        '"submissionTime":"2019-04-18T16:11:15Z","workerId":"public.us-east-1.PHMFOWIIICWDF3ZS5HORERJV6Y"}]}'
    )


def test_a_worker_response_of_today_has_times_and_passes_the_rest_through():
    body = {
        "answers": [
            {
                "acceptanceTime": "2020-12-28T18:59:15.191Z",
                "answerContent": DUCK,
                "submissionTime": "2020-12-28T18:59:58.321Z",
                "timeSpentInSeconds": 40.543,
                "workerId": "private.us-west-2.ab1234c5678a919d",
                "workerMetadata": {"identityData": {"identityProviderType": "Cognito", "sub": "aaaaaaaa"}},
            }
        ]
    }
    (answer,) = parse_worker_response(body, number=4)
    assert (answer.object, answer.seconds, answer.submitted) == (4, 40.543, "2020-12-28T18:59:58.321Z")
    assert answer.extra["acceptanceTime"] == "2020-12-28T18:59:15.191Z"
    assert json.dumps(worker_response([answer])) == json.dumps(body)


def test_a_declined_task_leaves_no_trace_in_a_worker_response():
    assert worker_response([Answer(0, "ann", None), Answer(0, "bob", DUCK)]) == {
        "answers": [{"answerContent": DUCK, "workerId": "bob"}]
    }


def test_a_null_answer_content_declines():
    answer = parse_answer({"workerId": "ann", "answerContent": None}, number=3)
    assert answer == Answer(3, "ann", None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "found no list"),
        ({"answer": []}, "found no list"),
        ({"answers": {}}, "found no list"),
        ({"answers": ["x"]}, "found 'x' as an answer"),
        ({"answers": [{"answerContent": {}}]}, "found workerId None"),
        ({"answers": [{"answerContent": {}, "workerId": ""}]}, "found workerId ''"),
        ({"answers": [{"workerId": "ann"}]}, "found no answerContent"),
        ({"answers": [{"workerId": "ann", "answerContent": "Duck"}]}, "found no answerContent"),
        (
            {"answers": [{"workerId": "a", "answerContent": {}, "submissionTime": 7}]},
            "found submissionTime 7",
        ),
        (
            {"answers": [{"workerId": "a", "answerContent": {}, "timeSpentInSeconds": -1}]},
            "timeSpentInSeconds -1",
        ),
        (
            {"answers": [{"workerId": "a", "answerContent": {}, "timeSpentInSeconds": True}]},
            "timeSpentInSeconds True",
        ),
    ],
)
def test_a_broken_worker_response_says_what_is_wrong(body, said):
    with pytest.raises(AnswerError, match=said):
        parse_worker_response(body, number=0)


@pytest.mark.parametrize(("value", "number"), [("0", 0), ("12", 12), (12, 12), ("007", 7)])
def test_an_object_id_is_a_line_number_in_a_string(value, number):
    assert parse_object_id(value) == number


@pytest.mark.parametrize("value", ["", "-1", "1.0", "x", " 1", "²", "9" * 40, None, True, 1.5, -1, ["1"]])
def test_another_object_id_is_refused(value):
    with pytest.raises(AnswerError, match="found datasetObjectId"):
        parse_object_id(value)


@pytest.mark.parametrize(
    ("kind", "source", "member"),
    [
        (TaskKind.IMAGE_CLASSIFICATION, "s3://bucket/bird1.jpg", "s3Uri"),
        (TaskKind.TEXT_CLASSIFICATION, "Größe, please", "content"),
    ],
)
def test_a_consolidation_request_holds_answers_as_strings_of_json_and_reads_back(kind, source, member):
    answers = (Answer(7, "ann", DUCK), Answer(7, "bob", {"crowd-image-classifier": {"label": "Gänse"}}))
    body = consolidation_request([Annotated(7, source, (*answers, Answer(7, "cid", None)))], kind=kind)
    assert body[0]["datasetObjectId"] == "7"
    assert body[0]["dataObject"] == {member: source}
    assert body[0]["annotations"][0] == {
        "workerId": "ann",
        "annotationData": {"content": '{"crowd-image-classifier":{"label":"Duck"}}'},
    }
    assert parse_consolidation_request(json.loads(json.dumps(body))) == [Annotated(7, source, answers)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [{"datasetObjectId": "7"}],
        [{"datasetObjectId": "x", "dataObject": {"s3Uri": "u"}, "annotations": []}],
        [{"datasetObjectId": "7", "dataObject": {}, "annotations": []}],
        [
            {
                "datasetObjectId": "7",
                "dataObject": {"s3Uri": "u"},
                "annotations": [{"workerId": "ann", "annotationData": {"content": "{"}}],
            }
        ],
    ],
)
def test_a_broken_consolidation_request_is_an_answer_error(body):
    with pytest.raises(AnswerError):
        parse_consolidation_request(body)


def test_a_consolidation_response_reads_back():
    fields = {10: {"a": 1, "a-metadata": {"class-name": "dog"}}, 2: {"a": 0}}
    body = consolidation_response(fields)
    assert body[0] == {"datasetObjectId": "2", "consolidatedAnnotation": {"content": {"a": 0}}}
    assert parse_consolidation_response(json.loads(json.dumps(body))) == fields


@pytest.mark.parametrize("body", [{}, [{"datasetObjectId": "2"}], [{"consolidatedAnnotation": {"content": {}}}]])
def test_a_broken_consolidation_response_is_an_answer_error(body):
    with pytest.raises(AnswerError, match="this is no consolidation response"):
        parse_consolidation_response(body)
