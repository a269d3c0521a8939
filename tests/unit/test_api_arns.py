from __future__ import annotations

import pytest

from autolabel.api.arns import (
    LAMBDA_ACCOUNTS,
    Arn,
    BuiltInLambda,
    BuiltInTask,
    ModelArn,
    Stage,
    algorithm_arn,
    algorithm_kind,
    built_in_task_of,
    is_public_workteam,
    labeling_job_arn,
    lambda_arn,
    public_workteam_arn,
    task_kind_of,
    workteam_arn,
)
from autolabel.api.kinds import TaskKind
from autolabel.api.shapes import input_shape

HUMANS = input_shape("CreateLabelingJob").members["HumanTaskConfig"].members


def document(*, pre=None, acs=None, algorithm=None):
    humans = {}
    if pre:
        humans["PreHumanTaskLambdaArn"] = pre
    if acs:
        humans["AnnotationConsolidationConfig"] = {"AnnotationConsolidationLambdaArn": acs}
    algorithms = {"LabelingJobAlgorithmSpecificationArn": algorithm} if algorithm else {}
    return {"HumanTaskConfig": humans, "LabelingJobAlgorithmsConfig": algorithms}


@pytest.mark.parametrize("region", LAMBDA_ACCOUNTS)
@pytest.mark.parametrize("kind", TaskKind)
def test_each_regions_lambdas_and_algorithms_name_the_task_type(kind, region):
    assert task_kind_of(document(pre=lambda_arn(Stage.PRE, kind, region))) is kind
    assert task_kind_of(document(acs=lambda_arn(Stage.ACS, kind, region))) is kind
    assert task_kind_of(document(algorithm=algorithm_arn(kind, region))) is kind
    assert built_in_task_of(document(algorithm=algorithm_arn(kind, region))).kind is kind


@pytest.mark.parametrize("task", BuiltInTask)
@pytest.mark.parametrize(
    ("stage", "shape"),
    [
        (Stage.PRE, HUMANS["PreHumanTaskLambdaArn"]),
        (
            Stage.ACS,
            HUMANS["AnnotationConsolidationConfig"].members["AnnotationConsolidationLambdaArn"],
        ),
    ],
)
def test_built_in_lambdas_are_those_that_aws_documents(stage, shape, task):
    for region in LAMBDA_ACCOUNTS:
        function = BuiltInLambda(stage, task, region)
        assert f"<code>{function.arn}</code>" in shape.documentation.replace(" </code>", "</code>")
        assert BuiltInLambda.parse(function.arn) == function


PRE_IMAGES = "function:PRE-ImageMultiClass"


@pytest.mark.parametrize(
    ("arn", "recognised"),
    [
        (f"arn:aws:lambda:us-east-1:432418664414:{PRE_IMAGES}", True),
        (f"arn:aws:lambda:us-east-1:123456789012:{PRE_IMAGES}", False),
        (f"arn:aws:lambda:mars-north-1:123456789012:{PRE_IMAGES}", True),
        (f"arn:aws-cn:lambda:cn-north-1:123456789012:{PRE_IMAGES}", True),
        (f"arn:aws:lambda:mars-north-1:12345:{PRE_IMAGES}", False),
        (f"arn:aws:sqs:us-east-1:432418664414:{PRE_IMAGES}", False),
        (f"arn:aws:lambda:us-east-1:432418664414:{PRE_IMAGES}:1", False),
        ("arn:aws:lambda:mars-north-1:123456789012:function:PRE-Poetry", False),
        ("arn:aws:lambda:mars-north-1:123456789012:function:POST-ImageMultiClass", False),
        ("arn:aws:lambda:mars-north-1:123456789012:function:ImageMultiClass", False),
        ("", False),
    ],
)
def test_a_built_in_lambda_is_told_from_ones_own(arn, recognised):
    assert (BuiltInLambda.parse(arn) is not None) is recognised


def test_an_unknown_region_has_no_lambda_to_write():
    with pytest.raises(ValueError, match="mars-north-1"):
        lambda_arn(Stage.PRE, TaskKind.OBJECT_DETECTION, "mars-north-1")


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sagemaker:us-east-1:123456789012:labeling-job-algorithm-specification/image-classification",
        "arn:aws:sagemaker:us-east-1:027400017018:labeling-job-algorithm-specification/poetry",
        "arn:aws:sagemaker:us-east-1:027400017018:labeling-job-algorithm-specification/",
        "arn:aws:lambda:us-east-1:027400017018:labeling-job-algorithm-specification/image-classification",
        "image-classification",
    ],
)
def test_other_algorithms_are_not_recognised(arn):
    assert algorithm_kind(arn) is None


@pytest.mark.parametrize(
    "malformed",
    [
        {},
        {"HumanTaskConfig": 5},
        {"HumanTaskConfig": {"PreHumanTaskLambdaArn": 5}},
        {"LabelingJobAlgorithmsConfig": [1]},
        {"LabelingJobAlgorithmsConfig": {"LabelingJobAlgorithmSpecificationArn": None}},
    ],
)
def test_a_malformed_document_has_no_task_type(malformed):
    assert task_kind_of(malformed) is None
    assert built_in_task_of(malformed) is None


def test_a_built_in_task_that_only_people_label_has_no_kind():
    entities = document(pre="arn:aws:lambda:eu-west-1:568282634449:function:PRE-NamedEntityRecognition")
    assert built_in_task_of(entities) is BuiltInTask.NAMED_ENTITY_RECOGNITION
    assert task_kind_of(entities) is None


def test_workteams_are_public_or_private():
    assert public_workteam_arn("eu-west-2") == "arn:aws:sagemaker:eu-west-2:394669845002:workteam/public-crowd/default"
    assert is_public_workteam(public_workteam_arn("eu-west-2"))
    assert not is_public_workteam(workteam_arn("public-crowd", "123456789012"))
    assert not is_public_workteam("arn:aws:sagemaker:eu-west-2:394669845002:workteam/vendor-crowd/x")
    assert not is_public_workteam("")


def test_a_labeling_jobs_arn_has_its_name_in_lower_case():
    arn = labeling_job_arn("Example-Job", "123456789012", "eu-west-1")
    assert arn == "arn:aws:sagemaker:eu-west-1:123456789012:labeling-job/example-job"


def test_a_models_arn_is_read_and_written():
    arn = ModelArn("birds-v2", "123456789012", "eu-west-1")
    assert str(arn) == "arn:aws:sagemaker:eu-west-1:123456789012:model/birds-v2"
    assert ModelArn.parse(str(arn)) == arn


@pytest.mark.parametrize(
    "other",
    [
        "birds-v2",
        "s3://bucket/model.tar.gz",
        "arn:aws:sagemaker:eu-west-1:123456789012:model/",
        "arn:aws:sagemaker:eu-west-1:123456789012:model-package/birds",
        "arn:aws:s3:eu-west-1:123456789012:model/birds",
    ],
)
def test_what_is_no_models_arn_is_none(other):
    assert ModelArn.parse(other) is None


def test_any_arn_is_written_as_it_was_read():
    text = "arn:aws-us-gov:iam::123456789012:role/service-role/x:y"
    assert str(Arn.parse(text)) == text
    assert Arn.parse("arn:aws:iam::123:role/x") is None
