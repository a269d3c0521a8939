"""Creating a job: check everything, snapshot the input, and move the folder into place whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autolabel.api.describe import JobStatus, job_reference_code
from autolabel.consolidation.redundancy import Redundancy
from autolabel.errors import InvalidRequestError, JobExistsError, ManifestError, SettingsError, StorageError
from autolabel.job.clock import Clock, iso
from autolabel.job.folder import JobFolder
from autolabel.job.models import choose_model, snapshot_model, tuning_note
from autolabel.job.sources import Sources, storage_options
from autolabel.job.store import JobStore
from autolabel.job.task import kind_of, task_of
from autolabel.manifest.limits import Limits
from autolabel.manifest.lines import Manifest
from autolabel.manifest.reader import index_manifest
from autolabel.storage.durable import failpoint, make_folder, sync_folder, write_atomically
from autolabel.storage.router import Storage
from autolabel.storage.uri import is_s3, join
from autolabel.storage.uri import parent as parent_of
from autolabel.tasks import CrowdTask, worker_template
from autolabel.tasks.liquid import WorkerTemplate
from autolabel.workforce.lambdas import Lambdas
from autolabel.workforce.simulated import SimulatedWorkforce
from autolabel.workforce.spec import absolute_spec, check_spec
from autolabel.workforce.truth import read_gold
from autolabel.workforce.web import is_web, web_settings

if TYPE_CHECKING:
    from autolabel.api.kinds import TaskKind
    from autolabel.api.request import LabelingJobRequest
    from autolabel.job.settings import Settings
    from autolabel.tasks import Task

CHUNK = 8 << 20


def create_folder(request: LabelingJobRequest, home: str | Path | None, settings: Settings, clock: Clock) -> JobFolder:
    """Create ``home/NAME``; on any error nothing is left behind. See `LabelingJob.create`."""
    storage = Storage(storage_options(settings, request))
    kind = kind_of(request, storage)
    parent = home_of(request, home)
    _check_name(parent, request)
    uri = request.categories_uri
    if uri is None and request.consolidation_lambda is None:
        raise InvalidRequestError(["LabelCategoryConfigS3Uri is needed: it names the categories"])
    categories = None if uri is None else storage.read(uri)
    task = task_of(request, kind, categories, name=uri or "", consolidation=settings.consolidation)
    _check_lambdas(request, settings)
    _check_crowd(settings, task)
    template = _template(request, settings, kind, storage)
    settings = msgspec.structs.replace(settings, root=_root_of(request, settings))
    choice = choose_model(request, settings, kind, task.categories, parent, storage) if request.automated else None

    make_folder(parent)
    partial = JobFolder(parent / f".{request.name}.new")
    shutil.rmtree(partial.root, ignore_errors=True)
    try:
        make_folder(partial.state)
        _snapshot_manifest(request, partial, storage)
        index = index_manifest(
            partial.manifest,
            kind=kind,
            attribute=request.label_attribute,
            limits=Limits(max_objects=settings.max_objects),
        )
        index.save(partial.index)
        with Manifest(partial.manifest, index) as manifest:
            settings = _check_people(settings, request, manifest, task)
            if settings.gold is not None:
                settings = _snapshot_gold(settings.gold, settings, request, partial, manifest, task)
        if categories is not None:
            write_atomically(partial.categories, categories)
        if template is not None:
            write_atomically(partial.template, template.encode())
        write_atomically(partial.request, json.dumps(request.to_document(), ensure_ascii=False, indent=1).encode())
        write_atomically(partial.settings, msgspec.json.format(msgspec.json.encode(settings), indent=1))
        if choice is not None:
            snapshot_model(partial, choice)
        now = iso(clock.now())
        facts = {
            "status": JobStatus.INITIALIZING.value,
            "created": now,
            "modified": now,
            "reference_code": job_reference_code(request.account, f"{request.name.lower()}:{settings.seed}".encode()),
            "notes": [*choice.notes, *tuning_note(choice, settings)] if choice else [],
        }
        JobStore.create(partial.database, facts)
        return _move_into_place(partial, parent / request.name)
    except BaseException:
        shutil.rmtree(partial.root, ignore_errors=True)
        raise


def home_of(request: LabelingJobRequest, home: str | Path | None) -> Path:
    """Return the folder jobs live in: asked for, else a plain S3OutputPath, else ``jobs``."""
    if home is not None:
        return Path(home).absolute()
    return Path("jobs" if is_s3(request.output_uri) else request.output_uri).absolute()


def _check_name(parent: Path, request: LabelingJobRequest) -> None:
    """Refuse a name that is taken, in whatever case, as AWS does."""
    if parent.is_dir():
        for there in parent.iterdir():
            if there.name.lower() == request.name.lower():
                msg = f"{there}: a job of this name is already there; choose another LabelingJobName, or resume it"
                raise JobExistsError(msg)


def _check_lambdas(request: LabelingJobRequest, settings: Settings) -> None:
    """Find out now whether the job's own functions can be called, and could read what they are given."""
    lambdas = Lambdas(settings.functions)
    arn = request.consolidation_lambda
    if arn is not None and not lambdas.is_local(arn) and not is_s3(request.output_uri):
        raise InvalidRequestError(
            [f"{arn} reads answers from S3; give an S3OutputPath on s3://, or the setting functions with its name"]
        )


def _template(request: LabelingJobRequest, settings: Settings, kind: TaskKind, storage: Storage) -> str | None:
    """Read the worker page of a job whose people come to the page; ``None`` where ours is meant."""
    uri = request.template_uri
    if uri is None or not is_web(settings.workforce) or not web_settings(settings.workforce or "").page:
        return None
    try:
        text = storage.read(uri).decode()
    except FileNotFoundError:
        if uri == f"templates/{kind}.liquid.html":  # what the short forms of the command line write
            return None
        raise
    except UnicodeDecodeError as error:
        raise InvalidRequestError([f"the template {uri} is no UTF-8 text: {error}"]) from error
    if text == worker_template(kind):
        return None
    WorkerTemplate(text, lambda uri: uri).render({"taskObject": "", "labels": []})  # raises InvalidRequestError
    return text


def _check_crowd(settings: Settings, task: Task) -> None:
    """Refuse what needs to know how answers become labels where a Lambda function of the job's own makes them."""
    if isinstance(task, CrowdTask):
        return
    for name, found, expected in (
        ("redundancy", settings.redundancy.value, Redundancy.FIXED.value),
        ("gold", settings.gold, None),
        ("repeats", settings.repeats, 0.0),
    ):
        if found != expected:
            raise SettingsError(
                f"found {name} = {found!r}, which a job cannot have whose labels a Lambda function of its own makes; "
                f"expected {expected!r}"
            )


def _check_people(settings: Settings, request: LabelingJobRequest, manifest: Manifest, task: Task) -> Settings:
    """Find out now whether people cannot answer; return the settings with the workforce's paths made absolute."""
    if settings.workforce is None:
        return settings
    settings = msgspec.structs.replace(settings, workforce=absolute_spec(settings.workforce))
    people = check_spec(settings.workforce or "", task=task, sources=Sources(manifest))
    needed = settings.people_an_object(request.workers_per_object)
    if isinstance(people, SimulatedWorkforce) and len(people.workers) < needed:
        raise SettingsError(
            f"the simulated workforce has {len(people.workers)} workers; {needed} different people are needed for an "
            f"object{' that is repeated' if settings.repeats else ''}; give it workers={needed} or more"
        )
    return settings


def _snapshot_gold(
    path: str, settings: Settings, request: LabelingJobRequest, folder: JobFolder, manifest: Manifest, task: Task
) -> Settings:
    """Keep the truth of the gold objects in the job: whatever becomes of the file, the job measures against this."""
    gold = read_gold(path, Sources(manifest), task, attribute=request.label_attribute)
    write_atomically(folder.gold, json.dumps({str(number): label for number, label in gold.items()}).encode())
    return msgspec.structs.replace(settings, gold=str(Path(path).absolute()))


def _root_of(request: LabelingJobRequest, settings: Settings) -> str | None:
    """Return the folder that relative references start at; a job chained on another one uses that one's."""
    if settings.root is not None:
        return settings.root if is_s3(settings.root) else str(Path(settings.root).absolute())
    if is_s3(request.manifest_uri):
        return parent_of(request.manifest_uri)
    manifest = Path(request.manifest_uri).absolute()
    if len(manifest.parents) > 2:  # JOB/manifests/output/output.manifest
        earlier = JobFolder(manifest.parents[2]).settings
        if earlier.is_file():
            root: str | None = json.loads(earlier.read_text()).get("root")
            return root
    return str(manifest.parent)


def _snapshot_manifest(request: LabelingJobRequest, folder: JobFolder, storage: Storage) -> None:
    """Copy the input manifest: whatever happens to the original, the job reads what it saw first."""
    uri = request.manifest_uri
    inside = join(request.output_uri, request.name)
    if _absolute(uri).startswith(_absolute(inside).rstrip("/") + "/"):
        raise ManifestError(
            "MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT",
            f"{uri} lies inside the job's own output {inside}; choose another S3OutputPath or LabelingJobName",
        )
    if not is_s3(uri):
        _check_file(Path(uri))
    try:
        with storage.open(uri) as source:
            write_atomically(folder.manifest, iter(lambda: source.read(CHUNK), b""))
    except FileNotFoundError:
        raise ManifestError("MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT", f"{uri}: no such manifest") from None


def _check_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise ManifestError(
            "MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT",
            f"{path} is not a regular file; expected a JSON Lines file",
        )


def _absolute(uri: str) -> str:
    return uri if is_s3(uri) else str(Path(uri).absolute())


def _move_into_place(partial: JobFolder, final: Path) -> JobFolder:
    failpoint("create:before")
    try:
        partial.root.rename(final)
    except OSError as error:
        raise StorageError(str(final), f"the job folder cannot be put in place: {error.strerror}") from error
    sync_folder(final.parent)
    failpoint("create:after")
    return JobFolder(final)
