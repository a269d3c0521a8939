"""Every manifest of the catalogue gets its one answer, whichever way it is read."""

from __future__ import annotations

import pytest
from data.manifest_catalogue import ATTRIBUTE, CASES, Bad, Refused

from autolabel.errors import ManifestError
from autolabel.manifest.fault import LineError
from autolabel.manifest.lines import Manifest
from autolabel.manifest.reader import index_manifest
from autolabel.manifest.strict import LineRules, read_line


@pytest.fixture
def place(tmp_path):
    """Lay a case out; return where its manifest is to be looked for."""

    def build(case):
        path = tmp_path / "manifest.jsonl"
        if not isinstance(case.content, bytes):
            return case.content(path)
        path.write_bytes(case.content)
        return path

    return build


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_manifest_gets_the_answer_of_the_catalogue(case, place):
    def index():
        return index_manifest(place(case), kind=case.kind, attribute=ATTRIBUTE, limits=case.limits)

    if isinstance(case.expected, Refused):
        with pytest.raises(ManifestError, match=case.expected.code) as caught:
            index()
        assert case.expected.words in str(caught.value)
        assert caught.value.code == case.expected.code
        return
    found = index()
    if isinstance(case.expected, Bad):
        assert [(bad.code, bad.line) for bad in found.bad] == [(case.expected.code, case.expected.line)]
        assert found.line_number(found.bad[0].object) == case.expected.line
        assert case.expected.words in found.bad[0].message
        return
    assert found.bad == ()
    assert len(found) == case.expected.objects
    assert tuple(found.prior) == case.expected.prior
    assert tuple(found.overwritten) == case.expected.overwritten
    assert len(found.warnings) == bool(case.expected.warning)
    assert case.expected.warning in "".join(found.warnings)


def verdict(line, rules):
    try:
        return read_line(line, rules).source
    except LineError as error:
        return error.code


LABELABLE = [case for case in CASES if not isinstance(case.expected, Refused)]


@pytest.mark.parametrize("case", LABELABLE, ids=lambda case: case.id)
def test_the_strict_reader_alone_says_the_same(case, place):
    path = place(case)
    index = index_manifest(path, kind=case.kind, attribute=ATTRIBUTE, limits=case.limits)
    bad = {each.object: each.code for each in index.bad}
    with Manifest(path, index) as manifest:
        expected = [bad.get(number) or manifest.source(number) for number in range(len(index))]
        found = [verdict(line, LineRules(case.kind, ATTRIBUTE, case.limits)) for line in manifest.lines()]
    assert found == expected
