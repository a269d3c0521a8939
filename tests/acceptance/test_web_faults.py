"""The page dies, its clients die, the disk fails: what was acknowledged is there, once, and paid once."""

from __future__ import annotations

import pytest

from benchmarks.workforce import faults
from benchmarks.workforce.soak import soak

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_killing_the_page_under_three_racing_processes_loses_and_doubles_nothing(tmp_path):
    figures = soak(tmp_path, seconds=300, objects=12_000, most_kills=12)
    assert figures.server_kills == 12
    assert figures.acknowledged > 500
    assert (figures.lost, figures.doubled, figures.wrong, figures.unpaid, figures.over_places) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("call", [14, 60, 110, 190])
def test_an_fsync_that_fails_ends_the_page_and_loses_nothing(tmp_path, call):
    if not faults.can_strace():
        pytest.skip("strace is not there, or may not trace")
    fault = faults.one(tmp_path / "job", "fsync", command=lambda _job: faults.under_strace(call))
    assert fault.exit_code == 4
    assert (fault.lost, fault.doubled, fault.unpaid, fault.answers) == (0, 0, 0, faults.OBJECTS)


def test_a_file_that_cannot_grow_ends_the_page_and_loses_nothing(tmp_path):
    fault = faults.one(tmp_path / "job", "size", command=lambda job: faults.under_limit(job, 16))
    assert fault.exit_code == 4
    assert fault.before > 0
    assert (fault.lost, fault.doubled, fault.unpaid, fault.answers) == (0, 0, 0, faults.OBJECTS)


def test_a_full_disk_ends_the_page_and_loses_nothing():
    try:
        (fault,) = faults.full_disk_faults(1)
    except OSError as error:
        pytest.skip(str(error))
    assert fault.exit_code == 4
    assert (fault.lost, fault.doubled, fault.unpaid, fault.answers) == (0, 0, 0, faults.OBJECTS)
