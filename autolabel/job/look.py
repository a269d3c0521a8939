"""The look: freeze predictions and order, audit, certify, machine-label. From here on no prediction changes.

What a look means is pure and lives in `autolabel.quality.look`, whatever the contract; here it is stored step by step.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.people import ask
from autolabel.job.steps import StepOutput
from autolabel.quality.certificate import Audited
from autolabel.quality.design import Frozen, Room, Walk
from autolabel.quality.look import design_from_json
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
    from autolabel.quality.design import Design


@dataclass(frozen=True, slots=True)
class Look:
    """A finished look, read from its steps."""

    round_number: int
    freeze: StepRecord
    walk: StepRecord

    @property
    def design(self) -> Design:
        """What was fixed before the audit."""
        return design_from_json(self.freeze.result["design"])

    @property
    def walks(self) -> tuple[Walk, ...]:
        """What the audit certified, walk by walk."""
        return tuple(Walk.from_json(facts) for facts in self.walk.result["walks"])

    @property
    def audit_ranks(self) -> NDArray[np.int64]:
        """Ranks of the audited objects, ascending."""
        return np.asarray(self.freeze.result["audit_ranks"], np.int64)

    def frozen(self) -> Frozen:
        """Predictions of the remainder, from most to least confident."""
        return frozen_of(self.freeze)

    def machine_ranks(self) -> NDArray[np.int64]:
        """Ranks of the machine's labels, ascending."""
        return np.asarray(self.walk.arrays()["machine_ranks"])

    def machine_objects(self) -> NDArray[np.int64]:
        """Objects the machine labeled, in walking order."""
        return self.frozen().objects[self.machine_ranks()]

    def machine_labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]:
        """Objects the machine labeled, ascending, with predictions and error probabilities."""
        frozen, ranks = self.frozen(), self.machine_ranks()
        ranks = ranks[np.argsort(frozen.objects[ranks])]
        return frozen.objects[ranks], frozen.predicted[ranks], frozen.error_probability[ranks]

    def audited(self) -> Audited:
        """Everything of the look that the certificate tells."""
        freeze, walk = self.freeze.result, self.walk.result
        return Audited(
            design=self.design,
            facts=freeze["design"],
            remainder=freeze["remainder"],
            audit=tuple(freeze["audit"]),
            wrong=tuple(walk["wrong"]),
            unanswered=tuple(walk["unanswered"]),
            walks=self.walks,
            reason=walk["reason"],
            refused=walk["refused"],
            model_sha256=freeze["model_sha256"],
            scores_sha256=freeze["scores_sha256"],
        )


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


def frozen_of(freeze: StepRecord) -> Frozen:
    """Read the frozen predictions out of their step."""
    arrays = freeze.arrays()
    return Frozen(arrays["order"], arrays["predicted"].astype(np.int64), arrays["error_probability"])


def draw(run: Run, design: Design, frozen: Frozen, scores_sha256: str) -> NDArray[np.int64]:
    """Draw the audit from the job's seed and the frozen scores.

    Without the scores in it the draw would be known before the freeze, and two jobs of one seed on one manifest would
    audit the same ranks: the second could start from the first one's final model, which has learned from its audit,
    and would be audited where it has seen the answers.
    """
    return design.draw(frozen, run.rng("audit", scores_sha256))


def _freeze(run: Run, last: Round) -> StepOutput:
    """Fix predictions, order, design and audit, before any audit label is seen; write the scores file."""
    remainder, predictions = last.remainder(), last.predictions()
    frozen = Frozen.of(remainder, predictions.predicted, predictions.error_probability)
    arrays: Arrays = {
        "order": frozen.objects,
        "predicted": frozen.predicted.astype(np.int32),
        "confidence": predictions.confidence[np.searchsorted(remainder, frozen.objects)],
        "error_probability": frozen.error_probability,
    }
    facts = last.record.result["look"]["design"]
    digest = hashlib.sha256()
    run.folder.scores.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(run.folder.scores, _hashed(score_lines(arrays), digest))
    ranks = draw(run, design_from_json(facts), frozen, digest.hexdigest())
    result = {
        "round": last.number,
        "remainder": len(frozen),
        "design": facts,
        "audit_ranks": ranks.tolist(),
        "audit": frozen.objects[ranks].tolist(),
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
    references = {
        row["object"]: json.loads(row["label"])
        for row in run.store.rows("SELECT object, label FROM label JOIN task USING (object) WHERE purpose = 'audit'")
    }
    return walked(run, freeze, references, room_after_audit(run))


def walked(run: Run, freeze: StepRecord, references: dict[int, Any], room: Room) -> StepOutput:
    """Walk with these reference labels; objects without one count as wrong."""
    frozen, ranks = frozen_of(freeze), np.asarray(freeze.result["audit_ranks"], np.int64)
    losses, unanswered = audit_losses(run, frozen, ranks, references)
    outcome = design_from_json(freeze.result["design"]).walk(frozen, ranks, losses, room)
    result = {
        "wrong": frozen.objects[ranks[losses > 0.0]].tolist(),
        "unanswered": unanswered,
        "machine_labeled": len(outcome.machine_ranks),
        "walks": [walk.to_json() for walk in outcome.walks],
        "reason": outcome.reason,
        "refused": outcome.refused,
    }
    return StepOutput(result, {"machine_ranks": outcome.machine_ranks})


def audit_losses(
    run: Run, frozen: Frozen, ranks: NDArray[np.int64], references: dict[int, Any]
) -> tuple[NDArray[np.float64], list[int]]:
    """Loss of each audited prediction, shape ``(m,)``, and the objects nobody could label, which lose 1."""
    objects = frozen.objects[ranks].tolist()
    losses = np.ones(len(ranks))
    answered = [place for place, number in enumerate(objects) if number in references]
    if answered:
        labels = [run.predicted_label(int(frozen.predicted[ranks[place]])) for place in answered]
        losses[answered] = run.task.loss(labels, [references[objects[place]] for place in answered])
    return losses, [number for number in objects if number not in references]


def room_after_audit(run: Run) -> Room:
    """Say what was labeled and what the stopping conditions left when the audit was over, whenever it is asked."""
    last = run.store.one("SELECT MAX(batch) AS batch FROM task WHERE purpose != 'rest'")
    batch = (last["batch"] if last else None) or 0
    labeled = run.store.one("SELECT COUNT(*) AS n FROM label WHERE source != 'chained-machine' AND batch <= ?", batch)
    lost = run.store.one("SELECT COUNT(*) AS n FROM failure JOIN task USING (object) WHERE purpose = 'audit'")
    return Room(labeled["n"] if labeled else 0, run.budget(batch), lost["n"] if lost else 0)
