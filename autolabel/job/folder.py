"""Where everything of a job lies. A job is a folder: its state in ``state/``, and around it AWS's output tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class JobFolder:
    """Paths inside one job's folder."""

    root: Path

    @property
    def name(self) -> str:
        """The job's name: the folder keeps its case."""
        return self.root.name

    @property
    def state(self) -> Path:
        """What resuming needs."""
        return self.root / "state"

    @property
    def database(self) -> Path:
        """Steps, answers, labels, ledger, events."""
        return self.state / "job.db"

    @property
    def lock(self) -> Path:
        """Held by the process that has the job open."""
        return self.state / "lock"

    @property
    def stop_flag(self) -> Path:
        """Its presence asks a running job to stop."""
        return self.state / "stop"

    @property
    def request(self) -> Path:
        """The CreateLabelingJob document, as given."""
        return self.state / "request.json"

    @property
    def settings(self) -> Path:
        """Every setting the document has no field for, resolved."""
        return self.state / "settings.json"

    @property
    def categories(self) -> Path:
        """The label category configuration, as given."""
        return self.state / "categories.json"

    @property
    def template(self) -> Path:
        """The worker page in Liquid, if the job has one of its own."""
        return self.state / "template.liquid.html"

    @property
    def manifest(self) -> Path:
        """Snapshot of the input manifest, taken at the start."""
        return self.state / "input.manifest"

    @property
    def gold(self) -> Path:
        """Truth of the gold objects, by object number; not there when the job has none."""
        return self.state / "gold.json"

    @property
    def index(self) -> Path:
        """Byte offsets into the snapshot."""
        return self.state / "index"

    @property
    def embeddings(self) -> Path:
        """Embedding shards and their receipts."""
        return self.state / "embeddings"

    def tuned(self, number: int) -> Path:
        """Networks that were trained after a round, and what they make of the pool."""
        return self.state / "tuned" / f"round-{number:03d}"

    @property
    def checkpoint(self) -> Path:
        """Snapshot of the checkpoint the job started from."""
        return self.state / "initial-model.tar.gz"

    @property
    def model_choice(self) -> Path:
        """Which encoder the job uses and whether it starts from a checkpoint."""
        return self.state / "model.json"

    def step_arrays(self, name: str) -> Path:
        """Arrays a step left behind."""
        return self.state / "steps" / f"{name}.safetensors"

    @property
    def output_manifest(self) -> Path:
        """AWS's output manifest."""
        return self.root / "manifests" / "output" / "output.manifest"

    @property
    def certificate(self) -> Path:
        """The promise, as JSON."""
        return self.root / "certificate.json"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.root / "report.html"

    @property
    def ledger(self) -> Path:
        """Every cost, line by line."""
        return self.root / "ledger.csv"

    @property
    def events(self) -> Path:
        """The job's history as JSON Lines."""
        return self.root / "events.jsonl"

    @property
    def scores(self) -> Path:
        """Frozen predictions of the look, full precision."""
        return self.root / "scores" / "scores.jsonl"

    @property
    def annotations(self) -> Path:
        """AWS's annotations tree."""
        return self.root / "annotations"

    @property
    def review_manifest(self) -> Path:
        """The output manifest after machine labels were looked through."""
        return self.root / "review" / "output.manifest"

    @property
    def review(self) -> Path:
        """What looking through machine labels found, as JSON."""
        return self.root / "review" / "review.json"

    def worker_response(self, batch: int, object_: int, stamp: str) -> Path:
        """Build the path of one object's worker-response file."""
        return self.annotations / "worker-response" / f"iteration-{batch}" / str(object_) / f"{stamp}.json"

    def consolidation(self, which: str, batch: int, stamp: str) -> Path:
        """Build the path of a consolidation-request or consolidation-response file."""
        folder = self.annotations / "consolidated-annotation" / f"consolidation-{which}"
        return folder / f"iteration-{batch}" / f"{stamp}.json"

    def intermediate(self, batch: int) -> Path:
        """Labels of one batch as JSON Lines."""
        return self.annotations / "intermediate" / str(batch) / "annotations.json"

    @property
    def auto_annotations(self) -> Path:
        """Machine labels in AWS's form; the iteration is path component [-3]."""
        return self.root / "activelearning" / "1" / "output" / "auto_annotator_output.txt"

    @property
    def final_model(self) -> Path:
        """The model the job hands over; the iteration is path component [-5], the training job's name [-3]."""
        return self.root / "training" / "1" / "final" / f"{self.name}-final" / "output" / "model.tar.gz"
