"""Put the tables and pictures of a run into this folder's page; its sentences stay, to be read again by somebody.

    python -m benchmarks.labeling_cost.splice OUT [--page README.md]

OUT is the output folder of ``python -m benchmarks.labeling_cost``. Every table of ``OUT/table.md`` takes the place of
the one on the page that has the same first line (its columns), below the same third-level heading if it has one.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--page", type=Path, default=HERE / "README.md")
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    text, missing = splice(page, (options.output / "table.md").read_text(encoding="utf-8"))
    for columns in missing:
        print(f"{options.page} has no table with the columns {columns}", file=sys.stderr)
    if missing:
        return 1
    options.page.write_text(text, encoding="utf-8")
    for picture in sorted(options.output.glob("*.png")):
        shutil.copyfile(picture, options.page.parent / "figures" / picture.name)
    return 0


def splice(page: str, found: str) -> tuple[str, list[str]]:
    """Return the page with the tables of `found` in place of its own, and the columns of those it has no place for."""
    fresh = {key: lines for key, lines in _blocks(found) if key}
    out = []
    for key, lines in _blocks(page):
        out += fresh.pop(key, lines) if key else lines
    return "\n".join(out) + "\n", [columns for _, columns in fresh]


def _blocks(text: str) -> list[tuple[tuple[str, str] | None, list[str]]]:
    """Split a page into tables, each with its heading and its columns, and what is between them."""
    heading, blocks = "", []
    for is_table, group in groupby(text.splitlines(), lambda line: line.startswith("|")):
        lines = list(group)
        blocks.append(((heading, lines[0]) if is_table else None, lines))
        for line in lines:
            if line.startswith("#"):
                heading = line if line.startswith("### ") else ""
    return blocks


if __name__ == "__main__":
    sys.exit(main())
