"""The look: freeze predictions and order, audit, certify, machine-label. From here on no prediction changes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.people import ask
from autolabel.job.rounds import most_labels
from autolabel.job.steps import StepOutput
from autolabel.quality.audit import draw_audit, order_by_confidence, walk
from autolabel.quality.certificate import AuditDesign, refusal
from autolabel.quality.planner import Budget
from autolabel.quality.rule import audits_needed
from autolabel.report.data import Purpose
from autolabel.selection.batch import Batch
from autolabel.storage.durable import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from autolabel.job.rounds import Round
    from autolabel.job.run import Run
    from autolabel.job.steps import StepRecord
    from autolabel.learning.base import Arrays


@dataclass(frozen=True, slots=True)
class Look:
    """A finished look, read from its steps."""

    round_number: int
    freeze: StepRecord
    walk: StepRecord

    @property
    def design(self) -> AuditDesign:
        """What was fixed before the audit."""
        return AuditDesign(**self.freeze.result["design"])

    def order(self) -> NDArray[np.int64]:
        """Objects of the remainder from most to least confident."""
        return np.asarray(self.freeze.arrays()["order"])

    def machine_objects(self) -> NDArray[np.int64]:
        """Objects the machine labeled, in walking order."""
        return np.asarray(self.order()[self.walk.arrays()["machine_ranks"]])

    def machine_labels(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """Objects the machine labeled, ascending, with predictions and error probabilities."""
        arrays = self.freeze.arrays()
        ranks = self.walk.arrays()["machine_ranks"]
        objects = np.asarray(arrays["order"])[ranks]
        by_object = np.argsort(objects)
        ranks = ranks[by_object]
        return objects[by_object], arrays["predicted"][ranks], arrays["error_probability"][ranks]


def look(run: Run, last: Round) -> Look:
    """Take the one look of the job, with the predictions of its last round."""
    run.check_stop()
    run.progress.phase("auditing", round_number=last.number)
    freeze = run.steps.run("look.freeze", lambda: _freeze(run, last))
    audit = np.asarray(freeze.result["audit"], np.int64)
    ask(run, "audit", Purpose.AUDIT, lambda: Batch(np.sort(audit), np.empty(0, np.int64)))
    walked = run.steps.run("look.walk", lambda: _walk(run, freeze))
    return Look(last.number, freeze, walked)


def stored_look(run: Run) -> Look | None:
    """Return the look as far as the stored steps know it; ``None`` before its walk."""
    freeze, walked = run.steps.stored("look.freeze"), run.steps.stored("look.walk")
    return None if freeze is None or walked is None else Look(freeze.result["round"], freeze, walked)


def machine_labels_of(look: Look | None) -> NDArray[np.int64]:
    """Objects the machine labeled, ascending; none without a look."""
    return np.empty(0, np.int64) if look is None else np.sort(look.machine_objects())


def _freeze(run: Run, last: Round) -> StepOutput:
    """Fix predictions, order, audit size and audit, before any audit label is seen; write the scores file."""
    remainder, predictions = last.remainder(), last.predictions()
    order = order_by_confidence(remainder, predictions.error_probability)
    places = np.searchsorted(remainder, order)
    arrays: Arrays = {
        "order": order,
        "predicted": predictions.predicted[places].astype(np.int32),
        "confidence": predictions.confidence[places],
        "error_probability": predictions.error_probability[places],
    }
    forecast = last.record.result["forecast"]
    design = AuditDesign.of(
        run.settings.quality,
        promised_labels=forecast["promised_labels"],
        remainder=len(order),
        audits=forecast["audits"],
    )
    ranks = draw_audit(len(order), design.audits, run.rng("audit"))
    digest = hashlib.sha256()
    run.folder.scores.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(run.folder.scores, _hashed(score_lines(arrays), digest))
    result = {
        "round": last.number,
        "design": asdict(design),
        "audit_ranks": ranks.tolist(),
        "audit": order[ranks].tolist(),
        "scores_sha256": digest.hexdigest(),
        "model_sha256": model_sha256(last),
    }
    return StepOutput(result, arrays)


def model_sha256(last: Round) -> str:
    """Hash the arrays of a round's model, name by name."""
    digest = hashlib.sha256()
    for name, array in sorted(last.model().items()):
        digest.update(name.encode() + str(array.dtype).encode() + str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def score_lines(arrays: dict[str, NDArray[Any]], block: int = 20_000) -> Iterator[bytes]:
    """Lines of ``scores.jsonl`` in walking order, full precision, in blocks."""
    columns = ("order", "predicted", "confidence", "error_probability")
    for begin in range(0, len(arrays["order"]), block):
        cut = [arrays[name][begin : begin + block].tolist() for name in columns]
        yield "".join(
            f'{{"id":{number},"class_id":{predicted},"confidence":{confidence!r},"error_probability":{error!r}}}\n'
            for number, predicted, confidence, error in zip(*cut, strict=True)
        ).encode()


def _hashed(blocks: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for block in blocks:
        digest.update(block)
        yield block


def _walk(run: Run, freeze: StepRecord) -> StepOutput:
    """Compare the audit with its reference labels, walk, and take the machine labels that the promise allows."""
    arrays = freeze.arrays()
    design = AuditDesign(**freeze.result["design"])
    ranks = np.asarray(freeze.result["audit_ranks"], np.int64)
    wrong, unanswered = audit_outcome(run, arrays["order"][ranks], arrays["predicted"][ranks])
    walked = walk(design.remainder, ranks, wrong, design.allowed)
    free = np.ones(walked.stop_rank, dtype=bool)
    free[ranks[ranks < walked.stop_rank]] = False
    machine = np.flatnonzero(free)
    budget = run.budget()
    if budget.labels is not None:
        machine = machine[: budget.labels]
    reason = _refuse(run, design, budget, len(machine))
    if reason:
        machine = machine[:0]
    result = {
        "audit_errors": int(wrong.sum()),
        "unanswered": unanswered,
        "stop_rank": walked.stop_rank,
        "machine_labeled": len(machine),
        "reason": reason or _why_none(run, design, len(machine)),
        "refused": bool(reason),
    }
    return StepOutput(result, {"machine_ranks": machine.astype(np.int64)})


def audit_outcome(
    run: Run, objects: NDArray[np.int64], predicted: NDArray[np.int32]
) -> tuple[NDArray[np.bool_], list[int]]:
    """Whether each audited prediction is wrong; objects nobody could label count as wrong and are listed."""
    reference = {
        row["object"]: json.loads(row["label"])
        for row in run.store.rows(
            "SELECT object, label FROM label JOIN task USING (object) WHERE purpose = 'audit' ORDER BY object"
        )
    }
    wrong = np.ones(len(objects), dtype=bool)
    answered = [place for place, number in enumerate(objects.tolist()) if number in reference]
    if answered:
        labels = [run.predicted_label(int(predicted[place])) for place in answered]
        references = [reference[int(objects[place])] for place in answered]
        wrong[answered] = run.task.loss(labels, references) > 0
    return wrong, [int(number) for number in objects.tolist() if number not in reference]


def _refuse(run: Run, design: AuditDesign, budget: Budget, machine: int) -> str:
    """Say why machine labels cannot be kept: the budget leaves fewer labels than the promise was computed for."""
    labeled = len(run.labels_by_people()[0])
    left = design.remainder - design.audits - machine
    labels = None if budget.labels is None else max(0, budget.labels - machine)
    reachable = labeled + machine + min(left, most_labels(Budget(budget.human_labels, labels)))
    if machine == 0 or reachable >= design.promised_labels - _failed_in_audit(run):
        return ""
    return (
        f"the walk left {machine:,} machine labels, and with what the stopping conditions allow people to label that "
        f"makes {reachable:,} of the {design.promised_labels:,} labels the promise was computed for"
    )


def _failed_in_audit(run: Run) -> int:
    """Audited objects nobody could label: the finished certificate accounts for them."""
    row = run.store.one("SELECT COUNT(*) AS n FROM failure JOIN task USING (object) WHERE purpose = 'audit'")
    return row["n"] if row else 0


def _why_none(run: Run, design: AuditDesign, machine: int) -> str:
    if machine:
        return ""
    if design.remainder == 0:
        return "nothing was left for the machine"
    if design.allowed is None:
        if design.audits == 0:
            return "the forecast expected machine labels to save nothing"
        needed = audits_needed(design.remainder, design.limit, 0, run.settings.quality.delta)
        return refusal(run.settings.quality, design, needed)
    return "the audit found too many errors among the most confident predictions"
