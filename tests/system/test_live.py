"""Streams of what is new about a show: snapshot, changes, resuming, ends, through thick and thin."""

import datetime
import hashlib
import json
import random
import socket
import struct
import time

import pytest

from harness.live import SEEDS_EVENT, Listener, WebSocket, seats_after
from harness.process import wait_until
from harness.words import pack, unpack

TIERS = {"VIP": (10000, 4), "STD": (5000, 30)}


def streams_of(client):
    """How many streams the gateway says are open."""
    text = client.get("/metrics").body.decode()
    return sum(int(float(line.split()[-1])) for line in text.splitlines()
               if line.startswith("usher_gateway_streams{"))


def metric_of(client, name):
    text = client.get("/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def listen(world, show="rock", gateway=0, way="events", query="", **options):
    return Listener(world.gateways[gateway].port, f"/v1/shows/{show}/{way}{query}", **options)


@pytest.fixture
def rock(world):
    world.start_redis()
    world.show("rock", TIERS)
    world.start()
    return world


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
                       _map(world, [{"tier": "Stalls", "row": row, "number": 1, "count": 10}
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


def _map(world, entries):
    path = world.folder / "map.json"
    path.write_text(json.dumps(entries))
    return path


# ---- resuming ----

def resumed(world, last, gateway=0, show="rock"):
    return listen(world, show, gateway, Last_Event_ID=last)


def test_whoever_has_it_all_is_told_nothing(rock):
    client = rock.client()
    with listen(rock) as listener:
        listener.wait_snapshot()
        last = listener.last_id()
    with resumed(rock, last) as again, listen(rock, query=f"?last_event_id={last}") as by_query:
        for one in (again, by_query):
            one.wait("the retry", lambda l: l.blocks)
        client.book("rock", "ann", "VIP", 1)
        for one in (again, by_query):
            one.wait_available(33)
            assert [event.type for event in one.events] == ["availability"]


def test_what_was_missed_is_told_once(rock):
    client = rock.client()
    rock.start_gateway()
    with listen(rock) as listener:
        listener.wait_snapshot()
        first = listener.last_id()
        for number in range(3):
            client.book("rock", f"user {number}", "STD", 1)
        listener.wait_available(31)
        last = listener.last_id()
    client.book("rock", "bob", "STD", 1)
    for gateway in (0, 1):
        for seen in (first, last):
            with resumed(rock, seen, gateway) as again:
                again.wait_available(30)
                assert len(again.of("availability")) == 1 or gateway == 1
                assert again.of("sale") == []


@pytest.mark.parametrize("last", ["1", "x", "1-2-3-4", "0" * 200, "18446744073709551615-0-0-0", "é"])
def test_an_id_that_is_none_gets_everything(rock, last):
    with resumed(rock, last) as listener:
        listener.wait_snapshot()
        assert [event.type for event in listener.events] == ["availability", "sale"]


def seats_world(world, entries=None, **options):
    world.start_redis()
    entries = entries or [{"tier": "Stalls", "row": row, "number": 1, "count": 20} for row in "ABCDE"]
    result = world.ctl("show", "create", "--slug", "hall", "--map", _map(world, entries),
                       "--tier", "Stalls:4500")
    assert result.code == 0, result
    world.start_allocator()
    world.start_gateway(**options)
    return world.client()


def test_seats_are_resumed_from_where_one_was(world):
    client = seats_world(world)
    with listen(world, "hall") as listener:
        listener.wait("seats", lambda l: l.of("seats"))
        first = listener.last_id()
        client.book("hall", "ann", seats=["A-1"])
        listener.wait("the change", lambda l: len(l.of("seats")) == 2)
        client.book("hall", "bob", seats=["B-1"])
        listener.wait("another", lambda l: len(l.of("seats")) == 3)
        changes = listener.of("seats")[1:]
    with resumed(world, first, show="hall") as again:
        again.wait("both", lambda l: l.of("seats") == changes)
    # Another gateway knows no history: it gives all that there is, which is no less.
    world.start_gateway()
    with resumed(world, first, gateway=1, show="hall") as again:
        again.wait("seats", lambda l: l.of("seats"))
        told = again.of("seats")[0]
        assert told["complete"] and [s["id"] for s in told["seats"]] == ["A-1", "B-1"]
        last = again.last_id()
    with resumed(world, last, gateway=0, show="hall") as again:
        again.wait("the retry", lambda l: l.blocks)
        client.book("hall", "cid", seats=["C-1"])
        again.wait("the news", lambda l: l.of("seats"))
        assert [s["id"] for s in again.of("seats")[0]["seats"]] == ["C-1"]


def test_a_map_that_is_too_large_for_an_event(world):
    """`resync` says from which version on changes follow."""
    client = seats_world(world, [{"tier": "Stalls", "row": "A", "number": 1, "count": 700,
                                  "blocked": True},
                                 {"tier": "Stalls", "row": "B", "number": 1, "count": 5}])
    with listen(world, "hall") as listener:
        listener.wait("resync", lambda l: l.of("resync"))
        version = listener.of("resync")[0]["version"]
        client.book("hall", "ann", seats=["B-2"])
        listener.wait("the change", lambda l: l.of("seats"))
        assert listener.of("seats")[0]["since"] == version
        assert listener.of("seats")[0]["seats"] == [{"id": "B-2", "status": "booked"}]
        assert len(listener.of("resync")) == 1


# ---- how often, how much ----

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


def test_signs_of_life(world):
    world.start_redis()
    world.show("rock", TIERS)
    world.start_allocator()
    world.start_gateway(stream_heartbeat_ms=100, idle_ms=200, head_ms=200)
    with listen(world) as listener, WebSocket(world.gateways[0].port, "/v1/shows/rock/ws") as silent:
        listener.wait("comments", lambda l: l.comments > 8)
        # One that answers no ping is let go; a stream of events needs no answer.
        assert silent.status == 101 and silent.code() is None
        assert not listener.ended
    with WebSocket(world.gateways[0].port, "/v1/shows/rock/ws") as lively:
        pings = 0
        while pings < 8:
            opcode, payload = lively.frame()
            if opcode == WebSocket.PING:
                pings += 1
                lively.send(WebSocket.PONG, payload)


# ---- ends and interruptions ----

def test_closing_leaves_nothing_behind(rock):
    client = rock.client()
    listeners = [listen(rock) for _ in range(20)]
    sockets = [WebSocket(rock.gateways[0].port, "/v1/shows/rock/ws") for _ in range(5)]
    for listener in listeners:
        listener.wait_snapshot()
    assert streams_of(client) == 25
    channel, subscribers = rock.redis_client().pubsub_numsub("usher:show:1")[0]
    assert (channel, subscribers) == (b"usher:show:1", 1)
    for number, listener in enumerate(listeners):
        if number % 2:
            listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        listener.close()
    for one in sockets:
        one.__exit__()
    wait_until("no streams", lambda: streams_of(client) == 0)


def test_a_show_that_nobody_watches_is_not_subscribed_to(world):
    world.start_redis()
    world.show("rock", TIERS)
    world.start_allocator()
    world.start_gateway(stream_retry_ms=20)
    client, redis = world.client(), world.redis_client()
    def subscribers():
        return redis.pubsub_numsub("usher:show:1")[0][1]
    for user in ("ann", "bob", "cid"):
        with listen(world) as listener:
            listener.wait_snapshot()
            wait_until("the subscription", lambda: subscribers() == 1)
            left = listener.last("availability")["available"]
            client.book("rock", user, "STD", 1)
            listener.wait_available(left - 1)
        wait_until("no subscription", lambda: subscribers() == 0)
    wait_until("no topic", lambda: metric_of(client, "usher_gateway_stream_shows") == 0)


def test_a_gateway_that_is_asked_to_end_says_so(rock):
    with listen(rock) as listener, WebSocket(rock.gateways[0].port, "/v1/shows/rock/ws") as one:
        listener.wait_snapshot()
        one.until(lambda event: event["type"] == "sale")
        assert rock.gateways[0].stop() == 0
        listener.wait("the end", lambda l: l.ended)
        assert listener.blocks[-1].startswith("retry: ")
        assert one.code() == 1001


def test_redis_restarts_in_mid_stream(sturdy_world):
    world = sturdy_world
    world.show("rock", TIERS)
    world.start()
    client = world.client()
    with listen(world) as listener, WebSocket(world.gateways[0].port, "/v1/shows/rock/ws") as one:
        listener.wait_snapshot()
        client.book("rock", "ann", "VIP", 1)
        listener.wait_available(33)
        world.redis.kill9()
        world.redis.start()
        left = 33
        for user in ("bob", "cid"):
            wait_until(f"{user}'s booking",
                       lambda u=user: client.book("rock", u, "VIP", 1, key=u).status == 201, 30)
            left -= 1
            listener.wait_available(left)
        one.until(lambda event: event["type"] == "availability" and event["available"] == left)
        assert not listener.ended


def test_a_listener_may_come_while_redis_is_away(sturdy_world):
    world = sturdy_world
    world.show("rock", TIERS)
    world.start()
    client = world.client()
    client.book("rock", "ann", "VIP", 1)
    client.get("/v1/shows/rock")
    world.redis.kill9()
    with listen(world) as listener:
        listener.wait_available(33)
        world.redis.start()
        wait_until("a booking", lambda: client.book("rock", "bob", "VIP", 1, key="k").status == 201, 30)
        listener.wait_available(32)


def test_an_allocator_dies_in_mid_stream(rock):
    client = rock.client()
    rock.start_allocator()
    with listen(rock) as listener:
        listener.wait_snapshot()
        client.book("rock", "ann", "VIP", 1)
        listener.wait_available(33)
        owner = rock.owner()
        owner.kill9()
        rock.wait_owner(other_than=owner)
        client.book("rock", "bob", "VIP", 1)
        listener.wait_available(32)


def test_news_that_get_lost_are_looked_for(rock):
    """Messages are hints: even if none comes, what they would have said is told."""
    client, redis = rock.client(), rock.redis_client()
    with listen(rock) as listener:
        listener.wait_snapshot()
        name = rock.keys().availability(1)
        record = redis.get(name)
        assert record is not None or client.book("rock", "ann", "STD", 1).status == 201
        client.book("rock", "bob", "STD", 1)
        wait_until("the record", lambda: redis.get(name) not in (None, record))
        left = client.get("/v1/shows/rock/availability").json["available"]
        listener.wait_available(left)
        kind, tiers = unpack(redis.get(name))[1], unpack(redis.get(name))[2]
        tiers[0][2] -= 1
        tiers[0][3] += 1
        redis.set(name, pack([1, kind + 1, tiers]))
        listener.wait_available(left - 1)
        redis.delete(name)  # then Postgres' word holds
        listener.wait_available(left)


# ---- kinds ----

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


# ---- WebSocket ----

def socket_of(world, show="rock", query="", **headers):
    return WebSocket(world.gateways[0].port, f"/v1/shows/{show}/ws{query}", **headers)


def test_a_websocket_is_told_the_same(rock):
    client = rock.client()
    with listen(rock) as listener, socket_of(rock) as one:
        assert one.status == 101 and one.fields["sec-websocket-accept"] == WebSocket.ACCEPT
        assert one.fields["connection"].lower() == "upgrade"
        listener.wait_snapshot()
        for event in listener.events:
            told = one.event()
            assert (told.id, told.json) == (event.id, event.json)
        client.book("rock", "ann", "VIP", 1)
        last = one.event()
        assert last.json["available"] == 33
        one.send(WebSocket.CLOSE, (1000).to_bytes(2, "big"))
        assert one.code() == 1000
    with socket_of(rock, query=f"?last_event_id={last.id}") as again:
        client.book("rock", "bob", "VIP", 1)
        assert again.event().json["available"] == 32


def test_what_is_no_websocket(rock):
    for headers, status in (({"Upgrade": None}, 426), ({"Upgrade": "h2c"}, 426),
                            ({"Connection": "keep-alive"}, 426), ({"Sec_WebSocket_Version": "8"}, 426),
                            ({"Sec_WebSocket_Version": None}, 426), ({"Sec_WebSocket_Key": None}, 400),
                            ({"Sec_WebSocket_Key": "short"}, 400),
                            ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
                            ({"Origin": "http://box.example.evil.example"}, 403)):
        with socket_of(rock, **headers) as one:
            assert one.status == status, headers
            assert status != 426 or one.fields["sec-websocket-version"] == "13"
    with socket_of(rock, Origin="http://box.example") as one:
        assert one.status == 101
    with socket_of(rock, show="nothing") as one:
        assert one.status == 404


def test_origins_that_are_configured_may_listen(world):
    world.start_redis()
    world.show("rock", TIERS)
    world.start_allocator()
    world.start_gateway(cors_origins="https://shop.example")
    with socket_of(world, Origin="https://shop.example") as one:
        assert one.status == 101
    with socket_of(world, Origin="https://other.example") as one:
        assert one.status == 403
    with listen(world, Origin="https://shop.example") as listener:
        assert listener.head()[1]["access-control-allow-origin"] == "https://shop.example"


def test_frames_that_are_wrong_end_it_with_a_code(rock):
    def after(*frames):
        with socket_of(rock) as one:
            for opcode, payload, options in frames:
                one.send(opcode, payload, **options)
            return one.code()
    text, ping = WebSocket.TEXT, WebSocket.PING
    assert after((text, b"hi", {"mask": b""})) == 1002
    assert after((text, b"x" * 5000, {})) == 1009
    assert after((text, b"\xc3(", {})) == 1007
    assert after((3, b"", {})) == 1002
    assert after((ping, b"", {"fin": False})) == 1002
    assert after((0, b"x", {})) == 1002
    assert after((text, b"a", {"fin": False}), (text, b"b", {})) == 1002
    assert after(*[(0 if n else text, b"x" * 900, {"fin": False}) for n in range(6)]) == 1009
    assert after((WebSocket.CLOSE, b"", {})) == 1005
    client = rock.client()
    wait_until("no streams", lambda: streams_of(client) == 0)


def test_a_websocket_that_talks_goes_on(rock):
    client = rock.client()
    with socket_of(rock) as one:
        one.send(WebSocket.TEXT, "Łódź".encode())
        one.send(WebSocket.TEXT, b"in ", fin=False)
        one.send(WebSocket.PING, b"are you there")
        one.send(0, b"parts")
        while (frame := one.frame()) != (WebSocket.PONG, b"are you there"):
            assert frame[0] == WebSocket.TEXT
        client.book("rock", "ann", "VIP", 1)
        one.until(lambda event: event.get("available") == 33)


# ---- to the end of a sale ----

def test_in_the_end_all_know_what_is_true(world):
    """Whatever happens, in whatever order: the last that each was told is what GET says."""
    client = seats_world(world, stream_interval_ms=20)
    world.start_gateway(stream_interval_ms=20)
    rng = random.Random(11)
    ids = [seat["id"] for seat in client.get("/v1/shows/hall/seats").json["seats"]]
    listeners = [listen(world, "hall", n % 2) for n in range(6)]
    history = {n: [] for n in range(6)}
    bookings = []
    for turn in range(120):
        if bookings and rng.random() < 0.4:
            client.cancel(bookings.pop(rng.randrange(len(bookings))))
        else:
            answer = client.hold("hall", f"user {turn}", seats=rng.sample(ids, rng.randrange(1, 4)))
            bookings += [answer.json["id"]] if answer.status == 201 else []
        if rng.random() < 0.2:  # somebody's network breaks, and she comes back to any gateway
            n = rng.randrange(6)
            last = listeners[n].last_id()
            listeners[n].close()
            history[n] += listeners[n].events
            listeners[n] = listen(world, "hall", rng.randrange(2),
                                  **({"Last_Event_ID": last} if last else {}))
    wanted = {seat["id"]: seat["status"] for seat in client.get("/v1/shows/hall/seats").json["seats"]}
    def knows(n):
        counts = client.get("/v1/shows/hall/availability").json
        events = history[n] + listeners[n].events
        told = next((e.json for e in reversed(events) if e.type == "availability"), {})
        if told.get("version") != counts["version"] or told["available"] != counts["available"]:
            return False
        tier = dict(counts["tiers"][0])
        return told["tiers"] == {tier.pop("tier"): tier} and \
            seats_after([e.json for e in events if e.type == "seats"], ids) == wanted
    for n in range(6):
        wait_until(f"listener {n} to know", lambda n=n: knows(n))
        listeners[n].close()
