"""What a packed model has to hold: checked once when it is read, so that nothing stumbles over it later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel.errors import CheckpointError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autolabel.inference.checkpoint import Checkpoint
    from autolabel.learning.base import Arrays

LARGEST = 1e9
"""No honest weight comes near it; products of larger ones leave float32."""
SIGNALS = {"errors": (3, 5), "alone": (3,)}
"""Error models and how many signals each may have; see `autolabel.learning.confidence.signals_of`."""
COUNTS = frozenset({"map.widths", "memory.labels"})
"""Arrays of whole numbers; all others hold floats."""


def check_arrays(checkpoint: Checkpoint, name: str) -> Checkpoint:
    """Return the checkpoint when `predict_with` and a job can use its arrays; see `check_model`.

    Parameters
    ----------
    name
        What the checkpoint is, for messages.
    """
    check_model(checkpoint.arrays, name, width=None, classes=len(checkpoint.categories))
    return checkpoint


def check_model(arrays: Arrays, name: str, *, width: int | None, classes: int) -> None:
    """Check that the arrays hold together before anything is computed with them.

    Parameters
    ----------
    name
        What the model is, for messages.
    width
        Of the encoder's vectors, where that is known.

    Raises
    ------
    CheckpointError
        An array is missing, has another shape or type, or values that no training gives: the model was changed, or
        another version of autolabel wrote it.
    """
    wide = (width,) if width is not None else _shape(arrays, "map.mean", name)[:1]
    features = _shape(arrays, "map.projection", name)[1:2]
    views = _shape(arrays, "map.widths", name)[:1]
    remembered = _shape(arrays, "memory.labels", name)[:1]
    expected: dict[str, tuple[int, ...]] = {
        "map.mean": wide,
        "map.projection": wide + features,
        "map.widths": (*views, 2),
        "head.weight": (classes, *features),
        "head.bias": (classes,),
        "head.strength": (3,),
        "head.views": views,
        "memory.features": remembered + features,
        "memory.labels": remembered,
    }
    for errors, signals in SIGNALS.items():
        weight = _shape(arrays, f"{errors}.weight", name)
        own = weight if weight in {(count,) for count in signals} else (signals[0],)
        expected |= {f"{errors}.{part}": own for part in ("weight", "mean", "scale")}
        expected |= {f"{errors}.bias": (1,), f"{errors}.classes": (classes,)}
    for array, shape in expected.items():
        found = _shape(arrays, array, name)
        if found != shape:
            raise CheckpointError(f"{name}: array {array!r} has shape {found}, expected {shape}; {_ADVICE}")
        if not (np.abs(arrays[array].astype(np.float64)) < LARGEST).all():
            raise CheckpointError(f"{name}: array {array!r} holds numbers of {LARGEST:g} and more; {_ADVICE}")
    for errors in SIGNALS:
        if not (arrays[f"{errors}.scale"] > 0).all():
            raise CheckpointError(f"{name}: array '{errors}.scale' is not positive; {_ADVICE}")
    widths, labels = arrays["map.widths"], arrays["memory.labels"]
    if (widths < 1).any() or tuple(widths.sum(axis=0).tolist()) != wide + features:
        raise CheckpointError(f"{name}: array 'map.widths' does not sum to {wide + features}; {_ADVICE}")
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise CheckpointError(f"{name}: array 'memory.labels' has classes beyond 0 to {classes - 1}; {_ADVICE}")


_ADVICE = "the model was changed, or another version wrote it; train it again"


def _shape(arrays: dict[str, NDArray[Any]], array: str, name: str) -> tuple[int, ...]:
    if array not in arrays:
        raise CheckpointError(f"{name}: found no array {array!r}; {_ADVICE}")
    kinds, wanted = ("iu", "whole numbers") if array in COUNTS else ("f", "floats")
    if arrays[array].dtype.kind not in kinds:
        raise CheckpointError(f"{name}: array {array!r} has type {arrays[array].dtype}, expected {wanted}; {_ADVICE}")
    return arrays[array].shape
