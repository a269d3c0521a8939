from __future__ import annotations

import autolabel

PUBLIC = [
    "Answer", "AnswerError", "AutolabelError", "Certificate", "CheckpointError", "Contract", "Finished", "HumanTask",
    "InvalidRequestError", "JobError", "JobReader", "JobStatus", "LabelingJob", "LabelingJobRequest", "ManifestError",
    "Quality", "Settings", "SettingsError", "StorageError", "Submitted", "TaskKind", "VerificationError", "Waiting",
    "Workforce",
]  # fmt: skip


def test_the_public_names_are_pinned_and_few():
    assert autolabel.__all__ == PUBLIC
    assert len(PUBLIC) <= 25


def test_every_public_name_resolves_to_what_it_is_called():
    for name in PUBLIC:
        assert getattr(autolabel, name).__name__ == name
    assert dir(autolabel) == sorted(PUBLIC)
