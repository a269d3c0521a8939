"""The bytes of a manifest in blocks of whole lines, read, hashed and laid out one block ahead."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING, Final

from autolabel.errors import ManifestError
from autolabel.manifest.layout import Layout, layout_of
from autolabel.manifest.template import LONGEST
from autolabel.manifest.words import BEHIND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK: Final = 2 << 20
"""Bytes read at once: larger ones fall out of the processor's cache, smaller ones cost calls."""

_PADDING = LONGEST + BEHIND
"""Bytes behind the last line: templates are compared with them, too."""

UNREADABLE: Final = "MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT"

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NEWLINE = ord("\n")


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines; valid until the next block is asked for.

    Attributes
    ----------
    text
        Lines, each with its newline, and padding.
    offset
        Place of the first byte in the file.
    layout
        Where the lines stand in `text`.
    """

    text: bytearray
    offset: int
    layout: Layout

    def __len__(self) -> int:
        return len(self.layout.starts)

    def line(self, number: int) -> bytes:
        """Return line `number` of the block."""
        return bytes(self.text[int(self.layout.starts[number]) : int(self.layout.ends[number])])


@dataclass(frozen=True, slots=True)
class EndlessLine:
    """A line that does not fit into a block; its bytes are not kept."""

    offset: int
    length: int


class ManifestFile:
    """A manifest open for one reading from start to end.

    Attributes
    ----------
    size
        Bytes read so far.
    """

    def __init__(self, file: FileIO, block: int) -> None:
        self._file = file
        self._block = block
        self._hash = hashlib.sha256()
        self._rest = b""
        self.size = 0
        self._skip_mark()

    @property
    def sha256(self) -> str:
        """Of the bytes read so far, in hexadecimal digits."""
        return self._hash.hexdigest()

    def blocks(self) -> Iterator[Block | EndlessLine]:
        """Read to the end of the file, one block ahead of the caller."""
        buffers = [bytearray(self._block + _PADDING) for _ in range(2)]
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self._fill, buffers[0])
            while (block := coming.result()) is not None:
                buffers.reverse()
                coming = ahead.submit(self._fill, buffers[0])
                yield block

    def _skip_mark(self) -> None:
        """Pass over a UTF-8 byte-order mark; refuse other encodings, which Python's json would take."""
        head = self._file.read(4)
        if head.startswith(_UTF16_MARKS) or b"\x00" in head:
            raise ManifestError(
                UNREADABLE, f"found {head!r} at the start, which is UTF-16, UTF-32 or no text; save it as UTF-8"
            )
        mark = len(_UTF8_MARK) if head.startswith(_UTF8_MARK) else 0
        self._take(head)
        self.size, self._rest = mark, head[mark:]

    def _take(self, data: bytes | memoryview) -> None:
        self._hash.update(data)

    def _fill(self, buffer: bytearray) -> Block | EndlessLine | None:
        """Read whole lines into `buffer`; what follows the last newline is kept for the next call."""
        filled = len(self._rest)
        buffer[:filled] = self._rest
        filled += self._read(memoryview(buffer)[filled : self._block - 1])
        if not filled:
            return None
        cut = buffer.rfind(b"\n", 0, filled) + 1
        if not cut and filled == self._block - 1:
            return self._pass_over(filled)
        if not cut:
            buffer[filled] = _NEWLINE  # the last line may lack its newline
            cut = filled + 1
        self._rest = bytes(buffer[cut:filled])
        offset, self.size = self.size, self.size + min(cut, filled)
        return Block(buffer, offset, layout_of(buffer, cut))

    def _read(self, target: memoryview) -> int:
        """Fill `target` unless the file ends before."""
        filled = 0
        while filled < len(target) and (count := self._file.readinto(target[filled:])):
            self._take(target[filled : filled + count])
            filled += count
        return filled

    def _pass_over(self, length: int) -> EndlessLine:
        """Read on to the end of a line without keeping it."""
        offset = self.size
        self._rest = b""
        while data := self._file.read(self._block):
            self._take(data)
            found = data.find(b"\n")
            if found >= 0:
                self.size, self._rest = offset + length + found + 1, data[found + 1 :]
                return EndlessLine(offset, length + found)
            length += len(data)
        self.size = offset + length
        return EndlessLine(offset, length)


@contextmanager
def open_manifest(path: Path, *, block: int = BLOCK) -> Iterator[ManifestFile]:
    """Open a manifest for reading.

    Raises
    ------
    ManifestError
        It is missing, not a regular file, not readable, or not UTF-8 by its first bytes.
    """
    try:
        # A pipe without a writer would block an ordinary open for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ManifestError(UNREADABLE, f"found no file {path}; expected a manifest there") from error
    except OSError as error:
        raise ManifestError(UNREADABLE, f"{path} cannot be opened: {error.strerror}") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise ManifestError(UNREADABLE, f"{path} is {_kind_of(mode)}; expected a regular file")
    with FileIO(descriptor) as file:
        try:
            yield ManifestFile(file, block)
        except OSError as error:
            raise ManifestError(UNREADABLE, f"{path} cannot be read: {error.strerror}") from error


def _kind_of(mode: int) -> str:
    return "a directory" if stat.S_ISDIR(mode) else "a device, pipe or socket"
