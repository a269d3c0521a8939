"""The whole processor part, one benchmark after the other; rows are appended to one file.

    python -m benchmarks.throughput PICTURES TEXTS --out rows.jsonl [--figure figure.svg]

PICTURES and TEXTS are folders as `clothing10` and `20newsgroups` are. It takes about an hour on two quiet cores and
10 GB of temporary disk.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    parts = {
        "pictures": [str(options.pictures)],
        "texts": [str(options.texts)],
        "rescoring": [],
        "memory": [],
        "s3": [],
        "engines": [],
        "kills": [],
    }
    for name, words in parts.items():
        print(f"== {name}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", f"benchmarks.throughput.{name}", *words, "--out", str(options.out)]
        subprocess.run(command, check=True)
    if options.figure is not None:
        command = [sys.executable, "-m", "benchmarks.throughput.plot", str(options.out), str(options.figure)]
        subprocess.run(command, check=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
