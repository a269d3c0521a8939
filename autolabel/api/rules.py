"""Rules between members of a CreateLabelingJob document, which no service model states.

Each rule takes a document, malformed or not, and yields what breaks it. Shapes are checked elsewhere, so a
rule says nothing of a member that is missing or of the wrong type, unless its presence is the point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from autolabel.api.arns import (
    BuiltInLambda,
    BuiltInTask,
    Stage,
    algorithm_arn,
    algorithm_kind,
    built_in_task_of,
    is_public_workteam,
    task_kind_of,
)
from autolabel.api.kinds import TaskKind
from autolabel.api.lookup import (
    ACS_LAMBDA,
    ALGORITHM,
    ALGORITHMS,
    ATTRIBUTE,
    CATEGORIES,
    CLASSIFIERS,
    HUMANS,
    INPUT_TOPIC,
    MANIFEST,
    OUTPUT,
    PRE_LAMBDA,
    PRICE,
    SOURCE,
    UI,
    UI_ARN,
    UI_TEMPLATE,
    WORKTEAM,
    look,
    text,
)
from autolabel.api.prices import allowed_prices, price_of
from autolabel.api.violation import Violation

Document = Mapping[str, object]
Rule = Callable[[Document], Iterator[Violation]]

LONGEST_TASK_SECONDS = 28_800
LONGEST_PUBLIC_LIFETIME_SECONDS = 43_200
NO_PERSONAL_DATA = "FreeOfPersonallyIdentifiableInformation"

MASK_TASKS = frozenset(
    {
        BuiltInTask.SEMANTIC_SEGMENTATION,
        BuiltInTask.ADJUSTMENT_SEMANTIC_SEGMENTATION,
        BuiltInTask.VIDEO_OBJECT_DETECTION,
        BuiltInTask.VIDEO_OBJECT_TRACKING,
        BuiltInTask.ADJUSTMENT_VIDEO_OBJECT_DETECTION,
        BuiltInTask.ADJUSTMENT_VIDEO_OBJECT_TRACKING,
        BuiltInTask.POINT_CLOUD_SEMANTIC_SEGMENTATION,
        BuiltInTask.POINT_CLOUD_OBJECT_TRACKING,
        BuiltInTask.ADJUSTMENT_POINT_CLOUD_SEMANTIC_SEGMENTATION,
        BuiltInTask.ADJUSTMENT_POINT_CLOUD_OBJECT_TRACKING,
    }
)
"""Tasks whose label is a reference to a file, so that the attribute must end in ``-ref``."""

_LONG_TASKS = frozenset(task for task in BuiltInTask if "3DPointCloud" in task or "VideoObject" in task)
"""Tasks that a worker may take longer over than `LONGEST_TASK_SECONDS`."""


def attribute_is_not_reserved(document: Document) -> Iterator[Violation]:
    """Refuse names that a manifest line needs for the object itself and for what is known of its label."""
    name = text(document, ATTRIBUTE)
    if name in {"source", "source-ref"}:
        yield Violation(ATTRIBUTE, name, "Member must not be source or source-ref")
    if name.endswith("-metadata"):
        yield Violation(ATTRIBUTE, name, "Member must not end with -metadata")


def attribute_ends_as_its_task_says(document: Document) -> Iterator[Violation]:
    """Want ``-ref`` where a label is a file, and nowhere else; a custom task may do as it likes."""
    name, task = text(document, ATTRIBUTE), built_in_task_of(document)
    if not name or task is None or task is BuiltInTask.PASS_THROUGH:
        return
    if task in MASK_TASKS and not name.endswith("-ref"):
        yield Violation(ATTRIBUTE, name, f"Member must end with -ref for the task type {task}")
    if task not in MASK_TASKS and name.endswith("-ref"):
        yield Violation(ATTRIBUTE, name, f"Member must not end with -ref for the task type {task}")


def data_source_is_a_manifest(document: Document) -> Iterator[Violation]:
    """Want a manifest. AWS also runs a job on a topic alone; here nobody listens to topics."""
    source = look(document, SOURCE)
    if not isinstance(source, Mapping) or "S3DataSource" in source:
        return
    if "SnsDataSource" in source:
        yield Violation(SOURCE, source, "Member must have S3DataSource: a topic alone is not labeled here")
    else:
        yield Violation(SOURCE, source, "Member must have at least one of S3DataSource, SnsDataSource")


def streaming_is_not_automated(document: Document) -> Iterator[Violation]:
    """Refuse automated labeling of a stream, as AWS does."""
    topic = look(document, INPUT_TOPIC)
    if topic is not None and look(document, ALGORITHMS) is not None:
        yield Violation(INPUT_TOPIC, topic, "Member must be absent when LabelingJobAlgorithmsConfig is present")


def uris_are_not_web_addresses(document: Document) -> Iterator[Violation]:
    """Refuse ``https://``, which AWS's pattern allows; nothing is fetched from the web here."""
    for path in (MANIFEST, OUTPUT, CATEGORIES, UI_TEMPLATE):
        uri = text(document, path)
        if uri.startswith("https://"):
            yield Violation(path, uri, "Member must be an s3:// URI or a plain path: https:// is not fetched")


def categories_are_named(document: Document) -> Iterator[Violation]:
    """Want categories for the four task types of automated labeling."""
    kind = task_kind_of(document)
    if kind is not None and look(document, CATEGORIES) is None:
        yield Violation(CATEGORIES, None, f"Member must not be null for the task type {kind}")


def algorithm_is_known(document: Document) -> Iterator[Violation]:
    """Want one of AWS's four algorithms, which one account owns in all regions."""
    arn = text(document, ALGORITHM)
    if arn and algorithm_kind(arn) is None:
        known = ", ".join(algorithm_arn(kind, "REGION") for kind in TaskKind)
        yield Violation(ALGORITHM, arn, f"Member must satisfy enum value set: [{known}]")


def lambdas_agree_with_the_algorithm(document: Document) -> Iterator[Violation]:
    """Want the algorithm's own built-in Lambdas: automated labeling is not for custom tasks."""
    kind = algorithm_kind(text(document, ALGORITHM))
    if kind is None:
        return
    for path in (PRE_LAMBDA, ACS_LAMBDA):
        arn = text(document, path)
        function = BuiltInLambda.parse(arn)
        if arn and (function is None or function.task.kind is not kind):
            wanted = BuiltInTask.of_kind(kind)
            yield Violation(path, arn, f"Member must be the built-in Lambda of {wanted}: the algorithm is {kind}")


def lambdas_agree_with_one_another(document: Document) -> Iterator[Violation]:
    """Refuse to consolidate answers to one task type as another's."""
    before = BuiltInLambda.parse(text(document, PRE_LAMBDA))
    after = BuiltInLambda.parse(text(document, ACS_LAMBDA))
    if before is not None and after is not None and before.task is not after.task:
        problem = f"Member must be of the task type of PreHumanTaskLambdaArn, {before.task}"
        yield Violation(ACS_LAMBDA, text(document, ACS_LAMBDA), problem)


def lambdas_are_in_their_own_member(document: Document) -> Iterator[Violation]:
    """Refuse a PRE function that should consolidate, and the reverse."""
    for path, stage in ((PRE_LAMBDA, Stage.PRE), (ACS_LAMBDA, Stage.ACS)):
        function = BuiltInLambda.parse(text(document, path))
        if function is not None and function.stage is not stage:
            yield Violation(
                path,
                text(document, path),
                f"Member must be a built-in Lambda whose name begins with {stage}-",
            )


def ui_is_given_once(document: Document) -> Iterator[Violation]:
    """Want a template or one of AWS's own pages, not both."""
    ui = look(document, UI)
    if isinstance(ui, Mapping) and ("UiTemplateS3Uri" in ui) == ("HumanTaskUiArn" in ui):
        yield Violation(UI, ui, "Member must have exactly one of UiTemplateS3Uri, HumanTaskUiArn")


def ui_is_a_template(document: Document) -> Iterator[Violation]:
    """Refuse AWS's own pages, which are for entities, point clouds and videos, on other task types."""
    kind, arn = task_kind_of(document), look(document, UI_ARN)
    if kind is not None and arn is not None:
        yield Violation(UI_ARN, arn, f"Member must be absent for the task type {kind}: give UiTemplateS3Uri")


def task_time_is_at_most_a_shift(document: Document) -> Iterator[Violation]:
    """Limit image, text and custom tasks to eight hours."""
    path = (*HUMANS, "TaskTimeLimitInSeconds")
    seconds = look(document, path)
    if _exceeds(seconds, LONGEST_TASK_SECONDS) and built_in_task_of(document) not in _LONG_TASKS:
        yield Violation(path, seconds, f"Member must have value less than or equal to {LONGEST_TASK_SECONDS}")


def public_tasks_have_a_price(document: Document) -> Iterator[Violation]:
    """Want one of the prices that AWS lists for Mechanical Turk workers."""
    if not _is_public(document):
        return
    if look(document, PRICE) is None:
        problem = "Member must not be null for the public workteam (Amazon Mechanical Turk)"
        yield Violation(PRICE, None, problem)
    price, allowed = price_of(document), allowed_prices(built_in_task_of(document))
    if price is not None and allowed and price not in allowed:
        values = ", ".join(str(value) for value in allowed)
        yield Violation(PRICE, f"{price}", f"Member must satisfy enum value set: [{values}]")


def public_data_is_not_personal(document: Document) -> Iterator[Violation]:
    """Want the declaration that strangers may see the objects."""
    classifiers = look(document, CLASSIFIERS)
    declared = isinstance(classifiers, list | tuple) and NO_PERSONAL_DATA in classifiers
    if _is_public(document) and not declared:
        problem = f"Member must contain {NO_PERSONAL_DATA} for the public workteam (Amazon Mechanical Turk)"
        yield Violation(CLASSIFIERS, classifiers, problem)


def public_tasks_expire_within_half_a_day(document: Document) -> Iterator[Violation]:
    """Limit how long Mechanical Turk offers a task to twelve hours."""
    path = (*HUMANS, "TaskAvailabilityLifetimeInSeconds")
    seconds = look(document, path)
    if _is_public(document) and _exceeds(seconds, LONGEST_PUBLIC_LIFETIME_SECONDS):
        limit = f"Member must have value less than or equal to {LONGEST_PUBLIC_LIFETIME_SECONDS}"
        yield Violation(path, seconds, f"{limit} for the public workteam (Amazon Mechanical Turk)")


def tag_keys_are_unique(document: Document) -> Iterator[Violation]:
    """Refuse a tag key given twice, of which one value would silently win."""
    tags = look(document, ("Tags",))
    seen: set[str] = set()
    for position, tag in enumerate(tags if isinstance(tags, list | tuple) else ()):
        key = text(tag, ("Key",))
        if key and key in seen:
            yield Violation(("Tags", position, "Key"), key, "Member must be unique among the tags")
        seen.add(key)


def _is_public(document: Document) -> bool:
    return is_public_workteam(text(document, WORKTEAM))


def _exceeds(value: object, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > limit


RULES: tuple[Rule, ...] = (
    attribute_is_not_reserved,
    attribute_ends_as_its_task_says,
    data_source_is_a_manifest,
    streaming_is_not_automated,
    uris_are_not_web_addresses,
    categories_are_named,
    algorithm_is_known,
    lambdas_agree_with_the_algorithm,
    lambdas_agree_with_one_another,
    lambdas_are_in_their_own_member,
    ui_is_given_once,
    ui_is_a_template,
    task_time_is_at_most_a_shift,
    public_tasks_have_a_price,
    public_data_is_not_personal,
    public_tasks_expire_within_half_a_day,
    tag_keys_are_unique,
)


def broken_rules(document: Document) -> Iterator[Violation]:
    """Yield what breaks any rule of `RULES`."""
    for rule in RULES:
        yield from rule(document)
