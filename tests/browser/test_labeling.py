"""The labeling page in a real browser: by keyboard from an invitation to a certified manifest."""

from __future__ import annotations

import json
import threading

import pytest
from support.browser import all_sent, axe, chromium, opened, until
from support.web import people_job, served, text_job, write_pictures

from autolabel import LabelingJob, LabelingJobRequest, Settings
from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.web.server import open_site
from autolabel.workforce.web import WebSettings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MOST_PAGE_BYTES = 200_000


@pytest.fixture(scope="module")
def context():
    with chromium() as found:
        yield found


def text_of(page):
    return page.locator("#stage .text").text_content()


def key_for_text(page, truth):
    return str(truth[int(text_of(page).rsplit("#", 1)[1])] + 1)


LOOK = """() => {
  const image = document.querySelector("#stage img");
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  canvas.getContext("2d").drawImage(image, 0, 0, 1, 1);
  const [red, green, blue] = canvas.getContext("2d").getImageData(0, 0, 1, 1).data;
  return red > green && red > blue ? "1" : green > blue ? "2" : "3";
}"""


def label_to_the_end(page, it, key_of, shown):
    """What a person does: look, press a key, until the page says that it is over. Returns the number of keys."""
    pressed = 0
    seen = None
    while not it.steps:
        state = page.evaluate(shown)
        if state is None or state == seen:
            page.wait_for_timeout(5)
            continue
        page.keyboard.press(key_of(page))
        pressed += 1
        seen = state
    return pressed


TEXT_SHOWN = "() => document.querySelector('#stage .text')?.textContent ?? null"
PICTURE_SHOWN = "() => document.querySelector('#stage img')?.src ?? null"


def test_a_person_labels_texts_by_keyboard_to_a_certified_manifest(context, tmp_path):
    job, truth = text_job(tmp_path, 420, settings=Settings(model="tfidf", batch=60))
    with job, served(job, tmp_path) as it:
        page, watch = opened(context, it)
        page.locator("#stage .text").wait_for()
        pressed = label_to_the_end(page, it, lambda page: key_for_text(page, truth), TEXT_SHOWN)
        page.locator("text=All done").wait_for()
        assert pressed >= 100
        assert (watch.problems, watch.foreign) == ([], [])
        assert 0 < watch.bytes < MOST_PAGE_BYTES
        page.close()
        step = it.steps[0]
        assert step.certificate["granted"]
        assert job.counters().human_labeled == pressed
        assert job.counters().machine_labeled > 100
        job.verify()


def test_a_person_labels_pictures_by_keyboard_to_a_certified_manifest(context, tmp_path):
    write_pictures(tmp_path, 270)
    document = example_document(
        TaskKind.IMAGE_CLASSIFICATION, name="pictures", attribute="colour", manifest=str(tmp_path / "manifest.jsonl"),
        output=str(tmp_path / "out"), categories=str(tmp_path / "labels.json"), workers=1,
    )  # fmt: skip
    settings = Settings(model="pixels", batch=60)
    with LabelingJob.create(LabelingJobRequest.from_document(document), settings=settings) as job:
        with served(job, tmp_path) as it:
            page, watch = opened(context, it)
            page.locator("#stage img").wait_for()
            pressed = label_to_the_end(page, it, lambda page: page.evaluate(LOOK), PICTURE_SHOWN)
            page.locator("text=All done").wait_for()
            assert pressed >= 100
            assert (watch.problems, watch.foreign) == ([], [])
            page.close()
        assert job.counters().human_labeled == pressed
        lines = [json.loads(line) for line in job.folder.output_manifest.read_text().splitlines()]
        assert [line["colour"] for line in lines] == [number % 3 for number in range(270)]
        job.verify()


def answers(job):
    rows = job.walk().store.rows("SELECT object, content FROM answer ORDER BY object")
    return {row["object"]: row["content"] and json.loads(row["content"])["crowd-classifier"]["label"] for row in rows}


def shown_number(page):
    return int(text_of(page).rsplit("#", 1)[1])


def test_undo_skip_decline_and_help_do_what_they_say(context, tmp_path):
    job, _ = people_job(tmp_path, 10)
    with job, served(job, tmp_path) as it:
        page, watch = opened(context, it)
        page.locator("#stage .text").wait_for()
        first = shown_number(page)
        page.keyboard.press("1")
        page.keyboard.press("2")
        page.keyboard.press("u")
        page.keyboard.press("Backspace")
        assert shown_number(page) == first
        assert page.locator(".choice.marked").text_content().endswith("weather")
        page.keyboard.press("3")
        all_sent(page)
        assert answers(job)[first] == "travel"

        skipped = shown_number(page)
        page.keyboard.press("s")
        declined = shown_number(page)
        assert declined != skipped
        page.keyboard.press("d")
        page.locator("#declining").wait_for()
        page.keyboard.press("2")
        page.locator(".notice", has_text="Noted").wait_for()
        all_sent(page)
        found = answers(job)
        assert found[declined] is None
        assert skipped not in found
        extra = job.walk().store.one("SELECT extra FROM answer WHERE object = ?", declined)["extra"]
        assert json.loads(extra) == {"declineReason": "It cannot be seen or read"}

        page.keyboard.press("h")
        page.locator("#help").wait_for()
        before = shown_number(page)
        page.keyboard.press("1")  # keys do nothing behind a dialog
        page.keyboard.press("Escape")
        assert shown_number(page) == before
        assert watch.problems == []
        page.close()


def test_many_categories_are_found_by_typing(context, tmp_path):
    job, _ = people_job(tmp_path, 10)
    job.close()
    words = ("small", "großer Vogel", "médium")
    names = [f"{chr(97 + number // 26)}{chr(97 + number % 26)} {word}" for number in range(50) for word in words]
    names[77] = "the one"
    labels = {"document-version": "2018-11-28", "labels": [{"label": name} for name in names]}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    job, _ = people_job_again(tmp_path)
    with job, served(job, tmp_path) as it:
        page, watch = opened(context, it)
        page.locator("#stage .text").wait_for()
        assert page.evaluate("document.activeElement.type") == "search"
        first, typed = shown_number(page), ["the one", "bx med"]
        page.keyboard.type(typed[0])
        page.keyboard.press("Enter")
        second = shown_number(page)
        page.keyboard.press("3")  # nothing is typed: the third of all
        third = shown_number(page)
        page.keyboard.type(typed[1])
        assert page.locator(".choice").count() == 1
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.keyboard.press("Shift+2")
        all_sent(page)
        assert answers(job) == {first: "the one", second: names[2], third: names[11]}
        assert watch.problems == []
        page.close()


def people_job_again(folder):
    (folder / "again").mkdir()
    labels = (folder / "labels.json").read_bytes()
    job, truth = people_job(folder, 10, name="again")
    job.close()
    (folder / "labels.json").write_bytes(labels)
    document = json.loads((job.folder.request).read_text()) | {"LabelingJobName": "many"}
    return LabelingJob.create(LabelingJobRequest.from_document(document), settings=Settings()), truth


def test_answers_are_kept_without_a_connection_and_through_a_reload(context, tmp_path):
    job, _ = people_job(tmp_path, 10)
    with job, served(job, tmp_path) as it:
        page, _ = opened(context, it)
        page.locator("#stage .text").wait_for()
        until(page, "document.querySelector('#stage .text') !== null")
        page.wait_for_timeout(300)
        context.set_offline(True)
        page.keyboard.press("1")
        page.keyboard.press("2")
        page.locator("#link", has_text="offline · 2 answers kept here").wait_for()
        assert answers(job) == {}
        context.set_offline(False)
        all_sent(page)
        assert sorted(answers(job).values()) == ["cooking", "weather"]
        page.locator("#link").wait_for(state="hidden")

        # A request that the server takes, and whose answer never arrives
        page.route("**/api/answers", lambda route: (route.fetch(), route.abort()))
        page.keyboard.press("3")
        page.locator("#link", has_text="1 answer kept").wait_for()
        page.unroute("**/api/answers")
        page.reload()
        page.locator("#stage .text").wait_for()
        all_sent(page)
        assert sorted(answers(job).values()) == ["cooking", "travel", "weather"]
        assert job.walk().store.one("SELECT COUNT(*) AS n FROM ledger WHERE kind = 'answer'")["n"] == 3
        page.close()


def test_a_page_works_on_when_the_server_was_started_again(context, tmp_path):
    job, _ = people_job(tmp_path, 10)
    with job:
        with served(job, tmp_path) as it:
            page, _ = opened(context, it)
            page.locator("#stage .text").wait_for()
            page.keyboard.press("1")
            all_sent(page)
            port = it.address[1]
        page.keyboard.press("2")  # nobody is there
        page.locator("#link", has_text="offline").wait_for()
        settings = WebSettings(team=str(tmp_path / "team"), port=port)
        with open_site(job, settings) as (site, _):
            thread = threading.Thread(target=site.desk.run)
            thread.start()
            all_sent(page)
            page.keyboard.press("3")
            all_sent(page)
            site.desk.end()
            thread.join()
        assert sorted(answers(job).values()) == ["cooking", "travel", "weather"]
        page.close()


def test_a_task_whose_time_is_over_leaves_the_page(context, tmp_path):
    job, _ = people_job(tmp_path, 10, humans={"TaskTimeLimitInSeconds": 30})
    with job, served(job, tmp_path) as it:
        page, _ = opened(context, it)
        page.locator("#stage .text").wait_for()
        assert page.locator("#deadline.soon").text_content() in {"0:30 left", "0:29 left"}
        page.evaluate("performance.now = (now => () => now.call(performance) + 31_000)(performance.now)")
        page.locator(".notice", has_text="time for this task was over").wait_for()
        page.close()


def test_a_picture_can_be_looked_at_closely(context, tmp_path):
    write_pictures(tmp_path, 3, side=900)
    document = example_document(
        TaskKind.IMAGE_CLASSIFICATION, name="zoom", manifest=str(tmp_path / "manifest.jsonl"), automated=False,
        output=str(tmp_path / "out"), categories=str(tmp_path / "labels.json"), workers=1,
    )  # fmt: skip
    with LabelingJob.create(LabelingJobRequest.from_document(document)) as job, served(job, tmp_path) as it:
        page, watch = opened(context, it)
        page.locator("#stage img").wait_for()
        width = "document.querySelector('#stage img').getBoundingClientRect().width"
        fitted = page.evaluate(width)
        page.keyboard.press("z")
        closer = page.evaluate(width)
        assert closer > 1.5 * fitted
        page.keyboard.press("+")
        assert page.evaluate(width) > closer
        left = "document.querySelector('#stage img').getBoundingClientRect().left"
        before = page.evaluate(left)
        page.mouse.move(300, 400)
        page.mouse.down()
        page.mouse.move(200, 400)
        page.mouse.up()
        assert page.evaluate(left) == pytest.approx(before - 100, abs=1)
        page.keyboard.press("z")
        assert page.evaluate(width) == pytest.approx(fitted)
        page.mouse.wheel(0, -300)
        assert page.evaluate(width) > fitted
        assert watch.problems == []
        page.close()


def test_whoever_signs_out_or_has_no_invitation_sees_no_task(context, tmp_path):
    job, _ = people_job(tmp_path, 10)
    with job, served(job, tmp_path) as it:
        page, _ = opened(context, it)
        page.locator("#stage .text").wait_for()
        page.locator("#leave").click()
        page.locator("text=You are signed out").wait_for()
        assert job.walk().store.one("SELECT COUNT(*) AS n FROM lease WHERE state = 'active'")["n"] == 0
        page.goto(it.server.origin)
        page.locator("text=You need an invitation").wait_for()
        page.goto(f"{it.server.origin}/join#guessed")
        page.locator("text=This invitation does not open").wait_for()
        assert page.evaluate("location.hash") == ""
        page.close()


def test_a_closed_page_gives_back_what_it_had(context, tmp_path):
    job, _ = people_job(tmp_path, 10)
    with job, served(job, tmp_path) as it:
        page, _ = opened(context, it)
        page.locator("#stage .text").wait_for()
        page.goto("about:blank")
        run = job.walk()
        for _ in range(100):
            if run.store.one("SELECT COUNT(*) AS n FROM lease WHERE state = 'active'")["n"] == 0:
                break
            page.wait_for_timeout(50)
        states = {row["state"] for row in run.store.rows("SELECT state FROM lease")}
        assert states == {"returned"}
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_serious_keeps_anybody_from_using_the_pages(context, tmp_path, scheme, width):
    job, truth = text_job(tmp_path, 300)
    with job, served(job, tmp_path) as it:
        page, watch = opened(context, it)
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        page.locator("#stage .text").wait_for()
        assert axe(page) == []
        page.keyboard.press("1")
        page.keyboard.press("u")
        page.wait_for_timeout(300)
        assert axe(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("h")
        assert axe(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("d")
        assert axe(page) == []
        page.keyboard.press("Escape")
        label_to_the_end(page, it, lambda page: key_for_text(page, truth), TEXT_SHOWN)
        page.goto(f"{it.server.origin}/operator#{it.site.doors.operator_key}")
        page.locator("#workers tr").first.wait_for()
        assert axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert watch.problems == []
        page.close()


def test_guesses_are_shown_can_be_switched_off_and_are_never_in_an_audit(context, tmp_path):
    settings = Settings(model="tfidf", batch=20, guesses=True, error=0.02)
    job, truth = text_job(tmp_path, 400, settings=settings, noise=0.6)
    badges = []

    def key_of(page):
        guess = page.locator(".choice", has=page.locator(".guess"))
        badges.append(guess.count())
        right = key_for_text(page, truth)
        if not badges[-1]:
            return right
        if badges.count(1) == 1:  # the first one that is seen
            page.keyboard.press("g")
            assert guess.count() == 0
            page.keyboard.press("g")
            page.set_viewport_size({"width": 390, "height": 800})
            assert guess.bounding_box()["height"] < 90  # the badge leaves room for the name
            page.set_viewport_size({"width": 1200, "height": 800})
        return "Enter" if guess.locator("kbd").text_content() == right else right

    with job, served(job, tmp_path) as it:
        page, watch = opened(context, it)
        page.locator("#stage .text").wait_for()
        label_to_the_end(page, it, key_of, TEXT_SHOWN)
        assert watch.problems == []
        page.close()
    assert sum(badges) > 20
    with LabelingJob.open(job.folder.root) as job:
        run = job.walk()
        treated = {
            row["treatment"]: row["n"]
            for row in run.store.rows("SELECT treatment, COUNT(*) AS n FROM guess GROUP BY treatment")
        }
        assert treated["shown"] > treated["blind"] > 0
        assert (
            run.store.one("SELECT COUNT(*) AS n FROM guess JOIN task USING (object) WHERE purpose = 'audit'")["n"] == 0
        )
        effect = job.summary()["guesses"]
        assert effect["shown"] == treated["shown"]
        assert effect["over_reliance"] in {None, 0.0}
        job.verify()
