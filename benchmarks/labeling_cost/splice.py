"""Put the tables and pictures of a run into this folder's page; its sentences stay, to be read again by somebody.

    python -m benchmarks.labeling_cost.splice OUT [--page README.md]

OUT is the output folder of ``python -m benchmarks.labeling_cost``. Every table of ``OUT/table.md`` takes the place of
the one on the page that has the same first line (its columns), below the same third-level heading if it has one.
A run of fewer data sets than the page has (``--quick``, ``--only``) is refused; nothing is written then.
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
    try:
        found, page = (path.read_text(encoding="utf-8") for path in (options.output / "table.md", options.page))
    except OSError as error:
        parser.error(str(error))
    text, problems = splice(page, found)
    for problem in problems:
        print(f"{options.page}: {problem}", file=sys.stderr)
    if problems:
        return 1
    figures = options.page.parent / "figures"
    figures.mkdir(exist_ok=True)
    for picture in sorted(options.output.glob("*.png")):
        shutil.copyfile(picture, figures / picture.name)
    options.page.write_text(text, encoding="utf-8")
    return 0


def splice(page: str, found: str) -> tuple[str, list[str]]:
    """Return the page with the tables of `found` in place of its own, and why it should not be written."""
    fresh = {key: lines for key, lines in _blocks(found) if key}
    out, problems = [], []
    for key, lines in _blocks(page):
        own = fresh.pop(key, lines) if key else lines
        lost = _names(lines) - _names(own) if key else set()
        if lost:
            problems.append(f"the run has no rows of {', '.join(sorted(lost))} for the table {lines[0]}")
        out += own
    problems += [f"there is no table with the columns {columns}" for _, columns in fresh]
    return "\n".join(out) + "\n", problems


def _names(table: list[str]) -> set[str]:
    """Return the first cells of a table's rows."""
    return {line.split("|")[1].strip() for line in table[2:]}


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
