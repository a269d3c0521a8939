"""What every test may ask for: fake AWS credentials, S3 servers, and the helpers in ``tests/support``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# A shell that starts the tests in the background has them, and every process they start, ignore an interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_real_aws():
    """Keep every test away from the developer's own AWS account."""
    from support.s3 import AWS_ENVIRONMENT

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in AWS_ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def moto():
    """An S3 server that keeps everything in memory and takes any credentials."""
    from support.s3 import moto_server

    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory):
    """An S3 server that keeps everything in a folder and checks signatures."""
    from support.s3 import rclone_server

    with rclone_server(tmp_path_factory.mktemp("rclone")) as server:
        yield server
