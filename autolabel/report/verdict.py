"""How a job ended, in words: the first sentence of every report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from autolabel.quality.reference import NOT_MEASURED
from autolabel.report.words import counted, percent

if TYPE_CHECKING:
    from autolabel.report.data import ReportData

_ENDED = {"Completed", "Stopped"}


class Tone(StrEnum):
    """How a verdict is coloured."""

    GOOD = "good"
    CAUTION = "caution"
    BAD = "bad"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One or two words and a sentence."""

    tone: Tone
    word: str
    sentence: str


def verdict(data: ReportData) -> Verdict:
    """Say what the job promises, or why it promises nothing."""
    if data.status == "Failed":
        return Verdict(Tone.BAD, "Failed", data.failure_reason or "The job failed and gave no reason.")
    if data.certificate is not None:
        sentence = str(data.certificate["sentence"])
        if data.certificate["granted"]:
            return Verdict(Tone.GOOD, "Certified", sentence)
        return Verdict(Tone.CAUTION, "Not certified", sentence)
    labeled = f"{data.human + data.machine:,} of {counted(data.objects, 'object')} are labeled"
    if data.status in _ENDED:
        return Verdict(Tone.CAUTION, "No certificate", f"The job ended before it could certify anything; {labeled}.")
    return Verdict(Tone.NEUTRAL, "In progress", f"Nothing is certified yet; {labeled} so far.")


def peoples_errors(data: ReportData) -> str:
    """Say how often people's own labels are wrong and what that does to the promise; empty without a certificate."""
    if data.certificate is None:
        return ""
    found = data.certificate.get("reference")
    return NOT_MEASURED if found is None else str(found["sentence"])


def peoples_errors_in_brief(data: ReportData) -> str:
    """Say the same in a line or two, with the promised error beside it; empty without a certificate."""
    if data.certificate is None:
        return ""
    found = data.certificate.get("reference")
    promised = f"ε = {percent(data.certificate['error'])}"
    if found is None:
        return f"{promised} is against people's labels; how often those are wrong was not measured."
    people = found["wrong_at_most"] - found["machine_wrong_at_most"]
    what = "gold wrong" if found["method"] == "gold" else "repeats differ"
    return (
        f"{promised}; people err on {percent(found['low'])} to {percent(found['high'])} ({found['differing']:,} of "
        f"{found['measured']:,} {what}): wrong against the truth ≤ {found['machine_wrong_at_most']:,} + {people:,} of "
        f"{found['labels']:,} ({percent(found['wrong_at_most'] / found['labels'])})."
    )


def against_truth(data: ReportData) -> Verdict | None:
    """Compare the delivered labels, and the promise, with the truth file; ``None`` without one.

    People's labels count as right, so it is the machine's wrong labels that keep or break a promise.
    """
    truth = data.truth
    if truth is None:
        return None
    share = f" ({percent(truth.wrong / truth.of)})" if truth.of else ""
    sentence = (
        f"{truth.wrong:,} of {counted(truth.of, 'label')} differ from the truth file{share}, "
        f"{truth.machine_wrong:,} of them made by the machine."
    )
    if data.certificate is None or not data.certificate["granted"]:
        return Verdict(Tone.NEUTRAL, "Against the truth", sentence)
    most = int(data.certificate["wrong_at_most"])
    promise = (
        f"The promise of at most {most:,}{' in all classes together' if len(data.certificate['walks']) > 1 else ''}"
    )
    if truth.machine_wrong <= most:
        return Verdict(Tone.GOOD, "Against the truth", f"{sentence} {promise} is kept.")
    return Verdict(Tone.BAD, "Against the truth", f"{sentence} {promise} is broken.")
