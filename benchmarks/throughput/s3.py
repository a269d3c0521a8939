"""Objects from S3: GETs a second and processor time of one, by our readers, against a server that does next to nothing.

    python -m benchmarks.throughput.s3 [--objects 20000] [--size 100000] [--threads 16]

The server is a loop over epoll in a process of its own that answers every request with the same bytes: an S3 server for
tests takes a hundred times longer than the client that is measured. It runs on the same cores, so wall time is what
both take together, and the processor time of the client is the figure that carries over. No TLS, loopback. The floor is
a client of bare sockets that knows what will come.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from autolabel.storage.base import StorageOptions
from autolabel.storage.objects_obstore import ObstoreObjectReader
from autolabel.storage.objects_s3 import Boto3ObjectReader
from benchmarks.throughput.measure import Meter, emit, machine

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDFORTESTS",
    "AWS_SECRET_ACCESS_KEY": "a-secret-that-is-none",  # nobody checks it
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
END = b"\r\n\r\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, help="file that lines of JSON are appended to")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.size)
        return 0
    os.environ.update(CREDENTIALS)
    with server(options.size) as port:
        reached = StorageOptions(endpoint_url=f"http://127.0.0.1:{port}")
        obstore, boto3 = ObstoreObjectReader(reached), Boto3ObjectReader(reached)
        contenders = {
            "obstore reader": (obstore.get, options.objects),
            "boto3 reader": (boto3.get, options.objects // 10),
            "bare sockets": (Bare(port, options.size).get, options.objects),
        }
        body = b"x" * options.size
        for name, (get, _) in contenders.items():
            if get("s3://bucket/0.jpg") != body:
                sys.exit(f"{name} gives other bytes")
        best: dict[str, tuple[float, float]] = {}
        for _ in range(options.turns):
            for name, (get, count) in contenders.items():
                wall, cpu = timed(get, count, options.threads)
                before = best.get(name, (wall, cpu))
                best[name] = min(wall, before[0]), min(cpu, before[1])
    for name, (wall, cpu) in best.items():
        emit(
            {
                "benchmark": "s3", "contender": name, "bytes": options.size, "threads": options.threads,
                "per_second": 1 / wall, "client_cpu_ms": 1e3 * cpu, "per_client_cpu_second": 1 / cpu, **machine(),
            },
            options.out,
        )  # fmt: skip
    return 0


def timed(get, count, threads) -> tuple[float, float]:
    """Wall and processor seconds of one GET."""
    with ThreadPoolExecutor(threads) as pool, Meter() as meter:
        for _ in pool.map(get, [f"s3://bucket/{number}.jpg" for number in range(count)]):
            pass
    return meter.wall / count, meter.cpu / count


class Bare:
    """A client without HTTP: it sends a request and takes as many bytes as it knows will come."""

    def __init__(self, port: int, size: int) -> None:
        self._address = ("127.0.0.1", port)
        self._size = size
        self._head = len(response(size)) - size
        self._own = threading.local()

    def get(self, _ref: str) -> bytes:
        if not hasattr(self._own, "socket"):
            self._own.socket = socket.create_connection(self._address)
            self._own.buffer = bytearray(self._head + self._size)
        self._own.socket.sendall(b"GET /bucket/0.jpg HTTP/1.1\r\nhost: x" + END)
        view, got = memoryview(self._own.buffer), 0
        while got < len(view):
            got += self._own.socket.recv_into(view[got:])
        return bytes(view[self._head :])


def response(size: int) -> bytes:
    head = (
        f'HTTP/1.1 200 OK\r\ncontent-length: {size}\r\ncontent-type: image/jpeg\r\netag: "0123456789abcdef"\r\n'
        "last-modified: Tue, 24 Nov 2026 00:00:00 GMT\r\naccept-ranges: bytes"
    )
    return head.encode() + END + b"x" * size


@contextmanager
def server(size: int):
    command = [sys.executable, "-m", "benchmarks.throughput.s3", "--serve", "--size", str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def serve(size: int) -> None:
    """Answer every request with the same bytes."""
    answer = memoryview(response(size))
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    open_ones: dict[int, socket.socket] = {}
    asked: dict[int, bytes] = {}
    left: dict[int, memoryview] = {}
    while True:
        for number, event in poll.poll():
            if number == listener.fileno():
                new, _ = listener.accept()
                new.setblocking(False)
                new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_ones[new.fileno()], asked[new.fileno()] = new, b""
                left[new.fileno()] = answer[:0]
                poll.register(new, select.EPOLLIN)
                continue
            peer = open_ones[number]
            try:
                if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                    data = peer.recv(65_536)
                    if not data:
                        raise ConnectionResetError
                    asked[number] += data
                    if asked[number].endswith(END):
                        asked[number], left[number] = b"", answer
                if left[number]:
                    with suppress(BlockingIOError):
                        left[number] = left[number][peer.send(left[number]) :]
                poll.modify(number, select.EPOLLOUT if left[number] else select.EPOLLIN)
            except ConnectionError:
                poll.unregister(number)
                open_ones.pop(number).close()


if __name__ == "__main__":
    raise SystemExit(main())
