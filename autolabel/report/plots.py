"""The plots of the report, each an inline SVG, or ``None`` when there is nothing to plot.

Colours are told apart by lightness and hatching too, so that the pages survive a black and white printer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from autolabel.quality.contract import Contract
from autolabel.report import svg
from autolabel.report.data import Purpose
from autolabel.report.words import clip, count, money, percent, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from autolabel.report.data import CostTable, RoundRow

HEAT_MAP_CLASSES = 25
"""More categories than this make a heat map that nobody can read."""

_CURVE_POINTS = 400
_LABELED_BARS = 12
_SEPARATE_BARS = 60

_MACHINE_HATCH = "\\\\\\\\"
_PURPOSES = (
    (Purpose.TRAIN, "people, to train", svg.HUMAN, ""),
    (Purpose.GOLD, "people, gold", svg.HUMAN, "xxxx"),
    (Purpose.AUDIT, "people, to audit", svg.AUDIT, "////"),
    (Purpose.REST, "people, the rest", svg.REST, ""),
)


def labels_per_round(rounds: Sequence[RoundRow]) -> str | None:
    """Draw who labeled how much in each round: stacked bars, people by purpose and the machine.

    Parameters
    ----------
    rounds
        In order, their numbers without gaps.
    """
    if not rounds:
        return None
    numbers = np.array([row.number for row in rounds])
    human = np.array([row.human_labels for row in rounds])
    machine = np.array([row.machine_labels for row in rounds])
    stacks = [
        (np.array([row.human_labels if row.purpose == purpose else 0 for row in rounds]), label, color, hatch)
        for purpose, label, color, hatch in _PURPOSES
    ]
    stacks.append((machine, "machine", svg.MACHINE, _MACHINE_HATCH))
    with svg.drawing("Labels by people and by the machine in each round") as drawing:
        axes = drawing.figure.subplots()
        for heights, label, color, hatch in stacks:
            if not heights.any():
                continue
            below = human if heights is machine else np.zeros_like(human)
            if len(rounds) > _SEPARATE_BARS:
                edges = np.append(numbers, numbers[-1] + 1) - 0.5
                axes.stairs(below + heights, edges, baseline=below, fill=True, label=label, color=color)
            else:
                bars = axes.bar(numbers, heights, 0.8, below, label=label, color=color, hatch=hatch)
                for bar in bars:
                    bar.set(edgecolor=svg.PAPER, linewidth=0.5)
        top = max(int((human + machine).max()), 1)
        axes.set_ylim(0, 1.12 * top)
        if len(rounds) <= _LABELED_BARS:
            for number, height in zip(numbers, human + machine, strict=True):
                axes.text(number, height + 0.015 * top, count(height), ha="center", va="bottom", fontsize=8)
        spare = 0.6 + max(0.0, 2 - len(rounds) / 2)  # one round is a bar, not a wall
        axes.set_xlim(numbers.min() - spare, numbers.max() + spare)
        axes.set_xlabel("round")
        axes.set_ylabel("labels")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _count_axis(axes, "y")
        _legend_above(axes)
    return drawing.svg


def learning_curve(rounds: Sequence[RoundRow], outcome: float | None) -> str | None:
    """Draw how many human labels the job was forecast to take against those bought so far.

    Parameters
    ----------
    outcome
        Human labels that the job took in the end, if it has ended.
    """
    forecasts = [
        (row.cumulative_human_labels, row.forecast_human_labels)
        for row in rounds
        if row.forecast_human_labels is not None
    ]
    if not forecasts:
        return None
    bought = np.array([x for x, _ in forecasts], dtype=float)
    point = np.array([forecast.point for _, forecast in forecasts])
    low = np.array([forecast.low for _, forecast in forecasts])
    high = np.array([forecast.high for _, forecast in forecasts])
    with svg.drawing("Forecast of the human labels the job takes, against labels bought") as drawing:
        axes = drawing.figure.subplots()
        right = 1.08 * max(bought.max(), 1)
        top = 1.1 * max(high.max(), outcome or 0, 1)
        axes.fill_between(bought, low, high, color=svg.HUMAN, alpha=0.18, lw=0)
        if len(forecasts) <= 30:
            spread = np.vstack([np.maximum(point - low, 0), np.maximum(high - point, 0)])
            axes.errorbar(bought, point, spread, fmt="none", ecolor=svg.HUMAN, elinewidth=0.9, capsize=2.5)
        marker = "o" if len(forecasts) <= 60 else ""
        axes.plot(bought, point, color=svg.HUMAN, marker=marker, ms=3.5, lw=1.4, label="forecast total")
        diagonal = min(right, top)
        axes.plot([0, diagonal], [0, diagonal], color=svg.MUTED, lw=0.9, ls=":", label="bought so far")
        if outcome is not None:
            axes.axhline(outcome, color=svg.PROMISE, lw=1.3, ls="--", label=f"outcome: {count(outcome)}")
        axes.set_xlim(0, right)
        axes.set_ylim(0, top)
        axes.set_xlabel("human labels bought")
        axes.set_ylabel("human labels in total")
        _count_axis(axes, "x")
        _count_axis(axes, "y")
        _legend_above(axes)
    return drawing.svg


def reliability(bins: Sequence[tuple[float, float, int]]) -> str | None:
    """Draw observed against predicted error per bin, with 95 % intervals, and the objects in each bin."""
    filled = np.array([row for row in bins if row[2] > 0], dtype=float).reshape(-1, 3)
    if not len(filled):
        return None
    predicted, observed, counts = filled[np.argsort(filled[:, 0], kind="stable")].T
    low, high = _wilson(observed, counts)
    with svg.drawing("Reliability of the predicted error probabilities", height=3.3) as drawing:
        upper, lower = drawing.figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        limit = min(1.02, 1.15 * max(predicted.max(), observed.max(), 0.02))
        upper.plot([0, limit], [0, limit], color=svg.MUTED, lw=0.9, ls=":", label="perfect")
        whiskers = np.vstack([observed - low, high - observed])
        upper.errorbar(predicted, observed, whiskers, fmt="none", ecolor=svg.HUMAN, elinewidth=0.8, capsize=2)
        upper.plot(
            predicted,
            observed,
            color=svg.HUMAN,
            marker="o",
            ms=4,
            lw=1.2,
            label="observed (95 %)",
        )
        upper.set_ylim(0, limit)
        upper.set_xlim(0, limit)
        upper.set_ylabel("errors observed")
        lower.bar(predicted, counts, 0.018 * limit, color=svg.REST, edgecolor=svg.MUTED, lw=0.5)
        lower.set_ylim(0, 1.15 * counts.max())
        lower.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        lower.set_ylabel("objects")
        lower.set_xlabel("error probability predicted")
        _count_axis(lower, "y", locate=False)
        _share_axis(upper, "x", "y")
        _legend_above(upper)
    return drawing.svg


def _wilson(share: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Bounds of the 95 % score interval of a proportion (Wilson 1927), which contain `share`."""
    z = 1.96
    middle = (share + z**2 / (2 * counts)) / (1 + z**2 / counts)
    half = z / (1 + z**2 / counts) * np.sqrt(share * (1 - share) / counts + z**2 / (4 * counts**2))
    return np.minimum(np.maximum(middle - half, 0), share), np.maximum(np.minimum(middle + half, 1), share)


def risk_coverage(
    curve: Sequence[tuple[float, float]] | None, certificate: Mapping[str, Any] | None = None
) -> str | None:
    """Draw the share of errors among the most confident objects, the promise, and where the machine stopped.

    The dataset contract allows a number of wrong labels, ``error * n``, not a share of the machine's: at
    coverage c of a remainder of N objects that is a share of ``error * n / (c N)``. Other contracts promise
    the share itself.
    """
    if not curve:
        return None
    coverage, risk = _thinned(np.array(curve, dtype=float)).T
    with svg.drawing("Share of errors against the share of objects the machine labels", height=3.3) as drawing:
        axes = drawing.figure.subplots()
        marker = "o" if len(risk) <= 30 else ""
        axes.plot(
            coverage,
            risk,
            color=svg.HUMAN,
            marker=marker,
            ms=3.5,
            lw=1.5,
            label="errors",
        )
        top = float(risk.max())
        if certificate is not None:
            grid = np.linspace(0.004, 1, 250)
            allowed = _allowed_share(certificate, grid)
            axes.plot(grid, allowed, color=svg.PROMISE, lw=1.3, ls="--", label="promise")
            top = max(top, 1.6 * float(allowed[-1]))
            stop = _stop(certificate)
            if stop > 0:
                axes.axvspan(0, stop, color=svg.MACHINE, alpha=0.16, lw=0, label="machine-labeled")
                axes.axvline(stop, color=svg.MACHINE, lw=1)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, min(1.02, max(1.12 * top, 0.01)))
        axes.set_xlabel("coverage: share of the remainder, most confident first")
        axes.set_ylabel("errors in that share")
        _share_axis(axes, "x", "y")
        _legend_above(axes)
    return drawing.svg


def _allowed_share(certificate: Mapping[str, Any], coverage: NDArray[np.float64]) -> NDArray[np.float64]:
    error = float(certificate["error"])
    if certificate["contract"] != Contract.DATASET:
        return np.full_like(coverage, error)
    remainder = max(int(certificate["remainder"]), 1)
    return error * int(certificate["objects"]) / (coverage * remainder)


def _stop(certificate: Mapping[str, Any]) -> float:
    """Share of the remainder before the stop; 0 without machine labels, and where every class has a stop of its own."""
    if not certificate["granted"] or not certificate["remainder"] or len(certificate["walks"]) != 1:
        return 0.0
    return min(int(certificate["stop_rank"]) / int(certificate["remainder"]), 1.0)


def _thinned(points: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(points) <= _CURVE_POINTS:
        return points
    kept: NDArray[np.intp] = np.linspace(0, len(points) - 1, _CURVE_POINTS).round().astype(np.intp)
    return points[kept]


def confusion(matrix: NDArray[np.integer] | None, categories: Sequence[str]) -> str | None:
    """Draw the confusion matrix as a heat map with numbers; ``None`` above `HEAT_MAP_CLASSES` categories.

    A cell's strength is its share of its row, so that rare categories count as much as common ones.
    """
    if matrix is None or not matrix.any() or len(categories) > HEAT_MAP_CLASSES:
        return None
    size = len(categories)
    names = [clip(visible(name), 18) for name in categories]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    cell = 0.34 if size <= 12 else 0.27
    margin = 0.55 + 0.065 * max(map(len, names))
    side = max(cell * size, 1.2) + margin
    with svg.drawing("Confusion matrix of the objects that people checked", width=side, height=side) as drawing:
        axes = drawing.figure.subplots()
        for row, column in zip(*np.nonzero(matrix), strict=True):
            color = svg.RIGHT if row == column else svg.ERROR
            alpha = 0.08 + 0.5 * math.sqrt(shares[row, column])
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=color, alpha=alpha, lw=0))
            axes.text(column, row, _short(matrix[row, column]), ha="center", va="center", fontsize=6.5)
        for line in range(size + 1):
            axes.plot([-0.5, size - 0.5], [line - 0.5] * 2, color=svg.GRID, lw=0.5, zorder=0)
            axes.plot([line - 0.5] * 2, [-0.5, size - 0.5], color=svg.GRID, lw=0.5, zorder=0)
        axes.set_xlim(-0.5, size - 0.5)
        axes.set_ylim(size - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.set_xticks(range(size), names, rotation=55, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(size), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("machine's prediction")
        axes.set_ylabel("people's label")
    return drawing.svg


def _short(number: int) -> str:
    if number < 1000:
        return str(number)
    return f"{number / 1e3:.2g}k" if number < 9950 else f"{number / 1e3:.0f}k"


def cost(table: CostTable) -> str | None:
    """Draw what the job cost, stacked by kind, above what people alone would have cost."""
    if table.total <= 0 and table.all_human <= 0:
        return None
    longest = max(table.total, table.all_human)
    with svg.drawing("Cost of the job against people alone", height=2.1) as drawing:
        axes = drawing.figure.subplots()
        left = 0.0
        for row, (color, hatch) in zip(_by_size(table), _kind_styles(), strict=False):
            label = f"{clip(visible(row[0]), 24)} {money(row[1])}"
            axes.barh(1, row[1], 0.62, left, label=label, color=color, hatch=hatch, edgecolor=svg.PAPER, lw=0.5)
            left += row[1]
        axes.barh(0, table.all_human, 0.62, color=svg.GRID, edgecolor=svg.MUTED, lw=0.7)
        for height, dollars in ((1, table.total), (0, table.all_human)):
            axes.text(dollars + 0.01 * longest, height, money(dollars), ha="left", va="center", fontweight="bold")
        axes.set_yticks([1, 0], ["this job", "people alone"])
        axes.set_xlim(0, 1.27 * longest)
        axes.set_ylim(-0.5, 1.5)
        axes.tick_params(axis="y", length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xticks([])
        _legend_above(axes)
    return drawing.svg


def _by_size(table: CostTable) -> list[tuple[str, float]]:
    """Kinds and amounts in the ledger's order; what is beyond the fifth is one kind."""
    rows = [(row.kind, row.amount) for row in table.rows if row.amount > 0]
    return rows if len(rows) <= 5 else [*rows[:4], ("other", sum(amount for _, amount in rows[4:]))]


def _kind_styles() -> tuple[tuple[str, str], ...]:
    return (
        (svg.HUMAN, ""),
        (svg.MACHINE, _MACHINE_HATCH),
        (svg.COMPUTE, "xxxx"),
        (svg.AUDIT, "////"),
        (svg.REST, ""),
    )


def _count_axis(axes: Axes, which: str, *, locate: bool = True) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    if locate:
        axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    if which == "y":
        axes.grid(axis="y")


def _share_axis(axes: Axes, *which: str) -> None:
    for name in which:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
    axes.grid(axis="both")


def _legend_above(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    widest = max(map(len, labels))
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    columns = max(1, min(len(labels), int(figure.get_figwidth() * 13 / (widest + 5))))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, columnspacing=1.2, borderpad=0)
