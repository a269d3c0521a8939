"""Copying the output tree to where the request wants it: S3, or another folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from autolabel.storage.durable import write_atomically
from autolabel.storage.router import Storage
from autolabel.storage.uri import is_s3, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autolabel.api.request import LabelingJobRequest
    from autolabel.job.folder import JobFolder
    from autolabel.storage.base import StorageOptions


class Mirror:
    """Keeps ``<S3OutputPath>/<JobName>/`` equal to the job folder less its state; sends only what changed.

    Files are sent before the manifest that refers to them. What was sent is remembered by size and date; forgetting
    it only sends a file again.
    """

    def __init__(self, folder: JobFolder, request: LabelingJobRequest, options: StorageOptions) -> None:
        self._folder = folder
        self._target = join(request.output_uri, request.name)
        self._options = options
        self._memory = folder.state / "mirror.json"
        self._needed = is_s3(self._target) or Path(self._target).absolute() != folder.root.absolute()

    def update(self) -> None:
        """Send every file that is new or has changed; raises `StorageError`, and can be repeated."""
        if not self._needed:
            return
        storage = Storage(self._options)
        sent: dict[str, list[int]] = json.loads(self._memory.read_text()) if self._memory.is_file() else {}
        try:
            for path in self._files():
                name = path.relative_to(self._folder.root).as_posix()
                stat = path.stat()
                version = [stat.st_size, stat.st_mtime_ns]
                if sent.get(name) != version:
                    self._send(storage, name, path)
                    sent[name] = version
        finally:
            write_atomically(self._memory, json.dumps(sent).encode(), sync=False)

    def _send(self, storage: Storage, name: str, path: Path) -> None:
        target = join(self._target, name)
        if not is_s3(target):
            Path(target).parent.mkdir(parents=True, exist_ok=True)
        storage.write(target, path)

    def _files(self) -> Iterator[Path]:
        """Everything but the state, the output manifest last."""
        last = self._folder.output_manifest
        for path in sorted(self._folder.root.rglob("*")):
            if path.is_file() and path != last and self._folder.state not in path.parents:
                yield path
        if last.is_file():
            yield last
