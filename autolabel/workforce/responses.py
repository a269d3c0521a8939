"""Worker-response, consolidation-request and consolidation-response bodies: written and read.

Shapes as in "Use Output Data" and "Processing with AWS Lambda" of the Ground Truth guide and in real jobs'
buckets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from autolabel.api.kinds import TaskKind
from autolabel.errors import AnswerError
from autolabel.workforce.base import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_OWN_MEMBERS = frozenset({"answerContent", "submissionTime", "timeSpentInSeconds", "workerId"})


@dataclass(frozen=True, slots=True)
class Annotated:
    """One object of a consolidation request: what people saw and what they answered."""

    object: int
    source: str
    """The text, or the URI of the picture."""
    answers: tuple[Answer, ...]


def worker_response(answers: Iterable[Answer]) -> dict[str, Any]:
    """Build the body of ``worker-response/iteration-N/<object>/<time>.json`` from one object's answers.

    Declined tasks leave no trace, as in the service. Members stand in alphabetical order, as there.
    """
    return {"answers": [_member(answer) for answer in answers if answer.content is not None]}


def parse_worker_response(body: object, *, number: int) -> list[Answer]:
    """Read the answers to object `number` out of a worker-response body.

    Raises
    ------
    AnswerError
        The body is not ``{"answers": [...]}`` or one of the answers has no ``workerId`` or ``answerContent``.
    """
    return [parse_answer(member, number=number) for member in response_members(body)]


def response_members(body: object) -> list[Any]:
    """Return what stands in a worker response's ``answers``, unread.

    Raises
    ------
    AnswerError
        The body is not ``{"answers": [...]}``.
    """
    members = body.get("answers") if isinstance(body, dict) else None
    if not isinstance(members, list):
        raise AnswerError('found no list in "answers", expected {"answers": [{"answerContent": ...}, ...]}')
    return members


def parse_answer(member: object, *, number: int) -> Answer:
    """Read one member of a worker response's ``answers``; a null ``answerContent`` declines the task.

    Raises
    ------
    AnswerError
        A member is missing or of the wrong type.
    """
    if not isinstance(member, dict):
        raise AnswerError(f"found {member!r:.80} as an answer, expected a JSON object")
    worker = member.get("workerId")
    if not isinstance(worker, str) or not worker:
        raise AnswerError(f"found workerId {worker!r:.80}, expected a string that tells people apart")
    if "answerContent" not in member or not isinstance(member["answerContent"], dict | None):
        raise AnswerError("found no answerContent; expected a JSON object, or null to decline the task")
    submitted = member.get("submissionTime", "")
    if not isinstance(submitted, str):
        raise AnswerError(f"found submissionTime {submitted!r:.80}, expected a string such as 2024-05-01T09:30:00Z")
    seconds = member.get("timeSpentInSeconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | None) or (seconds or 0) < 0:
        raise AnswerError(f"found timeSpentInSeconds {seconds!r:.80}, expected a number from 0")
    extra = {key: value for key, value in member.items() if key not in _OWN_MEMBERS}
    return Answer(number, worker, member["answerContent"], submitted, seconds, extra)


def parse_object_id(value: object) -> int:
    """Read a ``datasetObjectId``: a line number from 0, written as a decimal string (an int will do).

    Raises
    ------
    AnswerError
        It is anything else.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise AnswerError(f'found datasetObjectId {value!r:.80}, expected a manifest line number from 0 such as "12"')


def consolidation_request(objects: Iterable[Annotated], *, kind: TaskKind) -> list[dict[str, Any]]:
    """Build the payload that a post-annotation Lambda reads; its answer contents are strings of JSON."""
    source_member = "content" if kind is TaskKind.TEXT_CLASSIFICATION else "s3Uri"
    return [
        {
            "datasetObjectId": str(item.object),
            "dataObject": {source_member: item.source},
            "annotations": [
                {
                    "workerId": answer.worker,
                    "annotationData": {"content": msgspec.json.encode(answer.content).decode()},
                }
                for answer in item.answers
                if answer.content is not None
            ],
        }
        for item in objects
    ]


def parse_consolidation_request(body: object) -> list[Annotated]:
    """Read a consolidation request back. Times are not in it.

    Raises
    ------
    AnswerError
        The body has another shape.
    """
    try:
        entries = msgspec.convert(body, list[_RequestEntry])
        return [entry.read() for entry in entries]
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise AnswerError(f"this is no consolidation request: {error}") from error


def consolidation_response(fields: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Build what a post-annotation Lambda returns: label and metadata of each object, by object number."""
    return [
        {"datasetObjectId": str(number), "consolidatedAnnotation": {"content": dict(fields[number])}}
        for number in sorted(fields)
    ]


def parse_consolidation_response(body: object) -> dict[int, dict[str, Any]]:
    """Read a consolidation response back: label attribute and metadata of each object.

    Raises
    ------
    AnswerError
        The body has another shape.
    """
    try:
        entries = msgspec.convert(body, list[_ResponseEntry])
    except msgspec.ValidationError as error:
        raise AnswerError(f"this is no consolidation response: {error}") from error
    return {parse_object_id(entry.dataset_object_id): entry.consolidated_annotation.content for entry in entries}


class _Content(msgspec.Struct):
    content: dict[str, Any]


class _ResponseEntry(msgspec.Struct, rename="camel"):
    dataset_object_id: str
    consolidated_annotation: _Content


class _Text(msgspec.Struct):
    content: str


class _Annotation(msgspec.Struct, rename="camel"):
    worker_id: str
    annotation_data: _Text


class _Source(msgspec.Struct, rename={"uri": "s3Uri"}):
    uri: str | None = None
    content: str | None = None


class _RequestEntry(msgspec.Struct, rename="camel"):
    dataset_object_id: str
    data_object: _Source
    annotations: list[_Annotation]

    def read(self) -> Annotated:
        number = parse_object_id(self.dataset_object_id)
        source = self.data_object.content if self.data_object.uri is None else self.data_object.uri
        if source is None:
            raise AnswerError(f"object {number} has a dataObject with neither s3Uri nor content")
        return Annotated(number, source, tuple(self._answers(number)))

    def _answers(self, number: int) -> Sequence[Answer]:
        return [
            Answer(number, item.worker_id, msgspec.json.decode(item.annotation_data.content, type=dict[str, Any]))
            for item in self.annotations
        ]


def _member(answer: Answer) -> dict[str, Any]:
    members = {**answer.extra, "answerContent": answer.content, "workerId": answer.worker}
    if answer.submitted:
        members["submissionTime"] = answer.submitted
    if answer.seconds is not None:
        members["timeSpentInSeconds"] = answer.seconds
    return dict(sorted(members.items()))
