"""Fine-tuning: a network trained further on the labels of people, so often that nobody is judged by his own label.

The labels are cut into `TUNINGS` parts by object, and a copy of the network is trained without each: first only a
linear head, then everything from there (Kumar et al. 2022, which distorts features least), with AdamW (Loshchilov &
Hutter 2019), a short warm-up and a linear descent. Normalisations keep their statistics and tables of embeddings
their values: a few hundred labels say nothing about them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from autolabel.errors import CheckpointError
from autolabel.inference.encoder import digest_of
from autolabel.inference.tuned import Ensemble, TunedNetwork
from autolabel.learning.head import fit_head
from autolabel.learning.threads import one_blas_thread
from autolabel.storage.durable import make_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from autolabel.inference.encoder import Prepared, State, Tunable

TUNINGS = 3
"""Copies: with three each has seen two thirds of the labels, and five are no better for twice the work (TREC)."""
EPOCHS = 6
"""Passes over the labels. Nothing ends them early: on TREC a tenth of 400 labels, held back to judge by, is too few
to tell when, and costs half of what tuning gains. What it was worth is told by the labels that a copy has not seen."""
LEAST_STEPS = 60
"""Steps of the optimiser that even few labels get."""
BATCH = 32
RATE = 2e-4
"""Largest learning rate of the network."""
HEAD_RATE = 10.0
"""Times `RATE` that the head learns at."""
DECAY = 0.01
WARM_UP = 0.1
"""Share of the steps in which the rate rises."""
LONGEST_STEP = 1.0
"""Norm of the gradient beyond which it is shortened."""
HEAD_PENALTY = 0.1
VERSION = 1
ORIGIN = "origin"
SCORED = 256
"""Objects of one kind that are scored together."""


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """What networks are trained on.

    Attributes
    ----------
    prepared
        What `Tunable.prepare` made of n objects.
    objects, labels
        Their numbers, which fix the parts, and class ids; shape ``(n,)``.
    classes
        C.
    seed
        Of order and crops.
    """

    prepared: Sequence[Prepared]
    objects: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: int
    seed: int

    @property
    def parts(self) -> NDArray[np.int64]:
        """Part of each object, ``0 .. TUNINGS - 1``, whatever order labels come in; shape ``(n,)``."""
        mixed = self.objects.astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93)
        return (mixed >> np.uint64(40)).astype(np.int64) % TUNINGS

    def origin(self, part: int, start: str) -> str:
        """Digest of everything that the network trained without a part depends on, but for rounding."""
        numbers = (VERSION, TUNINGS, EPOCHS, LEAST_STEPS, BATCH, RATE, HEAD_RATE, HEAD_PENALTY, DECAY, WARM_UP)
        digest = hashlib.sha256(repr((numbers, part, start, self.classes, self.seed)).encode())
        digest.update(self.objects.tobytes())
        digest.update(self.labels.tobytes())
        return digest.hexdigest()


def tuned_networks(
    tunable: Tunable,
    lessons: Lessons,
    folder: Path,
    *,
    begin: Sequence[State] = (),
    progress: Callable[[int, int], None],
) -> tuple[list[State], NDArray[np.float32]]:
    """Train a network without each part of the labels; what a killed process had finished is not done again.

    Parameters
    ----------
    tunable
        Whose network is trained; it stays as it is.
    folder
        Where finished networks are kept.
    begin
        Networks that were trained on other labels, of an earlier job say; the first begins where the first of them
        ended, and so on. Without them all begin with the encoder's own.
    progress
        Called with objects seen and objects to see.

    Returns
    -------
    The networks, and what the one that has not seen an object says of it: log-probabilities ``(n, C)``.

    Raises
    ------
    CheckpointError
        `begin` is not of this network.
    """
    make_folder(folder)
    states: list[State] = []
    out_of_fold = np.zeros((len(lessons.labels), lessons.classes), np.float32)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, everything)

    kept_by = [lessons.parts != part for part in range(TUNINGS)]
    work = [int(kept.sum()) * _epochs(int(kept.sum())) for kept in kept_by]
    everything = sum(work)
    for part in range(TUNINGS):
        start = begin[part % len(begin)] if begin else None
        origin = lessons.origin(part, tunable.network.fingerprint + (digest_of(start) if start is not None else ""))
        path = folder / f"network-{part}.safetensors"
        state = read_network(path, origin)
        if state is None:
            state = _Trainer(tunable, lessons, np.flatnonzero(kept_by[part]), start, part).train(advance)
            _write_network(path, state, origin)
        else:
            advance(work[part])
        states.append(state)
        held = np.flatnonzero(~kept_by[part])
        if len(held):
            classes, dim = state["head.weight"].shape
            network = TunedNetwork.beside(tunable.network.module, dim=dim, classes=classes).restore(state)
            alone = Ensemble([network]).to(tunable.compute.torch_device())
            out_of_fold[held] = _said(tunable, alone, [lessons.prepared[row] for row in held.tolist()], classes)
    return states, out_of_fold


def read_network(path: Path, origin: str | None = None) -> State | None:
    """Read a trained network; ``None`` when there is none, or one of another origin."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            found = (file.metadata() or {}).get(ORIGIN)
            if origin is not None and found != origin:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
    except (OSError, SafetensorError):
        return None


def _write_network(path: Path, state: State, origin: str) -> None:
    from safetensors.numpy import save

    write_atomically(path, save({name: np.ascontiguousarray(array) for name, array in state.items()}, {ORIGIN: origin}))


def _epochs(count: int) -> int:
    """Passes over so many labels."""
    return max(EPOCHS, -(-LEAST_STEPS * BATCH // max(1, count)))


def _said(
    tunable: Tunable, say: Callable[[Tensor], Tensor], prepared: Sequence[Prepared], width: int
) -> NDArray[np.float32]:
    """What a network says of objects, stacked by kind: shape ``(n, width)``."""
    device = tunable.compute.torch_device()
    found = np.empty((len(prepared), width), np.float32)
    with torch.inference_mode():
        for rows in _alike(tunable.kinds(prepared), SCORED):
            stacked = tunable.stack([prepared[row] for row in rows.tolist()], None).to(device)
            found[rows] = say(stacked).float().cpu().numpy()
    return found


def _alike(kinds: NDArray[np.int64], most: int, order: NDArray[np.int64] | None = None) -> Iterator[NDArray[np.int64]]:
    """Yield rows of one kind together, at most so many; in the order given, or ascending."""
    order = np.arange(len(kinds)) if order is None else order
    for kind in np.unique(kinds[order]).tolist():
        same = order[kinds[order] == kind]
        yield from (same[begin : begin + most] for begin in range(0, len(same), most))


class _Trainer:
    """Trains one network on some rows of the lessons."""

    def __init__(
        self, tunable: Tunable, lessons: Lessons, rows: NDArray[np.int64], start: State | None, part: int
    ) -> None:
        self._tunable = tunable
        self._lessons = lessons
        self._rng = np.random.default_rng([lessons.seed, part])
        self._device = tunable.compute.torch_device()
        self._kinds = tunable.kinds(lessons.prepared)
        self._labels = torch.from_numpy(lessons.labels)
        self._rows = rows
        self._network = self._begin(start)

    def _begin(self, start: State | None) -> TunedNetwork:
        """Copy the network, with a head that was fitted on its features as they are."""
        module = self._tunable.network.module
        with torch.inference_mode():
            dim = int(module(self._tunable.network.example.to(next(module.parameters()).device)).shape[1])
        network = TunedNetwork.beside(module, dim=dim, classes=self._lessons.classes)
        if start is not None:
            return network.restore(start).to(self._device)
        network.to(self._device)
        features = _said(
            self._tunable, network.features, [self._lessons.prepared[row] for row in self._rows.tolist()], dim
        )
        spread = features.std(axis=0, dtype=np.float64)
        floor = 1e-3 * max(float(spread.max()), 1e-6)
        with torch.no_grad():
            network.centre.copy_(torch.from_numpy(features.mean(axis=0)))
            # Features of length one: the head's learning rate then means the same for every network.
            network.scale.copy_(torch.from_numpy(1.0 / (np.maximum(spread, floor) * np.sqrt(dim))))
        scaled = (features - network.centre.cpu().numpy()) * network.scale.cpu().numpy()
        with one_blas_thread():
            head = fit_head(
                scaled.astype(np.float32),
                self._lessons.labels[self._rows],
                classes=self._lessons.classes,
                penalty=HEAD_PENALTY,
            )
        with torch.no_grad():
            network.head.weight.copy_(torch.from_numpy(head.weight))
            network.head.bias.copy_(torch.from_numpy(head.bias))
        return network

    def _stack(self, rows: NDArray[np.int64], rng: np.random.Generator | None) -> Tensor:
        stacked = self._tunable.stack([self._lessons.prepared[row] for row in rows.tolist()], rng)
        return stacked.to(self._device, non_blocking=True)

    def train(self, advance: Callable[[int], None]) -> State:
        """Train until nothing is gained; return the best weights in half precision, as they will be used."""
        network = self._network
        network.requires_grad_(requires_grad=False)
        body = [each for name, each in network.trained().items() if name.startswith("body.")]
        head = list(network.head.parameters())
        for parameter in (*body, *head):
            parameter.requires_grad = True
        optimizer = torch.optim.AdamW(
            [{"params": body, "lr": RATE}, {"params": head, "lr": RATE * HEAD_RATE}], weight_decay=DECAY
        )
        rates = [group["lr"] for group in optimizer.param_groups]
        epochs = _epochs(len(self._rows))
        steps = epochs * max(1, -(-len(self._rows) // BATCH))
        step = 0
        for _ in range(epochs):
            for batch in self._batches():
                share = min(1.0, (step + 1) / (WARM_UP * steps)) * max(0.0, 1.0 - step / steps)
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * share
                self._step(optimizer, batch)
                step += 1
                advance(sum(map(len, batch)))
        return network.to_state()

    def _batches(self) -> Iterator[list[NDArray[np.int64]]]:
        """Shuffle the rows into steps of about `BATCH` objects, each of a few stacks of one kind."""
        order = self._rng.permutation(self._rows)
        stacks = list(_alike(self._kinds, BATCH // 2, order))
        batch: list[NDArray[np.int64]] = []
        for place in self._rng.permutation(len(stacks)).tolist():
            batch.append(stacks[place])
            if sum(map(len, batch)) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _step(self, optimizer: torch.optim.Optimizer, batch: list[NDArray[np.int64]]) -> None:
        optimizer.zero_grad(set_to_none=True)
        count = sum(map(len, batch))
        for rows in batch:
            with self._reduced():
                logits = self._network(self._stack(rows, self._rng))
            labels = self._labels[rows].to(self._device)
            loss: Any = functional.cross_entropy(logits.float(), labels, reduction="sum") / count
            loss.backward()
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, LONGEST_STEP)
        optimizer.step()

    def _reduced(self) -> torch.autocast:
        """Bfloat16 on a GPU, where it is several times as fast; its range is float32's, so that nothing is scaled."""
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda")


def read_networks(folder: Path, digests: Sequence[str]) -> list[State]:
    """Read the networks that `tuned_networks` left; `CheckpointError` when one is not the one that is meant."""
    found = []
    for part, digest in enumerate(digests):
        path = folder / f"network-{part}.safetensors"
        state = read_network(path)
        if state is None or digest_of(state) != digest:
            raise CheckpointError(f"{path} is not there, or not the network that the job trained; run the job anew")
        found.append(state)
    return found
