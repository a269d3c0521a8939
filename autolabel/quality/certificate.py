"""The certificate: the promise in numbers, in one plain sentence, and everything needed to check it again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from autolabel.quality.rule import allowed_errors, wrong_labels_that_break


class Contract(StrEnum):
    """What is promised, with probability at least `confidence`."""

    DATASET = "dataset"
    """At most ``error`` times the labels of the delivered set are wrong; labels by people count as right."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The promise a user asks for.

    Attributes
    ----------
    error
        Largest share of wrong labels, 0 <= error < 1.
    confidence
        Probability that the promise holds, in (0, 1).
    contract
        Which labels the promise is about.
    """

    error: float = 0.05
    confidence: float = 0.95
    contract: Contract = Contract.DATASET

    def __post_init__(self) -> None:
        """Refuse numbers that promise nothing."""
        if not 0.0 <= self.error < 1.0:
            msg = f"found quality.error = {self.error}; expected a share of wrong labels in [0, 1)"
            raise ValueError(msg)
        if not 0.0 < self.confidence < 1.0:
            msg = f"found quality.confidence = {self.confidence}; expected a probability in (0, 1)"
            raise ValueError(msg)
        if not 0.0 < self.delta < 1.0:
            msg = f"found quality.confidence = {self.confidence!r}; expected at least 1e-12 between it and 0 or 1"
            raise ValueError(msg)

    @property
    def delta(self) -> float:
        """Allowed probability of a broken promise, 1 - confidence, free of binary rounding."""
        return round(1.0 - self.confidence, 12)


@dataclass(frozen=True, slots=True)
class AuditDesign:
    """Everything that is fixed before the first audit label is seen."""

    promised_labels: int
    """Least size of the delivered set that the promise is computed for: all objects, unless a budget says less."""
    remainder: int
    audits: int
    limit: int
    """Wrong labels that would break the promise, ``r``."""
    allowed: int | None
    """Wrong audited predictions the walk may pass, ``k_c``; ``None``: too few audits for any machine label."""

    @classmethod
    def of(cls, quality: Quality, *, promised_labels: int, remainder: int, audits: int) -> AuditDesign:
        """Apply the rule of `autolabel.quality.rule` to these sizes."""
        limit = wrong_labels_that_break(quality.error, promised_labels)
        return cls(promised_labels, remainder, audits, limit, allowed_errors(remainder, limit, audits, quality.delta))


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a finished job promises. `to_json` is ``certificate.json``; `autolabel verify` re-derives it."""

    contract: str
    error: float
    confidence: float
    granted: bool
    reason: str
    """Why machine labels were refused or why there are none; empty when granted with machine labels."""
    objects: int
    """Labels the promise covers: people's and the machine's; objects that failed or stayed unlabeled are not."""
    promised_labels: int
    remainder: int
    audited: int
    allowed_audit_errors: int | None
    audit_errors: int
    """Wrong predictions found in the whole audit; every one was corrected."""
    stop_rank: int
    machine_labeled: int
    human_labeled: int
    wrong_at_most: int
    seed: int
    model_sha256: str
    scores_sha256: str
    """Of the frozen predictions and their order."""
    audit: tuple[int, ...] = ()
    """Object numbers that were audited, in walking order."""
    audit_unanswered: tuple[int, ...] = ()
    """Audited objects that nobody could label; they count as errors."""
    not_covered: int = 0
    """Machine labels inherited from an earlier job, which this certificate says nothing about."""
    reference: dict[str, Any] | None = None
    """How often people's own labels are wrong, and what that does to the promise (`autolabel.quality.reference`);
    ``None`` when it was not measured. It changes nothing of the promise."""
    sentence: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Write the sentence from the numbers, so that the two cannot disagree."""
        object.__setattr__(self, "sentence", sentence(self))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members in reading order."""
        facts = asdict(self)
        facts["audit"] = list(self.audit)
        facts["audit_unanswered"] = list(self.audit_unanswered)
        return facts

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Certificate:
        """Read `to_json`'s form back; the sentence is written anew."""
        members = {key: value for key, value in facts.items() if key != "sentence"}
        for key in ("audit", "audit_unanswered"):
            members[key] = tuple(members[key])
        return cls(**members)


def sentence(certificate: Certificate) -> str:
    """Say the certificate in one plain English sentence or two."""
    c = certificate
    people = f"{c.human_labeled:,} of {c.objects:,} labels were made by people"
    bound = f"with {100 * c.confidence:g} % confidence at most {c.wrong_at_most:,} of {c.objects:,} labels are wrong"
    if c.granted and c.machine_labeled:
        text = f"{_capital(bound)}; {c.machine_labeled:,} were made by the machine; {_audit_in_words(c)}."
    elif c.granted:
        text = f"All {c.objects:,} labels were made by people, so none counts as wrong; {c.reason}."
    elif c.machine_labeled:
        text = (
            f"The promise of {100 * c.error:g} % is not certified: {c.reason}. Of the labels there are, {bound}; "
            f"{c.machine_labeled:,} were made by the machine."
        )
    else:
        text = f"No machine label is certified: {c.reason}. {_capital(people)}."
    if c.not_covered:
        text += f" {c.not_covered:,} machine labels of an earlier job were kept and are not covered."
    return text


def _audit_in_words(certificate: Certificate) -> str:
    c = certificate
    if not c.audited:
        return "no audit was needed, because even if every machine label were wrong the promise would hold"
    corrected = c.audit_errors - len(c.audit_unanswered)
    errors = f"{corrected:,} errors were found and corrected"
    if corrected == 1:
        errors = "1 error was found and corrected"
    if c.audit_unanswered:
        errors += f", {len(c.audit_unanswered):,} could not be labeled and counts as an error"
    return f"{c.audited:,} objects were audited, {errors}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def refusal(quality: Quality, design: AuditDesign, needed: int | None) -> str:
    """Say why `design` allows no machine label; `needed` is the smallest clean audit that would."""
    if needed is None:
        return f"no audit of {design.remainder:,} objects can certify {100 * quality.error:g} %"
    return (
        f"{design.audits:,} audits cannot certify {100 * quality.error:g} %: at least {needed:,} clean ones are needed"
    )
