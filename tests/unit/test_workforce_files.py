from __future__ import annotations

import json

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.tasks import task_for
from autolabel.workforce import Answer, FilesWorkforce, HumanTask
from autolabel.workforce.responses import worker_response

TASK = task_for(TaskKind.TEXT_CLASSIFICATION, ["cat", "dog", "owl"])
DOG = {"crowd-classifier": {"label": "dog"}}
OWL = {"crowd-classifier": {"label": "owl"}}


def human_task(number, *, workers=1, batch=1, answered_by=()):
    return HumanTask(number, batch, TASK.task_input(f"text {number}"), workers, answered_by)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "answers"


@pytest.fixture
def workforce(folder):
    workforce = FilesWorkforce(folder, TASK)
    workforce.publish([human_task(number) for number in (12, 7, 3)])
    return workforce


def open_tasks(folder):
    return [json.loads(line) for line in (folder / "tasks.jsonl").read_text().splitlines()]


def open_objects(folder):
    return [task["datasetObjectId"] for task in open_tasks(folder)]


def write(path, *documents):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))


def complaints(workforce):
    return [str(problem) for problem in workforce.problems]


def test_tasks_go_out_in_the_services_form_by_object_number(folder):
    workforce = FilesWorkforce(folder, TASK)
    workforce.publish([human_task(12, workers=3, batch=3, answered_by=("ann",)), human_task(7)])
    assert open_tasks(folder) == [
        {
            "datasetObjectId": "7",
            "taskInput": {"taskObject": "text 7", "labels": ["cat", "dog", "owl"]},
            "iteration": 1,
            "workersNeeded": 1,
        },
        {
            "datasetObjectId": "12",
            "taskInput": {"taskObject": "text 12", "labels": ["cat", "dog", "owl"]},
            "iteration": 3,
            "workersNeeded": 2,
        },
    ]


def test_the_readmes_own_examples_are_answers_that_are_accepted(folder):
    workforce = FilesWorkforce(folder, TASK)
    workforce.publish([human_task(12, workers=2)])
    lines = [line.strip() for line in (folder / "README.txt").read_text().splitlines()]
    examples = [line for line in lines if line.startswith("{")]
    (folder / "from-readme.jsonl").write_text("\n".join(examples[:2]))
    (folder / "12").mkdir()
    (folder / "12" / "any-name.json").write_text(examples[2])
    answers = workforce.collect()
    assert workforce.problems == []
    assert {(answer.object, answer.worker) for answer in answers} == {(12, "ann"), (12, "bob")}


def test_nothing_is_collected_before_anybody_answers(folder, workforce):
    assert workforce.collect() == []
    assert open_objects(folder) == ["3", "7", "12"]


def test_who_has_nothing_to_ask_writes_nothing(folder):
    workforce = FilesWorkforce(folder, TASK)
    workforce.cancel([1])
    assert workforce.collect() == []
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("12.json", {"answers": [{"workerId": "ann", "answerContent": DOG}]}),
        ("12/2024-05-01_10:00:00.json", {"answers": [{"workerId": "ann", "answerContent": DOG}]}),
        ("worker-response/iteration-3/12/1.json", {"answers": [{"workerId": "ann", "answerContent": DOG}]}),
        ("any.json", {"datasetObjectId": "12", "answers": [{"workerId": "ann", "answerContent": DOG}]}),
        ("7/any.json", {"datasetObjectId": "12", "answers": [{"workerId": "ann", "answerContent": DOG}]}),
        ("any.json", {"datasetObjectId": "12", "workerId": "ann", "answerContent": DOG}),
        ("12.json", {"workerId": "ann", "label": "dog"}),
        ("any.jsonl", {"datasetObjectId": "12", "workerId": "ann", "answerContent": DOG}),
        ("any.jsonl", {"datasetObjectId": 12, "workerId": "ann", "label": "dog"}),
        ("any.jsonl", {"datasetObjectId": "12", "workerId": "ann", "class_id": 1}),
        ("any.jsonl", {"datasetObjectId": "12", "answers": [{"workerId": "ann", "answerContent": DOG}]}),
        (
            "any.jsonl",
            {
                "datasetObjectId": "12",
                "taskInput": {"taskObject": "text 12"},
                "iteration": 1,
                "workersNeeded": 1,
                "workerId": "ann",
                "label": "dog",
            },
        ),
    ],
)
def test_every_documented_form_of_an_answer_is_read(folder, workforce, name, document):
    write(folder / name, document)
    assert workforce.collect() == [Answer(12, "ann", DOG)]
    assert workforce.problems == []
    assert open_objects(folder) == ["3", "7"]


def test_an_answer_without_a_worker_is_by_files(folder, workforce):
    write(folder / "a.jsonl", {"datasetObjectId": "3", "label": "owl"})
    assert workforce.collect() == [Answer(3, "files", OWL)]


def test_times_and_other_members_pass_through(folder, workforce):
    answer = Answer(
        7,
        "ann",
        DOG,
        "2024-05-01T10:00:05Z",
        4.2,
        {"acceptanceTime": "2024-05-01T10:00:00Z", "workerMetadata": {}},
    )
    write(folder / "7.json", worker_response([answer]))
    assert workforce.collect() == [answer]


def test_a_declined_task_takes_one_of_its_places(folder):
    workforce = FilesWorkforce(folder, TASK)
    workforce.publish([human_task(7, workers=2)])
    write(folder / "a.jsonl", {"datasetObjectId": "7", "workerId": "ann", "answerContent": None})
    assert workforce.collect() == [Answer(7, "ann", None)]
    assert open_tasks(folder)[0]["workersNeeded"] == 1


def test_a_task_stays_open_until_enough_different_people_answered(folder):
    workforce = FilesWorkforce(folder, TASK)
    workforce.publish([human_task(7, workers=3)])
    write(folder / "a.jsonl", *({"datasetObjectId": "7", "workerId": who, "label": "dog"} for who in ("ann", "bob")))
    assert len(workforce.collect()) == 2
    assert open_tasks(folder)[0]["workersNeeded"] == 1
    write(folder / "b.jsonl", {"datasetObjectId": "7", "workerId": "cid", "label": "owl"})
    assert [answer.worker for answer in workforce.collect()] == ["ann", "bob", "cid"]
    assert open_tasks(folder) == []


def test_nobody_beyond_the_asked_number_and_nobody_twice(folder):
    workforce = FilesWorkforce(folder, TASK)
    workforce.publish([human_task(7, workers=3, answered_by=("bob",))])
    people = ("ann", "bob", "cid", "dot")
    write(folder / "a.jsonl", *({"datasetObjectId": "7", "workerId": who, "label": "dog"} for who in people))
    assert [answer.worker for answer in workforce.collect()] == ["ann", "cid"]


def test_a_task_with_all_its_answers_is_done_until_it_is_published_again(folder, workforce):
    write(folder / "a.jsonl", {"datasetObjectId": "7", "label": "dog"})
    assert workforce.collect() == [Answer(7, "files", DOG)]
    assert workforce.collect() == []
    workforce.publish([human_task(7)])
    assert open_objects(folder) == ["3", "12"]
    assert workforce.collect() == [Answer(7, "files", DOG)]


def test_another_process_collects_the_same_answers(folder, workforce):
    write(folder / "a.jsonl", {"datasetObjectId": "7", "label": "dog"})
    again = FilesWorkforce(folder, TASK)
    again.publish([human_task(number) for number in (3, 7, 12)])
    assert again.collect() == workforce.collect() == [Answer(7, "files", DOG)]


def test_answers_given_ahead_wait_until_they_are_asked_for(folder, workforce):
    write(folder / "all.jsonl", *({"datasetObjectId": str(number), "label": "cat"} for number in range(10)))
    assert [answer.object for answer in workforce.collect()] == [3, 7]
    workforce.publish([human_task(5)])
    assert open_objects(folder) == ["12"]
    assert [answer.object for answer in workforce.collect()] == [5]


def test_cancelled_tasks_are_taken_off_and_not_collected(folder, workforce):
    workforce.cancel([7, 12, 99])
    assert open_objects(folder) == ["3"]
    write(folder / "a.jsonl", {"datasetObjectId": "7", "label": "dog"}, {"datasetObjectId": "3", "label": "dog"})
    assert [answer.object for answer in workforce.collect()] == [3]
    assert open_objects(folder) == []


def test_the_same_answer_twice_is_one_answer(folder, workforce):
    line = {"datasetObjectId": "7", "workerId": "ann", "label": "dog"}
    write(folder / "a.jsonl", line, line)
    write(folder / "7.json", {"answers": [{"workerId": "ann", "answerContent": DOG}]})
    assert workforce.collect() == [Answer(7, "ann", DOG)]
    assert workforce.problems == []


def test_a_second_different_answer_is_a_problem_and_the_first_stands(folder, workforce):
    write(folder / "a.jsonl", {"datasetObjectId": "7", "label": "dog"}, {"datasetObjectId": "7", "label": "owl"})
    assert workforce.collect() == [Answer(7, "files", DOG)]
    (complaint,) = complaints(workforce)
    assert complaint == (
        f"{folder}/a.jsonl:2: worker 'files' answered object 7 otherwise in {folder}/a.jsonl:1, "
        "and the first answer stands"
    )


@pytest.mark.parametrize("end", range(1, len('{"datasetObjectId": "7", "label": "dög"}'.encode())))
@pytest.mark.parametrize("name", ["7.json", "a.jsonl"])
def test_a_half_written_file_waits_until_it_is_complete(folder, workforce, name, end):
    whole = '{"datasetObjectId": "7", "label": "dög"}'.encode()
    task = task_for(TaskKind.TEXT_CLASSIFICATION, ["cat", "dög"])
    workforce = FilesWorkforce(folder, task)
    workforce.publish([human_task(7)])
    (folder / name).write_bytes(whole[:end])
    assert workforce.collect() == []
    assert workforce.incomplete == [folder / name]
    assert workforce.problems == []
    (folder / name).write_bytes(whole)
    assert [task.label_from_answer(answer.content) for answer in workforce.collect()] == [1]
    assert workforce.incomplete == []


def test_an_empty_file_waits_and_an_empty_list_of_lines_does_not(folder, workforce):
    (folder / "7.json").write_bytes(b"")
    (folder / "a.jsonl").write_bytes(b"\n\n")
    assert workforce.collect() == []
    assert workforce.incomplete == [folder / "7.json"]


def test_bad_lines_are_named_and_good_ones_beside_them_are_taken(folder, workforce):
    (folder / "a.jsonl").write_text(
        '{"datasetObjectId": "3", "label": "cat"}\n'
        '{"datasetObjectId": "3", "label": \n'
        "\n"
        '["12"]\n'
        '{"label": "cat"}\n'
        '{"datasetObjectId": "x", "label": "cat"}\n'
        '{"datasetObjectId": "7", "label": "cow"}\n'
        '{"datasetObjectId": "7", "answerContent": {"crowd-classifier": {"label": "cow"}}}\n'
        '{"datasetObjectId": "7", "workerId": 5, "label": "cat"}\n'
        '{"datasetObjectId": "7"}\n'
        '{"datasetObjectId": "12", "answers": {}}\n'
        '{"datasetObjectId": "12", "answers": ["x", {"workerId": "ann", "label": "owl"}]}\n'
    )
    assert workforce.collect() == [
        Answer(3, "files", {"crowd-classifier": {"label": "cat"}}),
        Answer(12, "ann", OWL),
    ]
    said = [
        (2, "no JSON object: Input data was truncated"),
        (4, "no JSON object: Expected `object`"),
        (5, 'found no "datasetObjectId"'),
        (6, "found datasetObjectId 'x'"),
        (7, "'label' is 'cow'"),
        (8, "found the label 'cow'"),
        (9, "found workerId 5"),
        (10, "found no label"),
        (11, 'found no list in "answers"'),
        (12, "found 'x' as an answer"),
    ]
    assert len(workforce.problems) == len(said)
    for complaint, (line, words) in zip(complaints(workforce), said, strict=True):
        assert complaint.startswith(f"{folder}/a.jsonl:{line}: ")
        assert words in complaint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"label": "cat"} x', "no JSON object: JSON is malformed"),
        (b"\xff\xfe{}", "no JSON object"),
        (b"[" * 100_000, "no JSON object"),
        (b'{"label": "\xff"}', "no JSON object"),
        (b'{"workerId": "ann"}', "found no label"),
    ],
)
def test_a_broken_json_file_is_named(folder, workforce, data, said):
    (folder / "7.json").write_bytes(data)
    assert workforce.collect() == []
    (complaint,) = complaints(workforce)
    assert complaint.startswith(f"{folder}/7.json: ")
    assert said in complaint


def test_a_json_file_that_bears_no_number_anywhere_is_a_problem(folder, workforce):
    write(folder / "ann" / "monday.json", {"label": "cat"})
    assert workforce.collect() == []
    assert 'found no "datasetObjectId"' in complaints(workforce)[0]


def test_the_number_is_looked_for_below_the_folder_only(tmp_path):
    workforce = FilesWorkforce(tmp_path / "7", TASK)
    workforce.publish([human_task(7)])
    write(tmp_path / "7" / "monday.json", {"label": "cat"})
    assert workforce.collect() == []
    assert len(workforce.problems) == 1


def test_other_files_and_hidden_ones_are_left_alone(folder, workforce):
    for name in (".7.json", "7.json.tmp", "notes.txt", "7.json5"):
        (folder / name).write_text("no answer")
    assert workforce.collect() == []
    assert workforce.problems == workforce.incomplete == []


def test_a_problem_that_was_mended_is_forgotten(folder, workforce):
    write(folder / "a.jsonl", {"datasetObjectId": "7", "label": "cow"})
    workforce.collect()
    assert len(workforce.problems) == 1
    write(folder / "a.jsonl", {"datasetObjectId": "7", "label": "dog"})
    assert workforce.collect() == [Answer(7, "files", DOG)]
    assert workforce.problems == []


def test_no_temporary_file_is_left_behind(folder, workforce):
    assert sorted(path.name for path in folder.iterdir()) == ["README.txt", "tasks.jsonl"]
