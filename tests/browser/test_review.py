"""The grid of machine labels in a real browser: marking by key, correcting, and a manifest in the end."""

from __future__ import annotations

import json

import pytest
from support.browser import Watch, axe, chromium, until
from support.web import text_job

from autolabel.job.review import Review
from autolabel.testing import SimulatedWorkforce
from autolabel.web.server import open_site
from autolabel.workforce.web import WebSettings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAMES = ("weather", "cooking", "travel")


@pytest.fixture(scope="module")
def context():
    with chromium() as found:
        yield found


def test_a_reviewer_marks_what_is_wrong_by_key_and_corrects_it(context, tmp_path):
    job, truth = text_job(tmp_path, 300, noise=0.6)
    with job:
        job.run(SimulatedWorkforce(truth, job.task))
        review = Review(job.walk(), page=10)
        settings = WebSettings(team=str(tmp_path / "team"), port=0)
        with open_site(job, settings, review=review) as (site, server):
            page = context.new_page()
            watch = Watch(page, server.origin)
            page.goto(f"{server.origin}/review#{site.doors.operator_key}")
            page.locator(".class", has_text="weather").wait_for()
            assert axe(page) == []
            page.locator(".class", has_text="weather").click()
            page.locator(".cell").first.wait_for()
            texts = page.locator(".celltext").all_text_contents()
            numbers = [int(text.rsplit("#", 1)[1]) for text in texts]
            wrong = [cell for cell, number in enumerate(numbers) if NAMES[truth[number]] != "weather"] or [0]
            for cell in wrong:
                page.keyboard.press("1234567890"[cell])
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert axe(page) == []
            until(page, "!document.getElementById('accept').disabled")
            page.keyboard.press("Enter")
            for cell in wrong:
                page.locator("#correcting[open]").wait_for()
                shown = page.locator("#correct-stage").text_content()
                assert shown == texts[cell]
                assert axe(page) == []
                page.locator("#choices .choice", has_text=NAMES[truth[numbers[cell]]]).or_(
                    page.locator("#unknown")
                ).first.click()
                gone = f"document.getElementById('correct-stage').textContent !== {json.dumps(shown)}"
                until(page, f"!document.getElementById('correcting').open || {gone}")
            page.locator("#found", has_text=" looked at, ").wait_for()
            until(page, "!document.getElementById('found').textContent.startsWith('0 of')")
            page.close()
            assert watch.problems == []
            assert watch.foreign == []
        facts = review.write()
        assert facts["reviewed"] + facts["planted"] == 10
        assert facts["rejected"] + facts["planted_found"] == len(wrong)
        lines = [json.loads(line) for line in job.folder.review_manifest.read_text().splitlines()]
        assert len(lines) == 300
