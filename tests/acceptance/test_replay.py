"""A replay in memory decides as the stored job does: what a benchmark says of it holds of the job."""

from __future__ import annotations

import numpy as np
import pytest
from support.jobs import learner_of

from autolabel import LabelingJob, Settings
from autolabel.job.look import stored_look
from autolabel.job.rounds import terms_of
from autolabel.policy.replay import replay
from autolabel.quality.contract import Contract
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_request, write_toy_texts


@pytest.mark.parametrize(
    "contract",
    [
        Contract.DATASET,
        *(pytest.param(each, marks=pytest.mark.slow) for each in (Contract.MACHINE, Contract.PER_CLASS)),
    ],
)
def test_a_replay_asks_and_labels_the_same_objects_as_the_stored_job(tmp_path, contract):
    truth = np.asarray(write_toy_texts(tmp_path, 600, noise=0.5))
    settings = Settings(model="tfidf", batch=30, contract=contract, error=0.1)
    with LabelingJob.create(toy_request(tmp_path), settings=settings, clock=FixedClock()) as job:
        job.run(SimulatedWorkforce(truth.tolist(), job.task))
        learner, run = learner_of(job)
        look = stored_look(run)
        scores = look.freeze.result["scores_sha256"]
        asked = []

        def people(objects):
            asked.extend(objects.tolist())
            return truth[objects]

        found = replay(
            learner,
            people,
            terms_of(run),
            lambda name: run.rng(name, scores) if name == "audit" else run.rng(name),
            pool=np.arange(600),
        )
        asked_by_job = {row["object"] for row in run.store.rows("SELECT object FROM task WHERE purpose != 'rest'")}
        machine, labels, _ = look.machine_labels()
        people_in_all = job.counters().human_labeled
    assert len(asked) == len(set(asked))
    assert set(asked) == asked_by_job
    order = np.argsort(found.machine)
    assert found.machine[order].tolist() == machine.tolist()
    assert found.machine_labels[order].tolist() == labels.tolist()
    assert found.design == look.design
    assert len(found.rounds) == look.round_number
    assert found.people == people_in_all
