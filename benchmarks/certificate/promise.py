"""How often the promises break: simulation against theory.

    python -m benchmarks.certificate.promise [--runs 20000]

For every layout of the wrong predictions and every size, audits are drawn and walked with the library's own functions,
and a run breaks when more labels are wrong than was promised. For the dataset contract the probability is known
exactly for every layout: P(Hypergeometric(N, r + k, m) <= k), and P(Hypergeometric(N, e, m) <= e - r) with fewer than
r + k errors, e.
"""

from __future__ import annotations

import argparse

import matplotlib.pyplot as plt
import numpy as np

from autolabel.quality import betting, hypergeometric
from autolabel.quality.audit import draw_audit, walk
from autolabel.quality.betting import BoundedDesign
from autolabel.quality.design import Frozen, Room
from autolabel.quality.machine import MachineDesign
from autolabel.quality.per_class import PerClassDesign, class_level
from autolabel.quality.planner import Budget
from autolabel.quality.rule import allowed_errors, wrong_labels_that_break
from benchmarks.certificate.confidences import save

SIZES = ((500, 100, 0.05, 0.05), (2_000, 300, 0.05, 0.05), (2_000, 300, 0.02, 0.1), (10_000, 500, 0.05, 0.05))
LAYOUTS = ("front", "back", "uniform", "increasing", "blocks", "few", "none", "all")


def layout(name, size, errors, rng):
    """Wrong predictions along the walking order, shape ``(size,)``."""
    weight = np.arange(1, size + 1, dtype=float)
    places = {
        "front": np.arange(errors),
        "back": np.arange(size - errors, size),
        "uniform": rng.choice(size, errors, replace=False),
        "increasing": rng.choice(size, errors, replace=False, p=weight / weight.sum()),
        "blocks": np.flatnonzero((np.arange(size) // 25) % 5 == 4),
        "few": rng.choice(size, errors // 3, replace=False),
        "none": np.arange(0),
        "all": np.arange(size),
    }[name]
    wrong = np.zeros(size, dtype=bool)
    wrong[places] = True
    return wrong


def dataset_theory(wrong, limit, audits, allowed):
    errors = int(wrong.sum())
    if errors >= limit + allowed:
        return hypergeometric.cdf(allowed, len(wrong), limit + allowed, audits)
    return hypergeometric.cdf(errors - limit, len(wrong), errors, audits) if errors >= limit else 0.0


def dataset_rate(wrong, limit, audits, allowed, runs, rng):
    broken = 0
    for _ in range(runs):
        ranks = draw_audit(len(wrong), audits, rng)
        stop = walk(len(wrong), ranks, wrong[ranks], allowed).stop_rank
        broken += int(wrong[:stop].sum()) - int(wrong[ranks[ranks < stop]].sum()) >= limit
    return broken / runs


def machine_rate(design, wrong, runs, rng):
    broken = 0
    for _ in range(runs):
        ranks = draw_audit(design.region, design.audits, rng)
        found = design.certify(ranks, wrong[ranks])
        bad = int(wrong[: found.stop_rank].sum()) - int(wrong[ranks[ranks < found.stop_rank]].sum())
        broken += bad > found.wrong_at_most
    return broken / runs


def bounded_rate(design, losses, predicted, runs, rng):
    broken = 0
    for _ in range(runs):
        ranks = design.draw(rng)
        stop = betting.certify(design, ranks, losses[ranks], predicted).stop_rank
        broken += losses[:stop].sum() - losses[ranks[ranks < stop]].sum() > design.budget
    return broken / runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20_000)
    runs = parser.parse_args().runs
    rng = np.random.default_rng(0)
    points = []
    print("dataset contract: broken runs, measured (theory)")
    print("| n, m, error, delta | k | " + " | ".join(LAYOUTS) + " |")
    print("|---" * (len(LAYOUTS) + 2) + "|")
    for size, audits, error, delta in SIZES:
        limit = wrong_labels_that_break(error, size)
        allowed = allowed_errors(size, limit, audits, delta)
        cells = []
        for name in LAYOUTS:
            wrong = layout(name, size, max(size // 5, 1), rng)
            theory = dataset_theory(wrong, limit, audits, allowed)
            measured = dataset_rate(wrong, limit, audits, allowed, runs, rng)
            points.append((theory, measured))
            cells.append(f"{measured:.2%} ({theory:.2%})")
        print(f"| {size:,}, {audits}, {error:g}, {delta:g} | {allowed} | " + " | ".join(cells) + " |", flush=True)
    theory, measured = np.asarray(points).T
    z = (measured - theory)[theory > 0] / np.sqrt(theory * (1 - theory) / runs)[theory > 0]
    print(f"{len(z)} cells with theory above 0: largest difference {np.abs(z).max():.2f} standard errors; others: "
          f"{measured[theory == 0].max():.0%} broken\n")  # fmt: skip
    others(runs, rng)
    figure, axes = plt.subplots(figsize=(5, 4.6))
    spread = 3 * np.sqrt(theory * (1 - theory) / runs)
    axes.errorbar(100 * theory, 100 * measured, yerr=100 * spread, fmt="o", ms=4, capsize=2)
    top = 100 * theory.max() * 1.15
    axes.plot([0, top], [0, top], color="grey", lw=0.8)
    axes.set(xlabel="theory: broken promises, %", ylabel="measured, % (bars: 3 standard errors)", xlim=(-0.2, top),
             ylim=(-0.2, top), title=f"Dataset contract, {runs:,} audits a point")  # fmt: skip
    save(figure, "promise")
    return 0


def per_class_rate(design, frozen, wrong, runs, rng):
    broken = 0
    for _ in range(runs):
        ranks = design.draw(frozen, rng)
        outcome = design.walk(frozen, ranks, wrong[ranks].astype(float), Room(0, Budget()))
        machine = outcome.machine_ranks
        bad = np.bincount(frozen.predicted[machine], wrong[machine], len(outcome.walks))
        broken += any(bad > [walk.wrong_at_most for walk in outcome.walks])
    return broken / runs


def others(runs, rng) -> None:
    """Machine, per-class and bounded contract: only a bound is known, so the worst layout is shown."""
    print("| contract | design | bound | worst layout | broken |\n|---|---|---|---|---|")
    ladder = [int(400 * 0.88**step) for step in range(10)]
    for text, design in (
        ("one floor", MachineDesign.of(error=0.05, delta=0.05, region=600, audits=150, floors=[300])),
        ("ten floors", MachineDesign.of(error=0.05, delta=0.05, region=600, audits=200, floors=ladder)),
    ):
        rates = {
            front: machine_rate(design, np.arange(design.region) >= front, runs, rng) for front in range(150, 600, 50)
        }
        front = max(rates, key=rates.get)
        print(f"| machine | {text} | {design.violation_bound():.2%} | right before rank {front} | {rates[front]:.2%} |",
              flush=True)  # fmt: skip
    classes, level = 4, class_level(0.05, 4)
    one = MachineDesign.of(error=0.05, delta=level, region=600, audits=226, floors=[300])
    design = PerClassDesign(0.05, 0.05, tuple((number, one) for number in range(classes)))
    ranks = np.arange(600 * classes)
    frozen = Frozen(ranks, ranks % classes, np.zeros(len(ranks)))
    bound = 1 - (1 - one.violation_bound()) ** classes
    rates = {
        front: per_class_rate(design, frozen, ranks // classes >= front, runs // 4, rng)
        for front in range(150, 600, 50)
    }
    front = max(rates, key=rates.get)
    print(f"| per-class | 4 classes, one floor each | {bound:.2%} | right before rank {front} of each class | "
          f"{rates[front]:.2%} |", flush=True)  # fmt: skip
    design = BoundedDesign(0.1, 0.05, 600, 600, 150, (0.5, 0.7, 1.0))
    kinds = {
        f"1 of {every} loses all": rng.permutation((np.arange(600) % every == 0).astype(float)) for every in (3, 5, 8)
    } | {"all lose 0.2": np.full(600, 0.2), "uniform losses": rng.random(600)}
    rates = {kind: bounded_rate(design, losses, np.zeros(600), runs, rng) for kind, losses in kinds.items()}
    kind = max(rates, key=rates.get)
    print(f"| bounded | 150 blocks | {design.delta:.2%} | {kind} | {rates[kind]:.2%} |\n")


if __name__ == "__main__":
    raise SystemExit(main())
