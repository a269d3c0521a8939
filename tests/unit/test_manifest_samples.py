"""Lines as Ground Truth writes them are read, kept and extended without touching a byte that is not ours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autolabel.api.kinds import TaskKind
from autolabel.manifest.carried import METADATA
from autolabel.manifest.lines import Manifest
from autolabel.manifest.output import Additions, Splice, augment, write_manifest
from autolabel.manifest.prior import read_priors
from autolabel.manifest.reader import survey_manifest

HERE = Path(__file__).parents[1] / "data" / "manifest_samples.jsonl"
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "groundtruth_samples"
KINDS = {f"groundtruth/{kind}": kind for kind in TaskKind}

FILES = [HERE, *sorted(SHARED.rglob("*.manifest"))]


def lines_of(path):
    return [line for line in path.read_bytes().splitlines() if line.strip()]


def labels_of(line):
    """Find the labels that a line carries for one of the four task types: attribute, kind."""
    record = json.loads(line)
    for key, metadata in record.items():
        attribute = key.removesuffix(METADATA)
        if attribute != key and isinstance(metadata, dict) and attribute in record and metadata.get("type") in KINDS:
            yield attribute, KINDS[metadata["type"]]


@pytest.fixture
def read(tmp_path):
    """Index lines for a kind and an attribute."""

    def build(lines, kind, attribute):
        path = tmp_path / "input.manifest"
        path.write_bytes(b"\n".join(lines) + b"\n")
        return Manifest(path, survey_manifest(path, kind=kind, attribute=attribute))

    return build


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_label_that_ground_truth_wrote_is_a_prior_label(path, read):
    found = 0
    for line in lines_of(path):
        for attribute, kind in labels_of(line):
            with read([line], kind, attribute) as manifest:
                assert manifest.index.bad == ()
                (prior,) = read_priors(manifest, attribute)
                assert prior.value == json.loads(line)[attribute]
                assert prior.human == (prior.metadata["human-annotated"] == "yes")
                found += 1
    assert found or "custom" in path.stem or "defect" in path.stem


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_new_attribute_leaves_every_other_byte(path, read, tmp_path):
    lines = lines_of(path)
    kind = TaskKind.IMAGE_CLASSIFICATION if b'"source-ref"' in lines[0] else TaskKind.TEXT_CLASSIFICATION
    added = {"new-job": 1, "new-job-metadata": {"class-name": "é", "confidence": 0.5, "human-annotated": "no"}}
    with read(lines, kind, "new-job") as manifest:
        additions = Additions(len(manifest))
        additions.put(np.arange(len(manifest)), Splice(added))
        write_manifest(tmp_path / "output.manifest", manifest, additions)
    written = lines_of(tmp_path / "output.manifest")
    assert len(written) == len(lines)
    for before, after in zip(lines, written, strict=True):
        assert after.startswith(before.rstrip()[:-1] + b',"new-job":1,')
        assert json.loads(after) == json.loads(before) | added


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_own_label_written_again_changes_nothing_but_spaces(path):
    for line in lines_of(path):
        for attribute, _ in labels_of(line):
            record = json.loads(line)
            again = augment(line, {key: record[key] for key in (attribute, attribute + METADATA)})
            assert json.loads(again) == record
            assert list(json.loads(again)) == list(record)


def test_a_label_under_one_name_and_metadata_under_another_is_refused_with_both_names(read):
    line = b'{"source-ref":"s3://b/1.jpg","normal":0,"auto-label-metadata":{"human-annotated":"yes"}}'
    with read([line], TaskKind.IMAGE_CLASSIFICATION, "auto-label") as manifest:
        (bad,) = manifest.index.bad
    assert bad.code == "INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"
    assert "'auto-label-metadata' without 'auto-label'" in bad.message
