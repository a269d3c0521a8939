"""Draw rows of `pictures` and `texts`: objects a processor second of every contender, and where the limit is.

python -m benchmarks.throughput.plot ROWS.jsonl FIGURE.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

COLOURS = {"ours": "black", "ours-int8": "tab:blue"}


def main() -> int:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    draw([row for row in rows if "per_cpu_second" in row and row["benchmark"].split()[0] in {"pictures", "texts"}])
    return 0


def draw(rows) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "throughput"
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(row["benchmark"] for row in rows))
    figure, axes = plt.subplots(
        len(names), 1, figsize=(8.0, 0.6 + 1.1 * len(names)), layout="constrained", squeeze=False
    )
    for (axis,), name in zip(axes, names, strict=True):
        own = [row for row in rows if row["benchmark"] == name]
        for place, row in enumerate(reversed(own)):
            colour = COLOURS.get(row["contender"], "0.65")
            axis.barh(place, row["per_cpu_second"], color=colour, height=0.6)
            axis.text(row["per_cpu_second"], place, f" {row['per_cpu_second']:.0f}", va="center", fontsize=8)
            if "limit_per_cpu_second" in row:
                axis.plot([row["limit_per_cpu_second"]] * 2, [place - 0.4, place + 0.4], color="tab:red")
        axis.set_yticks(range(len(own)), [name_of(row) for row in reversed(own)], fontsize=8)
        axis.set_title(name, fontsize=9, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1][0].set_xlabel("objects a processor second; red: the limit of decoding and multiplying", fontsize=8)
    figure.savefig(sys.argv[2], metadata={"Date": None} if sys.argv[2].endswith(".svg") else None)


def name_of(row) -> str:
    return f"{row['contender']} (refused)" if row.get("refused") else row["contender"]


if __name__ == "__main__":
    raise SystemExit(main())
