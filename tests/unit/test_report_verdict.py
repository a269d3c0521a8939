from __future__ import annotations

from dataclasses import replace

import pytest
from report_samples import certificate, empty_job, failed_job, finished_job, refused_job

from autolabel.report.data import Truth
from autolabel.report.verdict import Tone, against_truth, verdict


def test_a_granted_certificate_is_told_in_its_own_sentence():
    said = verdict(finished_job())
    assert (said.tone, said.word, said.sentence) == (Tone.GOOD, "Certified", certificate()["sentence"])


def test_a_refused_certificate_is_told_with_its_reason():
    said = verdict(refused_job())
    assert (said.tone, said.word) == (Tone.CAUTION, "Not certified")
    assert "at least 59 clean ones are needed" in said.sentence


def test_a_failed_job_tells_its_failure_reason():
    said = verdict(failed_job())
    assert said.tone is Tone.BAD
    assert said.sentence.startswith("More than 10 % of the first batch failed")


def test_a_failed_job_without_a_reason_says_so():
    assert "gave no reason" in verdict(replace(failed_job(), failure_reason="")).sentence


@pytest.mark.parametrize(
    ("status", "word"),
    [("InProgress", "In progress"), ("Stopped", "No certificate"), ("Completed", "No certificate")],
)
def test_a_job_without_a_certificate_says_where_it_stands(status, word):
    assert verdict(replace(empty_job(), status=status)).word == word


@pytest.mark.parametrize(
    ("truth", "tone", "end"),
    [
        (Truth(21, 1797, 21), Tone.GOOD, "The promise of at most 89 is kept."),
        (Truth(89, 1797, 89), Tone.GOOD, "is kept."),
        (Truth(90, 1797, 90), Tone.BAD, "The promise of at most 89 is broken."),
        (Truth(200, 1797, 80), Tone.GOOD, "is kept."),
    ],
)
def test_the_machines_wrong_labels_decide_whether_the_promise_is_kept(truth, tone, end):
    said = against_truth(replace(finished_job(), truth=truth))
    assert said is not None
    assert said.tone is tone
    assert said.sentence.endswith(end)


def test_without_a_certificate_the_truth_judges_nothing():
    said = against_truth(refused_job())
    assert said is not None
    assert said.tone is Tone.NEUTRAL
    assert "promise" not in said.sentence


def test_without_a_truth_file_nothing_is_said():
    assert against_truth(empty_job()) is None
