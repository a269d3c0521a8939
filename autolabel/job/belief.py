"""What the model believes of objects before people answer them: a vote where people disagree, for training labels only.

The belief is the round's that chose the objects, so it was formed before their labels were seen. Audits, gold, the rest
and second panels are labeled by people alone; so are exploration picks, which tell the planner how often the model is
wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.rounds import Round
from autolabel.quality.prospect import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.job.run import Run


DOUBT = 0.05
"""Weight of knowing nothing in every belief: no class is ruled out, and people outvote the surest model."""


def belief_of(run: Run, name: str, objects: list[int]) -> dict[int, NDArray[np.float32]]:
    """Probabilities of the classes, shape ``(C,)``, of those of `objects` in which the model has a vote; inside a step.

    Parameters
    ----------
    name
        Name of the batch's steps. Only a batch that a round chose is named after one.
    objects
        Objects of the batch, ascending.
    """
    asked, learned = run.steps.stored(f"{name}.ask"), run.steps.stored(f"{name}.learn")
    if not run.settings.model_prior or learned is None or asked is None:
        return {}
    chosen = np.setdiff1d(np.asarray(objects, np.int64), asked.result["explored"])
    if not len(chosen):
        return {}
    last = Round(0, Decision.BUY, learned)
    places = np.searchsorted(last.remainder(), chosen)
    predictions = last.predictions()
    probabilities = run.model.head(last.model())(run.model.features(chosen))
    rows = believed(probabilities, predictions.predicted[places], predictions.error_probability[places])
    return dict(zip(chosen.tolist(), rows, strict=True))


def tipped_labels(run: Run) -> dict[int, Any]:
    """What people alone would have said of the objects whose label the model's vote changed."""
    found: dict[int, Any] = {}
    for row in run.store.rows("SELECT result FROM step WHERE name LIKE 'round-%.labels' ORDER BY position"):
        found |= {int(number): label for number, label in json.loads(row["result"])["tipped"].items()}
    return found


def believed(
    probabilities: NDArray[np.floating], predicted: NDArray[np.int64], error_probability: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Give the predicted class what the error model leaves it, and the head's other classes the error.

    Parameters
    ----------
    probabilities
        The head's, shape ``(n, C)``.
    predicted, error_probability
        The predicted class, which neighbours may have changed, and how probably it is wrong, shape ``(n,)``.

    Returns
    -------
    Shape ``(n, C)``, rows sum to 1, no entry below ``DOUBT / C``.
    """
    rows = probabilities.astype(np.float64)
    here = np.arange(len(rows))
    rows[here, predicted] = 0.0
    rest = rows.sum(axis=1)
    rows[rest <= 0] = 1.0
    rows[here, predicted] = 0.0
    rows *= (error_probability / rows.sum(axis=1))[:, None]
    rows[here, predicted] = 1.0 - error_probability
    mixed: NDArray[np.float32] = ((1 - DOUBT) * rows + DOUBT / rows.shape[1]).astype(np.float32)
    return mixed


def belief_arrays(belief: dict[int, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """Write a belief as a step's arrays."""
    if not belief:
        return {}
    return {"belief.objects": np.asarray(list(belief), np.int64), "belief": np.stack(list(belief.values()))}


def belief_from(arrays: dict[str, NDArray[Any]]) -> dict[int, NDArray[np.float32]]:
    """Read a belief from a step's arrays."""
    if "belief" not in arrays:
        return {}
    return dict(zip(arrays["belief.objects"].tolist(), arrays["belief"], strict=True))
