"""Groups W and T of the catalogue of bad inputs: every case gets its one answer, and nothing else happens."""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta

import pytest
from data.web_catalogue import PLAIN, T, W
from support.web import Client, people_job, served

from autolabel import LabelingJob
from autolabel.errors import InvalidRequestError
from autolabel.job.window import freeze
from autolabel.tasks.liquid import WorkerTemplate
from autolabel.workforce.team import Team

TASK_INPUT = {
    "taskObject": '<b>rain</b> & "snow"',
    "labels": ['a"b', "</script>"],
    "liquid": "{{ 7 | times: 7 }}{% include 'x' %}",
}


class Scene:
    """A fresh page on which a case is played."""

    def __init__(self, job, folder):
        self.folder = folder
        self.job = job
        self.open()
        self.served.site.desk._writer._clock = _Ahead(self.served.site.desk._writer._clock)

    def open(self):
        self._context = served(self.job, self.folder, walk=False)
        self.served = self._context.__enter__()
        self.team = self.served.site.doors.team
        self.host, self.port = self.served.address
        self.origin = self.served.server.origin

    def close(self):
        self._context.__exit__(None, None, None)

    def restart(self):
        self.close()
        self.open()

    def client(self, name):
        return self.served.client(name)

    def stranger(self):
        return Client(*self.served.address)

    def operator(self):
        return self.served.operator()

    def session_of_another_team(self):
        other = Team(self.folder / "other")
        return other.join(other.invite(["ann"])["ann"])[1]

    def pass_time(self, **time):
        self.served.site.desk._writer._clock.ahead(**time)

    def one(self, query, *values):
        return self.job.walk().store.one(query, *values)[0]

    def paid(self):
        return self.one("SELECT COUNT(*) FROM ledger WHERE kind = 'answer'")

    def tick(self):
        desk = self.served.site.desk
        desk.look(lambda tables, now: desk._tick(tables, now, self.team.names)).result(10)

    def label_all(self, client):
        """Answer everything and freeze the batch, as the walk does; return the last lease."""
        lease = None
        while tasks := client.take():
            lease = tasks[0]["lease"]
            client.answer(lease, {"crowd-classifier": {"label": "weather"}})
        desk = self.served.site.desk
        assert desk.look(lambda tables, now: freeze(tables, desk.rules, now, 1)).result(10)
        return lease


class _Ahead:
    """A clock that a test may put forward."""

    def __init__(self, clock):
        self._clock = clock
        self._by = {}

    def ahead(self, **time):
        self._by = time

    def now(self):
        return self._clock.now() + timedelta(**self._by)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Jobs whose first tasks are out, by how many people answer each object; every case has a copy."""
    made = {}
    for workers in sorted({case.workers for case in W}):
        folder = tmp_path_factory.mktemp(f"job-{workers}")
        job, _ = people_job(folder, 10, workers=workers)
        with job:
            assert len(job.advance().tasks) == 10
            made[workers] = job.folder.root
    return made


@pytest.fixture
def scene(request, originals, tmp_path):
    folder = shutil.copytree(originals[request.param.workers], tmp_path / "job")
    with LabelingJob.open(folder) as job:
        scene = Scene(job, tmp_path)
        yield scene
        scene.close()


@pytest.mark.parametrize(
    ("scene", "case"), [(case, case) for case in W], ids=[case.id for case in W], indirect=["scene"]
)
def test_whatever_is_sent_to_the_page_gets_the_answer_of_the_catalogue(scene, case, caplog):
    assert case.play(scene) == case.expected
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []  # nothing went wrong here


@pytest.mark.parametrize("case", T, ids=[case.id for case in T])
def test_a_template_becomes_what_the_catalogue_says(case):
    def render():
        return WorkerTemplate(case.text, lambda uri: f"/granted/{uri}").render(TASK_INPUT)

    if case.expected.startswith("refused: "):
        with pytest.raises(InvalidRequestError) as caught:
            render()
        assert case.expected.removeprefix("refused: ") in str(caught.value)
        assert "\n" not in str(caught.value)
    else:
        assert render() == case.expected


def test_an_ordinary_template_is_none_of_them():
    assert WorkerTemplate(PLAIN, lambda uri: uri).render(TASK_INPUT) == PLAIN


def test_the_cases_have_numbers_of_their_own():
    numbers = [case.id for case in (*W, *T)]
    assert numbers == sorted(set(numbers), key=lambda number: ("WT".index(number[0]), number))
