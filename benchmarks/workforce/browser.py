"""How fast the page is in a real browser on this machine: the first task, every next one, and what is transferred.

    python -m benchmarks.workforce.browser [--tasks 60] [--runs 3] [--json]

Chromium, headless, with an empty cache. *First task*: from opening the invitation until a text can be answered by key,
or a picture of 1,200 x 800 pixels is painted. *Next task*: from the key until the next object is on the page, in the
frame in which it is painted. Needs ``pip install playwright`` and a Chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from autolabel import LabelingJob, LabelingJobRequest, Settings
from autolabel.api.example import example_document
from autolabel.api.kinds import TaskKind
from autolabel.workforce.team import Team
from benchmarks.workforce.people import HOST, free_port, make_job, page

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
WATCH = """() => {
  const stage = document.getElementById("stage");
  const shown = () => stage.querySelector(".text")?.textContent ?? stage.querySelector("img")?.src;
  window.gaps = [];
  let pressed = null, before = null;
  document.addEventListener("keydown", () => { pressed = performance.now(); before = shown(); }, true);
  new MutationObserver(() => {
    if (pressed === null || !shown() || shown() === before) return;
    const since = pressed;
    pressed = null;
    requestAnimationFrame(() => window.gaps.push(performance.now() - since));
  }).observe(stage, { childList: true, subtree: true, attributes: true, characterData: true });
}"""


def make_pictures(folder, count):
    """Create a job of JPEG pictures that are hard to compress; return its folder."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        rough = Image.fromarray(rng.integers(0, 256, (100, 150, 3), dtype=np.uint8))
        rough.resize((1200, 800), Image.Resampling.BICUBIC).save(folder / "images" / f"{number}.jpg", quality=85)
    (folder / "manifest.jsonl").write_text("".join(f'{{"source-ref": "images/{n}.jpg"}}\n' for n in range(count)))
    names = {"document-version": "2018-11-28", "labels": [{"label": name} for name in ("cat", "dog", "owl")]}
    (folder / "labels.json").write_text(json.dumps(names))
    document = example_document(
        TaskKind.IMAGE_CLASSIFICATION,
        name="pictures",
        attribute="animal",
        manifest=str(folder / "manifest.jsonl"),
        output=str(folder / "out"),
        categories=str(folder / "labels.json"),
        workers=1,
        automated=False,
    )
    with LabelingJob.create(LabelingJobRequest.from_document(document), settings=Settings()) as job:
        return job.folder.root


@contextmanager
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def measure(browser, job, tasks):
    """Open the page of a fresh job and answer by keys; return milliseconds, bytes and foreign requests."""
    port = free_port()
    token = Team(job.parents[1] / "team").invite(["ann"])["ann"]
    with page(job, port):
        context = browser.new_context(viewport={"width": 1200, "height": 800})
        tab = context.new_page()
        sizes, foreign = [], []
        origin = f"http://{HOST}:{port}"
        tab.on(
            "response", lambda response: sizes.append((response.url, int(response.headers.get("content-length", 0))))
        )
        tab.on("request", lambda request: request.url.startswith((origin, "blob:")) or foreign.append(request.url))
        tab.goto(f"{origin}/join#{token}", wait_until="commit")
        tab.wait_for_selector("#stage .text, #stage img")
        tab.wait_for_function(
            "() => !document.querySelector('#stage img') || document.querySelector('#stage img').complete"
        )
        first = tab.evaluate("() => performance.now()")
        own = sum(size for url, size in sizes if url.startswith(origin) and "/api/pictures/" not in url)
        tab.evaluate(WATCH)
        for number in range(tasks):
            tab.keyboard.press(str(number % 3 + 1))
            tab.wait_for_function(f"() => window.gaps.length > {number}")
            tab.wait_for_timeout(30)
        gaps = tab.evaluate("() => window.gaps")
        context.close()
    return {"first_ms": first, "gaps_ms": gaps, "bytes": own, "foreign": len(foreign)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with chromium() as browser:
        for kind, make in (("text", make_job), ("picture", make_pictures)):
            runs = []
            for _ in range(options.runs):
                with tempfile.TemporaryDirectory() as folder:
                    # A job without automated labeling asks about ten objects first; the rest is one batch.
                    runs.append(measure(browser, make(Path(folder) / "job", options.tasks + 20), options.tasks))
            gaps = sorted(gap for run in runs for gap in run["gaps_ms"])
            found = {
                "task": kind,
                "first_ms": [round(run["first_ms"]) for run in runs],
                "next_median_ms": round(statistics.median(gaps), 1),
                "next_p95_ms": round(gaps[int(0.95 * len(gaps))], 1),
                "page_bytes": max(run["bytes"] for run in runs),
                "foreign_requests": sum(run["foreign"] for run in runs),
            }
            print(json.dumps(found) if options.json else ", ".join(f"{k} {v}" for k, v in found.items()), flush=True)


if __name__ == "__main__":
    main()
