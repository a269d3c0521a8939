"""Pictures of the comparison; readable in black and white."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.bench.labeling import PRICES
from autolabel.bench.strategies import OURS, STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from autolabel.bench.labeling import Row
    from autolabel.bench.summary import Line
    from benchmarks.labeling_cost.studies import Study

MARKERS = dict(zip(STRATEGIES, ("*", "X", "o", "s", "D", "P", "v", "^", "<", "p", ">", "h"), strict=True))
MOST_SHOWN = 9.0
"""Per cent of wrong labels; what is above stands at the edge with its figure."""
STYLES = (("black", "-", "o"), ("0.35", "--", "s"), ("0.6", "-.", "^"), ("tab:blue", ":", "D"))


def draw(folder: Path, rows: Sequence[Row], lines: Sequence[Line], studies: Sequence[tuple[Study, list[Row]]]) -> None:
    """Write every picture as PNG and SVG."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "labeling-cost"
    folder.mkdir(parents=True, exist_ok=True)
    ours = [row for row in rows if row.strategy == OURS]
    walked = [row for row in ours if row.forecasts]
    _save(cost_and_error(lines), folder / "cost-and-error")
    _save(dollars(lines), folder / "dollars")
    if walked:
        _save(learning(walked), folder / "learning")
    _save(forecasts(ours), folder / "forecasts")
    for study, found in studies:
        _save(sensitivity(study, found), folder / study.name)


def _save(figure, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure.savefig(path.with_suffix(".png"), dpi=110)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)


def _panels(names: Sequence[str], height: float = 2.7):
    from matplotlib import pyplot as plt

    across = min(4, len(names))
    down = -(-len(names) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(max(8.0, 1.6 + 2.6 * across), 1.0 + height * down), layout="constrained", squeeze=False
    )
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        axis.set_title(name, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    return figure, list(axes.flat[: len(names)])


def cost_and_error(lines: Sequence[Line]):
    """One point a strategy: people's labels, realised error, and how often the promise was broken."""
    names = list(dict.fromkeys(line.data for line in lines))
    figure, panels = _panels(names)
    for axis, name in zip(panels, names, strict=True):
        own = [line for line in lines if line.data == name]
        axis.axhline(5, color="0.5", linewidth=0.8, linestyle="--")
        for line in own:
            shade = 1.0 - min(1.0, line.broken / line.seeds / 0.5)
            at, error = 100 * line.human / line.objects, 100 * line.error
            if error > MOST_SHOWN:
                axis.annotate(f" {error:.0f} %", (at, MOST_SHOWN), fontsize=8, va="center", xytext=(5, 0),
                              textcoords="offset points")  # fmt: skip
            axis.scatter(
                at,
                min(error, MOST_SHOWN),
                marker=MARKERS[line.strategy],
                s=130 if line.strategy == OURS else 45,
                facecolor=str(shade),
                edgecolor="tab:red" if line.strategy == OURS else "black",
                linewidth=0.9,
                zorder=3,
            )
        axis.set_xlim(0, 104)
        axis.set_ylim(-0.3, MOST_SHOWN + 0.5)
        axis.set_xlabel("labels by people, %", fontsize=8)
    figure.supylabel("wrong labels, % (mean)", fontsize=9)
    shown = [name for name in STRATEGIES if any(line.strategy == name for line in lines)]
    handles = [
        panels[0].scatter([], [], marker=MARKERS[name], facecolor="white", edgecolor="black", label=name)
        for name in shown
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
        title="white: promise (dashed) never broken; black: broken in half of the seeds or more",
        title_fontsize=8,
    )
    return figure


def dollars(lines: Sequence[Line]):
    """What a strategy costs beside people alone, median over data sets, at every price list."""
    from matplotlib import pyplot as plt

    alone = {line.data: line.dollars for line in lines if line.strategy == "humans only"}
    shown = [name for name in STRATEGIES if any(line.strategy == name for line in lines)]
    figure, panels = plt.subplots(
        1, len(PRICES), figsize=(11.5, 0.8 + 0.3 * len(shown)), layout="constrained", sharey=True
    )
    for axis, (prices, (human, machine)) in zip(panels, PRICES.items(), strict=True):
        for place, name in enumerate(reversed(shown)):
            own = [line for line in lines if line.strategy == name and line.data in alone]
            share = 100 * float(np.median([line.dollars[prices] / alone[line.data][prices] for line in own]))
            breaks = not all(line.valid for line in own)
            axis.barh(
                place,
                share,
                color="black" if name == OURS else "0.8",
                hatch="////" if breaks else "",
                edgecolor="0.3",
                height=0.7,
            )
            axis.text(share + 2, place, f"{share:.0f}", va="center", fontsize=8)
        axis.set_xlim(0, 118)
        axis.set_title(f"{prices}: \\${human:g} / \\${machine:g}", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    panels[0].set_yticks(range(len(shown)), list(reversed(shown)), fontsize=8)
    figure.supxlabel(
        "dollars, % of people alone (a human / a machine label); hatched: breaks its promise on some data set",
        fontsize=9,
    )
    return figure


def learning(rows: Iterable[Row]):
    """Machine share that was expected as labels were bought: one line a seed."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.data, []).append(row)
    figure, panels = _panels(list(found))
    for axis, own in zip(panels, found.values(), strict=True):
        for row in own[:10]:
            bought = [100 * labels / row.objects for labels, _ in row.forecasts]
            expected = [100 - 100 * total / row.objects for _, total in row.forecasts]
            axis.plot(bought, expected, color="0.6", linewidth=0.9)
            axis.plot(100 * row.train / row.objects, 100 * row.machine / row.objects, "k*", markersize=6)
        axis.set_ylim(0, 100)
        axis.set_xlim(left=0)
    figure.supxlabel("labels for training, % of the objects", fontsize=9)
    figure.supylabel("machine share, %: expected, and (star) what it came to", fontsize=9)
    return figure


def forecasts(rows: Iterable[Row]):
    """Forecast of people's labels beside the outcome, at the last round and half-way."""
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(5.2, 4.8), layout="constrained")
    own = [row for row in rows if row.forecast is not None]
    for label, marker, colour, pick in (
        ("half-way", "x", "0.6", lambda row: row.forecast_half),
        ("before the audit", "o", "black", lambda row: row.forecast),
    ):
        pairs = [(pick(row) / row.objects, row.human / row.objects) for row in own if pick(row) is not None]
        axis.plot(
            [100 * forecast for forecast, _ in pairs],
            [100 * outcome for _, outcome in pairs],
            marker,
            color=colour,
            markersize=3,
            fillstyle="none",
            label=label,
        )
    ends = np.asarray([5.0, 100.0])
    axis.plot(ends, ends, color="0.4", linewidth=0.8)
    for off in (0.85, 1.15):
        axis.plot(ends, off * ends, color="0.8", linewidth=0.8, zorder=0)
    axis.set(xscale="log", yscale="log", xlabel="forecast, % of the objects", ylabel="outcome, %")
    axis.set_title("Labels by people in all; grey lines: 15 % off", fontsize=9)
    axis.legend(frameon=False, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def sensitivity(study: Study, rows: Sequence[Row]):
    """Median labels by people, with quartiles, as one thing changes."""
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
    values = list(dict.fromkeys(value for _, value, _ in study.points))
    places = {value: value if isinstance(value, int | float) else place for place, value in enumerate(values)}
    names = list(dict.fromkeys(name for name, _, _ in study.points))
    for name, (colour, style, marker) in zip(names, STYLES, strict=False):
        at, middle, low, high, broken = [], [], [], [], 0
        for value in values:
            found = [row for (own, x, _), row in zip(study.points, rows, strict=True) if (own, x) == (name, value)]
            if not found:
                continue
            quarters = np.quantile([100 * row.human / row.objects for row in found], [0.25, 0.5, 0.75])
            at.append(places[value])
            low.append(quarters[1] - quarters[0])
            middle.append(quarters[1])
            high.append(quarters[2] - quarters[1])
            broken += sum(row.broken for row in found)
        axis.errorbar(
            at,
            middle,
            yerr=(low, high),
            color=colour,
            linestyle=style if isinstance(values[0], int | float) else "none",
            marker=marker,
            markersize=5,
            capsize=3,
            label=name,
        )
    if study.is_log:
        axis.set_xscale("log")
    numbers = [places[value] for value in values]
    axis.set_xticks(numbers, [str(value) for value in values])
    axis.minorticks_off()
    axis.set(xlabel=study.axis, ylabel="labels by people, % (median, quartiles)", title=study.title)
    axis.set_ylim(0, 1.25 * axis.get_ylim()[1])  # room for the legend
    axis.legend(frameon=False, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    return figure
