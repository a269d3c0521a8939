"""A uniform sample of a manifest's lines: what an expert labels, so that people can be measured against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autolabel.errors import ManifestError
from autolabel.manifest.check import guess_kind
from autolabel.manifest.limits import DEFAULT_LIMITS, Limits
from autolabel.manifest.lines import Manifest
from autolabel.manifest.reader import survey_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from autolabel.api.kinds import TaskKind


def sample_lines(
    path: Path,
    kind: TaskKind | None,
    attribute: str,
    *,
    size: int,
    rng: np.random.Generator,
    limits: Limits = DEFAULT_LIMITS,
) -> list[bytes]:
    """Draw lines uniformly, without replacement, from those that a job would have to label.

    Lines that are bad, and those that came with a label, are not among them.

    Parameters
    ----------
    kind
        ``None``: text classification when the first object has a ``source``, else image classification.
    attribute
        Label attribute of the job to be.
    size
        Lines to draw, at least 1.

    Returns
    -------
    Lines in the manifest's order, without line endings.

    Raises
    ------
    ManifestError
        The manifest cannot be read, or has fewer lines to label than asked for.
    """
    index = survey_manifest(path, kind=kind or guess_kind(path), attribute=attribute, limits=limits)
    taken = [*(bad.object for bad in index.bad), *index.prior.tolist()]
    objects = np.setdiff1d(np.arange(len(index)), np.asarray(taken, np.int64))
    if not 1 <= size <= len(objects):
        raise ManifestError(
            "MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT",
            f"{path}: found {len(objects):,} objects to label, a sample of {size:,} was asked for; ask for 1 to "
            f"{len(objects):,}",
        )
    chosen = np.sort(rng.choice(objects, size=size, replace=False))
    with Manifest(path, index) as manifest:
        return [manifest.line(number) for number in chosen.tolist()]
