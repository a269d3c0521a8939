"""Settings that the AWS document has no field for: from options, a ``[job]`` TOML, or ``autolabel:`` tags."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from autolabel.consolidation.classes import Consolidation
from autolabel.consolidation.redundancy import Redundancy
from autolabel.errors import SettingsError
from autolabel.policy.tuning import FineTune
from autolabel.quality.contract import Contract, Quality
from autolabel.quality.planner import Prices
from autolabel.selection.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TAG_PREFIX = "autolabel:"
MICRO = 1_000_000
ANSWERS_AN_ERROR = 40.0
"""Answers that avoiding a wrong label is worth, unless dollars say otherwise."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a job needs beside the CreateLabelingJob document; all of it is written into the job folder."""

    error: float = 0.05
    """Largest share of wrong labels that is promised, in [0, 1)."""
    confidence: float = 0.95
    """Probability that the promise holds, in (0, 1)."""
    contract: Contract = Contract.DATASET
    """Which labels the promise is about."""
    model: str = "auto"
    """Starting checkpoint: a catalogue name, ``torchvision:NAME``, a folder or a ``model.tar.gz``. ``auto`` takes
    InitialActiveLearningModelArn, or else the packaged encoder of the task."""
    image_size: int | None = None
    """Side in pixels that images are scaled to, 32 to 1024; ``None`` is the model's own."""
    seed: int = 0
    """Seed of every random choice, 0 or more."""
    batch: int | None = None
    """Objects people label between two trainings; ``None`` chooses, never above MaxConcurrentTaskCount."""
    selection: str = "margin-diverse"
    """Strategy that chooses whom people label next; see `autolabel.selection.strategies`."""
    fine_tune: FineTune = FineTune.NEVER
    """``auto`` trains the network too, where the planner finds that it is worth its price: minutes on two cores."""
    redundancy: Redundancy = Redundancy.FIXED
    """``fixed`` asks NumberOfHumanWorkersPerDataObject people about each object, ``adaptive`` two of them and one more
    while that is worth its price."""
    error_value: float | None = None
    """Dollars that a wrong label costs, for adaptive redundancy; ``None``: 40 answers."""
    consolidation: Consolidation = Consolidation.DAWID_SKENE
    """How several answers become one label: ``dawid-skene``, ``ground-truth`` (AWS's variant) or ``majority``."""
    model_prior: bool = False
    """Whether the model has a vote in training labels that people disagree about; never in audits."""
    gold: str | None = None
    """File of objects whose truth is known: lines as in the manifest with a label. People are asked about them too."""
    repeats: float = 0.0
    """Share of the objects people label, in [0, 1], that a second panel of other people answers again."""
    workforce: str | None = None
    """``simulated:TRUTH``, ``files:FOLDER`` or ``web``; remembered for `resume`."""
    sets: bool = False
    """Put the next MaxConcurrentTaskCount objects before people only when all of the last are done, as AWS does,
    instead of each as soon as there is room."""
    guesses: bool = False
    """Show people on the page what the model thinks, except in audits; its effect is measured."""
    functions: tuple[str, ...] = ()
    """Python functions in the place of Lambda functions: ``NAME=package.module:function``."""
    answer_price: float | None = None
    """Dollars for one worker's answer; ``None`` takes PublicWorkforceTaskPrice, else $0.012."""
    object_fee: float = 0.08
    """Dollars for each object that people label, whatever its workers are paid."""
    machine_price: float = 0.08
    """Dollars for each object that the machine labels."""
    compute_price: float = 0.0
    """Dollars for one hour of machine time; your own machine is free by default."""
    root: str | None = None
    """Folder that relative ``source-ref`` values are relative to; ``None``: the manifest's own."""
    endpoint_url: str | None = None
    """S3 endpoint; ``None``: AWS's own."""
    buckets: tuple[str, ...] = ()
    """Buckets that objects may be read from; empty: any."""
    max_objects: int | None = None
    """Most lines accepted; ``None``: Ground Truth's 100,000 (20,000 masks)."""
    device: str = "auto"
    """``auto``, ``cpu`` or ``cuda``."""
    threads: int = 0
    """Decoder threads; 0: one a core."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        try:
            Quality(self.error, self.confidence, self.contract)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        for name, value in (
            ("answer_price", self.answer_price),
            ("object_fee", self.object_fee),
            ("machine_price", self.machine_price),
            ("compute_price", self.compute_price),
            ("error_value", self.error_value),
        ):
            if value is not None and not 0 <= value < MICRO:
                raise SettingsError(f"found {name} = {value}; expected dollars from 0 up")
        pools = self.consolidation is Consolidation.DAWID_SKENE or not self.model_prior
        for name, found, fits, expected in (
            ("consolidation", self.consolidation.value, pools, "dawid-skene, as model_prior needs"),
            ("repeats", self.repeats, 0 <= self.repeats <= 1, "a share in [0, 1]"),
            ("seed", self.seed, self.seed >= 0, "0 or more"),
            ("batch", self.batch, self.batch is None or self.batch >= 1, "at least 1"),
            ("selection", self.selection, self.selection in STRATEGIES, f"one of {', '.join(STRATEGIES)}"),
            ("image_size", self.image_size, 32 <= (self.image_size or 32) <= 1024, "32 to 1024 pixels"),
            ("device", self.device, self.device in {"auto", "cpu", "cuda"}, "auto, cpu or cuda"),
            ("threads", self.threads, self.threads >= 0, "0 or more"),
        ):
            if not fits:
                raise SettingsError(f"found {name} = {found!r}; expected {expected}")

    @property
    def quality(self) -> Quality:
        """The promise asked for."""
        return Quality(self.error, self.confidence, self.contract)

    def people_an_object(self, workers: int) -> int:
        """How many different people an object may need, where `workers` make its label: a second panel are others."""
        return 2 * workers if self.repeats else workers

    def answer_and_error(self, answer_price: float) -> tuple[float, float]:
        """Weigh an answer against an error, in one money: dollars, or answers where no dollars are given."""
        return (1.0, ANSWERS_AN_ERROR) if self.error_value is None else (answer_price, self.error_value)


class PriceList(msgspec.Struct, frozen=True):
    """Prices of one job in millionths of a dollar, resolved once so that sums are exact."""

    answer: int
    human_object: int
    machine_object: int
    compute_hour: int

    @classmethod
    def of(cls, settings: Settings, task_price: Decimal | None) -> PriceList:
        """Combine the settings with the document's PublicWorkforceTaskPrice."""
        answer = settings.answer_price
        if answer is None:
            answer = float(task_price) if task_price is not None else 0.012
        return cls(
            micro(answer),
            micro(settings.object_fee),
            micro(settings.machine_price),
            micro(settings.compute_price),
        )

    def per_object(self, workers: int) -> Prices:
        """Dollars an object for the planner, when `workers` people answer it."""
        return Prices((workers * self.answer + self.human_object) / MICRO, self.machine_object / MICRO)

    def human_micro(self, workers: int) -> int:
        """Millionths of a dollar for an object that `workers` people answer."""
        return workers * self.answer + self.human_object


def micro(dollars: float) -> int:
    """Dollars to whole millionths."""
    return int((Decimal(repr(dollars)) * MICRO).to_integral_value())


def resolve_settings(
    *,
    options: Mapping[str, Any] | None = None,
    toml: Path | None = None,
    tags: Mapping[str, str] | None = None,
) -> Settings:
    """Merge settings: options win over the ``[job]`` TOML, which wins over ``autolabel:`` tags, then defaults.

    Raises
    ------
    SettingsError
        Names the source, the setting, what was found and what was expected.
    """
    merged: dict[str, Any] = {}
    for source, values in (
        ("tag", _from_tags(tags or {})),
        (f"[job] of {toml}", _from_toml(toml) if toml is not None else {}),
        ("option", {name: value for name, value in (options or {}).items() if value is not None}),
    ):
        unknown = sorted(set(values) - set(Settings.__struct_fields__))
        if unknown:
            known = ", ".join(Settings.__struct_fields__)
            raise SettingsError(f"{source}: found the unknown setting {unknown[0]!r}; expected one of {known}")
        try:
            msgspec.convert(values, Settings, strict=False)
        except msgspec.ValidationError as error:
            hint = f"; expected one of {', '.join(Contract)}" if "$.contract" in str(error) else ""
            raise SettingsError(f"{source}: {error}{hint}") from error
        merged |= values
    return msgspec.convert(merged, Settings, strict=False)


def _from_tags(tags: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tags.items():
        if key.startswith(TAG_PREFIX):
            name = key.removeprefix(TAG_PREFIX).replace("-", "_")
            found[name] = value.split() if name in {"buckets", "functions"} else value
    return found


def _from_toml(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such settings file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: not readable as TOML ({error})") from error
    table = document.get("job", {})
    if set(document) - {"job"} or not isinstance(table, dict):
        raise SettingsError(f"{path}: found {', '.join(document)}; expected one table named [job]")
    return {key.replace("-", "_"): value for key, value in table.items()}
