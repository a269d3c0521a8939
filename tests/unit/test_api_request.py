from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType

import pytest

from autolabel.api.arns import algorithm_arn, public_workteam_arn
from autolabel.api.example import LOCAL_ROLE, commented_example, example_document
from autolabel.api.kinds import TaskKind
from autolabel.api.request import LARGEST_DOCUMENT, LabelingJobRequest
from autolabel.errors import InvalidRequestError, ObjectNotFoundError, StorageError

FULL = {
    "LabelingJobName": "Birds-2024",
    "LabelAttributeName": "birds",
    "InputConfig": {
        "DataSource": {"S3DataSource": {"ManifestS3Uri": "s3://bucket/in.manifest"}},
        "DataAttributes": {"ContentClassifiers": ["FreeOfPersonallyIdentifiableInformation"]},
    },
    "OutputConfig": {
        "S3OutputPath": "s3://bucket/out/",
        "KmsKeyId": "alias/key",
        "SnsTopicArn": "arn:aws:sns:eu-west-1:123456789012:labels",
    },
    "RoleArn": "arn:aws:iam::123456789012:role/service-role/labeler",
    "LabelCategoryConfigS3Uri": "s3://bucket/labels.json",
    "StoppingConditions": {"MaxHumanLabeledObjectCount": 500, "MaxPercentageOfInputDatasetLabeled": 80},
    "LabelingJobAlgorithmsConfig": {
        "LabelingJobAlgorithmSpecificationArn": algorithm_arn(TaskKind.OBJECT_DETECTION, "eu-west-1"),
        "InitialActiveLearningModelArn": "arn:aws:sagemaker:eu-west-1:123456789012:model/birds",
        "LabelingJobResourceConfig": {
            "VolumeKmsKeyId": "volume-key",
            "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]},
        },
    },
    "HumanTaskConfig": {
        "WorkteamArn": public_workteam_arn("eu-west-1"),
        "UiConfig": {"UiTemplateS3Uri": "s3://bucket/page.html"},
        "TaskKeywords": ["birds", "two words"],
        "TaskTitle": "Birds",
        "TaskDescription": "Draw a box around every bird.",
        "NumberOfHumanWorkersPerDataObject": 5,
        "TaskTimeLimitInSeconds": 600,
        "TaskAvailabilityLifetimeInSeconds": 43_200,
        "MaxConcurrentTaskCount": 200,
        "PublicWorkforceTaskPrice": {"AmountInUsd": {"Cents": 3, "TenthFractionsOfACent": 6}},
    },
    "Tags": [{"Key": "autolabel:seed", "Value": "7"}, {"Key": "team", "Value": "a"}],
}


def test_every_member_of_a_full_document_has_a_plain_name():
    request = LabelingJobRequest.from_document(FULL)
    assert request.name == "Birds-2024"
    assert request.job_arn == "arn:aws:sagemaker:eu-west-1:123456789012:labeling-job/birds-2024"
    assert request.label_attribute == "birds"
    assert request.manifest_uri == "s3://bucket/in.manifest"
    assert request.output_uri == "s3://bucket/out/"
    assert request.job_uri == "s3://bucket/out/Birds-2024"
    assert request.output_manifest_uri == "s3://bucket/out/Birds-2024/manifests/output/output.manifest"
    assert request.categories_uri == "s3://bucket/labels.json"
    assert request.role_arn == "arn:aws:iam::123456789012:role/service-role/labeler"
    assert request.account == "123456789012"
    assert request.region == "eu-west-1"
    assert request.kms_key_id == "alias/key"
    assert request.sns_topic_arn == "arn:aws:sns:eu-west-1:123456789012:labels"
    assert request.task_kind is TaskKind.OBJECT_DETECTION
    assert request.automated
    assert request.initial_model_arn == "arn:aws:sagemaker:eu-west-1:123456789012:model/birds"
    assert request.max_human_labeled == 500
    assert request.max_percentage_labeled == 80
    assert request.workers_per_object == 5
    assert request.max_concurrent_tasks == 200
    assert request.task_availability_seconds == 43_200
    assert request.task_time_limit_seconds == 600
    assert request.task_title == "Birds"
    assert request.task_description == "Draw a box around every bird."
    assert request.task_keywords == ("birds", "two words")
    assert request.workteam_arn == public_workteam_arn("eu-west-1")
    assert request.task_price_usd == Decimal("0.036")
    assert request.tags == {"autolabel:seed": "7", "team": "a"}
    assert request.volume_kms_key_id == "volume-key"
    assert request.vpc_config == {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]}


def test_a_short_document_has_the_defaults_of_the_service():
    document = example_document(TaskKind.TEXT_CLASSIFICATION, automated=False)
    del document["StoppingConditions"], document["HumanTaskConfig"]["MaxConcurrentTaskCount"]
    request = LabelingJobRequest.from_document(document)
    assert not request.automated
    assert request.task_kind is TaskKind.TEXT_CLASSIFICATION
    assert request.initial_model_arn is None
    assert request.max_human_labeled is None
    assert request.max_percentage_labeled == 100
    assert request.max_concurrent_tasks == 1_000
    assert request.task_availability_seconds == 864_000
    assert request.task_keywords == ()
    assert request.task_price_usd is None
    assert request.tags == {}
    assert request.kms_key_id is None
    assert request.sns_topic_arn is None
    assert request.volume_kms_key_id is None
    assert request.vpc_config is None
    assert (request.account, request.region, request.role_arn) == ("000000000000", "us-east-1", LOCAL_ROLE)


def test_public_tasks_are_offered_for_six_hours_by_default():
    humans = {k: v for k, v in FULL["HumanTaskConfig"].items() if k != "TaskAvailabilityLifetimeInSeconds"}
    request = LabelingJobRequest.from_document({**FULL, "HumanTaskConfig": humans})
    assert request.task_availability_seconds == 21_600


def test_the_document_comes_back_as_it_was_given():
    assert LabelingJobRequest.from_document(FULL).to_document() == FULL
    assert LabelingJobRequest.from_document(MappingProxyType(FULL)).to_document() == FULL


def test_a_request_cannot_be_changed_from_outside():
    given = example_document(TaskKind.IMAGE_CLASSIFICATION, tags={"a": "b"})
    request = LabelingJobRequest.from_document(given)
    same = LabelingJobRequest.from_document(given)
    given["OutputConfig"]["S3OutputPath"] = "elsewhere/"
    request.to_document()["Tags"].clear()
    request.resolved_document()["HumanTaskConfig"].clear()
    with pytest.raises(TypeError):
        request.document["OutputConfig"]["S3OutputPath"] = "elsewhere/"  # type: ignore[index]
    assert request == same
    assert request.output_uri == "output/"
    assert request.tags == {"a": "b"}


def test_the_resolved_document_adds_what_the_service_echoes():
    document = example_document(TaskKind.IMAGE_CLASSIFICATION)
    del document["StoppingConditions"], document["HumanTaskConfig"]["MaxConcurrentTaskCount"]
    resolved = LabelingJobRequest.from_document(document).resolved_document()
    assert resolved["OutputConfig"] == {"S3OutputPath": "output/", "KmsKeyId": ""}
    assert resolved["StoppingConditions"] == {"MaxPercentageOfInputDatasetLabeled": 100}
    assert resolved["LabelingJobAlgorithmsConfig"]["LabelingJobResourceConfig"] == {}
    assert resolved["HumanTaskConfig"]["TaskAvailabilityLifetimeInSeconds"] == 864_000
    assert resolved["HumanTaskConfig"]["MaxConcurrentTaskCount"] == 1_000
    assert LabelingJobRequest.from_document(resolved).resolved_document() == resolved


def test_the_resolved_document_changes_nothing_that_was_given():
    assert LabelingJobRequest.from_document(FULL).resolved_document() == FULL


def test_a_request_is_loaded_from_a_commented_file(tmp_path):
    path = tmp_path / "request.json"
    path.write_text(commented_example(TaskKind.OBJECT_DETECTION), encoding="utf-8")
    expected = LabelingJobRequest.from_document(example_document(TaskKind.OBJECT_DETECTION))
    assert LabelingJobRequest.load(path) == expected
    assert LabelingJobRequest.load(str(path)) == expected


def test_a_request_is_loaded_through_a_given_reader():
    stored = {"s3://bucket/request.json": commented_example().encode()}
    request = LabelingJobRequest.load("s3://bucket/request.json", stored.__getitem__)
    assert request.name == "example-job"


def test_a_broken_file_is_named_with_line_and_column(tmp_path):
    path = tmp_path / "request.json"
    path.write_text('{\n  "LabelingJobName": "a",\n  "LabelingJobName": "b"\n}', encoding="utf-8")
    with pytest.raises(InvalidRequestError, match=r"request\.json line 3 column 3: the member"):
        LabelingJobRequest.load(path)


def test_a_file_larger_than_any_request_is_refused(tmp_path):
    path = tmp_path / "request.json"
    path.write_bytes(b" " * (LARGEST_DOCUMENT + 1))
    with pytest.raises(InvalidRequestError, match="larger than 1048576 bytes"):
        LabelingJobRequest.load(path)


def test_what_cannot_be_read_is_a_storage_error(tmp_path):
    with pytest.raises(ObjectNotFoundError, match=r"missing\.json"):
        LabelingJobRequest.load(tmp_path / "missing.json")
    with pytest.raises(StorageError, match="directory"):
        LabelingJobRequest.load(tmp_path)
    with pytest.raises(StorageError, match="plain path"):
        LabelingJobRequest.load("s3://bucket/request.json")
