from __future__ import annotations

import pytest

from autolabel.api.patterns import matches
from autolabel.api.shapes import input_shape, output_shape

TAG = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"
TITLE = r"[\t\n\r -\uD7FF\uE000-\uFFFD]*"


def patterns(shape):
    if shape.type_name == "structure":
        for member in shape.members.values():
            yield from patterns(member)
    elif shape.type_name == "list":
        yield from patterns(shape.member)
    elif shape.metadata.get("pattern"):
        yield shape.metadata["pattern"]


ALL = sorted({*patterns(input_shape("CreateLabelingJob")), *patterns(output_shape("DescribeLabelingJob"))})


@pytest.mark.parametrize("pattern", ALL)
@pytest.mark.parametrize("value", ["", "aé٣ \U0001f600\ud800", "\n", "]-^\\[&&--||~~", "s3://b/k"])
def test_every_pattern_of_the_model_is_one_that_python_takes(pattern, value):
    assert matches(pattern, value) in {True, False}


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("a+", "aa", True),
        ("a+", "aab", False),
        ("a+", "aa\n", False),
        ("a|ab", "ab", True),
        (r"\d{2}", "12", True),
        (r"\d{2}", "١٢", False),
        (".+", "a\rb", False),
        (".+", "a\u0085b", False),
        (".+", "a\u2028b", False),
        (".+", "a\U0001f600b", True),
        ("[.]+", "..", True),
        ("[.]+", "a", False),
        (r"a\.b", "a.b", True),
        (r"a\.b", "axb", False),
        (TAG, "", True),
        (TAG, "autolabel:error=0.05 @x/y_z+1-2", True),
        (TAG, "Größe ٣ 数\u3000Ⅳ", True),
        (TAG, "a#b", False),
        (TAG, "a\u200fb", False),
        (TAG, "\U0001f600", False),
        (r"\p{L}+", "éa", True),
        (r"\p{L}+", "é1", False),
        (TITLE, "tab\tline\r\n \ufffd", True),
        (TITLE, "\x00", False),
        (TITLE, "\ud800", False),
        (TITLE, "\U0001f600", False),
    ],
)
def test_a_java_pattern_matches_whole_values_as_java_would(pattern, value, expected):
    assert matches(pattern, value) is expected
