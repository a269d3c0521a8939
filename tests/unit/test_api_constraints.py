from __future__ import annotations

from copy import deepcopy

import pytest

from autolabel.api.arns import (
    BuiltInLambda,
    BuiltInTask,
    Stage,
    algorithm_arn,
    lambda_arn,
    public_workteam_arn,
)
from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.api.request import MOST_REPORTED, LabelingJobRequest
from autolabel.errors import InvalidRequestError

GONE = object()
NO_PERSONAL_DATA = "FreeOfPersonallyIdentifiableInformation"
HUMANS = "HumanTaskConfig"
PRE = f"{HUMANS}.PreHumanTaskLambdaArn"
ACS = f"{HUMANS}.AnnotationConsolidationConfig.AnnotationConsolidationLambdaArn"
ALGORITHM = "LabelingJobAlgorithmsConfig.LabelingJobAlgorithmSpecificationArn"
MANIFEST = "InputConfig.DataSource.S3DataSource.ManifestS3Uri"
ENTITY_PAGE = "arn:aws:sagemaker:us-east-1:394669845002:human-task-ui/NamedEntityRecognition"
TOPIC = "arn:aws:sns:us-east-1:123456789012:objects"
S3_PATTERN = "Member must satisfy regular expression pattern: (https|s3)://([^/]+)/?(.*)"


def changed(document: dict, *changes: tuple[str, object]) -> dict:
    """Copy a document with members set by dotted path, or removed by `GONE`."""
    document = deepcopy(document)
    for path, value in changes:
        *parents, last = path.split(".")
        inner = document
        for name in parents:
            inner = inner.setdefault(name, {})
        if value is GONE:
            del inner[last]
        else:
            inner[last] = value
    return document


def sentences(document: object) -> tuple[str, ...]:
    with pytest.raises(InvalidRequestError) as caught:
        LabelingJobRequest.from_document(document)  # type: ignore[arg-type]
    return caught.value.violations


def image_document(*changes: tuple[str, object]) -> dict:
    return changed(example_document(TaskKind.IMAGE_CLASSIFICATION), *changes)


def public_document(*changes: tuple[str, object]) -> dict:
    return image_document(
        (f"{HUMANS}.WorkteamArn", public_workteam_arn()),
        (f"{HUMANS}.PublicWorkforceTaskPrice", {"AmountInUsd": {"Cents": 1, "TenthFractionsOfACent": 2}}),
        ("InputConfig.DataAttributes", {"ContentClassifiers": [NO_PERSONAL_DATA]}),
        *changes,
    )


@pytest.mark.parametrize("kind", TaskKind)
def test_a_complete_document_of_each_task_type_is_accepted(kind):
    assert LabelingJobRequest.from_document(example_document(kind)).task_kind is kind


def shortest(limit: int) -> str:
    return f"Member must have length greater than or equal to {limit}"


def longest(limit: int) -> str:
    return f"Member must have length less than or equal to {limit}"


def smallest(limit: int) -> str:
    return f"Member must have value greater than or equal to {limit}"


def largest(limit: int) -> str:
    return f"Member must have value less than or equal to {limit}"


# Path, value, end of the sentence. botocore itself stops only type, required, unknown and least.
LIMITS = [
    ("LabelingJobName", "a" * 64, longest(63)),
    ("LabelingJobName", "bad_name!", "regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
    ("LabelingJobName", "-a", "regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
    ("LabelingJobName", "name\n", "regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
    ("LabelingJobName", "", shortest(1)),
    ("LabelAttributeName", "a" * 128, longest(127)),
    (MANIFEST, "m" * 1025, longest(1_024)),
    (MANIFEST, "", S3_PATTERN),
    (MANIFEST, "gs://bucket/key", S3_PATTERN),
    (MANIFEST, "s3:/bucket/key", S3_PATTERN),
    (MANIFEST, "a\x00b", S3_PATTERN),
    ("OutputConfig.KmsKeyId", "no spaces", "pattern: [a-zA-Z0-9:/_-]*"),
    ("OutputConfig.SnsTopicArn", "arn:aws:sqs:us-east-1:123456789012:q", "[0-9]{12}:[a-zA-Z0-9_.-]+"),
    ("RoleArn", "arn:aws:iam::1:role", shortest(20)),
    ("RoleArn", "arn:aws:iam::١٢٣٤٥٦٧٨٩٠١٢:role/r", r"\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"),
    ("InputConfig.DataAttributes.ContentClassifiers", ["x"], f"[{NO_PERSONAL_DATA}, FreeOfAdultContent]"),
    ("StoppingConditions.MaxPercentageOfInputDatasetLabeled", 101, largest(100)),
    ("StoppingConditions.MaxHumanLabeledObjectCount", 0, smallest(1)),
    ("StoppingConditions.MaxHumanLabeledObjectCount", 2**31, largest(2**31 - 1)),
    (f"{HUMANS}.NumberOfHumanWorkersPerDataObject", 10, largest(9)),
    (f"{HUMANS}.NumberOfHumanWorkersPerDataObject", True, "Member must be an integer"),
    (f"{HUMANS}.NumberOfHumanWorkersPerDataObject", 3.0, "Member must be an integer"),
    (f"{HUMANS}.MaxConcurrentTaskCount", 5001, largest(5_000)),
    (f"{HUMANS}.TaskTimeLimitInSeconds", 29, smallest(30)),
    (f"{HUMANS}.TaskTimeLimitInSeconds", 28_801, largest(28_800)),
    (f"{HUMANS}.TaskAvailabilityLifetimeInSeconds", 59, smallest(60)),
    (f"{HUMANS}.TaskKeywords", [], shortest(1)),
    (f"{HUMANS}.TaskKeywords", list("abcdef"), longest(5)),
    (f"{HUMANS}.TaskKeywords", ["two  spaces"], "pattern: [A-Za-z0-9]+( [A-Za-z0-9]+)*"),
    (f"{HUMANS}.TaskTitle", "t" * 129, longest(128)),
    (f"{HUMANS}.TaskTitle", "an emoji \U0001f600", "pattern: [\\t\\n\\r -\\uD7FF\\uE000-\\uFFFD]*"),
    (f"{HUMANS}.TaskTitle", None, "Member must not be null"),
    (f"{HUMANS}.TaskDescription", "d" * 256, longest(255)),
    (f"{HUMANS}.TaskDescription", "two\u2028lines", "Member must satisfy regular expression pattern: .+"),
    (f"{HUMANS}.TaskDescription", "\ud800", "Member must be a string without half a surrogate pair"),
    (f"{HUMANS}.UiConfig", "page.html", "Member must be an object"),
    ("Tags", [{"Key": f"k{i}", "Value": ""} for i in range(51)], longest(50)),
    ("Tags", {}, "Member must be a list"),
    ("Tags", [{"Key": "a#b", "Value": ""}], r"pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"),
    ("Tags", [{"Key": "a", "Value": "v" * 257}], longest(256)),
    ("Tags", [{"Key": "a"}], "Member must not be null"),
    ("LabelingJobName", 7, "Member must be a string"),
    ("Colour", "red", "LabelingJobAlgorithmsConfig, HumanTaskConfig, Tags]"),
    ("InputConfig.DataSource.S3DataSource", {}, "Member must not be null"),
    (
        "LabelingJobAlgorithmsConfig.LabelingJobResourceConfig",
        {"VpcConfig": {"SecurityGroupIds": list("abcdef"), "Subnets": ["s"]}},
        longest(5),
    ),
]


@pytest.mark.parametrize(("path", "value", "constraint"), LIMITS)
def test_a_value_outside_its_shape_is_named(path, value, constraint):
    found = sentences(image_document((path, value)))
    assert any(sentence.endswith(constraint) for sentence in found), found


def test_required_members_are_all_missed_at_once():
    assert sentences({}) == tuple(
        f"Value null at '{name}' failed to satisfy constraint: Member must not be null"
        for name in (
            "labelingJobName",
            "labelAttributeName",
            "inputConfig",
            "outputConfig",
            "roleArn",
            "humanTaskConfig",
        )
    )


def test_sentences_name_values_and_places_as_aws_does():
    document = image_document(
        ("LabelingJobName", "x" * 200),
        (f"{HUMANS}.TaskTimeLimitInSeconds", 5),
        (f"{HUMANS}.TaskKeywords", ["fine", "not_fine"]),
        ("Tags", [{"Key": "line\nend \x1b[31m", "Value": "ok"}]),
    )
    pattern = "Member must satisfy regular expression pattern:"
    cut = "x" * 100 + "..."
    expected = [
        (cut, "labelingJobName", longest(63)),
        (cut, "labelingJobName", f"{pattern} [a-zA-Z0-9](-*[a-zA-Z0-9]){{0,62}}"),
        ("5", "humanTaskConfig.taskTimeLimitInSeconds", smallest(30)),
        ("not_fine", "humanTaskConfig.taskKeywords.2.member", f"{pattern} [A-Za-z0-9]+( [A-Za-z0-9]+)*"),
        (r"line\nend \x1b[31m", "tags.1.member.key", rf"{pattern} ([\p{{L}}\p{{Z}}\p{{N}}_.:/=+\-@]*)"),
    ]
    assert sentences(document) == tuple(
        f"Value '{value}' at '{place}' failed to satisfy constraint: {constraint}"
        for value, place, constraint in expected
    )


def test_shapes_and_rules_are_reported_together():
    document = public_document(
        ("LabelingJobName", "bad name"),
        ("LabelAttributeName", "source-ref"),
        (f"{HUMANS}.NumberOfHumanWorkersPerDataObject", 99),
        (f"{HUMANS}.PublicWorkforceTaskPrice", GONE),
        ("Tags", [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]),
    )
    found = sentences(document)
    places = [sentence.split(" at '")[1].split("'")[0] for sentence in found]
    assert places == [
        "labelingJobName",
        "humanTaskConfig.numberOfHumanWorkersPerDataObject",
        "labelAttributeName",
        "labelAttributeName",
        "humanTaskConfig.publicWorkforceTaskPrice.amountInUsd",
        "tags.2.member.key",
    ]


def test_many_unknown_members_make_a_message_that_fits():
    found = sentences({f"m{i}": 0 for i in range(100_000)})
    assert len(found) == MOST_REPORTED + 1
    assert found[-1].startswith(f"more than {MOST_REPORTED} constraints")


@pytest.mark.parametrize("document", [None, [], "text", 5, True])
def test_a_request_is_an_object(document):
    (sentence,) = sentences(document)
    assert sentence.startswith("Value ")
    assert " at 'request' failed to satisfy constraint: Member must" in sentence


PLAIN_OR_S3 = (
    MANIFEST,
    "OutputConfig.S3OutputPath",
    "LabelCategoryConfigS3Uri",
    f"{HUMANS}.UiConfig.UiTemplateS3Uri",
)


@pytest.mark.parametrize("path", PLAIN_OR_S3)
@pytest.mark.parametrize("value", ["s3://bucket/key", "/data/x", "x y/é.json", "../x", "a:b", "~/x", "s3"])
def test_uris_may_be_plain_paths(path, value):
    LabelingJobRequest.from_document(image_document((path, value)))


@pytest.mark.parametrize("path", PLAIN_OR_S3)
def test_web_addresses_are_refused_although_awss_pattern_allows_them(path):
    (sentence,) = sentences(image_document((path, "https://bucket.example/key")))
    assert "https:// is not fetched" in sentence


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        (("OutputConfig.KmsKeyId", ""), True),
        (("Tags", [{"Key": "autolabel:error", "Value": "0.05"}, {"Key": "Größe ٣", "Value": "é 1"}]), True),
        ((f"{HUMANS}.TaskTimeLimitInSeconds", 28_800), True),
        ((f"{HUMANS}.TaskKeywords", ("a", "b c")), True),
        ((f"{HUMANS}.TaskDescription", "  markup <b>&</b>  "), True),
        ((PRE, GONE), True),
        ((f"{HUMANS}.AnnotationConsolidationConfig", GONE), True),
        (("LabelingJobAlgorithmsConfig", GONE), True),
        (("LabelCategoryConfigS3Uri", GONE), False),
    ],
)
def test_what_may_be_left_out_or_unusual(change, accepted):
    document = image_document(change)
    if accepted:
        LabelingJobRequest.from_document(document)
    else:
        assert "for the task type image-classification" in sentences(document)[0]


def built_in(task: BuiltInTask, stage: Stage = Stage.PRE, region: str = "us-east-1") -> str:
    return BuiltInLambda(stage, task, region).arn


def task_document(task: BuiltInTask, attribute: str) -> dict:
    """Write a document of a built-in task type that only people label."""
    return image_document(
        ("LabelingJobAlgorithmsConfig", GONE),
        ("LabelAttributeName", attribute),
        (PRE, built_in(task)),
        (ACS, built_in(task, Stage.ACS)),
    )


REFERENCES = [
    "SemanticSegmentation",
    "AdjustmentSemanticSegmentation",
    "VideoObjectDetection",
    "VideoObjectTracking",
    "AdjustmentVideoObjectDetection",
    "AdjustmentVideoObjectTracking",
    "3DPointCloudSemanticSegmentation",
    "3DPointCloudObjectTracking",
    "Adjustment3DPointCloudSemanticSegmentation",
    "Adjustment3DPointCloudObjectTracking",
]


@pytest.mark.parametrize("task", [task for task in BuiltInTask if task is not BuiltInTask.PASS_THROUGH])
def test_the_attribute_ends_with_ref_exactly_where_the_label_is_a_file(task):
    right, wrong = ("a-ref", "a") if task.value in REFERENCES else ("a", "a-ref")
    LabelingJobRequest.from_document(task_document(task, right))
    (sentence,) = sentences(task_document(task, wrong))
    assert "at 'labelAttributeName'" in sentence
    assert "end with -ref" in sentence


def test_a_custom_task_may_name_its_attribute_as_it_likes():
    LabelingJobRequest.from_document(task_document(BuiltInTask.PASS_THROUGH, "a-ref"))
    LabelingJobRequest.from_document(task_document(BuiltInTask.PASS_THROUGH, "a"))


IMAGES, TEXTS = TaskKind.IMAGE_CLASSIFICATION, TaskKind.TEXT_CLASSIFICATION
CUSTOM = "arn:aws:lambda:us-east-1:123456789012:function:mine"
RULES = [
    (("LabelAttributeName", "source"), "must not be source or source-ref"),
    (("LabelAttributeName", "x-metadata"), "must not end with -metadata"),
    (("InputConfig.DataSource", {}), "at least one of S3DataSource, SnsDataSource"),
    (
        ("InputConfig.DataSource.SnsDataSource", {"SnsTopicArn": TOPIC}),
        "must be absent when LabelingJobAlgorithmsConfig",
    ),
    (
        ("InputConfig.DataSource", {"SnsDataSource": {"SnsTopicArn": TOPIC}}),
        "a topic alone is not labeled here",
    ),
    (
        (ALGORITHM, algorithm_arn(IMAGES).replace("027400017018", "123456789012")),
        f"enum value set: [{algorithm_arn(IMAGES, 'REGION')}, ",
    ),
    ((ALGORITHM, algorithm_arn(TEXTS)), "must be the built-in Lambda of TextMultiClass"),
    ((PRE, lambda_arn(Stage.PRE, TEXTS)), "must be the built-in Lambda of ImageMultiClass"),
    (
        (PRE, built_in(BuiltInTask.IMAGE_MULTI_CLASS_MULTI_LABEL)),
        "must be the built-in Lambda of ImageMultiClass",
    ),
    ((PRE, CUSTOM), "must be the built-in Lambda of ImageMultiClass"),
    ((ACS, lambda_arn(Stage.ACS, TEXTS)), "must be of the task type of PreHumanTaskLambdaArn"),
    ((PRE, lambda_arn(Stage.ACS, IMAGES)), "Lambda whose name begins with PRE-"),
    ((ACS, lambda_arn(Stage.PRE, IMAGES)), "Lambda whose name begins with ACS-"),
    ((f"{HUMANS}.UiConfig", {}), "exactly one of UiTemplateS3Uri, HumanTaskUiArn"),
    ((f"{HUMANS}.UiConfig.HumanTaskUiArn", ENTITY_PAGE), "exactly one of"),
    ((f"{HUMANS}.UiConfig", {"HumanTaskUiArn": ENTITY_PAGE}), "must be absent for the task type"),
    (("Tags", [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]), "must be unique among the tags"),
]


@pytest.mark.parametrize(("change", "constraint"), RULES)
def test_members_that_do_not_go_together_are_refused(change, constraint):
    found = sentences(image_document(change))
    assert any(constraint in sentence for sentence in found), found


def test_a_topic_beside_a_manifest_is_kept_when_people_label():
    document = image_document(
        ("LabelingJobAlgorithmsConfig", GONE),
        ("InputConfig.DataSource.SnsDataSource", {"SnsTopicArn": TOPIC}),
    )
    assert LabelingJobRequest.from_document(document).to_document() == document


@pytest.mark.parametrize("kind", TaskKind)
def test_lambdas_of_another_task_type_disagree_with_one_another(kind):
    other = TEXTS if kind is not TEXTS else IMAGES
    document = changed(
        example_document(kind, attribute="a-ref" if kind is TaskKind.SEMANTIC_SEGMENTATION else "a"),
        ("LabelingJobAlgorithmsConfig", GONE),
        (ACS, lambda_arn(Stage.ACS, other)),
    )
    (sentence,) = sentences(document)
    assert "at 'humanTaskConfig.annotationConsolidationConfig.annotationConsolidationLambdaArn'" in sentence


def test_point_clouds_and_videos_may_take_longer_than_a_shift():
    document = task_document(BuiltInTask.VIDEO_OBJECT_TRACKING, "a-ref")
    LabelingJobRequest.from_document(changed(document, (f"{HUMANS}.TaskTimeLimitInSeconds", 2_592_000)))


def test_a_public_job_with_price_and_declaration_is_accepted():
    LabelingJobRequest.from_document(public_document())


PUBLIC_RULES = [
    ((f"{HUMANS}.PublicWorkforceTaskPrice", GONE), "must not be null for the public workteam"),
    ((f"{HUMANS}.PublicWorkforceTaskPrice", {}), "must not be null for the public workteam"),
    (
        (f"{HUMANS}.PublicWorkforceTaskPrice", {"AmountInUsd": {"Cents": 5}}),
        "enum value set: [0.012, 0.024, ",
    ),
    (("InputConfig.DataAttributes", GONE), f"must contain {NO_PERSONAL_DATA}"),
    (("InputConfig.DataAttributes", {"ContentClassifiers": ["FreeOfAdultContent"]}), "must contain FreeOf"),
    ((f"{HUMANS}.TaskAvailabilityLifetimeInSeconds", 43_201), "less than or equal to 43200 for the public"),
]


@pytest.mark.parametrize(("change", "constraint"), PUBLIC_RULES)
def test_the_public_workteam_has_rules_of_its_own(change, constraint):
    (sentence,) = sentences(public_document(change))
    assert constraint in sentence


def test_a_private_workteam_does_not_have_them():
    price = {"AmountInUsd": {"Cents": 5}}
    LabelingJobRequest.from_document(
        image_document(
            (f"{HUMANS}.PublicWorkforceTaskPrice", price),
            (f"{HUMANS}.TaskAvailabilityLifetimeInSeconds", 864_000),
        )
    )


@pytest.mark.parametrize(
    ("kind", "cheapest", "too_cheap"),
    [
        (TaskKind.IMAGE_CLASSIFICATION, (0, 1, 2), (0, 1, 1)),
        (TaskKind.TEXT_CLASSIFICATION, (0, 1, 2), (0, 0, 0)),
        (TaskKind.OBJECT_DETECTION, (0, 3, 6), (0, 2, 4)),
        (TaskKind.SEMANTIC_SEGMENTATION, (0, 84, 0), (0, 72, 0)),
    ],
)
def test_prices_are_those_of_the_task_type(kind, cheapest, too_cheap):
    def document(dollars: int, cents: int, tenths: int) -> dict:
        amount = {"Dollars": dollars, "Cents": cents, "TenthFractionsOfACent": tenths}
        return changed(
            example_document(kind),
            (f"{HUMANS}.WorkteamArn", public_workteam_arn("eu-west-1")),
            (f"{HUMANS}.PublicWorkforceTaskPrice", {"AmountInUsd": amount}),
            ("InputConfig.DataAttributes.ContentClassifiers", [NO_PERSONAL_DATA]),
        )

    LabelingJobRequest.from_document(document(*cheapest))
    LabelingJobRequest.from_document(document(1, 20, 0))
    assert "enum value set" in sentences(document(*too_cheap))[0]
    assert "enum value set" in sentences(document(2, 0, 0))[0]
