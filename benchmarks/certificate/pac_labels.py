"""The dataset contract on real confidences, beside PAC labels (Candès, Ilyas, Zrnic 2025).

    python -m benchmarks.certificate.pac_labels FOLDER [--trials 300]

FOLDER holds ``imagenet.csv``, ``imagenetv2.csv``, ``stance.csv`` and ``misinfo.csv`` of the paper's data (columns Y,
Yhat, confidence). Their method is written anew from the paper, with its audit sizes. Ours runs twice: with the same
number of distinct audits, and as a job would: a uniform sample, which counts as human labels, calibrates the
confidences, and the planner chooses the audit from them before any audit label is seen.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from autolabel.quality.audit import draw_audit, order_by_confidence, walk
from autolabel.quality.contract import Quality
from autolabel.quality.design import Frozen, Room
from autolabel.quality.look import plan_look
from autolabel.quality.planner import Budget, Calibration, Prices, Situation
from autolabel.quality.rule import allowed_errors, wrong_labels_that_break
from benchmarks.certificate.baselines import pac_labels
from benchmarks.certificate.confidences import error_probability, head, load, row, save

QUALITY = Quality(0.05, 0.95)
PUBLISHED = {"stance": (28.09, 3.28), "misinfo": (18.12, 4.93), "imagenet": (59.64, 1.49), "imagenetv2": (39.07, 2.67)}
SAMPLE = 100


def untied(data, rng):
    """Most confident first, ties broken by noise of 1e-5 as in the paper."""
    confidence = data.confidence + rng.normal(0.0, 1e-5, len(data.confidence))
    return replace(data, confidence=confidence).take(np.argsort(-confidence))


def same_audits(data, audits, rng):
    """Machine share and wrong share with a given number of distinct audits of the whole set."""
    size = len(data.wrong)
    order = order_by_confidence(np.arange(size), 1 - data.confidence)
    limit = wrong_labels_that_break(QUALITY.error, size)
    wrong, ranks = data.wrong[order], draw_audit(size, audits, rng)
    return outcome(wrong, ranks, allowed_errors(size, limit, audits, QUALITY.delta), size)


def planned(data, rng):
    """Machine share and wrong share when a small sample calibrates and the planner chooses the audit; and its size."""
    size = len(data.wrong)
    sample = rng.choice(size, SAMPLE, replace=False)
    rest = np.setdiff1d(np.arange(size), sample)
    order = order_by_confidence(rest, 1 - data.confidence[rest])
    error = error_probability(data.confidence[order], data.confidence[sample], data.wrong[sample])
    frozen = Frozen(order, np.zeros(len(order), np.int64), error)
    design = plan_look(frozen, QUALITY, Situation(SAMPLE, Prices(1.0, 0.0), calibration=Calibration())).design
    wrong, ranks = data.wrong[order], design.draw(frozen, rng)
    room = Room(SAMPLE + design.audits, Budget())
    machine = design.walk(frozen, ranks, wrong[ranks].astype(float), room).machine_ranks
    return len(machine) / size, int(wrong[machine].sum()) / size, design.audits


def outcome(wrong, ranks, allowed, size):
    stop = walk(len(wrong), ranks, wrong[ranks], allowed)
    bad = int(wrong[: stop.stop_rank].sum()) - stop.errors_passed
    return stop.machine_labeled / size, bad / size


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=300)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    head("data set", "n", "published", "PAC labels, here", "over 5 %", "ours, same audits", "over 5 %", "ours, planned",
         "audits", "over 5 %", "in this order at most")  # fmt: skip
    bars = {}
    for name, (published, spread) in PUBLISHED.items():
        loaded = load(options.folder, name)
        size = len(loaded.wrong)
        draws = size // 10 if name.startswith("imagenet") else 500
        theirs, same, plan, oracle = [], [], [], []
        for _ in range(options.trials):
            data = untied(loaded, rng)
            machine = pac_labels(data, QUALITY.error, QUALITY.delta, draws, rng)
            theirs.append((machine.mean(), data.wrong[machine].sum() / size))
            distinct = len(np.unique(rng.integers(0, size, draws)))
            same.append(same_audits(data, distinct, rng))
            plan.append(planned(data, rng))
            oracle.append(np.mean(np.cumsum(data.wrong) <= QUALITY.error * size))
        theirs, same, plan = (np.asarray(rows) for rows in (theirs, same, plan))
        oracle = np.mean(oracle)
        row(name, f"{size:,}", f"{published} ± {spread}", mean(theirs), over(theirs), mean(same), over(same),
            mean(plan), f"{plan[:, 2].mean():.0f} + {SAMPLE}", over(plan), f"{100 * oracle:.1f}")  # fmt: skip
        bars[name] = (published / 100, theirs[:, 0].mean(), same[:, 0].mean(), plan[:, 0].mean(), oracle)
    figure, axes = plt.subplots(figsize=(7, 4))
    labels = (
        "PAC labels, published",
        "PAC labels, here",
        "ours, same audits",
        "ours, planned",
        "truth known",
    )
    for place, (label, hatch) in enumerate(zip(labels, ("", "//", "", "..", "xx"), strict=True)):
        axes.bar(np.arange(len(bars)) + 0.16 * (place - 2), [100 * row[place] for row in bars.values()], 0.15,
                 label=label, hatch=hatch, edgecolor="white")  # fmt: skip
    axes.set(ylabel="labels not made by people, %", title="At most 5 % wrong labels with 95 % confidence")
    axes.set_xticks(range(len(bars)), list(bars))
    axes.legend(fontsize=8)
    save(figure, "pac_labels")
    return 0


def mean(rows):
    """Mean and standard deviation of the share not labeled by people, per cent."""
    return f"{100 * rows[:, 0].mean():.1f} ± {100 * rows[:, 0].std():.1f}"


def over(rows):
    """Share of trials with too many wrong labels."""
    return float(np.mean(rows[:, 1] > QUALITY.error + 1e-12))


if __name__ == "__main__":
    raise SystemExit(main())
