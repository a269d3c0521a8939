"""A job that only people label, its page in a process of its own, and the plainest client that there can be."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autolabel import LabelingJob, LabelingJobRequest, Settings
from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.testing import TOPICS, write_toy_texts
from autolabel.workforce.team import Team

if TYPE_CHECKING:
    from pathlib import Path

LABELS = tuple(TOPICS)
HOST = "127.0.0.1"


def make_job(folder, objects, *, workers=1, concurrent=1_000, time_limit=3_600):
    """Create a job of short texts without automated labeling; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_toy_texts(folder, objects)
    document = example_document(
        TaskKind.TEXT_CLASSIFICATION,
        name="people",
        attribute="topic",
        manifest=str(folder / "manifest.jsonl"),
        output=str(folder / "out"),
        categories=str(folder / "labels.json"),
        workers=workers,
        batch=concurrent,
        automated=False,
    )
    document["HumanTaskConfig"]["TaskTimeLimitInSeconds"] = time_limit
    with LabelingJob.create(LabelingJobRequest.from_document(document), settings=Settings()) as job:
        return job.folder.root


def free_port():
    with socket.socket() as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


def start_page(job, port, *, before=(), **environment):
    """Start a job's page as a user would; `before` is put before the command."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "autolabel", "resume", str(job), "--json", "--workforce",
         f"web:{job.parents[1] / 'team'}?port={port}&undo_seconds=0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


def wait_until_up(process, port, seconds=60.0):
    """Wait until somebody answers; ``False`` when the process ends first."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            return False
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    raise TimeoutError("the page does not come up")


def sessions(job, names):
    """Invite people and sign them in, before the page is up; return the value of each one's Cookie header."""
    import hashlib

    team = Team(job.parents[1] / "team")
    request = LabelingJobRequest.load(job / "state" / "request.json")
    mark = hashlib.sha256(request.job_arn.encode()).hexdigest()[:8]
    tokens = team.invite(list(names))
    return {name: f"autolabel-{mark}-worker={team.join(token)[1]}" for name, token in tokens.items()}


class Connection:
    """One kept-alive connection over a raw socket: what a load generator can afford."""

    def __init__(self, port, cookie):
        self._port = port
        self._head = f"Host: {HOST}:{port}\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n"
        self._socket = None
        self._file = None

    def post(self, path, body):
        """Return status and JSON; `OSError` when the connection breaks."""
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(data)}\r\n\r\n".encode()
        try:
            if self._socket is None:
                self._socket = socket.create_connection((HOST, self._port), timeout=60)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._file = self._socket.makefile("rb")
            self._socket.sendall(head + data)
            return self._answer()
        except OSError:
            self.close()
            raise

    def _answer(self):
        first = self._file.readline()
        if not first:
            raise ConnectionResetError("the server is gone")
        status, length, closing = int(first.split()[1]), 0, False
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            closing = closing or (name.lower() == b"connection" and b"close" in value)
        data = self._file.read(length)
        if len(data) < length:
            raise ConnectionResetError("the answer stops in the middle")
        if closing:
            self.close()
        return status, json.loads(data) if data else None

    def close(self):
        if self._socket is not None:
            self._file.close()
            self._socket.close()
            self._socket = None


def content(label):
    return {"crowd-classifier": {"label": label}}


@contextmanager
def page(job, port, **options):
    """A page that is up, and is asked to end afterwards."""
    process = start_page(job, port, **options)
    try:
        if not wait_until_up(process, port):
            raise RuntimeError(process.stderr.read().decode())
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        process.stderr.close()


def fsync_rate(folder: Path, seconds=2.0):
    """Measure how many 4 KiB writes a second this disk makes durable."""
    path = folder / "fsync-probe"
    count = 0
    with path.open("wb", buffering=0) as file:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            os.fdatasync(file.fileno())
            count += 1
    path.unlink()
    return count / seconds
