"""Bad and odd manifests, numbered as in the catalogue of bad inputs, each with the one answer it must get.

There are two kinds of refusal: the whole file (no job starts), or one line (its object fails, the job goes on).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autolabel.api.kinds import TaskKind
from autolabel.manifest.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT, IMAGE, BOXES = TaskKind.TEXT_CLASSIFICATION, TaskKind.IMAGE_CLASSIFICATION, TaskKind.OBJECT_DETECTION
MASKS = TaskKind.SEMANTIC_SEGMENTATION
ATTRIBUTE = "mood"

UNREADABLE = "MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT"
TOO_MANY = "MANIFEST_ROWS_EXCEEDS_MAXIMUM"
TOO_BAD = "TOO_MANY_INVALID_ROWS_IN_MANIFEST"


@dataclass(frozen=True)
class Refused:
    """No job starts from the file."""

    code: str
    words: str = ""
    """Part of the message."""


@dataclass(frozen=True)
class Bad:
    """One object fails."""

    code: str
    line: int = 3
    """1-based physical line."""
    words: str = ""


@dataclass(frozen=True)
class Taken:
    """Every object is good."""

    objects: int = 5
    warning: str = ""
    """Part of the only warning; empty: there is none."""
    prior: tuple[int, ...] = ()
    overwritten: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """One manifest and its answer."""

    id: str
    content: bytes | Callable[[Path], Path]
    """The file's bytes, or what makes something else at a path and returns where to look."""
    expected: Refused | Bad | Taken
    kind: TaskKind = TEXT
    limits: Limits = DEFAULT_LIMITS


def good(number: int, kind: TaskKind = TEXT) -> bytes:
    """Write a good line; good lines of a kind are all alike."""
    source = f"text {number}" if kind is TEXT else f"s3://bucket/{number}.jpg"
    return json.dumps({kind.source_key: source, "id": number}).encode()


def among(line: bytes, kind: TaskKind = TEXT, ending: bytes = b"\n") -> bytes:
    """Put a line in third place among four good ones that are made as it may be made itself."""
    lines = [good(0, kind), good(1, kind), line, good(3, kind), good(4, kind)]
    return ending.join(lines) + ending


def labeled(value: object, metadata: object, kind: TaskKind = TEXT, **others: object) -> bytes:
    """Put a line with a prior label in third place."""
    record = {kind.source_key: "s3://bucket/2.jpg", ATTRIBUTE: value, f"{ATTRIBUTE}-metadata": metadata, **others}
    return among(json.dumps({key: each for key, each in record.items() if each is not ...}).encode(), kind)


def made_by(who: str = "yes", kind: TaskKind = TEXT, **others: object) -> dict[str, object]:
    """Write metadata as Ground Truth does."""
    return {"class-name": "glad", "human-annotated": who, "type": f"groundtruth/{kind}"} | others


def of_length(characters: int) -> bytes:
    """Write a line of that many characters without a long attribute."""
    record = {"source": "é"} | {f"k{number}": "x" * 19_000 for number in range(5)} | {"last": ""}
    missing = characters - len(json.dumps(record, ensure_ascii=False))
    return json.dumps(record | {"last": "x" * missing}, ensure_ascii=False).encode()


def boxes(*given: dict[str, float], classes: tuple[str, ...] = ("0",), objects: int | None = None) -> bytes:
    """Put a line with prior boxes in an image of 100 x 80 pixels in third place."""
    value = {"annotations": [{"class_id": 0} | box for box in given], "image_size": [{"width": 100, "height": 80}]}
    count = len(given) if objects is None else objects
    metadata = made_by(kind=BOXES, objects=[{"confidence": 0}] * count) | {"class-map": dict.fromkeys(classes, "bird")}
    return labeled(value, metadata, BOXES)


def box(left: float = 1, top: float = 2, width: float = 3, height: float = 4) -> dict[str, float]:
    """Write a box."""
    return {"left": left, "top": top, "width": width, "height": height}


def directory(path: Path) -> Path:
    path.mkdir()
    return path


def device(_: Path) -> Path:
    return Path("/dev/zero")


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


FAILURE = {"retry-count": 1, "failure-reason": "ClientError: expired", "human-annotated": "true"}
INVALID = Bad("INVALID_JSON_LINE")
PRIOR = Taken(prior=(2,))
BAD_METADATA = Bad("INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT")

CASES = [
    Case("M01-missing-file", lambda path: path / "none", Refused(UNREADABLE, "no file")),
    Case("M02-empty", b"", Refused("EMPTY_MANIFEST", "an empty file")),
    Case("M02-only-blank-lines", b"\n \r\n\t\n", Refused("EMPTY_MANIFEST", "only blank lines")),
    Case("M02-only-a-mark", b"\xef\xbb\xbf", Refused("EMPTY_MANIFEST")),
    Case("M03-directory", directory, Refused(UNREADABLE, "a directory")),
    Case("M03-device", device, Refused(UNREADABLE, "a device")),
    Case("M03-pipe", pipe, Refused(UNREADABLE, "pipe")),
    Case("M04-too-many-lines", b'{"source":"x"}\n' * 100_001, Refused(TOO_MANY, "100,000")),
    Case("M04-too-many-masks", b'{"source-ref":"x"}\n' * 20_001, Refused(TOO_MANY, "20,000"), MASKS),
    Case("M04-more-lines-allowed", among(good(2)), Refused(TOO_MANY, "4 objects"), limits=Limits(max_objects=4)),
    Case(
        "M04-too-many-bytes",
        among(good(2)),
        Refused("MANIFEST_SIZE_TOO_LARGE", "100 bytes"),
        limits=Limits(max_bytes=100),
    ),
    Case("M05-invalid-utf8", among(b'{"source": "\xff", "id": 2}'), Bad("INVALID_JSON_LINE", words="UTF-8")),
    Case("M05-utf8-cut-off", among(b'{"source": "\xc3", "id": 2}'), INVALID),
    Case("M05-utf8-surrogate", among(b'{"source": "\xed\xa0\x80", "id": 2}'), INVALID),
    Case("M05-utf8-overlong", among(b'{"source": "\xc0\xaf", "id": 2}'), INVALID),
    Case("M05-invalid-utf8-in-another-value", among(b'{"source": "x", "id": "\xff"}'), INVALID),
    Case("M06-mark-at-the-start", b"\xef\xbb\xbf" + among(good(2)), Taken()),
    Case("M06-mark-in-the-middle", among(b"\xef\xbb\xbf" + good(2)), INVALID),
    Case("M07-utf16", among(good(2)).decode().encode("utf-16"), Refused(UNREADABLE, "UTF-16")),
    Case("M07-utf16-without-mark", among(good(2)).decode().encode("utf-16-le"), Refused(UNREADABLE, "UTF-16")),
    Case("M07-utf32", among(good(2)).decode().encode("utf-32"), Refused(UNREADABLE, "UTF-32")),
    Case("M08-crlf", among(good(2), ending=b"\r\n"), Taken()),
    Case("M08-cr-alone", among(good(2) + b"\r" + good(3)), INVALID),
    Case("M09-last-line-without-newline", among(good(2))[:-1], Taken()),
    Case("M09-last-line-cut-off", among(good(2))[:-3], Bad("INVALID_JSON_LINE", line=5)),
    Case("M10-blank-line", among(good(2) + b"\n\n \t\r\n" + good(9)), Taken(6, "2 lines have nothing but white space")),
    Case("M10-blank-line-before-a-bad-one", b"\n" + among(b"{"), Bad("INVALID_JSON_LINE", line=4)),
    Case("M11-line-separator", among('{"source": "a\u2028b\u2029c", "id": 2}'.encode()), Taken()),
    Case("M11-next-line", among('{"source": "a\x85b", "id": 2}'.encode()), Taken()),
    Case("M11-vertical-tab-as-line", among(b"\x0b"), INVALID),
    Case("M12-long-line", among(b'{"source": "x"%b}' % (b' , "a": 1' * 12_000)), INVALID),
    Case("M12-longest-attribute", among(b'{"source": "%b", "id": 2}' % ("é" * 20_000).encode()), Taken()),
    Case("M12-long-attribute", among(b'{"source": "%b", "id": 2}' % (b"x" * 20_001)), INVALID),
    Case("M12-long-array", among(b'{"source": "x", "id": [%b]}' % b",".join([b"10"] * 7000)), INVALID),
    Case("M12-longest-line", among(of_length(100_000)), Taken()),
    Case("M12-one-character-more", among(of_length(100_001)), Bad("INVALID_JSON_LINE", words="100,001 characters")),
    Case("M12-endless-line", among(b'{"source": "%b", "id": 2}' % (b"x" * 5_000_000)), INVALID),
    Case("M12-endless-last-line", among(good(2)) + b"x" * 5_000_000, Bad("INVALID_JSON_LINE", line=6)),
    Case("M13-trailing-garbage", among(good(2) + b"x"), INVALID),
    Case("M13-two-objects", among(good(2) + good(3)), INVALID),
    Case("M13-cut-off", among(good(2)[:-1]), INVALID),
    Case(
        "M13-object-over-two-lines",
        among(b'{"source": "x",\n"id": 2}'),
        Refused(TOO_BAD),
        limits=Limits(max_bad_share=0.2),
    ),
    Case("M14-array", among(b'["source"]'), Bad("INVALID_JSON_LINE", words="array")),
    Case("M14-string", among(b'"source"'), Bad("INVALID_JSON_LINE", words="string")),
    Case("M14-number", among(b"1"), Bad("INVALID_JSON_LINE", words="number")),
    Case("M14-null", among(b"null"), INVALID),
    Case("M15-nan", among(b'{"source": "x", "id": NaN}'), Bad("INVALID_JSON_LINE", words="NaN")),
    Case("M15-infinity", among(b'{"source": "x", "id": -Infinity}'), INVALID),
    Case("M15-1e999", among(b'{"source": "x", "id": 1e999}'), Bad("INVALID_JSON_LINE", words="1e999")),
    Case("M15-long-float", among(b'{"source": "x", "id": %b.0}' % (b"9" * 400)), INVALID),
    Case("M15-exponent", among(b'{"source": "x", "id": 1e99}'), Taken()),
    Case(
        "M16-duplicate-key", among(b'{"source": "x", "id": 2, "id": 2}'), Bad("INVALID_JSON_LINE", words="'id' twice")
    ),
    Case("M16-duplicate-source", among(b'{"source": "x", "source": "x"}'), INVALID),
    Case("M16-duplicate-key-by-escape", among(b'{"source": "x", "id": 2, "\\u0069d": 2}'), INVALID),
    Case("M16-duplicate-key-inside", among(b'{"source": "x", "id": [{"a": 1, "a": 1}]}'), INVALID),
    Case("M17-high-surrogate", among(b'{"source": "\\ud800", "id": 2}'), Bad("INVALID_JSON_LINE", words="\\ud800")),
    Case("M17-low-surrogate", among(b'{"source": "\\uDC00", "id": 2}'), INVALID),
    Case("M17-surrogates-swapped", among(b'{"source": "\\ude00\\ud83d", "id": 2}'), INVALID),
    Case("M17-surrogate-in-key", among(b'{"source": "x", "\\ud800": 2}'), INVALID),
    Case("M17-surrogate-pair", among(b'{"source": "\\ud83d\\ude00", "id": 2}'), Taken()),
    Case("M18-nul-in-source", among(b'{"source": "a\\u0000b", "id": 2}'), Taken()),
    Case(
        "M18-nul-in-key", among(b'{"source": "x", "i\\u0000d": 2}'), Bad("INVALID_JSON_LINE", words="control character")
    ),
    Case("M18-c1-control-in-key", among('{"source": "x", "i\x9bd": 2}'.encode()), INVALID),
    Case("M18-raw-control-in-source", among(b'{"source": "a\x00b", "id": 2}'), INVALID),
    Case("M18-raw-tab-in-source", among(b'{"source": "a\tb", "id": 2}'), INVALID),
    Case("M18-bad-escape", among(b'{"source": "\\x41", "id": 2}'), INVALID),
    Case(
        "M19-huge-integer",
        among(b'{"source": "x", "id": %b}' % (b"9" * 4301)),
        Bad("INVALID_JSON_LINE", words="digits"),
    ),
    Case("M19-large-integer", among(b'{"source": "x", "id": %b}' % (b"9" * 4300)), Taken()),
    Case("M20-nesting-bomb", among(b"[" * 90_000), Bad("INVALID_JSON_LINE", words="nested")),
    Case("M20-65-levels", among(b'{"source": "x", "id": %b%b}' % (b"[" * 64, b"]" * 64)), INVALID),
    Case("M20-64-levels", among(b'{"source": "x", "id": %b%b}' % (b"[" * 63, b"]" * 63)), Taken()),
    Case("M20-brackets-in-text", among(b'{"source": "%b", "id": 2}' % (b"[{" * 100)), Taken()),
    Case("M21-neither", among(b'{"id": 2}'), Bad("MISSING_SOURCE_REF", words="no 'source'")),
    Case("M21-empty-object", among(b"{}"), Bad("MISSING_SOURCE_REF")),
    Case("M21-reference-for-a-text", among(good(2, IMAGE)), Bad("MISSING_SOURCE_REF", words="'source-ref', which")),
    Case("M21-text-for-an-image", among(good(2), IMAGE), Bad("MISSING_SOURCE_REF"), IMAGE),
    Case("M21-source-inside-another-value", among(b'{"a": {"source": "x"}, "id": 2}'), Bad("MISSING_SOURCE_REF")),
    Case("M21-text-is-empty", among(b'{"source": "", "id": 2}'), Taken()),
    Case("M22-both", among(b'{"source": "x", "source-ref": "s3://b/k"}'), Bad("INVALID_JSON_LINE", words="both")),
    Case(
        "M23-reference-no-string", among(b'{"source-ref": 5, "id": 2}', IMAGE), Bad("INVALID_SOURCE_REF_FORMAT"), IMAGE
    ),
    Case("M23-text-no-string", among(b'{"source": ["x"], "id": 2}'), Bad("INVALID_SOURCE_REF_FORMAT")),
    Case("M23-reference-null", among(b'{"source-ref": null, "id": 2}', IMAGE), Bad("INVALID_SOURCE_REF_FORMAT"), IMAGE),
    Case("M23-reference-empty", among(b'{"source-ref": "", "id": 2}', IMAGE), Bad("INVALID_SOURCE_REF_FORMAT"), IMAGE),
    Case(
        "M23-reference-long",
        among(b'{"source-ref": "%b", "id": 2}' % (b"x" * 20_001), IMAGE),
        Bad("INVALID_SOURCE_REF_FORMAT"),
        IMAGE,
    ),
    Case("M23-reference-100-kb", among(b'{"source-ref": "%b", "id": 2}' % (b"x" * 102_400), IMAGE), INVALID, IMAGE),
    Case("M24-dollar-key", among(b'{"source": "x", "$id": 2}'), Bad("INVALID_JSON_LINE", words="$id")),
    Case("M24-dollar-key-by-escape", among(b'{"source": "x", "\\u0024id": 2}'), INVALID),
    Case("M24-dollar-key-inside", among(b'{"source": "x", "id": {"$oid": 2}}'), Taken()),
    Case(
        "M25-value-without-metadata", labeled(1, ...), Taken(warning="labeled anew and overwritten", overwritten=(2,))
    ),
    Case("M25-failure", labeled(..., FAILURE), Taken(warning="an earlier job's failure", overwritten=(2,))),
    Case("M25-people-label", labeled(1, made_by()), PRIOR),
    Case("M25-machine-label", labeled("1", made_by("no")), PRIOR),
    Case("M25-label-of-another-attribute", labeled(..., ..., other=1, **{"other-metadata": made_by()}), Taken()),
    Case("M25-metadata-without-value", labeled(..., made_by()), BAD_METADATA),
    Case("M25-metadata-no-object", labeled(1, "yes"), BAD_METADATA),
    Case("M25-label-and-failure", labeled(1, FAILURE), BAD_METADATA),
    Case("M25-made-by-nobody", labeled(1, {"class-name": "glad"}), BAD_METADATA),
    Case("M25-made-by-somebody", labeled(1, made_by("true")), BAD_METADATA),
    Case("M25-label-of-another-task", labeled(1, made_by(kind=IMAGE)), BAD_METADATA),
    Case("M25-type-in-capitals", labeled(1, made_by(type="groundTruth/Text-Classification")), PRIOR),
    Case("M25-null-label", labeled(None, made_by()), Bad("INVALID_LABEL_ATTRIBUTE_FORMAT")),
    Case("M26-unknown-keys", among(b'{"b": [1, {"\\u00e9": null}], "source": "x", "a" : 1.50}'), Taken()),
    Case(
        "M27-same-source",
        among(good(1)),
        Taken(warning="1 line has an earlier line's source again (line 3: that of line 2)"),
    ),
    Case(
        "M27-same-source-with-escapes",
        among(b'{"source": "a\\n\\"b"}\n{"id": 9, "source" : "a\\n\\"b"}'),
        Taken(6, warning="1 line has an earlier line's source again (line 4: that of line 3)"),
    ),
    Case("M27-same-source-escaped-otherwise", among(b'{"source": "te\\u0078t 1", "id": 9}'), Taken()),
    Case(
        "M27-same-long-reference",
        among(b'{"source": "%b"}\n{"source": "%b"}' % (b"x" * 99, b"x" * 98 + b"y")),
        Taken(6),
    ),
    Case("M28-class-absent", labeled([0, 3], made_by(**{"class-map": {"0": "glad"}})), Bad("MISSING_CLASS_MAP_ID")),
    Case("M28-class-present", labeled([0], made_by(**{"class-map": {"0": "glad"}})), PRIOR),
    Case("M28-class-map-no-object", labeled([0], made_by(**{"class-map": ["glad"]})), BAD_METADATA),
    Case("M28-box-class-absent", boxes(box(), classes=("1",)), Bad("MISSING_CLASS_MAP_ID"), BOXES),
    Case("M29-box-inside", boxes(box(), box(97, 76.5, 3, 3.5)), PRIOR, BOXES),
    Case("M29-no-box", boxes(), PRIOR, BOXES),
    Case("M29-box-negative", boxes(box(left=-1)), Bad("INVALID_BOUNDING_BOX"), BOXES),
    Case("M29-box-of-negative-width", boxes(box(left=9, width=-3)), Bad("INVALID_BOUNDING_BOX"), BOXES),
    Case("M29-box-off-the-image", boxes(box(left=98)), Bad("INVALID_BOUNDING_BOX"), BOXES),
    Case("M29-box-nan", boxes(box(left=float("nan"))), Bad("INVALID_JSON_LINE", words="NaN"), BOXES),
    Case("M29-box-empty", boxes(box(height=0)), Bad("BOUNDING_BOX_TOO_SMALL"), BOXES),
    Case("M29-box-without-height", boxes({"left": 1, "top": 1, "width": 1}), Bad("INVALID_BOUNDING_BOX"), BOXES),
    Case("M29-box-without-confidence", boxes(box(), objects=0), Bad("MISSING_BOUNDING_BOX_CONFIDENCE"), BOXES),
    Case("M29-no-boxes-at-all", labeled(1, made_by(kind=BOXES), BOXES), Bad("INVALID_LABEL_ATTRIBUTE_FORMAT"), BOXES),
    Case("M31-all-bad", b"{\n[\n", Refused(TOO_BAD, "2 of 2 lines")),
    Case("M31-more-than-half-bad", b"{\n[\n" + good(0), Refused(TOO_BAD, "2 of 3 lines")),
    Case("M31-half-bad", b"{\n" + good(0), Bad("INVALID_JSON_LINE", line=1)),
]
