"""Truth files: a manifest's lines with the right answer on them, or with what people answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autolabel.errors import ObjectError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autolabel.tasks.base import Label, Task

_BOM = b"\xef\xbb\xbf"


def read_truth(path: str | Path, sources: Sequence[str], task: Task, *, attribute: str | None = None) -> list[Label]:
    """Read the true label of every object of a manifest from a JSON Lines file.

    Where the file has as many lines as the manifest and each shows the same object, line i is object i. Else
    lines are joined by ``source`` or ``source-ref``, so that the file may be longer or in another order.

    Parameters
    ----------
    path
        Lines as in the manifest, each with a label that `Task.truth_from_record` reads. Blank lines are
        skipped.
    sources
        Each object's ``source`` or ``source-ref`` exactly as the manifest has it, shape ``(N,)``.
    attribute
        Label attribute to prefer over ``class_id`` and ``label``.

    Returns
    -------
    Labels by object number, N of them.

    Raises
    ------
    SettingsError
        The file cannot be read, a line has no usable label, or an object of the manifest is not in it.
    """
    return _read(_Truth(Path(path), task, lambda record: task.truth_from_record(record, attribute)), sources)


def read_gold(
    path: str | Path, sources: Sequence[str], task: Task, *, attribute: str | None = None
) -> dict[int, Label]:
    """Read the true label of some objects of a manifest, joined by ``source`` or ``source-ref``.

    Of equal objects in the manifest the first is meant.

    Returns
    -------
    Labels by object number, ascending.

    Raises
    ------
    SettingsError
        The file cannot be read or holds nothing, a line has no usable label, an object is in it twice with different
        labels, or is not in the manifest.
    """
    truth = _Truth(Path(path), task, lambda record: task.truth_from_record(record, attribute))
    lines = _by_source(truth)
    if not lines:
        raise SettingsError(f"the gold file {path} has no line; expected lines of the manifest with their true label")
    found: dict[int, Label] = {}
    for number, source in enumerate(sources):
        if source in lines:
            found[number] = lines.pop(source)[1]
    if lines:
        source, (line, _) = next(iter(lines.items()))
        raise SettingsError(
            f"{path}:{line}: the manifest has no object with the {truth.key} {source!r:.80}; {len(lines)} gold objects "
            "are not in it. Every gold object is one of the manifest's"
        )
    return found


def read_distributions(
    path: str | Path, sources: Sequence[str], task: Task, members: Sequence[str]
) -> list[tuple[float, ...]]:
    """Read how often people gave each class to every object of a manifest, joined as `read_truth` joins.

    Parameters
    ----------
    path
        Lines as in the manifest, each with one of `members`.
    members
        Members to look for, the first that a line has counts. A list of C numbers holds a count or a weight a
        class, as in CIFAR-10H; a list of another length, or of names, holds the answers themselves.

    Returns
    -------
    Weights of the classes by object number, N of C.

    Raises
    ------
    SettingsError
        As `read_truth`, or a line has none of the members, or one of another form.
    """
    return _read(_Truth(Path(path), task, lambda record: _weights(record, task, members)), sources)


def _weights(record: dict[str, Any], task: Task, members: Sequence[str]) -> tuple[float, ...]:
    """Read one line's answers as weights of the classes."""
    name = next((name for name in members if name in record), None)
    if name is None:
        raise ObjectError("NO_LABEL_ATTRIBUTES", f"found no answers of people, expected {' or '.join(members)}")
    found, classes = record[name], len(task.categories)
    if not isinstance(found, list) or not found:
        raise ObjectError("NO_LABEL_ATTRIBUTES", f"{name!r} is {found!r:.80}, expected a list that is not empty")
    if len(found) == classes and all(isinstance(each, int | float) and each >= 0 for each in found) and any(found):
        return tuple(float(each) for each in found)
    counts = [0.0] * classes
    for each in found:
        counts[task.truth_from_record({"label": each})] += 1
    return tuple(counts)


def _read(truth: _Truth, sources: Sequence[str]) -> list[Any]:
    aligned = _aligned(truth, sources)
    return _joined(truth, sources) if aligned is None else aligned


def _aligned(truth: _Truth, sources: Sequence[str]) -> list[Label] | None:
    """Return the labels in file order, or ``None`` where the file shows other objects than the manifest."""
    labels: list[Label] = []
    for _, source, label in truth.entries():
        if len(labels) == len(sources) or source != sources[len(labels)]:
            return None
        labels.append(label)
    return labels if len(labels) == len(sources) else None


def _joined(truth: _Truth, sources: Sequence[str]) -> list[Label]:
    """Return the label that the file gives each source."""
    found = _by_source(truth)
    missing = [number for number, source in enumerate(sources) if source not in found]
    if missing:
        raise SettingsError(
            f"{truth.path} has no label for object {missing[0]} of the manifest (counted from 0), "
            f"{truth.key} {sources[missing[0]]!r:.80}; {len(missing)} of {len(sources)} objects are missing. "
            f"Every object needs a line with the same {truth.key} and a label"
        )
    return [found[source][1] for source in sources]


def _by_source(truth: _Truth) -> dict[str, tuple[int, Label]]:
    """Return line and label of each source."""
    found: dict[str, tuple[int, Label]] = {}
    for line, source, label in truth.entries():
        first, known = found.setdefault(source, (line, label))
        if known != label:
            raise SettingsError(
                f"{truth.path}:{line}: the same object has another label in line {first}: {source!r:.80}; "
                "keep one of the two lines, or give the file the manifest's lines in the manifest's order"
            )
    return found


class _Truth:
    """A truth file that can be read more than once, so that its texts need not stay in memory."""

    def __init__(self, path: Path, task: Task, read: Callable[[dict[str, Any]], Any]) -> None:
        self.path = path
        self.key = task.kind.source_key
        self._label_of = read

    def entries(self) -> Iterator[tuple[int, str, Label]]:
        """Yield 1-based line, source and label of every line that is not blank."""
        try:
            with self.path.open("rb") as file:
                for line, data in enumerate(file, 1):
                    text = data.removeprefix(_BOM) if line == 1 else data
                    if text.strip():
                        yield line, *self._entry(text, line)
        except OSError as error:
            raise SettingsError(f"the truth file {self.path} cannot be read: {error.strerror}") from error

    def _entry(self, text: bytes, line: int) -> tuple[str, Label]:
        try:
            record: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
            label = self._label_of(record)
        except (ObjectError, ValueError, RecursionError) as error:
            raise SettingsError(f"{self.path}:{line}: {error}") from error
        source = record.get(self.key)
        if not isinstance(source, str):
            raise SettingsError(f"{self.path}:{line}: found {self.key} {source!r:.80}, expected the manifest's string")
        return source, label
