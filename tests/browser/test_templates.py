"""A dozen worker templates in AWS's documented form: each renders, works, and posts the documented answer."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from support.browser import all_sent, chromium, opened
from support.web import custom_job, served

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TEMPLATES = Path(__file__).parents[1] / "data" / "templates"


@pytest.fixture(scope="module")
def context():
    with chromium() as found:
        yield found


def press(*keys):
    def act(page, frame):
        frame.locator("crowd-form").click(position={"x": 2, "y": 2})
        for key in keys[:-1]:
            page.keyboard.press(key)
        # The frame may go with the key, and then nobody confirms it: whether it was heard is asserted afterwards.
        with suppress(playwright.TimeoutError):
            frame.locator("body").press(keys[-1], timeout=10_000)

    return act


def fill_fields(page, frame):
    frame.get_by_label("First word").fill("rain")
    frame.locator("crowd-text-area textarea").fill("it\nrains")
    frame.get_by_role("button", name="Submit").click()


def tick_boxes(page, frame):
    frame.locator("crowd-checkbox", has_text="Too short").locator("input").check()
    frame.locator("crowd-checkbox", has_text="Rude").locator("input").uncheck()
    frame.get_by_role("button", name="Submit").click()


def choose_radio(page, frame):
    frame.locator("crowd-radio-button", has_text="No").locator("input").check()
    frame.locator("crowd-radio-button", has_text="Yes").locator("input").check()
    frame.get_by_role("button", name="Submit").click()


def slide(page, frame):
    frame.locator("crowd-slider input").fill("4")
    frame.locator("crowd-toggle-button", has_text="I am sure").locator("input").check()
    frame.get_by_role("button", name="Submit").click()


def own_buttons(page, frame):
    frame.get_by_role("button", name="View instructions").click()
    frame.get_by_role("button", name="Back").click()
    frame.get_by_role("button", name="Send").click()  # nothing is sent: the field is needed
    frame.locator("crowd-input input").fill("good")
    frame.get_by_role("button", name="Send").click()


def click_word(page, frame):
    frame.get_by_role("button", name="Submit").click()  # the template's own script refuses
    frame.locator(".word").first.click()
    frame.get_by_role("button", name="Submit").click()


def native(page, frame):
    frame.get_by_label("Language").select_option("Korean")
    frame.get_by_label("sad").check()
    frame.get_by_label("Note").fill("hm")
    frame.get_by_role("button", name="Send").click()


def comment(page, frame):
    frame.get_by_role("button", name="Say why").click()
    frame.locator("dialog[open] textarea").fill("too small")
    frame.get_by_role("button", name="Keep it").click()
    frame.get_by_role("radio", name="green").click()
    frame.get_by_role("button", name="Submit").click()


def first_word(job):
    return job.manifest.source(first_object(job)).split(" ")[0]


def first_object(job):
    return job.walk().store.one("SELECT object FROM answer")["object"]


CASES = {
    "text-classifier": (press("2", "Enter"), {"crowd-classifier": {"label": "cooking"}}),
    "image-classifier": (comment, {"crowd-image-classifier": {"label": "green", "workerComment": "too small"}}),
    "text-multi-select": (press("3", "1", "Enter"), {"topics": {"labels": ["weather", "travel"]}}),
    "image-multi-select": (press("1", "4", "Enter"), {"colours": {"labels": ["none"]}}),
    "entry-fields": (fill_fields, {"first-word": "rain", "summary": "it\nrains"}),
    "checkboxes": (tick_boxes, {"flaws": {"short": True, "odd": False, "rude": False}, "read": {"on": False}}),
    "radio-buttons": (choose_radio, {"english": {"yes": True}, "other": {"no": False}}),
    "sliders": (slide, {"quality": 4, "sure": {"on": True}}),
    "own-buttons": (own_buttons, {"verdict": "good"}),
    "own-script": (click_word, lambda job: {"word": first_word(job)}),
    "loops": (press("1", "Enter"), {"crowd-classifier": {"label": "weather"}}),
    "native-fields": (native, {"language": "Korean", "mood": {"glad": False, "sad": True}, "note": "hm"}),
}


def test_every_template_of_the_collection_is_a_case():
    assert {path.name.split(".")[0] for path in TEMPLATES.iterdir()} == set(CASES)
    assert len(CASES) == 12


@pytest.mark.parametrize("name", CASES)
def test_a_template_renders_works_and_posts_the_documented_answer(context, tmp_path, name):
    act, expected = CASES[name]
    job = custom_job(tmp_path, TEMPLATES / f"{name}.liquid.html", pictures=name.startswith("image"))
    with job, served(job, tmp_path) as it:
        page, watch = opened(context, it)
        frame = page.frame_locator("iframe")
        frame.locator("crowd-form").wait_for()
        act(page, frame)
        page.locator("#count", has_text="1 answer").wait_for()
        all_sent(page)
        row = job.walk().store.one("SELECT content FROM answer")
        assert json.loads(row["content"]) == (expected(job) if callable(expected) else expected)
        assert (watch.problems, watch.foreign) == ([], [])
        page.close()


def test_a_whole_job_by_template_ends_in_a_custom_manifest_that_verifies(context, tmp_path):
    with custom_job(tmp_path, TEMPLATES / "text-classifier.liquid.html") as job, served(job, tmp_path) as it:
        page, watch = opened(context, it)
        frame = page.frame_locator("iframe")
        shown = "nothing yet"
        for number in range(1, 7):
            # The frame of the object before may be there still, and what is pressed in it goes with it.
            frame.locator("crowd-form", has_not_text=re.compile(rf"{shown}\b")).wait_for()
            shown = re.search(r"#\d+", frame.locator("crowd-form").inner_text()).group()
            press("1", "Enter")(page, frame)
            page.locator("#count", has_text=f"{number} answer").wait_for()
        page.wait_for_selector("text=All done")
        assert watch.problems == []
        page.close()
        lines = [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]
        assert all(line["topic"] == {"crowd-classifier": {"label": "weather"}} for line in lines)
        assert lines[0]["topic-metadata"]["type"] == "groundtruth/custom"
        job.verify()


HOSTILE = """
<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form><p id="said">nothing</p></crowd-form>
<script>
(async () => {
  const tried = {};
  const attempt = async (name, work) => {
    try { tried[name] = String(await work()); } catch (error) { tried[name] = "refused"; }
  };
  const picture = (yes, no) => {
    const image = new Image();
    image.onload = () => yes("loaded");
    image.onerror = () => no();
    image.src = "https://example.org/x.png";
  };
  const form = () => {
    const made = document.createElement("form");
    made.action = "https://example.org/";
    made.method = "post";
    document.body.append(made);
    made.submit();
    return "submitted";
  };
  await attempt("cookie", () => document.cookie || "none");
  await attempt("storage", () => localStorage.length);
  await attempt("fetch", async () => (await fetch("/api/job")).status);
  await attempt("post", async () => (await fetch("/api/stop", {method: "POST", body: "{}"})).status);
  await attempt("parent", () => parent.document.title);
  await attempt("top", () => { top.location = "https://example.org/"; return "set"; });
  await attempt("open", () => (window.open("https://example.org/") ? "opened" : "refused"));
  await attempt("eval", () => eval("1 + 1"));
  await attempt("elsewhere", () => new Promise(picture));
  document.getElementById("said").textContent = JSON.stringify(tried);
  parent.postMessage({autolabel: "key", key: "constructor"}, "*");
  parent.postMessage({autolabel: "answer", content: "not an object"}, "*");
  parent.postMessage("nonsense", "*");
  setTimeout(form, 2000);
  setTimeout(() => { location = "https://example.org/?stolen"; }, 3000);
})();
</script>
"""


def test_a_hostile_template_reaches_nothing(context, tmp_path):
    template = tmp_path / "hostile.html"
    template.write_text(HOSTILE)
    with custom_job(tmp_path, template) as job, served(job, tmp_path) as it:
        page, watch = opened(context, it)
        frame = page.frame_locator("iframe")
        frame.locator("#said:not(:text-is('nothing'))").wait_for()
        said = json.loads(frame.locator("#said").text_content())
        assert said.pop("top") in {"set", "refused"}
        assert set(said.values()) == {"refused"}, said
        page.wait_for_timeout(4_000)  # until it has tried to leave
        assert page.frames[1].url.startswith("chrome-error:")
        assert page.url == f"{it.server.origin}/"
        assert page.locator("#work").is_visible()
        assert len(context.pages) <= 2
        assert [url for url in watch.foreign if not url.startswith("https://example.org/")] == []
        assert job.walk().store.one("SELECT COUNT(*) AS n FROM answer")["n"] == 0
        page.close()
