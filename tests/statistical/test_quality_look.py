"""The look of a job, replayed in memory: whatever the errors, the budget and who stays silent, a granted certificate is
broken at most as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from autolabel.quality.certificate import Audited, Certificate, Delivered
from autolabel.quality.contract import Contract, Quality
from autolabel.quality.design import Frozen, Room
from autolabel.quality.look import design_to_json, plan_look
from autolabel.quality.planner import Budget, Calibration, Prices, Situation

SIZE, CLASSES, LABELED = 1_200, 3, 100
QUALITIES = {contract: Quality(0.1, 0.8, contract) for contract in Contract}
"""A promise that is loose enough to be broken within a few hundred runs if it can be."""
BUDGETS = {"free": Budget(), "people": Budget(human_labels=420), "labels": Budget(labels=700), "both": Budget(400, 650)}
RUNS = 1_500
QUICK = 80


def layouts(probability, predicted, rng):
    """Wrong predictions along the order: what models do, and what would hurt most."""
    rank = np.arange(len(probability))
    found = {
        "as predicted": rng.random(len(rank)) < probability,
        "twice as predicted": rng.random(len(rank)) < 2 * probability,
        "front": rank < 150,
        "uniform": rng.random(len(rank)) < 0.12,
        "blocks": (rank // 25) % 6 == 5,
        "one class": (predicted == 1) & (rng.random(len(rank)) < 0.3),
        "none": rank < 0,
        "all": rank >= 0,
    }
    return found | {f"right before rank {begin}": rank >= begin for begin in (400, 600, 750, 900)}


class Replay:
    """One planned look, which is then taken many times."""

    def __init__(self, contract, budget, seed=0, *, ties=False):
        rng = np.random.default_rng(seed)
        probability = np.sort(rng.beta(0.35, 5.0, SIZE))
        if ties:
            probability = np.round(probability, 1)
        self.quality, self.budget = QUALITIES[contract], budget
        self.frozen = Frozen.of(np.arange(0, 2 * SIZE, 2), rng.integers(0, CLASSES, SIZE), probability)
        situation = Situation(LABELED, Prices(1.0, 0.1), budget, Calibration(1.0, 0.7, 1.4), may_fail=10)
        self.design = plan_look(self.frozen, self.quality, situation).design

    def take(self, wrong, silent, rng):
        """Certificate and machine ranks of one audit, as a job comes to them."""
        ranks = self.design.draw(self.frozen, rng)
        losses = (wrong | silent)[ranks].astype(float)
        lost = int(silent[ranks].sum())
        people = LABELED + len(ranks) - lost
        left = Budget(
            None if self.budget.human_labels is None else self.budget.human_labels - len(ranks),
            None if self.budget.labels is None else self.budget.labels - len(ranks) + lost,
        )
        outcome = self.design.walk(self.frozen, ranks, losses, Room(people, left, lost))
        machine = outcome.machine_ranks
        rest = np.setdiff1d(np.arange(SIZE), np.concatenate([ranks, machine]))
        rest = rest[: left.after(len(machine)).people]
        delivered = Delivered(people + int((~silent[rest]).sum()), len(machine))
        audited = Audited(
            design=self.design, facts=design_to_json(self.design), remainder=SIZE,
            audit=tuple(ranks.tolist()), wrong=tuple(ranks[losses > 0].tolist()), unanswered=(),
            walks=outcome.walks, reason=outcome.reason, refused=outcome.refused, model_sha256="", scores_sha256="",
        )  # fmt: skip
        assert len(np.intersect1d(machine, ranks)) == 0
        assert left.labels is None or len(machine) <= left.labels
        return Certificate.of(self.quality, audited, delivered, seed=0, stopped=False), machine

    def is_broken(self, certificate, machine, wrong):
        """Whether a granted certificate says what is not so, of the share and of every number in it."""
        if not certificate.granted:
            return False
        bad = wrong[machine]
        classes = self.frozen.predicted[machine]
        counted = {walk.predicted: bad if walk.predicted is None else bad[classes == walk.predicted]
                   for walk in certificate.walks}  # fmt: skip
        assert all(len(counted[walk.predicted]) == walk.machine_labeled for walk in certificate.walks)
        share = self.quality.error * {
            Contract.DATASET: np.asarray([certificate.objects]),
            Contract.MACHINE: np.asarray([len(machine)]),
            Contract.PER_CLASS: np.asarray([len(own) for own in counted.values()]),
        }[self.quality.contract]  # fmt: skip
        at_most = np.asarray([walk.wrong_at_most for walk in certificate.walks])
        assert (at_most <= share + 1e-9).all()
        return bool((np.asarray([own.sum() for own in counted.values()]) > at_most).any())


def silences(wrong, rng):
    """Objects that nobody answers: none, at random, or just those that would have spoken for the machine."""
    return {
        "nobody": np.zeros(SIZE, dtype=bool),
        "some": rng.random(SIZE) < 0.02,
        "the right ones": ~wrong & (rng.random(SIZE) < 0.05),
        "the wrong ones": wrong & (rng.random(SIZE) < 0.5),
    }


def check(contract, budget, runs, *, ties=False):
    rng = np.random.default_rng(1)
    replay = Replay(contract, BUDGETS[budget], ties=ties)
    delta = replay.quality.delta
    rates, granted = {}, 0
    for name, wrong in layouts(replay.frozen.error_probability, replay.frozen.predicted, rng).items():
        for who, silent in silences(wrong, rng).items():
            broken = 0
            # Labels of objects that nobody can label are wrong, if the machine gives them one.
            for _ in range(runs if who == "nobody" else runs // 4):
                certificate, machine = replay.take(wrong, silent, rng)
                granted += certificate.granted and certificate.machine_labeled > 0
                broken += replay.is_broken(certificate, machine, wrong | silent)
            rates[name, who] = broken / (runs if who == "nobody" else runs // 4)
    assert granted
    too_often = {
        case: rate
        for case, rate in rates.items()
        if rate > delta + 3 * np.sqrt(delta * (1 - delta) / (runs if case[1] == "nobody" else runs // 4))
    }
    return too_often, rates


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("contract", list(Contract))
def test_a_look_keeps_its_promise_on_a_quick_sample(contract, budget):
    too_often, _ = check(contract, budget, QUICK)
    assert not too_often


@pytest.mark.parametrize("contract", list(Contract))
def test_a_look_over_ties_keeps_its_promise(contract):
    too_often, _ = check(contract, "free", QUICK, ties=True)
    assert not too_often


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(400, marks=pytest.mark.slow),
        pytest.param(RUNS, marks=[pytest.mark.exhaustive, pytest.mark.timeout(3600)]),
    ],
)
@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("contract", list(Contract))
def test_a_look_keeps_its_promise(contract, budget, runs):
    too_often, rates = check(contract, budget, runs)
    assert not too_often
    if budget == "free":
        assert max(rates.values()) > 0.25 * QUALITIES[contract].delta, "the layouts do not test the promise"


@pytest.mark.parametrize("contract", list(Contract))
def test_a_model_that_has_seen_the_audit_breaks_every_promise(contract):
    """The mutation: the audit's labels train the model, which is then right on the audit and nowhere else."""
    rng = np.random.default_rng(3)
    replay = Replay(contract, Budget())
    honest = leaked = 0
    silent = np.zeros(SIZE, dtype=bool)
    wrong = rng.random(SIZE) < 0.3
    for _ in range(QUICK):
        state = rng.bit_generator.state
        certificate, machine = replay.take(wrong, silent, rng)
        honest += replay.is_broken(certificate, machine, wrong)
        rng.bit_generator.state = state  # the same audit again, learned by heart
        learned = wrong.copy()
        learned[replay.design.draw(replay.frozen, rng)] = False
        rng.bit_generator.state = state
        certificate, machine = replay.take(learned, silent, rng)
        leaked += replay.is_broken(certificate, machine, learned)
    assert honest <= QUALITIES[contract].delta * QUICK + 3 * np.sqrt(0.16 * QUICK)
    assert leaked > 0.9 * QUICK
