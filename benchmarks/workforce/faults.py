"""Let the disk fail under the page, and count what was acknowledged and is not there.

    python -m benchmarks.workforce.faults [--rounds 12] [--json]

Three faults: the k-th fsync of the process and all after it say EIO, for k further and further on (strace); no file may
grow beyond a size (RLIMIT_FSIZE); the file system is full (a small tmpfs, where this user may mount one). Each time
three workers race for the objects. When the disk fails, the page has to refuse what it cannot store, end with exit
code 4, and find every acknowledged answer when it is started again on a sound disk, where the job is labeled to the
end.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from autolabel import LabelingJob
from benchmarks.workforce.people import free_port, make_job, sessions, start_page, wait_until_up
from benchmarks.workforce.soak import Figures, Worker, compare

OBJECTS = 120
NAMES = ("ann", "bob", "eve")


@dataclass
class Fault:
    """What came of one fault."""

    kind: str
    exit_code: int | None
    """Of the page on the failing disk; ``None`` when the fault never came."""
    before: int
    """Acknowledged before the fault."""
    acknowledged: int
    lost: int
    doubled: int
    unpaid: int
    answers: int


def under_strace(call):
    """Return the command that makes the `call`-th fsync of the page, and all after it, fail."""
    return ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync",
            "-e", f"inject=fdatasync,fsync:error=EIO:when={call}+")  # fmt: skip


def can_strace():
    """Tell whether this machine lets a process be traced."""
    if shutil.which("strace") is None:
        return False
    probe = subprocess.run([*under_strace(60_000), "true"], capture_output=True, check=False)
    return probe.returncode == 0


def under_limit(job, kilobytes):
    """Return the command that lets no file of the page grow much beyond what the job's tables have when it begins."""
    program = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]) << 10,) * 2);"
        " os.execvp(sys.argv[2], sys.argv[2:])"
    )
    with LabelingJob.open(job) as opened:
        opened.advance()
    size = (job / "state" / "job.db").stat().st_size >> 10
    return (sys.executable, "-c", program, str(size + kilobytes))


@contextmanager
def small_disk(megabytes):
    """Mount a small file system; `OSError` where this user may not."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise OSError("no file system can be mounted here")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def one(folder, kind, *, command=lambda _job: (), relieve=lambda: None):
    """Label a job on a disk that fails on the way, and again to the end on a sound one.

    `command` gives what is put before the page's own command.
    """
    job = make_job(folder, OBJECTS)
    cookies = sessions(job, NAMES)
    port = free_port()
    workers = [Worker(name, port, cookies[name], folder, name) for name in NAMES]
    failing = start_page(job, port, before=command(job))
    came_up = wait_until_up(failing, port)
    for worker in workers:
        worker.start()
    try:
        code = failing.wait(60)
    except subprocess.TimeoutExpired:
        failing.kill()
        code = failing.wait()
    complaint = failing.stderr.read().decode()
    failing.stderr.close()
    if "Traceback" in complaint or not (came_up or code == 4):
        raise RuntimeError(complaint)
    before = acknowledged(folder)
    relieve()
    sound = start_page(job, port)
    if sound.wait(120) != 0:
        raise RuntimeError(sound.stderr.read().decode())
    sound.stderr.close()
    figures = Figures()
    compare(job, folder, figures)
    if figures.wrong:
        raise RuntimeError(f"{figures.wrong} answers say something else than what was acknowledged")
    return Fault(
        kind, code or None, before, figures.acknowledged, figures.lost, figures.doubled, figures.unpaid, figures.answers
    )


def acknowledged(folder):
    """Count what the workers' notes say was acknowledged."""
    return sum(path.read_text().count('"acknowledged"') for path in folder.glob("*.notes"))


def fsync_faults(parent, rounds):
    for number in range(rounds):
        yield one(
            parent / f"fsync-{number}", "fsync: EIO", command=lambda _job, call=14 + 13 * number: under_strace(call)
        )


def size_faults(parent, rounds):
    for number in range(rounds):
        folder = parent / f"size-{number}"
        yield one(folder, "file size limit", command=lambda job, more=8 + 8 * number: under_limit(job, more))


def full_disk_faults(rounds):
    for number in range(rounds):
        with small_disk(3) as disk:
            ballast = disk / "ballast"

            def relieve(ballast=ballast):
                ballast.unlink(missing_ok=True)

            thread = threading.Thread(target=_fill, args=(disk, ballast, 1 + 8 * number), daemon=True)
            thread.start()
            yield one(disk, "disk full", relieve=relieve)
            thread.join()


def _fill(disk, ballast, after):
    """Fill a disk to its last bytes once so many answers were acknowledged."""
    while acknowledged(disk) < after:
        time.sleep(0.002)
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        if can_strace():
            found += fsync_faults(Path(folder), options.rounds)
        found += size_faults(Path(folder), options.rounds)
        try:
            found += full_disk_faults(options.rounds)
        except OSError as error:
            print(f"left out: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps([asdict(each) for each in found]))
        return
    header = (
        "fault",
        "rounds",
        "ended with code 4",
        "acknowledged before it",
        "and in all",
        "lost",
        "doubled",
        "unpaid",
    )
    print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
    for kind in dict.fromkeys(each.kind for each in found):
        own = [each for each in found if each.kind == kind]
        sums = [
            sum(getattr(each, name) for each in own) for name in ("before", "acknowledged", "lost", "doubled", "unpaid")
        ]
        cells = [kind, len(own), sum(each.exit_code == 4 for each in own), *sums]
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
