"""The bounded contract: the betting walk beside Waudby-Smith and Ramdas' bound without replacement on nested regions.

    python -m benchmarks.certificate.bounded [FOLDER] [--trials 200]

Losses like 1 - IoU: beta variables around a predicted loss, whose predictions may be off by a third either way. With
FOLDER also the squared losses of ``sentiment.csv``. Both audit the same number of objects and credit the corrected ones
in full; the nested regions (30 % to 100 % of the order) share delta.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from autolabel.quality.betting import certify, plan_bounded
from benchmarks.certificate.baselines import betting_log_wealth, without_replacement_mean
from benchmarks.certificate.confidences import expected_loss, head, load, row, save

DELTA = 0.05
REGIONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def nested_regions(losses, audits, budget, rng):
    """Largest region whose un-audited loss the betting bound holds below the budget at delta / 8."""
    size, best, bad = len(losses), 0, 0.0
    drawn = rng.permutation(size)[:audits]
    for share in REGIONS:
        region = int(share * size)
        inside = drawn[drawn < region]
        mean = without_replacement_mean(budget, region, len(inside))
        if len(inside) and betting_log_wealth(losses[inside], mean, DELTA / len(REGIONS)) >= np.log(
            len(REGIONS) / DELTA
        ):
            best, bad = region - len(inside), losses[:region].sum() - losses[inside].sum()
    return best / size, bad > budget


def walk(design, losses, predicted, rng):
    ranks = design.draw(rng)
    found = certify(design, ranks, losses[ranks], predicted)
    stop = found.stop_rank
    return found.machine_labeled / len(losses), losses[:stop].sum() - losses[ranks[ranks < stop]].sum() > design.budget


def cases(folder, rng):
    """Name, predicted losses ascending, true losses, error."""
    for size in (2_000, 10_000):
        predicted = np.sort(rng.beta(1.2, 4, size))
        losses = rng.beta(6 * predicted, 6 * (1 - predicted))
        for error in (0.05, 0.1, 0.2):
            yield f"beta, n = {size:,}", predicted, losses, error
    if folder:
        data = load(folder, "sentiment")
        data = data.take(np.argsort(-data.confidence + 1e-9 * rng.random(len(data.loss)), kind="stable"))
        sample = rng.choice(len(data.loss), 200, replace=False)
        predicted = expected_loss(data.confidence, data.confidence[sample], data.loss[sample])
        for error in (0.01, 0.015):
            yield "sentiment", predicted, data.loss, error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--trials", type=int, default=200)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    head("losses", "error", "audits", "truth known", "nested regions", "over", "betting walk", "over",
         "predictions x 0.7", "x 1.4", "none")  # fmt: skip
    bars = []
    for name, predicted, losses, error in cases(options.folder, rng):
        size = len(losses)
        design, _ = plan_bounded(
            predicted, predicted * (1 - predicted) / 7, error=error, delta=DELTA, promised_labels=size
        )
        known = np.mean(np.cumsum(losses) <= error * size)
        theirs = np.asarray([nested_regions(losses, design.audits, design.budget, rng) for _ in range(options.trials)])
        walks = [
            np.asarray([walk(design, losses, np.minimum(1, scale * predicted), rng) for _ in range(options.trials)])
            for scale in (1.0, 0.7, 1.4, 0.0)
        ]
        (share, over), (walked, broken) = theirs.mean(axis=0), walks[0].mean(axis=0)
        others = [float(found[:, 0].mean()) for found in walks[1:]]
        row(name, f"{error:g}", f"{design.audits:,}", float(known), float(share), float(over), float(walked),
            float(broken), *others)  # fmt: skip
        bars.append((f"{name}\nerror {error:g}".replace(", ", "\n"), known, share, walked))
    figure, axes = plt.subplots(figsize=(8, 4))
    for place, label in enumerate(("truth known", "nested regions", "betting walk")):
        axes.bar(np.arange(len(bars)) + 0.26 * (place - 1), [100 * bar[place + 1] for bar in bars], 0.24, label=label,
                 hatch=("xx", "//", "")[place], edgecolor="white")  # fmt: skip
    axes.set(ylabel="machine share, %", title="Mean loss certified with 95 % confidence")
    axes.set_xticks(range(len(bars)), [bar[0] for bar in bars], fontsize=7)
    axes.legend(fontsize=8)
    save(figure, "bounded")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
