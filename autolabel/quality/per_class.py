"""The per-class contract: within every predicted class at most a share `error` of the machine's labels is wrong.

Setting. The frozen predictions split the remainder into classes. A class is *certifiable* when a design of
`autolabel.quality.machine` for it is worth its audit; which ones are is decided before the audit, and people label the
others. The C certifiable classes have designs with ``delta_c = 1 - (1 - delta) ** (1 / C)`` each, and every class's
audit is drawn by itself: uniformly within its region and independently of the others.

Theorem. With probability at least 1 - delta, at most a share `error` of the machine labels is wrong in every class.

Proof. Predictions and designs are fixed before the audits, and what class c breaks is a function of its own audit
alone. So the C violations are independent, and by the theorem of the machine contract each has probability at most
delta_c. None happens with probability at least ``(1 - delta_1) ... (1 - delta_C) = 1 - delta``.

Why not Holm's procedure, which would give the levels of certified classes to the others? Holm needs, for each class, a
null hypothesis that is fixed before the audit, true whenever the class breaks its contract, *and whose rejection would
be an error*: only then is the first wrong rejection made at a level of delta / (number of true nulls) or less. Here a
class is certified or not, and it may be certified rightly with the very pattern of errors with which an unlucky audit
breaks its contract: its walk stops in time. Such a class hands its level on nearly always, and still breaks its own
contract with probability delta / C. Two classes can then break theirs with probability
``1 - (1 - delta / 2) (1 - delta)``, about 1.5 delta; `tests/unit/test_quality_per_class.py` enumerates a case above
delta. What holds of Holm's method (nulls "at least `limit` of the region are wrong", no walk, no credit for corrected
errors) gives away more than it gains, as simultaneous confidence bounds of Holm's kind do in general (Strassburger and
Bretz 2008, Guilbaud 2008). Nor can a class that was refused pass its level on: a class that is certified only when it
is broken, with probability delta_c, would do so nearly always.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from autolabel.quality.audit import draw_audit
from autolabel.quality.contract import Contract
from autolabel.quality.design import NOTHING_PLANNED, Frozen, Outcome, Walk, check_audit, unaudited
from autolabel.quality.machine import MachineDesign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from autolabel.quality.design import Room

LEFT_TO_PEOPLE = "too few objects, or too unsure ones, to be worth an audit"


@dataclass(frozen=True, slots=True)
class PerClassDesign:
    """Everything that is fixed before the first audit label is seen."""

    contract: ClassVar[Contract] = Contract.PER_CLASS

    error: float
    delta: float
    classes: tuple[tuple[int, MachineDesign], ...]
    """Certifiable classes, ascending, each with the design for its own objects in walking order."""

    @property
    def audits(self) -> int:
        """Objects audited in all classes."""
        return sum(design.audits for _, design in self.classes)

    def draw(self, frozen: Frozen, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw each class's audit by itself."""
        members = dict(members_by_class(frozen.predicted))
        drawn = [members[number][draw_audit(design.region, design.audits, rng)] for number, design in self.classes]
        return np.sort(np.concatenate([np.empty(0, np.int64), *drawn]))

    def walk(self, frozen: Frozen, ranks: NDArray[np.int64], losses: NDArray[np.floating], room: Room) -> Outcome:
        """Walk each class by its own audit; the largest come first where there is not room for all."""
        check_audit(self.audits, ranks, len(frozen))
        members = dict(members_by_class(frozen.predicted))
        wrong, designs = losses > 0.0, dict(self.classes)
        audited = {}
        for number in designs:
            own = frozen.predicted[ranks] == number
            audited[number] = np.searchsorted(members[number], ranks[own]), wrong[own]
        walks = {number: design.certify(*audited[number]) for number, design in self.classes}
        left = room.budget.labels
        for number in sorted(walks, key=lambda number: (-walks[number].machine_labeled, number)):
            if left is not None:
                walks[number] = designs[number].certify(*audited[number], left)
                left -= walks[number].machine_labeled
        found, machine = [], [np.empty(0, np.int64)]
        for number, places in members.items():
            walk = walks.get(number, Walk(None, 0, 0, 0, 0, 0, None, 0, 0, 0, LEFT_TO_PEOPLE))
            found.append(replace(walk, predicted=number, objects=len(places)))
            if walk.machine_labeled:
                machine.append(places[unaudited(walk.stop_rank, audited[number][0])[: walk.machine_labeled]])
        labeled = np.sort(np.concatenate(machine))
        return Outcome(labeled, tuple(found), "" if len(labeled) else self._why_none(found))

    def holds(self, walks: tuple[Walk, ...], delivered: int) -> bool:
        """Whether the wrong labels there may be are at most the share of every class's machine labels."""
        return MachineDesign(self.error, self.delta, 0, 0, ()).holds(walks, delivered)

    def again(self, frozen: Frozen, *, error: float, delta: float) -> PerClassDesign:
        """Apply the rule anew to every class."""
        level = class_level(delta, len(self.classes)) if self.classes else delta
        members, classes = dict(members_by_class(frozen.predicted)), []
        for number, design in sorted(dict(self.classes).items()):
            places = members.get(number, np.empty(0, np.int64))
            own = Frozen(frozen.objects[places], frozen.predicted[places], frozen.error_probability[places])
            classes.append((number, design.again(own, error=error, delta=level)))
        return PerClassDesign(error, delta, tuple(classes))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        classes = [{"class": number, "design": design.to_json()} for number, design in self.classes]
        return {"error": self.error, "delta": self.delta, "classes": classes}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> PerClassDesign:
        """Read `to_json`'s form back."""
        classes = tuple((entry["class"], MachineDesign.from_json(entry["design"])) for entry in facts["classes"])
        return cls(facts["error"], facts["delta"], classes)

    def _why_none(self, walks: list[Walk]) -> str:
        if not self.audits:
            return NOTHING_PLANNED
        best = max((walk for walk in walks if walk.audited), key=lambda walk: walk.objects)
        return f"in no class, in the largest one because {best.reason}"


def members_by_class(predicted: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each predicted class, ascending, and its objects' ranks, ascending."""
    by_class = np.argsort(predicted, kind="stable")
    numbers, first = np.unique(predicted[by_class], return_index=True)
    yield from zip(numbers.tolist(), np.split(by_class, first)[1:], strict=True)


def class_level(delta: float, classes: int) -> float:
    """Level of each of `classes` independent contracts that all hold with probability 1 - delta (Šidák 1967)."""
    return float(-np.expm1(np.log1p(-delta) / classes))
