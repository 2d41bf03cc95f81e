"""The HTTP server, by raw sockets: a small responder (tests/unit/http_responder.c) answers."""

import email.utils
import os
import random
import re
import resource
import signal
import socket
import struct
import time

import pytest

from harness.process import Process, build_folder, is_slow_build, patience, wait_until

HOST = b"Host: test\r\n"
SECONDS = 10.0
METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OPTIONS, METHOD_UNKNOWN = 1, 2, 3, 7, 8


class Responder(Process):
    """The program under test, on a port that it chose itself."""

    def __init__(self, folder, **options):
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        super().__init__("http-responder", [build_folder() / "tests/http-responder", *flags],
                         folder)
        self.port = None

    def start(self):
        super().start()
        self.port = int(wait_until("the responder to listen", self._listening))
        return self

    def _listening(self):
        assert self.alive(), self.tail()
        found = re.search(r"^listening (\d+)$", self.log.read_text(), re.MULTILINE)
        return found and found.group(1)

    def connect(self):
        return Wire(self.port)

    def counts(self):
        with self.connect() as wire:
            wire.send(get(b"/counts", b"Connection: close\r\n"))
            lines = wire.answer().body.decode().splitlines()
        return {name: int(value) for name, value in (line.split() for line in lines)}


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def field(self, name):
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(found) <= 1, found
        return found[0] if found else None


class Wire:
    """One connection, byte by byte."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience(SECONDS))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_slowly(self, data):
        for at in range(len(data)):
            self.socket.sendall(data[at:at + 1])

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self):
        data = self.socket.recv(65536)
        self.rest += data
        return len(data) > 0

    def _until(self, mark):
        while mark not in self.rest:
            assert self._more(), f"closed before {mark}: {self.rest[:200]}"
        part, self.rest = self.rest.split(mark, 1)
        return part

    def interim(self):
        """The head of an answer without a body, such as 100."""
        return self._until(b"\r\n\r\n")

    def answer(self, is_head=False):
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        assert re.match(r"HTTP/1\.1 \d\d\d ", head[0]), head
        fields = [tuple(line.split(": ", 1)) for line in head[1:]]
        answer = Answer(int(head[0].split(" ")[1]), fields, b"")
        length = 0 if is_head else int(answer.field("Content-Length") or 0)
        while len(self.rest) < length:
            assert self._more(), "closed inside a body"
        answer.body, self.rest = self.rest[:length], self.rest[length:]
        return answer

    def ask(self, data):
        self.send(data)
        return self.answer()

    def is_closed(self):
        """Whether the server has ended it, with nothing left unread; waits for that."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        return self.rest == b""

    def is_silent(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return self.rest == b"" and not self._more() and False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(patience(SECONDS))


def get(path, fields=b""):
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n"


def post(body, path=b"/echo", fields=b""):
    length = f"Content-Length: {len(body)}\r\n".encode()
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + length + fields + b"\r\n" + body


def chunked(*parts, fields=b""):
    head = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n" + fields + b"\r\n"
    return head + b"".join(parts)


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


LAST = b"0\r\n\r\n"


@pytest.fixture
def start(tmp_path):
    """Start responders; each has to end well, with nothing to complain of."""
    started = []

    def begin(**options):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Responder(folder, **options))
        return started[-1].start()

    yield begin
    for responder in started:
        if responder.alive():
            # No SIGCONT along with it: that would undo the SIGSTOP by which the leak sanitizer
            # attaches to an ending program, and it would wait for ever.
            responder.send(signal.SIGTERM)
        try:
            code = responder.wait()
        finally:
            if responder.alive():
                responder.kill9()
        assert responder.complaints() == [], responder.tail()
        assert code == 0, responder.tail()


@pytest.fixture
def responder(start):
    return start()


@pytest.fixture
def wire(responder):
    with responder.connect() as wire:
        yield wire


# ---- answers ----

def test_an_answer_and_its_fields(wire):
    for _ in range(3):
        answer = wire.ask(get(b"/"))
        assert (answer.status, answer.body) == (200, b"ok")
        assert [name for name, _ in answer.fields] == ["Date", "Content-Type", "Content-Length"]
        date = email.utils.parsedate_to_datetime(answer.field("Date"))
        assert abs(date.timestamp() - time.time()) < 5


def test_head_has_the_length_but_no_body(wire):
    wire.send(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n" + get(b"/"))
    answer = wire.answer(is_head=True)
    assert answer.field("Content-Length") == "2"
    assert wire.answer().body == b"ok"


def test_no_content_has_no_length(wire):
    answer = wire.ask(get(b"/empty"))
    assert (answer.status, answer.field("Content-Length")) == (204, None)
    assert wire.ask(get(b"/")).body == b"ok"


def about(answer):
    assert answer.status == 200
    method, path, query, peer, *tests = answer.body.decode().split("\n")[:-1]
    return int(method), path, query, peer, tests


@pytest.mark.parametrize("request_line, method, path, query", [
    (b"GET /about?a=b%20c HTTP/1.1", METHOD_GET, "/about", "a=b%20c"),
    (b"GET /about? HTTP/1.1", METHOD_GET, "/about", ""),
    (b"GET http://elsewhere:80/about?x HTTP/1.1", METHOD_GET, "/about", "x"),
    (b"OPTIONS * HTTP/1.1", METHOD_OPTIONS, "*", ""),
    (b"OPTIONS http://elsewhere HTTP/1.1", METHOD_OPTIONS, "*", ""),
    (b"POST /about HTTP/1.1", METHOD_POST, "/about", ""),
    (b"BREW /about HTTP/1.1", METHOD_UNKNOWN, "/about", ""),
    (b"TRACE /about HTTP/1.1", METHOD_UNKNOWN, "/about", ""),
])
def test_what_the_application_sees(wire, request_line, method, path, query):
    fields = b"X-Test: one\r\nX-Other: x\r\nx-TEST:\t two \r\n"
    answer = wire.ask(request_line + b"\r\n" + HOST + fields + b"\r\n")
    assert about(answer) == (method, path, query, "127.0.0.1", ["one", "two"])


def test_an_absolute_target_without_a_path_is_the_root(wire):
    assert wire.ask(b"GET http://test HTTP/1.1\r\n" + HOST + b"\r\n").body == b"ok"
    assert wire.ask(b"GET http://test?x HTTP/1.1\r\n" + HOST + b"\r\n").body == b"ok"


def test_an_empty_line_before_a_request_is_skipped(wire):
    wire.send(post(b"x") + b"\r\n" + get(b"/"))
    assert wire.answer().body == b"x"
    assert wire.answer().body == b"ok"


def test_http_1_0_closes_unless_asked_to_stay(responder):
    with responder.connect() as wire:
        answer = wire.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert answer.field("Connection") == "keep-alive"
        answer = wire.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert (answer.body, answer.field("Connection")) == (b"ok", "close")
        assert wire.is_closed()


def test_connection_close_is_obeyed(wire):
    wire.send(get(b"/", b"Connection: close\r\n") + get(b"/"))
    assert wire.answer().field("Connection") == "close"
    assert wire.is_closed()


def test_an_application_may_close(wire):
    wire.send(get(b"/slow?ms=50") + get(b"/close") + get(b"/"))
    assert wire.answer().body == b"slow 50"
    answer = wire.answer()
    assert (answer.body, answer.field("Connection")) == (b"bye", "close")
    assert answer.field("X-Further") == "field"
    assert wire.is_closed()


def test_what_waits_behind_a_closing_answer_is_gone(responder):
    with responder.connect() as wire:
        # The slow one was handed over before the other closed the connection under it.
        wire.send(get(b"/slow?ms=100") + get(b"/slow?ms=60000") + get(b"/close"))
        assert wire.answer().body == b"slow 100"
        assert wire.is_silent(0.2)
        wire.reset()
    wait_until("gone", lambda: responder.counts()["gone"] == 1)


# ---- delivery ----

def test_requests_that_come_byte_by_byte(wire):
    wire.send_slowly(post(b"hello", fields=b"X: y\r\n"))
    assert wire.answer().body == b"hello"
    wire.send_slowly(chunked(b"5;x=y\r\nhello\r\n", chunk(b" there"), b"0\r\nX: y\r\n\r\n"))
    assert wire.answer().body == b"hello there"


def test_every_cut_in_two(wire):
    data = post(b"abc") + chunked(chunk(b"abc"), LAST)
    for at in range(1, len(data)):
        wire.send(data[:at])
        if at % 7 == 0:
            time.sleep(0.001)
        wire.send(data[at:])
        assert [wire.answer().body, wire.answer().body] == [b"abc", b"abc"]


def test_a_hundred_pipelined_requests(wire):
    wire.send(b"".join(post(str(i).encode()) for i in range(100)))
    assert [int(wire.answer().body) for _ in range(100)] == list(range(100))


def test_answers_come_in_the_order_of_the_requests(wire):
    delays = [60, 0, 30, 90, 10, 0, 50] * 20  # more than may be under way at once
    wire.send(b"".join(get(f"/slow?ms={ms}".encode()) for ms in delays))
    assert [wire.answer().body for _ in delays] == [f"slow {ms}".encode() for ms in delays]


def test_no_more_than_its_share_is_under_way(responder):
    with responder.connect() as wire:
        before = responder.counts()["requests"]
        wire.send(get(b"/slow?ms=400") * 200)
        time.sleep(0.1)
        assert responder.counts()["requests"] - before - 1 == 64
        assert [wire.answer().body for _ in range(200)] == [b"slow 400"] * 200


def test_a_long_body(start):
    responder = start(body_bytes_max=4000000, output_bytes_max=8000000)
    body = random.Random(1).randbytes(3000000)
    with responder.connect() as wire:
        assert wire.ask(post(body)).body == body
        parts = [body[at:at + 70000] for at in range(0, len(body), 70000)]
        assert wire.ask(chunked(*map(chunk, parts), LAST)).body == body
        assert wire.ask(get(b"/")).body == b"ok"


def test_a_client_that_has_shut_its_side_gets_its_answers(wire):
    wire.send(get(b"/slow?ms=100") * 70 + post(b"last"))
    wire.half_close()
    assert [wire.answer().body for _ in range(70)] == [b"slow 100"] * 70
    assert wire.answer().body == b"last"
    assert wire.is_closed()


def test_a_client_that_goes_away_is_told_to_the_application(responder):
    wire = responder.connect()
    wire.send(get(b"/slow?ms=60000") * 3)
    wait_until("requests", lambda: responder.counts()["requests"] >= 4)
    wire.reset()
    wait_until("gone", lambda: responder.counts()["gone"] == 3)
    wait_until("closed", lambda: responder.counts()["connections"] == 1)


# ---- bodies ----

def test_no_body_for_whom_there_is_none(wire):
    answer = wire.ask(post(b"x", path=b"/"))
    assert (answer.status, answer.field("Connection")) == (413, "close")
    assert wire.is_closed()


def test_a_body_over_the_cap_is_refused_by_its_head_alone(start):
    responder = start(body_bytes_max=10)
    with responder.connect() as wire:
        assert wire.ask(post(b"0123456789")).body == b"0123456789"
        wire.send(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\n\r\n")
        assert wire.answer().status == 413
        wire.send(get(b"/"))  # what is taken for its body is not a request
        assert wire.is_closed()


def test_whoever_is_still_sending_hears_the_refusal(start):
    responder = start(body_bytes_max=10)
    for _ in range(5):
        with responder.connect() as wire:
            wire.send(post(b"x" * 500000))
            assert wire.answer().status == 413


def test_a_chunked_body_over_the_cap(start):
    responder = start(body_bytes_max=10)
    with responder.connect() as wire:
        assert wire.ask(chunked(chunk(b"01234"), chunk(b"56789"), LAST)).body == b"0123456789"
        assert wire.ask(chunked(chunk(b"01234"), chunk(b"567890"))).status == 413
        assert wire.is_closed()


@pytest.mark.parametrize("body", [
    b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n0\r\nX: y\r\n", b"5\r\nhel", b"5",
    b"",
])
def test_a_chunked_body_cut_short_is_nobodys_request(responder, body):
    with responder.connect() as wire:
        wire.send(chunked(body))
        wire.half_close()
        assert wire.answer().status == 400
        assert wire.is_closed()
    assert responder.counts()["requests"] == 1  # the question itself


@pytest.mark.parametrize("body", [
    b"x\r\n", b"5 \r\nhello\r\n", b"5\nhello\r\n", b"5\r\nhelloX\r\n", b"5\r\nhello\n", b"-5\r\n", b"0x5\r\n",
    b"5;a\nb\r\nhello\r\n", b"ffffffffffffffff1\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\n y\r\n\r\n",
    b"5;" + b"x" * 300 + b"\r\nhello\r\n", b"0\r\nX: " + b"x" * 5000 + b"\r\n\r\n",
])
def test_a_malformed_chunked_body(responder, body):
    with responder.connect() as wire:
        assert wire.ask(chunked(body)).status == 400
        assert wire.is_closed()
    assert responder.counts()["requests"] == 1


def test_expect_100_continue(wire):
    body = b"hello"
    data = post(body, fields=b"Expect: 100-continue\r\n")
    wire.send(data[:-len(body)])
    assert wire.interim() == b"HTTP/1.1 100 Continue"
    assert wire.ask(body).body == body
    wire.send(chunked(fields=b"Expect: 100-continue\r\n"))
    assert wire.interim() == b"HTTP/1.1 100 Continue"
    assert wire.ask(chunk(body) + LAST).body == body


def test_no_100_where_none_is_needed(wire):
    assert wire.ask(post(b"hello", fields=b"Expect: 100-continue\r\n")).body == b"hello"
    assert wire.ask(post(b"", fields=b"Expect: 100-continue\r\n")).body == b""
    wire.send(b"POST /echo HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
    assert wire.is_silent(0.1)
    assert wire.ask(b"x").body == b"x"


def test_100_waits_for_the_answers_before_it(wire):
    wire.send(get(b"/slow?ms=100") + post(b"x", fields=b"Expect: 100-continue\r\n")[:-1])
    assert wire.answer().body == b"slow 100"
    assert wire.interim() == b"HTTP/1.1 100 Continue"
    assert wire.ask(b"x").body == b"x"


def test_no_100_for_a_body_that_is_too_long(start):
    responder = start(body_bytes_max=4)
    with responder.connect() as wire:
        assert wire.ask(post(b"hello", fields=b"Expect: 100-continue\r\n")[:-5]).status == 413
        assert wire.is_closed()


# ---- refusals ----

def head(*lines):
    return b"\r\n".join(lines) + b"\r\n\r\n"


REFUSED = {
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    "http_0_9": (b"GET /\r\n", 400),
    "no_host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two_hosts": (head(b"GET / HTTP/1.1", b"Host: a", b"Host: a"), 400),
    "bad_host": (head(b"GET / HTTP/1.1", b"Host: a b"), 400),
    "space_before_colon": (head(b"GET / HTTP/1.1", b"Host : a"), 400),
    "folding": (head(b"GET / HTTP/1.1", b"Host: a", b"X: y", b" z"), 400),
    "bare_lf": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "nul": (head(b"GET / HTTP/1.1", b"Host: a", b"X: \0"), 400),
    "control": (head(b"GET / HTTP/1.1", b"Host: a", b"X: \x7f"), 400),
    "two_lengths": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: 1",
                         b"Content-Length: 1"), 400),
    "length_list": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: 1,1"), 400),
    "length_sign": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: +1"), 400),
    "length_tab": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: 1\t"), 400),
    "length_huge": (head(b"POST /echo HTTP/1.1", b"Host: a",
                         b"Content-Length: 18446744073709551617"), 413),
    "both": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Content-Length: 6",
                  b"Transfer-Encoding: chunked") + LAST, 400),
    "both_other_order": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked",
                              b"Content-Length: 6") + LAST, 400),
    "gzip_chunked": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Transfer-Encoding: gzip, chunked"),
                     400),
    "xchunked": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Transfer-Encoding: xchunked"), 400),
    "two_encodings": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked",
                           b"Transfer-Encoding: identity"), 400),
    "chunked_1_0": (head(b"POST /echo HTTP/1.0", b"Transfer-Encoding: chunked") + LAST, 400),
    "http_2": (b"GET / HTTP/2.0\r\n\r\n", 505),
    "http_1_2": (b"GET / HTTP/1.2\r\n\r\n", 505),
    "connect": (head(b"CONNECT a:80 HTTP/1.1", b"Host: a"), 501),
    "expectation": (head(b"POST /echo HTTP/1.1", b"Host: a", b"Expect: much"), 417),
    "long_target": (b"GET /" + b"x" * 3000, 414),
    "long_head": (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000, 431),
    "many_fields": (head(b"GET / HTTP/1.1", *[b"X: y"] * 100), 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_head_ends_the_connection(responder, name):
    data, status = REFUSED[name]
    with responder.connect() as wire:
        wire.send(get(b"/slow?ms=50") + data + b"G" + get(b"/"))
        assert wire.answer().body == b"slow 50"  # the refusal waits for its turn
        answer = wire.answer()
        assert (answer.status, answer.field("Connection")) == (status, "close")
        assert answer.field("X-Refusal") == "yes"
        assert answer.body.startswith(str(status).encode())
        assert wire.is_closed()
    assert responder.counts()["requests"] == 2


def test_a_request_hidden_in_a_body_is_a_body(wire):
    hidden = get(b"/close")
    wire.send(post(hidden) + chunked(chunk(hidden), LAST) + get(b"/"))
    assert [wire.answer().body for _ in range(3)] == [hidden, hidden, b"ok"]


def test_a_mebibyte_of_head(responder):
    with responder.connect() as wire:
        try:
            wire.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 1048576)
        except OSError:
            pass
        try:
            assert wire.answer().status == 431
        except ConnectionResetError:
            pass  # it went on sending for longer than anybody has to listen
    assert responder.counts()["requests"] == 1


# ---- time ----

def test_a_slow_head(start):
    responder = start(head_ms=200)
    with responder.connect() as wire:
        assert wire.ask(get(b"/")).status == 200
        began = time.monotonic()
        wire.send(b"GET / HT")
        answer = wire.answer()
        assert (answer.status, answer.field("Connection")) == (408, "close")
        assert time.monotonic() - began >= 0.2
        assert wire.is_closed()
    assert responder.counts()["timeouts"] == 1


def test_a_slow_head_cannot_be_kept_going_by_drops(start):
    responder = start(head_ms=300)
    with responder.connect() as wire:
        began = time.monotonic()
        with pytest.raises((AssertionError, OSError)):
            for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 1000:
                wire.send(bytes([byte]))
                assert wire.is_silent(0.02)
        assert time.monotonic() - began < patience(2)


def test_a_slow_body(start):
    responder = start(body_ms=200)
    for begun in (post(b"hello")[:-1], chunked(chunk(b"x")), post(b"hello")[:-5]):
        with responder.connect() as wire:
            answer = wire.ask(begun)
            assert (answer.status, answer.field("Connection")) == (408, "close")
            assert wire.is_closed()
    counts = responder.counts()
    assert (counts["timeouts"], counts["requests"]) == (3, 1)


def test_an_idle_connection_is_closed_without_a_word(start):
    responder = start(idle_ms=200)
    with responder.connect() as fresh, responder.connect() as used:
        used.ask(get(b"/"))
        assert fresh.is_closed()
        assert used.is_closed()


def test_awaiting_is_not_idling(start):
    responder = start(idle_ms=100, head_ms=100, body_ms=100, write_ms=100)
    with responder.connect() as wire:
        assert wire.ask(get(b"/slow?ms=700")).body == b"slow 700"


# ---- bounds ----

def test_too_many_connections(start):
    responder = start(connections_max=3)
    wires = [responder.connect() for _ in range(3)]
    assert [wire.ask(get(b"/")).status for wire in wires] == [200] * 3
    for _ in range(5):
        with responder.connect() as wire:
            wire.send(get(b"/"))
            answer = wire.answer()
            assert (answer.status, answer.field("Connection")) == (503, "close")
            assert int(answer.field("Retry-After")) > 0
            assert wire.is_closed()
    for wire in wires:
        assert wire.ask(get(b"/")).status == 200
        wire.socket.close()
    wait_until("room", lambda: responder.connect().ask(get(b"/")).status == 200)


def is_ended(wire):
    """Whether the server has broken it off; drops what is there to read."""
    try:
        wire.socket.settimeout(0.05)
        while wire.socket.recv(1048576):
            pass
        return True
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def stuck_reader(port, receive_bytes=4096):
    wire = Wire.__new__(Wire)
    wire.socket = socket.socket()
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    wire.socket.settimeout(patience(SECONDS))
    wire.socket.connect(("127.0.0.1", port))
    wire.rest = b""
    return wire


def test_a_reader_that_is_stuck_is_cut_off(start):
    responder = start(write_ms=300, output_bytes_max=8000000)
    with stuck_reader(responder.port) as wire:
        wire.send(get(b"/big?bytes=6000000"))
        wait_until("the end", lambda: responder.counts()["connections"] == 1)
    assert responder.counts()["timeouts"] == 1


def test_a_reader_that_is_slow_is_not(start):
    responder = start(write_ms=400, output_bytes_max=8000000)
    with stuck_reader(responder.port, 65536) as wire:
        wire.send(get(b"/big?bytes=3000000"))
        received = 0
        while received < 3000000:
            data = wire.socket.recv(20000)
            assert data
            received += len(data)
            time.sleep(0.004)


def test_unsent_bytes_are_bounded(start):
    responder = start(output_bytes_max=100000)
    with stuck_reader(responder.port) as wire:
        wire.send(get(b"/slow?ms=100") + get(b"/big?bytes=30000") * 10)
        wait_until("the end", lambda: responder.counts()["connections"] == 1)
    assert "output_bound_reached" in responder.log.read_text()


def test_whoever_does_not_read_is_not_read_from(start):
    """Answers wait in the socket, then in the output, then requests wait: no bound is reached."""
    responder = start(output_bytes_max=200000)
    with stuck_reader(responder.port) as wire:
        requests = get(b"/big?bytes=20000") * 400
        wire.socket.setblocking(False)
        sent = 0
        while sent < len(requests):
            try:
                sent += wire.socket.send(requests[sent:sent + 65536])
            except BlockingIOError:
                break
        wire.socket.settimeout(patience(SECONDS))
        time.sleep(0.3)
        assert responder.counts()["requests"] < 400
        for _ in range(sent // len(get(b"/big?bytes=20000"))):
            assert len(wire.answer().body) == 20000


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_descriptors_it_waits_and_says_so_once(responder):
    open_now = len(os.listdir(f"/proc/{responder.pid}/fd"))
    resource.prlimit(responder.pid, resource.RLIMIT_NOFILE, (open_now + 5, open_now + 5))
    wires = [responder.connect() for _ in range(12)]
    for wire in wires[:5]:
        assert wire.ask(get(b"/")).status == 200
    for wire in wires[5:]:
        wire.send(get(b"/"))
    before = cpu_seconds(responder.pid)
    time.sleep(0.5)
    assert cpu_seconds(responder.pid) - before < 0.2
    assert responder.log.read_text().count("accept_paused") == 1
    for wire in wires[:5]:
        wire.socket.close()
    for wire in wires[5:10]:
        assert wire.answer().status == 200
        wire.socket.close()
    for wire in wires[10:]:
        assert wire.answer().status == 200


def resident_bytes(pid):
    pages = int(open(f"/proc/{pid}/statm", encoding="ascii").read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_connection_that_waits_is_small(responder):
    count = 2000
    responder.counts()
    before = resident_bytes(responder.pid)
    wires = [responder.connect() for _ in range(count)]
    body = b'{"user":"somebody","tier":"VIP","quantity":1}'
    fields = b"User-Agent: a browser with a rather long name\r\nX-More: " + b"x" * 200 + b"\r\n"
    for wire in wires:
        assert wire.ask(post(body, fields=fields)).status == 200
        wire.send(get(b"/slow?ms=60000", fields))
    wait_until("requests", lambda: responder.counts()["requests"] > 2 * count)
    each = (resident_bytes(responder.pid) - before) / count
    print(f"{each:.0f} bytes each")
    assert each < (32768 if is_slow_build() else 3072)  # sanitizers take memory of their own
    for wire in wires:
        wire.reset()
    wait_until("gone", lambda: responder.counts()["gone"] == count)


# ---- the end ----

def test_draining(responder):
    idle = responder.connect()
    idle.ask(get(b"/"))
    busy = responder.connect()
    busy.send(get(b"/slow?ms=300") + get(b"/slow?ms=400"))
    half = responder.connect()
    half.send(post(b"hello")[:-1])
    wait_until("requests", lambda: responder.counts()["requests"] >= 4)
    responder.send(signal.SIGTERM)
    assert idle.is_closed()
    assert busy.is_silent(0.05)
    with pytest.raises(ConnectionRefusedError):
        responder.connect()
    answer = half.ask(b"o")
    assert (answer.body, answer.field("Connection")) == (b"hello", "close")
    assert half.is_closed()
    answer = busy.answer()
    assert (answer.body, answer.field("Connection")) == (b"slow 300", None)
    answer = busy.answer()
    assert (answer.body, answer.field("Connection")) == (b"slow 400", "close")
    for wire in (idle, busy, half):
        wire.socket.close()
    assert responder.wait() == 0


def test_draining_with_nothing_under_way(responder):
    responder.send(signal.SIGTERM)
    assert responder.wait(2) == 0


def test_ending_at_once_with_everything_under_way(start):
    responder = start(output_bytes_max=8000000)
    wires = [responder.connect() for _ in range(6)]
    wires[1].ask(get(b"/"))
    wires[2].send(post(b"x" * 10000)[:-1])
    wires[3].send(get(b"/slow?ms=60000") + get(b"/") + get(b"/slow?ms=60000") + b"GET / H")
    wires[4].send(get(b"/big?bytes=7000000"))
    wires[5].ask(b"nonsense\r\n\r\n")
    wait_until("requests", lambda: responder.counts()["requests"] >= 6)
    responder.send(signal.SIGINT)
    assert responder.wait() == 0
    assert wires[3].is_closed()


def test_what_was_sent_before_the_drain_is_answered(responder):
    wires = [responder.connect() for _ in range(20)]
    responder.sigstop()
    late = [responder.connect() for _ in range(20)]
    for wire in wires + late:
        wire.send(get(b"/"))
    responder.send(signal.SIGTERM)
    responder.cont()
    for wire in wires + late:
        assert wire.answer().body == b"ok"
        wire.socket.close()
    assert responder.wait() == 0


def test_a_port_can_be_shared(start):
    first = start()
    second = start(listen=f"127.0.0.1:{first.port}")
    for _ in range(50):
        with second.connect() as wire:
            assert wire.ask(get(b"/")).body == b"ok"


@pytest.mark.parametrize("address", ["127.0.0.1", "nonsense", ":70000", "1.2.3.4.5:80", "[::1:80",
                                     "192.0.2.1:0", ""])
def test_an_address_that_cannot_be_used(tmp_path, address):
    responder = Process("http-responder",
                        [build_folder() / "tests/http-responder", f"--listen={address}"], tmp_path)
    responder.start()
    assert responder.wait() == 2
    assert "listen_failed" in responder.log.read_text()


@pytest.mark.parametrize("address, host", [(":0", "127.0.0.1"), (":0", "::1"), ("[::1]:0", "::1"),
                                           ("localhost:0", "localhost")])
def test_addresses(start, address, host):
    responder = start(listen=address)
    with socket.create_connection((host, responder.port), timeout=patience(5)) as connection:
        connection.sendall(get(b"/about", b"Connection: close\r\n"))
        answer = b""
        while data := connection.recv(65536):
            answer += data
    peer = answer.split(b"\r\n\r\n")[1].split(b"\n")[3].decode()
    assert peer == ("127.0.0.1" if host == "127.0.0.1" else peer) and peer in ("127.0.0.1", "::1")


# ---- whatever else comes ----

def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(4)
        if what == 0:
            data[at:at + 1] = bytes([rng.choice([0, 9, 10, 13, 32, 44, 58, 127, 255])])
        elif what == 1:
            del data[at:at + rng.randrange(1, 9)]
        elif what == 2:
            data[at:at] = data[rng.randrange(len(data) + 1):][:rng.randrange(1, 30)]
        else:
            data[at:at] = rng.choice([b"\r\n", b"\n", b"0\r\n\r\n", b"Content-Length: 3\r\n",
                                      b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n"])
    return bytes(data)


def test_mutated_requests(start):
    """Whatever comes: it lives, every answer is an answer, and others do not notice."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    responder = start(head_ms=100, body_ms=100, idle_ms=100)
    seeds = [get(b"/"), post(b"hello"), chunked(chunk(b"hello"), b"0\r\nX: y\r\n\r\n"),
             get(b"/slow?ms=3"), post(b"x", fields=b"Expect: 100-continue\r\n"), get(b"/close"),
             get(b"/big?bytes=70000"), b"HEAD / HTTP/1.0\r\n\r\n"]
    for _ in range(100 if is_slow_build() else 400):
        data = b"".join(rng.choice(seeds) for _ in range(rng.randrange(1, 5)))
        with responder.connect() as wire:
            data = mutate(rng, data)
            for at in sorted(rng.randrange(len(data)) for _ in range(rng.randrange(3))):
                wire.send(data[:at])
                data = data[at:]
            wire.send(data)
            if rng.randrange(3) == 0:
                wire.reset()
                continue
            if rng.randrange(2) == 0:
                wire.half_close()
                assert is_ended(wire) or wait_until("its end", lambda: is_ended(wire))
    assert responder.connect().ask(get(b"/")).status == 200


# ---- streams ----

def lines(wire, count):
    """The next lines of a stream."""
    return [wire._until(b"\n").decode() for _ in range(count)]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_stream_goes_on_until_its_client_leaves(start, version):
    responder = start(idle_ms=300, head_ms=300, body_ms=300)
    with responder.connect() as wire:
        wire.send(b"GET /feed?ms=400 HTTP/" + version + b"\r\n" + HOST + b"\r\n")
        answer = wire.answer()
        assert answer.status == 200 and answer.field("Connection") == "close"
        assert answer.field("Content-Length") is None and answer.field("Transfer-Encoding") is None
        assert answer.field("X-Stream") == "yes"
        assert lines(wire, 4) == ["begin", "1 tick", "2 tick", "3 tick"]
        assert responder.counts()["streams"] == 1
    wait_until("the stream's end", lambda: responder.counts()["streams_gone"] == 1)
    assert responder.counts()["streams"] == 0


def test_half_a_stream_is_none(responder):
    with responder.connect() as wire:
        wire.send(get(b"/feed?ms=60000"))
        assert wire.answer().status == 200 and lines(wire, 1) == ["begin"]
        wire.half_close()
        assert wire.is_closed()
    assert responder.counts()["streams_gone"] == 1


def test_a_stream_waits_for_the_answers_before_it(responder):
    with responder.connect() as wire:
        wire.send(get(b"/slow?ms=200") + get(b"/feed?ms=20"))
        assert wire.answer().body == b"slow 200"
        assert wire.answer().status == 200
        begun, first = lines(wire, 2)
        assert begun == "begin" and int(first.split()[0]) >= 1
        number = int(first.split()[0])
        assert lines(wire, 2) == [f"{number + 1} tick", f"{number + 2} tick"]


def test_what_stands_behind_a_stream_is_never_answered(responder):
    with responder.connect() as wire:
        wire.send(get(b"/slow?ms=50") + get(b"/feed?ms=60000") + get(b"/slow?ms=50") + get(b"/"))
        assert wire.answer().body == b"slow 50" and wire.answer().status == 200
        assert lines(wire, 1) == ["begin"]
        wire.send(get(b"/"))
        assert wire.is_silent(0.3)
    wait_until("the stream's end", lambda: responder.counts()["streams_gone"] == 1)


def test_who_reads_slowly_gets_the_newest(responder):
    """While nothing is read, nothing is queued; then the next line is of now."""
    wire = stuck_reader(responder.port)
    wire.send(get(b"/flood?bytes=2000"))
    wait_until("ticks that are not taken", lambda: responder.counts()["ticks_skipped"] > 500)
    before = resident_bytes(responder.pid)
    wait_until("many of them", lambda: responder.counts()["ticks_skipped"] > 3000)
    assert resident_bytes(responder.pid) < before + 1048576
    with wire, wire.socket.makefile("rb") as file:
        numbers = []
        while not numbers or numbers[-1] < 3000:
            line = file.readline()
            if b" tick" in line and not line.startswith(b"begin"):
                numbers.append(int(line.split()[0]))
        assert numbers == sorted(numbers) and len(numbers) < 1000
    wait_until("the stream's end", lambda: responder.counts()["streams_gone"] == 1)


def test_who_never_reads_is_closed(start):
    responder = start(write_ms=300)
    with stuck_reader(responder.port) as wire:
        wire.send(get(b"/flood?bytes=2000"))
        wait_until("the stream's end", lambda: responder.counts()["streams_gone"] == 1)
    assert responder.counts()["timeouts"] == 1


def test_a_change_of_protocol(responder):
    with responder.connect() as wire:
        wire.send(get(b"/upgrade", b"Connection: Upgrade\r\nUpgrade: echo\r\n"))
        answer = wire.answer()
        assert answer.status == 101 and answer.field("Connection") == "Upgrade"
        assert answer.field("Content-Length") is None
        wait_until("the first bytes", lambda: wire.rest == b"hello" or wire._more() and False)
        wire.rest = b""
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\0\xff", b"end"):
            wire.send(said)
            wait_until("an echo", lambda s=said: wire.rest == s or wire._more() and wire.rest == s)
            wire.rest = b""
        assert wire.is_closed()
    counts = responder.counts()
    assert counts["streams"] == counts["streams_gone"] == counts["malformed"] == 0


def test_draining_lets_the_application_end_its_streams(start):
    responder = start()
    with responder.connect() as one, responder.connect() as other:
        one.send(get(b"/feed?ms=60000"))
        other.send(get(b"/upgrade"))
        assert one.answer().status == 200 and other.answer().status == 101
        responder.send(signal.SIGTERM)
        assert one._until(b"begin\n") == b"" and one.is_closed()
        assert other._until(b"hello") == b"" and other.is_closed()
    assert responder.wait() == 0


def test_streams_come_and_go(start):
    """Thousands, cut off anywhere: none stays."""
    responder = start()
    rng = random.Random(7)
    for _ in range(300):
        wires = [responder.connect() for _ in range(8)]
        for wire in wires:
            wire.send(get(rng.choice([b"/feed?ms=1", b"/flood?bytes=3000", b"/upgrade"])))
            if rng.random() < 0.5:
                wire.socket.recv(rng.randrange(1, 5000))
        for wire in wires:
            if rng.random() < 0.5:
                wire.reset()
            else:
                wire.socket.close()
    wait_until("all streams' ends", lambda: responder.counts()["streams"] == 0)
    assert responder.counts()["connections"] == 1
