"""A round: whom to ask, what the model learned, and what the planner says."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import JobFailedError
from autolabel.job.steps import StepOutput
from autolabel.learning.base import Predictions
from autolabel.quality.design import Frozen
from autolabel.quality.look import design_to_json, plan_look
from autolabel.quality.planner import Budget, Decision, Outlook, Situation, calibrate, decide
from autolabel.selection.batch import Batch, uniform_batch
from autolabel.selection.diversity import medoids
from autolabel.selection.strategies import STRATEGIES
from autolabel.selection.view import PoolView

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.job.run import Run
    from autolabel.job.steps import StepRecord
    from autolabel.learning.base import Arrays
    from autolabel.quality.planner import Forecast

PROBES = 10
"""Objects that people label before anything else; Ground Truth's own number."""
MOST_FAILED_PROBES = 0.1
FIRST_SAMPLE = 5_000
"""Objects among which the first batch is spread."""
WARM_STRATEGY = "margin-diverse"
"""Chooses the first batch of a job that starts from a checkpoint."""
SEARCH_AGAIN = 2.0
"""Hyper-parameters are searched again when the labels have grown by this factor."""


def round_name(number: int) -> str:
    """Name of round `number`'s steps."""
    return f"round-{number:03d}"


def choose_probe(run: Run) -> Batch:
    """Ten random objects, or fewer when a budget or the pool says so."""
    pool = run.unlabeled()
    size = min(PROBES, most_labels(run.budget()), run.request.max_concurrent_tasks)
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
    """Fill the first training batch up: the checkpoint's smallest margins, or a spread sample from a cold start.

    Half of a cold batch are k-means medoids, which reach every region of the pool, and half are uniform, which
    estimate its error without bias. Labels that came with the manifest count as part of the batch.
    """
    pool = run.unlabeled()
    have = len(run.labels_by_people()[0])
    size = min(max(0, batch_size(run) - have), len(pool), most_labels(run.budget()))
    rng = run.rng("first")
    start = run.model.start_model()
    if size and start is not None:
        margin = run.model.score(start, pool).margin
        return STRATEGIES[WARM_STRATEGY](PoolView(pool, run.model.features, margin=margin), size, rng)
    uniform = uniform_batch(pool, size - size // 2, rng)
    if size < 2:
        return uniform
    left = np.setdiff1d(pool, uniform.explored, assume_unique=True)
    sample = uniform_batch(left, FIRST_SAMPLE, rng).explored
    spread = sample[medoids(run.model.features(sample), min(size // 2, len(sample)), rng)]
    return Batch(np.sort(spread), uniform.explored)


def batch_size(run: Run) -> int:
    """Objects between two trainings: asked for, or a fiftieth of the data and at least two a class."""
    asked = run.settings.batch
    size = asked if asked is not None else max(20, 2 * len(run.task.categories), run.objects // 50)
    return min(size, run.request.max_concurrent_tasks)


@dataclass(frozen=True, slots=True)
class Round:
    """What a round found; read from its step."""

    number: int
    decision: Decision
    record: StepRecord

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
    before = run.steps.stored(f"{round_name(number - 1)}.learn")
    search = before is None or len(objects) >= SEARCH_AGAIN * before.result["searched_at"]
    previous = None if before is None else Round(number - 1, Decision.BUY, before).model()
    model, out_of_fold = run.model.fit(objects, labels, previous=previous, search=search)
    remainder = run.unlabeled()
    predictions = run.model.score(model, remainder)
    evidence = _exploration(run, number, before)
    prices = run.prices.per_object(run.request.workers_per_object)
    forecast = plan_look(
        Frozen.of(remainder, predictions.predicted, predictions.error_probability),
        run.settings.quality,
        Situation(
            labeled=len(run.labels_by_people()[0]),
            prices=prices,
            budget=run.budget(),
            calibration=calibrate(evidence["predicted"], evidence["observed"]),
            may_fail=_may_fail(run, len(remainder)),
        ),
    )
    forecasts = [*(Outlook(*each) for each in (before.result["outlooks"] if before else [])), forecast.outlook]
    buy = _affordable(run, forecast.design.audits, len(remainder))
    worth = prices.machine < prices.human  # else no machine label ever pays, whatever is learned
    decision = decide(
        forecasts, batch=batch_size(run), labeled=len(objects), objects=run.objects, can_buy=worth and buy > 0
    )
    result = {
        "decision": decision.value,
        "buy": buy,
        "trained_on": len(objects),
        "searched_at": len(objects) if search or before is None else before.result["searched_at"],
        "remainder": len(remainder),
        "mean_error": round(float(predictions.error_probability.mean()), 6) if len(remainder) else 0.0,
        "outlooks": [astuple(outlook) for outlook in forecasts],
        "forecast": _forecast_facts(forecast),
        "exploration": evidence,
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


def _forecast_facts(forecast: Forecast) -> dict[str, Any]:
    return {
        "human_total": forecast.human_total,
        "low": forecast.low,
        "high": forecast.high,
        "machine": forecast.machine,
        "audits": forecast.design.audits,
        "design": design_to_json(forecast.design),
        "rest": forecast.rest,
        "unlabeled": forecast.unlabeled,
        "cost": round(forecast.cost, 6),
    }


def training_set(run: Run) -> tuple[NDArray[np.int64], list[Any]]:
    """Objects labeled by people that have an embedding, and their labels."""
    objects, labels = run.labels_by_people()
    embedded = run.steps.stored("embed")
    missing = set(embedded.result["not_embedded"]) if embedded else set()
    keep = [place for place, number in enumerate(objects.tolist()) if number not in missing]
    return objects[keep], [labels[place] for place in keep]


def _exploration(run: Run, number: int, before: StepRecord | None) -> dict[str, Any]:
    """Errors predicted for, and found in, the uniform picks of all rounds so far: predicted before trained on."""
    if before is None:
        return {"predicted": 0.0, "observed": 0, "count": 0}
    so_far = before.result["exploration"]
    asked = run.steps.stored(f"{round_name(number - 1)}.ask")
    labeled = run.steps.stored(f"{round_name(number - 1)}.labels")
    if asked is None or labeled is None:
        return dict(so_far)
    truth = labeled.result["labels"]
    picks = [pick for pick in asked.result["explored"] if str(pick) in truth]
    arrays = before.arrays()
    places = np.searchsorted(arrays["remainder"], picks)
    predicted = [run.predicted_label(int(key)) for key in arrays["predicted"][places]]
    wrong = run.task.loss(predicted, [truth[str(pick)] for pick in picks]) > 0
    return {
        "predicted": so_far["predicted"] + float(arrays["error_probability"][places].sum(dtype=np.float64)),
        "observed": so_far["observed"] + int(wrong.sum()),
        "count": so_far["count"] + len(picks),
    }


def choose_informative(run: Run, after: Round) -> Batch:
    """Let the job's strategy choose, with a share of uniform exploration."""
    view = PoolView(
        after.remainder(),
        run.model.features,
        head=run.model.head(after.model()),
        margin=after.predictions().margin,
        labeled=training_set(run)[0],
    )
    strategy = STRATEGIES[run.settings.selection]
    return strategy(view, after.record.result["buy"], run.rng(round_name(after.number)))


def _affordable(run: Run, audits: int, remainder: int) -> int:
    """Objects the next batch may have while an audit of `audits` stays affordable; 0: look now."""
    size = min(batch_size(run), remainder - audits, most_labels(run.budget()) - audits)
    return size if size >= min(batch_size(run), PROBES) else 0


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
    budget = run.budget()
    labels = None if budget.labels is None else max(0, budget.labels - len(machine))
    most = min(run.request.max_concurrent_tasks, most_labels(Budget(budget.human_labels, labels)))
    return Batch(left[:most], np.empty(0, np.int64))


def most_labels(budget: Budget) -> int:
    """Most objects that people may still be asked about."""
    limits = [limit for limit in (budget.human_labels, budget.labels) if limit is not None]
    return min(limits) if limits else 1 << 62
