"""A whole job over a large text manifest: how much memory each phase takes, and how fast its output is written.

    python -m benchmarks.manifest.whole_job [--lines 1000000] [--people 3000] [--json]

A real `LabelingJob`: four classes, the tfidf encoder, simulated people. It runs in a child process whose resident
memory is sampled; then the output manifest of the finished job is written again, by the job's own function and by
``json.loads``, ``update`` and ``json.dumps``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.manifest.generate import CLASSES, write_job_files
from benchmarks.manifest.memory import MIB, Phases, peak, resident

if TYPE_CHECKING:
    from collections.abc import Callable

    from autolabel import LabelingJob

PHASES = {
    "autolabel.manifest.reader.survey_manifest": "create: index the manifest",
    "autolabel.workforce.truth.read_truth": "the simulated people read the truth",
    "autolabel.job.create.create_folder": "create: everything else",
    "autolabel.job.start.start": "start",
    "autolabel.inference.tfidf.fit": "embed: fit tfidf",
    "autolabel.job.start._embed": "embed",
    "autolabel.job.rounds.choose_first": "choose a batch",
    "autolabel.job.rounds.choose_informative": "choose a batch",
    "autolabel.learning.learner.fit": "learn: fit",
    "autolabel.learning.learner.score": "learn: score all objects",
    "autolabel.job.rounds._learn": "learn: plan",
    "autolabel.job.look._freeze": "look: freeze",
    "autolabel.job.look._walk": "look: walk",
    "autolabel.job.output.write_output_manifest": "publish: output manifest",
    "autolabel.job.output.write_batch_files": "publish: files of a batch",
    "autolabel.job.output.write_output": "publish: annotations, ledger, events",
    "autolabel.job.finish._final_model": "final model",
    "autolabel.job.job._publish_report": "report",
    "autolabel.job.job.submit": "people answer",
    "autolabel.workforce.simulated.collect": "people answer",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=3_000, help="MaxHumanLabeledObjectCount")
    parser.add_argument("--batch", type=int, default=1_000, help="objects people label between two trainings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for data and job (default: a temporary one)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_job(options)))
        return 0
    with tempfile.TemporaryDirectory(prefix="whole-job-") as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        write_job_files(work / "manifest.jsonl", work / "truth.jsonl", options.lines, seed=options.seed)
        labels = {"labels": [{"label": name} for name in CLASSES]}
        (work / "labels.json").write_text(json.dumps({"document-version": "2018-11-28", **labels}))
        arguments = [f"--{name}={getattr(options, name)}" for name in ("lines", "people", "batch", "seed")]
        command = [sys.executable, "-m", "benchmarks.manifest.whole_job", "--child", f"--work={work}", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        found = json.loads(done.stdout)
    print(json.dumps(found) if options.json else table(found))
    return 0


def run_job(options: argparse.Namespace) -> dict[str, Any]:
    """Run the job in this process; return what was measured."""
    import sklearn.feature_extraction.text  # noqa: F401 - the job would import it later

    from autolabel import LabelingJob, LabelingJobRequest, Settings, TaskKind
    from autolabel.api.example import example_document

    imported = resident()
    document = example_document(
        TaskKind.TEXT_CLASSIFICATION,
        name=f"whole-{options.lines}",
        attribute="topic",
        manifest=str(options.work / "manifest.jsonl"),
        output=str(options.work / "jobs"),
        categories=str(options.work / "labels.json"),
        workers=1,
        batch=5_000,
        max_human_labeled=options.people,
    )
    settings = Settings(
        model="tfidf",
        seed=options.seed,
        batch=options.batch,
        max_objects=options.lines,
        workforce=f"simulated:{options.work / 'truth.jsonl'}",
    )
    phases = Phases(PHASES)
    begun = time.perf_counter()
    with phases.watching():
        job = LabelingJob.create(LabelingJobRequest.from_document(document), settings=settings)
        step = job.run()
    seconds = time.perf_counter() - begun
    most = peak()
    if not step.finished or step.certificate is None:
        sys.exit(f"the job did not finish: {step}")
    with job:
        counters = job.counters()
        return {
            "lines": options.lines,
            "seconds": round(seconds, 1),
            "imported": imported,
            "torch": "torch" in sys.modules,
            "peak": most,
            "phases": {name: (*both, phases.seconds[name]) for name, both in phases.peak.items()},
            "human": counters.human_labeled,
            "machine": counters.machine_labeled,
            "granted": step.certificate["granted"],
            **compare_outputs(job),
        }


def compare_outputs(job: LabelingJob) -> dict[str, Any]:
    """Write the finished job's output manifest as the job does, and as a reader of JSON lines would."""
    from autolabel.job.look import stored_look
    from autolabel.job.output import additions_of, write_output_manifest

    run = job.walk()
    look = stored_look(run)
    additions = additions_of(run, look)
    fields = [splice.fields for splice in additions.splices]
    places = additions.which.tolist()
    naive = job.folder.root / "naive.jsonl"

    def merge() -> None:
        with job.folder.manifest.open("rb") as lines, naive.open("wb") as out:
            for line, place in zip(lines, places, strict=True):
                record = json.loads(line)
                if place:
                    record.update(fields[place - 1])
                out.write(json.dumps(record).encode() + b"\n")

    ours, theirs = times(lambda: write_output_manifest(run, look)), times(merge)
    with job.folder.output_manifest.open("rb") as one, naive.open("rb") as other:
        for number, (line, expected) in enumerate(zip(one, other, strict=True)):
            if json.loads(line) != json.loads(expected):
                sys.exit(f"line {number + 1} differs: {line!r} and {expected!r}")
    return {"splice_seconds": ours, "json_seconds": theirs, "ratio": round(min(theirs) / min(ours), 2)}


def times(work: Callable[[], object], repeats: int = 3) -> list[float]:
    """Seconds of some runs."""
    found = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        found.append(round(time.perf_counter() - begun, 3))
    return found


def table(found: dict[str, Any]) -> str:
    verdict = "granted" if found["granted"] else "not granted"
    imported, own = (size / MIB for size in found["imported"])
    labeled = f"{found['human']:,} labeled by people and {found['machine']:,} by the machine; certificate {verdict}"
    rows = [
        f"{found['lines']:,} objects in {found['seconds']:,.0f} s, {labeled}.",
        f"Resident after imports {imported:,.0f} MiB, {own:,.0f} of them not pages of files.",
        f"Peak {found['peak'] / MIB:,.0f} MiB.",
        "",
        "| phase | seconds | peak MiB | without pages of files |",
        "|---|---|---|---|",
    ]
    for name, (total, private, seconds) in found["phases"].items():
        rows.append(f"| {name} | {seconds:,.1f} | {total / MIB:,.0f} | {private / MIB:,.0f} |")
    ours, theirs = min(found["splice_seconds"]), min(found["json_seconds"])
    rows += ["", f"Its output manifest: {ours:.2f} s by splicing, {theirs:.2f} s by json, {found['ratio']:.1f} times."]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
