"""Manifests of made-up short English texts, the same for the same seed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLASSES = ("sport", "business", "travel", "cooking")
"""Categories of the whole job's truth."""

TOPIC_WORDS = {
    "sport": "match goal season coach team league striker final score referee stadium injury transfer title",
    "business": "shares profit market bank deal investors quarter revenue merger prices growth tax debt loan",
    "travel": "flight hotel beach passport luggage island train booking museum guide ferry tourists border visa",
    "cooking": "recipe oven butter garlic sauce simmer flour pepper onion bake stir dough salad spoon",
}
COMMON_WORDS = """
the of and to a in that it was for on with as his he be at by had not are but from or have an they which one
you were her all she there would their we him been has when who will more no if out so said what up its about
into than them can only other new some could time these two may then do first any my now such like our over
man me even most made after also did many before must through back years where much your way well down should
because each just those people how too little state good very make world still own see men work long get here
between both life being under never day same another know while last might us great old year off come since
against go came right used take three small every found house place again large few water white think might
always away four something fact though less public put thing almost hand enough far took head yet government
system better set told nothing night end why called didn't eyes find going look asked later knew point next
city program business give group toward young days let room side social given present several order national
possible rather second face per among form important often things looked early white case john big become
large felt four need within
"""
RARE = (
    "café",  # not ASCII: two, three and four bytes in UTF-8
    "naïve",
    "Zürich",
    "€20",
    "“quoted”",
    "– dash –",
    "日本",
    "🙂",
    'a "quoted" word',  # escaped in JSON
    "C:\\temp",
    "first line\nsecond line",
    "tab\there",
)
BLOCK = 10_000
COMMON = COMMON_WORDS.split()
TOPICS = [TOPIC_WORDS[name].split() for name in CLASSES]
RARE_SHARE = 0.06
TOPIC_SHARE = 0.12


def write_manifest_file(path: Path, lines: int, *, seed: int = 0, bad: int = 0) -> None:
    r"""Write a manifest of `lines` texts with pass-through keys; `bad` of them are no good lines.

    Every third line is ASCII with ``\uXXXX`` escapes as Python's json writes it, the others raw UTF-8; every ninth
    is compact; every fiftieth has one key more.
    """
    rng = np.random.default_rng(seed)
    broken = set(rng.choice(lines, size=bad, replace=False).tolist())
    with path.open("wb") as file:
        for first, texts, _ in text_blocks(rng, lines):
            file.writelines(
                _bad_line(number, text) if number in broken else _line(number, text)
                for number, text in enumerate(texts, first)
            )


def write_job_files(manifest: Path, truth: Path, lines: int, *, seed: int = 0) -> None:
    """Write the input of the whole job: a manifest, and the same lines with ``class_id``."""
    rng = np.random.default_rng(seed)
    with manifest.open("wb") as objects, truth.open("wb") as labels:
        for _, texts, classes in text_blocks(rng, lines):
            for text, label in zip(texts, classes, strict=True):
                source = json.dumps(text, ensure_ascii=False)
                objects.write(f'{{"source": {source}}}\n'.encode())
                labels.write(f'{{"source": {source}, "class_id": {label}}}\n'.encode())


def text_blocks(rng: np.random.Generator, lines: int) -> Iterator[tuple[int, list[str], list[int]]]:
    """Yield first number, texts and their classes, some thousand at a time."""
    share = 1.0 / (np.arange(len(COMMON)) + 3.0)  # Zipf's law, flattened at its head
    share /= share.sum()
    for first in range(0, lines, BLOCK):
        count = min(BLOCK, lines - first)
        lengths = np.clip(rng.lognormal(2.7, 0.5, count), 4, 80).astype(int)
        classes = rng.integers(len(CLASSES), size=count)
        total = int(lengths.sum())
        words = [COMMON[place] for place in rng.choice(len(COMMON), size=total, p=share).tolist()]
        is_topic = rng.random(total) < TOPIC_SHARE
        ends = np.cumsum(lengths)
        for place in np.flatnonzero(is_topic).tolist():
            topic = TOPICS[classes[np.searchsorted(ends, place, side="right")]]
            words[place] = topic[int(rng.integers(len(topic)))]
        texts = []
        rare = rng.random(count) < RARE_SHARE
        which = rng.integers(len(RARE), size=count).tolist()
        for number, end in enumerate(ends.tolist()):
            own = words[end - int(lengths[number]) : end]
            if rare[number]:
                own[len(own) // 2] = RARE[which[number]]
            text = " ".join(own)
            texts.append(text[0].upper() + text[1:] + ".")
        yield first, texts, classes.tolist()


def _line(number: int, text: str) -> bytes:
    record = {
        "source": text,
        "id": f"doc-{number:08d}",
        "lang": "en",
        "meta": {"page": number % 977, "score": round((number * 7919 % 1000) / 1000, 3), "seen": number % 2 == 0},
    }
    if number % 50 == 0:
        record["note"] = "kept as it is"
    separators = (",", ":") if number % 9 == 0 else None
    return json.dumps(record, ensure_ascii=number % 3 == 0, separators=separators).encode() + b"\n"


def _bad_line(number: int, text: str) -> bytes:
    kinds = (b'{"source": 7}\n', b'{"text": "no source"}\n', b'{"source": "' + text[:9].encode() + b"\n", b"[1, 2]\n")
    return kinds[number % len(kinds)]
