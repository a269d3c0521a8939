"""Kill the page and its clients with SIGKILL again and again, and count what was acknowledged and is not there.

    python -m benchmarks.workforce.soak [--seconds 90] [--folder FOLDER] [--json]

Three client processes, three workers in each, race for the objects of one job whose page is a process of its own. Every
worker writes down what he is about to send, and, with an fsync after the answer, what was acknowledged; who gets no
answer sends the same again. Server and clients are killed at random moments and started again. At the end the notes are
compared with the job's tables.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.workforce.people import (
    LABELS,
    Connection,
    content,
    free_port,
    make_job,
    sessions,
    start_page,
    wait_until_up,
)

PROCESSES = 3
WORKERS = 3


@dataclass
class Figures:
    """What a soak found."""

    server_kills: int = 0
    client_kills: int = 0
    acknowledged: int = 0
    """Answers and revisions whose acknowledgement somebody wrote down."""
    answers: int = 0
    """Answers in the tables."""
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    """Answers that say something else than what was acknowledged or sent last."""
    unpaid: int = 0
    over_places: int = 0


class Notes:
    """One worker's notebook: what he sent and what was acknowledged, in order, durable before he goes on."""

    def __init__(self, path):
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, kind, lease, number, label, *, sync=False):
        line = json.dumps([kind, lease, number, label]) + "\n"
        os.write(self._descriptor, line.encode())
        if sync:
            os.fsync(self._descriptor)


class Worker(threading.Thread):
    """Takes, answers, answers twice, changes his mind, returns, declines; never believes what was not said."""

    def __init__(self, name, port, cookie, folder, seed):
        super().__init__(daemon=True)
        self.worker = name
        self.random = random.Random(seed)
        self.connection = Connection(port, cookie)
        self.notes = Notes(folder / f"{name}.notes")
        self.done = False

    def run(self):
        while True:
            status, found = self.ask("/api/tasks", {"want": 2})
            if status != 200 or found["state"] == "finished":
                time.sleep(0.2)
                continue
            if not found["tasks"]:
                time.sleep(0.05)
            for task in found["tasks"]:
                self.work(task)

    def work(self, task):
        chance = self.random.random()
        number = int(task["text"].rsplit("#", 1)[1])
        if chance < 0.02:
            self.ask("/api/returns", {"leases": [task["lease"]]})
            return
        label = self.random.choice(LABELS)
        self.answer(task["lease"], number, label)
        if chance > 0.95:
            self.answer(task["lease"], number, label)
        elif chance > 0.9:
            self.answer(task["lease"], number, self.random.choice(LABELS))

    def answer(self, lease, number, label):
        self.notes.write("sent", lease, number, label)
        status, found = self.ask("/api/answers", {"lease": lease, "content": content(label), "seconds": 1.0})
        if status == 200:
            self.notes.write("acknowledged", lease, number, label, sync=True)
        else:
            self.notes.write(f"refused {status} {found.get('verdict')}", lease, number, label)

    def ask(self, path, body):
        """Send until somebody answers: what he says the second time holds for the first."""
        while True:
            try:
                status, found = self.connection.post(path, body)
            except OSError:
                time.sleep(0.02)
                continue
            if status == 503:
                time.sleep(0.05)
                continue
            return status, found


def client(port, folder, names_and_cookies, seed):
    """One client process."""
    workers = [
        Worker(name, port, cookie, folder, f"{seed}-{name}") for name, cookie in sorted(names_and_cookies.items())
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


class Crowd:
    """The client processes of a soak."""

    def __init__(self, folder, port, cookies, rng):
        self._folder, self._port, self._rng = folder, port, rng
        names = sorted(cookies)
        self._own = [
            {name: cookies[name] for name in names[place * WORKERS : (place + 1) * WORKERS]}
            for place in range(PROCESSES)
        ]
        self._processes = [self._start(own) for own in self._own]

    def kill_one(self):
        """Kill a process with all its workers, and start it again: it knows nothing of what it was doing."""
        place = self._rng.randrange(PROCESSES)
        self._processes[place].send_signal(signal.SIGKILL)
        self._processes[place].wait()
        self._processes[place] = self._start(self._own[place])

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, own):
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.workforce.soak", "--client", json.dumps(own), "--port", str(self._port),
             "--folder", str(self._folder), "--seed", str(self._rng.randrange(2**31))],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip


def soak(folder: Path, *, seconds=90.0, objects=6_000, seed=0, most_kills=10**9) -> Figures:
    """Run the soak in `folder` and compare."""
    rng = random.Random(seed)
    figures = Figures()
    job = make_job(folder, objects, workers=2, time_limit=30)
    cookies = sessions(job, [f"w{number}" for number in range(PROCESSES * WORKERS)])
    port = free_port()
    crowd = Crowd(folder, port, cookies, rng)
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until and figures.server_kills < most_kills and _live_and_die(job, port, rng):
            figures.server_kills += 1
            if rng.random() < 0.3:
                crowd.kill_one()
                figures.client_kills += 1
    finally:
        crowd.close()
    _live_and_die(job, port, rng)  # one whole start more: what is torn shows
    compare(job, folder, figures)
    return figures


def _live_and_die(job, port, rng) -> bool:
    """Start the page and kill it after a while; ``False`` when everything was labeled before that."""
    process = start_page(job, port)
    try:
        if not wait_until_up(process, port):
            if process.returncode == 0:
                return False
            raise RuntimeError(process.stderr.read().decode())
        try:
            return process.wait(rng.uniform(0.05, 2.0)) != 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
    finally:
        process.stderr.close()


def compare(job: Path, folder: Path, figures: Figures) -> None:
    """Compare the workers' notes with the tables."""
    tables = sqlite3.connect(job / "state" / "job.db")
    stored = {
        (worker, number): json.loads(text)["crowd-classifier"]["label"]
        for worker, number, text in tables.execute(
            "SELECT worker, object, content FROM answer WHERE content IS NOT NULL"
        )
    }
    figures.answers = len(stored)
    figures.unpaid = len(stored.keys() ^ set(tables.execute("SELECT worker, object FROM ledger WHERE kind = 'answer'")))
    figures.over_places = tables.execute(
        "SELECT COUNT(*) FROM (SELECT object FROM answer WHERE content IS NOT NULL GROUP BY object HAVING COUNT(*) > 2)"
    ).fetchone()[0]
    figures.doubled = tables.execute("SELECT COUNT(*) FROM event WHERE kind = 'task-submitted'").fetchone()[0] - len(
        stored
    )
    tables.close()
    for path in sorted(folder.glob("*.notes")):
        allowed: dict[int, set[str]] = {}
        acknowledged: set[int] = set()
        for line in path.read_text().splitlines():
            kind, _, number, label = json.loads(line)
            if kind == "acknowledged":
                figures.acknowledged += 1
                acknowledged.add(number)
                allowed[number] = {label}
            elif kind == "sent":
                allowed.setdefault(number, set()).add(label)
        for number in acknowledged:
            found = stored.get((path.stem, number))
            figures.lost += found is None
            figures.wrong += found is not None and found not in allowed[number]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        client(options.port, options.folder, json.loads(options.client), options.seed)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = soak(Path(folder), seconds=options.seconds, objects=options.objects, seed=options.seed)
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        for name, value in asdict(figures).items():
            print(f"{name.replace('_', ' ')}: {value:,}")


if __name__ == "__main__":
    main()
