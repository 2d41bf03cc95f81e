"""Bad input gets a clear refusal and changes nothing."""

import json
import socket
import time

import pytest

from conftest import end_world, make_world
from harness.client import parse_answers, raw_exchange
from harness.process import patience

PATH = "/v1/shows/gala/bookings"
GOOD = {"user": "ann", "tier": "VIP", "quantity": 1}


@pytest.fixture(scope="module")
def sale(request, session_folder, cluster):
    """One world for all of it: the point is that nothing happens in it."""
    world = make_world(request, session_folder, cluster)
    world.show("gala", {"VIP": (10000, 20), "STD": (2500, 100)})
    world.show("brief", {"GA": (0, 5)}, hold_seconds=1)
    world.start_redis()
    world.start_allocator()
    world.start_gateway(head_ms=1500, body_ms=1500, connections_max=300)
    yield world
    world.judge()
    end_world(world)


@pytest.fixture(autouse=True)
def nothing_changes(sale):
    """After each test, Postgres is as it was but for the passing of time."""
    before = contents(sale)
    yield
    assert contents(sale) == before
    assert sale.allocators[0].alive() and sale.gateways[0].alive()


def contents(sale):
    """All of `gala`. What a test books lawfully, it books in `brief`."""
    gala = "show = (SELECT show FROM shows WHERE slug = 'gala')"
    return [sale.rows(statement) for statement in (
        f"SELECT * FROM bookings WHERE {gala} ORDER BY id",
        f"SELECT * FROM tiers WHERE {gala} ORDER BY tier", "SELECT * FROM shows ORDER BY show",
        f"SELECT * FROM booking_changes WHERE booking IN (SELECT id FROM bookings WHERE {gala})",
        f"SELECT * FROM booking_items WHERE booking IN (SELECT id FROM bookings WHERE {gala})")]


@pytest.fixture
def client(sale):
    return sale.client()


def refused(answer, *statuses):
    assert answer.status in statuses, answer
    assert answer.code in ("INVALID", "NOT_FOUND", "LIMIT_EXCEEDED", "NOT_ENOUGH"), answer
    assert len(answer.json["detail"]) > 5


# Bodies.

NOT_JSON = {
    "empty": b"", "blank": b"   ", "word": b"hello", "cut": b'{"user":"ann"', "comma": b'{"a":1,}',
    "single quotes": b"{'user':'ann'}", "two values": b'{"user":"ann"} {"x":1}',
    "nan": b'{"user":"ann","tier":"VIP","quantity":NaN}', "nul inside": b'{"user":"a\x00b"}',
    "nul after": json.dumps(GOOD).encode() + b"\x00", "utf-16": json.dumps(GOOD).encode("utf-16"),
    "bom only": b"\xef\xbb\xbf", "not utf-8": b'{"user":"a\xff","tier":"VIP","quantity":1}',
    "overlong utf-8": b'{"user":"\xc0\xafx","tier":"VIP","quantity":1}',
    "surrogate utf-8": b'{"user":"\xed\xa0\x80","tier":"VIP","quantity":1}',
    "lone surrogate": b'{"user":"\\ud800","tier":"VIP","quantity":1}',
    "an array": b"[1]", "a string": b'"x"', "null": b"null", "a number": b"12",
    "deep arrays": b'{"user":"ann","tier":"VIP","quantity":1,"x":' + b"[" * 1500 + b"]" * 1500 + b"}",
    "deeper": b"[" * 30000,
    "form": b"user=ann&tier=VIP&quantity=1",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_bodies_that_are_not_json(client, body):
    refused(client.ask("POST", PATH, body), 400, 413, 422)


WRONG = {
    "nothing": {}, "no user": {"tier": "VIP", "quantity": 1}, "no tier": {"user": "ann", "quantity": 1},
    "user null": {**GOOD, "user": None}, "user number": {**GOOD, "user": 5},
    "user list": {**GOOD, "user": ["ann"]}, "user empty": {**GOOD, "user": ""},
    "user object": {**GOOD, "user": {"name": "ann"}},
    "user long": {**GOOD, "user": "x" * 129}, "user long in bytes": {**GOOD, "user": "é" * 65},
    "user huge": {**GOOD, "user": "x" * 10000},
    "user nul": {**GOOD, "user": "a\0b"}, "user newline": {**GOOD, "user": "a\nb"},
    "user escape": {**GOOD, "user": "a\x1b[2J"}, "user del": {**GOOD, "user": "a\x7f"},
    "user c1": {**GOOD, "user": "a\x85b"},
    "tier unknown": {**GOOD, "tier": "GOLD"}, "tier case": {**GOOD, "tier": "vip"},
    "tier number": {**GOOD, "tier": 1}, "tier null": {**GOOD, "tier": None},
    "tier empty": {**GOOD, "tier": ""}, "tier long": {**GOOD, "tier": "V" * 5000},
    "tier nul": {**GOOD, "tier": "VIP\0"},
    "quantity zero": {**GOOD, "quantity": 0}, "quantity negative": {**GOOD, "quantity": -1},
    "quantity fraction": {**GOOD, "quantity": 1.5}, "quantity real": {**GOOD, "quantity": 1e300},
    "quantity text": {**GOOD, "quantity": "1"}, "quantity true": {**GOOD, "quantity": True},
    "quantity list": {**GOOD, "quantity": [1]}, "quantity object": {**GOOD, "quantity": {}},
    "quantity 2^31": {**GOOD, "quantity": 2 ** 31}, "quantity 2^32+1": {**GOOD, "quantity": 2 ** 32 + 1},
    "quantity 2^53": {**GOOD, "quantity": 2 ** 53}, "quantity 2^63": {**GOOD, "quantity": 2 ** 63},
    "quantity 2^64": {**GOOD, "quantity": 2 ** 64 + 1}, "quantity 10^40": {**GOOD, "quantity": 10 ** 40},
    "hold text": {**GOOD, "hold": "yes"}, "hold number": {**GOOD, "hold": 1},
    "hold list": {**GOOD, "hold": [True]},
    "deadline text": {**GOOD, "deadline_ms": "soon"}, "deadline negative": {**GOOD, "deadline_ms": -5},
    "deadline fraction": {**GOOD, "deadline_ms": 0.5}, "deadline list": {**GOOD, "deadline_ms": []},
    "items empty": {"user": "ann", "items": []}, "items object": {"user": "ann", "items": {}},
    "items text": {"user": "ann", "items": "VIP"}, "items of text": {"user": "ann", "items": ["VIP"]},
    "items of null": {"user": "ann", "items": [None]},
    "items without quantity": {"user": "ann", "items": [{"tier": "VIP", "quantity": "x"}]},
    "items zero": {"user": "ann", "items": [{"tier": "VIP", "quantity": 0}]},
    "items one bad": {"user": "ann", "items": [{"tier": "VIP", "quantity": 1},
                                               {"tier": "STD", "quantity": -1}]},
    "items twice the tier": {"user": "ann", "items": [{"tier": "VIP", "quantity": 1}] * 2},
    "items too many": {"user": "ann", "items": [{"tier": f"T{n}", "quantity": 1} for n in range(40)]},
    "items and tier": {**GOOD, "items": [{"tier": "STD", "quantity": 1}]},
    "items nested": {"user": "ann", "items": [[{"tier": "VIP", "quantity": 1}]]},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_bodies_that_mean_nothing(client, body):
    refused(client.ask("POST", PATH, body), 400, 404, 409, 422)


def test_a_refusal_says_which_member(client):
    for body, word in (({**GOOD, "quantity": 0}, "quantity"), ({**GOOD, "user": 5}, "user"),
                       ({**GOOD, "tier": 1}, "tier")):
        assert word in client.ask("POST", PATH, body).json["detail"]


def test_members_given_twice(client):
    answer = client.ask("POST", PATH, b'{"user":"ann","user":"bob","tier":"VIP","quantity":0}')
    refused(answer, 400, 422)


@pytest.mark.parametrize("body", [b"[1]", b"x", b'{"user":5}', b'{"user":""}', b'{"user":"a\\u0000"}'])
@pytest.mark.parametrize("what", ["confirm", "cancel", "extend"])
def test_changes_with_bad_bodies(client, what, body):
    refused(client.ask("POST", f"/v1/bookings/{'0' * 26}/{what}", body), 400, 404, 422)


@pytest.mark.parametrize("body", [{"quantity": 0}, {"quantity": -1}, {"quantity": 1.5},
                                  {"quantity": "1"}, {"tier": 5}, {"quantity": 2 ** 70},
                                  {"tier": "NONE", "quantity": 1}])
def test_cancellations_that_mean_nothing(client, body):
    held = client.book("brief", "ann", "GA", 1).json["id"]
    refused(client.cancel(held, body), 400, 404, 422)
    assert client.booking(held).json["status"] == "CONFIRMED"
    assert client.cancel(held).status == 200


CONTENT_TYPES = {"text": "text/plain", "form": "application/x-www-form-urlencoded",
                 "xml": "application/xml", "nonsense": "json", "multipart": "multipart/form-data"}


@pytest.mark.parametrize("kind", CONTENT_TYPES.values(), ids=CONTENT_TYPES.keys())
def test_bodies_of_another_type(client, kind):
    answer = client.ask("POST", PATH, json.dumps(GOOD).encode(), content_type=kind)
    assert answer.status == 415 and answer.code == "INVALID"


def test_bodies_beyond_the_cap(client):
    for size in (70_000, 2_000_000):
        body = json.dumps({**GOOD, "note": "x" * size}).encode()
        raw = head("POST", PATH, f"Content-Length: {len(body)}") + body
        answer = parse_answers(raw_exchange(client.port, raw))[0]
        assert answer.status == 413


def test_a_body_that_claims_too_much(client):
    raw = head("POST", PATH, "Content-Length: 99999999999")
    assert parse_answers(raw_exchange(client.port, raw))[0].status == 413


# Reused keys, expired holds, other people's bookings.

def test_confirm_of_an_expired_hold(client):
    held = client.hold("brief", "ann", "GA", 1).json["id"]
    time.sleep(1.1)
    answer = client.confirm(held)
    assert (answer.status, answer.code) == (410, "HOLD_EXPIRED")
    assert client.booking(held).json["status"] == "EXPIRED"


def test_a_reused_key_with_another_body(client):
    first = client.book("brief", "ann", "GA", 1, key="reused")
    answer = client.book("brief", "ann", "GA", 2, key="reused")
    assert (answer.status, answer.code) == (422, "KEY_REUSED")
    client.await_stock("brief", 4)
    client.cancel(first.json["id"])


def test_cancel_by_someone_else(client):
    booking = client.book("brief", "ann", "GA", 1).json["id"]
    assert client.cancel(booking, {"user": "mallory"}).status in (403, 404)
    assert client.booking(booking).json["status"] == "CONFIRMED"
    client.cancel(booking)


# HTTP itself.

def head(method, path, *lines):
    fields = [f"{method} {path} HTTP/1.1", "Host: t", "Content-Type: application/json", *lines, "", ""]
    return "\r\n".join(fields).encode("latin-1")


BODY = json.dumps(GOOD).encode()
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n\r\n"
MALFORMED = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": b"GET /v1/shows\r\n\r\n", "no target": b"GET HTTP/1.1\r\nHost: t\r\n\r\n",
    "bare line feeds": b"GET /v1/shows HTTP/1.1\nHost: t\n\n",
    "bare carriage return": b"GET /v1/shows HTTP/1.1\r\nHost: t\rX: y\r\n\r\n",
    "control in target": b"GET /v1/sh\x01ows HTTP/1.1\r\nHost: t\r\n\r\n",
    "two spaces": b"GET  /v1/shows HTTP/1.1\r\nHost: t\r\n\r\n",
    "nul in a field": head("GET", "/v1/shows", "X: a\0b"),
    "control in a field": head("GET", "/v1/shows", "X: a\x01b"),
    "folded field": b"GET /v1/shows HTTP/1.1\r\nHost: t\r\nX: a\r\n b\r\n\r\n",
    "space before colon": head("GET", "/v1/shows", "X : y"),
    "field without colon": head("GET", "/v1/shows", "nonsense"),
    "field without name": head("GET", "/v1/shows", ": y"),
    "name with a space": head("GET", "/v1/shows", "X Y: z"),
    "no host": b"GET /v1/shows HTTP/1.1\r\n\r\n",
    "two hosts": head("GET", "/v1/shows", "Host: other"),
    "two lengths": head("POST", PATH, LENGTH, LENGTH) + BODY,
    "two lengths that differ": head("POST", PATH, LENGTH, "Content-Length: 3") + BODY,
    "a list of lengths": head("POST", PATH, f"{LENGTH}, {len(BODY)}") + BODY,
    "length with a sign": head("POST", PATH, f"Content-Length: +{len(BODY)}") + BODY,
    "length in hex": head("POST", PATH, "Content-Length: 0x10") + BODY,
    "negative length": head("POST", PATH, "Content-Length: -1") + BODY,
    "empty length": head("POST", PATH, "Content-Length: ") + BODY,
    "length and chunked": head("POST", PATH, LENGTH, "Transfer-Encoding: chunked") + CHUNKED,
    "chunked twice": head("POST", PATH, "Transfer-Encoding: chunked, chunked") + CHUNKED,
    "two encodings": head("POST", PATH, "Transfer-Encoding: chunked",
                          "Transfer-Encoding: chunked") + CHUNKED,
    "chunked in disguise": head("POST", PATH, "Transfer-Encoding: xchunked") + CHUNKED,
    "chunked with 1.0": head("POST", PATH, "Transfer-Encoding: chunked")
    .replace(b"HTTP/1.1", b"HTTP/1.0") + CHUNKED,
    "identity": head("POST", PATH, "Transfer-Encoding: identity") + BODY,
    "gzip": head("POST", PATH, "Transfer-Encoding: gzip, chunked") + CHUNKED,
    "chunk size is no number": head("POST", PATH, "Transfer-Encoding: chunked") + b"zz\r\n",
    "chunk size overflows": head("POST", PATH, "Transfer-Encoding: chunked") + b"f" * 17 + b"\r\n",
    "chunk without its end": head("POST", PATH, "Transfer-Encoding: chunked") + b"2\r\nab0\r\n\r\n",
    "version 2": b"GET /v1/shows HTTP/2.0\r\nHost: t\r\n\r\n",
    "version 0.9": b"GET /v1/shows HTTP/0.9\r\nHost: t\r\n\r\n",
    "version 1.2": b"GET /v1/shows HTTP/1.2\r\nHost: t\r\n\r\n",
    "lower case version": b"GET /v1/shows http/1.1\r\nHost: t\r\n\r\n",
    "strange method": b"BREW /v1/shows HTTP/1.1\r\nHost: t\r\n\r\n",
    "expectation": head("POST", PATH, LENGTH, "Expect: magic"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests(client, data):
    """One clear answer and the end of the connection: what follows could be anybody's."""
    smuggled = head("GET", "/v1/shows/smuggled")
    answers = parse_answers(raw_exchange(client.port, data + smuggled, patience(10)))
    assert len(answers) == 1, answers
    assert answers[0].status in (400, 405, 417, 501, 505), answers
    assert answers[0].header("Connection", "").lower() == "close"
    assert answers[0].code is not None and answers[0].header("X-Request-Id")


def test_heads_that_are_too_large(client):
    cases = {"one field": head("GET", "/v1/shows", "X: " + "y" * 1048576),
             "many fields": head("GET", "/v1/shows", *[f"X-{n}: y" for n in range(40000)]),
             "more fields than are taken": head("GET", "/v1/shows", *[f"A{n}: b" for n in range(100)]),
             "a long name": head("GET", "/v1/shows", "x" * 9000 + ": y"),
             "no end": b"GET /v1/shows HTTP/1.1\r\nHost: t\r\nX: " + b"y" * 1048576}
    for name, data in cases.items():
        answer = parse_answers(raw_exchange(client.port, data, patience(10)))[0]
        assert answer.status == 431, name


def test_targets_that_are_too_long(client):
    for path in ("/" + "x" * 3000, "/v1/shows?q=" + "x" * 3000, "/" + "x" * 1048576):
        answer = parse_answers(raw_exchange(client.port, head("GET", path), patience(10)))[0]
        assert answer.status in (414, 431), len(path)


CUT = {
    "in the line": b"POST /v1/sho",
    "in the head": head("POST", PATH)[:-2],
    "in the body": head("POST", PATH, LENGTH) + BODY[:-1],
    "before the body": head("POST", PATH, LENGTH),
    "in a chunk": head("POST", PATH, "Transfer-Encoding: chunked") + CHUNKED[:20],
    "before the last chunk": head("POST", PATH, "Transfer-Encoding: chunked") + CHUNKED[:-5],
    "in the last chunk": head("POST", PATH, "Transfer-Encoding: chunked") + CHUNKED[:-2],
}


@pytest.mark.parametrize("data", CUT.values(), ids=CUT.keys())
@pytest.mark.parametrize("ending", ["close", "reset", "silence"])
def test_requests_cut_short(sale, data, ending):
    """Half a request is none, however its sender leaves."""
    port = sale.gateways[0].port
    if ending == "silence":
        answers = parse_answers(raw_exchange(port, data, patience(10)))
        assert [a.status for a in answers] == [408]
        return
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(data)
        if ending == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.05)


def test_a_slow_client_is_not_waited_for(sale):
    """One byte now and then does not prolong a head's time."""
    data = [bytes([byte]) for byte in head("POST", PATH, "X: " + "y" * 200)]
    began = time.monotonic()
    answers = parse_answers(raw_exchange(sale.gateways[0].port, data, patience(10), pause=0.05))
    assert [a.status for a in answers] == [408] and time.monotonic() - began < patience(8)


def test_more_connections_than_are_taken(sale, client):
    crowd = []
    try:
        statuses = set()
        for _ in range(320):
            connection = socket.create_connection(("127.0.0.1", sale.gateways[0].port), timeout=5)
            crowd.append(connection)
        for connection in crowd[-5:]:
            connection.settimeout(patience(5))
            connection.sendall(head("GET", "/livez"))
            data = connection.recv(65536)
            if data:
                answer = parse_answers(data)[0]
                statuses.add(answer.status)
                assert int(answer.header("Retry-After")) >= 1
        assert statuses == {503}
    finally:
        for connection in crowd:
            connection.close()
    deadline = time.monotonic() + patience(5)
    while client.get("/livez").status != 200:
        client.close()
        assert time.monotonic() < deadline
        time.sleep(0.05)


# What is odd but right.

def test_a_chunked_body(client):
    raw = head("POST", "/v1/shows/brief/bookings", "Transfer-Encoding: chunked", "Connection: close")
    body = json.dumps({"user": "ann", "tier": "GA", "quantity": 1}).encode()
    chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in
                      (body[:1], body[1:10], body[10:])) + b"0\r\nTrailer: x\r\n\r\n"
    answer = parse_answers(raw_exchange(client.port, raw + chunks))[0]
    assert answer.status in (201, 400), answer  # trailers and extensions may be refused
    if answer.status == 201:
        client.cancel(answer.json["id"])


def test_expect_continue(sale):
    with socket.create_connection(("127.0.0.1", sale.gateways[0].port), timeout=5) as connection:
        body = json.dumps({**GOOD, "quantity": 0}).encode()
        connection.sendall(head("POST", PATH, f"Content-Length: {len(body)}", "Expect: 100-continue",
                                "Connection: close"))
        connection.settimeout(patience(5))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        data = b""
        while piece := connection.recv(65536):
            data += piece
    assert parse_answers(data)[0].status == 422


def test_expect_continue_of_a_body_that_is_too_large(sale):
    raw = head("POST", PATH, "Content-Length: 9999999", "Expect: 100-continue")
    assert [a.status for a in parse_answers(raw_exchange(sale.gateways[0].port, raw))] == [413]


def test_bytes_one_by_one(sale):
    data = [bytes([byte]) for byte in head("GET", "/v1/shows/gala", "Connection: close")]
    assert parse_answers(raw_exchange(sale.gateways[0].port, data, pause=0.001))[0].status == 200


def test_http_1_0(sale):
    raw = b"GET /v1/shows/gala HTTP/1.0\r\n\r\n"
    assert parse_answers(raw_exchange(sale.gateways[0].port, raw))[0].status == 200


def test_many_requests_in_one_packet(sale):
    raw = head("GET", "/v1/shows/gala") * 60 + head("GET", "/v1/shows/gala", "Connection: close")
    answers = parse_answers(raw_exchange(sale.gateways[0].port, raw))
    assert [a.status for a in answers] == [200] * 61


def test_more_pipelined_than_are_taken_at_once(sale):
    raw = head("GET", "/v1/shows/gala") * 500 + head("GET", "/livez", "Connection: close")
    assert len(parse_answers(raw_exchange(sale.gateways[0].port, raw))) == 501


def test_entries_that_are_no_requests(sale, client):
    """Whoever writes nonsense into the stream harms nobody: it is passed over, and said."""
    from harness.words import pack
    redis = sale.redis_client()
    for fields in ({"b": b""}, {"b": b"\xc1"}, {"b": b"\xdf\xff\xff\xff\xff"}, {"x": "y"},
                   {"b": pack([])}, {"b": pack([[1, 2]])}, {"b": pack({"a": 1})},
                   {"b": pack([[b"x" * 16, 99, 1, "u", 1, b"f" * 8, "g", "", []]])},
                   {"b": b"\x91" * 100000}):
        redis.xadd(sale.keys().requests, fields)
    answer = client.book("gala", "ann", "VIP", 99)
    assert answer.code in ("LIMIT_EXCEEDED", "INVALID")
    assert client.book("gala", "ann", "VIP", 21).status in (409, 422)
