from __future__ import annotations

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.job.sources import Sources
from autolabel.manifest.lines import Manifest
from autolabel.manifest.reader import survey_manifest


@pytest.fixture
def sources(tmp_path):
    path = tmp_path / "input.manifest"
    path.write_bytes(b'{"source":"a"}\n{"source":\n\n{"source":"c\\u00e9","x":1}\n')
    index = survey_manifest(path, kind=TaskKind.TEXT_CLASSIFICATION, attribute="mood")
    with Manifest(path, index) as manifest:
        yield Sources(manifest)


def test_sources_are_read_in_the_order_of_objects_and_bad_lines_have_none(sources):
    assert list(sources) == ["a", "", "cé"]
    assert len(sources) == 3


def test_sources_are_counted_and_sliced_like_a_list(sources):
    assert sources[-1] == "cé"
    assert sources[::2] == ["a", "cé"]
    with pytest.raises(IndexError):
        sources[3]
