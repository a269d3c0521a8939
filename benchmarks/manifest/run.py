"""Reading and writing a large text manifest, against a reader and a writer that go line by line through ``json``.

    python -m benchmarks.manifest.run [--lines 1000000] [--json]

Outputs are compared first. Then both sides run in turn in one process, three times each; memory is measured in a
process for each.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autolabel import TaskKind
from autolabel.manifest.limits import Limits
from autolabel.manifest.lines import Manifest
from autolabel.manifest.output import Additions, Splice, failed_fields, write_manifest
from autolabel.manifest.reader import index_manifest
from benchmarks.manifest.generate import write_manifest_file
from benchmarks.manifest.memory import MIB, peak, resident

if TYPE_CHECKING:
    from collections.abc import Callable

    from autolabel.manifest.index import ManifestIndex

ATTRIBUTE = "topic"
BAD_LINES = 20
REPEATS = 3
LABELED = 0.9
NAMES = {
    "index": "check and index: autolabel",
    "json-index": "check and index: json.loads a line",
    "limit": "reading the file and its sha256, nothing else",
    "splice": "merge results: autolabel",
    "json-splice": "merge results: json.loads, update, json.dumps a line",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=("all", *NAMES), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child == "all":
        print(json.dumps(compare_and_time(Work(options.work))))
        return 0
    if options.child:
        print(json.dumps(memory(Work(options.work), options.child)))
        return 0
    with tempfile.TemporaryDirectory(prefix="manifest-") as folder:
        path = Path(folder) / "input.jsonl"
        write_manifest_file(path, options.lines, seed=options.seed, bad=min(BAD_LINES, options.lines // 10))
        found = {"lines": options.lines, "bytes": path.stat().st_size, **child(folder, "all")}
        found["memory"] = {name: child(folder, name) for name in NAMES if name != "limit"}
    print(json.dumps(found) if options.json else table(found))
    return 0


def child(folder: str, what: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.manifest.run", "--child", what, "--work", folder]
    found: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


class Work:
    """Both sides of the benchmark, over one input."""

    def __init__(self, folder: Path) -> None:
        self.input = folder / "input.jsonl"
        self.spliced = folder / "spliced.jsonl"
        self.merged = folder / "merged.jsonl"

    def index(self) -> ManifestIndex:
        """Index as a job does."""
        limits = Limits(max_objects=1 << 31)
        return index_manifest(self.input, kind=TaskKind.TEXT_CLASSIFICATION, attribute=ATTRIBUTE, limits=limits)

    def json_index(self) -> tuple[array[int], array[int], list[int]]:
        """Do the least that can be called the same: offsets, lengths, and which lines are no text objects."""
        offsets, lengths, bad = array("Q"), array("L"), []
        at = 0
        with self.input.open("rb") as lines:
            for number, line in enumerate(lines):
                offsets.append(at)
                lengths.append(len(line) - 1)
                at += len(line)
                try:
                    record = json.loads(line)
                    if not (isinstance(record, dict) and isinstance(record.get("source"), str)):
                        bad.append(number)
                except ValueError:
                    bad.append(number)
        return offsets, lengths, bad

    def limit(self) -> str:
        """Read and hash."""
        with self.input.open("rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def results(self, index: ManifestIndex) -> Additions:
        """Nine objects in ten have a label of a class and a confidence in hundredths, as after a job."""
        rng = np.random.default_rng(0)
        additions = Additions(len(index))
        kinds = [additions.add(Splice(label_fields(kind, percent))) for kind in range(4) for percent in range(50, 101)]
        chosen = rng.random(len(index)) < LABELED
        additions.which[chosen] = rng.choice(kinds, size=int(chosen.sum()))
        for bad in index.bad:
            additions.put(bad.object, Splice(failed_fields(ATTRIBUTE, bad.message, 0)))
        return additions

    def splice(self, manifest: Manifest, additions: Additions) -> str:
        """Write the output as a job does."""
        return write_manifest(self.spliced, manifest, additions)

    def json_splice(self, fields: list[dict[str, Any]], places: list[int]) -> None:
        """Parse, update and write every line."""
        with self.input.open("rb") as lines, self.merged.open("wb") as out:
            for line, place in zip(lines, places, strict=True):
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                if not isinstance(record, dict):
                    record = {}
                if place:
                    record.update(fields[place - 1])
                out.write(json.dumps(record).encode() + b"\n")


def label_fields(kind: int, percent: int) -> dict[str, Any]:
    """Label and metadata as Ground Truth writes them."""
    metadata = {
        "class-name": ("sport", "business", "travel", "cooking")[kind],
        "job-name": "labeling-job/topic",
        "confidence": percent / 100,
        "type": "groundtruth/text-classification",
        "human-annotated": "no",
        "creation-date": "2026-11-24T03:10:23.123456",
    }
    return {ATTRIBUTE: kind, f"{ATTRIBUTE}-metadata": metadata}


def compare_and_time(work: Work) -> dict[str, Any]:
    """Compare outputs, then run both sides in turn."""
    index, (offsets, lengths, bad) = work.index(), work.json_index()
    same = (
        np.array_equal(index.offsets, np.frombuffer(offsets, np.uint64))
        and np.array_equal(index.lengths, np.asarray(lengths))
        and [each.object for each in index.bad] == bad
        and index.sha256 == work.limit()
    )
    if not same:
        sys.exit("the two readers disagree")
    with Manifest(work.input, index) as manifest:
        additions = work.results(index)
        fields, places = [splice.fields for splice in additions.splices], additions.which.tolist()
        work.splice(manifest, additions)
        work.json_splice(fields, places)
        compare_lines(work)
        return {
            "seconds": timed(
                {
                    "index": work.index,
                    "json-index": work.json_index,
                    "limit": work.limit,
                    "splice": lambda: work.splice(manifest, additions),
                    "json-splice": lambda: work.json_splice(fields, places),
                }
            )
        }


def compare_lines(work: Work) -> None:
    """Every line of both outputs means the same."""
    with work.spliced.open("rb") as ours, work.merged.open("rb") as theirs:
        for number, (line, expected) in enumerate(zip(ours, theirs, strict=True), 1):
            if json.loads(line) != json.loads(expected):
                sys.exit(f"line {number} differs: {line!r} and {expected!r}")


def timed(sides: dict[str, Callable[[], object]]) -> dict[str, list[tuple[float, float]]]:
    """Wall and processor seconds of each side, in turn."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(REPEATS):
        for name, side in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            side()
            found[name].append((round(time.perf_counter() - wall, 4), round(time.process_time() - cpu, 4)))
    return found


def memory(work: Work, name: str) -> dict[str, int]:
    """Run one side once; resident bytes before it, and the peak of the process."""
    before = resident()[0]
    if name == "index":
        work.index()
    elif name == "json-index":
        work.json_index()
    else:
        index = work.index()
        with Manifest(work.input, index) as manifest:
            additions = work.results(index)
            before = resident()[0]
            if name == "splice":
                work.splice(manifest, additions)
            else:
                work.json_splice([splice.fields for splice in additions.splices], additions.which.tolist())
    return {"before": before, "peak": peak()}


def table(found: dict[str, Any]) -> str:
    """Show the figures as the README has them."""
    seconds, sizes = found["seconds"], found["memory"]
    rows = [
        f"{found['lines']:,} lines, {found['bytes'] / 1e6:,.0f} MB",
        "",
        "| | best s | median s | processor s | ratio of bests | before, MiB | peak, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in seconds.items():
        wall, cpu = [each[0] for each in runs], [each[1] for each in runs]
        peer = seconds.get(f"json-{name}")
        ratio = f"{min(each[0] for each in peer) / min(wall):.1f}" if peer else ""
        size = sizes.get(name)
        both = f"{size['before'] / MIB:,.0f} | {size['peak'] / MIB:,.0f}" if size else " | "
        median = statistics.median(wall)
        rows.append(f"| {NAMES[name]} | {min(wall):.2f} | {median:.2f} | {min(cpu):.2f} | {ratio} | {both} |")
    times = min(each[0] for each in seconds["index"]) / min(each[0] for each in seconds["limit"])
    rows += ["", f"Checking and indexing takes {times:.1f} times the limit."]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
