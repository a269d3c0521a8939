"""Looking through machine labels: one row a cell, planted cells, and a manifest of its own."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from support.web import Client

from autolabel import LabelingJob, Settings
from autolabel.errors import AnswerError, JobError
from autolabel.job.desk import Desk
from autolabel.job.review import LEAST_SECONDS_A_CELL, Review
from autolabel.testing import FixedClock, SimulatedWorkforce, toy_job, toy_request, write_toy_texts
from autolabel.web.server import open_site
from autolabel.workforce.web import WebSettings

PAGE = 10


@pytest.fixture(scope="module")
def labeled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labeled")
    truth = write_toy_texts(folder, 300)
    settings = Settings(model="tfidf", batch=20)
    with LabelingJob.create(toy_request(folder), settings=settings, clock=FixedClock()) as job:
        job.run(SimulatedWorkforce(truth, job.task))
        assert job.counters().machine_labeled > 200
        return job.folder.root, truth


@pytest.fixture
def job(labeled, tmp_path):
    with LabelingJob.open(shutil.copytree(labeled[0], tmp_path / "toy")) as job:
        yield job


class Reviewer:
    """Somebody at a review, whose time the test owns."""

    def __init__(self, job, name="ann"):
        self.job, self.name = job, name
        self.review = Review(job.walk(), page=PAGE)
        self.desk = Desk(job)

    def page(self, label):
        return self.desk.look(lambda tables, now: self.review.next_page(tables, now, self.name, label)).result(10)

    def hand_in(self, page, rejected, *, patiently=True):
        if patiently:
            time.sleep(LEAST_SECONDS_A_CELL * len(page.objects))

        def work(tables, now):
            return self.review.hand_in(tables, now, self.name, page.id, rejected, 5.0)

        return self.desk.look(work).result(10)

    def classes(self):
        return self.desk.look(lambda tables, _now: self.review.classes(tables, self.name)).result(10)


@pytest.fixture
def reviewer(job):
    reviewer = Reviewer(job)
    yield reviewer
    reviewer.desk.close()


def machine_labels(job):
    lines = [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]
    return {
        number: line["topic"] for number, line in enumerate(lines) if line["topic-metadata"]["human-annotated"] == "no"
    }


def test_every_machine_label_comes_up_once_in_its_class_among_a_few_planted_ones(job, reviewer, labeled):
    labels = machine_labels(job)
    shown, planted, pages = [], 0, 0
    while (page := reviewer.page(1)) is not None:
        assert len(page.objects) <= PAGE
        pages += 1
        planted += len(page.planted)
        for cell, number in enumerate(page.objects):
            assert (labels[number] == 1) == (cell not in page.planted)
        shown += [number for cell, number in enumerate(page.objects) if cell not in page.planted]
        reviewer.hand_in(page, dict.fromkeys(page.planted))
    assert sorted(shown) == sorted(number for number, label in labels.items() if label == 1)
    assert len(shown) == len(set(shown))
    assert 0 < planted < 0.2 * len(shown)
    facts = reviewer.review.write()
    assert (facts["reviewed"], facts["rejected"]) == (len(shown), 0)
    assert facts["planted_found"] == facts["planted"] == planted
    assert {each["label"]: each["seen"] for each in reviewer.classes()}[1] == len(shown)
    rows = job.walk().store.rows("SELECT * FROM review")
    assert len(rows) == len(shown) + planted
    assert all(row["micro_usd"] == 12_000 and row["seconds"] > 0 and row["worker"] == "ann" for row in rows)


def test_the_least_sure_labels_come_first(job, reviewer):
    scores = [json.loads(line) for line in job.folder.scores.read_text().splitlines()]
    error = {score["id"]: score["error_probability"] for score in scores}
    page = reviewer.page(0)
    own = [error[number] for cell, number in enumerate(page.objects) if cell not in page.planted]
    assert own == sorted(own, reverse=True)


def test_what_is_rejected_is_corrected_or_left_open_in_the_reviewed_manifest_only(job, reviewer, labeled):
    page = reviewer.page(0)
    own = [cell for cell in range(len(page.objects)) if cell not in page.planted]
    corrected, opened = page.objects[own[0]], page.objects[own[1]]
    before = job.folder.output_manifest.read_bytes()
    reviewer.hand_in(page, {own[0]: 2, own[1]: None, **dict.fromkeys(page.planted)})
    facts = reviewer.review.write()
    assert (facts["rejected"], facts["corrected"]) == (2, 1)
    assert job.folder.output_manifest.read_bytes() == before
    job.verify()
    lines = [json.loads(line) for line in job.folder.review_manifest.read_text().splitlines()]
    assert lines[corrected]["topic"] == 2
    assert lines[corrected]["topic-metadata"]["human-annotated"] == "yes"
    assert "topic" not in lines[opened]
    assert "topic-metadata" not in lines[opened]
    differ = [n for n, line in enumerate(before.splitlines()) if json.loads(line) != lines[n]]
    assert sorted(differ) == sorted([corrected, opened])


def test_a_job_chained_on_the_reviewed_manifest_asks_about_what_was_rejected(job, reviewer, labeled, tmp_path):
    page = reviewer.page(0)
    own = [cell for cell in range(len(page.objects)) if cell not in page.planted][:3]
    reviewer.hand_in(page, dict.fromkeys(own))
    reviewer.review.write()
    (tmp_path / "labels.json").write_bytes((labeled[0].parents[1] / "labels.json").read_bytes())
    request = toy_request(tmp_path, name="again", manifest=str(job.folder.review_manifest))
    with LabelingJob.create(request, settings=Settings(model="tfidf"), clock=FixedClock()) as again:
        assert sorted(task.object for task in again.advance().tasks) == sorted(page.objects[cell] for cell in own)


def test_a_page_can_be_handed_in_again_and_the_last_word_counts(job, reviewer):
    page = reviewer.page(0)
    own = next(cell for cell in range(len(page.objects)) if cell not in page.planted)
    reviewer.hand_in(page, {own: None})
    reviewer.hand_in(page, {}, patiently=False)
    assert reviewer.review.summary()["rejected"] == 0
    assert reviewer.page(0).id != page.id


def test_a_page_that_was_not_handed_in_is_shown_again(reviewer):
    first = reviewer.page(0)
    assert reviewer.page(0) == first


def test_nobody_can_hand_in_what_he_cannot_have_seen(reviewer):
    page = reviewer.page(0)
    with pytest.raises(AnswerError, match="faster than anybody can look"):
        reviewer.hand_in(page, {}, patiently=False)
    with pytest.raises(AnswerError, match="the page has 0 to"):
        reviewer.hand_in(page, {99: None})
    reviewer.name = "bob"
    with pytest.raises(AnswerError, match="not yours"):
        reviewer.hand_in(page, {})


def test_of_several_reviewers_the_majority_decides_and_a_tie_is_a_doubt(job, reviewer):
    first = reviewer.page(0)
    own = [cell for cell in range(len(first.objects)) if cell not in first.planted]
    reviewer.hand_in(first, {own[0]: 1})
    reviewer.name = "bob"
    second = reviewer.page(0)
    reviewer.hand_in(second, {})
    verdicts = reviewer.review._verdicts()
    assert verdicts[first.objects[own[0]]] == (1,)
    reviewer.name = "eve"
    reviewer.hand_in(reviewer.page(0), {})
    assert reviewer.review._verdicts()[first.objects[own[0]]] is None


def test_a_job_without_machine_labels_has_nothing_to_review(tmp_path):
    with toy_job(tmp_path) as (job, _):
        job.advance()
        with pytest.raises(JobError, match="nothing to review"):
            Review(job.walk())


def test_the_page_shows_the_operator_cells_and_nobody_else_anything(job, tmp_path):
    review = Review(job.walk(), page=PAGE)
    with open_site(job, WebSettings(team=str(tmp_path / "team"), port=0), review=review) as (site, server):
        host, _, port = server.origin.removeprefix("http://").rpartition(":")
        stranger = Client(host, int(port))
        assert stranger.get("/api/review")[0] == 401
        assert stranger.post("/api/review/pages", {"category": "weather"})[0] == 401
        operator = Client(host, int(port))
        operator.post("/api/operator", {"key": site.doors.operator_key})
        overview = operator.get("/api/review")[1]
        assert [each["category"] for each in overview["classes"]] == ["weather", "cooking", "travel"]
        status, page = operator.post("/api/review/pages", {"category": "weather"})
        assert (status, set(page)) == (200, {"page", "category", "cells"})
        assert all(set(cell) == {"text"} for cell in page["cells"])
        body = {"page": page["page"], "rejected": {"0": "travel", "1": None}, "seconds": 3.0}
        assert operator.post("/api/review/verdicts", body)[0] == 409
        time.sleep(LEAST_SECONDS_A_CELL * len(page["cells"]))
        assert operator.post("/api/review/verdicts", body) == (200, {"cells": len(page["cells"])})
        for wrong in (
            {**body, "rejected": {"x": None}},
            {**body, "rejected": {"0": "astrology"}},
            {**body, "page": "1"},
        ):
            assert operator.post("/api/review/verdicts", wrong)[0] == 422
        assert operator.post("/api/review/finish", {})[1]["reviewed"] >= 1
        assert operator.post("/api/tasks", {"want": 1})[0] == 404
