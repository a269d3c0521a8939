from __future__ import annotations

import io

from rich.console import Console

from autolabel.report.progress import LiveProgress, PlainProgress, progress_reporter


def plain(**options):
    out = io.StringIO()
    return progress_reporter(Console(file=out, width=80, **options)), out


def test_a_log_gets_one_line_for_each_phase_and_event():
    reporter, out = plain()
    assert isinstance(reporter, PlainProgress)
    reporter.phase("embedding")
    reporter.phase("training", round_number=3, human_labels=1412, forecast=2003.4)
    reporter.event("the model of job [red]x[/red] fits\x1b[2J")
    reporter.close()
    assert out.getvalue().splitlines() == [
        "embedding",
        "round 3 · training (1,412 of about 2,003 human labels)",
        "the model of job [red]x[/red] fits[U+001B][2J",
    ]


def test_a_log_gets_a_line_for_each_quarter_of_a_phase():
    reporter, out = plain()
    for _ in range(2):
        reporter.phase("embedding")
        for done in range(0, 1001, 50):
            reporter.progress(done, 1000)
    reporter.progress(0, 0)
    quarters = ["embedding", "  250 of 1,000", "  500 of 1,000", "  750 of 1,000", "  1,000 of 1,000"]
    assert out.getvalue().splitlines() == 2 * quarters


def test_a_long_event_stays_one_line_in_a_log():
    reporter, out = plain()
    reporter.event("word " * 60 + "\nnext")
    assert len(out.getvalue().splitlines()) == 1


def test_json_output_is_not_disturbed():
    out = io.StringIO()
    reporter = progress_reporter(Console(file=out, force_terminal=True), silent=True)
    reporter.phase("embedding", round_number=1)
    reporter.progress(1, 2)
    reporter.event("x")
    reporter.close()
    assert out.getvalue() == ""


def test_a_terminal_gets_a_bar_and_events_above_it_and_its_cursor_back():
    out = io.StringIO()
    reporter = progress_reporter(Console(file=out, force_terminal=True, width=100))
    assert isinstance(reporter, LiveProgress)
    try:
        reporter.phase("scoring {x} [b]", round_number=2, human_labels=40, forecast=90)
        reporter.progress(50, 200)
        reporter.event("a look was taken\x1b[31m")
    finally:
        reporter.close()
        reporter.close()
    shown = out.getvalue()
    assert "round 2 · scoring {x} [b]" in shown
    assert "50/200" in shown
    assert "40 of about 90 human labels" in shown
    assert "a look was taken[U+001B][31m" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
