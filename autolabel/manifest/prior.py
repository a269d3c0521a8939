"""Labels that came with the manifest: how one job goes on where another one stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autolabel.manifest.carried import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autolabel.manifest.lines import Manifest


@dataclass(frozen=True, slots=True)
class PriorLabel:
    """A label that an object came with, and whose metadata can be believed.

    Attributes
    ----------
    value, metadata
        What stands under the attribute and under its metadata key; a task reads `record` by ``label_from_record``.
    human
        Whether people made it, by its ``human-annotated``.
    record
        The whole line.
    """

    object: int
    value: Any
    metadata: dict[str, Any]
    human: bool
    record: dict[str, Any]

    @property
    def confidence(self) -> float:
        """The metadata's confidence; 0 where it has none, as when a single worker answered."""
        confidence = self.metadata.get("confidence")
        return float(confidence) if isinstance(confidence, int | float) else 0.0

    @property
    def created(self) -> str:
        """The metadata's creation date; empty where it has none."""
        created = self.metadata.get("creation-date")
        return created if isinstance(created, str) else ""


def read_priors(manifest: Manifest, attribute: str) -> Iterator[PriorLabel]:
    """Read the labels that came with a manifest, by object.

    The index has judged every line (`autolabel.manifest.carried.read_carried`). What it found is one of these:

    * A label: it is here.
    * A contradiction, such as metadata of another attribute, or a class that the line's own class-map lacks. The object
      fails and is in `ManifestIndex.bad`: to ask it again would pay twice for what somebody believes to have.
    * A value without metadata, which no job wrote, or an earlier job's failure. The object is asked as if neither were
      there; it is in `ManifestIndex.overwritten`, and `ManifestIndex.warnings` counts both.

    Raises
    ------
    ValueError
        The manifest was indexed for another attribute.
    """
    if attribute != manifest.index.attribute:
        raise ValueError(f"the manifest was indexed for {manifest.index.attribute!r}, not for {attribute!r}")
    for number in manifest.index.prior.tolist():
        record = manifest.record(number)
        metadata = record[attribute + METADATA]
        yield PriorLabel(number, record[attribute], metadata, metadata["human-annotated"] == "yes", record)
