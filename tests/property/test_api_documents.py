from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal

from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from autolabel.api.arns import built_in_task_of, task_kind_of
from autolabel.api.categories import LabelCategories
from autolabel.api.example import commented_example, example_document
from autolabel.api.kinds import TaskKind
from autolabel.api.request import LabelingJobRequest
from autolabel.api.shapes import input_shape
from autolabel.api.strict_json import parse_json
from autolabel.api.violation import LONGEST_VALUE, Violation
from autolabel.errors import InvalidRequestError

patiently = settings(deadline=None)  # the first document loads botocore's model

EXAMPLES = [example_document(kind, tags={"autolabel:seed": "7"}) for kind in TaskKind]
NAMES = sorted({name for document in EXAMPLES for name in document} | {"SnsDataSource", "AmountInUsd", "Cents"})

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=150)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(NAMES) | ANY_TEXT, inner, max_size=6),
    max_leaves=20,
)


def paths(value, path=()):
    yield path
    if isinstance(value, dict):
        for name, member in value.items():
            yield from paths(member, (*path, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from paths(item, (*path, position))


@st.composite
def damaged_examples(draw):
    """A valid document with up to three values replaced or removed."""
    document = deepcopy(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from([path for path in paths(document) if path]))
        inner = document
        for name in parents:
            inner = inner[name]
        if draw(st.booleans()):
            inner[last] = draw(JSON)
        else:
            del inner[last]
        if not document:
            break
    return document


def violations_of(function, *arguments, **named) -> tuple[str, ...]:
    """Call a function of the room; nothing but an `InvalidRequestError` may come of it."""
    try:
        function(*arguments, **named)
    except InvalidRequestError as error:
        return error.violations
    return ()


@patiently
@given(JSON)
def test_any_json_is_refused_in_order(document):
    found = violations_of(LabelingJobRequest.from_document, document)
    assert found
    assert all(sentence.isprintable() for sentence in found)


@patiently
@given(damaged_examples())
def test_a_damaged_document_is_refused_whenever_botocore_refuses_it(document):
    found = violations_of(LabelingJobRequest.from_document, document)
    assert all(sentence.isprintable() for sentence in found)
    if ParamValidator().validate(document, input_shape("CreateLabelingJob")).has_errors():
        assert found
    if not found:
        request = LabelingJobRequest.from_document(document)
        assert request.to_document() == document
        assert not violations_of(LabelingJobRequest.from_document, request.resolved_document())


@patiently
@given(damaged_examples())
def test_the_task_type_of_any_document_can_be_asked(document):
    assert task_kind_of(document) in {None, *TaskKind}
    built_in_task_of(document)


@patiently
@given(JSON)
def test_any_json_makes_categories_or_a_violation(document):
    try:
        data = json.dumps(document).encode()
        categories = LabelCategories.from_bytes(data)
    except InvalidRequestError:
        return
    assert LabelCategories.from_bytes(categories.to_bytes()) == categories


@patiently
@given(st.lists(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1), min_size=2))
def test_categories_survive_writing_or_are_refused_for_being_equal(names):
    written = LabelCategories(tuple(names)).to_bytes()
    found = violations_of(LabelCategories.from_bytes, written, TaskKind.IMAGE_CLASSIFICATION)
    assert all("unique" in sentence for sentence in found)
    assert found or LabelCategories.from_bytes(written).names == tuple(names)


@patiently
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=30,
    ),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_strict_json_reads_what_python_writes(value, indent, ascii_only):
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert parse_json(data, name="x") == value
    assert parse_json(b"// a comment\n" + data + b"// another", name="x", comments=True) == value


@patiently
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_strict_json_reads_no_more_than_python_does(data):
    try:
        value = parse_json(data, name="x")
    except InvalidRequestError:
        return
    assert json.loads(data.decode("utf-8-sig")) == value


@patiently
@given(st.data())
def test_a_torn_request_file_is_refused(data):
    whole = commented_example().encode().rstrip()
    torn = whole[: data.draw(st.integers(0, len(whole) - 1))]
    (sentence,) = violations_of(parse_json, torn, name="x", comments=True)
    assert sentence.startswith("x line ")


@patiently
@given(
    JSON | st.integers(10**4000, 10**4001) | st.binary() | st.just(Decimal(1)),
    st.lists(ANY_TEXT | st.integers(0, 99)),
)
def test_a_sentence_is_one_printable_line_of_bounded_length(value, path):
    sentence = str(Violation(tuple(path), value, "Member must not be."))
    assert sentence.isprintable()
    assert len(sentence) < (len(path) + 1) * 10 * (LONGEST_VALUE + 10) + 200
