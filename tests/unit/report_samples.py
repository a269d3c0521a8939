"""Made-up jobs of every shape for the tests of the report."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from PIL import Image, ImageDraw

from autolabel.api.kinds import TaskKind
from autolabel.report.data import (
    AgreementRow,
    BoundaryItem,
    CostRow,
    CostTable,
    Decision,
    FailureRow,
    Interval,
    Outcome,
    Purpose,
    ReportData,
    RoundRow,
    Truth,
    WorkerRow,
)

HOSTILE = (
    '<script>alert("x")</script>',
    "'\"><img src=https://example.com/x onerror=alert(1)>",
    "\x1b[31mred\x1b[0m\x07",
    "safe\u202egpj.exe",
    "مرحبا بالعالم",
    "[bold red]markup[/bold red] $x_1$ #0b5cad {{ 7 * 7 }} {% raw %}",
    "猫 \U0001f408\u200d\u2b1b",
    "two\nlines\tand a tab",
    "lone \ud800 surrogate",
    "w" * 256,
)

_CREATED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def thumbnail(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (96, 96), tuple(int(value) for value in rng.integers(60, 230, 3)))
    ImageDraw.Draw(picture).text((40, 40), str(seed % 10), fill="white")
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    return buffer.getvalue()


def walk(**changes: object) -> dict[str, object]:
    facts: dict[str, object] = {
        "predicted": None,
        "objects": 1497,
        "region": 1497,
        "audited": 120,
        "audit_errors": 4,
        "promised": 1797,
        "allowed": 2,
        "stop_rank": 1400,
        "machine_labeled": 1288,
        "wrong_at_most": 89,
        "reason": "",
    }
    return facts | changes


def certificate(**changes: object) -> dict[str, object]:
    facts: dict[str, object] = {
        "contract": "dataset",
        "error": 0.05,
        "confidence": 0.95,
        "granted": True,
        "reason": "",
        "objects": 1797,
        "remainder": 1497,
        "audited": 120,
        "allowed_audit_errors": 2,
        "audit_errors": 4,
        "stop_rank": 1400,
        "machine_labeled": 1288,
        "human_labeled": 509,
        "wrong_at_most": 89,
        "seed": 0,
        "model_sha256": "9f2b" * 16,
        "walks": [walk()],
        "sentence": (
            "With 95 % confidence at most 89 of 1,797 labels are wrong; 1,288 were made by the machine; "
            "120 objects were audited, 4 errors were found and corrected."
        ),
    }
    return facts | changes


def reference(**changes: object) -> dict[str, object]:
    facts: dict[str, object] = {
        "method": "gold",
        "measured": 100,
        "differing": 3,
        "low": 0.007,
        "high": 0.082,
        "confidence": 0.95,
        "labels": 1797,
        "machine_wrong_at_most": 89,
        "tipped_by_model": 0,
        "wrong_at_most": 236,
        "confidence_of_both": 0.925,
        "sentence": (
            "People's labels were wrong on 3 of 100 gold objects: between 0.7 % and 8.2 % of all are wrong (95 % "
            "confidence). Wrong against the truth ≤ wrong against people's labels + people's own errors: at most 89 + "
            "147 = 236 of 1,797 labels (13.1 %), with 92.5 % confidence."
        ),
    }
    return facts | changes


def workers(names: tuple[str, ...]) -> tuple[WorkerRow, ...]:
    return tuple(
        WorkerRow(
            worker=name,
            answers=400 - 7 * place,
            declined=place,
            seconds=None if place == 1 else 2.5 + place,
            accuracy=0.97 - 0.03 * (place % 9),
            agreed=None if place == 2 else 0.9,
            gold=place % 3,
            gold_right=max(0, place % 3 - 1),
        )
        for place, name in enumerate(names)
    )


def refused() -> dict[str, object]:
    return certificate(
        granted=False,
        reason="40 audits cannot certify 5 %: at least 59 clean ones are needed",
        audited=40,
        allowed_audit_errors=None,
        machine_labeled=0,
        human_labeled=1797,
        walks=[walk(audited=40, allowed=None, stop_rank=0, machine_labeled=0, reason="too few audits")],
        sentence=(
            "No machine label is certified: 40 audits cannot certify 5 %: at least 59 clean ones are needed. "
            "1,797 of 1,797 labels were made by people."
        ),
    )


def counters(human: int, machine: int, failed: int = 0, unlabeled: int = 0) -> dict[str, int]:
    return {
        "TotalLabeled": human + machine,
        "HumanLabeled": human,
        "MachineLabeled": machine,
        "FailedNonRetryableError": failed,
        "Unlabeled": unlabeled,
    }


def rounds(number: int = 4) -> tuple[RoundRow, ...]:
    rows = []
    bought = 0
    for index in range(1, number + 1):
        last, audit = index == number, index == number - 1
        asked = 120 if audit else 89 if last else 100
        bought += asked
        spread = 600 / index
        rows.append(
            RoundRow(
                number=index,
                purpose=Purpose.REST if last else Purpose.AUDIT if audit else Purpose.TRAIN,
                human_labels=asked,
                cumulative_human_labels=bought,
                seconds=0.8 * index,
                machine_labels=1288 if audit else 0,
                forecast_human_labels=None if last else Interval(500 + spread / 2, 400, 500 + spread),
                forecast_machine_share=None if last else 0.7,
                estimated_error=None if last else 0.12 / index,
            )
        )
    return tuple(rows)


def confusion(size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.poisson(0.25, (size, size)) + np.diag(rng.integers(5, 60, size))


def boundary(pictures: bool, categories: tuple[str, ...], number: int = 6) -> tuple[BoundaryItem, ...]:
    items = []
    for index in range(2 * number):
        decision = Decision.ACCEPTED if index < number else Decision.REJECTED
        items.append(
            BoundaryItem(
                object=10 * index,
                predicted=categories[index % len(categories)],
                error_probability=0.2 + 0.01 * index,
                decision=decision,
                text=None if pictures else f"When does {index} become a large number?\nA second line that goes on",
                thumbnail=thumbnail(index) if pictures else None,
                human=None if decision is Decision.ACCEPTED else categories[(index + index % 2) % len(categories)],
            )
        )
    return tuple(items)


def costs() -> CostTable:
    rows = (
        CostRow("human labels", 509, "label", 0.116, 59.04),
        CostRow("machine labels", 1288, "label", 0.08, 103.04),
        CostRow("compute", 42, "second", 0.0001, 0.0042),
    )
    return CostTable(rows, 162.08, 208.45)


def finished_job() -> ReportData:
    categories = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return ReportData(
        name="digits-demo",
        arn="arn:aws:sagemaker:us-east-1:123456789012:labeling-job/digits-demo",
        status="Completed",
        task=TaskKind.IMAGE_CLASSIFICATION,
        label_attribute="digit",
        created=_CREATED,
        finished=_CREATED + timedelta(minutes=12, seconds=31),
        categories=categories,
        counters=counters(509, 1288),
        human_labels={"train": 300, "audit": 120, "rest": 89, "chained": 0},
        answers_saved=512,
        certificate=certificate(reference=reference()),
        workers=workers(("ann", "bob", "cid", "dan")),
        agreement=AgreementRow(509, 0.934, 0.926),
        rounds=rounds(),
        cost=costs(),
        forecast_before=Outcome(620, 1177, 166.2, 60),
        actual_after=Outcome(509, 1288, 162.08, 42),
        reliability=tuple((0.01 + 0.06 * i, 0.012 + 0.055 * i + 0.02 * (i % 2), 400 // (i + 1)) for i in range(10)),
        risk_coverage=tuple((i / 120, 0.002 + 0.06 * (i / 120) ** 3) for i in range(1, 121)),
        confusion=confusion(10),
        boundary=boundary(True, categories),
        truth=Truth(wrong=21, of=1797, machine_wrong=21),
        settings={
            "quality": {"contract": "dataset", "error": 0.05, "confidence": 0.95},
            "seed": 0,
            "prices": {"human_answer": 0.012, "object_fee": 0.08},
        },
        versions={"autolabel": "0.1.0", "torch": "2.15", "numpy": "2.4"},
        files={
            "report": "out/digits-demo/report.html",
            "labels": "out/digits-demo/manifests/output/output.manifest",
            "model": "out/digits-demo/training/final/output/model.tar.gz",
        },
    )


def empty_job() -> ReportData:
    return ReportData(
        name="nothing-yet",
        arn="arn:aws:sagemaker:us-east-1:123456789012:labeling-job/nothing-yet",
        status="InProgress",
        task=TaskKind.TEXT_CLASSIFICATION,
        label_attribute="topic",
        created=_CREATED,
        categories=("a", "b"),
        counters=counters(0, 0),
        cost=CostTable((), 0.0, 0.0),
    )


def failed_job() -> ReportData:
    failures = tuple(
        FailureRow(i, i + 1, f"INVALID_IMAGE: cannot decode <b>{i}</b>\x1b[2J; expected JPEG or PNG")
        for i in range(450)
    )
    return replace(
        empty_job(),
        name="all-failed",
        status="Failed",
        failure_reason="More than 10 % of the first batch failed: 10 of 10 probes. " + "Look at the reasons. " * 45,
        counters=counters(0, 0, failed=450),
        finished=_CREATED + timedelta(seconds=3.4),
        failures=failures,
        warnings=("the manifest has 2 duplicated lines",),
    )


def refused_job() -> ReportData:
    return replace(
        finished_job(),
        name="refused",
        counters=counters(1797, 0),
        certificate=refused(),
        truth=Truth(0, 1797, 0),
        cost=CostTable((CostRow("human labels", 1797, "label", 0.116, 208.45),), 212.9, 208.45),
        boundary=(),
        risk_coverage=((0.5, 0.02),),
        reliability=((0.1, 0.0, 7),),
        rounds=rounds(2)[:1],
    )


def per_class_job() -> ReportData:
    walks = [
        walk(predicted=0, objects=900, region=800, audited=70, allowed=1, machine_labeled=700, wrong_at_most=35),
        walk(predicted=1, objects=560, region=500, audited=50, allowed=0, machine_labeled=0, wrong_at_most=0,
             reason="the audit found 3 errors, which leaves 12 machine labels at best"),
        walk(predicted=2, objects=37, region=0, audited=0, allowed=None, machine_labeled=0, wrong_at_most=0,
             reason="too few objects, or too unsure ones, to be worth an audit"),
    ]  # fmt: skip
    return replace(
        finished_job(),
        name="per-class",
        certificate=certificate(contract="per-class", walks=walks, machine_labeled=700, wrong_at_most=35),
    )


def many_classes_job(classes: int = 150) -> ReportData:
    categories = tuple(f"intent_{i:03d}_of_a_bank" for i in range(classes))
    return replace(
        finished_job(),
        name="banking",
        task=TaskKind.TEXT_CLASSIFICATION,
        categories=categories,
        confusion=confusion(classes),
        boundary=boundary(False, categories),
        rounds=rounds(10),
    )


def hostile_job() -> ReportData:
    base = finished_job()
    return replace(
        base,
        name=HOSTILE[2],
        arn=" ".join(HOSTILE),
        label_attribute=HOSTILE[3],
        categories=HOSTILE,
        confusion=confusion(len(HOSTILE)) + 30 * np.eye(len(HOSTILE), k=1, dtype=int),
        certificate=certificate(
            sentence=" ".join(HOSTILE),
            reason=HOSTILE[1],
            reference=reference(sentence=" ".join(HOSTILE)),
            walks=[walk(predicted=number, reason=text) for number, text in enumerate(HOSTILE)],
        ),
        workers=workers(HOSTILE),
        cost=replace(base.cost, rows=tuple(CostRow(text, 1, text, 16.208, 16.208) for text in HOSTILE)),
        boundary=tuple(
            replace(item, text=HOSTILE[i % len(HOSTILE)]) for i, item in enumerate(boundary(False, HOSTILE))
        ),
        failures=tuple(FailureRow(i, i, text) for i, text in enumerate(HOSTILE)),
        counters=counters(509, 1288, failed=len(HOSTILE)),
        settings={text: {text: list(HOSTILE)} for text in HOSTILE},
        versions=dict.fromkeys(HOSTILE, HOSTILE[0]),
        warnings=HOSTILE,
        files={text: f"out/{text}" for text in HOSTILE},
        human_labels=dict.fromkeys(HOSTILE, 5),
    )


def huge_job() -> ReportData:
    base = finished_job()
    number = 600
    rows = tuple(
        RoundRow(i, Purpose.TRAIN, 5000, 5000 * i, 3000.0, 0, Interval(4e6 + 1e6 / i, 3e6, 5e6))
        for i in range(1, number)
    )
    return replace(
        base,
        name="huge-" + "x" * 58,
        counters=counters(4_012_345, 5_987_655, failed=12, unlabeled=99),
        rounds=rows,
        risk_coverage=tuple((i / 50_000, 0.1 * i / 50_000) for i in range(1, 50_001)),
        reliability=tuple((i / 200, i / 210, 50_000) for i in range(200)),
        categories=tuple(f"category {i}" for i in range(25)),
        confusion=confusion(25) * 1234,
        cost=CostTable(tuple(CostRow(f"kind {i}", 1e6, "label", 0.116, 116_000.0) for i in range(8)), 928e3, 1.16e6),
        files={"report": "s3://" + "bucket/" * 40 + "report.html"},
        failures=tuple(FailureRow(i, i + 1, "EMPTY_TEXT: nothing to show") for i in range(12)),
        workers=workers(tuple(f"private.us-east-1.{i:016x}" for i in range(3000))),
        answers_saved=12_345_678,
    )


SAMPLES = {
    "finished": finished_job,
    "empty": empty_job,
    "failed": failed_job,
    "refused": refused_job,
    "per class": per_class_job,
    "many classes": many_classes_job,
    "hostile": hostile_job,
    "huge": huge_job,
}
