"""Verbs about jobs: run, label, resume, status, plan, report, verify, stop."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolabel.cli.plan import print_plan, say_plan
from autolabel.cli.settings import add_settings, settings_of
from autolabel.cli.terminal import add_json, console, print_json, reporter, say

if TYPE_CHECKING:
    from autolabel.job.job import Finished, LabelingJob, Waiting


def add_verbs(verbs: Any) -> None:
    """Add the verbs of this module."""
    run = verbs.add_parser("run", help="create a job from a CreateLabelingJob document and run it")
    run.add_argument("request", help="JSON document, as boto3 would send it; a path or s3:// URI")
    run.add_argument("--toml", type=Path, help="settings file with a [job] table (default: REQUEST with .toml)")
    run.add_argument("--home", type=Path, help="folder the job's folder is created in (default: S3OutputPath, or jobs)")
    add_settings(run)
    run.set_defaults(verb=_run)

    label = verbs.add_parser("label", help="short form of run: writes the document for you")
    label.add_argument("manifest", help="JSON Lines with `source` or `source-ref`; a path or s3:// URI")
    label.add_argument("--task", required=True, choices=("image-classification", "text-classification"))
    label.add_argument("--categories", required=True, help="label category file; a path or s3:// URI")
    label.add_argument("--output", required=True, help="folder or s3:// URI; the job goes to OUTPUT/NAME")
    label.add_argument("--name", help="job name (default: the manifest's, with the task)")
    label.add_argument("--attribute", help="label attribute (default: the job name)")
    label.add_argument("--workers", type=int, default=1, help="people per object, 1 to 9 (default: 1)")
    label.add_argument("--concurrent", type=int, default=1000, help="objects before people at a time (default: 1000)")
    label.add_argument("--max-human-labels", type=int, help="MaxHumanLabeledObjectCount")
    label.add_argument("--max-percent", type=int, default=100, help="MaxPercentageOfInputDatasetLabeled")
    label.add_argument("--start-from", help="InitialActiveLearningModelArn of an earlier job's model")
    label.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    add_settings(label)
    label.set_defaults(verb=_label)

    for name, verb, help_text in (
        ("resume", _resume, "go on with a job, after people answered or the process died"),
        ("status", _status, "counters, labels by people, cost; reads only"),
        ("plan", print_plan, "forecast: human labels, dollars, interval, round by round"),
        ("report", _report, "write report.html again and print the closing summary"),
        ("verify", _verify, "re-derive the certificate from the job folder and look for tampering"),
        ("stop", _stop, "stop a job: everything so far is written"),
    ):
        parser = verbs.add_parser(name, help=help_text)
        text = "the job's folder, or a CreateLabelingJob document" if name == "plan" else "the job's folder"
        parser.add_argument("job", type=Path, help=text)
        add_json(parser)
        if name == "resume":
            parser.add_argument("--workforce", help="another workforce than the job's own")
        parser.set_defaults(verb=verb)


def _run(options: argparse.Namespace) -> int:
    from autolabel.api.request import LabelingJobRequest
    from autolabel.storage.base import StorageOptions
    from autolabel.storage.router import Storage
    from autolabel.storage.uri import is_s3

    storage = Storage(StorageOptions(endpoint_url=options.endpoint_url))
    request = LabelingJobRequest.load(options.request, storage.read)
    toml = options.toml
    if toml is None and not is_s3(options.request):
        beside = Path(options.request).with_suffix(".toml")
        toml = beside if beside.is_file() else None
    return start(options, request, settings_of(options, request.tags, toml), options.home)


def _label(options: argparse.Namespace) -> int:
    from autolabel.api.example import example_document
    from autolabel.api.kinds import TaskKind
    from autolabel.api.request import LabelingJobRequest

    name = options.name or _name_of(options.manifest, options.task)
    document = example_document(
        TaskKind(options.task),
        name=name,
        manifest=options.manifest,
        output=options.output,
        categories=options.categories,
        attribute=options.attribute,
        workers=options.workers,
        batch=options.concurrent,
        max_human_labeled=options.max_human_labels,
        max_percentage_labeled=options.max_percent,
        initial_model_arn=options.start_from,
    )
    return start(options, LabelingJobRequest.from_document(document), settings_of(options, {}, None), options.home)


def _name_of(manifest: str, task: str) -> str:
    """Make a job name of the manifest's name: letters, digits and single dashes."""
    stem = manifest.rstrip("/").rsplit("/", 1)[-1].split(".")[0]
    words = "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in stem).split()
    return "-".join([*words, *task.split("-")])[:63].strip("-")


def start(options: argparse.Namespace, request: Any, settings: Any, home: Path | None) -> int:
    """Create a job, run it as far as it goes, and say where it stands."""
    from autolabel.job.job import LabelingJob

    progress = reporter(options)
    try:
        with LabelingJob.create(request, home, settings=settings, progress=progress) as job:
            if not options.json:
                say_plan(job.plan())
            return show(job, _go_on(job, None), options)
    finally:
        progress.close()


def _resume(options: argparse.Namespace) -> int:
    from autolabel.job.job import LabelingJob

    progress = reporter(options)
    try:
        with LabelingJob.open(options.job, progress=progress) as job:
            return show(job, _go_on(job, options.workforce), options)
    finally:
        progress.close()


def _go_on(job: LabelingJob, spec: str | None) -> Waiting | Finished:
    """Run a job as far as it goes with its workforce, or another one; a page is served until the job ends."""
    from autolabel.workforce.web import is_web

    chosen = spec or job.settings.workforce
    if is_web(chosen):
        from autolabel.web import serve

        return job.run() if job.status.is_final else serve(job, chosen or "", say=say)
    return job.run(job.workforce(spec) if spec else None)


def show(job: LabelingJob, step: Waiting | Finished, options: argparse.Namespace) -> int:
    """Print where the job stands and return the exit code that says the same."""
    from autolabel.api.describe import JobStatus
    from autolabel.cli.main import ExitCode
    from autolabel.report.terminal import closing_summary

    if options.json:
        print_json(job.summary())
    else:
        job.progress.close()
        console().print(closing_summary(job.report_data()))
    if not step.finished:
        if not options.json:
            say(f"{len(step.tasks):,} objects wait for people; then: autolabel resume {job.folder.root}")
        return ExitCode.WAITING
    return ExitCode.FAILED if job.status is JobStatus.FAILED else ExitCode.FINISHED


def _status(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.job.reader import JobReader
    from autolabel.report.terminal import closing_summary

    with JobReader(options.job) as job:
        if options.json:
            print_json(job.summary())
        else:
            console().print(closing_summary(job.report_data()))
    return ExitCode.FINISHED


def _report(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.job.reader import JobReader
    from autolabel.report.terminal import closing_summary

    with JobReader(options.job) as job:
        job.write_report()
        if options.json:
            print_json({"report": str(job.folder.report)})
        else:
            console().print(closing_summary(job.report_data()))
    return ExitCode.FINISHED


def _verify(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.errors import VerificationError
    from autolabel.job.reader import JobReader

    with JobReader(options.job) as job:
        try:
            verified = job.verify()
        except VerificationError as error:
            if options.json:
                print_json({"verified": False, "findings": list(error.findings)})
                return ExitCode.FAILED
            raise
    if options.json:
        print_json({"verified": True, "checks": list(verified.checks), "certificate": verified.certificate.to_json()})
    else:
        for check in verified.checks:
            say(check)
        print(verified.certificate.sentence)
    return ExitCode.FINISHED


def _stop(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.errors import JobLockedError
    from autolabel.job.folder import JobFolder
    from autolabel.job.job import LabelingJob
    from autolabel.storage.durable import write_atomically

    try:
        with LabelingJob.open(options.job) as job:
            job.stop()
            if options.json:
                print_json(job.summary())
            else:
                say(f"{job.folder.name}: {job.status}")
    except JobLockedError:
        write_atomically(JobFolder(options.job.absolute()).stop_flag, b"")
        if options.json:
            print_json({"job": options.job.name, "status": "Stopping"})
        else:
            say("the job runs in another process; it stops before its next step")
    return ExitCode.FINISHED
