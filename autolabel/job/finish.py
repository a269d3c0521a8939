"""The last steps: the final model, the certificate, and everything a reader of the output finds."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from autolabel.api.arns import ModelArn
from autolabel.api.describe import JobStatus
from autolabel.errors import JobFailedError
from autolabel.job.clock import iso
from autolabel.job.labels import withdraw_open_tasks
from autolabel.job.look import Look, stored_look
from autolabel.job.output import write_batch_files, write_output
from autolabel.job.pool import State, count
from autolabel.job.reference import reference_facts
from autolabel.job.rounds import Round, round_name, training_set
from autolabel.job.steps import StepOutput
from autolabel.job.store import set_fact
from autolabel.quality.certificate import Certificate, Delivered
from autolabel.quality.prospect import Decision
from autolabel.storage.durable import write_atomically

if TYPE_CHECKING:
    import sqlite3

    from numpy.typing import NDArray

    from autolabel.job.run import Run


def publish_batch(run: Run, look: Look | None = None) -> None:
    """Write the files of every batch labeled since the last call, and the output manifest with them."""
    for batch in range(run.published + 1, run.collected + 1):
        run.steps.run(f"files-{batch:03d}", partial(write_batch_files, run, batch))
        run.published = batch
        if batch == run.collected:
            run.steps.run(f"manifest-{batch:03d}", lambda: write_output(run, look))
            run.mirror()


def finish(run: Run, look: Look | None) -> None:
    """Hand over the final model, write the certificate and the output tree, complete the job."""
    publish_batch(run, look)
    run.progress.phase("finishing")
    if look is not None:
        run.steps.run("final-model", lambda: _final_model(run, look))
    run.steps.run("certificate", lambda: _write_certificate(run, look, stopped=False))
    run.steps.run("output", lambda: write_output(run, look))
    run.mirror()
    if not count(final_states(run, look)).total_labeled:
        raise JobFailedError("ClientError: no data object could be labeled; see each object's failure reason.")
    run.set_status(JobStatus.COMPLETED)


def finish_stopped(run: Run) -> None:
    """Write everything there is after a stop: labels so far, the certificate as far as it holds, the output tree."""
    run.set_status(JobStatus.STOPPING)
    run.steps.skip_to("stop")
    run.steps.run("stop", lambda: withdraw_open_tasks(run))
    look = stored_look(run)
    row = run.store.one("SELECT COALESCE(MAX(COALESCE(again, batch)), 0) AS n FROM task")
    run.batches = run.collected = row["n"] if row else 0
    run.published = run.steps.count_before("files-", "stop")
    publish_batch(run, look)
    run.steps.run("certificate", lambda: _write_certificate(run, look, stopped=True))
    run.steps.run("output", lambda: write_output(run, look))
    run.mirror()
    run.set_status(JobStatus.STOPPED)


def final_states(run: Run, look: Look | None) -> NDArray[np.uint8]:
    """States of all objects, the machine's labels included."""
    states = run.states()
    if look is not None:
        states[look.machine_objects()] = State.MACHINE
    return states


def _final_model(run: Run, look: Look) -> StepOutput:
    """Train on every label by people, audit and rest included: no promise rests on this model any more."""
    objects, labels = training_set(run)
    stored = run.steps.stored(f"{round_name(look.round_number)}.learn")
    if stored is None:
        msg = "the look has no round"
        raise RuntimeError(msg)
    last = Round(look.round_number, Decision.LOOK, stored)
    model, out_of_fold = run.model.fit(objects, labels, previous=last.model(), search=False)
    predicted = [run.predicted_label(int(key)) for key in out_of_fold.predicted]
    wrong = int((run.task.loss(predicted, labels) > 0).sum())
    measured = {"job": run.request.name, "trained_on": len(objects), "out_of_fold_errors": wrong}
    data = run.model.checkpoint(model, measured).pack()
    run.folder.final_model.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(run.folder.final_model, data)
    arn = str(ModelArn(run.request.name.lower(), run.request.account, run.request.region))

    def rows(connection: sqlite3.Connection) -> None:
        set_fact(connection, "final_model_arn", arn)

    return StepOutput({"arn": arn, "bytes": len(data), **measured}, rows=rows)


def _write_certificate(run: Run, look: Look | None, *, stopped: bool) -> StepOutput:
    certificate = certify(run, look, stopped=stopped)
    facts = certificate.to_json()
    text = json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
    write_atomically(run.folder.certificate, text.encode())
    at = iso(run.clock.now())

    def rows(connection: sqlite3.Connection) -> None:
        set_fact(connection, "finished", at)

    return StepOutput(facts, rows=rows)


def certify(run: Run, look: Look | None, *, stopped: bool) -> Certificate:
    """Write the certificate from the stored steps and the labels: nothing in it is remembered, all is counted."""
    states = final_states(run, look)
    tally = np.bincount(states, minlength=len(State))
    delivered = Delivered(
        people=int(tally[State.PEOPLE] + tally[State.CHAINED_PEOPLE]),
        machine=int(tally[State.MACHINE]),
        not_covered=int(tally[State.CHAINED_MACHINE]),
    )
    quality, seed = run.settings.quality, run.settings.seed
    if look is None:
        certificate = Certificate.without_look(quality, delivered, seed=seed, stopped=stopped)
    else:
        certificate = Certificate.of(quality, look.audited(), delivered, seed=seed, stopped=stopped)
    return replace(certificate, reference=reference_facts(run, states, certificate.wrong_at_most))
