"""A job that trains the network too: the same promise, the same bytes after a kill, and a model others start from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.bert import one_torch_thread, write_bert
from support.jobs import Killed, learner_of, result

from autolabel import LabelingJob, Settings
from autolabel.cli.main import main
from autolabel.errors import CheckpointError, JobNotFoundError, SettingsError
from autolabel.inference.embed import embed_pool
from autolabel.job.look import stored_look
from autolabel.job.models import find_checkpoint, learner_for
from autolabel.job.rounds import terms_of
from autolabel.job.settings import resolve_settings
from autolabel.job.verify import verify
from autolabel.job.view import report_data
from autolabel.learning import tuned_pool
from autolabel.learning import tuning as learning_tuning
from autolabel.learning.learner import ClassificationLearner, predict_with
from autolabel.policy import tuning
from autolabel.policy.replay import replay
from autolabel.storage.router import Storage
from autolabel.testing import COMMON, TOPICS, FixedClock, SimulatedWorkforce, toy_request, write_toy_texts

WORDS = [*COMMON, *(word for words in TOPICS.values() for word in words)]
COUNT = 600


@pytest.fixture(scope="module", autouse=True)
def _small_jobs_may_tune():
    """A network for six hundred texts is tuned from sixty labels on."""
    with pytest.MonkeyPatch.context() as patch, one_torch_thread():
        patch.setattr(tuning, "FEWEST", 60)
        patch.setattr(tuning, "LEAST_SAVED", 1.0)
        yield


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_bert(tmp_path_factory.mktemp("bert"), WORDS)


def settings_of(network, **changes):
    return Settings(model=str(network), batch=30, fine_tune=tuning.FineTune.AUTO, device="cpu", **changes)


def run_to_end(folder, network, **request):
    folder.mkdir(parents=True, exist_ok=True)
    truth = write_toy_texts(folder, COUNT, noise=0.6)
    try:
        job = LabelingJob.open(folder / "out" / "toy", clock=FixedClock())
    except JobNotFoundError:
        job = LabelingJob.create(toy_request(folder, **request), settings=settings_of(network), clock=FixedClock())
    try:
        job.run(SimulatedWorkforce(truth, job.task))
    except BaseException:
        job.close()
        raise
    return job, np.asarray(truth)


@pytest.fixture(scope="module")
def clean(tmp_path_factory, network):
    """A finished job and the truth."""
    job, truth = run_to_end(tmp_path_factory.mktemp("clean"), network)
    yield job, truth
    job.close()


def tunings(job):
    return [row["name"] for row in job.walk().store.rows("SELECT name FROM step WHERE name LIKE '%.tune'")]


def test_the_network_is_trained_and_the_promise_is_kept(clean):
    job, truth = clean
    assert tunings(job)
    look = stored_look(job.walk())
    machine, labels, _ = look.machine_labels()
    assert len(machine) > 100
    assert (labels != truth[machine]).sum() <= job.settings.error * COUNT
    assert verify(job.walk()).checks


@pytest.mark.slow
def test_a_replay_asks_and_labels_the_same_objects_as_the_job(clean, tmp_path):
    job, truth = clean
    learner, run = learner_of(job)
    look = stored_look(run)
    scores = look.freeze.result["scores_sha256"]

    def tune(learner, objects, labels):
        found = learner.tune(run.sources, objects, labels.tolist(), tmp_path / str(len(objects)), lambda *_: None)
        return learner.tuned(tmp_path / str(len(objects)), found.facts, found.arrays)

    found = replay(
        learner,
        lambda objects: truth[objects],
        terms_of(run),
        lambda name: run.rng(name, scores) if name == "audit" else run.rng(name),
        pool=np.arange(COUNT),
        tune=tune,
    )
    machine, labels, _ = look.machine_labels()
    order = np.argsort(found.machine)
    assert found.machine[order].tolist() == machine.tolist()
    assert found.machine_labels[order].tolist() == labels.tolist()
    assert len(found.rounds) == look.round_number
    assert found.people == job.counters().human_labeled


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "name", "call"),
    [
        (learning_tuning, "_write_network", 2),  # one of three networks is kept
        (tuned_pool, "embed_pool", 1),  # all are, and nothing was seen with them
        (ClassificationLearner, "tuned", 1),  # the step is stored, and nobody has taken up what it left
    ],
)
def test_a_job_killed_while_it_tunes_ends_with_the_same_bytes(clean, tmp_path, network, where, name, call):
    job, _ = clean
    honest, calls = getattr(where, name), []

    def die(*given, **named):
        calls.append(name)
        if len(calls) == call:
            raise Killed
        return honest(*given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, die)
        with pytest.raises(Killed):
            run_to_end(tmp_path, network)
    again, _ = run_to_end(tmp_path, network)
    again.close()
    assert result(again) == result(job)


@pytest.mark.slow
def test_another_job_starts_from_what_was_trained(clean, tmp_path):
    job, _ = clean
    checkpoint = find_checkpoint(str(job.folder.final_model), home=None, storage=Storage())
    assert checkpoint.encoder.endswith("+tuned")
    truth = write_toy_texts(tmp_path, 200, seed=9, noise=0.6)
    request = toy_request(tmp_path)
    settings = Settings(model=str(job.folder.final_model), batch=20, device="cpu")
    with LabelingJob.create(request, settings=settings, clock=FixedClock()) as second:
        assert second.run(SimulatedWorkforce(truth, second.task)).finished
        learner = learner_for(second.folder, second.settings, second.task)
        run = second.walk(learner)
        embedded = run.steps.stored("embed")
        assert embedded.result["facts"]["encoder"] == checkpoint.encoder
        vectors = embed_pool(learner._encoder, run.sources, second.folder.embeddings, rows=np.arange(200))
        found = predict_with(checkpoint.arrays, vectors.rows(np.arange(200)))
    assert (found.predicted == np.asarray(truth)).mean() > 0.8
    given = [str(tmp_path / "manifest.jsonl"), "--model", str(job.folder.final_model), "--device", "cpu"]
    for option in ([], ["--int8"]):
        out = tmp_path / f"scores{len(option)}"
        assert main(["score", *given, "--output", str(out), *option, "--json"]) == 0
        rows = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
        assert np.mean([row["class_id"] for row in rows] == found.predicted) > 0.98


def test_the_network_is_trained_only_where_it_is_asked_for_and_can_be(tmp_path):
    assert Settings().fine_tune is tuning.FineTune.NEVER
    with pytest.raises(SettingsError, match="fine_tune"):
        resolve_settings(options={"fine_tune": "perhaps"})
    truth = write_toy_texts(tmp_path, 200)
    settings = Settings(model="tfidf", batch=30, fine_tune=tuning.FineTune.AUTO)
    with LabelingJob.create(toy_request(tmp_path), settings=settings, clock=FixedClock()) as job:
        job.run(SimulatedWorkforce(truth, job.task))
        assert tunings(job) == []
        assert any("no network" in note for note in job.walk().store.fact("notes", []))


@pytest.mark.slow
def test_a_network_that_cannot_be_trained_stops_no_job(tmp_path, network, monkeypatch):
    def unreadable(_part, _sources, objects, labels):
        return objects[:0], labels[:0], []

    monkeypatch.setattr(tuned_pool, "_readable", unreadable)
    job, _ = run_to_end(tmp_path, network)
    with job:
        assert tunings(job)
        assert job.counters().machine_labeled > 0
        warnings = report_data(job.walk()).warnings
        assert any("not trained: only 0 of" in warning for warning in warnings)
        assert not find_checkpoint(str(job.folder.final_model), home=None, storage=Storage()).encoder.endswith("+tuned")
        job.verify()


@pytest.mark.slow
def test_networks_that_were_changed_are_not_packed_into_a_model(tmp_path, network):
    def die(*_given, **_named):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassificationLearner, "checkpoint", die)
        with pytest.raises(Killed):
            run_to_end(tmp_path, network)
    path = next((tmp_path / "out" / "toy").glob("state/tuned/*/network-1.safetensors"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"network-1\.safetensors is not there, or not the network"):
        run_to_end(tmp_path, network)


@pytest.mark.slow
def test_a_data_set_of_one_class_is_labeled_too(tmp_path, network):
    write_toy_texts(tmp_path, COUNT, noise=0.6)
    with LabelingJob.create(toy_request(tmp_path), settings=settings_of(network), clock=FixedClock()) as job:
        assert job.run(SimulatedWorkforce([0] * COUNT, job.task)).finished
        job.verify()
