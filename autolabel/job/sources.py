"""Where a job's objects come from: the manifest's own text, a folder of pictures, or S3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from autolabel.api.kinds import TaskKind
from autolabel.storage.base import StorageOptions
from autolabel.storage.objects import object_reader
from autolabel.storage.uri import is_s3

if TYPE_CHECKING:
    from autolabel.api.request import LabelingJobRequest
    from autolabel.inference.embed import SourceReader
    from autolabel.job.settings import Settings
    from autolabel.manifest.lines import Manifest
    from autolabel.storage.objects import ObjectReader


def storage_options(settings: Settings, request: LabelingJobRequest) -> StorageOptions:
    """Say how S3 is reached; what is written there is encrypted with the request's key."""
    return StorageOptions(
        endpoint_url=settings.endpoint_url,
        kms_key_id=request.kms_key_id or None,
        allowed_buckets=frozenset(settings.buckets) or None,
    )


AHEAD = 64
"""Requests to S3 kept under way; how many the server gets is decided by `autolabel.storage.limit`."""


LOOKED_AT = 100
"""First objects whose references tell where the pictures are."""


class TextSources:
    """Texts that stand in the manifest."""

    ahead = 0

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.content = manifest.index.sha256

    def get(self, number: int) -> str:
        """Return the text of object `number`."""
        return self._manifest.source(number)


class FileSources:
    """Pictures that the manifest refers to.

    Parameters
    ----------
    root
        Where relative references start; only whether it is in S3 matters here.
    """

    def __init__(self, manifest: Manifest, objects: ObjectReader, root: str | None) -> None:
        self._manifest = manifest
        self._objects = objects
        self.content = manifest.index.sha256
        first = next((source for source in Sources(manifest)[:LOOKED_AT] if source), "")
        self.ahead = AHEAD if is_s3(first) or is_s3(root or "") else 0

    def get(self, number: int) -> bytes:
        """Read object `number`; `ObjectError` when this one cannot be read."""
        return self._objects.get(self._manifest.source(number))


class Sources(Sequence[str]):
    """What every object's ``source`` or ``source-ref`` says, read from the manifest when it is asked for."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def __len__(self) -> int:
        return len(self._manifest)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> list[str]: ...
    def __getitem__(self, number: int | slice) -> str | list[str]:
        """Return the source of an object, or of some."""
        if isinstance(number, slice):
            return [self._manifest.source(each) for each in range(*number.indices(len(self)))]
        return self._manifest.source(range(len(self))[number])


def source_reader(manifest: Manifest, options: StorageOptions, settings: Settings, kind: TaskKind) -> SourceReader:
    """Return the reader of a job's objects."""
    if kind is TaskKind.TEXT_CLASSIFICATION:
        return TextSources(manifest)
    return FileSources(manifest, object_reader(options, root=settings.root), settings.root)
