"""Embedding a pool: every object once, bad ones with a reason, and a killed process loses one shard at most."""

from __future__ import annotations

import hashlib
import threading

import numpy as np
import pytest

from autolabel.errors import CheckpointError, ObjectError, StorageError
from autolabel.inference.embed import embed_pool
from autolabel.inference.encoder import Modality
from autolabel.inference.shards import layout
from autolabel.inference.shards.embeddings import Embeddings
from autolabel.inference.shards.scorer import ShardScorer
from autolabel.inference.shards.workers import AHEAD
from autolabel.storage.durable import failpoints

POOL = np.arange(3, 53) * 2


class Hashes:
    """An encoder whose vectors are digests of its texts; it counts what it encodes."""

    name, route, dim, modality, window = "hashes", "by hand", 6, Modality.TEXT, 4

    def __init__(self, fingerprint="f" * 64):
        self.fingerprint = fingerprint
        self.seen = []

    def prepare(self, raw):
        if not raw:
            raise ObjectError("EMPTY_TEXT", "nothing in it")
        return raw

    def encode(self, batch):
        self.seen.extend(batch)
        assert 0 < len(batch) <= self.window
        return np.asarray(
            [[byte / 8 for byte in hashlib.sha256(text.encode()).digest()[:6]] for text in batch], np.float32
        )

    def state(self):
        return {}


class Texts:
    """Object n is the text "n"; some cannot be read, some are empty, and after `until` nothing can be reached."""

    content = "c" * 64

    def __init__(self, *, unreadable=(), empty=(), until=10**9, ahead=0):
        self.ahead = ahead
        self.unreadable, self.empty, self.until = set(unreadable), set(empty), until
        self.threads = set()

    def get(self, number):
        self.threads.add(threading.get_ident())
        if number >= self.until:
            raise StorageError("s3://bucket", "connection refused")
        if number in self.unreadable:
            raise ObjectError("OBJECT_NOT_FOUND", "no such key")
        return "" if number in self.empty else str(number)


@pytest.fixture(autouse=True)
def _short_shards(monkeypatch):
    monkeypatch.setattr(layout, "SHARD", 8)


def vector(number):
    return Hashes().encode([str(number)])[0]


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_object_gets_its_own_vector_in_any_order(tmp_path):
    found = embed_pool(Hashes(), Texts(), tmp_path, rows=POOL, threads=3)
    asked = np.asarray([104, 6, 52, 6])
    assert len(found) == 50
    assert (found.dim, found.fingerprint, found.failures) == (6, "f" * 64, {})
    rows = found.rows(asked)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.stack([vector(number) for number in asked]))


def test_blocks_are_the_whole_pool_in_order(tmp_path):
    found = embed_pool(Hashes(), Texts(), tmp_path, rows=POOL)
    objects, vectors = zip(*found.blocks(), strict=True)
    np.testing.assert_array_equal(np.concatenate(objects), POOL)
    np.testing.assert_array_equal(np.concatenate(vectors), found.rows(POOL))
    assert vectors[0].dtype == np.float32


def test_bad_objects_fail_with_their_reason_and_stop_nothing(tmp_path):
    found = embed_pool(Hashes(), Texts(unreadable=[6, 40], empty=[104]), tmp_path, rows=POOL)
    assert found.failures == {
        6: "OBJECT_NOT_FOUND: no such key",
        40: "OBJECT_NOT_FOUND: no such key",
        104: "EMPTY_TEXT: nothing in it",
    }
    assert not found.rows(np.asarray([6, 40, 104])).any()
    np.testing.assert_array_equal(found.rows(np.asarray([8, 102])), np.stack([vector(8), vector(102)]))
    assert Embeddings.open(tmp_path, "f" * 64).failures == found.failures


def test_a_pool_of_nothing_but_bad_objects_is_embedded(tmp_path):
    found = embed_pool(Hashes(), Texts(empty=POOL.tolist()), tmp_path, rows=POOL)
    assert sorted(found.failures) == POOL.tolist()


def test_an_empty_pool_is_embedded(tmp_path):
    found = embed_pool(Hashes(), Texts(), tmp_path, rows=np.empty(0, np.int64))
    assert (len(found), found.dim, list(found.blocks())) == (0, 0, [])
    assert len(Embeddings.open(tmp_path, "f" * 64)) == 0


def test_when_storage_is_out_of_reach_the_finished_shards_stay(tmp_path):
    clean, broken = tmp_path / "clean", tmp_path / "broken"
    embed_pool(Hashes(), Texts(), clean, rows=POOL)
    with pytest.raises(StorageError, match="connection refused"):
        embed_pool(Hashes(), Texts(until=60), broken, rows=POOL, threads=2)
    with pytest.raises(CheckpointError, match="shard 3 is not finished"):
        Embeddings.open(broken, "f" * 64)
    again = Hashes()
    embed_pool(again, Texts(), broken, rows=POOL)
    assert again.seen == [str(number) for number in POOL[24:]]
    assert files_of(broken) == files_of(clean)


class Killed(BaseException):
    """Stands for the end of the process."""


def test_killed_at_any_durable_operation_it_loses_one_shard_and_ends_with_the_same_bytes(tmp_path):
    calls = []
    with failpoints(calls.append):
        embed_pool(Hashes(), Texts(empty=[8]), tmp_path / "clean", rows=POOL)
    clean = files_of(tmp_path / "clean")
    for kill in range(1, len(calls) + 1):
        folder = tmp_path / str(kill)
        left = iter(range(kill - 1))

        def die(_name, left=left):
            if next(left, None) is None:
                raise Killed

        first, second = Hashes(), Hashes()
        with failpoints(die), pytest.raises(Killed):
            embed_pool(first, Texts(empty=[8]), folder, rows=POOL, threads=1)
        embed_pool(second, Texts(empty=[8]), folder, rows=POOL)
        assert len(first.seen) + len(second.seen) <= 49 + 8 + AHEAD * Hashes.window
        assert {name: data for name, data in files_of(folder).items() if name in clean} == clean


def test_what_is_there_is_not_computed_again(tmp_path):
    embed_pool(Hashes(), Texts(), tmp_path, rows=POOL)
    again = Hashes()
    embed_pool(again, Texts(until=0), tmp_path, rows=POOL)
    assert again.seen == []


def test_a_damaged_shard_is_computed_again(tmp_path):
    embed_pool(Hashes(), Texts(), tmp_path, rows=POOL)
    before = files_of(tmp_path)
    damaged = bytearray(before["shard-00002.npy"])
    damaged[-1] ^= 1
    (tmp_path / "shard-00002.npy").write_bytes(damaged)
    (tmp_path / "shard-00004.json").write_bytes(b"{")
    again = Hashes()
    embed_pool(again, Texts(), tmp_path, rows=POOL)
    assert again.seen == [str(number) for number in [*POOL[16:24], *POOL[32:40]]]
    assert files_of(tmp_path) == before


def test_another_encoder_or_another_pool_computes_its_own(tmp_path):
    embed_pool(Hashes(), Texts(), tmp_path, rows=POOL)
    shorter, other = Hashes(), Hashes("e" * 64)
    embed_pool(shorter, Texts(), tmp_path, rows=POOL[:20])
    assert shorter.seen == [str(number) for number in POOL[16:20]]
    found = embed_pool(other, Texts(), tmp_path, rows=POOL[:20])
    assert len(other.seen) == 20
    assert found.fingerprint == "e" * 64


def test_other_objects_behind_the_same_numbers_are_embedded_again(tmp_path):
    embed_pool(Hashes(), Texts(), tmp_path, rows=POOL)
    other, again = Texts(), Hashes()
    other.content = "d" * 64
    embed_pool(again, other, tmp_path, rows=POOL)
    assert len(again.seen) == 50


def test_another_route_computes_its_own_and_routes_are_not_mixed(tmp_path):
    embed_pool(Hashes(), Texts(), tmp_path, rows=POOL)
    other = Hashes()
    other.route = "by machine"
    with pytest.raises(StorageError):
        embed_pool(other, Texts(until=60), tmp_path, rows=POOL)
    with pytest.raises(CheckpointError, match="was computed by by hand, those before it by by machine"):
        Embeddings.open(tmp_path, "f" * 64)
    assert embed_pool(other, Texts(), tmp_path, rows=POOL).route == "by machine"


@pytest.mark.parametrize("ahead", [1, 5, 40])
def test_objects_far_away_are_asked_for_ahead_and_come_out_the_same(tmp_path, ahead):
    embed_pool(Hashes(), Texts(unreadable=[8], empty=[10]), tmp_path / "near", rows=POOL, threads=1)
    far = Texts(unreadable=[8], empty=[10], ahead=ahead)
    embed_pool(Hashes(), far, tmp_path / "far", rows=POOL, threads=1)
    assert files_of(tmp_path / "far") == files_of(tmp_path / "near")


def test_requests_wait_side_by_side(tmp_path):
    class Slow(Texts):
        together = threading.Barrier(4, timeout=20)

        def get(self, number):
            self.together.wait()  # nobody goes on before four have asked
            return str(number)

    assert len(embed_pool(Hashes(), Slow(ahead=8), tmp_path, rows=POOL[:24], threads=1)) == 24


def test_when_far_storage_is_out_of_reach_nothing_hangs(tmp_path):
    with pytest.raises(StorageError, match="connection refused"):
        embed_pool(Hashes(), Texts(until=60, ahead=8), tmp_path, rows=POOL, threads=2)


def test_a_shard_scored_twice_or_by_another_process_is_the_same(tmp_path):
    clean, shared = tmp_path / "clean", tmp_path / "shared"
    embed_pool(Hashes(), Texts(empty=[8]), clean, rows=POOL)
    shards = layout.lay_out(shared, POOL)
    first, second = (ShardScorer(Hashes(), Texts(empty=[8])) for _ in range(2))
    for shard in (*shards[4:], *shards[:5], *shards):
        assert first(shard) == second(shard)
    assert files_of(shared) == files_of(clean)


def test_embeddings_of_another_encoder_are_refused(tmp_path):
    embed_pool(Hashes(), Texts(), tmp_path, rows=POOL)
    with pytest.raises(CheckpointError, match="was made by the encoder ffffffffffff, expected eeeeeeeeeeee"):
        Embeddings.open(tmp_path, "e" * 64)


def test_a_folder_without_embeddings_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="embed the pool again"):
        Embeddings.open(tmp_path, "f" * 64)


def test_an_object_that_was_not_embedded_is_never_answered_with_another_one(tmp_path):
    found = embed_pool(Hashes(), Texts(), tmp_path, rows=POOL)
    for stranger in (0, 7, 106, 10**6):
        with pytest.raises(CheckpointError, match=f"object {stranger} was not embedded"):
            found.rows(np.asarray([8, stranger]))


def test_values_beyond_half_precision_are_capped_and_nan_is_refused(tmp_path):
    class Huge(Hashes):
        value = 1e6

        def encode(self, batch):
            return np.full((len(batch), 6), self.value, np.float32)

    found = embed_pool(Huge(), Texts(), tmp_path / "huge", rows=POOL)
    assert found.rows(POOL[:1]).max() == np.finfo(np.float16).max
    broken = Huge()
    broken.value = np.nan
    with pytest.raises(CheckpointError, match="values that are not finite"):
        embed_pool(broken, Texts(), tmp_path / "nan", rows=POOL)


def test_progress_counts_up_to_the_pool_and_starts_where_it_was(tmp_path):
    calls = []
    embed_pool(Hashes(), Texts(), tmp_path, rows=POOL[:20], progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 20)
    assert calls[-1] == (20, 20)
    assert calls == sorted(calls)
    calls.clear()
    embed_pool(Hashes(), Texts(), tmp_path, rows=POOL, progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (16, 50)
    assert calls[-1] == (50, 50)


def test_many_shards_need_few_open_files(tmp_path):
    import resource
    from pathlib import Path

    found = embed_pool(Hashes(), Texts(), tmp_path, rows=np.arange(800))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = {int(entry.name) for entry in Path("/dev/fd").iterdir()}  # the limit is on numbers, other tests' included
    free = [number for number in range(len(held) + 40) if number not in held]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[16], hard))
    try:
        assert found.rows(np.arange(800)).shape == (800, 6)
        assert sum(len(objects) for objects, _ in found.blocks()) == 800
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
