"""`autolabel verify`: re-derive a certificate from the job folder, without the model.

Every number is computed again from what it rests on: the audit is drawn again from the seed and the frozen scores, the
order is sorted again, reference labels are consolidated again from the workers' answers, the walk is walked again, and
certificate, output manifest and ledger are written again and compared. What verify cannot know is whether the answers
are people's own, and whether somebody who may write to the folder made all of it up consistently.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autolabel.errors import AnswerError, JobCorruptError, VerificationError
from autolabel.job.finish import certify
from autolabel.job.look import stored_look
from autolabel.job.reference import gold_findings, repeat_findings
from autolabel.job.repeats import second_labels
from autolabel.job.verify_files import ledger_file, machine_file, output_manifest, scores_file, worker_responses
from autolabel.job.verify_look import Answers, chained_labels, labels_by_people, ledger_rows, the_look, votes
from autolabel.quality.certificate import Certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    answers = Answers(run)
    findings: list[str] = []
    checks: list[str] = []
    every: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
        ("the steps follow from one another, and their arrays are the bytes that were stored", lambda: _steps(run)),
        ("every label by people follows from the workers' answers", lambda: labels_by_people(run, answers)),
        ("labels of earlier jobs are those of the input manifest", lambda: chained_labels(run)),
        ("design, order, audit, walk and machine labels follow from the scores and the seed",
         lambda: the_look(run, answers)),
        ("the certificate's numbers and sentence are the job's", lambda: _certificate(run, certificate)),
        ("the scores file is the frozen one", lambda: scores_file(run)),
        ("the output manifest is what the job writes, byte by byte", lambda: output_manifest(run)),
        ("the machine's annotations are what the job writes", lambda: machine_file(run)),
        ("the model's vote decided training labels only, as its stored beliefs say", lambda: votes(run, answers)),
        ("what measured people's own errors follows from gold and second panels", lambda: _reference(run)),
        ("the worker-response files hold the answers that were paid", lambda: worker_responses(run)),
        ("every answer and every label was paid once, at its price", lambda: ledger_rows(run)),
        ("the ledger file is what the job writes", lambda: ledger_file(run)),
    )  # fmt: skip
    for name, check in every:
        found = _collect(run, check)
        findings += found
        checks.append(f"{'ok' if not found else 'FAILED'}: {name}")
    if findings:
        raise VerificationError(findings)
    return Verified(certificate, tuple(checks))


def _collect(run: Run, check: Callable[[], Iterator[str]]) -> list[str]:
    found: list[str] = []
    try:
        for finding in check():
            found.append(finding)  # noqa: PERF402 - what was found before an error is kept
    except (JobCorruptError, AnswerError) as error:
        found.append(str(error))
    except (ValueError, TypeError, LookupError, sqlite3.Error) as error:  # what was changed is no longer of its form
        found.append(f"{run.folder.state}: holds what no job writes ({type(error).__name__}: {error})")
    return found


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


def _certificate(run: Run, certificate: Certificate) -> Iterator[str]:
    stopped = run.steps.stored("stop") is not None
    derived = certify(run, stored_look(run), stopped=stopped)
    # Through JSON, as the file went: tuples are lists there.
    job_gives, on_disk = json.loads(json.dumps(derived.to_json())), json.loads(run.folder.certificate.read_bytes())
    for name, value in job_gives.items():
        if on_disk.get(name) != value:
            yield f"certificate.json says {name} = {_short(on_disk.get(name))}, the job gives {_short(value)}"
    if set(on_disk) - set(job_gives):
        yield f"certificate.json has members no certificate has: {sorted(set(on_disk) - set(job_gives))}"
    if certificate.sentence != derived.sentence and on_disk.get("sentence") == derived.sentence:
        yield "the certificate's numbers do not say what its sentence says"


def _reference(run: Run) -> Iterator[str]:
    yield from gold_findings(run)
    yield from repeat_findings(run, second_labels)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."
