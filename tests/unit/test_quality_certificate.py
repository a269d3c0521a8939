from __future__ import annotations

import json

import numpy as np
import pytest

from autolabel.quality.certificate import Certificate
from autolabel.quality.contract import Quality
from autolabel.quality.dataset import DatasetDesign
from autolabel.quality.design import Frozen, Room, Walk
from autolabel.quality.planner import Budget


def walk(**changes):
    facts = {
        "predicted": None, "objects": 1500, "region": 1500, "audited": 74, "audit_errors": 3, "promised": 1797,
        "allowed": 1, "stop_rank": 1490, "machine_labeled": 1411, "wrong_at_most": 89, "reason": "",
    }  # fmt: skip
    return Walk(**(facts | changes))


def certificate(**changes):
    facts = {
        "contract": "dataset", "error": 0.05, "confidence": 0.95, "granted": True, "reason": "", "objects": 1797,
        "promised_labels": 1797, "remainder": 1500, "audited": 74, "allowed_audit_errors": 1, "audit_errors": 3,
        "stop_rank": 1490, "machine_labeled": 1411, "human_labeled": 386, "wrong_at_most": 89, "seed": 0,
        "model_sha256": "a", "scores_sha256": "b", "audit": (3, 5), "audit_unanswered": (), "audit_wrong": (5,),
        "design": {"contract": "dataset"}, "walks": (walk(),),
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


@pytest.mark.parametrize(
    ("audits", "reason"),
    [
        (180, "180 audits cannot certify 1 %: at least 291 clean ones are needed"),
        (0, "the forecast expected machine labels to save nothing; to certify 1 % takes at least 291 clean audits"),
    ],
)
def test_a_refusal_names_the_clean_audit_that_would_do(audits, reason):
    design = DatasetDesign.of(error=0.01, delta=0.05, promised_labels=10_000, remainder=10_000, audits=audits)
    frozen = Frozen.of(np.arange(10_000), np.zeros(10_000, np.int64), np.zeros(10_000))
    outcome = design.walk(frozen, np.arange(audits), np.zeros(audits), Room(audits, Budget()))
    assert design.allowed is None
    assert (len(outcome.machine_ranks), outcome.reason) == (0, reason)


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


def test_the_machine_contract_speaks_of_machine_labels():
    found = certificate(contract="machine", wrong_at_most=70, walks=(walk(region=1400, promised=1400),))
    assert found.sentence == (
        "With 95 % confidence at most 70 of 1,411 machine labels are wrong; people made the other 386 labels; "
        "74 of the 1,400 most confident objects were audited, 3 errors were found and corrected."
    )


def test_the_per_class_contract_speaks_of_every_class():
    walks = (walk(predicted=0), walk(predicted=1), walk(predicted=2, machine_labeled=0, reason="small"))
    found = certificate(contract="per-class", wrong_at_most=70, audit_errors=1, walks=walks)
    assert found.sentence == (
        "With 95 % confidence at most 5 % of the machine labels of every predicted class are wrong, 70 of 1,411 in "
        "all; 2 of 3 classes have machine labels, people made the other 386 labels; 74 objects were audited, 1 error "
        "was found and corrected."
    )
