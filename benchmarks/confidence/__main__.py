"""What the confidence is worth: the order of a remainder by a learned error probability, and by simpler scores.

    python -m benchmarks.confidence FOLDER... [--share 0.12] [--seeds 3] [--cache FOLDER]

Each folder holds ``manifest.jsonl``, ``truth.jsonl`` and ``labels.json``. A job's rounds are replayed until a share of
the objects is labeled; then every score orders the same remainder, fitted on the same labels. Printed are the area
under the risk-coverage curve (mean error of the most confident 1, 2, ... objects; less is better) and the share of all
objects that the machine could label at 1, 2, 5 and 10 % promised error, with the audit that is best when the errors are
known. Pictures go to ``results/``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from autolabel.bench.people import People
from autolabel.bench.sample import Sample
from autolabel.bench.setting import Setting
from autolabel.policy.replay import Rounds
from autolabel.quality.contract import Quality
from autolabel.quality.design import Frozen
from autolabel.quality.look import plan_look
from autolabel.quality.planner import Calibration, Prices, Situation
from benchmarks.confidence.plots import draw
from benchmarks.confidence.scores import Standing, scores

ERRORS = (0.01, 0.02, 0.05, 0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument(
        "--share", type=float, default=0.12, help="of the objects, labeled before the scores are fitted"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "autolabel-samples")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for folder in options.folders:
        sample = Sample.open(folder, options.cache, image_size=options.image_size)
        results, curves = measure(sample, options)
        if options.json:
            print(json.dumps(results))
        else:
            print_table(sample.name, results)
        draw(sample.name, curves, Path(__file__).parent / "results")
    return 0


def measure(sample, options):
    """Mean figures over seeds, and one seed's curves."""
    found, curves = {}, {}
    for seed in range(options.seeds):
        setting = Setting(sample, People.right(sample.truth), Quality(), seed)
        at = standing(setting, options.share)
        truth = sample.truth[at.remainder]
        for name, (predicted, risk) in scores(at, setting.rng("scores")).items():
            order = np.argsort(risk, kind="stable")
            wrong = (predicted != truth)[order]
            curve = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
            shares = [machine_share(wrong, len(at.objects), error) for error in ERRORS]
            found.setdefault(name, []).append([wrong.mean(), curve.mean(), *shares])
            if seed == 0:
                curves[name] = (curve, np.asarray(risk)[order], wrong)
    return {name: np.mean(rows, axis=0).tolist() for name, rows in found.items()}, curves


def standing(setting, share) -> Standing:
    """Replay rounds until so many objects are labeled."""
    sample = setting.sample
    rounds = Rounds.begin(sample.learner, setting.people, setting.terms(), setting.rng, setting.pool)
    rounds.train()
    while len(rounds.labeled) < share * len(sample.truth):
        rounds.buy(setting.terms().batch)
        rounds.train()
    return Standing(sample.learner, rounds.model, rounds.labeled, rounds.labels, rounds.remainder, sample.classes)


def machine_share(wrong, labeled, error) -> float:
    """Share of all objects that the machine labels after the best audit in hindsight."""
    count = len(wrong)
    frozen = Frozen(np.arange(count), np.zeros(count, np.int64), wrong.astype(float))
    situation = Situation(labeled, Prices(1.0, 0.0), calibration=Calibration(1.0, 1.0, 1.0))
    return plan_look(frozen, Quality(error), situation).machine / (labeled + count)


def print_table(name, results) -> None:
    print(f"\n{name}\n\n| score | error | area | at 1 % | at 2 % | at 5 % | at 10 % |\n|---|---|---|---|---|---|---|")
    for score, (error, area, *shares) in results.items():
        print(f"| {score} | {error:.4f} | {area:.5f} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")


if __name__ == "__main__":
    sys.exit(main())
