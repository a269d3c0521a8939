"""Answers that people or their tools put into a folder as JSON or JSON Lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from autolabel.errors import AnswerError, ObjectError
from autolabel.workforce.responses import parse_answer, parse_object_id, response_members

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from autolabel.tasks.base import Task
    from autolabel.workforce.base import Answer

TASKS_FILE = "tasks.jsonl"
"""The published tasks; never read as answers."""

UNNAMED_WORKER = "files"
"""Worker of an answer that names none."""

_BOM = b"\xef\xbb\xbf"
_ABOUT_THE_TASK = frozenset({"datasetObjectId", "iteration", "taskInput", "workersNeeded"})
_ABOUT_THE_LABEL = frozenset({"class_id", "label"})


@dataclass(slots=True)
class AnswerFiles:
    """What a folder's answer files say."""

    answers: list[Answer] = field(default_factory=list)
    """Usable answers, one for each object and worker, in order of path and line."""
    problems: list[AnswerError] = field(default_factory=list)
    """What cannot be used; each message begins with the file and, in JSON Lines, the line."""
    incomplete: list[Path] = field(default_factory=list)
    """Files whose last document stops in the middle: somebody is still writing them."""


def read_answers(folder: Path, task: Task) -> AnswerFiles:
    """Read every ``*.json`` and ``*.jsonl`` file below `folder` except the published tasks.

    A ``.json`` file holds one document, a ``.jsonl`` file one a line. A document is a worker response
    (``{"answers": [...]}``), one answer (``{"workerId": ..., "answerContent": ...}``) or the short form
    ``{"label": "cat"}`` with whatever `Task.truth_from_record` reads. Its object is its ``datasetObjectId``;
    the folder that a ``.json`` file lies in, or the file itself, may bear that number instead.

    A document that ends before its closing brace is half-written and left for the next time; to write
    elsewhere and rename into the folder avoids even that. The first answer of a worker to an object stands:
    the same again is skipped, another one is a problem. Files whose name begins with a dot are skipped.
    """
    reader = _Reader(folder, task)
    for path in sorted(folder.rglob("*.json*")):
        if path.suffix in {".json", ".jsonl"} and not path.name.startswith(".") and path != folder / TASKS_FILE:
            reader.read(path)
    return reader.found


class _Reader:
    def __init__(self, folder: Path, task: Task) -> None:
        self.found = AnswerFiles()
        self._folder = folder
        self._task = task
        self._first: dict[tuple[int, str], tuple[str, Answer]] = {}

    def read(self, path: Path) -> None:
        """Read one file."""
        for place, document in self._documents(path):
            try:
                number = self._number(document, path)
                members = response_members(document) if "answers" in document else [document]
            except AnswerError as error:
                self._report(place, error)
                continue
            for member in members:
                self._take(place, member, number)

    def _documents(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the place and the content of each document that is complete."""
        try:
            data = path.read_bytes().removeprefix(_BOM)
        except OSError as error:
            self._report(str(path), AnswerError(f"cannot be read: {error.strerror}"))
            return
        whole = path.suffix == ".json"
        lines = [data] if whole else data.split(b"\n")
        for line, text in enumerate(lines, 1):
            place = str(path) if whole else f"{path}:{line}"
            last = line == len(lines)
            if not text.strip() and not whole:
                continue
            try:
                yield place, msgspec.json.decode(text, type=dict[str, Any])
            except (ValueError, RecursionError) as error:
                # JSON objects end with their own brace, so the end of the data tells a document that is not
                # finished yet from a broken one.
                if last and isinstance(error, msgspec.DecodeError) and "truncated" in str(error):
                    self.found.incomplete.append(path)
                else:
                    self._report(place, AnswerError(f"no JSON object: {error}"))

    def _number(self, document: dict[str, Any], path: Path) -> int:
        """Find which object a document is about."""
        if "datasetObjectId" in document:
            return parse_object_id(document["datasetObjectId"])
        if path.suffix == ".json":
            folders = path.relative_to(self._folder).parent.name
            for name in (folders, path.stem):
                if name.isascii() and name.isdigit():
                    return parse_object_id(name)
        raise AnswerError('found no "datasetObjectId"; expected the number that the task in tasks.jsonl has')

    def _take(self, place: str, member: object, number: int) -> None:
        """Keep one answer that is new and usable."""
        try:
            answer = self._answer(member, number)
        except (AnswerError, ObjectError) as error:
            self._report(place, error)
            return
        first_place, first = self._first.setdefault((number, answer.worker), (place, answer))
        if first is answer:
            self.found.answers.append(answer)
        elif first.content != answer.content:
            who = f"worker {answer.worker!r} answered object {number}"
            self._report(place, AnswerError(f"{who} otherwise in {first_place}, and the first answer stands"))

    def _answer(self, member: object, number: int) -> Answer:
        """Read an answer in the long or the short form and check that the task can use it."""
        if not isinstance(member, dict):
            return parse_answer(member, number=number)
        content = member.get("answerContent")
        if "answerContent" not in member:
            content = self._task.answer_from_label(self._task.truth_from_record(member))
        known = _ABOUT_THE_TASK | _ABOUT_THE_LABEL
        passed_through = {key: value for key, value in member.items() if key not in known}
        answer = parse_answer({"workerId": UNNAMED_WORKER, **passed_through, "answerContent": content}, number=number)
        if answer.content is not None:
            self._task.label_from_answer(answer.content)
        return answer

    def _report(self, place: str, error: Exception) -> None:
        self.found.problems.append(AnswerError(f"{place}: {error}"))
