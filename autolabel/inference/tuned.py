"""Networks that were trained further on a job's labels, and the encoder that hears them.

There are several, each trained without a part of the labels (`autolabel.learning.tuning`), so that of every labeled
object there is one that has not seen it. Together they are an ensemble: the mean of their log-probabilities (a product
of experts, Hinton 2002) is one more view of an object, beside what the frozen encoder sees. Wolpert's stacked
generalization (1992) is what a head on such a view is called.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from autolabel.errors import CheckpointError
from autolabel.inference.catalogue import TUNED
from autolabel.inference.encoder import State, Tunable, View, digest_of, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from autolabel.inference.encoder import Encoder, Modality, Prepared

VERSION = 1
LEAST = -8.0
"""Log-probability below which classes are not told apart: a hundredth of what any label noise allows."""
_BASE, _MEMBER = "base.", "member."


class TunedNetwork(nn.Module):
    """A network and a linear head on its standardised features.

    Parameters
    ----------
    body
        From an encoder's argument to ``(B, D)``.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, body: nn.Module, *, dim: int, classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(dim, classes)
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def features(self, x: Tensor) -> Tensor:
        """Standardised features ``(B, D)``, float32 also where the body computes in another precision."""
        found: Tensor = (self.body(x).float() - self.centre) * self.scale
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, C)``."""
        logits: Tensor = self.head(self.features(x))
        return logits

    @classmethod
    def beside(cls, body: nn.Module, *, dim: int, classes: int) -> TunedNetwork:
        """Copy a network; tables of embeddings, which are not trained, are shared."""
        frozen = {id(each): each for each in _tables(body)}
        return cls(copy.deepcopy(body, memo=dict(frozen)), dim=dim, classes=classes).eval()

    def trained(self) -> dict[str, Tensor]:
        """Everything but shared tables and what no training changes: parameters by name, and the features' scales."""
        tables = {id(each) for each in _tables(self)}
        parameters = {name: each for name, each in self.named_parameters() if id(each) not in tables}
        return {**parameters, "centre": self.centre, "scale": self.scale}

    def to_state(self) -> State:
        """Return what was trained, in half precision."""
        return {name: tensor.detach().cpu().numpy().astype(np.float16) for name, tensor in self.trained().items()}

    def restore(self, state: Mapping[str, NDArray[np.floating]]) -> TunedNetwork:
        """Take over what `to_state` gave; `CheckpointError` when it is not of this network."""
        own = self.trained()
        if own.keys() != state.keys():
            odd = min(own.keys() ^ state.keys())
            raise CheckpointError(f"the trained network and its encoder differ in {odd!r}; the model is of another one")
        with torch.no_grad():
            for name, tensor in own.items():
                values = np.asarray(state[name], np.float32)
                if values.shape != tuple(tensor.shape) or not np.isfinite(values).all():
                    raise CheckpointError(
                        f"the trained network's {name!r} has shape {values.shape} or numbers that are not finite; "
                        f"expected {tuple(tensor.shape)}"
                    )
                tensor.copy_(torch.from_numpy(values))
        return self


class Ensemble(nn.Module):
    """Mean of several networks' log-probabilities, ``(B, C)``, none below `LEAST`."""

    def __init__(self, members: Sequence[TunedNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """An encoder's argument to ``(B, C)``."""
        found = torch.stack([log_probabilities(member(x)) for member in self.members])
        return found.mean(dim=0)


def log_probabilities(logits: Tensor) -> Tensor:
    """Row-wise log-softmax, none below `LEAST`."""
    return functional.log_softmax(logits.float(), dim=1).clamp(min=LEAST)


def _tables(module: nn.Module) -> list[Tensor]:
    return [each.weight for each in module.modules() if isinstance(each, nn.Embedding)]


def tunable_part(encoder: Encoder) -> tuple[int | None, Tunable] | None:
    """Find the network that can be trained: the encoder's own, or its first part that has one, and that part's place.

    ``None`` when there is none, as with TF-IDF and plain pixels.
    """
    base = encoder
    while isinstance(base, TunedEncoder):
        base = base.base
    parts = getattr(base, "parts", None)
    if parts is None:
        return (None, base) if isinstance(base, Tunable) else None
    return next(((place, part) for place, part in enumerate(parts) if isinstance(part, Tunable)), None)


def ensemble_encoder(encoder: Encoder, states: Sequence[State]) -> Encoder:
    """Return an encoder of the same modality that gives an ensemble's log-probabilities, ``(B, C)``.

    Raises
    ------
    CheckpointError
        The encoder has no network to train, or the states are not of it.
    """
    found = tunable_part(encoder)
    if found is None or not states:
        raise CheckpointError(f"{encoder.name} has no network that could have been trained")
    _, part = found
    members = [_member(part, state) for state in states]
    weights = digest_of(_numbered(states))
    classes = members[0].head.out_features
    return part.with_network(Ensemble(members), weights=weights, width=classes)


def _numbered(states: Sequence[State]) -> State:
    return {f"{place}.{name}": array for place, state in enumerate(states) for name, array in state.items()}


def _member(part: Tunable, state: State) -> TunedNetwork:
    head = state.get("head.weight")
    if head is None or head.ndim != 2:
        raise CheckpointError("the trained network has no 'head.weight' of two axes; train it again")
    classes, dim = head.shape
    return TunedNetwork.beside(part.network.module, dim=dim, classes=classes).restore(state)


class TunedEncoder:
    """A frozen encoder and, as one more view, what networks that were trained on labels say.

    Parameters
    ----------
    base
        One of its networks is where the trained ones began.
    states
        Of the trained networks, see `TunedNetwork.to_state`; none yet when `restore` follows.
    """

    def __init__(self, base: Encoder, states: Sequence[State] = ()) -> None:
        self.base = base
        self.name = base.name + TUNED
        self.modality: Modality = base.modality
        self.window = base.window
        self.states: tuple[State, ...] = ()
        self._ensemble: Encoder | None = None
        self._place: int | None = None
        if states:
            self._take(states)

    def _take(self, states: Sequence[State]) -> None:
        self.states = tuple(dict(state) for state in states)
        self._ensemble = ensemble_encoder(self.base, self.states)
        found = tunable_part(self.base)
        self._place = found[0] if found is not None else None

    @property
    def heard(self) -> Encoder:
        """The trained networks: from what `own` returns to log-probabilities ``(B, C)``."""
        if self._ensemble is None:
            raise CheckpointError(f"{self.name} is part of a trained model; start from the model that has it")
        return self._ensemble

    @property
    def dim(self) -> int:
        """Width of the base's vectors and the number of classes."""
        return self.base.dim + self.heard.dim

    @property
    def views(self) -> tuple[View, ...]:
        """The base's views, and what the trained networks say."""
        return (*self.base.views, *self.heard.views)

    @property
    def fingerprint(self) -> str:
        """Of the base and everything that was trained."""
        own = {"kind": "tuned", "version": VERSION, "base": self.base.fingerprint}
        return fingerprint_of("" if self._ensemble is None else self._ensemble.fingerprint, own)

    @property
    def route(self) -> str:
        """The base's and the trained networks'."""
        return f"{self.base.route} + {self.heard.route}"

    @property
    def fitted(self) -> bool:
        """Whether it can encode."""
        return self._ensemble is not None

    def fit(self, sample: Sequence[Prepared]) -> None:  # noqa: ARG002 - of the protocol
        """Refuse: texts and pictures alone teach it nothing."""
        raise CheckpointError(f"{self.name} is part of a trained model; start from the model that has it")

    def prepare(self, raw: bytes | str) -> Prepared:
        """Prepare the object once; the trained networks take what the network they began with takes."""
        return self.base.prepare(raw)

    def encode(self, batch: Sequence[Prepared]) -> NDArray[np.float32]:
        """Encode; shape ``(B, D + C)``, float32."""
        own = [self.own(prepared) for prepared in batch]
        return np.concatenate([self.base.encode(batch), self.heard.encode(own)], axis=1, dtype=np.float32)

    def own(self, prepared: Prepared) -> Prepared:
        """Return the part of a prepared object that the trained networks take."""
        return prepared if self._place is None else prepared[self._place]

    def state(self) -> State:
        """What the base learned of the pool, and the trained networks."""
        members = {f"{_MEMBER}{name}": array for name, array in _numbered(self.states).items()}
        return {f"{_BASE}{name}": array for name, array in self.base.state().items()} | members

    def restore(self, state: State) -> None:
        """Take over what `state` gave."""
        members: dict[str, State] = {}
        for name, array in state.items():
            if name.startswith(_MEMBER):
                place, _, own = name.removeprefix(_MEMBER).partition(".")
                members.setdefault(place, {})[own] = array
        if not members:
            raise CheckpointError(f"{self.name} is part of a trained model, but its trained networks are not there")
        self._take([members[place] for place in sorted(members)])


def base_state(state: State) -> State:
    """Return the part of a `TunedEncoder.state` that is its base's."""
    return {name.removeprefix(_BASE): array for name, array in state.items() if name.startswith(_BASE)}
