"""The reference error: how often people's consolidated labels are wrong, and what that does to the promise.

The certificate measures the machine against people: an object that people labeled counts as right. How often people
are right is measured apart, on objects whose truth is known (gold), or on objects that a second, independent panel of
people answered (repeats).

**From the reference to the truth.** Let every one of the `n` labels have a reference, the label that people alone would
give it, and a truth. A label by people is its reference; so is one that the model's vote decided (`tipped`), but for at
most as many as there are of them. A label by the machine that is wrong against the truth differs from its reference, or
its reference is wrong: if it equals its reference, and that equals the truth, it is right. So

    wrong against the truth <= machine labels that differ from their reference + wrong references + tipped labels,

object by object, hence for the counts, whatever depends on what. The certificate bounds the first term with probability
1 - delta, the second is bounded here with probability 1 - delta', the third is known; all of it holds with probability
1 - delta - delta' (union).

**Gold.** Let K of the N labels of the job have a wrong reference, were people asked about all of them. Of m objects
that were drawn uniformly, without replacement and without regard to anything that people or the machine said,
Hypergeometric(N, K, m) have a wrong one. Inverting its two tails gives an exact interval for K (Clopper and Pearson's
construction).

**Repeats.** Let a panel of people be wrong about object i with probability e_i, and a second, independent one with
probability e'_i; d_i is the probability that they disagree. Then

    d_i <= e_i + e'_i     because one of two that disagree is wrong;
    d_i >= e_i            if e_i <= 1/2: both are right with probability (1 - e_i)(1 - e'_i) and agree on something
                          wrong with probability at most e_i e'_i, so d_i >= e_i + e'_i (1 - 2 e_i) >= e_i.

With a second panel that is no worse than the first, d_i / 2 <= e_i <= d_i. Averaged over objects, the share of
disagreements bounds people's mean error from both sides, as long as no object makes a panel more often wrong than
right; on a share s of such objects the upper bound fails by at most s. Repeats therefore see carelessness and not what
everybody gets wrong; gold sees both.

The disagreements X among m objects drawn uniformly without replacement satisfy P(X <= k) <= P(Binomial(m, d) <= k) for
k <= m d - 1, and the mirror image, where d is the mean of the d_i: drawing without replacement and then thinning
independently is a strongly Rayleigh measure, so X is distributed as a sum of independent indicators of mean m d in
total, and among those the binomial has the heaviest tails there (W. Hoeffding, "On the Distribution of the Number of
Successes in Independent Trials", 1956). Clopper and Pearson's interval for d is therefore valid once its ends are moved
out to (k + 1) / m and (k - 1) / m where they lie inside, which they do for the smallest samples only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scipy.special import betaincinv

from autolabel.quality import hypergeometric


@dataclass(frozen=True, slots=True)
class Measured:
    """One sample and its interval.

    Attributes
    ----------
    population
        Labels that the sample stands for.
    measured
        Objects in the sample.
    differing
        Gold: labels that are wrong. Repeats: objects whose two panels disagree.
    low, high
        Bounds of the number of wrong references in the population, ``0 <= low <= high <= population``.
    """

    population: int
    measured: int
    differing: int
    low: float
    high: float


def measure_gold(population: int, measured: int, wrong: int, delta: float) -> Measured:
    """Bound the wrong references of a population from a uniform sample whose truth is known.

    Parameters
    ----------
    population, measured, wrong
        N, m and the number of wrong labels in the sample.
    delta
        Probability in (0, 1) that the interval misses, half of it on each side.
    """
    _check(population, measured, wrong, delta)
    return Measured(population, measured, wrong, *_marked(population, measured, wrong, delta / 2))


def measure_repeats(population: int, measured: int, disagreeing: int, delta: float) -> Measured:
    """Bound the expected number of wrong references in a population from a uniform sample of repeated objects.

    The upper bound holds where no object makes a panel of people more often wrong than right.

    Parameters
    ----------
    population, measured, disagreeing
        N, m and the number of objects whose panels disagree.
    delta
        Probability in (0, 1) that the interval misses, half of it on each side.
    """
    _check(population, measured, disagreeing, delta)
    tail, k, m = delta / 2, disagreeing, measured
    low = min(float(betaincinv(k, m - k + 1, tail)), (k - 1) / m) if k else 0.0
    high = min(1.0, max(float(betaincinv(k + 1, m - k, 1 - tail)), (k + 1) / m)) if k < m else 1.0
    return Measured(population, measured, disagreeing, population * low / 2, population * high)


class Method(StrEnum):
    """How the reference error was measured."""

    GOLD = "gold"
    """On objects whose truth the operator gave."""
    REPEATS = "repeats"
    """On objects that a second panel of people answered."""


@dataclass(frozen=True, slots=True)
class MeasuredReference:
    """People's own errors beside the promise about the machine's.

    Attributes
    ----------
    labels
        Labels of the job, N: those by people and by the machine, earlier jobs' not among them.
    parts
        What was measured: the populations add up to `labels`, and all intervals hold together with `confidence`.
    machine_wrong_at_most
        Machine labels that differ from what people would say, at most, with probability `confidence`.
    tipped
        Labels in which the model's vote changed what people alone would have said; each may be wrong besides.
    """

    method: Method
    labels: int
    parts: tuple[Measured, ...]
    confidence: float
    machine_wrong_at_most: int
    tipped: int = 0

    @property
    def measured(self) -> int:
        """Objects measured."""
        return sum(part.measured for part in self.parts)

    @property
    def differing(self) -> int:
        """Gold labels that are wrong, or repeated objects whose panels disagree."""
        return sum(part.differing for part in self.parts)

    @property
    def low(self) -> float:
        """Least share of wrong references, in [0, 1]."""
        return sum(part.low for part in self.parts) / self.labels

    @property
    def high(self) -> float:
        """Largest share of wrong references, in [0, 1]."""
        return min(1.0, sum(part.high for part in self.parts) / self.labels)

    @property
    def wrong_at_most(self) -> int:
        """Labels that are wrong against the truth, at most: the machine's errors, people's, and the tipped ones."""
        people = int(sum(part.high for part in self.parts))
        return min(self.labels, self.machine_wrong_at_most + people + self.tipped)

    @property
    def confidence_of_both(self) -> float:
        """Least probability that the certificate and the upper bound both hold."""
        return max(0.0, round(1.0 - 1.5 * (1.0 - self.confidence), 12))

    def to_json(self) -> dict[str, object]:
        """Plain JSON members in reading order."""
        return {
            "method": self.method.value,
            "measured": self.measured,
            "differing": self.differing,
            "low": round(self.low, 9),
            "high": round(self.high, 9),
            "confidence": self.confidence,
            "labels": self.labels,
            "machine_wrong_at_most": self.machine_wrong_at_most,
            "tipped_by_model": self.tipped,
            "wrong_at_most": self.wrong_at_most,
            "confidence_of_both": self.confidence_of_both,
            "sentence": sentence(self),
        }


def sentence(found: MeasuredReference) -> str:
    """Say how often people are wrong and what it does to the promise, in two plain English sentences."""
    share = f"between {_percent(found.low)} and {_percent(found.high)}"
    if found.method is Method.GOLD:
        seen = (
            f"People's labels were wrong on {found.differing:,} of {found.measured:,} gold objects: {share} of all are "
            "wrong"
        )
        condition = ""
    else:
        seen = (
            f"Two panels of people disagreed about {found.differing:,} of {found.measured:,} repeated objects: {share} "
            "of people's labels are wrong"
        )
        condition = ", if no object misleads most people"
    tipped = f" + {found.tipped:,} labels that the model's vote decided" if found.tipped else ""
    people = int(sum(part.high for part in found.parts))
    return (
        f"{seen} ({100 * found.confidence:g} % confidence{condition}). Wrong against the truth ≤ wrong against "
        f"people's labels + people's own errors{tipped}: at most {found.machine_wrong_at_most:,} + {people:,}"
        f"{f' + {found.tipped:,}' if found.tipped else ''} = {found.wrong_at_most:,} of {found.labels:,} labels "
        f"({_percent(found.wrong_at_most / found.labels)}), with {100 * found.confidence_of_both:g} % confidence."
    )


NOT_MEASURED = (
    "How often people's own labels are wrong was not measured, so the promise is against people's labels, not against "
    "the truth: gold objects or repeats measure it."
)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.1f} %"


def _marked(pool: int, drawn: int, seen: int, tail: float) -> tuple[int, int]:
    """Fewest and most marked objects of a pool under which what was seen is not in a tail of probability `tail`."""
    low, high = seen, pool - (drawn - seen)  # what was seen is certain
    least, most = low, high
    while least < high:  # P(at least `seen`) grows with the marked ones
        middle = (least + high) // 2
        if 1 - hypergeometric.cdf(seen - 1, pool, middle, drawn) > tail:
            high = middle
        else:
            least = middle + 1
    while low < most:  # P(at most `seen`) falls with them
        middle = (low + most + 1) // 2
        if hypergeometric.cdf(seen, pool, middle, drawn) > tail:
            low = middle
        else:
            most = middle - 1
    return least, most


def _check(population: int, measured: int, differing: int, delta: float) -> None:
    if not 0 <= differing <= measured <= population:
        msg = f"found {differing} of {measured} measured objects of {population}; expected each at most the next"
        raise ValueError(msg)
    if not 0 < delta < 1:
        msg = f"found delta = {delta}; expected a probability between 0 and 1"
        raise ValueError(msg)
