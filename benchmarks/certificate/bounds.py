"""Errors an audit may show and still certify 5 %: four bounds side by side, and what each costs in clean audits.

    python -m benchmarks.certificate.bounds [--error 0.05] [--delta 0.05]

Also times the whole table of allowances for ten million objects.
"""

from __future__ import annotations

import argparse
import time

import matplotlib.pyplot as plt
import numpy as np

from autolabel.quality.rule import allowed_errors, allowed_errors_table, wrong_labels_that_break
from benchmarks.certificate.baselines import betting_allowed, clopper_pearson_allowed, hoeffding_allowed
from benchmarks.certificate.confidences import save

AUDITS = (59, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--error", type=float, default=0.05)
    parser.add_argument("--delta", type=float, default=0.05)
    options = parser.parse_args()
    error, delta, rng = options.error, options.delta, np.random.default_rng(0)

    def ours(size):
        limit = wrong_labels_that_break(error, size)
        return lambda m: held(allowed_errors(size, limit, m, delta)) if m <= size else None

    methods = {
        "Hoeffding": lambda m: max(-1, hoeffding_allowed(m, error, delta)),
        "betting (PAC labels)": lambda m: betting_allowed(m, error, delta, rng),
        "Clopper-Pearson": lambda m: clopper_pearson_allowed(m, error, delta),
        "ours, n = 1,000,000": ours(1_000_000),
        "ours, n = 10,000": ours(10_000),
        "ours, n = 2,500": ours(2_500),
    }
    print("| audits | " + " | ".join(methods) + " |\n" + "|---" * (len(methods) + 1) + "|")
    table = {name: [allowed(m) for m in AUDITS] for name, allowed in methods.items()}
    for place, audits in enumerate(AUDITS):
        cells = [
            str(column[place]) if column[place] is not None and column[place] >= 0 else "–" for column in table.values()
        ]
        print(f"| {audits:,} | " + " | ".join(cells) + " |")
    begun = time.perf_counter()
    allowed = allowed_errors_table(10_000_000, wrong_labels_that_break(error, 10_000_000), 10_000, delta)
    print(f"allowances of 10,000,000 objects for every audit up to 10,000 (last: {allowed[-1]}): "
          f"{time.perf_counter() - begun:.2f} s")  # fmt: skip
    figure, axes = plt.subplots(figsize=(6, 4.2))
    for (name, column), style in zip(table.items(), (":", "-.", "--", "-", "-", "-"), strict=True):
        shown = np.asarray([(m, 100 * k / m) for m, k in zip(AUDITS, column, strict=True) if k is not None and k >= 0])
        above = 3 if style == "--" else 2  # it lies on the line of the largest pool
        axes.plot(*shown.T, style, marker=".", label=name, zorder=above, linewidth=above - 0.5)
    axes.axhline(100 * error, color="grey", lw=0.8)
    axes.set(
        xlabel="audits",
        ylabel="errors the audit may show, %",
        title=f"Certifying {error:.0%} with {1 - delta:.0%} confidence",
    )
    axes.set_ylim(0, 170 * error)
    axes.legend(fontsize=8, loc="upper right", ncols=2)
    save(figure, "bounds")
    return 0


def held(allowed):
    return -1 if allowed is None else allowed


if __name__ == "__main__":
    raise SystemExit(main())
