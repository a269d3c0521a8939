"""`autolabel workers`: who may label on the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autolabel.cli.terminal import add_json, print_json, print_table, say

if TYPE_CHECKING:
    import argparse


def add_verbs(verbs: Any) -> None:
    """Add `workers invite`, `workers list` and `workers remove`."""
    parser = verbs.add_parser("workers", help="people who may label on the page (--workforce web)")
    inner = parser.add_subparsers(required=True, metavar="VERB")
    invite = inner.add_parser("invite", help="invite people; each link is one person's key and is shown once")
    invite.add_argument("names", nargs="+", metavar="NAME")
    invite.add_argument("--url", help="where the page is served (default: http://127.0.0.1:8765)")
    invite.set_defaults(verb=_invite)
    listing = inner.add_parser("list", help="who is invited")
    listing.set_defaults(verb=_list)
    remove = inner.add_parser("remove", help="take people out of the team; their sessions end at once")
    remove.add_argument("names", nargs="+", metavar="NAME")
    remove.set_defaults(verb=_remove)
    for each in (invite, listing, remove):
        each.add_argument("--team", type=Path, help="the team's folder (default: AUTOLABEL_TEAM, or the user's own)")
        add_json(each)


def _invite(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.workforce.team import Team
    from autolabel.workforce.web import WebSettings

    url = (options.url or WebSettings().origin(WebSettings().port)).rstrip("/")
    links = {name: f"{url}/join#{token}" for name, token in Team(options.team).invite(options.names).items()}
    if options.json:
        print_json([{"name": name, "link": link} for name, link in links.items()])
    else:
        for name, link in links.items():
            print(f"{name}: {link}")
        say("Send each link to its person only; it is not shown again.")
    return ExitCode.FINISHED


def _list(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.workforce.team import Team

    team = Team(options.team)
    rows: list[dict[str, Any]] = [
        {"name": worker.name, "invited": worker.invited, "sessions": len(worker.sessions)} for worker in team.workers
    ]
    if options.json:
        print_json(rows)
    elif rows:
        print_table(
            [(row["name"], row["invited"][:10], str(row["sessions"])) for row in rows], ("name", "invited", "sessions")
        )
    else:
        say(f"nobody is invited in {team.folder}; begin with: autolabel workers invite NAME")
    return ExitCode.FINISHED


def _remove(options: argparse.Namespace) -> int:
    from autolabel.cli.main import ExitCode
    from autolabel.workforce.team import Team

    Team(options.team).remove(options.names)
    if options.json:
        print_json({"removed": options.names})
    else:
        say(f"{', '.join(options.names)}: removed; answers given so far stay")
    return ExitCode.FINISHED
