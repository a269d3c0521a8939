"""What every benchmark here needs: seconds of a process and its children, limits of the machine, lines of JSON."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

MIB = 1 << 20


class Meter:
    """Wall and processor seconds of a block; processes that it starts and waits for are included."""

    def __enter__(self):
        self._wall, self._cpu = time.perf_counter(), processor_seconds()
        return self

    def __exit__(self, *_):
        self.wall = time.perf_counter() - self._wall
        self.cpu = processor_seconds() - self._cpu


def processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def machine() -> dict:
    """What figures depend on beside the program."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


DEFAULT_THREADS = frozenset({"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"})
"""Variables that peers run without: they get the threads that their users get."""


def child(module: str, *words: str) -> dict:
    """Run a module in a fresh process; return the JSON document on its last line."""
    command = [sys.executable, "-m", module, *words]
    environment = {name: value for name, value in os.environ.items() if name not in DEFAULT_THREADS}
    environment |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def in_turns(contenders: dict, turns: int) -> dict[str, list[dict]]:
    """Run contenders A-B-A-B, so that what else the machine does falls on all."""
    found: dict[str, list[dict]] = {name: [] for name in contenders}
    for turn in range(turns):
        for name, run in contenders.items():
            found[name].append(run())
            last = found[name][-1]
            print(
                f"  turn {turn + 1}: {name}: {last['wall']:.1f} s, {last['cpu']:.1f} CPU-s", file=sys.stderr, flush=True
            )
    return found


def rows_of(benchmark: str, objects: int, runs: dict[str, list[dict]], *, ours: str, **facts):
    """Rows of contenders: best and median seconds, objects a second, and how many times as fast `ours` is."""
    for name, each in runs.items():
        walls, cpus = ([run[key] for run in each] for key in ("wall", "cpu"))
        ratios = {
            key: median(run[key] / mine[key] for run, mine in zip(each, runs[ours], strict=True))
            for key in ("wall", "cpu")
        }
        yield {
            "benchmark": benchmark, "contender": name, "objects": objects, "turns": len(each),
            "wall": min(walls), "wall_median": median(walls), "cpu": min(cpus), "cpu_median": median(cpus),
            "per_second": objects / min(walls), "per_cpu_second": objects / min(cpus),
            "ours_times_as_fast": ratios["wall"], "ours_times_less_cpu": ratios["cpu"], **facts, **machine(),
        }  # fmt: skip


def emit(row: dict, file: Path | None) -> None:
    """Print a row as a line of JSON, and append it to a file."""
    line = json.dumps({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
    print(line, flush=True)
    if file is not None:
        with file.open("a", encoding="utf-8") as out:
            out.write(line + "\n")


def gemm_flops(seconds: float = 1.0) -> float:
    """Floating-point operations of a processor second of one core, in products of large float32 matrices."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 * calls_a_second(lambda: torch.mm(a, b), seconds)


def int8_gemm_flops(seconds: float = 1.0) -> float:
    """The same in 8-bit integers, by ONNX Runtime, as the quantised networks compute."""
    import onnxruntime
    from onnx import TensorProto, helper

    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 127, (1024, 1024)).astype(np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["c"])],
        "gemm",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [1024, 1024])],
        [helper.make_tensor_value_info("c", TensorProto.INT32, [1024, 1024])],
        [helper.make_tensor("b", TensorProto.INT8, [1024, 1024], weights.tobytes(), raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = {"a": rng.integers(0, 255, (1024, 1024)).astype(np.uint8)}
    return 2 * 1024**3 * calls_a_second(lambda: session.run(None, given), seconds)


def calls_a_second(call, seconds: float) -> float:
    """Calls a processor second of this thread, the best of ten parts: a lower bound of what the core can do."""
    call()
    best = 0.0
    for _ in range(10):
        count, begun = 0, time.thread_time()
        while time.thread_time() - begun < seconds / 10 or not count:
            call()
            count += 1
        best = max(best, count / (time.thread_time() - begun))
    return best


class Memory:
    """Resident memory of a process, sampled; also its part that is not pages of files."""

    def __init__(self, pid: int | str = "self", every: float = 0.05) -> None:
        self._path = Path(f"/proc/{pid}/status")
        self._every = every
        self._stop = threading.Event()
        self.samples: list[tuple[float, int, int]] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    @property
    def peak(self) -> int:
        """Most bytes."""
        return max((sample[1] for sample in self.samples), default=0)

    @property
    def peak_anonymous(self) -> int:
        """Most bytes beside pages of files, which the system takes back when it needs them."""
        return max((sample[2] for sample in self.samples), default=0)

    def _watch(self) -> None:
        begun = time.perf_counter()
        while not self._stop.wait(self._every):
            try:
                lines = self._path.read_text().splitlines()
            except OSError:
                return
            found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith(" kB")}
            if "VmRSS" in found:
                self.samples.append((time.perf_counter() - begun, found["VmRSS"], found.get("RssAnon", 0)))
