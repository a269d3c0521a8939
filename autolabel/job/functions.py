"""Where a job calls Lambda functions of its own: once for every object it asks about, and once for every batch."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from autolabel.errors import AnswerError, JobFailedError
from autolabel.job.clock import parse
from autolabel.storage.durable import make_folder, write_atomically
from autolabel.storage.uri import is_s3, join
from autolabel.tasks.base import Consolidated
from autolabel.tasks.custom import METADATA, label_of
from autolabel.workforce.lambdas import Lambdas, consolidation_event, pre_request, read_pre_response
from autolabel.workforce.responses import Annotated, consolidation_request, parse_consolidation_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from autolabel.job.run import Run
    from autolabel.workforce.base import Answer

AT_ONCE = 8
"""Pre-annotation functions that are waited for at the same time."""
NOT_REQUIRED = "ClientError: the pre-annotation Lambda function said that no human annotation is required."


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a pre-annotation function made of some objects."""

    inputs: dict[int, str] = field(default_factory=dict)
    """``task.input`` as JSON, of the objects that people are to be asked about."""
    spared: tuple[int, ...] = ()
    """Objects that people are not to be asked about."""


def prepare(run: Run, numbers: Sequence[int]) -> Prepared | None:
    """Have the job's own pre-annotation function prepare objects; ``None`` when it has none.

    Raises
    ------
    JobFailedError, StorageError
        See `Lambdas.call`.
    """
    arn = run.request.pre_lambda
    if arn is None or not numbers:
        return None
    lambdas = Lambdas(run.settings.functions)

    def one(number: int) -> tuple[dict[str, Any], bool]:
        return read_pre_response(arn, lambdas.call(arn, pre_request(run.request.job_arn, run.manifest.record(number))))

    with ThreadPoolExecutor(1 if lambdas.is_local(arn) else AT_ONCE) as pool:
        found = dict(zip(numbers, pool.map(one, numbers), strict=True))
    inputs = {number: msgspec.json.encode(given).decode() for number, (given, wanted) in found.items() if wanted}
    return Prepared(inputs, tuple(number for number in numbers if number not in inputs))


def consolidate(
    run: Run, batch: int, answers: Mapping[int, Sequence[Answer]]
) -> tuple[dict[int, Consolidated], dict[int, str]]:
    """Have the job's own consolidation function make labels of a batch's answers.

    Returns
    -------
    The labels, and why the other objects have none.

    Raises
    ------
    JobFailedError, StorageError
        See `Lambdas.call`.
    """
    arn = run.request.consolidation_lambda
    if arn is None:
        msg = "the job has no consolidation function of its own"
        raise RuntimeError(msg)
    lambdas = Lambdas(run.settings.functions)
    annotated = [Annotated(number, run.manifest.source(number), tuple(answers[number])) for number in sorted(answers)]
    path = _write_payload(run, batch, annotated)
    payload = str(path)
    if not lambdas.is_local(arn):
        run.mirror()
        payload = join(run.request.output_uri, f"{run.request.name}/{path.relative_to(run.folder.root).as_posix()}")
    event = consolidation_event(
        job_arn=run.request.job_arn,
        categories=run.task.categories,
        attribute=run.request.label_attribute,
        role_arn=run.request.role_arn,
        payload=payload,
        output=join(run.request.output_uri, f"{run.request.name}/annotations")
        if is_s3(run.request.output_uri)
        else str(run.folder.annotations),
        workers=run.request.workers_per_object,
    )
    try:
        found = parse_consolidation_response(lambdas.call(arn, event))
    except AnswerError as error:
        raise JobFailedError(f"ClientError: the Lambda function {arn} returned what it should not: {error}") from error
    return _labels(run, found, sorted(answers))


def _write_payload(run: Run, batch: int, annotated: list[Annotated]) -> Path:
    frozen = run.store.one("SELECT MIN(frozen) AS at FROM task WHERE batch = ?", batch)
    stamp = parse(frozen["at"]).strftime("%Y-%m-%d_%H:%M:%S") if frozen is not None and frozen["at"] else "0"
    path = run.folder.consolidation("request", batch, stamp)
    make_folder(path.parent)
    body = consolidation_request(annotated, kind=run.task.kind)
    write_atomically(path, msgspec.json.encode(body), sync=False)
    return path


def functions_labels(run: Run) -> dict[int, Consolidated]:
    """Return every label that the job's own consolidation function made, by its responses in the output tree."""
    closed = {row["object"] for row in run.store.rows("SELECT object FROM task WHERE closed IS NOT NULL")}
    said: dict[int, Mapping[str, Any]] = {}
    for path in sorted(run.folder.annotations.glob("consolidated-annotation/consolidation-response/*/*.json")):
        said |= parse_consolidation_response(msgspec.json.decode(path.read_bytes()))
    return _labels(run, said, sorted(said.keys() & closed))[0]


def _labels(
    run: Run, found: Mapping[int, Mapping[str, Any]], asked: Sequence[int]
) -> tuple[dict[int, Consolidated], dict[int, str]]:
    """Read the label of each object out of what the function said of it."""
    attribute = run.request.label_attribute
    labels: dict[int, Consolidated] = {}
    failed: dict[int, str] = {}
    for number in asked:
        content = found.get(number)
        if content is None or attribute not in content:
            failed[number] = (
                f"ClientError: the consolidation Lambda function returned no {attribute!r} for this object."
            )
            continue
        metadata = content.get(attribute + METADATA)
        metadata = metadata if isinstance(metadata, dict) else {}
        confidence = metadata.get("confidence", 0.0)
        is_number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
        label = label_of(json.loads(json.dumps(content[attribute])), metadata)
        labels[number] = Consolidated(label, float(confidence) if is_number and 0 <= confidence <= 1 else 0.0)
    return labels, failed
