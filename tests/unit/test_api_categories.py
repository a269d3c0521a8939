from __future__ import annotations

import json

import pytest

from autolabel.api.categories import LabelCategories
from autolabel.api.kinds import TaskKind
from autolabel.errors import InvalidRequestError


def labels(*names: object, **members: object) -> bytes:
    entries = [{"label": name} for name in names]
    return json.dumps({"document-version": "2018-11-28", "labels": entries, **members}).encode()


def sentences(data: bytes, kind: TaskKind | None = None) -> tuple[str, ...]:
    with pytest.raises(InvalidRequestError) as caught:
        LabelCategories.from_bytes(data, kind)
    return caught.value.violations


@pytest.mark.parametrize("kind", [None, *TaskKind])
def test_names_are_read_in_their_order(kind):
    assert LabelCategories.from_bytes(labels("b", "a", "c"), kind).names == ("b", "a", "c")


def test_the_version_may_be_missing():
    assert LabelCategories.from_bytes(b'{"labels": [{"label": "a"}]}').names == ("a",)


@pytest.mark.parametrize("name", ["<b>bold</b>", "{{ x }}", "猫", " a ", "x" * 256, "می‌خواهم", "👩‍🚀", '"'])
def test_markup_and_every_script_are_text(name):
    categories = LabelCategories.from_bytes(labels(name, "other"), TaskKind.TEXT_CLASSIFICATION)
    assert categories.names == (name, "other")
    assert LabelCategories.from_bytes(categories.to_bytes()) == categories


def test_instructions_are_kept_and_written():
    instructions = {"shortInstruction": "<p>a</p>", "fullInstruction": "b"}
    categories = LabelCategories.from_bytes(labels("a", instructions=instructions))
    assert categories.instructions == instructions
    assert LabelCategories.from_bytes(categories.to_bytes()) == categories
    assert json.loads(LabelCategories(("a",)).to_bytes()) == json.loads(labels("a"))


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (
            labels("a", "b", "a"),
            None,
            "Value 'a' at 'labels.3.member.label' failed to satisfy constraint: Member must be unique",
        ),
        (labels("é", "e\u0301"), None, "must be unique among the labels"),
        (labels("x" * 257), None, "must have length less than or equal to 256"),
        (
            labels(),
            None,
            "at 'labels' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (labels("a"), TaskKind.IMAGE_CLASSIFICATION, "must have length greater than or equal to 2"),
        (labels("a"), TaskKind.TEXT_CLASSIFICATION, "must have length greater than or equal to 2"),
        (labels(), TaskKind.OBJECT_DETECTION, "must have length greater than or equal to 1"),
        (labels(""), None, "must not be blank"),
        (labels(" \t"), None, "must not be blank"),
        (
            labels(5),
            None,
            "Value '5' at 'labels.1.member.label' failed to satisfy constraint: Member must be a string",
        ),
        (
            labels(None),
            None,
            "Value null at 'labels.1.member.label' failed to satisfy constraint: Member must not be null",
        ),
        (labels("a\nb"), None, "must not contain control characters"),
        (labels("a\x00"), None, "must not contain control characters"),
        (labels("a\u2028b"), None, "must not contain control characters"),
        (labels("a\u200f"), None, "marks of writing direction"),
        (labels("\u202egnp.exe"), None, r"Value '\u202egnp.exe' at"),
        (b"[]", None, "Value '[]' at 'request'"),
        (b"{}", None, "Value null at 'labels' failed to satisfy constraint: Member must not be null"),
        (b'{"labels": {}}', None, "must be a list"),
        (b'{"labels": ["cat"]}', None, 'Member must be an object such as {"label": "cat"}'),
        (
            b'{"document-version": "2018-11-29", "labels": [{"label": "a"}]}',
            None,
            "Value '2018-11-29' at 'document-version' failed to satisfy constraint: Member must satisfy enum",
        ),
        (b'{"document-version": null, "labels": [{"label": "a"}]}', None, "enum value set: [2018-11-28]"),
        (
            labels("a", instructions="read this"),
            None,
            "at 'instructions' failed to satisfy constraint: Member must be an object",
        ),
        (labels("a", instructions={"shortInstruction": 5}), None, "at 'instructions.shortInstruction'"),
        (b"cat,dog", None, "label categories line 1 column 1: "),
        (b'{"labels": [{"label": "a", "label": "b"}]}', None, 'the member "label" is given twice'),
    ],
)
def test_a_file_that_names_no_set_of_categories_is_refused(data, kind, expected):
    (sentence,) = [s for s in sentences(data, kind) if expected in s]
    assert sentence


def test_everything_wrong_is_said_at_once():
    data = json.dumps(
        {
            "document-version": "1",
            "labels": [{"label": "a"}, {"label": "a"}, {"label": ""}, 7],
            "instructions": 1,
        }
    ).encode()
    assert len(sentences(data, TaskKind.IMAGE_CLASSIFICATION)) == 5
