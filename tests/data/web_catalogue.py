"""What a worker's browser, or somebody who pretends to be one, may send: groups W and T of the catalogue of bad inputs.

Each case is a small play on a fresh page with ten texts and two workers, and the one answer it must get. The answer
is written as status and, where one is given, the verdict; other facts follow after a comma.

    python -m tests.data.web_catalogue      prints the table
"""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ANN, BOB = "ann", "bob"


@dataclass(frozen=True)
class Case:
    """One thing that is sent."""

    id: str
    what: str
    expected: str
    play: Callable
    """Plays it on a `Scene` and returns the answer."""
    workers: int = 1
    """Different people who should answer each object."""


def good(label="weather"):
    return {"crowd-classifier": {"label": label}}


def said(answer):
    status, found = answer
    verdict = found.get("verdict") if isinstance(found, dict) else None
    return f"{status} {verdict}" if verdict else str(status)


def submit(client, lease, content=None, **more):
    return said(client.answer(lease, good() if content is None else content, **more))


def lease_of(client):
    return client.take()[0]["lease"]


# W: the worker's HTTP


def nobody(scene):
    return said(scene.stranger().post("/api/tasks", {"want": 1}))


def forged(scene):
    client = scene.client(ANN)
    client.cookies = dict.fromkeys(client.cookies, "A" * 32)
    return said(client.post("/api/tasks", {"want": 1}))


def expired_session(scene):
    client = scene.client(ANN)
    scene.team._now = lambda: datetime.now(UTC) + timedelta(days=31)
    return said(client.post("/api/tasks", {"want": 1}))


def expired_invitation(scene):
    token = scene.team.invite([ANN])[ANN]
    scene.team._now = lambda: datetime.now(UTC) + timedelta(days=31)
    return said(scene.stranger().post("/api/session", {"invitation": token}))


def other_team(scene):
    client = scene.client(ANN)
    name = next(iter(client.cookies))
    client.cookies[name] = scene.session_of_another_team()
    return said(client.post("/api/tasks", {"want": 1}))


def anothers_lease(scene):
    return submit(scene.client(BOB), lease_of(scene.client(ANN)))


def unknown_lease(scene):
    return submit(scene.client(ANN), 4_711)


def huge_lease(scene):
    return submit(scene.client(ANN), 2**63)


def textual_lease(scene):
    return submit(scene.client(ANN), "1 OR 1=1")


def over_time(scene):
    client = scene.client(ANN)
    lease = lease_of(client)
    scene.pass_time(hours=2)
    return submit(client, lease)


def returned(scene):
    client = scene.client(ANN)
    lease = lease_of(client)
    client.post("/api/returns", {"leases": [lease]})
    return submit(client, lease)


def consolidated(scene):
    client = scene.client(ANN)
    lease = scene.label_all(client)
    return submit(client, lease, good("travel"))


def two_clicks(scene):
    client = scene.client(ANN)
    lease = lease_of(client)
    found = []
    clicks = [threading.Thread(target=lambda: found.append(submit(client, lease))) for _ in range(2)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    return f"{', '.join(sorted(found))}, paid {scene.paid()}"


def hundred_times(scene):
    client = scene.client(ANN)
    lease = lease_of(client)
    found = {submit(client, lease) for _ in range(100)}
    return f"{', '.join(sorted(found))}, paid {scene.paid()}"


def after_restart(scene):
    client = scene.client(ANN)
    lease = lease_of(client)
    scene.restart()
    client.port = scene.port
    return submit(client, lease)


def two_tabs(scene):
    one, other = scene.client(ANN), scene.client(ANN)
    first, second = lease_of(one), lease_of(other)
    return f"{submit(one, first)}, {submit(other, second)}, the same task: {first == second}"


def answer_of(content):
    def play(scene):
        client = scene.client(ANN)
        return submit(client, lease_of(client), content)

    return play


def boxes(*given):
    return {"boundingBox": {"boundingBoxes": list(given), "inputImageProperties": {"height": 5, "width": 5}}}


def box(**changes):
    return {"height": 2, "label": "weather", "left": 1, "top": 1, "width": 2, **changes}


def raw(body, **headers):
    def play(scene):
        client = scene.client(ANN)
        lease = lease_of(client)
        sent = body(lease) if callable(body) else body
        return said(client.post("/api/answers", None, raw=sent, headers=headers))

    return play


def body_with(content):
    return lambda lease: f'{{"lease": {lease}, "content": {content}}}'.encode()


def with_headers(**headers):
    def play(scene):
        client = scene.client(ANN)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"lease": lease_of(client), "content": good()}
        return said(client.post("/api/answers", body, headers=named))

    return play


def own_origin(scene):
    client = scene.client(ANN)
    body = {"lease": lease_of(client), "content": good()}
    headers = {"Origin": scene.origin, "Sec-Fetch-Site": "same-origin"}
    return said(client.post("/api/answers", body, headers=headers))


def foreign_stop(scene):
    status = said(scene.operator().post("/api/stop", {}, headers={"Origin": "https://evil.example"}))
    return f"{status}, the job stops: {scene.job.folder.stop_flag.exists()}"


def worker_as_operator(scene):
    client = scene.client(ANN)
    tried = {said(client.get("/api/progress")), said(client.post("/api/stop", {})),
             said(client.post("/api/invitations", {"name": "eve"}))}  # fmt: skip
    return f"{', '.join(sorted(tried))}, the job stops: {scene.job.folder.stop_flag.exists()}"


def wrong_operator_key(scene):
    return said(scene.stranger().post("/api/operator", {"key": "letmein"}))


def framed(scene):
    status, headers, _ = scene.stranger().request("GET", "/")
    policy = headers["content-security-policy"]
    return f"{status}, frame-ancestors 'none': {'frame-ancestors ' + chr(39) + 'none' + chr(39) in policy}"


def overridden(scene):
    client = scene.client(ANN)
    return said(client.request("GET", "/api/session", headers={"X-HTTP-Method-Override": "DELETE"})[::2])


def other_method(method):
    def play(scene):
        status, _, _ = scene.client(ANN).request(method, "/api/answers")
        return str(status)

    return play


def path(path):
    def play(scene):
        status, _, _ = scene.client(ANN).request("GET", path)
        return str(status)

    return play


def enumerated(scene):
    ann, bob = scene.client(ANN), scene.client(BOB)
    own = lease_of(ann)
    lease_of(bob)
    answers = {json.dumps(bob.answer(lease, good())) for lease in (own, 999, 12_345)}
    return f"{len(answers)} answer for all of them"


def bytes_on_the_wire(data, lines=1):
    def play(scene):
        sent = data(scene) if callable(data) else data
        with socket.create_connection((scene.host, scene.port), timeout=20) as connection:
            connection.sendall(sent)
            connection.settimeout(20)
            received = b""
            while b"\r\n" not in received and (part := connection.recv(65_536)):
                received += part
        return received.split(b" ")[1].decode() if received else "closed"

    return play


def smuggled(scene):
    head = f"POST /api/tasks HTTP/1.1\r\nHost: {scene.host}:{scene.port}\r\nContent-Type: application/json\r\n"
    return (head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/job HTTP/1.1\r\n").encode()


def two_lengths(scene):
    head = f"POST /api/tasks HTTP/1.1\r\nHost: {scene.host}:{scene.port}\r\nContent-Type: application/json\r\n"
    return (head + "Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}{}").encode()


def long_header(scene):
    return (f"GET / HTTP/1.1\r\nHost: {scene.host}:{scene.port}\r\nX-Long: {'x' * 70_000}\r\n\r\n").encode()


def endless_chunks(scene):
    cookie = "; ".join(f"{name}={value}" for name, value in scene.client(ANN).cookies.items())
    head = f"POST /api/tasks HTTP/1.1\r\nHost: {scene.host}:{scene.port}\r\nContent-Type: application/json\r\n"
    head += f"Cookie: {cookie}\r\n"
    return (
        (head + "Transfer-Encoding: chunked\r\n\r\n").encode()
        + b"10000\r\n"
        + b" " * 65_536
        + b"\r\n"
        + b"".join(b"10000\r\n" + b" " * 65_536 + b"\r\n" for _ in range(20))
    )


def upgraded(scene):
    return (
        f"GET /api/job HTTP/1.1\r\nHost: {scene.host}:{scene.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def other_host(scene):
    return f"GET / HTTP/1.1\r\nHost: evil.example:{scene.port}\r\n\r\n".encode()


def anothers_picture(scene):
    lease = lease_of(scene.client(ANN))
    return said(scene.client(BOB).get(f"/api/pictures/{lease}"))


def after_sign_out(scene):
    client = scene.client(ANN)
    cookies = dict(client.cookies)
    _, headers, _ = client.request("GET", "/api/job")
    client.request("DELETE", "/api/session")
    client.cookies = cookies
    return f"{said(client.get('/api/job'))}, cache-control {headers['cache-control']}"


def wrong_clock(scene):
    client = scene.client(ANN)
    status = submit(client, lease_of(client), seconds=86_400.0)
    spent = scene.one("SELECT seconds FROM answer")
    return f"{status}, a day is believed: {spent > 60}"


def negative_time(scene):
    client = scene.client(ANN)
    return submit(client, lease_of(client), seconds=-5)


def removed(scene):
    client = scene.client(ANN)
    scene.client(BOB)
    lease = lease_of(client)
    scene.team.remove([ANN])
    scene.tick()
    live = scene.one("SELECT COUNT(*) FROM lease WHERE state = 'active'")
    return f"{submit(client, lease)}, leases left: {live}"


def all_decline(scene):
    number = None
    for name in (ANN, BOB):
        client = scene.client(name)
        task = client.take()[0]
        number = int(task["text"].rsplit("#", 1)[1])
        client.post("/api/declines", {"lease": task["lease"]})
    row = scene.one("SELECT declines >= slots FROM task WHERE object = ?", number)
    free = any(f"#{number}" in task["text"] for task in scene.client("eve").take(4))
    return f"withdrawn: {bool(row)}, offered to a third: {free}"


def long_reason(scene):
    client = scene.client(ANN)
    return said(client.post("/api/declines", {"lease": lease_of(client), "reason": "x" * 5_000}))


def hasty_copies(scene):
    for name in (ANN, BOB):
        client = scene.client(name)
        for task in client.take(4):
            submit(client, task["lease"], seconds=0.01)
    rows = scene.operator().get("/api/progress")[1]["workers"]
    return f"accepted {sum(row['answers'] for row in rows)}, flagged {sum(row['hasty'] for row in rows)}"


def greedy(scene):
    client = scene.client(ANN)
    leases = {task["lease"] for task in client.take(8) + client.take(8)}
    return f"{said(client.post('/api/tasks', {'want': 500}))}, then {len(leases)} in all"


def markup_name(scene):
    status, found = scene.operator().post("/api/invitations", {"name": "<img src=x onerror=alert(1)>"})
    return f"{status}, named {found['name']}"


def invisible_name(scene):
    return said(scene.operator().post("/api/invitations", {"name": "ann\u202ebob"}))


W = (
    Case("W01", "no cookie", "401", nobody),
    Case("W02", "a made-up session", "401", forged),
    Case("W03", "a session that has expired", "401", expired_session),
    Case("W04", "a session of another team", "401", other_team),
    Case("W05", "an invitation that has expired", "401", expired_invitation),
    Case("W06", "the lease of another worker", "409 refused", anothers_lease),
    Case("W07", "a lease that never was", "409 refused", unknown_lease),
    Case("W08", "a lease number that no table holds", "422", huge_lease),
    Case("W09", "SQL in the place of a lease", "422", textual_lease),
    Case("W10", "a lease whose time is over", "410 late", over_time),
    Case("W11", "a lease that was given back", "410 late", returned),
    Case("W12", "another answer after consolidation", "409 refused", consolidated),
    Case("W13", "two clicks at once", "200 accepted, 200 repeated, paid 1", two_clicks),
    Case("W14", "the same answer a hundred times", "200 accepted, 200 repeated, paid 1", hundred_times),
    Case("W15", "an answer after a restart of the server", "200 accepted", after_restart),
    Case("W16", "two tabs", "200 accepted, 200 repeated, the same task: True", two_tabs),
    Case("W17", "50 MB", "413", raw(b'"' + b"x" * 50_000_000 + b'"')),
    Case("W18", "boxes in a classification", "409 refused", answer_of(boxes(box()))),
    Case("W19", "a category that the job does not have", "409 refused", answer_of(good("astrology"))),
    Case("W20", "a category that is no text", "409 refused", answer_of({"crowd-classifier": {"label": ["weather"]}})),
    Case("W21", "no answer", "409 refused", answer_of({})),
    Case("W22", "two answers", "409 refused", answer_of({"a": {"label": "weather"}, "b": {"label": "travel"}})),
    Case("W23", "boxes outside the picture", "409 refused", answer_of(boxes(box(left=-9), box(width=10**9)))),
    Case("W24", "a box of NaN", "400", raw(body_with('{"boundingBox": {"left": NaN}}'))),
    Case("W25", "a hundred thousand boxes", "413", answer_of(boxes(*[box()] * 100_000))),
    Case("W26", "a polygon of two points", "409 refused", answer_of({"polygon": {"vertices": [{"x": 1, "y": 1}] * 2}})),
    Case("W27", "a million points", "413", answer_of({"polygon": {"vertices": [[1, 2]] * 1_000_000}})),
    Case("W28", "a mask", "409 refused", answer_of({"labeledImage": {"pngImageData": "iVBORw0KGgo="}})),
    Case("W29", "nesting a hundred thousand deep", "400", raw(body_with('{"a":' * 100_000 + "1" + "}" * 100_000))),
    Case("W30", "no JSON", "400", raw(b"lease=1&content=weather")),
    Case("W31", "an unknown member", "422", raw(lambda lease: f'{{"lease":{lease},"content":{{}},"x":1}}'.encode())),
    Case("W32", "the wrong bytes", "400", raw(b'{"lease": 1, "content": {"\xff": 1}}')),
    Case("W33", "from another site, by Origin", "403", with_headers(Origin="https://evil.example")),
    Case("W34", "from a page without an origin", "403", with_headers(Origin="null")),
    Case("W35", "from another site, by Sec-Fetch-Site", "403", with_headers(Sec_Fetch_Site="cross-site")),
    Case("W36", "from a site beside this one", "403", with_headers(Sec_Fetch_Site="same-site")),
    Case("W37", "from the page itself", "200 accepted", own_origin),
    Case("W38", "a form of another site", "415", with_headers(Content_Type="application/x-www-form-urlencoded")),
    Case("W39", "a form that looks like JSON", "415", with_headers(Content_Type="text/plain")),
    Case("W40", "another site stops the job", "403, the job stops: False", foreign_stop),
    Case("W41", "a worker does what operators do", "401, the job stops: False", worker_as_operator),
    Case("W42", "a guessed operator key", "401", wrong_operator_key),
    Case("W43", "the page in another site's frame", "200, frame-ancestors 'none': True", framed),
    Case("W44", "GET that claims to be DELETE", "405", overridden),
    Case("W45", "TRACE", "405", other_method("TRACE")),
    Case("W46", "GET where answers are posted", "405", other_method("GET")),
    Case("W47", "climbing out of the static files", "404", path("/static/..%2f..%2f..%2fetc/passwd")),
    Case("W48", "climbing out with dots", "404", path("/static/x/../../../../etc/passwd")),
    Case("W49", "a file of the package that is not static", "404", path("/static/x/schema.sql")),
    Case("W50", "guessing which leases there are", "1 answer for all of them", enumerated),
    Case("W51", "two lengths, one chunked", "400", bytes_on_the_wire(smuggled)),
    Case("W52", "two lengths that differ", "400", bytes_on_the_wire(two_lengths)),
    Case("W53", "a header of 70 KB", "431", bytes_on_the_wire(long_header)),
    Case("W54", "chunks without end", "413", bytes_on_the_wire(endless_chunks)),
    Case("W55", "a websocket", "401", bytes_on_the_wire(upgraded)),
    Case("W56", "another name for this host", "421", bytes_on_the_wire(other_host)),
    Case("W57", "no HTTP", "400", bytes_on_the_wire(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")),
    Case("W58", "the picture of another worker's object", "404", anothers_picture),
    Case("W59", "going back after signing out", "401, cache-control no-store", after_sign_out),
    Case("W60", "a browser whose clock is wrong by a day", "200 accepted, a day is believed: False", wrong_clock),
    Case("W61", "less than no time", "422", negative_time),
    Case("W62", "a worker who was removed", "401, leases left: 0", removed),
    Case("W63", "everybody declines", "withdrawn: True, offered to a third: False", all_decline, workers=2),
    Case("W64", "a reason without end", "422", long_reason),
    Case("W65", "copies in milliseconds", "accepted 8, flagged 8", hasty_copies, workers=2),
    Case("W66", "asking for 500 tasks", "422, then 4 in all", greedy),
    Case("W67", "markup in a name", "200, named <img src=x onerror=alert(1)>", markup_name),
    Case("W68", "a name that hides something", "422", invisible_name),
)


# T: templates. What a template's script tries is in tests/browser/test_templates.py.

PLAIN = '<crowd-form><crowd-classifier name="crowd-classifier"></crowd-classifier></crowd-form>'


@dataclass(frozen=True)
class TemplateCase:
    """A template and what becomes of it."""

    id: str
    what: str
    text: str
    expected: str
    """The page, or ``refused:`` and what the refusal names."""


T = (
    TemplateCase("T01", "attributes of objects", "[{{ task.__class__ }}{{ task.input.taskObject.__class__ }}]", "[]"),
    TemplateCase("T02", "methods of values", "[{{ task.input.items }}{{ task.input.labels.append }}]", "[]"),
    TemplateCase("T03", "a loop of 10⁸", "{% for i in (1..100000000) %}x{% endfor %}",
                 "refused: LoopIterationLimitError"),
    TemplateCase(
        "T04",
        "a text that doubles",
        "{% assign s = 'xxxxxxxx' %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}{{ s }}",
        "refused: LocalNamespaceLimitError",
    ),
    TemplateCase("T05", "another file", "{% include '../../etc/passwd' %}", "refused: TemplateNotFoundError"),
    TemplateCase("T06", "another file, rendered", "{% render '/etc/passwd' %}", "refused: TemplateNotFoundError"),
    TemplateCase("T07", "a tag that is not closed", "{% if task.input.taskObject %}x", "refused: LiquidSyntaxError"),
    TemplateCase("T08", "an unknown filter", "{{ task.input.taskObject | shell }}", "refused: UnknownFilterError"),
    TemplateCase("T09", "a variable that is not there", "[{{ task.input.nothing.at.all }}]", "[]"),
    TemplateCase("T10", "markup in a text", "{{ task.input.taskObject }}",
                 "&lt;b&gt;rain&lt;/b&gt; &amp; &#34;snow&#34;"),
    TemplateCase("T11", "markup that is asked for", "{{ task.input.taskObject | skip_autoescape }}",
                 '<b>rain</b> & "snow"'),
    TemplateCase("T12", "markup in JSON", "<p x='{{ task.input.labels | to_json }}'>",
                 "<p x='[&#34;a\\&#34;b&#34;, &#34;&lt;/script&gt;&#34;]'>"),
    TemplateCase("T13", "Liquid in a text", "{{ task.input.liquid }}", "{{ 7 | times: 7 }}{% include &#39;x&#39; %}"),
    TemplateCase("T14", "10 MB", "x" * 10_000_000, "refused: the template has 10,000,000 characters"),
    TemplateCase("T15", "a page of 10 MB", "{% for i in (1..99999) %}" + "x" * 110 + "{% endfor %}",
                 "refused: OutputStreamLimitError"),
    TemplateCase("T16", "a list where a text belongs", "{{ task.input.taskObject | append: task.input.labels }}",
                 "&lt;b&gt;rain&lt;/b&gt; &amp; &#34;snow&#34;[&#39;a&#34;b&#39;, &#39;&lt;/script&gt;&#39;]"),
    TemplateCase("T17", "granting what is no object", "[{{ task.input.nothing | grant_read_access }}]", "[]"),
)  # fmt: skip


def table() -> str:
    """Write the catalogue as a Markdown table."""
    rows = [(case.id, case.what, case.expected) for case in (*W, *T)]
    return "\n".join(
        ("| case | what is sent | answer |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows))
    )


if __name__ == "__main__":
    print(table())
