"""A real browser, where the machine has one."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from contextlib import contextmanager

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def chromium():
    """Start Chromium with an empty profile; skip the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = chromium_path()
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with tempfile.TemporaryDirectory() as profile, playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            profile, executable_path=path, headless=True, args=FLAGS, viewport={"width": 1200, "height": 800}
        )
        try:
            yield context
        finally:
            context.close()


class Watch:
    """Everything a page should not do: errors, complaints about policies, requests to anybody else."""

    def __init__(self, page, origin):
        self.bytes = 0
        self.problems = []
        self.foreign = []
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", lambda line: line.type == "error" and self.problems.append(f"console: {line.text}"))
        page.on(
            "request",
            lambda request: request.url.startswith((origin, "blob:", "data:")) or self.foreign.append(request.url),
        )
        page.on("response", self._count)

    def _count(self, response):
        length = response.headers.get("content-length")
        self.bytes += int(length) if length else 0


def opened(context, served, name="ann"):
    """Open the labeling page as a worker."""
    page = context.new_page()
    watch = Watch(page, served.server.origin)
    token = served.site.doors.team.invite([name])[name]
    page.goto(f"{served.server.origin}/join#{token}")
    return page, watch


def until(page, expression, seconds=20.0):
    """Wait until an expression is true; the page's policy lets nothing be evaluated inside it."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never: {expression}"
        page.wait_for_timeout(20)


def all_sent(page):
    """Wait until no answer waits in the browser."""
    until(page, "Object.keys(localStorage).every((key) => !key.endsWith('outbox'))")


def axe(page):
    """Run axe on a page; return what is serious or critical."""
    axe_package = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    results = axe_package.Axe().run(page).response
    return [
        f"{found['id']}: {json.dumps([node['target'] for node in found['nodes']])}"
        for found in results["violations"]
        if found["impact"] in {"serious", "critical"}
    ]
