"""The fast reading of a manifest and the strict reading of its lines, one by one, come to the same verdict."""

from __future__ import annotations

import json
import random
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autolabel.api.kinds import TaskKind
from autolabel.manifest.carried import Carried
from autolabel.manifest.fault import LineError
from autolabel.manifest.limits import Limits
from autolabel.manifest.lines import Manifest
from autolabel.manifest.reader import survey_manifest
from autolabel.manifest.sources import written_source
from autolabel.manifest.strict import LineRules, read_line

ATTRIBUTE = "mood"
LIMITS = Limits(max_line_chars=500, max_attribute_chars=330)

METADATA = {
    "class-name": "glad",
    "confidence": 0.95,
    "type": "groundtruth/text-classification",
    "job-name": "labeling-job/mood",
    "human-annotated": "yes",
    "creation-date": "2024-05-06T07:08:09.000001",
}
FAILURE = {"retry-count": 1, "failure-reason": "ClientError: no", "human-annotated": "true"}

texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "",
        'a "quoted" word',
        "back\\slash",
        "tab\there",
        "line\nfeed",
        "né",
        "😀",
        "\u2028",
        "\x7f",
        "3e5",
        "source",
        "$",
    ]
)
numbers = st.integers(-(10**22), 10**22) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 9)
scalars = texts | numbers | st.booleans() | st.none()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=4
)
LABELS = [
    {},
    {ATTRIBUTE: 3, f"{ATTRIBUTE}-metadata": METADATA},
    {ATTRIBUTE: "3", f"{ATTRIBUTE}-metadata": METADATA | {"human-annotated": "no"}},
    {ATTRIBUTE: [0, 2], f"{ATTRIBUTE}-metadata": METADATA | {"class-map": {"0": "glad", "2": "sad"}}},
    {f"{ATTRIBUTE}-metadata": FAILURE},
    {ATTRIBUTE: 1.5},
]
PLAIN = st.fixed_dictionaries(
    {},
    optional={
        "id": texts,
        "n": numbers,
        "né": numbers,
        "on": st.booleans(),
        "off": st.booleans(),
        "all": st.lists(st.booleans() | numbers, max_size=3),
        "inner": st.just({"source": "x", "k": 1}),
    },
)
ODD = st.dictionaries(st.sampled_from(["$a", "source", "source-ref", ATTRIBUTE, "class-map", "type"]) | texts, values)
WAYS = [
    {"separators": separators, "ensure_ascii": escaped}
    for separators in [(",", ":"), (", ", ": "), (" , ", " : ")]
    for escaped in (True, False)
]


def kinds_like(value):
    """What may stand for a value in a line that is made equally, and what may not."""
    if isinstance(value, str):
        return texts
    return st.booleans() | numbers | st.none() if isinstance(value, bool) else numbers | st.booleans()


@st.composite
def siblings(draw, source_key):
    """Write records that differ only in some values, as the lines of one manifest do."""
    record = {source_key: draw(texts)} | draw(PLAIN) | draw(st.sampled_from(LABELS))
    if draw(st.booleans()):
        record = dict(reversed(record.items()))
    plain = [key for key, value in record.items() if type(value) in (str, int, float, bool)]
    way, lines = draw(st.sampled_from(WAYS)), []
    for _ in range(draw(st.integers(1, 4))):
        changed = {key: draw(kinds_like(record[key])) for key in plain if draw(st.booleans())}
        lines.append(json.dumps(record | changed, **way).encode())
    return lines


SHARDS = [
    *(bytes([byte]) for byte in b'"\\{}[],:eE-+.0179 \t\r\x00\x1f\x7fua'),
    *(b"\xff", b"\xc3", b"\xa9", b"\xed\xa0\x80", b"\xef\xbb\xbf", "é".encode(), "\u2028".encode(), "\x85".encode()),
    *(b"\\u", b"\\ud83d", b"\\ude00", b"\\ud83d\\ude00", b"\\u00e9", b"\\q", b"\\\\", b'\\"', b"\\/", b"\\u12g4"),
    *(b'"id":1,', b'"source":"x",', b'"source-ref":"x",', b'"mood":1,', b'"$":1,', b"{}", b"[]", b"null", b"NaN"),
    *(b"1e999", b"1e5", b"-0", b"01", b".5", b"5.", b"1.5", b"9" * 30, b"1" * 20, b"}{", b'"}', b'{"', b'":', b'","'),
    *(b"x" * 331, b'"human-annotated":"no",', b'"type":3,', b"\xc2\x80"),
]


def damaged(line, rng):
    """Replace a few pieces of a line by something that does not belong there."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        start = rng.randrange(len(line) + 1)
        stop = start + rng.choice([0, 0, 1, 1, 2, 6])
        line = line[:start] + rng.choice(SHARDS) + line[stop:]
    return line


@st.composite
def manifests(draw, source_key="source"):
    """Write a manifest of good and of damaged lines, alike and different, in any order."""
    lines = [line for group in draw(st.lists(siblings(source_key), min_size=1, max_size=3)) for line in group]
    lines += [json.dumps(record, **draw(st.sampled_from(WAYS))).encode() for record in draw(st.lists(ODD, max_size=2))]
    rng = random.Random(draw(st.integers(0, 2**32)))
    lines += [damaged(rng.choice(lines), rng) for _ in range(draw(st.sampled_from([0, 1, 30])))]
    lines += draw(st.lists(st.sampled_from([b"", b"  ", b"\r", b"\x0b", b"{}", b"[]", b"1"]), max_size=2))
    rng.shuffle(lines)
    ending = draw(st.sampled_from([b"\n", b"\r\n"]))
    return ending.join(lines) + draw(st.sampled_from([b"", ending]))


@st.composite
def cases(draw):
    kind = draw(st.sampled_from([TaskKind.TEXT_CLASSIFICATION, TaskKind.IMAGE_CLASSIFICATION]))
    return draw(manifests(kind.source_key)), kind


def read_slowly(data, rules):
    """Read a manifest line by line: for each object its fault, or its source and what it carries."""
    verdicts = []
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if not line.strip(b" \t\r"):
            continue
        try:
            read = read_line(line.removesuffix(b"\r"), rules)
        except LineError as error:
            verdicts.append((error.code, error.found, error.expected))
        else:
            verdicts.append((read.source, read.carried))
    return verdicts


def read_fast(path, rules):
    index = survey_manifest(path, kind=rules.kind, attribute=rules.attribute, limits=rules.limits)
    bad = {each.object: (each.code, each.found, each.expected) for each in index.bad}
    prior, overwritten = set(index.prior.tolist()), set(index.overwritten.tolist())
    with Manifest(path, index) as manifest:
        return index, [
            bad.get(number) or (manifest.source(number), Carried.LABEL if number in prior else number in overwritten)
            for number in range(len(index))
        ]


def comparable(verdict):
    """Both kinds of keys that are overwritten are one list in the index."""
    if not isinstance(verdict[1], Carried):
        return verdict
    carried = verdict[1]
    return verdict[0], carried if carried is Carried.LABEL else carried is not Carried.NOTHING


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("screen") / "manifest.jsonl"


TEXT, IMAGE = TaskKind.TEXT_CLASSIFICATION, TaskKind.IMAGE_CLASSIFICATION
GOOD = b'{"source":"a","n":1}'
LONG = b'{"source":"%b"}' % (b"x" * 300)
LABELED = json.dumps({"source": "a"} | LABELS[1]).encode()
CLASSES = json.dumps(
    {"source": "a", ATTRIBUTE: [0], f"{ATTRIBUTE}-metadata": METADATA | {"class-map": {"0": "glad"}}}
).encode()


def changes(line, *pairs):
    """A line and copies of it in which one thing is different."""
    return b"\n".join([line, *(line.replace(old, new) for old, new in pairs)])


@given(case=cases())
@settings(max_examples=200, deadline=None)
@example(case=(b'{"source":"a","m":\n{"k":1}}\n{"source":"b"}{"source":"c"}\n', TEXT))
@example(case=(changes(GOOD, *((b"1", each) for each in (b"", b"-", b"007", b"1.2.3", b"12345678x", b".5"))), TEXT))
@example(case=(changes(GOOD, *((b"1", each) for each in (b"true", b"false", b"tru", b"falsetto", b"truefalse"))), TEXT))
@example(case=(changes(GOOD, *((b"1", each) for each in (b"-0.5", b"-.5", b"5.", b"-", b"0.0.", b"00.5"))), TEXT))
@example(case=(changes(b'{"source":"a","n":[true,false]}', (b"true", b"1"), (b"true", b"x"), (b"false", b"0")), TEXT))
@example(case=(changes(GOOD, (b"}", b"}x"), (b"}", b""), (b"{", b" {"), (b"}", b"} "), (b":1", b":[1]")), TEXT))
@example(case=(changes(b'{"source":"a"}', (b"}", b"}x"), (b"}", b""), (b"}", b"}}"), (b'a"', b'a\\"')), TEXT))
@example(case=(changes(GOOD, (b'"a"', b'"\\ud800"'), (b'"a"', b'"\\udc00"'), (b'"a"', b'"\\ud800\\udc00"')), TEXT))
@example(case=(changes(GOOD, (b'"a"', b'"\\u00g0"'), (b'"a"', b'"\\u00"'), (b'"a"', b'"\\x"')), TEXT))
@example(case=(changes(GOOD, (b'"a"', b'"\x1f"'), (b'"a"', b'"\t"'), (b'"a"', b'"\r"')), TEXT))
@example(case=(changes(GOOD, (b"a", b"x" * 331), (b"a", b"\xff"), (b"a", "né".encode())), TEXT))
@example(case=(changes(LONG, *((b'"}', each + b'"}') for each in (b"\xc3a\xa9", b"\xc3\xa9", b"\xc3", b"\xa9"))), TEXT))
@example(case=(changes(LABELED, (b"yes", b"no"), (b"yes", b"who"), (b"text-", b"some"), (b"3", b"null")), TEXT))
@example(case=(changes(CLASSES, (b"[0]", b"[1]"), (b"[0]", b"[7]")), TEXT))
@example(case=(b'{"source-ref":"a"}\n{"source-ref":""}\n', IMAGE))
def test_the_screen_passes_nothing_that_the_strict_reader_refuses(path, case):
    data, kind = case
    rules = LineRules(kind, ATTRIBUTE, LIMITS)
    slow = read_slowly(data, rules)
    if not slow or data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]:
        return
    path.write_bytes(data)
    index, fast = read_fast(path, rules)
    assert fast == [comparable(verdict) for verdict in slow]
    with Manifest(path, index) as manifest:
        sources = [
            written_source(manifest.line(number), kind.source_key, verdict[0])
            for number, verdict in enumerate(slow)
            if isinstance(verdict[1], Carried)
        ]
    assert index.duplicates == len(sources) - len(set(sources))


@given(data=manifests())
@settings(max_examples=100, deadline=None)
def test_the_index_finds_every_line_where_it_stands(path, data):
    rules = LineRules(TaskKind.TEXT_CLASSIFICATION, ATTRIBUTE, LIMITS)
    lines = [line.removesuffix(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    physical = [number for number, line in enumerate(lines, 1) if line.strip(b" \t\r")]
    if not physical or data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]:
        return
    path.write_bytes(data)
    index, _ = read_fast(path, rules)
    with Manifest(path, index) as manifest:
        assert [manifest.line(number) for number in range(len(index))] == [lines[at - 1] for at in physical]
        assert list(manifest.lines()) == [lines[at - 1] for at in physical]
    assert [index.line_number(number) for number in range(len(index))] == physical


def facts(index):
    names = ("offsets", "blank", "prior", "overwritten")
    arrays = {name: getattr(index, name).tolist() for name in names}
    bad = [(each.object, each.line, each.code) for each in index.bad]
    return arrays, bad, index.duplicates, index.size, index.sha256


@given(data=manifests())
@settings(max_examples=100, deadline=None)
def test_where_blocks_end_makes_no_difference(path, data):
    rules = LineRules(TEXT, ATTRIBUTE, Limits(max_line_chars=60, max_attribute_chars=50))
    if not read_slowly(data, rules):
        return
    path.write_bytes(data)
    whole, _ = read_fast(path, rules)
    with mock.patch("autolabel.manifest.reader.BLOCK", 1):
        in_pieces, _ = read_fast(path, rules)
    assert facts(in_pieces) == facts(whole)
