from __future__ import annotations

import json

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import SettingsError
from autolabel.tasks import task_for
from autolabel.workforce import FilesWorkforce, HumanTask, SimulatedWorkforce, workforce_from_spec
from autolabel.workforce.spec import absolute_spec

TASK = task_for(TaskKind.TEXT_CLASSIFICATION, ["cat", "dog"])
SOURCES = ["a", "b"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ({"source": "a", "label": "cat", "kind": 1}, {"source": "b", "label": "dog", "kind": 0})
    (tmp_path / "truth.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "swap.json").write_text("[[0, 1], [1, 0]]")
    (tmp_path / "tired.json").write_text('[{"fatigue": 2}]')
    (tmp_path / "crew.json").write_text(
        '[{"accuracy": 0, "count": 2}, {"confusion": [[0, 1], [1, 0]], "decline_rate": 0.0}]'
    )
    return tmp_path


def labels(workforce):
    workforce.publish([HumanTask(number, 1, {}, 1) for number in (0, 1)])
    return [TASK.label_from_answer(answer.content) for answer in workforce.collect()]


def build(spec):
    return workforce_from_spec(spec, task=TASK, sources=SOURCES)


def test_files_names_a_folder(here):
    workforce = build("files:answers/")
    assert isinstance(workforce, FilesWorkforce)
    assert str(workforce.folder) == "answers"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("simulated:truth.jsonl", [0, 1]),
        ("simulated:truth.jsonl?", [0, 1]),
        ("simulated:truth.jsonl?accuracy=0", [1, 0]),
        ("simulated:truth.jsonl?attribute=kind", [1, 0]),
        ("simulated:truth.jsonl?confusion=swap.json", [1, 0]),
        ("simulated:truth.jsonl?profiles=crew.json", [1, 0]),
    ],
)
def test_simulated_names_a_truth_file_and_settings(here, spec, expected):
    assert labels(build(spec)) == expected


def test_every_setting_reaches_the_simulation(here):
    workforce = build(
        f"simulated:{here}/truth.jsonl?accuracy=0.9&workers=3&seed=1&seconds_per_answer=20&decline_rate=1"
    )
    assert isinstance(workforce, SimulatedWorkforce)
    twin = SimulatedWorkforce([0, 1], TASK, accuracy=0.9, workers=3, seed=1)
    assert workforce.workers == twin.workers
    assert workforce.accuracies.tolist() == twin.accuracies.tolist()
    workforce.publish([HumanTask(0, 1, {}, 1)])
    (answer,) = workforce.collect()
    assert answer.content is None
    assert 10 <= answer.seconds <= 30


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "found the workforce ''"),
        ("mturk", "found the workforce 'mturk', expected simulated:"),
        ("simulated", "found the workforce 'simulated'"),
        ("simulated:", "found the workforce 'simulated:'"),
        ("simulated:?seed=1", "found the workforce"),
        ("files:", "found the workforce 'files:'"),
        ("files:s3://bucket/answers", "local paths"),
        ("simulated:none.jsonl", "none.jsonl cannot be read"),
        ("simulated:truth.jsonl?acuracy=0.9", "unknown field `acuracy`; the settings are accuracy, workers"),
        ("simulated:truth.jsonl?accuracy=high", "Expected `float"),
        ("simulated:truth.jsonl?accuracy=0.9..0.7", r"accuracy is 0.9..0.7, expected two shares"),
        ("simulated:truth.jsonl?accuracy=0.7..0.8..0.9", "length 2"),
        ("simulated:truth.jsonl?profiles=none.json", "workers file none.json cannot be read"),
        ("simulated:truth.jsonl?profiles=swap.json", "swap.json is no list of workers"),
        ("simulated:truth.jsonl?profiles=tired.json", "fatigue is 2.0, expected a share"),
        ("simulated:truth.jsonl?distribution=votes", r"truth.jsonl:1: .*no answers of people, expected votes"),
        ("simulated:truth.jsonl?distribution=kind", "'kind' is 1, expected a list"),
        ("simulated:truth.jsonl?accuracy", "bad query field"),
        ("simulated:truth.jsonl?accuracy=0.9&accuracy=0.8", "accuracy is given twice"),
        ("simulated:truth.jsonl?accuracy=2", "accuracy is 2.0"),
        ("simulated:truth.jsonl?seed=0.5", "Expected `int`"),
        ("simulated:truth.jsonl?confusion=none.json", "confusion file none.json cannot be read"),
        ("simulated:truth.jsonl?confusion=truth.jsonl", "confusion file truth.jsonl holds no matrix"),
    ],
)
def test_another_text_is_a_settings_error(here, spec, said):
    with pytest.raises(SettingsError, match=said):
        build(spec)


def test_a_range_of_accuracies_is_spread_evenly_over_the_workers(here):
    workforce = build("simulated:truth.jsonl?accuracy=0.7..0.99&workers=30")
    accuracies = sorted(workforce.accuracies)
    assert (accuracies[0], accuracies[-1]) == (0.7, 0.99)
    assert accuracies[10] == pytest.approx(0.8)


def test_answers_of_people_stand_in_a_member_as_counts_as_classes_or_as_names(here):
    lines = ({"source": "a", "counts": [0, 5]}, {"source": "b", "said": ["cat", "cat", "cat"]})
    (here / "people.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert labels(build("simulated:people.jsonl?distribution=counts,said")) == [1, 0]
    lines = ({"source": "a", "said": [1, 1, 1]}, {"source": "b", "said": [0]})
    (here / "people.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert labels(build("simulated:people.jsonl?distribution=said")) == [1, 0]


def test_a_spec_with_absolute_paths_means_the_same_from_anywhere(here, tmp_path_factory, monkeypatch):
    spec = absolute_spec("simulated:truth.jsonl?accuracy=1&profiles=crew.json")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert labels(build(spec)) == [1, 0]
    assert absolute_spec(spec) == spec
