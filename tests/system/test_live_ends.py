"""How streams end, and how they survive the end of what is behind them."""

import signal
import socket
import struct

import pytest

from harness.live import WebSocket
from harness.live_world import TIERS, listen, metric_of, start_rock, streams_of
from harness.process import wait_until
from harness.words import pack, unpack


@pytest.fixture
def rock(world):
    return start_rock(world)


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


def test_who_comes_to_a_gateway_that_ends_is_sent_on(rock):
    """By a stream that is over at once: a browser would not come again after a refusal."""
    gateway = rock.gateways[0]
    gateway.sigstop()
    with listen(rock) as listener:
        gateway.send(signal.SIGTERM)
        gateway.cont()
        assert listener.head()[0] == 200
        listener.wait("the end", lambda l: l.ended)
        assert len(listener.blocks) == 1 and listener.blocks[0].startswith("retry: ")
    assert gateway.wait() == 0


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
