from __future__ import annotations

import subprocess
import sys

import pytest

from autolabel.api.example import commented_example, example_document
from autolabel.api.kinds import TaskKind
from autolabel.api.members import MEMBERS, Treatment, members_table
from autolabel.api.request import LabelingJobRequest
from autolabel.api.shapes import input_shape, leaf_paths
from autolabel.api.strict_json import parse_json
from autolabel.errors import InvalidRequestError


def test_the_table_lists_exactly_the_members_of_botocores_model():
    assert [member.path for member in MEMBERS] == list(leaf_paths(input_shape("CreateLabelingJob")))


def test_the_table_is_markdown_with_a_row_for_each_member():
    lines = members_table().splitlines()
    assert len(lines) == len(MEMBERS) + 2
    assert all(line.count("|") == 4 for line in lines)
    assert {line.split(" | ")[1] for line in lines[2:]} == {treatment.value for treatment in Treatment}


@pytest.mark.parametrize("kind", TaskKind)
def test_the_commented_example_is_the_example_with_every_member_explained(kind):
    text = commented_example(kind)
    assert parse_json(text.encode(), name="x", comments=True) == example_document(kind)
    for member in MEMBERS:
        name = member.path.rpartition(".")[2]
        assert f'"{name}":' in text or f"{name}. " in text, name


@pytest.mark.parametrize("kind", TaskKind)
def test_an_example_says_what_it_was_asked_to(kind):
    attribute = "boxes-ref" if kind is TaskKind.SEMANTIC_SEGMENTATION else "boxes"
    request = LabelingJobRequest.from_document(
        example_document(
            kind,
            name="Job",
            manifest="in.jsonl",
            output="s3://b/out/",
            categories="c.json",
            attribute=attribute,
            workers=1,
            batch=50,
            max_human_labeled=7,
            max_percentage_labeled=90,
            initial_model_arn="arn:aws:sagemaker:us-east-1:000000000000:model/m",
            tags={"autolabel:seed": "1"},
        )
    )
    assert (request.name, request.label_attribute) == ("Job", attribute)
    assert (request.manifest_uri, request.output_uri, request.categories_uri) == (
        "in.jsonl",
        "s3://b/out/",
        "c.json",
    )
    assert (request.workers_per_object, request.max_concurrent_tasks) == (1, 50)
    assert (request.max_human_labeled, request.max_percentage_labeled) == (7, 90)
    assert request.initial_model_arn == "arn:aws:sagemaker:us-east-1:000000000000:model/m"
    assert request.tags == {"autolabel:seed": "1"}
    assert (request.task_kind, request.automated) == (kind, True)


@pytest.mark.parametrize(("kind", "workers"), [("image-classification", 3), ("object-detection", 5)])
def test_workers_default_to_the_consoles(kind, workers):
    request = LabelingJobRequest.from_document(example_document(TaskKind(kind)))
    assert request.workers_per_object == workers


def test_impossible_wishes_are_refused_by_the_document_check():
    with pytest.raises(InvalidRequestError, match="greater than or equal to 1"):
        LabelingJobRequest.from_document(example_document(TaskKind.IMAGE_CLASSIFICATION, workers=0))
    document = example_document(TaskKind.IMAGE_CLASSIFICATION, automated=False, initial_model_arn="a" * 20)
    with pytest.raises(InvalidRequestError, match="labelingJobAlgorithmSpecificationArn"):
        LabelingJobRequest.from_document(document)


def test_importing_the_room_loads_no_heavy_library():
    program = (
        "import sys\n"
        "from autolabel.api import categories, describe, example, request\n"
        "print(sorted({'botocore', 'boto3', 'torch', 'numpy', 'sklearn', 'scipy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
