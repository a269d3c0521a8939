from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from report_samples import HOSTILE, SAMPLES, boundary, confusion, finished_job, thumbnail

from autolabel.report import html
from autolabel.report.data import BoundaryItem, Decision, FailureRow
from autolabel.report.words import visible

VOID = {"meta", "br", "img", "path", "use", "rect"}


class Page(HTMLParser):
    """Every tag, attribute and text; fails on tags that do not nest."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.words, self._open = [], [], [], []
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return "".join(self.words)


@cache
def source(name):
    return html.render(SAMPLES[name]())


@pytest.mark.parametrize("name", SAMPLES)
def test_every_page_nests_and_loads_nothing(name):
    page = Page(source(name))
    assert not {"script", "link", "iframe", "object", "embed", "base", "form", "a"} & set(page.tags)
    for tag, attribute, value in page.attributes:
        assert not attribute.startswith("on"), (tag, attribute)
        if attribute in {"src", "href", "srcset", "action", "data"}:
            assert value.startswith(("data:image/jpeg;base64,", "#")), (tag, value)
        if attribute == "style":
            assert "http" not in value
    assert "@import" not in source(name)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_character_of_a_page_acts_unseen(name):
    source(name).encode()
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", source(name)
    )


@pytest.mark.parametrize("name", ["finished", "hostile"])
def test_the_same_job_gives_the_same_page(name):
    assert html.render(SAMPLES[name]()) == source(name)


@pytest.mark.parametrize("text", HOSTILE)
def test_untrusted_text_is_shown_and_nothing_else(text):
    page = Page(source("hostile"))
    assert visible(text) in page.text
    images = [value for tag, name, value in page.attributes if tag == "img"]
    assert images == []


def test_a_label_in_the_template_language_is_not_evaluated():
    assert "{{ 7 * 7 }}" in source("hostile")


def test_the_sections_come_in_the_order_of_a_readers_questions():
    headings = re.findall(r"<h2>(.*?)</h2>", source("finished"))
    assert headings == [
        "Cost",
        "Rounds",
        "People",
        "How well the machine knows when it is wrong",
        "What is taken for what",
        "Objects next to the threshold",
        "Failures",
        "Settings",
    ]
    assert (
        source("finished").index("Certified.")
        < source("finished").index('class="tiles"')
        < source("finished").index("<h2>")
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("finished", "Certified. With 95 % confidence at most 89 of 1,797 labels are wrong"),
        ("finished", "The promise of at most 89 is kept."),
        ("finished", "300 to train, 120 to audit, 89 for the rest"),
        ("refused", "Not certified. No machine label is certified: 40 audits cannot certify 5 %"),
        ("per class", "per-class: at most 5 % of the machine's labels of every predicted class wrong"),
        ("per class", "The promise of at most 35 in all classes together is kept."),
        ("failed", "Failed. More than 10 % of the first batch failed"),
        ("failed", "The first 200 of 450, with reasons"),
        ("empty", "In progress. Nothing is certified yet"),
        ("empty", "No round has been finished."),
        ("empty", "No prediction has been checked by people."),
        ("many classes", "The 20 most frequent confusions"),
        ("huge", "$232,000"),
    ],
)
def test_the_page_says_what_happened(name, said):
    assert said in re.sub(r"\s+", " ", Page(source(name)).text)


def test_the_promise_is_listed_class_by_class():
    table = source("per class").split("The promise class by class")[1].split("</table>")[0]
    rows = [re.findall(r"<td[^>]*>(?:<bdi>)?(.*?)(?:</bdi>)?</td>", row) for row in table.split("<tr>")[2:]]
    assert rows == [
        ["zero", "900", "70", "800", "4", "1", "700", "35", ""],
        ["one", "560", "50", "500", "4", "0", "0", "0",
         "the audit found 3 errors, which leaves 12 machine labels at best"],
        ["two", "37", "0", "0", "4", "–", "0", "0", "too few objects, or too unsure ones, to be worth an audit"],
    ]  # fmt: skip
    assert "class by class" not in source("finished")


def test_colours_follow_the_readers_scheme_and_paper_stays_light():
    assert "@media screen and (prefers-color-scheme: dark)" in source("empty")


def test_every_colour_that_plots_use_is_defined_for_light_and_dark():
    page = source("finished")
    styles = page[page.index("<style>") : page.index("</style>")]
    for name in set(re.findall(r"var\((--[a-z]+)\)", page)) - {"--mark", "--tone"}:
        assert styles.count(f"{name}: #") == 2, name


def test_settings_are_dotted_names_with_their_json_values():
    assert html.flattened({"quality": {"error": 0.05, "on": True}, "name": "x", "none": {}}) == [
        ("quality.error", "0.05"),
        ("quality.on", "true"),
        ("name", "x"),
        ("none", "{}"),
    ]


def test_most_confused_pairs_agree_with_sorting_by_hand():
    matrix = confusion(30, seed=5)
    categories = tuple(f"c{i}" for i in range(30))
    pairs = html.most_confused(matrix, categories, top=10)
    by_hand = sorted(
        ((-matrix[i, j], i, j) for i in range(30) for j in range(30) if i != j and matrix[i, j]),
    )[:10]
    assert [(pair.count, pair.reference, pair.predicted) for pair in pairs] == [
        (-count, f"c{i}", f"c{j}") for count, i, j in by_hand
    ]
    assert pairs[0].share == pairs[0].count / matrix[by_hand[0][1]].sum()


def test_a_model_without_errors_confuses_nothing():
    assert html.most_confused(np.diag([4, 5]), ("a", "b")) == []


def test_the_boundary_shows_the_nearest_of_each_side_first():
    items = boundary(False, ("a", "b"))
    accepted = html.nearest(items, Decision.ACCEPTED)
    rejected = html.nearest(items, Decision.REJECTED)
    assert [item.object for item in accepted] == [50, 40, 30, 20, 10, 0]
    assert [item.object for item in rejected] == [60, 70, 80, 90, 100, 110]


def test_boundary_objects_show_their_picture_or_their_text():
    items = (
        BoundaryItem(1, "cat", 0.3, Decision.ACCEPTED, thumbnail=thumbnail(1)),
        BoundaryItem(2, "dog", 0.4, Decision.REJECTED, text="line one\n\tline two " + "x" * 900, human="cat"),
    )
    page = Page(html.render(replace(finished_job(), boundary=items)))
    assert [name for tag, name, _ in page.attributes if tag == "img"] == ["src", "alt"]
    assert "line one\n\tline two" in page.text
    assert "x" * 401 not in page.text
    assert "by people ✗" in page.text


def test_failures_are_counted_by_the_code_of_their_reason():
    rows = [FailureRow(i, i, reason) for i, reason in enumerate(["B: x", "A: y", "A: z", "no code"])]
    assert html.failure_kinds(rows) == [("A", 2), ("B", 1), ("no code", 1)]


def plain(name):
    return re.sub(r"<[^>]*>", "", unescape(source(name)))


def test_people_are_shown_with_their_figures_and_how_far_they_agree():
    page = plain("finished")
    assert "509 objects were answered by at least two people: 93.4 % of pairs of answers agree" in page
    assert "alpha is 0.926" in page
    assert "4 workers" in page
    assert "Asking one more only where it was worth its price saved 512 answers." in page
    assert "The 100 of 3,000 workers with most answers" in plain("huge")


def test_peoples_own_errors_stand_beside_the_promise_or_are_said_to_be_unknown():
    assert "Wrong against the truth ≤ wrong against people's labels + people's own errors" in plain("finished")
    assert "How often people's own labels are wrong was not measured" in plain("refused")
    assert "People's own errors" not in plain("empty")
