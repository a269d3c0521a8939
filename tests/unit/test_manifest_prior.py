from __future__ import annotations

import json

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.manifest.lines import Manifest
from autolabel.manifest.prior import read_priors
from autolabel.manifest.reader import survey_manifest

METADATA = {"class-name": "glad", "confidence": 0.95, "creation-date": "2024-05-06T07:08:09.000001"}


@pytest.fixture
def priors(tmp_path):
    """Read the labels under ``mood`` that some records came with."""

    def read(*records, attribute="mood"):
        path = tmp_path / "manifest.jsonl"
        path.write_bytes(b"\n".join(json.dumps({"source": "a"} | record).encode() for record in records))
        index = survey_manifest(path, kind=TaskKind.TEXT_CLASSIFICATION, attribute="mood")
        with Manifest(path, index) as manifest:
            return list(read_priors(manifest, attribute))

    return read


def test_labels_by_people_and_by_machines_are_told_apart(priors):
    people = {"mood": 1, "mood-metadata": METADATA | {"human-annotated": "yes"}}
    machine = {"mood": "0", "mood-metadata": METADATA | {"human-annotated": "no"}}
    found = priors({}, people, machine, {"other": 1, "other-metadata": METADATA})
    assert [(prior.object, prior.value, prior.human) for prior in found] == [(1, 1, True), (2, "0", False)]
    assert found[0].record == {"source": "a"} | people
    assert found[0].metadata == people["mood-metadata"]
    assert (found[0].confidence, found[0].created) == (0.95, "2024-05-06T07:08:09.000001")


@pytest.mark.parametrize("metadata", [{}, {"confidence": "high", "creation-date": 5}])
def test_confidence_and_date_may_be_missing(priors, metadata):
    (prior,) = priors({"mood": 1, "mood-metadata": metadata | {"human-annotated": "yes"}})
    assert (prior.confidence, prior.created) == (0.0, "")


def test_failures_contradictions_and_bare_values_are_no_labels(priors):
    failure = {"mood-metadata": {"failure-reason": "no", "human-annotated": "true"}}
    assert priors(failure, {"mood": 1}, {"mood-metadata": METADATA}, {"mood": 1, "mood-metadata": METADATA}) == []


def test_a_manifest_that_was_indexed_for_another_attribute_is_refused(priors):
    with pytest.raises(ValueError, match="indexed for 'mood', not for 'tone'"):
        priors({}, attribute="tone")
