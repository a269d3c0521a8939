from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from autolabel.manifest.members import members
from autolabel.manifest.splice import Splice

texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["a", "b", "c", 'say "a"', "\\", "\\u0061"])
values = st.recursive(
    texts | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, values, max_size=5)


@st.composite
def lines(draw):
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  ")]))
    space = st.sampled_from(["", " ", "\t", "  "])
    text = json.dumps(draw(objects), separators=separators, ensure_ascii=draw(st.booleans()))
    return f"{draw(space)}{{{draw(space)}{text[1:-1]}{draw(space)}}}{draw(space)}"


def written(text):
    return {member.key: text[member.start : member.end] for member in members(text)}


@given(lines(), objects, st.sets(texts, max_size=2))
def test_only_the_members_asked_for_change(line, fields, remove):
    remove -= fields.keys()
    before = json.loads(line)
    after = Splice(fields).onto(line.encode(), remove=remove).decode()
    expected = {key: value for key, value in before.items() if key not in remove} | fields
    assert json.loads(after) == expected
    assert list(json.loads(after)) == list(expected)
    kept = written(line).keys() - fields.keys() - remove
    assert {key: written(after)[key] for key in kept} == {key: written(line)[key] for key in kept}


@given(lines(), objects)
def test_new_keys_leave_the_line_in_one_piece(line, fields):
    new = {key: value for key, value in fields.items() if key not in json.loads(line)}
    after = Splice(new).onto(line.encode()).decode()
    brace = line.rindex("}")
    assert after.startswith(line[:brace].rstrip())
    assert after.endswith(line[brace:])
