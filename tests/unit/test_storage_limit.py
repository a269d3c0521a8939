"""The number of requests under way follows what the server can take."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest

from autolabel.storage.limit import AdaptiveLimit


def one_round(limit: AdaptiveLimit, *, congested: bool) -> None:
    """Fill the limit, then let go of all."""
    with ExitStack() as stack:
        for _ in range(limit.size):
            stack.enter_context(limit.slot()).congested = congested


def test_a_round_of_successes_adds_one():
    limit = AdaptiveLimit(first=4, most=6)
    sizes = []
    for _ in range(200):
        with ExitStack() as stack:
            slots = [stack.enter_context(limit.slot()) for _ in range(limit.size)]
        sizes.append(limit.size)
        assert len(slots) <= 6
    assert sizes[-1] == 6


def test_congestion_halves_once_for_all_that_were_under_way():
    limit = AdaptiveLimit(first=32)
    one_round(limit, congested=True)
    assert limit.size == 16
    one_round(limit, congested=True)
    assert limit.size == 8


def test_where_few_are_refused_the_limit_settles_and_does_not_collapse():
    limit = AdaptiveLimit(first=64)
    rng = np.random.default_rng(0)
    sizes, under_way = [], deque()
    for _ in range(4000):
        while len(under_way) < limit.size:  # as many readers as may be are waiting
            stack = ExitStack()
            under_way.append((stack, stack.enter_context(limit.slot())))
        stack, slot = under_way.popleft()
        slot.congested = bool(rng.random() < 0.2)
        stack.close()
        sizes.append(limit.size)
    while under_way:
        under_way.popleft()[0].close()
    assert 4 <= np.mean(sizes[500:]) <= 24


def test_the_limit_never_falls_below_one():
    limit = AdaptiveLimit(first=2)
    for _ in range(5):
        one_round(limit, congested=True)
    assert limit.size == 1
    with limit.slot():
        pass


def test_successes_far_below_the_limit_prove_nothing():
    limit = AdaptiveLimit(first=32)
    for _ in range(1000):
        with limit.slot():
            pass
    assert limit.size == 32


def test_congestion_counts_from_what_was_really_under_way():
    limit = AdaptiveLimit(first=64)
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(limit.slot()).congested = True
    assert limit.size == 4


@pytest.mark.timeout(30)
def test_threads_wait_and_none_is_forgotten():
    limit = AdaptiveLimit(first=3, most=3)
    busy, most_busy, lock = 0, 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal busy, most_busy
        with limit.slot() as slot:
            with lock:
                busy += 1
                most_busy = max(most_busy, busy)
            slot.congested = number % 7 == 0
            with lock:
                busy -= 1
        return number

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(500))) == list(range(500))
    assert most_busy <= 3


def test_an_error_gives_the_place_back():
    limit = AdaptiveLimit(first=1, most=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), limit.slot():
            raise ValueError("inside")
