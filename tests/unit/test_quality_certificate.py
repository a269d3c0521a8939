from __future__ import annotations

import json

import pytest

from autolabel.quality.certificate import AuditDesign, Certificate, Quality, refusal


def certificate(**changes):
    facts = {
        "contract": "dataset", "error": 0.05, "confidence": 0.95, "granted": True, "reason": "", "objects": 1797,
        "promised_labels": 1797, "remainder": 1500, "audited": 74, "allowed_audit_errors": 1, "audit_errors": 3,
        "stop_rank": 1490, "machine_labeled": 1411, "human_labeled": 386, "wrong_at_most": 89, "seed": 0,
        "model_sha256": "a", "scores_sha256": "b", "audit": (3, 5), "audit_unanswered": (),
    }  # fmt: skip
    return Certificate(**(facts | changes))


def test_the_sentence_says_the_numbers():
    assert certificate().sentence == (
        "With 95 % confidence at most 89 of 1,797 labels are wrong; 1,411 were made by the machine; "
        "74 objects were audited, 3 errors were found and corrected."
    )


def test_a_refusal_gives_its_reason():
    text = certificate(granted=False, machine_labeled=0, human_labeled=1797, reason="180 audits are too few").sentence
    assert text.startswith("No machine label is certified: 180 audits are too few.")


def test_unanswered_audits_are_not_called_corrected():
    text = certificate(audit_errors=3, audit_unanswered=(9,)).sentence
    assert "2 errors were found and corrected" in text
    assert "1 could not be labeled and counts as an error" in text


def test_machine_labels_that_outlived_their_promise_are_named():
    text = certificate(granted=False, reason="the job was stopped early").sentence
    assert "1,411" in text
    assert "at most 89" in text


def test_json_round_trips_and_the_sentence_follows_the_numbers():
    facts = json.loads(json.dumps(certificate().to_json()))
    assert Certificate.from_json(facts) == certificate()
    facts["wrong_at_most"] = 7
    assert "at most 7 of" in Certificate.from_json(facts).sentence


@pytest.mark.parametrize(
    ("error", "confidence"), [(-0.1, 0.9), (1.0, 0.9), (0.1, 0.0), (0.1, 1.0), (0.1, 1 - 1e-16), (0.1, 1e-16)]
)
def test_a_quality_that_promises_nothing_is_refused(error, confidence):
    with pytest.raises(ValueError, match="expected"):
        Quality(error, confidence)


def test_a_refusal_names_the_clean_audit_that_would_do():
    design = AuditDesign.of(Quality(0.01), promised_labels=10_000, remainder=10_000, audits=180)
    assert design.allowed is None
    assert refusal(Quality(0.01), design, 297) == ("180 audits cannot certify 1 %: at least 297 clean ones are needed")
