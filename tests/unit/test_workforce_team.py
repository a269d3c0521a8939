"""Who may label: invitations, sessions, and a file that tells nobody a secret."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from autolabel.errors import SettingsError
from autolabel.workforce.team import FILE, MOST_TOKENS, Team
from autolabel.workforce.web import WebSettings, absolute_web, is_web, web_settings


class Calendar:
    def __init__(self):
        self.today = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self):
        return self.today

    def pass_days(self, days):
        self.today += timedelta(days=days)


@pytest.fixture
def calendar():
    return Calendar()


@pytest.fixture
def team(tmp_path, calendar):
    return Team(tmp_path / "team", now=calendar.now)


def test_an_invitation_opens_sessions_until_it_expires(team, calendar):
    token = team.invite(["ann"])["ann"]
    name, session = team.join(token)
    assert (name, team.who(session)) == ("ann", "ann")
    calendar.pass_days(29)
    other = team.join(token)[1]
    calendar.pass_days(2)
    assert team.join(token) is None
    assert (team.who(session), team.who(other)) == (None, "ann")


def test_the_file_holds_no_token_and_nothing_else_opens(team):
    token = team.invite(["ann"])["ann"]
    session = team.join(token)[1]
    text = (team.folder / FILE).read_text()
    assert token not in text
    assert session not in text
    for guess in (session, "", "ann", token[:-1], token + "x", "\ud800"):
        assert team.join(guess) is None
    for guess in (token, "", "ann", session[:-1], "\ud800"):
        assert team.who(guess) is None


def test_whoever_is_removed_is_out_at_once_in_every_process(team, calendar):
    session = team.join(team.invite(["ann", "bob"])["ann"])[1]
    elsewhere = Team(team.folder, now=calendar.now)
    assert elsewhere.who(session) == "ann"
    team.remove(["ann"])
    assert elsewhere.who(session) is None
    assert elsewhere.names() == {"bob"}
    with pytest.raises(SettingsError, match="nobody called 'ann'"):
        team.remove(["ann", "bob"])
    assert team.names() == {"bob"}


def test_leaving_ends_one_session_and_not_the_others(team):
    token = team.invite(["ann"])["ann"]
    first, second = team.join(token)[1], team.join(token)[1]
    team.leave(first)
    assert (team.who(first), team.who(second)) == (None, "ann")


def test_only_so_many_tokens_are_valid_at_a_time(team):
    tokens = [team.invite(["ann"])["ann"] for _ in range(MOST_TOKENS + 2)]
    assert [team.join(token) is not None for token in tokens] == [False] * 2 + [True] * MOST_TOKENS


@pytest.mark.parametrize("name", ["", " ann", "ann\n", "a" * 65, "a\u202eb", "\x1b[31mred", "a\u2028b", "\ud800"])
def test_a_name_is_something_that_can_be_seen(team, name):
    with pytest.raises(SettingsError, match="visible characters"):
        team.invite(["bob", name])
    assert team.names() == frozenset()


def test_two_people_do_not_differ_in_case_only(team):
    team.invite(["Ann", "Zoë", "李"])
    with pytest.raises(SettingsError, match="'Ann' is in the team already"):
        team.invite(["bob", "ANN"])
    assert team.names() == {"Ann", "Zoë", "李"}


def test_people_invited_by_many_at_once_are_all_there(tmp_path):
    folder = tmp_path / "team"
    threads = [threading.Thread(target=lambda n=n: Team(folder).invite([f"w{n}"])) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Team(folder).names() == {f"w{n}" for n in range(12)}


@pytest.mark.parametrize("data", [b"{", b'{"workers": 1}', b"\xff"])
def test_a_file_that_is_no_teams_is_refused(tmp_path, data):
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(SettingsError, match="not a team's file"):
        Team(tmp_path)


def test_the_text_of_a_page_is_read_and_means_the_same_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert web_settings("web") == WebSettings()
    assert is_web("web?port=1")
    assert not is_web("website")
    assert not is_web(None)
    text = "web:my team/?port=0&cert=a%20b.pem&key=k.pem&host=10.0.0.7&page=false"
    found = web_settings(text)
    assert (found.team, found.port, found.cert, found.page, found.is_encrypted) == (
        "my team/",
        0,
        "a b.pem",
        False,
        True,
    )
    again = web_settings(absolute_web(text))
    assert (again.team, again.cert, again.key) == tuple(
        str(tmp_path / name) for name in ("my team", "a b.pem", "k.pem")
    )
    assert absolute_web(absolute_web(text)) == absolute_web(text)
    assert (again.port, again.host, again.page) == (0, "10.0.0.7", False)
    assert absolute_web("web") == "web"


@pytest.mark.parametrize(
    ("settings", "origin"),
    [
        (WebSettings(), "http://127.0.0.1:8765"),
        (WebSettings(host="::1", port=80), "http://[::1]"),
        (WebSettings(host="localhost"), "http://localhost:8765"),
        (WebSettings(host="10.0.0.7", cert="c", key="k"), "https://10.0.0.7:8765"),
        (WebSettings(host="10.0.0.7", url="https://label.example/"), "https://label.example"),
    ],
)
def test_the_origin_is_what_a_browser_writes(settings, origin):
    assert settings.origin(settings.port) == origin


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("web?port=x", "int"),
        ("web?colour=red", "colour"),
        ("web?port=1&port=2", "twice"),
        ("web:a?team=b", "twice"),
        ("web://x", "expected web"),
        ("web?host=10.0.0.1", "without keys"),
        ("web?undo_seconds=-1", "0 to 3600"),
    ],
)
def test_a_text_that_names_no_page_says_why(text, says):
    with pytest.raises(SettingsError, match=says):
        web_settings(text)
