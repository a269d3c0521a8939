"""Risk against coverage, and predicted against found error."""

from __future__ import annotations

import numpy as np

SHOWN = {
    "top probability": ("0.55", "--"),
    "temperature scaling": ("0.55", ":"),
    "k nearest labels": ("0.35", "-."),
    "... and the predicted class": ("tab:blue", "-"),
    "neighbours in the prediction too (jobs)": ("black", "-"),
}
BINS = 10


def draw(name, curves, folder) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(exist_ok=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    for score, (colour, style) in SHOWN.items():
        curve, risk, wrong = curves[score]
        coverage = np.arange(1, len(curve) + 1) / len(curve)
        start = len(curve) // 50
        left.plot(coverage[start:], 100 * curve[start:], color=colour, linestyle=style, label=score)
        if score != "k nearest labels":
            bins = np.array_split(np.arange(len(risk)), BINS)
            right.plot(
                [100 * risk[each].mean() for each in bins], [100 * wrong[each].mean() for each in bins],
                color=colour, linestyle=style, marker="o", markersize=3,
            )  # fmt: skip
    left.set(xlabel="coverage (most confident share)", ylabel="wrong predictions, %", title="Risk and coverage")
    left.legend(frameon=False, fontsize=8)
    top = max(right.get_xlim()[1], right.get_ylim()[1])
    right.plot([0, top], [0, top], color="0.8", linewidth=1, zorder=0)
    right.set(xlabel="predicted error, %", ylabel="found error, %", title="Reliability (ten bins of equal count)")
    figure.suptitle(name)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / f"{name}.png", dpi=110)
    plt.close(figure)
