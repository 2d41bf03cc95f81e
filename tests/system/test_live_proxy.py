"""A sale followed to its end: by curl, an EventSource's way through nginx, and WebSocket clients."""

import asyncio
import json
import subprocess
import threading

import aiohttp
import pytest

from harness.live import Listener
from harness.front import NAME, Nginx, Resolver
from harness.process import patience, wait_until

PLACES = 40


@pytest.fixture
def venue(world):
    """A show of forty places, two gateways, and nginx before them."""
    world.start_redis()
    world.show("rock", {"STD": (5000, PLACES)}, max_per_booking=40)
    world.start(gateways=2)
    world.nginx = Nginx(world.folder, world.gateways).start()
    yield world
    assert world.nginx.stop() == 0


def sell_out(world, client):
    for number in range(PLACES // 4):
        assert client.book("rock", f"user {number}", "STD", 4).status == 201
    assert client.book("rock", "late", "STD", 1).code == "SOLD_OUT"


def is_sold_out(listener):
    return (listener.last("sale") or {}).get("state") == "sold_out" and \
        listener.last("availability")["available"] == 0


def test_a_sale_is_followed_to_its_end(venue, tmp_path):
    client = venue.client()
    nginx = venue.nginx
    wires = [Listener(port, "/v1/shows/rock/events", version="1.0", tls=tls)
             for port, tls in ((venue.gateways[0].port, None), (venue.gateways[1].port, None),
                               (nginx.port, nginx.tls))]
    out = tmp_path / "curl.txt"
    with open(out, "wb") as file:
        curls = [subprocess.Popen(["curl", "-sN", "--max-time", str(int(patience(60))),
                                   "--cacert", nginx.certificate, "--resolve",
                                   f"{NAME}:{nginx.port}:127.0.0.1",
                                   f"{origin}/v1/shows/rock/events"], stdout=stdout)
                 for origin, stdout in (
                     (f"https://{NAME}:{nginx.port}", file),
                     (f"http://127.0.0.1:{venue.gateways[0].port}", subprocess.DEVNULL))]
        for wire in wires:
            wire.wait_snapshot()
        wait_until("curl to hear", lambda: b'"opened"' in out.read_bytes())
        sell_out(venue, client)
        for wire in wires:
            wire.wait("the end of the sale", is_sold_out)
        wait_until("curl to hear of the end", lambda: b'"sold_out"' in out.read_bytes())
        for curl in curls:
            curl.terminate()
            curl.wait(timeout=10)
    status, fields = wires[2].head()
    assert status == 200 and fields["content-type"] == "text/event-stream"
    for wire in wires:
        wire.close()


async def follow(origin, heard, tls):
    """What aiohttp's client is told, until the sale is over."""
    connector = aiohttp.TCPConnector(ssl=tls, resolver=Resolver())
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.ws_connect(f"{origin}/v1/shows/rock/ws",
                                      headers={"Origin": origin}) as ws:
            async for message in ws:
                heard.append(json.loads(message.data))
                if heard[-1].get("state") == "sold_out":
                    break
            await ws.close()
            return ws.close_code


def test_websockets_follow_it_too(venue):
    client = venue.client()
    origins = [f"http://127.0.0.1:{venue.gateways[0].port}", f"https://{NAME}:{venue.nginx.port}"]
    heard, codes = {origin: [] for origin in origins}, {}
    def run(origin):
        followed = follow(origin, heard[origin], venue.nginx.tls)
        codes[origin] = asyncio.run(asyncio.wait_for(followed, patience(60)))
    threads = [threading.Thread(target=run, args=(origin,), daemon=True) for origin in origins]
    for thread in threads:
        thread.start()
    for origin in origins:
        wait_until("a first message", lambda o=origin: heard[o])
    sell_out(venue, client)
    for thread in threads:
        thread.join(timeout=patience(60))
        assert not thread.is_alive()
    assert codes == {origin: 1000 for origin in origins}
    for origin in origins:
        left = [event["available"] for event in heard[origin] if event["type"] == "availability"]
        assert left[0] == PLACES and left[-1] == 0 and left == sorted(left, reverse=True)


def test_a_gateway_ends_behind_nginx(venue):
    """The stream ends, says when to come again, and whoever comes goes on where he was."""
    client = venue.client(1)
    with Listener(venue.nginx.port, "/v1/shows/rock/events", version="1.0",
                  tls=venue.nginx.tls) as wire:
        wire.wait_snapshot()
        last = wire.last_id()
        text = [venue.client(n).get("/metrics").body.decode() for n in (0, 1)]
        serving = next(n for n in (0, 1) if 'usher_gateway_streams{transport="sse"} 1' in text[n])
        venue.gateways[serving].stop()
        wire.wait("the end", lambda l: l.ended)
        assert wire.blocks[-1].startswith("retry: ")
    other = venue.client(1 - serving) if serving else client
    assert other.book("rock", "ann", "STD", 1).status == 201
    with Listener(venue.nginx.port, "/v1/shows/rock/events", version="1.0",
                  tls=venue.nginx.tls, Last_Event_ID=last) as wire:
        wire.wait_available(PLACES - 1)
        assert wire.of("sale") == []
