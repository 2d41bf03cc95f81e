"""haproxy and nginx in front of two gateways, by the examples that we ship: TLS and HTTP/2 outside,
kept connections inside, and nothing gets through that should not."""

import json
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness.front import NAME, Broken, Haproxy, Nginx
from harness.live import Listener, WebSocket
from harness.live_world import metric_of
from harness.process import patience, wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JSON = ("-H", "Content-Type: application/json")
BOOK = "/v1/shows/rock/bookings"


class Port:
    """What a front sends to, if it is no gateway itself."""

    def __init__(self, port):
        self.port = port


@pytest.fixture(params=[Haproxy, Nginx], ids=lambda kind: kind.kind)
def front_kind(request):
    return request.param


def place(world, kind, targets=None):
    """This kind in front of these, or of the world's gateways."""
    world.front = kind(world.folder, targets or world.gateways).start()
    return world.front


def start(world, kind, gateways=2, **options):
    world.start_redis()
    world.show("rock", {"STD": (5000, 100000)}, max_per_booking=10)
    world.start_allocator()
    for _ in range(gateways):
        world.start_gateway(trusted_proxies="127.0.0.1/32", **options)
    return place(world, kind)


@pytest.fixture
def fronted(world):
    """Its front is stopped at the end."""
    world.front = None
    yield world
    if world.front is not None and world.front.alive():
        world.front.stop()


def book(front, user, *words, path=BOOK, **fields):
    body = json.dumps({"user": user, "tier": "STD", "quantity": 1, **fields})
    return front.curl(path, *JSON, "-d", body, *words)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_and_both_versions_of_http(fronted, front_kind):
    front = start(fronted, front_kind)
    assert front.curl("/livez", "--http2")[0] == "2"
    assert front.curl("/livez", "--http1.1")[0] == "1.1"
    for path, status in (("/livez", 200), ("/nothing", 404), ("/metrics", 404)):
        version, answer = front.curl(path)
        assert (version, answer.status) == ("2", status)
        assert int(answer.header("Strict-Transport-Security").split("=")[1]) >= 31536000
    old = ssl.create_default_context(cafile=front.certificate)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    other = ssl.create_default_context(cafile=front.certificate)
    for context, name in ((old, NAME), (other, "other.example")):
        with socket.create_connection(("127.0.0.1", front.port), timeout=patience(10)) as plain:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname=name)
    version, answer = front.curl("/shows/rock?a=b", port=front.plain_port, scheme="http")
    assert (answer.status, answer.header("Location")) == (308, f"https://{NAME}/shows/rock?a=b")


def test_bookings_go_through(fronted, front_kind):
    """Awaited, polled, repeated; by both versions; with what belongs to their tracing."""
    front = start(fronted, front_kind)
    for version in ("--http2", "--http1.1"):
        _, made = book(front, "ann", version, "-H", f"traceparent: {TRACE}")
        assert made.status == 201 and made.header("X-Request-Id")
        assert made.header("traceparent").split("-")[1] == TRACE.split("-")[1]
        assert made.header("Server") is None or "usher" not in made.header("Server")
        _, first = book(front, "bob", version, "-H", f"Idempotency-Key: bob{version}")
        _, again = book(front, "bob", version, "-H", f"Idempotency-Key: bob{version}")
        assert first.status == 201 and again.body == first.body
        assert again.header("Idempotent-Replayed") == "true"
        _, queued = book(front, "eve", version, "-H", "Prefer: respond-async")
        assert queued.status == 202
        _, polled = front.curl(queued.header("Location"), version, "-H", "Prefer: wait=10")
        assert polled.status == 201
    client = front.client()
    assert client.book("rock", "dan", "STD", 2, prefer="wait=10").status == 201
    assert client.get("/v1/users/dan/bookings").json["bookings"][0]["quantity"] == 2
    client.close()
    assert fronted.value("SELECT count(*) FROM bookings") == 7
    fronted.judge()


def test_who_waits_for_a_decision_is_not_cut_off(fronted, front_kind):
    front = start(fronted, front_kind)
    fronted.allocators[0].sigstop()
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(
        book(front, "ann", "-H", "Prefer: wait=30", "--http2")))
    waiting.start()
    time.sleep(12)  # longer than any time-out that is meant for clients that are slow
    assert not answers
    fronted.allocators[0].cont()
    waiting.join(patience(30))
    assert answers[0][1].status == 201


def test_streams_go_through(fronted, front_kind, tmp_path):
    front = start(fronted, front_kind, stream_heartbeat_ms=1000)
    out = tmp_path / "curl.txt"
    with open(out, "wb") as file, subprocess.Popen(
            ["curl", "-sN", "--http2", "--max-time", str(int(patience(60))), "--cacert",
             front.certificate, "--resolve", f"{NAME}:{front.port}:127.0.0.1", "-w",
             "%{http_version}", f"https://{NAME}:{front.port}/v1/shows/rock/events"],
            stdout=file) as curl:
        client = front.client()
        with Listener(front.port, "/v1/shows/rock/events", tls=front.tls,
                      version="1.0") as listener, \
                WebSocket(front.port, "/v1/shows/rock/ws", tls=front.tls,
                          Origin=f"https://{NAME}", Host=NAME) as ws:
            listener.wait_snapshot()
            assert ws.status == 101
            wait_until("a snapshot by HTTP/2", lambda: b"availability" in out.read_bytes())
            assert client.book("rock", "ann", "STD", 3).status == 201
            listener.wait_available(99997)
            ws.until(lambda event: event.get("available") == 99997)
            wait_until("news by HTTP/2", lambda: b"99997" in out.read_bytes())
            # A sign of life, alone as it is, is not held back either.
            before = listener.comments
            listener.wait("signs of life", lambda l: l.comments > before + 1)
        curl.terminate()
        curl.wait(timeout=10)
    assert metric_of(fronted.client(0), "usher_gateway_connections ") < 20
    refused = front.curl("/v1/shows/rock/ws", "--http1.1")[1]
    assert refused.status in (400, 426), "no WebSocket was asked for"
    client.close()


def test_nobody_is_taken_for_another_address(fronted, front_kind):
    front = start(fronted, front_kind, gateways=1, limit_address="2/3600")
    forged = [("-H", "X-Forwarded-For: 192.0.2.1"), ("-H", "X-Forwarded-For: 192.0.2.2, 127.0.0.1"),
              ("-H", "x-forwarded-for:192.0.2.3", "-H", "X-Forwarded-For: 192.0.2.4"),
              ("-H", "Forwarded: for=192.0.2.5"), ("-H", "X-Real-IP: 192.0.2.6"),
              ("-H", "X_Forwarded_For: 192.0.2.7")]
    for version in ("--http2", "--http1.1"):
        source = {"--http2": "127.0.0.2", "--http1.1": "127.0.0.3"}[version]

        def ask(number, *words):
            body = json.dumps({"user": f"{source} {number}", "tier": "STD", "quantity": 1})
            return front.curl(BOOK, *JSON, "-d", body, version, *words, source=source)[1].status
        assert [ask(number) for number in range(3)] == [201, 201, 429]
        assert [ask(9, *words) for words in forged] == [429] * len(forged)
    assert book(front, "somebody else")[1].status == 201


INSIDE = ["/metrics", "/metrics/", "/metrics?a=b", "/admin", "/admin/", "/v1/admin/shows",
          "/v1/admin/partitions", "/%6detrics", "/%6Detrics", "/v1/%61dmin/shows", "//metrics",
          "/./metrics", "/x/../metrics", "/v1/../metrics", "/v1//admin/shows", "/v1/./admin/shows",
          "/v1/x/../admin/shows", "/%256detrics", "/METRICS", "/metrics;a=b", "/metrics%00",
          "/v1/admin%2fshows", "/metrics%3fa", "/%2e/metrics"]


def test_what_is_inside_stays_inside(fronted, front_kind):
    front = start(fronted, front_kind)
    assert fronted.client().get("/metrics").status == 200  # where one may ask
    token = "Authorization: Bearer usher_admin_" + "a1" * 32
    for path in INSIDE:
        for version in ("--http2", "--http1.1"):
            _, answer = front.curl(path, version, "--path-as-is", "-H", token)
            assert answer.status in (400, 404), (path, answer)
            assert b"usher_gateway" not in answer.body and b'"partition' not in answer.body, path
    for path in ("/v1/admin/shows", "/metrics"):
        _, answer = front.curl(path, "-X", "POST", *JSON, "-d", "{}", "-H", token)
        assert answer.status == 404


def test_what_is_too_large_is_refused(fronted, front_kind):
    front = start(fronted, front_kind)
    def ask(size, *words):
        body = json.dumps({"user": f"by {size}", "tier": "STD", "quantity": 1}).encode().ljust(size)
        (fronted.folder / "body").write_bytes(body)
        try:
            return front.curl(BOOK, *JSON, "--data-binary", f"@{fronted.folder}/body",
                              *words)[1].status
        except Broken:
            return 413  # told while the body was still coming: this curl does not look at it
    for version in ("--http2", "--http1.1"):
        assert ask(16384, version) == 201
        assert ask(16385, version) == 413
        assert ask(1000000, version) == 413
    assert ask(16385, "--http1.1", "-H", "Transfer-Encoding: chunked") == 413
    assert ask(16384, "--http1.1", "-H", "Transfer-Encoding: chunked") == 201
    assert {row["user_id"] for row in fronted.rows("SELECT user_id FROM bookings")} == {"by 16384"}
    long = front.curl("/livez", "--http1.1", "-H", f"X-Long: {'x' * 40000}")[1].status
    assert long in (400, 431)
    assert front.curl("/livez")[1].status == 200


def test_slow_clients_are_not_the_gateways_business(fronted, front_kind):
    """Many that give their heads and bodies byte by byte: a gateway has none of them."""
    front = start(fronted, front_kind, gateways=1)
    client = fronted.client()
    before = metric_of(client, "usher_gateway_connections ")
    slow = []
    for number in range(120):
        plain = socket.create_connection(("127.0.0.1", front.port), timeout=patience(30))
        slow.append(front.tls.wrap_socket(plain, server_hostname=NAME))
        head = f"POST {BOOK} HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/json\r\n"
        slow[-1].sendall((head + "Content-Length: 100\r\n\r\n{" if number % 2 else head).encode())
    for _ in range(3):
        time.sleep(0.3)
        for wire in slow:
            wire.sendall(b" " if wire is not slow[0] else b"x")
        assert book(front, "ann")[1].status == 201
    assert metric_of(client, "usher_gateway_connections ") - before < 20
    for wire in slow:
        wire.close()


SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: box.example\r\nX-Smuggled: yes\r\n\r\n"
TWO_FACED = [
    (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + SMUGGLED),
    (b"Content-Length: 0\r\nContent-Length: 60\r\n", SMUGGLED),
    (b"Content-Length: +0\r\n", SMUGGLED),
    (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    (b"X: a\r\n Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: identity, chunked, chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
]


def test_no_request_hides_in_another(fronted, front_kind):
    """Heads about whose end two programs may disagree: nothing that hides behind them reaches a
    gateway and is answered to somebody else."""
    front = start(fronted, front_kind, gateways=1)
    for fields, rest in TWO_FACED:
        plain = socket.create_connection(("127.0.0.1", front.port), timeout=patience(20))
        wire = front.tls.wrap_socket(plain, server_hostname=NAME)
        wire.sendall(b"POST /v1/shows/rock/bookings HTTP/1.1\r\nHost: box.example\r\n"
                     b"Content-Type: application/json\r\n" + fields + b"\r\n" + rest)
        wire.settimeout(1.0)
        answer = b""
        try:
            while data := wire.recv(65536):
                answer += data
        except (TimeoutError, ssl.SSLError, ConnectionError):
            pass
        wire.close()
        statuses = [int(line.split()[1]) for line in answer.split(b"\r\n") if
                    line.startswith(b"HTTP/1.1 ")]
        # Refused; or, where the proxy has settled it, a body without JSON and then a request of
        # its own, which this client may send as well as any.
        assert statuses and statuses[0] in (400, 501), (fields, answer)
        assert statuses[1:] in ([], [200]), (fields, answer)
        assert front.client().get("/nothing").status == 404, "the next one gets its own answer"


def test_a_post_is_not_sent_twice(fronted, front_kind):
    """The gateway is cut off after it got a command, before it has answered."""
    world, seen = fronted, []
    world.start_redis()
    world.show("rock", {"STD": (5000, 1000)}, max_per_booking=10)
    world.start_allocator()
    world.start_gateway()

    def cut_posts(data):
        if data.startswith(b"POST "):
            seen.append(data)
        return "cut_after" if data.endswith(b"}") else "pass"
    cut = world.proxy(world.gateways[0].port, cut_posts)
    front = place(world, front_kind, [Port(cut.port), Port(cut.port)])
    for number, version in enumerate(("--http2", "--http1.1", "--http2"), 1):
        assert book(front, f"user {number}", version)[1].status == 502
        assert len(seen) == number
        wait_until("the booking", lambda n=number: world.value("SELECT count(*) FROM bookings") == n)
    # Under a key haproxy may try again, as often as it likes: one booking all the same.
    try:
        assert book(front, "bob", "-H", "Idempotency-Key: bob")[1].status == 502
    except Broken:
        assert front_kind is Haproxy
    assert len(seen) > 4 if front_kind is Haproxy else len(seen) == 4
    again = world.client().book("rock", "bob", "STD", 1, key="bob")
    assert again.status == 201 and again.header("Idempotent-Replayed") == "true"
    assert world.value("SELECT count(*) FROM bookings") == 4


def test_a_killed_gateway_costs_nobody_a_booking_nor_gives_two(fronted, front_kind):
    front = start(fronted, front_kind)
    crowd = fronted.crowd("rock", front=front).start_traffic(24, ["STD"], seed=7)
    crowd.await_decided(100)
    fronted.gateways[0].kill9()
    crowd.await_decided(200)
    # The other one alone: every answer comes, at once.
    for number in range(20):
        assert book(front, f"later {number}")[1].status == 201
    fronted.gateways[0].start()
    fronted.gateways[0].wait_ready()
    crowd.await_decided(100)
    fronted.gateways[1].kill9()
    crowd.await_decided(100)
    asks = crowd.finish()
    later = fronted.rows("SELECT count(*) FROM bookings WHERE user_id LIKE 'later %%'")
    assert later[0]["count"] == 20
    fronted.connection.rollback()
    with fronted.connection.cursor() as cursor:
        cursor.execute("SELECT user_id, count(*) FROM bookings WHERE user_id LIKE 'user %' "
                       "GROUP BY user_id HAVING count(*) > 1")
        twice = {row[0] for row in cursor.fetchall()}
    assert not twice & {ask.user for ask in asks if ask.key is not None}
    assert crowd.granted() > 100
    fronted.judge()


def test_no_gateway_is_there(fronted):
    """haproxy knows it, and answers as a gateway would that is overloaded."""
    front = start(fronted, Haproxy, gateways=1)
    fronted.gateways[0].stop()
    for _ in range(2):
        _, answer = front.curl(BOOK, *JSON, "-d", "{}")
        assert (answer.status, answer.code) == (503, "OVERLOADED"), answer
        assert int(answer.header("Retry-After")) >= 1
