"""Files of the output tree against what the job's state gives: written again, and compared byte by byte."""

from __future__ import annotations

import hashlib
import json
from os import SEEK_CUR
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from autolabel.errors import AnswerError, ObjectError
from autolabel.job.cost import ledger_lines
from autolabel.job.look import machine_labels_of, score_lines, stored_look
from autolabel.job.output import additions_of, auto_annotations
from autolabel.manifest.carried import METADATA
from autolabel.manifest.output import manifest_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autolabel.job.run import Run

NAMED = 20
"""Lines of one file that are named one by one."""


def scores_file(run: Run) -> Iterator[str]:
    """Compare the scores file and the frozen arrays with the digest that the audit was drawn with."""
    look = stored_look(run)
    if look is None:
        return
    if not run.folder.scores.is_file():
        yield f"{run.folder.scores}: missing"
        return
    with run.folder.scores.open("rb") as lines:
        if hashlib.file_digest(lines, "sha256").hexdigest() != look.freeze.result["scores_sha256"]:
            yield f"{run.folder.scores}: a score, a prediction or the order was changed"
    frozen = hashlib.sha256()
    for block in score_lines(look.freeze.arrays()):
        frozen.update(block)
    if frozen.hexdigest() != look.freeze.result["scores_sha256"]:
        yield "the frozen arrays are not the scores that the audit was drawn over"


def output_manifest(run: Run) -> Iterator[str]:
    """Compare the output manifest with the one that the job's state gives."""
    look = stored_look(run)
    expected = manifest_pieces(run.manifest, additions_of(run, look))
    yield from _compare(run.folder.output_manifest, expected, lambda *lines: _line_finding(run, *lines))


def machine_file(run: Run) -> Iterator[str]:
    """Compare the machine's annotations with the machine labels."""
    look = stored_look(run)
    if look is not None:
        yield from _compare(run.folder.auto_annotations, auto_annotations(run, look))


def ledger_file(run: Run) -> Iterator[str]:
    """Compare the ledger file with the stored ledger."""
    machine = machine_labels_of(stored_look(run))
    yield from _compare(run.folder.ledger, ledger_lines(run.store, run.prices, machine, before="output"))


def _compare(path: Path, expected: Iterator[bytes], say: Callable[[bytes, bytes], str] | None = None) -> Iterator[str]:
    """Name the lines of a file that are not the expected ones; blocks that are equal are not looked into."""
    if not path.is_file():
        yield f"{path}: missing"
        return
    count = odd = 0
    with path.open("rb") as file:
        for piece in expected:
            block = file.read(len(piece))
            wanted = piece.splitlines(keepends=True) if block != piece else []
            found = _whole_lines(file, block, len(wanted)) if wanted else []
            for place, (line, right) in enumerate(zip(found, wanted, strict=False), count + 1):
                odd += line != right
                if line != right and odd <= NAMED:
                    why = say(line, right) if say else ""
                    yield f"{path} line {place}: {why or 'is not what the job writes'}"
            count += len(found) if wanted else piece.count(b"\n")
            if len(found) < len(wanted):
                yield f"{path}: found {count:,} lines; more were expected"
                return
        extra = sum(1 for _ in file)
    if extra:
        yield f"{path}: found {count + extra:,} lines; expected {count:,}"
    if odd > NAMED:
        yield f"{path}: {odd - NAMED:,} more lines are not what the job writes"


def _whole_lines(file: BinaryIO, block: bytes, count: int) -> list[bytes]:
    """Return the `count` lines that begin with `block`, or as many as there are; the file is read just past them."""
    lines = block.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += file.readline()
    while len(lines) < count and (line := file.readline()):
        lines.append(line)
    file.seek(-sum(len(line) for line in lines[count:]), SEEK_CUR)
    return lines[:count]


def _line_finding(run: Run, found: bytes, expected: bytes) -> str:
    """Say what is wrong with one output line."""
    attribute = run.request.label_attribute
    try:
        record, wanted = msgspec.json.decode(found), msgspec.json.decode(expected)
        label, right = (run.task.label_from_record(each, attribute) for each in (record, wanted))
    except (msgspec.DecodeError, ObjectError, AttributeError) as error:
        return str(error)
    human, by_people = ((each.get(attribute + METADATA) or {}).get("human-annotated") for each in (record, wanted))
    if (label, human) != (right, by_people):
        return f"says {label!r} ({human}), the job gives {right!r} ({by_people})"
    odd = sorted(record.keys() ^ wanted.keys()) or sorted(key for key in record if record[key] != wanted[key])
    if not odd:
        return "says the same in other bytes than the job writes"
    if odd[0] in {attribute, attribute + METADATA}:
        return f"has {odd[0]!r} otherwise than the job writes it"
    return f"has {odd[0]!r} otherwise than the input manifest"


def worker_responses(run: Run) -> Iterator[str]:
    """Compare every worker-response file with the stored answers."""
    from autolabel.workforce.responses import parse_worker_response

    on_disk: dict[tuple[int, str], Any] = {}
    for path in sorted(run.folder.annotations.glob("worker-response/iteration-*/*/*.json")):
        if not path.parent.name.isdecimal():
            yield f"{path}: no object is called {path.parent.name!r}"
            continue
        number = int(path.parent.name)
        try:
            answers = parse_worker_response(msgspec.json.decode(path.read_bytes()), number=number)
        except (msgspec.DecodeError, AnswerError) as error:
            yield f"{path}: not a worker response ({error})"
            continue
        on_disk.update({(number, answer.worker): answer.content for answer in answers})
    published = {row["name"] for row in run.store.rows("SELECT name FROM step WHERE name LIKE 'files-%'")}
    stored = {
        (row["object"], row["worker"]): json.loads(row["content"])
        for row in run.store.stream(
            "SELECT answer.*, IIF(panel = 1, task.batch, task.again) AS batch FROM answer JOIN task USING (object)"
            " WHERE content IS NOT NULL"
        )
        if f"files-{row['batch']:03d}" in published
    }
    for number, worker in sorted(set(stored) ^ set(on_disk)):
        where = "missing from" if (number, worker) in stored else "only in"
        yield f"object {number}: the answer of {worker} is {where} the worker-response files"
    for key in sorted(set(stored) & set(on_disk)):
        if stored[key] != on_disk[key]:
            yield f"object {key[0]}: the answer of {key[1]} differs between the database and its file"
