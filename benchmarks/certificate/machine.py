"""The machine contract on real confidences, beside what others do with the same labels.

    python -m benchmarks.certificate.machine FOLDER [--trials 100]

ImageNet's ResNet-152 confidences, a fresh 10,000 of the 50,000 in every trial. A method may buy so many human labels
before it machine-labels: the others audit them all, uniformly; ours spends 200 of them on calibration and plans an
audit of at most the rest. "Calibrated before" has its 200 from other images, as a job calibrates by the labels that
its model was trained on. "One floor" declares the single best floor of the plan's region. Counted are the machine's
share of all objects, the share of trials in which more wrong machine labels than promised were made, and the trials
without any machine label.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from autolabel.quality.audit import draw_audit
from autolabel.quality.machine import MachineDesign
from autolabel.quality.planner import LEAST_PASS
from autolabel.quality.region import forecast, plan_machine
from benchmarks.certificate import baselines
from benchmarks.certificate.confidences import error_probability, head, load, row, save

SIZE, SAMPLE, DELTA, SPREAD = 10_000, 200, 0.05, 0.2


def others(error):
    """Rules that turn audited ranks and errors into the number of objects selected."""
    return {
        "TBAL": lambda ranks, wrong: baselines.tbal(SIZE, ranks, wrong, error),
        "TBAL without slack": lambda ranks, wrong: baselines.tbal(SIZE, ranks, wrong, error, 0.0),
        "Conformal Labeling": lambda ranks, wrong: baselines.conformal_labeling(SIZE, ranks, wrong, error),
        "SGR": lambda ranks, wrong: baselines.sgr(SIZE, ranks, wrong, error, DELTA),
        "LTT, Bonferroni": lambda ranks, wrong: baselines.ltt_bonferroni(SIZE, ranks, wrong, error, DELTA),
    }


def audited(rule, wrong, labels, rng):
    ranks = draw_audit(SIZE, labels, rng)
    selected = np.setdiff1d(np.arange(rule(ranks, wrong[ranks])), ranks)
    return result(wrong[selected])


def ours(rest, probability, error, most_audits, rng, *, one_floor=False):
    """Plan with predicted error probabilities, audit, certify; `rest` is in walking order."""
    plan = plan_machine(probability, error=error, delta=DELTA, most_audits=most_audits, spread=SPREAD)
    if plan.design is None:
        return result(rest.wrong[:0])
    design = only_floor(plan.design, probability) if one_floor else plan.design
    ranks = draw_audit(design.region, design.audits, rng)
    found = design.certify(ranks, rest.wrong[ranks])
    return result(rest.wrong[np.setdiff1d(np.arange(found.stop_rank), ranks)])


def only_floor(design, probability):
    """The same region and audit with the one floor that is forecast to give most, if any is likely to be reached."""
    cumulated = np.concatenate([[0.0], np.cumsum(probability)])
    designs = [
        MachineDesign.of(error=design.error, delta=DELTA, region=design.region, audits=design.audits, floors=[floor])
        for floor in sorted({floor.machine_labels for floor in design.floors})
    ]
    forecasts = [forecast(one, cumulated, SPREAD) for one in designs]
    likely = [place for place, (_, passing) in enumerate(forecasts) if passing >= LEAST_PASS]
    return designs[max(likely, key=lambda place: forecasts[place][0]) if likely else 0]


def result(wrong):
    """Machine share, and share of wrong machine labels."""
    return len(wrong) / SIZE, float(wrong.mean()) if len(wrong) else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    everything = load(options.folder, "imagenet")
    drawn = {}
    head("error", "labels", "method", "machine share", "trials over", "trials without machine labels")
    for error, labels in ((0.05, 500), (0.05, 1_000), (0.1, 500)):
        rows: dict[str, list] = {}
        for _ in range(options.trials):
            images = rng.choice(len(everything.wrong), SIZE + SAMPLE, replace=False)
            data, elsewhere = everything.take(images[:SIZE]), everything.take(images[SIZE:])
            sample = data.take(np.arange(SAMPLE))  # the images come in random order
            rest = data.take(SAMPLE + np.argsort(-data.confidence[SAMPLE:], kind="stable"))
            data = data.take(np.argsort(-data.confidence, kind="stable"))
            within = np.flatnonzero(np.cumsum(data.wrong) <= error * np.arange(1, SIZE + 1))
            rows.setdefault("truth known", []).append((within[-1] / SIZE, 0.0))
            for name, rule in others(error).items():
                rows.setdefault(name, []).append(audited(rule, data.wrong, labels, rng))
            own = error_probability(rest.confidence, sample.confidence, sample.wrong)
            for name, factor, one in (("", 1, False), (", one floor", 1, True), (", plan off by -30 %", 0.7, False),
                                      (", plan off by +30 %", 1.3, False)):  # fmt: skip
                found = ours(rest, np.minimum(1, factor * own), error, labels - SAMPLE, rng, one_floor=one)
                rows.setdefault("ours" + name, []).append(found)
            before = error_probability(data.confidence, elsewhere.confidence, elsewhere.wrong)
            rows.setdefault("ours, calibrated before", []).append(ours(data, before, error, labels, rng))
        for name, found in rows.items():
            share, bad = np.asarray(found).T
            row(f"{error:.0%}", f"{labels:,}", name, float(share.mean()), float(np.mean(bad > error)),
                float(np.mean(share == 0)))  # fmt: skip
            drawn[error, labels, name] = (share.mean(), np.mean(bad > error))
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    shown = [(name, *point) for (error, labels, name), point in drawn.items() if (error, labels) == (0.05, 1_000)]
    names, shares, over = zip(*shown[::-1], strict=True)
    hatches = ["" if name.startswith("ours") else "//" for name in names]
    for axes, values, title in zip(panels, (shares, over), ("machine share, %", "trials over 5 %, %"), strict=True):
        bars = axes.barh(names, 100 * np.asarray(values), hatch=hatches, edgecolor="white")
        axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
        axes.set(xlabel=title, xlim=(0, 80))
        axes.tick_params(labelsize=8)
    panels[1].axvline(100 * DELTA, color="grey", lw=0.8)
    figure.suptitle("ImageNet, 1,000 human labels before the machine's")
    save(figure, "machine")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
