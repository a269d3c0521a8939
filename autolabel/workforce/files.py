"""People who work with files: tasks go out as JSON Lines, answers come back into the same folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autolabel.storage.durable import make_folder, write_atomically
from autolabel.workforce.answer_files import TASKS_FILE, read_answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from autolabel.errors import AnswerError
    from autolabel.tasks.base import Task
    from autolabel.workforce.base import Answer, HumanTask

README_FILE = "README.txt"

_README = """\
How to answer the tasks in this folder
======================================

tasks.jsonl lists what still needs an answer, one task a line:

    datasetObjectId   the object's number
    taskInput         what to look at (taskObject) and the labels to choose from (labels)
    workersNeeded     how many more different people should answer

Put answers beside it, in files of any other name that ends with .jsonl, one answer a line:

    {"datasetObjectId": "12", "workerId": "ann", "label": "cat"}
    {"datasetObjectId": "12", "workerId": "bob", "answerContent": {"crowd-classifier": {"label": "cat"}}}

or as worker-response files in the form of Amazon SageMaker Ground Truth, .json files in a folder named
after the object's number:

    12/any-name.json:
    {"answers": [{"workerId": "ann", "answerContent": {"crowd-classifier": {"label": "cat"}}}]}

Then resume the job. A null answerContent declines the task. Without a workerId the worker is "files".
Subfolders are read too. A file that is still being written is left until it is complete.
Of several answers of one worker to one object the first counts, in order of file name and line.
"""


class FilesWorkforce:
    """A folder that people put answers into; implements `Workforce`.

    The folder is all that lasts: another process with the same folder and the same published tasks collects
    the same answers. Answers may lie there before anybody asks for them.

    Parameters
    ----------
    folder
        Where ``tasks.jsonl`` is written and answers are read; made when the first task is published.
    task
        The task type, which tells usable answers from others.
    """

    def __init__(self, folder: str | Path, task: Task) -> None:
        self.folder = Path(folder)
        self.problems: list[AnswerError] = []
        """What the last look into the folder could not use; each message begins with file and line."""
        self.incomplete: list[Path] = []
        """Files that somebody was still writing at the last look."""
        self._task = task
        self._open: dict[int, HumanTask] = {}

    def publish(self, tasks: Sequence[HumanTask]) -> None:
        """Add tasks to ``tasks.jsonl``, except those that the folder already answers.

        Raises
        ------
        StorageError
            The folder cannot be written.
        """
        self._open.update((task.object, task) for task in tasks)
        make_folder(self.folder)
        write_atomically(self.folder / README_FILE, _README.encode(), sync=False)
        self._write_tasks(self._look())

    def collect(self) -> list[Answer]:
        """Return what is new in answer to published tasks, by object number; not more than each task wants.

        A task with all its answers is done and leaves ``tasks.jsonl``. Whoever loses them publishes it again.
        """
        if not self._open:
            return []
        answers = self._look()
        self._write_tasks(answers)
        self._open = {task.object: task for task in self._open.values() if _wanted(task, answers[task.object])}
        return [answer for number in sorted(answers) for answer in answers[number]]

    def cancel(self, objects: Iterable[int]) -> None:
        """Take tasks off ``tasks.jsonl`` and leave their answers alone from now on."""
        cancelled = self._open.keys() & set(objects)
        if cancelled:
            self._open = {number: task for number, task in self._open.items() if number not in cancelled}
            self._write_tasks(self._look())

    def _look(self) -> dict[int, list[Answer]]:
        """Read the folder's answers to each open task."""
        found = read_answers(self.folder, self._task)
        self.problems, self.incomplete = found.problems, found.incomplete
        answers: dict[int, list[Answer]] = {number: [] for number in self._open}
        for answer in found.answers:
            task = self._open.get(answer.object)
            if task and answer.worker not in task.answered_by and _wanted(task, answers[task.object]):
                answers[task.object].append(answer)
        return answers

    def _write_tasks(self, answers: Mapping[int, Sequence[Answer]]) -> None:
        """Write what still needs an answer, by object number, so that no place gives an audit away."""
        lines = [
            _task_line(self._open[number], wanted)
            for number in sorted(self._open)
            if (wanted := _wanted(self._open[number], answers[number]))
        ]
        write_atomically(self.folder / TASKS_FILE, lines, sync=False)


def _wanted(task: HumanTask, answers: Sequence[Answer]) -> int:
    """How many more people should see a task; one who declined has seen it."""
    return max(0, task.workers - len(task.answered_by) - len(answers))


def _task_line(task: HumanTask, wanted: int) -> bytes:
    """Write one line in the form of Ground Truth's task input."""
    fields = {
        "datasetObjectId": str(task.object),
        "taskInput": task.input,
        "iteration": task.batch,
        "workersNeeded": wanted,
    }
    return msgspec.json.encode(fields) + b"\n"
