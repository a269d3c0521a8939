"""Whether a job finds out what its guesses do to people, by people of whom it is known.

    python -m benchmarks.workforce.guesses [--objects 1500] [--seeds 5] [--json]

One simulated person labels a whole job of short texts with guesses on, audit included. He is always right when he
reads, but with some probability takes a guess that he sees without reading, in 0.8 seconds instead of 2.0. Printed is
what the job measured: the share of planted wrong guesses that passed (it should be that probability), the time saved,
how much more often he agrees with guesses that he sees, and the share of labels by people that are wrong in the end.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autolabel import LabelingJob, Settings
from autolabel.job.desk import Desk, Submission
from autolabel.testing import TOPICS, toy_request, write_toy_texts

LABELS = tuple(TOPICS)
RELIANCE = (0.0, 0.3, 0.7, 1.0)
READING, TAKING = 2.0, 0.8


class Watch:
    """A clock that goes on only while somebody works."""

    def __init__(self):
        self.passed = 0.0

    def now(self):
        return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=self.passed)

    def seconds(self):
        return self.passed


def measure(folder, objects, reliance, seed):
    """Label one job; return what it says of its guesses, and the share of labels by people that are wrong."""
    folder.mkdir(parents=True)
    truth = write_toy_texts(folder, objects, seed=seed, noise=0.6)
    settings = Settings(model="tfidf", batch=60, guesses=True, seed=seed, error=0.03)
    rng, watch = random.Random(f"{reliance}-{seed}"), Watch()
    with LabelingJob.create(toy_request(folder), settings=settings, clock=watch) as job:
        while not job.advance().finished:
            with Desk(job) as desk:
                while leases := desk.take("somebody").result():
                    (lease,) = leases
                    takes = lease.guess is not None and rng.random() < reliance
                    spent = TAKING if takes else READING
                    label = lease.guess if takes else truth[lease.object]
                    watch.passed += spent
                    content = {"crowd-classifier": {"label": LABELS[label]}}
                    desk.exchange("somebody", Submission(lease.id, content, spent)).result()
        rows = job.walk().store.rows("SELECT object, label FROM label WHERE source = 'people'")
        wrong = sum(json.loads(row["label"]) != truth[row["object"]] for row in rows) / len(rows)
        return {**(job.summary()["guesses"] or {}), "wrong": wrong}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=1_500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print("| takes a guess unread | shown | planted | passed | time saved | agrees more | labels by people wrong |")
    print("|---|---|---|---|---|---|---|")
    for reliance in RELIANCE:
        with tempfile.TemporaryDirectory() as folder:
            runs = [measure(Path(folder) / str(seed), options.objects, reliance, seed) for seed in range(options.seeds)]
        if options.json:
            print(json.dumps({"reliance": reliance, "runs": runs}))
            continue
        planted = sum(run["planted"] for run in runs)
        passed = sum(run["planted"] * (run["over_reliance"] or 0) for run in runs)
        means = {name: sum(run[name] for run in runs) / len(runs) for name in ("speed_up", "shift", "wrong")}
        print(
            f"| {reliance:.0%} | {sum(run['shown'] for run in runs):,} | {planted} | {passed / planted:.0%}"
            f" | {means['speed_up']:.0%} | {means['shift']:+.1%} | {means['wrong']:.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
