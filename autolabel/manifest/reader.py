"""Checking a manifest and indexing it in one pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from autolabel.errors import ManifestError
from autolabel.manifest.blocks import BLOCK, Block, EndlessLine, open_manifest
from autolabel.manifest.carried import METADATA, Carried
from autolabel.manifest.fault import BadLine, LineCode, LineError
from autolabel.manifest.index import LONGEST_KEPT, ManifestIndex
from autolabel.manifest.limits import DEFAULT_LIMITS, Limits
from autolabel.manifest.screen import Screen
from autolabel.manifest.sources import SourceCounter, source_reader, written_source
from autolabel.manifest.strict import LineRules, ReadLine, line_too_long, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from autolabel.api.kinds import TaskKind

__all__ = ["BadLine", "Limits", "LineCode", "ManifestIndex", "index_manifest", "refusal", "survey_manifest"]

_BLANK = b" \t\r"


def index_manifest(path: Path, *, kind: TaskKind, attribute: str, limits: Limits = DEFAULT_LIMITS) -> ManifestIndex:
    """Check every line of a manifest and index it.

    Lines end with a line feed or with carriage return and line feed; nothing else ends a line. Lines of white space
    hold no object. A bad line is an object that fails; the others are labeled all the same.

    Parameters
    ----------
    attribute
        The label attribute: lines that already carry a label for it are listed in `ManifestIndex.prior`.

    Raises
    ------
    ManifestError
        No job can start from this file: it is missing, no regular file, empty, not UTF-8 as a whole or larger than
        `limits` allow, no line of it is good, or too many are bad.
    """
    index = survey_manifest(path, kind=kind, attribute=attribute, limits=limits)
    if (error := refusal(index, limits)) is not None:
        raise error
    return index


def survey_manifest(path: Path, *, kind: TaskKind, attribute: str, limits: Limits = DEFAULT_LIMITS) -> ManifestIndex:
    """Do as `index_manifest`, but return an index however many lines are bad."""
    rules = LineRules(kind, attribute, limits)
    survey = _Survey(path, rules)
    # A line that may be good must fit into a block, with its newline.
    with open_manifest(path, block=max(BLOCK, rules.longest_possible + 2)) as file:
        for block in file.blocks():
            if isinstance(block, EndlessLine):
                survey.add_endless(block)
            else:
                survey.add(block)
            if limits.max_bytes is not None and file.size > limits.max_bytes:
                raise ManifestError(
                    "MANIFEST_SIZE_TOO_LARGE", f"{path} has more than {limits.max_bytes:,} bytes, the limit"
                )
        return survey.finish(file.size, file.sha256)


def refusal(index: ManifestIndex, limits: Limits) -> ManifestError | None:
    """Return why no job may start with that many bad lines, or ``None``."""
    bad, count = len(index.bad), len(index)
    if not bad or (bad < count and bad <= limits.max_bad_share * count):
        return None
    first = index.bad[0]
    return ManifestError(
        "TOO_MANY_INVALID_ROWS_IN_MANIFEST",
        f"{bad:,} of {count:,} lines are bad, at most {limits.max_bad_share:.0%} may be; "
        f"the first, {first.code}: {first.message}",
        line=first.line,
    )


class _Survey:
    """What is known about the lines read so far."""

    def __init__(self, path: Path, rules: LineRules) -> None:
        self._path = path
        self._rules = rules
        self._screen = Screen(rules)
        self._most = rules.limits.objects_of(rules.kind)
        self._lines = 0
        self._objects = 0
        self._offsets: list[NDArray[np.uint64]] = []
        self._lengths: list[NDArray[np.uint32]] = []
        self._blank: list[NDArray[np.int64]] = []
        self._bad: list[BadLine] = []
        self._carried: dict[Carried, list[NDArray[np.int64]]] = {
            each: [] for each in Carried if each is not Carried.NOTHING
        }
        self._sources = SourceCounter()

    def add(self, block: Block) -> None:
        """Judge a block's lines: those that the screen does not pass, one by one."""
        screened = self._screen(block)
        carried, good = screened.carried, np.flatnonzero(screened.carried)
        doubted = {number: block.line(number) for number in np.flatnonzero(carried == 0).tolist()}
        is_object = np.ones(len(carried), np.bool_)
        is_object[[number for number, line in doubted.items() if not line.strip(_BLANK)]] = False
        objects = self._objects + np.cumsum(is_object) - 1
        starts, ends = block.layout.starts[is_object], block.layout.ends[is_object]
        self._append(block.offset + starts, ends - starts)
        self._blank.append(self._lines + np.flatnonzero(~is_object))

        sources: dict[int, bytes] = {}
        for number, line in doubted.items():
            if is_object[number] and (read := self._judge(line, int(objects[number]), number)):
                sources[int(objects[number])] = written_source(line, self._rules.source_key, read.source)
                carried[number] = read.carried
        self._sources.add(objects[good], screened.fingerprints)
        self._sources.add_texts(sources)
        for each, known in self._carried.items():
            known.append(objects[carried == each])
        self._lines += len(carried)

    def add_endless(self, line: EndlessLine) -> None:
        """Take note of a line that no block can hold."""
        error = line_too_long(line.length, self._rules.limits.max_line_chars)
        self._refuse(error, self._objects, self._lines + 1)
        self._append(np.array([line.offset]), np.array([min(line.length, LONGEST_KEPT)]))
        self._lines += 1

    def finish(self, size: int, sha256: str) -> ManifestIndex:
        """Build the index of everything read."""
        if not self._objects:
            found = "only blank lines" if self._lines else "an empty file"
            raise ManifestError("EMPTY_MANIFEST", f"{self._path}: found {found}; expected one JSON object a line")
        overwritten = self._objects_with(Carried.VALUE), self._objects_with(Carried.FAILURE)
        index = ManifestIndex(
            offsets=np.concatenate(self._offsets),
            lengths=np.concatenate(self._lengths),
            blank=_joined(self._blank),
            prior=self._objects_with(Carried.LABEL),
            overwritten=np.sort(np.concatenate(overwritten)),
            bad=tuple(self._bad),
            warnings=(),
            duplicates=0,
            kind=self._rules.kind,
            attribute=self._rules.attribute,
            size=size,
            sha256=sha256,
        )
        repeats = self._repeats(index)
        return replace(index, duplicates=len(repeats), warnings=tuple(self._warnings(index, repeats)))

    def _append(self, offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        self._objects += len(offsets)
        if self._objects > self._most:
            raise ManifestError(
                "MANIFEST_ROWS_EXCEEDS_MAXIMUM",
                f"{self._path} has more than {self._most:,} objects, the limit for {self._rules.kind}; "
                "split it, or raise the limit",
            )
        self._offsets.append(offsets.astype(np.uint64))
        self._lengths.append(lengths.astype(np.uint32))

    def _judge(self, line: bytes, number: int, place: int) -> ReadLine | None:
        """Read one line strictly; ``None`` when it is bad, which is noted."""
        try:
            return read_line(line, self._rules)
        except LineError as error:
            self._refuse(error, number, self._lines + place + 1)
            return None

    def _objects_with(self, carried: Carried) -> NDArray[np.int64]:
        return _joined(self._carried[carried])

    def _refuse(self, error: LineError, number: int, physical: int) -> None:
        self._bad.append(BadLine(number, physical, LineCode(error.code), error.found, error.expected))

    def _repeats(self, index: ManifestIndex) -> list[tuple[int, int]]:
        key = self._rules.source_key
        read = source_reader(key)
        with self._path.open("rb") as file:

            def source(number: int) -> bytes:
                file.seek(int(index.offsets[number]))
                line = file.read(int(index.lengths[number]))
                return written_source(line, key, read(line))

            return self._sources.repeats(source)

    def _warnings(self, index: ManifestIndex, repeats: list[tuple[int, int]]) -> Iterator[str]:
        """Say what is odd but allowed, one sentence a kind."""
        attribute = self._rules.attribute
        if index.blank.size:
            yield f"{_lines(index.blank.size)} nothing but white space and no object (line {index.blank[0] + 1})"
        if repeats:
            number, earlier = (index.line_number(each) for each in repeats[0])
            yield (
                f"{_lines(len(repeats))} an earlier line's source again (line {number}: that of line {earlier}); "
                "each is an object of its own and is labeled on its own"
            )
        values, failures = self._objects_with(Carried.VALUE), self._objects_with(Carried.FAILURE)
        if values.size:
            yield (
                f"{_lines(values.size)} {attribute!r} without {attribute + METADATA!r} "
                f"(line {index.line_number(int(values[0]))}): no job wrote that, so it is labeled anew and overwritten"
            )
        if failures.size:
            yield (
                f"{_lines(failures.size)} an earlier job's failure (line {index.line_number(int(failures[0]))}): "
                "the object is tried again"
            )


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _lines(count: int) -> str:
    return "1 line has" if count == 1 else f"{count:,} lines have"
