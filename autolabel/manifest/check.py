"""Everything that is worth knowing about a manifest before a job starts from it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from autolabel.api.kinds import TaskKind
from autolabel.manifest.blocks import EndlessLine, open_manifest
from autolabel.manifest.fault import LineError
from autolabel.manifest.limits import DEFAULT_LIMITS, Limits
from autolabel.manifest.lines import Manifest
from autolabel.manifest.prior import read_priors
from autolabel.manifest.reader import refusal, survey_manifest
from autolabel.manifest.strict import parse_object

if TYPE_CHECKING:
    from pathlib import Path

    from autolabel.manifest.fault import BadLine

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a manifest holds and what is wrong with it.

    Attributes
    ----------
    keys
        Top-level keys of the good lines and how many have each, most frequent first.
    prior_human, prior_machine
        Objects that came with a label by people, by a machine.
    duplicates
        Objects whose source is also that of an earlier object.
    warnings
        What is odd but allowed.
    bad
        Lines whose object would fail.
    refusal
        Why no job may start from this manifest at all; empty when one may.
    """

    objects: int
    bytes: int
    sha256: str
    keys: dict[str, int]
    duplicates: int
    prior_human: int
    prior_machine: int
    warnings: tuple[str, ...]
    bad: tuple[BadLine, ...]
    refusal: str

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        report: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return report


def check_manifest(
    path: Path, kind: TaskKind | None, attribute: str, *, limits: Limits = DEFAULT_LIMITS
) -> CheckReport:
    """Read a manifest as a job would, and list everything that is wrong with it.

    Parameters
    ----------
    kind
        ``None``: text classification when the first object has a ``source``, else image classification.

    Raises
    ------
    ManifestError
        There are no lines to look at, or more than `limits` allow.
    """
    kind = kind or guess_kind(path)
    index = survey_manifest(path, kind=kind, attribute=attribute, limits=limits)
    error = refusal(index, limits)
    with Manifest(path, index) as manifest:
        makers = Counter(prior.human for prior in read_priors(manifest, attribute))
        keys = _count_keys(manifest)
    return CheckReport(
        objects=len(index),
        bytes=index.size,
        sha256=index.sha256,
        keys=dict(keys.most_common()),
        duplicates=index.duplicates,
        prior_human=makers[True],
        prior_machine=makers[False],
        warnings=index.warnings,
        bad=index.bad,
        refusal="" if error is None else str(error),
    )


def guess_kind(path: Path) -> TaskKind:
    """Tell texts from images by the first line that can be read."""
    text, images = TaskKind.TEXT_CLASSIFICATION, TaskKind.IMAGE_CLASSIFICATION
    with open_manifest(path) as file:
        for block in file.blocks():
            if isinstance(block, EndlessLine):
                continue
            for number in range(len(block)):
                with suppress(LineError):
                    return text if text.source_key in parse_object(block.line(number)) else images
    return images


def _count_keys(manifest: Manifest) -> Counter[str]:
    keys: Counter[str] = Counter()
    for number, line in enumerate(manifest.lines()):
        if not manifest.is_bad(number):
            keys.update(_MEMBERS.decode(line).keys())
    return keys
