"""How long the package takes to be there: fresh processes, against an interpreter that does nothing.

    python -m benchmarks.startup [--json]

Exits with 1 when importing the package brings torch with it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

REPEATS = 5
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import autolabel": ["-c", "import autolabel"],
    "from autolabel import LabelingJob": ["-c", "from autolabel import LabelingJob"],
    "autolabel --help": ["-m", "autolabel", "--help"],
}
TORCH = "import autolabel, sys; sys.exit('torch' in sys.modules)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {name: median_seconds(arguments) for name, arguments in COMMANDS.items()}
    has_torch = bool(subprocess.run([sys.executable, "-c", TORCH], check=False).returncode)
    if options.json:
        print(json.dumps({"seconds": found, "import_brings_torch": has_torch}))
    else:
        bare = found["python -c pass"]
        for name, median in found.items():
            print(f"{name:36s} {1000 * median:6.0f} ms  {median / bare:5.1f} times a bare interpreter")
        print(f"torch in sys.modules after import autolabel: {has_torch}")
    return int(has_torch)


def median_seconds(arguments: list[str]) -> float:
    """Run some fresh interpreters."""
    found = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


if __name__ == "__main__":
    sys.exit(main())
