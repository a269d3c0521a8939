"""What a job looks like from outside: the facts behind `status`, `plan`, the report and the closing summary."""

from __future__ import annotations

import json
import platform
from collections import Counter
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.clock import parse
from autolabel.job.cost import Cost, add_up
from autolabel.job.finish import final_states
from autolabel.job.gold import gold_of
from autolabel.job.guesses import effect_of_guesses
from autolabel.job.look import machine_labels_of, stored_look
from autolabel.job.pool import State, count
from autolabel.job.rounds import Round, round_name, terms_of
from autolabel.job.settings import MICRO
from autolabel.job.tuning import skipped
from autolabel.job.view_look import look_views
from autolabel.policy.alternatives import State as Standing
from autolabel.policy.alternatives import alternatives
from autolabel.policy.round import Evidence
from autolabel.policy.typical import forecast_before
from autolabel.quality.prospect import Decision
from autolabel.report.data import (
    AgreementRow,
    CostRow,
    CostTable,
    FailureRow,
    Interval,
    Outcome,
    Purpose,
    ReportData,
    RoundRow,
    WorkerRow,
)
from autolabel.tasks.base import CrowdTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from autolabel.job.run import Run
    from autolabel.tasks.base import Crowd

FAILURES_SHOWN = 200


def human_labels(run: Run) -> dict[str, int]:
    """Labels by people, by what they were asked for; ``chained`` came with the manifest, ``gold`` is there if any."""
    counted = {
        row["purpose"]: row["n"]
        for row in run.store.rows(
            "SELECT COALESCE(task.purpose, 'chained') AS purpose, COUNT(*) AS n"
            " FROM label LEFT JOIN task USING (object) WHERE source != 'chained-machine' GROUP BY 1"
        )
    }
    purposes = ("train", *(("gold",) if "gold" in counted else ()), "audit", "rest", "chained")
    return {purpose: counted.get(purpose, 0) for purpose in purposes}


def cost_of(run: Run) -> Cost:
    """Everything the job has cost so far."""
    return add_up(
        run.store,
        run.prices,
        workers=run.request.workers_per_object,
        machine=len(machine_labels_of(stored_look(run))),
    )


def answers_of_job(run: Run) -> dict[str, int]:
    """Answers that people were asked for, by what became of them.

    ``asked`` counts every answer given and every task declined; ``saved`` what fixed redundancy would have asked for
    beside them; ``repeated`` those of second panels, which are not in ``saved``.
    """
    row = run.store.one("SELECT COUNT(*) AS asked, COALESCE(SUM(panel = 2), 0) AS repeated FROM answer")
    task = run.store.one(
        "SELECT COALESCE(SUM(? - slots + again_slots), 0) AS n FROM task", run.request.workers_per_object
    )
    if row is None or task is None:
        return {"asked": 0, "saved": 0, "repeated": 0}
    return {"asked": row["asked"], "saved": task["n"], "repeated": row["repeated"]}


def summary(run: Run) -> dict[str, Any]:
    """Return the document that a verb prints with ``--json``."""
    look = stored_look(run)
    states = final_states(run, look)
    certificate = run.steps.stored("certificate")
    return {
        "job": run.request.name,
        "status": run.store.fact("status"),
        "failure_reason": run.store.fact("failure_reason") or "",
        "counters": count(states).to_document(),
        "human_labels": human_labels(run),
        "answers": answers_of_job(run),
        "guesses": effect_of_guesses(run),
        "certificate": certificate.result if certificate else None,
        "cost": cost_of(run).to_json(),
        "output": str(run.folder.output_manifest),
    }


def plan(run: Run) -> dict[str, Any]:
    """Forecast the job: before the first round its bounds, afterwards the planner's own figures, round by round."""
    objects = run.objects
    prices = run.prices.per_object(run.request.workers_per_object)
    unlabeled = int((final_states(run, stored_look(run)) == State.UNLABELED).sum())
    rounds = list(_rounds(run))
    forecast = rounds[-1][1]["forecast"] if rounds else _before(run)
    return {
        "job": run.request.name,
        "objects": objects,
        "unlabeled": unlabeled,
        "contract": run.settings.contract.value,
        "error": run.settings.error,
        "confidence": run.settings.confidence,
        "price_human_object": prices.human,
        "price_machine_object": prices.machine,
        "all_human_cost": objects * prices.human,
        "forecast": forecast,
        "saves": forecast["cost"] < objects * prices.human,
        "rounds": [
            {"round": number, **result["forecast"], "audits": result["look"]["audits"]} for number, result in rounds
        ],
        "alternatives": _alternatives(run),
    }


def _before(run: Run) -> dict[str, Any]:
    """Forecast before any label: typical learning curves, or people for everything without automated labeling."""
    terms = terms_of(run)
    if not run.request.automated:
        n = run.objects
        return {"human_total": n, "low": n, "high": n, "cost": n * terms.prices.human}
    return forecast_before(terms, len(run.task.categories), run.budget())


def _alternatives(run: Run) -> list[dict[str, Any]]:
    """What other promises and budgets would cost, as long as that can still be changed."""
    if not run.request.automated or stored_look(run) is not None:
        return []
    last = max((number for number, _ in _rounds(run)), default=0)
    record = run.steps.stored(f"{round_name(last)}.learn")
    state: Standing | None = None
    if record is not None:
        latest = Round(last, Decision.BUY, record)
        state = Standing(
            latest.remainder(),
            latest.predictions(),
            Evidence.from_json(record.result["evidence"]),
            labeled=len(run.labels_by_people()[0]),
            trained_on=record.result["trained_on"],
        )
    found = alternatives(terms_of(run), len(run.task.categories), run.budget(), state)
    return [asdict(each) for each in found]


def _rounds(run: Run) -> Iterator[tuple[int, dict[str, Any]]]:
    for row in run.store.stream("SELECT name, result FROM step WHERE name LIKE 'round-%.learn' ORDER BY position"):
        yield int(row["name"][6:9]), json.loads(row["result"])


def report_data(run: Run) -> ReportData:
    """Gather everything the report shows."""
    look = stored_look(run)
    states = final_states(run, look)
    certificate = run.steps.stored("certificate")
    finished = run.store.fact("finished")
    cost = cost_of(run)
    workers, agreement = _people(run)
    return ReportData(
        name=run.request.name,
        arn=run.request.job_arn,
        status=run.store.fact("status"),
        task=run.task.kind,
        label_attribute=run.request.label_attribute,
        created=parse(run.store.fact("created")),
        finished=parse(finished) if finished else None,
        failure_reason=run.store.fact("failure_reason") or "",
        categories=run.task.categories,
        counters=count(states).to_document(),
        human_labels=human_labels(run),
        answers_saved=answers_of_job(run)["saved"],
        certificate=certificate.result if certificate else None,
        workers=workers,
        agreement=agreement,
        rounds=tuple(_round_rows(run)),
        cost=_cost_table(run, cost),
        forecast_before=_outcome_before(run),
        actual_after=_outcome_after(run, cost, states),
        settings=_settings(run),
        versions=versions(),
        warnings=_warnings(run),
        failures=tuple(_failures(run)),
        files=_files(run),
        **(look_views(run, look) if look is not None else {}),
    )


def crowd_of(run: Run) -> Crowd | None:
    """Judge the people by all their answers, second panels' too; ``None`` before any, or where the task type cannot."""
    answers = [
        (row["object"], row["worker"], run.task.label_from_answer(json.loads(row["content"])))
        for row in run.store.stream("SELECT * FROM answer WHERE content IS NOT NULL ORDER BY object, worker")
    ]
    if not answers or not isinstance(run.task, CrowdTask):
        return None
    return run.task.crowd(answers, known=gold_of(run.folder))


def _people(run: Run) -> tuple[tuple[WorkerRow, ...], AgreementRow | None]:
    """One row a worker, the most answers first, and how far they agree."""
    crowd = crowd_of(run)
    if crowd is None:
        return (), None
    declined, seconds = Counter[str](), dict[str, list[float]]()
    for row in run.store.stream("SELECT worker, seconds, content IS NULL AS declined FROM answer"):
        declined[row["worker"]] += row["declined"]
        if row["seconds"] is not None and not row["declined"]:
            seconds.setdefault(row["worker"], []).append(row["seconds"])
    rows = [
        WorkerRow(
            worker=each.worker,
            answers=each.answers,
            declined=declined[each.worker],
            seconds=float(np.median(seconds[each.worker])) if each.worker in seconds else None,
            accuracy=each.accuracy,
            agreed=each.agreed / each.compared if each.compared else None,
            gold=each.gold,
            gold_right=each.gold_right,
        )
        for each in crowd.workers
    ]
    agreement = AgreementRow(crowd.objects, crowd.pairwise, crowd.alpha) if crowd.objects else None
    return tuple(sorted(rows, key=lambda row: (-row.answers, row.worker))), agreement


def versions() -> dict[str, str]:
    """Versions of what computed the result."""
    packages = ("autolabel-engine", "numpy", "scipy", "scikit-learn", "torch")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _round_rows(run: Run) -> Iterator[RoundRow]:
    """One row a human batch, with the forecast made after it."""
    forecasts = {result["trained_on"]: result for _, result in _rounds(run)}
    seconds = _seconds_by_batch(run)
    total = human_labels(run)["chained"]
    machine = len(machine_labels_of(stored_look(run)))
    for row in run.store.rows(
        "SELECT task.batch, purpose, COUNT(label.object) AS n FROM task LEFT JOIN label USING (object)"
        " GROUP BY task.batch, purpose ORDER BY task.batch"
    ):
        total += row["n"]
        result = forecasts.get(total)
        forecast = result["forecast"] if result else None
        yield RoundRow(
            number=row["batch"],
            purpose=Purpose(row["purpose"]),
            human_labels=row["n"],
            cumulative_human_labels=total,
            seconds=seconds.get(row["batch"], 0.0),
            machine_labels=machine if row["purpose"] == "audit" else 0,
            forecast_human_labels=_interval(forecast) if forecast else None,
            forecast_machine_share=forecast["machine"] / run.objects if forecast else None,
            estimated_error=result["mean_error"] if result else None,
        )


def _interval(forecast: dict[str, Any]) -> Interval:
    point = forecast["human_total"]
    return Interval(point, min(point, forecast["low"]), max(point, forecast["high"]))


def _seconds_by_batch(run: Run) -> dict[int, float]:
    """Machine seconds after each batch was asked, up to the next one."""
    found: dict[int, float] = {}
    batch = 0
    for row in run.store.stream("SELECT name, seconds FROM step ORDER BY position"):
        batch += row["name"].endswith(".labels")
        found[batch] = found.get(batch, 0.0) + row["seconds"]
    return found


def _cost_table(run: Run, cost: Cost) -> CostTable:
    rows = (
        CostRow("human answers", cost.answers, "answer", run.prices.answer / MICRO, cost.answers_micro / MICRO),
        *_repeated_row(run, cost),
        CostRow(
            "human labels",
            cost.human_objects,
            "label",
            run.prices.human_object / MICRO,
            cost.human_objects_micro / MICRO,
        ),
        CostRow(
            "machine labels",
            cost.machine_objects,
            "label",
            run.prices.machine_object / MICRO,
            cost.machine_micro / MICRO,
        ),
        CostRow(
            "compute",
            cost.compute_seconds,
            "second",
            run.prices.compute_hour / MICRO / 3600,
            cost.compute_micro / MICRO,
        ),
    )
    return CostTable(rows, cost.total_micro / MICRO, cost.all_human_micro / MICRO)


def _repeated_row(run: Run, cost: Cost) -> Iterator[CostRow]:
    if cost.repeated:
        price = run.prices.answer / MICRO
        yield CostRow("repeated answers", cost.repeated, "answer", price, cost.repeated_micro / MICRO)


def _outcome_before(run: Run) -> Outcome:
    """The forecast before any label."""
    before = _before(run)
    return Outcome(human_labels=before["human_total"], dollars=before["cost"])


def _outcome_after(run: Run, cost: Cost, states: NDArray[np.uint8]) -> Outcome | None:
    if run.store.fact("finished") is None:
        return None
    tally = np.bincount(states, minlength=len(State))
    return Outcome(
        human_labels=int(tally[State.PEOPLE] + tally[State.CHAINED_PEOPLE]),
        machine_labels=int(tally[State.MACHINE]),
        dollars=cost.total_micro / MICRO,
        seconds=cost.compute_seconds,
    )


def _settings(run: Run) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(run.settings)
    return found


def _warnings(run: Run) -> tuple[str, ...]:
    started = run.steps.stored("start")
    return (*run.store.fact("notes", []), *(started.result["warnings"] if started else ()), *skipped(run))


def _failures(run: Run) -> Iterator[FailureRow]:
    for row in run.store.rows("SELECT object, reason FROM failure ORDER BY object LIMIT ?", FAILURES_SHOWN):
        yield FailureRow(row["object"], run.index.line_number(row["object"]), row["reason"])


def _files(run: Run) -> dict[str, str]:
    return {
        "labels": str(run.folder.output_manifest),
        "report": str(run.folder.report),
        "certificate": str(run.folder.certificate),
        "ledger": str(run.folder.ledger),
    }
