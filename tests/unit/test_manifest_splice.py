from __future__ import annotations

import json

import pytest

from autolabel.manifest.splice import Splice, augment


@pytest.mark.parametrize(
    ("line", "fields", "expected"),
    [
        (b"{}", {"a": 1}, b'{"a":1}'),
        (b" { } ", {"a": 1}, b' {"a":1 } '),
        (b'{"x":1}', {"a": 1}, b'{"x":1,"a":1}'),
        (b'{"x": 1}', {}, b'{"x": 1}'),
        (b'{"x": 1 }', {"a": 1}, b'{"x": 1,"a":1 }'),
        (b'{"x":1} \t', {"a": 1}, b'{"x":1,"a":1} \t'),
        (b'{"x":"}"}', {"a": 1}, b'{"x":"}","a":1}'),
        (b'{"x":"\\u00e9"}', {"a": "\u00e9"}, b'{"x":"\\u00e9","a":"\xc3\xa9"}'),
        (b'{"x":1.50,"y":1e2}', {"a": 0.5}, b'{"x":1.50,"y":1e2,"a":0.5}'),
        (b'{"x":1}', {"a": {"b": [1, None, True]}, "c": 2}, b'{"x":1,"a":{"b":[1,null,true]},"c":2}'),
    ],
)
def test_new_members_go_in_front_of_the_closing_brace(line, fields, expected):
    assert augment(line, fields) == expected


@pytest.mark.parametrize(
    ("line", "fields", "expected"),
    [
        (b'{"a": 1, "x": 2}', {"a": 3}, b'{"a": 3, "x": 2}'),
        (b'{"x":2,"a" : {"b":[1,"}"]} ,"y":3}', {"a": 3}, b'{"x":2,"a" : 3 ,"y":3}'),
        (b'{"\\u0061":1}', {"a": 3}, b'{"\\u0061":3}'),
        (b'{"a":1,"b":2}', {"b": 3, "c": 4, "a": 5}, b'{"a":5,"b":3,"c":4}'),
        (b'{"x":"\\"a\\":1"}', {"a": 3}, b'{"x":"\\"a\\":1","a":3}'),
        (b'{"x":"a"}', {"a": 3}, b'{"x":"a","a":3}'),
        (b'{"x":{"a":1}}', {"a": 3}, b'{"x":{"a":1},"a":3}'),
        (b'{"\xc3\xa9":1}', {"\u00e9": 3}, b'{"\xc3\xa9":3}'),
    ],
)
def test_a_key_that_is_there_keeps_its_place_and_gets_the_new_value(line, fields, expected):
    assert augment(line, fields) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a":1}', b'{"m":2}'),
        (b'{"a":1,"x":2}', b'{"x":2,"m":2}'),
        (b'{"x":2 , "a":1 }', b'{"x":2,"m":2 }'),
        (b'{"x":2, "a":1, "y":3}', b'{"x":2, "y":3,"m":2}'),
        (b'{"m":1, "a":1}', b'{"m":2}'),
        (b'{"x":{"a":1}}', b'{"x":{"a":1},"m":2}'),
    ],
)
def test_a_removed_key_goes_with_its_comma(line, expected):
    assert Splice({"m": 2}).onto(line, remove=("a", "none")) == expected


def test_the_members_of_a_splice_are_compact_and_in_order():
    splice = Splice({"b": 1, "a": {"c": "\u00e9 / <>", "d": 0.5}})
    assert splice.tail == '"b":1,"a":{"c":"\u00e9 / <>","d":0.5}'.encode()
    assert json.loads(b"{%b}" % splice.tail) == splice.fields


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_other_readers_cannot_read_is_not_written(value):
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        Splice({"a": value})
