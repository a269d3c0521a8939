"""One thread each: what keeps the libraries below us from starting threads of their own beside ours."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Iterator


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """Keep BLAS and torch from starting threads of their own beside ours."""
    before = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        if before is not None:
            sys.modules["torch"].set_num_threads(before)


def use_one_torch_thread() -> None:
    """Torch keeps the number for each thread that calls it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
