"""Small worlds of careless workers around the task queue, thousands of them, each from its seed.

    python -m benchmarks.workforce.simulation [--seeds 5000] [--first 0] [--json]

What a world does and what it checks is in `benchmarks.workforce.world`. A failure names its seed, and
`--first SEED --seeds 1` plays it again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from benchmarks.workforce.world import World


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    begun = time.perf_counter()
    found = {"seeds": 0, "events": 0, "crashes and clock jumps": 0, "acknowledged": 0, "late": 0, "violations": 0}
    for seed in range(options.first, options.first + options.seeds):
        world = World(seed)
        try:
            world.run()
        except AssertionError as error:
            found["violations"] += 1
            print(f"seed {seed}: {error}", file=sys.stderr)
        found["seeds"] += 1
        found["events"] += world.steps
        found["crashes and clock jumps"] += world.faults
        found["acknowledged"] += sum(map(len, world.acked.values()))
        found["late"] += len(world.late)
    seconds = time.perf_counter() - begun
    found["events a second"] = round(found["events"] / seconds)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name}: {value:,}")
    sys.exit(found["violations"] > 0)


if __name__ == "__main__":
    main()
