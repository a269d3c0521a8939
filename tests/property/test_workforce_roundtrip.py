from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from autolabel.api.kinds import TaskKind
from autolabel.tasks import task_for
from autolabel.workforce import Answer, FilesWorkforce, HumanTask, SimulatedWorkforce
from autolabel.workforce.responses import (
    Annotated,
    consolidation_request,
    parse_consolidation_request,
    parse_worker_response,
    worker_response,
)

KINDS = st.sampled_from([TaskKind.IMAGE_CLASSIFICATION, TaskKind.TEXT_CLASSIFICATION])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ANSWERS = st.builds(
    Answer,
    object=st.integers(0, 10**9),
    worker=NAMES,
    content=st.dictionaries(TEXT, JSON, max_size=3),
    submitted=TEXT,
    seconds=st.none() | st.floats(0, 1e6, allow_nan=False),
    extra=st.fixed_dictionaries({}, optional={"acceptanceTime": TEXT, "workerMetadata": JSON}),
)


@given(ANSWERS)
def test_a_worker_response_reads_back_whatever_people_answered(answer):
    body = json.loads(json.dumps(worker_response([answer])))
    assert parse_worker_response(body, number=answer.object) == [answer]


@given(st.lists(ANSWERS, max_size=3), TEXT, KINDS)
def test_a_consolidation_request_reads_back_whatever_people_answered(answers, source, kind):
    bare = tuple(Answer(5, answer.worker, answer.content) for answer in answers)
    body = json.loads(json.dumps(consolidation_request([Annotated(5, source, bare)], kind=kind)))
    assert parse_consolidation_request(body) == [Annotated(5, source, bare)]


@given(KINDS, st.lists(NAMES, min_size=2, max_size=6, unique=True))
def test_any_category_names_survive_answers_and_manifest_lines(kind, names):
    task = task_for(kind, names)
    for label in range(len(names)):
        answer = json.loads(json.dumps(task.answer_from_label(label)))
        assert task.label_from_answer(answer) == label
        fields = task.manifest_fields("a", label, confidence=0.5, human=True, job_name="j", created="")
        record = json.loads(json.dumps(fields))
        assert task.label_from_record(record, "a") == label
        assert task.truth_from_record(record, "a") == label
        assert task.truth_from_record({"label": names[label], "class_id": label}) == label


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=30),
    st.integers(1, 5),
    st.integers(0, 100),
    st.sampled_from(["lines", "files", "both"]),
)
def test_simulated_answers_go_through_files_and_come_back(tmp_path_factory, truth, workers, seed, how):
    task = task_for(TaskKind.TEXT_CLASSIFICATION, ["cat", "dog", "owl", "yak"])
    tasks = [HumanTask(number, 1, task.task_input("x"), workers) for number in range(len(truth))]
    simulated = SimulatedWorkforce(truth, task, accuracy=0.7, seed=seed)
    simulated.publish(tasks)
    answers = simulated.collect()

    folder = tmp_path_factory.mktemp("answers")
    files = FilesWorkforce(folder, task)
    files.publish(tasks)
    if how != "files":
        lines = [
            json.dumps({"datasetObjectId": str(answer.object), **member}) + "\n"
            for answer in answers
            for member in worker_response([answer])["answers"]
        ]
        (folder / "answers.jsonl").write_text("".join(lines))
    if how != "lines":
        for number in range(len(truth)):
            path = folder / "iteration-1" / str(number) / "2024-05-01_10:00:00.json"
            path.parent.mkdir(parents=True)
            body = worker_response(answer for answer in answers if answer.object == number)
            path.write_text(json.dumps(body))
    collected = files.collect()
    assert sorted(collected, key=lambda answer: answer.object) == answers
    assert files.problems == []
    assert (folder / "tasks.jsonl").read_bytes() == b""
