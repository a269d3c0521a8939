"""Workforces from the text of an option: ``simulated:truth.jsonl?accuracy=0.9`` or ``files:answers/``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote_plus

import msgspec

from autolabel.errors import SettingsError
from autolabel.workforce.files import FilesWorkforce
from autolabel.workforce.profiles import read_profiles
from autolabel.workforce.simulated import SimulatedWorkforce
from autolabel.workforce.truth import read_distributions, read_truth
from autolabel.workforce.web import FORM, absolute_web, is_web, web_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autolabel.tasks.base import Task
    from autolabel.workforce.base import Workforce

_FORMS = f"simulated:TRUTH.jsonl[?accuracy=0.9&workers=3&seed=1], files:FOLDER/ or {FORM}"
_RANGE = ".."
_FILES = ("confusion", "profiles")
"""Settings that name a file."""


class _Simulation(msgspec.Struct, forbid_unknown_fields=True):
    """What may follow the question mark of a simulated workforce."""

    accuracy: float | tuple[float, float] = 1.0
    workers: int = 9
    seed: int = 0
    seconds_per_answer: float = 3.0
    decline_rate: float = 0.0
    fatigue: float = 0.0
    attribute: str | None = None
    confusion: str | None = None
    distribution: str | None = None
    profiles: str | None = None


def workforce_from_spec(spec: str, *, task: Task, sources: Sequence[str]) -> Workforce:
    """Build the workforce that an option names.

    ``files:FOLDER`` is a `FilesWorkforce`. ``simulated:TRUTH.jsonl`` is a `SimulatedWorkforce` whose settings
    follow a question mark: ``accuracy`` (a mean, or a range such as ``0.7..0.99``), ``workers``, ``seed``,
    ``seconds_per_answer``, ``decline_rate``, ``fatigue``, the label ``attribute`` of the truth file,
    ``distribution``, the member of the truth file that says how people answered each object (several with commas
    between them: the first that a line has), ``confusion``, a JSON file with one matrix or one a worker, and
    ``profiles``, a JSON file with a list of workers.

    Parameters
    ----------
    spec
        The option; paths in it are relative to the working directory.
    task
        The task type.
    sources
        Each object's ``source`` or ``source-ref`` exactly as the manifest has it, shape ``(N,)``.

    Raises
    ------
    SettingsError
        The text has another form, a setting is unknown or out of range, or a file cannot be used.
    """
    if is_web(spec):
        raise SettingsError(
            f"the workforce {spec!r} is a page that its own process serves: use `autolabel resume JOB`, or "
            "autolabel.web.serve(job) in Python"
        )
    name, _, rest = spec.partition(":")
    if name == "files" and rest and "://" not in spec:
        return FilesWorkforce(rest, task)
    if name == "simulated" and rest and not rest.startswith("?"):
        path, _, query = rest.partition("?")
        return _simulated(path, _settings(query, spec), task, sources)
    raise SettingsError(f"found the workforce {spec!r}, expected {_FORMS}; folders and files are local paths")


def check_spec(spec: str, *, task: Task, sources: Sequence[str]) -> Workforce | None:
    """Build the workforce as a check, ``None`` for people who come to the page; `SettingsError` if nobody answers."""
    if is_web(spec):
        web_settings(spec)
        return None
    return workforce_from_spec(spec, task=task, sources=sources)


def absolute_spec(spec: str) -> str:
    """Return `spec` with its paths made absolute, so that it means the same from any working directory."""
    if is_web(spec):
        return absolute_web(spec)
    name, colon, rest = spec.partition(":")
    path, mark, query = rest.partition("?")
    members = [_absolute_member(member) for member in query.split("&")] if query else []
    return f"{name}{colon}{Path(path).absolute() if path else ''}{mark}{'&'.join(members)}"


def _absolute_member(member: str) -> str:
    """Make the path of one setting absolute where it has one; others stay as they were written."""
    name, equals, value = member.partition("=")
    if name not in _FILES or not value:
        return member
    return f"{name}{equals}{quote(str(Path(unquote_plus(value)).absolute()), safe='/')}"


def _simulated(path: str, settings: _Simulation, task: Task, sources: Sequence[str]) -> SimulatedWorkforce:
    truth, distributions = [], None
    if settings.distribution is None:
        truth = read_truth(path, sources, task, attribute=settings.attribute)
    else:
        distributions = read_distributions(path, sources, task, settings.distribution.split(","))
    return SimulatedWorkforce(
        truth,
        task,
        accuracy=settings.accuracy,
        workers=settings.workers,
        seed=settings.seed,
        seconds_per_answer=settings.seconds_per_answer,
        decline_rate=settings.decline_rate,
        fatigue=settings.fatigue,
        distributions=distributions,
        profiles=None if settings.profiles is None else read_profiles(Path(settings.profiles)),
        confusion=None if settings.confusion is None else _matrix(Path(settings.confusion)),
    )


def _settings(query: str, spec: str) -> _Simulation:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
        given: dict[str, Any] = dict(pairs)
        if _RANGE in given.get("accuracy", ""):
            given["accuracy"] = given["accuracy"].split(_RANGE)
        settings = msgspec.convert(given, _Simulation, strict=False)
    except ValueError as error:
        known = ", ".join(_Simulation.__struct_fields__)
        raise SettingsError(f"in the workforce {spec!r}: {error}; the settings are {known}") from error
    names = [name for name, _ in pairs]
    twice = [name for name in settings.__struct_fields__ if names.count(name) > 1]
    if twice:
        raise SettingsError(f"in the workforce {spec!r}: {twice[0]} is given twice; keep one")
    return settings


def _matrix(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"the confusion file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"the confusion file {path} holds no matrix: {error}") from error
