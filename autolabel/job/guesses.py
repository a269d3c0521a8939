"""The model's guess beside a task: who sees it, who does not, and what seeing it does.

A guess makes people faster, and it makes them agree: of 2,784 people who had to correct suggestions many let wrong ones
pass (Beck et al. 2025, arXiv 2509.08514). So guesses are off unless asked for, never shown to whoever audits, nor for
the objects that were drawn at random to measure the model; a tenth of the others stays blind for comparison, and some
guesses are wrong on purpose, to count how many pass.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.job.rounds import Round
from autolabel.job.store import to_json
from autolabel.quality.prospect import Decision
from autolabel.report.data import Purpose

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from autolabel.job.run import Run
    from autolabel.selection.batch import Batch

BLIND_SHARE = 0.1
PLANTED_SHARE = 0.05
SURE_SHARE = 0.25


MEASURING = frozenset({Purpose.AUDIT, Purpose.GOLD})
"""What people have to say unaided: the machine is measured by it, or they are. Second panels see no guess either."""


class Treatment(StrEnum):
    """What is done with a guess."""

    SHOWN = "shown"
    BLIND = "blind"
    """Kept for comparison, not shown."""
    PLANTED = "planted"
    """A wrong one is shown in its place."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What the model thinks of one object, or is said to think."""

    object: int
    label: Any
    treatment: Treatment


def guesses_for(run: Run, batch: int, purpose: Purpose, chosen: Batch) -> list[Guess]:
    """Take the latest round's predictions of a batch and decide, by the job's seed, who is to see which. In a step.

    Wrong ones are planted only where the model is surer than for three quarters of the batch, so that they are wrong
    indeed.
    """
    if not run.settings.guesses or purpose in MEASURING or not len(chosen.objects):
        return []
    row = run.store.one("SELECT name FROM step WHERE name LIKE 'round-%.learn' ORDER BY position DESC LIMIT 1")
    record = run.steps.stored(row["name"]) if row is not None else None
    if record is None:
        return []
    latest = Round(0, Decision.BUY, record)
    remainder, predictions = latest.remainder(), latest.predictions()
    places = np.searchsorted(remainder, chosen.objects)
    known = (places < len(remainder)) & (remainder[np.minimum(places, len(remainder) - 1)] == chosen.objects)
    known &= ~np.isin(chosen.objects, chosen.explored)  # drawn otherwise: to be compared with nothing here
    objects, places = chosen.objects[known], places[known]
    keys, errors = predictions.predicted[places], predictions.error_probability[places]
    rng = run.rng(f"guess-{batch}")
    chance = rng.random(len(objects))
    blind = chance < BLIND_SHARE
    sure = errors <= np.quantile(errors, SURE_SHARE) if len(errors) else errors.astype(bool)
    planted = ~blind & sure & (chance > 1.0 - PLANTED_SHARE / SURE_SHARE)
    others = np.unique(predictions.predicted)
    return [
        _guess(run, int(number), int(key), bool(is_blind), bool(is_planted), others, rng)
        for number, key, is_blind, is_planted in zip(objects, keys, blind, planted, strict=True)
    ]


def _guess(run: Run, number: int, key: int, blind: bool, planted: bool, keys: Any, rng: np.random.Generator) -> Guess:
    wrong = keys[keys != key]
    if planted and len(wrong):
        return Guess(number, run.predicted_label(int(rng.choice(wrong))), Treatment.PLANTED)
    return Guess(number, run.predicted_label(key), Treatment.BLIND if blind else Treatment.SHOWN)


def store_guesses(connection: sqlite3.Connection, guesses: Sequence[Guess]) -> None:
    """Store guesses beside their tasks."""
    connection.executemany(
        "INSERT INTO guess (object, label, treatment) VALUES (?, ?, ?)",
        [(guess.object, to_json(guess.label), guess.treatment.value) for guess in guesses],
    )


def effect_of_guesses(run: Run) -> dict[str, Any] | None:
    """Compare answers with and without a guess; ``None`` where none was shown.

    ``over_reliance`` is the share of planted guesses that were accepted; ``shift`` how much more often people agree
    with the model when they see what it thinks; ``speed_up`` the share of the median time that seeing it saves.
    """
    seconds: dict[str, list[float]] = {each.value: [] for each in Treatment}
    agreed: dict[str, list[bool]] = {each.value: [] for each in Treatment}
    for row in run.store.stream(
        "SELECT answer.content, answer.seconds, answer.extra, guess.label, treatment FROM answer"
        " JOIN guess USING (object) WHERE answer.content IS NOT NULL AND answer.lease IS NOT NULL AND panel = 1"
    ):
        seen = json.loads(row["extra"]).get("guessShown", False)
        if row["treatment"] != Treatment.BLIND and not seen:
            continue  # the worker had switched guesses off
        agreed[row["treatment"]].append(
            run.task.label_from_answer(json.loads(row["content"])) == json.loads(row["label"])
        )
        if row["seconds"] is not None:
            seconds[row["treatment"]].append(row["seconds"])
    if not agreed["shown"] and not agreed["planted"]:
        return None
    shown, blind = _share(agreed["shown"]), _share(agreed["blind"])
    with_guess, without = _median(seconds["shown"]), _median(seconds["blind"])
    return {
        "shown": len(agreed["shown"]),
        "blind": len(agreed["blind"]),
        "planted": len(agreed["planted"]),
        "agreement_shown": shown,
        "agreement_blind": blind,
        "shift": None if shown is None or blind is None else shown - blind,
        "seconds_shown": with_guess,
        "seconds_blind": without,
        "speed_up": None if with_guess is None or not without else 1.0 - with_guess / without,
        "over_reliance": _share(agreed["planted"]),
    }


def _share(found: list[bool]) -> float | None:
    return sum(found) / len(found) if found else None


def _median(values: list[float]) -> float | None:
    return median(values) if values else None
