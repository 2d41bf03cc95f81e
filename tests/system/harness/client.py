"""A plain HTTP client for tests: one answer at a time, every answer checked against the contract."""

import http.client
import json
import re
import socket
import time

from . import contract
from .process import patience

REQUEST_ID = re.compile(r"^[\x21-\x7e]{1,128}$")


class Answer:
    """What came back."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # list of (name, value)
        self.body = body

    def header(self, name, default=None):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else default

    @property
    def json(self):
        return json.loads(self.body.decode("utf-8"))

    @property
    def code(self):
        """The problem's code, or None where the answer is none."""
        if not self.body or "problem+json" not in self.header("Content-Type", ""):
            return None
        return self.json["code"]

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


class Client:
    """Asks one gateway over one kept-alive connection (made anew when it has ended)."""

    def __init__(self, port, timeout=40.0, is_checking=True):
        self.port = port
        self.timeout = timeout
        self.is_checking = is_checking
        self.connection = None

    def ask(self, method, path, body=None, headers=None, content_type="application/json"):
        """One request. `body`: bytes as they are, anything else as JSON."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None and content_type is not None:
            sent.setdefault("Content-Type", content_type)
        raw = self._exchange(method, path, body, sent)
        answer = Answer(raw.status, raw.getheaders(), raw.read())
        if self.is_checking:
            check_common(method, path, answer)
            contract.check(method, path, answer)
        return answer

    def _exchange(self, method, path, body, headers):
        for attempt in (1, 2):
            is_fresh = self.connection is None
            if is_fresh:
                self.connection = self.connect()
            try:
                self.connection.request(method, path, body=body, headers=headers)
                return self.connection.getresponse()
            except (http.client.HTTPException, OSError):
                self.close()
                # A kept-alive connection may have been closed while it was idle: once more, then.
                if is_fresh or attempt == 2 or method not in ("GET", "HEAD", "OPTIONS"):
                    raise
        raise AssertionError("not reached")

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def get(self, path, **headers):
        return self.ask("GET", path, headers=field_names(headers))

    def post(self, path, body, key=None, prefer=None, **headers):
        headers = field_names(headers)
        if key is not None:
            headers["Idempotency-Key"] = key
        if prefer is not None:
            headers["Prefer"] = prefer
        return self.ask("POST", path, body, headers)

    def book(self, show, user, tier=None, quantity=None, key=None, prefer=None, **fields):
        body = {"user": user}
        if tier is not None:
            body["tier"] = tier
        if quantity is not None:
            body["quantity"] = quantity
        body.update(fields)
        return self.post(f"/v1/shows/{show}/bookings", body, key=key, prefer=prefer)

    def hold(self, show, user, tier=None, quantity=None, **more):
        return self.book(show, user, tier, quantity, hold=True, **more)

    def confirm(self, booking, body=None, **more):
        return self.post(f"/v1/bookings/{booking}/confirm", {} if body is None else body, **more)

    def cancel(self, booking, body=None, **more):
        return self.post(f"/v1/bookings/{booking}/cancel", {} if body is None else body, **more)

    def extend(self, booking, body=None, **more):
        return self.post(f"/v1/bookings/{booking}/extend", {} if body is None else body, **more)

    def pay(self, booking, key, body=None, **more):
        return self.post(f"/v1/bookings/{booking}/payments", {} if body is None else body, key=key,
                         **more)

    def booking(self, booking):
        return self.get(f"/v1/bookings/{booking}")

    def availability(self, show):
        return self.get(f"/v1/shows/{show}/availability")

    def await_stock(self, show, expected, seconds=3.0):
        """Readers may hear of a change a moment after its client did: wait for it, within a bound.

        `expected`: all that is available, or {tier: available}, or {tier: (available, held,
        booked)}."""
        end = time.monotonic() + patience(seconds)
        while True:
            body = self.availability(show).json
            if isinstance(expected, int):
                seen = body["available"]
            else:
                seen = {t["tier"]: t["available"] if isinstance(expected.get(t["tier"]), int)
                        else (t["available"], t["held"], t["booked"]) for t in body["tiers"]}
            if seen == expected:
                return body
            assert time.monotonic() < end, f"{show} has {seen}, not {expected}"
            time.sleep(0.01)


def field_names(keywords):
    """if_none_match="x" is the field If-None-Match."""
    return {name.replace("_", "-").title(): value for name, value in keywords.items()}


def check_common(method, path, answer):
    """What API.md says of every answer."""
    assert REQUEST_ID.match(answer.header("X-Request-Id", "")), f"{method} {path}: no X-Request-Id"
    kind = answer.header("Content-Type", "")
    if answer.body and "json" in kind:
        answer.json  # must parse, as UTF-8
    if answer.status in (429, 503) and not path.startswith(("/health", "/readyz", "/livez")):
        assert int(answer.header("Retry-After")) >= 1, f"{method} {path}: no Retry-After"
    if answer.status >= 400 and path.startswith("/v1/"):
        check_problem(answer)


def check_problem(answer):
    """RFC 9457 with usher's two members. The seeds' routes answer in their own form."""
    if not answer.body:  # HEAD
        return
    assert answer.header("Content-Type").split(";")[0] == "application/problem+json", answer
    problem = answer.json
    for member in ("type", "title", "detail", "code", "error"):
        assert isinstance(problem[member], str) and problem[member], (member, answer)
    assert isinstance(problem.get("instance", ""), str), answer
    assert problem["status"] == answer.status, answer


def raw_exchange(port, data, seconds=10.0, is_half_closing=False, pause=None):
    """Send bytes as they are; everything that comes back until the other side closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            for piece in data if isinstance(data, (list, tuple)) else [data]:
                connection.sendall(piece)
                if pause:
                    time.sleep(pause)
            if is_half_closing:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all of it was sent: the answer is what counts
        return read_all(connection, seconds)


def read_all(connection, seconds):
    """Until the end of the stream; a silence of `seconds` is a failure of whoever keeps it open."""
    connection.settimeout(seconds)
    received = b""
    while True:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not data:
            return received
        received += data


def parse_answers(data):
    """Answers in a row, as a pipelining client reads them. Content-Length only, as usher sends."""
    answers = []
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        assert separator, f"half an answer: {data[:200]!r}"
        lines = head.decode("latin-1").split("\r\n")
        version, status, _ = (lines[0] + " ").split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        answer = Answer(int(status), headers, b"")
        length = 0 if int(status) in (100, 204, 304) else int(answer.header("Content-Length"))
        answer.body, data = rest[:length], rest[length:]
        assert len(answer.body) == length, "the answer is shorter than it says"
        answers.append(answer)
    return answers
