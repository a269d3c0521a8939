"""A ``.tar.gz`` of a few named files: written without dates or owners, read as if an enemy had written it.

Python's own filters for extraction have been bypassed (CVE-2025-4517 and others), so nothing is ever extracted:
members are read into memory by name, and the first that is not a plain file of an expected name and size ends it.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from typing import TYPE_CHECKING

from autolabel.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

_OVERHEAD = 1 << 20
"""Bytes of headers and padding that an honest archive of a few files may have."""


def pack_members(files: Mapping[str, bytes]) -> bytes:
    """Pack files in the order of their names; equal files give equal bytes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)  # owner, group and date stay 0
            member.size = len(files[name])
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(files[name]))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as file:
        file.write(plain.getvalue())
    return packed.getvalue()


def read_members(data: bytes, limits: Mapping[str, int], source: str) -> dict[str, bytes]:
    """Read exactly the files named in `limits` from a ``.tar.gz``.

    Parameters
    ----------
    limits
        Most bytes of each file. All decompressed bytes together may be little more, whatever they claim to be.
    source
        What the bytes are, for messages.

    Raises
    ------
    CheckpointError
        Anything but plain files of these names, once each, within their limits.
    """
    found: dict[str, bytes] = {}
    plain = _Capped(data, sum(limits.values()) + _OVERHEAD, source)
    try:
        # A stream: tarfile can neither seek back, which endless archives rely on, nor look at a member twice.
        with tarfile.open(fileobj=plain, mode="r|") as archive:
            while (member := archive.next()) is not None:
                name = member.name.removeprefix("./")
                if member.isdir() and name in {"", "."}:
                    continue  # `tar -C folder .` writes one
                _check(member, name, found, limits, source)
                file = archive.extractfile(member)
                found[name] = file.read() if file is not None else b""
    except CheckpointError:
        raise
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise CheckpointError(f"{source} is not a .tar.gz that can be read: {error}") from error
    missing = sorted(set(limits) - set(found))
    if missing:
        raise CheckpointError(f"{source} has no {' and no '.join(missing)}")
    return found


class _Capped(io.RawIOBase):
    """Decompresses, and refuses to go on past a number of bytes: a bomb costs no more memory than a model."""

    def __init__(self, data: bytes, limit: int, source: str) -> None:
        super().__init__()
        self._file = gzip.GzipFile(fileobj=io.BytesIO(data), mode="rb")
        self._left = limit
        self._source = source

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        part = self._file.read(self._left + 1 if size < 0 else size)
        self._left -= len(part)
        if self._left < 0:
            raise CheckpointError(f"{self._source} unpacks to more than a model may have; it is not read further")
        return part


def _check(
    member: tarfile.TarInfo, name: str, found: Mapping[str, bytes], limits: Mapping[str, int], source: str
) -> None:
    if name not in limits:
        raise CheckpointError(
            f"{source} holds {member.name!r}; expected only {' and '.join(limits)}, at the top and under these names"
        )
    if name in found:
        raise CheckpointError(f"{source} holds {name!r} twice")
    if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.issparse():
        raise CheckpointError(f"{source}: {name!r} is a link, a device or a sparse file; expected a plain file")
    if member.size > limits[name]:
        raise CheckpointError(f"{source}: {name!r} has {member.size:,} bytes; at most {limits[name]:,} are accepted")
