"""Everything a job report is made of: the job room fills `ReportData`, the report only shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from autolabel.api.kinds import TaskKind


class Purpose(StrEnum):
    """Why people were asked for labels in a round."""

    TRAIN = "train"
    GOLD = "gold"
    """Objects whose truth the operator knows."""
    AUDIT = "audit"
    REST = "rest"
    """Objects that the certificate left to people."""


class Decision(StrEnum):
    """What became of an object near the threshold."""

    ACCEPTED = "accepted"
    """The machine's label was taken."""
    REJECTED = "rejected"
    """It was left to people."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A forecast: its point and the range it was given with, ``low <= point <= high``."""

    point: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One round of the job."""

    number: int
    """1-based."""
    purpose: Purpose
    human_labels: int
    """Labels people gave in this round."""
    cumulative_human_labels: int
    """Labels people have given by its end."""
    seconds: float
    """Machine time of the round: training, scoring, planning."""
    machine_labels: int = 0
    """Labels the machine gave at its end; 0 before the certificate."""
    forecast_human_labels: Interval | None = None
    """Human labels that the whole job would take, as forecast after this round."""
    forecast_machine_share: float | None = None
    """Share of all objects that the machine would label, in [0, 1]."""
    estimated_error: float | None = None
    """Estimated share of wrong labels among those the machine would give, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One of the people who answered."""

    worker: str
    answers: int
    declined: int
    seconds: float | None
    """Median time of an answer."""
    accuracy: float
    """Estimated share of right answers, in [0, 1]."""
    agreed: float | None
    """Share of their answers that are what most of the others said; ``None`` where nobody else answered."""
    gold: int
    """Answers to gold objects."""
    gold_right: int


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """How far people agree."""

    objects: int
    """Objects that at least two people answered."""
    pairwise: float
    """Share of pairs of answers to the same object that are equal, in [0, 1]."""
    alpha: float
    """Krippendorff's alpha: 1 is perfect agreement, 0 is chance."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """One kind of cost, in US dollars."""

    kind: str
    """For example ``human labels``; the report tells kinds apart by this name."""
    quantity: float
    unit: str
    """What is counted: ``label``, ``answer``, ``second``."""
    unit_price: float
    amount: float


@dataclass(frozen=True, slots=True)
class CostTable:
    """What the job cost, and what people alone would have cost for the same objects; US dollars."""

    rows: tuple[CostRow, ...]
    total: float
    all_human: float

    @property
    def saved(self) -> float:
        """Dollars saved against people alone; negative when the job cost more."""
        return self.all_human - self.total


@dataclass(frozen=True, slots=True)
class Outcome:
    """A whole job in four numbers, as forecast or as it came; ``None`` is unknown."""

    human_labels: float | None = None
    machine_labels: float | None = None
    dollars: float | None = None
    seconds: float | None = None
    """Machine time."""


@dataclass(frozen=True, slots=True)
class BoundaryItem:
    """An object near the threshold between the machine's labels and people's."""

    object: int
    predicted: str
    """Category name."""
    error_probability: float
    decision: Decision
    text: str | None = None
    thumbnail: bytes | None = None
    """JPEG; shown instead of the text when there is one."""
    human: str | None = None
    """Category name that people gave it, if they did."""


@dataclass(frozen=True, slots=True)
class FailureRow:
    """An object that could not be labeled."""

    object: int
    line: int
    """1-based physical line of the manifest."""
    reason: str


@dataclass(frozen=True, slots=True)
class Truth:
    """How the delivered labels compare with a truth file."""

    wrong: int
    of: int
    """Delivered labels that the truth file knows."""
    machine_wrong: int


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """One job, ready to be shown. Every text in it is untrusted: it is shown, never interpreted."""

    name: str
    arn: str
    status: str
    """A `LabelingJobStatus`."""
    task: TaskKind
    label_attribute: str
    created: datetime
    categories: tuple[str, ...]
    counters: Mapping[str, int]
    """The five `LabelCounters` under AWS's names; their identity gives `objects`."""
    cost: CostTable
    finished: datetime | None = None
    failure_reason: str = ""
    human_labels: Mapping[str, int] = field(default_factory=dict)
    """Human labels by purpose: ``train``, ``gold``, ``audit``, ``rest``, ``chained``."""
    answers_saved: int = 0
    """Answers that adaptive redundancy did not ask for."""
    workers: tuple[WorkerRow, ...] = ()
    agreement: AgreementRow | None = None
    certificate: Mapping[str, Any] | None = None
    """The members of ``certificate.json``; ``None`` before the job has decided."""
    rounds: tuple[RoundRow, ...] = ()
    forecast_before: Outcome | None = None
    actual_after: Outcome | None = None
    reliability: tuple[tuple[float, float, int], ...] = ()
    """A bin each: mean predicted error probability, observed share of errors, objects in it."""
    risk_coverage: tuple[tuple[float, float], ...] | None = None
    """Share of the remainder, most confident first, ascending in (0, 1], and the share of errors in it."""
    confusion: NDArray[np.integer] | None = None
    """Counts on objects that people checked, shape ``(C, C)``: reference by row, prediction by column."""
    boundary: tuple[BoundaryItem, ...] = ()
    failures: tuple[FailureRow, ...] = ()
    truth: Truth | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The resolved settings; values are JSON."""
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """Where results are, the most wanted first: ``{"report": "out/job/report.html", ...}``."""

    @property
    def human(self) -> int:
        """Objects whose label people gave."""
        return self.counters["HumanLabeled"]

    @property
    def machine(self) -> int:
        """Objects whose label the machine gave."""
        return self.counters["MachineLabeled"]

    @property
    def failed(self) -> int:
        """Objects that could not be labeled."""
        return self.counters["FailedNonRetryableError"]

    @property
    def unlabeled(self) -> int:
        """Objects that have no label yet."""
        return self.counters["Unlabeled"]

    @property
    def objects(self) -> int:
        """Objects in the data set: TotalLabeled + FailedNonRetryableError + Unlabeled."""
        return self.counters["TotalLabeled"] + self.failed + self.unlabeled
