from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from autolabel.api.kinds import TaskKind
from autolabel.errors import InvalidRequestError
from autolabel.tasks import task_for, worker_template


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found[tag] = dict(attrs)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("kind", [TaskKind.IMAGE_CLASSIFICATION, TaskKind.TEXT_CLASSIFICATION])
def test_a_pages_element_posts_the_answer_that_the_task_reads(kind):
    (element,) = task_for(kind, ["a", "b"]).answer_from_label(0)
    page = Elements(worker_template(kind))
    assert page.open == []
    assert page.found[element]["name"] == element
    assert page.found[element]["categories"] == "{{ task.input.labels | to_json | escape }}"
    assert {"crowd-form", "short-instructions", "full-instructions"} <= page.found.keys()


def test_the_image_page_grants_access_to_the_picture():
    page = Elements(worker_template(TaskKind.IMAGE_CLASSIFICATION))
    assert page.found["crowd-image-classifier"]["src"] == "{{ task.input.taskObject | grant_read_access }}"


def test_the_text_page_shows_the_text_with_its_line_breaks():
    template = worker_template(TaskKind.TEXT_CLASSIFICATION)
    assert re.search(r"<classification-target[^>]*pre-wrap[^>]*>\s*{{ task.input.taskObject }}", template)


@pytest.mark.parametrize("kind", [TaskKind.IMAGE_CLASSIFICATION, TaskKind.TEXT_CLASSIFICATION])
def test_a_page_uses_only_what_the_task_input_holds(kind):
    used = set(re.findall(r"task\.input\.(\w+)", worker_template(kind)))
    assert used == task_for(kind, ["a", "b"]).task_input("x").keys()


def test_a_kind_of_a_later_release_has_no_page():
    with pytest.raises(InvalidRequestError, match="later release"):
        worker_template(TaskKind.OBJECT_DETECTION)
