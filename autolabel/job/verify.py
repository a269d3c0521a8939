"""`autolabel verify`: re-derive a certificate from the job folder, without the model.

Every number is computed again from what it rests on: the audit is drawn again from the seed, the frozen order is
sorted again from the frozen scores, reference labels are consolidated again from the workers' answers, the walk is
walked again, and the delivered manifest is read line by line against all of it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from autolabel.errors import AnswerError, JobCorruptError, ObjectError, VerificationError
from autolabel.job.finish import certify
from autolabel.job.look import score_lines, stored_look
from autolabel.job.people import answers_so_far
from autolabel.manifest.carried import METADATA
from autolabel.quality.audit import draw_audit, order_by_confidence, walk
from autolabel.quality.certificate import AuditDesign, Certificate
from autolabel.workforce.responses import parse_consolidation_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autolabel.job.look import Look
    from autolabel.job.run import Run


@dataclass(frozen=True, slots=True)
class Verified:
    """A certificate that its job folder supports."""

    certificate: Certificate
    checks: tuple[str, ...]
    """What was checked, one sentence each."""


def verify(run: Run) -> Verified:
    """Check everything; raise `VerificationError` with every finding.

    Raises
    ------
    VerificationError
        Something does not hold: a label, a score, the order, the audit, an answer, a count, or the sentence.
    """
    try:
        certificate = Certificate.from_json(json.loads(run.folder.certificate.read_bytes()))
    except FileNotFoundError:
        raise VerificationError([f"{run.folder.certificate}: there is no certificate; has the job ended?"]) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VerificationError([f"{run.folder.certificate}: not a certificate ({error})"]) from error
    findings: list[str] = []
    checks: list[str] = []
    for name, check in (
        ("the steps follow from one another, and their arrays are the bytes that were stored", _steps),
        ("every label by people follows from the workers' answers", _labels),
        ("the frozen order, audit, walk and machine labels follow from the scores and the seed", _look),
        ("the certificate's numbers and sentence are the job's", lambda r: _certificate(r, certificate)),
        ("the scores file is the frozen one", _scores_file),
        ("the output manifest says what the job says, line by line", _manifest),
        ("the worker-response files hold the answers that were paid", _responses),
    ):
        found = _collect(check, run)
        findings += found
        checks.append(f"{'ok' if not found else 'FAILED'}: {name}")
    if findings:
        raise VerificationError(findings)
    return Verified(certificate, tuple(checks))


def _collect(check: Any, run: Run) -> list[str]:
    try:
        return list(check(run))
    except (JobCorruptError, AnswerError) as error:
        return [str(error)]
    except (ValueError, TypeError, LookupError, sqlite3.Error) as error:  # what was changed is no longer of its form
        return [f"{run.folder.state}: holds what no job writes ({type(error).__name__}: {error})"]


def _steps(run: Run) -> Iterator[str]:
    chain = ""
    for position, row in enumerate(run.store.rows("SELECT * FROM step ORDER BY position")):
        if row["inputs"] != chain or row["position"] != position:
            yield f"step {row['name']!r} does not follow from the steps before it"
            return
        chain = hashlib.sha256("\n".join((chain, row["name"], row["result"], row["arrays"] or "")).encode()).hexdigest()
        path = run.folder.step_arrays(row["name"])
        if row["arrays"] and (not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row["arrays"]):
            yield f"{path}: missing, or not the bytes that step {row['name']!r} stored"
    if hashlib.sha256(run.folder.manifest.read_bytes()).hexdigest() != run.index.sha256:
        yield f"{run.folder.manifest}: not the manifest the job started from"


def _labels(run: Run) -> Iterator[str]:
    batches = run.store.rows("SELECT DISTINCT batch FROM label WHERE source = 'people' ORDER BY batch")
    for row in batches:
        batch = row["batch"]
        stored = {
            label["object"]: json.loads(label["label"])
            for label in run.store.rows("SELECT object, label FROM label WHERE batch = ? AND source = 'people'", batch)
        }
        answers = answers_so_far(run.store, run, batch)
        answered = {number for number, _, _ in answers}
        if run.request.consolidation_lambda is not None:
            yield from _labels_by_function(run, batch, stored)
            continue
        for number in sorted(set(stored) - answered):
            yield f"object {number}: has a label by people, but no answer"
        derived = run.task.consolidate(answers, objects=sorted(set(stored) & answered))
        for number, found in derived.items():
            if found.label != stored[number]:
                yield f"object {number}: the stored label is {stored[number]!r}, the answers give {found.label!r}"


def _labels_by_function(run: Run, batch: int, stored: dict[int, Any]) -> Iterator[str]:
    """Compare labels that a Lambda function made with its response, as the output tree has it."""
    said: dict[int, Any] = {}
    for path in run.folder.annotations.glob(f"consolidated-annotation/consolidation-response/iteration-{batch}/*.json"):
        said |= {
            number: run.task.label_from_record(content, run.request.label_attribute)
            for number, content in parse_consolidation_response(msgspec.json.decode(path.read_bytes())).items()
        }
    for number, label in stored.items():
        if said.get(number) != label:
            found = _short(said.get(number))
            yield f"object {number}: the stored label is {_short(label)}, the Lambda function said {found}"


def _look(run: Run) -> Iterator[str]:
    look = stored_look(run)
    if look is None:
        return
    arrays, facts = look.freeze.arrays(), look.freeze.result
    design = AuditDesign(**facts["design"])
    again = AuditDesign.of(
        run.settings.quality,
        promised_labels=design.promised_labels,
        remainder=len(arrays["order"]),
        audits=design.audits,
    )
    if again != design:
        yield f"the audit design is {design}, the rule gives {again}"
    by_number = np.argsort(arrays["order"])
    order = order_by_confidence(arrays["order"][by_number], arrays["error_probability"][by_number])
    if not np.array_equal(order, arrays["order"]):
        yield "the frozen order is not the order of the frozen error probabilities"
    ranks = draw_audit(len(order), design.audits, run.rng("audit"))
    if ranks.tolist() != facts["audit_ranks"] or order[ranks].tolist() != facts["audit"]:
        yield "the audit is not the one that the seed draws"
    yield from _walk(run, look, design)


def _walk(run: Run, look: Look, design: AuditDesign) -> Iterator[str]:
    """Walk again with reference labels consolidated from the answers themselves."""
    arrays, facts, result = look.freeze.arrays(), look.freeze.result, look.walk.result
    ranks = np.asarray(facts["audit_ranks"], np.int64)
    row = run.store.one("SELECT batch FROM task WHERE purpose = 'audit' LIMIT 1")
    answers = answers_so_far(run.store, run, row["batch"]) if row else []
    answered = {number for number, _, _ in answers} & set(facts["audit"])
    reference = run.task.consolidate(answers, objects=sorted(answered)) if answered else {}
    wrong = np.asarray(
        [
            int(number) not in reference
            or reference[int(number)].label != run.predicted_label(arrays["predicted"][rank])
            for number, rank in zip(facts["audit"], ranks.tolist(), strict=True)
        ],
        dtype=bool,
    )
    walked = walk(design.remainder, ranks, wrong, design.allowed)
    if (int(wrong.sum()), walked.stop_rank) != (result["audit_errors"], result["stop_rank"]):
        yield (
            f"the walk stopped at rank {result['stop_rank']:,} after {result['audit_errors']} audit errors; "
            f"the answers give rank {walked.stop_rank:,} and {int(wrong.sum())}"
        )
    machine = look.walk.arrays()["machine_ranks"]
    if len(np.intersect1d(machine, ranks)) or (len(machine) and machine.max() >= walked.stop_rank):
        yield "the machine labeled objects that the walk does not allow"


def _certificate(run: Run, certificate: Certificate) -> Iterator[str]:
    stopped = run.steps.stored("stop") is not None
    derived = certify(run, stored_look(run), stopped=stopped)
    on_disk = json.loads(run.folder.certificate.read_bytes())
    for name, value in derived.to_json().items():
        if on_disk.get(name) != value:
            yield f"certificate.json says {name} = {_short(on_disk.get(name))}, the job gives {_short(value)}"
    if set(on_disk) - set(derived.to_json()):
        yield f"certificate.json has members no certificate has: {sorted(set(on_disk) - set(derived.to_json()))}"
    if certificate.sentence != derived.sentence and on_disk.get("sentence") == derived.sentence:
        yield "the certificate's numbers do not say what its sentence says"


def _scores_file(run: Run) -> Iterator[str]:
    look = stored_look(run)
    if look is None:
        return
    digest, frozen = hashlib.sha256(), hashlib.sha256()
    if not run.folder.scores.is_file():
        yield f"{run.folder.scores}: missing"
        return
    digest.update(run.folder.scores.read_bytes())
    for block in score_lines(look.freeze.arrays()):
        frozen.update(block)
    if digest.hexdigest() != look.freeze.result["scores_sha256"]:
        yield f"{run.folder.scores}: a score, a prediction or the order was changed"
    if frozen.hexdigest() != look.freeze.result["scores_sha256"]:
        yield "the frozen arrays are not the scores that the audit was drawn over"


def _manifest(run: Run) -> Iterator[str]:
    expected = _ExpectedLabels(run)
    path = run.folder.output_manifest
    if not path.is_file():
        yield f"{path}: missing"
        return
    count = 0
    ended = True
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            count, ended = number + 1, line.endswith(b"\n")
            found = _line_finding(run, line, expected.of(number)) or _other_members(run, number, line)
            if found:
                yield f"{path} line {number + 1}: {found}"
    if count != run.objects or not ended:
        yield f"{path}: found {count:,} lines; expected {run.objects:,}, each ended"


def _line_finding(run: Run, line: bytes, wanted: tuple[Any, str] | None) -> str:
    """Say what is wrong with one output line; empty when it is what the job gives."""
    attribute = run.request.label_attribute
    try:
        record = msgspec.json.decode(line)
        label = run.task.label_from_record(record, attribute)
    except (msgspec.DecodeError, ObjectError) as error:
        return str(error)
    if label is None:
        return "" if wanted is None else f"has no label, the job gives {wanted[0]!r}"
    human = (record.get(f"{attribute}-metadata") or {}).get("human-annotated")
    if wanted is None:
        return f"has the label {label!r}, which nobody gave"
    if (label, human) != wanted:
        return f"says {label!r} ({human}), the job gives {wanted[0]!r} ({wanted[1]})"
    return ""


def _other_members(run: Run, number: int, line: bytes) -> str:
    """Say whether an output line holds other members than its input line, labels aside; empty when it does not."""
    if number >= run.objects or run.manifest.is_bad(number):
        return ""
    own = {run.request.label_attribute, run.request.label_attribute + METADATA}
    found, given = (
        {key: value for key, value in msgspec.json.decode(each).items() if key not in own}
        for each in (line, run.manifest.line(number))
    )
    odd = sorted(found.keys() ^ given.keys()) or sorted(key for key in found if found[key] != given[key])
    return f"has {odd[0]!r} otherwise than the input manifest" if odd else ""


class _ExpectedLabels:
    """The label that the job gives each object, and who made it: ``(label, human-annotated)``."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stored = {
            row["object"]: (json.loads(row["label"]), "no" if row["source"] == "chained-machine" else "yes")
            for row in run.store.stream("SELECT object, label, source FROM label")
        }
        self._by_machine = np.zeros(run.objects, np.bool_)
        self._predicted = np.zeros(run.objects, np.int32)
        look = stored_look(run)
        if look is not None:
            objects, predicted, _ = look.machine_labels()
            self._by_machine[objects], self._predicted[objects] = True, predicted

    def of(self, number: int) -> tuple[Any, str] | None:
        """Return what an object's line must say; ``None`` when it has no label, or is none of the job's."""
        if number < len(self._by_machine) and self._by_machine[number]:
            return self._run.predicted_label(self._predicted[number]), "no"
        return self._stored.get(number)


def _responses(run: Run) -> Iterator[str]:
    """Compare every worker-response file with the stored answers."""
    from autolabel.workforce.responses import parse_worker_response

    on_disk: dict[tuple[int, str], Any] = {}
    for path in sorted(run.folder.annotations.glob("worker-response/iteration-*/*/*.json")):
        if not path.parent.name.isdecimal():
            yield f"{path}: no object is called {path.parent.name!r}"
            continue
        number = int(path.parent.name)
        try:
            answers = parse_worker_response(msgspec.json.decode(path.read_bytes()), number=number)
        except (msgspec.DecodeError, AnswerError) as error:
            yield f"{path}: not a worker response ({error})"
            continue
        on_disk.update({(number, answer.worker): answer.content for answer in answers})
    published = {row["name"] for row in run.store.rows("SELECT name FROM step WHERE name LIKE 'files-%'")}
    stored = {
        (row["object"], row["worker"]): json.loads(row["content"])
        for row in run.store.stream(
            "SELECT answer.*, task.batch FROM answer JOIN task USING (object) WHERE content IS NOT NULL"
        )
        if f"files-{row['batch']:03d}" in published
    }
    for number, worker in sorted(set(stored) ^ set(on_disk)):
        yield f"object {number}: the answer of {worker} is {'missing from' if (number, worker) in stored else 'only in'} the worker-response files"  # noqa: E501 - one sentence
    for key in sorted(set(stored) & set(on_disk)):
        if stored[key] != on_disk[key]:
            yield f"object {key[0]}: the answer of {key[1]} differs between the database and its file"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."
