"""`render`: the whole report as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autolabel.report import plots, words
from autolabel.report.data import BoundaryItem, Decision, Outcome
from autolabel.report.verdict import against_truth, peoples_errors, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from autolabel.report.data import FailureRow, ReportData

CONFUSED_PAIRS = 20
LISTED_FAILURES = 200
LISTED_WORKERS = 100
BOUNDARY_ITEMS = 24
_TEXT_CHARACTERS = 400
_VALUE_CHARACTERS = 2000


def render(data: ReportData) -> str:
    """Write the report: HTML without scripts, links or anything to load; the same text for the same data.

    Every text is escaped by the template engine, and every character that acts without being seen is shown
    as its code point.
    """
    certificate = data.certificate
    outcome = data.actual_after.human_labels if data.actual_after is not None else None
    figures = {
        "rounds": plots.labels_per_round(data.rounds),
        "learning": plots.learning_curve(data.rounds, outcome),
        "reliability": plots.reliability(data.reliability),
        "risk": plots.risk_coverage(data.risk_coverage, certificate),
        "confusion": plots.confusion(data.confusion, data.categories),
        "cost": plots.cost(data.cost),
    }
    return (
        _environment()
        .get_template("report.html")
        .render(
            data=data,
            verdict=verdict(data),
            truth=against_truth(data),
            peoples_errors=peoples_errors(data),
            workers=data.workers[:LISTED_WORKERS],
            # Our own SVG: matplotlib has escaped the texts in it.
            plots={name: Markup(svg) if svg is not None else None for name, svg in figures.items()},  # noqa: S704
            outcomes=_outcomes(data.forecast_before, data.actual_after),
            pairs=most_confused(data.confusion, data.categories) if figures["confusion"] is None else [],
            accepted=nearest(data.boundary, Decision.ACCEPTED),
            rejected=nearest(data.boundary, Decision.REJECTED),
            failure_kinds=failure_kinds(data.failures),
            failures=data.failures[:LISTED_FAILURES],
            settings=list(flattened(data.settings)),
            promised=words.WHOSE[certificate["contract"]] if certificate is not None else "",
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autolabel.report"),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        clip=words.clip,
        count=words.count,
        percent=words.percent,
        money=words.money,
        price=words.price,
        duration=words.duration,
        block=_block,
        jpeg=_jpeg,
    )
    return environment


def _finalize(value: Any) -> Any:
    """Make what acts unseen visible in everything the template prints; escaping comes after this."""
    return words.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _block(text: str) -> Markup:
    """Show a text of an object as it is laid out: its line feeds and tabs stay."""
    return Markup.escape(words.visible(words.clip(text, _TEXT_CHARACTERS), keep="\n\t"))


def _jpeg(thumbnail: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(thumbnail).decode("ascii")


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two categories that the machine takes for one another."""

    reference: str
    predicted: str
    count: int
    share: float
    """Of the checked objects whose reference label it is."""


def most_confused(
    matrix: NDArray[np.integer] | None, categories: Sequence[str], top: int = CONFUSED_PAIRS
) -> list[ConfusedPair]:
    """List the `top` most frequent confusions of a ``(C, C)`` matrix, ties by category order."""
    if matrix is None:
        return []
    errors = np.array(matrix)
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors, axis=None, kind="stable")[:top]
    checked = matrix.sum(axis=1)
    return [
        ConfusedPair(categories[row], categories[column], int(errors[row, column]), errors[row, column] / checked[row])
        for row, column in zip(*np.unravel_index(order, errors.shape), strict=True)
        if errors[row, column]
    ]


def nearest(items: Sequence[BoundaryItem], decision: Decision) -> list[BoundaryItem]:
    """Pick the items of one decision, nearest to the threshold first."""
    sign = -1 if decision is Decision.ACCEPTED else 1
    chosen = (item for item in items if item.decision is decision)
    return sorted(chosen, key=lambda item: (sign * item.error_probability, item.object))[:BOUNDARY_ITEMS]


def failure_kinds(failures: Sequence[FailureRow]) -> list[tuple[str, int]]:
    """Count failures by the code that opens their reason, the most frequent first."""
    codes = Counter(words.clip(failure.reason.partition(":")[0], 60) for failure in failures)
    return sorted(codes.items(), key=lambda item: (-item[1], item[0]))[:10]


def flattened(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Write nested settings as dotted names and values, in their own order."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            rows += flattened(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            rows.append((f"{prefix}{name}", words.clip(text, _VALUE_CHARACTERS)))
    return rows


def _outcomes(before: Outcome | None, after: Outcome | None) -> list[tuple[str, str, str]]:
    """Pair forecast and outcome, a row each, leaving out what neither knows."""
    shown = (
        ("human labels", "human_labels", words.count),
        ("machine labels", "machine_labels", words.count),
        ("cost", "dollars", words.money),
        ("machine time", "seconds", words.duration),
    )
    rows = []
    for title, name, write in shown:
        values = [getattr(side, name, None) for side in (before, after)]
        if values != [None, None]:
            forecast, actual = ("–" if value is None else write(value) for value in values)
            rows.append((title, forecast, actual))
    return rows
