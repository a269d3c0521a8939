from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.parsers import create_parser

from autolabel.api.describe import (
    TRANSITIONS,
    JobStatus,
    LabelCounters,
    describe,
    job_reference_code,
    to_wire,
)
from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.api.request import LabelingJobRequest
from autolabel.api.shapes import output_shape, violations

CREATED = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
COUNTERS = LabelCounters(objects=10, human_labeled=3, machine_labeled=5, failed=1, unlabeled=1)
MODEL = "arn:aws:sagemaker:us-east-1:000000000000:model/example-job"


def answer(**changes) -> dict:
    request = LabelingJobRequest.from_document(
        example_document(TaskKind.IMAGE_CLASSIFICATION, name="Example-Job", tags={"a": "b"})
    )
    arguments = {
        "status": JobStatus.IN_PROGRESS,
        "counters": COUNTERS,
        "created": CREATED,
        "modified": CREATED + timedelta(hours=1),
        "reference_code": job_reference_code(request.account, b"seed"),
        **changes,
    }
    return describe(request, **arguments)


def test_a_job_is_described_as_the_service_does():
    found = answer()
    assert found["LabelingJobStatus"] == "InProgress"
    assert found["LabelCounters"] == {
        "TotalLabeled": 8,
        "HumanLabeled": 3,
        "MachineLabeled": 5,
        "FailedNonRetryableError": 1,
        "Unlabeled": 1,
    }
    assert found["LabelingJobName"] == "Example-Job"
    assert found["LabelingJobArn"].endswith(":labeling-job/example-job")
    assert found["OutputConfig"]["KmsKeyId"] == ""
    assert found["StoppingConditions"] == {"MaxPercentageOfInputDatasetLabeled": 100}
    assert found["HumanTaskConfig"]["TaskAvailabilityLifetimeInSeconds"] == 864_000
    assert found["Tags"] == [{"Key": "a", "Value": "b"}]
    assert found["LabelingJobOutput"] == {
        "OutputDatasetS3Uri": "output/Example-Job/manifests/output/output.manifest",
        "FinalActiveLearningModelArn": "",
    }
    assert "FailureReason" not in found


def test_the_answer_obeys_the_model_but_for_the_empty_model_arn():
    found = [str(violation) for violation in violations(answer(), output_shape("DescribeLabelingJob"))]
    assert len(found) == 2
    assert all("'labelingJobOutput.finalActiveLearningModelArn'" in sentence for sentence in found)
    complete = answer(status=JobStatus.FAILED, final_model_arn=MODEL, failure_reason="x" * 5_000)
    assert list(violations(complete, output_shape("DescribeLabelingJob"))) == []
    assert len(complete["FailureReason"]) == 1_024


def test_members_stand_in_the_models_order():
    shape = output_shape("DescribeLabelingJob")
    found = answer(failure_reason="because", final_model_arn=MODEL)
    assert list(found) == list(shape.members)
    without = LabelingJobRequest.from_document(example_document(TaskKind.TEXT_CLASSIFICATION, automated=False))
    short = describe(
        without,
        status=JobStatus.STOPPED,
        counters=COUNTERS,
        created=CREATED,
        modified=CREATED,
        reference_code="r",
    )
    assert [name for name in shape.members if name in short] == list(short)
    assert set(shape.required_members) <= set(short)


@pytest.mark.parametrize("final_model_arn", [None, MODEL])
def test_botocore_reads_the_wire_form_back(final_model_arn):
    sent = answer(final_model_arn=final_model_arn, output_uri="s3://b/o.manifest")
    body = json.dumps(to_wire(sent)).encode()
    response = {"body": body, "headers": {}, "status_code": 200}
    received = create_parser("json").parse(response, output_shape("DescribeLabelingJob"))
    received.pop("ResponseMetadata")
    assert received == sent
    assert received["CreationTime"].tzinfo is not None


def test_the_wire_form_has_epoch_seconds():
    assert to_wire({"a": [datetime(1970, 1, 1, 2, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=2)))]}) == {"a": [0.5]}


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        answer(created=CREATED.replace(tzinfo=None))


@pytest.mark.parametrize(
    "counts",
    [
        {"human_labeled": 4},
        {"machine_labeled": 4},
        {"failed": 0},
        {"unlabeled": 2},
        {"objects": 11},
        {"unlabeled": -1, "failed": 3},
    ],
)
def test_counters_that_do_not_add_up_are_refused(counts):
    sound = {"objects": 10, "human_labeled": 3, "machine_labeled": 5, "failed": 1, "unlabeled": 1}
    with pytest.raises(ValueError, match="are not the"):
        LabelCounters(**{**sound, **counts})


def test_states_are_awss_and_only_three_are_final():
    assert set(JobStatus) == set(output_shape("DescribeLabelingJob").members["LabelingJobStatus"].enum)
    assert set(TRANSITIONS) == set(JobStatus)
    assert {s for s in JobStatus if s.is_final} == {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED}


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("Initializing", "InProgress", True),
        ("Initializing", "Failed", True),
        ("Initializing", "Completed", False),
        ("InProgress", "Completed", True),
        ("InProgress", "Stopping", True),
        ("InProgress", "Stopped", False),
        ("InProgress", "InProgress", False),
        ("Stopping", "Stopped", True),
        ("Stopping", "Completed", False),
        ("Stopped", "InProgress", False),
        ("Completed", "Failed", False),
    ],
)
def test_a_state_becomes_only_what_may_follow(before, after, allowed):
    assert JobStatus(before).may_become(JobStatus(after)) is allowed


def test_a_reference_code_is_the_account_and_sixteen_alphanumerics():
    code = job_reference_code("123456789012", b"seed")
    assert code == job_reference_code("123456789012", b"seed")
    assert code != job_reference_code("123456789012", b"other")
    assert code.startswith("123456789012")
    assert len(code) == 28
    assert code.isascii()
    assert code.isalnum()
