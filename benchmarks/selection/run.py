"""What choosing a batch costs: seconds and memory at full size, and against peers at a size that they can do.

    python -m benchmarks.selection.run [--objects 1000000] [--picks 1000] [--classes 100] [--kind groups] [--json]
    python -m benchmarks.selection.run --peers [--objects 100000] [--picks 200] [--peer-python PYTHON]

The pool is drawn: float16 features in a memory-mapped file, 200 groups that overlap, or one Gaussian with ``--kind
gauss``, in which no bound helps but the one on norms. Every contender runs in a process of its own. Memory is what the
process has beside the map (RssAnon, sampled), since the map's pages are the system's to take back. Processor seconds
are of all threads.

With ``--peers`` core-set is compared with a plain float64 loop (picks must be equal: else it stops), with one
matrix-vector product a pick, and with scikit-activeml where ``--peer-python`` is an interpreter that has it; BADGE with
scikit-learn's k-means++ on embeddings that are written out, where the mean D^2 left must agree to a tenth.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np

from autolabel.selection.badge import Gradients
from autolabel.selection.k_center import k_center
from autolabel.selection.strategies import PLAIN_STRATEGIES
from autolabel.selection.view import PoolView
from benchmarks.selection.peers import CLASSES, probabilities

GROUPS = 200
BADGE_PEER_OBJECTS = 10_000
CORE_SET = "core-set from object 0"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int)
    parser.add_argument("--picks", type=int)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--kind", choices=("groups", "gauss"), default="groups")
    parser.add_argument("--strategy", nargs="*", default=sorted(PLAIN_STRATEGIES))
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.objects = options.objects or (100_000 if options.peers else 1_000_000)
    options.picks = options.picks or (200 if options.peers else 1_000)
    if options.one:
        print(json.dumps(one(options)))
        return 0
    with tempfile.TemporaryDirectory(prefix="selection-") as folder:
        options.data = Path(folder) / "pool.npy"
        draw_pool(options.data, options.objects, options.dim, options.kind)
        for row in against_peers(options) if options.peers else at_full_size(options):
            print(json.dumps(row) if options.json else table_row(row), flush=True)
    return 0


def draw_pool(path, objects, dim, kind) -> None:
    rng = np.random.default_rng(0)
    pool = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(objects, dim))
    centres = rng.standard_normal((GROUPS, dim), np.float32)
    for begin in range(0, objects, 50_000):
        rows = rng.standard_normal((min(50_000, objects - begin), dim), np.float32)
        if kind == "groups":
            rows = 0.5 * rows + centres[rng.integers(GROUPS, size=len(rows))]
        pool[begin : begin + len(rows)] = rows / np.sqrt(dim)
    pool.flush()


def at_full_size(options):
    for name in options.strategy:
        yield {"strategy": name, "objects": options.objects, **child(options, name)}


def against_peers(options):
    """Contenders take turns, so that what else the machine does falls on all; ratios are medians over the turns."""
    core_set = {
        "autolabel": lambda: child(options, CORE_SET),
        **{name: partial(peer, options, name) for name in ("numpy-float64", "numpy-float32", "scikit-activeml")},
    }
    turns = [{name: pick() for name, pick in core_set.items()} for _ in range(options.turns)]
    for row in rows_of_turns("core-set", turns):
        row["same"] = sum(a == b for a, b in zip(row["picks"], turns[0]["autolabel"]["picks"], strict=True))
        if row["contender"] == "numpy-float64" and row["same"] < options.picks:
            sys.exit(f"core-set: {row['same']} of {options.picks} picks are the oracle's; no speed is reported")
        yield row
    options.objects, options.classes = min(options.objects, BADGE_PEER_OBJECTS), CLASSES
    badge = {"autolabel": lambda: child(options, "badge"), "scikit-learn": partial(peer, options, "scikit-learn")}
    turns = [{name: pick() for name, pick in badge.items()} for _ in range(options.turns)]
    rows = list(rows_of_turns("badge", turns))
    for row in rows:
        row["left"] = mean_left(options, row["picks"])
        if abs(row["left"] / rows[0]["left"] - 1.0) > 0.1:
            sys.exit(f"badge: picks leave {rows[0]['left']}, {row['contender']}'s {row['left']}; no speed is reported")
    yield from rows


def rows_of_turns(strategy, turns):
    """One row a contender that is there: medians of its seconds and of its ratio to ours in the same turn."""
    for name in turns[0]:
        if turns[0][name] is None:
            continue
        found = [turn[name] for turn in turns]
        ratios = [turn[name]["cpu"] / turn["autolabel"]["cpu"] for turn in turns]
        yield {
            "strategy": strategy,
            "contender": name,
            "picks": found[0]["picks"],
            "ratio": float(np.median(ratios)),
            **{key: float(np.median([each[key] for each in found])) for key in ("wall", "cpu", "gigabytes")},
        }


def child(options, name):
    """Run one strategy in a process of its own."""
    keep = ("objects", "picks", "classes", "data")
    values = [text for key in keep for text in (f"--{key}", str(getattr(options, key)))]
    command = [sys.executable, "-m", "benchmarks.selection.run", "--one", name, *values]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peer(options, name):
    """Run a peer in a process of its own; None where it is not installed."""
    script = Path(__file__).with_name("peers.py")
    python = options.peer_python if name == "scikit-activeml" else sys.executable
    command = [python, str(script), name, str(options.data), str(options.objects), str(options.picks)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if "No module named" in done.stderr:
        return None
    done.check_returncode()
    return json.loads(done.stdout)


def one(options):
    """Pick once; what it took."""
    pool = np.load(options.data, mmap_mode="r")[: options.objects]
    view = PoolView(np.arange(len(pool)), partial(rows_of, pool), partial(probabilities, classes=options.classes))
    with PeakMemory() as memory:
        wall, cpu = time.perf_counter(), time.process_time()
        if options.one == CORE_SET:
            picks = k_center(
                view.features, len(view), options.picks, centres=np.empty((0, pool.shape[1]), np.float32), first=0
            )
        else:
            picks = PLAIN_STRATEGIES[options.one](view, options.picks, np.random.default_rng(0)).objects
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"picks": picks.tolist(), "wall": wall, "cpu": cpu, "gigabytes": memory.most / 1e6}


def rows_of(pool, objects):
    """Features of some objects; a run of them is a slice of the map."""
    if len(objects) and objects[-1] - objects[0] == len(objects) - 1 and (np.diff(objects) == 1).all():
        return pool[objects[0] : objects[-1] + 1].astype(np.float32)
    return pool[objects].astype(np.float32)


class PeakMemory:
    """Most kilobytes this process had beside mapped files, sampled; where the system does not tell, with them."""

    def __init__(self):
        self.most = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.02):
            self.most = max(self.most, self._now())

    def _now(self):
        try:
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        except OSError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def mean_left(options, picks):
    """Mean D^2 that picks leave: what k-means++ lowers."""
    x = np.load(options.data, mmap_mode="r")[: options.objects].astype(np.float32)
    gradients = Gradients.of(probabilities(x, options.classes), x)
    return float(gradients.distances(gradients.take(np.asarray(picks))).min(axis=1).mean())


def table_row(row) -> str:
    cost = f"{row['wall']:.1f} | {row['cpu']:.1f} | {row['gigabytes']:.2f} GB"
    if "contender" not in row:
        return f"| {row['strategy']} | {row['objects']:,} | {len(row['picks']):,} | {cost} |"
    equal = f"{row['same']} of {len(row['picks'])}" if "same" in row else f"{row['left']:.4f}" if "left" in row else ""
    return f"| {row['strategy']} | {row['contender']} | {cost} | {row['ratio']:.1f} | {equal} |"


if __name__ == "__main__":
    raise SystemExit(main())
