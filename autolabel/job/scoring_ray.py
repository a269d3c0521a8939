"""Batch scoring by a Ray cluster: which shards to make goes through Ray, what is in them never does.

Every worker is a process that opens the request by itself, on a machine that sees the manifest, the objects and the
output folder, and is told numbers of shards one at a time. It answers with how many objects the shard has. A worker
that dies costs the shard it had, which another one is given, because making a shard twice is making it once.
"""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autolabel.errors import AutolabelError, JobFailedError, SettingsError
from autolabel.job.scoring import Part, ScoreRequest, open_scoring, score_manifest
from autolabel.report.progress import ProgressReporter
from autolabel.storage.uri import is_s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_DEATHS = 3
"""Workers that may die of one shard, or one after the other while they open the model."""


class Answer(msgspec.Struct, frozen=True):
    """What a worker says of a call; our exceptions are not made to be sent through Ray."""

    value: Any = None
    error: str = ""


class ShardWorker:
    """An actor: one process with the model loaded.

    Parameters
    ----------
    request
        A `ScoreRequest` as JSON.
    """

    def __init__(self, request: bytes) -> None:
        self._request = msgspec.json.decode(request, type=ScoreRequest)
        self._stack = ExitStack()

    def open(self) -> bytes:
        """Load everything; say how many shards there are, and objects in them."""
        return _answer(self._open)

    def score(self, place: int) -> bytes:
        """Make a shard unless it is there; say how many objects it has."""
        return _answer(lambda: self._score(place))

    def finish(self) -> bytes:
        """Write the scores file; say what `score_manifest` says."""
        return _answer(lambda: score_manifest(self._request, part=None, progress=ProgressReporter()))

    def _open(self) -> tuple[int, int]:
        self._scoring, _ = self._stack.enter_context(open_scoring(self._request, part=Part()))
        shards = self._scoring.shards
        return len(shards), sum(len(shard.objects) for shard in shards)

    def _score(self, place: int) -> int:
        shard = self._scoring.shards[place]
        self._scoring.score([shard], labels_only=self._request.labels_only)
        return len(shard.objects)


def score_with_ray(request: ScoreRequest, *, workers: int = 0, progress: ProgressReporter) -> dict[str, Any]:
    """Score a manifest with the workers of a Ray cluster, or of this machine alone where there is none.

    The bytes are those of `score_manifest`. All workers must have the same route (`Encoder.route`): what was made by
    another one is made again by the worker that finishes. RAY_ADDRESS names the cluster, as Ray has it.

    Parameters
    ----------
    workers
        Processes; 0: one a GPU, or one a machine where there is none.

    Returns
    -------
    What `score_manifest` returns, and ``workers_lost``.

    Raises
    ------
    SettingsError
        Ray is not installed.
    JobFailedError
        A worker could not go on, or several died of one shard.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere that nobody asked for
    try:
        import ray
    except ImportError as error:
        raise SettingsError("the engine ray is not installed; pip install 'autolabel-engine[ray]'") from error
    ours = not ray.is_initialized()
    if ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        crew = _Crew(request, workers)
        progress.phase("opening the model")
        shards, objects = crew.open()
        progress.phase("embedding and scoring")
        done = 0
        for count in crew.score(shards):
            done += count
            progress.progress(done, objects)
        progress.phase("writing")
        return {**crew.finish(), "workers_lost": crew.lost}
    finally:
        if ours:
            ray.shutdown()


class _Crew:
    """Workers, and what each of them is doing.

    Attributes
    ----------
    lost
        Workers that died.
    """

    def __init__(self, request: ScoreRequest, workers: int) -> None:
        import ray

        self._ray: Any = ray
        has = self._ray.cluster_resources()
        gpus = int(has.get("GPU", 0)) if request.device != "cpu" else 0
        self._size = workers or gpus or sum(node["Alive"] for node in self._ray.nodes())
        threads = request.threads or max(1, int(has.get("CPU", 1)) // self._size)
        self._actor = self._ray.remote(num_cpus=threads, num_gpus=1 if gpus else 0)(ShardWorker)
        self._request = msgspec.json.encode(_everywhere(request, threads))
        self._calls: dict[Any, tuple[Any, int | None]] = {}  # of each answer that is awaited: whose, and which shard
        self._idle: list[Any] = []
        self._deaths: Counter[int | None] = Counter()
        self.lost = 0

    def open(self) -> tuple[int, int]:
        """Let one worker keep the manifest's copy and decide what all have to agree on; count shards and objects."""
        while not self._idle:
            self._start()
            _, counts = self._next()
        shards, objects = counts
        return int(shards), int(objects)

    def score(self, shards: int) -> Iterator[int]:
        """Have every shard made; yield their numbers of objects as they are finished."""
        left = deque(range(shards))
        for _ in range(min(self._size, shards) - 1):
            self._start()
        while True:
            while left and self._idle:
                place = left.popleft()
                worker = self._idle.pop()
                self._calls[worker.score.remote(place)] = worker, place
            if all(place is None for _, place in self._calls.values()) and not left:
                return  # those who are still opening the model are too late
            made, objects = self._next()
            if objects is None:
                self._start()
                left.extendleft(() if made is None else (made,))
            elif made is not None:
                yield objects

    def finish(self) -> dict[str, Any]:
        """Let one worker put the scores together."""
        while True:
            if not self._idle:
                self.open()
            worker = self._idle.pop()
            self._calls = {worker.finish.remote(): (worker, None)}
            _, result = self._next()
            if result is not None:
                return dict(result)

    def _start(self) -> None:
        worker = self._actor.remote(self._request)
        self._calls[worker.open.remote()] = worker, None

    def _next(self) -> tuple[int | None, Any]:
        """Wait for an answer: return the shard it is about, if it is about one, and its value; ``None``: a death."""
        (call,), _ = self._ray.wait(list(self._calls), num_returns=1)
        worker, place = self._calls.pop(call)
        try:
            answer = msgspec.json.decode(self._ray.get(call), type=Answer)
        except self._ray.exceptions.RayActorError as error:
            self.lost += 1
            self._deaths[place] += 1
            if self._deaths[place] == MOST_DEATHS:
                what = "opening the model" if place is None else f"shard {place}"
                raise JobFailedError(
                    f"{MOST_DEATHS} Ray workers died of {what}; try --engine local, or read Ray's logs: {error}"
                ) from error
            return place, None
        if answer.error:
            raise JobFailedError(f"a Ray worker could not go on: {answer.error}")
        self._deaths.pop(None, None)
        self._idle.append(worker)
        return place, answer.value


def _everywhere(request: ScoreRequest, threads: int) -> ScoreRequest:
    """Make a request independent of the folder that it was made in."""
    here = {
        name: str(Path(value).resolve())
        for name in ("manifest", "output", "root", "model")
        if (value := getattr(request, name)) is not None and not is_s3(value) and Path(value).exists()
    }
    here["output"] = str(Path(request.output).resolve())
    return msgspec.structs.replace(request, threads=threads, **here)


def _answer(call: Callable[[], Any]) -> bytes:
    try:
        return msgspec.json.encode(Answer(call()))
    except AutolabelError as error:
        return msgspec.json.encode(Answer(error=str(error)))
