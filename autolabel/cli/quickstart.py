"""`autolabel quickstart`: a whole job on 1,797 real handwritten digits that come with scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolabel.cli.terminal import add_json, print_json, reporter, say

if TYPE_CHECKING:
    import argparse

    from autolabel.job.job import LabelingJob


def add_verbs(verbs: Any) -> None:
    """Add `quickstart`."""
    parser = verbs.add_parser("quickstart", help="label scikit-learn's 1,797 handwritten digits, offline")
    parser.add_argument("--folder", type=Path, default=Path("quickstart"), help="where to (default: quickstart/)")
    parser.add_argument("--seed", type=int, default=0)
    add_json(parser)
    parser.set_defaults(verb=_quickstart)


def write_digits(folder: Path) -> None:
    """Write the digits as 8 x 8 PNG files with manifest, truth and categories, as a user's own data would lie."""
    from PIL import Image
    from sklearn.datasets import load_digits

    from autolabel.storage.durable import make_folder

    digits = load_digits()
    images = folder / "images"
    make_folder(images)
    manifest, truth = [], []
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target.tolist(), strict=True)):
        name = f"images/{number:04d}.png"
        Image.fromarray((pixels * (255 / 16)).round().astype("uint8")).save(folder / name)
        manifest.append(json.dumps({"source-ref": name}))
        truth.append(json.dumps({"source-ref": name, "label": str(label)}))
    (folder / "manifest.jsonl").write_text("\n".join(manifest) + "\n")
    (folder / "truth.jsonl").write_text("\n".join(truth) + "\n")
    labels = {"document-version": "2018-11-28", "labels": [{"label": str(digit)} for digit in range(10)]}
    (folder / "labels.json").write_text(json.dumps(labels))


def _quickstart(options: argparse.Namespace) -> int:
    from autolabel.api.example import example_document
    from autolabel.api.kinds import TaskKind
    from autolabel.api.request import LabelingJobRequest
    from autolabel.cli.jobs import show
    from autolabel.cli.main import ExitCode
    from autolabel.job.job import Finished, LabelingJob
    from autolabel.job.settings import Settings

    folder = options.folder
    write_digits(folder)
    name = _free_name(folder / "jobs")
    document = example_document(
        TaskKind.IMAGE_CLASSIFICATION,
        name=name,
        attribute="digit",
        manifest=str(folder / "manifest.jsonl"),
        output=str(folder / "jobs"),
        categories=str(folder / "labels.json"),
        workers=1,
    )
    settings = Settings(
        # Pictures of 8 x 8 pixels hold no texture that a network trained on photos could use.
        model="pixels",
        seed=options.seed,
        workforce=f"simulated:{folder / 'truth.jsonl'}",
    )
    progress = reporter(options)
    try:
        with LabelingJob.create(
            LabelingJobRequest.from_document(document), settings=settings, progress=progress
        ) as job:
            step = job.run()
            wrong, machine_wrong = compare_with_truth(job, folder / "truth.jsonl")
            if options.json:
                print_json({**job.summary(), "truth": {"wrong": wrong, "machine_wrong": machine_wrong}})
                return ExitCode.FINISHED
            code = show(job, step, options)
            objects = job.counters().objects
    finally:
        progress.close()
    certificate = step.certificate if isinstance(step, Finished) else None
    limit = certificate["wrong_at_most"] if certificate else 0
    verdict = "the promise holds" if wrong <= limit else "the promise is broken"
    say(f"Against the true labels: {wrong:,} of {objects:,} wrong, at most {limit:,} promised: {verdict}.")
    say(f"Open {job.folder.report}; check the proof with: autolabel verify {job.folder.root}")
    return code


def compare_with_truth(job: LabelingJob, truth: Path) -> tuple[int, int]:
    """Count wrong labels, and wrong machine labels, of the delivered manifest."""
    attribute = job.request.label_attribute
    wrong = machine_wrong = 0
    with job.folder.output_manifest.open() as delivered, truth.open() as true:
        for line, expected in zip(delivered, true, strict=True):
            record = json.loads(line)
            if attribute in record and record[attribute] != job.task.truth_from_record(json.loads(expected)):
                wrong += 1
                machine_wrong += record[f"{attribute}-metadata"]["human-annotated"] == "no"
    return wrong, machine_wrong


def _free_name(home: Path) -> str:
    number = 1
    while (home / f"digits-{number}").exists():
        number += 1
    return f"digits-{number}"
