"""The model's guess: who is shown it, and what is found out about showing it."""

from __future__ import annotations

import json
import sqlite3
import time

import pytest
from support.web import served, text_job

from autolabel import LabelingJob, Settings
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_request, write_toy_texts

SETTINGS = Settings(model="tfidf", batch=20, error=0.02, guesses=True)
NAMES = ["weather", "cooking", "travel"]


def test_a_lazy_worker_is_found_out_and_audits_are_blind(tmp_path):
    job, truth = text_job(tmp_path, 400, settings=SETTINGS, noise=0.6)
    seen = {"guess": 0, "none": 0}
    with job, served(job, tmp_path) as it:
        lazy = it.client("lazy")
        while not it.steps:
            tasks = lazy.take(2)
            if not tasks:
                time.sleep(0.01)
            for task in tasks:
                guess = task.get("guess")
                seen["none" if guess is None else "guess"] += 1
                label = guess or NAMES[truth[int(task["text"].rsplit("#", 1)[1])]]
                time.sleep(0.0 if guess else 0.004)
                content = {"crowd-classifier": {"label": label}}
                seconds = 1.0 if guess else 2.0
                assert lazy.answer(task["lease"], content, guess_seen=guess is not None, seconds=seconds)[0] == 200
    assert seen["guess"] > 20
    with LabelingJob.open(job.folder.root) as job:
        run = job.walk()
        effect = job.summary()["guesses"]
        assert effect["over_reliance"] == 1.0
        assert effect["agreement_shown"] == 1.0
        assert effect["planted"] > 0
        assert effect["seconds_blind"] > 0
        assert effect["shift"] == pytest.approx(1.0 - effect["agreement_blind"])
        shown = run.store.one("SELECT COUNT(*) AS n FROM guess WHERE treatment != 'blind'")["n"]
        assert seen["guess"] == shown
        audit = run.steps.stored("audit.ask").result["objects"]
        asked = {row["object"] for row in run.store.rows("SELECT object FROM guess")}
        assert asked.isdisjoint(audit)
        explored = {
            number
            for row in run.store.rows("SELECT result FROM step WHERE name LIKE 'round-%.ask'")
            for number in json.loads(row["result"])["explored"]
        }
        assert explored
        assert asked.isdisjoint(explored)
        extra = json.loads(
            run.store.one("SELECT extra FROM answer JOIN guess USING (object) WHERE treatment = 'planted'")["extra"]
        )
        assert (extra["guessShown"], extra["initialValueModified"]) == (True, False)
        job.verify()


def test_the_tables_hold_no_guess_for_an_audit(tmp_path):
    truth = write_toy_texts(tmp_path, 300)
    with LabelingJob.create(toy_request(tmp_path), settings=SETTINGS, clock=FixedClock()) as job:
        job.run(SimulatedWorkforce(truth, job.task))
        number = job.walk().steps.stored("audit.ask").result["objects"][0]
        with pytest.raises(sqlite3.IntegrityError, match="is not told"), job.walk().store.transaction() as connection:
            connection.execute("INSERT INTO guess VALUES (?, '0', 'shown')", (number,))


@pytest.mark.slow
def test_without_the_setting_there_is_no_guess_and_the_job_is_the_same(tmp_path):
    results = []
    for guesses in (False, True):
        folder = tmp_path / str(guesses)
        folder.mkdir()
        truth = write_toy_texts(folder, 300, noise=0.6)
        settings = Settings(model="tfidf", batch=20, error=0.02, guesses=guesses)
        with LabelingJob.create(toy_request(folder), settings=settings, clock=FixedClock()) as job:
            job.run(SimulatedWorkforce(truth, job.task))
            results.append(job.folder.output_manifest.read_bytes())
            assert (job.walk().store.one("SELECT COUNT(*) AS n FROM guess")["n"] > 0) == guesses
    assert results[0] == results[1]
