"""A round: whom to ask, what the model learned, and what the planner says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import JobFailedError
from autolabel.job.settings import MICRO
from autolabel.job.steps import StepOutput
from autolabel.learning.base import Predictions
from autolabel.policy.batches import first_batch, next_batch
from autolabel.policy.round import Evidence, assess, search_again
from autolabel.policy.terms import PROBES, Terms, batch_size, round_seconds
from autolabel.policy.tuning import FineTune, tune_from, worth_tuning
from autolabel.quality.look import design_to_json
from autolabel.quality.prospect import Decision
from autolabel.selection.batch import Batch, uniform_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.job.run import Run
    from autolabel.job.steps import StepRecord
    from autolabel.learning.base import Arrays
    from autolabel.quality.planner import Forecast

MOST_FAILED_PROBES = 0.1


def round_name(number: int) -> str:
    """Name of round `number`'s steps."""
    return f"round-{number:03d}"


def choose_probe(run: Run) -> Batch:
    """Ten random objects, or fewer when a budget or the pool says so."""
    pool = run.unlabeled()
    size = min(PROBES, run.budget().people, run.request.max_concurrent_tasks)
    return uniform_batch(pool, size, run.rng("probe"))


def check_probe(run: Run, labeled: list[int]) -> None:
    """End the job when more than a tenth of the probes failed: something is wrong with the task itself."""
    probe = run.steps.stored("probe.ask")
    asked = len(probe.result["objects"]) if probe else 0
    failed = asked - len(labeled)
    if failed > MOST_FAILED_PROBES * asked:
        raise JobFailedError(
            f"ClientError: {failed} of the first {asked} data objects could not be labeled; more than 10 % is too "
            "many to go on. See the failure reason of each object in the output manifest."
        )


def choose_first(run: Run) -> Batch:
    """Fill the first training batch up; labels that came with the manifest count as part of it."""
    have = len(run.labels_by_people()[0])
    size = min(max(0, terms_of(run).batch - have), run.budget().people)
    return first_batch(run.model, run.unlabeled(), size, run.rng("first"))


def terms_of(run: Run) -> Terms:
    """What was agreed before the job.

    A training is charged by its size, not by the clock: a job that is killed and goes on must decide as it did before.
    """
    classes = len(run.task.categories)
    may_tune = run.settings.fine_tune is FineTune.AUTO and run.learner is not None and run.learner.tunable
    second_price = run.prices.compute_hour / MICRO / 3600
    return Terms(
        objects=run.objects,
        quality=run.settings.quality,
        prices=run.prices.per_object(run.request.workers_per_object),
        batch=batch_size(
            run.objects,
            classes,
            asked=run.settings.batch,
            at_once=run.request.max_concurrent_tasks,
        ),
        selection=run.settings.selection,
        training_price=second_price * round_seconds(run.objects, classes),
        second_price=second_price,
        tune_from=tune_from(classes) if may_tune else None,
    )


@dataclass(frozen=True, slots=True)
class Round:
    """What a round found; read from its step."""

    number: int
    decision: Decision
    record: StepRecord

    @property
    def tune(self) -> bool:
        """Whether the network is trained before anything else is decided."""
        return bool(self.record.result["tune"])

    def model(self) -> Arrays:
        """Return the model of the round."""
        arrays = self.record.arrays()
        return {name.removeprefix("model."): array for name, array in arrays.items() if name.startswith("model.")}

    def remainder(self) -> NDArray[np.int64]:
        """Objects that were unlabeled when the round scored, ascending."""
        return np.asarray(self.record.arrays()["remainder"])

    def predictions(self) -> Predictions:
        """Predictions of the remainder, in its order."""
        arrays = self.record.arrays()
        return Predictions(
            arrays["predicted"].astype(np.int64),
            arrays["confidence"],
            arrays["margin"],
            arrays["error_probability"],
        )


def learn(run: Run, number: int) -> Round:
    """Train on everything people labeled, score the remainder, forecast a look, decide."""
    run.check_stop()
    name = f"{round_name(number)}.learn"
    if not run.steps.known(name):
        run.progress.phase("training and scoring", round_number=number)
    record = run.steps.run(name, lambda: _learn(run, number))
    return Round(number, Decision(record.result["decision"]), record)


def _learn(run: Run, number: int) -> StepOutput:
    objects, labels = training_set(run)
    stored = run.steps.stored(f"{round_name(number - 1)}.learn")
    before = None if stored is None else Round(number - 1, Decision.BUY, stored)
    searched_at = None if before is None else before.record.result["searched_at"]
    tuned_at = None if before is None else before.record.result["tuned_at"]
    previous = None if before is None else before.model()
    if before is not None and before.tune:  # what it learned is about features that are no longer looked at
        searched_at, previous, tuned_at = None, None, before.record.result["trained_on"]
    search = search_again(len(objects), searched_at)
    model, out_of_fold = run.model.fit(objects, labels, previous=previous, search=search)
    remainder = run.unlabeled()
    predictions = run.model.score(model, remainder)
    evidence = Evidence() if before is None else _evidence(run, before, remainder, predictions, len(objects))
    terms, labeled = terms_of(run), len(run.labels_by_people()[0])
    found = assess(
        terms,
        remainder,
        predictions,
        evidence,
        labeled=labeled,
        trained_on=len(objects),
        budget=run.budget(),
        may_fail=_may_fail(run, len(remainder)),
    )
    result = {
        "decision": found.decision.value,
        "buy": found.buy,
        "trained_on": len(objects),
        "searched_at": len(objects) if search else searched_at,
        "tune": worth_tuning(
            terms,
            found,
            labeled=labeled,
            trained_on=len(objects),
            tuned_at=tuned_at,
        ),
        "tuned_at": tuned_at,
        "remainder": len(remainder),
        "mean_error": round(float(predictions.error_probability.mean()), 6) if len(remainder) else 0.0,
        "forecast": found.expected.to_json(),
        "look": _look_facts(found.look),
        "ahead": [prospect.to_json() for prospect in found.ahead],
        "evidence": evidence.to_json(),
    }
    arrays = {
        **{f"model.{key}": array for key, array in model.items()},
        "remainder": remainder,
        "predicted": predictions.predicted.astype(np.int32),
        "confidence": predictions.confidence,
        "margin": predictions.margin,
        "error_probability": predictions.error_probability,
        "trained.objects": objects,
        "trained.predicted": out_of_fold.predicted.astype(np.int32),
        "trained.error_probability": out_of_fold.error_probability,
    }
    return StepOutput(result, arrays)


def _look_facts(look: Forecast) -> dict[str, Any]:
    return {
        "human_total": look.human_total,
        "low": look.low,
        "high": look.high,
        "machine": look.machine,
        "audits": look.design.audits,
        "design": design_to_json(look.design),
        "rest": look.rest,
        "unlabeled": look.unlabeled,
        "cost": round(look.cost, 6),
    }


def training_set(run: Run) -> tuple[NDArray[np.int64], list[Any]]:
    """Objects labeled by people that have an embedding, and their labels."""
    objects, labels = run.labels_by_people()
    embedded = run.steps.stored("embed")
    missing = set(embedded.result["not_embedded"]) if embedded else set()
    keep = [place for place, number in enumerate(objects.tolist()) if number not in missing]
    return objects[keep], [labels[place] for place in keep]


def _evidence(run: Run, before: Round, remainder: NDArray[np.int64], predictions: Predictions, labels: int) -> Evidence:
    """What the last batch told of the last predictions: of its uniform picks, and of the objects that stayed."""
    result, was = before.record.result, before.predictions()
    evidence = Evidence.from_json(result["evidence"])
    asked = run.steps.stored(f"{round_name(before.number)}.ask")
    labeled = run.steps.stored(f"{round_name(before.number)}.labels")
    if asked is not None and labeled is not None:
        truth = labeled.result["labels"]
        picks = [pick for pick in asked.result["explored"] if str(pick) in truth]
        places = np.searchsorted(before.remainder(), picks)
        predicted = [run.predicted_label(int(key)) for key in was.predicted[places]]
        wrong = run.task.loss(predicted, [truth[str(pick)] for pick in picks]) > 0
        evidence = evidence.explored(was.error_probability[places], wrong)
    stayed = np.searchsorted(before.remainder(), remainder)
    errors = [
        float(each.sum(dtype=np.float64)) for each in (was.error_probability[stayed], predictions.error_probability)
    ]
    return evidence.learned(labels=(result["trained_on"], labels), errors=(errors[0], errors[1]))


def choose_informative(run: Run, after: Round) -> Batch:
    """Let the job's strategy choose, with a share of uniform exploration."""
    return next_batch(
        run.model,
        after.model(),
        after.remainder(),
        after.predictions(),
        training_set(run)[0],
        strategy=run.settings.selection,
        size=after.record.result["buy"],
        rng=run.rng(round_name(after.number)),
    )


def _may_fail(run: Run, remainder: int) -> int:
    """Objects of the remainder that people may fail to label: one in 200, or twice the rate seen so far.

    The promise is computed as if they were not delivered, so that it survives them.
    """
    row = run.store.one(
        "SELECT COUNT(*) AS asked, COUNT(failure.object) AS failed FROM task LEFT JOIN failure USING (object)"
    )
    seen = 2 * remainder * row["failed"] // row["asked"] if row is not None and row["asked"] else 0
    return min(remainder, 1 + max(seen, remainder // 200))


def choose_rest(run: Run, machine: NDArray[np.int64]) -> Batch:
    """Objects that neither people nor the machine labeled, in manifest order, as many as may be asked at once."""
    left = np.setdiff1d(run.unlabeled(), machine, assume_unique=True)
    most = min(run.request.max_concurrent_tasks, run.budget().after(len(machine)).people)
    return Batch(left[:most], np.empty(0, np.int64))
