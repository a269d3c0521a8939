"""What each contract costs on the same predictions: the look of a job, planned, drawn and walked in memory.

    python -m benchmarks.certificate.contracts FOLDER [--trials 200]

A uniform sample of 200 calibrates the confidences and counts as human labels; the planner then chooses the audit of
each contract. Counted are the machine's share of all labels, what the planner forecast, the audit, and the trials in
which the certificate says what is not so. The contracts promise different things: their shares are no ranking.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from autolabel.quality.contract import Contract, Quality
from autolabel.quality.design import Frozen, Room
from autolabel.quality.look import plan_look
from autolabel.quality.planner import Budget, Calibration, Prices, Situation
from benchmarks.certificate.confidences import error_probability, head, load, row, save

SAMPLE = 200
MOST_CLASSES = 100
"""Of ten objects each nothing can be promised class by class."""
CALIBRATION = Calibration(1.0, 0.85, 1.2)
"""What 200 labels leave open, about."""


def take_look(data, quality, rng):
    """Machine share, forecast share, audit's share, and whether more is wrong than the certificate says."""
    size = len(data.wrong)
    sample = rng.choice(size, SAMPLE, replace=False)
    rest = np.setdiff1d(np.arange(size), sample)
    probability = error_probability(data.confidence[rest], data.confidence[sample], data.wrong[sample])
    frozen = Frozen.of(rest, data.predicted[rest], probability)
    forecast = plan_look(frozen, quality, Situation(SAMPLE, Prices(1.0, 0.0), calibration=CALIBRATION))
    wrong = data.wrong[frozen.objects]
    ranks = forecast.design.draw(frozen, rng)
    room = Room(SAMPLE + len(ranks), Budget())
    outcome = forecast.design.walk(frozen, ranks, wrong[ranks].astype(float), room)
    bad = wrong[outcome.machine_ranks]
    classes = frozen.predicted[outcome.machine_ranks]
    broken = any(
        bad[classes == walk.predicted if walk.predicted is not None else slice(None)].sum() > walk.wrong_at_most
        for walk in outcome.walks
    )
    return len(bad) / size, forecast.machine / size, len(ranks) / size, broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=200)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    head("data set", "n", "classes", "error", "contract", "machine share", "forecast", "audit", "trials over")
    bars = {}
    for name in ("stance", "misinfo", "imagenetv2", "imagenet"):
        data = load(options.folder, name)
        data = data.take(rng.permutation(len(data.wrong))[:10_000])
        for error in (0.05, 0.1):
            for contract in Contract:
                classes = len(np.unique(data.predicted))
                if contract is Contract.PER_CLASS and classes > MOST_CLASSES:
                    continue
                quality = Quality(error, 0.95, contract)
                found = np.asarray([take_look(data, quality, rng) for _ in range(options.trials)])
                share, forecast, audit, over = (float(value) for value in found.mean(axis=0))
                row(name, f"{len(data.wrong):,}", f"{classes:,}", f"{error:.0%}", contract.value, share,
                    forecast, audit, over)  # fmt: skip
                bars[name, error, contract] = share
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    names = sorted({name for name, _, _ in bars})
    for axes, error in zip(panels, (0.05, 0.1), strict=True):
        for place, (contract, hatch) in enumerate(zip(Contract, ("", "//", "xx"), strict=True)):
            shares = [100 * bars.get((name, error, contract), 0.0) for name in names]
            axes.bar(np.arange(len(names)) + 0.26 * (place - 1), shares, 0.24, label=contract.value, hatch=hatch,
                     edgecolor="white")  # fmt: skip
        axes.set(title=f"at most {error:.0%} wrong", ylabel="labels by the machine, %")
        axes.set_xticks(range(len(names)), names, fontsize=8)
    panels[1].legend(fontsize=8)
    save(figure, "contracts")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
