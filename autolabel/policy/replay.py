"""A whole job in memory, for those who know every answer: the same decisions as a stored job, without its files.

What a labeling strategy costs can only be told from many jobs on data whose truth is known. A stored job writes every
answer durably; a replay takes a hundredth of the time and, given the same generators, asks the same objects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from autolabel.policy.batches import first_batch, next_batch
from autolabel.policy.round import Evidence, assess, search_again
from autolabel.policy.terms import PROBES
from autolabel.policy.tuning import worth_tuning
from autolabel.quality.design import Frozen, Room
from autolabel.quality.planner import Budget
from autolabel.quality.prospect import Decision
from autolabel.selection.batch import uniform_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.learning.base import Arrays, Learner, Predictions
    from autolabel.policy.round import Assessment
    from autolabel.policy.terms import Terms
    from autolabel.quality.design import Design, Outcome
    from autolabel.selection.batch import Batch

Ask = Callable[["NDArray[np.int64]"], "NDArray[np.int64]"]
"""People: object numbers ``(n,)`` to class ids ``(n,)``; they say the same when asked again."""
Tune = Callable[["Learner", "NDArray[np.int64]", "NDArray[np.int64]"], "Learner"]
"""Trains a learner's network on objects and their class ids, and returns the learner that it has become."""
Generators = Callable[[str], np.random.Generator]
"""A generator for each named decision, as `autolabel.job.run.Run.rng` has them."""


@dataclass(frozen=True, slots=True)
class ReplayedRound:
    """What was known and decided after a round."""

    trained_on: int
    remainder: int
    predicted_errors: float
    assessment: Assessment


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """A finished replay; objects that appear nowhere in it were labeled by people after the walk, or by nobody."""

    trained: NDArray[np.int64]
    """Objects labeled for training, ascending."""
    audited: NDArray[np.int64]
    machine: NDArray[np.int64]
    """Objects labeled by the machine."""
    machine_labels: NDArray[np.int64]
    rest: int
    """Objects labeled by people after the walk."""
    frozen: Frozen
    design: Design
    outcome: Outcome
    rounds: tuple[ReplayedRound, ...]

    @property
    def people(self) -> int:
        """Labels by people."""
        return len(self.trained) + len(self.audited) + self.rest


@dataclass(slots=True)
class Rounds:
    """The training part of a replay, a round at a time; what comes after it is up to a strategy."""

    learner: Learner
    ask: Ask
    terms: Terms
    rng: Generators
    pool: NDArray[np.int64]
    """Every object that can be labeled, ascending."""
    budget: Budget
    labeled: NDArray[np.int64]
    labels: NDArray[np.int64]
    evidence: Evidence
    model: Arrays | None = None
    predictions: Predictions | None = None
    searched_at: int | None = None
    number: int = 0
    scored: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Objects of `predictions`."""
    trained_on: int = 0
    tuned_at: int | None = None

    @classmethod
    def begin(
        cls,
        learner: Learner,
        ask: Ask,
        terms: Terms,
        rng: Generators,
        pool: NDArray[np.int64],
        budget: Budget | None = None,
    ) -> Rounds:
        """Have the probe and the first batch labeled."""
        nobody = np.empty(0, np.int64)
        rounds = cls(learner, ask, terms, rng, pool, budget or Budget(), nobody, nobody, Evidence())
        rounds.take(uniform_batch(pool, min(PROBES, rounds.budget.people), rng("probe")).objects)
        size = min(max(0, terms.batch - len(rounds.labeled)), rounds.budget.people)
        rounds.take(first_batch(learner, rounds.remainder, size, rng("first")).objects)
        return rounds

    @property
    def remainder(self) -> NDArray[np.int64]:
        """Objects without a label, ascending."""
        return np.setdiff1d(self.pool, self.labeled, assume_unique=True)

    def take(self, objects: NDArray[np.int64]) -> None:
        """Have objects labeled, for training."""
        both = np.concatenate([self.labeled, objects])
        order = np.argsort(both)
        self.labels = np.concatenate([self.labels, self.ask(objects)])[order]
        self.labeled = both[order]
        self.budget = self.budget.minus(len(objects))

    def train(self) -> Predictions:
        """Fit on what is labeled and predict the remainder."""
        before, remainder = self.predictions, self.remainder
        search = search_again(len(self.labeled), self.searched_at)
        if search:
            self.searched_at = len(self.labeled)
        self.model, _ = self.learner.fit(self.labeled, self.labels.tolist(), previous=self.model, search=search)
        self.predictions = self.learner.score(self.model, remainder)
        self.number += 1
        if before is not None:
            places = np.searchsorted(self.scored, remainder)
            errors = float(before.error_probability[places].sum(dtype=np.float64))
            now = float(self.predictions.error_probability.sum(dtype=np.float64))
            self.evidence = self.evidence.learned(labels=(self.trained_on, len(self.labeled)), errors=(errors, now))
        self.scored, self.trained_on = remainder, len(self.labeled)
        return self.predictions

    def tune(self, tune: Tune) -> None:
        """Train the network too; what heads had learned is about features that are no longer looked at."""
        self.learner = tune(self.learner, self.labeled, self.labels)
        self.model, self.searched_at, self.tuned_at = None, None, self.trained_on

    def buy(self, size: int) -> Batch:
        """Have the strategy's next batch labeled."""
        if self.model is None or self.predictions is None:
            msg = "a batch is chosen by a trained model; train first"
            raise RuntimeError(msg)
        predictions, scored = self.predictions, self.scored
        batch = next_batch(
            self.learner,
            self.model,
            scored,
            predictions,
            self.labeled,
            strategy=self.terms.selection,
            size=size,
            rng=self.rng(f"round-{self.number:03d}"),
        )
        self.take(batch.objects)
        places = np.searchsorted(scored, batch.explored)
        told = self.labels[np.searchsorted(self.labeled, batch.explored)]
        wrong = predictions.predicted[places] != told
        self.evidence = self.evidence.explored(predictions.error_probability[places], wrong)
        return batch


def replay(
    learner: Learner,
    ask: Ask,
    terms: Terms,
    rng: Generators,
    *,
    pool: NDArray[np.int64],
    budget: Budget | None = None,
    tune: Tune | None = None,
) -> Replayed:
    """Label a data set: rounds, look, and people for the rest.

    Parameters
    ----------
    learner
        Prepared on the pool.
    ask
        People; they are asked about every object at most once.
    pool
        Objects, ascending, shape ``(N,)``.
    tune
        What trains the network, where the terms allow it.
    """
    rounds = Rounds.begin(learner, ask, terms, rng, pool, budget)
    told = []
    while True:
        predictions = rounds.train()
        remainder = rounds.remainder
        found = assess(
            terms,
            remainder,
            predictions,
            rounds.evidence,
            labeled=len(rounds.labeled),
            trained_on=len(rounds.labeled),
            budget=rounds.budget,
            may_fail=min(len(remainder), 1 + len(remainder) // 200),
        )
        errors = float(predictions.error_probability.sum(dtype=np.float64))
        told.append(ReplayedRound(len(rounds.labeled), len(remainder), errors, found))
        if tune is not None and worth_tuning(
            terms,
            found,
            labeled=len(rounds.labeled),
            trained_on=len(rounds.labeled),
            tuned_at=rounds.tuned_at,
        ):
            rounds.tune(tune)
            continue
        if found.decision is Decision.LOOK:
            break
        rounds.buy(found.buy)
    frozen = Frozen.of(remainder, predictions.predicted, predictions.error_probability)
    return take_look(rounds, frozen, found.look.design, tuple(told))


def take_look(rounds: Rounds, frozen: Frozen, design: Design, told: tuple[ReplayedRound, ...] = ()) -> Replayed:
    """Audit, walk, machine-label; people label the rest as far as they may."""
    ranks = design.draw(frozen, rounds.rng("audit"))
    audited = frozen.objects[ranks]
    losses = (frozen.predicted[ranks] != rounds.ask(audited)).astype(np.float64)
    budget = rounds.budget.minus(len(audited))
    outcome = design.walk(frozen, ranks, losses, Room(len(rounds.labeled) + len(audited), budget))
    machine = outcome.machine_ranks
    left = len(frozen) - len(audited) - len(machine)
    return Replayed(
        trained=rounds.labeled,
        audited=np.sort(audited),
        machine=frozen.objects[machine],
        machine_labels=frozen.predicted[machine],
        rest=min(left, budget.after(len(machine)).people),
        frozen=frozen,
        design=design,
        outcome=outcome,
        rounds=told,
    )
