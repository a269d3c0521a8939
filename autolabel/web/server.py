"""Serving a job's page: the job walks in the caller's thread, the page answers in another, until the job ends."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from autolabel.api.kinds import TaskKind
from autolabel.errors import SettingsError
from autolabel.job.desk import Desk
from autolabel.job.review import PICTURES_A_PAGE, TEXTS_A_PAGE, Review
from autolabel.report.progress import ProgressReporter
from autolabel.tasks.custom import Custom
from autolabel.web.app import build_app
from autolabel.web.doors import Doors
from autolabel.web.frames import template_of
from autolabel.web.reviewing import Reviewing
from autolabel.web.site import Site
from autolabel.workforce.team import Team
from autolabel.workforce.web import WebSettings, web_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autolabel.job.job import Finished, LabelingJob, Waiting
    from autolabel.web.guard import App

FAREWELL_SECONDS = 4.0
"""How long the page stays after the job's end, so that whoever looks at it is told."""
GRACE_SECONDS = 5
MOST_CONNECTIONS = 2_000
BACKLOG = 1_024


class Server:
    """Serves an application on one address from a thread of its own.

    Parameters
    ----------
    settings
        Where to serve.

    Raises
    ------
    SettingsError
        The address is in use, or is none of this machine's; the certificate cannot be read.
    """

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings
        self._socket = _listening(settings)
        self.origin = settings.origin(self._socket.getsockname()[1])
        """Scheme, host and port that people reach the page by."""
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: App) -> Self:
        """Begin to answer."""
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=self._settings.cert,
            ssl_keyfile=self._settings.key,
        )
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(
                f"cert {self._settings.cert} and key {self._settings.key} cannot be used: {error}"
            ) from error
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="autolabel-web", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answer what is under way and end; a second call is harmless."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._socket.close()


class Heard(ProgressReporter):
    """Passes on what a job says of its progress, and remembers the last of it for the operator's page."""

    def __init__(self, inner: ProgressReporter) -> None:
        self.inner = inner
        self._phase = self._part = ""

    def says(self) -> str:
        """Return the phase, and how far it is."""
        return " ".join(filter(None, (self._phase, self._part)))

    def phase(
        self,
        name: str,
        *,
        round_number: int | None = None,
        human_labels: int | None = None,
        forecast: float | None = None,
    ) -> None:
        """Remember a phase and pass it on."""
        self._phase = name if round_number is None else f"{name}, round {round_number}"
        self._part = ""
        self.inner.phase(name, round_number=round_number, human_labels=human_labels, forecast=forecast)

    def progress(self, done: int, total: int) -> None:
        """Remember how far it is and pass it on."""
        self._part = f"({done:,} of {total:,})"
        self.inner.progress(done, total)

    def event(self, text: str) -> None:
        """Pass on."""
        self.inner.event(text)

    def close(self) -> None:
        """Pass on."""
        self.inner.close()


@contextmanager
def open_site(
    job: LabelingJob, settings: WebSettings, *, review: Review | None = None, reviewer: str = "operator"
) -> Iterator[tuple[Site, Server]]:
    """Serve an open job's site while the context lasts; the caller runs ``site.desk``.

    Parameters
    ----------
    review
        Serve this review of machine labels, in the name of `reviewer`, instead of tasks.

    Raises
    ------
    SettingsError
        The address or the team cannot be used.
    """
    team = Team(settings.team)
    server = Server(settings)
    heard = job.progress = Heard(job.progress)
    try:
        doors = Doors(team, job.request.job_arn, job.folder.state / "operators.json", encrypted=settings.is_encrypted)
        with Desk(job) as desk:
            site = Site(job, desk, doors, phase=heard.says)
            reviewing = None if review is None else Reviewing(site, review, reviewer)
            template = template_of(job, wanted=settings.page and review is None)
            if template is None and review is None and isinstance(job.task, Custom):
                raise SettingsError(
                    f"{job.folder.root} has a task of its own making and no template: give UiTemplateS3Uri when it "
                    "is created with the web workforce"
                )
            server.start(build_app(site, server.origin, reviewing=reviewing, template=template))
            yield site, server
            server.stop()  # nobody is answered after the desk is closed
    finally:
        server.stop()
        job.progress = heard.inner


def serve(job: LabelingJob, spec: str = "web", *, say: Callable[[str], None] = lambda _: None) -> Waiting | Finished:
    """Label a job with people at the page until it ends or the process is asked to; nothing acknowledged is lost.

    Parameters
    ----------
    job
        Open; its process is this one.
    spec
        ``web[:TEAM][?host=...]``; see `autolabel.workforce.web.WebSettings`.
    say
        Is told the addresses that the operator and the workers open.

    Raises
    ------
    SettingsError
        The address or the team cannot be used.
    StorageError
        Answers cannot be stored any more: start again when that is mended.
    """
    settings = web_settings(spec)
    with open_site(job, settings) as (site, server):
        with _signals(site.desk.end):
            for line in greeting(site, server.origin):
                say(line)
            step = site.desk.run(may_work=site.doors.team.names, patience=settings.undo_seconds)
        if step.finished:
            site.finished.set()
            threading.Event().wait(FAREWELL_SECONDS)
    return step


def serve_review(
    job: LabelingJob, spec: str = "web", *, reviewer: str = "operator", say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Let somebody look through a job's machine labels until the process is asked to end; return what was found.

    Raises
    ------
    JobError
        The machine has labeled nothing.
    SettingsError
        The address cannot be used.
    StorageError
        Verdicts cannot be stored any more.
    """
    settings = web_settings(spec)
    run = job.walk()
    is_text = job.task.kind is TaskKind.TEXT_CLASSIFICATION
    review = Review(run, page=TEXTS_A_PAGE if is_text else PICTURES_A_PAGE)
    ended = threading.Event()
    with open_site(job, settings, review=review, reviewer=reviewer) as (site, server):
        try:
            with _signals(ended.set):
                say(f"Review: {server.origin}/review#{site.doors.operator_key}")
                say("Press Ctrl+C here when you are done; every page that was handed in is stored.")
                while not ended.wait(0.5):
                    if site.desk.failure is not None:
                        raise site.desk.failure
        except KeyboardInterrupt:
            pass  # the ordinary end
    return review.write()


def greeting(site: Site, origin: str) -> Iterator[str]:
    """Yield what the operator has to know; the first person is invited when nobody was yet."""
    team, job = site.doors.team, site.job
    needed = job.settings.people_an_object(job.request.workers_per_object)
    yield f"Operator: {origin}/operator#{site.doors.operator_key}"
    if not team.workers:
        (token,) = team.invite(["me"]).values()
        yield f"Invitation for me: {origin}/join#{token}"
    else:
        yield f"Team: {', '.join(worker.name for worker in team.workers)}"
    yield "Invite others: autolabel workers invite NAME..., or on the operator's page. A link is one person's key."
    if len(team.workers) < needed:
        yield (
            f"An object may want answers of {needed} different people and {len(team.workers)} are invited: "
            "the job does not end before more are"
        )


def _listening(settings: WebSettings) -> socket.socket:
    found: socket.socket | None = None
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)  # whoever comes before the thread runs waits for it
    except OSError as error:
        if found is not None:
            found.close()
        raise SettingsError(
            f"{settings.host} port {settings.port} cannot be served on: {error.strerror}; choose another with ?port="
        ) from error
    return found


@contextmanager
def _signals(end: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM end the page as a stop between two steps does; in other threads than the main one do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: end())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
