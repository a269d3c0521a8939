"""The certificate: the promise in numbers, in one plain sentence, and everything needed to check it again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from autolabel.quality.contract import Contract
from autolabel.quality.design import Walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autolabel.quality.contract import Quality
    from autolabel.quality.design import Design


@dataclass(frozen=True, slots=True)
class Delivered:
    """Labels that a job hands over."""

    people: int
    """By people, in this job or an earlier one."""
    machine: int
    """By this job's machine."""
    not_covered: int = 0
    """By the machine of an earlier job, kept."""

    @property
    def covered(self) -> int:
        """Labels the certificate is about."""
        return self.people + self.machine


@dataclass(frozen=True, slots=True)
class Audited:
    """What a look left behind: its design, its audit, its walks."""

    design: Design
    facts: Mapping[str, Any]
    """The design as JSON."""
    remainder: int
    audit: tuple[int, ...]
    """Object numbers, in walking order."""
    wrong: tuple[int, ...]
    """Those whose prediction was wrong, the unanswered ones included."""
    unanswered: tuple[int, ...]
    walks: tuple[Walk, ...]
    reason: str
    """Why the machine labeled nothing; empty when it did."""
    refused: bool
    model_sha256: str
    scores_sha256: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a finished job promises. `to_json` is ``certificate.json``; `autolabel verify` re-derives it.

    With the scores file, which holds order and predictions, it is enough to walk again: `design` says what was fixed,
    `audit` and `audit_wrong` what was seen, `walks` what followed.
    """

    contract: str
    error: float
    confidence: float
    granted: bool
    reason: str
    """Why machine labels were refused or why there are none; empty when granted with machine labels."""
    objects: int
    """Labels of people and machine; objects that failed or stayed unlabeled are not among them."""
    promised_labels: int
    """Labels that the number of wrong ones was computed for, of all walks together."""
    remainder: int
    audited: int
    allowed_audit_errors: int | None
    """Wrong audited predictions that the walks could pass, together; ``None``: no machine label."""
    audit_errors: int
    """Wrong predictions found in the whole audit; every one was corrected."""
    stop_rank: int
    """Objects before the stops of all walks."""
    machine_labeled: int
    human_labeled: int
    wrong_at_most: int
    seed: int
    model_sha256: str
    scores_sha256: str
    """Of the frozen predictions and their order."""
    audit: tuple[int, ...] = ()
    """Object numbers that were audited, in walking order."""
    audit_wrong: tuple[int, ...] = ()
    """Those whose prediction was wrong."""
    audit_unanswered: tuple[int, ...] = ()
    """Audited objects that nobody could label; they count as errors."""
    not_covered: int = 0
    """Machine labels inherited from an earlier job, which this certificate says nothing about."""
    design: Mapping[str, Any] | None = None
    """Everything that was fixed before the audit, as `autolabel.quality.look.design_from_json` reads it."""
    walks: tuple[Walk, ...] = ()
    """One, or one for each predicted class."""
    reference: dict[str, Any] | None = None
    """How often people's own labels are wrong, and what that does to the promise (`autolabel.quality.reference`);
    ``None`` when it was not measured. It changes nothing of the promise."""
    sentence: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Write the sentence from the numbers, so that the two cannot disagree."""
        object.__setattr__(self, "sentence", sentence(self))

    @classmethod
    def without_look(cls, quality: Quality, delivered: Delivered, *, seed: int, stopped: bool) -> Certificate:
        """Certify a job that took no look: people labeled what is labeled."""
        return cls(
            **_asked(quality, delivered, seed),
            granted=not stopped,
            reason="the job was stopped before an audit" if stopped else "automated labeling was not asked for",
            promised_labels=0,
            remainder=0,
            audited=0,
            allowed_audit_errors=None,
            audit_errors=0,
            stop_rank=0,
            wrong_at_most=0,
            model_sha256="",
            scores_sha256="",
        )

    @classmethod
    def of(cls, quality: Quality, look: Audited, delivered: Delivered, *, seed: int, stopped: bool) -> Certificate:
        """Certify what a look allowed and a job delivered."""
        walks = look.walks
        allowed = [walk.allowed for walk in walks if walk.allowed is not None]
        promised = sum(walk.promised for walk in walks)
        holds = look.design.holds(walks, delivered.covered)
        reason = look.reason
        if not holds:
            why = "the job was stopped" if stopped else "too many objects turned out to be impossible to label"
            reason = f"{why} when {delivered.covered:,} of {promised:,} promised labels had been made"
        return cls(
            **_asked(quality, delivered, seed),
            granted=holds and not look.refused,
            reason=reason,
            promised_labels=promised,
            remainder=look.remainder,
            audited=len(look.audit),
            allowed_audit_errors=sum(allowed) if allowed else None,
            audit_errors=len(look.wrong),
            stop_rank=sum(walk.stop_rank for walk in walks),
            wrong_at_most=sum(walk.wrong_at_most for walk in walks),
            model_sha256=look.model_sha256,
            scores_sha256=look.scores_sha256,
            audit=look.audit,
            audit_wrong=look.wrong,
            audit_unanswered=look.unanswered,
            design=look.facts,
            walks=walks,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members in reading order."""
        facts = asdict(self)
        for key in ("audit", "audit_wrong", "audit_unanswered", "walks"):
            facts[key] = list(facts[key])
        return facts

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Certificate:
        """Read `to_json`'s form back; the sentence is written anew."""
        members = {key: value for key, value in facts.items() if key != "sentence"}
        for key in ("audit", "audit_wrong", "audit_unanswered"):
            members[key] = tuple(members[key])
        members["walks"] = tuple(Walk.from_json(walk) for walk in members["walks"])
        return cls(**members)


def sentence(certificate: Certificate) -> str:
    """Say the certificate in one plain English sentence or two."""
    c = certificate
    people = f"{c.human_labeled:,} of {c.objects:,} labels were made by people"
    bound = _BOUNDS[Contract(c.contract)](c)
    if c.granted and c.machine_labeled:
        text = f"{_capital(bound)}; {_makers(c)}; {_audit_in_words(c)}."
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


def _asked(quality: Quality, delivered: Delivered, seed: int) -> dict[str, Any]:
    """Members that the user's wish and the counts give."""
    return {
        "contract": quality.contract.value,
        "error": quality.error,
        "confidence": quality.confidence,
        "objects": delivered.covered,
        "human_labeled": delivered.people,
        "machine_labeled": delivered.machine,
        "not_covered": delivered.not_covered,
        "seed": seed,
    }


def _of_the_dataset(c: Certificate) -> str:
    return f"with {100 * c.confidence:g} % confidence at most {c.wrong_at_most:,} of {c.objects:,} labels are wrong"


def _of_the_machine(c: Certificate) -> str:
    return (
        f"with {100 * c.confidence:g} % confidence at most {c.wrong_at_most:,} of {c.machine_labeled:,} machine labels "
        "are wrong"
    )


def _of_every_class(c: Certificate) -> str:
    return (
        f"with {100 * c.confidence:g} % confidence at most {100 * c.error:g} % of the machine labels of every "
        f"predicted class are wrong, {c.wrong_at_most:,} of {c.machine_labeled:,} in all"
    )


_BOUNDS = {
    Contract.DATASET: _of_the_dataset,
    Contract.MACHINE: _of_the_machine,
    Contract.PER_CLASS: _of_every_class,
}


def _makers(certificate: Certificate) -> str:
    c = certificate
    if len(c.walks) == 1 and c.contract == Contract.DATASET:
        return f"{c.machine_labeled:,} were made by the machine"
    people = f"people made the other {c.human_labeled:,} labels"
    if len(c.walks) == 1:
        return people
    certified = sum(walk.machine_labeled > 0 for walk in c.walks)
    return f"{certified:,} of {_counted(len(c.walks), 'class', 'classes')} have machine labels, {people}"


def _audit_in_words(certificate: Certificate) -> str:
    c = certificate
    if not c.audited:
        return "no audit was needed, because even if every machine label were wrong the promise would hold"
    corrected = c.audit_errors - len(c.audit_unanswered)
    errors = f"{_counted(corrected, 'error was', 'errors were')} found and corrected"
    if c.audit_unanswered:
        errors += f", {len(c.audit_unanswered):,} could not be labeled and counts as an error"
    region = c.walks[0] if len(c.walks) == 1 else None
    whom = f"of the {region.region:,} most confident objects" if region and region.region < c.remainder else "objects"
    return f"{c.audited:,} {whom} were audited, {errors}"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
