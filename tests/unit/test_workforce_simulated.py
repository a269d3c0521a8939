from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import chisquare

from autolabel.api.kinds import TaskKind
from autolabel.errors import SettingsError
from autolabel.tasks import task_for
from autolabel.workforce import Answer, HumanTask, SimulatedWorkforce
from autolabel.workforce.profiles import WorkerProfile

TASK = task_for(TaskKind.TEXT_CLASSIFICATION, ["cat", "dog", "owl", "yak"])
TRUTH = [number % 4 for number in range(200)]
IDENTITY = tuple(map(tuple, np.eye(4).tolist()))


def tasks(objects, workers=1, answered_by=()):
    return [HumanTask(number, 1, TASK.task_input(f"text {number}"), workers, answered_by) for number in objects]


def ask(workforce, *args, **kwargs):
    workforce.publish(tasks(*args, **kwargs))
    return workforce.collect()


def label(answer):
    return TASK.label_from_answer(answer.content)


def test_without_errors_everybody_tells_the_truth():
    answers = ask(SimulatedWorkforce(TRUTH, TASK), range(200), workers=3)
    assert len(answers) == 600
    assert all(label(answer) == TRUTH[answer.object] for answer in answers)


def test_the_same_seed_gives_the_same_answers_in_any_order_of_asking():
    def workforce():
        return SimulatedWorkforce(TRUTH, TASK, accuracy=0.6, workers=5, seed=3, decline_rate=0.2)

    at_once = ask(workforce(), range(200), workers=2)
    backwards = workforce()
    one_by_one = [answer for number in reversed(range(200)) for answer in ask(backwards, [number], workers=2)]
    assert sorted(one_by_one, key=lambda answer: answer.object) == at_once
    assert ask(backwards, range(200), workers=2) == at_once


def test_numbers_out_of_arrays_are_numbers():
    plain = ask(SimulatedWorkforce(TRUTH, TASK, accuracy=0.6, seed=3), range(50))
    arrays = ask(SimulatedWorkforce(np.array(TRUTH), TASK, accuracy=0.6, seed=np.int64(3)), np.arange(50))
    assert arrays == plain


def test_another_seed_is_another_pool():
    one, other = (ask(SimulatedWorkforce(TRUTH, TASK, accuracy=0.5, seed=seed), range(200)) for seed in (0, 1))
    assert {answer.worker for answer in one}.isdisjoint(answer.worker for answer in other)
    assert [label(answer) for answer in one] != [label(answer) for answer in other]


def test_answers_are_the_same_in_every_process_and_release():
    # Written down once: a change here changes every recorded simulation.
    workforce = SimulatedWorkforce(TRUTH, TASK, accuracy=0.7, workers=3, seed=11)
    assert ask(workforce, [5]) == [
        Answer(
            5,
            "private.us-east-1.5cdf2d868e5313f7",
            {"crowd-classifier": {"label": "cat"}},
            "2024-01-01T00:00:17.402Z",
            2.402,
            {"acceptanceTime": "2024-01-01T00:00:15.000Z"},
        )
    ]
    assert [label(answer) for answer in ask(workforce, range(16))] == [
        0,
        1,
        2,
        3,
        0,
        0,
        2,
        3,
        3,
        1,
        3,
        1,
        0,
        1,
        1,
        3,
    ]


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
def test_k_answers_come_from_k_different_people(workers):
    answers = ask(SimulatedWorkforce(TRUTH, TASK, workers=9), range(200), workers=workers)
    for number in range(200):
        people = [answer.worker for answer in answers if answer.object == number]
        assert len(people) == len(set(people)) == workers


def test_work_is_shared_among_the_pool():
    workforce = SimulatedWorkforce(TRUTH, TASK, workers=4)
    people = [answer.worker for answer in ask(workforce, range(200))]
    assert set(people) == set(workforce.workers)
    assert max(people.count(worker) for worker in workforce.workers) < 100


def test_those_who_answered_are_not_asked_again():
    workforce = SimulatedWorkforce(TRUTH, TASK)
    first, second = ask(workforce, [7], workers=2)
    assert ask(workforce, [7], workers=2, answered_by=(first.worker,)) == [second]


def test_more_people_than_the_pool_has_is_a_settings_error():
    with pytest.raises(SettingsError, match=r"object 4 wants answers of 3 different people.*has 2"):
        SimulatedWorkforce(TRUTH, TASK, workers=2).publish(tasks([4], workers=3))


def test_publishing_twice_is_publishing_once_and_cancelled_tasks_stay_unanswered():
    workforce = SimulatedWorkforce(TRUTH, TASK)
    workforce.publish(tasks([1, 2, 3]))
    workforce.publish(tasks([3, 2]))
    workforce.cancel([2, 99])
    assert [answer.object for answer in workforce.collect()] == [1, 3]
    assert workforce.collect() == []


def test_who_declines_takes_a_place():
    answers = ask(SimulatedWorkforce(TRUTH, TASK, decline_rate=0.3), range(200), workers=3)
    assert len(answers) == 600
    declined = [answer.object for answer in answers if answer.content is None]
    assert 120 < len(declined) < 240
    assert {declined.count(number) for number in range(200)} == {0, 1, 2, 3}


def test_the_others_answer_as_they_would_if_nobody_declined():
    answers = ask(SimulatedWorkforce(TRUTH, TASK, accuracy=0.6, decline_rate=0.3), range(200), workers=3)
    everybody = ask(SimulatedWorkforce(TRUTH, TASK, accuracy=0.6), range(200), workers=3)
    given = [(mine, theirs) for mine, theirs in zip(answers, everybody, strict=True) if mine.content is not None]
    assert 0 < len(given) < 600
    assert all(mine == theirs for mine, theirs in given)


def test_ids_and_times_look_like_the_services():
    start = datetime(2030, 5, 1, 12, tzinfo=UTC)
    workforce = SimulatedWorkforce(TRUTH, TASK, seconds_per_answer=10, start=start)
    for answer in ask(workforce, range(200), workers=2):
        assert re.fullmatch(r"private\.us-east-1\.[0-9a-f]{16}", answer.worker)
        accepted = datetime.fromisoformat(answer.extra["acceptanceTime"])
        submitted = datetime.fromisoformat(answer.submitted)
        assert accepted == datetime.fromtimestamp(start.timestamp() + 10 * answer.object, UTC)
        assert (submitted - accepted).total_seconds() == pytest.approx(answer.seconds, abs=1e-3)
        assert 5 <= answer.seconds <= 15
        assert answer.submitted.endswith("Z")


@pytest.mark.parametrize("accuracy", [0.0, 0.05, 0.5, 0.8, 0.97, 1.0])
def test_accuracies_differ_around_the_asked_mean_and_stay_shares(accuracy):
    accuracies = SimulatedWorkforce(TRUTH, TASK, accuracy=accuracy, workers=20).accuracies
    assert accuracies.mean() == pytest.approx(accuracy)
    assert ((accuracies >= 0) & (accuracies <= 1)).all()
    assert (np.ptp(accuracies) > 0.01) == (0 < accuracy < 1)


def test_a_confusion_matrix_decides_which_mistake_is_made():
    swap = np.eye(4)[[1, 0, 2, 3]]
    answers = ask(SimulatedWorkforce(TRUTH, TASK, confusion=swap), range(200))
    assert [label(answer) for answer in answers] == [[1, 0, 2, 3][TRUTH[answer.object]] for answer in answers]


def test_every_worker_may_have_their_own_confusion_matrix():
    matrices = [np.eye(4), np.eye(4)[[1, 2, 3, 0]]]
    workforce = SimulatedWorkforce(TRUTH, TASK, workers=2, confusion=matrices)
    for answer in ask(workforce, range(200), workers=2):
        shift = workforce.workers.index(answer.worker)
        assert label(answer) == (TRUTH[answer.object] + shift) % 4


def test_truth_may_be_a_mapping_and_a_missing_one_is_named():
    workforce = SimulatedWorkforce({17: 2}, TASK)
    assert label(ask(workforce, [17])[0]) == 2
    with pytest.raises(SettingsError, match="no label for object 18"):
        ask(workforce, [18])


def test_every_worker_may_be_described_alone():
    crew = [
        WorkerProfile(accuracy=0.0, seconds_per_answer=60.0),
        WorkerProfile(decline_rate=1.0),
        WorkerProfile(confusion=tuple(map(tuple, np.eye(4)[[1, 2, 3, 0]].tolist())), count=2),
    ]
    workforce = SimulatedWorkforce(TRUTH, TASK, profiles=crew)
    assert len(workforce.workers) == 4
    wrong, nobody, *shifted = workforce.workers
    for answer in ask(workforce, range(100), workers=4):
        if answer.worker == nobody:
            assert answer.content is None
            continue
        if answer.worker in shifted:
            assert label(answer) == (TRUTH[answer.object] + 1) % 4
            continue
        assert answer.worker == wrong
        assert label(answer) != TRUTH[answer.object]
        assert 30 <= answer.seconds <= 90


def test_tired_workers_err_more_from_batch_to_batch_down_to_guessing():
    truth = [number % 4 for number in range(3000)]
    for crew in (WorkerProfile(accuracy=1.0, fatigue=0.2), WorkerProfile(confusion=IDENTITY, fatigue=0.2)):
        right = []
        for batch in (1, 2, 4, 40):
            workforce = SimulatedWorkforce(truth, TASK, profiles=[crew], seed=1)
            workforce.publish([HumanTask(number, batch, {}, 1) for number in range(3000)])
            right.append(np.mean([label(answer) == truth[answer.object] for answer in workforce.collect()]))
        assert right[0] == 1.0
        assert right[0] > right[1] > right[2] > right[3] - 0.02
        assert right[3] == pytest.approx(0.25, abs=0.03)


def test_a_worker_worse_than_guessing_is_not_made_better_by_fatigue():
    crew = [WorkerProfile(accuracy=0.1, fatigue=0.5)]
    workforce = SimulatedWorkforce([0] * 3000, TASK, profiles=crew)
    workforce.publish([HumanTask(number, 9, {}, 1) for number in range(3000)])
    assert np.mean([label(answer) == 0 for answer in workforce.collect()]) == pytest.approx(0.1, abs=0.02)


def test_answers_are_drawn_from_each_objects_own_distribution_and_from_nothing_else():
    weights = [[0, 0, 3, 0], [5, 0, 0, 5], [0.2, 0.2, 0.2, 0.2]]
    workforce = SimulatedWorkforce([], TASK, distributions=weights, workers=9)
    counts = {number: [0] * 4 for number in range(3)}
    for seed in range(60):
        workforce = SimulatedWorkforce([], TASK, distributions=weights, workers=9, seed=seed)
        for answer in ask(workforce, range(3), workers=9):
            counts[answer.object][label(answer)] += 1
    assert counts[0] == [0, 0, 540, 0]
    assert counts[1][1] == counts[1][2] == 0
    assert chisquare([counts[1][0], counts[1][3]]).pvalue > 0.001
    assert chisquare(counts[2]).pvalue > 0.001


@pytest.mark.parametrize("weights", [[1, 2, 3], [0, 0, 0, 0], [1, -1, 1, 1], [1, float("nan"), 0, 0]])
def test_a_distribution_that_is_none_is_refused(weights):
    with pytest.raises(SettingsError, match="object 0 has the answers"):
        ask(SimulatedWorkforce([], TASK, distributions=[weights]), [0])


def test_an_object_without_a_distribution_is_named():
    with pytest.raises(SettingsError, match="no distribution of answers for object 3"):
        ask(SimulatedWorkforce([], TASK, distributions={0: [1, 0, 0, 0]}), [3])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"accuracy": (0.9, 0.7)}, "accuracy is 0.9..0.7"),
        ({"fatigue": -1}, "fatigue is -1"),
        ({"profiles": []}, "there is no worker"),
        ({"accuracy": 1.1}, "accuracy is 1.1"),
        ({"accuracy": float("nan")}, "accuracy is nan"),
        ({"decline_rate": -0.1}, "decline_rate is -0.1"),
        ({"workers": 0}, "workers is 0"),
        ({"seconds_per_answer": 0}, "seconds_per_answer is 0"),
        ({"confusion": np.eye(3)}, r"shape \(3, 3\), expected \(4, 4\) or \(9, 4, 4\)"),
        ({"confusion": [[1, 0], [1]]}, r"no matrix of numbers of shape \(4, 4\)"),
        ({"confusion": {"cat": 1}}, "no matrix of numbers"),
        ({"confusion": np.full((4, 4), 0.2)}, "no distribution"),
        ({"confusion": np.eye(4) * 2 - 0.25}, "no distribution"),
    ],
)
def test_a_setting_out_of_range_is_refused(setting, said):
    with pytest.raises(SettingsError, match=said):
        SimulatedWorkforce(TRUTH, TASK, **setting)
