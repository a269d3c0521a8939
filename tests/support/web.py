"""A served job, and a client that is no browser: it sends exactly what it is told to."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from autolabel import LabelingJob, Settings
from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.api.request import LabelingJobRequest
from autolabel.testing import toy_request, write_toy_texts
from autolabel.web.server import open_site
from autolabel.workforce.web import WebSettings

NAMES = ("weather", "cooking", "travel")


@dataclass
class Client:
    """One person's connection."""

    host: str
    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def request(self, method, path, body=None, *, headers=None, raw=None):
        """Return status, headers and body; the body is read as JSON where it is."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        sent = {"Content-Type": "application/json"} if body is not None or raw is not None else {}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent |= headers or {}
        data = raw if raw is not None else None if body is None else json.dumps(body)
        try:
            connection.request(method, path, data, {name: value for name, value in sent.items() if value is not None})
            response = connection.getresponse()
            received = response.read()
        finally:
            connection.close()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.split(";")[0].strip('"')
        kind = response.getheader("content-type", "")
        return response.status, dict(response.getheaders()), json.loads(received) if "json" in kind else received

    def post(self, path, body, **options):
        status, _, found = self.request("POST", path, body, **options)
        return status, found

    def get(self, path, **options):
        status, _, found = self.request("GET", path, **options)
        return status, found

    def take(self, want=1, have=()):
        status, found = self.post("/api/tasks", {"want": want, "have": list(have)})
        assert status == 200, found
        return found["tasks"]

    def answer(self, lease, content, **more):
        return self.post("/api/answers", {"lease": lease, "content": content, **more})


@dataclass
class Served:
    """A job whose page is up."""

    job: LabelingJob
    site: Any
    server: Any
    steps: list = field(default_factory=list)

    @property
    def address(self):
        host, _, port = self.server.origin.removeprefix("http://").rpartition(":")
        return host, int(port)

    def client(self, name=None):
        """Return a client, signed in as `name`, who is invited if he was not."""
        client = Client(*self.address)
        if name is not None:
            token = self.site.doors.team.invite([name])[name]
            assert client.post("/api/session", {"invitation": token}) == (200, {"worker": name})
        return client

    def operator(self):
        client = Client(*self.address)
        assert client.post("/api/operator", {"key": self.site.doors.operator_key})[0] == 200
        return client


@contextmanager
def served(job, folder, *, walk=True, **settings):
    """Serve an open job on a free port; with `walk` the job goes on while people answer."""
    with open_site(job, WebSettings(team=str(folder / "team"), port=0, **settings)) as (site, server):
        it = Served(job, site, server)
        if walk:
            patience = settings.get("undo_seconds", 0.0)

            def walk_on():
                it.steps.append(site.desk.run(may_work=site.doors.team.names, patience=patience))
                site.finished.set()

            thread = threading.Thread(target=walk_on)
            thread.start()
        try:
            yield it
        finally:
            site.desk.end()
            if walk:
                thread.join()


def text_job(folder, count=60, *, name="toy", settings=None, noise=0.3, **changes):
    """Create a small job of texts."""
    truth = write_toy_texts(folder, count, noise=noise)
    settings = settings or Settings(model="tfidf", batch=20)
    return LabelingJob.create(toy_request(folder, name=name, **changes), settings=settings), truth


def people_job(folder, count=20, *, kind=TaskKind.TEXT_CLASSIFICATION, settings=None, **changes):
    """Create a job that only people label: its first tasks are there at once."""
    truth = write_toy_texts(folder, count)
    document = example_document(
        kind,
        **{
            "name": "people",
            "attribute": "topic",
            "manifest": str(folder / "manifest.jsonl"),
            "output": str(folder / "out"),
            "categories": str(folder / "labels.json"),
            "workers": 1,
            "automated": False,
            **{key: value for key, value in changes.items() if key not in {"humans", "clock"}},
        },
    )
    document["HumanTaskConfig"].update(changes.get("humans", {}))
    clock = {"clock": changes["clock"]} if "clock" in changes else {}
    request = LabelingJobRequest.from_document(document)
    return LabelingJob.create(request, settings=settings or Settings(), **clock), truth


def number_of(task):
    """Return the number of the object that a task shows: toy texts end with it."""
    return int(task["text"].rsplit("#", 1)[1])


def content(label):
    """Return the answer that names a toy topic."""
    return {"crowd-classifier": {"label": NAMES[label]}}


def work(it, client, answer_of, *, until=None):
    """Answer as `answer_of` says until the job has ended, or `until` says so."""
    while not (until() if until else it.steps):
        status, found = client.post("/api/tasks", {"want": 2})
        if status != 200:
            return
        if not found["tasks"]:
            time.sleep(0.01)
        for task in found["tasks"]:
            status, found = client.answer(task["lease"], content(answer_of(number_of(task))), seconds=1.0)
            assert status == 200, found


def tasks_of(client, want=1):
    """Wait until there are tasks for somebody."""
    while not (tasks := client.take(want)):
        time.sleep(0.01)
    return tasks


def together(*workers):
    """Have several people work at the same time, each a function."""
    threads = [threading.Thread(target=worker) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


ACS = "arn:aws:lambda:us-east-1:111122223333:function:acs"
PRE = "arn:aws:lambda:us-east-1:111122223333:function:pre"


def write_pictures(folder, count=6, side=24):
    """Write pictures of one colour each, a manifest and categories; return the true class of each."""
    from PIL import Image

    colours = {"red": (200, 20, 20), "green": (20, 160, 20), "blue": (20, 20, 200)}
    names = list(colours)
    (folder / "images").mkdir(exist_ok=True)
    lines, truth = [], []
    for number in range(count):
        truth.append(number % 3)
        Image.new("RGB", (side, side), colours[names[number % 3]]).save(folder / "images" / f"{number}.png")
        lines.append(json.dumps({"source-ref": f"images/{number}.png"}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    labels = {"document-version": "2018-11-28", "labels": [{"label": name} for name in names]}
    (folder / "labels.json").write_text(json.dumps(labels))
    return truth


def custom_job(
    folder, template, *, pictures=False, count=6, functions=("acs=support.lambda_functions:consolidate",), **humans
):
    """Create a job whose page is a template and whose labels a function makes."""
    if pictures:
        write_pictures(folder, count)
    else:
        write_toy_texts(folder, count)
    document = example_document(
        TaskKind.IMAGE_CLASSIFICATION if pictures else TaskKind.TEXT_CLASSIFICATION,
        name="custom",
        attribute="topic",
        manifest=str(folder / "manifest.jsonl"),
        output=str(folder / "out"),
        categories=str(folder / "labels.json"),
        workers=1,
        automated=False,
    )
    document["HumanTaskConfig"]["UiConfig"] = {"UiTemplateS3Uri": str(template)}
    document["HumanTaskConfig"]["AnnotationConsolidationConfig"] = {"AnnotationConsolidationLambdaArn": ACS}
    del document["HumanTaskConfig"]["PreHumanTaskLambdaArn"]
    document["HumanTaskConfig"].update(humans)
    settings = Settings(workforce=f"web:{folder / 'team'}?port=0", functions=functions)
    return LabelingJob.create(LabelingJobRequest.from_document(document), settings=settings)


def content_of(job, number):
    """Return the stored content of the one answer to an object."""
    row = job.walk().store.one("SELECT content FROM answer WHERE object = ?", number)
    return json.loads(row["content"])
