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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.quality import machine
from autolabel.quality.audit import draw_audit
from autolabel.quality.machine import MachineDesign, MachineOutcome
from autolabel.quality.region import plan_machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PerClassDesign:
    """Everything that is fixed before the first audit label is seen."""

    error: float
    delta: float
    classes: tuple[tuple[int, MachineDesign], ...]
    """Certifiable classes, ascending, each with the design for its own objects in walking order."""
    small: tuple[int, ...]
    """Predicted classes that people label."""
    expected_machine: float

    @property
    def audits(self) -> int:
        """Objects audited in all classes."""
        return sum(design.audits for _, design in self.classes)

    def draw(self, rng: np.random.Generator) -> dict[int, NDArray[np.int64]]:
        """Draw each class's audit, as ascending ranks of the class's own walking order."""
        return {number: draw_audit(design.region, design.audits, rng) for number, design in self.classes}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return {
            "error": self.error,
            "delta": self.delta,
            "classes": [{"class": number, "design": design.to_json()} for number, design in self.classes],
            "small": list(self.small),
            "expected_machine": self.expected_machine,
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> PerClassDesign:
        """Read `to_json`'s form back."""
        classes = tuple((entry["class"], MachineDesign.from_json(entry["design"])) for entry in facts["classes"])
        return cls(facts["error"], facts["delta"], classes, tuple(facts["small"]), facts["expected_machine"])


@dataclass(frozen=True, slots=True)
class PerClassOutcome:
    """What the audits certified, class by class."""

    classes: tuple[tuple[int, MachineOutcome], ...]
    machine_labeled: int
    audit_errors: int
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON members."""
        return {
            "classes": [{"class": number, "outcome": outcome.to_json()} for number, outcome in self.classes],
            "machine_labeled": self.machine_labeled,
            "audit_errors": self.audit_errors,
            "sentence": self.sentence,
        }


def class_level(delta: float, classes: int) -> float:
    """Level of each of `classes` independent contracts that all hold with probability 1 - delta (Šidák 1967)."""
    return float(-np.expm1(np.log1p(-delta) / classes))


def plan_per_class(
    predicted: NDArray[np.integer],
    error_probability: NDArray[np.floating],
    *,
    error: float,
    delta: float,
    spread: float = 0.0,
) -> PerClassDesign:
    """Choose the classes to certify, and each one's region, audit and floors.

    Parameters
    ----------
    predicted
        Frozen predicted class of each object, in walking order, shape ``(N,)``.
    error_probability
        Calibrated probability that each prediction is wrong, shape ``(N,)``.
    error, delta
        The contract: largest share of wrong machine labels in a class, allowed probability that any class breaks it.
    spread
        Relative standard deviation of a common factor by which all error probabilities may be off.

    Notes
    -----
    The more classes, the smaller the level of each. Classes are ranked by how many objects they are expected to have
    right, and the best of C, C/2, C/4, ... of them are tried.
    """
    probability = np.asarray(error_probability, dtype=np.float64)
    numbers, places = np.unique(predicted, return_inverse=True)
    right = np.bincount(places, weights=1.0 - probability, minlength=len(numbers))
    ranked = np.argsort(-right, kind="stable")
    members = np.split(np.argsort(places, kind="stable"), np.cumsum(np.bincount(places, minlength=len(numbers)))[:-1])
    best: list[tuple[int, MachineDesign]] = []
    expected, tried = 0.0, len(numbers)
    while tried:
        level = class_level(delta, tried)
        designs, machine_labels = [], 0.0
        for place in ranked[:tried].tolist():
            plan = plan_machine(probability[members[place]], error=error, delta=level, spread=spread)
            if plan.design is not None:
                designs.append((int(numbers[place]), plan.design))
                machine_labels += plan.machine
        if machine_labels > expected:
            best, expected = designs, machine_labels
        tried //= 2
    certified = {number for number, _ in best}
    small = tuple(number for number in numbers.tolist() if number not in certified)
    return PerClassDesign(error, delta, tuple(sorted(best, key=lambda entry: entry[0])), small, expected)


def certify(
    design: PerClassDesign, audits: Mapping[int, NDArray[np.int64]], wrong: Mapping[int, NDArray[np.bool_]]
) -> PerClassOutcome:
    """Certify each class by its own audit.

    Parameters
    ----------
    design
        Fixed before the audit.
    audits
        Of each certifiable class, ascending ranks in the class's own walking order; `PerClassDesign.draw`.
    wrong
        Whether each of them was predicted wrongly.
    """
    found = tuple((number, machine.certify(one, audits[number], wrong[number])) for number, one in design.classes)
    labeled = sum(outcome.machine_labeled for _, outcome in found)
    errors = sum(outcome.audit_errors for _, outcome in found)
    granted = sum(outcome.granted for _, outcome in found)
    people = len(design.small) + len(found) - granted
    if granted:
        others = f", people label {people:,} more" if people else ""
        mistakes = "1 error was" if errors == 1 else f"{errors:,} errors were"
        text = (
            f"With {100 * (1 - design.delta):g} % confidence at most {100 * design.error:g} % of the machine labels of "
            f"every predicted class are wrong; classes with machine labels: {granted:,} with {labeled:,}{others}; "
            f"{design.audits:,} objects were audited, {mistakes} found and corrected."
        )
    elif not found:
        text = f"No machine label is certified: no class is large and sure enough to certify {100 * design.error:g} %."
    else:
        text = f"No machine label is certified: the audit found {errors:,} errors, too many in every class."
    return PerClassOutcome(found, labeled, errors, text)
