"""Streams of what is new about a show: a snapshot, changes, how often and how much."""

import datetime
import hashlib
import random
import time

import pytest

from harness.live import SEEDS_EVENT, Listener, seats_after
from harness.live_world import TIERS, listen, metric_of, start_rock, streams_of, write_map
from harness.process import wait_until
from harness.words import pack, unpack


@pytest.fixture
def rock(world):
    return start_rock(world)


def test_a_snapshot_comes_first(rock):
    with listen(rock) as listener:
        status, fields = listener.head()
        assert status == 200
        assert fields["content-type"] == "text/event-stream"
        assert fields["cache-control"] == "no-cache"
        assert fields["x-accel-buffering"] == "no"
        assert fields["connection"] == "close" and "content-length" not in fields
        listener.wait_snapshot()
        assert listener.blocks[0] == "retry: 2000"
        first, second = listener.events
        assert (first.type, second.type) == ("availability", "sale")
        assert first.json == {
            "type": "availability", "available": 34, "show": "rock", "show_id": 1,
            "version": first.json["version"],
            "tiers": {code: {"price": price, "currency": "USD", "capacity": capacity,
                             "available": capacity, "held": 0, "booked": 0, "blocked": 0}
                      for code, (price, capacity) in TIERS.items()}}
        assert second.json["state"] == "opened" and second.json["opens_at"] is None
        assert first.id and second.id and first.id != second.id


def test_changes_follow(rock):
    client = rock.client()
    with listen(rock) as listener, listen(rock) as other:
        for one in (listener, other):
            one.wait_snapshot()
        assert client.book("rock", "ann", "VIP", 2).status == 201
        held = client.hold("rock", "bob", "STD", 3)
        assert held.status == 201
        for one in (listener, other):
            told = one.wait_available(29)
            assert told is True
            tiers = one.last("availability")["tiers"]
            assert tiers["VIP"]["booked"] == 2 and tiers["STD"]["held"] == 3
        client.cancel(held.json["id"])
        listener.wait_available(32)
        other.wait_available(32)
        assert listener.events[-1].id == other.events[-1].id
        assert streams_of(client) == 2
    wait_until("the streams to be forgotten", lambda: streams_of(client) == 0)
    assert client.get("/v1/shows/rock/availability").json["available"] == 32


def test_seats(world):
    world.start_redis()
    result = world.ctl("show", "create", "--slug", "hall", "--map",
                       write_map(world, [{"tier": "Stalls", "row": row, "number": 1, "count": 10}
                                    for row in "AB"]), "--tier", "Stalls:4500")
    assert result.code == 0, result
    world.start()
    client = world.client()
    ids = [seat["id"] for seat in client.get("/v1/shows/hall/seats").json["seats"]]
    with listen(world, "hall") as listener:
        listener.wait("seats", lambda l: l.of("seats"))
        first = listener.of("seats")[0]
        assert first["complete"] is True and first["seats"] == [] and first["since"] == 0
        assert client.book("hall", "ann", seats=["A-1", "B-3"]).status == 201
        listener.wait("the change", lambda l: len(l.of("seats")) > 1)
        change = listener.of("seats")[1]
        assert change["complete"] is False and change["since"] == first["version"]
        assert change["seats"] == [{"id": "A-1", "status": "booked"}, {"id": "B-3", "status": "booked"}]
        held = client.hold("hall", "bob", seats=["A-2"])
        client.cancel(held.json["id"])
        client.hold("hall", "cid", seats=["B-10"])
        wanted = {"A-1": "booked", "B-3": "booked", "B-10": "held"}
        wanted = {seat: wanted.get(seat, "available") for seat in ids}
        listener.wait("all changes", lambda l: seats_after(l.of("seats"), ids) == wanted)
        with listen(world, "hall") as late:
            late.wait("seats", lambda l: l.of("seats"))
            assert seats_after(late.of("seats"), ids) == wanted
            assert len(late.of("seats")[0]["seats"]) == 3


def test_changes_are_coalesced(world):
    world.start_redis()
    world.show("rock", {"STD": (100, 500)})
    world.start_allocator()
    world.start_gateway(stream_interval_ms=400)
    client = world.client()
    with listen(world) as listener:
        listener.wait_snapshot()
        began = time.monotonic()
        for number in range(150):
            client.book("rock", f"user {number}", "STD", 1)
        listener.wait_available(350)
        elapsed = time.monotonic() - began
        assert len(listener.of("availability")) <= elapsed / 0.4 + 3
    assert metric_of(client, 'usher_gateway_stream_coalesced_total{by="show"}') > 0


def test_who_does_not_read_gets_the_newest_later(world):
    world.start_redis()
    world.show("rock", {f"T{n}": (100, 1000) for n in range(30)}, max_per_booking=100)
    world.start_allocator()
    world.start_gateway(stream_interval_ms=10)
    client = world.client()
    with listen(world, read=False, receive_bytes=2048) as slow:
        taken = 0
        def skipped():
            nonlocal taken
            taken += 1
            client.book("rock", f"user {taken}", f"T{taken % 30}", 1)
            return metric_of(client, 'usher_gateway_stream_coalesced_total{by="client"}') > 0
        wait_until("an event that is not taken", skipped, 60)
        for _ in range(50):
            skipped()
        slow.read()
        slow.wait_available(30000 - taken)
        told = slow.of("availability")
        assert len(told) < taken and [e["version"] for e in told] == sorted(e["version"] for e in told)
        assert told[-1]["version"] == client.get("/v1/shows/rock/availability").json["version"]


def test_who_never_reads_is_let_go(world):
    world.start_redis()
    world.show("rock", {f"T{n}": (100, 1000) for n in range(30)}, max_per_booking=100)
    world.start_allocator()
    world.start_gateway(stream_interval_ms=10, write_ms=300)
    client = world.client()
    with listen(world, read=False, receive_bytes=2048):
        wait_until("the stream", lambda: streams_of(client) == 1)
        def gone():
            client.book("rock", f"user {random.random()}", "T0", 1)
            return streams_of(client) == 0
        wait_until("the stream's end", gone, 60)


def test_a_sale_opens_and_closes_by_the_clock(world):
    world.start_redis()
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
    world.show("rock", TIERS, opens_at=soon.isoformat(timespec="milliseconds"),
               closes_at=(soon + datetime.timedelta(seconds=2)).isoformat(timespec="milliseconds"))
    world.start()
    with listen(world) as listener:
        listener.wait("the end", lambda l: (l.last("sale") or {}).get("state") == "closed", 30)
        states = [event["state"] for event in listener.of("sale")]
        assert states in (["not_opened", "opened", "closed"], ["opened", "closed"], ["closed"])
        assert listener.last("sale")["opens_at"] and listener.last("sale")["closes_at"]


def test_an_operator_is_followed(world):
    world.start_redis()
    world.show("rock", TIERS)
    world.start_allocator()
    world.start_gateway(admin_token_hashes=f"olga:{hashlib.sha256(b'secret').hexdigest()}")
    client, redis = world.client(), world.redis_client()
    heard = redis.pubsub()
    heard.subscribe("usher:show:1")
    with listen(world) as listener:
        listener.wait_snapshot()
        for done, told in (("pause", "paused"), ("open", "opened"), ("close", "closed")):
            answer = client.post(f"/v1/admin/shows/rock/{done}", {}, Authorization="Bearer secret")
            assert answer.status == 200, answer
            listener.wait(told, lambda l, t=told: l.last("sale")["state"] == t)
        assert [event["state"] for event in listener.of("sale")] == \
            ["opened", "paused", "opened", "closed"]
    kinds = []
    while message := heard.get_message(timeout=0.2):
        kinds += [unpack(message["data"])[0]] if message["type"] == "message" else []
    assert kinds.count(4) == 3
    heard.close()


def test_queue_news(rock):
    redis = rock.redis_client()
    def publish(serving, *more):
        news = pack([3, 1, serving, 60, 30, b"open", 400, *more])
        redis.set("usher:{1}:queue-news:1", news)
        redis.publish("usher:show:1", news)
    publish(10)
    with listen(rock) as listener:
        listener.wait("the queue", lambda l: l.of("queue"))
        assert listener.of("queue") == [{"type": "queue", "show": "rock", "show_id": 1, "state": "open",
                                         "serving": 10, "rate": 60, "left": 30, "joined": 400}]
        redis.publish("usher:show:1", pack([77, 1, "of a later version"]))
        publish(20, "more of a later version")
        listener.wait("its move", lambda l: l.last("queue")["serving"] == 20)


def test_the_seeds_stream(rock):
    rock.show("hall", {"GA": (0, 100)}, max_per_user=1)
    client = rock.client()
    port = rock.gateways[0].port
    with Listener(port, "/events", schema=SEEDS_EVENT) as listener, \
            Listener(port, "/events?show=rock", schema=SEEDS_EVENT) as other:
        status, fields = listener.head()
        assert status == 200 and fields["content-type"] == "text/event-stream"
        listener.wait_available(100)
        other.wait_available(34)
        assert client.post("/book", {"userId": "ann"}).json["status"] == "success"
        listener.wait_available(99)
        assert [event.json for event in listener.events] == [
            {"type": "availability", "available": 100}, {"type": "availability", "available": 99}]
    assert client.get("/events", accept="application/json").json == []


def test_refusals(rock):
    client = rock.client(is_checking=True)
    assert client.get("/v1/shows/nothing/events").status == 404
    assert client.get("/v1/shows/nothing/ws").status == 426
    assert client.post("/v1/shows/rock/events", {}).status == 405
    head = client.ask("HEAD", "/v1/shows/rock/events")
    assert head.status == 200 and head.header("Content-Type") == "text/event-stream"
    assert head.header("X-Accel-Buffering") == "no"
    with Listener(rock.gateways[0].port, "/events?show=nothing") as listener:
        assert listener.head()[0] == 404
