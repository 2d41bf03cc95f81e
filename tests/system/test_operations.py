"""What an operator relies on: probes, figures, usherctl, roles, configuration, ends and overload."""

import json
import re
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from harness.live_world import listen
from harness.process import patience, wait_until
from harness.words import pack, unpack
from harness.world import ALLOCATOR_USER, GATEWAY_USER


@pytest.fixture
def house(world):
    world.show("gala", {"VIP": (10000, 20), "STD": (2500, 100)}, max_per_user=9)
    return world.start()


# Probes and figures.

def test_health(house):
    client = house.client()
    for path in ("/livez", "/readyz", "/health"):
        assert client.get(path).status == 200, path
    health = client.get("/health").json
    text = json.dumps(health).lower()
    for part in ("redis", "postgres", "allocator"):
        assert part in text, health
    house.allocators[0].kill9()
    house.redis_client().delete(house.keys().status)  # it expires by itself, some seconds later
    wait_until("health to say that nobody decides", lambda: client.get("/health").status == 503)
    assert client.get("/livez").status == 200


def test_not_ready_before_there_is_an_allocator(world):
    world.show("gala", {"VIP": (10000, 20)})
    world.start_redis()
    gateway = world.start_gateway(wait=False)
    client = gateway.client()
    wait_until("the gateway to listen", lambda: client.get("/livez").status == 200)
    assert client.get("/readyz").status == 503
    answer = client.book("gala", "ann", "VIP", 1)
    assert answer.status == 503 and int(answer.header("Retry-After")) >= 1
    world.start_allocator()
    gateway.wait_ready()
    assert client.book("gala", "ann", "VIP", 1).status == 201
    client.close()


def test_metrics(house):
    client = house.client()
    for _ in range(3):
        client.book("gala", f"user {time.monotonic()}", "VIP", 1)
    client.book("gala", "ann", "VIP", 1000)
    client.get("/v1/shows/gala/availability")
    client.get("/v1/nothing")
    wait_until("the allocator's report of them", lambda: granted_in(client.get("/metrics")) == 3, 10)
    answer = client.get("/metrics")
    assert answer.status == 200
    assert answer.header("Content-Type").startswith("text/plain; version=0.0.4")
    checked = subprocess.run(["/usr/bin/promtool", "check", "metrics"], input=answer.body,
                             capture_output=True, timeout=30, check=False)
    assert checked.returncode == 0 and not checked.stdout + checked.stderr, checked
    figures = parse_metrics(answer.body.decode())
    names = {name for name, _ in figures}
    assert any("decisions_total" in name for name in names)
    assert any("backlog" in name for name in names) and any("epoch" in name for name in names)
    assert any("reconnect" in name for name in names)
    buckets = {labels for name, labels in figures if name.endswith("_bucket")}
    assert any('le="0.5"' in labels for labels in buckets)


def granted_in(answer):
    return sum(value for (name, labels), value in parse_metrics(answer.body.decode()).items()
               if "decisions_total" in name and "GRANTED" in labels.upper())


def parse_metrics(text):
    figures = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)", line).groups()
            assert (name, labels or "") not in figures, f"twice: {line}"
            figures[name, labels or ""] = float(value)
    return figures


def test_metrics_while_all_else_is_away(sturdy_world):
    world = sturdy_world
    world.show("gala", {"VIP": (10000, 20)})
    world.start()
    world.redis.kill9()
    world.cluster.stop_immediately()
    client = world.client()
    answer = client.get("/metrics")
    assert answer.status == 200
    checked = subprocess.run(["/usr/bin/promtool", "check", "metrics"], input=answer.body,
                             capture_output=True, timeout=30, check=False)
    assert checked.returncode == 0, checked
    assert client.get("/livez").status == 200 and client.get("/health").status == 503
    world.cluster.start()
    world.redis.start()


def test_log_lines(house):
    """One event a line, in pairs, with the request's id; no names of people, no bodies."""
    client = house.client()
    answer = client.post("/v1/shows/gala/bookings", {"user": "secret person", "tier": "VIP",
                                                     "quantity": 1})
    assert answer.status == 201
    request_id = answer.header("X-Request-Id")
    wait_until("the log", lambda: request_id in house.gateways[0].log.read_text())
    pair = re.compile(r'[a-z_]+=("([^"\\]|\\.)*"|[^ "]*)( |$)')
    for process in house.gateways + house.allocators:
        for line in process.log.read_text().splitlines():
            assert not pair.sub("", line), line
            assert line.startswith("at=") and " level=" in line and " event=" in line
            assert "secret person" not in line


def test_trace_context_is_taken_over(house):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    house.allocators[0].sigstop()
    answer = house.client().post("/v1/shows/gala/bookings",
                                 {"user": "ann", "tier": "VIP", "quantity": 1},
                                 prefer="respond-async", traceparent=trace)
    assert answer.status == 202
    entry = wait_until("the entry", lambda: house.redis_client().xrange(house.keys().requests))[-1]
    assert b"4bf92f3577b34da6a3ce929d0e0e4736" in unpack(entry[1][b"b"])[0][7]
    house.allocators[0].cont()


# usherctl verify (what it finds in doctored databases is in test_verify.py).

def test_verify_says_when_it_cannot_know(house):
    house.redis.stop()
    assert house.ctl("verify").code == 3
    assert house.ctl("verify", "--postgres-only").code == 0
    house.redis.start()


def test_verify_under_traffic(house):
    """It compares at one version, however busy the partition is; or says that it could not."""
    house.show("busy", {"A": (0, 100000)})
    crowd = house.crowd("busy").start_traffic(10, ["A"])
    crowd.await_decided(50)
    result = house.ctl("verify", "--wait-seconds", "2")
    assert result.code in (0, 3), result
    house.judge(crowd.finish())


# Who may do what in Postgres.

FORBIDDEN = {
    GATEWAY_USER: ["INSERT INTO partitions (partition) VALUES (8)", "UPDATE tiers SET price = 0",
                   "DELETE FROM bookings", "UPDATE bookings SET status = 'CANCELLED'",
                   "SELECT stamp_partition(1, 1, 1)", "SELECT claim_partition(1, 'x', 9)",
                   "CREATE TABLE mine (a int)", "DROP TABLE bookings", "TRUNCATE batches",
                   "ALTER TABLE bookings DISABLE TRIGGER ALL", "SELECT * FROM batches FOR UPDATE",
                   "CREATE SCHEMA mine", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
    ALLOCATOR_USER: ["INSERT INTO partitions (partition) VALUES (8)", "UPDATE tiers SET price = 0",
                     "DELETE FROM bookings", "UPDATE bookings SET status = 'CANCELLED'",
                     "INSERT INTO batches VALUES (1, 99, 1, '0-0', 1, '')", "UPDATE shows SET name = 'x'",
                     "UPDATE partitions SET epoch = 99", "CREATE TABLE mine (a int)",
                     "DROP TABLE bookings", "TRUNCATE batches", "CREATE SCHEMA mine",
                     "ALTER TABLE bookings DISABLE TRIGGER ALL",
                     "CREATE OR REPLACE FUNCTION status_number(p booking_status) RETURNS integer "
                     "LANGUAGE sql AS 'SELECT 1'"],
}


@pytest.mark.parametrize("role", FORBIDDEN)
def test_roles(house, role):
    assert house.client().book("gala", "ann", "VIP", 1).status == 201
    connection = house.cluster.connect(house.database, role)
    for statement in FORBIDDEN[role]:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    for table in ("partitions", "shows", "tiers", "bookings", "booking_items"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
    connection.close()
    house.judge()


# Ends.

def test_a_gateway_drains(house):
    """Asked to end, it takes nothing new and answers who waits."""
    house.allocators[0].sigstop()
    answers = []

    def ask(number):
        client = house.gateways[0].client()
        answers.append(client.book("gala", f"user {number}", "STD", 1, prefer="wait=20"))
        client.close()
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    wait_until("all to wait", lambda: sum(
        len(unpack(fields[b"b"])) for _, fields in
        house.redis_client().xrange(house.keys().requests)) >= 10)
    idle = house.client()
    assert idle.get("/livez").status == 200
    gateway = house.gateways[0]
    gateway.send(signal.SIGTERM)
    time.sleep(0.3)
    with pytest.raises(OSError):
        house.gateways[0].client(timeout=2).get("/livez")
    assert gateway.alive() and not answers
    house.allocators[0].cont()
    for thread in threads:
        thread.join(patience(30))
    assert [answer.status for answer in answers] == [201] * 10
    assert {answer.header("Connection", "").lower() for answer in answers} == {"close"}
    assert gateway.wait(15) == 0
    house.judge()


def test_a_drain_gives_notice(world):
    """/readyz says so while all else is still done, each time with the connection's last answer."""
    world.show("gala", {"VIP": (10000, 20)})
    world.start_redis()
    world.start_allocator()
    gateway = world.start_gateway(drain_notice_ms=6000)
    client = world.client()
    assert client.get("/readyz").json["status"] == "ok"
    gateway.send(signal.SIGTERM)
    wait_until("it to drain", lambda: gateway.events("draining"))
    ready = client.get("/readyz")
    assert (ready.status, ready.json["status"]) == (503, "draining")
    for answer in (ready, client.get("/livez"), client.book("gala", "ann", "VIP", 1)):
        assert answer.header("Connection").lower() == "close"
    assert answer.status == 201
    with listen(world, "gala") as listener:
        listener.wait_snapshot()
        listener.wait("the end", lambda l: l.ended)
        assert listener.blocks[-1].startswith("retry: ")
    assert gateway.wait(10) == 0


def test_a_drain_has_an_end(world):
    world.show("gala", {"VIP": (10000, 20)})
    world.start_redis()
    world.start_allocator()
    gateway = world.start_gateway(drain_ms=500)
    world.allocators[0].sigstop()
    waiting = threading.Thread(target=lambda: hung_up(gateway))
    waiting.start()
    wait_until("it to wait", lambda: world.redis_client().xlen(world.keys().requests) >= 1)
    gateway.send(signal.SIGTERM)
    assert gateway.wait(10) == 0
    waiting.join(10)
    world.allocators[0].cont()


def test_asked_twice_a_gateway_ends_at_once(world):
    """Whoever still waits is told so; a minute is not waited for."""
    world.show("gala", {"VIP": (10000, 20)})
    world.start_redis()
    world.start_allocator()
    gateway = world.start_gateway(drain_ms=600000)
    world.allocators[0].sigstop()
    waiting = threading.Thread(target=lambda: hung_up(gateway))
    waiting.start()
    wait_until("it to wait", lambda: world.redis_client().xlen(world.keys().requests) >= 1)
    gateway.send(signal.SIGTERM)
    gateway.send(signal.SIGTERM)  # from its supervisor, and at the same time from its master
    wait_until("it to drain", lambda: gateway.events("draining"))
    time.sleep(1.2)
    assert gateway.alive()
    gateway.send(signal.SIGTERM)
    assert gateway.wait(10) == 0
    waiting.join(10)
    world.allocators[0].cont()


def hung_up(gateway):
    client = gateway.client()
    try:
        answer = client.book("gala", "ann", "VIP", 1, prefer="wait=30")
        assert answer.status in (202, 503)
    except OSError:
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_programs_end_when_asked(house, number):
    for process in house.gateways + house.allocators:
        assert process.stop(number=number) == 0


def test_programs_end_while_all_else_is_away(sturdy_world):
    world = sturdy_world
    world.show("gala", {"VIP": (10000, 20)})
    world.start()
    world.redis.kill9()
    world.cluster.stop_immediately()
    time.sleep(0.5)
    for process in world.gateways + world.allocators:
        assert process.stop() == 0
    world.cluster.start()


def test_programs_wait_for_what_is_not_there_yet(sturdy_world):
    """Started before Redis and Postgres: they say so, wait, and go on."""
    world = sturdy_world
    world.show("gala", {"VIP": (10000, 20)})
    world.redis.stop()
    world.cluster.stop()
    world.start_allocator()
    gateway = world.start_gateway(wait=False)
    time.sleep(1)
    assert world.allocators[0].alive() and gateway.alive()
    assert len(world.allocators[0].log.read_text().splitlines()) < 20, "once, not again and again"
    world.cluster.start()
    time.sleep(0.3)
    world.redis.start()
    gateway.wait_ready(30)
    assert world.client().book("gala", "ann", "VIP", 1).status == 201
    world.judge()


# Workers and overload.

def test_several_workers(world):
    world.show("gala", {"VIP": (10000, 50)})
    world.start_redis()
    world.start_allocator()
    gateway = world.start_gateway(workers=2)
    workers = gateway.children()
    assert len(workers) == 2
    clients = [gateway.client() for _ in range(24)]
    answers = [client.book("gala", f"user {n}", "VIP", 1) for n, client in enumerate(clients)]
    assert [answer.status for answer in answers] == [201] * 24
    for client in clients:  # any worker knows any answer
        assert client.get(f"/v1/requests/{answers[0].json['id']}").json["id"] == answers[0].json["id"]
    counted = [sum(value for (name, _), value in parse_metrics(client.get("/metrics").body.decode())
                   .items() if name.startswith("usher_http_requests_total")) for client in clients[:6]]
    assert counted == sorted(counted) and counted[0] >= 48, "figures are of all workers"
    for client in clients:
        client.close()
    assert gateway.stop() == 0
    for pid in workers:
        assert not is_running(pid)
    world.judge()


def test_a_worker_that_dies_is_replaced_or_ends_the_rest(world):
    world.show("gala", {"VIP": (10000, 50)})
    world.start_redis()
    world.start_allocator()
    gateway = world.start_gateway(workers=2)
    import os
    victim = gateway.children()[0]
    os.kill(victim, signal.SIGKILL)
    def healed():
        return not gateway.alive() or (len(gateway.children()) == 2 and
                                       victim not in gateway.children())
    wait_until("a new worker, or the end", healed)
    if gateway.alive():
        for _ in range(10):
            client = gateway.client()
            wait_until("an answer", lambda c=client: c.get("/livez").status == 200)
            client.close()
    else:
        world.expect_exit(gateway)


def test_workers_do_not_outlive_their_parent(world):
    world.show("gala", {"VIP": (10000, 50)})
    world.start_redis()
    world.start_allocator()
    gateway = world.start_gateway(workers=2)
    workers = gateway.children()
    gateway.kill9()
    wait_until("the workers to end", lambda: not any(is_running(pid) for pid in workers), 10)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


def test_overload(world):
    """With nobody to decide, the queue fills to its bound; then 503 at once, and reads go on."""
    world.show("gala", {"VIP": (10000, 5000)})
    world.start_redis()
    world.start_allocator()
    world.start_gateway(backlog_requests_max=100)
    client = world.client()
    assert client.book("gala", "ann", "VIP", 1).status == 201
    world.allocators[0].sigstop()
    statuses = []
    for number in range(400):
        answer = client.book("gala", f"user {number}", "VIP", 1, prefer="respond-async")
        statuses.append(answer.status)
        if answer.status == 503:
            assert answer.code == "OVERLOADED" and answer.json["error"] == "Try again later"
            if statuses[-20:] == [503] * 20:
                break
        time.sleep(0.005)
    assert set(statuses) == {202, 503}
    assert 20 <= statuses.count(202) <= 250
    began = time.monotonic()
    client.book("gala", "bob", "VIP", 1)
    assert time.monotonic() - began < patience(1), "the refusal is to come at once"
    assert client.availability("gala").status == 200
    world.allocators[0].cont()
    wait_until("bookings", lambda: client.book("gala", f"late {time.monotonic()}", "VIP", 1)
               .status == 201)
    world.judge()


def test_overload_by_the_estimated_wait(world):
    """What would wait longer than the limit is refused, and told when to come again."""
    world.show("gala", {"VIP": (10000, 5000)})
    world.start_redis()
    world.start_allocator()
    world.start_gateway(queue_wait_ms_max=5000)
    client, redis = world.client(), world.redis_client()
    world.allocators[0].sigstop()
    for _ in range(1000):
        redis.xadd(world.keys().requests, {"b": pack([])})

    def status_at(rate):
        redis.hset(world.keys().status, mapping={"rate": rate, "per_entry_milli": 1000,
                                                 "state": "serving"})
        redis.expire(world.keys().status, 60)
        return client.book("gala", f"user {rate}", "VIP", 1, prefer="respond-async")
    refused = wait_until("refusals", lambda: (a := status_at(100)).status == 503 and a)
    assert 1 <= int(refused.header("Retry-After")) <= 60 and refused.code == "OVERLOADED"
    queued = wait_until("no refusals", lambda: (a := status_at(100_000)).status == 202 and a)
    assert queued.json["position"] >= 1000 and queued.json["eta_ms"] < 5000
    world.allocators[0].cont()
    assert client.get(queued.header("Location"), prefer="wait=20").status == 201
    world.judge()


def test_more_waiters_than_are_taken(world):
    world.show("gala", {"VIP": (10000, 5000)})
    world.start_redis()
    world.start_allocator()
    gateway = world.start_gateway(waiters_max=5)
    world.allocators[0].sigstop()
    results = []

    def ask(number):
        client = gateway.client()
        results.append(client.book("gala", f"user {number}", "VIP", 1, prefer="wait=2"))
        client.close()
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience(20))
    statuses = sorted(answer.status for answer in results)
    assert statuses.count(503) >= 7 and set(statuses) <= {202, 503}
    world.allocators[0].cont()


def test_a_request_that_nobody_decided_in_time(world):
    """It resolves to 504 for whoever asks later, and is never granted."""
    world.show("gala", {"VIP": (10000, 5)})
    world.start_redis()
    world.start_allocator()
    world.start_gateway()
    client = world.client()
    world.allocators[0].sigstop()
    answer = client.book("gala", "ann", "VIP", 1, key="late", prefer="wait=1")
    fresh = client.book("gala", "bob", "VIP", 1, prefer="wait=0")
    assert answer.status == fresh.status == 202
    time.sleep(30.5)
    for path in (answer.header("Location"), fresh.header("Location")):
        undecided = client.get(path)
        assert undecided.status in (202, 504), undecided
        if undecided.status == 504:
            assert undecided.code == "TIMED_OUT"
    world.allocators[0].cont()
    for path in (answer.header("Location"), fresh.header("Location")):
        final = client.get(path, prefer="wait=10")
        assert (final.status, final.code) == (504, "TIMED_OUT")
    again = client.book("gala", "ann", "VIP", 1, key="late")
    assert (again.status, again.code) == (504, "TIMED_OUT")
    assert world.value("SELECT count(*) FROM bookings") == 0
    assert client.book("gala", "ann", "VIP", 1, key="new").status == 201
    world.judge()


def test_cors(world):
    world.show("gala", {"VIP": (10000, 5)})
    world.start_redis()
    world.start_allocator()
    world.start_gateway(cors_origins="https://shop.example")
    client = world.client()
    mine = client.get("/v1/shows", origin="https://shop.example")
    assert mine.header("Access-Control-Allow-Origin") == "https://shop.example"
    exposed = mine.header("Access-Control-Expose-Headers", "").lower()
    for name in ("location", "retry-after", "x-request-id", "idempotent-replayed", "ratelimit",
                 "ratelimit-policy", "traceparent", "preference-applied"):
        assert name in exposed.split(", ")
    for origin in ("https://evil.example", "https://shop.example.evil.example", "null",
                   "http://shop.example", "https://shop.example:444", "*"):
        for answer in (client.get("/v1/shows", origin=origin),
                       client.ask("OPTIONS", "/v1/shows/gala/bookings", headers={
                           "Origin": origin, "Access-Control-Request-Method": "POST"})):
            assert answer.header("Access-Control-Allow-Origin") is None, origin
            assert answer.header("Access-Control-Allow-Credentials") is None, origin
            assert "Origin" in answer.header("Vary"), "or a cache would tell one what another may"
    asked = client.ask("OPTIONS", "/v1/shows/gala/bookings", headers={
        "Origin": "https://shop.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, idempotency-key"})
    assert asked.status in (200, 204)
    assert "POST" in asked.header("Access-Control-Allow-Methods")
    assert "idempotency-key" in asked.header("Access-Control-Allow-Headers").lower()
