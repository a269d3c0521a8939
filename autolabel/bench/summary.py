"""Rows of a comparison, summed up: a strategy a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binom

from autolabel.bench.labeling import PRICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autolabel.bench.labeling import Row

SURE = 0.0501  # one broken of one seed is 5 %, and enough
"""A strategy counts as breaking its promise when one that keeps it would show as many broken seeds less often."""


def keeps_its_promise(broken: int, seeds: int, delta: float) -> bool:
    """Whether so many broken promises are no more than chance shows of a rule that breaks a share `delta` of them."""
    return bool(binom.sf(broken - 1, seeds, delta) > SURE)


@dataclass(frozen=True, slots=True)
class Line:
    """One strategy on one data set, over seeds."""

    data: str
    strategy: str
    seeds: int
    delta: float
    objects: int
    human: float
    """Median labels by people."""
    low: float
    high: float
    """Quartiles."""
    train: float
    check: float
    rest: float
    """Means."""
    machine_share: float
    error: float
    """Mean share of delivered labels that differ from what people would have said."""
    machine_error: float
    broken: int
    """Seeds with more wrong labels than promised of all delivered ones."""
    machine_broken: int
    """The same of the machine's own."""
    valid: bool
    """Whether `broken` is no more than chance shows of a rule that keeps its promise."""
    forecast_off: float | None
    """Median of |forecast / outcome - 1| at the last forecast."""
    forecast_half_off: float | None
    seconds: float
    dollars: dict[str, float]
    """Medians at `PRICES`."""


def summarise(rows: Iterable[Row]) -> list[Line]:
    """Group rows by data set and strategy, in the order they come."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.data, row.strategy), []).append(row)
    return [_line(group) for group in groups.values()]


def _line(rows: Sequence[Row]) -> Line:
    first = rows[0]
    human = [row.human for row in rows]
    low, middle, high = np.quantile(human, [0.25, 0.5, 0.75]).tolist()
    broken = sum(row.broken for row in rows)
    return Line(
        data=first.data,
        strategy=first.strategy,
        seeds=len(rows),
        delta=first.delta,
        objects=first.objects,
        human=middle,
        low=low,
        high=high,
        train=_mean([row.train for row in rows]),
        check=_mean([row.check for row in rows]),
        rest=_mean([row.rest for row in rows]),
        machine_share=_mean([row.machine / row.objects for row in rows]),
        error=_mean([row.wrong / max(1, row.human + row.machine) for row in rows]),
        machine_error=_mean([row.machine_wrong / max(1, row.machine) for row in rows]),
        broken=broken,
        machine_broken=sum(row.machine_broken for row in rows),
        valid=keeps_its_promise(broken, len(rows), first.delta),
        forecast_off=_off([(row.forecast, row.human) for row in rows]),
        forecast_half_off=_off([(row.forecast_half, row.human) for row in rows]),
        seconds=_mean([row.seconds for row in rows]),
        dollars={name: float(np.median([row.dollars(name) for row in rows])) for name in PRICES},
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _off(pairs: Sequence[tuple[int | None, int]]) -> float | None:
    known = [abs(forecast / outcome - 1.0) for forecast, outcome in pairs if forecast is not None and outcome]
    return float(np.median(known)) if known else None


def table(lines: Iterable[Line]) -> str:
    """Markdown: data set, strategy, labels by people, what became of the promise."""
    head = (
        "| data set | strategy | labels by people (quartiles) | train + check + rest | machine share | wrong | "
        "promise broken | forecast off | CPU s |\n|---|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *map(_row, lines)])


def _row(line: Line) -> str:
    broken = f"{line.broken} of {line.seeds}" + ("" if line.valid else " ✗")
    off = "–" if line.forecast_off is None else f"{line.forecast_off:.1%}"
    return (
        f"| {line.data} | {line.strategy} | {line.human:,.0f} ({line.low:,.0f} to {line.high:,.0f}) | "
        f"{line.train:,.0f} + {line.check:,.0f} + {line.rest:,.0f} | {line.machine_share:.1%} | {line.error:.2%} | "
        f"{broken} | {off} | {line.seconds:.1f} |"
    )
