"""Which model a job starts from: names, ARNs, folders and archives become an encoder and perhaps a checkpoint."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autolabel.api.arns import ModelArn
from autolabel.api.kinds import TaskKind
from autolabel.errors import CheckpointError
from autolabel.inference.catalogue import encoder_for, list_models, model_entry
from autolabel.inference.checkpoint import Checkpoint, check_compatible
from autolabel.job.folder import JobFolder
from autolabel.learning.checked import check_arrays
from autolabel.learning.learner import ClassificationLearner, encoder_state
from autolabel.policy.tuning import FineTune
from autolabel.storage.durable import make_folder, write_atomically
from autolabel.storage.uri import is_s3

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autolabel.api.request import LabelingJobRequest
    from autolabel.job.settings import Settings
    from autolabel.learning.base import Learner
    from autolabel.storage.router import Storage
    from autolabel.tasks.base import Task

DEFAULT_ENCODER = {
    TaskKind.IMAGE_CLASSIFICATION: "efficientnet-lite0+pixels",
    TaskKind.TEXT_CLASSIFICATION: "minilm-l6-v2+tfidf",
}
ARCHIVE = "model.tar.gz"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What a job starts from."""

    encoder: str
    checkpoint: Checkpoint | None
    notes: tuple[str, ...] = ()
    """What the user should know: for example why a checkpoint was refused and the job starts cold."""


class _Chosen(msgspec.Struct):
    encoder: str
    warm: bool


def choose_model(
    request: LabelingJobRequest,
    settings: Settings,
    kind: TaskKind,
    categories: Sequence[str],
    home: Path,
    storage: Storage,
) -> ModelChoice:
    """Resolve the setting ``model``, or InitialActiveLearningModelArn, or the packaged encoder of the task.

    A checkpoint for other categories or another task is refused with a reason, and the job starts cold.

    Raises
    ------
    CheckpointError
        There is no such model, or it is an encoder for another task.
    """
    wanted = settings.model if settings.model != "auto" else request.initial_model_arn
    if wanted is None:
        return ModelChoice(DEFAULT_ENCODER[kind], None)
    checkpoint = find_checkpoint(wanted, home=home, storage=storage)
    if checkpoint is None:
        _check_task(wanted, kind)
        return ModelChoice(wanted, None)
    _check_task(checkpoint.encoder, checkpoint.task_kind)
    reason = check_compatible(checkpoint, kind, categories)
    if reason is None:
        return ModelChoice(checkpoint.encoder, checkpoint, (f"started from {wanted}",))
    note = f"{wanted} was refused, the job starts cold: {reason}"
    encoder = checkpoint.encoder if checkpoint.task_kind is kind else DEFAULT_ENCODER[kind]
    return ModelChoice(encoder, None, (note,))


def tuning_note(choice: ModelChoice, settings: Settings) -> list[str]:
    """Say that a network was to be trained where there is none."""
    if settings.fine_tune is FineTune.AUTO and not model_entry(choice.encoder).trainable:
        return [f"fine_tune is auto, but {choice.encoder} has no network that could be trained"]
    return []


def _check_task(encoder: str, kind: TaskKind) -> None:
    task = model_entry(encoder).task
    if task is not kind:
        raise CheckpointError(f"{encoder} is an encoder for {task}, this job is {kind}; leave the model out")


def find_checkpoint(name: str, *, home: Path | None, storage: Storage) -> Checkpoint | None:
    """Load the trained model that `name` means; ``None`` when it names an encoder without a head.

    Tried in order: an archive or folder by path or URI; for a model ARN or a plain name, a finished job of that name
    in `home`, then the user's own catalogue (`catalogue_folder`), then the packaged one.

    Raises
    ------
    CheckpointError
        There is nothing of that name, or what is there is no model.
    """
    arn = ModelArn.parse(name)
    if arn is not None:
        found = _by_name(arn.name, home)
        if found is None:
            raise CheckpointError(f"{name}: no finished job and no imported model is called {arn.name!r}")
        return found
    if is_s3(name) or name.endswith((".tar.gz", ".tgz")):
        return check_arrays(Checkpoint.load_tar(storage.read(name), name=name), name)
    if (Path(name) / "model.json").is_file() and (Path(name) / "weights.safetensors").is_file():
        return check_arrays(Checkpoint.load_folder(Path(name)), name)
    found = _by_name(name, home)
    if found is None:
        model_entry(name)  # raises CheckpointError with the names there are
    return found


def _by_name(name: str, home: Path | None) -> Checkpoint | None:
    for parent in (home,) if home is not None and home.is_dir() else ():
        for folder in parent.iterdir():
            archive = JobFolder(folder).final_model
            if folder.name.lower() == name.lower() and archive.is_file():
                return check_arrays(Checkpoint.load_tar(archive.read_bytes(), name=str(archive)), str(archive))
    imported = catalogue_folder() / name / ARCHIVE
    if not imported.is_file():
        return None
    return check_arrays(Checkpoint.load_tar(imported.read_bytes(), name=str(imported)), str(imported))


def catalogue_folder() -> Path:
    """Return the folder of imported models: AUTOLABEL_MODELS, else the user's data folder."""
    named = os.environ.get("AUTOLABEL_MODELS")
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "autolabel" / "models"


def import_model(source: str, name: str, storage: Storage) -> Path:
    """Check a model and put it into the user's catalogue; `CheckpointError` when it is none or the name is taken."""
    if not name or not all(sign.isascii() and (sign.isalnum() or sign in "-._") for sign in name) or name[0] == ".":
        raise CheckpointError(f"found the name {name!r}; expected letters, digits, dots, dashes and underscores")
    if name in {entry.name for entry in list_models()}:
        raise CheckpointError(f"{name} is an encoder of the catalogue, which the model would hide; choose another name")
    checkpoint = find_checkpoint(source, home=None, storage=storage)
    if checkpoint is None:
        raise CheckpointError(f"{source} is an encoder of the catalogue already; import a trained model")
    folder = catalogue_folder() / name
    if folder.exists():
        raise CheckpointError(f"{folder} is there already; remove it first or choose another name")
    partial = folder.with_name(f".{name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(partial)
    write_atomically(partial / ARCHIVE, checkpoint.pack())
    partial.rename(folder)
    return folder


def known_models() -> list[dict[str, str]]:
    """Packaged encoders and imported models."""
    found = [{"name": entry.name, "task": str(entry.task), "description": entry.description} for entry in list_models()]
    folder = catalogue_folder()
    for path in sorted(folder.glob(f"*/{ARCHIVE}")) if folder.is_dir() else ():
        try:
            checkpoint = Checkpoint.load_tar(path)
            task = str(checkpoint.task_kind)
            description = f"trained: {len(checkpoint.categories)} categories on {checkpoint.encoder}"
        except CheckpointError as error:  # one bad model hides no other
            task, description = "", str(error)
        found.append({"name": path.parent.name, "task": task, "description": description})
    return found


def model_facts(name: str) -> dict[str, Any]:
    """Everything known of one model."""
    from autolabel.storage.router import Storage

    checkpoint = find_checkpoint(name, home=None, storage=Storage())
    if checkpoint is None:
        facts: dict[str, Any] = model_entry(name).to_json()
        return facts
    return {
        "task": str(checkpoint.task_kind),
        "encoder": checkpoint.encoder,
        "encoder_fingerprint": checkpoint.encoder_fingerprint,
        "categories": list(checkpoint.categories),
        **checkpoint.facts,
    }


def snapshot_model(folder: JobFolder, choice: ModelChoice) -> None:
    """Keep what the job starts from in its folder: the original may change or go away."""
    if choice.checkpoint is not None:
        write_atomically(folder.checkpoint, choice.checkpoint.pack())
    chosen = _Chosen(choice.encoder, choice.checkpoint is not None)
    write_atomically(folder.model_choice, msgspec.json.encode(chosen))


def learner_for(folder: JobFolder, settings: Settings, task: Task) -> Learner:
    """Build the job's learner from the snapshot of its model."""
    chosen = msgspec.json.decode(folder.model_choice.read_bytes(), type=_Chosen)
    checkpoint = Checkpoint.load_tar(folder.checkpoint.read_bytes()) if chosen.warm else None
    state = encoder_state(checkpoint) if checkpoint is not None else None
    encoder = encoder_for(
        chosen.encoder, device=settings.device, size=settings.image_size, state=state, trials=folder.embeddings
    )
    return ClassificationLearner(
        encoder,
        kind=task.kind,
        categories=task.categories,
        seed=settings.seed,
        threads=settings.threads,
        checkpoint=checkpoint,
    )
