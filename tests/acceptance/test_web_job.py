"""Whole jobs with people at the page: the queue, the walk and the pages together, without a browser."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from support.web import content, number_of, people_job, served, tasks_of, text_job, together, work

from autolabel import JobStatus, LabelingJob, Settings
from autolabel.errors import SettingsError
from autolabel.web.server import open_site, serve
from autolabel.workforce.team import Team
from autolabel.workforce.web import WebSettings


def test_an_automated_job_runs_on_while_people_label_and_ends_with_a_certificate(tmp_path):
    job, truth = text_job(tmp_path, 300)
    with job, served(job, tmp_path) as it:
        together(*(lambda name=name: work(it, it.client(name), truth.__getitem__) for name in ("ann", "bob")))
        step = it.steps[0]
        assert step.status is JobStatus.COMPLETED
        assert step.certificate["granted"]
        assert job.counters().machine_labeled > 150
        assert it.client("ann").post("/api/tasks", {"want": 1})[1]["state"] == "finished"
        job.verify()


def test_three_workers_of_different_quality_end_in_right_labels_a_worker_table_and_a_ledger(tmp_path):
    job, truth = people_job(tmp_path, 120, workers=3, settings=Settings(answer_price=0.02))

    def ann(number):
        return truth[number]

    def bob(number):  # wrong on every tenth object
        return (truth[number] + (number % 10 == 0)) % 3

    def eve(number):  # hardly better than a guess: always one of two wrong ones on half of them
        return (truth[number] + (number % 2) * (1 + number % 3 % 2)) % 3

    quality = {"ann": ann, "bob": bob, "eve": eve}
    with job, served(job, tmp_path) as it:
        together(*(lambda name=name: work(it, it.client(name), quality[name]) for name in quality))
        lines = [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]
        assert [line["topic"] for line in lines] == truth
        assert all(0 < line["topic-metadata"]["confidence"] <= 0.95 for line in lines)

        rows = {row["name"]: row for row in it.operator().get("/api/progress")[1]["workers"]}
        assert {name: row["answers"] for name, row in rows.items()} == dict.fromkeys(quality, 120)
        for name, answer in quality.items():
            right = sum(answer(number) == truth[number] for number in range(120)) / 120
            assert rows[name]["agreement"] == pytest.approx(right)
            assert rows[name]["dollars"] == pytest.approx(120 * 0.02)
        assert rows["ann"]["agreement"] > rows["bob"]["agreement"] > rows["eve"]["agreement"]

        ledger = [line.split(",") for line in job.folder.ledger.read_text().splitlines()[1:]]
        answers = [line for line in ledger if line[2] == "answer"]
        assert sorted((int(line[0]), line[3]) for line in answers) == [
            (number, name) for number in range(120) for name in sorted(quality)
        ]
        assert {line[5] for line in answers} == {"0.020000"}
        assert len(list(job.folder.annotations.glob("worker-response/*/*/*.json"))) == 120
        job.verify()


def test_one_slow_worker_holds_up_one_object_and_not_the_next_batch(tmp_path):
    job, truth = people_job(tmp_path, 50, batch=10)
    with job, served(job, tmp_path) as it:
        fast = it.client("fast")
        store = job.walk().store

        def answered():
            return store.one("SELECT COUNT(*) AS n FROM answer")["n"]

        work(it, fast, truth.__getitem__, until=lambda: answered() >= 10)  # the probe
        slow = it.client("slow")
        held = tasks_of(slow)
        work(it, fast, truth.__getitem__, until=lambda: answered() >= 10 + 19)
        assert fast.take(2) == []  # a second batch was out beside the first, and no third
        most = "SELECT COUNT(*) AS n FROM task WHERE opened IS NOT NULL AND frozen IS NULL AND free + busy > 0"
        assert store.one(most)["n"] == 1
        slow.answer(held[0]["lease"], content(truth[number_of(held[0])]))
        work(it, fast, truth.__getitem__)
        assert it.steps[0].status is JobStatus.COMPLETED
        job.verify()


def test_in_sets_nobody_goes_on_before_the_set_is_done(tmp_path):
    job, truth = people_job(tmp_path, 40, batch=10, settings=Settings(sets=True))
    with job, served(job, tmp_path) as it:
        fast, store = it.client("fast"), job.walk().store
        work(it, fast, truth.__getitem__, until=lambda: store.one("SELECT COUNT(*) AS n FROM answer")["n"] >= 10)
        slow = it.client("slow")
        held = tasks_of(slow)
        work(it, fast, truth.__getitem__, until=lambda: store.one("SELECT COUNT(*) AS n FROM answer")["n"] >= 19)
        assert store.one("SELECT COUNT(*) AS n FROM task")["n"] == 20
        slow.answer(held[0]["lease"], content(truth[number_of(held[0])]))
        work(it, fast, truth.__getitem__)
        assert it.steps[0].status is JobStatus.COMPLETED


def test_the_operator_stops_the_job_and_what_was_answered_is_kept(tmp_path):
    job, truth = people_job(tmp_path, 30)
    with job, served(job, tmp_path) as it:
        client = it.client("ann")
        for task in tasks_of(client, 3):
            client.answer(task["lease"], content(truth[number_of(task)]))
        held = client.take(1)[0]["lease"]
        assert it.operator().post("/api/stop", {})[0] == 200
        while not it.steps:
            time.sleep(0.01)
        assert it.steps[0].status is JobStatus.STOPPED
        assert client.answer(held, content(0))[0] == 410
        assert job.counters().human_labeled == 3
        job.verify()


def test_the_operator_invites_and_removes_and_sees_who_is_there(tmp_path):
    job, _ = people_job(tmp_path, 10)
    with job, served(job, tmp_path) as it:
        operator = it.operator()
        status, made = operator.post("/api/invitations", {"name": "Zoë"})
        assert status == 200
        guest = it.client()
        assert guest.post("/api/session", {"invitation": made["link"].split("#")[1]}) == (200, {"worker": "Zoë"})
        assert [row["name"] for row in operator.get("/api/progress")[1]["workers"]] == ["Zoë"]
        assert operator.post("/api/invitations", {"name": "zoë"})[0] == 422
        assert operator.post("/api/removals", {"name": "nobody"})[0] == 422
        assert operator.post("/api/removals", {"name": "Zoë"})[0] == 200
        assert guest.get("/api/job")[0] == 401


def test_an_operators_session_survives_a_restart_and_an_old_key_still_opens(tmp_path):
    job, _ = people_job(tmp_path, 10)
    with job:
        with served(job, tmp_path, walk=False) as it:
            operator, key = it.operator(), it.site.doors.operator_key
        with served(job, tmp_path, walk=False) as it:
            operator.port = it.address[1]
            assert operator.get("/api/progress")[0] == 200
            assert it.client().post("/api/operator", {"key": key})[0] == 200
        state = job.folder.state / "operators.json"
        assert key not in state.read_text()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"host": "::"}, "without keys"),
        ({"host": "::", "url": "http://label.example"}, "expected https"),
        ({"host": "192.0.2.1", "url": "https://label.example"}, "cannot be served on"),
        ({"cert": "cert.pem"}, "only one of cert and key"),
        ({"cert": "no-such.pem", "key": "no-such.pem"}, "cannot be used"),
        ({"port": 70_000}, "0 to 65535"),
        ({"url": "https://label.example/here"}, "without a path"),
    ],
)  # fmt: skip
def test_a_page_that_would_not_be_safe_or_not_work_is_refused(tmp_path, spec, says):
    job, _ = people_job(tmp_path, 3)
    with job, pytest.raises(SettingsError, match=says):
        open_site(job, WebSettings(**{"team": str(tmp_path / "team"), "port": 0, **spec})).__enter__()


def test_a_port_that_is_taken_is_said_so(tmp_path):
    job, _ = people_job(tmp_path, 3)
    with job, served(job, tmp_path, walk=False) as it:
        taken = WebSettings(team=str(tmp_path / "team"), port=it.address[1])
        with pytest.raises(SettingsError, match=f"port {taken.port} cannot be served on"):
            open_site(job, taken).__enter__()


def test_python_is_told_who_is_served_where(tmp_path):
    job, _ = people_job(tmp_path, 6, workers=2)
    said = []
    with job:
        thread = threading.Thread(target=lambda: serve(job, f"web:{tmp_path / 'team'}?port=0", say=said.append))
        with pytest.raises(SettingsError, match="autolabel resume"):
            job.workforce("web")
        thread.start()
        while len(said) < 4:
            time.sleep(0.01)
        assert said[0].startswith("Operator: http://127.0.0.1:")
        assert "/join#" in said[1]
        assert "answers of 2 different people and 1 are invited" in said[3]
        (job.folder.stop_flag).touch()
        thread.join()


def start_cli(folder, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "autolabel", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AUTOLABEL_TEAM": str(folder / "team"), "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 3), (signal.SIGINT, 130)])
def test_the_command_serves_until_it_is_asked_to_end_and_can_be_resumed(tmp_path, sent, code):
    job, _ = people_job(tmp_path, 6)
    job.close()
    process = start_cli(tmp_path, "resume", "out/people", "--workforce", "web?port=0")
    lines = [process.stderr.readline() for _ in range(3)]
    assert "/operator#" in lines[0]
    process.send_signal(sent)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in rest
    with LabelingJob.open(job.folder.root) as again:
        assert len(again.advance().tasks) == 6


def test_people_are_invited_listed_and_removed_by_command(tmp_path, capsys, monkeypatch):
    from autolabel.cli.main import main

    monkeypatch.setenv("AUTOLABEL_TEAM", str(tmp_path / "team"))
    assert main(["workers", "list"]) == 0
    assert main(["workers", "invite", "ann", "bob", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in made] == ["ann", "bob"]
    assert all(each["link"].startswith("http://127.0.0.1:8765/join#") for each in made)
    token = made[0]["link"].split("#")[1]
    assert token not in (tmp_path / "team" / "workers.json").read_text()
    assert Team(tmp_path / "team").join(token)[0] == "ann"
    assert main(["workers", "list", "--json"]) == 0
    assert [(row["name"], row["sessions"]) for row in json.loads(capsys.readouterr().out)] == [("ann", 1), ("bob", 0)]
    assert main(["workers", "remove", "ann"]) == 0
    assert main(["workers", "remove", "ann"]) == 2
    assert main(["workers", "invite", "BOB"]) == 2
    assert "'bob' is in the team already" in capsys.readouterr().err
