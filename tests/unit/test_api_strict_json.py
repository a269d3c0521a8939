from __future__ import annotations

import pytest

from autolabel.api.strict_json import DEEPEST, parse_json
from autolabel.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        (" [ ] ", []),
        ('{"a": [1, -2.5e3, 0, true, false, null]}', {"a": [1, -2500.0, 0, True, False, None]}),
        (r'"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"', '"\\/\b\f\n\r\té\U0001f600'),
        ('"// no comment"', "// no comment"),
        ("\ufeff5", 5),
        ("\r\n\t 5 \r\n", 5),
        ("9" * 400, int("9" * 400)),
    ],
)  # fmt: skip
def test_json_is_read(text, value):
    assert parse_json(text.encode(), name="x") == value


def test_comments_are_white_space_where_they_are_allowed():
    text = b'// first\n{ // second\n "a": "s3://b/k", // third "b": 1\n // fourth\n "c" // fifth\n : 1}\n// last'
    assert parse_json(text, name="x", comments=True) == {"a": "s3://b/k", "c": 1}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1 column 1: the text ends, expected a value"),
        ("{", "line 1 column 2: the text ends, expected a member name in double quotes"),
        ('{"a": 1,\n "b": 2,\n "a": 3}', 'line 3 column 2: the member "a" is given twice'),
        ('{"a": {"b": 1, "\\u0062": 2}}', 'line 1 column 16: the member "b" is given twice'),
        ('{"a": NaN}', 'line 1 column 7: found "NaN}", expected a value'),
        ("-Infinity", "expected a value"),
        ("1e999", "the number 1e999 is too large"),
        ("-1e999", "the number -1e999 is too large"),
        ("1" * 5000, "this number has more than 400 digits"),
        ("01", "expected a value"),
        ("1.", "expected a value"),
        ("+1", "expected a value"),
        (".5", "expected a value"),
        ("truely", "expected a value"),
        ("'a'", "expected a value"),
        ('"a\nb"', "this string is not closed"),
        ('"a', "this string is not closed"),
        (r'"\x41"', "a bad escape"),
        (r'"\ud800"', "half a surrogate pair"),
        ('{"a" 1}', "line 1 column 6: found \"1}\", expected ':'"),
        ('{"a": 1 "b": 2}', "expected ',' or '}'"),
        ("[1 2]", "expected ',' or ']'"),
        ("[1,]", "expected a value"),
        ('{"a": 1,}', "expected a member name in double quotes"),
        ("{a: 1}", "expected a member name in double quotes"),
        ("{} {}", "expected the end of the document"),
        ("// comment\n{}", "expected a value"),
        ("[" * (DEEPEST + 2), "nested deeper than 64"),
        ('{"a":' * 100_000, "nested deeper than 64"),
    ],
)
def test_anything_else_is_refused_with_line_and_column(text, sentence):
    with pytest.raises(InvalidRequestError) as caught:
        parse_json(text.encode(), name="request.json")
    (found,) = caught.value.violations
    assert found.startswith("request.json line ")
    assert found.endswith(sentence) or sentence in found


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b'{\n"a": "\xff"}', "line 2: byte 8 is not UTF-8"),
        ("{}".encode("utf-16"), "line 1: byte 0 is not UTF-8"),
        ("{}".encode("utf-16-le"), "line 1 column 2"),
    ],
)
def test_other_encodings_are_refused(data, sentence):
    with pytest.raises(InvalidRequestError, match=sentence):
        parse_json(data, name="request.json")
