"""Predictions with confidences and truth, and the sample that calibrates them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

mpl.use("Agg")

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Predictions:
    """One data set's predictions, columns of equal length ``(n,)``."""

    confidence: np.ndarray
    wrong: np.ndarray
    loss: np.ndarray
    """Squared error of numeric predictions, 0 or 1 otherwise."""
    predicted: np.ndarray
    """Number of the predicted class."""

    def take(self, rows):
        """Return these rows only."""
        return Predictions(self.confidence[rows], self.wrong[rows], self.loss[rows], self.predicted[rows])


def load(folder: Path, name: str) -> Predictions:
    """Read ``NAME.csv`` with the columns Y, Yhat and confidence."""
    with (folder / f"{name}.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    predicted = next(column for column in rows[0] if column.startswith("Yhat"))
    wrong = np.asarray([row["Y"] != row[predicted] for row in rows])
    try:
        loss = np.asarray([np.clip((float(row["Y"]) - float(row[predicted])) ** 2, 0, 1) for row in rows])
    except ValueError:
        loss = wrong.astype(float)
    classes = np.unique([row[predicted] for row in rows], return_inverse=True)[1]
    return Predictions(np.asarray([float(row["confidence"]) for row in rows]), wrong, loss, classes)


def error_probability(confidence, sample_confidence, sample_wrong):
    """Platt's calibration: a logistic model of being wrong on the log-odds of the confidence, lightly regularised."""

    def odds(values):
        held = np.clip(values, 1e-4, 1 - 1e-4)
        return np.log(held / (1 - held))[:, None]

    if sample_wrong.all() or not sample_wrong.any():
        return np.full(len(confidence), (sample_wrong.sum() + 0.5) / (len(sample_wrong) + 1))
    model = LogisticRegression(C=1.0).fit(odds(sample_confidence), sample_wrong)
    return model.predict_proba(odds(confidence))[:, 1]


def expected_loss(confidence, sample_confidence, sample_loss):
    """Isotonic calibration of a loss in [0, 1]."""
    return IsotonicRegression(out_of_bounds="clip").fit(-sample_confidence, sample_loss).predict(-confidence)


def row(*cells: object) -> None:
    """Print one row of a table at once; shares as percentages."""
    print(
        "| " + " | ".join(f"{cell:.1%}" if isinstance(cell, float) else str(cell) for cell in cells) + " |", flush=True
    )


def head(*names: str) -> None:
    """Print the head of a table."""
    row(*names)
    print("|---" * len(names) + "|")


def save(figure: Figure, name: str) -> None:
    """Write a picture into the results folder."""
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / f"{name}.png", dpi=130, bbox_inches="tight")
    print(f"[{RESULTS / name}.png]")
