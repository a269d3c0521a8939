from __future__ import annotations

import json

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import SettingsError
from autolabel.tasks import task_for
from autolabel.workforce import read_truth

TEXT = task_for(TaskKind.TEXT_CLASSIFICATION, ["cat", "dog", "owl"])
IMAGE = task_for(TaskKind.IMAGE_CLASSIFICATION, ["cat", "dog", "owl"])


def write(tmp_path, *lines):
    path = tmp_path / "truth.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def test_line_i_is_object_i_when_the_file_shows_the_same_objects(tmp_path):
    # The same text twice with two labels is two objects.
    path = write(
        tmp_path,
        {"source": "purr", "label": "cat"},
        {"source": "sound", "class_id": 1},
        {"source": "sound", "class_id": 2, "label": "owl"},
    )
    assert read_truth(path, ["purr", "sound", "sound"], TEXT) == [0, 1, 2]


def test_a_longer_file_in_another_order_is_joined_by_source(tmp_path):
    path = write(
        tmp_path,
        {"source-ref": "images/3.jpg", "label": "owl"},
        {"source-ref": "images/1.jpg", "label": "cat"},
        {"source-ref": "images/2.jpg", "label": "dog"},
        {"source-ref": "images/1.jpg", "label": "cat"},
    )
    assert read_truth(path, ["images/1.jpg", "images/2.jpg", "images/1.jpg"], IMAGE) == [0, 1, 0]


def test_as_many_lines_of_other_objects_are_not_taken_in_file_order(tmp_path):
    path = write(tmp_path, {"source": "b", "label": "dog"}, {"source": "a", "label": "cat"})
    assert read_truth(path, ["a", "b"], TEXT) == [0, 1]


def test_a_label_attribute_may_hold_the_truth(tmp_path):
    path = write(tmp_path, {"source": "a", "kind": "2", "kind-metadata": {"class-name": "owl"}, "label": "cat"})
    assert read_truth(path, ["a"], TEXT, attribute="kind") == [2]
    assert read_truth(path, ["a"], TEXT) == [0]


def test_blank_lines_a_byte_order_mark_and_odd_line_separators_do_not_count(tmp_path):
    path = tmp_path / "truth.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"source": "a\xe2\x80\xa8b", "label": "dog"}\r\n\r\n\n{"source": "c", "label": "owl"}'
    )
    assert read_truth(path, ["a\u2028b", "c"], TEXT) == [1, 2]


def test_an_object_without_truth_is_named_with_its_line(tmp_path):
    path = write(tmp_path, {"source": "a", "label": "cat"})
    with pytest.raises(SettingsError, match=r"no label for object 1 .*source 'b'; 2 of 3 objects are missing"):
        read_truth(path, ["a", "b", "c"], TEXT)


def test_two_labels_for_one_source_are_refused_where_sources_decide(tmp_path):
    path = write(tmp_path, {"source": "a", "label": "cat"}, {"source": "a", "label": "dog"})
    with pytest.raises(SettingsError, match=r"truth.jsonl:2: the same object has another label in line 1: 'a'"):
        read_truth(path, ["a"], TEXT)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"truth.jsonl:2: Input data was truncated"),
        ("[]", r"truth.jsonl:2: Expected `object`"),
        ("[" * 100_000, r"truth.jsonl:2: "),
        ({"source": "b"}, r"truth.jsonl:2: NO_LABEL_ATTRIBUTES: found no label, expected the key 'class_id'"),
        ({"source": "b", "label": "cow"}, r"truth.jsonl:2: .*'label' is 'cow'"),
        ({"source": "b", "label": "dog", "class_id": 0}, r"truth.jsonl:2: .*'class_id' is 0"),
        ({"source-ref": "b", "label": "dog"}, r"truth.jsonl:2: found source None"),
    ],
)
def test_an_unusable_line_is_named(tmp_path, line, said):
    path = write(tmp_path, {"source": "a", "label": "cat"}, line)
    with pytest.raises(SettingsError, match=said):
        read_truth(path, ["a", "b"], TEXT)


def test_a_file_that_is_not_there_is_a_settings_error(tmp_path):
    with pytest.raises(SettingsError, match=r"none.jsonl cannot be read: No such file"):
        read_truth(tmp_path / "none.jsonl", ["a"], TEXT)
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_truth(tmp_path, ["a"], TEXT)
