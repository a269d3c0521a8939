"""Every error that autolabel raises on purpose.

::

    AutolabelError
    ├── InvalidRequestError (ValueError)      the CreateLabelingJob document; carries every violation
    ├── SettingsError (ValueError)            an option, a [job] TOML entry or an autolabel: tag
    ├── ManifestError (ValueError)            the input manifest as a whole; carries code and line
    ├── StorageError (OSError)                bytes could not be read or written
    │   └── ObjectNotFoundError (FileNotFoundError)
    ├── ObjectError (ValueError)              one object cannot be labeled; the job goes on without it
    ├── CheckpointError (ValueError)          a model that cannot be loaded, and why
    ├── AnswerError (ValueError)              an answer that cannot be accepted, and why
    ├── JobError (RuntimeError)
    │   ├── JobExistsError (FileExistsError)
    │   ├── JobNotFoundError (FileNotFoundError)
    │   ├── JobLockedError (BlockingIOError)  another process has the job open
    │   ├── JobCorruptError                   the job folder does not hold together
    │   └── JobFailedError                    the job ended as Failed; carries the reason
    └── VerificationError (ValueError)        a certificate that its job folder does not support

Messages say what was found, what was expected and what to do; the same facts are attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class AutolabelError(Exception):
    """Base of every error that autolabel raises on purpose."""


class InvalidRequestError(AutolabelError, ValueError):
    """A CreateLabelingJob document that breaks its constraints.

    Attributes
    ----------
    violations
        One sentence a violation, in AWS's wording, in document order.
    """

    def __init__(self, violations: Sequence[str]) -> None:
        self.violations = tuple(violations)
        count = len(self.violations)
        noun = "error" if count == 1 else "errors"
        super().__init__(f"{count} validation {noun} detected: " + "; ".join(self.violations))


class SettingsError(AutolabelError, ValueError):
    """A setting that the AWS document has no field for is unknown or out of its range."""


class ManifestError(AutolabelError, ValueError):
    """An input manifest that no job can start from.

    Attributes
    ----------
    code
        One of the published manifest error codes, for example ``EMPTY_MANIFEST``.
    line
        1-based physical line, or ``None`` when the file as a whole is meant.
    """

    def __init__(self, code: str, message: str, *, line: int | None = None) -> None:
        self.code = code
        self.line = line
        where = f" line {line}:" if line is not None else ""
        super().__init__(f"{code}:{where} {message}")


class StorageError(AutolabelError, OSError):
    """Bytes could not be read or written; `uri` names them."""

    def __init__(self, uri: str, message: str) -> None:
        self.uri = uri
        super().__init__(f"{uri}: {message}")


class ObjectNotFoundError(StorageError, FileNotFoundError):
    """Nothing is stored under this URI."""


class ObjectError(AutolabelError, ValueError):
    """One object of the data set cannot be labeled; the job goes on without it.

    Attributes
    ----------
    code
        A short upper-case code, for example ``INVALID_IMAGE``.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"{code}: {message}")


class CheckpointError(AutolabelError, ValueError):
    """A model that cannot be loaded or does not fit the job."""


class AnswerError(AutolabelError, ValueError):
    """A worker's answer that cannot be accepted."""


class JobError(AutolabelError, RuntimeError):
    """Something about a job as a whole."""


class JobExistsError(JobError, FileExistsError):
    """A job of this name (case-insensitive) is already there."""


class JobNotFoundError(JobError, FileNotFoundError):
    """No job lives in this folder."""


class JobLockedError(JobError, BlockingIOError):
    """Another process has this job open."""


class JobCorruptError(JobError):
    """The job folder does not hold together; the message names the file."""


class JobFailedError(JobError):
    """The job ended as Failed; the message is its FailureReason."""


class VerificationError(AutolabelError, ValueError):
    """A certificate that its job folder does not support.

    Attributes
    ----------
    findings
        One sentence for everything that does not hold.
    """

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(self.findings))
