"""Other strategies for the whole job, each as its source has it, on our embeddings and classifier.

Whatever a strategy asks of people is counted, validation and audits included. What its source leaves open is fixed here
and said; a share of labels is of the data set. None of them is told an answer that people did not give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.bench.labeling import Labeling
from autolabel.bench.pupil import Pupil
from autolabel.bench.rules import betting_threshold, conformal_selection, largest_share, tbal_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.bench.setting import Setting

NOBODY = np.empty(0, np.int64)
PROBES = 10
SMALL = 5_000
"""Data sets below it get a fifth of their objects for validation in Ground Truth, others a tenth."""


def humans(setting: Setting) -> Labeling:
    """People label everything."""
    return Labeling(NOBODY, NOBODY, setting.rest(), NOBODY, NOBODY)


def fixed_confidence(setting: Setting, share: float = 0.1, confidence: float = 0.95) -> Labeling:
    """Train on a random share, machine-label what is predicted with 0.95 or more: the usual home-made rule."""
    train = _draw(setting, "train", setting.pool, _count(setting, share))
    pupil = Pupil(setting)
    pupil.teach(train)
    left = np.setdiff1d(setting.pool, train)
    found = pupil.predict(left)
    sure = found.confidence >= confidence
    return _labeling(setting, train, NOBODY, left[sure], found.predicted[sure])


def bring_your_own_model(setting: Setting, *, repaired: bool = False) -> Labeling:
    """AWS's bring-your-own-model example: a fixed margin of 0.50, random selection, rows in file order.

    https://aws.amazon.com/blogs/machine-learning/bring-your-own-model-for-amazon-sagemaker-labeling-workflows-with-active-learning/
    The first fifth of the rows is labeled by people, the first tenth of the data set kept from training as
    validation, which nothing reads but early stopping. Every round machine-labels margins above 0.50 and asks people
    about a random tenth. `repaired` draws first batch and validation at random, and uses the validation set for what
    it is good for: the margin is the smallest whose validation objects are right often enough.
    """
    objects = len(setting.sample.truth)
    rows = setting.rng("rows").permutation(setting.pool) if repaired else setting.pool
    check, train = np.sort(rows[: objects // 10]), np.sort(rows[objects // 10 : objects // 5])
    pupil = Pupil(setting)
    machine, labels = [NOBODY], [NOBODY]
    left = np.setdiff1d(setting.pool, np.concatenate([check, train]))
    for number in range(objects):
        if not len(left):
            break
        pupil.teach(train)
        found = pupil.predict(left)
        sure = found.margin > (_expected_threshold(setting, pupil, check, "margin") if repaired else 0.50)
        machine.append(left[sure])
        labels.append(found.predicted[sure])
        left = left[~sure]
        picked = _draw(setting, f"select-{number}", left, max(1, objects // 10))
        train, left = np.union1d(train, picked), np.setdiff1d(left, picked)
    return _labeling(setting, train, check, np.concatenate(machine), np.concatenate(labels), pupil.lessons)


def ground_truth(setting: Setting) -> Labeling:
    """An emulation of Ground Truth's automated labeling as its guide describes it.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sms-automated-labeling.html
    Ten probes and the rest of a batch train; a random fifth (a tenth from 5,000 objects on) is the validation set,
    labeled once. Every round trains, sets the confidence above which validation objects are right as often as promised
    *on average*, machine-labels what is above it for good, and sends the batch of lowest confidence to people.
    """
    objects, batch = len(setting.sample.truth), setting.terms().batch
    order = setting.rng("probe").permutation(setting.pool)
    train = np.sort(order[: max(PROBES, batch)])
    size = objects // (5 if objects < SMALL else 10)
    check = np.sort(order[len(train) : len(train) + size])
    pupil = Pupil(setting)
    machine, labels = [NOBODY], [NOBODY]
    left = np.setdiff1d(setting.pool, np.concatenate([check, train]))
    while len(left):
        pupil.teach(train)
        found = pupil.predict(left)
        sure = found.confidence >= _expected_threshold(setting, pupil, check, "confidence")
        machine.append(left[sure])
        labels.append(found.predicted[sure])
        rest = np.flatnonzero(~sure)
        picked = left[rest[np.argsort(found.confidence[rest], kind="stable")[:batch]]]
        train, left = np.union1d(train, picked), np.setdiff1d(left[rest], picked)
    return _labeling(setting, train, check, np.concatenate(machine), np.concatenate(labels), pupil.lessons)


def tbal(setting: Setting, train_share: float = 0.2, check_share: float = 0.1) -> Labeling:
    """Threshold-based auto-labeling (Vishwakarma et al., NeurIPS 2023), thresholds per class with slack 0.25.

    A random validation set; rounds of a batch by margin, until the training budget is spent; every round
    machine-labels for good what lies above its class's threshold, and drops validation objects above it too.
    """
    batch = setting.terms().batch
    order = setting.rng("probe").permutation(setting.pool)
    check = np.sort(order[: _count(setting, check_share)])
    train = np.sort(order[len(check) : len(check) + batch])
    budget = _count(setting, train_share)
    pupil = Pupil(setting)
    machine, labels = [NOBODY], [NOBODY]
    validation, left = check, np.setdiff1d(setting.pool, np.concatenate([check, train]))
    while len(left):
        pupil.teach(train)
        found, checked = pupil.predict(left), pupil.predict(validation)
        wrong = checked.predicted != setting.people(validation)
        sure, told = np.zeros(len(left), bool), np.zeros(len(validation), bool)
        for number in range(setting.sample.classes):
            own, theirs = found.predicted == number, checked.predicted == number
            least = tbal_threshold(checked.confidence[theirs], wrong[theirs], setting.quality.error)
            sure |= own & (found.confidence >= least)
            told |= theirs & (checked.confidence >= least)
        machine.append(left[sure])
        labels.append(found.predicted[sure])
        validation, rest = validation[~told], np.flatnonzero(~sure)
        if len(train) >= budget or not len(rest):
            break
        picked = left[rest[np.argsort(found.margin[rest], kind="stable")[:batch]]]
        train, left = np.union1d(train, picked), np.setdiff1d(left[rest], picked)
    return _labeling(setting, train, check, np.concatenate(machine), np.concatenate(labels), pupil.lessons)


def mcal(setting: Setting, check_share: float = 0.05) -> Labeling:
    """Minimum-cost active labeling (Qiu, Chintalapudi and Govindan, ICLR 2023), fitted on a held-out labeled set.

    A random twentieth is the test set, a hundredth (two a class at least) the first training set. After every batch by
    margin, test errors of the most confident share theta are fitted by a truncated power law of the training size, and
    the pair of size and theta is sought that makes people's labels fewest with expected errors under the promise; the
    job stops where more training is not expected to help. The released code fits its curves on the true labels of the
    remainder; this one has only the test set.
    """
    objects, batch = len(setting.sample.truth), setting.terms().batch
    order = setting.rng("probe").permutation(setting.pool)
    check = np.sort(order[: _count(setting, check_share)])
    first = max(objects // 100, 2 * setting.sample.classes)
    train = np.sort(order[len(check) : len(check) + first])
    pupil, sizes, history = Pupil(setting), [], []
    thetas = np.arange(1, 21) / 20
    while True:
        pupil.teach(train)
        checked = pupil.predict(check)
        wrong = (checked.predicted != setting.people(check))[np.argsort(-checked.margin, kind="stable")]
        counts = np.maximum(1, (thetas * len(wrong)).astype(int))
        history.append(np.cumsum(wrong)[counts - 1] / counts)
        sizes.append(len(train))
        left = np.setdiff1d(setting.pool, np.concatenate([check, train]))
        now = _mcal_cost(np.asarray(sizes), history, thetas, len(check), objects, setting.quality.error, [len(train)])
        later = [len(train) + batch * step for step in (1, 2, 4, 8, 16) if batch * step < len(left)]
        then = _mcal_cost(np.asarray(sizes), history, thetas, len(check), objects, setting.quality.error, later)
        if not later or (len(sizes) >= 3 and then[0] >= now[0]):
            break
        picked = pupil.predict(left).margin
        train = np.union1d(train, left[np.argsort(picked, kind="stable")[:batch]])
    found = pupil.predict(left)
    sure = np.argsort(-found.margin, kind="stable")[: int(now[1] * len(left))]
    return _labeling(setting, train, check, left[sure], found.predicted[sure], pupil.lessons)


def pac_labels(setting: Setting, share: float) -> Labeling:
    """PAC labels (Candès, Ilyas and Zrnic 2025) after training on a random share: the dataset contract by betting."""
    draws = _draws(setting)
    train = _draw(setting, "train", setting.pool, _count(setting, share))
    pupil = Pupil(setting)
    pupil.teach(train)
    left = np.setdiff1d(setting.pool, train)
    found = pupil.predict(left)
    drawn = setting.rng("audit").integers(0, len(left), draws)
    wrong = found.predicted[drawn] != setting.people(left[drawn])
    allowed = setting.quality.error * len(setting.sample.truth) / len(left)
    uncertainty = 1.0 - found.confidence.astype(np.float64)
    least = betting_threshold(uncertainty, drawn, wrong, allowed, setting.quality.delta)
    check = np.unique(left[drawn])
    sure = (uncertainty < least) & ~np.isin(left, check)
    return _labeling(setting, train, check, left[sure], found.predicted[sure])


def conformal(setting: Setting, share: float = 0.1) -> Labeling:
    """Conformal labeling (Huang et al. 2025) after training on a random share: wrong machine labels in expectation."""
    train = _draw(setting, "train", setting.pool, _count(setting, share))
    pupil = Pupil(setting)
    pupil.teach(train)
    check = _draw(setting, "audit", np.setdiff1d(setting.pool, train), _draws(setting))
    left = np.setdiff1d(setting.pool, np.concatenate([train, check]))
    checked, found = pupil.predict(check), pupil.predict(left)
    wrong = checked.predicted != setting.people(check)
    sure = conformal_selection(checked.confidence[wrong], len(check), found.confidence, setting.quality.error)
    return _labeling(setting, train, check, left[sure], found.predicted[sure])


def _mcal_cost(
    sizes: NDArray[np.int64],
    history: list[NDArray[np.float64]],
    thetas: NDArray[np.float64],
    check: int,
    objects: int,
    error: float,
    candidates: list[int],
) -> tuple[float, float]:
    """Fewest labels by people over training sizes and shares, and the share: what the curves promise."""
    best = (float(objects), 0.0)
    curves = np.log(np.maximum(np.asarray(history), 1e-3))
    for size in candidates:
        left = objects - check - size
        for number, theta in enumerate(thetas):
            fitted = curves[-1, number]
            if len(sizes) >= 3 and size != sizes[-1]:
                slope, height = np.polyfit(np.log(sizes), curves[:, number], 1)
                fitted = height + min(0.0, slope) * np.log(size)
            if theta * left * np.exp(fitted) <= error * objects:
                best = min(best, (check + size + (1.0 - theta) * left, float(theta)))
    return best


def _expected_threshold(setting: Setting, pupil: Pupil, check: NDArray[np.int64], by: str) -> float:
    """Score from which on validation objects are right often enough on average; infinite where there is none."""
    checked = pupil.predict(check)
    score = checked.margin if by == "margin" else checked.confidence
    return largest_share(score, checked.predicted != setting.people(check), setting.quality.error)


def _labeling(
    setting: Setting,
    train: NDArray[np.int64],
    check: NDArray[np.int64],
    machine: NDArray[np.int64],
    labels: NDArray[np.int64],
    lessons: int = 1,
) -> Labeling:
    """Let people label whatever is left."""
    return Labeling(train, check, setting.rest(train, check, machine), machine, labels, rounds=lessons)


def _draws(setting: Setting) -> int:
    """Draws of an audit: the 500 that the papers have for ten thousand objects, scaled, but a hundred at least."""
    return max(100, min(1_000, len(setting.sample.truth) // 20))


def _count(setting: Setting, share: float) -> int:
    return min(round(share * len(setting.sample.truth)), len(setting.pool))


def _draw(setting: Setting, name: str, pool: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.sort(setting.rng(name).choice(pool, min(count, len(pool)), replace=False))
