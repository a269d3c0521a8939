"""What a packed model has to hold: checked once when it is read, so that nothing stumbles over it later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import CheckpointError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.inference.checkpoint import Checkpoint

LARGEST = 1e9
"""No honest weight comes near it; products of larger ones leave float32."""
SIGNALS = {"errors": (3, 5), "alone": (3,)}
"""Error models and how many signals each may have; see `autolabel.learning.confidence.signals_of`."""


def check_arrays(checkpoint: Checkpoint, name: str) -> Checkpoint:
    """Return the checkpoint when `predict_with` and a job can use its arrays.

    Parameters
    ----------
    name
        What the checkpoint is, for messages.

    Raises
    ------
    CheckpointError
        An array is missing, has another shape or type, or values that no training gives: the model was changed, or
        another version of autolabel wrote it.
    """
    arrays, classes = checkpoint.arrays, len(checkpoint.categories)
    width = _shape(arrays, "map.mean", name)[:1]
    projection = _shape(arrays, "map.projection", name)
    features = width if projection == (1,) else projection[1:]
    expected: dict[str, list[tuple[int, ...]]] = {
        "map.mean": [width],
        "map.projection": [(1,), width + features],
        "head.weight": [(classes, *features)],
        "head.bias": [(classes,)],
        "head.strength": [(3,)],
    }
    for errors, signals in SIGNALS.items():
        weight = _shape(arrays, f"{errors}.weight", name)
        several: list[tuple[int, ...]] = [weight] if weight in {(count,) for count in signals} else [(signals[0],)]
        expected |= {f"{errors}.{part}": several for part in ("weight", "mean", "scale")}
        expected |= {f"{errors}.bias": [(1,)], f"{errors}.classes": [(classes,)]}
    for array, shapes in expected.items():
        found = _shape(arrays, array, name)
        if found not in shapes:
            raise CheckpointError(f"{name}: array {array!r} has shape {found}, expected {shapes[-1]}; {_ADVICE}")
        if not (np.abs(arrays[array]) < LARGEST).all():
            raise CheckpointError(f"{name}: array {array!r} holds numbers of {LARGEST:g} and more; {_ADVICE}")
    for errors in SIGNALS:
        if not (arrays[f"{errors}.scale"] > 0).all():
            raise CheckpointError(f"{name}: array '{errors}.scale' is not positive; {_ADVICE}")
    return checkpoint


_ADVICE = "the model was changed, or another version wrote it; train it again"


def _shape(arrays: dict[str, NDArray[Any]], array: str, name: str) -> tuple[int, ...]:
    if array not in arrays:
        raise CheckpointError(f"{name}: found no array {array!r}; {_ADVICE}")
    if arrays[array].dtype.kind != "f":
        raise CheckpointError(f"{name}: array {array!r} has type {arrays[array].dtype}, expected floats; {_ADVICE}")
    return arrays[array].shape
