"""What people who mean harm send: strings that other systems take for code, clients that drip and
clients that never read, messages that unfold. Others go on as if nobody had."""

import json
import re
import socket
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import end_world, make_world
from harness import contract, draw
from harness.process import wait_until
from harness.room import room

# What Postgres, Redis, Lua, the log, HTTP, HTML, printf, the file system or a shell might take for
# more than text. Those with control characters are no user's name; the others may be.
STRINGS = [
    "'; DROP TABLE bookings; --", '"; SELECT pg_sleep(9); --', "$1", "\\'; TRUNCATE shows; --",
    "a%27b", "' OR '1'='1", "1; COPY shows TO PROGRAM 'id'", "{1,2}", "NULL", "\\x00", "%00", "%",
    "\r\nFLUSHALL\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "\n", "\t", "\x1b[2J", "\x7f", "\u0085",
    "]] redis.call('FLUSHALL') --[[", "usher:{1}:state", "{1}", "cmsgpack.unpack(ARGV[1])",
    "x event=owned level=error", '" event=owned at="',
    "a\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(1)",
    "%s%s%s%n%n", "${jndi:ldap://x}", "{{7*7}}", "`id`", "$(id)", "| id", "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd", "/", "//", ".", "..", "", " ", "a b", "-1", "0", "1e308", "0x10",
    "18446744073709551616", "-9223372036854775809", "true", "[]", "{}", "\u202eevil", "\ufeff",
    "\U0001f600" * 20, "e\u0301" * 40, "A" * 129, "A" * 5000,
]
OPERATIONS = [(method.upper(), path, operation)
              for path, item in contract.document()["paths"].items()
              for method, operation in item.items()]


@pytest.fixture(scope="module")
def town(request, session_folder, cluster):
    """One world for all of it; at the end it must be whole."""
    world = make_world(request, session_folder, cluster)
    world.show("fest", {"GA": (0, 100000), "VIP": (500, 50)})
    world.show("room", {"GA": (0, 5)})
    world.start_redis()
    world.start_allocator()
    world.start_gateway(book_show="fest", tickets_show="fest", seats_show="fest", head_ms=2000,
                        body_ms=2000, write_ms=2000, idle_ms=30000, connections_max=600,
                        ticket_keys=draw.keys_file(world.folder))
    room(world, "--mode", "on", "--rate", "60", show="room")
    yield world
    world.judge()
    end_world(world)


@pytest.fixture(autouse=True)
def town_stands(town):
    shows = town.rows("SELECT * FROM shows ORDER BY show")
    yield
    assert town.rows("SELECT * FROM shows ORDER BY show") == shows
    assert town.allocators[0].alive() and town.gateways[0].alive()
    assert town.redis_client().exists(town.keys().state)
    assert town.client().book("fest", "somebody else", "GA").status == 201


def resident_kib(process):
    text = open(f"/proc/{process.pid}/status", encoding="ascii").read()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1])


# ---- strings ----

def members_of(operation):
    """The names of the body's members, of all its forms."""
    found = set()

    def walk(schema):
        schema = contract.resolve(schema)
        found.update(schema.get("properties", {}))
        for form in ("anyOf", "oneOf", "allOf"):
            for one in schema.get(form, []):
                walk(one)
    for content in contract.resolve(operation.get("requestBody", {})).get("content", {}).values():
        walk(content["schema"])
    return sorted(found)


def parameters_of(operation, where):
    found = [contract.resolve(one) for one in operation.get("parameters", [])]
    return [one["name"] for one in found if one["in"] == where]


GOOD = {"user": "mallory", "userId": "mallory", "user_email": "mallory", "tier": "GA",
        "quantity": 1}


def requests_with(text, method, path, operation):
    """This operation with the string in each place in turn: (path, body, header fields)."""
    quoted = urllib.parse.quote(text, safe="")
    plain = re.sub(r"\{\w+\}", "fest", path)
    body = dict(GOOD) if "requestBody" in operation else None
    for name in re.findall(r"\{\w+\}", path):
        yield re.sub(r"\{\w+\}", "fest", path.replace(name, quoted or "%20")), body, {}
    for name in parameters_of(operation, "query"):
        yield f"{plain}?{name}={quoted}", body, {}
    for name in members_of(operation):
        yield plain, {**GOOD, name: text}, {}
        yield plain, {**GOOD, name: [text]}, {}
        yield plain, {**GOOD, name: {text: text}}, {}
    if "\r" not in text and "\n" not in text and method != "GET":
        printable = text.encode("utf-8").decode("latin-1").strip()
        yield plain, body, {"Idempotency-Key": printable}
        yield plain, body, {"Prefer": printable, "traceparent": printable,
                            "If-None-Match": printable, "Usher-Admission": printable,
                            "Authorization": f"Bearer {printable}",
                            "X-Forwarded-For": printable, "Forwarded": printable}


def is_sendable(fields):
    """http.client refuses to send control characters in a field: those are test_http.py's."""
    return not any(re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value) for value in fields.values())


@pytest.mark.parametrize("part", range(4))
def test_strings_in_every_place_are_text(town, part):
    """No answer is a failure, each is as the document says; nothing is done that was not asked."""
    client = town.client()
    asked = 0
    for number, (method, path, operation) in enumerate(OPERATIONS):
        if number % 4 != part or path.endswith("/events") or path.endswith("/ws"):
            continue
        for text in STRINGS:
            for where, body, fields in requests_with(text, method, path, operation):
                if len(where) > 2000 or not is_sendable(fields):
                    continue
                answer = client.ask(method, where, body, {"Prefer": "wait=0", **fields})
                assert answer.status < 500 or answer.status == 503, (method, where, body, answer)
                assert answer.header("Set-Cookie") is None
                asked += 1
    assert asked > 500


def test_a_name_is_told_as_it_was_given(town):
    client = town.client()
    assert all(key.startswith(b"usher:") for key in town.redis_client().scan_iter("*"))
    for text in STRINGS:
        answer = client.book("fest", text, "GA")
        is_name = 1 <= len(text.encode()) <= 128 and not re.search(r"[\x00-\x1f\x7f-\x9f]", text)
        assert answer.status == (201 if is_name else 422), (text, answer)
        if not is_name:
            continue
        assert answer.json["user"] == text
        booking = client.booking(answer.json["id"])
        assert booking.json["user"] == text
        assert booking.header("Content-Type").startswith("application/json")
        # Dots alone are a path's, and clients take them away.
        if text not in (".", ".."):
            history = client.get(f"/v1/users/{urllib.parse.quote(text, safe='')}/bookings").json
            assert {b["user"] for b in history["bookings"]} == {text}
        assert town.value("SELECT count(*) FROM bookings WHERE user_id = %s", text) >= 1


def test_the_log_stays_one_event_a_line(town):
    pair = re.compile(r'[a-z_]+=("([^"\\]|\\.)*"|[^ "]*)( |$)')
    for process in town.gateways + town.allocators:
        for line in process.log.read_text().splitlines():
            assert line.startswith("at=") and not pair.sub("", line), line
            assert "event=owned" not in re.sub(r'"([^"\\]|\\.)*"', "", line)


# ---- clients ----

def test_who_drips_and_who_never_reads_holds_up_nobody(town):
    """Heads and bodies byte by byte, answers that nobody takes, while others book."""
    port = town.gateways[0].port
    drips, stuck = [], []
    for index in range(120):
        drip = socket.create_connection(("127.0.0.1", port))
        head = (b"POST /v1/shows/fest/bookings HTTP/1.1\r\nHost: x\r\n"
                b"Content-Type: application/json\r\n")
        drip.sendall(head[:30] if index % 2 else head + b"Content-Length: 5000\r\n\r\n{")
        drips.append(drip)
    for _ in range(40):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        reader.connect(("127.0.0.1", port))
        reader.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 30)
        stuck.append(reader)

    def book(number):
        client = town.gateways[0].client()
        try:
            return [client.book("fest", f"buyer{number}-{turn}", "GA", prefer="wait=30").status
                    for turn in range(15)]
        finally:
            client.close()

    try:
        with ThreadPoolExecutor(8) as pool:
            statuses = sum(pool.map(book, range(8)), [])
        assert statuses == [201] * 120
        # Those who drip are told, or cut off; those who do not read are cut off.
        for drip in drips:
            drip.settimeout(60)
            assert drip.recv(100).startswith(b"HTTP/1.1 408") and read_to_end(drip)
        client = town.client()
        wait_until("the end of those who do not read", lambda: connections(client) <= 20, 60)
    finally:
        for one in drips + stuck:
            one.close()
    assert resident_kib(town.gateways[0]) < 200 * 1024


def read_to_end(connection):
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def connections(client):
    text = client.get("/metrics").body.decode()
    return int(re.search(r"^usher_gateway_connections (\d+)", text, re.M)[1])


# ---- things that unfold ----

JSON_BOMBS = {
    "arrays": b'{"user":"ann","tier":"GA","x":' + b"[" * 8000 + b"]" * 8000 + b"}",
    "objects": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    "many members": b"{" + b",".join(b'"m%d":0' % i for i in range(1500)) + b"}",
    "one member often": b"{" + b",".join(b'"user":"ann"' for i in range(1000)) + b"}",
    "a number of many digits": b'{"user":"ann","tier":"GA","quantity":' + b"9" * 15000 + b"}",
    "a large exponent": b'{"user":"ann","tier":"GA","quantity":1e999999999}',
    "a small exponent": b'{"user":"ann","tier":"GA","quantity":1e-999999999}',
    "escapes": b'{"user":"' + b"\\u0041" * 2500 + b'","tier":"GA"}',
    "many lines": json.dumps({"user": "ann", "items": [{"tier": "GA"}] * 700}).encode(),
    "many seats": json.dumps({"user": "ann", "seats": ["A-1"] * 1500}).encode(),
    "opened only": b"[" * 16000, "quotes": b'"' * 16000, "backslashes": b'{"a":"' + b"\\" * 15000,
}


@pytest.mark.parametrize("body", JSON_BOMBS.values(), ids=JSON_BOMBS.keys())
def test_json_that_unfolds(town, body):
    client = town.client()
    for path in ("/v1/shows/fest/bookings", "/book", "/holds", "/v1/shows/fest/waitlist"):
        answer = client.ask("POST", path, body)
        assert answer.status in (400, 404, 413, 422), answer
    assert resident_kib(town.gateways[0]) < 200 * 1024


MSGPACK_BOMBS = {
    "an array of 4 G": b"\xdd\xff\xff\xff\xff", "a map of 4 G": b"\xdf\xff\xff\xff\xff",
    "4 G of text": b"\xdb\xff\xff\xff\xff", "4 G of bytes": b"\xc6\xff\xff\xff\xff",
    "an extension of 4 G": b"\xc9\xff\xff\xff\xff\x01", "arrays in arrays": b"\x91" * 250000,
    "maps in maps": b"\x81\xa0" * 120000, "arrays of arrays": b"\xdc\xff\xff" * 80000,
    "many empty arrays": b"\xdd\x00\x03\xd0\x00" + b"\x90" * 249856,
    "an array of one request of arrays": b"\x91\x99" + b"\x91" * 200000,
    "many numbers": b"\xdd\x00\x03\xd0\x00" + b"\x00" * 249856, "too much": b"\x90" * 2000000,
}


def test_messages_that_unfold(town):
    """In the stream: the allocator passes them over and goes on, and does not grow."""
    redis, client = town.redis_client(), town.client()
    for bomb in MSGPACK_BOMBS.values():
        redis.xadd(town.keys().requests, {"b": bomb})
        redis.publish("usher:replies:gateway-1", bomb)
        redis.publish("usher:show:1", bomb)
        assert client.book("fest", "ann", "GA").status == 201
    assert resident_kib(town.allocators[0]) < 128 * 1024
    assert resident_kib(town.gateways[0]) < 200 * 1024
