"""One matplotlib figure as one inline SVG element that follows the page's colours and font."""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

if TYPE_CHECKING:
    from collections.abc import Iterator

INK = "#1f2328"
MUTED = "#6a737d"
GRID = "#d5dbe1"
PAPER = "#fefefe"
HUMAN = "#0b5cad"
AUDIT = "#5aa9e6"
REST = "#a9bccd"
MACHINE = "#e39a1d"
COMPUTE = "#7b61a8"
PROMISE = "#c2410c"
ERROR = "#c9302c"
RIGHT = "#2f855a"

# Every colour is drawn as a plain value and named afterwards, so that the page decides: dark, light or print.
_NAMES = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    HUMAN: "var(--human)",
    AUDIT: "var(--audit)",
    REST: "var(--rest)",
    MACHINE: "var(--machine)",
    COMPUTE: "var(--compute)",
    PROMISE: "var(--promise)",
    ERROR: "var(--error)",
    RIGHT: "var(--right)",
}

_STYLE: dict[Any, Any] = {  # matplotlib types the names of its settings from 3.11 on, as `str` before
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=[HUMAN]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "legend.handlelength": 1.4,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
}

_HREF = "{http://www.w3.org/1999/xlink}href"
_LOCAL_URL = re.compile(r"url\(#([^)]+)\)")


class Drawing:
    """A figure while it is drawn; `svg` is its text afterwards."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def drawing(title: str, *, width: float = 4.6, height: float = 3.0) -> Iterator[Drawing]:
    """Open a figure of `width` x `height` inches; on leaving, its `svg` is written, always the same bytes.

    The user's matplotlib settings play no part. `title` is what a screen reader says; it also keeps the
    figure's element ids apart from those of the other figures on the page.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        # The browser draws the text with its own fonts: a glyph that matplotlib's font lacks is no loss.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        mpl.rcParams["svg.hashsalt"] = title
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        opened = Drawing(figure)
        yield opened
        buffer = io.StringIO()
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    opened.svg = _inline(buffer.getvalue(), title)


def _inline(document: str, title: str) -> str:
    """Turn matplotlib's SVG document into an element for the middle of a page.

    Only attributes are rewritten, on the parsed tree: a category called ``#0b5cad`` stays a text.
    """
    root = ET.fromstring(document)  # noqa: S314 - written by matplotlib a moment ago, not by a stranger
    referenced = _referenced_ids(root)
    for parent in root.iter():
        for child in list(parent):
            if _local(child.tag) in {"metadata", "style"}:
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        _rewrite(element, referenced)
    width = float(root.attrib["viewBox"].split()[2])
    root.attrib.pop("height")
    root.attrib.pop("width")
    root.attrib.pop("version", None)
    root.attrib.update({"class": "plot", "role": "img", "aria-label": title})
    # Text may grow to one and a half times its size and shrink to nine tenths; below that the page scrolls.
    root.set("style", f"max-width: {1.55 * width:.0f}px; min-width: {0.9 * width:.0f}px")
    return ET.tostring(root, encoding="unicode")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _referenced_ids(root: ET.Element) -> set[str]:
    found = {element.attrib[_HREF][1:] for element in root.iter() if _HREF in element.attrib}
    for element in root.iter():
        for value in element.attrib.values():
            found.update(_LOCAL_URL.findall(value))
    return found


def _rewrite(element: ET.Element, referenced: set[str]) -> None:
    if element.attrib.get("id", "") not in referenced:
        element.attrib.pop("id", None)  # `axes_1` would be in every figure of the page
    if _HREF in element.attrib:
        element.set("href", element.attrib.pop(_HREF))
    style = _declarations(element.attrib.pop("style", ""))
    for name in ("fill", "stroke"):
        if element.attrib.get(name, "") in _NAMES:  # `var()` is for style sheets, not for attributes
            style[name] = element.attrib.pop(name)
    if _local(element.tag) == "text":
        style.pop("font-family", None)
        style.setdefault("fill", INK)
    if style:
        element.set("style", "; ".join(f"{name}: {_NAMES.get(value, value)}" for name, value in style.items()))


def _declarations(style: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}
