"""Simulated people err and decline as often as they are asked to. Seeds are fixed: nothing is flaky."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from autolabel.api.kinds import TaskKind
from autolabel.tasks import task_for
from autolabel.workforce import HumanTask, SimulatedWorkforce

CLASSES = 5
N = 4000
TASK = task_for(TaskKind.IMAGE_CLASSIFICATION, [f"class {number}" for number in range(CLASSES)])
TRUTH = np.arange(N) % CLASSES
LEAST_P = 0.001


def answers(workforce, workers=1):
    workforce.publish([HumanTask(number, 1, {}, workers) for number in range(N)])
    return workforce.collect()


def label(answer):
    return TASK.label_from_answer(answer.content)


@pytest.mark.parametrize("accuracy", [0.55, 0.8, 0.95])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_share_of_right_answers_is_the_asked_accuracy(accuracy, workers, seed):
    given = answers(SimulatedWorkforce(TRUTH.tolist(), TASK, accuracy=accuracy, seed=seed), workers)
    right = sum(label(answer) == TRUTH[answer.object] for answer in given)
    assert binomtest(right, len(given), accuracy).pvalue > LEAST_P


def test_each_worker_is_as_accurate_as_their_own_accuracy():
    workforce = SimulatedWorkforce(TRUTH.tolist(), TASK, accuracy=0.8, workers=4, seed=5)
    given = answers(workforce, workers=2)
    for worker, accuracy in zip(workforce.workers, workforce.accuracies, strict=True):
        mine = [answer for answer in given if answer.worker == worker]
        right = sum(label(answer) == TRUTH[answer.object] for answer in mine)
        assert binomtest(right, len(mine), accuracy).pvalue > LEAST_P


def test_wrong_answers_are_spread_evenly_over_the_other_classes():
    given = answers(SimulatedWorkforce(TRUTH.tolist(), TASK, accuracy=0.2, seed=2))
    shifts = np.array([(label(answer) - TRUTH[answer.object]) % CLASSES for answer in given])
    assert chisquare(np.bincount(shifts, minlength=CLASSES)[1:]).pvalue > LEAST_P


def test_mistakes_of_two_people_on_one_object_are_independent():
    workforce = SimulatedWorkforce(TRUTH.tolist(), TASK, accuracy=0.7, workers=2, seed=4)
    wrong = np.zeros((N, 2), dtype=bool)
    for answer in answers(workforce, workers=2):
        place = workforce.workers.index(answer.worker)
        wrong[answer.object, place] = label(answer) != TRUTH[answer.object]
    share = wrong.mean(axis=0)
    assert binomtest(int(wrong.all(axis=1).sum()), N, float(share.prod())).pvalue > LEAST_P


def test_a_confusion_matrix_is_followed():
    row = [0.1, 0.2, 0.3, 0.4, 0.0]
    given = answers(SimulatedWorkforce([0] * N, TASK, confusion=[row] * CLASSES, seed=6))
    counts = np.bincount([label(answer) for answer in given], minlength=CLASSES)
    assert counts[4] == 0
    assert chisquare(counts[:4], np.array(row[:4]) * N).pvalue > LEAST_P


def test_the_share_of_declined_tasks_is_the_asked_rate():
    given = answers(SimulatedWorkforce(TRUTH.tolist(), TASK, decline_rate=0.1, seed=7))
    declined = sum(answer.content is None for answer in given)
    assert len(given) == N
    assert binomtest(declined, N, 0.1).pvalue > LEAST_P
