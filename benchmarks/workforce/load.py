"""How many durable answers a second one page takes from many people at once, and how long each of them waits.

    python -m benchmarks.workforce.load [--workers 20 100 300] [--seconds 15] [--json]

Closed loop: every worker sends an answer, and the next one as soon as he has the reply, which brings his next task. One
request an object: the reply comes after the commit. The clients share one process with raw sockets on the same machine;
the disk's own rate of durable 4 KiB writes is measured before and after, in the folder of the job.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.workforce.people import HOST, LABELS, content, free_port, fsync_rate, make_job, page, sessions


@dataclass
class Load:
    """What one run found."""

    workers: int
    answers: int
    """Acknowledged within the measured time."""
    stored: int
    """In the tables afterwards."""
    answers_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_ms: float
    """Processor time of the page for one answer, all of its threads."""
    fsyncs_per_second: tuple[float, float]
    """Of the disk, before and after."""


class Asker:
    """A worker in an event loop."""

    def __init__(self, port, cookie, rng):
        self._port, self._rng = port, rng
        self._head = f"Host: {HOST}:{port}\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n"
        self.waits = []
        self.acknowledged = 0

    async def open(self):
        self._reader, self._writer = await asyncio.open_connection(HOST, self._port)

    def close(self):
        self._writer.close()

    async def run(self, until):
        await self.open()
        tasks = await self.tasks()
        while time.perf_counter() < until:
            if not tasks:
                await asyncio.sleep(0.05)
                tasks = await self.tasks()
                continue
            task = tasks.pop(0)
            body = {"lease": task["lease"], "content": content(self._rng.choice(LABELS)), "seconds": 1.0,
                    "want": 1, "have": [each["lease"] for each in tasks]}  # fmt: skip
            begun = time.perf_counter()
            status, found = await self.post("/api/answers", body)
            self.waits.append(time.perf_counter() - begun)
            if status != 200:
                raise RuntimeError(found)
            self.acknowledged += 1
            tasks += found["tasks"]
        self.close()

    async def tasks(self):
        return (await self.post("/api/tasks", {"want": 2}))[1]["tasks"]

    async def post(self, path, body):
        data = json.dumps(body).encode()
        self._writer.write(f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        return int(head[9:12]), json.loads(await self._reader.readexactly(length))


async def _crowd(port, cookies, seconds):
    askers = [Asker(port, cookie, random.Random(name)) for name, cookie in sorted(cookies.items())]
    until = time.perf_counter() + seconds
    await asyncio.gather(*(asker.run(until) for asker in askers))
    return {"answers": sum(asker.acknowledged for asker in askers), "waits": [w for a in askers for w in a.waits]}


def measure(folder: Path, workers: int, seconds: float) -> Load:
    job = make_job(folder, max(5_000, int(3_000 * seconds)), concurrent=5_000)
    cookies = sessions(job, [f"w{number:03d}" for number in range(workers)])
    port = free_port()
    before = fsync_rate(folder)
    with page(job, port) as process:
        _past_the_probe(port, cookies)
        cpu = _cpu_seconds(process.pid)
        crowd = [sys.executable, "-m", "benchmarks.workforce.load", "--crowd", json.dumps(cookies), "--port", str(port)]
        done = subprocess.run([*crowd, "--seconds", str(seconds)], capture_output=True, text=True, check=True)
        cpu = _cpu_seconds(process.pid) - cpu
    found = json.loads(done.stdout)
    tables = sqlite3.connect(job / "state" / "job.db")
    (stored,) = tables.execute("SELECT COUNT(*) FROM answer").fetchone()
    tables.close()
    waits = sorted(found["waits"])
    return Load(
        workers=workers,
        answers=found["answers"],
        stored=stored - 10,
        answers_per_second=found["answers"] / seconds,
        p50_ms=1000 * waits[len(waits) // 2],
        p99_ms=1000 * waits[int(0.99 * len(waits))],
        server_cpu_ms=1000 * cpu / found["answers"],
        fsyncs_per_second=(before, fsync_rate(folder)),
    )


def _cpu_seconds(pid):
    """Read what a process and its threads have used of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _past_the_probe(port, cookies):
    """Answer the ten objects that every job begins with, so that the load finds the long batch."""
    asyncio.run(_probe(port, next(iter(sorted(cookies.values())))))


async def _probe(port, cookie):
    asker = Asker(port, cookie, random.Random(0))
    await asker.open()
    answered = 0
    while True:
        tasks = await asker.tasks()
        if answered == 10 and tasks:
            break
        if not tasks:
            await asyncio.sleep(0.05)
        for task in tasks:
            await asker.post("/api/answers", {"lease": task["lease"], "content": content(LABELS[0])})
            answered += 1
    await asker.post("/api/returns", {"leases": [task["lease"] for task in tasks]})
    asker.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, nargs="+", default=[20, 100, 300])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--folder", type=Path, help="where the job lies (default: a temporary folder)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--crowd", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crowd:
        print(json.dumps(asyncio.run(_crowd(options.port, json.loads(options.crowd), options.seconds))))
        return
    for workers in options.workers:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            load = measure(Path(folder), workers, options.seconds)
        if options.json:
            print(json.dumps(asdict(load)), flush=True)
        else:
            print(
                f"{load.workers} workers: {load.answers_per_second:,.0f} answers/s, p50 {load.p50_ms:.0f} ms, "
                f"p99 {load.p99_ms:.0f} ms, {load.server_cpu_ms:.2f} ms of the server's processor each; "
                f"{load.stored:,} stored of {load.answers:,} acknowledged; disk "
                f"{load.fsyncs_per_second[0]:,.0f} and {load.fsyncs_per_second[1]:,.0f} fsync/s",
                flush=True,
            )


if __name__ == "__main__":
    main()
