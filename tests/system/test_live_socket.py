"""The stream of events as a WebSocket: the handshake, frames, pings, ends."""

import pytest

from harness.live import WebSocket
from harness.live_world import TIERS, listen, socket_of, start_rock, streams_of
from harness.process import wait_until


@pytest.fixture
def rock(world):
    return start_rock(world)


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
