"""What a job is expected to cost, before it begins and while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autolabel.cli.settings import settings_of
from autolabel.cli.terminal import print_json, print_table, say

if TYPE_CHECKING:
    import argparse

NO_SAVING = "No saving is expected: people for everything would cost no more."


def print_plan(options: argparse.Namespace) -> int:
    """Print the forecast of a job, or of a document that is no job yet."""
    from autolabel.cli.main import ExitCode
    from autolabel.job.reader import JobReader

    if options.job.is_file():
        facts = _plan_of_document(options)
    else:
        with JobReader(options.job) as job:
            facts = job.plan()
    if options.json:
        print_json(facts)
    else:
        _print_plan(facts)
    return ExitCode.FINISHED


def _plan_of_document(options: argparse.Namespace) -> Any:
    """Forecast a job that does not exist: it is created with all checks in a folder that is thrown away."""
    from tempfile import TemporaryDirectory

    from autolabel.api.request import LabelingJobRequest
    from autolabel.job.job import LabelingJob
    from autolabel.storage.base import StorageOptions
    from autolabel.storage.router import Storage

    request = LabelingJobRequest.load(str(options.job), Storage(StorageOptions()).read)
    beside = options.job.with_suffix(".toml")
    settings = settings_of(options, request.tags, beside if beside.is_file() else None)
    with (
        TemporaryDirectory(prefix="autolabel-plan-") as home,
        LabelingJob.create(request, home, settings=settings) as job,
    ):
        return job.plan()


def _print_plan(facts: dict[str, Any]) -> None:
    from autolabel.report.words import WHOSE

    forecast = facts["forecast"]
    say(
        f"{facts['objects']:,} objects, {facts['unlabeled']:,} not labeled yet; "
        f"at most {100 * facts['error']:g} % of {WHOSE[facts['contract']]} wrong with {100 * facts['confidence']:g} % "
        "confidence. "
        f"People for all: ${facts['all_human_cost']:,.2f}."
    )
    say(
        f"Forecast: {forecast['human_total']:,} labels by people ({forecast['low']:,} to {forecast['high']:,}), "
        f"${forecast['cost']:,.2f}."
    )
    if not facts["saves"]:
        say(NO_SAVING)
    columns = ("round", "human_total", "low", "high", "machine", "bought", "audits")
    rows = [(*(f"{row[name]:,}" for name in columns), f"{row['cost']:,.2f}") for row in facts["rounds"]]
    if rows:
        print_table(rows, ("round", "people", "low", "high", "machine", "to buy", "audit", "dollars"))
    if facts["alternatives"]:
        say("Instead:")
        print_table(
            [
                (
                    f"{100 * each['error']:g} %",
                    "any" if each["more_people"] is None else f"{each['more_people']:,}",
                    f"{each['human_total']:,}",
                    f"{each['low']:,}",
                    f"{each['high']:,}",
                    f"{each['cost']:,.2f}",
                )
                for each in facts["alternatives"]
            ],
            ("error", "people may still", "people", "low", "high", "dollars"),
        )


def say_plan(facts: dict[str, Any]) -> None:
    """Say in two sentences what is expected before the first label."""
    forecast = facts["forecast"]
    say(
        f"{facts['objects']:,} objects; people for all of them would cost ${facts['all_human_cost']:,.2f}. "
        f"Before any label: {forecast['low']:,} to {forecast['high']:,} labels by people, about "
        f"{forecast['human_total']:,} (${forecast['cost']:,.2f})."
    )
    if not facts["saves"]:
        say(NO_SAVING)
