"""What other rules for the dataset contract would buy: a coin between two allowances, and an audit of a region only.

    python -m benchmarks.certificate.tightness FOLDER [--trials 2000]

Machine shares at 5 % and 95 %, with the number of audits of the paper and with the economical one just below it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from autolabel.quality.audit import draw_audit, walk
from autolabel.quality.rule import allowed_errors, audits_needed, violation_bound, wrong_labels_that_break
from benchmarks.certificate.confidences import load

ERROR = DELTA = 0.05


def share(wrong, region, audits, limit, trials, rng, *, coin):
    """Mean machine share; with the coin the allowance is one more just so often that delta is attained."""
    allowed = allowed_errors(region, limit, audits, DELTA)
    below, above = (violation_bound(region, limit, audits, allowed + more) for more in (0, 1))
    often = (DELTA - below) / (above - below) if coin else 0.0
    total = 0
    for _ in range(trials):
        ranks = draw_audit(region, audits, rng)
        total += walk(region, ranks, wrong[ranks], allowed + int(rng.random() < often)).machine_labeled
    return total / trials / len(wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=2_000)
    options = parser.parse_args()
    print("| data set | n | audits | the rule | with a coin | region only | region and coin |\n" + "|---" * 7 + "|")
    for name, audits in (("stance", 450), ("misinfo", 440), ("imagenetv2", 1_000), ("imagenet", 1_000)):
        rng = np.random.default_rng(0)
        data = load(options.folder, name)
        data = data.take(rng.permutation(len(data.wrong))[:10_000])
        wrong = data.wrong[np.argsort(-data.confidence, kind="stable")]
        size = len(wrong)
        limit = wrong_labels_that_break(ERROR, size)
        economical = audits_needed(size, limit, allowed_errors(size, limit, audits, DELTA), DELTA)
        region = min(size, int(1.15 * np.sum(np.cumsum(wrong) < limit)))
        for count in (audits, economical):
            # With a region the audit is thinned as well: the same objects before the stop are audited.
            shapes = ((size, count), (region, round(count * region / size)))
            found = [
                share(wrong, *shape, limit, options.trials, rng, coin=coin)
                for shape in shapes
                for coin in (False, True)
            ]
            print(
                f"| {name} | {size:,} | {count:,} | " + " | ".join(f"{value:.2%}" for value in found) + " |", flush=True
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
